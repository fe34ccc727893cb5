/* The memory of runs: a pool of them, slots, what is charged against the bounds. */
#include "engine/run.h"

#include <stdlib.h>

static struct run *take(struct engine *engine) {
    struct run *run = engine->free_runs;
    if (run) {
        engine->free_runs = run->next_free;
        engine->free_count--;
        return run;
    }
    run = calloc(1, sizeof *run);
    if (run)
        run->slots = run->inline_slots;
    return run;
}

/* The array of slots is kept with a pooled run; all of it is NULL. */
static bool fit_slots(struct run *run, size_t count) {
    if (count <= SLOTS_INLINE || count <= run->slot_capacity)
        return true;
    struct value_box **slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    if (run->slots != run->inline_slots)
        free(run->slots);
    run->slots = slots;
    run->slot_capacity = count;
    return true;
}

static void start_id(struct run *run) {
    struct engine *engine = run->engine;
    run->started_ms = engine->options.clock->wall_ms(engine->options.clock);
    run->id[0] = run->started_ms << 16 | (engine->sequence++ & 0xffff);
    run->id[1] = engine__random(engine);
}

static void init_scope(struct run *run) {
    const struct engine_globals *globals = run->engine->options.globals;
    run->scope.sources[EXPR_RUN] = run;
    run->scope.slots = run->slots;
    run->scope.lua = run->engine->lua;
    run->scope.arena = &run->engine->scratch;
    if (globals) {
        run->scope.global = globals->get;
        run->scope.global_context = globals->context;
    }
}

struct run *run__new(struct engine *engine, const struct task_program *task) {
    struct run *run = take(engine);
    if (!run)
        return NULL;
    const size_t kept = offsetof(struct run, engine);
    memset((char *)run + kept, 0, offsetof(struct run, main) - kept);
    run->engine = engine;
    run->task = task;
    list_init(&run->link);
    list_init(&run->queue);
    list_init(&run->ready);
    list_init(&run->strands);
    strand__init(&run->main, run, NULL);
    run->local = engine__local(engine, task);
    if (!run->local || !fit_slots(run, task->slot_count)) {
        run->next_free = engine->free_runs;
        engine->free_runs = run;
        engine->free_count++;
        return NULL;
    }
    run->generation = engine->generations;
    while (run->generation->program != task->program)
        run->generation = run->generation->next;
    run->generation->runs++;
    start_id(run);
    init_scope(run);
    list_append(&engine->runs, &run->link);
    engine->stats.live++;
    return run;
}

static void drop_slots(struct run *run) {
    for (size_t i = 0; i < run->task->slot_count; i++) {
        value_box_unref(run->slots[i]);
        run->slots[i] = NULL;
    }
}

void run__free(struct run *run) {
    struct engine *engine = run->engine;
    struct generation *generation = run->generation;
    drop_slots(run);
    value_box_unref(run->result);
    free(run->error);
    timer__cancel(&engine->timers, &run->limit);
    if (run->main.frames != run->main.inline_frames)
        free(run->main.frames);
    engine->stats.memory_bytes -= run->memory_bytes + run->held_bytes;
    engine->stats.live--;
    list_remove(&run->link);
    generation->runs--;
    if (engine->free_count < RUN_POOL_MAX && run->slot_capacity <= SLOTS_INLINE * 8) {
        run->next_free = engine->free_runs;
        engine->free_runs = run;
        engine->free_count++;
    } else {
        if (run->slots != run->inline_slots)
            free(run->slots);
        free(run);
    }
    engine__release_generation(engine, generation);
}

bool run__charge(struct run *run, size_t bytes) {
    struct engine *engine = run->engine;
    if (bytes > run__memory_left(run)) {
        engine->stats.max_run_memory_passed++;
        return false;
    }
    run->memory_bytes += bytes;
    engine->stats.memory_bytes += bytes;
    return true;
}

void run__discharge(struct run *run, size_t bytes) {
    run->memory_bytes -= bytes;
    run->engine->stats.memory_bytes -= bytes;
}

enum status run__set_slot(struct run *run, uint32_t slot, struct value_box *box) {
    if (slot == SLOT_NONE) {
        value_box_unref(box);
        return STATUS_OK;
    }
    size_t before = value_box_bytes(run->slots[slot]);
    if (!run__charge(run, value_box_bytes(box))) {
        value_box_unref(box);
        return STATUS_LIMIT;
    }
    run__discharge(run, before);
    value_box_unref(run->slots[slot]);
    run->slots[slot] = box;
    return STATUS_OK;
}

/* The lowest `count` digits of 5 bits; Crockford's base 32 keeps the order of the bytes. */
static void spell_digits(char *out, uint64_t bits, int count) {
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    for (int i = count - 1; i >= 0; i--, bits >>= 5)
        out[i] = digits[bits & 31];
}

void run__spell_id(const uint64_t id[2], char *out) {
    spell_digits(out, id[0] >> 56, 2);
    spell_digits(out + 2, id[0] << 4 | id[1] >> 60, 12);
    spell_digits(out + 14, id[1], 12);
    out[RUN_ID_MAX - 1] = '\0';
}

struct slice run_id_text(struct run *run) {
    if (!run->id_text[0])
        run__spell_id(run->id, run->id_text);
    return (struct slice){run->id_text, RUN_ID_MAX - 1};
}

struct event *run_event(const struct run *run) {
    return run->event;
}

uint32_t run_depth(const struct run *run) { return run->depth; }

const struct task *run_task(const struct run *run) { return &run->task->shared; }

const struct expr_scope *run__scope(struct run *run) {
    const struct event_ops *ops = run->event ? run->event->ops : NULL;
    struct value_box **session = ops && ops->session ? ops->session(run->event) : NULL;
    run->scope.session = session ? value_box_value(*session) : value_nil();
    return &run->scope;
}
