/* Dates: both ways over many days, malformed ones, If-Modified-Since. */
#include "tests/unit/http/http_test.h"

static void known_dates_go_both_ways(void **state) {
    (void)state;
    static const struct {
        int64_t unix_s;
        const char *text;
    } cases[] = {{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                 {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
                 {951827696, "Tue, 29 Feb 2000 12:34:56 GMT"},
                 {4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"},
                 {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char out[HTTP_DATE_SIZE];
        int64_t unix_s;
        assert_slice(http_date_format(cases[i].unix_s, out), cases[i].text);
        assert_int_equal(http_date_parse(slice_of(cases[i].text), &unix_s), STATUS_OK);
        assert_int_equal(unix_s, cases[i].unix_s);
    }
    char out[HTTP_DATE_SIZE];
    assert_slice(http_date_format(-1, out), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_slice(http_date_format(INT64_MAX, out), "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void every_day_comes_back(void **state) {
    (void)state;
    for (int64_t day = 0; day < 60000; day++) {
        char out[HTTP_DATE_SIZE];
        int64_t again, unix_s = day * 86400 + day;
        assert_int_equal(http_date_parse(http_date_format(unix_s, out), &again), STATUS_OK);
        assert_int_equal(again, unix_s);
    }
}

static void other_dates_are_refused(void **state) {
    (void)state;
    static const char *const bads[] = {"",
                                       "now",
                                       "Sun, 06 Nov 1994 08:49:37 UTC",
                                       "Mon, 06 Nov 1994 08:49:37 GMT",
                                       "Sun, 6 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 24:49:37 GMT",
                                       "Sun, 06 Nov 1994 08:60:37 GMT",
                                       "Sun, 31 Jun 1994 08:49:37 GMT",
                                       "Sun, 00 Nov 1994 08:49:37 GMT",
                                       "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994",
                                       "Wed, 31 Dec 1969 23:59:59 GMT",
                                       "Sun, 06 Nov 1994 08:49:37 GMT ",
                                       "Sun, 06 Nov 1994 08:49:-7 GMT",
                                       "Sun  06 Nov 1994 08:49:37 GMT"};
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
        int64_t unix_s = 5;
        struct slice copy = exact(slice_of(bads[i]));
        assert_int_equal(http_date_parse(copy, &unix_s), STATUS_SYNTAX);
        assert_int_equal(unix_s, 5);
        drop(copy);
    }
}

/* proves S12 */
static void a_file_is_unmodified_up_to_its_date(void **state) {
    (void)state;
    struct http_header header = {SLICE("If-Modified-Since"),
                                 SLICE("Sun, 06 Nov 1994 08:49:37 GMT")};
    struct http_request request = {
        .method = HTTP_METHOD_GET, .headers = &header, .header_count = 1};
    assert_true(http_is_unmodified(&request, 784111777));
    assert_false(http_is_unmodified(&request, 784111778));
    request.method = HTTP_METHOD_HEAD;
    assert_true(http_is_unmodified(&request, 0));
    request.method = HTTP_METHOD_POST;
    assert_false(http_is_unmodified(&request, 0));
    request.method = HTTP_METHOD_GET;
    header.value = SLICE("yesterday");
    assert_false(http_is_unmodified(&request, 0));
    request.header_count = 0;
    assert_false(http_is_unmodified(&request, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_dates_go_both_ways),
        cmocka_unit_test(every_day_comes_back),
        cmocka_unit_test(other_dates_are_refused),
        cmocka_unit_test(a_file_is_unmodified_up_to_its_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
