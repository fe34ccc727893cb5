/* One generation of compiled things: an arena, a stack of clean-ups for what arenas cannot free,
 * and the numbers that evaluations ask for. See set.h for threads. */
#include "expr/set.h"

#include <stdlib.h>
#include <sys/random.h>

#define SET_CHUNK_BYTES 8192

struct set_cleanup {
    struct set_cleanup *next;
    void (*fn)(void *);
    void *ptr;
};

struct expr_set {
    struct arena arena;
    struct set_cleanup *cleanups; /* newest first */
    uint64_t generation;
    uint64_t time_budget_ns, memory_budget_bytes;
    uint32_t chunk_count;
};

struct expr_set *expr_set_new(uint64_t time_budget_ns, uint64_t memory_budget_bytes) {
    struct expr_set *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    /* Random rather than counted, since a counter would be a global; zero means "none" elsewhere.
     */
    ssize_t got = getrandom(&set->generation, sizeof set->generation, 0);
    if (got != (ssize_t)sizeof set->generation) {
        free(set);
        return NULL;
    }
    set->generation |= 1;
    arena_init(&set->arena, SET_CHUNK_BYTES, 0);
    set->time_budget_ns = time_budget_ns;
    set->memory_budget_bytes = memory_budget_bytes;
    return set;
}

void expr_set_free(struct expr_set *set) {
    if (!set)
        return;
    for (const struct set_cleanup *cleanup = set->cleanups; cleanup; cleanup = cleanup->next)
        cleanup->fn(cleanup->ptr);
    arena_deinit(&set->arena);
    free(set);
}

void *set__alloc(struct expr_set *set, size_t size) { return arena_zalloc(&set->arena, size); }

struct arena *set__arena(struct expr_set *set) {
    return &set->arena;
}

bool set__on_free(struct expr_set *set, void (*fn)(void *), void *ptr) {
    struct set_cleanup *cleanup = set__alloc(set, sizeof *cleanup);
    if (!cleanup)
        return false;
    *cleanup = (struct set_cleanup){.next = set->cleanups, .fn = fn, .ptr = ptr};
    set->cleanups = cleanup;
    return true;
}

uint32_t set__next_chunk(struct expr_set *set) { return set->chunk_count++; }

uint32_t set__chunk_count(const struct expr_set *set) { return set->chunk_count; }

uint64_t set__generation(const struct expr_set *set) { return set->generation; }

uint64_t set__time_budget_ns(const struct expr_set *set) { return set->time_budget_ns; }

uint64_t set__memory_budget_bytes(const struct expr_set *set) { return set->memory_budget_bytes; }
