/* Templates and conditions with the real tables of variables, compiled and evaluated within small
 * bounds; and the matching of messages. The first byte says which. */
#include "expr/expr.h"
#include "tests/fuzz/fuzz.h"
#include "triggers/triggers.h"

#define TIME_NS      5000000
#define MEMORY_BYTES (1 << 20)

static const char *const slots[] = {"list", "map", "text", "absent"};

static void hear(void *context, const struct expr_problem *problem) {
    *(bool *)context |= !problem->is_warning;
    assert(problem->text[0]);
}

static void evaluate(struct expr_set *set, const struct expr_template *tpl, bool is_condition) {
    struct arena arena;
    struct value list, map;
    struct slice text;
    size_t at;
    char why[EXPR_WHY_MAX] = "";
    arena_init(&arena, 4096, 8 << 20);
    assert(!json_decode(SLICE("[1,2.5,\"x\",null,[],{}]"), &arena, &list, &at));
    assert(!json_decode(SLICE("{\"a\":{\"b\":[1]},\"c\":\"<&>\"}"), &arena, &map, &at));
    struct value_box *boxes[] = {value_box_new(list), value_box_new(map),
                                 value_box_new(value_bytes(SLICE("5 \xff<b>"))), NULL};
    struct expr_lua *lua = expr_lua_new(&clock_system);
    assert(lua);
    struct expr_scope scope = {.slots = boxes, .session = map, .lua = lua, .arena = &arena};
    for (unsigned i = 0; i < 2; i++) {
        enum expr_escape escape = i ? EXPR_HTML : EXPR_PLAIN;
        bool is_true;
        struct value value;
        enum status status = is_condition ? expr_eval_bool(tpl, &scope, &is_true, why)
                                          : expr_eval(tpl, &scope, escape, &value, why);
        assert(!status || why[0]);
        if (!is_condition && !status)
            (void)expr_eval_text(tpl, &scope, escape, &text, why);
    }
    expr_lua_forget(lua, set);
    expr_lua_free(lua);
    for (size_t i = 0; i < ARRAY_SIZE(boxes); i++)
        value_box_unref(boxes[i]);
    arena_deinit(&arena);
}

static void try_template(struct expr_set *set, struct slice text, enum expr_use use) {
    const struct expr_names names = {trigger_variables, slots, ARRAY_SIZE(slots)};
    bool has_error = false;
    const struct expr_template *tpl =
        expr_compile(set, text, use, &names, (struct expr_report){hear, &has_error});
    assert(!tpl == has_error);
    if (tpl)
        evaluate(set, tpl, use == EXPR_AS_CONDITION);
}

static const struct value *get_json(void *context) { return context; }

/* A pattern, a text, or a path with its value in the first lines, then the message; for the path
 * the message comes first. */
static void try_match(struct expr_set *set, struct slice input, unsigned mode) {
    struct expr_match_keys keys = {.case_sensitive = mode % 2};
    struct expr_problem problem = {0};
    struct expr_groups groups = {0};
    struct slice first = fuzz_until(&input, '\n'), message = mode < 4 ? input : first;
    struct slice path = fuzz_until(&input, '\n');
    struct expr_subject subject = {.message = message};
    struct value json, wanted;
    struct arena arena;
    const char *gate = NULL;
    size_t at;
    bool has_failed = false;
    struct slice *const texts[] = {&keys.regex, &keys.contains, &keys.starts_with, &keys.exact};
    if (mode < ARRAY_SIZE(texts))
        *texts[mode] = first;
    arena_init(&arena, 4096, 8 << 20);
    if (mode >= ARRAY_SIZE(texts) && !json_decode(message, &arena, &json, &at) &&
        !json_decode(input, &arena, &wanted, &at)) {
        keys.json_paths = &path;
        keys.json_values = &wanted;
        keys.json_count = 1;
        subject.json = get_json;
        subject.context = &json;
    }
    struct expr_matcher *matcher = expr_matcher_new(set, &keys, &problem);
    assert(matcher || problem.text[0]);
    if (matcher && expr_match(matcher, &subject, &groups, &gate, &has_failed))
        for (uint32_t i = 0; i < groups.count && i < EXPR_GROUPS_MAX; i++)
            assert(groups.starts[i] == UINT32_MAX || groups.ends[i] <= message.size);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    uint8_t how = fuzz_byte(&input);
    struct slice text = fuzz_copy(input);
    struct expr_set *set = expr_set_new(TIME_NS, MEMORY_BYTES);
    assert(set);
    if (how % 3 == 2)
        try_match(set, text, how / 3 % 5);
    else
        try_template(set, text, how % 3 ? EXPR_AS_CONDITION : EXPR_AS_TEMPLATE);
    expr_set_free(set);
    fuzz_drop(text);
    return 0;
}
