/* Where a run's event came from: read through the run, so that every kind of event can tell. */
#include "triggers/event.h"

static struct event_place place_of(void *source, struct arena *arena) {
    struct event_place place = {0};
    struct event *event = run_event(source);
    if (event && event->ops && event->ops->place)
        event->ops->place(event, arena, &place);
    return place;
}

static enum status get_peer(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)argument; /* it takes none */
    *out = value_bytes(place_of(source, arena).peer);
    return STATUS_OK;
}

static enum status get_session(void *source, struct slice argument, struct arena *arena,
                               struct value *out) {
    (void)argument; /* it takes none */
    *out = value_bytes(place_of(source, arena).session);
    return STATUS_OK;
}

static enum status get_server(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)argument; /* it takes none */
    *out = value_bytes(place_of(source, arena).server);
    return STATUS_OK;
}

static enum status get_client(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)argument; /* it takes none */
    *out = value_bytes(place_of(source, arena).client);
    return STATUS_OK;
}

static enum status get_user(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)argument, (void)arena; /* neither is needed */
    struct event *event = run_event(source);
    struct server_request *request = triggers_request(source);
    struct session *session = triggers_session(source);
    if (event && !session && (event->ops == &event__upgrade_ops || event->ops == &event__ws_ops))
        request = ((struct session_event *)event)->request;
    *out = value_bytes(request ? request->user : session ? session_user(session) : SLICE(""));
    return STATUS_OK;
}

#define VARIABLE(title, fn, text)                                                                  \
    { .name = title, .family = EXPR_RUN, .type = VALUE_BYTES, .doc = text, .get = fn }
const struct expr_variable variables__common[] = {
    VARIABLE("Peer", get_peer, "address of the peer"),
    VARIABLE("SessionId", get_session, "ID of the session"),
    VARIABLE("ServerId", get_server, "ID of the server that the event came to"),
    VARIABLE("ClientId", get_client, "ID of the client that the event came to"),
    VARIABLE("User", get_user, "who was authenticated"),
    EXPR_VARIABLE_END};
