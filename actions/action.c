/* What several actions need: failures in the same words, copies, sessions. */
#include "actions/action.h"

#include <errno.h>

enum step_state action__no_memory(struct step *step) {
    return step_fail(step, ENOMEM, "out of memory, within max-run-memory");
}

bool action__keep(struct step *step, struct slice *text) {
    if (!text->bytes)
        return true;
    char *copy = step_alloc(step, text->size + 1);
    if (!copy) {
        action__no_memory(step);
        return false;
    }
    if (text->size)
        memcpy(copy, text->bytes, text->size);
    text->bytes = copy;
    return true;
}

enum step_state action__fail_session(struct step *step, enum status status, struct slice id) {
    switch (status) {
        case STATUS_NOT_FOUND:
            return step_fail(step, 1, "no session has the ID \"" SLICE_FMT "\"", SLICE_ARG(id));
        case STATUS_CLOSED:
            return step_fail(step, 1, "the session is closed");
        case STATUS_NO_MEMORY:
            return step_fail(step, ENOMEM, "out of memory");
        default:
            return step_fail(step, 1, "the session cannot do this: %s", status_text(status));
    }
}

struct session *action__own_session(struct step *step) {
    struct session *session = triggers_session(step_run(step));
    if (!session)
        step_fail(step, 1, "no WebSocket session has triggered this run: name one");
    return session;
}

size_t action__given(const struct prepare *prepare, const size_t *offsets, size_t count) {
    size_t given = 0;
    for (size_t i = 0; i < count; i++)
        given += prepare_has(prepare, offsets[i]);
    return given;
}

enum step_state action__fail_code(struct step *step, unsigned code) {
    return step_fail(step, 1,
                     "close code %u may not be sent: 1000-1003, 1007-1014 and 3000-4999 may", code);
}

bool action__check_close(struct prepare *prepare, size_t code, size_t reason,
                         struct action_close close) {
    bool is_good = true;
    if (!prepare_template(prepare, code) && !ws_code_is_valid(close.code))
        is_good = prepare_error(prepare, code,
                                "\"code\" %u may not be sent: 1000-1003, 1007-1014 and 3000-4999 "
                                "may",
                                close.code);
    if (!prepare_template(prepare, reason) && close.reason.size > WS_REASON_MAX)
        is_good =
            prepare_error(prepare, reason, "\"reason\" must be at most %d bytes long, got %zu",
                          WS_REASON_MAX, close.reason.size);
    return is_good;
}
