/* Spans and classes against their definitions, for every byte at every place in a word. */
#include "http/scan.h"
#include "tests/unit/http/http_test.h"

static void a_text_span_ends_at_the_first_control_wherever_it_stands(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_text = (byte >= 32 && byte != 127) || byte == 9;
        for (size_t size = 1; size <= 24; size++) {
            for (size_t at = 0; at < size; at++) {
                char text[24];
                memset(text, at % 2 ? 0xff : 'a', sizeof text);
                text[0] = '\t';
                text[at] = (char)byte;
                struct slice copy = exact((struct slice){text, size});
                assert_int_equal(http__text_span(copy.bytes, size), is_text ? size : at);
                drop(copy);
            }
        }
    }
}

static void classes_are_those_of_the_grammar(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        bool is_digit = byte >= '0' && byte <= '9';
        bool is_alpha = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool is_mark = byte != 0 && strchr("!#$%&'*+-.^_`|~", (int)byte);
        bool is_hex = is_digit || (byte != 0 && strchr("abcdefABCDEF", (int)byte));
        assert_int_equal(http__is(c, HTTP__TOKEN), is_digit || is_alpha || is_mark);
        assert_int_equal(http__is(c, HTTP__TARGET),
                         byte > 32 && byte < 127 && byte != '#' && byte != '?');
        bool is_of_host = is_digit || is_alpha || byte == '-' || byte == '.' || byte == '_';
        assert_int_equal(http__is(c, HTTP__HOST), is_of_host);
        assert_int_equal(http__is(c, HTTP__HEX), is_hex);
        char digit[2] = {c, 0};
        assert_int_equal(http__hex(c), is_hex ? strtol(digit, NULL, 16) : -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_span_ends_at_the_first_control_wherever_it_stands),
        cmocka_unit_test(classes_are_those_of_the_grammar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
