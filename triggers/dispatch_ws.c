/* Opens, messages and closes of sessions on their way to every task whose trigger matches, in the
 * order of the files. */
#include <stdlib.h>

#include "triggers/event.h"

#define FAULT_MAX 256

struct session_names { /* attachment 0: `session.` names, made when a run first asks */
    struct value_box *box;
};

static struct value_box **names_of(struct event *event);
const struct event_ops event__ws_ops = {.hold = event__hold_session,
                                        .release = event__release_session,
                                        .session = names_of,
                                        .place = event__place_session};

void event__init_session(struct session_event *event, const struct event_ops *ops) {
    memset(event, 0, offsetof(struct session_event, groups.starts));
    event->event.ops = ops;
    event->event.cause = RUN_TRIGGER;
    event->event.sources[EXPR_WS] = event;
}

static void init(struct session_event *event, struct session *session) {
    event__init_session(event, &event__ws_ops);
    event->session = session;
}

/* Starts one task; the event may be used again for the next one. */
static void begin(struct triggers *triggers, const struct trigger *trigger,
                  struct session_event *event) {
    event->event.trigger = trigger;
    event->is_held = false;
    (void)run_begin(triggers->engine, trigger->task,
                    &event->event); /* the engine counts what was refused */
}

static void note(struct triggers *triggers, const struct trigger_kind *kind,
                 struct session_event *event) {
    const struct why_event noted = {.kind = kind->name,
                                    .server = session_server(event->session),
                                    .path = session_path(event->session),
                                    .text = event->message};
    event->event.why = engine_note_event(triggers->engine, &noted);
    event->engine = triggers->engine;
}

/* Runs `each` trigger of one kind; a trigger's run may change the program or end the session, so
 * the class is held, and what remains of an older generation is not started. */
static void start_all(struct triggers *triggers, const struct trigger_kind *kind,
                      struct session_event *event,
                      bool (*matches)(const struct trigger *trigger, struct session_event *event)) {
    struct path_class *class = triggers__class(triggers, event->session);
    if (!class)
        return;
    class->refs++;
    note(triggers, kind, event);
    for (uint32_t i = 0; i < class->count && class->generation == triggers->generation; i++)
        if (class->triggers[i]->kind == kind && (!matches || matches(class->triggers[i], event)))
            begin(triggers, class->triggers[i], event);
    path_class__unref(class);
}

static bool is_auto(const struct trigger *trigger, struct session_event *event) {
    (void)event; /* its path has matched */
    return ((const struct trigger_upgrade *)trigger->args)->mode == UPGRADE_AUTO;
}

void dispatch__open(void *context, struct session *session) {
    struct session_event event;
    init(&event, session);
    start_all(context, &trigger_server_upgrade, &event, is_auto);
    start_all(context, &trigger_server_open, &event, NULL);
}

/* Where there is no session there is no class of its path. */
static void start_by_path(struct triggers *triggers, struct session_event *event) {
    const struct trigger_server *server = triggers__server(triggers, event->server);
    for (size_t i = 0; server && i < server->ws_count; i++) {
        const struct trigger *trigger = server->ws_routes[i].value;
        const struct http_pattern *pattern = server->ws_routes[i].pattern;
        if (trigger->kind == &trigger_server_error &&
            (!pattern ||
             (event->request && http_pattern_matches(pattern, event->request->http.path))))
            begin(triggers, trigger, event);
    }
}

/* As much as fits. */
static char *add_text(char *at, const char *end, struct slice text) {
    size_t room = (size_t)(end - at), size = text.size < room ? text.size : room;
    if (size)
        memcpy(at, text.bytes, size);
    return at + size;
}

void dispatch__error(void *context, const struct server_fault *fault) {
    struct session_event event;
    struct slice kind = slice_of(fault->kind ? fault->kind : "tls");
    init(&event, fault->session);
    event.request = fault->request;
    event.server = fault->server;
    event.peer = fault->peer;
    char text[FAULT_MAX];
    char *at = add_text(text, text + sizeof text, kind);
    at = add_text(at, text + sizeof text, SLICE(": "));
    at = add_text(at, text + sizeof text, slice_of(fault->text));
    event.error = (struct slice){text, (size_t)(at - text)};
    if (fault->session)
        start_all(context, &trigger_server_error, &event, NULL);
    else
        start_by_path(context, &event);
}

/* A peer chooses the message, so the log hears of it once a second; `limits` counts all. */
static void tell_slow_regex(const struct trigger *trigger, const struct session_event *event) {
    const struct log_place where = {.task = trigger->task->id,
                                    .session = event->link ? client_link_id(event->link)
                                                           : session_id(event->session)};
    if (engine_count_slow_regex(event->engine))
        log_line(LOG_WARN, &where, "%s:%u: \"regex\" takes too long on a message",
                 trigger->mark.file, trigger->mark.line);
}

bool event__matches(const struct trigger *trigger, const struct trigger_match *match,
                    struct session_event *event) {
    event->event.groups = NULL;
    event->groups.count = 0;
    if (!match->matcher)
        return true;
    const struct expr_subject subject = {event->message, event__json, event->json};
    const char *gate;
    bool has_failed = false;
    if (!expr_match(match->matcher, &subject, &event->groups, &gate, &has_failed)) {
        if (has_failed)
            tell_slow_regex(trigger, event);
        engine_note_refusal(event->engine, event->event.why, trigger, "match", slice_of(gate));
        return false;
    }
    event->event.groups = &event->groups;
    return true;
}

static bool matches_message(const struct trigger *trigger, struct session_event *event) {
    return event__matches(trigger, &((const struct trigger_message *)trigger->args)->match, event);
}

void dispatch__message(void *context, struct session *session, const struct ws_message *message) {
    struct session_event event;
    init(&event, session);
    event.message = message->payload;
    event.is_binary = message->is_binary;
    event.event.depth = session_depth(session);
    event.json = &event.own_json;
    event__json_init(&event.own_json, message->payload);
    start_all(context, &trigger_server_message, &event, matches_message);
    event__json_deinit(&event.own_json);
}

void dispatch__close(void *context, struct session *session, const struct server_close *close) {
    struct session_event event;
    init(&event, session);
    event.is_close = true;
    event.close_code = close->code;
    event.close_reason = close->reason;
    event.closed_by = (uint8_t)close->by;
    start_all(context, &trigger_server_close, &event, NULL);
}

void dispatch__free(void *context, struct session *session) {
    (void)context; /* all is reached from the session */
    struct session_names *names = session_attachment(session, 0);
    if (names)
        value_box_unref(names->box);
    free(names);
    struct path_class *class = session_attachment(session, 1);
    if (class)
        path_class__unref(class);
}

/* ---- the event of a run
 * -------------------------------------------------------------------------- */

static char *keep(char *at, struct slice *text) {
    if (text->size)
        memcpy(at, text->bytes, text->size);
    text->bytes = at;
    return at + text->size;
}

/* One block: the event, then the bytes that it borrowed. */
struct event *event__hold_session(struct event *event) {
    struct session_event *from = (struct session_event *)event;
    size_t bytes = from->message.size + from->close_reason.size + from->error.size +
                   from->server.size + from->peer.size;
    struct session_event *copy = malloc(sizeof *copy + bytes);
    if (!copy)
        return NULL;
    *copy = *from;
    if (copy->request && !copy->session && server_request_hold(copy->request)) {
        free(copy);
        return NULL;
    }
    from->is_held = true;
    char *at = keep((char *)(copy + 1), &copy->message);
    at = keep(at, &copy->close_reason);
    at = keep(at, &copy->error);
    at = keep(at, &copy->server);
    (void)keep(at, &copy->peer); /* the end of the block */
    event__json_init(&copy->own_json, copy->message);
    copy->json = &copy->own_json;
    copy->groups.subject = copy->message.bytes;
    copy->event.groups = from->event.groups ? &copy->groups : NULL;
    copy->event.sources[EXPR_WS] = copy;
    copy->event.held_bytes = sizeof *copy + bytes;
    if (copy->request && !copy->session)
        copy->event.held_bytes += event__request_bytes(copy->request);
    if (copy->upgrade)
        copy->upgrade->refs++;
    if (copy->link)
        client_link_ref(copy->link);
    else if (copy->session)
        session_ref(copy->session);
    return &copy->event;
}

void event__release_session(struct event *event) {
    struct session_event *held = (struct session_event *)event;
    event__json_deinit(&held->own_json);
    if (held->link)
        client_link_unref(held->link);
    else if (held->session)
        session_unref(held->session);
    else if (held->request)
        server_request_release(held->request);
    if (held->upgrade)
        upgrade__unref(held->upgrade);
    free(held);
}

static struct value_box **names_of(struct event *event) {
    struct session *session = ((struct session_event *)event)->session;
    struct session_names *names = session ? session_attachment(session, 0) : NULL;
    if (!names && session) {
        names = calloc(1, sizeof *names);
        if (!names)
            return NULL;
        session_attach(session, 0, names);
    }
    return names ? &names->box : NULL;
}

void event__place_session(struct event *event, struct arena *arena, struct event_place *out) {
    (void)arena; /* all texts are there already */
    const struct session_event *its = (const struct session_event *)event;
    const struct session *session = its->session;
    const struct server_request *request = its->request;
    if (session) {
        out->server = session_server(session);
        out->session = session_id(session);
        out->peer = session_peer(session);
    } else {
        out->server = request ? request->config->options.id : its->server;
        out->peer = request ? request->peer : its->peer;
    }
}
