/* Globals on their way to the registry and back. */
#include "daemon/keep.h"

#include "crypto/crypto.h"
#include "expr/expr.h"

#define BEHIND_MS 500

static void on_timer(struct net_timer *timer);
static bool load(struct keep *keep);
static void store(struct keep *keep);

bool keep_open(struct keep *keep, const struct keep_options *options) {
    struct globals_options globals = {.reader_count = options->worker_count + 1,
                                      .clock = &clock_system,
                                      .max_bytes = options->max_bytes,
                                      .max_one_bytes = options->max_one_bytes};
    crypto_random(&globals.key, sizeof globals.key);
    *keep = (struct keep){.registry = options->registry,
                          .loop = options->loop,
                          .on_stored = options->on_stored,
                          .context = options->context,
                          .globals = globals_new(&globals)};
    net_timer_init(&keep->timer, on_timer);
    if (!keep->globals) {
        log_line(LOG_ERROR, NULL, "out of memory for the globals");
        return false;
    }
    keep->reader = globals_reader(keep->globals, options->worker_count);
    if (!load(keep))
        return false;
    net_timer_start(keep->loop, &keep->timer, BEHIND_MS);
    return true;
}

static bool load(struct keep *keep) {
    struct registry_globals stored;
    struct arena arena;
    arena_init(&arena, 65536, 0);
    enum status status = registry_read_globals(keep->registry, &arena, &stored);
    for (size_t i = 0; !status && i < stored.count; i++) {
        const struct registry_global *row = &stored.items[i];
        struct globals_row global = {.name = row->name, .updated_ms = row->updated_ms};
        size_t at;
        status = json_decode(row->json, &arena, &global.value, &at);
        if (!status)
            status = globals_load(keep->reader, &global);
        if (status)
            log_line(LOG_ERROR, NULL, "the stored value of global." SLICE_FMT " cannot be read: %s",
                     SLICE_ARG(row->name), status_text(status));
    }
    if (status)
        log_line(LOG_ERROR, NULL, "the globals cannot be read: %s", status_text(status));
    arena_deinit(&arena);
    return status == STATUS_OK;
}

static void on_timer(struct net_timer *timer) {
    struct keep *keep = CONTAINER_OF(timer, struct keep, timer);
    if (!keep->is_storing)
        store(keep);
    net_timer_start(keep->loop, timer, BEHIND_MS);
}

/* ---- storing --------------------------------------------------------------------------------- */

struct changes {
    struct arena arena;
    struct registry_global *items;
    size_t count, capacity;
    bool has_removed;
    enum status status;
};

static void add(void *context, const struct globals_row *row) {
    struct changes *changes = context;
    struct buffer json;
    if (changes->status)
        return;
    if (changes->count == changes->capacity) {
        size_t capacity = changes->capacity ? changes->capacity * 2 : 64;
        struct registry_global *items = arena_alloc(&changes->arena, capacity * sizeof *items);
        if (!items) {
            changes->status = STATUS_NO_MEMORY;
            return;
        }
        if (changes->count)
            memcpy(items, changes->items, changes->count * sizeof *items);
        changes->items = items;
        changes->capacity = capacity;
    }
    struct registry_global *out = &changes->items[changes->count++];
    *out = (struct registry_global){.updated_ms = row->updated_ms};
    buffer_init(&json, 0);
    changes->status = arena_copy(&changes->arena, row->name, &out->name);
    if (row->value.type == VALUE_NIL)
        changes->has_removed = true;
    else if (!changes->status)
        changes->status = json_encode(row->value, &json);
    if (!changes->status && json.size)
        changes->status = arena_copy(&changes->arena, buffer_slice(&json), &out->json);
    buffer_deinit(&json);
}

static void on_stored(void *context, enum status status) {
    struct keep *keep = context;
    keep->is_storing = false;
    keep->on_stored(keep->context, status);
    if (status)
        return; /* all of it is tried again */
    keep->stored = keep->storing;
    if (keep->has_removed)
        globals_stored(keep->reader, keep->stored);
}

static void store(struct keep *keep) {
    struct changes changes = {.count = 0};
    arena_init(&changes.arena, 16384, 0);
    keep->storing = globals_changes(keep->reader, keep->stored, add, &changes);
    if (!changes.status && changes.count) {
        const struct registry_globals rows = {changes.items, changes.count};
        keep->has_removed = changes.has_removed;
        keep->is_storing = true;
        changes.status =
            registry_put_globals(keep->registry, &rows, (struct registry_done){on_stored, keep});
    }
    if (changes.status)
        on_stored(keep, changes.status);
    arena_deinit(&changes.arena);
}

void keep_flush(struct keep *keep) {
    net_timer_stop(&keep->timer);
    if (keep->globals)
        store(keep);
}

void keep_close(struct keep *keep) {
    net_timer_stop(&keep->timer);
    globals_free(keep->globals);
    keep->globals = NULL;
}
