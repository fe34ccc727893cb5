/* How a generation takes effect: rows of servers and clients are brought up to date, then every
 * worker takes the program and its servers between two events, then new addresses are opened. What
 * did not change is not touched. */
#include <stdlib.h>

#include "crypto/crypto.h"
#include "daemon/supervisor.h"

struct move {
    struct slice from, to, address;
};
struct apply {
    struct generation *generation;
    void (*finished)(struct supervisor *supervisor, uint64_t closed_sessions);
    struct supervisor *supervisor;
    struct arena arena;
    struct server_row **changed; /* get their config */
    struct server_row **stopped; /* stop listening, sessions end; gone ones are forgotten */
    struct move *moves;          /* listeners that change hands */
    struct move *closed;         /* listeners that close; `from` is the server */
    size_t changed_count, stopped_count, move_count, closed_count;
    struct client_changes *clients;
    uint32_t pending;
    uint64_t closed_sessions;
};

static void plan_rows(struct apply *apply);
static void plan_listeners(struct apply *apply);
static void on_worker(struct worker *worker, void *context);
static void on_worker_done(struct worker *worker, void *context);
static void finish(struct apply *apply);
static void on_clients_applied(void *context);
static void drop(struct apply *apply);

static void *room(struct apply *apply, size_t size) {
    void *memory = arena_zalloc(&apply->arena, size);
    if (!memory)
        abort(); /* half a change cannot be applied */
    return memory;
}

void supervisor__apply(struct supervisor *supervisor, struct generation *generation,
                       void (*finished)(struct supervisor *supervisor, uint64_t closed_sessions)) {
    struct apply *apply = base_alloc(sizeof *apply);
    apply->generation = generation;
    apply->supervisor = supervisor;
    apply->finished = finished;
    arena_init(&apply->arena, 16384, 0);
    supervisor->apply = apply;
    plan_rows(apply);
    apply->clients = clients__plan(supervisor, generation);
    plan_listeners(apply);
    const struct declare_main *main = &generation->declared.main;
    action_programs_set_max(&supervisor->programs, main->max_programs);
    globals_set_bounds(supervisor->keep.globals, main->max_globals_bytes, main->max_global_bytes);
    apply->pending = supervisor->worker_count;
    for (uint32_t i = 0; i < supervisor->worker_count; i++)
        worker_do(&supervisor->workers[i], on_worker, supervisor->loop, on_worker_done, apply);
}

/* ---- rows
 * ------------------------------------------------------------------------------------------ */

struct slice supervisor__copy(struct slice text) {
    return (struct slice){base_strdup(text), text.size};
}

static void replace(struct slice *member, struct slice text) {
    free((char *)(uintptr_t)member->bytes);
    *member = supervisor__copy(text);
}

struct server_row *supervisor__server(struct supervisor *supervisor, struct slice id) {
    struct list *at;
    LIST_FOR_EACH(at, &supervisor->servers) {
        struct server_row *row = CONTAINER_OF(at, struct server_row, link);
        if (slice_equal(row->id, id))
            return row;
    }
    return NULL;
}

static struct slice place_of(struct apply *apply, struct config_mark mark) {
    char *text = arena_printf(&apply->arena, "%s:%u", mark.file ? mark.file : "", mark.line);
    return text && mark.line ? slice_of(text) : SLICE("");
}

static void take_server(struct apply *apply, const struct declare_server *declared,
                        enum registry_origin origin) {
    struct supervisor *supervisor = apply->supervisor;
    struct server_row *row = supervisor__server(supervisor, declared->options.id);
    if (!row) {
        row = base_alloc(sizeof *row + supervisor->worker_count * sizeof row->counters[0]);
        row->id = supervisor__copy(declared->options.id);
        list_init(&row->listeners);
        list_init(&row->orders);
        struct hash_key key;
        crypto_random(&key, sizeof key);
        row->addresses = server_addresses_new(key);
        for (uint32_t i = 0; i < supervisor->worker_count; i++) {
            row->counters[i].all_sessions = &row->all_sessions;
            row->counters[i].addresses = row->addresses;
        }
        if (!row->addresses)
            abort(); /* half a change cannot be applied */
        list_append(&supervisor->servers, &row->link);
    }
    replace(&row->name, declared->options.name);
    replace(&row->json, declared->json);
    replace(&row->place, origin == REGISTRY_FILE ? place_of(apply, declared->mark) : SLICE(""));
    row->origin = origin;
    /* What start or stop asked for lasts as long as the declaration says the same. */
    if (!row->is_declared || row->is_enabled != declared->options.enabled)
        row->is_wanted = declared->options.enabled;
    row->is_enabled = declared->options.enabled;
    row->is_declared = true;
    struct server_options options = declared->options;
    options.machine_names =
        (struct server_texts){supervisor->machine_names.items, supervisor->machine_names.count};
    struct server_config *config = server_config_new(&options);
    if (!config)
        abort(); /* half a change cannot be applied */
    if (row->config && row->config->options.tls && options.tls)
        net_tls_config_inherit(options.tls, row->config->options.tls);
    if (row->config)
        server_config_unref(row->config);
    row->config = config;
    apply->changed[apply->changed_count++] = row;
}

static void plan_rows(struct apply *apply) {
    struct supervisor *supervisor = apply->supervisor;
    const struct generation *generation = apply->generation;
    size_t count = generation->declared.server_count + generation->manager_server_count, known = 0;
    struct list *at;
    LIST_FOR_EACH(at, &supervisor->servers) known++;
    apply->changed = room(apply, count * sizeof *apply->changed);
    apply->stopped = room(apply, (known + count) * sizeof *apply->stopped);
    struct server_row **before = room(apply, known * sizeof *before);
    size_t i = 0;
    LIST_FOR_EACH(at, &supervisor->servers) {
        struct server_row *row = CONTAINER_OF(at, struct server_row, link);
        before[i++] = row->is_declared ? row : NULL;
    }
    for (i = 0; i < generation->declared.server_count; i++)
        take_server(apply, &generation->declared.servers[i], REGISTRY_FILE);
    for (i = 0; i < generation->manager_server_count; i++)
        take_server(apply, &generation->manager_servers[i], REGISTRY_MANAGER);
    for (i = 0; i < known; i++) {
        bool is_still_there = false;
        for (size_t k = 0; k < apply->changed_count; k++)
            is_still_there |= before[i] == apply->changed[k];
        if (!before[i] || (is_still_there && before[i]->is_wanted))
            continue;
        before[i]->is_declared = is_still_there;
        before[i]->is_wanted = false;
        apply->stopped[apply->stopped_count++] = before[i];
        for (uint32_t w = 0; w < supervisor->worker_count; w++)
            apply->closed_sessions += atomic_load(&before[i]->counters[w].sessions_open);
    }
}

/* ---- listeners
 * --------------------------------------------------------------------------------------- */

/* Whether `row` wants an address, named as when it was asked for. */
static bool wants(const struct apply *apply, const struct server_row *row, const char *requested) {
    const struct server_texts *bind = &row->config->options.bind;
    for (size_t i = 0; row->is_wanted && i < bind->count; i++) {
        struct bind_target targets[BIND_TARGETS];
        size_t count = bind_targets(&apply->supervisor->inherited, bind->items[i], targets);
        for (size_t k = 0; k < count; k++)
            if (strcmp(targets[k].requested, requested) == 0)
                return true;
    }
    return false;
}

static bool has_open(const struct server_row *row, const char *requested) {
    struct list *at;
    LIST_FOR_EACH(at, &row->listeners) {
        if (strcmp(CONTAINER_OF(at, struct listener, link)->requested, requested) == 0)
            return true;
    }
    return false;
}

/* An address that its server does not want any more goes to one that does, else it closes. */
static void plan_listener(struct apply *apply, struct server_row *row, struct listener *listener) {
    struct slice bound = slice_of(arena_text(&apply->arena, slice_of(listener->bound)));
    for (size_t i = 0; i < apply->changed_count; i++) {
        struct server_row *other = apply->changed[i];
        if (other == row || !wants(apply, other, listener->requested) ||
            has_open(other, listener->requested))
            continue;
        apply->moves[apply->move_count++] = (struct move){row->id, other->id, bound};
        list_remove(&listener->link);
        list_append(&other->listeners, &listener->link);
        const struct log_field field = {SLICE("address"), bound};
        log_line(LOG_INFO,
                 &(struct log_place){.server = other->id, .fields = &field, .field_count = 1},
                 "listening");
        return;
    }
    apply->closed[apply->closed_count++] = (struct move){.from = row->id, .address = bound};
    list_remove(&listener->link);
    free(listener);
}

static void plan_listeners(struct apply *apply) {
    struct list *at, *next;
    size_t count = 0;
    LIST_FOR_EACH(at, &apply->supervisor->servers) {
        struct list *one;
        LIST_FOR_EACH(one, &CONTAINER_OF(at, struct server_row, link)->listeners) count++;
    }
    struct listener **open = room(apply, count * sizeof *open);
    struct server_row **owners = room(apply, count * sizeof *owners);
    apply->moves = room(apply, count * sizeof *apply->moves);
    apply->closed = room(apply, count * sizeof *apply->closed);
    size_t used = 0;
    LIST_FOR_EACH(at, &apply->supervisor->servers) {
        struct server_row *row = CONTAINER_OF(at, struct server_row, link);
        for (struct list *one = row->listeners.next; one != &row->listeners; one = next) {
            next = one->next;
            open[used] = CONTAINER_OF(one, struct listener, link);
            if (!wants(apply, row, open[used]->requested))
                owners[used++] = row;
        }
    }
    for (size_t i = 0; i < used; i++)
        plan_listener(apply, owners[i], open[i]);
}

/* ---- on the workers, and back
 * ------------------------------------------------------------------------- */

static void on_worker(struct worker *worker, void *context) {
    const struct apply *apply = context;
    const struct declare_main *main = &apply->generation->declared.main;
    engine_set_memory(worker->engine, main->max_run_memory_bytes, main->run_memory_bytes);
    if (engine_program(worker->engine) != apply->generation->program) { /* an edit keeps it */
        engine_set_program(worker->engine, apply->generation->program);
        triggers_program_changed(worker->triggers);
    }
    for (size_t i = 0; i < apply->changed_count; i++) {
        struct server_row *row = apply->changed[i];
        if (server_set_apply(worker->servers, row->config, &row->counters[worker->number]))
            log_line(LOG_ERROR, &(struct log_place){.server = row->id},
                     "out of memory for the server's settings");
    }
    for (size_t i = 0; i < apply->move_count; i++)
        if (server_set_move_listener(worker->servers, apply->moves[i].from, apply->moves[i].to,
                                     apply->moves[i].address))
            log_line(LOG_ERROR, &(struct log_place){.server = apply->moves[i].to},
                     "an address could not be handed over");
    for (size_t i = 0; i < apply->closed_count; i++)
        server_set_unlisten(worker->servers, apply->closed[i].from, apply->closed[i].address);
    for (size_t i = 0; i < apply->stopped_count; i++)
        server_set_stop(worker->servers, apply->stopped[i]->id, !apply->stopped[i]->is_declared);
}

static void on_worker_done(struct worker *worker, void *context) {
    (void)worker; /* they are only counted */
    struct apply *apply = context;
    if (--apply->pending > 0)
        return;
    if (apply->supervisor->has_workers) {
        finish(apply);
    } else {
        clients__drop(apply->clients);
        drop(apply);
    }
}

static void finish(struct apply *apply) {
    struct supervisor *supervisor = apply->supervisor;
    struct list *at;
    LIST_FOR_EACH(at, &supervisor->servers)
    supervisor__listen(supervisor, CONTAINER_OF(at, struct server_row, link));
    clients__apply(supervisor, apply->clients, on_clients_applied, apply);
}

static void on_clients_applied(void *context) {
    struct apply *apply = context;
    struct supervisor *supervisor = apply->supervisor;
    if (!supervisor->has_workers) {
        drop(apply);
        return;
    }
    if (supervisor->generation) {
        program_unref(supervisor->generation->program);
        generation_unref(supervisor->generation);
    }
    supervisor->generation = apply->generation;
    supervisor->generation_number = program_generation(apply->generation->program);
    supervisor->apply = NULL;
    void (*finished)(struct supervisor *, uint64_t) = apply->finished;
    uint64_t closed_sessions = apply->closed_sessions;
    arena_deinit(&apply->arena);
    free(apply);
    finished(supervisor, closed_sessions);
}

/* The process ends before all workers have taken it: nobody is told. */
static void drop(struct apply *apply) {
    struct generation *generation = apply->generation;
    free(generation->comparison);
    generation->comparison = NULL;
    program_unref(generation->program);
    generation_unref(generation);
    apply->supervisor->apply = NULL;
    arena_deinit(&apply->arena);
    free(apply);
}

void supervisor__free_rows(struct supervisor *supervisor) {
    while (!list_is_empty(&supervisor->servers)) {
        struct server_row *row = CONTAINER_OF(supervisor->servers.next, struct server_row, link);
        list_remove(&row->link);
        while (!list_is_empty(&row->listeners)) {
            struct listener *listener = CONTAINER_OF(row->listeners.next, struct listener, link);
            list_remove(&listener->link);
            free(listener);
        }
        supervisor__drop_orders(row);
        if (row->config)
            server_config_unref(row->config);
        struct slice texts[] = {row->id, row->name, row->json, row->place};
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
            free((char *)(uintptr_t)texts[i].bytes);
        free(row->error);
        server_addresses_free(row->addresses);
        free(row);
    }
    clients__free_rows(supervisor);
}
