/* Why a task ran or did not: the latest events of a worker with each task that was considered. Part
 * of the engine's public face: include "engine/engine.h".
 *
 * Two rings of fixed size, made with the engine: noting never allocates, and what began costs a few
 * words. Thread  the worker's. */
#ifndef BELLWIRE_ENGINE_WHY_H
#define BELLWIRE_ENGINE_WHY_H

#include "base/base.h"

struct engine;
struct trigger;
#define WHY_EVENTS_MAX 256
#define WHY_NOTES_MAX  1024

struct why_event {    /* texts are cut when they are kept */
    const char *kind; /* static, as "server-message" */
    struct slice server, client, path;
    struct slice text; /* the method of a request, the beginning of a message */
};
/* Returns what goes into event->why of the runs that it may begin; never 0. */
uint64_t engine_note_event(struct engine *engine, const struct why_event *event);
/* A task that was not begun for it: `reason` is static and names the gate, `value` what it saw. */
void engine_note_refusal(struct engine *engine, uint64_t event, const struct trigger *trigger,
                         const char *reason, struct slice value);

struct why_task {      /* texts live as long as the call */
    struct slice task; /* size 0: the event itself, with no task yet */
    bool has_fired;
    const char *reason; /* NULL when it fired */
    struct slice value, at;
};
/* Each event, the newest first: once by itself, then once more for each task. */
typedef void (*why_fn)(void *context, uint64_t wall_ms, const struct why_event *event,
                       const struct why_task *task);
void engine_list_why(const struct engine *engine, why_fn each, void *context);

#endif
