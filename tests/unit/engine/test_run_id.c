/* A run's ID as text: 128 bits in 26 digits of five. */
#include "engine/run.h"
#include "tests/unit/cmocka_all.h"

static void an_id_is_spelt_from_its_highest_bits_down(void **state) {
    (void)state;
    static const struct {
        uint64_t id[2];
        const char *text;
    } cases[] = {{{0, 0}, "00000000000000000000000000"},
                 {{0, 31}, "0000000000000000000000000z"},
                 {{0, UINT64_C(1) << 59}, "00000000000000g00000000000"},
                 {{0, UINT64_C(1) << 60}, "00000000000001000000000000"},
                 {{1, 0}, "0000000000000g000000000000"},
                 {{UINT64_C(1) << 55, 0}, "00g00000000000000000000000"},
                 {{UINT64_C(1) << 56, 0}, "01000000000000000000000000"},
                 {{UINT64_MAX, UINT64_MAX}, "7zzzzzzzzzzzzzzzzzzzzzzzzz"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[RUN_ID_MAX];
        run__spell_id(cases[i].id, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_spelt_from_its_highest_bits_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
