/* The memory and the numbers of one generation: what every compiled thing of the folder hangs on.
 *
 * Thread  built by one thread; once built it is read by all workers, and set__alloc(),
 * set__on_free() and set__next_chunk() may no longer be called. */
#ifndef BELLWIRE_EXPR_SET_H
#define BELLWIRE_EXPR_SET_H

#include "expr/expr.h"

/* Zeroed, aligned to 16, lives as long as the set; NULL without memory. */
void *set__alloc(struct expr_set *set, size_t size);
/* The arena behind set__alloc(), for value_copy() and arena_copy(). */
struct arena *set__arena(struct expr_set *set);
/* Calls fn(ptr) in expr_set_free(), newest first, while all memory of the set is still there.
 * False without memory: then nothing is remembered and `ptr` stays the caller's. */
bool set__on_free(struct expr_set *set, void (*fn)(void *), void *ptr);

/* Numbers of the Lua chunks of this set: 0, 1, 2... */
uint32_t set__next_chunk(struct expr_set *set);
uint32_t set__chunk_count(const struct expr_set *set);
/* Tells one set from all others of the process, also from one that had the same address; never 0.
 */
uint64_t set__generation(const struct expr_set *set);

/* What one evaluation may use, as given to expr_set_new(). */
uint64_t set__time_budget_ns(const struct expr_set *set);
uint64_t set__memory_budget_bytes(const struct expr_set *set);

#endif
