/* server-error: a handshake has failed, or the protocol or the transport of a session is at fault.
 * Told once each; a failed handshake fires no server-open. */
#include "triggers/event.h"

static bool prepare_fault(struct prepare *prepare, void *args) {
    return trigger__prepare_path(prepare, args);
}

static const struct config_field fields[] = {
    FIELD_TEXT(struct trigger_path, path, "path", .is_constant = true,
               .doc = "pattern of the path; without it every path matches"),
    FIELD_TEXT(struct trigger_path, server, "server", .is_constant = true,
               .doc = "the server's ID"),
    FIELD_END};

const struct trigger_kind trigger_server_error = {
    .name = "server-error",
    .doc = "a WebSocket handshake has failed, or a session's protocol or transport is at fault",
    .fields = fields,
    .args_size = sizeof(struct trigger_path),
    .binds_ws = true,
    .prepare = prepare_fault,
};
