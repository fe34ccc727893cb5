/* Orders to the thread that owns the listeners; the step waits for its answer. */
#include "actions/steer.h"

struct waiting {
    struct action_order *order;
    struct slice server;
};

static void on_done(void *context, enum status status, const char *why);

bool steer__prepare(struct prepare *prepare, void *args) {
    struct steer_args *wanted = args;
    return prepare_server(prepare, offsetof(struct steer_args, server), &wanted->server);
}

enum step_state steer__begin(struct step *step, struct slice server, bool is_start) {
    struct action_host *host = action__host(step);
    struct waiting *waiting = step_alloc(step, sizeof *waiting);
    if (!waiting)
        return action__no_memory(step);
    waiting->server = server;
    if (!action__keep(step, &waiting->server))
        return STEP_FAILED;
    if (!host->steering)
        return step_fail(step, 1, "servers cannot be started or stopped here");
    waiting->order =
        host->steering->begin(host->steering->context, &(struct action_steer){.server = server,
                                                                              .is_start = is_start,
                                                                              .home = host->loop,
                                                                              .done = on_done,
                                                                              .context = step});
    if (!waiting->order)
        return action__no_memory(step);
    step_set_data(step, waiting);
    return STEP_PENDING;
}

static enum step_state settle(struct step *step, enum status status, const char *why) {
    const struct waiting *waiting = step_data(step);
    struct slice id = waiting->server;
    switch (status) {
        case STATUS_OK:
            return STEP_DONE;
        case STATUS_NOT_FOUND:
            return step_fail(step, 1, "Invalid WS Server ID \"" SLICE_FMT "\"", SLICE_ARG(id));
        case STATUS_FAILED:
            return step_fail(step, 1, "server \"" SLICE_FMT "\" cannot listen: %s", SLICE_ARG(id),
                             why ? why : "no address is declared");
        default:
            return step_fail(step, 1, "the daemon is ending");
    }
}

static void on_done(void *context, enum status status, const char *why) {
    struct step *step = context;
    step_finish(step, settle(step, status, why));
}

void steer__cancel(struct step *step) {
    const struct waiting *waiting = step_data(step);
    action__host(step)->steering->cancel(waiting->order);
}
