/* start-server: opens the addresses of a server, until the next start of the daemon. Done when it
 * listens, at once where it does already. */
#include "actions/steer.h"

static enum step_state start_begin(struct step *step, const void *args);

static const struct config_field start_fields[] = {
    FIELD_TEXT(struct steer_args, server, "server", .doc = "ID of the server"), FIELD_END};

const struct action_kind action_start_server = {
    .name = "start-server",
    .doc = "starts a server; one that runs stays as it is",
    .fields = start_fields,
    .args_size = sizeof(struct steer_args),
    .resume = RESUME_AGAIN,
    .prepare = steer__prepare,
    .start = start_begin,
    .cancel = steer__cancel,
};

static enum step_state start_begin(struct step *step, const void *args) {
    return steer__begin(step, ((const struct steer_args *)args)->server, true);
}
