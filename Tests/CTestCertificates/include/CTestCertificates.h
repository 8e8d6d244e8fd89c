/// Certificates for tests, made anew in each run: no key lies in the tree, and none expires.
#ifndef CTESTCERTIFICATES_H
#define CTESTCERTIFICATES_H

#include <stddef.h>

struct ctc_certificate;

/// A P-256 certificate (RSA of `rsa_bits` when not 0) signed by `issuer`, NULL: by itself. `names` are
/// subject alternative names as OpenSSL writes them, such as `DNS:example.com,IP:127.0.0.1`, or NULL.
/// Valid from and to this many seconds from now. NULL on an error.
struct ctc_certificate *ctc_make(const struct ctc_certificate *issuer, const char *common_name,
                                 const char *names, int is_authority, long from, long to, int rsa_bits);

/// Write PEM text with a NUL. Return its length, -1 on an error. With a password the key is encrypted.
int ctc_certificate_pem(const struct ctc_certificate *certificate, char *out, size_t capacity);
int ctc_key_pem(const struct ctc_certificate *certificate, const char *password, char *out, size_t capacity);

void ctc_free(struct ctc_certificate *certificate);

/// Bytes in use on the heap of this process, all arenas.
size_t ctc_heap_bytes(void);

#endif
