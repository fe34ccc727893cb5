/* Histograms with the bounds that fit both requests and runs. */
#include "base/histogram.h"

const uint32_t histogram_bounds_ms[HISTOGRAM_BUCKETS - 1] = {1,   5,   10,   25,   50,   100,
                                                             250, 500, 1000, 5000, 30000};

static void count_up(_Atomic uint64_t *count, uint64_t more) {
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t duration_ms) {
    size_t at = 0;
    while (at < HISTOGRAM_BUCKETS - 1 && duration_ms > histogram_bounds_ms[at])
        at++;
    count_up(&histogram->counts[at], 1);
    if (duration_ms)
        count_up(&histogram->sum_ms, duration_ms);
}

void histogram_merge(struct histogram *sum, const struct histogram *more) {
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        count_up(&sum->counts[i], atomic_load_explicit(&more->counts[i], memory_order_relaxed));
    count_up(&sum->sum_ms, atomic_load_explicit(&more->sum_ms, memory_order_relaxed));
}
