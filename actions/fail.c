/* fail: fails this step, as any failure does. */
#include "actions/action.h"

struct fail_args {
    struct slice message;
    uint32_t code;
};

static enum step_state fail_start(struct step *step, const void *args);

static const struct config_field fail_fields[] = {
    FIELD_TEXT(struct fail_args, message, "message", .required = true,
               .doc = "what LastErrorDescription will say"),
    FIELD_U32(struct fail_args, code, "code", .dflt = "1", .max = INT32_MAX,
              .doc = "what LastErrorCode will say"),
    FIELD_END};

const struct action_kind action_fail = {
    .name = "fail",
    .doc = "fails this step",
    .fields = fail_fields,
    .args_size = sizeof(struct fail_args),
    .resume = RESUME_AGAIN,
    .start = fail_start,
};

static enum step_state fail_start(struct step *step, const void *args) {
    const struct fail_args *wanted = args;
    return step_fail(step, (int32_t)wanted->code, SLICE_FMT, SLICE_ARG(wanted->message));
}
