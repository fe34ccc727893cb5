/* wait: holds the run, and not the daemon. */
#include "actions/action.h"

struct wait_args {
    uint64_t for_ms;
};

static enum step_state wait_start(struct step *step, const void *args);
static void wait_cancel(struct step *step);

static const struct config_field wait_fields[] = {FIELD_DURATION(struct wait_args, for_ms, "for",
                                                                 .required = true,
                                                                 .doc = "how long the run waits"),
                                                  FIELD_END};

const struct action_kind action_wait = {
    .name = "wait",
    .doc = "waits before the next step",
    .fields = wait_fields,
    .args_size = sizeof(struct wait_args),
    .resume = RESUME_DEADLINE,
    .start = wait_start,
    .cancel = wait_cancel,
};

static void on_time_over(struct step *step) { step_finish(step, STEP_DONE); }

static enum step_state wait_start(struct step *step, const void *args) {
    const struct wait_args *wanted = args;
    if (wanted->for_ms == 0)
        return STEP_DONE;
    step_wait(step, wanted->for_ms, on_time_over);
    return STEP_PENDING;
}

static void wait_cancel(struct step *step) { (void)step; /* the engine stops its timer */ }
