/* The gates of a task behind its match: conditions, memory, depth, mode. */
#include "engine/run.h"

static bool enter_counter(atomic_uint *counter, uint32_t max) {
    if (atomic_fetch_add_explicit(counter, 1, memory_order_acq_rel) < max)
        return true;
    atomic_fetch_sub_explicit(counter, 1, memory_order_acq_rel);
    return false;
}

/* Without a bound of its own a task only reads here: the fast path writes nothing that workers
 * share. */
enum run_gate gate__enter(struct run *run) {
    const struct task_mode *mode = &run->task->mode;
    struct task_gate *gate = run->task->gate;
    if (run->engine->stats.memory_bytes >= run->engine->options.run_memory_bytes)
        return RUN_MEMORY;
    if (mode->type == MODE_PARALLEL && !mode->has_max)
        return atomic_load_explicit(&gate->suspended, memory_order_relaxed) < mode->max
                   ? RUN_ADMITTED
                   : RUN_MAX;
    uint32_t max = mode->type == MODE_SINGLE ? 1 : mode->max;
    if (!enter_counter(&gate->active, max))
        return mode->type == MODE_SINGLE ? RUN_MODE : RUN_MAX;
    run->holds_gate = true;
    return RUN_ADMITTED;
}

void gate__leave(struct run *run) {
    if (run->holds_gate)
        atomic_fetch_sub_explicit(&run->task->gate->active, 1, memory_order_acq_rel);
    if (run->is_counted) {
        atomic_fetch_sub_explicit(&run->task->gate->suspended, 1, memory_order_relaxed);
        run->engine->stats.waiting--;
    }
    run->holds_gate = run->is_counted = false;
}

void gate__suspend(struct run *run) {
    if (run->is_counted)
        return;
    run->is_counted = true;
    run->engine->stats.waiting++;
    atomic_fetch_add_explicit(&run->task->gate->suspended, 1, memory_order_relaxed);
}
