/* server-error: a handshake has failed, or the protocol or the transport of a session is at fault.
 * Told once each; a failed handshake fires no server-open. */
#include "triggers/event.h"

const struct trigger_kind trigger_server_error = {
    .name = "server-error",
    .doc = "a WebSocket handshake has failed, or a session's protocol or transport is at fault",
    .fields = trigger__path_fields,
    .args_size = sizeof(struct trigger_path),
    .binds_ws = true,
    .prepare = trigger__prepare_path,
};
