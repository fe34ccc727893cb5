/* Compiles the blocks: which keys belong to which, and what their parts must be. */
#include "engine/program.h"

#define PARALLEL_MAX 64

typedef bool (*block_fn)(struct task_builder *tb, const struct config_node *node,
                         struct chain_place place, struct program_step *step);
struct block {
    const char *head;
    const char *parts[4];
    block_fn build;
};

static bool if_build(struct task_builder *, const struct config_node *, struct chain_place,
                     struct program_step *);
static bool choose_build(struct task_builder *, const struct config_node *, struct chain_place,
                         struct program_step *);
static bool switch_build(struct task_builder *, const struct config_node *, struct chain_place,
                         struct program_step *);
static bool repeat_build(struct task_builder *, const struct config_node *, struct chain_place,
                         struct program_step *);
static bool parallel_build(struct task_builder *, const struct config_node *, struct chain_place,
                           struct program_step *);
static bool try_build(struct task_builder *, const struct config_node *, struct chain_place,
                      struct program_step *);
static bool jump_build(struct task_builder *, const struct config_node *, struct chain_place,
                       struct program_step *);

static const struct block blocks[] = {
    {"if", {"then", "else"}, if_build},
    {"choose", {"default"}, choose_build},
    {"switch", {"cases", "default"}, switch_build},
    {"repeat", {"max", "do"}, repeat_build},
    {"parallel", {NULL}, parallel_build},
    {"try", {"catch", "finally"}, try_build},
    {"break", {NULL}, jump_build},
    {"continue", {NULL}, jump_build},
    {"set", {NULL}, NULL}, /* the engine's own action, built by set_build() */
};

const struct engine_block engine_blocks[] = {
    {"if", "runs `then` when the expression holds, else `else`",
     "- if: HttpMethod == \"GET\"\n  then: [...]\n  else: [...]"},
    {"choose", "runs the first branch whose `when` holds, else `default`",
     "- choose:\n    - when: EXPR\n      do: [...]\n  default: [...]"},
    {"switch", "runs the case that equals the value, else `default`",
     "- switch: ${HttpMethod}\n  cases:\n    GET: [...]\n  default: [...]"},
    {"repeat", "runs `do` in rounds: for-each, times, while or until; past `max` it fails",
     "- repeat: {for-each: \"${list}\", as: item}\n  max: 10000\n  do: [...]"},
    {"parallel", "runs chains beside each other and waits for all; one that fails ends the others",
     "- parallel:\n    - [...]\n    - [...]"},
    {"try", "a failure inside runs `catch`; `finally` runs in any case",
     "- try: [...]\n  catch: [...]\n  finally: [...]"},
    {"break", "leaves the innermost repeat", "- break"},
    {"continue", "goes on with the next round of the innermost repeat", "- continue"},
    {"set", "gives names of the run, session.NAME or global.NAME a value; null removes",
     "- set: {count: 1, session.nick: \"${Match(name)}\"}"},
    {NULL, NULL, NULL}};

const char *block_head(struct slice key) {
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        if (slice_is(key, blocks[i].head))
            return blocks[i].head;
    return NULL;
}

bool block_has_part(const char *head, struct slice key) {
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        for (size_t p = 0; slice_is(slice_of(head), blocks[i].head) && blocks[i].parts[p]; p++)
            if (slice_is(key, blocks[i].parts[p]))
                return true;
    return false;
}

const char *block_of_part(struct slice key) {
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        if (block_has_part(blocks[i].head, key))
            return blocks[i].head;
    return NULL;
}

/* The chain below `node`, whose steps are called PLACE/`name`/1 and so on. */
static bool part_build(struct task_builder *tb, const struct config_node *node, const char *name,
                       struct chain_place place, struct chain *out) {
    char *path = builder_printf(tb->builder, "%s%s/", place.path, name);
    if (!path)
        return false;
    place.path = path;
    place.depth++;
    return chain_build(tb, node, place, out);
}

/* The chain under `key` of the block, which may be absent. */
static bool optional_build(struct task_builder *tb, const struct config_node *block,
                           const char *key, struct chain_place place, struct chain *out) {
    const struct config_node *node = config_get(block, key);
    return !node || part_build(tb, node, key, place, out);
}

static const struct config_node *need(struct task_builder *tb, const struct config_node *block,
                                      const char *head, const char *key) {
    const struct config_node *node = config_get(block, key);
    if (!node)
        config_error(tb->builder->diag, block->mark, "\"%s\" needs the key \"%s\"", head, key);
    return node;
}

static bool if_build(struct task_builder *tb, const struct config_node *node,
                     struct chain_place place, struct program_step *step) {
    struct branch *branch = builder_alloc(tb->builder, sizeof *branch);
    const struct config_node *then = need(tb, node, "if", "then");
    if (!branch)
        return false;
    branch->when = template_build(tb, config_get(node, "if"), EXPR_AS_CONDITION);
    bool is_good = branch->when != NULL && then != NULL;
    if (then && !part_build(tb, then, "then", place, &branch->chain))
        is_good = false;
    step->kind = STEP_IF;
    step->branches = branch;
    step->branch_count = 1;
    return optional_build(tb, node, "else", place, &step->chain) && is_good;
}

struct choice {
    const struct config_node *when, *chain;
};
static const struct config_field choice_fields[] = {
    FIELD_SPECIAL(struct choice, when, "when", "expression", .required = true,
                  .doc = "the branch is taken when this holds"),
    FIELD_SPECIAL(struct choice, chain, "do", "chain", .required = true, .doc = "its steps"),
    FIELD_END};

static bool choice_build(struct task_builder *tb, const struct config_node *node,
                         struct chain_place place, struct branch *out) {
    struct config_reader reader = {
        .diag = tb->builder->diag, .arena = tb->builder->arena, .subject = "a branch of choose"};
    struct choice choice;
    if (node->kind != CONFIG_MAP) {
        config_error(tb->builder->diag, node->mark,
                     "a branch of choose must be a mapping with \"when\" and \"do\"");
        return false;
    }
    if (!config_read(&reader, node, node->mark, choice_fields,
                     (struct config_target){&choice, sizeof choice}))
        return false;
    out->when = template_build(tb, choice.when, EXPR_AS_CONDITION);
    return part_build(tb, choice.chain, "do", place, &out->chain) && out->when != NULL;
}

static bool choose_build(struct task_builder *tb, const struct config_node *node,
                         struct chain_place place, struct program_step *step) {
    const struct config_node *list = config_get(node, "choose");
    if (list->kind != CONFIG_LIST || list->count == 0) {
        config_error(tb->builder->diag, list->mark,
                     "\"choose\" must be a list of mappings with \"when\" and \"do\"");
        return false;
    }
    struct branch *branches = builder_alloc(tb->builder, list->count * sizeof *branches);
    bool is_good = branches != NULL;
    for (size_t i = 0; branches && i < list->count; i++) {
        struct chain_place inner = place;
        inner.path = builder_printf(tb->builder, "%schoose/%zu/", place.path, i + 1);
        if (!inner.path || !choice_build(tb, list->items[i], inner, &branches[i]))
            is_good = false;
    }
    step->kind = STEP_IF;
    step->branches = branches;
    step->branch_count = list->count;
    return optional_build(tb, node, "default", place, &step->chain) && is_good;
}

static bool cases_build(struct task_builder *tb, const struct config_node *cases,
                        struct chain_place place, struct program_step *step) {
    if (cases->kind != CONFIG_MAP || cases->count == 0) {
        config_error(tb->builder->diag, cases->mark,
                     "\"cases\" must be a mapping of values to steps");
        return false;
    }
    struct branch *branches = builder_alloc(tb->builder, cases->count * sizeof *branches);
    bool is_good = branches != NULL;
    for (size_t i = 0; branches && i < cases->count; i++) {
        branches[i].label = cases->keys[i]->text;
        char *name = builder_printf(tb->builder, "cases/" SLICE_FMT, SLICE_ARG(branches[i].label));
        if (!name || !part_build(tb, cases->items[i], name, place, &branches[i].chain))
            is_good = false;
    }
    step->branches = branches;
    step->branch_count = cases->count;
    return is_good;
}

static bool switch_build(struct task_builder *tb, const struct config_node *node,
                         struct chain_place place, struct program_step *step) {
    const struct config_node *subject = config_get(node, "switch");
    const struct config_node *cases = need(tb, node, "switch", "cases");
    bool is_good = cases != NULL;
    step->kind = STEP_SWITCH;
    step->subject = template_build(tb, subject, EXPR_AS_TEMPLATE);
    if (step->subject && expr_is_constant(step->subject)) {
        config_error(tb->builder->diag, subject->mark,
                     "\"switch\" needs a value that can differ, got the text \"" SLICE_FMT "\"",
                     SLICE_ARG(subject->text));
        config_hint(tb->builder->diag, "write ${" SLICE_FMT "}", SLICE_ARG(subject->text));
        is_good = false;
    }
    if (cases && !cases_build(tb, cases, place, step))
        is_good = false;
    return optional_build(tb, node, "default", place, &step->chain) && is_good && step->subject;
}

struct loop {
    const struct config_node *times, *each, *as, *while_, *until;
};
static const struct config_field loop_fields[] = {
    FIELD_SPECIAL(struct loop, times, "times", "value", .doc = "how many rounds"),
    FIELD_SPECIAL(struct loop, each, "for-each", "value", .doc = "a round for each item of a list"),
    FIELD_SPECIAL(struct loop, as, "as", "slot",
                  .doc = "the name of the item (of the round, from 1)"),
    FIELD_SPECIAL(struct loop, while_, "while", "expression", .doc = "asked before each round"),
    FIELD_SPECIAL(struct loop, until, "until", "expression", .doc = "asked after each round"),
    FIELD_END};
struct loop_parts {
    uint32_t max;
};
static const struct config_field max_field = FIELD_U32(
    struct loop_parts, max, "max", .min = 1, .max = 1000000000, .doc = "rounds; past it a failure");

static bool loop_kind_build(struct task_builder *tb, const struct loop *loop,
                            struct program_step *step) {
    if (loop->while_)
        return (step->while_ = template_build(tb, loop->while_, EXPR_AS_CONDITION)) != NULL;
    if (loop->until)
        return (step->until = template_build(tb, loop->until, EXPR_AS_CONDITION)) != NULL;
    struct value_tree *tree = builder_alloc(tb->builder, sizeof *tree);
    if (!tree || !tree_build(tb, loop->times ? loop->times : loop->each, tree))
        return false;
    if (loop->each)
        step->each = tree;
    else
        step->times = tree;
    if (!tree_is_constant(tree))
        return true;
    if (loop->times && (tree->constant.type != VALUE_INT || tree->constant.integer < 0)) {
        config_error(tb->builder->diag, tree->mark, "\"times\" must be a number from 0");
        return false;
    }
    if (loop->each && tree->constant.type != VALUE_LIST && tree->constant.type != VALUE_MAP) {
        config_error(tb->builder->diag, tree->mark, "\"for-each\" needs a list or a mapping");
        config_hint(tb->builder->diag, "a variable wants ${...} around it");
        return false;
    }
    return true;
}

static bool loop_build(struct task_builder *tb, const struct config_node *node,
                       struct program_step *step) {
    struct config_reader reader = {
        .diag = tb->builder->diag, .arena = tb->builder->arena, .subject = "repeat"};
    struct loop loop;
    if (!config_read(&reader, node, node->mark, loop_fields,
                     (struct config_target){&loop, sizeof loop}))
        return false;
    if (!loop.times + !loop.each + !loop.while_ + !loop.until != 3) {
        config_error(tb->builder->diag, node->mark,
                     "\"repeat\" needs one of for-each, times, while, until");
        return false;
    }
    if (loop.as)
        step->as = names_find(tb, loop.as->text);
    return loop_kind_build(tb, &loop, step);
}

static bool rounds_build(struct task_builder *tb, const struct config_node *node,
                         struct program_step *step) {
    struct loop_parts parts = {REPEAT_MAX_DEFAULT};
    char why[CONFIG_WHY_MAX] = "\"max\" must be a number";
    if (node && (node->kind != CONFIG_SCALAR ||
                 config_store(&max_field, node->text, &parts, 0, why) != STATUS_OK)) {
        config_error(tb->builder->diag, node->mark, "%s", why);
        return false;
    }
    step->max_rounds = parts.max;
    return true;
}

static bool repeat_build(struct task_builder *tb, const struct config_node *node,
                         struct chain_place place, struct program_step *step) {
    const struct config_node *chain = need(tb, node, "repeat", "do");
    step->kind = STEP_REPEAT;
    bool is_good = loop_build(tb, config_get(node, "repeat"), step);
    if (!rounds_build(tb, config_get(node, "max"), step))
        is_good = false;
    place.in_loop = true;
    place.in_parallel = false;
    return chain && part_build(tb, chain, "do", place, &step->chain) && is_good;
}

static bool parallel_build(struct task_builder *tb, const struct config_node *node,
                           struct chain_place place, struct program_step *step) {
    const struct config_node *list = config_get(node, "parallel");
    if (list->kind != CONFIG_LIST || list->count == 0 || list->count > PARALLEL_MAX) {
        config_error(tb->builder->diag, list->mark, "\"parallel\" must be a list of 1 to %d chains",
                     PARALLEL_MAX);
        return false;
    }
    struct branch *branches = builder_alloc(tb->builder, list->count * sizeof *branches);
    bool is_good = branches != NULL;
    place.in_parallel = place.in_loop;
    place.in_loop = false;
    for (size_t i = 0; branches && i < list->count; i++) {
        char *name = builder_printf(tb->builder, "parallel/%zu", i + 1);
        if (!name || !part_build(tb, list->items[i], name, place, &branches[i].chain))
            is_good = false;
    }
    step->kind = STEP_PARALLEL;
    step->branches = branches;
    step->branch_count = list->count;
    return is_good;
}

static bool try_build(struct task_builder *tb, const struct config_node *node,
                      struct chain_place place, struct program_step *step) {
    struct chain_place inside = place;
    step->kind = STEP_TRY;
    step->has_catch = config_get(node, "catch") != NULL;
    step->has_finally = config_get(node, "finally") != NULL;
    bool is_good = step->has_catch || step->has_finally;
    if (!is_good)
        config_error(tb->builder->diag, node->mark, "\"try\" needs \"catch\" or \"finally\"");
    inside.in_try = step->has_catch || place.in_try;
    if (!part_build(tb, config_get(node, "try"), "try", inside, &step->chain))
        is_good = false;
    if (!optional_build(tb, node, "catch", place, &step->catch))
        is_good = false;
    /* A jump out of `finally` would forget why the block was left. */
    place.in_loop = place.in_parallel = false;
    return optional_build(tb, node, "finally", place, &step->finally) && is_good;
}

static bool jump_build(struct task_builder *tb, const struct config_node *node,
                       struct chain_place place, struct program_step *step) {
    bool is_break = node->kind == CONFIG_SCALAR ? slice_is(node->text, "break")
                                                : config_get(node, "break") != NULL;
    const char *name = is_break ? "break" : "continue";
    const struct config_node *value = node->kind == CONFIG_MAP ? config_get(node, name) : NULL;
    step->kind = is_break ? STEP_BREAK : STEP_CONTINUE;
    if (value && !config_is_null(value) && !(value->kind == CONFIG_MAP && value->count == 0)) {
        config_error(tb->builder->diag, value->mark, "\"%s\" takes no value", name);
        return false;
    }
    if (place.in_loop)
        return true;
    config_error(tb->builder->diag, node->mark, "\"%s\" %s", name,
                 place.in_parallel ? "cannot leave a parallel" : "stands in no repeat");
    return false;
}

bool block_build(struct task_builder *tb, const struct config_node *node, struct chain_place place,
                 struct program_step *step) {
    struct slice bare = node->kind == CONFIG_SCALAR ? node->text : SLICE_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        if (bare.size ? !slice_is(bare, blocks[i].head) : !config_get(node, blocks[i].head))
            continue;
        if (!bare.size || blocks[i].build == jump_build)
            return blocks[i].build(tb, node, place, step);
        config_error(tb->builder->diag, node->mark, "\"%s\" needs a value", blocks[i].head);
    }
    return false;
}
