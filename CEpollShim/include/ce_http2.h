/// The server side of HTTP/2 (RFC 9113) over libnghttp2, without I/O: bytes in, callbacks and bytes out.
/// No policy: what is refused, counted or answered is decided by who owns the session.
/// Not safe for use by two threads at once. Every function returns a value >= 0 or -errno.
#ifndef CE_HTTP2_H
#define CE_HTTP2_H

#include <stddef.h>
#include <stdint.h>

struct ce_http2;

enum {
    CE_HTTP2_FRAME_HEADER_BYTES = 9,
    /// Fields of one block that is sent.
    CE_HTTP2_FIELDS_MAX = 64,
};

/// What a callback wants to happen.
enum {
    CE_HTTP2_GO_ON = 0,
    /// Of `fields_begin` and `field`: the further fields are dropped, unlooked at. The owner ends the stream or the
    /// connection.
    CE_HTTP2_DROP = 1,
    /// Of `send_body`: ce_http2_next returns 0 after this frame.
    CE_HTTP2_PAUSE = 2,
};

/// What `body` tells beside the number of bytes.
enum {
    /// More bytes will come, after ce_http2_resume.
    CE_HTTP2_BODY_WAITS = 1,
    /// These bytes are the last of the body, and of the stream.
    CE_HTTP2_BODY_ENDS = 2,
    /// These bytes are the last of the body; trailers follow.
    CE_HTTP2_BODY_ENDS_BEFORE_TRAILERS = 3,
};

/// The session's owner, called while ce_http2_receive or ce_http2_next runs. Inside a callback every function
/// may be called but these two and ce_http2_close.
struct ce_http2_callbacks {
    /// A field section begins: of a request, or `is_trailer`.
    int (*fields_begin)(void *owner, uint32_t stream, int is_trailer);
    /// One field that is valid by RFC 9113 §8.2.
    int (*field)(void *owner, uint32_t stream, const uint8_t *name, size_t name_count, const uint8_t *value,
                 size_t value_count);
    /// A whole valid frame was received.
    void (*frame)(void *owner, uint32_t stream, uint8_t type, uint8_t flags);
    /// Bytes of a DATA frame, without padding.
    void (*data)(void *owner, uint32_t stream, const uint8_t *bytes, size_t count);
    /// A frame was refused; nghttp2 has answered it with a reset or a GOAWAY.
    void (*invalid)(void *owner, uint32_t stream, uint8_t type);
    /// The stream is gone; `code` is why (RFC 9113 §7).
    void (*closed)(void *owner, uint32_t stream, uint32_t code);
    /// A frame was handed out for sending; `code` is that of RST_STREAM and GOAWAY, else 0.
    void (*sent)(void *owner, uint32_t stream, uint8_t type, uint32_t code);
    /// How many bytes of the body, at most `room`, may be sent; `state` is set to CE_HTTP2_BODY_... or stays 0.
    size_t (*body)(void *owner, uint32_t stream, size_t room, int *state);
    /// Send a DATA frame now: its header, then `count` bytes of the body.
    int (*send_body)(void *owner, uint32_t stream, const uint8_t header[CE_HTTP2_FRAME_HEADER_BYTES],
                     size_t count);
};

struct ce_http2_settings {
    uint32_t streams_max;
    uint32_t header_list_bytes;
    /// Window of the connection for request bodies; at least 65535. That of each stream stays 65535.
    uint32_t connection_window;
    /// Pieces in which the headers of one section's CONTINUATION frames may arrive.
    uint32_t continuations_max;
    uint32_t settings_entries_max;
    /// Acknowledgements of PING and SETTINGS that may wait to be sent.
    uint32_t acknowledgements_max;
    /// Bytes of the table that compresses response fields.
    uint32_t encoder_table_bytes;
};

/// Returns 0 and a session whose first SETTINGS wait to be sent. `callbacks` must outlive it.
int ce_http2_open(const struct ce_http2_settings *settings, const struct ce_http2_callbacks *callbacks,
                  void *owner, struct ce_http2 **out);

void ce_http2_close(struct ce_http2 *session);

/// Feeds bytes of the peer, its preface included. Returns 0; -EPROTO when the preface is wrong, -ENOBUFS when
/// the peer floods, -ENOMEM. After an error only ce_http2_terminate, ce_http2_next and ce_http2_close are of use.
int ce_http2_receive(struct ce_http2 *session, const void *bytes, size_t count);

/// The next bytes to send; they stay valid until the next call. Returns their count, 0 when there are none.
/// DATA frames leave through `send_body` instead, within this call.
int64_t ce_http2_next(struct ce_http2 *session, const uint8_t **bytes);

struct ce_http2_field {
    const uint8_t *name;
    const uint8_t *value;
    uint32_t name_count;
    uint32_t value_count;
    /// Not 0: never put into a compression table, here or later (RFC 7541 §7.1.3).
    int is_secret;
};

/// What comes after the fields of ce_http2_respond.
enum {
    CE_HTTP2_THEN_END = 0,
    CE_HTTP2_THEN_BODY = 1,
    /// An informational response: another head follows.
    CE_HTTP2_THEN_HEAD = 2,
};

/// The fields are copied. Returns 0, -ENOENT when the stream is gone, -EINVAL when they are too many.
int ce_http2_respond(struct ce_http2 *session, uint32_t stream, const struct ce_http2_field *fields,
                     size_t count, int then);

/// For use inside `body`, when it ends before trailers.
int ce_http2_trailers(struct ce_http2 *session, uint32_t stream, const struct ce_http2_field *fields,
                      size_t count);

/// A body that waited has bytes again, or ends. Returns 0, -ENOENT when it did not wait.
int ce_http2_resume(struct ce_http2 *session, uint32_t stream);

/// Resets a stream. Returns 0.
int ce_http2_reset(struct ce_http2 *session, uint32_t stream, uint32_t code);

/// Gives `count` received bytes back to the window of the stream, or of the connection. Returns 0.
int ce_http2_consume_stream(struct ce_http2 *session, uint32_t stream, size_t count);
int ce_http2_consume_connection(struct ce_http2 *session, size_t count);

/// Announces that no more streams are wanted, without a limit yet (RFC 9113 §6.8). Returns 0.
int ce_http2_announce_end(struct ce_http2 *session);

/// GOAWAY with the last stream that was seen; open streams go on. Returns 0.
int ce_http2_refuse_streams(struct ce_http2 *session);

/// GOAWAY with `code`; nothing follows it. Returns 0.
int ce_http2_terminate(struct ce_http2 *session, uint32_t code);

/// What the owner keeps for a stream; 0 when the stream is gone or nothing was set.
int ce_http2_set_tag(struct ce_http2 *session, uint32_t stream, uintptr_t tag);
uintptr_t ce_http2_tag(struct ce_http2 *session, uint32_t stream);

/// 1 when the session waits for more from the peer, or has something to send.
int ce_http2_is_open(struct ce_http2 *session);

/// 1 when ce_http2_next would find something.
int ce_http2_wants_to_send(struct ce_http2 *session);

/// Frames that wait to be sent, DATA not counted.
size_t ce_http2_queued(struct ce_http2 *session);

#endif
