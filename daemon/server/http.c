/* A connection that speaks HTTP/1: heads and bodies in, one request at a time handed over, answers
 * in order. The phases are those of enum http_phase; one function for each that reads. */
#include <assert.h>
#include "server/session.h"

#define LAST_CHANCE_MS 1000
#define PROGRESS_BYTES 1024 /* of a body, within its time */

static void on_data(struct session *session, struct net_bytes data);
static void on_sent(struct session *session);
static void on_end(struct session *session);
static void on_timeout(struct session *session);
static void parse(struct session *session, struct slice *input);
static bool is_clogged(struct session *session);
static bool parse_head(struct session *session, struct slice *input);
static bool accept_head(struct session *session, struct slice *input);
static bool follow(struct session *session, const struct server_route *route, bool has_more);
static bool parse_body(struct session *session, struct slice *input);
static bool discard_body(struct session *session, struct slice *input);
static void hand_over(struct session *session);

/* Each row: what is counted, and the answer; status 0 closes without one. */
static const struct timeout_row {
    enum server_bound bound;
    struct http_error error;
} timeouts[] = {
    [DEADLINE_HEADER] = {SERVER_HEADER_TIMEOUT, {408, "the head took too long"}},
    [DEADLINE_IDLE] = {SERVER_IDLE_TIMEOUT, {0, NULL}},
    [DEADLINE_BODY] = {SERVER_BODY_TIMEOUT, {408, "the body took too long"}},
    [DEADLINE_RESPONSE] = {SERVER_RESPONSE_TIMEOUT, {504, "the answer took too long"}},
    [DEADLINE_DRAIN] = {SERVER_DRAIN_TIMEOUT, {0, NULL}},
    [DEADLINE_HANDSHAKE] = {SERVER_HANDSHAKE_TIMEOUT, {0, NULL}},
};

void http__on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct session *session = CONTAINER_OF(stream, struct session, stream);
    switch (event) {
        case NET_DATA:
        case NET_AGAIN:
            on_data(session, data);
            break;
        case NET_SENT:
            on_sent(session);
            break;
        case NET_TIMEOUT:
            on_timeout(session);
            break;
        case NET_END:
            on_end(session);
            break;
        case NET_ERROR:
            net_stream_close(stream);
            break;
        case NET_CLOSED:
            connection__on_closed(session);
            break;
    }
}

static void on_data(struct session *session, struct net_bytes data) {
    data = connection__gather(session, data);
    struct http_state *http = session->http;
    struct slice input = {(const char *)data.bytes, data.size};
    http->is_parsing = true;
    parse(session, &input);
    data = (struct net_bytes){(uint8_t *)input.bytes, input.size};
    if (session->state != SESSION_HTTP) {
        if (session->stream.is_paused) {
            net_stream_resume(&session->stream);
        }
        session__input(session, data);
        return;
    }
    http->is_parsing = false;
    http->borrowed = SLICE_NONE;
    if (http->phase == HTTP_ENDED) {
        data.size = 0;
    }
    if (!connection__keep(session, data.bytes, data.size)) {
        return;
    }
    if (http->is_yielded) {
        net_stream_again(&session->stream);
    }
    bool must_wait = http->is_yielded || http->phase == HTTP_IN_RUN ||
                     http->phase == HTTP_IN_GATE || http->phase == HTTP_IN_FILE ||
                     is_clogged(session);
    if (must_wait) {
        net_stream_pause(&session->stream);
    } else if (session->stream.is_paused) {
        net_stream_resume(&session->stream);
    }
}

static void parse(struct session *session, struct slice *input) {
    struct http_state *http = session->http;
    bool goes_on = true;
    uint64_t share_ms = 0;
    while (goes_on && session->state == SESSION_HTTP && net_stream_is_open(&session->stream)) {
        switch (http->phase) {
            case HTTP_IN_HEAD:
                http->is_yielded = input->size && share__is_used(&share_ms);
                goes_on = !http->is_yielded && parse_head(session, input);
                break;
            case HTTP_IN_BODY:
                goes_on = parse_body(session, input);
                break;
            case HTTP_IN_DISCARD:
                goes_on = discard_body(session, input);
                break;
            default: /* an answer is awaited, or was the last */
                goes_on = false;
                break;
        }
    }
}

/* How long it may be idle; for a moment only when the server is ending. */
static uint64_t idle_ms(const struct session *session) {
    return session->http->is_last ? LAST_CHANCE_MS : session__bounds(session)->idle_timeout_ms;
}

/* Output moves: as long as some of it waits, the next progress is due within the drain timeout. */
static void on_sent(struct session *session) {
    struct http_state *http = session->http;
    const struct server_options *bounds = session__bounds(session);
    bool is_empty = net_backlog(&session->stream) == 0;
    if (http->deadline == DEADLINE_IDLE || http->deadline == DEADLINE_DRAIN) {
        bool is_idle = is_empty && http->phase != HTTP_IN_FILE;
        http__set_deadline(session, is_idle ? DEADLINE_IDLE : DEADLINE_DRAIN,
                           is_idle ? idle_ms(session) : bounds->drain_timeout_ms);
    }
    if (http->phase == HTTP_IN_FILE) {
        transfer__on_sent(http->transfer);
    } else if (is_empty) {
        net_stream_again(&session->stream);
    }
}

static bool refuse(struct session *session, const struct http_error *error) {
    if (error->status == 431 || error->status == 414) { /* the size is judged before all else */
        bound__passed(session->server,
                      session->http->request ? SERVER_MAX_HEADER_COUNT : SERVER_MAX_HEADER);
    } else if (error->status == 413) {
        bound__passed(session->server, SERVER_MAX_BODY);
    }
    request__refuse_error(session, error);
    return false;
}

/* The peer does not read its answers: the rest of its pipeline waits. What only gathered is sent
 * first: no NET_SENT would tell that it went out. */
static bool is_clogged(struct session *session) {
    if (net_backlog(&session->stream) <= PIPELINE_BACKLOG) {
        return false;
    }
    net_flush(&session->stream);
    return net_backlog(&session->stream) > PIPELINE_BACKLOG;
}

static bool parse_head(struct session *session, struct slice *input) {
    struct http_state *http = session->http;
    struct server_set *set = session->server->set;
    const struct server_options *options = session__bounds(session);
    struct http_limits limits = {.head_bytes = (size_t)options->max_header_bytes,
                                 .header_count = options->max_header_count};
    struct http_error error;
    if (input->size == 0 || is_clogged(session)) {
        return false;
    }
    ssize_t size = http_head_find(&http->scan, *input, &limits, &error);
    if (size < 0) {
        return refuse(session, &error);
    }
    if (size == 0) {
        if (http->deadline != DEADLINE_HEADER) {
            http__set_deadline(session, DEADLINE_HEADER, options->header_timeout_ms);
        }
        return false;
    }
    struct slice head = {input->bytes, (size_t)size};
    *input = (struct slice){input->bytes + size, input->size - (size_t)size};
    http->scan = (struct http_head_scan){0};
    http->request = request__new(session);
    if (!http->request) {
        net_stream_close(&session->stream);
        return false;
    }
    net_count(&session->server->counters->requests, 1);
    if (http_request_parse(head, &limits, set->headers, &http->request->http, &error) !=
        STATUS_OK) {
        return refuse(session, &error);
    }
    return accept_head(session, input);
}

/* Asks whether the request is wanted. */
static bool accept_head(struct session *session, struct slice *input) {
    struct http_state *http = session->http;
    struct server_set *set = session->server->set;
    struct server_route route = {0};
    if (note__is_on(session)) {
        note__request(session);
    }
    set->events->on_head(set->context, http->request, &route);
    if (!route.is_pending) {
        return follow(session, &route, input->size > 0);
    }
    if (request__copy_head(http->request) != STATUS_OK) {
        net_stream_close(&session->stream);
        return false;
    }
    http->phase = HTTP_IN_GATE;
    http__set_deadline(session, DEADLINE_RESPONSE, session__bounds(session)->response_timeout_ms);
    return false;
}

void server_decide(struct server_request *request, const struct server_route *route) {
    struct session *session = request->connection;
    if (!session || !net_stream_is_open(&session->stream) || request->is_answered) {
        return;
    }
    assert(session->http->phase == HTTP_IN_GATE && !route->is_pending);
    session->http->phase = HTTP_IN_HEAD;
    (void)follow(session, route, session->rest != NULL); /* the next turn goes on */
    if (net_stream_is_open(&session->stream)) {
        net_stream_again(&session->stream);
    }
}

/* Upgrades, refuses, or prepares for the body. */
static bool follow(struct session *session, const struct server_route *route, bool has_more) {
    struct http_state *http = session->http;
    struct server_request *request = http->request;
    struct http_request *head = &request->http;
    request->route = route->route;
    request->cors = route->cors;
    request->body_timeout_ms = route->body_timeout_ms;
    request->response_timeout_ms = route->response_timeout_ms;
    if (request__take_names(request, route) != STATUS_OK) {
        net_stream_close(&session->stream);
        return false;
    }
    if (route->status == 0 && head->is_websocket) {
        return upgrade__begin(session, route) || http->phase != HTTP_ENDED;
    }
    uint64_t max_body =
        route->max_body_bytes ? route->max_body_bytes : session__bounds(session)->max_body_bytes;
    bool is_refused = route->status != 0;
    max_body = is_refused ? DISCARD_BYTES : max_body;
    if (http_body_begin(&http->body, head->body, head->content_length, max_body) != STATUS_OK) {
        if (!is_refused) {
            return refuse(session, &http->body.error);
        }
        request__refuse(session, route, false);
        return false;
    }
    bool has_body = head->body != HTTP_BODY_NONE;
    if (is_refused) {
        /* A peer that waits for 100 may send the body or not: only closing is clear. */
        bool keep_alive = !(head->expects_continue && has_body);
        request__refuse(session, route, keep_alive);
        if (has_body && http->phase == HTTP_IN_HEAD) {
            http->phase = HTTP_IN_DISCARD;
        }
        return http->phase != HTTP_ENDED;
    }
    if (has_body && head->expects_continue && !has_more) {
        struct slice go_on = SLICE("HTTP/1.1 100 Continue\r\n\r\n");
        (void)net_write(&session->stream, &go_on, 1); /* a failure shows as NET_ERROR */
    }
    http->phase = HTTP_IN_BODY;
    http->borrowed = SLICE_NONE;
    return true;
}

/* Content that follows what was borrowed stays borrowed; else all of it is gathered. */
static enum status add_body(struct http_state *http, struct slice data) {
    struct slice *borrowed = &http->borrowed;
    if (http->gathered.size == 0 && borrowed->size == 0) {
        *borrowed = data;
        return STATUS_OK;
    }
    if (borrowed->size && borrowed->bytes + borrowed->size == data.bytes) {
        borrowed->size += data.size;
        return STATUS_OK;
    }
    enum status status = buffer_append(&http->gathered, *borrowed);
    *borrowed = SLICE_NONE;
    return status == STATUS_OK ? buffer_append(&http->gathered, data) : status;
}

/* A few bytes now and then are no progress: they would hold a connection for as long as they like.
 */
static void await_body(struct session *session, uint64_t timeout_ms) {
    struct http_state *http = session->http;
    uint64_t taken = session->stream.bytes_in;
    if (http->deadline == DEADLINE_BODY && taken - http->body_mark < PROGRESS_BYTES) {
        return;
    }
    http->body_mark = taken;
    http__set_deadline(session, DEADLINE_BODY, timeout_ms);
}

/* The rest comes with a later read: what was borrowed must be copied. */
static bool wait_for_body(struct session *session) {
    struct http_state *http = session->http;
    struct server_request *request = http->request;
    uint64_t timeout = request->body_timeout_ms ? request->body_timeout_ms
                                                : session__bounds(session)->body_timeout_ms;
    if (buffer_append(&http->gathered, http->borrowed) != STATUS_OK ||
        request__copy_head(request) != STATUS_OK) {
        net_stream_close(&session->stream);
    }
    http->borrowed = SLICE_NONE;
    await_body(session, timeout);
    return false;
}

/* The whole body is here: in one piece, or gathered with the last piece still borrowed. */
static enum status complete_body(struct http_state *http) {
    if (http->gathered.size == 0) {
        return STATUS_OK;
    }
    enum status status = buffer_append(&http->gathered, http->borrowed);
    http->borrowed = buffer_slice(&http->gathered);
    return status;
}

static bool parse_body(struct session *session, struct slice *input) {
    struct http_state *http = session->http;
    struct slice data;
    enum http_body_event event;
    enum status status = STATUS_OK;
    while ((event = http_body_next(&http->body, input, &data)) == HTTP_BODY_DATA &&
           status == STATUS_OK) {
        status = add_body(http, data);
    }
    if (event == HTTP_BODY_ERROR) {
        return refuse(session, &http->body.error);
    }
    if (event == HTTP_BODY_MORE && status == STATUS_OK) {
        return wait_for_body(session);
    }
    if (status != STATUS_OK || complete_body(http) != STATUS_OK) {
        net_stream_close(&session->stream);
        return false;
    }
    hand_over(session);
    return true;
}

static bool discard_body(struct session *session, struct slice *input) {
    struct http_state *http = session->http;
    struct slice data;
    for (;;) {
        switch (http_body_next(&http->body, input, &data)) {
            case HTTP_BODY_DATA:
                break;
            case HTTP_BODY_MORE:
                await_body(session, session__bounds(session)->body_timeout_ms);
                return false;
            case HTTP_BODY_DONE:
                http->phase = HTTP_IN_HEAD;
                http__set_deadline(session, DEADLINE_IDLE, idle_ms(session));
                return true;
            case HTTP_BODY_ERROR:
                http->phase = HTTP_ENDED;
                net_stream_finish(&session->stream, session__bounds(session)->drain_timeout_ms);
                return false;
        }
    }
}

static void hand_over(struct session *session) {
    struct http_state *http = session->http;
    struct server_set *set = session->server->set;
    struct server_request *request = http->request;
    http->phase = HTTP_IN_RUN;
    request->body = http->borrowed;
    request->refs++; /* it may be answered and released in the call */
    set->events->on_request(set->context, request);
    if (!request->is_answered && request->refs == 2) { /* nobody holds it, so nobody will */
        request__refuse(session, &(struct server_route){.status = 500}, true);
    } else if (!request->is_answered) {
        uint64_t timeout = request->response_timeout_ms
                               ? request->response_timeout_ms
                               : session__bounds(session)->response_timeout_ms;
        http__set_deadline(session, DEADLINE_RESPONSE, timeout);
    }
    server_request_release(request);
}

void http__answered(struct session *session, bool keep_alive) {
    struct http_state *http = session->http;
    struct server_request *request = http->request;
    http->request = NULL;
    if (request) {
        request->connection = NULL;
        server_request_release(request);
    }
    http->gathered.size = 0;
    if (!keep_alive || http->is_last) {
        http->phase = HTTP_ENDED;
        net_stream_finish(&session->stream, session__bounds(session)->drain_timeout_ms);
        return;
    }
    http->phase = HTTP_IN_HEAD;
    http__set_deadline(session, DEADLINE_IDLE, session__bounds(session)->idle_timeout_ms);
    if (!http->is_parsing) {
        net_stream_again(&session->stream);
    }
}

/* Whether a request is under way, or the last one is so fresh that the next one may be. */
static bool is_asking(const struct session *session) {
    const struct http_state *http = session->http;
    uint64_t usual_ms = session__bounds(session)->idle_timeout_ms;
    if (session->stream.bytes_in == 0 || http->deadline == DEADLINE_HEADER ||
        net_stream_has_unread(&session->stream)) {
        return true;
    }
    return http->deadline == DEADLINE_IDLE &&
           now__ms(session) + usual_ms < http->deadline_ms + LAST_CHANCE_MS;
}

/* Who has just come, or has just had an answer, may have sent a request already, and gets a moment
 * to show it: that answer says that it is the last. */
void http__stop(struct session *session) {
    struct http_state *http = session->http;
    bool is_between = http->phase == HTTP_IN_HEAD && !session->stream.has_ended;
    http->is_last = true;
    if (is_between && session->stream.bytes_in) {
        net_flush(&session->stream); /* on_sent() goes on where it does not all go out */
    }
    if (is_between && net_backlog(&session->stream) == 0 && is_asking(session)) {
        bool is_head = http->deadline == DEADLINE_HEADER;
        http__set_deadline(session, is_head ? DEADLINE_HEADER : DEADLINE_IDLE, LAST_CHANCE_MS);
    } else if (http->phase == HTTP_IN_HEAD && session->stream.state == NET_OPEN) {
        http->phase = HTTP_ENDED;
        net_stream_finish(&session->stream, session__bounds(session)->drain_timeout_ms);
    }
}

/* A half-closed peer still gets the answer that is under way. */
static void on_end(struct session *session) {
    struct http_state *http = session->http;
    http->is_last = true;
    if (http->phase == HTTP_IN_BODY || http->phase == HTTP_IN_DISCARD) {
        net_stream_close(&session->stream);
    } else {
        http__stop(session);
    }
}

void http__set_deadline(struct session *session, enum http_deadline which, uint64_t delay_ms) {
    struct http_state *http = session->http;
    struct net_timer *timer = &session->stream.timer;
    http->deadline = (uint8_t)which;
    http->deadline_ms = now__ms(session) + delay_ms;
    if (!net_timer_is_on(timer) || timer->due_ms > http->deadline_ms + 1) {
        net_stream_timer(&session->stream, delay_ms);
    }
}

/* The timer is not moved when a deadline moves away, so it may be early. */
static void on_timeout(struct session *session) {
    struct http_state *http = session->http;
    uint64_t now = now__ms(session);
    if (now < http->deadline_ms) {
        net_stream_timer(&session->stream, http->deadline_ms - now);
        return;
    }
    const struct timeout_row *row = &timeouts[http->deadline];
    bound__passed(session->server, row->bound);
    if (http->phase == HTTP_IN_GATE) {
        http->is_last = true; /* its body was not read */
        if (http->request->http.is_websocket) {
            upgrade__fault(session, "timeout", "the handshake was not decided in time");
        }
    }
    if (row->error.status == 0 || http->phase == HTTP_IN_FILE) {
        net_stream_close(&session->stream);
    } else {
        request__refuse_error(session, &row->error);
    }
}
