/* Slices: comparing, cutting, numbers, nearest names. */
#include "base/base.h"
#include "tests/unit/cmocka_all.h"

#include <ctype.h>
#include <stdlib.h>

#define assert_slice(actual, literal)                                                              \
    do {                                                                                           \
        struct slice actual_ = (actual);                                                           \
        assert_int_equal(actual_.size, sizeof(literal) - 1);                                       \
        if (actual_.size > 0)                                                                      \
            assert_memory_equal(actual_.bytes, literal, actual_.size);                             \
    } while (0)

static void equal_compares_bytes_and_sizes(void **state) {
    (void)state;
    assert_true(slice_equal(SLICE("a\0b"), SLICE("a\0b")));
    assert_false(slice_equal(SLICE("a\0b"), SLICE("a\0c")));
    assert_false(slice_equal(SLICE("ab"), SLICE("abc")));
    assert_true(slice_equal(SLICE_NONE, SLICE("")));
    assert_true(slice_is(SLICE("main"), "main"));
    assert_false(slice_is(SLICE("mai"), "main"));
}

static void nocase_folds_ascii_letters_only(void **state) {
    (void)state;
    assert_true(slice_equal_nocase(SLICE("Content-Type"), SLICE("cONTENT-tYPE")));
    assert_false(slice_equal_nocase(SLICE("a@"), SLICE("a`")));
    assert_false(slice_equal_nocase(SLICE("\xc3\x84"), SLICE("\xc3\xa4")));
    assert_false(slice_equal_nocase(SLICE("ab"), SLICE("abc")));
    for (unsigned i = 0; i < 256 * 256; i++) {
        unsigned char first = (unsigned char)i, second = (unsigned char)(i / 256);
        char a[] = "0123456789ab", b[] = "0123456789AB";
        size_t place = i % 3 == 0 ? 11 : i % 8; /* in a word, or behind the last one */
        a[place] = (char)first;
        b[place] = (char)second;
        bool is_equal =
            (first < 0x80 ? tolower(first) : first) == (second < 0x80 ? tolower(second) : second);
        assert_int_equal(slice_equal_nocase(SLICE(a), SLICE(b)), is_equal);
    }
}

static void starts_ends_and_contains_find_parts(void **state) {
    (void)state;
    assert_true(slice_starts_with(SLICE("/chat/x"), SLICE("/chat")));
    assert_false(slice_starts_with(SLICE("/ch"), SLICE("/chat")));
    assert_true(slice_starts_with(SLICE_NONE, SLICE("")));
    assert_true(slice_ends_with(SLICE("index.html"), SLICE(".html")));
    assert_false(slice_ends_with(SLICE("html"), SLICE(".html")));
    assert_true(slice_contains(SLICE("a\0needle"), SLICE("needle")));
    assert_false(slice_contains(SLICE("a\0needl"), SLICE("needle")));
    assert_true(slice_contains(SLICE_NONE, SLICE_NONE));
}

static void trim_drops_white_space_on_both_ends(void **state) {
    (void)state;
    assert_slice(slice_trim(SLICE(" \t\r\na b\n ")), "a b");
    assert_slice(slice_trim(SLICE("  ")), "");
    assert_slice(slice_trim(SLICE_NONE), "");
}

static void cut_takes_the_part_before_the_first_separator(void **state) {
    (void)state;
    struct slice rest;
    assert_slice(slice_cut(SLICE("a=b=c"), '=', &rest), "a");
    assert_slice(rest, "b=c");
    assert_slice(slice_cut(SLICE("a="), '=', &rest), "a");
    assert_int_equal(rest.size, 0);
    assert_non_null(rest.bytes);
    assert_slice(slice_cut(SLICE("abc"), '=', &rest), "abc");
    assert_null(rest.bytes);
    assert_slice(slice_cut(SLICE_NONE, '=', &rest), "");
    assert_null(rest.bytes);
}

static void unsigned_numbers_are_decimal_and_whole(void **state) {
    (void)state;
    uint64_t value = 7;
    assert_int_equal(slice_to_u64(SLICE("0"), &value), STATUS_OK);
    assert_int_equal(value, 0);
    assert_int_equal(slice_to_u64(SLICE("18446744073709551615"), &value), STATUS_OK);
    assert_true(value == UINT64_MAX);
    assert_int_equal(slice_to_u64(SLICE("18446744073709551616"), &value), STATUS_RANGE);
    assert_int_equal(slice_to_u64(SLICE("99999999999999999999x"), &value), STATUS_SYNTAX);
    assert_int_equal(slice_to_u64(SLICE(""), &value), STATUS_SYNTAX);
    assert_int_equal(slice_to_u64(SLICE("+1"), &value), STATUS_SYNTAX);
    assert_int_equal(slice_to_u64(SLICE(" 1"), &value), STATUS_SYNTAX);
    assert_int_equal(slice_to_u64(SLICE("0x1"), &value), STATUS_SYNTAX);
    assert_true(value == UINT64_MAX);
}

static void signed_numbers_reach_both_ends(void **state) {
    (void)state;
    int64_t value = 7;
    assert_int_equal(slice_to_i64(SLICE("-9223372036854775808"), &value), STATUS_OK);
    assert_true(value == INT64_MIN);
    assert_int_equal(slice_to_i64(SLICE("9223372036854775807"), &value), STATUS_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(slice_to_i64(SLICE("+5"), &value), STATUS_OK);
    assert_int_equal(value, 5);
    assert_int_equal(slice_to_i64(SLICE("9223372036854775808"), &value), STATUS_RANGE);
    assert_int_equal(slice_to_i64(SLICE("-9223372036854775809"), &value), STATUS_RANGE);
    assert_int_equal(slice_to_i64(SLICE("-"), &value), STATUS_SYNTAX);
    assert_int_equal(slice_to_i64(SLICE("--1"), &value), STATUS_SYNTAX);
    assert_int_equal(value, 5);
}

static void nearest_finds_slips_and_nothing_far(void **state) {
    (void)state;
    static const char *const names[] = {"wake-host", "main", "send-message", "HttpMethod"};
    assert_string_equal(slice_nearest(SLICE("wake-hots"), names, 4), "wake-host");
    assert_string_equal(slice_nearest(SLICE("mian"), names, 4), "main");
    assert_string_equal(slice_nearest(SLICE("send_mesage"), names, 4), "send-message");
    assert_string_equal(slice_nearest(SLICE("httpmethod"), names, 4), "HttpMethod");
    assert_null(slice_nearest(SLICE("zebra"), names, 4));
    assert_null(slice_nearest(SLICE("mark"), names, 4));
    assert_null(slice_nearest(SLICE(""), names, 4));
    assert_null(slice_nearest(SLICE("x"), (const char *const[]){"y"}, 1));
    assert_null(slice_nearest(SLICE("main"), names, 0));
}

static void nearest_prefers_the_nearer_and_then_the_first(void **state) {
    (void)state;
    static const char *const names[] = {"servers", "server", "serves"};
    assert_string_equal(slice_nearest(SLICE("server"), names, 3), "server");
    assert_string_equal(slice_nearest(SLICE("servere"), names, 3), "servers");
}

static void nearest_refuses_names_too_long_to_compare(void **state) {
    (void)state;
    char longest[66];
    memset(longest, 'a', 65);
    longest[65] = '\0';
    const char *names[] = {longest};
    assert_null(slice_nearest((struct slice){longest, 65}, names, 1));
    assert_null(slice_nearest((struct slice){longest, 64}, names, 1));
    longest[64] = '\0';
    assert_ptr_equal(slice_nearest((struct slice){longest, 63}, names, 1), longest);
}

static void sizes_add_until_they_overflow(void **state) {
    (void)state;
    size_t sum = 5;
    assert_true(size_add(SIZE_MAX - 1, 1, &sum));
    assert_true(sum == SIZE_MAX);
    assert_false(size_add(SIZE_MAX, 1, &sum));
    assert_true(sum == SIZE_MAX);
}

static void every_status_has_its_sentence(void **state) {
    (void)state;
    assert_string_equal(status_text(STATUS_OK), "done");
    assert_string_equal(status_text(STATUS_FAILED), "failed");
    assert_string_equal(status_text((enum status)12345), "unknown status");
}

static void fixed_objects_are_zeroed_and_text_is_terminated(void **state) {
    (void)state;
    unsigned char *memory = base_alloc(100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(memory[i], 0);
    char *text = base_strdup((struct slice){"abcdef", 3});
    assert_string_equal(text, "abc");
    char *empty = base_strdup(SLICE_NONE);
    assert_string_equal(empty, "");
    free(memory);
    free(text);
    free(empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_compares_bytes_and_sizes),
        cmocka_unit_test(nocase_folds_ascii_letters_only),
        cmocka_unit_test(starts_ends_and_contains_find_parts),
        cmocka_unit_test(trim_drops_white_space_on_both_ends),
        cmocka_unit_test(cut_takes_the_part_before_the_first_separator),
        cmocka_unit_test(unsigned_numbers_are_decimal_and_whole),
        cmocka_unit_test(signed_numbers_reach_both_ends),
        cmocka_unit_test(nearest_finds_slips_and_nothing_far),
        cmocka_unit_test(nearest_prefers_the_nearer_and_then_the_first),
        cmocka_unit_test(nearest_refuses_names_too_long_to_compare),
        cmocka_unit_test(sizes_add_until_they_overflow),
        cmocka_unit_test(every_status_has_its_sentence),
        cmocka_unit_test(fixed_objects_are_zeroed_and_text_is_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
