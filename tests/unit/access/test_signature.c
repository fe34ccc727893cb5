/* Signatures, against the examples that GitHub and Slack document. */
#include "tests/unit/access/access_test.h"

static bool fits(const struct access_signature *its, const char *headers, struct slice bytes,
                 uint64_t wall_ms) {
    struct arena arena;
    struct asked asked;
    uint8_t signature[CRYPTO_DIGEST_MAX];
    arena_init(&arena, 8192, 0);
    const char *rest = arena_printf(&arena, "Host: a\r\n%s", headers);
    bool is_good = access_signature_read(its, ask(&asked, &arena, "POST / HTTP/1.1", rest), wall_ms,
                                         signature) &&
                   access_signature_fits(its, bytes, signature);
    arena_deinit(&arena);
    return is_good;
}

#define GITHUB "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
static const struct access_signature github = {.header = {"x-hub-signature-256", 19},
                                               .prefix = {"sha256=", 7},
                                               .secret = {"It's a Secret to Everybody", 26},
                                               .algorithm = CRYPTO_SHA256,
                                               .encoding = ACCESS_HEX};

/* proves S17 */
static void the_example_of_github_fits(void **state) {
    (void)state;
    struct slice body = SLICE("Hello, World!");
    assert_true(fits(&github, "X-Hub-Signature-256: sha256=" GITHUB "\r\n", body, 0));
    assert_false(fits(&github, "X-Hub-Signature-256: sha256=" GITHUB "\r\n", SLICE("Hello"), 0));
    static const char *const bad[] = {"",
                                      "X-Hub-Signature-256: " GITHUB "\r\n",
                                      "X-Hub-Signature-256: sha256=\r\n",
                                      "X-Hub-Signature-256: sha256=7571\r\n",
                                      "X-Hub-Signature-256: sha256=" GITHUB "00\r\n",
                                      "X-Hub-Signature-256: sha256=" GITHUB GITHUB GITHUB "\r\n",
                                      "X-Hub-Signature: sha256=" GITHUB "\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(fits(&github, bad[i], body, 0));
    struct access_signature other = github;
    other.secret = SLICE("another");
    assert_false(fits(&other, "X-Hub-Signature-256: sha256=" GITHUB "\r\n", body, 0));
}

#define SLACK_BODY                                                                                 \
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"                     \
    "&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"             \
    "&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"      \
    "%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"                                       \
    "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
#define SLACK_HEADERS                                                                              \
    "X-Slack-Request-Timestamp: 1531420618\r\n"                                                    \
    "X-Slack-Signature: v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503\r\n"

/* proves S17 */
static void the_example_of_slack_fits_within_its_tolerance(void **state) {
    (void)state;
    static const struct access_signature slack = {
        .header = {"x-slack-signature", 17},
        .prefix = {"v0=", 3},
        .secret = {"8f742231b10e8888abcd99yyyzzz85a5", 32},
        .timestamp = {"x-slack-request-timestamp", 25},
        .tolerance_ms = 300000,
        .algorithm = CRYPTO_SHA256,
        .encoding = ACCESS_HEX};
    struct slice text = SLICE("v0:1531420618:" SLACK_BODY);
    const uint64_t then_ms = 1531420618000;
    assert_true(fits(&slack, SLACK_HEADERS, text, then_ms));
    assert_true(fits(&slack, SLACK_HEADERS, text, then_ms + 300999));
    assert_false(fits(&slack, SLACK_HEADERS, text, then_ms + 301000));
    assert_true(fits(&slack, SLACK_HEADERS, text, then_ms - 300000));
    assert_false(fits(&slack, SLACK_HEADERS, text, then_ms - 301000));
    assert_false(fits(&slack, "X-Slack-Request-Timestamp: soon\r\n" SLACK_HEADERS, text, then_ms));
}

/* proves S17 */
static void other_algorithms_and_base64_fit(void **state) {
    (void)state;
    struct access_signature its = {.header = SLICE("x-sig"), .secret = SLICE("key")};
    struct slice text = SLICE("The quick brown fox jumps over the lazy dog");
    its.algorithm = CRYPTO_SHA1;
    assert_true(fits(&its, "X-Sig: de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9\r\n", text, 0));
    its.encoding = ACCESS_BASE64;
    assert_true(fits(&its, "X-Sig: 3nybhbi3iqa8ino29wqQcBydtNk=\r\n", text, 0));
    assert_false(fits(&its, "X-Sig: 3nybhbi3iqa8ino29wqQcBydtN=\r\n", text, 0));
    its.algorithm = CRYPTO_SHA512;
    its.encoding = ACCESS_HEX;
    assert_true(fits(&its,
                     "X-Sig: b42af09057bac1e2d41708e48a902e09b5ff7f12ab428a4fe86653c73dd248fb82f94"
                     "8a549f7b791a5b41915ee4d1ec3935357e4e2317250d0372afa2ebeeb3a\r\n",
                     text, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_github_fits),
        cmocka_unit_test(the_example_of_slack_fits_within_its_tolerance),
        cmocka_unit_test(other_algorithms_and_base64_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
