/* reject-upgrade: refuses a handshake that waits for this run. */
#include "actions/upgrade.h"

struct reject_args {
    uint32_t status;
    struct slice text;
    struct config_pairs headers;
};

static bool reject_prepare(struct prepare *prepare, void *args);
static enum step_state reject_start(struct step *step, const void *args);

static const struct config_field reject_fields[] = {
    FIELD_U32(struct reject_args, status, "status", .dflt = "403", .min = 300, .max = 599,
              .doc = "status of the answer"),
    FIELD_TEXT(struct reject_args, text, "text",
               .doc = "body of the answer; what the status says when left out"),
    FIELD_PAIRS(struct reject_args, headers, "headers",
                .doc = "further header fields of the answer"),
    FIELD_END};

const struct action_kind action_reject_upgrade = {
    .name = "reject-upgrade",
    .doc = "rejects the WebSocket handshake that waits for this run",
    .fields = reject_fields,
    .args_size = sizeof(struct reject_args),
    .resume = RESUME_FAIL,
    .prepare = reject_prepare,
    .start = reject_start,
};

static bool reject_prepare(struct prepare *prepare, void *args) {
    const struct reject_args *reject = args;
    return upgrade__check_headers(prepare, offsetof(struct reject_args, headers), &reject->headers);
}

static enum step_state reject_start(struct step *step, const void *args) {
    const struct reject_args *reject = args;
    struct triggers_decision decision = {.status = (uint16_t)reject->status, .text = reject->text};
    return upgrade__decide(step, &reject->headers, &decision);
}
