/* Numbers to text and back. */
#include "expr/number.h"

#include <math.h>
#include <stdlib.h>

#include "tests/unit/cmocka_all.h"

static void assert_float(double number, const char *text) {
    char room[NUMBER_TEXT_MAX];
    struct slice got = number__from_float(number, room);
    if (!slice_is(got, text))
        fail_msg("got \"" SLICE_FMT "\", expected \"%s\"", SLICE_ARG(got), text);
}

static void assert_int(int64_t integer, const char *text) {
    char room[NUMBER_TEXT_MAX];
    assert_true(slice_is(number__from_int(integer, room), text));
}

static void integers_are_exact(void **state) {
    (void)state;
    assert_int(0, "0");
    assert_int(-1, "-1");
    assert_int(INT64_MAX, "9223372036854775807");
    assert_int(INT64_MIN, "-9223372036854775808");
}

static void whole_floats_below_2_to_53_have_no_fraction(void **state) {
    (void)state;
    assert_float(10.0 / 2, "5");
    assert_float(-3.0, "-3");
    assert_float(0.0, "0");
    assert_float(-0.0, "0");
    assert_float(1e15, "1000000000000000");
    assert_float(9007199254740991.0, "9007199254740991");
    assert_float(9007199254740992.0, "9007199254740992.0");
    assert_float(1e16, "1e+16");
    assert_float(1e300, "1e+300");
}

static void floats_have_their_shortest_text(void **state) {
    (void)state;
    assert_float(0.1, "0.1");
    assert_float(0.1 + 0.2, "0.30000000000000004");
    assert_float(1.5, "1.5");
    assert_float(-2.25e-7, "-2.25e-07");
    assert_float(1.0 / 3, "0.3333333333333333");
    assert_float(5e-324, "4.94065645841247e-324");
    assert_float(1.7976931348623157e308, "1.7976931348623157e+308");
    assert_float(NAN, "nan");
    assert_float(-NAN, "nan");
    assert_float(INFINITY, "inf");
    assert_float(-INFINITY, "-inf");
}

static void floats_read_back_as_they_were(void **state) {
    (void)state;
    uint64_t bits = 0x3ff0000000000001, checked = 0;
    for (int i = 0; i < 20000; i++) {
        double number, back;
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number))
            continue;
        char room[NUMBER_TEXT_MAX], text[NUMBER_TEXT_MAX + 1] = {0};
        struct slice got = number__from_float(number, room);
        assert_true(got.size <= NUMBER_TEXT_MAX);
        memcpy(text, got.bytes, got.size);
        back = strtod(text, NULL);
        assert_memory_equal(&back, &number, sizeof back);
        checked++;
    }
    assert_true(checked > 19000);
}

static void assert_parses(const char *text, struct value expected) {
    struct value got = value_nil();
    if (number__parse(slice_of(text), &got) != STATUS_OK)
        fail_msg("\"%s\" is refused", text);
    assert_int_equal(got.type, expected.type);
    assert_true(value_equal(got, expected));
}

static void decimal_texts_are_numbers(void **state) {
    (void)state;
    assert_parses("0", value_int(0));
    assert_parses("007", value_int(7));
    assert_parses("-12", value_int(-12));
    assert_parses("+12", value_int(12));
    assert_parses("  12\t\r\n", value_int(12));
    assert_parses("9223372036854775807", value_int(INT64_MAX));
    assert_parses("-9223372036854775808", value_int(INT64_MIN));
    assert_parses("9223372036854775808", value_float(0x1p63));
    assert_parses("1.5", value_float(1.5));
    assert_parses("+.5", value_float(0.5));
    assert_parses("5.", value_float(5));
    assert_parses("1e3", value_float(1000));
    assert_parses("-1.25E-2", value_float(-0.0125));
    assert_parses("1e-400", value_float(0));
}

static void other_texts_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",    " ",   ".",    "-",   "+",     "e5",    "1e",  "1e+",
                                      "0x1", "inf", "nan",  "1 2", "1.2.3", "--1",   "+-1", "1,5",
                                      "1_0", "abc", "1e5x", "-.",  "1e5e5", "\"1\"", "0b1"};
    struct value out = value_int(42);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(number__parse(slice_of(bad[i]), &out), STATUS_SYNTAX);
    assert_int_equal(number__parse(SLICE("1\0"), &out), STATUS_SYNTAX);
    assert_int_equal(number__parse(SLICE_NONE, &out), STATUS_SYNTAX);
    assert_int_equal(number__parse(SLICE("1e400"), &out), STATUS_RANGE);
    assert_int_equal(number__parse(SLICE("-1e400"), &out), STATUS_RANGE);
    char digits[NUMBER_PARSE_MAX + 1];
    memset(digits, '0', sizeof digits);
    assert_int_equal(number__parse((struct slice){digits, sizeof digits}, &out), STATUS_SYNTAX);
    assert_int_equal(out.integer, 42);
    assert_int_equal(number__parse((struct slice){digits, NUMBER_PARSE_MAX}, &out), STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(whole_floats_below_2_to_53_have_no_fraction),
        cmocka_unit_test(floats_have_their_shortest_text),
        cmocka_unit_test(floats_read_back_as_they_were),
        cmocka_unit_test(decimal_texts_are_numbers),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
