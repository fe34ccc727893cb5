/* Global variables: one tree of immutable, versioned entries that all workers share.
 *
 * Reading takes no lock and writes nothing that another thread writes: a reader announces the epoch
 * in which it began, and what commits replace is freed when no reader of an older epoch is left. A
 * commit builds a new root beside the old one and swaps it in by compare-and-swap.
 *
 * Thread  each struct globals_reader belongs to one thread; struct globals to all.
 * Memory  what a reader gets stays valid until its globals_release(). */
#ifndef BELLWIRE_GLOBALS_H
#define BELLWIRE_GLOBALS_H

#include "engine/engine.h"

struct globals;
struct globals_options {
    uint32_t reader_count; /* workers and the control thread */
    struct hash_key key;   /* random: peers may choose names */
    const struct clock *clock;
    uint64_t max_bytes, max_one_bytes; /* of all, of one; as stored */
};
struct globals *globals_new(const struct globals_options *options); /* NULL without memory */
void globals_free(struct globals *globals);                         /* no reader is in use */
/* From any thread; smaller bounds remove nothing. */
void globals_set_bounds(struct globals *globals, uint64_t max_bytes, uint64_t max_one_bytes);

struct globals_reader;
struct globals_reader *globals_reader(struct globals *globals, uint32_t number);
/* For engine_options; the context is a struct globals_reader. */
extern const struct engine_globals globals_engine;
struct globals_refused { /* commits, so far, by the bound that they passed */
    uint64_t past_all, past_one;
};
struct globals_refused globals_refused(const struct globals_reader *reader); /* of all readers */

/* The newest state, until globals_release() or the next globals_snapshot(). */
void globals_snapshot(struct globals_reader *reader);
/* Of the snapshot; makes one where there is none. nil when absent. */
struct value globals_get(struct globals_reader *reader, struct slice dotted);
void globals_release(struct globals_reader *reader);
/* All or nothing, against the snapshot.
 *   STATUS_AGAIN        changed since the snapshot
 *   STATUS_LIMIT        past a bound
 *   STATUS_TYPE         a segment on the way holds no mapping
 *   STATUS_UNSUPPORTED  what JSON cannot hold: text that is not UTF-8, a number without a value */
enum status globals_commit(struct globals_reader *reader, const struct global_change *changes,
                           size_t count);

/* ---- listings and storage; each sees one state ----------------------------------------------- */
struct globals_row {
    struct slice name;
    struct value value; /* nil: removed, and told only by globals_changes() */
    uint64_t updated_ms;
};
typedef void (*globals_row_fn)(void *context, const struct globals_row *row);
/* Not in order. `name` of size 0: all. */
void globals_list(struct globals_reader *reader, struct slice name, globals_row_fn each,
                  void *context);
/* What was set or removed after version `since`; returns the version to ask with next time. */
uint64_t globals_changes(struct globals_reader *reader, uint64_t since, globals_row_fn each,
                         void *context);
/* The changes up to `version` are stored: traces of removed names may go. */
void globals_stored(struct globals_reader *reader, uint64_t version);
/* As stored before; counts as stored. STATUS_NO_MEMORY. */
enum status globals_load(struct globals_reader *reader, const struct globals_row *row);

#endif
