/* The life of a program: counted, immutable, and what others may ask of it. */
#include "engine/program.h"

#include <stdlib.h>

struct program *program_ref(struct program *program) {
    atomic_fetch_add_explicit(&program->references, 1, memory_order_relaxed);
    return program;
}

static void gate_unref(struct task_gate *gate) {
    if (gate && atomic_fetch_sub_explicit(&gate->references, 1, memory_order_acq_rel) == 1)
        free(gate);
}

static void task_clear(struct task_program *task) {
    for (size_t i = 0; i < task->var_count; i++)
        value_box_unref(task->vars[i].box);
    gate_unref(task->gate);
}

void program_unref(struct program *program) {
    if (!program || atomic_fetch_sub_explicit(&program->references, 1, memory_order_acq_rel) != 1)
        return;
    if (program->index_cleanup)
        program->index_cleanup(program->index);
    while (program->cleanups) {
        struct program_cleanup *cleanup = program->cleanups;
        program->cleanups = cleanup->next;
        cleanup->run(cleanup->object);
        free(cleanup);
    }
    for (size_t i = 0; i < program->task_count; i++)
        task_clear(&program->tasks[i]);
    map_deinit(&program->by_id);
    expr_set_free(program->set);
    arena_deinit(&program->arena);
    free(program);
}

uint64_t program_generation(const struct program *program) { return program->generation; }

size_t program_task_count(const struct program *program) { return program->task_count; }

const struct task *program_task(const struct program *program, size_t number) {
    return number < program->task_count ? &program->tasks[number].shared : NULL;
}

const struct task *program_find_task(const struct program *program, struct slice id) {
    return map_get(&program->by_id, id);
}

size_t program_trigger_count(const struct program *program) { return program->trigger_count; }

const struct trigger *program_trigger(const struct program *program, size_t at) {
    return program->triggers[at];
}

void program_own(struct program *program, void (*cleanup)(void *object), void *object) {
    struct program_cleanup *entry = base_alloc(sizeof *entry);
    *entry = (struct program_cleanup){program->cleanups, cleanup, object};
    program->cleanups = entry;
}

void program_set_index(struct program *program, void *index, void (*cleanup)(void *index)) {
    program->index = index;
    program->index_cleanup = cleanup;
}

void *program_index(const struct program *program) { return program->index; }

bool engine_is_valid_var(const struct task *task, struct slice name) {
    const struct task_program *program = (const struct task_program *)(const void *)task;
    for (size_t i = 0; i < program->var_count; i++)
        if (slice_equal(program->vars[i].name, name))
            return true;
    return false;
}
