/* Path patterns: what compiles, what is wrong with the others and where, and parameters. */
#include "tests/unit/http/http_test.h"

static void wrong_patterns_say_what_and_where(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {{"", 0},         {"a", 0},          {"{a}", 0},         {"/{a", 1},
                 {"/a}", 2},      {"/a{b}", 2},      {"/{a}b", 1},       {"/{}", 2},
                 {"/{...}", 2},   {"/{1a}", 2},      {"/{a.b}", 2},      {"/{a..}", 2},
                 {"/{a b}", 2},   {"/x/{a}/{a}", 8}, {"/{a}/{a...}", 6}, {"/{a...}/b", 8},
                 {"/{a...}/", 8}, {"/a?b", 2},       {"/a#b", 2},        {"/a%20b", 2},
                 {"/a/../b", 3},  {"/.", 1},         {"/files/*", 7},    {"/**", 1},
                 {"/a\nb", 2},    {"/a\tb", 2},      {"/{{a}}", 2}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct http_pattern *pattern;
        struct http_pattern_error error = {99, NULL};
        arena_init(&arena, 1024, 0);
        struct slice copy = exact(slice_of(cases[i].text));
        if (http_pattern_compile(&arena, copy, &pattern, &error) != STATUS_SYNTAX ||
            error.offset != cases[i].offset)
            fail_msg("%s: offset %zu, %s", cases[i].text, error.offset, error.message);
        assert_non_null(error.message);
        drop(copy);
        arena_deinit(&arena);
    }
}

static void patterns_are_bounded(void **state) {
    (void)state;
    struct arena arena;
    struct http_pattern *pattern;
    struct http_pattern_error error;
    char text[300];
    arena_init(&arena, 1024, 0);
    memset(text, '/', sizeof text);
    assert_int_equal(http_pattern_compile(&arena, (struct slice){text, 64}, &pattern, &error),
                     STATUS_OK);
    assert_int_equal(http_pattern_compile(&arena, (struct slice){text, 65}, &pattern, &error),
                     STATUS_SYNTAX);
    memset(text + 1, 'a', sizeof text - 1);
    assert_int_equal(http_pattern_compile(&arena, (struct slice){text, 256}, &pattern, &error),
                     STATUS_OK);
    assert_true(http_pattern_matches(pattern, (struct slice){text, 256}));
    assert_false(http_pattern_matches(pattern, (struct slice){text, 257}));
    assert_int_equal(http_pattern_compile(&arena, (struct slice){text, 257}, &pattern, &error),
                     STATUS_SYNTAX);
    arena_deinit(&arena);
}

/* proves S7 */
static void parameters_are_decoded_per_name(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *path, *name, *value; /* value NULL: not found */
    } cases[] = {{"/hello/{name}", "/hello/bob", "name", "bob"},
                 {"/hello/{name}", "/hello/a%2Fb%20c+d", "name", "a/b c+d"},
                 {"/hello/{name}", "/hello/bob", "other", NULL},
                 {"/hello/{name}", "/hello/", "name", NULL},
                 {"/hello/{name}", "/hello/a/b", "name", NULL},
                 {"/{a}/x/{b-1}", "/1/x/2", "b-1", "2"},
                 {"/{a}/x/{b-1}", "/1/x/2", "a", "1"},
                 {"/{a}/x/{b-1}", "/1/y/2", "a", NULL},
                 {"/q/{r...}", "/q/a/b%2Fc/", "r", "a/b/c/"},
                 {"/q/{r...}", "/q/", "r", ""},
                 {"/q/{r...}", "/q", "r", NULL},
                 {"/plain", "/plain", "plain", NULL}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct http_pattern *pattern;
        struct http_pattern_error error;
        struct slice out = SLICE("untouched"), path = exact(slice_of(cases[i].path));
        arena_init(&arena, 1024, 0);
        assert_int_equal(http_pattern_compile(&arena, slice_of(cases[i].pattern), &pattern, &error),
                         STATUS_OK);
        assert_slice(http_pattern_text(pattern), cases[i].pattern);
        enum status status =
            http_pattern_param(pattern, path, slice_of(cases[i].name), &arena, &out);
        assert_int_equal(status, cases[i].value ? STATUS_OK : STATUS_NOT_FOUND);
        assert_slice(out, cases[i].value ? cases[i].value : "untouched");
        drop(path);
        arena_deinit(&arena);
    }
}

static void a_pattern_knows_its_parameters(void **state) {
    (void)state;
    struct arena arena;
    struct http_pattern *pattern;
    struct http_pattern_error error;
    struct slice out;
    arena_init(&arena, 1024, 0);
    assert_int_equal(http_pattern_compile(&arena, SLICE("/a/{b}/{c...}"), &pattern, &error),
                     STATUS_OK);
    assert_true(http_pattern_has_param(pattern, SLICE("b")));
    assert_true(http_pattern_has_param(pattern, SLICE("c")));
    assert_false(http_pattern_has_param(pattern, SLICE("a")));
    assert_false(http_pattern_has_param(NULL, SLICE("a")));
    assert_true(http_pattern_matches(NULL, SLICE("*")));
    assert_null(http_pattern_text(NULL).bytes);
    assert_int_equal(http_pattern_param(NULL, SLICE("/a"), SLICE("a"), &arena, &out),
                     STATUS_NOT_FOUND);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_patterns_say_what_and_where),
        cmocka_unit_test(patterns_are_bounded),
        cmocka_unit_test(parameters_are_decoded_per_name),
        cmocka_unit_test(a_pattern_knows_its_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
