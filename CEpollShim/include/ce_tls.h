/// TLS 1.2 and 1.3 over OpenSSL 3, without I/O: ciphertext comes from the caller's memory and leaves through
/// a callback, so that it fits any poller and all output of a turn leaves in one send. Functions return a
/// value >= 0 or -errno unless they say otherwise; texts are static.
///
/// Kernel TLS is left out on purpose. OpenSSL hands its keys to the kernel only through its own socket BIO,
/// which this design does not have. To do the same by hand is to derive the traffic keys from the key log's
/// secrets (HKDF-Expand-Label for 1.3, the PRF for 1.2), to track sequence numbers over the tickets that follow
/// the handshake, and to take key updates and alerts as control messages: a second record layer, to save a
/// copy of large bodies, where this gateway's answers are kilobytes. Nor can it be relied on: a kernel without
/// CONFIG_TLS answers ENOENT to setsockopt(TCP_ULP, "tls").
#ifndef CE_TLS_H
#define CE_TLS_H

#include <stddef.h>
#include <stdint.h>

// MARK: Failures

enum {
    CE_TLS_FAILURE_NONE = 0,
    /// Memory, or a call that cannot fail for any input.
    CE_TLS_FAILURE_INTERNAL = 1,
    /// The peer broke the protocol, or there is nothing that both sides speak.
    CE_TLS_FAILURE_PROTOCOL = 2,
    /// The peer sent a fatal alert, whose number is `detail`.
    CE_TLS_FAILURE_ALERT = 3,
    /// The peer's certificate is refused for the reason `detail` (X509_V_ERR_*).
    CE_TLS_FAILURE_UNTRUSTED = 4,
    /// A limit of ce_tls_context_limits.
    CE_TLS_FAILURE_LIMIT = 5,

    // Of ce_tls_identity_parse, ce_tls_context_accepts and ce_tls_context_trust.
    CE_TLS_FAILURE_NO_CERTIFICATE = 10,
    CE_TLS_FAILURE_BAD_CERTIFICATE = 11,
    CE_TLS_FAILURE_NO_KEY = 12,
    CE_TLS_FAILURE_BAD_KEY = 13,
    CE_TLS_FAILURE_ENCRYPTED_KEY = 14,
    CE_TLS_FAILURE_KEY_MISMATCH = 15,
    /// Too weak for the security level.
    CE_TLS_FAILURE_WEAK = 16,
};

struct ce_tls_failure {
    int kind;
    int detail;
    /// OpenSSL's words; never NULL.
    const char *text;
};

// MARK: Certificates

/// A certificate, its chain and its key. Immutable; usable on any thread.
struct ce_tls_identity;

/// Reads the first certificate of `chain` as the leaf and the others as its chain, and the first key of `key`
/// (both PEM; other blocks are skipped). Returns 0, or -EINVAL with the reason in `why`.
int ce_tls_identity_parse(const void *chain, size_t chain_count, const void *key, size_t key_count,
                          struct ce_tls_identity **out, struct ce_tls_failure *why);

void ce_tls_identity_free(struct ce_tls_identity *identity);

/// The `index`th DNS name of the leaf (subject alternative names; without any, the common name), with a NUL.
/// Returns its length, -ENOENT behind the last, -EILSEQ for one that is too long or holds a NUL.
int ce_tls_identity_name(const struct ce_tls_identity *identity, int index, char *out, size_t capacity);

/// When the leaf is valid, in Unix seconds. Returns 0, -EINVAL when a date cannot be read.
int ce_tls_identity_validity(const struct ce_tls_identity *identity, int64_t *from, int64_t *to);

/// 1 when each certificate of the chain has issued the one before it.
int ce_tls_identity_is_ordered(const struct ce_tls_identity *identity);

// MARK: Contexts

/// What sessions have in common. Configured on one thread, then immutable and usable on any.
struct ce_tls_context;

enum {
    CE_TLS_VERSION_1_2 = 0x0303,
    CE_TLS_VERSION_1_3 = 0x0304,
    CE_TLS_TICKET_NAME_BYTES = 16,
    /// An AES-256 key and an HMAC-SHA-256 key.
    CE_TLS_TICKET_SECRET_BYTES = 64,
};

/// What `ticket_key` answers.
enum {
    CE_TLS_TICKET_UNKNOWN = 0,
    CE_TLS_TICKET_KNOWN = 1,
    /// Good, but the client should get a new ticket.
    CE_TLS_TICKET_OLD = 2,
};

/// Called with ciphertext to be sent; `sink` is that of the call that caused it.
typedef void (*ce_tls_emit)(void *sink, const void *bytes, size_t count);
/// The identity for the name the client asks for (NULL: it asks for none), or NULL to refuse.
typedef const struct ce_tls_identity *(*ce_tls_choose)(void *owner, const char *name);
/// With `is_new`: fills name and secret of the key for new tickets. Otherwise: the secret for `name`.
typedef int (*ce_tls_ticket_key)(void *owner, int is_new, uint8_t *name, uint8_t *secret);

/// A context for the server's side, or the client's, of versions from `min` to `max`. No compression, no
/// renegotiation, no session cache, security level 2; buffers are released while idle. Returns 0.
int ce_tls_context_open(int is_client, int min, int max, ce_tls_emit emit, struct ce_tls_context **out);

void ce_tls_context_close(struct ce_tls_context *context);

/// Ciphers of TLS 1.2, suites of 1.3 and key exchange groups, in OpenSSL's notation, best first. Returns 0.
int ce_tls_context_ciphers(struct ce_tls_context *context, const char *ciphers, const char *suites,
                           const char *groups);

/// Application protocols, best first, each with its length before it (RFC 7301). A client that offers only
/// others is refused. Returns 0.
int ce_tls_context_alpn(struct ce_tls_context *context, const uint8_t *protocols, size_t count);

/// Ends a handshake of more than `handshake_bytes` from the peer, and a session of more than `messages`
/// handshake messages after it (key updates, tickets).
void ce_tls_context_limits(struct ce_tls_context *context, size_t handshake_bytes, uint32_t messages);

/// Server: certificates by name. `owner` must outlive every session of the context.
void ce_tls_context_identities(struct ce_tls_context *context, void *owner, ce_tls_choose choose);

/// Server: stateless tickets that are good for `seconds`. Without this call there are none. Returns 0.
int ce_tls_context_tickets(struct ce_tls_context *context, void *owner, ce_tls_ticket_key key, int seconds);

/// Whether a session of this server context could use `identity`. Returns 0, or -EINVAL with the reason.
int ce_tls_context_accepts(struct ce_tls_context *context, const struct ce_tls_identity *identity,
                           struct ce_tls_failure *why);

/// Client: the certificates of authorities to trust, as PEM; NULL for those of the system. Returns 0, or
/// -EINVAL with the reason.
int ce_tls_context_trust(struct ce_tls_context *context, const void *pem, size_t count,
                         struct ce_tls_failure *why);

// MARK: Sessions

/// One connection. Confined to one thread at a time. The context must outlive it.
struct ce_tls_session;

enum {
    /// All input is used up.
    CE_TLS_IDLE = 0,
    /// The handshake is done. Comes once.
    CE_TLS_HANDSHAKEN = 1,
    /// `count` bytes were written to `plain`.
    CE_TLS_PLAINTEXT = 2,
    /// The peer has sent its close_notify: no bytes were cut off. Comes once.
    CE_TLS_CLOSED = 3,
    /// Final; `failure` says why. The alert for the peer was emitted. Comes once.
    CE_TLS_FAILED = 4,
};

struct ce_tls_event {
    size_t count;
    struct ce_tls_failure failure;
};

/// `host`: for a client, the name (sent as SNI) or address that the certificate must be for; a server has
/// NULL. Returns 0, -EINVAL for a host that cannot be a name.
int ce_tls_session_open(struct ce_tls_context *context, const char *host, struct ce_tls_session **out);

void ce_tls_session_close(struct ce_tls_session *session);

/// Lends ciphertext: it must stay until ce_tls_next has returned CE_TLS_IDLE. What was left of an earlier
/// piece is dropped.
void ce_tls_feed(struct ce_tls_session *session, const void *bytes, size_t count);

/// Works through the input until something has happened. A client's first call, without input, emits its
/// first flight. Returns one of CE_TLS_IDLE...
int ce_tls_next(struct ce_tls_session *session, void *plain, size_t capacity, void *sink,
                struct ce_tls_event *out);

/// Encrypts `count` > 0 bytes, at most 16384: one record. Returns `count`; -EAGAIN before the end of the
/// handshake, -EPIPE after ce_tls_shutdown or a failure.
int64_t ce_tls_write(struct ce_tls_session *session, const void *bytes, size_t count, void *sink);

/// Emits close_notify, once, if the handshake is done. Reading may go on.
void ce_tls_shutdown(struct ce_tls_session *session, void *sink);

/// TLS 1.3: the next write is preceded by a change of our keys; with `both`, the peer is asked for the same.
/// Returns 0, -EOPNOTSUPP on 1.2.
int ce_tls_update_keys(struct ce_tls_session *session, int both);

/// After the handshake: one of CE_TLS_VERSION_*, 1 when it resumed an earlier session, the cipher's name.
int ce_tls_session_version(const struct ce_tls_session *session);
int ce_tls_session_is_resumed(const struct ce_tls_session *session);
const char *ce_tls_session_cipher(const struct ce_tls_session *session);

/// The application protocol agreed on, valid as long as the session. Returns its length, 0 for none.
int ce_tls_session_alpn(const struct ce_tls_session *session, const uint8_t **out);

/// Server: the name the client asked for, NULL without one.
const char *ce_tls_session_name(const struct ce_tls_session *session);

// MARK: Tickets of a client

/// What a server gave to resume a session later.
struct ce_tls_ticket;

/// The newest ticket, which then is the caller's; NULL when none has come since. On 1.2, where tickets may be
/// used again, the one of the session comes each time.
struct ce_tls_ticket *ce_tls_session_take_ticket(struct ce_tls_session *session);

/// Offers `ticket`, before the first ce_tls_next. Returns 0.
int ce_tls_session_offer_ticket(struct ce_tls_session *session, struct ce_tls_ticket *ticket);

void ce_tls_ticket_free(struct ce_tls_ticket *ticket);

#endif
