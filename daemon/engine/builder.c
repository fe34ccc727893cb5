/* Makes a program out of the tasks of all files: every error of every task is reported, then NULL.
 */
#include "engine/program.h"

#include <stdio.h>
#include <stdlib.h>

#define PROGRAM_CHUNK_BYTES 16384

void builder_no_memory(struct builder *builder) {
    config_error(builder->diag, (struct config_mark){0}, "out of memory");
}

void *builder_alloc(struct builder *builder, size_t size) {
    void *memory = arena_zalloc(builder->arena, size);
    if (!memory)
        builder_no_memory(builder);
    return memory;
}

char *builder_printf(struct builder *builder, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *text = size < 0 ? NULL : builder_alloc(builder, (size_t)size + 1);
    if (text)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

bool has_hole(struct slice text) { return slice_contains(text, SLICE("${")); }

/* Names as C strings, for "did you mean". */
static const char **names_of(struct builder *builder, const struct slice *first, size_t first_count,
                             const struct slice *more, size_t more_count) {
    const char **names = builder_alloc(builder, (first_count + more_count + 1) * sizeof *names);
    for (size_t i = 0; names && i < first_count + more_count; i++) {
        struct slice name = i < first_count ? first[i] : more[i - first_count];
        names[i] = arena_text(builder->arena, name);
        if (!names[i]) {
            builder_no_memory(builder);
            return NULL;
        }
    }
    return names;
}

static bool collect_names(struct builder *b) {
    const struct program_input *in = b->input;
    b->server_total = in->server_count + in->more_server_count;
    b->client_total = in->client_count + in->more_client_count;
    b->server_names =
        names_of(b, in->servers, in->server_count, in->more_servers, in->more_server_count);
    b->client_names =
        names_of(b, in->clients, in->client_count, in->more_clients, in->more_client_count);
    while (in->actions[b->action_total])
        b->action_total++;
    while (in->triggers[b->trigger_total])
        b->trigger_total++;
    size_t block_total = 0;
    while (engine_blocks[block_total].name)
        block_total++;
    b->action_names = builder_alloc(b, (b->action_total + block_total) * sizeof(char *));
    b->trigger_names = builder_alloc(b, (b->trigger_total + 1) * sizeof(char *));
    if (!b->server_names || !b->client_names || !b->action_names || !b->trigger_names)
        return false;
    for (size_t i = 0; i < b->trigger_total; i++)
        b->trigger_names[i] = in->triggers[i]->name;
    for (size_t i = 0; i < b->action_total; i++)
        b->action_names[i] = in->actions[i]->name;
    for (size_t i = 0; i < block_total; i++)
        b->action_names[b->action_total + i] = engine_blocks[i].name;
    b->action_total += block_total;
    return true;
}

/* The handed-in tables and the engine's own behind them. */
static bool join_variables(struct builder *b) {
    size_t count = 0;
    while (b->input->variables && b->input->variables[count])
        count++;
    b->program->variables = builder_alloc(b, (count + 2) * sizeof *b->program->variables);
    if (!b->program->variables)
        return false;
    for (size_t i = 0; i < count; i++)
        b->program->variables[i] = b->input->variables[i];
    b->program->variables[count] = engine_variables;
    return true;
}

static bool copy_secrets(struct builder *b) {
    struct program *program = b->program;
    program->secrets = builder_alloc(b, (b->input->secret_count + 1) * sizeof *program->secrets);
    if (!program->secrets)
        return false;
    for (size_t i = 0; i < b->input->secret_count; i++) {
        const struct program_secret *from = &b->input->secrets[i];
        if (arena_copy(b->arena, from->name, &program->secrets[i].name) != STATUS_OK ||
            arena_copy(b->arena, from->value, &program->secrets[i].value) != STATUS_OK) {
            builder_no_memory(b);
            return false;
        }
    }
    program->secret_count = b->input->secret_count;
    return true;
}

/* What a task ID keeps through reloads comes from the program before. */
static bool adopt_gate(struct builder *b, struct task_program *task) {
    const struct task *before =
        b->input->previous ? program_find_task(b->input->previous, task->shared.id) : NULL;
    if (before) {
        task->gate = ((const struct task_program *)(const void *)before)->gate;
        atomic_fetch_add_explicit(&task->gate->references, 1, memory_order_relaxed);
        return true;
    }
    task->gate = calloc(1, sizeof *task->gate);
    if (!task->gate) {
        builder_no_memory(b);
        return false;
    }
    atomic_init(&task->gate->references, 1);
    return true;
}

/* All IDs are known before the first task is looked into: steps name other tasks. */
static bool enter_tasks(struct builder *b) {
    struct program *program = b->program;
    size_t count = b->input->tasks->count;
    program->tasks = builder_alloc(b, (count + 1) * sizeof *program->tasks);
    if (!program->tasks)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct task_program *task = &program->tasks[i];
        const struct config_entry *entry = &b->input->tasks->entries[i];
        task->program = program;
        task->shared.id = entry->id;
        task->shared.mark = entry->mark;
        task->shared.declaration = entry->value;
        task->shared.number = (uint32_t)i;
        if (!adopt_gate(b, task))
            return false;
        program->task_count = i + 1;
        if (map_put(&program->by_id, entry->id, task) != STATUS_OK) {
            builder_no_memory(b);
            return false;
        }
    }
    return true;
}

static void build_tasks(struct builder *b) {
    struct program *program = b->program;
    for (size_t i = 0; i < program->task_count; i++) {
        task_build(b, &b->input->tasks->entries[i], &program->tasks[i]);
        if (program->tasks[i].slot_count > program->slot_count_max)
            program->slot_count_max = program->tasks[i].slot_count;
    }
}

static bool list_triggers(struct builder *b) {
    struct program *program = b->program;
    size_t count = 0;
    for (size_t i = 0; i < program->task_count; i++)
        count += program->tasks[i].shared.trigger_count;
    program->triggers = builder_alloc(b, (count + 1) * sizeof *program->triggers);
    for (size_t i = 0; program->triggers && i < program->task_count; i++) {
        const struct task *task = &program->tasks[i].shared;
        for (size_t t = 0; task->is_enabled && t < task->trigger_count; t++)
            program->triggers[program->trigger_count++] = &task->triggers[t];
    }
    return program->triggers != NULL;
}

static struct program *program_new(const struct program_input *input) {
    struct program *program = calloc(1, sizeof *program);
    if (!program)
        return NULL;
    atomic_init(&program->references, 1);
    arena_init(&program->arena, PROGRAM_CHUNK_BYTES, 0);
    /* Task IDs come from the administrator's files: nobody else chooses what is hashed here. */
    map_init(&program->by_id, (struct hash_key){1, 2});
    program->generation = input->generation;
    program->set = expr_set_new(input->expression_time_ns, input->expression_memory_bytes);
    if (!program->set) {
        program_unref(program);
        return NULL;
    }
    return program;
}

struct program *program_build(const struct program_input *input, struct config_diag *diag) {
    struct program *program = program_new(input);
    struct builder b = {.program = program, .input = input, .diag = diag};
    if (!program) {
        builder_no_memory(&b);
        return NULL;
    }
    b.arena = &program->arena;
    size_t errors_before = diag->errors;
    if (collect_names(&b) && join_variables(&b) && copy_secrets(&b) && enter_tasks(&b)) {
        build_tasks(&b);
        list_triggers(&b);
    }
    if (diag->errors == errors_before)
        return program;
    program_unref(program);
    return NULL;
}
