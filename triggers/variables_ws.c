/* The Ws... variables: of a message or a close, and of the request that opened the session. */
#include "triggers/event.h"

/* Of the request that opened it: the peer's, or our own. */
static struct slice path_of(void *source) {
    const struct session_event *event = source;
    return event->link      ? client_link_path(event->link)
           : event->session ? session_path(event->session)
           : event->request ? event->request->http.path
                            : SLICE_NONE;
}

static struct slice query_of(void *source) {
    const struct session_event *event = source;
    return event->link      ? client_link_query(event->link)
           : event->session ? session_query(event->session)
           : event->request ? event->request->http.query
                            : SLICE_NONE;
}

/* The peer's head: its request, or its answer to ours. */
static struct slice head_of(void *source) {
    const struct session_event *event = source;
    return event->link      ? client_link_head(event->link)
           : event->session ? session_head(event->session)
           : event->request ? event->request->http.head
                            : SLICE_NONE;
}

static enum status get_message(void *source, struct slice argument, struct arena *arena,
                               struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    *out = value_bytes(((struct session_event *)source)->message);
    return STATUS_OK;
}

static enum status get_json(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)arena; /* the event keeps what was decoded */
    struct session_event *event = source;
    *out = event->json ? event__json_get(event->json, argument) : value_bytes(SLICE(""));
    return STATUS_OK;
}

static enum status get_is_binary(void *source, struct slice argument, struct arena *arena,
                                 struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    *out = value_bool(((struct session_event *)source)->is_binary);
    return STATUS_OK;
}

static enum status get_method(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)source, (void)argument, (void)arena; /* RFC 6455 section 4.1: it is always this one */
    *out = value_bytes(SLICE("GET"));
    return STATUS_OK;
}

static enum status get_path(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)argument; /* it takes none */
    struct slice path = SLICE_NONE;
    if (http_path_decode(path_of(source), arena, &path) == STATUS_NO_MEMORY)
        return STATUS_NO_MEMORY;
    *out = value_bytes(path);
    return STATUS_OK;
}

static enum status get_query(void *source, struct slice argument, struct arena *arena,
                             struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    *out = value_bytes(query_of(source));
    return STATUS_OK;
}

static enum status get_query_param(void *source, struct slice argument, struct arena *arena,
                                   struct value *out) {
    struct slice found = SLICE_NONE;
    if (http_query_get(query_of(source), argument, arena, &found) == STATUS_NO_MEMORY)
        return STATUS_NO_MEMORY;
    *out = value_bytes(found);
    return STATUS_OK;
}

static enum status get_path_param(void *source, struct slice argument, struct arena *arena,
                                  struct value *out) {
    const struct session_event *event = source;
    const struct trigger_path *path = event->link ? NULL : event->event.trigger->args;
    struct slice found = SLICE_NONE;
    if (path && path->pattern &&
        http_pattern_param(path->pattern, path_of(source), argument, arena, &found) ==
            STATUS_NO_MEMORY)
        return STATUS_NO_MEMORY;
    *out = value_bytes(found);
    return STATUS_OK;
}

static enum status get_header(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)arena; /* the value is borrowed */
    struct slice head = head_of(source);
    *out = value_bytes(head.size ? http_head_header(head, argument) : SLICE(""));
    return STATUS_OK;
}

static enum status get_subprotocol(void *source, struct slice argument, struct arena *arena,
                                   struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    const struct session_event *event = source;
    *out = value_bytes(event->link      ? client_link_subprotocol(event->link)
                       : event->session ? session_subprotocol(event->session)
                                        : SLICE(""));
    return STATUS_OK;
}

static enum status get_close_code(void *source, struct slice argument, struct arena *arena,
                                  struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    const struct session_event *event = source;
    *out = event->is_close ? value_int(event->close_code) : value_bytes(SLICE(""));
    return STATUS_OK;
}

static enum status get_close_reason(void *source, struct slice argument, struct arena *arena,
                                    struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    *out = value_bytes(((struct session_event *)source)->close_reason);
    return STATUS_OK;
}

static enum status get_closed_by(void *source, struct slice argument, struct arena *arena,
                                 struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    static const char *const names[] = {
        [SERVER_BY_LOCAL] = "local", [SERVER_BY_PEER] = "peer", [SERVER_BY_LOST] = "lost"};
    const struct session_event *event = source;
    *out = value_bytes(event->is_close ? slice_of(names[event->closed_by]) : SLICE(""));
    return STATUS_OK;
}

static enum status get_error(void *source, struct slice argument, struct arena *arena,
                             struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    *out = value_bytes(((struct session_event *)source)->error);
    return STATUS_OK;
}

#define VARIABLE(title, kind, of, fn, text)                                                        \
    { .name = title, .argument = kind, .family = EXPR_WS, .type = of, .doc = text, .get = fn }
const struct expr_variable variables__ws[] = {
    VARIABLE("WsMessage", EXPR_NO_ARGUMENT, VALUE_BYTES, get_message, "whole message, bytes kept"),
    VARIABLE("WsJson", EXPR_PATH, VALUE_NIL, get_json,
             "member of the message's JSON, its type kept"),
    VARIABLE("WsIsBinary", EXPR_NO_ARGUMENT, VALUE_BOOL, get_is_binary,
             "whether the message is binary"),
    VARIABLE("WsMethod", EXPR_NO_ARGUMENT, VALUE_BYTES, get_method,
             "method of the opening request"),
    VARIABLE("WsPath", EXPR_NO_ARGUMENT, VALUE_BYTES, get_path,
             "decoded path of the opening request"),
    VARIABLE("WsQuery", EXPR_NO_ARGUMENT, VALUE_BYTES, get_query,
             "raw query of the opening request"),
    VARIABLE("WsQueryParam", EXPR_NAME, VALUE_BYTES, get_query_param,
             "first value of a query parameter"),
    VARIABLE("WsPathParam", EXPR_NAME, VALUE_BYTES, get_path_param,
             "segment that {name} of the path matched"),
    VARIABLE("WsHeader", EXPR_NAME, VALUE_BYTES, get_header,
             "header of the opening request; of a client, of its answer"),
    VARIABLE("WsSubprotocol", EXPR_NO_ARGUMENT, VALUE_BYTES, get_subprotocol,
             "subprotocol that was agreed on"),
    VARIABLE("WsCloseCode", EXPR_NO_ARGUMENT, VALUE_NIL, get_close_code,
             "close code; 1005 none, 1006 lost"),
    VARIABLE("WsCloseReason", EXPR_NO_ARGUMENT, VALUE_BYTES, get_close_reason,
             "reason of the close"),
    VARIABLE("WsClosedBy", EXPR_NO_ARGUMENT, VALUE_BYTES, get_closed_by, "local, peer or lost"),
    VARIABLE("WsError", EXPR_NO_ARGUMENT, VALUE_BYTES, get_error,
             "what went wrong, its kind first: timeout, refused ..."),
    EXPR_VARIABLE_END};
