/* Digests against FIPS 180's examples, HMAC against RFC 2202 and RFC 4231, whole and in pieces. */
#include "crypto/crypto.h"
#include "tests/unit/cmocka_all.h"

#define S(text)   SLICE(text)
#define X4(text)  text text text text
#define X20(text) X4(text) X4(text) X4(text) X4(text) X4(text)

static void assert_hex(const uint8_t *bytes, size_t size, const char *expected) {
    char hex[2 * CRYPTO_DIGEST_MAX];
    size_t digits = crypto_hex_encode((struct slice){(const char *)bytes, size}, hex);
    assert_int_equal(digits, strlen(expected));
    assert_memory_equal(hex, expected, digits);
}

static const struct {
    enum crypto_digest kind;
    struct slice text;
    const char *digest;
} digest_cases[] = {
    {CRYPTO_SHA1, S(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {CRYPTO_SHA1, S("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {CRYPTO_SHA1, S("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
     "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    {CRYPTO_SHA256, S(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {CRYPTO_SHA256, S("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {CRYPTO_SHA256, S("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {CRYPTO_SHA512, S(""),
     "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
     "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
    {CRYPTO_SHA512, S("abc"),
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

static void digests_are_those_of_the_standard(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(digest_cases); i++) {
        uint8_t out[CRYPTO_DIGEST_MAX];
        size_t size = crypto_digest(digest_cases[i].kind, digest_cases[i].text, out);
        assert_int_equal(size, crypto_digest_size(digest_cases[i].kind));
        assert_hex(out, size, digest_cases[i].digest);
    }
}

/* The whole at once may be by hardware, the pieces never are. */
static void every_size_has_one_digest(void **state) {
    (void)state;
    char text[200];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 167 + 13);
    for (size_t size = 0; size <= sizeof text; size++) {
        uint8_t at_once[CRYPTO_SHA1_SIZE], piece[CRYPTO_SHA1_SIZE];
        struct crypto_hash hash;
        crypto_hash_begin(&hash, CRYPTO_SHA1);
        crypto_hash_add(&hash, (struct slice){text, size});
        crypto_hash_end(&hash, piece);
        crypto_digest(CRYPTO_SHA1, (struct slice){text, size}, at_once);
        assert_memory_equal(at_once, piece, CRYPTO_SHA1_SIZE);
    }
}

static void a_text_in_pieces_has_the_digest_of_the_whole(void **state) {
    static const char text[] = X20("0123456789abcdef!") X20("x");
    const struct slice whole = SLICE(text);
    (void)state;
    for (int kind = CRYPTO_SHA1; kind <= CRYPTO_SHA512; kind++) {
        uint8_t at_once[CRYPTO_DIGEST_MAX], pieces[CRYPTO_DIGEST_MAX];
        size_t size = crypto_digest((enum crypto_digest)kind, whole, at_once);
        for (size_t step = 1; step < whole.size; step += 6) {
            struct crypto_hash hash;
            crypto_hash_begin(&hash, (enum crypto_digest)kind);
            crypto_hash_add(&hash, SLICE_NONE);
            for (size_t at = 0; at < whole.size; at += step) {
                size_t left = whole.size - at;
                crypto_hash_add(&hash, (struct slice){text + at, left < step ? left : step});
            }
            assert_int_equal(crypto_hash_end(&hash, pieces), size);
            assert_memory_equal(pieces, at_once, size);
        }
    }
}

static const struct {
    enum crypto_digest kind;
    struct slice key, text;
    const char *mac;
} mac_cases[] = {
    {CRYPTO_SHA1, S(X20("\x0b")), S("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00"},
    {CRYPTO_SHA1, S("Jefe"), S("what do ya want for nothing?"),
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {CRYPTO_SHA1, S(X20(X4("\xaa"))), S("Test Using Larger Than Block-Size Key - Hash Key First"),
     "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
    {CRYPTO_SHA256, S(X20("\x0b")), S("Hi There"),
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {CRYPTO_SHA256, S("Jefe"), S("what do ya want for nothing?"),
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {CRYPTO_SHA256,
     S(X20(X4("\xaa")) X20("\xaa") X20("\xaa") "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"),
     S("Test Using Larger Than Block-Size Key - Hash Key First"),
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {CRYPTO_SHA512, S(X20("\x0b")), S("Hi There"),
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
     "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
    {CRYPTO_SHA512, S("Jefe"), S("what do ya want for nothing?"),
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
     "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    {CRYPTO_SHA512,
     S(X20(X4("\xaa")) X20("\xaa") X20("\xaa") "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"),
     S("Test Using Larger Than Block-Size Key - Hash Key First"),
     "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
     "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
};

static void macs_are_those_of_the_rfcs(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(mac_cases); i++) {
        uint8_t out[CRYPTO_DIGEST_MAX];
        struct crypto_mac mac;
        struct slice text = mac_cases[i].text;
        size_t size = crypto_hmac(mac_cases[i].kind, mac_cases[i].key, text, out);
        assert_hex(out, size, mac_cases[i].mac);
        memset(out, 0, sizeof out);
        crypto_mac_begin(&mac, mac_cases[i].kind, mac_cases[i].key);
        for (size_t at = 0; at < text.size; at++) {
            crypto_mac_add(&mac, (struct slice){text.bytes + at, 1});
        }
        assert_int_equal(crypto_mac_end(&mac, out), size);
        assert_hex(out, size, mac_cases[i].mac);
    }
}

static void an_empty_key_and_text_have_a_mac_too(void **state) {
    uint8_t out[CRYPTO_DIGEST_MAX];
    (void)state;
    size_t size = crypto_hmac(CRYPTO_SHA256, SLICE_NONE, SLICE_NONE, out);
    assert_hex(out, size, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void digests_are_known_by_name(void **state) {
    enum crypto_digest kind = CRYPTO_SHA1;
    (void)state;
    assert_int_equal(crypto_digest_parse(S("sha512"), &kind), STATUS_OK);
    assert_int_equal(kind, CRYPTO_SHA512);
    assert_int_equal(crypto_digest_parse(S("sha256"), &kind), STATUS_OK);
    assert_int_equal(kind, CRYPTO_SHA256);
    assert_int_equal(crypto_digest_parse(S("md5"), &kind), STATUS_NOT_FOUND);
    assert_int_equal(crypto_digest_parse(S("SHA1"), &kind), STATUS_NOT_FOUND);
    assert_int_equal(kind, CRYPTO_SHA256);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_standard),
        cmocka_unit_test(every_size_has_one_digest),
        cmocka_unit_test(a_text_in_pieces_has_the_digest_of_the_whole),
        cmocka_unit_test(macs_are_those_of_the_rfcs),
        cmocka_unit_test(an_empty_key_and_text_have_a_mac_too),
        cmocka_unit_test(digests_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
