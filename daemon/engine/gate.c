/* The gates of a task behind its conditions: memory, at-most, mode. */
#include "engine/run.h"

#include <stdlib.h>

static bool enter_counter(atomic_uint *counter, uint32_t max) {
    if (atomic_fetch_add_explicit(counter, 1, memory_order_acq_rel) < max)
        return true;
    atomic_fetch_sub_explicit(counter, 1, memory_order_acq_rel);
    return false;
}

void gate__count_refusal(struct run *run, enum run_gate gate) {
    run->engine->stats.refused[gate]++;
    run->local->info.refused[gate]++;
}

char *gate__key(struct run *run, const struct expr_template *key, struct slice *out) {
    char why[EXPR_WHY_MAX];
    struct slice value = SLICE_NONE, id = run->task->shared.id;
    struct scratch_hold hold = scratch__begin(run);
    bool is_good =
        !key || expr_eval_text(key, run__scope(run), EXPR_PLAIN, &value, why) == STATUS_OK;
    size_t size = id.size + 1 + value.size;
    char *text = is_good ? malloc(size) : NULL;
    if (text) {
        memcpy(text, id.bytes, id.size);
        text[id.size] = '\0';
        if (value.size)
            memcpy(text + id.size + 1, value.bytes, value.size);
        *out = (struct slice){text, size};
    } else if (!is_good) {
        struct log_place place = {.task = id};
        log_line(LOG_WARN, &place, "the \"key\" of a mode or of at-most fails: %s", why);
    }
    scratch__end(run, hold);
    return text;
}

/* Without a bound of its own a task only reads here: the fast path writes nothing that workers
 * share. */
static enum run_gate enter_mode(struct run *run) {
    const struct task_mode *mode = &run->task->mode;
    struct task_gate *gate = run->task->gate;
    if (mode->has_turns)
        return turns__enter(run);
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

enum run_gate gate__enter(struct run *run, uint64_t *retry_after_ms) {
    *retry_after_ms = 1000;
    if (run->engine->stats.memory_bytes >= run->engine->options.run_memory_bytes)
        return RUN_MEMORY;
    if (run->task->rate.runs) {
        enum run_gate gate = rate__enter(run, retry_after_ms);
        if (gate != RUN_ADMITTED || run->waits_rate)
            return gate;
    }
    return enter_mode(run);
}

/* The run is held, and joins those that wait for their time or turn. */
void gate__wait(struct run *run) {
    if (run->waits_rate)
        rate__wait(run);
    else
        turns__wait(run);
}

void gate__leave(struct run *run) {
    rate__leave(run);
    turns__leave(run);
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
