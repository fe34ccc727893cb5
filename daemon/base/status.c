/* The sentences of status codes, and what start-up does when there is no memory. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

const char *status_text(enum status status) {
    switch (status) {
#define X(name, number, text)                                                                      \
    case STATUS_##name:                                                                            \
        return text;
        STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

bool size_add(size_t a, size_t b, size_t *sum) {
    size_t result;
    if (__builtin_add_overflow(a, b, &result))
        return false;
    *sum = result;
    return true;
}

static _Noreturn void die_without_memory(size_t size) {
    fprintf(stderr, "out of memory at start-up: %zu bytes\n", size);
    abort();
}

void *base_alloc(size_t size) {
    void *memory = calloc(1, size > 0 ? size : 1);
    if (!memory)
        die_without_memory(size);
    return memory;
}

char *base_strdup(struct slice text) {
    size_t size;
    if (!size_add(text.size, 1, &size))
        die_without_memory(text.size);
    char *copy = base_alloc(size);
    if (text.size > 0)
        memcpy(copy, text.bytes, text.size);
    return copy;
}
