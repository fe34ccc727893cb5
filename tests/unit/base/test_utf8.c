/* UTF-8, at every place inside and around the blocks of the fast path. */
#include "base/base.h"
#include "tests/unit/cmocka_all.h"

struct sample {
    const char *bytes;
    size_t size;
};
#define SAMPLE(literal)                                                                            \
    { (literal), sizeof(literal) - 1 }

static const struct sample good[] = {
    SAMPLE(""),
    SAMPLE("a"),
    SAMPLE("\0"),
    SAMPLE("\x7f"),
    SAMPLE("\xc2\x80"),
    SAMPLE("\xdf\xbf"),
    SAMPLE("\xe0\xa0\x80"),
    SAMPLE("\xed\x9f\xbf"),
    SAMPLE("\xee\x80\x80"),
    SAMPLE("\xef\xbf\xbf"),
    SAMPLE("\xf0\x90\x80\x80"),
    SAMPLE("\xf4\x8f\xbf\xbf"),
    SAMPLE("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
};

static const struct sample bad[] = {
    SAMPLE("\x80"),             /* a tail alone */
    SAMPLE("\xbf"),             /* the same */
    SAMPLE("\xc0\x80"),         /* overlong NUL */
    SAMPLE("\xc1\xbf"),         /* overlong */
    SAMPLE("\xe0\x9f\xbf"),     /* overlong */
    SAMPLE("\xf0\x8f\xbf\xbf"), /* overlong */
    SAMPLE("\xed\xa0\x80"),     /* surrogate */
    SAMPLE("\xed\xbf\xbf"),     /* surrogate */
    SAMPLE("\xf4\x90\x80\x80"), /* beyond U+10FFFF */
    SAMPLE("\xf5\x80\x80\x80"), /* beyond */
    SAMPLE("\xff"),             /* never a byte of UTF-8 */
    SAMPLE("\xc2"),             /* cut */
    SAMPLE("\xe2\x82"),         /* cut */
    SAMPLE("\xf0\x9f\x98"),     /* cut */
    SAMPLE("\xc2\x41"),         /* no tail */
    SAMPLE("\xe2\x82\x41"),     /* no tail */
    SAMPLE("\xf0\x9f\x98\x41"), /* no tail */
    SAMPLE("\xf0\x9f\x41\x80"), /* no tail */
};

static bool is_utf8_after(size_t ascii_before, size_t ascii_after, struct sample sample) {
    char text[256];
    memset(text, 'x', sizeof(text));
    memcpy(text + ascii_before, sample.bytes, sample.size);
    return slice_is_utf8((struct slice){text, ascii_before + sample.size + ascii_after});
}

static void good_text_passes_at_every_offset(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        for (size_t before = 0; before < 70; before++)
            for (size_t after = 0; after < 70; after += 23)
                assert_true(is_utf8_after(before, after, good[i]));
}

static void bad_text_fails_at_every_offset(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        for (size_t before = 0; before < 70; before++)
            for (size_t after = 0; after < 70; after += 23)
                assert_false(is_utf8_after(before, after, bad[i]));
}

static void every_two_byte_head_is_judged_as_the_standard_says(void **state) {
    (void)state;
    for (unsigned first = 0x80; first < 0x100; first++) {
        for (unsigned second = 0; second < 0x100; second++) {
            char text[2] = {(char)first, (char)second};
            bool is_good = first >= 0xc2 && first <= 0xdf && second >= 0x80 && second <= 0xbf;
            assert_int_equal(slice_is_utf8((struct slice){text, 2}), is_good);
        }
    }
}

static void a_character_tells_its_size(void **state) {
    (void)state;
    assert_int_equal(slice_utf8_size(SLICE("ab")), 1);
    assert_int_equal(slice_utf8_size(SLICE("\xc3\xa4z")), 2);
    assert_int_equal(slice_utf8_size(SLICE("\xe2\x82\xac")), 3);
    assert_int_equal(slice_utf8_size(SLICE("\xf0\x9f\x98\x80")), 4);
    assert_int_equal(slice_utf8_size(SLICE_NONE), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(slice_utf8_size((struct slice){bad[i].bytes, bad[i].size}), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_text_passes_at_every_offset),
        cmocka_unit_test(bad_text_fails_at_every_offset),
        cmocka_unit_test(every_two_byte_head_is_judged_as_the_standard_says),
        cmocka_unit_test(a_character_tells_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
