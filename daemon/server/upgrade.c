/* From a request to a session: the handshake of RFC 6455 section 4.2.2, and what is kept of the
 * request that opened it. */
#include <stdlib.h>
#include "server/session.h"

struct draft { /* the answer that accepts */
    struct http_header headers[3 + SERVER_UPGRADE_HEADERS];
    struct http_answer answer;
    size_t room; /* bytes that it takes at most */
};

static bool refuse(struct session *session, uint16_t status, const char *text);
static bool take_place(struct session *session);
static void draft_answer(struct draft *draft, const struct ws_agreement *agreement,
                         const struct server_route *route);
static void write_answer(struct session *session, const struct draft *draft);
static enum status keep_head(struct session *session, struct slice subprotocol);
static bool is_short_of_tls(const struct server_options *options);
static enum status enter(struct session *session);

static struct slice get_header(const void *context, const char *name, size_t index) {
    const struct http_request *http = context;
    struct slice wanted = slice_of(name);
    for (size_t i = 0; i < http->header_count; i++) {
        if (http->headers[i].name.size == wanted.size &&
            slice_equal_nocase(http->headers[i].name, wanted) && index-- == 0) {
            return http->headers[i].value;
        }
    }
    return SLICE_NONE;
}

/* Whether this worker's share of the windows that are kept is not given out yet. */
static bool has_takeover_left(const struct server *server) {
    uint32_t share = TAKEOVERS_MAX / (server->set->set_count ? server->set->set_count : 1);
    return server->takeovers < (share ? share : 1);
}

/* The first of both lists, unless a task has chosen. */
static enum status agree(const struct session *session, const struct server_route *route,
                         struct ws_agreement *out, const char **cause) {
    const struct server_options *options = session__bounds(session);
    struct ws_headers headers = {.get = get_header, .context = &session->http->request->http};
    struct ws_options wanted = {.subprotocols = options->subprotocols.items,
                                .subprotocol_count = options->subprotocols.count,
                                .has_compression = options->compression,
                                .has_takeover = options->compression_takeover &&
                                                has_takeover_left(session->server)};
    enum status status = ws_accept(&headers, &wanted, out, cause);
    if (status == STATUS_OK && route->has_subprotocol) {
        out->subprotocol = route->subprotocol.size ? route->subprotocol : SLICE_NONE;
    }
    return status;
}

bool upgrade__begin(struct session *session, const struct server_route *route) {
    struct server *server = session->server;
    const struct server_options *options = session__bounds(session);
    struct ws_agreement agreement;
    struct draft draft;
    const char *cause = NULL;
    if (session->http->is_last) { /* stopped while it waited for its decision */
        return refuse(session, 503, "the server is stopping");
    }
    enum status status = agree(session, route, &agreement, &cause);
    if (status != STATUS_OK) {
        return refuse(session, status == STATUS_VERSION ? 426 : 400,
                      cause ? cause : "this WebSocket version is not spoken here");
    }
    draft_answer(&draft, &agreement, route);
    if (draft.room > NET_ROOM_MAX) {
        return refuse(session, 500, "the headers of the answer are larger than 64 KiB");
    }
    if (!take_place(session)) {
        bound__passed(server,
                      is_short_of_tls(options) ? SERVER_MAX_TLS_SESSIONS : SERVER_MAX_SESSIONS);
        return refuse(session, 503, "too many sessions");
    }
    if (!address__take(session)) {
        session__leave_place(session);
        bound__passed(server, SERVER_MAX_PER_ADDRESS);
        return refuse(session, 503, "too many sessions of this address");
    }
    if (agreement.compression.is_on && !server->set->deflater &&
        !(server->set->deflater = ws_deflater_new())) {
        session__leave_place(session);
        return refuse(session, 503, "out of memory");
    }
    if (keep_head(session, agreement.subprotocol) != STATUS_OK || enter(session) != STATUS_OK) {
        free(session->head);
        session->head = NULL;
        session__leave_place(session);
        return refuse(session, 503, "out of memory");
    }
    ws_init(&session->ws, WS_SERVER, &agreement.compression, (size_t)options->max_message_bytes);
    session->server->takeovers += session__keeps_windows(session);
    write_answer(session, &draft);
    struct server_request *request = session->http->request;
    request->is_answered = true;
    request->connection = NULL;
    session->http->request = NULL;
    server_request_release(request);
    connection__leave_http(session);
    session__begin(session);
    return true;
}

static bool refuse(struct session *session, uint16_t status, const char *text) {
    struct server_route route = {.status = status, .text = slice_of(text)};
    net_count(&session->server->counters->connections_failed, 1);
    upgrade__fault(session, "handshake", text);
    request__refuse(session, &route, false);
    return false;
}

void upgrade__fault(struct session *session, const char *kind, const char *text) {
    struct server_set *set = session->server->set;
    if (set->events->on_error) {
        struct server_fault fault = {.server = session->config->options.id,
                                     .kind = kind,
                                     .text = text,
                                     .peer = session->http->request->peer,
                                     .request = session->http->request};
        set->events->on_error(set->context, &fault);
    }
}

/* Whether the bound of sessions with TLS comes first: all of a server's sessions have it. */
static bool is_short_of_tls(const struct server_options *options) {
    return options->tls && options->max_tls_sessions &&
           (!options->max_sessions || options->max_tls_sessions < options->max_sessions);
}

/* Exact also when several workers ask at once. A place is given back by session__leave_place(). */
static bool take_place(struct session *session) {
    _Atomic uint64_t *all = session->server->counters->all_sessions;
    const struct server_options *options = session__bounds(session);
    uint32_t max = is_short_of_tls(options) ? options->max_tls_sessions : options->max_sessions;
    uint64_t before = all ? atomic_fetch_add_explicit(all, 1, memory_order_relaxed)
                          : session->server->members.count;
    if (max && before >= max) {
        session__leave_place(session);
        return false;
    }
    return true;
}

/* `agreement` and the route's texts are in it, not copied. */
static void draft_answer(struct draft *draft, const struct ws_agreement *agreement,
                         const struct server_route *route) {
    struct http_header *headers = draft->headers;
    size_t count = 0;
    headers[count++] =
        (struct http_header){SLICE("Sec-WebSocket-Accept"), {agreement->accept, WS_ACCEPT_SIZE}};
    if (agreement->subprotocol.bytes) {
        headers[count++] =
            (struct http_header){SLICE("Sec-WebSocket-Protocol"), agreement->subprotocol};
    }
    if (agreement->extension_size) {
        headers[count++] = (struct http_header){SLICE("Sec-WebSocket-Extensions"),
                                                {agreement->extension, agreement->extension_size}};
    }
    for (size_t i = 0; i < route->header_count && i < SERVER_UPGRADE_HEADERS; i++) {
        headers[count++] = route->headers[i];
    }
    draft->answer = (struct http_answer){.status = 101,
                                         .minor = 1,
                                         .keep_alive = true,
                                         .upgrade = SLICE("websocket"),
                                         .headers = headers,
                                         .header_count = count,
                                         .own_count = 1};
    draft->room = http_answer_bound(&draft->answer);
}

/* A failure shows as NET_ERROR: lost. */
static void write_answer(struct session *session, const struct draft *draft) {
    char *out = net_write_begin(&session->stream, draft->room);
    if (out) {
        ssize_t size = http_answer_write(&draft->answer, out, draft->room);
        net_write_end(&session->stream, size < 0 ? 0 : (size_t)size);
    }
}

static char *append(char *at, struct slice text) {
    if (text.size) {
        memcpy(at, text.bytes, text.size);
    }
    return at + text.size;
}

static enum status keep_head(struct session *session, struct slice subprotocol) {
    const struct server_request *request = session->http->request;
    const struct http_request *http = &request->http;
    if (request->user.size > UINT16_MAX || subprotocol.size > UINT16_MAX) {
        return STATUS_LIMIT;
    }
    /* A target without a path has the path "/", which lies outside the head. */
    bool is_inside = http->path.bytes >= http->head.bytes &&
                     http->path.bytes < http->head.bytes + http->head.size;
    size_t fixed = request->user.size + subprotocol.size + request->peer.size;
    size_t path = is_inside ? 0 : http->path.size;
    struct session_head *head = malloc(sizeof(*head) + http->head.size + fixed + path);
    if (!head) {
        return STATUS_NO_MEMORY;
    }
    head->head_size = (uint32_t)http->head.size;
    head->path_at = is_inside ? (uint32_t)(http->path.bytes - http->head.bytes)
                              : (uint32_t)(http->head.size + fixed);
    head->path_size = (uint32_t)http->path.size;
    head->query_at = http->query.size ? (uint32_t)(http->query.bytes - http->head.bytes) : 0;
    head->query_size = (uint32_t)http->query.size;
    head->user_size = (uint16_t)request->user.size;
    head->subprotocol_size = (uint16_t)subprotocol.size;
    head->peer_size = (uint16_t)request->peer.size;
    char *at = append(head->bytes, http->head);
    at = append(at, request->user);
    at = append(at, subprotocol);
    at = append(at, request->peer);
    if (!is_inside) {
        (void)append(at, http->path); /* the end of the block */
    }
    session->head = head;
    return STATUS_OK;
}

/* Into the table and the server's array. */
static enum status enter(struct session *session) {
    struct server *server = session->server;
    struct server_set *set = server->set;
    table__make_id(set, session->id);
    session->path_hash = path__hash(set, session_path(session));
    struct member member = {.session = session, .path_hash = session->path_hash};
    if (members__add(&server->members, member) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    session->index = server->members.count - 1;
    if (table__add(set, session) != STATUS_OK) {
        members__remove(&server->members, session->index);
        return STATUS_NO_MEMORY;
    }
    net_count(&server->counters->sessions_open, 1);
    return STATUS_OK;
}
