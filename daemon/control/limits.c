/* Every bound with its value, where it was set, and how often it refused something. */
#include <stdlib.h>

#include "control/internal.h"
#include "globals/globals.h"

#define NOT_COUNTED UINT64_MAX

struct bound { /* a key of a server or client that bounds something */
    const char *key;
    int counter; /* enum server_bound or client_bound; -1: what it refuses is not counted */
};
static const struct bound server_bounds[] = {
    {"max-header-size", SERVER_MAX_HEADER},
    {"max-header-count", SERVER_MAX_HEADER_COUNT},
    {"header-timeout", SERVER_HEADER_TIMEOUT},
    {"max-body", SERVER_MAX_BODY},
    {"body-timeout", SERVER_BODY_TIMEOUT},
    {"idle-timeout", SERVER_IDLE_TIMEOUT},
    {"response-timeout", SERVER_RESPONSE_TIMEOUT},
    {"max-message", SERVER_MAX_MESSAGE},
    {"max-backlog", SERVER_MAX_BACKLOG},
    {"drain-timeout", SERVER_DRAIN_TIMEOUT},
    {"ping-interval", -1},
    {"pong-timeout", SERVER_PONG_TIMEOUT},
    {"handshake-timeout", SERVER_HANDSHAKE_TIMEOUT},
    {"max-sessions", SERVER_MAX_SESSIONS},
    {"max-sessions-per-address", SERVER_MAX_PER_ADDRESS},
    {"max-tls-sessions", SERVER_MAX_TLS_SESSIONS},
};
static const struct bound client_bounds[] = {
    {"connect-timeout", CLIENT_CONNECT_TIMEOUT}, {"handshake-timeout", CLIENT_HANDSHAKE_TIMEOUT},
    {"max-message", CLIENT_MAX_MESSAGE},         {"max-backlog", CLIENT_MAX_BACKLOG},
    {"drain-timeout", CLIENT_DRAIN_TIMEOUT},     {"ping-interval", -1},
    {"pong-timeout", CLIENT_PONG_TIMEOUT},
};
struct passed { /* how often each bound of the main file was passed */
    uint64_t max_programs, max_run_memory, run_memory, expression_time, expression_memory;
    uint64_t max_globals, max_global, shutdown_timeout;
    uint64_t max_output; /* of steps, whose default it is */
};
static const struct main_bound {
    const char *key;
    size_t counter; /* in struct passed */
} main_bounds[] = {
    {"max-programs", offsetof(struct passed, max_programs)},
    {"max-run-memory", offsetof(struct passed, max_run_memory)},
    {"run-memory", offsetof(struct passed, run_memory)},
    {"expression-time", offsetof(struct passed, expression_time)},
    {"expression-memory", offsetof(struct passed, expression_memory)},
    {"max-globals", offsetof(struct passed, max_globals)},
    {"max-global", offsetof(struct passed, max_global)},
    {"shutdown-timeout", offsetof(struct passed, shutdown_timeout)},
};

/* ---- one row --------------------------------------------------------------------------------- */

struct row {
    const char *key;
    const char *of;
    const struct config_field *field; /* of `object` */
    const void *object;
    struct config_mark set_at; /* line 0: not set */
    bool is_manager;           /* set, by the manager */
    uint64_t refused;
};

static const struct config_field *field_of(const struct config_field *fields, const char *key) {
    for (; fields->name; fields++)
        if (strcmp(fields->name, key) == 0)
            return fields;
    return NULL;
}

/* Sizes in bytes, numbers as they are, durations and choices as the YAML spells them. */
static void write_value(struct call *call, const struct row *row) {
    struct out *out = &call->out;
    const char *at = (const char *)row->object + row->field->offset;
    struct slice text;
    if (row->field->type == CONFIG_SIZE)
        out_u64(out, "value", *(const uint64_t *)(const void *)at);
    else if (row->field->type == CONFIG_U32)
        out_u64(out, "value", *(const uint32_t *)(const void *)at);
    else if (config_spell(row->field, row->object, &call->arena, &text) == STATUS_OK)
        out_text(out, "value", text);
    else
        out_null(out, "value");
}

static void write_set_at(struct call *call, const struct row *row) {
    const char *place = row->is_manager ? "manager" : "default";
    if (row->set_at.line)
        place = arena_printf(&call->arena, "%s:%u", row->set_at.file, row->set_at.line);
    out_text(&call->out, "set_at", slice_of(place ? place : ""));
}

static void write_refused(struct out *out, uint64_t refused) {
    if (refused == NOT_COUNTED)
        out_null(out, "refused");
    else
        out_u64(out, "refused", refused);
}

static void write_row(struct call *call, const struct row *row) {
    out_map(&call->out, NULL);
    out_text(&call->out, "key", slice_of(row->key));
    out_text(&call->out, "of", slice_of(row->of));
    write_value(call, row);
    write_set_at(call, row);
    write_refused(&call->out, row->refused);
    out_end(&call->out);
}

static struct config_mark mark_of(const struct config_node *map, const char *key) {
    const struct config_node *node = map && map->kind == CONFIG_MAP ? config_get(map, key) : NULL;
    return node ? node->mark : (struct config_mark){0};
}

/* ---- the main file --------------------------------------------------------------------------- */

/* The table's offsets are those of a larger struct that holds a declare_main; the first bound tells
 * where. */
static void write_main(struct call *call, const struct passed *passed) {
    const struct control *control = call->control;
    const struct config_files *files = control->host->files(control->context);
    const struct declare_main *main = control->host->main(control->context);
    if (!main)
        return;
    size_t shift = field_of(declare_main_fields, "max-programs")->offset -
                   offsetof(struct declare_main, max_programs);
    for (size_t i = 0; i < ARRAY_SIZE(main_bounds); i++) {
        const struct main_bound *bound = &main_bounds[i];
        const struct config_field *found = field_of(declare_main_fields, bound->key);
        if (!found)
            continue;
        struct config_field field = *found;
        field.offset -= shift;
        uint64_t refused;
        memcpy(&refused, (const char *)passed + bound->counter, sizeof refused);
        const struct row row = {.key = bound->key,
                                .of = "main",
                                .field = &field,
                                .object = main,
                                .set_at = mark_of(files ? files->main : NULL, bound->key),
                                .refused = refused};
        write_row(call, &row);
    }
}

/* ---- servers --------------------------------------------------------------------------------- */

static const struct config_node *declared(const struct config_section *section, struct slice id) {
    for (size_t i = 0; i < section->count; i++)
        if (slice_equal(section->entries[i].id, id))
            return section->entries[i].value;
    return NULL;
}

static uint64_t count_refused(const struct control *control, const struct control_server *server,
                              int counter) {
    uint64_t sum = 0;
    for (uint32_t i = 0; counter >= 0 && i < control->worker_count; i++)
        sum += atomic_load_explicit(&server->counters[i].refused[counter], memory_order_relaxed);
    return counter < 0 ? NOT_COUNTED : sum;
}

/* The one key whose table keeps it apart from the options. */
static void write_slow_consumer(struct call *call, struct row *row,
                                const struct server_options *options) {
    row->key = "slow-consumer";
    out_map(&call->out, NULL);
    out_text(&call->out, "key", slice_of(row->key));
    out_text(&call->out, "of", slice_of(row->of));
    out_text(&call->out, "value",
             options->slow_consumer == SERVER_SLOW_DROP ? SLICE("drop") : SLICE("close"));
    write_set_at(call, row);
    write_refused(&call->out, row->refused);
    out_end(&call->out);
}

/* The options are the first member of what the table's offsets count from. */
static void write_server(struct call *call, const struct control_server *server) {
    const struct control *control = call->control;
    const struct config_files *files = control->host->files(control->context);
    bool is_file = server->origin == REGISTRY_FILE;
    const struct config_node *node =
        is_file && files ? declared(&files->servers, server->id) : NULL;
    struct value given = value_nil();
    size_t at;
    if (!is_file)
        (void)json_decode(server->json, &call->arena, &given, &at); /* nil: nothing is given */
    const char *of = arena_printf(&call->arena, "server:" SLICE_FMT, SLICE_ARG(server->id));
    for (size_t i = 0; of && i < ARRAY_SIZE(server_bounds); i++) {
        const struct bound *bound = &server_bounds[i];
        const struct config_field *field = field_of(declare_server_fields, bound->key);
        if (!field || field->offset >= sizeof *server->options)
            continue;
        const struct row row = {.key = bound->key,
                                .of = of,
                                .field = field,
                                .object = server->options,
                                .set_at = mark_of(node, bound->key),
                                .is_manager =
                                    value_member(given, slice_of(bound->key)).type != VALUE_NIL,
                                .refused = count_refused(control, server, bound->counter)};
        write_row(call, &row);
    }
    struct row slow = {.of = of ? of : "",
                       .set_at = mark_of(node, "slow-consumer"),
                       .is_manager = value_member(given, SLICE("slow-consumer")).type != VALUE_NIL,
                       .refused = count_refused(control, server, SERVER_MAX_BACKLOG)};
    write_slow_consumer(call, &slow, server->options);
}

/* ---- clients --------------------------------------------------------------------------------- */

static void write_client(struct call *call, const struct control_client *client) {
    const struct control *control = call->control;
    const struct config_files *files = control->host->files(control->context);
    bool is_file = client->origin == REGISTRY_FILE;
    const struct config_node *node =
        is_file && files ? declared(&files->clients, client->id) : NULL;
    struct value given = value_nil();
    size_t at;
    if (!is_file)
        (void)json_decode(client->json, &call->arena, &given, &at); /* nil: nothing is given */
    const char *of = arena_printf(&call->arena, "client:" SLICE_FMT, SLICE_ARG(client->id));
    for (size_t i = 0; of && i < ARRAY_SIZE(client_bounds); i++) {
        const struct bound *bound = &client_bounds[i];
        const struct config_field *field = field_of(declare_client_fields, bound->key);
        uint64_t refused = bound->counter < 0
                               ? NOT_COUNTED
                               : atomic_load_explicit(&client->counters->refused[bound->counter],
                                                      memory_order_relaxed);
        if (!field || field->offset >= sizeof *client->options)
            continue;
        const struct row row = {.key = bound->key,
                                .of = of,
                                .field = field,
                                .object = client->options,
                                .set_at = mark_of(node, bound->key),
                                .is_manager =
                                    value_member(given, slice_of(bound->key)).type != VALUE_NIL,
                                .refused = refused};
        write_row(call, &row);
    }
}

/* ---- tasks ----------------------------------------------------------------------------------- */

struct input {
    struct program *program;
};
struct refusals { /* of a worker: one a task, and all together */
    struct engine_stats all;
    uint64_t max[];
};

static void release(void *object) {
    struct input *input = object;
    program_unref(input->program);
    free(input);
}

static void ask_refusals(struct gather_part *part, const void *context) {
    const struct input *input = context;
    struct engine *engine = part->worker->engine;
    const struct program *mine = engine_program(engine);
    size_t count = program_task_count(input->program);
    struct refusals *refusals =
        arena_zalloc(&part->arena, sizeof *refusals + count * sizeof refusals->max[0]);
    part->data = refusals;
    if (!refusals) {
        part->status = STATUS_NO_MEMORY;
        return;
    }
    engine_stats(engine, &refusals->all);
    for (size_t i = 0; mine && i < count; i++) {
        struct task_info info;
        const struct task *task = program_find_task(mine, program_task(input->program, i)->id);
        if (!task)
            continue;
        engine_task_info(engine, task, &info);
        refusals->max[i] = info.refused[RUN_MAX];
    }
}

#define MAX_OUTPUT_DEFAULT (1024 * 1024)

static void write_number(struct call *call, const struct row *row, uint64_t value) {
    out_map(&call->out, NULL);
    out_text(&call->out, "key", slice_of(row->key));
    out_text(&call->out, "of", slice_of(row->of));
    out_u64(&call->out, "value", value);
    write_set_at(call, row);
    write_refused(&call->out, row->refused);
    out_end(&call->out);
}

/* Every step that sets it; what passed it is counted for all steps together. */
static void write_outputs(struct call *call, const struct config_node *node, const char *of) {
    uint64_t value;
    for (size_t i = 0; node->kind != CONFIG_SCALAR && i < node->count; i++) {
        const struct config_node *item = node->items[i];
        bool is_bound = node->kind == CONFIG_MAP && item->kind == CONFIG_SCALAR &&
                        slice_is(node->keys[i]->text, "max-output");
        const struct row row = {
            .key = "max-output", .of = of, .set_at = item->mark, .refused = NOT_COUNTED};
        if (is_bound && size_parse(item->text, &value) == STATUS_OK)
            write_number(call, &row, value);
        write_outputs(call, item, of);
    }
}

static void write_task(struct call *call, const struct task *task, uint64_t refused) {
    const struct config_node *mode = config_get(task->declaration, "mode");
    const struct config_node *max =
        mode && mode->kind == CONFIG_MAP ? config_get(mode, "max") : NULL;
    const char *of = arena_printf(&call->arena, "task:" SLICE_FMT, SLICE_ARG(task->id));
    const struct row row = {.key = "mode.max",
                            .of = of ? of : "task",
                            .set_at = max ? max->mark : (struct config_mark){0},
                            .refused = refused};
    const struct config_node *actions = config_get(task->declaration, "actions");
    write_number(call, &row, task_max(task));
    if (actions)
        write_outputs(call, actions, row.of);
}

/* ---- the command ----------------------------------------------------------------------------- */

static struct passed sum_passed(const struct control *control, const struct gather_part *parts,
                                uint32_t part_count) {
    struct control_state state = {0};
    control->host->state(control->context, &state);
    struct passed sum = {.max_programs = state.programs_waited,
                         .max_output = state.outputs_cut,
                         .shutdown_timeout = state.runs_cut_short,
                         .max_globals = globals_refused(control->globals).past_all,
                         .max_global = globals_refused(control->globals).past_one};
    for (uint32_t i = 0; i < part_count; i++) {
        if (!parts[i].is_answered)
            continue;
        const struct engine_stats *stats = &((const struct refusals *)parts[i].data)->all;
        sum.run_memory += stats->refused[RUN_MEMORY];
        sum.max_run_memory += stats->max_run_memory_passed;
        sum.expression_time += stats->expression_time_passed;
        sum.expression_memory += stats->expression_memory_passed;
    }
    return sum;
}

static void on_refusals(struct call *call, struct gather_part *parts, uint32_t part_count) {
    const struct control *control = call->control;
    const struct program *program = ((const struct input *)gather_input(parts))->program;
    struct control_server *servers;
    size_t count;
    struct control_client *clients;
    size_t client_count;
    if (control->host->servers(control->context, &call->arena, &servers, &count) ||
        control->host->clients(control->context, &call->arena, &clients, &client_count)) {
        call_no_memory(call);
        return;
    }
    struct passed passed = sum_passed(control, parts, part_count);
    out_list(&call->out, NULL);
    write_main(call, &passed);
    write_number(call,
                 &(struct row){.key = "max-output", .of = "main", .refused = passed.max_output},
                 MAX_OUTPUT_DEFAULT);
    for (size_t i = 0; i < count; i++)
        write_server(call, &servers[i]);
    for (size_t i = 0; i < client_count; i++)
        write_client(call, &clients[i]);
    for (size_t i = 0; i < program_task_count(program); i++) {
        uint64_t refused = 0;
        for (uint32_t k = 0; k < part_count; k++)
            refused += parts[k].is_answered ? ((const struct refusals *)parts[k].data)->max[i] : 0;
        write_task(call, program_task(program, i), refused);
    }
    out_end(&call->out);
    call_answer(call);
}

void route__limits(struct call *call) {
    struct program *program = call->control->host->program(call->control->context);
    struct input *input = program ? malloc(sizeof *input) : NULL;
    if (!input) {
        (program ? call_no_memory : call_starting)(call);
        return;
    }
    input->program = program_ref(program);
    gather(call, &(struct gather_ask){ask_refusals, on_refusals, input, release});
}
