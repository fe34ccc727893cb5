/* One worker's engine: generations of the program, scratch, timers, and what is told of runs. */
#include "engine/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define RUN_MEMORY_DEFAULT     (512ull << 20)
#define MAX_RUN_MEMORY_DEFAULT (16ull << 20)
#define LOG_EACH_NS            1000000000u

struct engine *engine_new(const struct engine_options *options) {
    struct engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return NULL;
    engine->options = *options;
    if (!options->max_run_memory_bytes)
        engine->options.max_run_memory_bytes = MAX_RUN_MEMORY_DEFAULT;
    if (!options->run_memory_bytes)
        engine->options.run_memory_bytes = RUN_MEMORY_DEFAULT;
    engine->lua = expr_lua_new(options->clock);
    engine->why = why__new();
    if (!engine->lua || !engine->why) {
        if (engine->lua)
            expr_lua_free(engine->lua);
        free(engine->why);
        free(engine);
        return NULL;
    }
    arena_init_with(&engine->scratch, engine->first_scratch, SCRATCH_BYTES, SCRATCH_BYTES, 0);
    map_init(&engine->locals, (struct hash_key){3, 4}); /* IDs come from the files alone */
    /* Keys of modes come from peers. */
    map_init(&engine->turns, (struct hash_key){options->seed[0], options->seed[1]});
    map_init(&engine->rates, (struct hash_key){options->seed[0], options->seed[1]});
    list_init(&engine->rate_order);
    list_init(&engine->rate_waiting);
    list_init(&engine->runs);
    list_init(&engine->queue);
    engine->wake_ns = UINT64_MAX;
    engine->random[0] = options->seed[0] ^ 0x9e3779b97f4a7c15u;
    engine->random[1] = options->seed[1] + options->worker + 1;
    return engine;
}

static void drop_generations(struct engine *engine) {
    while (engine->generations) {
        struct generation *generation = engine->generations;
        engine->generations = generation->next;
        assert(generation->runs == 0);
        expr_lua_forget(engine->lua, generation->program->set);
        program_unref(generation->program);
        free(generation->locals);
        free(generation);
    }
}

static void drop_unsent(struct engine *engine) {
    while (engine->unsent) {
        struct engine_mail *mail = engine->unsent;
        engine->unsent = mail->next;
        mail->arrive(NULL, mail);
    }
}

void engine_free(struct engine *engine) {
    struct map_entry *entry;
    engine__enter(engine); /* and never left: what waits for its turn must not begin now */
    engine->is_ending = true;
    while (!list_is_empty(&engine->runs)) {
        struct run *run = CONTAINER_OF(engine->runs.next, struct run, link);
        run->is_hard = true;
        if (run->state == RUN_CLOSING)
            run__end(run);
        else
            run_cancel(run);
    }
    drop_unsent(engine);
    while (engine->free_runs) {
        struct run *run = engine->free_runs;
        engine->free_runs = run->next_free;
        if (run->slots != run->inline_slots)
            free(run->slots);
        free(run);
    }
    drop_generations(engine);
    rates__free(engine);
    ended__free(engine);
    free(engine->why);
    turns__free_all(engine);
    for (size_t at = 0; (entry = map_next(&engine->locals, &at));) {
        struct task_local *local = entry->value;
        free(local->id);
        free(local);
    }
    map_deinit(&engine->locals);
    expr_lua_free(engine->lua);
    arena_deinit(&engine->scratch);
    free(engine);
}

void *engine_host(const struct engine *engine) { return engine->options.host; }

struct program *engine_program(const struct engine *engine) {
    return engine->generations ? engine->generations->program : NULL;
}

void engine__release_generation(struct engine *engine, struct generation *generation) {
    if (generation->runs > 0 || generation == engine->generations)
        return;
    struct generation **link = &engine->generations;
    while (*link != generation)
        link = &(*link)->next;
    *link = generation->next;
    expr_lua_forget(engine->lua, generation->program->set);
    program_unref(generation->program);
    free(generation->locals);
    free(generation);
}

void engine_set_program(struct engine *engine, struct program *program) {
    struct generation *before = engine->generations;
    struct generation *generation = base_alloc(sizeof *generation);
    generation->program = program_ref(program);
    generation->locals = base_alloc((program->task_count + 1) * sizeof *generation->locals);
    generation->next = before;
    engine->generations = generation;
    if (before)
        engine__release_generation(engine, before);
}

uint64_t engine__now_ns(const struct engine *engine) {
    return engine->options.clock->mono_ns(engine->options.clock);
}

/* xoroshiro128+, by Blackman and Vigna: for jitter and to tell runs apart, never for secrets. */
uint64_t engine__random(struct engine *engine) {
    uint64_t a = engine->random[0], b = engine->random[1], sum = a + b;
    b ^= a;
    engine->random[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
    engine->random[1] = (b << 37) | (b >> 27);
    return sum;
}

/* Runs may hold more than the bound of now, which a reload has lowered. */
void engine_set_memory(struct engine *engine, uint64_t max_run_bytes, uint64_t run_bytes) {
    engine->options.max_run_memory_bytes = max_run_bytes;
    engine->options.run_memory_bytes = run_bytes;
}

size_t run__memory_left(const struct run *run) {
    uint64_t max = run->engine->options.max_run_memory_bytes;
    return run->memory_bytes < max ? (size_t)(max - run->memory_bytes) : 0;
}

struct scratch_hold scratch__begin(struct run *run) {
    struct arena *scratch = &run->engine->scratch;
    struct scratch_hold hold = {arena_mark(scratch), scratch->limit_bytes};
    scratch->limit_bytes = scratch->used_bytes + run__memory_left(run) + 1;
    return hold;
}

void scratch__end(struct run *run, struct scratch_hold hold) {
    arena_rewind(&run->engine->scratch, hold.mark);
    run->engine->scratch.limit_bytes = hold.limit_bytes;
}

static struct task_local *local_new(struct engine *engine, struct slice id) {
    struct task_local *local = calloc(1, sizeof *local);
    if (!local)
        return NULL;
    local->id = malloc(id.size + 1);
    if (local->id) {
        memcpy(local->id, id.bytes, id.size);
        local->id[id.size] = '\0';
        if (map_put(&engine->locals, (struct slice){local->id, id.size}, local) == STATUS_OK)
            return local;
    }
    free(local->id);
    free(local);
    return NULL;
}

/* What this worker knows of a task ID; NULL without memory. */
struct task_local *engine__local(struct engine *engine, const struct task_program *task) {
    struct generation *generation = engine->generations;
    while (generation && generation->program != task->program)
        generation = generation->next;
    assert(generation);
    struct task_local **place = &generation->locals[task->shared.number];
    if (!*place)
        *place = map_get(&engine->locals, task->shared.id);
    if (!*place)
        *place = local_new(engine, task->shared.id);
    return *place;
}

void engine__enter(struct engine *engine) { engine->nesting++; }

void engine__leave(struct engine *engine) {
    while (engine->nesting == 1 && !list_is_empty(&engine->queue)) {
        struct run *run = CONTAINER_OF(engine->queue.next, struct run, queue);
        list_remove(&run->queue);
        run__advance(run);
    }
    if (--engine->nesting > 0)
        return;
    if (engine->options.globals && engine->options.globals->release)
        engine->options.globals->release(engine->options.globals->context);
    uint64_t next_ns = timers__next_ns(&engine->timers);
    if (next_ns == engine->wake_ns)
        return;
    engine->wake_ns = next_ns;
    engine->options.wake_at(engine->options.host, next_ns);
}

void engine_tick(struct engine *engine) {
    struct engine_timer *timer;
    uint64_t now_ns = engine__now_ns(engine);
    engine__enter(engine);
    engine->wake_ns = 0; /* the host's own is used up: ask again in any case */
    while ((timer = timers__take_due(&engine->timers, now_ns)))
        timer->due(timer);
    engine__leave(engine);
}

struct run *engine_find_run(struct engine *engine, struct slice id) {
    struct list *node;
    LIST_FOR_EACH(node, &engine->runs) {
        struct run *run = CONTAINER_OF(node, struct run, link);
        if (slice_equal(run_id_text(run), id))
            return run;
    }
    return NULL;
}

size_t engine_cancel_task(struct engine *engine, struct slice task_id) {
    size_t count = 0;
    bool found = true;
    engine__enter(engine);
    while (found) { /* from the start again: ending one run may end others */
        struct list *node;
        found = false;
        LIST_FOR_EACH(node, &engine->runs) {
            struct run *run = CONTAINER_OF(node, struct run, link);
            if (run->is_cancelled || !slice_equal(run->task->shared.id, task_id))
                continue;
            found = true;
            count++;
            run_cancel(run);
            break;
        }
    }
    engine__leave(engine);
    return count;
}

static void tell_run(struct run *run, void (*each)(void *, const struct run_info *),
                     void *context) {
    const struct strand *strand = &run->main;
    const struct frame *top = strand->depth ? &strand->frames[strand->depth - 1] : NULL;
    const struct program_step *def = NULL;
    char at[512] = "";
    if (top && top->at < top->chain->count)
        def = &top->chain->steps[top->at];
    else if (top)
        def = top->owner;
    if (def)
        snprintf(at, sizeof at, "%s:%u", def->mark.file, def->mark.line);
    struct run_info info = {.id = run_id_text(run),
                            .task = run->task->shared.id,
                            .step = def ? def->place : SLICE_NONE,
                            .at = slice_of(at),
                            .is_waiting = !run->is_advancing,
                            .started_ms = run->started_ms};
    if (run->event && run->event->trigger)
        info.trigger = slice_of(run->event->trigger->kind->name);
    each(context, &info);
}

void engine_list_runs(struct engine *engine, run_info_fn each, void *context) {
    struct list *node;
    LIST_FOR_EACH(node, &engine->runs)
    tell_run(CONTAINER_OF(node, struct run, link), each, context);
}

void engine_task_info(struct engine *engine, const struct task *task, struct task_info *out) {
    const struct task_local *local = map_get(&engine->locals, task->id);
    *out = local ? local->info : (struct task_info){0};
}

void engine_stats(const struct engine *engine, struct engine_stats *out) {
    *out = engine->stats;
    out->max_run_memory_passed += engine->scratch.refused;
    out->expression_time_passed += expr_lua_passed(engine->lua, false);
    out->expression_memory_passed += expr_lua_passed(engine->lua, true);
}

/* Once a second, since peers can have it happen. */
static bool is_loggable(const struct engine *engine, uint64_t *last_ns) {
    uint64_t now_ns = engine__now_ns(engine);
    if (*last_ns && now_ns - *last_ns < LOG_EACH_NS)
        return false;
    *last_ns = now_ns;
    return true;
}

bool engine_count_slow_regex(struct engine *engine) {
    engine->stats.expression_time_passed++;
    return is_loggable(engine, &engine->slow_regex_ns);
}

void engine__tell_depth(const struct run *run) {
    const struct log_place place = {.task = run->task->shared.id};
    if (is_loggable(run->engine, &run->engine->depth_ns))
        log_line(LOG_WARN, &place,
                 "the task was not started: it is %d causes deep, by messages to a server or a "
                 "client of this daemon",
                 RUN_DEPTH_MAX);
}

void engine_count_refusal(struct engine *engine, const struct task *task, enum run_gate gate) {
    struct task_local *local =
        engine__local(engine, (const struct task_program *)(const void *)task);
    engine->stats.refused[gate]++;
    if (local)
        local->info.refused[gate]++;
}

const char *run_gate_text(enum run_gate gate) {
    static const char *const texts[] = {"admitted", "conditions", "at_most", "mode",
                                        "max",      "memory",     "depth",   "overlap"};
    return gate < RUN_GATES ? texts[gate] : "";
}
