/* Clients as the control thread knows them: rows, and what of them goes to the workers. Each client
 * lives on one worker. Changes are applied after the program and the listeners, so that a client of
 * a server of this very daemon finds it. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/supervisor.h"

struct client_change {
    struct slice id;              /* the row's, which stays */
    struct client_config *config; /* NULL: it is removed */
    struct client_counters *counters;
    uint32_t owner;
};
struct client_changes {
    uint32_t pending; /* workers that have not answered, and the function that asks them */
    void (*done)(void *context);
    void *context;
    size_t count;
    struct client_change items[];
};

struct steering {
    bool is_start;
    size_t id_size;
    char id[];
};

static void on_worker(struct worker *worker, void *context);
static void on_steered(struct worker *worker, void *context);
static void on_worker_done(struct worker *worker, void *context);
static void arrive(struct client_changes *changes);

struct client_row *supervisor__client(struct supervisor *supervisor, struct slice id) {
    struct list *at;
    LIST_FOR_EACH(at, &supervisor->clients) {
        struct client_row *row = CONTAINER_OF(at, struct client_row, link);
        if (slice_equal(row->id, id))
            return row;
    }
    return NULL;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void replace(struct slice *member, struct slice text) {
    free((char *)(uintptr_t)member->bytes);
    *member = supervisor__copy(text);
}

static struct slice spell_place(struct config_mark mark, char *out, size_t room) {
    int size = mark.line ? snprintf(out, room, "%s:%u", mark.file ? mark.file : "", mark.line) : 0;
    return (struct slice){out, (size_t)size < room ? (size_t)size : room - 1};
}

static void take(struct supervisor *supervisor, const struct declare_client *declared,
                 enum registry_origin origin) {
    const struct client_options *options = &declared->options;
    struct client_row *row = supervisor__client(supervisor, options->id);
    char place[4096];
    if (!row) {
        row = base_alloc(sizeof *row);
        row->id = supervisor__copy(options->id);
        row->since_ms = clock_system.wall_ms(&clock_system);
        row->owner = client_set_owner(supervisor->client_sets[0], options->id);
        list_append(&supervisor->clients, &row->link);
    }
    replace(&row->name, options->name);
    replace(&row->url, options->url);
    replace(&row->json, declared->json);
    replace(&row->place,
            origin == REGISTRY_FILE ? spell_place(declared->mark, place, sizeof place) : SLICE(""));
    row->origin = origin;
    row->is_enabled = options->enabled;
    row->is_declared = true;
    struct client_config *config = client_config_new(options);
    if (!config)
        abort(); /* half a change cannot be applied */
    if (row->config)
        client_config_unref(row->config);
    row->config = config;
}

struct client_changes *clients__plan(struct supervisor *supervisor,
                                     const struct generation *generation) {
    struct list *at;
    size_t known = 0;
    LIST_FOR_EACH(at, &supervisor->clients) {
        CONTAINER_OF(at, struct client_row, link)->is_declared = false;
    }
    for (size_t i = 0; i < generation->declared.client_count; i++)
        take(supervisor, &generation->declared.clients[i], REGISTRY_FILE);
    for (size_t i = 0; i < generation->manager_client_count; i++)
        take(supervisor, &generation->manager_clients[i], REGISTRY_MANAGER);
    LIST_FOR_EACH(at, &supervisor->clients) { known++; }
    struct client_changes *changes = base_alloc(sizeof *changes + known * sizeof changes->items[0]);
    LIST_FOR_EACH(at, &supervisor->clients) {
        struct client_row *row = CONTAINER_OF(at, struct client_row, link);
        changes->items[changes->count++] = (struct client_change){
            .id = row->id,
            .config = row->is_declared ? client_config_ref(row->config) : NULL,
            .counters = &row->counters,
            .owner = row->owner};
    }
    return changes;
}

void clients__free_rows(struct supervisor *supervisor) {
    while (!list_is_empty(&supervisor->clients)) {
        struct client_row *row = CONTAINER_OF(supervisor->clients.next, struct client_row, link);
        list_remove(&row->link);
        struct slice texts[] = {row->id, row->name, row->url, row->json, row->place};
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
            free((char *)(uintptr_t)texts[i].bytes);
        if (row->config)
            client_config_unref(row->config);
        free(row);
    }
}

/* ---- on the workers -------------------------------------------------------------------------- */

void clients__apply(struct supervisor *supervisor, struct client_changes *changes,
                    void (*done)(void *context), void *context) {
    changes->done = done;
    changes->context = context;
    changes->pending = supervisor->worker_count + 1;
    for (uint32_t i = 0; i < supervisor->worker_count; i++)
        worker_do(&supervisor->workers[i], on_worker, supervisor->loop, on_worker_done, changes);
    arrive(changes);
}

static void on_worker(struct worker *worker, void *context) {
    const struct client_changes *changes = context;
    for (size_t i = 0; i < changes->count; i++) {
        const struct client_change *change = &changes->items[i];
        if (change->owner != worker->number)
            continue;
        if (!change->config)
            client_set_remove(worker->clients, change->id);
        else if (client_set_apply(worker->clients, change->config, change->counters))
            log_line(LOG_ERROR, &(struct log_place){.client = change->id},
                     "out of memory for the client");
    }
}

static void on_worker_done(struct worker *worker, void *context) {
    (void)worker; /* they are only counted */
    arrive(context);
}

static void arrive(struct client_changes *changes) {
    if (--changes->pending)
        return;
    void (*done)(void *context) = changes->done;
    void *context = changes->context;
    clients__drop(changes);
    done(context);
}

void clients__drop(struct client_changes *changes) {
    for (size_t i = 0; i < changes->count; i++)
        if (changes->items[i].config)
            client_config_unref(changes->items[i].config);
    free(changes);
}

/* ---- start and stop by the manager ----------------------------------------------------------- */

enum status clients__steer(struct supervisor *supervisor, struct slice id, bool is_start) {
    const struct client_row *row = supervisor__client(supervisor, id);
    if (!row || !row->is_declared)
        return STATUS_NOT_FOUND;
    struct steering *steering = base_alloc(sizeof *steering + id.size);
    steering->is_start = is_start;
    steering->id_size = id.size;
    memcpy(steering->id, id.bytes, id.size);
    worker_do(&supervisor->workers[row->owner], on_steered, NULL, NULL, steering);
    return STATUS_OK;
}

static void on_obeyed(void *context, enum status status, const char *text) {
    (void)context, (void)status, (void)text; /* its own worker obeys at once */
}

static void on_steered(struct worker *worker, void *context) {
    struct steering *steering = context;
    const struct client_order order = {.verb =
                                           steering->is_start ? CLIENT_CONNECT : CLIENT_DISCONNECT,
                                       .client = {steering->id, steering->id_size}};
    struct client_done done = {.fn = on_obeyed};
    enum status status = client_order(worker->clients, &order, &done);
    if (status)
        log_line(LOG_WARN, &(struct log_place){.client = order.client}, "cannot be %s: %s",
                 steering->is_start ? "started" : "stopped", status_text(status));
    free(steering);
}
