/* The root of the globals, commits to it, and when what they replace may be freed.
 *
 * A reader that is inside announces the epoch that it saw before it read the root. A commit swaps
 * the root, then ends the epoch: who announces a later one has read the new root or a newer one. So
 * garbage of epoch e goes when every reader inside announces more than e. All of these are
 * sequentially consistent: a commit that overlooks a reader comes before that reader's look at the
 * root. */
#include "globals/globals.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "globals/tree.h"

#define ENTRY_COST_BYTES 128 /* what an entry takes beside its value, counted against the bound */

struct root {
    struct tree_item *top;
    uint64_t version, bytes;
};
struct garbage { /* of one commit */
    struct garbage *next;
    uint64_t epoch;
    struct root *root;
    struct tree_item **items;
    size_t count;
};
struct globals_reader {
    _Alignas(64) _Atomic uint64_t epoch; /* 0: outside */
    struct globals *globals;
    const struct root *root;         /* the snapshot, while inside */
    struct garbage *oldest, *newest; /* of its commits */
};
struct globals {
    struct root *_Atomic root;
    _Atomic uint64_t epoch, max_bytes, max_one_bytes, past_all, past_one;
    const struct clock *clock;
    struct hash_key key;
    uint32_t reader_count;
    struct globals_reader *readers;
};

static void collect(struct globals_reader *reader);
static void free_garbage(struct garbage *garbage);

/* ---- life ------------------------------------------------------------------------------------ */

struct globals *globals_new(const struct globals_options *options) {
    struct globals *globals = calloc(1, sizeof *globals);
    struct root *root = calloc(1, sizeof *root);
    size_t bytes = options->reader_count * sizeof(struct globals_reader);
    struct globals_reader *readers = aligned_alloc(_Alignof(struct globals_reader), bytes);
    if (!globals || !root || !readers) {
        free(globals);
        free(root);
        free(readers);
        return NULL;
    }
    memset(readers, 0, bytes);
    for (uint32_t i = 0; i < options->reader_count; i++)
        readers[i].globals = globals;
    atomic_init(&globals->root, root);
    atomic_init(&globals->epoch, 1);
    globals->clock = options->clock;
    globals->key = options->key;
    globals->readers = readers;
    globals->reader_count = options->reader_count;
    globals_set_bounds(globals, options->max_bytes, options->max_one_bytes);
    return globals;
}

void globals_free(struct globals *globals) {
    if (!globals)
        return;
    for (uint32_t i = 0; i < globals->reader_count; i++)
        while (globals->readers[i].oldest) {
            struct garbage *garbage = globals->readers[i].oldest;
            globals->readers[i].oldest = garbage->next;
            free_garbage(garbage);
        }
    struct root *root = atomic_load(&globals->root);
    tree_free(root->top);
    free(root);
    free(globals->readers);
    free(globals);
}

void globals_set_bounds(struct globals *globals, uint64_t max_bytes, uint64_t max_one_bytes) {
    atomic_store(&globals->max_bytes, max_bytes);
    atomic_store(&globals->max_one_bytes, max_one_bytes);
}

struct globals_refused globals_refused(const struct globals_reader *reader) {
    const struct globals *globals = reader->globals;
    return (struct globals_refused){.past_all = atomic_load(&globals->past_all),
                                    .past_one = atomic_load(&globals->past_one)};
}

struct globals_reader *globals_reader(struct globals *globals, uint32_t number) {
    return &globals->readers[number];
}

/* ---- reading --------------------------------------------------------------------------------- */

void globals_snapshot(struct globals_reader *reader) {
    if (!reader->root)
        atomic_store(&reader->epoch, atomic_load(&reader->globals->epoch));
    reader->root = atomic_load(&reader->globals->root);
}

void globals_release(struct globals_reader *reader) {
    if (!reader->root)
        return;
    reader->root = NULL;
    atomic_store_explicit(&reader->epoch, 0, memory_order_release);
    if (reader->oldest)
        collect(reader);
}

static const struct tree_entry *find(const struct globals *globals, const struct root *root,
                                     struct slice name) {
    return tree_find(root->top, name, hash_bytes(&globals->key, name));
}

struct value globals_get(struct globals_reader *reader, struct slice dotted) {
    struct slice path, name = slice_cut(dotted, '.', &path);
    if (!reader->root)
        globals_snapshot(reader);
    const struct tree_entry *entry = find(reader->globals, reader->root, name);
    struct value value = entry ? value_box_value(entry->box) : value_nil();
    return path.bytes ? value_path(value, path) : value;
}

/* ---- garbage --------------------------------------------------------------------------------- */

static void free_garbage(struct garbage *garbage) {
    for (size_t i = 0; i < garbage->count; i++)
        tree_item_free(garbage->items[i]);
    free(garbage->items);
    free(garbage->root);
    free(garbage);
}

static void collect(struct globals_reader *reader) {
    const struct globals *globals = reader->globals;
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < globals->reader_count; i++) {
        uint64_t epoch = atomic_load(&globals->readers[i].epoch);
        if (epoch && epoch < lowest)
            lowest = epoch;
    }
    while (reader->oldest && reader->oldest->epoch < lowest) {
        struct garbage *garbage = reader->oldest;
        reader->oldest = garbage->next;
        free_garbage(garbage);
    }
}

/* ---- commits --------------------------------------------------------------------------------- */

struct commit {
    struct globals_reader *reader;
    struct tree_edit edit;
    struct root *root;       /* the new one */
    struct garbage *garbage; /* made first: nothing may fail once the root is published */
    uint64_t max_bytes, max_one_bytes;
    bool is_load;
};

static bool commit_begin(struct commit *commit, struct globals_reader *reader) {
    if (!reader->root)
        globals_snapshot(reader);
    *commit = (struct commit){.reader = reader,
                              .root = malloc(sizeof *commit->root),
                              .garbage = malloc(sizeof *commit->garbage),
                              .max_bytes = atomic_load(&reader->globals->max_bytes),
                              .max_one_bytes = atomic_load(&reader->globals->max_one_bytes)};
    tree_edit_init(&commit->edit);
    if (!commit->root || !commit->garbage) {
        free(commit->root);
        free(commit->garbage);
        return false;
    }
    *commit->root = *reader->root;
    commit->root->version++;
    return true;
}

/* Publishes what was changed, or undoes it. */
static enum status commit_end(struct commit *commit, enum status status) {
    struct globals_reader *reader = commit->reader;
    struct globals *globals = reader->globals;
    struct root *expected = (struct root *)(uintptr_t)reader->root;
    if (!status && !atomic_compare_exchange_strong(&globals->root, &expected, commit->root))
        status = STATUS_AGAIN;
    if (status) {
        tree_edit_undo(&commit->edit);
        free(commit->root);
        free(commit->garbage);
        return status;
    }
    struct garbage *garbage = commit->garbage;
    garbage->next = NULL;
    garbage->root = expected;
    garbage->items = tree_edit_take(&commit->edit, &garbage->count);
    garbage->epoch = atomic_fetch_add(&globals->epoch, 1);
    if (reader->oldest)
        reader->newest->next = garbage;
    else
        reader->oldest = garbage;
    reader->newest = garbage;
    reader->root = commit->root;
    return STATUS_OK;
}

static uint64_t cost_of(const struct tree_entry *entry) {
    return entry ? ENTRY_COST_BYTES + entry->name_size + value_box_bytes(entry->box) : 0;
}

/* Takes over `box`; NULL leaves a trace of a removed name. */
static enum status put(struct commit *commit, struct slice name, struct value_box *box,
                       uint64_t updated_ms) {
    struct globals *globals = commit->reader->globals;
    struct root *root = commit->root;
    uint64_t hash = hash_bytes(&globals->key, name);
    uint64_t before = cost_of(tree_find(root->top, name, hash));
    struct tree_entry *entry = tree_entry_new(&commit->edit, name, hash, box);
    if (!entry)
        return STATUS_NO_MEMORY;
    entry->updated_ms = updated_ms;
    entry->item.newest = commit->is_load ? 0 : root->version;
    uint64_t cost = cost_of(entry), bytes = root->bytes - before + cost;
    bool is_larger = box && cost > before && !commit->is_load;
    bool is_past_one = is_larger && value_box_bytes(box) > commit->max_one_bytes;
    if (is_past_one || (is_larger && bytes > commit->max_bytes)) {
        atomic_fetch_add(is_past_one ? &globals->past_one : &globals->past_all, 1);
        return STATUS_LIMIT;
    }
    root->bytes = bytes;
    return tree_put(&commit->edit, &root->top, entry);
}

/* What is kept is JSON: it must come back from the registry as it was. */
static bool is_storable(struct value value) {
    bool is_good = true;
    if (value.type == VALUE_BYTES)
        return slice_is_utf8(value_slice(value));
    if (value.type == VALUE_FLOAT)
        return isfinite(value.number);
    for (uint32_t i = 0; value.type == VALUE_LIST && is_good && i < value.count; i++)
        is_good = is_storable(value.items[i]);
    for (uint32_t i = 0; value.type == VALUE_MAP && is_good && i < value.count; i++)
        is_good = is_storable(value.pairs[i].key) && is_storable(value.pairs[i].value);
    return is_good;
}

static enum status change(struct commit *commit, const struct global_change *wanted,
                          uint64_t now_ms) {
    const struct globals *globals = commit->reader->globals;
    struct slice name = wanted->path[0];
    const struct tree_entry *entry = find(globals, commit->root, name);
    struct value whole = wanted->value;
    struct arena arena;
    enum status status = STATUS_OK;
    arena_init(&arena, 4096, 0);
    if (!slice_is_utf8(name) || !is_storable(wanted->value))
        status = STATUS_UNSUPPORTED;
    if (!status && wanted->segments > 1)
        status = value_with(entry ? value_box_value(entry->box) : value_nil(),
                            (struct value_place){wanted->path + 1, wanted->segments - 1},
                            wanted->value, &arena, &whole);
    for (size_t i = 1; !status && i < wanted->segments; i++)
        status = slice_is_utf8(wanted->path[i]) ? STATUS_OK : STATUS_UNSUPPORTED;
    struct value_box *box = NULL;
    if (!status && whole.type != VALUE_NIL) {
        box = value_box_new(whole);
        status = box ? STATUS_OK : STATUS_NO_MEMORY;
    }
    if (!status && (box || (entry && entry->box)))
        status = put(commit, name, box, now_ms);
    arena_deinit(&arena);
    return status;
}

enum status globals_commit(struct globals_reader *reader, const struct global_change *changes,
                           size_t count) {
    struct commit commit;
    enum status status = STATUS_OK;
    if (!commit_begin(&commit, reader))
        return STATUS_NO_MEMORY;
    uint64_t now_ms = reader->globals->clock->wall_ms(reader->globals->clock);
    for (size_t i = 0; i < count && !status; i++)
        status = change(&commit, &changes[i], now_ms);
    return commit_end(&commit, status);
}

/* ---- listings and storage -------------------------------------------------------------------- */

struct walk {
    globals_row_fn each;
    void *context;
    bool with_removed;
};

static void tell(void *context, const struct tree_entry *entry) {
    const struct walk *walk = context;
    const struct globals_row row = {tree_name(entry), value_box_value(entry->box),
                                    entry->updated_ms};
    if (entry->box || walk->with_removed)
        walk->each(walk->context, &row);
}

/* A loaded entry has version 0, and roots begin with 0: everything is newer than "before 0". */
static void walk_all(const struct tree_item *item,
                     void (*each)(void *context, const struct tree_entry *entry), void *context) {
    const struct tree_node *node = (const struct tree_node *)(const void *)item;
    if (!item)
        return;
    if (item->is_entry) {
        each(context, (const struct tree_entry *)(const void *)item);
        return;
    }
    for (int i = 0; i < __builtin_popcount(node->bitmap); i++)
        walk_all(node->children[i], each, context);
}

void globals_list(struct globals_reader *reader, struct slice name, globals_row_fn each,
                  void *context) {
    struct walk walk = {each, context, false};
    globals_snapshot(reader);
    if (!name.size) {
        walk_all(reader->root->top, tell, &walk);
    } else {
        const struct tree_entry *entry = find(reader->globals, reader->root, name);
        if (entry)
            tell(&walk, entry);
    }
    globals_release(reader);
}

uint64_t globals_changes(struct globals_reader *reader, uint64_t since, globals_row_fn each,
                         void *context) {
    struct walk walk = {each, context, true};
    globals_snapshot(reader);
    uint64_t version = reader->root->version;
    tree_walk(reader->root->top, since, tell, &walk);
    globals_release(reader);
    return version;
}

struct purge {
    struct commit *commit;
    uint64_t version;
    enum status status;
};

static void purge(void *context, const struct tree_entry *entry) {
    struct purge *purge = context;
    if (entry->box || entry->item.newest > purge->version || purge->status)
        return;
    purge->commit->root->bytes -= cost_of(entry);
    purge->status = tree_remove(&purge->commit->edit, &purge->commit->root->top, entry);
}

void globals_stored(struct globals_reader *reader, uint64_t version) {
    enum status status = STATUS_AGAIN;
    while (status == STATUS_AGAIN) {
        struct commit commit;
        globals_snapshot(reader);
        if (!commit_begin(&commit, reader))
            break; /* a later one takes the traces away */
        struct purge context = {&commit, version, STATUS_OK};
        walk_all(reader->root->top, purge, &context);
        bool has_any = commit.edit.replaced_count > 0;
        commit.root->version--; /* nothing changes for readers */
        status = commit_end(&commit, has_any || context.status ? context.status : STATUS_EXISTS);
    }
    globals_release(reader);
}

enum status globals_load(struct globals_reader *reader, const struct globals_row *row) {
    struct commit commit;
    struct value_box *box = value_box_new(row->value);
    if (!box || !commit_begin(&commit, reader)) {
        value_box_unref(box);
        return STATUS_NO_MEMORY;
    }
    commit.is_load = true;
    enum status status = commit_end(&commit, put(&commit, row->name, box, row->updated_ms));
    globals_release(reader);
    return status;
}

/* ---- for the engine -------------------------------------------------------------------------- */

static void engine_snapshot(void *context) { globals_snapshot(context); }

static struct value engine_get(void *context, struct slice dotted) {
    return globals_get(context, dotted);
}

static enum status engine_commit(void *context, const struct global_change *changes, size_t count) {
    return globals_commit(context, changes, count);
}

static void engine_release(void *context) { globals_release(context); }

const struct engine_globals globals_engine = {.snapshot = engine_snapshot,
                                              .get = engine_get,
                                              .commit = engine_commit,
                                              .release = engine_release};
