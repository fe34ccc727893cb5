/* Handshakes that a task decides. The request waits, held; the decision is taken over when it is
 * made and takes effect from here: at once while its head is being looked at, else in the next turn
 * of the loop, since opening a session starts runs of its own.
 *
 * States  open -> decided -> over. What ends it undecided: the end of its run (500), its time
 *         (504).
 * Thread  its worker's. */
#include <stdlib.h>

#include "triggers/event.h"

static void on_timer(struct net_timer *timer);
static void admitted(struct event *event, struct run *run);
static void refused(struct event *event, const struct run_verdict *verdict);
static void ended(struct event *event, struct run *run, const struct run_end *end);

const struct event_ops event__upgrade_ops = {.admitted = admitted,
                                             .hold = event__hold_session,
                                             .release = event__release_session,
                                             .refused = refused,
                                             .ended = ended,
                                             .place = event__place_session};

static struct upgrade *upgrade_new(struct triggers *triggers, struct server_request *request) {
    struct upgrade *upgrade = calloc(1, sizeof *upgrade);
    if (!upgrade)
        return NULL;
    if (server_request_hold(request)) {
        free(upgrade);
        return NULL;
    }
    upgrade->triggers = triggers;
    upgrade->request = request;
    upgrade->refs = 1;
    arena_init(&upgrade->arena, 512, 0);
    list_init(&upgrade->node);
    net_timer_init(&upgrade->timer, on_timer);
    return upgrade;
}

void upgrade__unref(struct upgrade *upgrade) {
    if (--upgrade->refs > 0)
        return;
    server_request_release(upgrade->request);
    arena_deinit(&upgrade->arena);
    free(upgrade);
}

/* The dispatcher is done with it; its run may go on. */
static void leave(struct upgrade *upgrade) {
    upgrade->state = UPGRADE_OVER;
    net_timer_stop(&upgrade->timer);
    list_remove(&upgrade->node);
    upgrade__unref(upgrade);
}

void upgrade__end_all(struct triggers *triggers) {
    while (!list_is_empty(&triggers->upgrades))
        leave(CONTAINER_OF(triggers->upgrades.next, struct upgrade, node));
    if (triggers->settled)
        upgrade__unref(triggers->settled);
    triggers->settled = NULL;
}

/* ---- the decision ---------------------------------------------------------------------------- */

static void tell_fault(const struct upgrade *upgrade) {
    struct server_request *request = upgrade->request;
    const struct server_fault fault = {.server = request->config->options.id,
                                       .kind = upgrade->fault_kind,
                                       .text = upgrade->fault,
                                       .peer = request->peer,
                                       .request = request};
    dispatch__error(upgrade->triggers, &fault);
}

/* No task has decided: the dispatcher does. */
static void decide_in_place(struct upgrade *upgrade, uint16_t status, const char *kind,
                            const char *why) {
    upgrade->state = UPGRADE_DECIDED;
    upgrade->route = (struct server_route){.status = status, .text = slice_of(why)};
    if (upgrade->request->label.name.size) {
        upgrade->route.headers = &upgrade->request->label;
        upgrade->route.header_count = 1;
    }
    upgrade->fault_kind = kind;
    upgrade->fault = why;
}

/* Takes effect; not from inside a run. */
static void settle(struct upgrade *upgrade) {
    struct server_request *request = upgrade->request;
    upgrade->refs++;
    leave(upgrade);
    if (!request->is_answered && !request->is_gone) {
        if (upgrade->fault)
            tell_fault(upgrade);
        upgrade->route.user = request->user;
        upgrade->route.peer = request->peer;
        upgrade->route.cors = upgrade->cors;
        server_decide(request, &upgrade->route);
    }
    upgrade__unref(upgrade);
}

static void on_timer(struct net_timer *timer) {
    struct upgrade *upgrade = CONTAINER_OF(timer, struct upgrade, timer);
    if (upgrade->state == UPGRADE_OPEN)
        decide_in_place(upgrade, 504, "timeout", "the handshake was not decided in time");
    settle(upgrade);
}

static bool copy_headers(struct upgrade *upgrade, const struct triggers_decision *decision) {
    struct server_route *route = &upgrade->route;
    struct http_header *headers =
        arena_alloc(&upgrade->arena, (decision->header_count + 1) * sizeof *headers);
    if (!headers)
        return false;
    route->headers = headers;
    for (size_t i = 0; i < decision->header_count; i++) {
        if (arena_copy(&upgrade->arena, decision->headers[i].name, &headers[i].name) ||
            arena_copy(&upgrade->arena, decision->headers[i].value, &headers[i].value))
            return false;
        route->header_count++;
    }
    return true;
}

static struct slice get_header(const void *context, const char *name, size_t index) {
    const struct http_request *http = context;
    for (size_t i = 0; i < http->header_count; i++)
        if (slice_equal_nocase(http->headers[i].name, slice_of(name)) && index-- == 0)
            return http->headers[i].value;
    return SLICE_NONE;
}

enum status triggers_decide(struct run *run, const struct triggers_decision *decision) {
    struct event *event = run_event(run);
    struct upgrade *upgrade = event && event->ops == &event__upgrade_ops
                                  ? ((struct session_event *)event)->upgrade
                                  : NULL;
    if (!upgrade)
        return STATUS_NOT_FOUND;
    if (upgrade->state != UPGRADE_OPEN || upgrade->request->is_answered)
        return STATUS_EXISTS;
    const struct ws_headers offered = {.get = get_header, .context = &upgrade->request->http};
    if (decision->subprotocol.size && !ws_is_subprotocol_offered(&offered, decision->subprotocol))
        return STATUS_DENIED;
    struct server_route *route = &upgrade->route;
    *route = (struct server_route){.status = decision->status,
                                   .is_exact = true,
                                   .has_subprotocol = decision->subprotocol.bytes != NULL};
    if (!copy_headers(upgrade, decision) ||
        arena_copy(&upgrade->arena, decision->text, &route->text) ||
        arena_copy(&upgrade->arena, decision->subprotocol, &route->subprotocol))
        return STATUS_NO_MEMORY;
    upgrade->state = UPGRADE_DECIDED;
    if (!upgrade->is_inside)
        net_timer_start(upgrade->triggers->loop, &upgrade->timer, 0);
    return STATUS_OK;
}

/* ---- from the head to the run ---------------------------------------------------------------- */

/* As a request is refused by the gates of its task. */
static void refuse(struct upgrade *upgrade, const struct run_verdict *verdict) {
    struct server_route *route = &upgrade->route;
    upgrade->state = UPGRADE_DECIDED;
    route->status = event__refusal(verdict, 403, &upgrade->retry);
    route->headers = &upgrade->retry.header;
    route->header_count = upgrade->retry.header.name.size > 0;
}

/* The decision was made before the run first waited. What it says lives until the next one. */
static void take_over(struct upgrade *upgrade, struct server_route *out) {
    struct triggers *triggers = upgrade->triggers;
    const struct server_route asked = *out;
    if (triggers->settled)
        upgrade__unref(triggers->settled);
    triggers->settled = upgrade;
    upgrade->refs++;
    leave(upgrade);
    if (upgrade->fault)
        tell_fault(upgrade);
    *out = upgrade->route;
    out->user = asked.user;
    out->peer = asked.peer;
    out->cors = asked.cors;
}

void upgrade__ask(struct triggers *triggers, const struct trigger *trigger,
                  struct server_request *request, struct server_route *out) {
    const struct trigger_upgrade *args = trigger->args;
    struct upgrade *upgrade = upgrade_new(triggers, request);
    if (!upgrade || server_request_name(request, out->user, out->peer)) {
        if (upgrade)
            leave(upgrade);
        out->status = 503;
        return;
    }
    struct session_event event;
    event__init_session(&event, &event__upgrade_ops);
    event.event.trigger = trigger;
    event.request = request;
    event.upgrade = upgrade;
    upgrade->cors = out->cors;
    upgrade->is_inside = true;
    struct run_verdict verdict = run_begin(triggers->engine, trigger->task, &event.event);
    upgrade->is_inside = false;
    if (verdict.gate != RUN_ADMITTED)
        refuse(upgrade, &verdict);
    if (upgrade->state == UPGRADE_DECIDED) {
        take_over(upgrade, out);
    } else {
        out->is_pending = true;
        list_append(&triggers->upgrades, &upgrade->node);
        net_timer_start(triggers->loop, &upgrade->timer, args->timeout_ms);
    }
}

static void admitted(struct event *event, struct run *run) {
    struct server_request *request = ((struct session_event *)event)->request;
    request->label = (struct http_header){SLICE("X-Bellwire-Run"), run_id_text(run)};
}

static void refused(struct event *event, const struct run_verdict *verdict) {
    struct upgrade *upgrade = ((struct session_event *)event)->upgrade;
    if (upgrade->state != UPGRADE_OPEN)
        return;
    refuse(upgrade, verdict);
    net_timer_start(upgrade->triggers->loop, &upgrade->timer, 0);
}

/* The run's ID goes with it: what the label borrows from is copied. */
static void ended(struct event *event, struct run *run, const struct run_end *end) {
    struct upgrade *upgrade = ((struct session_event *)event)->upgrade;
    struct http_header *label = &upgrade->request->label;
    (void)run; /* the end tells all */
    if (arena_copy(&upgrade->arena, label->value, &label->value))
        *label = (struct http_header){.value = SLICE_NONE};
    if (upgrade->state != UPGRADE_OPEN)
        return;
    decide_in_place(upgrade, 500, "handshake",
                    end->outcome == RUN_DONE ? "the task ended without a decision"
                                             : "the task failed before its decision");
    if (!upgrade->is_inside)
        net_timer_start(upgrade->triggers->loop, &upgrade->timer, 0);
}
