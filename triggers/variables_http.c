/* The Http... variables: read from the request when a template names them. */
#include "triggers/event.h"

static enum status text(enum status status, struct slice found, struct value *out) {
    if (status == STATUS_NO_MEMORY)
        return status;
    *out = value_bytes(status == STATUS_OK ? found : SLICE(""));
    return STATUS_OK;
}

static const struct http_request *http_of(void *source) {
    return &((struct request_event *)source)->request->http;
}

static enum status get_method(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    *out = value_bytes(http_method_text(http_of(source)->method));
    return STATUS_OK;
}

static enum status get_path(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)argument; /* it takes none */
    struct slice path = SLICE_NONE;
    return text(http_path_decode(http_of(source)->path, arena, &path), path, out);
}

static enum status get_filename(void *source, struct slice argument, struct arena *arena,
                                struct value *out) {
    (void)argument; /* it takes none */
    struct slice name = SLICE_NONE;
    return text(http_path_decode(http_path_filename(http_of(source)->path), arena, &name), name,
                out);
}

static enum status get_query(void *source, struct slice argument, struct arena *arena,
                             struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    *out = value_bytes(http_of(source)->query);
    return STATUS_OK;
}

static enum status get_query_param(void *source, struct slice argument, struct arena *arena,
                                   struct value *out) {
    struct slice found = SLICE_NONE;
    return text(http_query_get(http_of(source)->query, argument, arena, &found), found, out);
}

static enum status get_header(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)arena; /* the value is borrowed */
    *out = value_bytes(http_request_header(http_of(source), argument));
    return STATUS_OK;
}

static struct slice content_type(void *source) {
    return http_request_header(http_of(source), SLICE("content-type"));
}

static enum status get_post_param(void *source, struct slice argument, struct arena *arena,
                                  struct value *out) {
    struct request_event *event = source;
    struct slice found = SLICE_NONE;
    return text(
        http_form_field(content_type(source), event->request->body, argument, arena, &found), found,
        out);
}

static enum status get_post_file(void *source, struct slice argument, struct arena *arena,
                                 struct value *out) {
    struct request_event *event = source;
    struct http_part part = {0};
    enum status status =
        http_form_file(content_type(source), event->request->body, argument, arena, &part);
    struct value_pair *pairs = arena_alloc(arena, 4 * sizeof *pairs);
    if (status == STATUS_NO_MEMORY || !pairs)
        return STATUS_NO_MEMORY;
    if (status)
        part = (struct http_part){0};
    pairs[0] = (struct value_pair){value_bytes(SLICE("name")), value_bytes(part.filename)};
    pairs[1] = (struct value_pair){value_bytes(SLICE("type")), value_bytes(part.type)};
    pairs[2] =
        (struct value_pair){value_bytes(SLICE("size")), value_int((int64_t)part.content.size)};
    pairs[3] = (struct value_pair){value_bytes(SLICE("content")), value_bytes(part.content)};
    *out = (struct value){.type = VALUE_MAP, .count = 4, .pairs = pairs};
    return STATUS_OK;
}

static enum status get_path_param(void *source, struct slice argument, struct arena *arena,
                                  struct value *out) {
    struct request_event *event = source;
    const struct trigger_path *path = event->event.trigger->args;
    if (!path->pattern)
        return text(STATUS_NOT_FOUND, SLICE_NONE, out);
    struct slice found = SLICE_NONE;
    return text(http_pattern_param(path->pattern, http_of(source)->path, argument, arena, &found),
                found, out);
}

static enum status get_cookie(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)arena; /* the value is borrowed */
    const struct http_request *http = http_of(source);
    struct slice found = SLICE_NONE;
    return text(http_cookie_get(http->headers, http->header_count, argument, &found), found, out);
}

static enum status get_body(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    *out = value_bytes(((struct request_event *)source)->request->body);
    return STATUS_OK;
}

static enum status get_json(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)arena; /* the event keeps what was decoded */
    *out = event__json_get(&((struct request_event *)source)->json, argument);
    return STATUS_OK;
}

#define VARIABLE(title, kind, of, fn, text)                                                        \
    { .name = title, .argument = kind, .family = EXPR_HTTP, .type = of, .doc = text, .get = fn }
const struct expr_variable variables__http[] = {
    VARIABLE("HttpMethod", EXPR_NO_ARGUMENT, VALUE_BYTES, get_method, "method of the request"),
    VARIABLE("HttpPath", EXPR_NO_ARGUMENT, VALUE_BYTES, get_path, "decoded path without the query"),
    VARIABLE("HttpFilename", EXPR_NO_ARGUMENT, VALUE_BYTES, get_filename,
             "last segment of the path"),
    VARIABLE("HttpQuery", EXPR_NO_ARGUMENT, VALUE_BYTES, get_query, "raw query"),
    VARIABLE("HttpQueryParam", EXPR_NAME, VALUE_BYTES, get_query_param,
             "first value of a query parameter"),
    VARIABLE("HttpHeader", EXPR_NAME, VALUE_BYTES, get_header,
             "value of a header, its name in any case"),
    VARIABLE("HttpPostParam", EXPR_NAME, VALUE_BYTES, get_post_param,
             "field of a form in the body"),
    VARIABLE("HttpPostFile", EXPR_NAME, VALUE_MAP, get_post_file,
             "file of a form: .name .type .size .content"),
    VARIABLE("HttpPathParam", EXPR_NAME, VALUE_BYTES, get_path_param,
             "segment that {name} of the path matched"),
    VARIABLE("HttpCookie", EXPR_NAME, VALUE_BYTES, get_cookie, "cookie, as sent"),
    VARIABLE("HttpBody", EXPR_NO_ARGUMENT, VALUE_BYTES, get_body, "body, byte for byte"),
    VARIABLE("HttpJson", EXPR_PATH, VALUE_NIL, get_json,
             "member of the body's JSON, its type kept"),
    EXPR_VARIABLE_END};
