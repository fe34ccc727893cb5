/* Compiles lists of steps: the common keys, then exactly one action or block. */
#include "engine/program.h"

#include <stdlib.h>

#define STEP_KEYS_MAX 16

struct step_common {
    struct slice name;
    const struct config_node *when, *save, *on_error;
    uint64_t timeout_ms;
};
const struct config_field engine_step_fields[] = {
    FIELD_TEXT(struct step_common, name, "name", .is_constant = true,
               .doc = "what the step is called in logs and listings"),
    FIELD_SPECIAL(struct step_common, when, "when", "expression",
                  .doc = "the step is skipped unless this holds"),
    FIELD_DURATION(struct step_common, timeout_ms, "timeout", .is_constant = true, .min = 1,
                   .doc = "the step fails when it takes longer"),
    FIELD_SPECIAL(struct step_common, save, "save", "slot",
                  .doc = "the name that gets the result of the action"),
    FIELD_SPECIAL(struct step_common, on_error, "on-error", "on-error",
                  .fields = settings__handler_fields,
                  .doc = "fail, continue, or retry: {attempts, delay, max-delay}"),
    FIELD_END};

/* One step on its way from YAML. */
struct draft {
    struct task_builder *tb;
    const struct config_node *node;
    struct chain_place place; /* its path names the step itself */
    struct step_common common;
    const struct config_node *keys[STEP_KEYS_MAX]; /* what is not common */
    const struct config_node *values[STEP_KEYS_MAX];
    size_t count;
    bool has_errors;
};

static const struct action_kind *find_action(const struct builder *b, struct slice name) {
    for (size_t i = 0; b->input->actions[i]; i++)
        if (slice_is(name, b->input->actions[i]->name))
            return b->input->actions[i];
    return NULL;
}

static bool on_other_key(void *context, const struct config_node *key,
                         const struct config_node *value) {
    struct draft *draft = context;
    if (draft->count == STEP_KEYS_MAX) {
        config_error(draft->tb->builder->diag, key->mark, "a step with more than %d keys",
                     STEP_KEYS_MAX);
        draft->has_errors = true;
        return true;
    }
    draft->keys[draft->count] = key;
    draft->values[draft->count++] = value;
    return true;
}

static void unknown_key(struct draft *draft, const struct config_node *key, bool has_head) {
    struct builder *b = draft->tb->builder;
    const char *block = block_of_part(key->text);
    if (block) {
        config_error(b->diag, key->mark, "\"" SLICE_FMT "\" without \"%s\"", SLICE_ARG(key->text),
                     block);
        return;
    }
    if (!has_head) {
        config_error(b->diag, key->mark, "unknown action \"" SLICE_FMT "\"", SLICE_ARG(key->text));
        config_hint_nearest(b->diag, key->text, b->action_names, b->action_total);
        return;
    }
    static const char *const keys[] = {"name",  "when",    "timeout", "save",    "on-error",
                                       "then",  "else",    "do",      "default", "cases",
                                       "catch", "finally", "max"};
    config_error(b->diag, key->mark, "unknown key \"" SLICE_FMT "\" in a step",
                 SLICE_ARG(key->text));
    config_hint_nearest(b->diag, key->text, keys, ARRAY_SIZE(keys));
}

static bool is_head(const struct draft *draft, struct slice key) {
    return block_head(key) || find_action(draft->tb->builder, key);
}

/* The one key that says what the step is, with its value; NULL after an error. */
static const struct config_node *find_head(struct draft *draft, const struct config_node **value) {
    struct builder *b = draft->tb->builder;
    const struct config_node *head = NULL;
    for (size_t i = 0; i < draft->count; i++) {
        const struct config_node *key = draft->keys[i];
        if (!is_head(draft, key->text))
            continue;
        if (head) {
            config_error(b->diag, key->mark,
                         "a step has one action or block, found \"" SLICE_FMT "\" and \"" SLICE_FMT
                         "\"",
                         SLICE_ARG(head->text), SLICE_ARG(key->text));
            config_hint(b->diag, "begin a new step with \"- " SLICE_FMT ":\"",
                        SLICE_ARG(key->text));
            return NULL;
        }
        head = key;
        *value = draft->values[i];
    }
    bool is_good = true;
    const char *block = head ? block_head(head->text) : NULL;
    for (size_t i = 0; i < draft->count; i++) {
        const struct config_node *key = draft->keys[i];
        if (key == head || (block && block_has_part(block, key->text)))
            continue;
        unknown_key(draft, key, head != NULL);
        is_good = false;
    }
    if (!head && draft->count == 0)
        config_error(b->diag, draft->node->mark, "a step needs an action or a block");
    return is_good ? head : NULL;
}

static bool action_build(struct draft *draft, const struct action_kind *kind,
                         const struct config_node *value, struct program_step *step) {
    struct prepare prepare = {.tb = draft->tb,
                              .fields = kind->fields,
                              .node = value,
                              .mark = draft->node->mark,
                              .place = draft->place,
                              .subject =
                                  builder_printf(draft->tb->builder, "action \"%s\"", kind->name)};
    step->kind = STEP_ACTION;
    step->action = kind;
    if (!prepare.subject || !args_build(&prepare, kind->args_size, &step->args))
        return false;
    return !kind->prepare || kind->prepare(&prepare, prepare.args);
}

static bool head_build(struct draft *draft, struct slice head, const struct config_node *value,
                       struct program_step *step) {
    struct builder *b = draft->tb->builder;
    if (slice_is(head, "set"))
        return set_build(draft->tb, value ? value : draft->node, step);
    if (block_head(head))
        return block_build(draft->tb, draft->node, draft->place, step);
    const struct action_kind *kind = find_action(b, head);
    if (kind)
        return action_build(draft, kind, value, step);
    config_error(b->diag, draft->node->mark, "unknown action \"" SLICE_FMT "\"", SLICE_ARG(head));
    config_hint_nearest(b->diag, head, b->action_names, b->action_total);
    return false;
}

static bool common_build(struct draft *draft, struct program_step *step) {
    struct step_common *common = &draft->common;
    bool is_good = true;
    step->name = common->name;
    step->timeout_ms = common->timeout_ms;
    if (common->when) {
        step->when = template_build(draft->tb, common->when, EXPR_AS_CONDITION);
        is_good = step->when != NULL;
    }
    if (common->save && common->save->kind != CONFIG_SCALAR) {
        config_error(draft->tb->builder->diag, common->save->mark, "\"save\" must be a name");
        is_good = false;
    } else if (common->save && step->kind != STEP_ACTION) {
        config_error(draft->tb->builder->diag, common->save->mark,
                     "\"save\" belongs to an action: a block has no result");
        is_good = false;
    } else if (common->save) {
        step->save = names_find(draft->tb, common->save->text);
    }
    struct slice none = SLICE_NONE;
    if (common->on_error)
        return on_error_read(draft->tb, common->on_error, step, &none) && is_good;
    /* The default of a task is for its actions; a block fails when one of its steps still does. */
    bool is_default = step->kind == STEP_ACTION || step->kind == STEP_SET ||
                      draft->tb->task->on_error == ON_ERROR_CONTINUE;
    if (is_default && !(draft->place.in_try && draft->tb->task->on_error == ON_ERROR_CONTINUE)) {
        step->on_error = draft->tb->task->on_error;
        step->retry = draft->tb->task->retry;
    }
    return is_good;
}

static uint64_t step_id(const struct task_program *task, struct slice place) {
    struct hash_key key = {task->source_hash, 0x73746570};
    return hash_bytes(&key, place);
}

static bool step_build(struct draft *draft, struct program_step *step) {
    struct builder *b = draft->tb->builder;
    const struct config_node *node = draft->node, *value = NULL;
    step->mark = node->mark;
    step->save = SLOT_NONE;
    step->as = SLOT_NONE;
    step->task = draft->tb->task;
    step->place = slice_of(draft->place.path);
    step->place.size--; /* without the final slash */
    step->id = step_id(step->task, step->place);
    if (node->kind == CONFIG_SCALAR) {
        if (node->text.size == 0) {
            config_error_empty(b->diag, node, "a step");
            return false;
        }
        return head_build(draft, node->text, NULL, step) && common_build(draft, step);
    }
    struct config_reader reader = {.diag = b->diag,
                                   .arena = b->arena,
                                   .subject = "a step",
                                   .context = draft,
                                   .unknown = on_other_key};
    bool is_good = config_read(&reader, node, node->mark, engine_step_fields,
                               (struct config_target){&draft->common, sizeof draft->common}) &&
                   !draft->has_errors;
    const struct config_node *head = find_head(draft, &value);
    if (!head)
        return false;
    if (!head_build(draft, head->text, value, step))
        is_good = false;
    return common_build(draft, step) && is_good;
}

/* `- cases: ...` aliases of lists are spliced in; other than mappings and words are errors. */
static bool steps_build(struct task_builder *tb, const struct config_steps *steps,
                        struct chain_place place, struct program_step *out) {
    bool is_good = true;
    for (size_t i = 0; i < steps->count; i++) {
        struct draft draft = {.tb = tb, .node = steps->items[i], .place = place};
        draft.place.path = builder_printf(tb->builder, "%s%zu/", place.path, i + 1);
        if (!draft.place.path)
            return false;
        if (!step_build(&draft, &out[i]))
            is_good = false;
    }
    return is_good;
}

bool chain_build(struct task_builder *tb, const struct config_node *node, struct chain_place place,
                 struct chain *out) {
    struct builder *b = tb->builder;
    struct config_steps steps;
    if (place.depth > BLOCK_DEPTH_MAX) {
        config_error(b->diag, node->mark, "blocks nest more than %d deep", BLOCK_DEPTH_MAX);
        config_hint(b->diag, "move the inner part to a task of its own and run it with run-task");
        return false;
    }
    enum status status = config_steps(node, "steps", b->arena, b->diag, &steps);
    if (status != STATUS_OK) {
        if (status == STATUS_NO_MEMORY)
            builder_no_memory(b);
        return false;
    }
    struct program_step *all = builder_alloc(b, (steps.count + 1) * sizeof *all);
    if (!all)
        return false;
    *out = (struct chain){all, (uint32_t)steps.count};
    return steps_build(tb, &steps, place, all);
}
