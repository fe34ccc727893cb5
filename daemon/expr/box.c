/* A value whole in one heap block: the head, then all arrays (multiples of 16, so they stay
 * aligned), then all text. Immutable but for the count, which any thread may change. */
#include "expr/value.h"

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

struct value_box {
    alignas(16) atomic_size_t refs;
    size_t size_bytes; /* of the whole block */
    struct value value;
};
static_assert(sizeof(struct value_box) % 16 == 0, "the arrays behind it must be aligned");
static_assert(sizeof(struct value) == 16 && sizeof(struct value_pair) == 32, "arrays stay aligned");

struct value_box *value_box_new(struct value v) {
    struct value_sizes sizes;
    size_t size = 0;
    if (value__measure(v, &sizes) != STATUS_OK ||
        !size_add(sizeof(struct value_box), sizes.items_bytes + sizes.text_bytes, &size))
        return NULL;
    struct value_box *box = malloc(size);
    if (!box)
        return NULL;
    atomic_init(&box->refs, 1);
    box->size_bytes = size;
    char *items = (char *)(box + 1);
    box->value = value__place(v, items, items + sizes.items_bytes);
    return box;
}

struct value_box *value_box_ref(struct value_box *box) {
    atomic_fetch_add_explicit(&box->refs, 1, memory_order_relaxed);
    return box;
}

void value_box_unref(struct value_box *box) {
    if (!box)
        return;
    size_t before = atomic_fetch_sub_explicit(&box->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(box);
}

struct value value_box_value(const struct value_box *box) {
    return box ? box->value : value_nil();
}

size_t value_box_bytes(const struct value_box *box) { return box ? box->size_bytes : 0; }
