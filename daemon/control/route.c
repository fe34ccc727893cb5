/* From a path to the handler of a command, and what a request gives as arguments. */
#include "control/internal.h"

struct route {
    const char *method, *path;
    void (*handle)(struct call *call);
};

static const struct route routes[] = {
#define X(id, noun, verb, arguments, method, path, help, columns) {method, path, route__##id},
    CONTROL_COMMANDS(X)
#undef X
};

static bool matches(const char *pattern, struct slice path, struct slice *id);
static bool read_body(struct call *call);

/* True when `path` has the segments of `pattern`, whose ID stands for any one. */
static bool matches(const char *pattern, struct slice path, struct slice *id) {
    struct slice wanted = slice_of(pattern);
    *id = SLICE_NONE;
    do {
        struct slice want = slice_cut(wanted, '/', &wanted), have = slice_cut(path, '/', &path);
        if (slice_is(want, "ID") && have.size)
            *id = have;
        else if (!slice_equal(want, have))
            return false;
    } while (wanted.bytes && path.bytes);
    return !wanted.bytes && !path.bytes;
}

void route__dispatch(struct call *call) {
    struct slice id, method = http_method_text(call->method), allowed = SLICE_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        if (!matches(routes[i].path, call->path, &id))
            continue;
        if (!slice_is(method, routes[i].method)) {
            const char *all = arena_printf(&call->arena, SLICE_FMT "%s%s", SLICE_ARG(allowed),
                                           allowed.size ? ", " : "", routes[i].method);
            allowed = all ? slice_of(all) : allowed;
            continue;
        }
        enum status status = http_path_decode(id, &call->arena, &call->id);
        if (status == STATUS_SYNTAX) {
            call_error(call, 400, id, "the path has a %% that starts no escape");
            return;
        }
        if (status) {
            call_no_memory(call);
            return;
        }
        if (read_body(call))
            routes[i].handle(call);
        return;
    }
    if (allowed.size)
        call_error(call, 405, allowed, "this path takes " SLICE_FMT, SLICE_ARG(allowed));
    else
        call_error(call, 404, call->path, "there is no path \"" SLICE_FMT "\"",
                   SLICE_ARG(call->path));
}

/* False after an answer. */
static bool read_body(struct call *call) {
    struct slice body = slice_trim(buffer_slice(&call->body));
    size_t at = 0;
    if (!body.size)
        return true;
    enum status status = json_decode(body, &call->arena, &call->arguments, &at);
    if (status == STATUS_NO_MEMORY) {
        call_no_memory(call);
        return false;
    }
    if (status) {
        call_error(call, 400, SLICE_NONE, "the body is no JSON: %s at byte %zu",
                   status_text(status), at + 1);
        return false;
    }
    if (call->arguments.type != VALUE_MAP) {
        call_error(call, 400, SLICE_NONE, "the body must be a JSON object");
        return false;
    }
    return true;
}

struct slice call_text(struct call *call, const char *name) {
    struct slice found;
    struct value value = value_member(call->arguments, slice_of(name));
    if (value.type == VALUE_BYTES)
        return value_slice(value);
    if (value.type != VALUE_NIL && value_text(value, &call->arena, &found) == STATUS_OK)
        return found;
    if (http_query_get(call->query, slice_of(name), &call->arena, &found) == STATUS_OK)
        return found;
    return SLICE_NONE;
}

bool call_flag(struct call *call, const char *name) {
    struct value value = value_member(call->arguments, slice_of(name));
    if (value.type == VALUE_BOOL)
        return value.boolean;
    struct slice text = call_text(call, name);
    return slice_is(text, "true") || slice_is(text, "1") || slice_is(text, "yes");
}
