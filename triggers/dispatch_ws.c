/* Opens, messages and closes of sessions on their way to every task whose trigger matches, in the
 * order of the files. */
#include <stdlib.h>

#include "triggers/event.h"

struct session_names { /* attachment 0: `session.` names, made when a run first asks */
    struct value_box *box;
};

static struct value_box **names_of(struct event *event);
static void place(struct event *event, struct arena *arena, struct event_place *out);

const struct event_ops event__ws_ops = {.hold = event__hold_session,
                                        .release = event__release_session,
                                        .session = names_of,
                                        .place = place};

static void init(struct session_event *event, struct session *session) {
    memset(event, 0, offsetof(struct session_event, groups.starts));
    event->event.ops = &event__ws_ops;
    event->event.cause = RUN_TRIGGER;
    event->session = session;
    event->event.sources[EXPR_WS] = event;
}

/* Starts one task; the event may be used again for the next one. */
static void begin(struct triggers *triggers, const struct trigger *trigger,
                  struct session_event *event) {
    event->event.trigger = trigger;
    event->is_held = false;
    (void)run_begin(triggers->engine, trigger->task,
                    &event->event); /* the engine counts what was refused */
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
    for (uint32_t i = 0; i < class->count && class->generation == triggers->generation; i++)
        if (class->triggers[i]->kind == kind && (!matches || matches(class->triggers[i], event)))
            begin(triggers, class->triggers[i], event);
    path_class__unref(class);
}

void dispatch__open(void *context, struct session *session) {
    struct session_event event;
    init(&event, session);
    start_all(context, &trigger_server_open, &event, NULL);
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
        if (has_failed) {
            const struct log_place where = {.task = trigger->task->id,
                                            .session = event->link ? client_link_id(event->link)
                                                                   : session_id(event->session)};
            log_line(LOG_WARN, &where, "%s:%u: \"regex\" takes too long on a message",
                     trigger->mark.file, trigger->mark.line);
        }
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
    size_t bytes = from->message.size + from->close_reason.size + from->error.size;
    struct session_event *copy = malloc(sizeof *copy + bytes);
    if (!copy)
        return NULL;
    *copy = *from;
    from->is_held = true;
    char *at = keep((char *)(copy + 1), &copy->message);
    at = keep(at, &copy->close_reason);
    (void)keep(at, &copy->error); /* the end of the block */
    event__json_init(&copy->own_json, copy->message);
    copy->json = &copy->own_json;
    copy->groups.subject = copy->message.bytes;
    copy->event.groups = from->event.groups ? &copy->groups : NULL;
    copy->event.sources[EXPR_WS] = copy;
    if (copy->link)
        client_link_ref(copy->link);
    else
        session_ref(copy->session);
    return &copy->event;
}

void event__release_session(struct event *event) {
    struct session_event *held = (struct session_event *)event;
    event__json_deinit(&held->own_json);
    if (held->link)
        client_link_unref(held->link);
    else
        session_unref(held->session);
    free(held);
}

static struct value_box **names_of(struct event *event) {
    struct session *session = ((struct session_event *)event)->session;
    struct session_names *names = session_attachment(session, 0);
    if (!names) {
        names = calloc(1, sizeof *names);
        if (!names)
            return NULL;
        session_attach(session, 0, names);
    }
    return &names->box;
}

static void place(struct event *event, struct arena *arena, struct event_place *out) {
    (void)arena; /* all texts are there already */
    const struct session *session = ((struct session_event *)event)->session;
    out->server = session_server(session);
    out->session = session_id(session);
    out->peer = session_peer(session);
}
