/* Cookies: made from attributes, refused when they could say something else, looked up. */
#include "tests/unit/http/http_test.h"

/* proves S12 */
static void attributes_are_written_in_full(void **state) {
    (void)state;
    struct arena arena;
    struct slice out;
    arena_init(&arena, 1024, 0);
    struct http_cookie cookie = {.name = SLICE("sid"), .value = SLICE("a, \"b\"=c")};
    assert_int_equal(http_cookie_format(&cookie, &arena, &out), STATUS_OK);
    assert_slice(out, "sid=a, \"b\"=c");
    cookie = (struct http_cookie){.name = SLICE("s"),
                                  .path = SLICE("/x"),
                                  .domain = SLICE("example.org"),
                                  .max_age_s = INT64_MIN,
                                  .has_max_age = true,
                                  .secure = true,
                                  .http_only = true,
                                  .same_site = HTTP_SITE_STRICT};
    assert_int_equal(http_cookie_format(&cookie, &arena, &out), STATUS_OK);
    assert_slice(out, "s=; Path=/x; Domain=example.org; Max-Age=-9223372036854775808; Secure; "
                      "HttpOnly; SameSite=Strict");
    cookie = (struct http_cookie){.name = SLICE("s"), .same_site = HTTP_SITE_LAX};
    assert_int_equal(http_cookie_format(&cookie, &arena, &out), STATUS_OK);
    assert_slice(out, "s=; SameSite=Lax");
    cookie.same_site = HTTP_SITE_NONE;
    assert_int_equal(http_cookie_format(&cookie, &arena, &out), STATUS_OK);
    assert_slice(out, "s=; SameSite=None");
    arena_deinit(&arena);
}

/* proves S16 */
static void forged_cookies_are_refused(void **state) {
    (void)state;
    static const struct http_cookie bads[] = {
        {.name = SLICE("")},
        {.name = SLICE("a b")},
        {.name = SLICE("a=b")},
        {.name = SLICE("a;b")},
        {.name = SLICE("a"), .value = SLICE("b; Domain=x")},
        {.name = SLICE("a"), .value = SLICE("b\r\nX: y")},
        {.name = SLICE("a"), .value = SLICE("b\0")},
        {.name = SLICE("a"), .value = SLICE("b\tc")},
        {.name = SLICE("a"), .value = SLICE(" b")},
        {.name = SLICE("a"), .value = SLICE("b ")},
        {.name = SLICE("a"), .path = SLICE("x")},
        {.name = SLICE("a"), .path = SLICE("/x; Secure")},
        {.name = SLICE("a"), .path = SLICE("/\n")},
        {.name = SLICE("a"), .domain = SLICE("a;b")},
        {.name = SLICE("a"), .domain = SLICE("a:80")},
    };
    struct arena arena;
    struct slice out;
    arena_init(&arena, 1024, 0);
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++)
        assert_int_equal(http_cookie_format(&bads[i], &arena, &out), STATUS_SYNTAX);
    arena_deinit(&arena);
    arena_init(&arena, 16, 16);
    struct http_cookie good = {.name = SLICE("a")};
    assert_int_equal(http_cookie_format(&good, &arena, &out), STATUS_NO_MEMORY);
    arena_deinit(&arena);
}

/* proves S7 */
static void the_first_cookie_of_a_name_comes_as_sent(void **state) {
    (void)state;
    struct http_header headers[] = {{SLICE("Cookie"), SLICE("a=1; b=%20x+\"y\";c = d ;e;a=2")},
                                    {SLICE("X"), SLICE("z=1")},
                                    {SLICE("cookie"), SLICE("f=g=h; A=3;k=")}};
    static const char *const expected[][2] = {{"a", "1"},   {"b", "%20x+\"y\""}, {"c", "d"},
                                              {"f", "g=h"}, {"A", "3"},          {"k", ""}};
    struct slice out;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(http_cookie_get(headers, 3, slice_of(expected[i][0]), &out), STATUS_OK);
        assert_slice(out, expected[i][1]);
    }
    static const char *const absent[] = {"e", "z", "B", ""};
    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        assert_int_equal(http_cookie_get(headers, 3, slice_of(absent[i]), &out), STATUS_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_written_in_full),
        cmocka_unit_test(forged_cookies_are_refused),
        cmocka_unit_test(the_first_cookie_of_a_name_comes_as_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
