#include "ce_http2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdlib.h>

struct ce_http2 {
    nghttp2_session *session;
    const struct ce_http2_callbacks *callbacks;
    void *owner;
};

static int error_of(int64_t code) {
    if (code >= 0) return 0;
    switch (code) {
    case NGHTTP2_ERR_NOMEM: return -ENOMEM;
    case NGHTTP2_ERR_FLOODED: return -ENOBUFS;
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC: return -EPROTO;
    case NGHTTP2_ERR_STREAM_CLOSED:
    case NGHTTP2_ERR_STREAM_SHUT_WR:
    case NGHTTP2_ERR_DATA_EXIST: return -ENOENT;
    default: return -EINVAL;
    }
}

// MARK: Callbacks

static int on_fields_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)session;
    struct ce_http2 *self = user;
    int is_trailer = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
    int wish = self->callbacks->fields_begin(self->owner, (uint32_t)frame->hd.stream_id, is_trailer);
    return wish == CE_HTTP2_GO_ON ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_count,
                    const uint8_t *value, size_t value_count, uint8_t flags, void *user) {
    (void)session, (void)flags;
    struct ce_http2 *self = user;
    int wish =
        self->callbacks->field(self->owner, (uint32_t)frame->hd.stream_id, name, name_count, value, value_count);
    return wish == CE_HTTP2_GO_ON ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

// Without this, later versions of nghttp2 drop a field with illegal bytes and serve the request.
static int on_invalid_field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                            size_t name_count, const uint8_t *value, size_t value_count, uint8_t flags,
                            void *user) {
    (void)session, (void)frame, (void)name, (void)name_count, (void)value, (void)value_count, (void)flags;
    (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)session;
    struct ce_http2 *self = user;
    self->callbacks->frame(self->owner, (uint32_t)frame->hd.stream_id, frame->hd.type, frame->hd.flags);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t count,
                   void *user) {
    (void)session, (void)flags;
    struct ce_http2 *self = user;
    self->callbacks->data(self->owner, (uint32_t)stream, bytes, count);
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user) {
    (void)session, (void)code;
    struct ce_http2 *self = user;
    self->callbacks->invalid(self->owner, (uint32_t)frame->hd.stream_id, frame->hd.type);
    return 0;
}

static int on_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *user) {
    (void)session;
    struct ce_http2 *self = user;
    self->callbacks->closed(self->owner, (uint32_t)stream, code);
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)session;
    struct ce_http2 *self = user;
    uint32_t code = frame->hd.type == NGHTTP2_RST_STREAM ? frame->rst_stream.error_code
                    : frame->hd.type == NGHTTP2_GOAWAY   ? frame->goaway.error_code
                                                         : 0;
    self->callbacks->sent(self->owner, (uint32_t)frame->hd.stream_id, frame->hd.type, code);
    return 0;
}

static ssize_t on_body(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user) {
    (void)session, (void)buffer, (void)source;
    struct ce_http2 *self = user;
    int state = 0;
    size_t count = self->callbacks->body(self->owner, (uint32_t)stream, room, &state);
    if (state == CE_HTTP2_BODY_WAITS && count == 0) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (state == CE_HTTP2_BODY_ENDS || state == CE_HTTP2_BODY_ENDS_BEFORE_TRAILERS) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    if (state == CE_HTTP2_BODY_ENDS_BEFORE_TRAILERS) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return (ssize_t)count;
}

static int on_send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t count,
                        nghttp2_data_source *source, void *user) {
    (void)session, (void)source;
    struct ce_http2 *self = user;
    int wish = self->callbacks->send_body(self->owner, (uint32_t)frame->hd.stream_id, header, count);
    return wish == CE_HTTP2_PAUSE ? NGHTTP2_ERR_PAUSE : 0;
}

// One set for all sessions; never freed.
static pthread_once_t callbacks_once = PTHREAD_ONCE_INIT;
static nghttp2_session_callbacks *shared_callbacks;

static void make_callbacks(void) {
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_fields_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_field);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_body);
    shared_callbacks = callbacks;
}

// MARK: Life

static int open_session(struct ce_http2 *self, const struct ce_http2_settings *settings) {
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0) return -ENOMEM;
    // Closed streams are remembered by the owner, in less memory.
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_continuations(option, settings->continuations_max);
    nghttp2_option_set_max_settings(option, settings->settings_entries_max);
    nghttp2_option_set_max_outbound_ack(option, settings->acknowledgements_max);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, settings->encoder_table_bytes);
    int error = error_of(nghttp2_session_server_new2(&self->session, shared_callbacks, self, option));
    nghttp2_option_del(option);
    return error;
}

static int submit_settings(struct ce_http2 *self, const struct ce_http2_settings *settings) {
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings->streams_max},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings->header_list_bytes},
        // No tree of dependencies: nobody uses it, and it has been attacked (CVE-2019-9513).
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int code = nghttp2_submit_settings(self->session, NGHTTP2_FLAG_NONE, entries,
                                       sizeof entries / sizeof entries[0]);
    if (code != 0) return error_of(code);
    return error_of(nghttp2_session_set_local_window_size(self->session, NGHTTP2_FLAG_NONE, 0,
                                                          (int32_t)settings->connection_window));
}

int ce_http2_open(const struct ce_http2_settings *settings, const struct ce_http2_callbacks *callbacks,
                  void *owner, struct ce_http2 **out) {
    pthread_once(&callbacks_once, make_callbacks);
    if (shared_callbacks == NULL) return -ENOMEM;
    struct ce_http2 *self = calloc(1, sizeof *self);
    if (self == NULL) return -ENOMEM;
    self->callbacks = callbacks;
    self->owner = owner;
    int error = open_session(self, settings);
    if (error == 0) error = submit_settings(self, settings);
    if (error != 0) {
        ce_http2_close(self);
        return error;
    }
    *out = self;
    return 0;
}

void ce_http2_close(struct ce_http2 *self) {
    if (self == NULL) return;
    nghttp2_session_del(self->session);
    free(self);
}

int ce_http2_receive(struct ce_http2 *self, const void *bytes, size_t count) {
    return error_of(nghttp2_session_mem_recv(self->session, bytes, count));
}

int64_t ce_http2_next(struct ce_http2 *self, const uint8_t **bytes) {
    ssize_t count = nghttp2_session_mem_send(self->session, bytes);
    return count < 0 ? error_of(count) : count;
}

// MARK: Answers

static int convert(const struct ce_http2_field *fields, size_t count, nghttp2_nv *out) {
    if (count > CE_HTTP2_FIELDS_MAX) return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        out[i].name = (uint8_t *)fields[i].name;
        out[i].namelen = fields[i].name_count;
        out[i].value = (uint8_t *)fields[i].value;
        out[i].valuelen = fields[i].value_count;
        out[i].flags = fields[i].is_secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
    }
    return 0;
}

int ce_http2_respond(struct ce_http2 *self, uint32_t stream, const struct ce_http2_field *fields, size_t count,
                     int then) {
    nghttp2_nv block[CE_HTTP2_FIELDS_MAX];
    int error = convert(fields, count, block);
    if (error != 0) return error;
    if (nghttp2_session_find_stream(self->session, (int32_t)stream) == NULL) return -ENOENT;
    if (then == CE_HTTP2_THEN_HEAD) {
        return error_of(nghttp2_submit_headers(self->session, NGHTTP2_FLAG_NONE, (int32_t)stream, NULL, block,
                                               count, NULL));
    }
    const nghttp2_data_provider provider = {.source = {.ptr = NULL}, .read_callback = on_body};
    return error_of(nghttp2_submit_response(self->session, (int32_t)stream, block, count,
                                            then == CE_HTTP2_THEN_BODY ? &provider : NULL));
}

int ce_http2_trailers(struct ce_http2 *self, uint32_t stream, const struct ce_http2_field *fields,
                      size_t count) {
    nghttp2_nv block[CE_HTTP2_FIELDS_MAX];
    int error = convert(fields, count, block);
    if (error != 0) return error;
    return error_of(nghttp2_submit_trailer(self->session, (int32_t)stream, block, count));
}

int ce_http2_resume(struct ce_http2 *self, uint32_t stream) {
    int code = nghttp2_session_resume_data(self->session, (int32_t)stream);
    return code == NGHTTP2_ERR_INVALID_ARGUMENT ? -ENOENT : error_of(code);
}

int ce_http2_reset(struct ce_http2 *self, uint32_t stream, uint32_t code) {
    return error_of(nghttp2_submit_rst_stream(self->session, NGHTTP2_FLAG_NONE, (int32_t)stream, code));
}

int ce_http2_consume_stream(struct ce_http2 *self, uint32_t stream, size_t count) {
    return error_of(nghttp2_session_consume_stream(self->session, (int32_t)stream, count));
}

int ce_http2_consume_connection(struct ce_http2 *self, size_t count) {
    return error_of(nghttp2_session_consume_connection(self->session, count));
}

// MARK: Endings

int ce_http2_announce_end(struct ce_http2 *self) {
    return error_of(nghttp2_submit_shutdown_notice(self->session));
}

int ce_http2_refuse_streams(struct ce_http2 *self) {
    int32_t last = nghttp2_session_get_last_proc_stream_id(self->session);
    return error_of(nghttp2_submit_goaway(self->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0));
}

int ce_http2_terminate(struct ce_http2 *self, uint32_t code) {
    return error_of(nghttp2_session_terminate_session(self->session, code));
}

// MARK: State

int ce_http2_set_tag(struct ce_http2 *self, uint32_t stream, uintptr_t tag) {
    // Streams share the bandwidth evenly, whatever the client wishes (RFC 9218 §4.2).
    const nghttp2_extpri evenly = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    nghttp2_session_change_extpri_stream_priority(self->session, (int32_t)stream, &evenly, 1);
    return error_of(nghttp2_session_set_stream_user_data(self->session, (int32_t)stream, (void *)tag));
}

uintptr_t ce_http2_tag(struct ce_http2 *self, uint32_t stream) {
    return (uintptr_t)nghttp2_session_get_stream_user_data(self->session, (int32_t)stream);
}

int ce_http2_is_open(struct ce_http2 *self) {
    return nghttp2_session_want_read(self->session) || nghttp2_session_want_write(self->session);
}

int ce_http2_wants_to_send(struct ce_http2 *self) { return nghttp2_session_want_write(self->session) != 0; }

size_t ce_http2_queued(struct ce_http2 *self) { return nghttp2_session_get_outbound_queue_size(self->session); }
