/* Allocations that fail on demand. A test that includes this is linked with --wrap for malloc,
 * calloc and realloc (the Makefile sees the include), so that every call from our own code comes
 * here. FAIL_EACH_ALLOCATION(statement, is_done) runs `statement` with allocation n failing for
 * n = 0, 1, 2 ... until `is_done` holds. */
#ifndef TESTS_FAIL_ALLOC_H
#define TESTS_FAIL_ALLOC_H

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static atomic_long allocations_left = LONG_MAX; /* the next one fails at 0, and all after it */
static atomic_long allocation_count;            /* calls so far, failed ones too */

static inline int fail_alloc_now(void) {
    atomic_fetch_add(&allocation_count, 1);
    if (atomic_load(&allocations_left) <= 0)
        return 1;
    atomic_fetch_sub(&allocations_left, 1);
    return 0;
}

void *__wrap_malloc(size_t size) { return fail_alloc_now() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) {
    return fail_alloc_now() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *memory, size_t size) {
    return fail_alloc_now() ? NULL : __real_realloc(memory, size);
}

static inline void fail_alloc_after(long count) { atomic_store(&allocations_left, count); }
static inline void fail_alloc_never(void) { fail_alloc_after(LONG_MAX); }

#define FAIL_EACH_ALLOCATION(statement, is_done)                                                   \
    for (long fail_at_ = 0, is_done_ = 0; !is_done_; fail_at_++) {                                 \
        fail_alloc_after(fail_at_);                                                                \
        statement;                                                                                 \
        fail_alloc_never();                                                                        \
        is_done_ = (is_done);                                                                      \
    }

#endif
