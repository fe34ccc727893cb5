/* Memory that will be needed soon is asked for while other work goes on: for what was last touched
 * so long ago that no cache holds it. A hint alone, for any address. Any thread. */
#ifndef BELLWIRE_BASE_FETCH_H
#define BELLWIRE_BASE_FETCH_H

#include <stddef.h>

#define CACHE_LINE_BYTES 64

static inline void fetch_ahead(const void *memory, size_t bytes) {
    for (size_t at = 0; at < bytes; at += CACHE_LINE_BYTES) {
        __builtin_prefetch((const char *)memory + at, 1); /* to be written */
    }
}

#endif
