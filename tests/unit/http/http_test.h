/* What the tests of the HTTP codec share: exact copies, whole and split feeding, a fixed random. */
#ifndef TESTS_HTTP_TEST_H
#define TESTS_HTTP_TEST_H

#include "http/http.h"
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>

#define assert_slice(actual, expected)                                                             \
    do {                                                                                           \
        struct slice actual_ = (actual), expected_ = slice_of(expected);                           \
        if (!slice_equal(actual_, expected_))                                                      \
            fail_msg("got \"" SLICE_FMT "\", expected \"%s\"", SLICE_ARG(actual_), expected);      \
    } while (0)

enum { TEST_HEADERS = 100 };
static const struct http_limits test_limits = {32768, TEST_HEADERS};

/* On the heap and exactly as large, so that the sanitizer sees the first byte read too far. */
static inline struct slice exact(struct slice text) {
    char *copy = malloc(text.size > 0 ? text.size : 1);
    assert_non_null(copy);
    if (text.size > 0)
        memcpy(copy, text.bytes, text.size);
    return (struct slice){copy, text.size};
}
static inline void drop(struct slice copy) { free((char *)(uintptr_t)copy.bytes); }

/* Finds a head when `bytes` come in pieces: the first `split`, then byte by byte when `bytewise`,
 * else the rest at once. Each time from new memory, as a buffer that moves. */
static inline ssize_t find_in_pieces(struct slice bytes, size_t split, bool bytewise,
                                     struct http_error *error) {
    struct http_head_scan scan = {0};
    ssize_t found = 0;
    for (size_t size = split; found == 0; size = bytewise ? size + 1 : bytes.size) {
        struct slice copy = exact((struct slice){bytes.bytes, size});
        found = http_head_find(&scan, copy, &test_limits, error);
        drop(copy);
        if (size >= bytes.size)
            break;
    }
    return found;
}

/* xorshift64: the same on every run. */
static inline uint64_t random_next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
