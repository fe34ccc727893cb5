/* One connection of the control socket: gathers a request, hands it on as a call, sends the answer.
 *
 * States  reading a head -> reading a body -> a call is in progress (nothing is read meanwhile) ->
 * reading again, or finishing; or streaming until the peer goes. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/internal.h"

#define CONNECTIONS_MAX 64
#define HEADERS_MAX     64
#define QUIET_MS        30000
#define STALL_MS        5000

struct connection {
    struct net_stream stream;
    struct list link; /* of the control's connections */
    struct control *control;
    struct net_timer next; /* what was pipelined is looked at in a turn of its own */
    struct buffer in;
    struct http_head_scan scan;
    struct http_body body;
    struct call *reading; /* its head is whole, its body is not */
    struct call *call;    /* in progress */
    void (*gone)(void *context);
    void *gone_context;
    size_t waiting_bytes; /* of output, when the timer was last set */
    bool is_processing, is_streaming, is_finishing;
};

static void on_event(struct net_stream *stream, enum net_event event, struct net_bytes data);
static void take(struct connection *connection, struct net_bytes data);
static void process(struct connection *connection);
static void on_next(struct net_timer *timer);
static bool read_head(struct connection *connection);
static bool read_body(struct connection *connection);
static void refuse(struct connection *connection, const struct http_error *error);
static void on_quiet(struct connection *connection);
static void on_closed(struct connection *connection);

static struct connection *of(struct net_stream *stream) {
    return CONTAINER_OF(stream, struct connection, stream);
}

/* ---- arrival --------------------------------------------------------------------------------- */

/* Whoever waits for nothing must not keep others out. */
static bool make_room(struct control *control) {
    struct list *at;
    if (control->connection_count < CONNECTIONS_MAX)
        return true;
    LIST_FOR_EACH(at, &control->connections) {
        struct connection *connection = CONTAINER_OF(at, struct connection, link);
        if (connection->call || connection->is_streaming || connection->is_finishing)
            continue;
        connection->is_finishing = true;
        net_stream_close(&connection->stream);
        return true;
    }
    return false;
}

void connection__accept(void *context, int fd, const struct net_address *peer) {
    (void)peer; /* a Unix socket's is empty */
    struct control *control = context;
    struct connection *connection =
        !control->is_closed && make_room(control) ? calloc(1, sizeof *connection) : NULL;
    if (!connection ||
        net_stream_open(control->loop, &connection->stream, fd, on_event) != STATUS_OK) {
        free(connection);
        close(fd);
        return;
    }
    connection->control = control__ref(control);
    net_timer_init(&connection->next, on_next);
    buffer_init(&connection->in, CONTROL_HEAD_MAX + CONTROL_BODY_MAX);
    list_append(&control->connections, &connection->link);
    control->connection_count++;
    net_stream_timer(&connection->stream, QUIET_MS);
}

static void on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct connection *connection = of(stream);
    switch (event) {
        case NET_DATA:
            take(connection, data);
            break;
        case NET_TIMEOUT:
            on_quiet(connection);
            break;
        case NET_END: /* it may still read its answer, unless that has no end */
            connection->is_finishing = true;
            if (connection->is_streaming)
                net_stream_close(stream);
            else
                net_stream_finish(stream, STALL_MS);
            break;
        case NET_ERROR:
            connection->is_finishing = true;
            net_stream_close(stream);
            break;
        case NET_CLOSED:
            on_closed(connection);
            break;
        default: /* NET_AGAIN is not asked for; NET_SENT changes nothing */
            break;
    }
}

static void touch(struct connection *connection) {
    list_remove(&connection->link);
    list_append(&connection->control->connections, &connection->link);
    connection->waiting_bytes = net_backlog(&connection->stream);
    net_stream_timer(&connection->stream, QUIET_MS);
}

static void take(struct connection *connection, struct net_bytes data) {
    if (connection->is_finishing || connection->is_streaming)
        return; /* a stream's peer has nothing more to say */
    touch(connection);
    if (buffer_append(&connection->in, (struct slice){(char *)data.bytes, data.size})) {
        refuse(connection, &(struct http_error){413, "the request is too large"});
        return;
    }
    process(connection);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void process(struct connection *connection) {
    connection->is_processing = true;
    while (!connection->call && !connection->is_finishing && !connection->is_streaming) {
        if (!connection->reading && !read_head(connection))
            break;
        if (!read_body(connection))
            break;
        connection->call = connection->reading;
        connection->reading = NULL;
        net_stream_pause(&connection->stream);
        route__dispatch(connection->call);
    }
    connection->is_processing = false;
}

static void on_next(struct net_timer *timer) {
    struct connection *connection = CONTAINER_OF(timer, struct connection, next);
    if (connection->is_finishing)
        return;
    net_stream_resume(&connection->stream);
    process(connection);
}

static bool make_call(struct connection *connection, const struct http_request *request) {
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return false;
    call->control = control__ref(connection->control);
    call->connection = connection;
    arena_init(&call->arena, 4096, 0);
    buffer_init(&call->body, CONTROL_BODY_MAX);
    buffer_init(&call->text, 0);
    out_init(&call->out, &call->text);
    call->method = request->method;
    call->is_kept_alive = request->keep_alive;
    connection->reading = call;
    return arena_copy(&call->arena, request->path, &call->path) == STATUS_OK &&
           arena_copy(&call->arena, request->query, &call->query) == STATUS_OK;
}

/* True when the call of a whole head has been made. */
static bool read_head(struct connection *connection) {
    static const struct http_limits limits = {CONTROL_HEAD_MAX, HEADERS_MAX};
    struct http_header headers[HEADERS_MAX];
    struct http_request request;
    struct http_error error;
    ssize_t size =
        http_head_find(&connection->scan, buffer_slice(&connection->in), &limits, &error);
    if (size == 0)
        return false;
    if (size < 0 || http_request_parse((struct slice){connection->in.bytes, (size_t)size}, &limits,
                                       headers, &request, &error)) {
        refuse(connection, &error);
        return false;
    }
    if (!make_call(connection, &request)) {
        refuse(connection, &(struct http_error){503, "out of memory"});
        return false;
    }
    if (http_body_begin(&connection->body, request.body, request.content_length,
                        CONTROL_BODY_MAX)) {
        refuse(connection, &connection->body.error);
        return false;
    }
    if (request.expects_continue)
        (void)net_write(&connection->stream, &SLICE("HTTP/1.1 100 Continue\r\n\r\n"),
                        1); /* a lost connection tells by an event */
    connection->scan = (struct http_head_scan){0};
    buffer_consume(&connection->in, (size_t)size);
    return true;
}

/* True when the body is whole. */
static bool read_body(struct connection *connection) {
    struct slice input = buffer_slice(&connection->in), data;
    enum http_body_event event;
    while ((event = http_body_next(&connection->body, &input, &data)) == HTTP_BODY_DATA)
        if (buffer_append(&connection->reading->body, data)) {
            refuse(connection, &(struct http_error){413, "the body is too large"});
            return false;
        }
    if (event == HTTP_BODY_ERROR) {
        refuse(connection, &connection->body.error);
        return false;
    }
    buffer_consume(&connection->in, connection->in.size - input.size);
    return event == HTTP_BODY_DONE;
}

void call_drop(struct call *call) {
    control__unref(call->control);
    buffer_deinit(&call->body);
    buffer_deinit(&call->text);
    arena_deinit(&call->arena);
    free(call);
}

/* A request that is no HTTP, or too large: answered, and the end. */
static void refuse(struct connection *connection, const struct http_error *error) {
    struct buffer text;
    struct out out;
    buffer_init(&text, 0);
    out_init(&out, &text);
    out_map(&out, NULL);
    out_map(&out, "error");
    out_text(&out, "code", SLICE("bad_request"));
    out_text(&out, "message", slice_of(error->reason));
    out_null(&out, "at");
    out_end(&out);
    out_end(&out);
    if (connection->reading)
        call_drop(connection->reading);
    connection->reading = NULL;
    const struct http_answer answer = {.status = error->status,
                                       .minor = 1,
                                       .content_type = SLICE("application/json"),
                                       .content_length = text.size};
    connection__answer(connection, &answer, buffer_slice(&text));
    buffer_deinit(&text);
}

/* ---- answers --------------------------------------------------------------------------------- */

void connection__answer(struct connection *connection, const struct http_answer *answer,
                        struct slice body) {
    size_t room = http_answer_bound(answer);
    char *head = malloc(room);
    ssize_t size = head ? http_answer_write(answer, head, room) : -1;
    connection->call = NULL;
    if (size > 0) {
        const struct slice parts[] = {{head, (size_t)size}, body};
        (void)net_write(&connection->stream, parts, 2); /* a lost connection tells by an event */
    }
    free(head);
    if (!answer->keep_alive || size <= 0) {
        connection->is_finishing = true;
        net_stream_finish(&connection->stream, STALL_MS);
        return;
    }
    touch(connection);
    if (connection->is_processing)
        net_stream_resume(&connection->stream);
    else /* the answer may come from amid an edit */
        net_timer_start(connection->control->loop, &connection->next, 0);
}

struct net_stream *connection__stream(struct connection *connection, void (*gone)(void *context),
                                      void *context) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                               "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    connection->call = NULL;
    connection->is_streaming = true;
    connection->gone = gone;
    connection->gone_context = context;
    net_stream_resume(&connection->stream);
    (void)net_write(&connection->stream, &SLICE(head), 1); /* as above */
    return &connection->stream;
}

void connection__chunk(struct net_stream *stream, struct slice bytes) {
    char size[24];
    int digits = snprintf(size, sizeof size, "%zx\r\n", bytes.size);
    const struct slice parts[] = {{size, (size_t)digits}, bytes, SLICE("\r\n")};
    (void)net_write(stream, parts, 3); /* a lost connection tells by an event */
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Who waits for an answer, or follows the log, may be quiet; who does not take what it asked for
 * may not. */
static void on_quiet(struct connection *connection) {
    size_t waiting = net_backlog(&connection->stream);
    bool is_stuck = waiting > 0 && waiting >= connection->waiting_bytes;
    bool may_wait = connection->call || connection->is_streaming || waiting > 0;
    connection->waiting_bytes = waiting;
    if (may_wait && !is_stuck) {
        net_stream_timer(&connection->stream, QUIET_MS);
        return;
    }
    connection->is_finishing = true;
    net_stream_close(&connection->stream);
}

static void on_closed(struct connection *connection) {
    struct control *control = connection->control;
    list_remove(&connection->link);
    net_timer_stop(&connection->next);
    control->connection_count--;
    if (connection->call)
        connection->call->connection = NULL; /* its answer will be dropped */
    if (connection->reading)
        call_drop(connection->reading);
    if (connection->gone)
        connection->gone(connection->gone_context);
    buffer_deinit(&connection->in);
    free(connection);
    control__unref(control);
}

void connection__close_all(struct control *control) {
    struct list *at;
    LIST_FOR_EACH(at, &control->connections) {
        struct connection *connection = CONTAINER_OF(at, struct connection, link);
        connection->is_finishing = true;
        net_stream_close(&connection->stream);
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void send_answer(struct call *call, unsigned status, struct slice content_type,
                        struct slice allow) {
    struct http_header headers[2];
    size_t count = 0;
    if (call->is_partial)
        headers[count++] = (struct http_header){SLICE(CONTROL_PARTIAL_HEADER), SLICE("true")};
    if (allow.size)
        headers[count++] = (struct http_header){SLICE("Allow"), allow};
    const struct http_answer answer = {.status = (uint16_t)status,
                                       .minor = 1,
                                       .keep_alive =
                                           call->is_kept_alive && !call->control->is_closed,
                                       .content_type = content_type,
                                       .content_length = call->text.size,
                                       .headers = headers,
                                       .header_count = count};
    if (call->connection && !call->connection->is_finishing)
        connection__answer(call->connection, &answer, buffer_slice(&call->text));
    else if (call->connection)
        call->connection->call = NULL;
    call_drop(call);
}

void call_answer(struct call *call) { call_answer_as(call, SLICE("application/json")); }

void call_answer_as(struct call *call, struct slice content_type) {
    if (call->out.status) {
        call_no_memory(call);
        return;
    }
    if (slice_is(content_type, "application/json") && buffer_append(&call->text, SLICE("\n"))) {
        call_no_memory(call);
        return;
    }
    send_answer(call, 200, content_type, SLICE_NONE);
}

static const char *code_of(unsigned status) {
    switch (status) {
        case 400:
            return "bad_request";
        case 404:
            return "not_found";
        case 405:
            return "method_not_allowed";
        case 409:
            return "conflict";
        case 413:
            return "too_large";
        case 422:
            return "unprocessable";
        default:
            return "unavailable";
    }
}

void call_error(struct call *call, unsigned status, struct slice at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    struct buffer message;
    buffer_init(&message, 0);
    enum status printed = buffer_vprintf(&message, format, args);
    va_end(args);
    call->text.size = 0;
    out_init(&call->out, &call->text);
    out_map(&call->out, NULL);
    out_map(&call->out, "error");
    out_text(&call->out, "code", slice_of(code_of(status)));
    out_text(&call->out, "message", printed ? SLICE("out of memory") : buffer_slice(&message));
    out_text_or_null(&call->out, "at", status == 405 ? call->path : at);
    out_end(&call->out);
    out_end(&call->out);
    (void)buffer_append(&call->text, SLICE("\n")); /* the line is an answer without it too */
    buffer_deinit(&message);
    send_answer(call, status, SLICE("application/json"), status == 405 ? at : SLICE_NONE);
}

void call_no_memory(struct call *call) { call_error(call, 503, SLICE_NONE, "out of memory"); }

void call_starting(struct call *call) {
    call_error(call, 503, SLICE_NONE, "the daemon is still starting");
}
