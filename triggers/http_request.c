/* http-request: one whole HTTP request that is not an upgrade. It starts exactly one task. */
#include "triggers/event.h"

static bool prepare_request(struct prepare *prepare, void *args);

static const struct config_field fields[] = {
    FIELD_TEXT(struct trigger_http, path.path, "path", .is_constant = true,
               .doc = "pattern of the path; without it every path matches"),
    FIELD_TEXT(struct trigger_http, path.server, "server", .is_constant = true,
               .doc = "the server's ID"),
    FIELD_TEXTS(struct trigger_http, methods, "method", .is_constant = true,
                .doc = "one or a list; GET includes HEAD; any when left out"),
    FIELD_SIZE(struct trigger_http, max_body_bytes, "max-body", .is_constant = true, .min = 1,
               .doc = "largest body, in place of the server's bound"),
    FIELD_DURATION(struct trigger_http, body_timeout_ms, "body-timeout", .is_constant = true,
                   .min = 1, .doc = "longest time without progress of the body"),
    FIELD_DURATION(struct trigger_http, response_timeout_ms, "response-timeout",
                   .is_constant = true, .min = 1,
                   .doc = "after it the peer gets 504, and the run goes on"),
    FIELD_U32(struct trigger_http, unmet, "unmet", .is_constant = true, .min = 400, .max = 599,
              .dflt = "403", .doc = "status when the conditions do not hold"),
    FIELD_U32(struct trigger_http, respond, "respond", .is_constant = true, .min = 200, .max = 299,
              .doc = "answers at once with this status, then runs"),
    FIELD_BOOL(struct trigger_http, prefetch, "prefetch", .is_constant = true, .dflt = "false",
               .doc = "speculative requests of a browser may start the task"),
    FIELD_STRUCT(struct trigger_http, auth, "auth", trigger_auth_fields,
                 .doc = "who may start the task, in place of the server's auth"),
    FIELD_END};

const struct trigger_kind trigger_http_request = {
    .name = "http-request",
    .doc = "one whole HTTP request that is not an upgrade",
    .fields = fields,
    .args_size = sizeof(struct trigger_http),
    .binds_http = true,
    .prepare = prepare_request,
};

static bool prepare_request(struct prepare *prepare, void *args) {
    struct trigger_http *http = args;
    bool is_good = trigger__prepare_path(prepare, &http->path);
    for (size_t i = 0; i < http->methods.count; i++) {
        enum http_method method;
        if (http_method_parse(http->methods.items[i], &method) == STATUS_OK &&
            method != HTTP_METHOD_CONNECT)
            http->method_bits |= HTTP_METHOD_BIT(method);
        else
            is_good = prepare_error(prepare, offsetof(struct trigger_http, methods),
                                    "\"method\" must be a method of HTTP in capitals, such as GET "
                                    "or POST, got \"" SLICE_FMT "\"",
                                    SLICE_ARG(http->methods.items[i]));
    }
    return trigger__prepare_auth(prepare, &http->auth, offsetof(struct trigger_http, auth)) &&
           is_good;
}
