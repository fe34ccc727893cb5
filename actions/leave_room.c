/* leave-room: takes a session out of a room; one that it is not in is fine. */
#include "actions/action.h"

struct room_args {
    struct slice room, session;
};

static enum step_state leave_start(struct step *step, const void *args);

static const struct config_field leave_fields[] = {
    FIELD_TEXT(struct room_args, room, "room", .required = true, .min = 1,
               .doc = "name of the room"),
    FIELD_TEXT(struct room_args, session, "session",
               .doc = "ID of the session; the run's own when left out"),
    FIELD_END};

const struct action_kind action_leave_room = {
    .name = "leave-room",
    .doc = "takes a session out of a room",
    .fields = leave_fields,
    .args_size = sizeof(struct room_args),
    .resume = RESUME_FAIL,
    .start = leave_start,
    .cancel = action__order_cancel,
};

static enum step_state leave_start(struct step *step, const void *args) {
    const struct room_args *wanted = args;
    if (wanted->room.size == 0)
        return step_fail(step, 1, "\"room\" must not be empty");
    return action__order(
        step, &(struct session_order){.session = wanted->session,
                                      .order = {.verb = SERVER_LEAVE, .text = wanted->room}});
}
