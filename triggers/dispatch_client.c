/* What happens to clients on its way to every task whose trigger matches, in the order of the
 * files. */
#include <stdlib.h>

#include "triggers/event.h"

struct link_names { /* attachment 0: `session.` names, made when a run first asks */
    struct value_box *box;
};

static struct value_box **names_of(struct event *event);
static void place(struct event *event, struct arena *arena, struct event_place *out);

const struct event_ops event__client_ops = {.hold = event__hold_session,
                                            .release = event__release_session,
                                            .session = names_of,
                                            .place = place};

static void init(struct session_event *event, struct client_link *link) {
    memset(event, 0, offsetof(struct session_event, groups.starts)); /* the rest is large */
    event->event.ops = &event__client_ops;
    event->event.cause = RUN_TRIGGER;
    event->link = link;
    event->event.sources[EXPR_WS] = event;
}

static bool matches(const struct trigger *trigger, struct session_event *event) {
    if (trigger->kind != &trigger_client_message)
        return true;
    const struct trigger_client_message *args = trigger->args;
    return event__matches(trigger, &args->match, event);
}

/* The program stays the same meanwhile: workers swap it between two events. */
static void start_all(struct triggers *triggers, const struct trigger_kind *kind,
                      struct session_event *event) {
    const struct program *program = engine_program(triggers->engine);
    const struct trigger_client_entry *client =
        program ? index__find_client(program, client_link_client(event->link)) : NULL;
    const struct why_event noted = {
        .kind = kind->name, .client = client_link_client(event->link), .text = event->message};
    event->event.why = engine_note_event(triggers->engine, &noted);
    event->engine = triggers->engine;
    for (size_t i = 0; client && i < client->count; i++) {
        const struct trigger *trigger = client->triggers[i];
        if (trigger->kind != kind || !matches(trigger, event))
            continue;
        event->event.trigger = trigger;
        event->is_held = false;
        (void)run_begin(triggers->engine, trigger->task,
                        &event->event); /* the engine counts what was refused */
    }
}

void dispatch__client_connected(void *context, struct client_link *link) {
    struct session_event event;
    init(&event, link);
    start_all(context, &trigger_client_connected, &event);
}

void dispatch__client_open(void *context, struct client_link *link) {
    struct session_event event;
    init(&event, link);
    start_all(context, &trigger_client_open, &event);
}

void dispatch__client_message(void *context, struct client_link *link,
                              const struct ws_message *message) {
    struct session_event event;
    init(&event, link);
    event.message = message->payload;
    event.is_binary = message->is_binary;
    event.event.depth = client_link_depth(link);
    event.json = &event.own_json;
    event__json_init(&event.own_json, message->payload);
    start_all(context, &trigger_client_message, &event);
    event__json_deinit(&event.own_json);
}

_Static_assert((int)CLIENT_BY_LOCAL == (int)SERVER_BY_LOCAL &&
                   (int)CLIENT_BY_PEER == (int)SERVER_BY_PEER &&
                   (int)CLIENT_BY_LOST == (int)SERVER_BY_LOST,
               "WsClosedBy reads both");

void dispatch__client_close(void *context, struct client_link *link,
                            const struct client_close *close) {
    struct session_event event;
    init(&event, link);
    event.is_close = true;
    event.close_code = close->code;
    event.close_reason = close->reason;
    event.closed_by = (uint8_t)close->by;
    start_all(context, &trigger_client_close, &event);
}

void dispatch__client_error(void *context, struct client_link *link,
                            const struct client_fault *fault) {
    struct session_event event;
    init(&event, link);
    event.error = fault->text;
    start_all(context, &trigger_client_error, &event);
}

void dispatch__client_free(void *context, struct client_link *link) {
    (void)context; /* all is reached from the link */
    struct link_names *names = client_link_attachment(link, 0);
    if (names)
        value_box_unref(names->box);
    free(names);
}

/* ---- the event of a run ---------------------------------------------------------------------- */

static struct value_box **names_of(struct event *event) {
    struct client_link *link = ((struct session_event *)event)->link;
    struct link_names *names = client_link_attachment(link, 0);
    if (!names) {
        names = calloc(1, sizeof *names);
        if (!names)
            return NULL;
        client_link_attach(link, 0, names);
    }
    return &names->box;
}

static void place(struct event *event, struct arena *arena, struct event_place *out) {
    (void)arena; /* all texts are there already */
    const struct client_link *link = ((struct session_event *)event)->link;
    out->client = client_link_client(link);
    out->session = client_link_id(link);
    out->peer = client_link_peer(link);
}
