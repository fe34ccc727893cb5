/* Ranges of a representation. */
#include "tests/unit/http/http_test.h"

/* proves S12 */
static void ranges_are_cut_to_the_size_or_passed_over(void **state) {
    (void)state;
    static const struct {
        const char *value;
        uint64_t size;
        enum status status;
        uint64_t first, last;
    } cases[] = {
        {"bytes=0-0", 10, STATUS_OK, 0, 0},
        {"bytes=0-9", 10, STATUS_OK, 0, 9},
        {"Bytes=2-5", 10, STATUS_OK, 2, 5},
        {"bytes=5-", 10, STATUS_OK, 5, 9},
        {"bytes=5-99", 10, STATUS_OK, 5, 9},
        {"bytes=9-99999999999999999999", 10, STATUS_OK, 9, 9},
        {"bytes=-3", 10, STATUS_OK, 7, 9},
        {"bytes=-30", 10, STATUS_OK, 0, 9},
        {"bytes=-99999999999999999999", 10, STATUS_OK, 0, 9},
        {"bytes=10-", 10, STATUS_RANGE, 0, 0},
        {"bytes=99999999999999999999-", 10, STATUS_RANGE, 0, 0},
        {"bytes=-0", 10, STATUS_RANGE, 0, 0},
        {"bytes=0-", 0, STATUS_RANGE, 0, 0},
        {"bytes=-1", 0, STATUS_RANGE, 0, 0},
        {"", 10, STATUS_NOT_FOUND, 0, 0},
        {"bytes=", 10, STATUS_NOT_FOUND, 0, 0},
        {"bytes=-", 10, STATUS_NOT_FOUND, 0, 0},
        {"bytes=5", 10, STATUS_NOT_FOUND, 0, 0},
        {"bytes=5-2", 10, STATUS_NOT_FOUND, 0, 0},
        {"bytes=a-b", 10, STATUS_NOT_FOUND, 0, 0},
        {"bytes=1-2,4-5", 10, STATUS_NOT_FOUND, 0, 0},
        {"bytes=1--2", 10, STATUS_NOT_FOUND, 0, 0},
        {"lines=1-2", 10, STATUS_NOT_FOUND, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t first = 0, last = 0;
        struct slice copy = exact(slice_of(cases[i].value));
        enum status status = http_range_parse(copy, cases[i].size, &first, &last);
        if (status != cases[i].status || first != cases[i].first || last != cases[i].last)
            fail_msg("%s: %d", cases[i].value, status);
        drop(copy);
    }
}

/* proves S12 */
static void a_range_holds_for_the_same_version_of_a_file(void **state) {
    (void)state;
    struct http_header header = {SLICE("if-range"), SLICE("Sun, 06 Nov 1994 08:49:37 GMT")};
    struct http_request request = {
        .method = HTTP_METHOD_GET, .headers = &header, .header_count = 1};
    assert_true(http_range_holds(&request, 784111777));
    assert_false(http_range_holds(&request, 784111776));
    assert_false(http_range_holds(&request, 784111778));
    header.value = SLICE("\"tag\"");
    assert_false(http_range_holds(&request, 784111777));
    request.header_count = 0;
    assert_true(http_range_holds(&request, 784111777));
    request.method = HTTP_METHOD_HEAD;
    assert_false(http_range_holds(&request, 784111777));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_cut_to_the_size_or_passed_over),
        cmocka_unit_test(a_range_holds_for_the_same_version_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
