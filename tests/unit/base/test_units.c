/* Text of durations, sizes and times, and the clocks. */
#include "base/base.h"
#include "tests/unit/cmocka_all.h"

struct pair {
    const char *text;
    uint64_t value;
};

static void durations_read_back_as_written(void **state) {
    (void)state;
    static const struct pair pairs[] = {{"0ms", 0},       {"250ms", 250},    {"5s", 5000},
                                        {"90s", 90000},   {"10m", 600000},   {"1h", 3600000},
                                        {"1d", 86400000}, {"25h", 90000000}, {"1001ms", 1001}};
    char text[BASE_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        uint64_t ms = 1;
        assert_int_equal(duration_parse(slice_of(pairs[i].text), &ms), STATUS_OK);
        assert_true(ms == pairs[i].value);
        assert_true(slice_is(duration_format(ms, text), pairs[i].text));
    }
    assert_true(slice_is(duration_format(60000, text), "1m"));
    assert_true(slice_is(duration_format(UINT64_MAX, text), "18446744073709551615ms"));
}

static void durations_need_one_unit_and_whole_numbers(void **state) {
    (void)state;
    static const char *const bad[] = {"",      "5",   "s",  "1.5s", "-1s",
                                      "1h30m", "5 s", "5S", "1w",   " 1s"};
    uint64_t ms = 7;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(duration_parse(slice_of(bad[i]), &ms), STATUS_SYNTAX);
    assert_int_equal(duration_parse(SLICE("18446744073709551615d"), &ms), STATUS_RANGE);
    assert_int_equal(duration_parse(SLICE("99999999999999999999999ms"), &ms), STATUS_RANGE);
    assert_true(ms == 7);
}

static void sizes_read_back_as_written(void **state) {
    (void)state;
    static const struct pair pairs[] = {
        {"512B", 512}, {"64KiB", 65536}, {"1MiB", 1048576}, {"2GiB", 2147483648u}, {"1025B", 1025}};
    char text[BASE_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        uint64_t bytes = 1;
        assert_int_equal(size_parse(slice_of(pairs[i].text), &bytes), STATUS_OK);
        assert_true(bytes == pairs[i].value);
        assert_true(slice_is(size_format(bytes, text), pairs[i].text));
    }
    uint64_t bytes;
    assert_int_equal(size_parse(SLICE("1000"), &bytes), STATUS_OK);
    assert_int_equal(bytes, 1000);
    assert_true(slice_is(size_format(0, text), "0B"));
}

static void sizes_refuse_other_units(void **state) {
    (void)state;
    static const char *const bad[] = {"", "KiB", "1KB", "1kib", "1.5MiB", "-1B", "1 KiB", "x1"};
    uint64_t bytes = 7;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(size_parse(slice_of(bad[i]), &bytes), STATUS_SYNTAX);
    assert_int_equal(size_parse(SLICE("18446744073709551616"), &bytes), STATUS_RANGE);
    assert_int_equal(size_parse(SLICE("17179869184GiB"), &bytes), STATUS_RANGE);
    assert_true(bytes == 7);
}

static void times_are_rfc_3339_in_utc(void **state) {
    (void)state;
    static const struct pair pairs[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"1999-12-31T23:59:59.999Z", 946684799999u},
        {"2000-02-29T00:00:00.000Z", 951782400000u},
        {"2000-03-01T00:00:00.000Z", 951868800000u},
        {"2026-01-31T12:00:00.123Z", 1769860800123u},
        {"2100-02-28T23:59:59.000Z", 4107542399000u},
        {"2100-03-01T00:00:00.000Z", 4107542400000u},
        {"2400-02-29T12:00:00.000Z", 13574606400000u},
    };
    char text[BASE_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        assert_true(slice_is(time_format(pairs[i].value, text), pairs[i].text));
    assert_true(time_format(UINT64_MAX, text).size < BASE_TEXT_MAX);
}

static void system_clocks_run_forwards(void **state) {
    (void)state;
    uint64_t before = clock_system.mono_ns(&clock_system);
    assert_true(clock_system.mono_ns(&clock_system) >= before);
    assert_true(clock_system.wall_ms(&clock_system) > 1700000000000u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_read_back_as_written),
        cmocka_unit_test(durations_need_one_unit_and_whole_numbers),
        cmocka_unit_test(sizes_read_back_as_written),
        cmocka_unit_test(sizes_refuse_other_units),
        cmocka_unit_test(times_are_rfc_3339_in_utc),
        cmocka_unit_test(system_clocks_run_forwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
