/* Counts of durations by size, for metrics: one add is two words written.
 *
 * Thread  written by one thread, read by any; a reader may see a sum that is one event ahead. */
#ifndef BELLWIRE_BASE_HISTOGRAM_H
#define BELLWIRE_BASE_HISTOGRAM_H

#include <stdatomic.h>

#include "base/base.h"

#define HISTOGRAM_BUCKETS 12 /* the last one has no bound */
struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS]; /* each of its own bucket alone */
    _Atomic uint64_t sum_ms;
};
extern const uint32_t histogram_bounds_ms[HISTOGRAM_BUCKETS - 1]; /* inclusive, rising */
void histogram_add(struct histogram *histogram, uint64_t duration_ms);
/* Adds all counts of `more`; `sum` is the caller's alone. */
void histogram_merge(struct histogram *sum, const struct histogram *more);

#endif
