/* The path and the server of a trigger, read the same way for all kinds that have them. */
#include "triggers/event.h"

const struct config_field trigger__path_fields[] = {
    FIELD_TEXT(struct trigger_path, path, "path", .is_constant = true,
               .doc = "pattern of the path; without it every path matches"),
    FIELD_TEXT(struct trigger_path, server, "server", .is_constant = true,
               .doc = "the server's ID"),
    FIELD_END};

bool trigger__prepare_path(struct prepare *prepare, void *args) {
    struct trigger_path *path = args;
    bool is_good = prepare_server(prepare, offsetof(struct trigger_path, server), &path->server);
    size_t offset = offsetof(struct trigger_path, path);
    if (!prepare_has(prepare, offset))
        return is_good;
    struct http_pattern *pattern;
    struct http_pattern_error error = {0};
    if (http_pattern_compile(prepare_arena(prepare), path->path, &pattern, &error) == STATUS_OK) {
        path->pattern = pattern;
        return is_good;
    }
    return prepare_error(prepare, offset, "\"path\" " SLICE_FMT ": %s", SLICE_ARG(path->path),
                         error.message ? error.message : "out of memory");
}
