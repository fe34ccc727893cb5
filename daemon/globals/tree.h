/* A persistent hash tree: an insertion copies the nodes on its way and shares all others. Private
 * to globals/.
 *
 * Nodes and entries are immutable once their root is published. Each carries the newest version
 * below it, so that changes are found without walking what did not change. */
#ifndef BELLWIRE_GLOBALS_TREE_H
#define BELLWIRE_GLOBALS_TREE_H

#include "globals/globals.h"

struct tree_item {
    uint64_t newest;
    bool is_entry;
};
struct tree_entry {
    struct tree_item item; /* first */
    uint64_t hash, updated_ms;
    struct value_box *box; /* NULL: removed, kept until that is stored */
    size_t name_size;
    char name[];
};
struct tree_node {
    struct tree_item item; /* first */
    uint32_t bitmap;       /* which of 32 children there are */
    struct tree_item *children[];
};
static inline struct slice tree_name(const struct tree_entry *entry) {
    return (struct slice){entry->name, entry->name_size};
}

/* What one change has made and what it replaces; the one or the other is freed in the end. */
struct tree_edit {
    struct tree_item **made, **replaced;
    size_t made_count, replaced_count, made_capacity, replaced_capacity;
};
void tree_edit_init(struct tree_edit *edit);
void tree_edit_undo(struct tree_edit *edit); /* frees what was made */
/* What was replaced, now the caller's (free() and tree_item_free()); the rest is forgotten. */
struct tree_item **tree_edit_take(struct tree_edit *edit, size_t *count);

/* Takes over `box`. NULL without memory. */
struct tree_entry *tree_entry_new(struct tree_edit *edit, struct slice name, uint64_t hash,
                                  struct value_box *box);
/* The new root in *root. STATUS_NO_MEMORY; STATUS_LIMIT: two names with the same 64 bits. */
enum status tree_put(struct tree_edit *edit, struct tree_item **root, struct tree_entry *entry);
/* Without `entry`, which is there. STATUS_NO_MEMORY. */
enum status tree_remove(struct tree_edit *edit, struct tree_item **root,
                        const struct tree_entry *entry);
const struct tree_entry *tree_find(const struct tree_item *root, struct slice name, uint64_t hash);
/* Every entry newer than `since`. */
void tree_walk(const struct tree_item *root, uint64_t since,
               void (*each)(void *context, const struct tree_entry *entry), void *context);
void tree_item_free(struct tree_item *item); /* not what it points to, but an entry's box */
void tree_free(struct tree_item *root);      /* all of it */

#endif
