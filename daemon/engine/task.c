/* Compiles one task: its declaration, names, triggers, conditions and chain. */
#include "engine/program.h"

struct condition_decl {
    const struct config_node *when;
    uint32_t unmet;
};
static const struct config_field condition_fields[] = {
    FIELD_SPECIAL(struct condition_decl, when, "when", "expression", .required = true,
                  .doc = "no run unless this holds"),
    FIELD_U32(struct condition_decl, unmet, "unmet", .min = 400, .max = 599, .is_constant = true,
              .doc = "status for an HTTP caller when it does not"),
    FIELD_END};

struct task_decl {
    struct slice name, description;
    bool enabled;
    uint64_t timeout_ms;
    const struct config_node *triggers, *conditions, *vars, *mode, *at_most, *on_error, *actions;
};
const struct config_field engine_task_fields[] = {
    FIELD_TEXT(struct task_decl, name, "name", .is_constant = true, .doc = "free text"),
    FIELD_TEXT(struct task_decl, description, "description", .is_constant = true,
               .doc = "free text"),
    FIELD_BOOL(struct task_decl, enabled, "enabled", .dflt = "true", .is_constant = true,
               .doc = "a disabled task has no triggers"),
    FIELD_SPECIAL(struct task_decl, triggers, "triggers", "triggers",
                  .doc = "any of them starts the task"),
    FIELD_SPECIAL(struct task_decl, conditions, "conditions", "conditions",
                  .fields = condition_fields,
                  .doc = "expressions, or {when, unmet: STATUS}; all must hold"),
    FIELD_SPECIAL(struct task_decl, vars, "vars", "value", .doc = "names with initial values"),
    FIELD_SPECIAL(struct task_decl, mode, "mode", "mode", .fields = settings__mode_fields,
                  .doc = "parallel, single, restart, queued"),
    FIELD_SPECIAL(struct task_decl, at_most, "at-most", "at-most", .fields = settings__rate_fields,
                  .doc = "runs per time"),
    FIELD_SPECIAL(struct task_decl, on_error, "on-error", "on-error",
                  .fields = settings__handler_fields,
                  .doc = "what its steps do unless they say otherwise, or {run-task: ID}"),
    FIELD_DURATION(struct task_decl, timeout_ms, "timeout", .is_constant = true, .min = 1,
                   .doc = "a run that takes longer fails"),
    FIELD_SPECIAL(struct task_decl, actions, "actions", "chain", .required = true,
                  .doc = "the steps"),
    FIELD_END};

static struct config_reader reader_for(struct task_builder *tb, const char *subject) {
    return (struct config_reader){
        .diag = tb->builder->diag, .arena = tb->builder->arena, .subject = subject};
}

static const struct trigger_kind *find_kind(struct task_builder *tb,
                                            const struct config_node *key) {
    struct builder *b = tb->builder;
    for (size_t i = 0; b->input->triggers[i]; i++)
        if (slice_is(key->text, b->input->triggers[i]->name))
            return b->input->triggers[i];
    config_error(b->diag, key->mark, "unknown trigger \"" SLICE_FMT "\"", SLICE_ARG(key->text));
    config_hint_nearest(b->diag, key->text, b->trigger_names, b->trigger_total);
    return NULL;
}

bool trigger_build(struct task_builder *tb, const struct config_node *node, struct trigger *out) {
    struct config_diag *diag = tb->builder->diag;
    const struct config_node *key = node, *value = NULL;
    if (node->kind == CONFIG_SCALAR && node->text.size == 0) {
        config_error_empty(diag, node, "a trigger");
        return false;
    }
    if (node->kind == CONFIG_LIST || (node->kind == CONFIG_MAP && node->count != 1)) {
        config_error(diag, node->mark, "a trigger is a mapping with one key, its kind");
        return false;
    }
    if (node->kind == CONFIG_MAP) {
        key = node->keys[0];
        value = node->items[0];
    }
    out->kind = find_kind(tb, key);
    out->task = &tb->task->shared;
    out->mark = node->mark;
    if (!out->kind)
        return false;
    struct arg_block args;
    struct prepare prepare = {.tb = tb,
                              .fields = out->kind->fields,
                              .node = value,
                              .mark = node->mark,
                              .is_trigger = true,
                              .place = {.path = ""},
                              .subject =
                                  builder_printf(tb->builder, "trigger \"%s\"", out->kind->name)};
    if (!prepare.subject || !args_build(&prepare, out->kind->args_size, &args))
        return false;
    out->args = args.constant;
    return !out->kind->prepare || out->kind->prepare(&prepare, prepare.args);
}

static bool triggers_build(struct task_builder *tb, const struct config_node *node) {
    struct builder *b = tb->builder;
    if (node->kind != CONFIG_LIST) {
        config_error(b->diag, node->mark, "\"triggers\" must be a list");
        return false;
    }
    struct trigger *triggers = builder_alloc(b, (node->count + 1) * sizeof *triggers);
    if (!triggers)
        return false;
    bool is_good = true;
    for (size_t i = 0; i < node->count; i++) {
        if (!trigger_build(tb, node->items[i], &triggers[i]))
            is_good = false;
        triggers[i].number = (uint32_t)b->program->trigger_total++;
    }
    tb->task->shared.triggers = triggers;
    tb->task->shared.trigger_count = node->count;
    return is_good;
}

static bool condition_build(struct task_builder *tb, const struct config_node *node,
                            struct task_condition *out) {
    struct config_reader reader = reader_for(tb, "a condition");
    struct condition_decl decl;
    if (!config_read(&reader, node, node->mark, condition_fields,
                     (struct config_target){&decl, sizeof decl}))
        return false;
    out->when = template_build(tb, decl.when, EXPR_AS_CONDITION);
    witnesses_build(tb, out);
    out->unmet = decl.unmet;
    out->mark = node->mark;
    return out->when != NULL;
}

static bool conditions_build(struct task_builder *tb, const struct config_node *node) {
    bool is_list = node->kind == CONFIG_LIST;
    size_t count = is_list ? node->count : 1;
    struct task_condition *all = builder_alloc(tb->builder, (count + 1) * sizeof *all);
    bool is_good = all != NULL;
    for (size_t i = 0; all && i < count; i++)
        if (!condition_build(tb, is_list ? node->items[i] : node, &all[i]))
            is_good = false;
    tb->task->conditions = all;
    tb->task->condition_count = all ? count : 0;
    return is_good;
}

static bool var_build(struct task_builder *tb, const struct config_node *key,
                      const struct config_node *value, struct task_var *out) {
    struct value_tree *tree = builder_alloc(tb->builder, sizeof *tree);
    out->name = key->text;
    out->slot = names_find(tb, key->text);
    out->initial = tree;
    if (!tree || !tree_build(tb, value, tree))
        return false;
    if (!tree_is_constant(tree) || tree->constant.type == VALUE_NIL)
        return true;
    out->box = value_box_new(tree->constant);
    if (!out->box)
        config_error(tb->builder->diag, value->mark, "the value nests more than %d deep",
                     VALUE_DEPTH_MAX);
    return out->box != NULL;
}

static bool vars_build(struct task_builder *tb, const struct config_node *node) {
    if (node->kind != CONFIG_MAP) {
        config_error(tb->builder->diag, node->mark,
                     "\"vars\" must be a mapping of names to values");
        return false;
    }
    struct task_var *vars = builder_alloc(tb->builder, (node->count + 1) * sizeof *vars);
    bool is_good = vars != NULL;
    tb->task->vars = vars;
    for (size_t i = 0; vars && i < node->count; i++) {
        tb->task->var_count = i + 1;
        if (!var_build(tb, node->keys[i], node->items[i], &vars[i]))
            is_good = false;
    }
    return is_good;
}

/* Of the declaration as it reads, so that a changed task is another one. */
static uint64_t node_hash(const struct config_node *node, uint64_t seed) {
    struct hash_key key = {seed, (uint64_t)node->kind};
    uint64_t hash = hash_bytes(&key, node->kind == CONFIG_SCALAR ? node->text : SLICE_NONE);
    for (size_t i = 0; node->kind != CONFIG_SCALAR && i < node->count; i++) {
        if (node->kind == CONFIG_MAP)
            hash = node_hash(node->keys[i], hash);
        hash = node_hash(node->items[i], hash);
    }
    return hash;
}

static void decide_enabled(struct task_builder *tb, bool by_file) {
    const struct program_input *input = tb->builder->input;
    struct task *task = &tb->task->shared;
    task->is_enabled_by_file = by_file;
    task->is_enabled =
        input->is_enabled ? input->is_enabled(input->context, task->id, by_file) : by_file;
}

static bool parts_build(struct task_builder *tb, const struct task_decl *decl) {
    struct program_step defaults = {0};
    struct task_program *task = tb->task;
    task->on_error_task = SLICE("");
    bool is_good =
        !decl->on_error || on_error_read(tb, decl->on_error, &defaults, &task->on_error_task);
    task->on_error = defaults.on_error;
    task->retry = defaults.retry;
    if (decl->vars && !vars_build(tb, decl->vars))
        is_good = false;
    if (decl->triggers && !triggers_build(tb, decl->triggers))
        is_good = false;
    if (decl->conditions && !conditions_build(tb, decl->conditions))
        is_good = false;
    if (!task_settings_build(tb, decl->mode, decl->at_most))
        is_good = false;
    struct chain_place place = {.path = ""};
    return (!decl->actions || chain_build(tb, decl->actions, place, &task->actions)) && is_good;
}

bool task_build(struct builder *b, const struct config_entry *entry, struct task_program *task) {
    struct task_builder tb = {.builder = b, .task = task};
    struct config_reader reader = reader_for(&tb, "");
    struct task_decl decl;
    tb.names.tables = b->program->variables;
    reader.subject = builder_printf(b, "task \"" SLICE_FMT "\"", SLICE_ARG(entry->id));
    task->folder = config_folder(entry->mark, b->arena);
    if (!reader.subject || !task->folder.bytes) {
        builder_no_memory(b);
        return false;
    }
    if (entry->value->kind != CONFIG_MAP) {
        config_error(b->diag, entry->mark, "%s must be a mapping", reader.subject);
        return false;
    }
    bool is_good = config_read(&reader, entry->value, entry->mark, engine_task_fields,
                               (struct config_target){&decl, sizeof decl});
    task->shared.name = decl.name;
    task->shared.description = decl.description;
    task->timeout_ms = decl.timeout_ms;
    task->source_hash = node_hash(entry->value, 0);
    decide_enabled(&tb, decl.enabled);
    names_collect(&tb, decl.vars, decl.actions);
    return parts_build(&tb, &decl) && is_good;
}
