/* server-close: a WebSocket session has ended, for any reason, once. */
#include "triggers/event.h"

const struct trigger_kind trigger_server_close = {
    .name = "server-close",
    .doc = "a WebSocket session has ended, for any reason, once",
    .fields = trigger__path_fields,
    .args_size = sizeof(struct trigger_path),
    .binds_ws = true,
    .prepare = trigger__prepare_path,
};
