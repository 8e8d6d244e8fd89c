#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static const size_t record_bytes_max = 16384;

// MARK: The BIO

static int read_input(BIO *bio, char *out, int capacity) {
    struct ce_tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (session->is_over_limit || capacity <= 0) return -1;
    if (session->input_count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = (size_t)capacity < session->input_count ? (size_t)capacity : session->input_count;
    if (!session->is_handshaken) {
        session->handshake_bytes += count;
        if (session->handshake_bytes > session->context->handshake_bytes) {
            session->is_over_limit = 1;
            return -1;
        }
    }
    memcpy(out, session->input, count);
    session->input += count;
    session->input_count -= count;
    return (int)count;
}

static int write_output(BIO *bio, const char *bytes, int count) {
    struct ce_tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (session->sink == NULL || count < 0) return -1;
    session->context->emit(session->sink, bytes, (size_t)count);
    return count;
}

static long control_bio(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_new_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "caller's memory");
    if (method == NULL) return NULL;
    if (BIO_meth_set_read(method, read_input) != 1 || BIO_meth_set_write(method, write_output) != 1 ||
        BIO_meth_set_ctrl(method, control_bio) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

// MARK: Sessions

/// The name goes out as SNI; an address must not (RFC 6066 §3).
static int expect_host(SSL *raw, const char *host) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(raw), host) == 1) return 1;
    SSL_set_hostflags(raw, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(raw, host) == 1 && SSL_set_tlsext_host_name(raw, host) == 1;
}

int ce_tls_session_open(struct ce_tls_context *context, const char *host, struct ce_tls_session **out) {
    if ((host != NULL) != context->is_client || (host != NULL && *host == 0)) return -EINVAL;
    struct ce_tls_session *made = calloc(1, sizeof *made);
    if (made == NULL) return -ENOMEM;
    ERR_clear_error();
    made->context = context;
    made->raw = SSL_new(context->raw);
    BIO *bio = made->raw == NULL ? NULL : BIO_new(context->method);
    int result = bio == NULL ? -ENOMEM : 0;
    if (result == 0) {
        BIO_set_data(bio, made);
        BIO_set_init(bio, 1);
        SSL_set_bio(made->raw, bio, bio);
        SSL_set_app_data(made->raw, made);
        if (host == NULL) SSL_set_accept_state(made->raw);
        else SSL_set_connect_state(made->raw);
        if (host != NULL && !expect_host(made->raw, host)) result = -EINVAL;
    }
    ERR_clear_error();
    if (result < 0) ce_tls_session_close(made);
    else *out = made;
    return result;
}

void ce_tls_session_close(struct ce_tls_session *session) {
    // A session freed without a shutdown would make its ticket unusable.
    if (session->raw != NULL && session->failure.kind == CE_TLS_FAILURE_NONE)
        SSL_set_shutdown(session->raw, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(session->raw);
    SSL_SESSION_free(session->ticket);
    free(session);
}

void ce_tls_feed(struct ce_tls_session *session, const void *bytes, size_t count) {
    if (session->is_ended) count = 0;
    session->input = bytes;
    session->input_count = count;
}

static void end_session(struct ce_tls_session *session) {
    session->is_ended = 1;
    session->input_count = 0;
}

/// What the error queue and the session tell after an operation that can never succeed.
static struct ce_tls_failure diagnose(const struct ce_tls_session *session) {
    if (session->is_over_limit) {
        ERR_clear_error();
        return tls_failure_of(CE_TLS_FAILURE_LIMIT, 0, session->is_handshaken ? "too many handshake messages"
                                                                         : "the handshake is too long");
    }
    struct ce_tls_failure why = tls_take_failure(CE_TLS_FAILURE_PROTOCOL);
    long verdict = SSL_get_verify_result(session->raw);
    if (why.detail > SSL_AD_REASON_OFFSET && why.detail < SSL_AD_REASON_OFFSET + 256)
        return tls_failure_of(CE_TLS_FAILURE_ALERT, why.detail - SSL_AD_REASON_OFFSET, why.text);
    if (why.detail == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
        return tls_failure_of(CE_TLS_FAILURE_UNTRUSTED, (int)verdict, X509_verify_cert_error_string(verdict));
    return why;
}

/// Returns 1 when `result` only means that more input is needed.
static int settle(struct ce_tls_session *session, int result) {
    switch (SSL_get_error(session->raw, result)) {
    case SSL_ERROR_WANT_READ:
        if (!session->is_over_limit) return 1;
        break;
    case SSL_ERROR_ZERO_RETURN: end_session(session); return 0;
    default: break;
    }
    session->failure = diagnose(session);
    end_session(session);
    return 0;
}

/// The end as an event.
static int tell_end(struct ce_tls_session *session, struct ce_tls_event *out) {
    if (session->is_told) return CE_TLS_IDLE;
    session->is_told = 1;
    out->failure = session->failure;
    return session->failure.kind == CE_TLS_FAILURE_NONE ? CE_TLS_CLOSED : CE_TLS_FAILED;
}

static int shake_hands(struct ce_tls_session *session, struct ce_tls_event *out) {
    int result = SSL_do_handshake(session->raw);
    if (result != 1) return settle(session, result) ? CE_TLS_IDLE : tell_end(session, out);
    session->is_handshaken = 1;
    return CE_TLS_HANDSHAKEN;
}

/// As many records as `plain` has room for, since each event costs the caller a turn of its parser.
static int read_plaintext(struct ce_tls_session *session, uint8_t *plain, size_t capacity,
                          struct ce_tls_event *out) {
    while (out->count < capacity) {
        size_t got = 0;
        int result = SSL_read_ex(session->raw, plain + out->count, capacity - out->count, &got);
        out->count += got;
        if (result == 1) continue;
        int is_idle = settle(session, result);
        if (out->count > 0) break;
        return is_idle ? CE_TLS_IDLE : tell_end(session, out);
    }
    return CE_TLS_PLAINTEXT;
}

int ce_tls_next(struct ce_tls_session *session, void *plain, size_t capacity, void *sink,
                struct ce_tls_event *out) {
    *out = (struct ce_tls_event){0};
    if (session->is_ended) return tell_end(session, out);
    ERR_clear_error();
    session->sink = sink;
    int result = session->is_handshaken ? read_plaintext(session, plain, capacity, out)
                                        : shake_hands(session, out);
    session->sink = NULL;
    return result;
}

int64_t ce_tls_write(struct ce_tls_session *session, const void *bytes, size_t count, void *sink) {
    if (session->failure.kind != CE_TLS_FAILURE_NONE || session->is_shut) return -EPIPE;
    if (!session->is_handshaken) return -EAGAIN;
    if (count == 0 || count > record_bytes_max) return -EINVAL;
    ERR_clear_error();
    session->sink = sink;
    size_t put = 0;
    int result = SSL_write_ex(session->raw, bytes, count, &put);
    session->sink = NULL;
    if (result == 1) return (int64_t)put;
    session->failure = diagnose(session);
    end_session(session);
    return -EPIPE;
}

void ce_tls_shutdown(struct ce_tls_session *session, void *sink) {
    if (session->failure.kind != CE_TLS_FAILURE_NONE || session->is_shut || !session->is_handshaken) return;
    session->is_shut = 1;
    ERR_clear_error();
    session->sink = sink;
    SSL_shutdown(session->raw);
    session->sink = NULL;
    ERR_clear_error();
}

int ce_tls_update_keys(struct ce_tls_session *session, int both) {
    if (session->failure.kind != CE_TLS_FAILURE_NONE || session->is_shut) return -EPIPE;
    ERR_clear_error();
    int kind = both ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
    int is_done = SSL_key_update(session->raw, kind) == 1;
    ERR_clear_error();
    return is_done ? 0 : -EOPNOTSUPP;
}

int ce_tls_session_version(const struct ce_tls_session *session) { return SSL_version(session->raw); }

int ce_tls_session_is_resumed(const struct ce_tls_session *session) {
    return SSL_session_reused(session->raw) == 1;
}

const char *ce_tls_session_cipher(const struct ce_tls_session *session) {
    return SSL_get_cipher_name(session->raw);
}

int ce_tls_session_alpn(const struct ce_tls_session *session, const uint8_t **out) {
    unsigned count = 0;
    SSL_get0_alpn_selected(session->raw, out, &count);
    return (int)count;
}

const char *ce_tls_session_name(const struct ce_tls_session *session) {
    return SSL_get_servername(session->raw, TLSEXT_NAMETYPE_host_name);
}

// MARK: Tickets of a client

struct ce_tls_ticket *ce_tls_session_take_ticket(struct ce_tls_session *session) {
    SSL_SESSION *ticket = session->ticket;
    session->ticket = NULL;
    // A ticket renewed while resuming TLS 1.2 is not told of; it is that of the session itself.
    if (ticket == NULL && session->is_handshaken && SSL_version(session->raw) == TLS1_2_VERSION &&
        SSL_SESSION_is_resumable(SSL_get0_session(session->raw)))
        ticket = SSL_get1_session(session->raw);
    return (struct ce_tls_ticket *)ticket;
}

int ce_tls_session_offer_ticket(struct ce_tls_session *session, struct ce_tls_ticket *ticket) {
    ERR_clear_error();
    return SSL_set_session(session->raw, (SSL_SESSION *)ticket) == 1 ? 0 : -EINVAL;
}

void ce_tls_ticket_free(struct ce_tls_ticket *ticket) { SSL_SESSION_free((SSL_SESSION *)ticket); }
