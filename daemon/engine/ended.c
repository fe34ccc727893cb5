/* The latest ended runs of a worker, for `run list`: a ring that costs a successful run the writing
 * of a few words. */
#include "engine/run.h"

#include <stdio.h>
#include <stdlib.h>

void ended__note(struct run *run, const struct run_end *end) {
    struct engine *engine = run->engine;
    uint64_t ended_ms = engine->options.clock->wall_ms(engine->options.clock);
    histogram_add(&run->local->info.durations[end->outcome],
                  ended_ms > run->started_ms ? ended_ms - run->started_ms : 0);
    if (!engine->ended)
        engine->ended = calloc(ENGINE_ENDED_MAX, sizeof *engine->ended);
    if (!engine->ended)
        return; /* without memory the list stays empty, and nothing else suffers */
    struct run_record *record = &engine->ended[engine->ended_next];
    if (++engine->ended_next == ENGINE_ENDED_MAX)
        engine->ended_next = 0;
    /* It was last touched a thousand runs ago: let it come while the next run goes on. */
    __builtin_prefetch(&engine->ended[engine->ended_next], 1);
    if (engine->ended_count < ENGINE_ENDED_MAX)
        engine->ended_count++;
    free(record->error);
    const struct trigger *trigger = run->event ? run->event->trigger : NULL;
    *record = (struct run_record){
        .id = {run->id[0], run->id[1]},
        .local = run->local,
        .trigger = trigger ? trigger->kind->name : NULL,
        .started_ms = run->started_ms,
        .ended_ms = ended_ms,
        .outcome = end->outcome,
    };
    if (end->outcome != RUN_FAILED)
        return;
    record->error = run->error;
    run->error = NULL;
}

void ended__free(struct engine *engine) {
    for (size_t i = 0; i < engine->ended_count; i++)
        free(engine->ended[i].error);
    free(engine->ended);
}

static void tell(const struct run_record *record, run_info_fn each, void *context) {
    char id[RUN_ID_MAX], at[512] = "";
    const struct run_error *error = record->error;
    run__spell_id(record->id, id);
    struct run_info info = {.id = slice_of(id),
                            .task = slice_of(record->local->id),
                            .trigger = slice_of(record->trigger),
                            .has_ended = true,
                            .outcome = record->outcome,
                            .started_ms = record->started_ms,
                            .ended_ms = record->ended_ms};
    if (error) {
        snprintf(at, sizeof at, "%s:%u", error->file, error->mark.line);
        info.step = slice_of(error->step);
        info.error = slice_of(error->text);
    }
    info.at = slice_of(at);
    each(context, &info);
}

void engine_list_ended(const struct engine *engine, run_info_fn each, void *context) {
    for (size_t i = 1; i <= engine->ended_count; i++) {
        size_t at = (engine->ended_next + ENGINE_ENDED_MAX - i) % ENGINE_ENDED_MAX;
        tell(&engine->ended[at], each, context);
    }
}
