/* JSON as the API writes it: brackets, commas, quoting. */
#include "tests/unit/cmocka_all.h"

#include "control/control.h"

struct page {
    struct buffer buffer;
    struct out out;
};

static struct page begin(void) {
    struct page page;
    buffer_init(&page.buffer, 0);
    return page;
}

static void expect(struct page *page, const char *text) {
    assert_int_equal(page->out.status, STATUS_OK);
    assert_int_equal(buffer_append(&page->buffer, (struct slice){"", 1}), STATUS_OK);
    assert_string_equal(page->buffer.bytes, text);
    buffer_deinit(&page->buffer);
}

static void maps_and_lists_nest_with_their_commas(void **state) {
    (void)state;
    struct page page = begin();
    struct out *out = &page.out;
    out_init(out, &page.buffer);
    out_map(out, NULL);
    out_list(out, "empty");
    out_end(out);
    out_list(out, "two");
    out_u64(out, NULL, 1);
    out_map(out, NULL);
    out_bool(out, "yes", true);
    out_null(out, "none");
    out_end(out);
    out_end(out);
    out_slice_map(out, SLICE("a\"b"));
    out_end(out);
    out_end(out);
    expect(&page, "{\"empty\":[],\"two\":[1,{\"yes\":true,\"none\":null}],\"a\\\"b\":{}}");
}

static void texts_are_quoted_and_broken_bytes_replaced(void **state) {
    (void)state;
    struct page page = begin();
    struct out *out = &page.out;
    out_init(out, &page.buffer);
    out_list(out, NULL);
    out_text(out, NULL, SLICE("a\n\"\\\x01"));
    out_text(out, NULL,
             SLICE("\xff"
                   "b\xc3"));
    out_text(out, NULL, SLICE_NONE);
    out_text_or_null(out, NULL, SLICE_NONE);
    out_end(out);
    expect(&page, "[\"a\\n\\\"\\\\\\u0001\",\"\xEF\xBF\xBD"
                  "b\xEF\xBF\xBD\",\"\",null]");
}

static void numbers_times_and_rates_have_one_form(void **state) {
    (void)state;
    struct page page = begin();
    struct out *out = &page.out;
    out_init(out, &page.buffer);
    out_list(out, NULL);
    out_u64(out, NULL, UINT64_MAX);
    out_rate(out, NULL, 0.25);
    out_rate(out, NULL, 1e6);
    out_time(out, NULL, 0);
    out_time(out, NULL, 1500);
    out_json(out, NULL, SLICE("{\"as\":\"is\"}"));
    out_end(out);
    expect(&page, "[18446744073709551615,0.2,1000000.0,null,\"1970-01-01T00:00:01.500Z\","
                  "{\"as\":\"is\"}]");
}

static void the_first_failure_stays_and_ends_the_writing(void **state) {
    (void)state;
    struct page page = begin();
    page.buffer.limit_bytes = 8;
    struct out *out = &page.out;
    out_init(out, &page.buffer);
    out_map(out, NULL);
    out_text(out, "name", SLICE("longer than eight"));
    out_end(out);
    assert_int_equal(out->status, STATUS_LIMIT);
    assert_true(page.buffer.size <= 8);
    buffer_deinit(&page.buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_and_lists_nest_with_their_commas),
        cmocka_unit_test(texts_are_quoted_and_broken_bytes_replaced),
        cmocka_unit_test(numbers_times_and_rates_have_one_form),
        cmocka_unit_test(the_first_failure_stays_and_ends_the_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
