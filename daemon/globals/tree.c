/* Five bits of the hash a level. The tree is at most 13 levels deep, so that recursion is bounded.
 */
#include "globals/tree.h"

#include <stdlib.h>

#define BITS      5
#define MASK      31u
#define HASH_BITS 64

static enum status put_below(struct tree_edit *edit, struct tree_item **place, uint32_t shift,
                             struct tree_entry *entry);

void tree_edit_init(struct tree_edit *edit) { *edit = (struct tree_edit){.made = NULL}; }

static bool append(struct tree_item ***items, size_t *count, size_t *capacity,
                   struct tree_item *item) {
    if (*count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 16;
        struct tree_item **grown = realloc(*items, more * sizeof(struct tree_item *));
        if (!grown)
            return false;
        *items = grown;
        *capacity = more;
    }
    (*items)[(*count)++] = item;
    return true;
}

static bool note_made(struct tree_edit *edit, struct tree_item *item) {
    if (append(&edit->made, &edit->made_count, &edit->made_capacity, item))
        return true;
    tree_item_free(item);
    return false;
}

static bool note_replaced(struct tree_edit *edit, struct tree_item *item) {
    return append(&edit->replaced, &edit->replaced_count, &edit->replaced_capacity, item);
}

void tree_edit_undo(struct tree_edit *edit) {
    for (size_t i = 0; i < edit->made_count; i++)
        tree_item_free(edit->made[i]);
    free(edit->made);
    free(edit->replaced);
    tree_edit_init(edit);
}

struct tree_item **tree_edit_take(struct tree_edit *edit, size_t *count) {
    struct tree_item **replaced = edit->replaced;
    *count = edit->replaced_count;
    free(edit->made);
    tree_edit_init(edit);
    return replaced;
}

void tree_item_free(struct tree_item *item) {
    if (item->is_entry)
        value_box_unref(((struct tree_entry *)(void *)item)->box);
    free(item);
}

struct tree_entry *tree_entry_new(struct tree_edit *edit, struct slice name, uint64_t hash,
                                  struct value_box *box) {
    struct tree_entry *entry = malloc(sizeof *entry + name.size);
    if (!entry) {
        value_box_unref(box);
        return NULL;
    }
    *entry = (struct tree_entry){
        .item = {.is_entry = true}, .hash = hash, .box = box, .name_size = name.size};
    memcpy(entry->name, name.bytes, name.size);
    return note_made(edit, &entry->item) ? entry : NULL;
}

static struct tree_node *node_new(struct tree_edit *edit, uint32_t bitmap) {
    size_t count = (size_t)__builtin_popcount(bitmap);
    struct tree_node *node = malloc(sizeof *node + count * sizeof(struct tree_item *));
    if (!node)
        return NULL;
    *node = (struct tree_node){.bitmap = bitmap};
    return note_made(edit, &node->item) ? node : NULL;
}

static uint32_t bit_of(uint64_t hash, uint32_t shift) { return 1u << (hash >> shift & MASK); }

static size_t index_of(uint32_t bitmap, uint32_t bit) {
    return (size_t)__builtin_popcount(bitmap & (bit - 1));
}

/* A node of its own for an entry that another one met. */
static enum status split(struct tree_edit *edit, struct tree_item **place, uint32_t shift,
                         struct tree_entry *entry) {
    const struct tree_entry *other = (const struct tree_entry *)(const void *)*place;
    if (shift >= HASH_BITS)
        return STATUS_LIMIT;
    struct tree_node *node = node_new(edit, bit_of(other->hash, shift));
    if (!node)
        return STATUS_NO_MEMORY;
    node->item.newest = other->item.newest;
    node->children[0] = *place;
    *place = &node->item;
    return put_below(edit, place, shift, entry);
}

static enum status put_into(struct tree_edit *edit, struct tree_item **place, uint32_t shift,
                            struct tree_entry *entry) {
    const struct tree_node *old = (const struct tree_node *)(const void *)*place;
    uint32_t bit = bit_of(entry->hash, shift);
    size_t at = index_of(old->bitmap, bit), count = (size_t)__builtin_popcount(old->bitmap);
    bool is_there = (old->bitmap & bit) != 0;
    struct tree_node *node = node_new(edit, old->bitmap | bit);
    if (!node || !note_replaced(edit, *place))
        return STATUS_NO_MEMORY;
    node->item.newest =
        entry->item.newest > old->item.newest ? entry->item.newest : old->item.newest;
    memcpy(node->children, old->children, at * sizeof old->children[0]);
    memcpy(node->children + at + 1, old->children + at + is_there,
           (count - at - is_there) * sizeof old->children[0]);
    node->children[at] = is_there ? old->children[at] : NULL;
    *place = &node->item;
    return put_below(edit, &node->children[at], shift + BITS, entry);
}

static enum status put_below(struct tree_edit *edit, struct tree_item **place, uint32_t shift,
                             struct tree_entry *entry) {
    if (!*place) {
        *place = &entry->item;
        return STATUS_OK;
    }
    if (!(*place)->is_entry)
        return put_into(edit, place, shift, entry);
    const struct tree_entry *other = (const struct tree_entry *)(const void *)*place;
    if (other->hash != entry->hash || !slice_equal(tree_name(other), tree_name(entry)))
        return split(edit, place, shift, entry);
    if (!note_replaced(edit, *place))
        return STATUS_NO_MEMORY;
    *place = &entry->item;
    return STATUS_OK;
}

enum status tree_put(struct tree_edit *edit, struct tree_item **root, struct tree_entry *entry) {
    return put_below(edit, root, 0, entry);
}

static enum status remove_below(struct tree_edit *edit, struct tree_item **place, uint32_t shift,
                                const struct tree_entry *entry) {
    if (!note_replaced(edit, *place))
        return STATUS_NO_MEMORY;
    if ((*place)->is_entry) {
        *place = NULL;
        return STATUS_OK;
    }
    const struct tree_node *old = (const struct tree_node *)(const void *)*place;
    uint32_t bit = bit_of(entry->hash, shift);
    size_t at = index_of(old->bitmap, bit), count = (size_t)__builtin_popcount(old->bitmap);
    struct tree_item *child = old->children[at];
    enum status status = remove_below(edit, &child, shift + BITS, entry);
    if (status)
        return status;
    uint32_t bitmap = child ? old->bitmap : old->bitmap & ~bit;
    if (!bitmap) {
        *place = NULL;
        return STATUS_OK;
    }
    struct tree_node *node = node_new(edit, bitmap);
    if (!node)
        return STATUS_NO_MEMORY;
    node->item.newest = old->item.newest;
    memcpy(node->children, old->children, at * sizeof old->children[0]);
    if (child)
        node->children[at] = child;
    memcpy(node->children + at + (child != NULL), old->children + at + 1,
           (count - at - 1) * sizeof old->children[0]);
    *place = &node->item;
    return STATUS_OK;
}

enum status tree_remove(struct tree_edit *edit, struct tree_item **root,
                        const struct tree_entry *entry) {
    return remove_below(edit, root, 0, entry);
}

const struct tree_entry *tree_find(const struct tree_item *root, struct slice name, uint64_t hash) {
    const struct tree_item *at = root;
    for (uint32_t shift = 0; at && !at->is_entry; shift += BITS) {
        const struct tree_node *node = (const struct tree_node *)(const void *)at;
        uint32_t bit = bit_of(hash, shift);
        at = node->bitmap & bit ? node->children[index_of(node->bitmap, bit)] : NULL;
    }
    const struct tree_entry *entry = (const struct tree_entry *)(const void *)at;
    return entry && entry->hash == hash && slice_equal(tree_name(entry), name) ? entry : NULL;
}

void tree_walk(const struct tree_item *root, uint64_t since,
               void (*each)(void *context, const struct tree_entry *entry), void *context) {
    if (!root || root->newest <= since)
        return;
    if (root->is_entry) {
        each(context, (const struct tree_entry *)(const void *)root);
        return;
    }
    const struct tree_node *node = (const struct tree_node *)(const void *)root;
    for (int i = 0; i < __builtin_popcount(node->bitmap); i++)
        tree_walk(node->children[i], since, each, context);
}

void tree_free(struct tree_item *root) {
    struct tree_node *node = (struct tree_node *)(void *)root;
    if (!root)
        return;
    for (int i = 0; !root->is_entry && i < __builtin_popcount(node->bitmap); i++)
        tree_free(node->children[i]);
    tree_item_free(root);
}
