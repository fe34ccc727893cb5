/* Reloads: a new generation is loaded aside; any error, and nothing changes. What differs is told
 * by ID. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/edit.h"
#include "daemon/observe.h"
#include "daemon/supervisor.h"

struct waiter {
    struct list link;
    supervisor_reload_fn done;
    void *context;
};

static void start(struct supervisor *supervisor);
static void on_applied(struct supervisor *supervisor, uint64_t closed_sessions);
static void compare_all(const struct generation *old, const struct generation *new,
                        struct arena *arena, struct supervisor_reload *out);
static void tell(struct supervisor *supervisor, const struct supervisor_reload *result);
static void refuse(struct supervisor *supervisor, struct generation *generation);

void supervisor__reload(struct supervisor *supervisor, supervisor_reload_fn done, void *context) {
    struct waiter *waiter = base_alloc(sizeof *waiter);
    waiter->done = done;
    waiter->context = context;
    list_append(&supervisor->reloads, &waiter->link);
    if (supervisor->apply || supervisor->edit || supervisor->switches.change)
        supervisor->is_reload_wanted =
            true; /* what is applied now was loaded before this was asked for */
    else
        start(supervisor);
}

static void start(struct supervisor *supervisor) {
    if (supervisor->state >= SUPERVISOR_DRAINING) {
        supervisor__drop_reloads(supervisor);
        return;
    }
    supervisor->is_reload_wanted = false;
    notify_reloading(&supervisor->notify);
    struct generation *current = supervisor->generation;
    const struct registry_rows servers = rows_view(&supervisor->stored_servers);
    const struct registry_rows clients = rows_view(&supervisor->stored_clients);
    const struct generation_input input = {.config = supervisor->options->config,
                                           .workers = supervisor->worker_count,
                                           .number = supervisor->generation_number + 1,
                                           .previous = current ? current->program : NULL,
                                           .servers = &servers,
                                           .clients = &clients,
                                           .before = current,
                                           .is_enabled = switches_is_enabled,
                                           .context = &supervisor->switches};
    struct generation *generation = generation_load(&input);
    if (!generation->program) {
        refuse(supervisor, generation);
        return;
    }
    const struct declare_main *main = &generation->declared.main;
    log_set(supervisor->options->has_log_format ? supervisor->options->log_format
                                                : (enum log_format)main->log_format,
            supervisor->options->has_log_level ? supervisor->options->log_level
                                               : (enum log_level)main->log_level);
    generation->comparison = base_alloc(sizeof *generation->comparison);
    compare_all(current, generation, &generation->arena, generation->comparison);
    supervisor__apply(supervisor, generation, on_applied);
}

static void refuse(struct supervisor *supervisor, struct generation *generation) {
    struct buffer text;
    buffer_init(&text, 0);
    if (generation_print(generation, true, &text) == STATUS_OK)
        for (struct slice rest = buffer_slice(&text), line; rest.size;) {
            line = slice_cut(rest, '\n', &rest);
            if (line.size)
                log_line(LOG_ERROR, NULL, "reload: " SLICE_FMT, SLICE_ARG(line));
        }
    buffer_deinit(&text);
    supervisor->last_reload_ms = clock_system.wall_ms(&clock_system);
    supervisor->last_reload_ok = false;
    free(supervisor->last_reload_error);
    supervisor->last_reload_error = generation_first_error(generation);
    supervisor->reloads_failed++;
    notify_ready(&supervisor->notify);
    const struct supervisor_reload result = {.generation = generation,
                                             .number = supervisor->generation_number};
    tell(supervisor, &result);
    generation_unref(generation);
}

void supervisor__drop_reloads(struct supervisor *supervisor) {
    const struct supervisor_reload result = {.number = supervisor->generation_number};
    supervisor->is_reload_wanted = false;
    tell(supervisor, &result);
}

static void on_applied(struct supervisor *supervisor, uint64_t closed_sessions) {
    struct generation *generation = supervisor->generation;
    supervisor__store_rows(supervisor);
    switches_follow(supervisor);
    supervisor->last_reload_ms = clock_system.wall_ms(&clock_system);
    supervisor->last_reload_ok = true;
    free(supervisor->last_reload_error);
    supervisor->last_reload_error = NULL;
    struct supervisor_reload *result = generation->comparison;
    result->generation = generation;
    result->is_ok = true;
    result->number = supervisor->generation_number;
    result->closed_sessions = closed_sessions;
    log_line(LOG_INFO, NULL, "reloaded: generation %llu, tasks %zu added, %zu changed, %zu removed",
             (unsigned long long)result->number, result->tasks.added_count,
             result->tasks.changed_count, result->tasks.removed_count);
    supervisor->reloads_ok++;
    observe_apply(supervisor);
    notify_ready(&supervisor->notify);
    tell(supervisor, result);
    free(result);
    generation->comparison = NULL;
    supervisor__next(supervisor);
}

void supervisor__next(struct supervisor *supervisor) {
    bool is_busy = supervisor->apply || supervisor->edit || supervisor->switches.change;
    if (supervisor->is_reload_wanted && !is_busy)
        start(supervisor); /* it may be refused: then whoever waits comes next */
    edit_continue(supervisor);
    switches_continue(supervisor);
}

/* Those who asked while the last one was being applied wait for the next. */
static void tell(struct supervisor *supervisor, const struct supervisor_reload *result) {
    struct list waiting;
    list_init(&waiting);
    while (!supervisor->is_reload_wanted && !list_is_empty(&supervisor->reloads)) {
        struct list *first = supervisor->reloads.next;
        list_remove(first);
        list_append(&waiting, first);
    }
    while (!list_is_empty(&waiting)) {
        struct waiter *waiter = CONTAINER_OF(waiting.next, struct waiter, link);
        list_remove(&waiter->link);
        waiter->done(waiter->context, result);
        free(waiter);
    }
}

/* ---- what changed
 * ----------------------------------------------------------------------------------------- */

static bool is_same(const struct config_entry *a, const struct config_entry *b) {
    struct buffer left, right;
    buffer_init(&left, 0);
    buffer_init(&right, 0);
    bool is_good = (!a->value || declare_json(a->value, &left) == STATUS_OK) &&
                   (!b->value || declare_json(b->value, &right) == STATUS_OK);
    bool is_equal = is_good && slice_equal(buffer_slice(&left), buffer_slice(&right));
    buffer_deinit(&left);
    buffer_deinit(&right);
    return is_equal;
}

static void compare(const struct config_section *old, const struct config_section *new,
                    struct arena *arena, struct supervisor_change_list *out) {
    struct map known;
    map_init(&known, (struct hash_key){0}); /* the keys are the administrator's own */
    out->added = arena_alloc(arena, new->count * sizeof *out->added);
    out->changed = arena_alloc(arena, new->count * sizeof *out->changed);
    out->removed = arena_alloc(arena, old->count * sizeof *out->removed);
    bool is_good = out->added && out->changed && out->removed;
    for (size_t i = 0; i < old->count && is_good; i++)
        is_good = map_put(&known, old->entries[i].id, &old->entries[i]) == STATUS_OK;
    for (size_t i = 0; i < new->count &&is_good; i++) {
        const struct config_entry *before = map_remove(&known, new->entries[i].id);
        if (!before)
            out->added[out->added_count++] = new->entries[i].id;
        else if (!is_same(before, &new->entries[i]))
            out->changed[out->changed_count++] = new->entries[i].id;
    }
    for (size_t i = 0; i < old->count && is_good; i++)
        if (map_get(&known, old->entries[i].id) &&
            arena_copy(arena, old->entries[i].id, &out->removed[out->removed_count]) == STATUS_OK)
            out->removed_count++;
    map_deinit(&known);
}

static void compare_all(const struct generation *old, const struct generation *new,
                        struct arena *arena, struct supervisor_reload *out) {
    static const struct config_files none;
    const struct config_files *before = old ? &old->files : &none;
    compare(&before->tasks, &new->files.tasks, arena, &out->tasks);
    compare(&before->servers, &new->files.servers, arena, &out->servers);
    compare(&before->clients, &new->files.clients, arena, &out->clients);
}
