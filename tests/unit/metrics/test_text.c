/* Both formats, byte for byte. */
#include "metrics/internal.h"
#include "tests/unit/cmocka_all.h"

static void assert_text(struct metrics_text *text, const char *wanted) {
    assert_int_equal(text->status, STATUS_OK);
    assert_int_equal(buffer_append(&text->buffer, (struct slice){"", 1}), STATUS_OK);
    assert_string_equal(text->buffer.bytes, wanted);
    buffer_deinit(&text->buffer);
}

static void a_counter_is_named_differently_in_open_metrics(void **state) {
    (void)state;
    const struct metrics_labels labels = {{{"a", SLICE("x")}, {"b", SLICE("y")}}};
    struct metrics_text text;
    text_init(&text, false);
    text_family(&text, METRICS_COUNTER, "n", "Help.");
    text_sample(&text, &labels, 7);
    text_end(&text);
    assert_text(&text,
                "# HELP n_total Help.\n# TYPE n_total counter\nn_total{a=\"x\",b=\"y\"} 7\n");
    text_init(&text, true);
    text_family(&text, METRICS_COUNTER, "n", "Help.");
    text_sample(&text, &labels, 7);
    text_end(&text);
    assert_text(&text, "# HELP n Help.\n# TYPE n counter\nn_total{a=\"x\",b=\"y\"} 7\n# EOF\n");
}

static void values_of_labels_are_escaped(void **state) {
    (void)state;
    struct metrics_text text;
    text_init(&text, false);
    text_family(&text, METRICS_GAUGE, "n", "Help.");
    text_sample(&text, &(struct metrics_labels){{{"a", SLICE("q\" b\\ n\n")}}}, 0);
    assert_text(&text, "# HELP n Help.\n# TYPE n gauge\nn{a=\"q\\\" b\\\\ n\\n\"} 0\n");
}

static void milliseconds_are_printed_as_seconds(void **state) {
    (void)state;
    struct metrics_text text;
    text_init(&text, false);
    text.family = "n";
    text.kind = METRICS_GAUGE;
    text_milli(&text, &(struct metrics_labels){0}, 12005);
    assert_text(&text, "n 12.005\n");
}

static void buckets_are_cumulative_with_inclusive_bounds(void **state) {
    (void)state;
    struct histogram histogram = {0}, sum = {0};
    histogram_add(&histogram, 0);
    histogram_add(&histogram, 1);
    histogram_add(&histogram, 2);
    histogram_add(&histogram, 30000);
    histogram_add(&histogram, 30001);
    histogram_merge(&sum, &histogram);
    histogram_merge(&sum, &histogram);
    struct metrics_text text;
    text_init(&text, true);
    text.family = "d";
    text.kind = METRICS_HISTOGRAM;
    text_histogram(&text, &(struct metrics_labels){{{"s", SLICE("m")}}}, &sum);
    assert_text(&text, "d_bucket{s=\"m\",le=\"0.001\"} 4\nd_bucket{s=\"m\",le=\"0.005\"} 6\n"
                       "d_bucket{s=\"m\",le=\"0.01\"} 6\nd_bucket{s=\"m\",le=\"0.025\"} 6\n"
                       "d_bucket{s=\"m\",le=\"0.05\"} 6\nd_bucket{s=\"m\",le=\"0.1\"} 6\n"
                       "d_bucket{s=\"m\",le=\"0.25\"} 6\nd_bucket{s=\"m\",le=\"0.5\"} 6\n"
                       "d_bucket{s=\"m\",le=\"1.0\"} 6\nd_bucket{s=\"m\",le=\"5.0\"} 6\n"
                       "d_bucket{s=\"m\",le=\"30.0\"} 8\nd_bucket{s=\"m\",le=\"+Inf\"} 10\n"
                       "d_sum{s=\"m\"} 120.008\nd_count{s=\"m\"} 10\n");
}

static void codes_fall_into_classes_of_bounded_number(void **state) {
    (void)state;
    for (unsigned code = 0; code < 70000; code++)
        assert_true(ws_code_class(code) < WS_CODE_CLASSES);
    assert_string_equal(ws_code_class_text(ws_code_class(1000)), "1000");
    assert_string_equal(ws_code_class_text(ws_code_class(1015)), "1015");
    assert_string_equal(ws_code_class_text(ws_code_class(3999)), "3xxx");
    assert_string_equal(ws_code_class_text(ws_code_class(4000)), "4xxx");
    assert_string_equal(ws_code_class_text(ws_code_class(2999)), "other");
    assert_string_equal(ws_code_class_text(ws_code_class(0)), "other");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_is_named_differently_in_open_metrics),
        cmocka_unit_test(values_of_labels_are_escaped),
        cmocka_unit_test(milliseconds_are_printed_as_seconds),
        cmocka_unit_test(buckets_are_cumulative_with_inclusive_bounds),
        cmocka_unit_test(codes_fall_into_classes_of_bounded_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
