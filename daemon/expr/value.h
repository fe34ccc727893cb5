/* Values inside the folder: copying into any memory, and looking up with "absent" told from null.
 */
#ifndef BELLWIRE_EXPR_VALUE_H
#define BELLWIRE_EXPR_VALUE_H

#include "expr/expr.h"

/* As value_member() and value_path(); false when it is absent, `*out` is then untouched. */
bool value__find(struct value v, struct slice key, struct value *out);
bool value__find_path(struct value v, struct slice dotted, struct value *out);

/* The two kinds of memory that a deep copy takes, the 16 bytes of the top value not counted. */
struct value_sizes {
    size_t items_bytes; /* arrays of items and pairs, each a multiple of 16 */
    size_t text_bytes;  /* no alignment */
};
/* STATUS_LIMIT when deeper than VALUE_DEPTH_MAX, or when the sum does not fit size_t. */
enum status value__measure(struct value v, struct value_sizes *out);
/* Copies into two blocks that value__measure() measured and returns the top value. */
struct value value__place(struct value v, char *items, char *text);

#endif
