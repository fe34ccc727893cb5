/* Requests on their way to a task and back: which task, the gates' refusals, the answer of a run
 * that gave none. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "triggers/event.h"

#define PAGE_MAX       1024
#define REFUSAL_LOG_MS 1000

static void head_of_upgrade(struct triggers *triggers, const struct trigger_server *server,
                            struct server_request *request, struct server_route *out);
static bool is_accepted(const struct trigger_server *server, struct slice path);
static void refuse(struct server_request *request, const struct trigger *trigger,
                   const struct run_verdict *verdict);
static struct event *hold(struct event *event);
static void release(struct event *event);
static void admitted(struct event *event, struct run *run);
static void refused(struct event *event, const struct run_verdict *verdict);
static void ended(struct event *event, struct run *run, const struct run_end *end);
static void place(struct event *event, struct arena *arena, struct event_place *out);

const struct event_ops event__http_ops = {.admitted = admitted,
                                          .hold = hold,
                                          .release = release,
                                          .refused = refused,
                                          .ended = ended,
                                          .place = place};

static uint64_t note_request(struct triggers *triggers, const struct server_request *request) {
    const struct why_event event = {.kind = request->http.is_websocket ? "server-upgrade"
                                                                       : "http-request",
                                    .server = request->config->options.id,
                                    .path = request->http.path,
                                    .text = http_method_text(request->http.method)};
    return engine_note_event(triggers->engine, &event);
}

void dispatch__head(void *context, struct server_request *request, struct server_route *out) {
    struct triggers *triggers = context;
    if (!gate__access(triggers, request, out))
        return;
    const struct trigger_server *server = triggers__server(triggers, request->config->options.id);
    if (request->http.is_websocket) {
        head_of_upgrade(triggers, server, request, out);
        return;
    }
    const struct http_route *route = server ? http_router_best(server->http, request->http.path,
                                                               request->http.method, &out->allowed)
                                            : NULL;
    if (!route) {
        (void)note_request(triggers, request); /* `why` tells which paths there are */
        out->status = out->allowed ? 405 : is_accepted(server, request->http.path) ? 426 : 404;
        return;
    }
    const struct trigger *trigger = route->value;
    const struct trigger_http *args = trigger->args;
    if (!args->prefetch && !gate__speculation(triggers, request, out))
        return;
    out->route = trigger;
    out->max_body_bytes = args->max_body_bytes;
    out->body_timeout_ms = args->body_timeout_ms;
    out->response_timeout_ms = args->response_timeout_ms;
    /* The body may come turns later, and the program may be another one by then. */
    request->attachment = (void *)(uintptr_t)triggers->generation;
    gate__auth(triggers, request, &args->auth, out);
    if (out->status)
        dispatch__note_refusal(triggers, request, trigger);
}

void dispatch__note_refusal(struct triggers *triggers, const struct server_request *request,
                            const struct trigger *trigger) {
    engine_note_refusal(triggers->engine, note_request(triggers, request), trigger, "auth",
                        gate__seen(triggers));
}

static bool may_log_refusal(struct triggers *triggers) {
    uint64_t now_ms = net_loop_now_ms(triggers->loop);
    if (triggers->refusals_logged_ms && now_ms - triggers->refusals_logged_ms < REFUSAL_LOG_MS)
        return false;
    triggers->refusals_logged_ms = now_ms;
    return true;
}

static void log_unknown_path(struct triggers *triggers, const struct trigger_server *server,
                             const struct server_request *request) {
    if (!may_log_refusal(triggers))
        return;
    char known[512] = "";
    size_t used = 0;
    for (size_t i = 0; server && i < server->ws_count && used < sizeof known; i++) {
        const struct trigger *trigger = server->ws_routes[i].value;
        struct slice path = ((const struct trigger_path *)trigger->args)->path;
        if (index__is_accepting(trigger))
            used += (size_t)snprintf(
                known + used, sizeof known - used, "%s" SLICE_FMT, used ? ", " : "",
                SLICE_ARG(path.bytes ? path : SLICE("any path"))); /* a long list is cut */
    }
    const struct log_place where = {.server = request->config->options.id};
    log_line(LOG_INFO, &where,
             "refused a WebSocket to " SLICE_FMT ": no task has a trigger for it, known are: %s",
             SLICE_ARG(request->http.path), known[0] ? known : "none");
}

/* Whether a WebSocket to the path would be accepted. */
static bool is_accepted(const struct trigger_server *server, struct slice path) {
    const struct http_route *few[64];
    size_t count = server ? http_router_all(server->ws, path, few, ARRAY_SIZE(few)) : 0;
    for (size_t i = 0; i < count && i < ARRAY_SIZE(few); i++)
        if (index__is_accepting(few[i]->value))
            return true;
    /* More routes than fit on the stack: the answer is looked for among all of them. */
    for (size_t i = 0; count > ARRAY_SIZE(few) && i < server->ws_count; i++)
        if (index__is_accepting(server->ws_routes[i].value) &&
            http_pattern_matches(server->ws_routes[i].pattern, path))
            return true;
    return false;
}

/* Without credentials of its own the path has those of the server, which guard all its tasks. */
static void note_upgrade_refusal(struct triggers *triggers, const struct trigger_server *server,
                                 const struct server_request *request,
                                 const struct trigger *guard) {
    const struct http_route *few[16];
    const struct task *noted = guard ? guard->task : NULL;
    uint64_t event = note_request(triggers, request);
    if (guard) {
        engine_note_refusal(triggers->engine, event, guard, "auth", gate__seen(triggers));
        return;
    }
    size_t count = http_router_all(server->ws, request->http.path, few, ARRAY_SIZE(few));
    for (size_t i = 0; i < count && i < ARRAY_SIZE(few); i++) {
        const struct trigger *trigger = few[i]->value;
        if (index__is_accepting(trigger) && trigger->task != noted)
            engine_note_refusal(triggers->engine, event, trigger, "auth", gate__seen(triggers));
        noted = trigger->task;
    }
}

static const struct trigger *best_of(const struct http_router *router, struct slice path) {
    uint64_t allowed;
    const struct http_route *route =
        router ? http_router_best(router, path, HTTP_METHOD_GET, &allowed) : NULL;
    return route ? route->value : NULL;
}

/* A task that would have guarded or decided the handshake is disabled, and no other does so. */
static bool is_closed(struct triggers *triggers, const struct trigger_server *server,
                      const struct server_request *request, const struct trigger *guard,
                      const struct trigger *decider) {
    struct slice path = request->http.path;
    const struct trigger *closed = guard ? NULL : best_of(server->closed_guards, path);
    if (!closed && !decider)
        closed = best_of(server->closed_deciders, path);
    if (!closed)
        return false;
    if (may_log_refusal(triggers)) {
        const struct log_place where = {.server = request->config->options.id};
        log_line(LOG_INFO, &where,
                 "refused a WebSocket to " SLICE_FMT ": task \"" SLICE_FMT
                 "\", which decides about it, is disabled",
                 SLICE_ARG(path), SLICE_ARG(closed->task->id));
    }
    return true;
}

static void head_of_upgrade(struct triggers *triggers, const struct trigger_server *server,
                            struct server_request *request, struct server_route *out) {
    struct slice path = request->http.path;
    if (!is_accepted(server, path)) {
        out->status = 404;
        (void)note_request(triggers, request); /* likewise */
        log_unknown_path(triggers, server, request);
        return;
    }
    const struct trigger *guard = best_of(server->guards, path);
    const struct trigger *decider = best_of(server->deciders, path);
    if (is_closed(triggers, server, request, guard, decider)) {
        out->status = 404;
        (void)note_request(triggers, request); /* `why` tells of the disabled task */
        return;
    }
    const struct trigger_upgrade *own = guard ? guard->args : NULL;
    gate__auth(triggers, request, own ? &own->auth : NULL, out);
    if (out->status)
        note_upgrade_refusal(triggers, server, request, guard);
    if (decider && !out->status && !out->is_pending)
        upgrade__ask(triggers, decider, request, out);
}

/* The program changed while the body came. NULL: the request was answered. */
static const struct trigger *match_anew(struct triggers *triggers, struct server_request *request) {
    struct server_route again = {0};
    gate__set_late(triggers, true);
    dispatch__head(triggers, request, &again);
    gate__set_late(triggers, false);
    if (again.status) {
        const struct server_response response = {
            .status = again.status, .headers = again.headers, .header_count = again.header_count};
        (void)server_respond(request, &response); /* gone: dropped and counted */
        return NULL;
    }
    request->route = again.route;
    request->user = again.user;
    return again.route;
}

void dispatch__request(void *context, struct server_request *request) {
    struct triggers *triggers = context;
    const struct trigger *trigger = request->route;
    if ((uint64_t)(uintptr_t)request->attachment != triggers->generation) {
        trigger = match_anew(triggers, request);
        if (!trigger)
            return;
    }
    const struct trigger_http *args = trigger->args;
    if (args->auth.hmac.name.bytes && !gate__signature(triggers, request, &args->auth))
        return;
    struct request_event event = {.event = {.ops = &event__http_ops,
                                            .trigger = trigger,
                                            .cause = RUN_TRIGGER,
                                            .why = note_request(triggers, request)},
                                  .request = request};
    event.event.sources[EXPR_HTTP] = &event;
    event__json_init(&event.json, request->body);
    struct run_verdict verdict = run_begin(triggers->engine, trigger->task, &event.event);
    if (verdict.gate != RUN_ADMITTED)
        refuse(request, trigger, &verdict);
    if (!event.is_held)
        event__json_deinit(&event.json);
}

uint16_t event__refusal(const struct run_verdict *verdict, uint32_t unmet,
                        struct event_retry *retry) {
    retry->header = (struct http_header){.name = SLICE_NONE};
    if (verdict->gate == RUN_UNMET)
        return (uint16_t)(verdict->status ? verdict->status : unmet);
    uint64_t after_s = verdict->retry_after_ms < 1000 ? 1 : (verdict->retry_after_ms + 999) / 1000;
    int size = snprintf(retry->seconds, sizeof retry->seconds, "%" PRIu64, after_s);
    retry->header = (struct http_header){SLICE("Retry-After"), {retry->seconds, (size_t)size}};
    return verdict->gate == RUN_MEMORY ? 503 : 429;
}

static void refuse(struct server_request *request, const struct trigger *trigger,
                   const struct run_verdict *verdict) {
    char text[96];
    struct event_retry retry;
    const struct trigger_http *args = trigger->args;
    struct server_response response = {.status = event__refusal(verdict, args->unmet, &retry),
                                       .headers = &retry.header,
                                       .header_count = retry.header.name.size > 0,
                                       .content_type = SLICE("text/plain; charset=utf-8")};
    int size =
        snprintf(text, sizeof text, SLICE_FMT "\n", SLICE_ARG(http_status_text(response.status)));
    response.body = (struct slice){text, (size_t)size};
    (void)server_respond(request, &response); /* the peer may be gone: dropped and counted */
}

/* ---- the event of a run
 * -------------------------------------------------------------------------- */

size_t event__request_bytes(const struct server_request *request) {
    const struct http_request *http = &request->http;
    return sizeof *request + http->header_count * sizeof http->headers[0] + http->head.size +
           request->body.size;
}

static struct event *hold(struct event *event) {
    struct request_event *from = (struct request_event *)event;
    struct request_event *copy = malloc(sizeof *copy);
    if (!copy)
        return NULL;
    if (server_request_hold(from->request)) {
        free(copy);
        return NULL;
    }
    *copy = *from;
    from->is_held = true;
    copy->json.text = copy->request->body;
    copy->event.sources[EXPR_HTTP] = copy;
    copy->event.held_bytes =
        sizeof *copy + event__request_bytes(copy->request) + copy->json.arena.used_bytes;
    return &copy->event;
}

static void release(struct event *event) {
    struct request_event *held = (struct request_event *)event;
    if (!held->is_held) /* else the run of another task in its place has taken it over */
        event__json_deinit(&held->json);
    server_request_release(held->request);
    free(held);
}

static void admitted(struct event *event, struct run *run) {
    const struct trigger_http *args = event->trigger->args;
    struct server_request *request = ((struct request_event *)event)->request;
    request->label = (struct http_header){SLICE("X-Bellwire-Run"), run_id_text(run)};
    if (!args->respond || request->is_answered) /* by a run that this one takes the place of */
        return;
    struct server_response response = {
        .status = (uint16_t)args->respond, .headers = &request->label, .header_count = 1};
    (void)server_respond(request, &response); /* gone: dropped and counted */
}

static void refused(struct event *event, const struct run_verdict *verdict) {
    refuse(((struct request_event *)event)->request, event->trigger, verdict);
}

static void place(struct event *event, struct arena *arena, struct event_place *out) {
    (void)arena; /* all texts are there already */
    const struct server_request *request = ((struct request_event *)event)->request;
    out->server = request->config->options.id;
    out->peer = request->peer;
}

/* `&`, `<` and `>` escaped; a text that does not fit is cut. */
static size_t escape(struct slice text, char *out, size_t room) {
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];
        const char *as = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
        size_t size = as ? strlen(as) : 1;
        if (used + size > room)
            break;
        memcpy(out + used, as ? as : &c, size);
        used += size;
    }
    return used;
}

static struct slice page(const struct task *task, const struct run_end *end, char *out) {
    static const char *const outcomes[] = {
        [RUN_DONE] = "is done", [RUN_FAILED] = "has failed", [RUN_CANCELLED] = "was cancelled"};
    char name[256];
    size_t size = escape(task->name.size ? task->name : task->id, name, sizeof name);
    int used = snprintf(
        out, PAGE_MAX,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Bellwire</title>\n"
        "<p>Task <b>%.*s</b> %s.</p>\n<p>Run <code>" SLICE_FMT "</code></p>\n</html>\n",
        (int)size, name, outcomes[end->outcome], SLICE_ARG(end->run_id)); /* fits */
    return (struct slice){out, (size_t)used};
}

static void ended(struct event *event, struct run *run, const struct run_end *end) {
    struct server_request *request = ((struct request_event *)event)->request;
    if (request->is_answered)
        return;
    if (end->refused_by != RUN_ADMITTED) { /* after it has waited */
        refuse(request, event->trigger, &(struct run_verdict){.gate = end->refused_by});
        return;
    }
    bool is_page = http_accepts_html(&request->http);
    static const uint16_t statuses[] = {
        [RUN_DONE] = 204, [RUN_FAILED] = 500, [RUN_CANCELLED] = 503};
    struct http_header id = {SLICE("X-Bellwire-Run"), end->run_id};
    struct server_response response = {
        .status = statuses[end->outcome], .headers = &id, .header_count = 1};
    char text[PAGE_MAX];
    if (is_page) {
        response.status = end->outcome == RUN_DONE ? 200 : response.status;
        response.content_type = SLICE("text/html; charset=utf-8");
        response.body = page(run_task(run), end, text);
    } else if (end->outcome != RUN_DONE) {
        int size = snprintf(text, sizeof text, "run " SLICE_FMT " %s\n", SLICE_ARG(end->run_id),
                            end->outcome == RUN_FAILED ? "failed" : "was cancelled"); /* fits */
        response.content_type = SLICE("text/plain; charset=utf-8");
        response.body = (struct slice){text, (size_t)size};
    }
    (void)server_respond(request, &response); /* the peer may be gone: dropped and counted */
}
