/* Paths and queries, decoded. */
#include "tests/unit/http/http_test.h"

/* proves S7 */
static void paths_are_decoded_and_nothing_else(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"/a/b", "/a/b"}, {"/a%20b", "/a b"},           {"/%2f%2F", "///"},
        {"/a+b", "/a+b"}, {"/%C3%A4%25", "/\xc3\xa4%"}, {"*", "*"},
        {"", ""}};
    static const char *const bads[] = {"/%", "/%2", "/%2x", "/%x2", "/a%00", "%"};
    struct arena arena;
    struct slice out;
    arena_init(&arena, 1024, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slice copy = exact(slice_of(cases[i][0]));
        assert_int_equal(http_path_decode(copy, &arena, &out), STATUS_OK);
        assert_slice(out, cases[i][1]);
        drop(copy);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++)
        assert_int_equal(http_path_decode(slice_of(bads[i]), &arena, &out), STATUS_SYNTAX);
    struct slice plain = SLICE("/plain");
    assert_int_equal(http_path_decode(plain, NULL, &out), STATUS_OK);
    assert_ptr_equal(out.bytes, plain.bytes);
    arena_deinit(&arena);
}

/* proves S7 */
static void the_filename_is_the_last_segment(void **state) {
    (void)state;
    assert_slice(http_path_filename(SLICE("/a/b.txt")), "b.txt");
    assert_slice(http_path_filename(SLICE("/a/")), "");
    assert_slice(http_path_filename(SLICE("/")), "");
    assert_slice(http_path_filename(SLICE("*")), "*");
    assert_slice(http_path_filename(SLICE_NONE), "");
}

/* proves S7 */
static void the_first_parameter_of_a_name_is_decoded(void **state) {
    (void)state;
    static const char query[] = "a=1&b=x+y%20z&a=2&c&d=&%65=5&f=100%&g=%zz%4&=n&h=a=b&i+j=k&&l=%00";
    static const char *const expected[][2] = {
        {"a", "1"},    {"b", "x y z"}, {"c", ""}, {"d", ""},    {"e", "5"},
        {"f", "100%"}, {"g", "%zz%4"}, {"", "n"}, {"h", "a=b"}, {"i j", "k"}};
    struct arena arena;
    struct slice out, copy = exact(SLICE(query));
    arena_init(&arena, 1024, 0);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(http_query_get(copy, slice_of(expected[i][0]), &arena, &out), STATUS_OK);
        assert_slice(out, expected[i][1]);
    }
    assert_int_equal(http_query_get(copy, SLICE("l"), &arena, &out), STATUS_OK);
    assert_true(slice_equal(out, SLICE("\0")));
    static const char *const absent[] = {"x", "A", "aa", "%65", "i+j"};
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        assert_int_equal(http_query_get(copy, slice_of(absent[i]), &arena, &out), STATUS_NOT_FOUND);
    assert_int_equal(http_query_get(SLICE_NONE, SLICE("a"), &arena, &out), STATUS_NOT_FOUND);
    drop(copy);
    arena_deinit(&arena);
}

static void a_value_without_escapes_is_not_copied_and_no_room_is_a_status(void **state) {
    (void)state;
    struct slice out, query = SLICE("a=plain&b=x+y");
    struct arena arena;
    arena_init(&arena, 1, 1);
    assert_int_equal(http_query_get(query, SLICE("a"), &arena, &out), STATUS_OK);
    assert_ptr_equal(out.bytes, query.bytes + 2);
    assert_int_equal(http_query_get(query, SLICE("b"), &arena, &out), STATUS_NO_MEMORY);
    assert_int_equal(http_path_decode(SLICE("/%20"), &arena, &out), STATUS_NO_MEMORY);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_decoded_and_nothing_else),
        cmocka_unit_test(the_filename_is_the_last_segment),
        cmocka_unit_test(the_first_parameter_of_a_name_is_decoded),
        cmocka_unit_test(a_value_without_escapes_is_not_copied_and_no_room_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
