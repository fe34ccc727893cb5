/* What every folder stands on: slices, status codes, arenas, buffers, lists, maps, hashes, text of
 * durations and sizes, clocks, the log. Nothing here knows a protocol, a file format or a thread.
 *
 * Thread  every object belongs to whoever made it; only the log sink may be used from all threads.
 */
#ifndef BELLWIRE_BASE_H
#define BELLWIRE_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(array)               (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define PRINTF_LIKE(at, first)          __attribute__((__format__(__printf__, at, first)))

/* ---- status: 0 or negative; a count is returned where a header says so --------------------- */
#define STATUS_LIST(X)                                                                             \
    X(OK, 0, "done")                                                                               \
    X(NO_MEMORY, -1, "out of memory")                                                              \
    X(LIMIT, -2, "a bound was passed")                                                             \
    X(SYNTAX, -3, "the text breaks its grammar")                                                   \
    X(RANGE, -4, "the value is out of range")                                                      \
    X(TYPE, -5, "the value has the wrong type")                                                    \
    X(NOT_FOUND, -6, "not found")                                                                  \
    X(EXISTS, -7, "exists already")                                                                \
    X(PROTOCOL, -8, "the peer broke the protocol")                                                 \
    X(CLOSED, -9, "closed")                                                                        \
    X(AGAIN, -10, "not now")                                                                       \
    X(TIMEOUT, -11, "took too long")                                                               \
    X(DENIED, -12, "not allowed")                                                                  \
    X(IO, -13, "input or output failed")                                                           \
    X(CANCELLED, -14, "cancelled")                                                                 \
    X(BUSY, -15, "busy")                                                                           \
    X(CORRUPT, -16, "the data is damaged")                                                         \
    X(VERSION, -17, "made by another version")                                                     \
    X(UNSUPPORTED, -18, "not supported")                                                           \
    X(FAILED, -19, "failed")
enum status {
#define X(name, number, text) STATUS_##name = (number),
    STATUS_LIST(X)
#undef X
};
const char *status_text(enum status status);

/* ---- slices: borrowed bytes, never NUL-terminated by contract ------------------------------ */
struct slice {
    const char *bytes; /* may be NULL when size is 0 */
    size_t size;
};
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
#define SLICE_NONE     ((struct slice){NULL, 0})
#define SLICE_FMT      "%.*s" /* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s)   ((int)(s).size), ((s).bytes ? (s).bytes : "")

static inline struct slice slice_of(const char *text) {
    return (struct slice){text, text ? strlen(text) : 0};
}
static inline bool slice_equal(struct slice a, struct slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}
static inline bool slice_is(struct slice a, const char *text) {
    return slice_equal(a, slice_of(text));
}
bool slice_equal_nocase(struct slice a, struct slice b); /* ASCII letters only */
bool slice_starts_with(struct slice text, struct slice start);
bool slice_ends_with(struct slice text, struct slice end);
bool slice_contains(struct slice text, struct slice part);
struct slice slice_trim(struct slice text); /* space, tab, CR, LF on both ends */
/* Cuts `text` at the first `separator`: the part before it is returned, `*rest` is what follows
 * (size 0 and bytes NULL when there was none). */
struct slice slice_cut(struct slice text, char separator, struct slice *rest);
/* Decimal, whole slice, no sign for the unsigned one. STATUS_SYNTAX or STATUS_RANGE. */
enum status slice_to_u64(struct slice text, uint64_t *out);
enum status slice_to_i64(struct slice text, int64_t *out);
bool slice_is_utf8(struct slice text); /* RFC 3629: no surrogates, nothing overlong */
/* Bytes of the character that `text` begins with, 1 to 4; 0 where it is empty, cut or no UTF-8. */
size_t slice_utf8_size(struct slice text);
/* The candidate nearest to `name` by edit distance, or NULL when none is near (1/3 of its length).
 */
const char *slice_nearest(struct slice name, const char *const *candidates, size_t count);
bool size_add(size_t a, size_t b, size_t *sum); /* false on overflow */

/* ---- arenas: memory that ends together; no destructors -------------------------------------- */
struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;     /* newest first */
    char *next, *end;               /* free room of the newest chunk */
    size_t used_bytes, limit_bytes; /* charged so far, and at most; 0: no limit */
    size_t chunk_bytes; /* of the first ordinary chunk; later ones are up to 16 times it */
    uint64_t refused;   /* read: how often the limit refused something */
};
struct arena_mark {
    struct arena_chunk *chunk;
    char *next;
    size_t used_bytes;
};
void arena_init(struct arena *arena, size_t chunk_bytes,
                size_t limit_bytes); /* allocates nothing yet */
/* As arena_init(), with `first` (caller's, `first_bytes` long, aligned to 16) as a first chunk that
 * is never freed, so that small uses never reach the heap. */
void arena_init_with(struct arena *arena, void *first, size_t first_bytes, size_t chunk_bytes,
                     size_t limit_bytes);
void arena_deinit(struct arena *arena);
/* Empty again; keeps the first chunk, unless that is larger than chunk_bytes. */
void arena_reset(struct arena *arena);
struct arena_mark arena_mark(const struct arena *arena);
/* Frees what came after the mark; marks are undone newest first. An empty arena's mark resets. */
void arena_rewind(struct arena *arena, struct arena_mark mark);
/* Aligned to 16, contents undefined; NULL past the limit or without memory. `size` 0 gives a valid
 * pointer. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* Bytes without alignment; NULL as above. */
char *arena_bytes(struct arena *arena, size_t size);
enum status arena_copy(struct arena *arena, struct slice text,
                       struct slice *out); /* STATUS_NO_MEMORY */
/* `*items` becomes a copy of that many texts; untouched where there is no memory for it. */
enum status arena_copy_list(struct arena *arena, const struct slice **items, size_t count);
char *arena_text(struct arena *arena, struct slice text); /* NUL-terminated copy, or NULL */
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
/* Fixed objects of start-up: abort with a line on standard error instead of NULL. */
void *base_alloc(size_t size);        /* zeroed */
char *base_strdup(struct slice text); /* NUL-terminated */

/* ---- buffers: growable bytes on the heap ------------------------------------------------------
 */
struct buffer {
    char *bytes;
    size_t size, capacity;
    size_t limit_bytes; /* 0: none */
};
void buffer_init(struct buffer *buffer, size_t limit_bytes);
void buffer_deinit(struct buffer *buffer);
/* Room for `size` more bytes at bytes + size. STATUS_LIMIT or STATUS_NO_MEMORY leave it as it was.
 */
enum status buffer_reserve(struct buffer *buffer, size_t size);
enum status buffer_append(struct buffer *buffer, struct slice text);
enum status buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
enum status buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
    PRINTF_LIKE(2, 0);
void buffer_consume(struct buffer *buffer, size_t size); /* drops the first bytes */
static inline struct slice buffer_slice(const struct buffer *buffer) {
    return (struct slice){buffer->bytes, buffer->size};
}

/* ---- intrusive doubly linked lists ---------------------------------------------------------- */
struct list {
    struct list *prev, *next; /* a head or an unlinked node points to itself */
};
static inline void list_init(struct list *node) { node->prev = node->next = node; }
static inline bool list_is_empty(const struct list *head) { return head->next == head; }
static inline void list_append(struct list *head, struct list *node) {
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}
static inline void list_remove(struct list *node) { /* idempotent */
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}
#define LIST_FOR_EACH(node, head)                                                                  \
    for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

/* ---- hashes and maps from bytes to pointers ---------------------------------------------------
 */
/* Keyed (SipHash-1-3 or stronger), since peers choose what is hashed. */
struct hash_key {
    uint64_t a, b;
};
uint64_t hash_bytes(const struct hash_key *key, struct slice bytes);
struct map_entry {
    struct slice key;
    uint64_t hash;
    void *value;
};
struct map { /* open addressing; keys are borrowed */
    struct map_entry *entries;
    size_t count, used, capacity;
    struct hash_key key;
};
void map_init(struct map *map, struct hash_key key);
void map_deinit(struct map *map);
void *map_get(const struct map *map, struct slice key); /* NULL when absent */
enum status map_put(struct map *map, struct slice key,
                    void *value); /* not NULL; STATUS_NO_MEMORY, not where it replaces another */
void *map_remove(struct map *map, struct slice key); /* what was there, or NULL */
/* for (size_t at = 0; (entry = map_next(&map, &at));) */
struct map_entry *map_next(const struct map *map, size_t *at);

/* ---- durations and sizes as text --------------------------------------------------------------
 */
/* `250ms 5s 10m 1h 1d`, one unit, whole. STATUS_SYNTAX (also a bare number), STATUS_RANGE. */
enum status duration_parse(struct slice text, uint64_t *out_ms);
/* `512B 64KiB 1MiB 2GiB`, or bare bytes. STATUS_SYNTAX, STATUS_RANGE. */
enum status size_parse(struct slice text, uint64_t *out_bytes);
#define BASE_TEXT_MAX 32
/* Shortest exact spelling; `out` holds BASE_TEXT_MAX, the text is returned. */
struct slice duration_format(uint64_t ms, char *out);
struct slice size_format(uint64_t bytes, char *out);
/* RFC 3339 in UTC with milliseconds, `2026-01-31T12:00:00.123Z`. */
struct slice time_format(uint64_t wall_ms, char *out);

/* ---- clocks: a parameter, so that tests own the time ------------------------------------------
 */
struct clock {
    uint64_t (*mono_ns)(const struct clock *clock); /* never steps */
    uint64_t (*wall_ms)(const struct clock *clock); /* since 1970 in UTC */
};
extern const struct clock clock_system;
/* The same, but wall_ms is that of the kernel's last tick, at most 10 ms ago: at a quarter of the
 * cost, for what asks once an event. */
extern const struct clock clock_coarse;

/* ---- log: one line an event, never forgeable by a peer ------------------------------------- */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_TEXT, LOG_JSON };
enum status log_level_parse(struct slice text, enum log_level *out); /* debug info warn error off */
const char *log_level_text(enum log_level level);
/* Where a line belongs; empty members are left out. Control characters are escaped when it is
 * printed. */
struct log_place {
    struct slice task, run, step, at, session, server, client, error;
    const struct log_field { struct slice name, value; } * fields; /* of the `log` action */
    size_t field_count;
};
/* The one global of the process (lint's exception). Lines go to `fd` with a single write each. */
void log_open(int fd, enum log_format format, enum log_level level);
void log_set(enum log_format format, enum log_level level);
bool log_is_on(enum log_level level);
/* `place` may be NULL. The forced one is for servers and clients with a level of their own. */
void log_line(enum log_level level, const struct log_place *place, const char *format, ...)
    PRINTF_LIKE(3, 4);
void log_bytes(enum log_level level, const struct log_place *place, struct slice message);
void log_line_forced(enum log_level level, const struct log_place *place, const char *format, ...)
    PRINTF_LIKE(3, 4);
void log_as_is(enum log_level level, struct slice lines); /* of our own making, as they are */
/* A second reader of every line as JSON without its newline (for `bellwire log`), called on the
 * thread that logs, one call at a time; it must not log itself. NULL takes it away. `level` is what
 * it wants to see, also below the sink's own; forced lines come whatever their level. */
typedef void (*log_tap_fn)(void *context, enum log_level level, struct slice json_line);
void log_set_tap(log_tap_fn tap, void *context, enum log_level level);
#include "base/fetch.h"
#include "base/histogram.h"

#endif
