/* Orders to clients. The client may live on another worker, whose answer is waited for. */
#include "actions/action.h"

static void on_obeyed(void *context, enum status status, const char *text);

static struct slice name_of(const struct client_order *order) {
    return order->link ? client_link_client(order->link) : order->client;
}

/* Also where the step's failure is passed over, the log tells that something was not sent. */
static enum step_state fail_closed(struct step *step, const struct client_order *order) {
    struct slice name = name_of(order);
    if (!name.size)
        return action__fail_session(step, STATUS_CLOSED, order->session_id);
    if (order->verb == CLIENT_SEND_MESSAGE) {
        const struct log_place place = {.client = name};
        log_line(LOG_WARN, &place, "a message was not sent: the client is not open");
    }
    return step_fail(step, 1, "client \"" SLICE_FMT "\" is not open", SLICE_ARG(name));
}

static enum step_state fail_unknown(struct step *step, const struct client_order *order) {
    struct slice name = name_of(order);
    return name.size ? step_fail(step, 1, "Invalid WS Client ID \"" SLICE_FMT "\"", SLICE_ARG(name))
                     : action__fail_session(step, STATUS_NOT_FOUND, order->session_id);
}

enum step_state action__client_settle(struct step *step, const struct client_order *order,
                                      enum status status, const char *text) {
    struct slice name = name_of(order);
    switch (status) {
        case STATUS_OK:
            return STEP_DONE;
        case STATUS_CLOSED:
            return fail_closed(step, order);
        case STATUS_NOT_FOUND:
            return fail_unknown(step, order);
        case STATUS_FAILED:
            return step_fail(step, 1, "client \"" SLICE_FMT "\" did not connect: %s",
                             SLICE_ARG(name), text ? text : "no cause is known");
        case STATUS_CANCELLED:
            return step_fail(step, 1, "client \"" SLICE_FMT "\" was disconnected meanwhile",
                             SLICE_ARG(name));
        case STATUS_RANGE:
            return action__fail_code(step, order->code);
        case STATUS_LIMIT:
            return step_fail(step, 1, "the reason is longer than %d bytes", WS_REASON_MAX);
        case STATUS_SYNTAX:
            return step_fail(step, 1, "the reason is not UTF-8");
        default:
            return step_fail(step, 1, "the client cannot do this: %s", status_text(status));
    }
}

enum step_state action__client_order(struct step *step, const struct client_order *order) {
    struct client_set *clients = action__host(step)->clients;
    struct client_done done = {.fn = on_obeyed, .context = step};
    enum status status = clients ? client_order(clients, order, &done) : STATUS_NOT_FOUND;
    if (status != STATUS_AGAIN)
        return action__client_settle(step, order, status, NULL);
    struct action_waiting *kept = step_alloc(step, sizeof *kept);
    struct client_order ids = {.verb = order->verb,
                               .client = name_of(order),
                               .session_id = order->session_id,
                               .code = order->code};
    if (!kept || !action__keep(step, &ids.client) || !action__keep(step, &ids.session_id)) {
        client_op_cancel(done.op);
        return action__no_memory(step);
    }
    *kept = (struct action_waiting){.client_op = done.op, .client_order = ids};
    step_set_data(step, kept);
    return STEP_PENDING;
}

static void on_obeyed(void *context, enum status status, const char *text) {
    struct step *step = context;
    const struct action_waiting *kept = step_data(step);
    step_finish(step, action__client_settle(step, &kept->client_order, status, text));
}
