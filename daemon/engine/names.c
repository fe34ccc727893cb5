/* The names of a task: `vars`, `set`, `save`, `as`. Collected before any template is compiled,
 * since a step may use what a later round of a loop sets. */
#include "engine/program.h"

static void collect_chain(struct task_builder *tb, const struct config_node *chain, uint32_t depth);

uint32_t names_find(const struct task_builder *tb, struct slice name) {
    for (size_t i = 0; i < tb->names.slot_count; i++)
        if (slice_is(name, tb->names.slots[i]))
            return (uint32_t)i;
    return SLOT_NONE;
}

bool names_add(struct task_builder *tb, struct slice name, struct config_mark mark) {
    if (names_find(tb, name) != SLOT_NONE)
        return true;
    char why[EXPR_WHY_MAX];
    if (!expr_is_slot_name(name, &tb->names, why)) {
        config_error(tb->builder->diag, mark, "%s", why);
        return false;
    }
    struct task_program *task = tb->task;
    if (task->slot_count == tb->slot_capacity) {
        size_t capacity = tb->slot_capacity ? tb->slot_capacity * 2 : 8;
        const char **slots = builder_alloc(tb->builder, capacity * sizeof *slots);
        if (!slots)
            return false;
        if (task->slot_count)
            memcpy(slots, task->slot_names, task->slot_count * sizeof *slots);
        task->slot_names = slots;
        tb->slot_capacity = capacity;
    }
    char *text = arena_text(tb->builder->arena, name);
    if (!text) {
        builder_no_memory(tb->builder);
        return false;
    }
    task->slot_names[task->slot_count++] = text;
    tb->names.slots = task->slot_names;
    tb->names.slot_count = task->slot_count;
    return true;
}

static void add_scalar(struct task_builder *tb, const struct config_node *node) {
    if (node && node->kind == CONFIG_SCALAR)
        names_add(tb, node->text, node->mark);
}

static void collect_set(struct task_builder *tb, const struct config_node *set) {
    for (size_t i = 0; set->kind == CONFIG_MAP && i < set->count; i++) {
        struct slice rest;
        struct slice name = slice_cut(set->keys[i]->text, '.', &rest);
        bool is_ours = !slice_is(name, "session") && !slice_is(name, "global");
        if (is_ours && !has_hole(name))
            names_add(tb, name, set->keys[i]->mark);
    }
}

/* Steps and slots inside the arguments of an action, found by its field table. */
static void collect_fields(struct task_builder *tb, const struct config_field *fields,
                           const struct config_node *args, uint32_t depth) {
    for (const struct config_field *f = fields; f && f->name && args->kind == CONFIG_MAP; f++) {
        const struct config_node *node = config_get(args, f->name);
        if (!node)
            continue;
        if (f->type == CONFIG_STRUCT)
            collect_fields(tb, f->fields, node, depth);
        else if (f->type == CONFIG_SPECIAL && slice_is(slice_of(f->special), "slot"))
            add_scalar(tb, node);
        else if (f->type == CONFIG_SPECIAL && slice_is(slice_of(f->special), "chain"))
            collect_chain(tb, node, depth + 1);
    }
}

/* choose: a list of {when, do}; parallel: a list of chains; cases: a map of chains. */
static void collect_branches(struct task_builder *tb, const struct config_node *node,
                             uint32_t depth) {
    for (size_t i = 0; node->kind != CONFIG_SCALAR && i < node->count; i++) {
        const struct config_node *branch = node->items[i];
        if (branch->kind == CONFIG_MAP && node->kind == CONFIG_LIST)
            branch = config_get(branch, "do");
        if (branch)
            collect_chain(tb, branch, depth + 1);
    }
}

static void collect_key(struct task_builder *tb, struct slice key, const struct config_node *value,
                        uint32_t depth) {
    static const char *const chains[] = {"then", "else",  "default", "do",
                                         "try",  "catch", "finally"};
    for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
        if (slice_is(key, chains[i])) {
            collect_chain(tb, value, depth + 1);
            return;
        }
    if (slice_is(key, "choose") || slice_is(key, "parallel") || slice_is(key, "cases")) {
        collect_branches(tb, value, depth);
    } else if (slice_is(key, "save")) {
        add_scalar(tb, value);
    } else if (slice_is(key, "set")) {
        collect_set(tb, value);
    } else if (slice_is(key, "repeat") && value->kind == CONFIG_MAP) {
        add_scalar(tb, config_get(value, "as"));
    } else {
        for (size_t i = 0; tb->builder->input->actions[i]; i++)
            if (slice_is(key, tb->builder->input->actions[i]->name))
                collect_fields(tb, tb->builder->input->actions[i]->fields, value, depth);
    }
}

static void collect_chain(struct task_builder *tb, const struct config_node *chain,
                          uint32_t depth) {
    if (chain->kind != CONFIG_LIST || depth > BLOCK_DEPTH_MAX + 1)
        return;
    for (size_t i = 0; i < chain->count; i++) {
        const struct config_node *step = chain->items[i];
        if (step->kind == CONFIG_LIST)
            collect_chain(tb, step, depth + 1);
        for (size_t k = 0; step->kind == CONFIG_MAP && k < step->count; k++)
            collect_key(tb, step->keys[k]->text, step->items[k], depth);
    }
}

void names_collect(struct task_builder *tb, const struct config_node *vars,
                   const struct config_node *actions) {
    for (size_t i = 0; vars && vars->kind == CONFIG_MAP && i < vars->count; i++)
        names_add(tb, vars->keys[i]->text, vars->keys[i]->mark);
    if (actions)
        collect_chain(tb, actions, 0);
}
