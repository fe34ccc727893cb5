/* What is hidden of heads and queries. */
#include "tests/unit/cmocka_all.h"

#include "http/http.h"

/* proves C13 */
static void names_that_speak_of_secrets_are_known_in_any_case(void **state) {
    (void)state;
    static const char *const secret[] = {"Authorization",      "X-Api-KEY", "access_token",
                                         "Set-Cookie",         "PassWord",  "client-secret",
                                         "Proxy-Authorization"};
    static const char *const plain[] = {"Host", "Accept", "user", "", "X-Request-Id"};
    for (size_t i = 0; i < ARRAY_SIZE(secret); i++) {
        assert_true(http_is_secret(slice_of(secret[i])));
    }
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        assert_false(http_is_secret(slice_of(plain[i])));
    }
}

static void expect_query(const char *target, const char *shown) {
    char out[64];
    struct slice masked = http_mask_query(slice_of(target), out, sizeof(out));
    assert_true(slice_is(masked, shown));
}

/* proves C13 */
static void only_secret_values_of_a_query_are_masked(void **state) {
    (void)state;
    expect_query("/a?x=1&token=abc&y=2", "/a?x=1&token=***&y=2");
    expect_query("/a?token&key=", "/a?token&key=***");
    expect_query("/token/secret", "/token/secret");
    expect_query("/a?", "/a?");
}

static void a_long_target_is_cut_where_the_room_ends(void **state) {
    (void)state;
    char out[8];
    struct slice masked = http_mask_query(SLICE("/abcdefghij?token=1"), out, sizeof(out));
    assert_true(slice_is(masked, "/abcdef"));
}

/* proves C13 */
static void a_head_is_shown_line_by_line_without_its_secrets(void **state) {
    (void)state;
    struct http_masked masked = {
        .rest = SLICE("GET /?key=k HTTP/1.1\r\nHost: a\r\nCookie: sid=1\r\n\r\n")};
    static const char *const shown[] = {"GET /?key=*** HTTP/1.1", "Host: a", "Cookie: ***"};
    struct slice line;
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        assert_true(http_masked_next(&masked, &line));
        assert_true(slice_is(line, shown[i]));
    }
    assert_false(http_masked_next(&masked, &line));
}

static void very_long_lines_of_a_head_are_cut(void **state) {
    (void)state;
    char head[4096];
    memset(head, 'a', sizeof(head));
    memcpy(head, "GET /?token=", 12);
    memcpy(head + 3000, " HTTP/1.1\r\n", 11);
    memcpy(head + 3100, "secret: ", 8);
    struct http_masked masked = {.rest = {head, sizeof(head)}};
    struct slice line;
    assert_true(http_masked_next(&masked, &line));
    assert_true(slice_is(line, "GET /?token=*** HTTP/1.1"));
    assert_true(http_masked_next(&masked, &line));
    assert_true(slice_ends_with(line, SLICE("secret: ***")));
    assert_false(http_masked_next(&masked, &line));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_speak_of_secrets_are_known_in_any_case),
        cmocka_unit_test(only_secret_values_of_a_query_are_masked),
        cmocka_unit_test(a_long_target_is_cut_where_the_room_ends),
        cmocka_unit_test(a_head_is_shown_line_by_line_without_its_secrets),
        cmocka_unit_test(very_long_lines_of_a_head_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
