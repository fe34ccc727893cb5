/* A small array of rows; edits are rare. */
#include "daemon/rows.h"

#include <stdlib.h>

void rows_init(struct rows *rows, const struct registry_rows *stored) {
    *rows = (struct rows){0};
    for (size_t i = 0; i < stored->count; i++)
        if (stored->items[i].origin == REGISTRY_MANAGER)
            rows_put(rows, stored->items[i].id, stored->items[i].declaration);
}

static void release(struct registry_row *row) {
    free((char *)(uintptr_t)row->id.bytes);
    free((char *)(uintptr_t)row->declaration.bytes);
}

void rows_deinit(struct rows *rows) {
    for (size_t i = 0; i < rows->count; i++)
        release(&rows->items[i]);
    free(rows->items);
}

void rows_put(struct rows *rows, struct slice id, struct slice declaration) {
    struct registry_row row = {.origin = REGISTRY_MANAGER,
                               .id = {base_strdup(id), id.size},
                               .declaration = {base_strdup(declaration), declaration.size}};
    for (size_t i = 0; i < rows->count; i++)
        if (slice_equal(rows->items[i].id, id)) {
            release(&rows->items[i]);
            rows->items[i] = row;
            return;
        }
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 8;
        rows->items = realloc(rows->items, rows->capacity * sizeof *rows->items);
        if (!rows->items)
            abort(); /* a few bytes a declaration */
    }
    rows->items[rows->count++] = row;
}

const struct registry_row *rows_find(const struct rows *rows, struct slice id) {
    for (size_t i = 0; i < rows->count; i++)
        if (slice_equal(rows->items[i].id, id))
            return &rows->items[i];
    return NULL;
}

void rows_remove(struct rows *rows, struct slice id) {
    for (size_t i = 0; i < rows->count; i++)
        if (slice_equal(rows->items[i].id, id)) {
            release(&rows->items[i]);
            memmove(&rows->items[i], &rows->items[i + 1],
                    (rows->count - i - 1) * sizeof *rows->items);
            rows->count--;
            return;
        }
}

struct registry_rows rows_view(const struct rows *rows) {
    return (struct registry_rows){rows->items, rows->count};
}
