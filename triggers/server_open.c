/* server-open: a WebSocket session is established. */
#include "triggers/event.h"

const struct trigger_kind trigger_server_open = {
    .name = "server-open",
    .doc = "a WebSocket session is established",
    .fields = trigger__path_fields,
    .args_size = sizeof(struct trigger_path),
    .binds_ws = true,
    .prepare = trigger__prepare_path,
};
