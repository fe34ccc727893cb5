/* stop: ends the run as done, with a result for who started it. */
#include "actions/action.h"

struct stop_args {
    struct arg_value result;
};

static enum step_state stop_start(struct step *step, const void *args);

static const struct config_field stop_fields[] = {
    FIELD_SPECIAL(struct stop_args, result, "result", "value",
                  .doc = "what a run-task that waits gets as .result"),
    FIELD_END};

const struct action_kind action_stop = {
    .name = "stop",
    .doc = "ends the run as done",
    .fields = stop_fields,
    .args_size = sizeof(struct stop_args),
    .resume = RESUME_AGAIN,
    .start = stop_start,
};

static enum step_state stop_start(struct step *step, const void *args) {
    const struct stop_args *wanted = args;
    return step_end_run(step, wanted->result.value) == STATUS_OK ? STEP_DONE : STEP_FAILED;
}
