/* server-close: a WebSocket session has ended, for any reason, once. */
#include "triggers/event.h"

static bool prepare_close(struct prepare *prepare, void *args) {
    return trigger__prepare_path(prepare, args);
}

static const struct config_field fields[] = {
    FIELD_TEXT(struct trigger_path, path, "path", .is_constant = true,
               .doc = "pattern of the path; without it every path matches"),
    FIELD_TEXT(struct trigger_path, server, "server", .is_constant = true,
               .doc = "the server's ID"),
    FIELD_END};

const struct trigger_kind trigger_server_close = {
    .name = "server-close",
    .doc = "a WebSocket session has ended, for any reason, once",
    .fields = fields,
    .args_size = sizeof(struct trigger_path),
    .binds_ws = true,
    .prepare = prepare_close,
};
