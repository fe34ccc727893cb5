/* Random bytes: none is given out twice, every bit moves, UUIDs have their form. */
#include "crypto/crypto.h"
#include "tests/unit/cmocka_all.h"

static void every_bit_of_random_bytes_takes_both_values(void **state) {
    uint8_t ones[600] = {0}, zeros[600] = {0}, bytes[600];
    (void)state;
    for (int round = 0; round < 100; round++) {
        crypto_random(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++) {
            ones[i] = (uint8_t)(ones[i] | bytes[i]);
            zeros[i] = (uint8_t)(zeros[i] | (uint8_t)~bytes[i]);
        }
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        assert_int_equal(ones[i] & zeros[i], 0xff);
    }
}

static void a_source_gives_each_byte_once_and_forgets_it(void **state) {
    struct crypto_source source;
    uint8_t taken[100][16];
    (void)state;
    crypto_source_init(&source);
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
        crypto_source_take(&source, taken[i], sizeof taken[i]);
        for (size_t before = 0; before < i; before++) {
            assert_memory_not_equal(taken[i], taken[before], sizeof taken[i]);
        }
        for (size_t used = 0; used < sizeof source.bytes - source.left; used++) {
            assert_int_equal(source.bytes[used], 0);
        }
    }
}

static void a_source_serves_any_size(void **state) {
    struct crypto_source source;
    uint8_t bytes[2000];
    static const size_t sizes[] = {0, 1, 4, 507, 508, 509, 2000, 500, 16};
    (void)state;
    crypto_source_init(&source);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        unsigned any = 0;
        memset(bytes, 0, sizeof bytes);
        crypto_source_take(&source, bytes, sizes[i]);
        for (size_t at = 0; at < sizeof bytes; at++) {
            any |= at < sizes[i] ? bytes[at] : 0u;
            assert_true(at < sizes[i] || bytes[at] == 0);
        }
        assert_true(any != 0 || sizes[i] < 16);
    }
}

static void a_uuid_is_of_version_4_and_unique(void **state) {
    struct crypto_source source;
    char uuids[64][CRYPTO_UUID_SIZE];
    (void)state;
    crypto_source_init(&source);
    for (size_t i = 0; i < ARRAY_SIZE(uuids); i++) {
        crypto_uuid(i % 2 ? &source : NULL, uuids[i]);
        for (size_t at = 0; at < CRYPTO_UUID_SIZE; at++) {
            char c = uuids[i][at];
            bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
            bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            assert_true(is_dash ? c == '-' : is_hex);
        }
        assert_int_equal(uuids[i][14], '4');
        assert_non_null(memchr("89ab", uuids[i][19], 4));
        for (size_t before = 0; before < i; before++) {
            assert_memory_not_equal(uuids[i], uuids[before], CRYPTO_UUID_SIZE);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_of_random_bytes_takes_both_values),
        cmocka_unit_test(a_source_gives_each_byte_once_and_forgets_it),
        cmocka_unit_test(a_source_serves_any_size),
        cmocka_unit_test(a_uuid_is_of_version_4_and_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
