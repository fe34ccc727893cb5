/* Fills the holes of an action's arguments when its step starts. Without holes the constant struct
 * is passed as it is. */
#include "engine/run.h"

#include <assert.h>
#include <stdio.h>

static bool no_memory(char *why) {
    strcpy(why, "out of memory, within max-run-memory");
    return false;
}

static bool fill_list(struct run *run, const struct value_tree *tree, struct value *out,
                      char *why) {
    struct value *items = arena_alloc(&run->engine->scratch, tree->count * sizeof *items);
    if (!items)
        return no_memory(why);
    for (size_t i = 0; i < tree->count; i++)
        if (!fill__tree(run, &tree->items[i], &items[i], why))
            return false;
    *out = (struct value){.type = VALUE_LIST, .count = (uint32_t)tree->count, .items = items};
    return true;
}

static bool has_key(const struct value_pair *pairs, size_t count, struct value key) {
    for (size_t i = 0; i < count; i++)
        if (slice_equal(value_slice(pairs[i].key), value_slice(key)))
            return true;
    return false;
}

static bool fill_map(struct run *run, const struct value_tree *tree, struct value *out, char *why) {
    struct arena *scratch = &run->engine->scratch;
    struct value_pair *pairs = arena_alloc(scratch, tree->count * sizeof *pairs);
    if (!pairs)
        return no_memory(why);
    for (size_t i = 0; i < tree->count; i++) {
        struct value key;
        struct slice text;
        if (!fill__tree(run, &tree->keys[i], &key, why) ||
            !fill__tree(run, &tree->items[i], &pairs[i].value, why))
            return false;
        if (value_text(key, scratch, &text) != STATUS_OK)
            return no_memory(why);
        pairs[i].key = value_bytes(text);
        if (tree->keys[i].kind != TREE_CONSTANT && has_key(pairs, i, pairs[i].key)) {
            snprintf(why, EXPR_WHY_MAX, "two keys are \"%.*s\"",
                     (int)(text.size > 64 ? 64 : text.size), text.bytes);
            return false;
        }
    }
    *out = (struct value){.type = VALUE_MAP, .count = (uint32_t)tree->count, .pairs = pairs};
    return true;
}

/* The depth is that of the YAML, which is bounded. */
bool fill__tree(struct run *run, const struct value_tree *tree, struct value *out, char *why) {
    switch (tree->kind) {
        case TREE_CONSTANT:
            *out = tree->constant;
            return true;
        case TREE_TEMPLATE:
            return expr_eval(tree->tpl, run__scope(run), EXPR_PLAIN, out, why) == STATUS_OK;
        case TREE_LIST:
            return fill_list(run, tree, out, why);
        case TREE_MAP:
            return fill_map(run, tree, out, why);
    }
    return false;
}

static bool eval_text(struct run *run, const struct arg_hole *hole, struct slice *out, char *why) {
    if (expr_eval_text(hole->tpl, &run->scope, EXPR_PLAIN, out, why) != STATUS_OK)
        return false;
    if (!out->bytes)
        out->bytes = ""; /* given, and empty */
    return true;
}

static bool fill_file(struct run *run, const struct arg_hole *hole, struct slice *member,
                      char *why) {
    struct slice text;
    if (!eval_text(run, hole, &text, why))
        return false;
    *member = text;
    if (text.size && text.bytes[0] == '/')
        return true;
    struct slice folder = run->task->folder;
    char *path = arena_bytes(&run->engine->scratch, folder.size + 1 + text.size);
    if (!path)
        return no_memory(why);
    memcpy(path, folder.bytes, folder.size);
    path[folder.size] = '/';
    memcpy(path + folder.size + 1, text.bytes, text.size);
    *member = (struct slice){path, folder.size + 1 + text.size};
    return true;
}

/* The items of a constant array become a copy of this step's own. */
static bool own_items(struct run *run, const struct arg_hole *hole, struct slice **items,
                      size_t count) {
    if (!hole->is_first)
        return true;
    struct slice *copy = arena_alloc(&run->engine->scratch, count * sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, *items, count * sizeof *copy);
    *items = copy;
    return true;
}

static bool fill_item(struct run *run, const struct arg_hole *hole, char *args, char *why) {
    void *member = args + hole->offset;
    struct slice **items;
    size_t count;
    if (hole->kind == HOLE_ITEM) {
        struct config_texts *texts = member;
        items = &texts->items;
        count = texts->count;
    } else {
        struct config_pairs *pairs = member;
        items = &pairs->values;
        count = pairs->count;
    }
    if (!own_items(run, hole, items, count))
        return no_memory(why);
    return eval_text(run, hole, &(*items)[hole->index], why);
}

/* A boolean in a field of that type, which need not be spelt and read again. */
static bool fill_flag(struct run *run, const struct arg_hole *hole, char *args) {
    enum config_type type = hole->field->type;
    char why[EXPR_WHY_MAX];
    struct value value;
    if ((type != CONFIG_BOOL && type != CONFIG_TRISTATE) ||
        expr_eval(hole->tpl, &run->scope, EXPR_PLAIN, &value, why) != STATUS_OK ||
        value.type != VALUE_BOOL)
        return false;
    if (type == CONFIG_BOOL)
        *(bool *)(args + hole->offset) = value.boolean;
    else
        *(int8_t *)(args + hole->offset) = value.boolean;
    return true;
}

static bool fill_stored(struct run *run, const struct arg_hole *hole, char *args, char *why) {
    struct slice text;
    if (fill_flag(run, hole, args))
        return true;
    static_assert(CONFIG_WHY_MAX <= EXPR_WHY_MAX, "one buffer serves both");
    return eval_text(run, hole, &text, why) &&
           config_store(hole->field, text, args, hole->offset, why) == STATUS_OK;
}

static bool fill_hole(struct run *run, const struct arg_hole *hole, char *args, char *why) {
    void *member = args + hole->offset;
    switch (hole->kind) {
        case HOLE_TEXT:
            return eval_text(run, hole, member, why);
        case HOLE_FILE:
            return fill_file(run, hole, member, why);
        case HOLE_STORE:
            return fill_stored(run, hole, args, why);
        case HOLE_ITEM:
        case HOLE_PAIR:
            return fill_item(run, hole, args, why);
        case HOLE_TREE:
            return fill__tree(run, hole->tree, &((struct arg_value *)member)->value, why);
    }
    return false;
}

/* False: the failure is recorded. */
bool fill__args(struct strand *strand, const struct program_step *def, const void **args) {
    struct run *run = strand->run;
    const struct arg_block *block = &def->args;
    *args = block->constant;
    if (block->hole_count == 0)
        return true;
    char why[EXPR_WHY_MAX];
    char *copy = arena_alloc(&run->engine->scratch, block->size);
    if (!copy) {
        run__set_error(run, def, def->mark, 12, SLICE("out of memory, within max-run-memory"));
        return false;
    }
    memcpy(copy, block->constant, block->size);
    if (block->needs_session)
        (void)run__scope(run); /* once for all holes */
    for (size_t i = 0; i < block->hole_count; i++) {
        const struct arg_hole *hole = &block->holes[i];
        if (fill_hole(run, hole, copy, why))
            continue;
        run__set_error(run, def, hole->mark, 1, slice_of(why));
        return false;
    }
    *args = copy;
    return true;
}
