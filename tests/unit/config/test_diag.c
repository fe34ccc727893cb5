/* Messages: which are kept, in what order, on one line whatever they quote. */
#include "config/config.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/config/parse_help.h"

static const char *printed(struct config_diag *diag, struct buffer *out) {
    buffer_init(out, 0);
    assert_int_equal(config_diag_print(diag, out), STATUS_OK);
    assert_int_equal(buffer_append(out, (struct slice){"", 1}), STATUS_OK);
    return out->bytes;
}

static struct config_mark at(const char *file, uint32_t line, uint32_t column) {
    return (struct config_mark){file, line, column};
}

static void messages_are_sorted_by_file_line_and_column(void **state) {
    (void)state;
    struct parsed in;
    struct buffer out;
    parse(&in, "");
    assert_non_null(config_parse(SLICE("a: b"), "first.yaml", &in.arena, &in.diag));
    assert_non_null(config_parse(SLICE("a: b"), "a.yaml", &in.arena, &in.diag));
    config_error(&in.diag, at("a.yaml", 2, 1), "five");
    config_error(&in.diag, at("other.yaml", 1, 1), "six");
    config_error(&in.diag, at("first.yaml", 10, 2), "four");
    config_error(&in.diag, at("first.yaml", 9, 7), "two");
    config_hint(&in.diag, "hinted");
    config_note(&in.diag, at("a.yaml", 8, 8), "noted");
    config_warning(&in.diag, at("first.yaml", 9, 7), "three");
    config_error(&in.diag, at("first.yaml", 0, 0), "one");
    config_error(&in.diag, at(NULL, 0, 0), "zero");
    config_diag_sort(&in.diag);
    config_hint(&in.diag, "too late");
    assert_string_equal(printed(&in.diag, &out), "error: zero\n"
                                                 "first.yaml: error: one\n"
                                                 "first.yaml:9:7: error: two\n"
                                                 "    hint: hinted\n"
                                                 "a.yaml:8:8: note: noted\n"
                                                 "first.yaml:9:7: warning: three\n"
                                                 "first.yaml:10:2: error: four\n"
                                                 "a.yaml:2:1: error: five\n"
                                                 "other.yaml:1:1: error: six\n");
    assert_int_equal(in.diag.errors, 6);
    assert_int_equal(in.diag.warnings, 1);
    buffer_deinit(&out);
    parsed_free(&in);
}

static void at_most_fifty_are_kept_and_all_are_counted(void **state) {
    (void)state;
    struct parsed in;
    parse(&in, "");
    for (uint32_t i = 1; i <= 60; i++) {
        config_error(&in.diag, at("x", i, 1), "error %u", i);
        config_hint(&in.diag, "hint %u", i);
    }
    assert_int_equal(in.diag.count, 50);
    assert_int_equal(in.diag.errors, 60);
    assert_string_equal(in.diag.messages[49].hint, "hint 50");
    parsed_free(&in);
}

static void an_error_takes_the_place_of_a_warning(void **state) {
    (void)state;
    struct parsed in;
    parse(&in, "");
    config_error(&in.diag, at("x", 1, 1), "the first");
    for (uint32_t i = 1; i <= 60; i++)
        config_warning(&in.diag, at("x", i, 1), "warning %u", i);
    config_error(&in.diag, at("x", 1, 1), "the second");
    config_hint(&in.diag, "its hint");
    assert_int_equal(in.diag.count, 50);
    assert_string_equal(in.diag.messages[48].text, "warning 48");
    assert_string_equal(in.diag.messages[49].text, "the second");
    assert_string_equal(in.diag.messages[49].hint, "its hint");
    assert_int_equal(in.diag.warnings, 60);
    parsed_free(&in);
}

static void a_message_is_one_short_line(void **state) {
    (void)state;
    struct parsed in;
    char text[2000];
    parse(&in, "");
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa9", 3);
    config_error(&in.diag, at("x", 1, 1), "%s", text);
    config_error(&in.diag, at("x", 1, 1), "x%s", text);
    config_error(&in.diag, at("x", 1, 1), "a\nb\x1b[0m\x7f\xff");
    for (size_t i = 0; i < 2; i++) {
        struct slice kept = slice_of(in.diag.messages[i].text);
        assert_true(kept.size < 600);
        assert_true(slice_is_utf8(kept));
        assert_true(slice_ends_with(kept, SLICE("\xc3\xa9...")));
    }
    assert_string_equal(in.diag.messages[2].text, "a\\x0ab\\x1b[0m\\x7f\\xff");
    parsed_free(&in);
}

static void the_nearest_name_is_hinted(void **state) {
    (void)state;
    struct parsed in;
    const char *const names[] = {"wake-host", "send-message"};
    parse(&in, "");
    config_error(&in.diag, at("x", 1, 1), "unknown");
    config_hint_nearest(&in.diag, SLICE("wake-hots"), names, 2);
    config_error(&in.diag, at("x", 1, 1), "unknown");
    config_hint_nearest(&in.diag, SLICE("zzz"), names, 2);
    assert_string_equal(in.diag.messages[0].hint, "did you mean \"wake-host\"?");
    assert_null(in.diag.messages[1].hint);
    parsed_free(&in);
}

static void without_memory_errors_are_still_counted(void **state) {
    (void)state;
    struct arena small;
    struct config_diag diag;
    arena_init(&small, 16, 1);
    config_diag_init(&diag, &small);
    config_error(&diag, at("x", 1, 1), "lost");
    config_hint(&diag, "lost too");
    config_note(&diag, at("x", 1, 1), "lost too");
    assert_int_equal(diag.errors, 1);
    assert_int_equal(diag.count, 0);
    arena_deinit(&small);
}

static void printing_stops_at_the_limit_of_its_buffer(void **state) {
    (void)state;
    struct parsed in;
    struct buffer out;
    parse(&in, "");
    config_error(&in.diag, at("x", 1, 1), "too long for it");
    buffer_init(&out, 8);
    assert_int_equal(config_diag_print(&in.diag, &out), STATUS_LIMIT);
    buffer_deinit(&out);
    parsed_free(&in);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_sorted_by_file_line_and_column),
        cmocka_unit_test(at_most_fifty_are_kept_and_all_are_counted),
        cmocka_unit_test(an_error_takes_the_place_of_a_warning),
        cmocka_unit_test(a_message_is_one_short_line),
        cmocka_unit_test(the_nearest_name_is_hinted),
        cmocka_unit_test(without_memory_errors_are_still_counted),
        cmocka_unit_test(printing_stops_at_the_limit_of_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
