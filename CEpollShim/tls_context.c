#include "tls.h"

#include "ce_crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

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
    made->method = tls_new_method();
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
    if (probe == NULL) return tls_refuse(why, CE_TLS_FAILURE_INTERNAL);
    int is_accepted = SSL_use_cert_and_key(probe, identity->leaf, identity->key, identity->chain, 1) == 1;
    SSL_free(probe);
    return is_accepted ? 0 : tls_refuse(why, CE_TLS_FAILURE_WEAK);
}

int ce_tls_context_trust(struct ce_tls_context *context, const void *pem, size_t count,
                         struct ce_tls_failure *why) {
    ERR_clear_error();
    if (pem == NULL)
        return SSL_CTX_set_default_verify_paths(context->raw) == 1 ? 0 : tls_refuse(why, CE_TLS_FAILURE_INTERNAL);
    STACK_OF(X509) *authorities = sk_X509_new_null();
    if (authorities == NULL) return tls_refuse(why, CE_TLS_FAILURE_INTERNAL);
    int result = tls_read_certificates(pem, count, authorities, why);
    X509_STORE *store = SSL_CTX_get_cert_store(context->raw);
    for (int i = 0; result >= 0 && i < sk_X509_num(authorities); i++)
        if (X509_STORE_add_cert(store, sk_X509_value(authorities, i)) != 1)
            result = tls_refuse(why, CE_TLS_FAILURE_BAD_CERTIFICATE);
    sk_X509_pop_free(authorities, X509_free);
    return result < 0 ? result : 0;
}
