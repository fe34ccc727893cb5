/* Scalars by YAML 1.2 core, places inside of them, steps, IDs and folders. */
#include "config/config.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/config/parse_help.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static struct config_scalar scalar_of(const char *yaml) {
    struct parsed in;
    parse(&in, yaml);
    assert_non_null(in.root);
    assert_int_equal(in.root->kind, CONFIG_SCALAR);
    struct config_scalar scalar = config_scalar(in.root);
    parsed_free(&in);
    return scalar;
}

static const struct typed {
    const char *yaml;
    enum config_scalar_type type;
} cases[] = {
    {"~", CONFIG_NIL},
    {"null", CONFIG_NIL},
    {"Null", CONFIG_NIL},
    {"NULL", CONFIG_NIL},
    {"", CONFIG_NIL},
    {"nULL", CONFIG_STRING},
    {"'~'", CONFIG_STRING},
    {"true", CONFIG_BOOLEAN},
    {"False", CONFIG_BOOLEAN},
    {"TRUE", CONFIG_BOOLEAN},
    {"tRUE", CONFIG_STRING},
    {"yes", CONFIG_STRING},
    {"no", CONFIG_STRING},
    {"on", CONFIG_STRING},
    {"\"true\"", CONFIG_STRING},
    {"0", CONFIG_INTEGER},
    {"-0", CONFIG_INTEGER},
    {"+7", CONFIG_INTEGER},
    {"007", CONFIG_INTEGER},
    {"0x1f", CONFIG_INTEGER},
    {"0o17", CONFIG_INTEGER},
    {"0b1", CONFIG_STRING},
    {"0x", CONFIG_STRING},
    {"-0x1", CONFIG_STRING},
    {"0o8", CONFIG_STRING},
    {"1_000", CONFIG_STRING},
    {"12:30", CONFIG_STRING},
    {"+", CONFIG_STRING},
    {"-.", CONFIG_STRING},
    {"1.", CONFIG_FLOAT},
    {".5", CONFIG_FLOAT},
    {"1.10", CONFIG_FLOAT},
    {"1e3", CONFIG_FLOAT},
    {"-1.5E-3", CONFIG_FLOAT},
    {"1e", CONFIG_STRING},
    {"1e+", CONFIG_STRING},
    {".", CONFIG_STRING},
    {"+.", CONFIG_STRING},
    {"1.2.3", CONFIG_STRING},
    {".inf", CONFIG_FLOAT},
    {"-.INF", CONFIG_FLOAT},
    {"+.Inf", CONFIG_FLOAT},
    {".nan", CONFIG_FLOAT},
    {"-.nan", CONFIG_STRING},
    {"inf", CONFIG_STRING},
    {"nan", CONFIG_STRING},
    {"2026-01-31", CONFIG_STRING},
    {"|\n  1", CONFIG_STRING},
    {"${x}", CONFIG_STRING},
};

static void plain_scalars_are_typed_by_yaml_core(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct parsed in;
        struct buffer yaml;
        buffer_init(&yaml, 0);
        assert_int_equal(buffer_printf(&yaml, "a: %s\n%c", cases[i].yaml, '\0'), STATUS_OK);
        parse(&in, yaml.bytes);
        struct config_scalar scalar = config_scalar(config_get(in.root, "a"));
        if (scalar.type != cases[i].type)
            fail_msg("%s is of type %d", cases[i].yaml, scalar.type);
        parsed_free(&in);
        buffer_deinit(&yaml);
    }
}

static void numbers_have_their_values(void **state) {
    (void)state;
    assert_int_equal(scalar_of("007").integer, 7);
    assert_int_equal(scalar_of("-12").integer, -12);
    assert_int_equal(scalar_of("+12").integer, 12);
    assert_int_equal(scalar_of("0xFf").integer, 255);
    assert_int_equal(scalar_of("0o17").integer, 15);
    assert_true(scalar_of("9223372036854775807").integer == INT64_MAX);
    assert_true(scalar_of("-9223372036854775808").integer == INT64_MIN);
    assert_true(scalar_of("9223372036854775808").type == CONFIG_FLOAT);
    assert_true(scalar_of("9223372036854775808").number == 9223372036854775808.0);
    assert_true(scalar_of("-9223372036854775809").number == -9223372036854775809.0);
    assert_true(scalar_of("0x8000000000000000").number == 9223372036854775808.0);
    assert_true(scalar_of("1.25e2").number == 125.0);
    assert_true(scalar_of("-.5").number == -0.5);
    assert_true(scalar_of("-.inf").number < 0 && isinf(scalar_of("-.inf").number));
    assert_true(isnan(scalar_of(".nan").number));
    assert_true(scalar_of("True").boolean);
    assert_false(scalar_of("FALSE").boolean);
}

/* `needle` is searched for in the text; its place must be line and column. */
static void assert_place(const char *yaml, const char *needle, unsigned line, unsigned column) {
    struct parsed in;
    parse(&in, yaml);
    assert_non_null(in.root);
    const struct config_node *node = config_get(in.root, "a");
    const char *at = strstr(node->text.bytes, needle);
    assert_non_null(at);
    struct config_mark mark = config_place(node, (size_t)(at - node->text.bytes));
    if (mark.line != line || mark.column != column)
        fail_msg("%s: %u:%u", yaml, mark.line, mark.column);
    parsed_free(&in);
}

static void a_place_in_a_text_is_found_in_every_style(void **state) {
    (void)state;
    assert_place("a: é x ${y}\n", "${y}", 1, 8);
    assert_place("a: é x ${y}\n", " ${y}", 1, 7);
    assert_place("a: é x ${y}\n", "}", 1, 11);
    assert_place("a: \"é\\n\\x41\\u00e9 ${y}\"\n", "${y}", 1, 19);
    assert_place("a: \"\\t\\x20\\\"${y}\"\n", "${y}", 1, 13);
    assert_place("a: 'it''s ${y}'\n", "${y}", 1, 11);
    assert_place("a: '''${y}'\n", "${y}", 1, 7);
    assert_place("a: |\n  one\n\n   two ${y}\n", "${y}", 4, 8);
    assert_place("a: |2-  # why\n   one\n  ${y}\n", "${y}", 3, 3);
    assert_place("a: >\r\n  one\r\n  two\r\n\r\n  ${y}\r\n", "${y}", 5, 3);
    assert_place("a: one\n  two\n\n  ${y}\n", "${y}", 4, 3);
    assert_place("a: \"one \\\n   two\n  ${y}\"\n", "${y}", 3, 3);
    assert_place("a: &x\n  z ${y}\n", "${y}", 2, 5);
}

static void a_place_past_the_text_is_its_end(void **state) {
    (void)state;
    struct parsed in;
    parse(&in, "a: bc\nd: ''\ne: [x]\nf:\n");
    assert_int_equal(config_place(config_get(in.root, "a"), 99).column, 6);
    assert_int_equal(config_place(config_get(in.root, "d"), 99).column, 5);
    assert_int_equal(config_place(config_get(in.root, "e"), 99).column, 4);
    assert_int_equal(config_place(config_get(in.root, "f"), 99).line, 4);
    parsed_free(&in);
}

static void every_offset_of_a_text_has_a_place_inside_its_source(void **state) {
    (void)state;
    const char *const texts[] = {"a: \"\\\n \\x41 b\\U0001F600\\ \\\\\"\n",
                                 "a: >\n\n  x\n   y\n\n\n",
                                 "a: |+\n\n  x\n\n",
                                 "a: 'b\n\n  c'''\n",
                                 "a: b\n   c\n",
                                 "a: -\xc3\xa9\n  \xc3\xa9z\n"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct parsed in;
        parse(&in, texts[i]);
        const struct config_node *node = config_get(in.root, "a");
        struct config_mark last = {NULL, 0, 0};
        for (size_t at = 0; at <= node->text.size; at++) {
            struct config_mark mark = config_place(node, at);
            assert_true(mark.line >= last.line && mark.line < 8 && mark.column < 40);
            last = mark;
        }
        parsed_free(&in);
    }
}

static void lists_among_steps_are_spliced_in(void **state) {
    (void)state;
    struct parsed in;
    struct config_steps steps = {NULL, 99};
    parse(&in, "a: &s [x, [y, []]]\nb: [p, *s, [*s, q]]\nc: []\nd: x\ne:\n");
    assert_int_equal(config_steps(config_get(in.root, "b"), "b", &in.arena, &in.diag, &steps),
                     STATUS_OK);
    const char *const expected[] = {"p", "x", "y", "x", "y", "q"};
    assert_int_equal(steps.count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < steps.count; i++)
        assert_true(slice_is(steps.items[i]->text, expected[i]));
    assert_int_equal(config_steps(config_get(in.root, "c"), "c", &in.arena, &in.diag, &steps),
                     STATUS_OK);
    assert_int_equal(steps.count, 0);
    assert_int_equal(config_steps(config_get(in.root, "d"), "d", &in.arena, &in.diag, &steps),
                     STATUS_FAILED);
    assert_int_equal(config_steps(config_get(in.root, "e"), "e", &in.arena, &in.diag, &steps),
                     STATUS_FAILED);
    assert_int_equal(in.diag.errors, 2);
    struct arena small;
    arena_init(&small, 16, 1);
    assert_int_equal(config_steps(config_get(in.root, "b"), "b", &small, &in.diag, &steps),
                     STATUS_NO_MEMORY);
    arena_deinit(&small);
    parsed_free(&in);
}

static void ids_are_words_of_at_most_64_characters(void **state) {
    (void)state;
    char id[65];
    memset(id, 'a', sizeof(id));
    assert_true(config_is_id((struct slice){id, 64}));
    assert_false(config_is_id((struct slice){id, 65}));
    const char *const good[] = {"a", "7", "A.b_c-d", "a..", "0-"};
    const char *const bad[] = {"", ".a", "-a", "_a", "a b", "a/b", "\xc3\xa9", "a\n"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(config_is_id(slice_of(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(config_is_id(slice_of(bad[i])));
}

static void the_folder_of_a_file_is_absolute(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096, 0);
    char here[4096];
    assert_non_null(getcwd(here, sizeof(here)));
    struct config_mark mark = {"/etc/bellwire/bellwire.yaml", 1, 1};
    assert_true(slice_is(config_folder(mark, &arena), "/etc/bellwire"));
    mark.file = "/x.yaml";
    assert_true(slice_is(config_folder(mark, &arena), "/"));
    mark.file = "x.yaml";
    assert_true(slice_is(config_folder(mark, &arena), here));
    mark.file = "tasks/x.yaml";
    const char *joined = arena_printf(&arena, "%s/tasks", here);
    assert_true(slice_is(config_folder(mark, &arena), joined));
    struct arena small;
    arena_init(&small, 16, 1);
    assert_null(config_folder(mark, &small).bytes);
    arena_deinit(&small);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_are_typed_by_yaml_core),
        cmocka_unit_test(numbers_have_their_values),
        cmocka_unit_test(a_place_in_a_text_is_found_in_every_style),
        cmocka_unit_test(a_place_past_the_text_is_its_end),
        cmocka_unit_test(every_offset_of_a_text_has_a_place_inside_its_source),
        cmocka_unit_test(lists_among_steps_are_spliced_in),
        cmocka_unit_test(ids_are_words_of_at_most_64_characters),
        cmocka_unit_test(the_folder_of_a_file_is_absolute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
