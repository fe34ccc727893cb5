/* Comparing secrets and checking passwords. The bcrypt and SHA hashes are well-known examples or
 * made at run time by crypt(3) itself. */
#include <crypt.h>

#include "crypto/crypto.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

static void secrets_are_equal_only_byte_for_byte(void **state) {
    (void)state;
    assert_true(crypto_equal(SLICE(""), SLICE_NONE));
    assert_true(crypto_equal(SLICE("secret\0x"), SLICE("secret\0x")));
    assert_false(crypto_equal(SLICE("secret\0x"), SLICE("secret\0y")));
    assert_false(crypto_equal(SLICE("secret"), SLICE("secreT")));
    assert_false(crypto_equal(SLICE("Secret"), SLICE("secret")));
    assert_false(crypto_equal(SLICE("secret"), SLICE("secret2")));
    assert_false(crypto_equal(SLICE("secret"), SLICE("")));
}

static void wiped_bytes_are_zero(void **state) {
    char bytes[8] = "secret!";
    (void)state;
    crypto_wipe(bytes, 4);
    assert_memory_equal(bytes, "\0\0\0\0et!", 8);
}

static struct crypt_data data;

static void a_password_is_checked_against_what_crypt_makes(void **state) {
    static const char *const settings[] = {
        "$2y$04$abcdefghijklmnopqrstuu", /* as `htpasswd -B` writes, with the least cost */
        "$2b$04$abcdefghijklmnopqrstuu",
        "$5$rounds=1000$salt$",
        "$6$rounds=1000$salt$",
        "$1$salt$",
        "ab",
        "_J9..rasm",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        struct slice hash = slice_of(crypt_r("open sesame", settings[i], &data));
        assert_true(crypto_password_hash_is_known(hash));
        assert_int_equal(crypto_password_check(SLICE("open sesame"), hash), STATUS_OK);
        assert_int_equal(crypto_password_check(SLICE("Open sesame"), hash), STATUS_DENIED);
        assert_int_equal(crypto_password_check(SLICE(""), hash), STATUS_DENIED);
        assert_int_equal(crypto_password_check(SLICE("open sesame\0x"), hash), STATUS_DENIED);
    }
}

static void what_crypt_does_not_know_is_unsupported(void **state) {
    static const char *const hashes[] = {
        "",
        "*",
        "*0",
        "!",
        "x",
        "plain text",
        "password",
        "$apr1$salt$0123456789012345678901",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "$99$salt$hash",
        "thirteen:char",
    };
    char longest[CRYPT_OUTPUT_SIZE + 10];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
        assert_false(crypto_password_hash_is_known(slice_of(hashes[i])));
        assert_int_equal(crypto_password_check(SLICE("x"), slice_of(hashes[i])),
                         STATUS_UNSUPPORTED);
    }
    memset(longest, '$', sizeof longest);
    assert_false(crypto_password_hash_is_known((struct slice){longest, sizeof longest}));
    assert_false(crypto_password_hash_is_known(SLICE("$6$salt$\0hash")));
}

static void a_password_that_is_too_long_is_denied(void **state) {
    static char phrase[CRYPT_MAX_PASSPHRASE_SIZE + 1];
    (void)state;
    memset(phrase, 'a', sizeof phrase);
    struct slice hash = slice_of(crypt_r("a", "$5$rounds=1000$salt$", &data));
    assert_int_equal(crypto_password_check((struct slice){phrase, sizeof phrase}, hash),
                     STATUS_DENIED);
}

static void without_memory_a_check_says_so(void **state) {
    (void)state;
    struct slice hash = slice_of(crypt_r("a", "$5$rounds=1000$salt$", &data));
    fail_alloc_after(0);
    enum status status = crypto_password_check(SLICE("a"), hash);
    fail_alloc_never();
    assert_int_equal(status, STATUS_NO_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_equal_only_byte_for_byte),
        cmocka_unit_test(wiped_bytes_are_zero),
        cmocka_unit_test(a_password_is_checked_against_what_crypt_makes),
        cmocka_unit_test(what_crypt_does_not_know_is_unsupported),
        cmocka_unit_test(a_password_that_is_too_long_is_denied),
        cmocka_unit_test(without_memory_a_check_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
