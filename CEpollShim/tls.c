#include "ce_tls.h"

#include "ce_crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct ce_tls_context {
    SSL_CTX *raw;
    BIO_METHOD *method;
    ce_tls_emit emit;
    void *choose_owner;
    ce_tls_choose choose;
    void *ticket_owner;
    ce_tls_ticket_key ticket_key;
    uint8_t *protocols;
    unsigned protocols_count;
    size_t handshake_bytes;
    uint32_t messages;
    int is_client;
};

struct ce_tls_session {
    SSL *raw;
    const struct ce_tls_context *context;
    /// Ciphertext of the caller that was not read yet.
    const uint8_t *input;
    size_t input_count;
    /// Non-NULL exactly during a call that may emit.
    void *sink;
    /// Client: the newest session that the server lets us resume.
    SSL_SESSION *ticket;
    size_t handshake_bytes;
    uint32_t messages;
    /// Kept until the plaintext before it is delivered.
    struct ce_tls_failure failure;
    uint8_t is_handshaken, is_shut, is_over_limit;
    /// Nothing is read any more. The end itself may still have to be told.
    uint8_t is_ended, is_told;
};

static const size_t record_bytes_max = 16384;

// MARK: Failures

static struct ce_tls_failure failure_of(int kind, int detail, const char *text) {
    return (struct ce_tls_failure){.kind = kind, .detail = detail, .text = text ? text : "unknown reason"};
}

/// Takes the errors of this thread away. The first one is the cause; later ones tell which callers noticed.
static struct ce_tls_failure take_failure(int kind) {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    return failure_of(kind, ERR_GET_REASON(code), code ? ERR_reason_error_string(code) : NULL);
}

static int refuse(struct ce_tls_failure *why, int kind) {
    *why = take_failure(kind);
    return -EINVAL;
}

// MARK: Certificates

struct ce_tls_identity {
    X509 *leaf;
    STACK_OF(X509) *chain;
    EVP_PKEY *key;
};

/// Without it OpenSSL would ask for a password on the terminal. Tells its caller that it was asked.
static int no_password(char *out, int capacity, int is_writing, void *was_asked) {
    (void)out, (void)capacity, (void)is_writing;
    *(int *)was_asked = 1;
    return -1;
}

/// Appends every certificate of `pem` to `out`. Returns their number, or -EINVAL.
static int read_certificates(const void *pem, size_t count, STACK_OF(X509) *out, struct ce_tls_failure *why) {
    ERR_clear_error();
    BIO *bytes = count > INT_MAX ? NULL : BIO_new_mem_buf(count > 0 ? pem : "", (int)count);
    if (bytes == NULL) return refuse(why, CE_TLS_FAILURE_INTERNAL);
    int was_asked = 0, found = 0;
    X509 *next;
    while ((next = PEM_read_bio_X509(bytes, NULL, no_password, &was_asked)) != NULL) {
        if (sk_X509_push(out, next) <= 0) {
            X509_free(next);
            BIO_free(bytes);
            return refuse(why, CE_TLS_FAILURE_INTERNAL);
        }
        found += 1;
    }
    BIO_free(bytes);
    unsigned long last = ERR_peek_last_error();
    int is_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (!is_end) return refuse(why, CE_TLS_FAILURE_BAD_CERTIFICATE);
    if (found == 0) return refuse(why, CE_TLS_FAILURE_NO_CERTIFICATE);
    ERR_clear_error();
    return found;
}

static EVP_PKEY *read_key(const void *pem, size_t count, struct ce_tls_failure *why) {
    ERR_clear_error();
    BIO *bytes = count > INT_MAX ? NULL : BIO_new_mem_buf(count > 0 ? pem : "", (int)count);
    if (bytes == NULL) {
        refuse(why, CE_TLS_FAILURE_INTERNAL);
        return NULL;
    }
    int was_asked = 0;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bytes, NULL, no_password, &was_asked);
    // The decoder reports a missing key and a broken one alike: look for a block that claims to be one.
    int has_block = 0;
    if (key == NULL) {
        (void)BIO_reset(bytes);
        char line[128];
        while (!has_block && BIO_gets(bytes, line, sizeof line) > 0)
            has_block = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, "PRIVATE KEY-----") != NULL;
    }
    BIO_free(bytes);
    if (key == NULL)
        refuse(why, was_asked    ? CE_TLS_FAILURE_ENCRYPTED_KEY
                    : has_block ? CE_TLS_FAILURE_BAD_KEY
                                : CE_TLS_FAILURE_NO_KEY);
    return key;
}

int ce_tls_identity_parse(const void *chain, size_t chain_count, const void *key, size_t key_count,
                          struct ce_tls_identity **out, struct ce_tls_failure *why) {
    *why = failure_of(CE_TLS_FAILURE_INTERNAL, 0, "out of memory");
    struct ce_tls_identity *made = calloc(1, sizeof *made);
    if (made == NULL) return -EINVAL;
    made->chain = sk_X509_new_null();
    if (made->chain == NULL || read_certificates(chain, chain_count, made->chain, why) < 0) goto failed;
    made->leaf = sk_X509_shift(made->chain);
    made->key = read_key(key, key_count, why);
    if (made->key == NULL) goto failed;
    if (X509_check_private_key(made->leaf, made->key) != 1) {
        refuse(why, CE_TLS_FAILURE_KEY_MISMATCH);
        goto failed;
    }
    *why = failure_of(CE_TLS_FAILURE_NONE, 0, "");
    *out = made;
    return 0;
failed:
    ce_tls_identity_free(made);
    return -EINVAL;
}

void ce_tls_identity_free(struct ce_tls_identity *identity) {
    if (identity == NULL) return;
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    free(identity);
}

static int copy_name(const char *name, int length, char *out, size_t capacity) {
    if (length <= 0 || (size_t)length >= capacity || memchr(name, 0, (size_t)length) != NULL) return -EILSEQ;
    memcpy(out, name, (size_t)length);
    out[length] = 0;
    return length;
}

static int common_name(const X509 *leaf, char *out, size_t capacity) {
    X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    X509_NAME_ENTRY *entry = at < 0 ? NULL : X509_NAME_get_entry(subject, at);
    if (entry == NULL) return -ENOENT;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(entry);
    return copy_name((const char *)ASN1_STRING_get0_data(text), ASN1_STRING_length(text), out, capacity);
}

int ce_tls_identity_name(const struct ce_tls_identity *identity, int index, char *out, size_t capacity) {
    GENERAL_NAMES *names = X509_get_ext_d2i(identity->leaf, NID_subject_alt_name, NULL, NULL);
    if (names == NULL) return index == 0 ? common_name(identity->leaf, out, capacity) : -ENOENT;
    int result = -ENOENT;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS || index-- > 0) continue;
        result = copy_name((const char *)ASN1_STRING_get0_data(name->d.dNSName),
                           ASN1_STRING_length(name->d.dNSName), out, capacity);
        break;
    }
    GENERAL_NAMES_free(names);
    return result;
}

static int unix_seconds(const ASN1_TIME *time, int64_t *out) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    int is_read = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    *out = (int64_t)days * 86400 + seconds;
    return is_read ? 0 : -EINVAL;
}

int ce_tls_identity_validity(const struct ce_tls_identity *identity, int64_t *from, int64_t *to) {
    int result = unix_seconds(X509_get0_notBefore(identity->leaf), from);
    return result < 0 ? result : unix_seconds(X509_get0_notAfter(identity->leaf), to);
}

int ce_tls_identity_is_ordered(const struct ce_tls_identity *identity) {
    X509 *issued = identity->leaf;
    for (int i = 0; i < sk_X509_num(identity->chain); i++) {
        X509 *issuer = sk_X509_value(identity->chain, i);
        if (X509_check_issued(issuer, issued) != X509_V_OK) return 0;
        issued = issuer;
    }
    return 1;
}

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

static BIO_METHOD *new_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "caller's memory");
    if (method == NULL) return NULL;
    if (BIO_meth_set_read(method, read_input) != 1 || BIO_meth_set_write(method, write_output) != 1 ||
        BIO_meth_set_ctrl(method, control_bio) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

// MARK: Callbacks of OpenSSL

static struct ce_tls_context *context_of(const SSL *raw) {
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(raw));
}

static int choose_identity(SSL *raw, void *argument) {
    const struct ce_tls_context *context = argument;
    const struct ce_tls_identity *identity =
        context->choose(context->choose_owner, SSL_get_servername(raw, TLSEXT_NAMETYPE_host_name));
    if (identity == NULL) return 0;
    SSL_certs_clear(raw);
    return SSL_use_cert_and_key(raw, identity->leaf, identity->key, identity->chain, 1);
}

static int choose_protocol(SSL *raw, const unsigned char **out, unsigned char *length,
                           const unsigned char *offered, unsigned offered_count, void *argument) {
    (void)raw;
    const struct ce_tls_context *context = argument;
    unsigned char *chosen = NULL;
    // The first list's order decides.
    int result = SSL_select_next_proto(&chosen, length, context->protocols, context->protocols_count, offered,
                                       offered_count);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int protect_ticket(SSL *raw, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                          EVP_MAC_CTX *mac, int is_new) {
    const struct ce_tls_context *context = context_of(raw);
    uint8_t secret[CE_TLS_TICKET_SECRET_BYTES];
    int found = context->ticket_key(context->ticket_owner, is_new, name, secret);
    if (found == CE_TLS_TICKET_UNKNOWN) return 0;
    // Tickets of TLS 1.3 are for one use (RFC 8446 appendix C.4), so each use earns a new one.
    if (!is_new && SSL_version(raw) == TLS1_3_VERSION) found = CE_TLS_TICKET_OLD;
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret + 32, 32),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    int is_done = EVP_MAC_CTX_set_params(mac, parameters) == 1;
    if (is_new) is_done = is_done && ce_random(iv, EVP_MAX_IV_LENGTH) == 0;
    is_done = is_done && EVP_CipherInit_ex2(cipher, EVP_aes_256_cbc(), secret, iv, is_new, NULL) == 1;
    OPENSSL_cleanse(secret, sizeof secret);
    return is_done ? found : -1;
}

static int keep_ticket(SSL *raw, SSL_SESSION *ticket) {
    struct ce_tls_session *session = SSL_get_app_data(raw);
    SSL_SESSION_free(session->ticket);
    session->ticket = ticket;
    return 1;  // The reference is ours now.
}

/// Counts the steps of the state machine after the handshake: what a peer can send there without end.
static void count_message(const SSL *raw, int where, int result) {
    (void)result;
    struct ce_tls_session *session = SSL_get_app_data(raw);
    if (!(where & SSL_CB_LOOP) || session == NULL || !session->is_handshaken) return;
    session->messages += 1;
    if (session->messages > session->context->messages) session->is_over_limit = 1;
}

// MARK: Contexts

static int configure(struct ce_tls_context *context, int min, int max) {
    SSL_CTX *raw = context->raw;
    // The system's openssl.cnf has been applied: everything that matters is said again.
    SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_clear_options(raw, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_security_level(raw, 2);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(raw, 0);
    SSL_CTX_set_read_ahead(raw, 0);
    SSL_CTX_set_app_data(raw, context);
    SSL_CTX_set_info_callback(raw, count_message);
    if (context->is_client) {
        SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, NULL);
        SSL_CTX_clear_options(raw, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(raw, keep_ticket);
    }
    static const unsigned char id[] = "mcp-gateway";
    return SSL_CTX_set_session_id_context(raw, id, sizeof id - 1) == 1 &&
           SSL_CTX_set_max_early_data(raw, 0) == 1 && SSL_CTX_set_min_proto_version(raw, min) == 1 &&
           SSL_CTX_set_max_proto_version(raw, max) == 1;
}

int ce_tls_context_open(int is_client, int min, int max, ce_tls_emit emit, struct ce_tls_context **out) {
    struct ce_tls_context *made = calloc(1, sizeof *made);
    if (made == NULL) return -ENOMEM;
    ERR_clear_error();
    made->is_client = is_client;
    made->emit = emit;
    made->handshake_bytes = SIZE_MAX;
    made->messages = UINT32_MAX;
    made->method = new_method();
    made->raw = SSL_CTX_new(is_client ? TLS_client_method() : TLS_server_method());
    if (made->method == NULL || made->raw == NULL || !configure(made, min, max)) {
        ERR_clear_error();
        ce_tls_context_close(made);
        return -EINVAL;
    }
    *out = made;
    return 0;
}

void ce_tls_context_close(struct ce_tls_context *context) {
    if (context == NULL) return;
    SSL_CTX_free(context->raw);
    BIO_meth_free(context->method);
    free(context->protocols);
    free(context);
}

int ce_tls_context_ciphers(struct ce_tls_context *context, const char *ciphers, const char *suites,
                           const char *groups) {
    int is_done = SSL_CTX_set_cipher_list(context->raw, ciphers) == 1 &&
                  SSL_CTX_set_ciphersuites(context->raw, suites) == 1 &&
                  SSL_CTX_set1_groups_list(context->raw, groups) == 1;
    ERR_clear_error();
    return is_done ? 0 : -EINVAL;
}

int ce_tls_context_alpn(struct ce_tls_context *context, const uint8_t *protocols, size_t count) {
    if (count == 0 || count > UINT16_MAX) return -EINVAL;
    if (context->is_client)  // Returns 0 for success.
        return SSL_CTX_set_alpn_protos(context->raw, protocols, (unsigned)count) == 0 ? 0 : -EINVAL;
    uint8_t *copy = malloc(count);
    if (copy == NULL) return -ENOMEM;
    memcpy(copy, protocols, count);
    free(context->protocols);
    context->protocols = copy;
    context->protocols_count = (unsigned)count;
    SSL_CTX_set_alpn_select_cb(context->raw, choose_protocol, context);
    return 0;
}

void ce_tls_context_limits(struct ce_tls_context *context, size_t handshake_bytes, uint32_t messages) {
    context->handshake_bytes = handshake_bytes;
    context->messages = messages;
}

void ce_tls_context_identities(struct ce_tls_context *context, void *owner, ce_tls_choose choose) {
    context->choose_owner = owner;
    context->choose = choose;
    SSL_CTX_set_cert_cb(context->raw, choose_identity, context);
}

int ce_tls_context_tickets(struct ce_tls_context *context, void *owner, ce_tls_ticket_key key, int seconds) {
    context->ticket_owner = owner;
    context->ticket_key = key;
    SSL_CTX_clear_options(context->raw, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context->raw, 2);  // A client may come back with two connections at once.
    SSL_CTX_set_timeout(context->raw, seconds);
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(context->raw, protect_ticket) == 1 ? 0 : -EINVAL;
}

int ce_tls_context_accepts(struct ce_tls_context *context, const struct ce_tls_identity *identity,
                           struct ce_tls_failure *why) {
    ERR_clear_error();
    SSL *probe = SSL_new(context->raw);
    if (probe == NULL) return refuse(why, CE_TLS_FAILURE_INTERNAL);
    int is_accepted = SSL_use_cert_and_key(probe, identity->leaf, identity->key, identity->chain, 1) == 1;
    SSL_free(probe);
    return is_accepted ? 0 : refuse(why, CE_TLS_FAILURE_WEAK);
}

int ce_tls_context_trust(struct ce_tls_context *context, const void *pem, size_t count,
                         struct ce_tls_failure *why) {
    ERR_clear_error();
    if (pem == NULL)
        return SSL_CTX_set_default_verify_paths(context->raw) == 1 ? 0 : refuse(why, CE_TLS_FAILURE_INTERNAL);
    STACK_OF(X509) *authorities = sk_X509_new_null();
    if (authorities == NULL) return refuse(why, CE_TLS_FAILURE_INTERNAL);
    int result = read_certificates(pem, count, authorities, why);
    X509_STORE *store = SSL_CTX_get_cert_store(context->raw);
    for (int i = 0; result >= 0 && i < sk_X509_num(authorities); i++)
        if (X509_STORE_add_cert(store, sk_X509_value(authorities, i)) != 1)
            result = refuse(why, CE_TLS_FAILURE_BAD_CERTIFICATE);
    sk_X509_pop_free(authorities, X509_free);
    return result < 0 ? result : 0;
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
        return failure_of(CE_TLS_FAILURE_LIMIT, 0, session->is_handshaken ? "too many handshake messages"
                                                                         : "the handshake is too long");
    }
    struct ce_tls_failure why = take_failure(CE_TLS_FAILURE_PROTOCOL);
    long verdict = SSL_get_verify_result(session->raw);
    if (why.detail > SSL_AD_REASON_OFFSET && why.detail < SSL_AD_REASON_OFFSET + 256)
        return failure_of(CE_TLS_FAILURE_ALERT, why.detail - SSL_AD_REASON_OFFSET, why.text);
    if (why.detail == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
        return failure_of(CE_TLS_FAILURE_UNTRUSTED, (int)verdict, X509_verify_cert_error_string(verdict));
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
