/* close-session: begins the closing handshake. Done once the close frame is queued; the peer's
 * answer, or its silence, is the matter of `server-close`. */
#include "actions/action.h"

struct close_args {
    uint32_t code;
    struct slice reason, session;
};

static bool close_prepare(struct prepare *prepare, void *args);
static enum step_state close_start(struct step *step, const void *args);

static const struct config_field close_fields[] = {
    FIELD_U32(struct close_args, code, "code", .dflt = "1000", .min = 1000, .max = 4999,
              .doc = "close code: 1000-1003, 1007-1014 or 3000-4999"),
    FIELD_TEXT(struct close_args, reason, "reason", .doc = "up to 123 bytes for the peer to read"),
    FIELD_TEXT(struct close_args, session, "session",
               .doc = "ID of the session; the run's own when left out"),
    FIELD_END};

const struct action_kind action_close_session = {
    .name = "close-session",
    .doc = "closes a WebSocket session",
    .fields = close_fields,
    .args_size = sizeof(struct close_args),
    .resume = RESUME_FAIL,
    .prepare = close_prepare,
    .start = close_start,
    .cancel = action__order_cancel,
};

static bool close_prepare(struct prepare *prepare, void *args) {
    const struct close_args *close = args;
    return action__check_close(prepare, offsetof(struct close_args, code),
                               offsetof(struct close_args, reason),
                               (struct action_close){close->code, close->reason});
}

static enum step_state close_start(struct step *step, const void *args) {
    const struct close_args *close = args;
    if (!ws_code_is_valid(close->code)) /* 1005 would close without one */
        return action__fail_code(step, close->code);
    return action__order(
        step, &(struct session_order){
                  .session = close->session,
                  .order = {.verb = SERVER_CLOSE, .text = close->reason, .code = close->code}});
}
