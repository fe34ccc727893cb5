/* accept-upgrade: lets a handshake through that waits for this run. The 101 follows when the step
 * is done. */
#include "actions/upgrade.h"

struct accept_args {
    struct slice subprotocol;
    struct config_pairs headers;
};

static bool accept_prepare(struct prepare *prepare, void *args);
static enum step_state accept_start(struct step *step, const void *args);

static const struct config_field accept_fields[] = {
    FIELD_TEXT(struct accept_args, subprotocol, "subprotocol",
               .doc = "one that the peer offers; \"\" is none; the server's own choice when left "
                      "out"),
    FIELD_PAIRS(struct accept_args, headers, "headers", .doc = "further header fields of the 101"),
    FIELD_END};

const struct action_kind action_accept_upgrade = {
    .name = "accept-upgrade",
    .doc = "accepts the WebSocket handshake that waits for this run",
    .fields = accept_fields,
    .args_size = sizeof(struct accept_args),
    .resume = RESUME_FAIL,
    .prepare = accept_prepare,
    .start = accept_start,
};

static bool accept_prepare(struct prepare *prepare, void *args) {
    const struct accept_args *accept = args;
    return upgrade__check_headers(prepare, offsetof(struct accept_args, headers), &accept->headers);
}

static enum step_state accept_start(struct step *step, const void *args) {
    const struct accept_args *accept = args;
    struct triggers_decision decision = {.subprotocol = accept->subprotocol};
    return upgrade__decide(step, &accept->headers, &decision);
}
