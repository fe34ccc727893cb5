/* Requests that were handed over, and their answers. A request borrows its bytes until it is held;
 * then head, headers, peer and user move to one block, and the body to its own. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>
#include "server/session.h"

#define USUAL_HEAD 768 /* room tried first for the head of an answer */
/* Of a refusal: one of its status, those of CORS, and the route's. */
#define REFUSAL_HEADERS (1 + ACCESS_CORS_HEADERS + SERVER_UPGRADE_HEADERS)

static void free_request(struct server_request *request);
static enum status write_head(struct session *session, const struct http_answer *answer);
static enum status write_with_cors(struct server_request *request, struct http_answer *answer);

struct server_request *request__new(struct session *session) {
    struct server_set *set = session->server->set;
    struct server_request *request = set->spare_requests;
    if (request) {
        set->spare_requests = request->next_spare;
        set->spare_request_count--;
    } else if (!(request = malloc(sizeof(*request)))) {
        return NULL;
    }
    *request = (struct server_request){.peer = {session->http->peer, session->http->peer_size},
                                       .config = session->config,
                                       .set = set,
                                       .connection = session,
                                       .began_ms = net_loop_now_ms(set->loop),
                                       .refs = 1,
                                       .is_adopted = session->http->is_adopted};
    return request;
}

void server_count_denied(const struct server_request *request, enum access_gate gate) {
    if (request->connection) {
        net_count(&request->connection->server->counters->denied[gate], 1);
    }
}

void server_request_release(struct server_request *request) {
    if (--request->refs == 0) {
        free_request(request);
    }
}

static void free_request(struct server_request *request) {
    struct server_set *set = request->set;
    if (request->copy) {
        server_config_unref((struct server_config *)request->config);
    }
    free(request->copy);
    free(request->body_copy);
    free(request->who_copy);
    if (set->spare_request_count >= SPARE_REQUESTS) {
        free(request);
        return;
    }
    request->next_spare = set->spare_requests;
    set->spare_requests = request;
    set->spare_request_count++;
}

static char *append(char *at, struct slice *text) {
    if (text->size) {
        memcpy(at, text->bytes, text->size);
    }
    text->bytes = at;
    return at + text->size;
}

enum status request__copy_head(struct server_request *request) {
    struct http_request *http = &request->http;
    if (request->copy) {
        return STATUS_OK;
    }
    size_t table = http->header_count * sizeof(struct http_header);
    size_t texts = http->head.size + request->peer.size + request->user.size;
    char *block = malloc(table + texts + 1);
    if (!block) {
        return STATUS_NO_MEMORY;
    }
    struct slice head = http->head;
    char *at = append(block + table, &head);
    at = append(at, &request->peer);
    (void)append(at, &request->user); /* the end of the block */
    http_request_move(http, head.bytes, (struct http_header *)(void *)block);
    (void)server_config_ref((struct server_config *)request->config); /* given back by the free */
    request->copy = block;
    return STATUS_OK;
}

enum status request__take_names(struct server_request *request, const struct server_route *route) {
    struct slice user = route->user, peer = route->peer.size ? route->peer : request->peer;
    if (request->copy && user.size + route->peer.size > 0) {
        char *block = malloc(user.size + peer.size);
        if (!block) {
            return STATUS_NO_MEMORY;
        }
        (void)append(append(block, &user), &peer); /* the end of the block */
        free(request->who_copy);
        request->who_copy = block;
    }
    request->user = user;
    request->peer = peer;
    return STATUS_OK;
}

enum status server_request_name(struct server_request *request, struct slice user,
                                struct slice peer) {
    const struct server_route route = {.user = user.size ? user : request->user, .peer = peer};
    return request__take_names(request, &route);
}

enum status server_request_hold(struct server_request *request) {
    struct session *connection = request->connection;
    enum status status = request__copy_head(request);
    if (status != STATUS_OK) {
        return status;
    }
    if (request->body.size && !request->body_copy) {
        struct buffer *gathered = connection ? &connection->http->gathered : NULL;
        if (gathered && gathered->bytes == request->body.bytes) {
            request->body_copy = gathered->bytes; /* taken over */
            buffer_init(gathered, 0);
        } else {
            request->body_copy = malloc(request->body.size);
            if (!request->body_copy) {
                return STATUS_NO_MEMORY;
            }
            memcpy(request->body_copy, request->body.bytes, request->body.size);
        }
        request->body.bytes = request->body_copy;
    }
    request->refs++;
    return STATUS_OK;
}

void request__lost(struct server_request *request) {
    if (!request->is_answered) {
        net_count(&request->connection->server->counters->answers_dropped, 1);
    }
    request->is_gone = true;
    request->connection = NULL;
    server_request_release(request);
}

struct slice request__date(struct server_set *set) {
    uint64_t now = net_loop_now_ms(set->loop);
    if (now >= set->date_until_ms) {
        const struct clock *clock = net_loop_clock(set->loop);
        uint64_t wall = clock->wall_ms(clock);
        set->date_until_ms = now + 1000 - wall % 1000;
        (void)http_date_format((int64_t)(wall / 1000), set->date);
    }
    return (struct slice){set->date, HTTP_DATE_SIZE};
}

/* STATUS_LIMIT: a head over NET_ROOM_MAX. STATUS_SYNTAX, STATUS_DENIED as http_header_check(). */
static enum status write_head(struct session *session, const struct http_answer *answer) {
    size_t room = USUAL_HEAD;
    for (int attempt = 0; attempt < 2; attempt++) {
        char *out = net_write_begin(&session->stream, room);
        if (!out) {
            return STATUS_CLOSED;
        }
        ssize_t size = http_answer_write(answer, out, room);
        net_write_end(&session->stream, size < 0 ? 0 : (size_t)size);
        if (size > 0) {
            net_count(&session->server->counters->answers[answer->status / 100], 1);
        }
        if (size != STATUS_LIMIT) {
            return size < 0 ? (enum status)size : STATUS_OK;
        }
        room = http_answer_bound(answer);
        if (room > NET_ROOM_MAX) {
            return STATUS_LIMIT;
        }
    }
    return STATUS_LIMIT;
}

static bool will_keep_alive(const struct session *session, bool close) {
    const struct http_state *http = session->http;
    const struct server_request *request = http->request;
    return !close && !http->is_last && request && request->http.keep_alive;
}

/* The answer to a request that may still be given one: else why not. */
static enum status check_open(struct server_request *request) {
    if (request->is_answered) {
        return STATUS_EXISTS;
    }
    struct session *session = request->connection;
    if (!session || !net_stream_is_open(&session->stream)) {
        request->is_answered = true;
        if (session) {
            net_count(&session->server->counters->answers_dropped, 1);
        }
        return STATUS_CLOSED;
    }
    return STATUS_OK;
}

static enum status begin_answer(struct server_request *request,
                                const struct server_response *response, uint64_t size,
                                bool *keep_alive) {
    struct session *session = request->connection;
    *keep_alive = will_keep_alive(session, response->close);
    if (note__is_on(session)) {
        note__line(session, "answered %u with %llu bytes", response->status,
                   (unsigned long long)size);
    }
    struct http_answer answer = {.status = response->status,
                                 .minor = request->http.minor,
                                 .keep_alive = *keep_alive,
                                 .date = request__date(request->set),
                                 .content_type = response->content_type,
                                 .content_length = size,
                                 .headers = response->headers,
                                 .header_count = response->header_count,
                                 .own_count = response->own_count};
    enum status status = request->cors == ACCESS_NO_CORS ? write_head(session, &answer)
                                                         : write_with_cors(request, &answer);
    if (status == STATUS_OK) {
        histogram_add(&session->server->counters->durations,
                      net_loop_now_ms(request->set->loop) - request->began_ms);
    }
    return status;
}

/* A task that writes Access-Control-Allow-Origin itself has the say. */
static enum status write_with_cors(struct server_request *request, struct http_answer *answer) {
    size_t count = answer->header_count;
    if (http_header_get(answer->headers, count, SLICE("access-control-allow-origin")).bytes) {
        return write_head(request->connection, answer);
    }
    struct http_header *all = malloc((count + ACCESS_CORS_HEADERS) * sizeof(*all));
    if (!all) {
        return STATUS_NO_MEMORY;
    }
    if (count) {
        memcpy(all, answer->headers, count * sizeof(*all));
    }
    answer->headers = all;
    answer->header_count =
        count + access_cors_headers((enum access_cors)request->cors, &request->http, all + count);
    enum status status = write_head(request->connection, answer);
    free(all);
    return status;
}

enum status server_respond(struct server_request *request, const struct server_response *response) {
    bool keep_alive;
    enum status status = check_open(request);
    if (status == STATUS_OK) {
        status = begin_answer(request, response, response->body.size, &keep_alive);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct session *session = request->connection;
    request->is_answered = true;
    if (request->http.method != HTTP_METHOD_HEAD && response->body.size &&
        http_status_has_body(response->status)) {
        (void)net_write(&session->stream, &response->body, 1); /* a failure shows as NET_ERROR */
    }
    http__answered(session, keep_alive);
    return STATUS_OK;
}

enum status server_respond_file(struct server_request *request,
                                const struct server_response *response,
                                const struct server_file *file) {
    bool keep_alive;
    enum status status = check_open(request);
    if (status == STATUS_OK) {
        status = begin_answer(request, response, file->size, &keep_alive);
    }
    if (status != STATUS_OK) {
        close(file->fd);
        return status;
    }
    struct session *session = request->connection;
    request->is_answered = true;
    session->http->is_last = !keep_alive;
    if (request->http.method == HTTP_METHOD_HEAD || file->size == 0 ||
        !http_status_has_body(response->status)) {
        close(file->fd);
        http__answered(session, keep_alive);
        return STATUS_OK;
    }
    session->http->phase = HTTP_IN_FILE;
    status = transfer__begin(session, file);
    if (status != STATUS_OK) {
        net_stream_close(&session->stream); /* the head is out: only an abort tells the peer */
    }
    return status;
}

/* Those of a refusal, into room for REFUSAL_HEADERS. */
static size_t refusal_headers(struct session *session, const struct server_route *route,
                              char methods[HTTP_ALLOW_MAX], struct http_header *headers) {
    const struct server_request *request = session->http->request;
    size_t count = 0;
    if (route->status == 405) {
        struct slice list = http_methods_format(route->allowed, methods);
        headers[count++] = (struct http_header){SLICE("Allow"), list};
    } else if (route->status == 426) {
        headers[count++] = (struct http_header){SLICE("Sec-WebSocket-Version"), SLICE("13")};
    }
    if (request) {
        count +=
            access_cors_headers((enum access_cors)request->cors, &request->http, headers + count);
    }
    for (size_t i = 0; i < route->header_count && i < SERVER_UPGRADE_HEADERS; i++) {
        headers[count++] = route->headers[i];
    }
    return count;
}

/* False: nothing was queued, since its head cannot be sent. */
static bool write_refusal(struct session *session, const struct server_route *route,
                          bool keep_alive) {
    const struct server_request *request = session->http->request;
    struct http_header headers[REFUSAL_HEADERS];
    char methods[HTTP_ALLOW_MAX];
    struct slice text = route->text.size ? route->text : http_status_text(route->status);
    struct slice body[] = {text, route->is_exact && route->text.size ? SLICE("") : SLICE("\n")};
    bool has_body = http_status_has_body(route->status);
    struct slice type =
        route->content_type.size ? route->content_type : SLICE("text/plain; charset=utf-8");
    struct http_answer answer = {
        .status = route->status,
        .minor = request ? request->http.minor : 1,
        .keep_alive = keep_alive,
        .date = request__date(session->server->set),
        .content_type = has_body ? type : SLICE_NONE,
        .content_length = text.size + body[1].size,
        .upgrade = route->status == 426 ? SLICE("websocket") : SLICE_NONE,
        .headers = headers,
        .header_count = refusal_headers(session, route, methods, headers),
    };
    enum status status = write_head(session, &answer);
    if (status == STATUS_OK && has_body && (!request || request->http.method != HTTP_METHOD_HEAD)) {
        (void)net_write(&session->stream, body, 2); /* a failure shows as NET_ERROR */
    }
    return status == STATUS_OK || status == STATUS_CLOSED;
}

void request__refuse(struct session *session, const struct server_route *route, bool keep_alive) {
    struct server_request *request = session->http->request;
    if (note__is_on(session)) {
        note__line(session, "refused with %u", route->status);
    }
    keep_alive = will_keep_alive(session, !keep_alive);
    if (!write_refusal(session, route, keep_alive)) {
        /* The peer waits for an answer, and takes the next one for this one's. */
        const struct server_route bare = {.status = 500};
        keep_alive = false;
        if (request) {
            request->cors = ACCESS_NO_CORS;
        }
        (void)write_refusal(session, &bare, keep_alive); /* it can be sent */
    }
    if (request) {
        request->is_answered = true;
    }
    http__answered(session, keep_alive);
}

void request__refuse_error(struct session *session, const struct http_error *error) {
    const struct server_request *request = session->http->request;
    struct server_route route = {.status = error->status, .text = slice_of(error->reason)};
    if (request && request->label.name.size) {
        route.headers = &request->label;
        route.header_count = 1;
    }
    /* After a syntax error nothing tells where the next request would begin. */
    request__refuse(session, &route, error->status == 504);
}
