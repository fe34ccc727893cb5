/* Life of the endpoint: its addresses come and go with the configuration. */
#include "metrics/metrics.h"

#include <stdlib.h>

#include "metrics/internal.h"

struct metrics *metrics_new(const struct metrics_options *options) {
    struct metrics *metrics = base_alloc(sizeof *metrics);
    metrics->options = *options;
    metrics->refs = 1;
    list_init(&metrics->connections);
    return metrics;
}

struct metrics *metrics__ref(struct metrics *metrics) {
    metrics->refs++;
    return metrics;
}

void metrics__unref(struct metrics *metrics) {
    if (--metrics->refs == 0)
        free(metrics);
}

static struct metrics_address *find(const struct metrics *metrics, struct slice text) {
    for (size_t i = 0; i < METRICS_ADDRESSES; i++) {
        const struct metrics_address *address = &metrics->addresses[i];
        if (text.size ? address->listener && slice_is(text, address->text) : !address->listener)
            return (struct metrics_address *)address;
    }
    return NULL;
}

bool metrics_listens(const struct metrics *metrics, struct slice address) {
    return find(metrics, address) != NULL;
}

enum status metrics_listen(struct metrics *metrics, struct slice address, int fd) {
    struct metrics_address *entry = find(metrics, SLICE_NONE);
    if (!entry || address.size >= sizeof entry->text)
        return STATUS_NO_MEMORY;
    entry->listener = net_listener_open(metrics->options.loop, fd, metrics__accept, metrics);
    if (!entry->listener)
        return STATUS_NO_MEMORY;
    memcpy(entry->text, address.bytes, address.size);
    entry->text[address.size] = 0;
    return STATUS_OK;
}

void metrics_keep(struct metrics *metrics, const struct slice *kept, size_t count) {
    for (size_t i = 0; i < METRICS_ADDRESSES; i++) {
        struct metrics_address *address = &metrics->addresses[i];
        bool is_kept = !address->listener;
        for (size_t k = 0; k < count && !is_kept; k++)
            is_kept = slice_is(kept[k], address->text);
        if (is_kept)
            continue;
        net_listener_close(address->listener);
        address->listener = NULL;
    }
}

void metrics_close(struct metrics *metrics) {
    metrics->is_closed = true;
    metrics_keep(metrics, NULL, 0);
    metrics__close_all(metrics);
    metrics__unref(metrics);
}
