/// A blocking TLS client over a connected socket, for commands that ask a gateway and end. Not for a loop.
#ifndef CE_TLS_CLIENT_H
#define CE_TLS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct ce_tls_client;

/// Shakes hands on the blocking socket `fd`, which stays the caller's. The certificate must lead to an authority of
/// the system (or of SSL_CERT_FILE, SSL_CERT_DIR) and be for `host`, a name or a numeric address. Speaks HTTP/1.1
/// only (ALPN). Returns 0 and the session; -EPROTO and the reason in words, or -ENOMEM.
int ce_tls_client_open(int fd, const char *host, char *reason, size_t capacity, struct ce_tls_client **out);

/// The bytes read, 0 at the end, which an end without TLS's own alert is not: -ECONNRESET.
int64_t ce_tls_client_read(struct ce_tls_client *client, void *bytes, size_t count);

/// Writes all `count` bytes. Returns 0.
int ce_tls_client_write_all(struct ce_tls_client *client, const void *bytes, size_t count);

void ce_tls_client_close(struct ce_tls_client *client);

#endif
