/* base64 and hex against RFC 4648's examples, and what a strict reader refuses. */
#include "crypto/crypto.h"
#include "tests/unit/cmocka_all.h"

static const struct {
    struct slice bytes;
    const char *standard, *url;
} base64_cases[] = {
    {SLICE(""), "", ""},
    {SLICE("f"), "Zg==", "Zg"},
    {SLICE("fo"), "Zm8=", "Zm8"},
    {SLICE("foo"), "Zm9v", "Zm9v"},
    {SLICE("foob"), "Zm9vYg==", "Zm9vYg"},
    {SLICE("fooba"), "Zm9vYmE=", "Zm9vYmE"},
    {SLICE("foobar"), "Zm9vYmFy", "Zm9vYmFy"},
    {SLICE("\xfb\xff\xbf\x00"), "+/+/AA==", "-_-_AA"},
};

static void assert_decodes(enum crypto_base64 kind, const char *text, struct slice bytes) {
    uint8_t out[16];
    size_t size = 99;
    assert_int_equal(crypto_base64_decode(kind, slice_of(text), out, &size), STATUS_OK);
    assert_int_equal(size, bytes.size);
    assert_memory_equal(out, bytes.bytes, size);
}

static void base64_is_that_of_the_rfc_both_ways(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(base64_cases); i++) {
        char text[16];
        struct slice bytes = base64_cases[i].bytes;
        const char *standard = base64_cases[i].standard, *url = base64_cases[i].url;
        size_t size = crypto_base64_encode(CRYPTO_BASE64, bytes, text);
        assert_int_equal(size, CRYPTO_BASE64_SIZE(bytes.size));
        assert_true(slice_is((struct slice){text, size}, standard));
        assert_true(bytes.size <= CRYPTO_BASE64_DECODED_MAX(size));
        size = crypto_base64_encode(CRYPTO_BASE64_URL, bytes, text);
        assert_true(slice_is((struct slice){text, size}, url));
        assert_decodes(CRYPTO_BASE64, standard, bytes);
        assert_decodes(CRYPTO_BASE64_URL, url, bytes);
    }
    assert_decodes(CRYPTO_BASE64_URL, "Zg==", SLICE("f"));
}

static void base64_of_every_size_comes_back(void **state) {
    char bytes[64], text[CRYPTO_BASE64_SIZE(64)];
    uint8_t out[CRYPTO_BASE64_DECODED_MAX(CRYPTO_BASE64_SIZE(64))];
    (void)state;
    for (size_t size = 0; size <= sizeof bytes; size++) {
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (char)(i * 67 + size * 31);
        }
        for (int kind = CRYPTO_BASE64; kind <= CRYPTO_BASE64_URL; kind++) {
            size_t made = 0;
            struct slice written = {text, crypto_base64_encode((enum crypto_base64)kind,
                                                               (struct slice){bytes, size}, text)};
            assert_int_equal(crypto_base64_decode((enum crypto_base64)kind, written, out, &made),
                             STATUS_OK);
            assert_int_equal(made, size);
            assert_memory_equal(out, bytes, size);
        }
    }
}

static void base64_that_is_not_strict_is_refused(void **state) {
    static const char *const standard[] = {
        "Zg",   "Zg=",  "Zm9",    "Z",     "=",    "==",       "====", "Zg===", "Zm9vZ",     "Zh==",
        "Zm9=", "Z g=", "Zm9v\n", "Zm9v=", "Z===", "Zg==Zg==", "-_-_", "Zm=v",  "Zm9vYg===",
    };
    static const char *const url[] = {"Zg=", "Z", "Zh", "+/+/", "Zm9", "Zg===", "Zm8=="};
    uint8_t out[16];
    size_t size = 99;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(standard); i++) {
        assert_int_equal(crypto_base64_decode(CRYPTO_BASE64, slice_of(standard[i]), out, &size),
                         STATUS_SYNTAX);
    }
    for (size_t i = 0; i < ARRAY_SIZE(url); i++) {
        assert_int_equal(crypto_base64_decode(CRYPTO_BASE64_URL, slice_of(url[i]), out, &size),
                         STATUS_SYNTAX);
    }
    assert_int_equal(size, 99);
}

static void hex_is_written_in_lower_case_and_read_in_both(void **state) {
    static const char *const bad[] = {"a", "abc", "0g", "g0", "0x", "a ", "@@", "``", "::", "//"};
    uint8_t bytes[256], out[256];
    char text[512];
    size_t size = 0;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_int_equal(crypto_hex_encode((struct slice){(const char *)bytes, 256}, text), 512);
    assert_memory_equal(text + 2 * 0xa9, "a9aaab", 6);
    assert_int_equal(crypto_hex_decode((struct slice){text, 512}, out, &size), STATUS_OK);
    assert_int_equal(size, 256);
    assert_memory_equal(out, bytes, 256);
    assert_int_equal(crypto_hex_decode(SLICE("FfA0"), out, &size), STATUS_OK);
    assert_memory_equal(out, "\xff\xa0", 2);
    assert_int_equal(crypto_hex_decode(SLICE(""), out, &size), STATUS_OK);
    assert_int_equal(size, 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(crypto_hex_decode(slice_of(bad[i]), out, &size), STATUS_SYNTAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_the_rfc_both_ways),
        cmocka_unit_test(base64_of_every_size_comes_back),
        cmocka_unit_test(base64_that_is_not_strict_is_refused),
        cmocka_unit_test(hex_is_written_in_lower_case_and_read_in_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
