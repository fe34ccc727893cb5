/* Finding the end of a head: whole, at each split, byte by byte; bounds; looking into heads. */
#include "tests/unit/http/http_test.h"

#define GREETING "GET /hello HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"

static void a_head_is_found_at_each_split(void **state) {
    (void)state;
    static const struct slice inputs[] = {
        SLICE(GREETING), SLICE(GREETING GREETING), SLICE(GREETING "body\n\n"),
        SLICE("\r\n" GREETING), SLICE("HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n\x81\x01x")};
    static const ssize_t sizes[] = {45, 45, 45, 47, 42};
    struct http_error error;
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        for (size_t split = 0; split <= inputs[i].size; split++) {
            assert_int_equal(find_in_pieces(inputs[i], split, false, &error), sizes[i]);
            assert_int_equal(find_in_pieces(inputs[i], split, true, &error), sizes[i]);
        }
    }
}

static void an_unfinished_head_wants_more(void **state) {
    (void)state;
    struct slice whole = SLICE(GREETING);
    struct http_error error;
    for (size_t size = 0; size < whole.size; size++) {
        struct http_head_scan scan = {0};
        struct slice copy = exact((struct slice){whole.bytes, size});
        assert_int_equal(http_head_find(&scan, copy, &test_limits, &error), 0);
        drop(copy);
    }
}

/* proves S10 */
static void bare_line_ends_and_foreign_protocols_are_refused_at_once(void **state) {
    (void)state;
    static const char *const inputs[] = {"GET / HTTP/1.1\n",
                                         "GET / HTTP/1.1\r\nHost: a\n\n",
                                         "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n",
                                         "\n",
                                         "\x16\x03\x01\x02",
                                         " GET",
                                         "\x80",
                                         "\r\n\n"};
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        struct http_error error = {0, NULL};
        ssize_t found = find_in_pieces(slice_of(inputs[i]), 1, true, &error);
        assert_int_equal(found, STATUS_SYNTAX);
        assert_int_equal(error.status, 400);
        assert_non_null(error.reason);
    }
}

/* Random bytes near the grammar: whole, split and byte by byte find the same end, or a fault. */
static void pieces_never_change_where_a_head_ends(void **state) {
    (void)state;
    static const char *const words[] = {"GET / HTTP/1.1\r\n", "\r\n", "\r\n\r\n", "\r", "\n", "a",
                                        "Host: a\r\n",        " ",    "\x80"};
    uint64_t random = 11;
    for (unsigned round = 0; round < 5000; round++) {
        char text[128];
        size_t size = 0;
        for (unsigned word = 0; word < 1 + round % 7; word++) {
            struct slice part = slice_of(words[random_next(&random) % ARRAY_SIZE(words)]);
            memcpy(text + size, part.bytes, part.size);
            size += part.size;
        }
        struct slice bytes = {text, size};
        struct http_error error;
        ssize_t whole = find_in_pieces(bytes, size, false, &error);
        assert_int_equal(find_in_pieces(bytes, 0, true, &error), whole);
        assert_int_equal(find_in_pieces(bytes, random_next(&random) % (size + 1), false, &error),
                         whole);
    }
}

static ssize_t find_limited(struct slice bytes, size_t limit, uint16_t *code) {
    struct http_limits limits = {limit, 10};
    struct http_head_scan scan = {0};
    struct http_error error = {0, NULL};
    ssize_t found = http_head_find(&scan, bytes, &limits, &error);
    *code = error.status;
    return found;
}

/* proves S10 */
static void the_limit_is_met_exactly_and_passed_by_one(void **state) {
    (void)state;
    struct slice whole = SLICE(GREETING), unfinished = {whole.bytes, whole.size - 1};
    uint16_t code;
    assert_int_equal(find_limited(whole, whole.size, &code), whole.size);
    assert_int_equal(find_limited(whole, whole.size - 1, &code), STATUS_LIMIT);
    assert_int_equal(code, 431);
    assert_int_equal(find_limited(unfinished, unfinished.size, &code), 0);
    assert_int_equal(find_limited(unfinished, unfinished.size - 1, &code), STATUS_LIMIT);
    assert_int_equal(code, 431);
    assert_int_equal(find_limited(SLICE("GET /aaaaaaa"), 12, &code), 0);
    assert_int_equal(find_limited(SLICE("GET /aaaaaaa"), 11, &code), STATUS_LIMIT);
    assert_int_equal(code, 414);
    assert_int_equal(find_limited(SLICE("GET /aaaaaaa HTTP/1.1\r\n\r\n"), 11, &code), STATUS_LIMIT);
    assert_int_equal(code, 414);
}

static void headers_are_found_in_any_case_and_the_first_one_wins(void **state) {
    (void)state;
    struct http_header headers[] = {
        {SLICE("Host"), SLICE("a")}, {SLICE("X-A"), SLICE("1")}, {SLICE("x-a"), SLICE("2")}};
    assert_slice(http_header_get(headers, 3, SLICE("hOST")), "a");
    assert_slice(http_header_get(headers, 3, SLICE("X-a")), "1");
    assert_null(http_header_get(headers, 3, SLICE("X-B")).bytes);
    assert_null(http_header_get(headers, 0, SLICE("Host")).bytes);
}

static void a_kept_head_gives_its_headers(void **state) {
    (void)state;
    struct slice head =
        exact(SLICE("GET /Host:x HTTP/1.1\r\nHost: a.b \r\nEmpty:\r\nx-tag:\t7\r\n\r\n"));
    assert_slice(http_head_header(head, SLICE("host")), "a.b");
    assert_slice(http_head_header(head, SLICE("X-Tag")), "7");
    assert_int_equal(http_head_header(head, SLICE("empty")).size, 0);
    assert_non_null(http_head_header(head, SLICE("empty")).bytes);
    assert_null(http_head_header(head, SLICE("hos")).bytes);
    assert_null(http_head_header(head, SLICE("GET /Host")).bytes);
    drop(head);
}

static void lists_are_searched_over_all_lines(void **state) {
    (void)state;
    struct http_header headers[] = {{SLICE("Connection"), SLICE("keep-alive, ,Foo")},
                                    {SLICE("connection"), SLICE("  Upgrade ")},
                                    {SLICE("Upgrade"), SLICE("h2c,websocket")}};
    assert_true(http_header_has_token(headers, 3, SLICE("connection"), SLICE("upgrade")));
    assert_true(http_header_has_token(headers, 3, SLICE("Connection"), SLICE("foo")));
    assert_false(http_header_has_token(headers, 3, SLICE("Connection"), SLICE("fo")));
    assert_false(http_header_has_token(headers, 3, SLICE("Connection"), SLICE("")));
    assert_true(http_header_has_token(headers, 3, SLICE("upgrade"), SLICE("WebSocket")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_found_at_each_split),
        cmocka_unit_test(an_unfinished_head_wants_more),
        cmocka_unit_test(bare_line_ends_and_foreign_protocols_are_refused_at_once),
        cmocka_unit_test(pieces_never_change_where_a_head_ends),
        cmocka_unit_test(the_limit_is_met_exactly_and_passed_by_one),
        cmocka_unit_test(headers_are_found_in_any_case_and_the_first_one_wins),
        cmocka_unit_test(a_kept_head_gives_its_headers),
        cmocka_unit_test(lists_are_searched_over_all_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
