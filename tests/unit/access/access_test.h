/* What the tests of access share: rules out of literals, requests out of text. */
#ifndef TESTS_ACCESS_TEST_H
#define TESTS_ACCESS_TEST_H

#include "access/access.h"
#include "tests/unit/cmocka_all.h"

#define LIST(...)                                                                                  \
    ((struct access_list){(struct slice[]){__VA_ARGS__},                                           \
                          sizeof((struct slice[]){__VA_ARGS__}) / sizeof(struct slice)})
#define assert_slice(actual, expected)                                                             \
    do {                                                                                           \
        struct slice actual_ = (actual), expected_ = slice_of(expected);                           \
        if (!slice_equal(actual_, expected_))                                                      \
            fail_msg("got \"" SLICE_FMT "\", expected \"%s\"", SLICE_ARG(actual_), expected);      \
    } while (0)

struct asked { /* a parsed request with all it borrows from */
    struct http_header headers[32];
    struct http_request http;
};

/* `rest` is what follows the request line, without the blank line. */
static inline const struct http_request *ask(struct asked *asked, struct arena *arena,
                                             const char *line, const char *rest) {
    struct http_error error;
    const struct http_limits limits = {32768, 32};
    const char *text = arena_printf(arena, "%s\r\n%s\r\n", line, rest);
    assert_non_null(text);
    assert_int_equal(
        http_request_parse(slice_of(text), &limits, asked->headers, &asked->http, &error), 0);
    return &asked->http;
}

static inline const struct access_rules *rules_of(struct arena *arena,
                                                  const struct access_spec *spec) {
    const struct access_rules *rules = NULL;
    assert_int_equal(access_rules_new(spec, arena, &rules), STATUS_OK);
    return rules;
}

#endif
