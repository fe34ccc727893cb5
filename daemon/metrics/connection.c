/* One connection: requests without bodies, one at a time, answered in order. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "metrics/internal.h"

#define QUIET_MS    30000
#define STALL_MS    5000
#define HEAD_MAX    8192
#define HEADERS_MAX 50

struct connection {
    struct net_stream stream;
    struct list link;
    struct metrics *metrics;
    struct buffer in;
    struct http_head_scan scan;
    bool is_asking, is_finishing, is_closed; /* asking: a scrape is on its way */
    bool is_processing;                      /* process() goes on by itself after an answer */
    bool is_head, is_open, keep_alive;       /* of the request in work */
    uint8_t minor;
};

static void on_event(struct net_stream *stream, enum net_event event, struct net_bytes data);
static void process(struct connection *connection);
static void answer(struct connection *connection, struct http_answer *head, struct slice body);

static struct connection *of(struct net_stream *stream) {
    return CONTAINER_OF(stream, struct connection, stream);
}

void metrics__accept(void *context, int fd, const struct net_address *peer) {
    (void)peer; /* nobody asks who it is */
    struct metrics *metrics = context;
    bool has_room = !metrics->is_closed && metrics->connection_count < METRICS_CONNECTIONS;
    struct connection *connection = has_room ? calloc(1, sizeof *connection) : NULL;
    if (!connection ||
        net_stream_open(metrics->options.loop, &connection->stream, fd, on_event) != STATUS_OK) {
        free(connection);
        close(fd);
        return;
    }
    connection->metrics = metrics__ref(metrics);
    buffer_init(&connection->in, 2 * HEAD_MAX);
    list_append(&metrics->connections, &connection->link);
    metrics->connection_count++;
    net_stream_timer(&connection->stream, QUIET_MS);
}

void metrics__close_all(struct metrics *metrics) {
    struct list *at;
    LIST_FOR_EACH(at, &metrics->connections) {
        struct connection *connection = CONTAINER_OF(at, struct connection, link);
        connection->is_finishing = true;
        net_stream_close(&connection->stream);
    }
}

static void release(struct connection *connection) {
    if (!connection->is_closed || connection->is_asking)
        return;
    buffer_deinit(&connection->in);
    metrics__unref(connection->metrics);
    free(connection);
}

static void take(struct connection *connection, struct net_bytes data) {
    if (connection->is_finishing)
        return;
    net_stream_timer(&connection->stream, QUIET_MS);
    if (buffer_append(&connection->in, (struct slice){(char *)data.bytes, data.size}))
        answer(connection, &(struct http_answer){.status = 431},
               SLICE("the request is too large\n"));
    else
        process(connection);
}

static void on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct connection *connection = of(stream);
    switch (event) {
        case NET_DATA:
            take(connection, data);
            break;
        case NET_END: /* it may still read its answer */
            connection->is_finishing = true;
            if (!connection->is_asking)
                net_stream_finish(stream, STALL_MS);
            break;
        case NET_TIMEOUT:
        case NET_ERROR:
            connection->is_finishing = true;
            net_stream_close(stream);
            break;
        case NET_CLOSED:
            list_remove(&connection->link);
            connection->metrics->connection_count--;
            connection->is_closed = true;
            release(connection);
            break;
        default: /* NET_AGAIN is not asked for; NET_SENT changes nothing */
            break;
    }
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void answer(struct connection *connection, struct http_answer *head, struct slice body) {
    static const struct http_header no_store = {{"Cache-Control", sizeof "Cache-Control" - 1},
                                                {"no-store", sizeof "no-store" - 1}};
    char bytes[512];
    head->minor = connection->minor;
    head->keep_alive = connection->keep_alive && !connection->is_finishing && head->status < 431;
    head->content_length = body.size;
    if (!head->content_type.size)
        head->content_type = SLICE("text/plain; charset=utf-8");
    if (!head->header_count) {
        head->headers = &no_store;
        head->header_count = 1;
    }
    ssize_t size = http_answer_write(head, bytes, sizeof bytes);
    if (size > 0) {
        const struct slice parts[] = {{bytes, (size_t)size}, body};
        (void)net_write(&connection->stream, parts,
                        connection->is_head ? 1 : 2); /* a lost connection tells by an event */
    }
    if (head->keep_alive && size > 0)
        return;
    connection->is_finishing = true;
    net_stream_finish(&connection->stream, STALL_MS);
}

static void on_scraped(void *context, const struct metrics_scrape *scrape) {
    struct connection *connection = context;
    struct metrics_text text;
    connection->is_asking = false;
    if (connection->is_closed) {
        release(connection);
        return;
    }
    text_init(&text, connection->is_open);
    if (scrape)
        page_write(&text, scrape);
    if (!scrape || text.status)
        answer(connection, &(struct http_answer){.status = 503}, SLICE("out of memory\n"));
    else
        answer(connection,
               &(struct http_answer){
                   .status = 200,
                   .content_type =
                       connection->is_open
                           ? SLICE("application/openmetrics-text; version=1.0.0; charset=utf-8")
                           : SLICE("text/plain; version=0.0.4; charset=utf-8")},
               buffer_slice(&text.buffer));
    buffer_deinit(&text.buffer);
    if (connection->is_finishing)
        return;
    net_stream_resume(&connection->stream);
    /* Else no worker could be asked: the request is still in `in`. */
    if (!connection->is_processing)
        process(connection);
}

/* A worker that is stuck in one turn is not healthy; one that has much to do is. */
static void answer_health(struct connection *connection) {
    const struct metrics_options *options = &connection->metrics->options;
    struct metrics_state state = {0};
    options->state(options->context, &state);
    for (uint32_t i = 0; i < options->worker_count; i++)
        if (state.is_stalled[i]) {
            answer(connection, &(struct http_answer){.status = 503},
                   SLICE("a worker is stalled\n"));
            return;
        }
    answer(connection, &(struct http_answer){.status = 200}, SLICE("ok\n"));
}

static void answer_readiness(struct connection *connection) {
    const struct metrics_options *options = &connection->metrics->options;
    struct metrics_state state = {0};
    char text[64];
    options->state(options->context, &state);
    int size = snprintf(text, sizeof text, "%s\n", state.unready ? state.unready : "ready");
    answer(connection, &(struct http_answer){.status = state.unready ? 503 : 200},
           (struct slice){text, (size_t)size});
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static void serve(struct connection *connection, const struct http_request *request) {
    static const struct http_header allow = {{"Allow", sizeof "Allow" - 1},
                                             {"GET, HEAD", sizeof "GET, HEAD" - 1}};
    struct slice accept = http_header_get(request->headers, request->header_count, SLICE("accept"));
    connection->minor = request->minor;
    connection->keep_alive = request->keep_alive && request->body == HTTP_BODY_NONE;
    connection->is_head = request->method == HTTP_METHOD_HEAD;
    connection->is_open = slice_contains(accept, SLICE("application/openmetrics-text"));
    if (request->method != HTTP_METHOD_GET && !connection->is_head) {
        answer(connection,
               &(struct http_answer){.status = 405, .headers = &allow, .header_count = 1},
               SLICE("GET and HEAD only\n"));
    } else if (slice_is(request->path, "/healthz")) {
        answer_health(connection);
    } else if (slice_is(request->path, "/readyz")) {
        answer_readiness(connection);
    } else if (slice_is(request->path, "/metrics")) {
        connection->is_asking = true;
        net_stream_pause(&connection->stream);
        metrics__gather(connection->metrics, on_scraped, connection);
    } else {
        answer(connection, &(struct http_answer){.status = 404},
               SLICE("here are /metrics, /healthz and /readyz\n"));
    }
}

/* False: there is no whole one, or it was refused. */
static bool process_one(struct connection *connection) {
    static const struct http_limits limits = {HEAD_MAX, HEADERS_MAX};
    struct http_header headers[HEADERS_MAX];
    struct http_request request;
    struct http_error error;
    ssize_t size =
        http_head_find(&connection->scan, buffer_slice(&connection->in), &limits, &error);
    if (size == 0)
        return false;
    connection->minor = 1;
    connection->keep_alive = connection->is_head = false;
    if (size < 0 || http_request_parse((struct slice){connection->in.bytes, (size_t)size}, &limits,
                                       headers, &request, &error)) {
        answer(connection, &(struct http_answer){.status = error.status}, slice_of(error.reason));
        return false;
    }
    connection->scan = (struct http_head_scan){0};
    serve(connection, &request);
    buffer_consume(&connection->in, (size_t)size);
    return true;
}

static void process(struct connection *connection) {
    bool goes_on = true;
    connection->is_processing = true;
    while (goes_on && !connection->is_asking && !connection->is_finishing)
        goes_on = process_one(connection);
    connection->is_processing = false;
}
