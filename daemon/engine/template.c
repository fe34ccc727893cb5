/* Templates and free values out of nodes; errors of expressions go to their place in the YAML. */
#include "engine/program.h"

#define PARTS_LOOKED_AT 32

struct problem_place {
    struct task_builder *tb;
    const struct config_node *node;
};

static void on_problem(void *context, const struct expr_problem *problem) {
    struct problem_place *place = context;
    struct config_diag *diag = place->tb->builder->diag;
    struct config_mark mark = config_place(place->node, problem->offset);
    if (problem->is_warning)
        config_warning(diag, mark, "%s", problem->text);
    else
        config_error(diag, mark, "%s", problem->text);
    if (problem->hint[0])
        config_hint(diag, "%s", problem->hint);
}

/* The name in `Secret(name)` or `Secret("name")`, when that is the whole of a hole. */
static struct slice secret_name(struct slice hole) {
    hole = slice_trim(hole);
    if (!slice_starts_with(hole, SLICE("Secret(")) || !slice_ends_with(hole, SLICE(")")))
        return SLICE_NONE;
    struct slice name = slice_trim((struct slice){hole.bytes + 7, hole.size - 8});
    if (name.size > 1 && (name.bytes[0] == '"' || name.bytes[0] == '\''))
        name = (struct slice){name.bytes + 1, name.size - 2};
    return config_is_id(name) ? name : SLICE_NONE; /* else it is computed */
}

static bool is_secret(struct builder *b, struct slice name, const struct config_node *node) {
    const struct program *program = b->program;
    for (size_t i = 0; i < program->secret_count; i++)
        if (slice_equal(program->secrets[i].name, name))
            return true;
    config_error(b->diag, node->mark, "unknown secret \"" SLICE_FMT "\"", SLICE_ARG(name));
    const char **names = builder_alloc(b, (program->secret_count + 1) * sizeof *names);
    for (size_t i = 0; names && i < program->secret_count; i++)
        names[i] = arena_text(b->arena, program->secrets[i].name);
    if (names && program->secret_count)
        config_hint_nearest(b->diag, name, names, program->secret_count);
    return false;
}

/* Those that an expression computes are seen at run time only. */
static bool check_secrets(struct task_builder *tb, const struct expr_template *tpl,
                          const struct config_node *node) {
    struct expr_part parts[PARTS_LOOKED_AT];
    size_t count = expr_parts(tpl, parts, PARTS_LOOKED_AT);
    bool is_good = true;
    for (size_t i = 0; i < count && i < PARTS_LOOKED_AT; i++) {
        struct slice name = parts[i].is_hole ? secret_name(parts[i].text) : SLICE_NONE;
        if (name.size && !is_secret(tb->builder, name, node))
            is_good = false;
    }
    return is_good;
}

const struct expr_template *template_build_text(struct task_builder *tb, struct slice text,
                                                const struct config_node *node, enum expr_use use) {
    struct problem_place place = {tb, node};
    const struct expr_template *tpl = expr_compile(tb->builder->program->set, text, use, &tb->names,
                                                   (struct expr_report){on_problem, &place});
    return tpl && check_secrets(tb, tpl, node) ? tpl : NULL;
}

const struct expr_template *template_build(struct task_builder *tb, const struct config_node *node,
                                           enum expr_use use) {
    if (node->kind != CONFIG_SCALAR) {
        config_error(tb->builder->diag, node->mark, "%s must be a text, not a %s",
                     use == EXPR_AS_CONDITION ? "an expression" : "this value",
                     node->kind == CONFIG_LIST ? "list" : "mapping");
        return NULL;
    }
    if (node->is_plain && node->text.size == 0) {
        config_error_empty(tb->builder->diag, node,
                           use == EXPR_AS_CONDITION ? "the expression" : "the value");
        return NULL;
    }
    return template_build_text(tb, node->text, node, use);
}

bool tree_is_constant(const struct value_tree *tree) { return tree->kind == TREE_CONSTANT; }

static bool scalar_build(struct task_builder *tb, const struct config_node *node,
                         struct value_tree *out) {
    if (has_hole(node->text)) {
        out->tpl = template_build_text(tb, node->text, node, EXPR_AS_TEMPLATE);
        if (!out->tpl)
            return false;
        out->kind = expr_is_constant(out->tpl) ? TREE_CONSTANT : TREE_TEMPLATE;
        if (out->kind == TREE_CONSTANT)
            out->constant = value_bytes(expr_constant(out->tpl));
        return true;
    }
    if (node->is_plain && node->text.size == 0) {
        config_error_empty(tb->builder->diag, node, "a value");
        return false;
    }
    struct config_scalar scalar = config_scalar(node);
    switch (scalar.type) {
        case CONFIG_NIL:
            out->constant = value_nil();
            break;
        case CONFIG_BOOLEAN:
            out->constant = value_bool(scalar.boolean);
            break;
        case CONFIG_INTEGER:
            out->constant = value_int(scalar.integer);
            break;
        case CONFIG_FLOAT:
            out->constant = value_float(scalar.number);
            break;
        case CONFIG_STRING:
            out->constant = value_bytes(node->text);
            break;
    }
    return true;
}

static bool children_build(struct task_builder *tb, const struct config_node *node,
                           struct value_tree *out, bool *is_constant) {
    struct value_tree *items = builder_alloc(tb->builder, (node->count + 1) * sizeof *items);
    struct value_tree *keys = builder_alloc(tb->builder, (node->count + 1) * sizeof *keys);
    if (!items || !keys)
        return false;
    bool is_good = true;
    for (size_t i = 0; i < node->count; i++) {
        if (!tree_build(tb, node->items[i], &items[i]))
            is_good = false;
        *is_constant = *is_constant && tree_is_constant(&items[i]);
        if (node->kind != CONFIG_MAP)
            continue;
        keys[i].constant = value_bytes(node->keys[i]->text);
        if (has_hole(node->keys[i]->text) && !scalar_build(tb, node->keys[i], &keys[i]))
            is_good = false;
        *is_constant = *is_constant && tree_is_constant(&keys[i]);
    }
    out->kind = node->kind == CONFIG_MAP ? TREE_MAP : TREE_LIST;
    out->items = items;
    out->keys = keys;
    out->count = node->count;
    return is_good;
}

/* A tree without holes becomes one value, so that nothing is left to do at run time. */
static bool fold(struct task_builder *tb, struct value_tree *out) {
    size_t each = out->kind == TREE_MAP ? sizeof(struct value_pair) : sizeof(struct value);
    void *memory = builder_alloc(tb->builder, (out->count + 1) * each);
    if (!memory)
        return false;
    struct value value = {.type = VALUE_LIST, .count = (uint32_t)out->count};
    for (size_t i = 0; i < out->count; i++) {
        if (out->kind == TREE_MAP)
            ((struct value_pair *)memory)[i] =
                (struct value_pair){out->keys[i].constant, out->items[i].constant};
        else
            ((struct value *)memory)[i] = out->items[i].constant;
    }
    if (out->kind == TREE_MAP) {
        value.type = VALUE_MAP;
        value.pairs = memory;
    } else {
        value.items = memory;
    }
    *out = (struct value_tree){.kind = TREE_CONSTANT, .constant = value, .mark = out->mark};
    return true;
}

bool tree_build(struct task_builder *tb, const struct config_node *node, struct value_tree *out) {
    *out = (struct value_tree){.kind = TREE_CONSTANT, .mark = node->mark};
    if (node->kind == CONFIG_SCALAR)
        return scalar_build(tb, node, out);
    bool is_constant = true;
    if (!children_build(tb, node, out, &is_constant))
        return false;
    return !is_constant || fold(tb, out);
}
