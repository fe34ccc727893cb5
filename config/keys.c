/* Keys of one mapping: twins, and what `<<` merges into it. */
#include "config/diag.h"
#include "config/parse.h"

#include <stdlib.h>

static int by_text(const void *left, const void *right);
static int by_order(const void *left, const void *right);
static void settle_twins(struct key_entry *first, size_t count, bool keep_twins,
                         struct config_diag *diag);

enum status keys_settle(const struct key_list *list, struct arena *arena, struct config_diag *diag,
                        struct config_node *map) {
    struct key_entry *entries = list->entries;
    size_t count = list->count;
    for (size_t i = 0; i < count; i++)
        entries[i].order = (uint32_t)i;
    if (count > 0)
        qsort(entries, count, sizeof(*entries), by_text);
    size_t dropped = 0;
    for (size_t i = 0; i < count;) {
        size_t twins = 1;
        while (i + twins < count && slice_equal(entries[i].key->text, entries[i + twins].key->text))
            twins++;
        settle_twins(&entries[i], twins, list->keep_twins, diag);
        for (size_t k = i; k < i + twins; k++)
            dropped += entries[k].is_dropped;
        i += twins;
    }
    if (count > 0)
        qsort(entries, count, sizeof(*entries), by_order);
    map->keys = arena_alloc(arena, (count - dropped) * sizeof(*map->keys));
    map->items = arena_alloc(arena, (count - dropped) * sizeof(*map->items));
    if (!map->keys || !map->items)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].is_dropped)
            continue;
        map->keys[map->count] = entries[i].key;
        map->items[map->count++] = entries[i].value;
    }
    return STATUS_OK;
}

static int by_text(const void *left, const void *right) {
    const struct key_entry *a = left, *b = right;
    size_t common = a->key->text.size < b->key->text.size ? a->key->text.size : b->key->text.size;
    int order = common ? memcmp(a->key->text.bytes, b->key->text.bytes, common) : 0;
    if (order)
        return order;
    if (a->key->text.size != b->key->text.size)
        return a->key->text.size < b->key->text.size ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static int by_order(const void *left, const void *right) {
    const struct key_entry *a = left, *b = right;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* `first` is the one that stays. */
static void settle_twins(struct key_entry *first, size_t count, bool keep_twins,
                         struct config_diag *diag) {
    for (size_t i = 1; i < count; i++) {
        if (first[i].rank == 0 && keep_twins)
            continue;
        first[i].is_dropped = true;
        if (first[i].rank > 0)
            continue;
        config_error(diag, first[i].key->mark, "key \"%s\" stands in this mapping twice",
                     config__quote(first[i].key->text).text);
        config_note(diag, first->key->mark, "first given here");
    }
}
