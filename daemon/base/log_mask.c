/* The values to hide are a list that only grows, a part of the log sink: to read it takes no lock.
 */
#include "base/log_mask.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct secret {
    struct secret *next;
    size_t size;
    char bytes[];
};
static struct secret *_Atomic secrets;

static bool is_known(const struct secret *secret, struct slice value) {
    for (; secret; secret = secret->next)
        if (slice_equal((struct slice){secret->bytes, secret->size}, value))
            return true;
    return false;
}

enum status log_add_secret(struct slice value) {
    struct secret *head = atomic_load(&secrets);
    if (value.size < LOG_SECRET_MIN_BYTES || is_known(head, value))
        return STATUS_OK;
    struct secret *secret = malloc(sizeof *secret + value.size);
    if (!secret)
        return STATUS_NO_MEMORY;
    secret->size = value.size;
    memcpy(secret->bytes, value.bytes, value.size);
    do
        secret->next = head;
    while (!atomic_compare_exchange_weak(&secrets, &head, secret));
    return STATUS_OK;
}

/* The first value in `text`, the longest of those that begin there; empty when there is none. */
static struct slice find(const struct secret *secret, struct slice text) {
    struct slice found = {text.bytes + text.size, 0};
    for (; secret; secret = secret->next) {
        const char *at = memmem(text.bytes, text.size, secret->bytes, secret->size);
        if (at && (at < found.bytes || (at == found.bytes && secret->size > found.size)))
            found = (struct slice){at, secret->size};
    }
    return found;
}

struct slice log_mask(struct slice text, struct buffer *room) {
    const struct secret *head = atomic_load_explicit(&secrets, memory_order_acquire);
    struct slice rest = text;
    if (!head || text.size == 0)
        return text;
    struct slice found = find(head, text);
    if (found.size == 0)
        return text;
    for (; found.size; found = find(head, rest)) {
        struct slice before = {rest.bytes, (size_t)(found.bytes - rest.bytes)};
        if (buffer_append(room, before) || buffer_append(room, SLICE("***")))
            return SLICE("***");
        rest.bytes = found.bytes + found.size;
        rest.size = text.size - (size_t)(rest.bytes - text.bytes);
    }
    return buffer_append(room, rest) ? SLICE("***") : buffer_slice(room);
}
