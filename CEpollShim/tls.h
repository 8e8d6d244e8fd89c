/// What the files of TLS share.
#pragma once

#include "ce_tls.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

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

struct ce_tls_identity {
    X509 *leaf;
    STACK_OF(X509) *chain;
    EVP_PKEY *key;
};

struct ce_tls_failure tls_failure_of(int kind, int detail, const char *text);

/// Takes the errors of this thread away. The first one is the cause; later ones tell which callers noticed.
struct ce_tls_failure tls_take_failure(int kind);

int tls_refuse(struct ce_tls_failure *why, int kind);

int tls_read_certificates(const void *pem, size_t count, STACK_OF(X509) *out, struct ce_tls_failure *why);

/// How sessions read from the caller's memory and write to it.
BIO_METHOD *tls_new_method(void);
