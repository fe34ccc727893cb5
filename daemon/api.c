/* What the control API may ask of the supervisor. */
#include "daemon/api.h"

#include <stdlib.h>

#include "control/control.h"
#include "daemon/describe.h"
#include "daemon/edit.h"

static struct supervisor *of(void *context) { return context; }

static void tell_state(void *context, struct control_state *out) {
    const struct supervisor *supervisor = context;
    *out = (struct control_state){.version = SLICE(BELLWIRE_VERSION),
                                  .config = slice_of(supervisor->options->config),
                                  .last_reload_error = slice_of(supervisor->last_reload_error),
                                  .started_ms = supervisor->started_ms,
                                  .generation = supervisor->generation_number,
                                  .last_reload_ms = supervisor->last_reload_ms,
                                  .is_degraded = supervisor->is_degraded,
                                  .last_reload_ok = supervisor->last_reload_ok,
                                  .is_stalled = supervisor->is_stalled,
                                  .programs_waited = atomic_load(&supervisor->programs.waited),
                                  .outputs_cut = atomic_load(&supervisor->programs.cut),
                                  .runs_cut_short = atomic_load(&supervisor->runs_cut_short)};
}

static struct program *tell_program(void *context) {
    const struct generation *generation = of(context)->generation;
    return generation ? generation->program : NULL;
}

static const struct config_files *tell_files(void *context) {
    const struct generation *generation = of(context)->generation;
    return generation ? &generation->files : NULL;
}

static const struct declare_main *tell_main(void *context) {
    const struct generation *generation = of(context)->generation;
    return generation ? &generation->declared.main : NULL;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static size_t length(const struct list *head) {
    const struct list *at;
    size_t count = 0;
    LIST_FOR_EACH(at, head) count++;
    return count;
}

/* The addresses that are open, or those that are declared where none is. */
static enum status take_addresses(const struct server_row *row, struct arena *arena,
                                  struct control_server *out) {
    const struct list *at;
    out->bind = row->config->options.bind.items;
    out->bind_count = row->config->options.bind.count;
    if (list_is_empty(&row->listeners))
        return STATUS_OK;
    struct slice *bound = arena_alloc(arena, length(&row->listeners) * sizeof *bound);
    if (!bound)
        return STATUS_NO_MEMORY;
    out->bind = bound;
    out->bind_count = 0;
    LIST_FOR_EACH(at, &row->listeners)
    bound[out->bind_count++] = slice_of(CONTAINER_OF(at, struct listener, link)->bound);
    return STATUS_OK;
}

static enum status tell_servers(void *context, struct arena *arena, struct control_server **out,
                                size_t *count) {
    struct supervisor *supervisor = of(context);
    struct list *at;
    *out = arena_zalloc(arena, length(&supervisor->servers) * sizeof **out);
    *count = 0;
    if (!*out)
        return STATUS_NO_MEMORY;
    LIST_FOR_EACH(at, &supervisor->servers) {
        const struct server_row *row = CONTAINER_OF(at, struct server_row, link);
        if (!row->is_declared)
            continue;
        struct control_server *server = &(*out)[(*count)++];
        *server = (struct control_server){.id = row->id,
                                          .name = row->name,
                                          .place = row->place,
                                          .error = slice_of(row->error),
                                          .json = row->json,
                                          .origin = row->origin,
                                          .is_enabled = row->is_enabled,
                                          .state = supervisor__server_state(row),
                                          .since_ms = row->since_ms,
                                          .options = &row->config->options,
                                          .counters = row->counters};
        if (take_addresses(row, arena, server))
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static enum status tell_clients(void *context, struct arena *arena, struct control_client **out,
                                size_t *count) {
    struct supervisor *supervisor = of(context);
    struct list *at;
    *out = arena_zalloc(arena, length(&supervisor->clients) * sizeof **out);
    *count = 0;
    if (!*out)
        return STATUS_NO_MEMORY;
    LIST_FOR_EACH(at, &supervisor->clients) {
        const struct client_row *row = CONTAINER_OF(at, struct client_row, link);
        if (row->is_declared)
            (*out)[(*count)++] = (struct control_client){.id = row->id,
                                                         .name = row->name,
                                                         .place = row->place,
                                                         .url = row->url,
                                                         .json = row->json,
                                                         .origin = row->origin,
                                                         .is_enabled = row->is_enabled,
                                                         .since_ms = row->since_ms,
                                                         .owner = row->owner,
                                                         .options = &row->config->options,
                                                         .counters = &row->counters};
    }
    return STATUS_OK;
}

/* ---- reload and check ------------------------------------------------------------------------ */

struct waiter {
    control_reload_fn done;
    void *context;
};

static void write_ids(struct out *out, const char *name, const struct slice *ids, size_t count) {
    out_list(out, name);
    for (size_t i = 0; i < count; i++)
        out_text(out, NULL, ids[i]);
    out_end(out);
}

static void write_changes(struct out *out, const char *name,
                          const struct supervisor_change_list *changes) {
    out_map(out, name);
    write_ids(out, "added", changes->added, changes->added_count);
    write_ids(out, "changed", changes->changed, changes->changed_count);
    write_ids(out, "removed", changes->removed, changes->removed_count);
    out_end(out);
}

static void on_reloaded(void *context, const struct supervisor_reload *result) {
    struct waiter *waiter = context;
    if (!result->generation) {
        waiter->done(waiter->context, SLICE_NONE);
        free(waiter);
        return;
    }
    struct buffer text;
    struct out out;
    buffer_init(&text, 0);
    out_init(&out, &text);
    out_map(&out, NULL);
    if (!out.status)
        out.status = generation_print_json(result->generation, result->is_ok, &text);
    out.has_one = true;
    out_u64(&out, "generation", result->number);
    out_map(&out, "changes");
    write_changes(&out, "tasks", &result->tasks);
    write_changes(&out, "servers", &result->servers);
    write_changes(&out, "clients", &result->clients);
    out_end(&out);
    out_u64(&out, "closed_sessions", result->closed_sessions);
    out_end(&out);
    waiter->done(waiter->context, out.status ? SLICE("{}") : buffer_slice(&text));
    buffer_deinit(&text);
    free(waiter);
}

static void reload(void *context, control_reload_fn done, void *done_context) {
    struct waiter *waiter = base_alloc(sizeof *waiter);
    *waiter = (struct waiter){done, done_context};
    supervisor__reload(of(context), on_reloaded, waiter);
}

/* ---- edits ----------------------------------------------------------------------------------- */

struct edit_waiter {
    control_edit_fn done;
    void *context;
};

static void on_edited(void *context, const struct edit_result *result) {
    struct edit_waiter *waiter = context;
    waiter->done(waiter->context, result->status, result->text);
    free(waiter);
}

static void edit(void *context, const struct control_edit *change, control_edit_fn done,
                 void *done_context) {
    static const enum edit_verb verbs[] = {
        [CONTROL_ADD] = EDIT_ADD,       [CONTROL_PUT] = EDIT_PUT,     [CONTROL_SET] = EDIT_SET,
        [CONTROL_REMOVE] = EDIT_REMOVE, [CONTROL_START] = EDIT_START, [CONTROL_STOP] = EDIT_STOP};
    struct edit_waiter *waiter = base_alloc(sizeof *waiter);
    *waiter = (struct edit_waiter){done, done_context};
    const struct edit_request request = {.kind = change->kind,
                                         .verb = verbs[change->verb],
                                         .id = change->id,
                                         .keys = change->keys,
                                         .done = on_edited,
                                         .context = waiter};
    edit_submit(of(context), &request);
}

static void switch_task(void *context, struct slice id, bool is_enabled, control_edit_fn done,
                        void *done_context) {
    switches_submit(of(context), &(struct switches_request){id, is_enabled, done, done_context});
}

static void backup(void *context, struct buffer *out, control_backup_fn done, void *done_context) {
    const struct registry_done then = {done, done_context};
    enum status status = registry_backup(of(context)->registry, out, then);
    if (status)
        done(done_context, status);
}

/* As a reload would load it. */
static enum status check(void *context, struct slice path, bool is_strict, struct buffer *out) {
    const struct supervisor *supervisor = context;
    const struct registry_rows servers = rows_view(&supervisor->stored_servers);
    const struct registry_rows clients = rows_view(&supervisor->stored_clients);
    char *config = base_strdup(path.size ? path : slice_of(supervisor->options->config));
    const struct generation_input input = {.config = config,
                                           .workers = supervisor->worker_count,
                                           .number = supervisor->generation_number + 1,
                                           .servers = &servers,
                                           .clients = &clients,
                                           .before = supervisor->generation};
    struct generation *generation = generation_load(&input);
    bool is_good = generation->program && !(is_strict && generation->diag.warnings);
    enum status status = generation_print_json(generation, is_good, out);
    if (generation->program)
        program_unref(generation->program);
    generation_unref(generation);
    free(config);
    return status;
}

/* ---- its life -------------------------------------------------------------------------------- */

_Static_assert(CONTROL_EXPLAIN_MAX >= TRIGGERS_EXPLAIN_MAX, "one fills the other's text");

const struct control_host api_host = {.state = tell_state,
                                      .program = tell_program,
                                      .files = tell_files,
                                      .main = tell_main,
                                      .servers = tell_servers,
                                      .clients = tell_clients,
                                      .reload = reload,
                                      .edit = edit,
                                      .switch_task = switch_task,
                                      .backup = backup,
                                      .check = check,
                                      .schema = describe_schema,
                                      .reference = describe_reference,
                                      .explain = triggers_explain,
                                      .find_request = triggers_find_request};

bool api_open(struct supervisor *supervisor) {
    const struct options *options = supervisor->options;
    struct control_worker *workers = base_alloc(supervisor->worker_count * sizeof *workers);
    for (uint32_t i = 0; i < supervisor->worker_count; i++)
        workers[i] =
            (struct control_worker){supervisor->workers[i].loop, supervisor->workers[i].servers,
                                    supervisor->workers[i].clients, supervisor->workers[i].engine};
    supervisor->control =
        control_open(&(struct control_options){.loop = supervisor->loop,
                                               .host = &api_host,
                                               .context = supervisor,
                                               .globals = supervisor->keep.reader,
                                               .workers = workers,
                                               .worker_count = supervisor->worker_count,
                                               .path = options->control,
                                               .makes_folder = options->has_default_control});
    free(workers);
    return supervisor->control != NULL;
}

void api_started(struct supervisor *supervisor) { control_second(supervisor->control); }

void api_second(struct supervisor *supervisor) { control_second(supervisor->control); }

void api_close(struct supervisor *supervisor) {
    control_close(supervisor->control);
    supervisor->control = NULL;
}
