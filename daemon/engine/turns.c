/* Modes whose runs take turns per key on this worker: single with a key, parallel with a key,
 * queued, restart. A struct turns exists while a run holds it or waits for it. */
#include "engine/run.h"

#include <stdlib.h>

static struct turns *turns_new(struct engine *engine, char *key, struct slice name) {
    struct turns *turns = calloc(1, sizeof *turns);
    if (turns) {
        list_init(&turns->waiting);
        turns->key = key;
        turns->key_size = name.size;
        if (map_put(&engine->turns, name, turns) == STATUS_OK)
            return turns;
    }
    free(turns);
    free(key);
    return NULL;
}

/* Takes over the key. */
static struct turns *turns_of(struct run *run) {
    struct engine *engine = run->engine;
    struct slice name;
    char *key = gate__key(run, run->task->mode.key, &name);
    if (!key)
        return NULL;
    struct turns *turns = map_get(&engine->turns, name);
    if (!turns)
        return turns_new(engine, key, name);
    free(key);
    return turns;
}

static void drop_if_unused(struct engine *engine, struct turns *turns) {
    if (turns->holders > 0 || !list_is_empty(&turns->waiting))
        return;
    map_remove(&engine->turns, (struct slice){turns->key, turns->key_size});
    free(turns->key);
    free(turns);
}

/* Waiting for what one of those holds who wait for this run would never end. */
static bool is_held_by_ancestor(const struct run *run, const struct turns *turns) {
    for (const struct run *up = run->waiting_parent; up; up = up->waiting_parent)
        if (up->turns == turns)
            return true;
    return false;
}

static enum run_gate join_queue(struct run *run, struct turns *turns) {
    const struct task_mode *mode = &run->task->mode;
    if (is_held_by_ancestor(run, turns))
        return RUN_MODE;
    if (mode->type == MODE_QUEUED && turns->waiting_count >= mode->max_waiting) {
        if (mode->overflow == OVERFLOW_REJECT || mode->max_waiting == 0)
            return RUN_MODE;
        struct run *oldest = CONTAINER_OF(turns->waiting.next, struct run, queue);
        gate__count_refusal(oldest, RUN_MODE);
        run_cancel(oldest);
    }
    run->waits_turn = true;
    return RUN_ADMITTED;
}

enum run_gate turns__enter(struct run *run) {
    const struct task_mode *mode = &run->task->mode;
    struct turns *turns = turns_of(run);
    if (!turns)
        return RUN_MEMORY;
    uint32_t max = mode->type == MODE_PARALLEL ? mode->max : 1;
    bool has_room = turns->holders < max;
    enum run_gate gate = RUN_ADMITTED;
    if (!has_room && mode->type == MODE_PARALLEL)
        gate = RUN_MAX;
    else if (!has_room && mode->type == MODE_SINGLE)
        gate = RUN_MODE;
    else if (!has_room)
        gate = join_queue(run, turns);
    if (gate != RUN_ADMITTED) {
        drop_if_unused(run->engine, turns);
        return gate;
    }
    run->turns = turns;
    if (!run->waits_turn) {
        turns->holders++;
        turns->running = run;
    }
    return gate;
}

/* Joins the others that wait; with restart it makes them and the one that runs give way. */
void turns__wait(struct run *run) {
    struct turns *turns = run->turns;
    bool is_restart = run->task->mode.type == MODE_RESTART;
    while (is_restart && !list_is_empty(&turns->waiting))
        run_cancel(CONTAINER_OF(turns->waiting.next, struct run, queue));
    list_append(&turns->waiting, &run->queue);
    turns->waiting_count++;
    if (is_restart && turns->running)
        run_cancel(turns->running);
}

/* Out of the queue that it waits in, if any. */
void turns__unqueue(struct run *run) {
    if (run->waits_turn && !list_is_empty(&run->queue))
        run->turns->waiting_count--;
    list_remove(&run->queue);
}

void turns__leave(struct run *run) {
    struct turns *turns = run->turns;
    struct engine *engine = run->engine;
    if (!turns)
        return;
    turns__unqueue(run);
    run->turns = NULL;
    if (!run->waits_turn) {
        turns->holders--;
        turns->running = NULL;
        if (!list_is_empty(&turns->waiting)) {
            struct run *next = CONTAINER_OF(turns->waiting.next, struct run, queue);
            list_remove(&next->queue);
            turns->waiting_count--;
            next->waits_turn = false;
            turns->holders++;
            turns->running = next;
            list_append(&engine->queue, &next->queue);
        }
    }
    drop_if_unused(engine, turns);
}
