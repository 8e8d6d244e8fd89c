#include "ce_tls_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

struct ce_tls_client {
    SSL_CTX *context;
    SSL *session;
};

static int is_address(const char *host) {
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/// Names `host` to the server and to the check of its certificate. Returns 1.
static int set_host(SSL *session, const char *host) {
    X509_VERIFY_PARAM *checks = SSL_get0_param(session);
    if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(checks, host);
    return SSL_set_tlsext_host_name(session, host) == 1 && SSL_set1_host(session, host) == 1;
}

static void explain(SSL *session, char *reason, size_t capacity) {
    long verdict = SSL_get_verify_result(session);
    const char *words = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
                                             : ERR_reason_error_string(ERR_peek_last_error());
    snprintf(reason, capacity, "%s", words ? words : "the connection ended");
}

int ce_tls_client_open(int fd, const char *host, char *reason, size_t capacity, struct ce_tls_client **out) {
    static const unsigned char http1[] = "\x08http/1.1";
    struct ce_tls_client *client = OPENSSL_zalloc(sizeof *client);
    if (!client) return -ENOMEM;
    ERR_clear_error();
    client->context = SSL_CTX_new(TLS_client_method());
    if (client->context) client->session = SSL_new(client->context);
    if (!client->session) {
        ce_tls_client_close(client);
        return -ENOMEM;
    }
    SSL_CTX_set_default_verify_paths(client->context);
    SSL_set_min_proto_version(client->session, TLS1_2_VERSION);
    SSL_set_verify(client->session, SSL_VERIFY_PEER, NULL);
    SSL_set_alpn_protos(client->session, http1, sizeof http1 - 1);
    if (!set_host(client->session, host) || SSL_set_fd(client->session, fd) != 1 ||
        SSL_connect(client->session) != 1) {
        explain(client->session, reason, capacity);
        ce_tls_client_close(client);
        return -EPROTO;
    }
    *out = client;
    return 0;
}

int64_t ce_tls_client_read(struct ce_tls_client *client, void *bytes, size_t count) {
    size_t got = 0;
    ERR_clear_error();
    errno = 0;
    if (SSL_read_ex(client->session, bytes, count, &got) == 1) return (int64_t)got;
    if (SSL_get_error(client->session, 0) == SSL_ERROR_ZERO_RETURN) return 0;
    return errno ? -errno : -ECONNRESET;
}

int ce_tls_client_write_all(struct ce_tls_client *client, const void *bytes, size_t count) {
    size_t sent = 0;
    ERR_clear_error();
    errno = 0;
    // Without partial writes a blocking session sends all or fails.
    if (count == 0 || SSL_write_ex(client->session, bytes, count, &sent) == 1) return 0;
    return errno ? -errno : -ECONNRESET;
}

void ce_tls_client_close(struct ce_tls_client *client) {
    if (!client) return;
    if (client->session) SSL_shutdown(client->session);
    SSL_free(client->session);
    SSL_CTX_free(client->context);
    OPENSSL_free(client);
}
