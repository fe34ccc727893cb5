/* What an engine needs of its host: globals, a journal, a way to the engines of other workers. Part
 * of the engine's public face: include "engine/engine.h".
 *
 * Thread  each worker's engine calls its own tables, on its own thread. */
#ifndef BELLWIRE_ENGINE_HOST_H
#define BELLWIRE_ENGINE_HOST_H

#include "base/base.h"
#include "engine/kind.h"
#include "expr/expr.h"

struct run_end;
struct global_change {
    const struct slice *path; /* segments below `global.` */
    size_t segments;
    struct value value; /* nil removes */
};
struct engine_globals {
    void *context;
    /* Until commit() or the next snapshot() reads see one state. */
    void (*snapshot)(void *context);
    struct value (*get)(void *context, struct slice dotted);
    /* All or nothing. STATUS_AGAIN: changed since the snapshot, evaluate again. STATUS_LIMIT,
     * STATUS_TYPE, STATUS_UNSUPPORTED (a value that cannot be kept), STATUS_NO_MEMORY. */
    enum status (*commit)(void *context, const struct global_change *changes, size_t count);
    /* The engine goes back to its caller: nothing that get() gave is used any more. May be NULL. */
    void (*release)(void *context);
};
/* PENDING holds the run, also a cancelled one, until run_resume(); none follows engine_free(). */
struct engine_journal {
    void *context;
    enum step_state (*begun)(void *context, struct run *run);
    enum step_state (*step_done)(void *context, struct run *run, uint64_t step_id);
    enum step_state (*ended)(void *context, struct run *run, const struct run_end *end);
};
/* A message from the engine of one worker to another's, embedded in what it is about. */
struct engine;
struct engine_mail {
    void *room[4]; /* the host's own, while it is on its way */
    /* On the thread of the engine that it was posted to; NULL: that worker has ended. */
    void (*arrive)(struct engine *engine, struct engine_mail *mail);
    struct engine_mail *next; /* the engine's own */
    uint32_t to;
};

#endif
