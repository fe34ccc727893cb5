/* Tasks as rows: what the program says, joined with what each worker has counted. */
#include <stdio.h>
#include <stdlib.h>

#include "control/internal.h"

/* ---- triggers as people know them ------------------------------------------------------------ */

static const struct config_node *node_of(const struct trigger *trigger) {
    const struct config_node *all = config_get(trigger->task->declaration, "triggers");
    size_t at = (size_t)(trigger - trigger->task->triggers);
    if (!all || all->kind != CONFIG_LIST || at >= all->count)
        return NULL;
    const struct config_node *node = all->items[at];
    return node->kind == CONFIG_MAP && node->count == 1 ? node->items[0] : NULL;
}

const struct config_node *trigger__key(const struct trigger *trigger, const char *key) {
    const struct config_node *node = node_of(trigger);
    const struct config_field *fields = trigger->kind->fields;
    if (!node)
        return NULL;
    if (node->kind == CONFIG_MAP)
        return config_get(node, key);
    return fields && fields->name && strcmp(fields->name, key) == 0 ? node : NULL;
}

struct slice trigger__server(const struct control *control, const struct trigger *trigger) {
    const struct config_node *node = trigger__key(trigger, "server");
    const struct config_files *files = control->host->files(control->context);
    if (node)
        return node->kind == CONFIG_SCALAR ? node->text : SLICE_NONE;
    return files && files->servers.count == 1 ? files->servers.entries[0].id : SLICE_NONE;
}

static void append_key(struct buffer *text, const struct trigger *trigger, const char *key) {
    const struct config_node *node = trigger__key(trigger, key);
    enum status status = STATUS_OK;
    if (node && node->kind == CONFIG_SCALAR)
        status = buffer_printf(text, " " SLICE_FMT, SLICE_ARG(node->text));
    for (size_t i = 0; node && node->kind == CONFIG_LIST && i < node->count && !status; i++)
        status =
            buffer_printf(text, "%s" SLICE_FMT, i ? "," : " ", SLICE_ARG(node->items[i]->text));
    (void)status; /* a shorter text is still a text */
}

/* `http-request GET /hello/{name}`, `server-message /chat/{room}`, `every 5m`. */
static void write_trigger(struct out *out, const struct trigger *trigger) {
    const struct config_field *fields = trigger->kind->fields;
    struct buffer text;
    buffer_init(&text, 0);
    (void)buffer_append(&text, slice_of(trigger->kind->name)); /* as above */
    append_key(&text, trigger, "method");
    if (fields && fields->name)
        append_key(&text, trigger, fields->name);
    out_text(out, NULL, buffer_slice(&text));
    buffer_deinit(&text);
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct input {
    struct program *program;
    bool has_id;
    size_t at; /* of the one task that is asked for */
};

static void release(void *object) {
    struct input *input = object;
    program_unref(input->program);
    free(input);
}

/* The worker may be on another generation for a moment: tasks are found by ID. */
static void ask_tasks(struct gather_part *part, const void *context) {
    const struct input *input = context;
    struct engine *engine = part->worker->engine;
    const struct program *mine = engine_program(engine);
    size_t count = program_task_count(input->program);
    struct task_info *infos = arena_zalloc(&part->arena, (count + 1) * sizeof *infos);
    part->data = infos;
    if (!infos) {
        part->status = STATUS_NO_MEMORY;
        return;
    }
    for (size_t i = 0; i < count && mine; i++) {
        const struct task *task = program_find_task(mine, program_task(input->program, i)->id);
        if (!task || (input->has_id && i != input->at))
            continue;
        engine_task_info(engine, task, &infos[i]);
        if (arena_copy(&part->arena, infos[i].last_error, &infos[i].last_error))
            infos[i].last_error = SLICE_NONE;
    }
}

static struct task_info sum_of(const struct gather_part *parts, uint32_t count, size_t at) {
    struct task_info sum = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (!parts[i].is_answered)
            continue;
        const struct task_info *info = &((const struct task_info *)parts[i].data)[at];
        sum.runs += info->runs;
        sum.failures += info->failures;
        sum.active += info->active;
        sum.stopping += info->stopping;
        if (info->last_run_ms > sum.last_run_ms)
            sum.last_run_ms = info->last_run_ms;
        if (info->last_error_ms >= sum.last_error_ms && info->last_error.size) {
            sum.last_error_ms = info->last_error_ms;
            sum.last_error = info->last_error;
        }
        for (size_t gate = 0; gate < RUN_GATES; gate++)
            sum.refused[gate] += info->refused[gate];
    }
    return sum;
}

static bool is_registered(const struct control *control, struct slice id, bool is_client) {
    struct arena arena;
    struct control_server *servers;
    struct control_client *clients;
    size_t server_count = 0, client_count = 0;
    bool is_found = false;
    arena_init(&arena, 4096, 0);
    if (is_client ? control->host->clients(control->context, &arena, &clients, &client_count)
                  : control->host->servers(control->context, &arena, &servers, &server_count))
        is_found = true; /* without memory nothing is claimed */
    for (size_t i = 0; i < server_count; i++)
        is_found |= slice_equal(servers[i].id, id);
    for (size_t i = 0; i < client_count; i++)
        is_found |= slice_equal(clients[i].id, id);
    arena_deinit(&arena);
    return is_found;
}

/* A trigger names a server or client that nobody has registered yet. */
static bool is_waiting(const struct control *control, const struct task *task) {
    for (size_t i = 0; i < task->trigger_count; i++) {
        const struct config_node *server = trigger__key(&task->triggers[i], "server"),
                                 *client = trigger__key(&task->triggers[i], "client");
        if ((server && server->kind == CONFIG_SCALAR &&
             !is_registered(control, server->text, false)) ||
            (client && client->kind == CONFIG_SCALAR &&
             !is_registered(control, client->text, true)))
            return true;
    }
    return false;
}

static const char *state_of(const struct control *control, const struct task *task,
                            const struct task_info *info) {
    if (info->active)
        return info->stopping == info->active ? "stopping" : "running";
    if (!task->is_enabled)
        return "disabled";
    if (!task->trigger_count)
        return "manual";
    return is_waiting(control, task) ? "waiting" : "idle";
}

static void write_task(struct call *call, const struct task *task, const struct task_info *info) {
    struct out *out = &call->out;
    out_text(out, "id", task->id);
    out_text(out, "name", task->name);
    if (task->description.size)
        out_text(out, "description", task->description);
    out_bool(out, "enabled", task->is_enabled);
    out_text(out, "enabled_by",
             task->is_enabled == task->is_enabled_by_file ? SLICE("file") : SLICE("manager"));
    out_text(out, "state", slice_of(state_of(call->control, task, info)));
    out_list(out, "triggers");
    for (size_t i = 0; i < task->trigger_count; i++)
        write_trigger(out, &task->triggers[i]);
    out_end(out);
    out_text(out, "file", slice_of(task->mark.file));
    out_u64(out, "line", task->mark.line);
    out_u64(out, "active_runs", info->active);
    out_u64(out, "runs", info->runs);
    out_u64(out, "failures", info->failures);
    out_time(out, "last_run", info->last_run_ms);
    out_text_or_null(out, "last_error", info->last_error);
}

/* ---- list and show --------------------------------------------------------------------------- */

/* The program that was asked about; the gathering holds it. */
static const struct program *program_of(const struct gather_part *parts) {
    return ((const struct input *)gather_input(parts))->program;
}

static void on_list(struct call *call, struct gather_part *parts, uint32_t count) {
    const struct program *program = program_of(parts);
    out_list(&call->out, NULL);
    for (size_t i = 0; i < program_task_count(program); i++) {
        struct task_info info = sum_of(parts, count, i);
        out_map(&call->out, NULL);
        write_task(call, program_task(program, i), &info);
        out_end(&call->out);
    }
    out_end(&call->out);
    call_answer(call);
}

static void write_refused(struct out *out, const struct task_info *info) {
    out_map(out, "refused");
    for (size_t gate = RUN_ADMITTED + 1; gate < RUN_GATES; gate++)
        out_u64(out, run_gate_text((enum run_gate)gate), info->refused[gate]);
    out_end(out);
}

static void on_one(struct call *call, struct gather_part *parts, uint32_t count) {
    const struct input *input = gather_input(parts);
    const struct task *task = program_task(input->program, input->at);
    struct task_info info = sum_of(parts, count, input->at);
    struct buffer declaration;
    buffer_init(&declaration, 0);
    if (declare_json(task->declaration, &declaration)) {
        buffer_deinit(&declaration);
        call_no_memory(call);
        return;
    }
    out_map(&call->out, NULL);
    write_task(call, task, &info);
    write_refused(&call->out, &info);
    out_json(&call->out, "config", buffer_slice(&declaration));
    out_end(&call->out);
    buffer_deinit(&declaration);
    call_answer(call);
}

static void ask_all(struct call *call, struct program *program, const struct task *one) {
    struct input *input = malloc(sizeof *input);
    if (!input) {
        call_no_memory(call);
        return;
    }
    *input = (struct input){program_ref(program), one != NULL, one ? one->number : 0};
    gather(call, &(struct gather_ask){ask_tasks, one ? on_one : on_list, input, release});
}

void route__task_list(struct call *call) {
    struct program *program = call->control->host->program(call->control->context);
    if (program) {
        ask_all(call, program, NULL);
        return;
    }
    out_list(&call->out, NULL);
    out_end(&call->out);
    call_answer(call);
}

const struct task *task__find(struct call *call) {
    const struct program *program = call->control->host->program(call->control->context);
    const struct task *task = program ? program_find_task(program, call->id) : NULL;
    if (task)
        return task;
    if (!program) {
        call_starting(call);
        return NULL;
    }
    size_t count = program_task_count(program);
    const char **known = arena_zalloc(&call->arena, (count + 1) * sizeof *known);
    for (size_t i = 0; known && i < count; i++)
        known[i] = arena_text(&call->arena, program_task(program, i)->id);
    const char *nearest = known ? slice_nearest(call->id, known, count) : NULL;
    call_error(call, 404, call->id, "unknown task \"" SLICE_FMT "\"%s%s%s", SLICE_ARG(call->id),
               nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

void route__task_show(struct call *call) {
    const struct task *task = task__find(call);
    if (task)
        ask_all(call, call->control->host->program(call->control->context), task);
}

/* ---- stop ------------------------------------------------------------------------------------ */

static void ask_stop(struct gather_part *part, const void *input) {
    part->count = engine_cancel_task(part->worker->engine, *(const struct slice *)input);
}

static void on_stopped(struct call *call, struct gather_part *parts, uint32_t count) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += parts[i].is_answered ? parts[i].count : 0;
    out_map(&call->out, NULL);
    out_text(&call->out, "task", call->id);
    out_u64(&call->out, "cancelled", sum);
    if (call->is_partial)
        out_bool(&call->out, "partial", true);
    out_end(&call->out);
    call_answer(call);
}

void route__task_stop(struct call *call) {
    if (!task__find(call))
        return;
    struct slice *input = slice__box(call->id);
    if (input)
        gather(call, &(struct gather_ask){ask_stop, on_stopped, input, free});
    else
        call_no_memory(call);
}

/* ---- enable and disable -----------------------------------------------------------------------
 */

static void on_switched(void *context, unsigned status, const char *text) {
    struct call *call = context;
    if (status != 200) {
        call_error(call, status, call->id, "%s", text);
        return;
    }
    const struct program *program = call->control->host->program(call->control->context);
    const struct task *task = program_find_task(program, call->id);
    out_map(&call->out, NULL);
    out_text(&call->out, "task", call->id);
    out_bool(&call->out, "enabled", task && task->is_enabled);
    out_end(&call->out);
    call_answer(call);
}

static void switch_task(struct call *call, bool is_enabled) {
    struct control *control = call->control;
    if (task__find(call))
        control->host->switch_task(control->context, call->id, is_enabled, on_switched, call);
}

void route__task_enable(struct call *call) { switch_task(call, true); }

void route__task_disable(struct call *call) { switch_task(call, false); }
