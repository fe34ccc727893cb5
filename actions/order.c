/* Orders to a session (close, join, leave): the run's own at once, another one by its ID, maybe on
 * another worker, whose answer is waited for. */
#include "actions/action.h"

static void on_obeyed(void *context, enum status status, uint32_t sent);

static enum step_state settle(struct step *step, const struct server_order *order,
                              enum status status) {
    switch (status) {
        case STATUS_OK:
            return STEP_DONE;
        case STATUS_RANGE:
            return action__fail_code(step, order->code);
        case STATUS_LIMIT:
            if (order->verb == SERVER_JOIN)
                return step_fail(step, 1,
                                 "a session may be in %d rooms, with names of up to %d bytes",
                                 SERVER_ROOMS_MAX, SERVER_ROOM_NAME_MAX);
            return step_fail(step, 1, "the reason is longer than %d bytes", WS_REASON_MAX);
        case STATUS_SYNTAX:
            return step_fail(step, 1, "the reason is not UTF-8");
        default:
            return action__fail_session(step, status, order->session_id);
    }
}

static enum status obey(struct session *session, const struct server_order *order) {
    switch (order->verb) {
        case SERVER_CLOSE:
            return session_close(session, order->code, order->text);
        case SERVER_JOIN:
            return session_join(session, order->text);
        case SERVER_LEAVE:
            session_leave(session, order->text);
            return STATUS_OK;
    }
    return STATUS_UNSUPPORTED;
}

/* A client's session can be closed, but is in no room. */
static enum step_state order_link(struct step *step, const struct session_order *wanted,
                                  struct client_link *link) {
    const struct server_order *order = &wanted->order;
    if (order->verb != SERVER_CLOSE)
        return step_fail(step, 1, "the session of a client cannot be in a room");
    return action__client_order(step, &(struct client_order){.verb = CLIENT_CLOSE_LINK,
                                                             .link = link,
                                                             .session_id = wanted->session,
                                                             .code = order->code,
                                                             .reason = order->text});
}

enum step_state action__order(struct step *step, struct session_order *wanted) {
    struct server_order *order = &wanted->order;
    struct client_link *link = wanted->session.bytes ? NULL : triggers_client(step_run(step));
    if (link || client_is_session_id(wanted->session))
        return order_link(step, wanted, link);
    if (!wanted->session.bytes) {
        struct session *session = action__own_session(step);
        return session ? settle(step, order, obey(session, order)) : STEP_FAILED;
    }
    order->session_id = wanted->session;
    struct server_done done = {.fn = on_obeyed, .context = step};
    enum status status = server_order(action__host(step)->servers, order, &done);
    if (status != STATUS_AGAIN)
        return settle(step, order, status);
    struct action_waiting *kept = step_alloc(step, sizeof *kept);
    if (!kept || !action__keep(step, &order->session_id)) {
        server_op_cancel(done.op);
        return action__no_memory(step);
    }
    *kept = (struct action_waiting){.op = done.op, .order = *order};
    kept->order.text = SLICE_NONE;
    step_set_data(step, kept);
    return STEP_PENDING;
}

static void on_obeyed(void *context, enum status status, uint32_t sent) {
    struct step *step = context;
    const struct action_waiting *kept = step_data(step);
    (void)sent; /* of messages */
    step_finish(step, settle(step, &kept->order, status));
}

void action__order_cancel(struct step *step) {
    const struct action_waiting *kept = step_data(step);
    if (kept->op)
        server_op_cancel(kept->op);
    else
        client_op_cancel(kept->client_op);
}
