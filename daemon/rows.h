/* The manager's rows as the registry holds them, in memory: what each generation is read together
 * with.
 *
 * Thread  the control thread. Memory  texts are copies on the heap. */
#ifndef BELLWIRE_ROWS_H
#define BELLWIRE_ROWS_H

#include "registry/registry.h"

struct rows {
    struct registry_row *items;
    size_t count, capacity;
};
/* Takes over what was read at the start; rows of files are left out. */
void rows_init(struct rows *rows, const struct registry_rows *stored);
void rows_deinit(struct rows *rows);
void rows_put(struct rows *rows, struct slice id, struct slice declaration);
void rows_remove(struct rows *rows, struct slice id);
const struct registry_row *rows_find(const struct rows *rows, struct slice id); /* or NULL */
struct registry_rows rows_view(const struct rows *rows); /* until the next change */

#endif
