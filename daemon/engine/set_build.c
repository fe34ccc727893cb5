/* Compiles `set`: which names, below them which segments, and the values. */
#include "engine/program.h"

#define SEGMENTS_MAX 32

struct target { /* a key on its way: the segments as template texts */
    struct buffer segments[SEGMENTS_MAX];
    bool has_hole[SEGMENTS_MAX];
    size_t count;
};

static bool target_next(struct target *target) {
    if (target->count == SEGMENTS_MAX)
        return false;
    buffer_init(&target->segments[target->count++], 0);
    return true;
}

static bool target_add_constant(struct target *target, struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '.') {
            if (!target_next(target))
                return false;
        } else if (buffer_append(&target->segments[target->count - 1],
                                 (struct slice){text.bytes + i, 1}) != STATUS_OK) {
            return false;
        }
    }
    return true;
}

static bool target_split(struct task_builder *tb, const struct config_node *key,
                         struct target *target) {
    struct expr_part parts[SEGMENTS_MAX];
    if (!has_hole(key->text))
        return target_add_constant(target, key->text);
    const struct expr_template *tpl = template_build(tb, key, EXPR_AS_TEMPLATE);
    size_t count = tpl ? expr_parts(tpl, parts, SEGMENTS_MAX) : 0;
    if (count == 0 || count > SEGMENTS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t last = target->count - 1;
        if (!parts[i].is_hole) {
            if (!target_add_constant(target, parts[i].text))
                return false;
            continue;
        }
        target->has_hole[last] = true;
        if (buffer_printf(&target->segments[last], "${" SLICE_FMT "}", SLICE_ARG(parts[i].text)) !=
            STATUS_OK)
            return false;
    }
    return true;
}

static bool segment_build(struct task_builder *tb, const struct config_node *key,
                          const struct buffer *text, bool holds_hole, struct value_tree *out) {
    struct slice copy;
    if (text->size == 0) {
        config_error(tb->builder->diag, key->mark, "\"" SLICE_FMT "\" has an empty segment",
                     SLICE_ARG(key->text));
        return false;
    }
    if (arena_copy(tb->builder->arena, buffer_slice(text), &copy) != STATUS_OK) {
        builder_no_memory(tb->builder);
        return false;
    }
    *out = (struct value_tree){.constant = value_bytes(copy), .mark = key->mark};
    if (!holds_hole)
        return true;
    out->kind = TREE_TEMPLATE;
    out->tpl = template_build_text(tb, copy, key, EXPR_AS_TEMPLATE);
    return out->tpl != NULL;
}

static bool target_name(struct task_builder *tb, const struct config_node *key,
                        const struct target *target, struct assignment *out) {
    struct slice name = buffer_slice(&target->segments[0]);
    if (target->has_hole[0]) {
        config_error(tb->builder->diag, key->mark,
                     "the first name of a \"set\" key cannot hold a variable");
        return false;
    }
    out->target = slice_is(name, "session")  ? TARGET_SESSION
                  : slice_is(name, "global") ? TARGET_GLOBAL
                                             : TARGET_SLOT;
    if (out->target == TARGET_SLOT) {
        out->slot = names_find(tb, name);
        return out->slot != SLOT_NONE || tb->builder->diag->errors > 0;
    }
    if (out->target == TARGET_GLOBAL && !tb->builder->input->has_globals) {
        config_error(tb->builder->diag, key->mark, "nothing here keeps globals");
        return false;
    }
    if (target->count > 1)
        return true;
    config_error(tb->builder->diag, key->mark, "\"" SLICE_FMT "\" needs a name: " SLICE_FMT ".NAME",
                 SLICE_ARG(name), SLICE_ARG(name));
    return false;
}

static bool target_build(struct task_builder *tb, const struct config_node *key,
                         const struct target *target, struct assignment *out) {
    if (!target_name(tb, key, target, out))
        return false;
    struct value_tree *path = builder_alloc(tb->builder, target->count * sizeof *path);
    for (size_t i = 1; path && i < target->count; i++)
        if (!segment_build(tb, key, &target->segments[i], target->has_hole[i], &path[i - 1]))
            return false;
    out->path = path;
    out->segments = target->count - 1;
    return path != NULL;
}

static bool assignment_build(struct task_builder *tb, const struct config_node *key,
                             const struct config_node *value, struct assignment *out) {
    struct target target = {.count = 0};
    size_t errors = tb->builder->diag->errors;
    out->mark = key->mark;
    target_next(&target);
    bool is_good = target_split(tb, key, &target) && target_build(tb, key, &target, out);
    if (!is_good && tb->builder->diag->errors == errors)
        config_error(tb->builder->diag, key->mark, "\"set\" cannot take the key \"" SLICE_FMT "\"",
                     SLICE_ARG(key->text));
    for (size_t i = 0; i < target.count; i++)
        buffer_deinit(&target.segments[i]);
    return tree_build(tb, value, &out->value) && is_good;
}

bool set_build(struct task_builder *tb, const struct config_node *node, struct program_step *step) {
    if (node->kind != CONFIG_MAP || node->count == 0) {
        config_error(tb->builder->diag, node->mark, "\"set\" must be a mapping of names to values");
        return false;
    }
    struct assignment *all = builder_alloc(tb->builder, node->count * sizeof *all);
    bool is_good = all != NULL;
    for (size_t i = 0; all && i < node->count; i++) {
        if (!assignment_build(tb, node->keys[i], node->items[i], &all[i]))
            is_good = false;
        if (all[i].target == TARGET_GLOBAL)
            step->has_global = true;
    }
    step->kind = STEP_SET;
    step->assignments = all;
    step->assignment_count = node->count;
    return is_good;
}
