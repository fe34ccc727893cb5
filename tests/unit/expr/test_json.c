/* JSON both ways: what is taken, what is refused and where, and round trips. */
#include "expr/expr.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

static void assert_slice(struct slice got, struct slice expected) {
    if (!slice_equal(got, expected))
        fail_msg("got \"" SLICE_FMT "\", expected \"" SLICE_FMT "\"", SLICE_ARG(got),
                 SLICE_ARG(expected));
}

/* Decodes from an exact copy on the heap, so that a sanitizer sees each byte read past its end. */
static enum status decode(struct slice text, struct arena *arena, struct value *out, size_t *at) {
    char *copy = malloc(text.size ? text.size : 1);
    if (text.size > 0)
        memcpy(copy, text.bytes, text.size);
    enum status status = json_decode((struct slice){copy, text.size}, arena, out, at);
    free(copy);
    return status;
}

static void assert_round_trip(struct slice text, struct slice expected) {
    struct arena arena;
    struct buffer out;
    struct value v;
    size_t at = 0;
    arena_init(&arena, 1024, 0);
    buffer_init(&out, 0);
    enum status status = decode(text, &arena, &v, &at);
    if (status != STATUS_OK)
        fail_msg("\"" SLICE_FMT "\" is refused at %zu: %s", SLICE_ARG(text), at,
                 status_text(status));
    assert_int_equal(json_encode(v, &out), STATUS_OK);
    assert_slice(buffer_slice(&out), expected);
    buffer_deinit(&out);
    arena_deinit(&arena);
}

static void assert_refused(struct slice text, enum status expected, size_t expected_at) {
    struct arena arena;
    struct value v = value_int(42);
    size_t at = 99999;
    arena_init(&arena, 1024, 0);
    enum status status = decode(text, &arena, &v, &at);
    if (status != expected || at != expected_at)
        fail_msg("\"" SLICE_FMT "\": %s at %zu, expected %s at %zu", SLICE_ARG(text),
                 status_text(status), at, status_text(expected), expected_at);
    assert_int_equal(v.integer, 42);
    arena_deinit(&arena);
}

/* ---- decoding ------------------------------------------------------------------------------- */
static void any_top_value_goes_both_ways(void **state) {
    (void)state;
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "\"\"",
        "\"text\"",
        "[]",
        "{}",
        "[1,[2,[3]],null]",
        "{\"b\":1,\"a\":{\"x\":[true,null]},\"\":\"empty name\"}",
        "\"\\\"\\\\\\n\\r\\t\\u0001\\u001f\x7f/\"",
        "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"",
        "[9223372036854775807,-9223372036854775808]",
        "[9007199254740993,0.1,1e+300]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        assert_round_trip(slice_of(same[i]), slice_of(same[i]));
    assert_round_trip(SLICE(" [ 1 , 2 ]\r\n\t"), SLICE("[1,2]"));
    assert_round_trip(SLICE("\"\\u00e9\\ud83d\\ude00\\/\\b\\f\""),
                      SLICE("\"\xc3\xa9\xf0\x9f\x98\x80/\\u0008\\u000c\""));
    assert_round_trip(SLICE("[1.0,-0,-0.0,1E2]"), SLICE("[1,0,0,100]"));
    assert_round_trip(SLICE("1e-400"), SLICE("0"));
}

static void nul_is_a_character_of_text(void **state) {
    (void)state;
    assert_round_trip(SLICE("[\"a\\u0000b\",\"\\u0000\"]"), SLICE("[\"a\\u0000b\",\"\\u0000\"]"));
    struct arena arena;
    struct value v;
    size_t at;
    arena_init(&arena, 1024, 0);
    assert_int_equal(decode(SLICE("\"a\\u0000b\""), &arena, &v, &at), STATUS_OK);
    assert_slice(value_slice(v), (struct slice){"a\0b", 3});
    arena_deinit(&arena);
}

static void integers_past_63_bits_become_floats_and_others_stay_exact(void **state) {
    (void)state;
    struct arena arena;
    struct value v;
    size_t at;
    arena_init(&arena, 1024, 0);
    struct slice text = SLICE("{\"big\":9223372036854775808,\"exact\":9007199254740993,"
                              "\"low\":-9223372036854775809,\"s\":\"99999999999999999999\","
                              "\"f\":99999999999999999999.5,\"e\":99999999999999999999e1}");
    assert_int_equal(decode(text, &arena, &v, &at), STATUS_OK);
    assert_int_equal(value_path(v, SLICE("big")).type, VALUE_FLOAT);
    assert_true(value_path(v, SLICE("big")).number == 0x1p63);
    assert_int_equal(value_path(v, SLICE("exact")).integer, INT64_C(9007199254740993));
    assert_true(value_path(v, SLICE("low")).number == -0x1p63);
    assert_int_equal(value_path(v, SLICE("s")).count, 20);
    assert_true(value_path(v, SLICE("f")).number == 99999999999999999999.5);
    assert_true(value_path(v, SLICE("e")).number == 999999999999999999990.0);
    assert_int_equal(decode(SLICE("18446744073709551616"), &arena, &v, &at), STATUS_OK);
    assert_true(v.number == 0x1p64);
    arena_deinit(&arena);
    assert_round_trip(SLICE("[18446744073709551616,[-99999999999999999999]]"),
                      SLICE("[1.8446744073709552e+19,[-1e+20]]"));
}

static void null_is_kept_as_an_item(void **state) {
    (void)state;
    struct arena arena;
    struct value v;
    size_t at;
    arena_init(&arena, 1024, 0);
    assert_int_equal(decode(SLICE("{\"a\":null,\"l\":[null,1,null]}"), &arena, &v, &at), STATUS_OK);
    assert_int_equal(v.count, 2);
    assert_int_equal(v.pairs[0].value.type, VALUE_NIL);
    assert_int_equal(value_member(v, SLICE("l")).count, 3);
    arena_deinit(&arena);
}

static void malformed_texts_are_refused_where_they_break(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {"", 0},
        {"   ", 3},
        {"[", 1},
        {"[1", 2},
        {"{", 1},
        {"{\"a\"", 4},
        {"{\"a\":", 5},
        {"{\"a\":1", 6},
        {"\"abc", 4},
        {"\"abc\\", 4},
        {"{\"a\":}", 5},
        {"[1,]", 3},
        {"[,1]", 1},
        {"{,}", 1},
        {"{\"a\":1,}", 7},
        {"[1 2]", 3},
        {"1 2", 2},
        {"]", 0},
        {"}", 0},
        {"[1}", 2},
        {"{1:2}", 1},
        {"{\"a\":1,\"a\":2}", 9},
        {"'a'", 0},
        {"[18446744073709551616,}", 22},
        {"[18446744073709551616,1,18446744073709551616,}", 45},
        {"[}18446744073709551616]", 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_refused(slice_of(cases[i].text), STATUS_SYNTAX, cases[i].at);
}

static void what_is_no_json_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "tru",
        "nul",
        "TRUE",
        "NaN",
        "Infinity",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "0x10",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"\x01\"",
        "\"\xff\"",
        "\"\xc0\xaf\"",
        "\xef\xbb\xbf{}",
        "[1] x",
        "// c\n1",
        "{a:1}",
        "{\"a\" 1}",
        "[\"a\":1]",
        "\"a\" \"b\"",
        "--1",
        "00000000000000000000001",
        "+99999999999999999999",
        "99999999999999999999-1",
        "{\"a\\u0000\":1}",
    };
    struct arena arena;
    struct value v;
    size_t at;
    arena_init(&arena, 1024, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slice text = slice_of(cases[i]);
        if (decode(text, &arena, &v, &at) != STATUS_SYNTAX)
            fail_msg("\"%s\" is not refused", cases[i]);
        assert_true(at <= text.size);
    }
    assert_int_equal(decode(SLICE("1\0"), &arena, &v, &at), STATUS_SYNTAX);
    assert_int_equal(at, 1);
    assert_int_equal(decode(SLICE("[\"a\0\"]"), &arena, &v, &at), STATUS_SYNTAX);
    assert_int_equal(at, 3);
    assert_int_equal(json_decode(SLICE_NONE, &arena, &v, &at), STATUS_SYNTAX);
    arena_deinit(&arena);
}

/* Every proper start of a text is refused, and no byte is read past its end. */
static void a_text_that_ends_early_is_refused_at_each_place(void **state) {
    (void)state;
    struct slice text = SLICE(
        "{\"a\\u0041\\n\":[1,-2.5e3,true,null,\"\xc3\xa9\\\\\"],\"b\":[18446744073709551616]}");
    struct arena arena;
    struct value v;
    size_t at;
    arena_init(&arena, 1024, 0);
    for (size_t size = 0; size < text.size; size++) {
        assert_int_equal(decode((struct slice){text.bytes, size}, &arena, &v, &at), STATUS_SYNTAX);
        assert_true(at <= size);
    }
    assert_int_equal(decode(text, &arena, &v, &at), STATUS_OK);
    arena_deinit(&arena);
}

static void depth_is_bounded_at_64(void **state) {
    (void)state;
    char text[2 * 70];
    memset(text, '[', 70);
    memset(text + 70, ']', 70);
    assert_round_trip((struct slice){text + 70 - 64, 128}, (struct slice){text + 70 - 64, 128});
    assert_refused((struct slice){text + 70 - 65, 130}, STATUS_LIMIT, 64);
    char deep[100000];
    memset(deep, '[', sizeof deep);
    assert_refused((struct slice){deep, sizeof deep}, STATUS_LIMIT, 64);
    for (size_t i = 0; i + 5 <= sizeof deep; i += 5)
        memcpy(deep + i, "{\"a\":", 5);
    assert_refused((struct slice){deep, sizeof deep}, STATUS_LIMIT, 64 * 5);
    deep[0] = '[';
    deep[1] = '"';
    memset(deep + 2, '[', 98);
    assert_refused((struct slice){deep, 100}, STATUS_SYNTAX, 100);
}

static void numbers_that_no_float_holds_are_a_limit(void **state) {
    (void)state;
    assert_refused(SLICE("[1e400]"), STATUS_LIMIT, 5);
    char digits[500];
    memset(digits, '9', sizeof digits);
    assert_refused((struct slice){digits, sizeof digits}, STATUS_LIMIT, sizeof digits - 1);
}

static void a_tree_too_large_for_its_arena_is_refused(void **state) {
    (void)state;
    struct arena arena;
    struct value v = value_int(42);
    size_t at;
    arena_init(&arena, 1024, 200);
    assert_int_equal(decode(SLICE("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]"), &arena, &v, &at),
                     STATUS_NO_MEMORY);
    char text[302] = {'"'};
    memset(text + 1, 'x', 300);
    text[301] = '"';
    assert_int_equal(decode((struct slice){text, sizeof text}, &arena, &v, &at), STATUS_NO_MEMORY);
    text[0] = '[';
    text[1] = '"';
    memcpy(text + 140, "\",\"", 3);
    memcpy(text + 190, "\"]", 2);
    assert_int_equal(decode((struct slice){text, 192}, &arena, &v, &at), STATUS_NO_MEMORY);
    assert_int_equal(arena.used_bytes, 0);
    assert_int_equal(v.integer, 42);
    assert_int_equal(decode(SLICE("[1,2,3]"), &arena, &v, &at), STATUS_OK);
    arena_deinit(&arena);
}

/* Jansson calls some of its failed allocations a wrong token, so that STATUS_SYNTAX is possible.
 * The tokens stay below 16 bytes: where its buffer for one cannot grow, it ends the process. */
static void decoding_survives_each_allocation_that_fails(void **state) {
    (void)state;
    json_set_alloc_funcs(__wrap_malloc, free);
    struct slice text = SLICE("{\"a\":[1,2.5,\"text\",null,true],\"b\":{\"c\":-1e3},"
                              "\"d\":1,\"e\":2,\"f\":3,\"g\":4,\"h\":5,\"i\":6,\"j\":7,\"k\":8}");
    enum status status = STATUS_OK;
    size_t at, failures = 0, no_memory = 0;
    FAIL_EACH_ALLOCATION(
        {
            struct arena arena;
            struct value v = value_int(42);
            arena_init(&arena, 64, 0);
            status = json_decode(text, &arena, &v, &at);
            failures += status != STATUS_OK;
            no_memory += status == STATUS_NO_MEMORY;
            assert_true(status == STATUS_OK || v.integer == 42);
            assert_true(at <= text.size);
            arena_deinit(&arena);
        },
        status == STATUS_OK);
    assert_true(failures > 10);
    assert_true(no_memory > 20);
    json_set_alloc_funcs(malloc, free);
}

/* ---- encoding ------------------------------------------------------------------------------- */
static void what_json_cannot_hold_is_refused_and_leaves_the_buffer(void **state) {
    (void)state;
    struct buffer out;
    buffer_init(&out, 0);
    assert_int_equal(buffer_append(&out, SLICE("kept")), STATUS_OK);
    struct value items[] = {value_int(1), value_nil()};
    struct value list = {.type = VALUE_LIST, .count = 2, .items = items};
    items[1] = value_float(INFINITY);
    assert_int_equal(json_encode(list, &out), STATUS_RANGE);
    items[1] = value_float(NAN);
    assert_int_equal(json_encode(list, &out), STATUS_RANGE);
    items[1] = value_bytes(SLICE("\xc3("));
    assert_int_equal(json_encode(list, &out), STATUS_TYPE);
    items[1] = (struct value){.type = 77};
    assert_int_equal(json_encode(list, &out), STATUS_TYPE);
    struct value_pair pair = {value_bytes(SLICE("\xed\xa0\x80")), value_int(1)};
    struct value map = {.type = VALUE_MAP, .count = 1, .pairs = &pair};
    assert_int_equal(json_encode(map, &out), STATUS_TYPE);
    pair.key = value_int(1);
    assert_int_equal(json_encode(map, &out), STATUS_TYPE);
    assert_int_equal(json_encode_text(SLICE("\x80"), &out), STATUS_TYPE);
    assert_slice(buffer_slice(&out), SLICE("kept"));
    buffer_deinit(&out);
}

static void encoding_is_bounded_in_depth(void **state) {
    (void)state;
    struct value room[VALUE_DEPTH_MAX + 1], v = value_int(1);
    struct buffer out;
    buffer_init(&out, 0);
    for (size_t i = 0; i < ARRAY_SIZE(room); i++) {
        assert_int_equal(json_encode(v, &out), STATUS_OK);
        room[i] = v;
        v = (struct value){.type = VALUE_LIST, .count = 1, .items = &room[i]};
    }
    size_t size_before = out.size;
    assert_int_equal(json_encode(v, &out), STATUS_LIMIT);
    assert_int_equal(out.size, size_before);
    buffer_deinit(&out);
}

/* Whatever byte is the first that does not fit, the buffer is as it was. */
static void a_full_buffer_is_left_as_it_was(void **state) {
    (void)state;
    struct arena arena;
    struct value v;
    size_t at;
    struct slice text = SLICE("{\"a\\n\":[1,2.5,\"t\\\"ext\",null,true],\"b\":{}}");
    arena_init(&arena, 1024, 0);
    assert_int_equal(decode(text, &arena, &v, &at), STATUS_OK);
    for (size_t limit = 1; limit < text.size; limit++) {
        struct buffer out;
        buffer_init(&out, limit);
        assert_int_equal(json_encode(v, &out), STATUS_LIMIT);
        assert_int_equal(out.size, 0);
        buffer_deinit(&out);
    }
    struct buffer out;
    buffer_init(&out, 0);
    fail_alloc_after(0);
    assert_int_equal(json_encode(v, &out), STATUS_NO_MEMORY);
    fail_alloc_never();
    assert_int_equal(json_encode(v, &out), STATUS_OK);
    assert_slice(buffer_slice(&out), text);
    buffer_deinit(&out);
    arena_deinit(&arena);
}

static void every_control_character_is_escaped(void **state) {
    (void)state;
    struct buffer out;
    for (int c = 0; c < 0x80; c++) {
        char text[] = {'a', (char)c, 'b'};
        struct arena arena;
        struct value v;
        size_t at;
        buffer_init(&out, 0);
        arena_init(&arena, 256, 0);
        assert_int_equal(json_encode_text((struct slice){text, 3}, &out), STATUS_OK);
        for (size_t i = 0; i < out.size; i++)
            assert_true((unsigned char)out.bytes[i] >= 0x20);
        assert_int_equal(decode(buffer_slice(&out), &arena, &v, &at), STATUS_OK);
        assert_slice(value_slice(v), (struct slice){text, 3});
        arena_deinit(&arena);
        buffer_deinit(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_top_value_goes_both_ways),
        cmocka_unit_test(nul_is_a_character_of_text),
        cmocka_unit_test(integers_past_63_bits_become_floats_and_others_stay_exact),
        cmocka_unit_test(null_is_kept_as_an_item),
        cmocka_unit_test(malformed_texts_are_refused_where_they_break),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(a_text_that_ends_early_is_refused_at_each_place),
        cmocka_unit_test(depth_is_bounded_at_64),
        cmocka_unit_test(numbers_that_no_float_holds_are_a_limit),
        cmocka_unit_test(a_tree_too_large_for_its_arena_is_refused),
        cmocka_unit_test(decoding_survives_each_allocation_that_fails),
        cmocka_unit_test(what_json_cannot_hold_is_refused_and_leaves_the_buffer),
        cmocka_unit_test(encoding_is_bounded_in_depth),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(every_control_character_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
