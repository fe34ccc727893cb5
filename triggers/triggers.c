/* The tables of this folder, and a worker's dispatcher as an object. */
#include <stdlib.h>

#include "crypto/crypto.h"
#include "triggers/event.h"

const struct trigger_kind *const trigger_kinds[] = {
#define TRIGGER(name) &trigger_##name,
#include "triggers/list.h"
#undef TRIGGER
    NULL,
};

const struct expr_variable *const trigger_variables[] = {variables__http, variables__ws,
                                                         variables__common, NULL};

const struct server_events triggers_server_events = {
    .on_head = dispatch__head,
    .on_request = dispatch__request,
    .on_open = dispatch__open,
    .on_message = dispatch__message,
    .on_close = dispatch__close,
    .on_error = dispatch__error,
    .on_free = dispatch__free,
};

const struct client_events triggers_client_events = {
    .on_connected = dispatch__client_connected,
    .on_open = dispatch__client_open,
    .on_message = dispatch__client_message,
    .on_close = dispatch__client_close,
    .on_error = dispatch__client_error,
    .on_free = dispatch__client_free,
};

struct triggers *triggers_new(struct engine *engine, struct net_loop *loop) {
    struct triggers *triggers = calloc(1, sizeof *triggers);
    if (!triggers)
        return NULL;
    triggers->engine = engine;
    triggers->loop = loop;
    list_init(&triggers->beats);
    triggers->gate = gate__new();
    if (!triggers->gate) {
        free(triggers);
        return NULL;
    }
    struct hash_key key;
    crypto_random(&key, sizeof key);
    map_init(&triggers->classes, key);
    list_init(&triggers->upgrades);
    return triggers;
}

void triggers_end(struct triggers *triggers) {
    beats__stop(triggers);
    gate__end(triggers->gate);
    upgrade__end_all(triggers);
}

void triggers_free(struct triggers *triggers) {
    gate__free(triggers->gate);
    path_class__forget_all(&triggers->classes);
    map_deinit(&triggers->classes);
    free(triggers);
}

void triggers_program_changed(struct triggers *triggers) {
    struct program *program = engine_program(triggers->engine);
    path_class__forget_all(&triggers->classes);
    triggers->server = NULL;
    triggers->generation = program ? program_generation(program) : 0;
    if (triggers->is_beating)
        beats__follow(triggers);
}

/* It borrows nothing, but it stands on the stack. */
static struct event *hold_startup(struct event *event) {
    struct event *copy = malloc(sizeof *copy);
    if (copy)
        *copy = *event;
    return copy;
}

static void release_startup(struct event *event) { free(event); }

static const struct event_ops startup_ops = {.hold = hold_startup, .release = release_startup};

static void fire_startup(struct triggers *triggers) {
    const struct trigger *const *startup;
    size_t count = index__startup(engine_program(triggers->engine), &startup);
    for (size_t i = 0; i < count; i++) {
        struct event event = {.ops = &startup_ops, .trigger = startup[i], .cause = RUN_STARTUP};
        (void)run_begin(triggers->engine, startup[i]->task,
                        &event); /* the engine counts what was refused */
    }
}

void triggers_begin(struct triggers *triggers, uint32_t worker, uint32_t worker_count) {
    triggers->worker = worker;
    triggers->worker_count = worker_count;
    triggers->is_beating = true;
    beats__follow(triggers);
    if (worker == 0)
        fire_startup(triggers);
}

void triggers_quiet(struct triggers *triggers) {
    triggers->is_beating = false;
    beats__stop(triggers);
}

const struct trigger_server *triggers__server(struct triggers *triggers, struct slice id) {
    if (triggers->server && slice_equal(triggers->server->id, id))
        return triggers->server;
    struct program *program = engine_program(triggers->engine);
    triggers->server = program ? index__find(program, id) : NULL;
    return triggers->server;
}

struct server_request *triggers_request(struct run *run) {
    struct event *event = run_event(run);
    return event && event->ops == &event__http_ops ? ((struct request_event *)event)->request
                                                   : NULL;
}

struct session *triggers_session(struct run *run) {
    struct event *event = run_event(run);
    return event && event->ops == &event__ws_ops ? ((struct session_event *)event)->session : NULL;
}

struct client_link *triggers_client(struct run *run) {
    struct event *event = run_event(run);
    return event && event->ops == &event__client_ops ? ((struct session_event *)event)->link : NULL;
}
