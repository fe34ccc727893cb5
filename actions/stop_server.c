/* stop-server: closes the addresses of a server and ends its sessions with 1001, until the next
 * start of the daemon. Done when nothing listens any more. */
#include "actions/steer.h"

static enum step_state stop_begin(struct step *step, const void *args);

static const struct config_field stop_fields[] = {
    FIELD_TEXT(struct steer_args, server, "server", .doc = "ID of the server"), FIELD_END};

const struct action_kind action_stop_server = {
    .name = "stop-server",
    .doc = "stops a server; its sessions end with 1001",
    .fields = stop_fields,
    .args_size = sizeof(struct steer_args),
    .resume = RESUME_AGAIN,
    .prepare = steer__prepare,
    .start = stop_begin,
    .cancel = steer__cancel,
};

static enum step_state stop_begin(struct step *step, const void *args) {
    return steer__begin(step, ((const struct steer_args *)args)->server, false);
}
