/* Bodies: counted, chunked and endless ones in any pieces; malformed ones; bounds. */
#include "tests/unit/http/http_test.h"

struct fed {
    enum http_body_event last;
    char content[4096];
    size_t size, taken;
    struct http_error error;
};

/* Feeds the body in pieces of `step` after a first one of `split` bytes. */
static struct fed fed_with(enum http_body_kind kind, uint64_t length, struct slice input,
                           size_t split, size_t step) {
    struct fed fed = {.last = HTTP_BODY_MORE};
    struct http_body body;
    assert_int_equal(http_body_begin(&body, kind, length, 1000), STATUS_OK);
    size_t size = split;
    for (;;) {
        struct slice piece = exact((struct slice){input.bytes + fed.taken, size}), rest = piece,
                     data;
        while ((fed.last = http_body_next(&body, &rest, &data)) == HTTP_BODY_DATA) {
            assert_true(data.size > 0);
            memcpy(fed.content + fed.size, data.bytes, data.size);
            fed.size += data.size;
        }
        fed.taken += size - rest.size;
        drop(piece);
        if (fed.last != HTTP_BODY_MORE || fed.taken == input.size)
            break;
        assert_int_equal(rest.size, 0);
        size = input.size - fed.taken < step ? input.size - fed.taken : step;
    }
    fed.error = body.error;
    assert_int_equal(body.received_bytes, fed.size);
    return fed;
}

#define LONG_TEXT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static const struct good {
    enum http_body_kind kind;
    uint64_t length;
    const char *input, *content, *rest;
} goods[] = {
    {HTTP_BODY_NONE, 0, "", "", ""},
    {HTTP_BODY_NONE, 0, "GET /", "", "GET /"},
    {HTTP_BODY_LENGTH, 5, "helloGET", "hello", "GET"},
    {HTTP_BODY_CHUNKED, 0, "0\r\n\r\n", "", ""},
    {HTTP_BODY_CHUNKED, 0, "5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET"},
    {HTTP_BODY_CHUNKED, 0, "5\r\nhello\r\n1\r\n!\r\n00\r\n\r\n\r\n", "hello!", "\r\n"},
    {HTTP_BODY_CHUNKED, 0, "0000050\r\n" LONG_TEXT "\r\n0\r\n\r\n", LONG_TEXT, ""},
    {HTTP_BODY_CHUNKED, 0, "a;x=\"y z\";q\r\n0123456789\r\n0;last\r\n\r\n", "0123456789", ""},
    {HTTP_BODY_CHUNKED, 0, "A\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\nA: b\r\nC:\t\r\n\r\nx",
     "\r\n\r\n\r\n\r\n\r\n", "x"},
};

/* proves S9 */
static void good_bodies_come_whole_at_each_split(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(goods); i++) {
        struct slice input = slice_of(goods[i].input);
        for (size_t split = 0; split <= input.size; split++) {
            for (size_t step = 1; step <= input.size + 2; step += input.size + 1) {
                struct fed fed = fed_with(goods[i].kind, goods[i].length, input, split, step);
                assert_int_equal(fed.last, HTTP_BODY_DONE);
                assert_slice(((struct slice){fed.content, fed.size}), goods[i].content);
                assert_slice(((struct slice){input.bytes + fed.taken, input.size - fed.taken}),
                             goods[i].rest);
            }
        }
    }
}

static const char *const bads[] = {"\r\n",
                                   "x\r\n",
                                   " 5\r\nhello\r\n",
                                   "5 \r\nhello\r\n",
                                   "5\nhello\r\n",
                                   "5\rhello",
                                   "5\r\nhello\n",
                                   "5\r\nhello5\r\n",
                                   "5\r\nhello\r0",
                                   "5\r\nhelloo\r\n",
                                   "-1\r\n",
                                   "+1\r\n",
                                   "0x5\r\nhello\r\n",
                                   "0000000000000005\r\n",
                                   "5 ;a\r\n",
                                   ";a\r\n",
                                   "5;\x01\r\n",
                                   "5;a\n",
                                   "5;a\rb",
                                   "5\t\r\n",
                                   "0\r\n\n",
                                   "0\r\n: b\r\n\r\n",
                                   "0\r\nA : b\r\n\r\n",
                                   "0\r\n A: b\r\n\r\n",
                                   "0\r\nA\r\n\r\n",
                                   "0\r\nA: b\n\r\n",
                                   "0\r\nA: \x7f\r\n\r\n",
                                   "0\r\nA: b\r\r\n",
                                   "0\r\n\rx",
                                   "5,5\r\n",
                                   "5\r\r\n"};

/* proves S10 */
static void malformed_chunks_are_400_at_each_split(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
        struct slice input = slice_of(bads[i]);
        for (size_t split = 0; split <= input.size; split++) {
            for (size_t step = 1; step <= input.size + 2; step += input.size + 1) {
                struct fed fed = fed_with(HTTP_BODY_CHUNKED, 0, input, split, step);
                if (fed.last != HTTP_BODY_ERROR || fed.error.status != 400)
                    fail_msg("\"%s\" passed", bads[i]);
            }
        }
    }
}

static void every_cut_of_a_chunked_body_wants_more(void **state) {
    (void)state;
    struct slice input = SLICE("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n");
    for (size_t size = 0; size < input.size; size++) {
        struct fed fed = fed_with(HTTP_BODY_CHUNKED, 0, (struct slice){input.bytes, size}, size, 1);
        assert_int_equal(fed.last, HTTP_BODY_MORE);
    }
}

/* proves S10 */
static void the_limit_is_met_exactly_and_passed_by_one(void **state) {
    (void)state;
    struct http_body body;
    struct slice input, data;
    assert_int_equal(http_body_begin(&body, HTTP_BODY_LENGTH, 10, 10), STATUS_OK);
    assert_int_equal(http_body_begin(&body, HTTP_BODY_LENGTH, 11, 10), STATUS_LIMIT);
    assert_int_equal(body.error.status, 413);
    assert_int_equal(http_body_next(&body, &input, &data), HTTP_BODY_ERROR);

    static const char *const over[] = {"5\r\nhello\r\n6\r\n", "b\r\n", "fffffffffffffff\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(over); i++) {
        enum http_body_event event;
        assert_int_equal(http_body_begin(&body, HTTP_BODY_CHUNKED, 0, 10), STATUS_OK);
        input = slice_of(over[i]);
        while ((event = http_body_next(&body, &input, &data)) == HTTP_BODY_DATA)
            continue;
        assert_int_equal(event, HTTP_BODY_ERROR);
        assert_int_equal(body.error.status, 413);
    }
    assert_int_equal(http_body_begin(&body, HTTP_BODY_CHUNKED, 0, 10), STATUS_OK);
    input = SLICE("a\r\n0123456789\r\n0\r\n\r\n");
    assert_int_equal(http_body_next(&body, &input, &data), HTTP_BODY_DATA);
    assert_int_equal(http_body_next(&body, &input, &data), HTTP_BODY_DONE);
}

static void extensions_and_trailers_are_bounded_together(void **state) {
    (void)state;
    static const char *const starts[] = {"1;", "0\r\na", "0\r\na:"};
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        struct http_body body;
        struct slice data, input = slice_of(starts[i]);
        assert_int_equal(http_body_begin(&body, HTTP_BODY_CHUNKED, 0, 10), STATUS_OK);
        assert_int_equal(http_body_next(&body, &input, &data), HTTP_BODY_MORE);
        unsigned taken = 0;
        do {
            input = SLICE("a");
            taken++;
        } while (http_body_next(&body, &input, &data) == HTTP_BODY_MORE);
        assert_in_range(taken, 8000, 8193);
        assert_int_equal(body.error.status, 400);
    }
}

static void an_endless_body_is_all_there_is_up_to_the_limit(void **state) {
    (void)state;
    struct http_body body;
    struct slice data, input = SLICE("0123456789");
    assert_int_equal(http_body_begin(&body, HTTP_BODY_UNTIL_CLOSE, 0, 10), STATUS_OK);
    assert_int_equal(http_body_next(&body, &input, &data), HTTP_BODY_DATA);
    assert_slice(data, "0123456789");
    assert_int_equal(http_body_next(&body, &input, &data), HTTP_BODY_MORE);
    input = SLICE("x");
    assert_int_equal(http_body_next(&body, &input, &data), HTTP_BODY_ERROR);
    assert_int_equal(body.error.status, 413);
}

/* Random bytes near the grammar, whole and in pieces: the same end, the same content. */
static void pieces_never_change_what_a_body_is(void **state) {
    (void)state;
    static const char *const words[] = {
        "1", "5", "a",     "0\r\n",          "\r\n",      "\r", "\n",        ";",
        "x", ":", "hello", "5\r\nhello\r\n", "0\r\n\r\n", " ",  "1\r\nz\r\n"};
    uint64_t random = 77;
    for (unsigned round = 0; round < 20000; round++) {
        char text[256];
        size_t size = 0;
        for (unsigned word = 0; word < 1 + round % 9; word++) {
            struct slice part = slice_of(words[random_next(&random) % ARRAY_SIZE(words)]);
            memcpy(text + size, part.bytes, part.size);
            size += part.size;
        }
        struct slice input = {text, size};
        struct fed whole = fed_with(HTTP_BODY_CHUNKED, 0, input, size, 1);
        struct fed pieces =
            fed_with(HTTP_BODY_CHUNKED, 0, input, random_next(&random) % (size + 1), 1 + round % 3);
        assert_int_equal(whole.last, pieces.last);
        assert_int_equal(whole.size, pieces.size);
        assert_memory_equal(whole.content, pieces.content, whole.size);
        assert_int_equal(whole.taken, pieces.taken);
        assert_int_equal(whole.error.status, pieces.error.status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_bodies_come_whole_at_each_split),
        cmocka_unit_test(malformed_chunks_are_400_at_each_split),
        cmocka_unit_test(every_cut_of_a_chunked_body_wants_more),
        cmocka_unit_test(the_limit_is_met_exactly_and_passed_by_one),
        cmocka_unit_test(extensions_and_trailers_are_bounded_together),
        cmocka_unit_test(an_endless_body_is_all_there_is_up_to_the_limit),
        cmocka_unit_test(pieces_never_change_what_a_body_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
