/* The registry: servers and clients, globals and task overrides in one SQLite file.
 *
 * Thread  one thread of its own touches SQLite, so that a held lock never stops the others. The
 * owner (the control thread) opens, submits and collects; `wake` is called on the registry's
 * thread. Memory  what is submitted is copied; what is read lives in the arena that was handed in.
 * Source  https://sqlite.org: WAL, busy_timeout, PRAGMA user_version, application_id, quick_check.
 */
#ifndef BELLWIRE_REGISTRY_H
#define BELLWIRE_REGISTRY_H

#include "base/base.h"

enum registry_kind { REGISTRY_SERVER, REGISTRY_CLIENT };
enum registry_origin { REGISTRY_FILE, REGISTRY_MANAGER };
struct registry_row {
    struct slice id;
    enum registry_origin origin;
    bool is_enabled;
    struct slice declaration; /* JSON of the keys as the YAML spells them */
    struct slice place;       /* file:line, or empty */
    /* The last known state, as `list` shows it; written by registry_note(), ignored by
     * registry_put(). */
    struct slice state, error, last_sent, last_received;
    uint64_t since_ms, last_sent_ms, last_received_ms; /* wall clock; 0: never */
};
struct registry_rows {
    struct registry_row *items;
    size_t count;
};
struct registry_global {
    struct slice name;
    struct slice json; /* empty: removed */
    uint64_t updated_ms;
};
struct registry_globals {
    struct registry_global *items;
    size_t count;
};
struct registry_override {
    struct slice task;
    bool is_enabled;
    bool file_enabled; /* what the file said then; the override ends when that changes */
    bool is_removed;
};
struct registry_overrides {
    struct registry_override *items;
    size_t count;
};

#define REGISTRY_WHY_MAX 512

/* Takes the state directory for this process: makes it (0700) where it is missing, and locks it.
 * Returns a descriptor that holds the lock until it is closed, or, with the reason in `why`
 * (REGISTRY_WHY_MAX): STATUS_BUSY    another daemon holds it STATUS_DENIED  it cannot be made, read
 * or written STATUS_IO      anything else */
int registry_lock_directory(const char *directory, char *why);

struct registry;
/* Opens DIRECTORY/bellwire.db, makes it or migrates it forward, checks it, and starts the thread.
 * With the reason in `why`: STATUS_CORRUPT (the file is left untouched), STATUS_VERSION (written by
 * a newer daemon), STATUS_TYPE (another program's), STATUS_DENIED, STATUS_BUSY, STATUS_IO. */
enum status registry_open(const char *directory, void (*wake)(void *context), void *context,
                          struct registry **out, char *why);
/* Finishes all that was submitted, then ends the thread and frees. No callback runs in it or after
 * it: it gives the first failure of what was not collected. */
enum status registry_close(struct registry *registry);
/* Read-only, without a thread or a lock, for listings while no daemon runs. STATUS_NOT_FOUND, as
 * above. */
enum status registry_peek(const char *directory, enum registry_kind kind, struct arena *arena,
                          struct registry_rows *out, char *why);

/* What was stored when it was opened; to be called before the first submission. */
enum status registry_read(struct registry *registry, enum registry_kind kind, struct arena *arena,
                          struct registry_rows *out);
enum status registry_read_globals(struct registry *registry, struct arena *arena,
                                  struct registry_globals *out);
enum status registry_read_overrides(struct registry *registry, struct arena *arena,
                                    struct registry_overrides *out);

/* Each submission ends in one call of `done` from registry_collect(), in the order submitted:
 * STATUS_OK when it is on disk; STATUS_BUSY (locked for longer than 2 s), STATUS_DENIED
 * (read-only), STATUS_LIMIT (disk full), STATUS_CLOSED (the file was removed or replaced),
 * STATUS_CORRUPT, STATUS_IO: nothing of it was stored. `done` may be NULL. The call itself gives
 * STATUS_NO_MEMORY or STATUS_LIMIT (too many are waiting), and then `done` is never called. */
typedef void (*registry_done_fn)(void *context, enum status status);
struct registry_done {
    registry_done_fn fn;
    void *context;
};
/* All rows of origin `file` of this kind are replaced by `rows`, in one transaction. */
enum status registry_replace_files(struct registry *registry, enum registry_kind kind,
                                   const struct registry_rows *rows, struct registry_done done);
enum status registry_put(struct registry *registry, enum registry_kind kind,
                         const struct registry_row *row, struct registry_done done);
enum status registry_remove(struct registry *registry, enum registry_kind kind, struct slice id,
                            struct registry_done done);
/* The state columns of the rows, matched by ID and origin; rows that are gone are skipped. */
enum status registry_note(struct registry *registry, enum registry_kind kind,
                          const struct registry_rows *rows, struct registry_done done);
/* All names in one transaction. */
enum status registry_put_globals(struct registry *registry, const struct registry_globals *globals,
                                 struct registry_done done);
enum status registry_put_override(struct registry *registry, const struct registry_override *row,
                                  struct registry_done done);
/* The whole database as the bytes of a file, appended to `out`, which is the registry's until
 * `done`; SQLite's online backup. */
enum status registry_backup(struct registry *registry, struct buffer *out,
                            struct registry_done done);
/* Puts such a file (any path that SQLite reads) in place of DIRECTORY/bellwire.db, whole or not at
 * all, while no daemon holds the directory. With the reason in `why`: as registry_open(),
 * STATUS_TYPE: it is no registry. */
enum status registry_restore(const char *directory, const char *file, char *why);
/* Why a job has failed, for people. */
const char *registry_problem(enum status status);
/* Calls `done` of all that has ended; on the owner's thread, after `wake`. */
void registry_collect(struct registry *registry);

#endif
