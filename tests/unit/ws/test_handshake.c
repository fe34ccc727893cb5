/* The opening handshake for both roles: keys, versions, subprotocols, and the negotiation of
 * permessage-deflate. */
#include <strings.h>

#include "tests/unit/cmocka_all.h"
#include "ws/ws.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 section 1.3 */
#define KEY4   "dGhlIHNhbXBsZSBub25jZGhlIHNhbXBsZSBub25j"
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

struct line {
    const char *name, *value;
};
struct lines {
    struct line line[8];
};

static struct slice get_line(const void *context, const char *name, size_t index) {
    const struct lines *lines = context;
    for (size_t i = 0; i < ARRAY_SIZE(lines->line) && lines->line[i].name; i++) {
        if (strcasecmp(lines->line[i].name, name) == 0 && index-- == 0) {
            return slice_of(lines->line[i].value);
        }
    }
    return SLICE_NONE;
}

static struct ws_headers headers_of(const struct lines *lines) {
    return (struct ws_headers){get_line, lines};
}

/* ---- server -----------------------------------------------------------------------------------
 */

static void the_accept_key_is_that_of_the_rfc(void **state) {
    char out[WS_ACCEPT_SIZE];
    (void)state;
    ws_accept_key(SLICE(KEY), out);
    assert_memory_equal(out, ACCEPT, WS_ACCEPT_SIZE);
}

static enum status accept_lines(const struct lines *lines, const struct ws_options *options,
                                struct ws_agreement *out) {
    struct ws_headers headers = headers_of(lines);
    const char *cause = NULL;
    enum status status = ws_accept(&headers, options, out, &cause);
    assert_true((status == STATUS_OK) == (cause == NULL));
    return status;
}

/* proves W13 */
static void version_and_key_are_checked(void **state) {
    static const struct {
        struct lines lines;
        enum status status;
    } cases[] = {
        {{{{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", KEY}}}, STATUS_OK},
        {{{{"sec-websocket-version", " 13 "}, {"sec-websocket-key", " " KEY}}}, STATUS_OK},
        {{{{"Sec-WebSocket-Key", KEY}}}, STATUS_VERSION},
        {{{{"Sec-WebSocket-Version", "8"}, {"Sec-WebSocket-Key", KEY}}}, STATUS_VERSION},
        {{{{"Sec-WebSocket-Version", "013"}, {"Sec-WebSocket-Key", KEY}}}, STATUS_VERSION},
        {{{{"Sec-WebSocket-Version", "13, 8"}, {"Sec-WebSocket-Key", KEY}}}, STATUS_VERSION},
        {{{{"Sec-WebSocket-Version", "13"},
           {"Sec-WebSocket-Version", "13"},
           {"Sec-WebSocket-Key", KEY}}},
         STATUS_VERSION},
        {{{{"Sec-WebSocket-Version", "13"}}}, STATUS_SYNTAX},
        {{{{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", ""}}}, STATUS_SYNTAX},
        {{{{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ="}}},
         STATUS_SYNTAX},
        {{{{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZSE="}}},
         STATUS_SYNTAX}, /* 17 bytes */
        {{{{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", KEY4 KEY4 KEY4 KEY}}},
         STATUS_SYNTAX},
        {{{{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ*=="}}},
         STATUS_SYNTAX},
        {{{{"Sec-WebSocket-Version", "13"},
           {"Sec-WebSocket-Key", KEY},
           {"Sec-WebSocket-Key", KEY}}},
         STATUS_SYNTAX},
    };
    static const struct ws_options options = {.has_compression = true};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ws_agreement out = {.extension_size = 77};
        assert_int_equal(accept_lines(&cases[i].lines, &options, &out), cases[i].status);
        if (cases[i].status == STATUS_OK) {
            assert_memory_equal(out.accept, ACCEPT, WS_ACCEPT_SIZE);
            assert_int_equal(out.extension_size, 0);
            assert_null(out.subprotocol.bytes);
            assert_false(out.compression.is_on);
        } else {
            assert_int_equal(out.extension_size, 77);
        }
    }
}

static struct lines request_with(struct line a, struct line b) {
    return (struct lines){{{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", KEY}, a, b}};
}

static void the_first_subprotocol_of_the_client_that_both_know_is_chosen(void **state) {
    static const struct slice ours[] = {{"chat.v1", 7}, {"Chat", 4}};
    static const struct ws_options options = {.subprotocols = ours, .subprotocol_count = 2};
    static const struct {
        const char *first, *second, *chosen; /* chosen "" is none, NULL an error */
    } cases[] = {
        {"chat.v1", NULL, "chat.v1"},
        {"other, Chat , chat.v1", NULL, "Chat"},
        {"other", "chat.v1", "chat.v1"},
        {"chat", NULL, ""},
        {"", NULL, ""},
        {" , ,chat.v1,,", NULL, "chat.v1"},
        {"chat.v1 Chat", NULL, NULL},
        {"chat.v1", "a/b", NULL},
        {"\"chat.v1\"", NULL, NULL},
        {"chat.v1;", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ws_agreement out;
        struct lines lines = request_with(
            (struct line){"Sec-WebSocket-Protocol", cases[i].first},
            (struct line){cases[i].second ? "Sec-WebSocket-Protocol" : NULL, cases[i].second});
        enum status status = accept_lines(&lines, &options, &out);
        assert_int_equal(status, cases[i].chosen ? STATUS_OK : STATUS_SYNTAX);
        if (cases[i].chosen) {
            assert_true(slice_is(out.subprotocol, cases[i].chosen));
            assert_true((out.subprotocol.bytes == NULL) == (cases[i].chosen[0] == '\0'));
        }
    }
    struct lines lines =
        request_with((struct line){"Sec-WebSocket-Protocol", "a, b"}, (struct line){NULL, NULL});
    struct ws_headers headers = headers_of(&lines);
    assert_true(ws_is_subprotocol_offered(&headers, SLICE("b")));
    assert_false(ws_is_subprotocol_offered(&headers, SLICE("c")));
    assert_false(ws_is_subprotocol_offered(&headers, SLICE("")));
}

#define PMD     "permessage-deflate"
#define NO_SERV "; server_no_context_takeover"
#define NO_CLI  "; client_no_context_takeover"

static const struct offer_case {
    const char *first, *second;
    bool has_takeover;
    const char *answer; /* "" is declined, NULL an error */
    struct ws_compression agreed;
} offers[] = {
    {PMD, NULL, false, PMD NO_SERV NO_CLI, {true, false, false, 15, 15}},
    {PMD, NULL, true, PMD, {true, true, true, 15, 15}},
    {PMD "; client_max_window_bits", NULL, false, PMD NO_SERV NO_CLI, {true, false, false, 15, 15}},
    {PMD NO_SERV, NULL, true, PMD NO_SERV, {true, false, true, 15, 15}},
    {PMD NO_CLI, NULL, true, PMD NO_CLI, {true, true, false, 15, 15}},
    {PMD "; server_max_window_bits=10; client_max_window_bits=9",
     NULL,
     true,
     PMD "; server_max_window_bits=10; client_max_window_bits=9",
     {true, true, true, 10, 9}},
    {PMD " ; server_max_window_bits = \"1\\5\" ;client_max_window_bits=\"8\"",
     NULL,
     true,
     PMD "; server_max_window_bits=15; client_max_window_bits=8",
     {true, true, true, 15, 8}},
    {PMD "; server_max_window_bits=8", NULL, true, "", {0}}, /* zlib has no such window */
    {PMD "; server_max_window_bits=8," PMD, NULL, true, PMD, {true, true, true, 15, 15}},
    {PMD "; server_max_window_bits=9",
     PMD,
     true,
     PMD "; server_max_window_bits=9",
     {true, true, true, 9, 15}},
    {"x-other; a=b; c=\"d\", " PMD, NULL, true, PMD, {true, true, true, 15, 15}},
    {"x-other", PMD, true, PMD, {true, true, true, 15, 15}},
    {"x-webkit-deflate-frame", NULL, true, "", {0}},
    {PMD "; unknown", NULL, true, "", {0}},
    {PMD "; server_max_window_bits", NULL, true, "", {0}},
    {PMD "; server_max_window_bits=16", NULL, true, "", {0}},
    {PMD "; server_max_window_bits=7", NULL, true, "", {0}},
    {PMD "; server_max_window_bits=010", NULL, true, "", {0}},
    {PMD "; server_max_window_bits=9x", NULL, true, "", {0}},
    {PMD "; client_max_window_bits=0", NULL, true, "", {0}},
    {PMD "; client_max_window_bits=100", NULL, true, "", {0}},
    {PMD NO_SERV "=1", NULL, true, "", {0}},
    {PMD NO_CLI "=\"x\"", NULL, true, "", {0}},
    {PMD NO_SERV NO_SERV, NULL, true, "", {0}},
    {PMD "; server_max_window_bits=10; server_max_window_bits=10", NULL, true, "", {0}},
    {"", NULL, true, "", {0}},
    {",, ,", NULL, true, "", {0}},
    {";", NULL, true, NULL, {0}},
    {PMD ";", NULL, true, NULL, {0}},
    {PMD "; =1", NULL, true, NULL, {0}},
    {PMD "; a=", NULL, true, NULL, {0}},
    {PMD "; a=\"\"", NULL, true, NULL, {0}},
    {PMD "; a=\"b", NULL, true, NULL, {0}},
    {PMD "; a=\"b\\", NULL, true, NULL, {0}},
    {PMD "; a=\"b c\"", NULL, true, NULL, {0}},
    {PMD "; a=\"b\"c", NULL, true, NULL, {0}},
    {PMD " x", NULL, true, NULL, {0}},
    {PMD, "a b", true, NULL, {0}},
    {"per(message", NULL, true, NULL, {0}},
};

static void assert_compression(const struct ws_compression *a, const struct ws_compression *b) {
    assert_int_equal(a->is_on, b->is_on);
    assert_int_equal(a->has_out_takeover, b->has_out_takeover);
    assert_int_equal(a->has_in_takeover, b->has_in_takeover);
    assert_int_equal(a->out_bits, b->out_bits);
    assert_int_equal(a->in_bits, b->in_bits);
}

/* proves W14 */
static void offers_of_compression_are_accepted_declined_or_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(offers); i++) {
        const struct offer_case *c = &offers[i];
        struct ws_options options = {.has_compression = true, .has_takeover = c->has_takeover};
        struct ws_agreement out;
        struct lines lines =
            request_with((struct line){"Sec-WebSocket-Extensions", c->first},
                         (struct line){c->second ? "Sec-WebSocket-Extensions" : NULL, c->second});
        enum status status = accept_lines(&lines, &options, &out);
        assert_int_equal(status, c->answer ? STATUS_OK : STATUS_SYNTAX);
        if (!c->answer) {
            continue;
        }
        struct slice answer = {out.extension, out.extension_size};
        if (!slice_is(answer, c->answer)) {
            fail_msg("%s: expected %s, got " SLICE_FMT, c->first, c->answer, SLICE_ARG(answer));
        }
        assert_compression(&out.compression, &c->agreed);
        options.has_compression = false;
        assert_int_equal(accept_lines(&lines, &options, &out), STATUS_OK);
        assert_int_equal(out.extension_size, 0);
        assert_false(out.compression.is_on);
    }
}

static void the_longest_answer_fits(void **state) {
    struct ws_options options = {.has_compression = true};
    struct ws_agreement out;
    struct lines lines = request_with(
        (struct line){"Sec-WebSocket-Extensions",
                      PMD "; client_max_window_bits=15; server_max_window_bits=15" NO_CLI NO_SERV},
        (struct line){NULL, NULL});
    (void)state;
    assert_int_equal(accept_lines(&lines, &options, &out), STATUS_OK);
    assert_true(slice_is((struct slice){out.extension, out.extension_size}, PMD NO_SERV NO_CLI
                         "; server_max_window_bits=15; client_max_window_bits=15"));
}

/* ---- client -----------------------------------------------------------------------------------
 */

static void a_key_is_sixteen_random_bytes_in_base64(void **state) {
    struct crypto_source source;
    char first[WS_KEY_SIZE], second[WS_KEY_SIZE];
    uint8_t bytes[CRYPTO_BASE64_DECODED_MAX(WS_KEY_SIZE)];
    size_t size = 0;
    (void)state;
    crypto_source_init(&source);
    ws_key_make(&source, first);
    ws_key_make(NULL, second);
    assert_memory_not_equal(first, second, WS_KEY_SIZE);
    assert_int_equal(
        crypto_base64_decode(CRYPTO_BASE64, (struct slice){first, WS_KEY_SIZE}, bytes, &size),
        STATUS_OK);
    assert_int_equal(size, 16);
}

static void what_is_offered_follows_the_options(void **state) {
    struct ws_options options = {0};
    (void)state;
    assert_int_equal(ws_offer(&options).size, 0);
    options.has_compression = true;
    assert_true(slice_is(ws_offer(&options), PMD NO_SERV NO_CLI "; client_max_window_bits"));
    options.has_takeover = true;
    assert_true(slice_is(ws_offer(&options), PMD "; client_max_window_bits"));
}

static const struct answer_case {
    const char *accept, *protocol, *extension, *more;
    bool is_good;
    struct ws_compression agreed;
} answers[] = {
    {ACCEPT, NULL, NULL, NULL, true, {0}},
    {" " ACCEPT " ", "chat.v1", NULL, NULL, true, {0}},
    {"S3pPLMBiTxaQ9kYGzzhZRbK+xOo=", NULL, NULL, NULL, false, {0}},
    {"", NULL, NULL, NULL, false, {0}},
    {NULL, NULL, NULL, NULL, false, {0}},
    {ACCEPT, "other", NULL, NULL, false, {0}},
    {ACCEPT, "chat.v1, chat.v1", NULL, NULL, false, {0}},
    {ACCEPT, "", NULL, NULL, false, {0}},
    {ACCEPT, NULL, PMD, NULL, true, {true, true, true, 15, 15}},
    {ACCEPT, NULL, PMD NO_SERV NO_CLI, NULL, true, {true, false, false, 15, 15}},
    {ACCEPT,
     NULL,
     PMD "; server_max_window_bits=9; client_max_window_bits=10",
     NULL,
     true,
     {true, true, true, 10, 9}},
    {ACCEPT, NULL, PMD "; client_max_window_bits=8", NULL, true, {true, true, true, 8, 15}},
    {ACCEPT, NULL, PMD "; client_max_window_bits", NULL, false, {0}},
    {ACCEPT, NULL, PMD "; server_max_window_bits", NULL, false, {0}},
    {ACCEPT, NULL, PMD "; server_max_window_bits=16", NULL, false, {0}},
    {ACCEPT, NULL, PMD "; unknown", NULL, false, {0}},
    {ACCEPT, NULL, PMD NO_SERV NO_SERV, NULL, false, {0}},
    {ACCEPT, NULL, PMD ", " PMD, NULL, false, {0}},
    {ACCEPT, NULL, PMD, PMD, false, {0}},
    {ACCEPT, NULL, "x-other", NULL, false, {0}},
    {ACCEPT, NULL, PMD ";", NULL, false, {0}},
};

static void an_answer_must_fit_what_was_asked(void **state) {
    static const struct slice ours[] = {{"chat.v1", 7}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        const struct answer_case *c = &answers[i];
        struct ws_options options = {ours, 1, true, true};
        struct lines lines = {0};
        struct ws_agreement out;
        size_t count = 0;
        const char *cause = NULL;
        const struct line all[] = {{"Sec-WebSocket-Accept", c->accept},
                                   {"Sec-WebSocket-Protocol", c->protocol},
                                   {"Sec-WebSocket-Extensions", c->extension},
                                   {"Sec-WebSocket-Extensions", c->more}};
        for (size_t l = 0; l < ARRAY_SIZE(all); l++) {
            if (all[l].value) {
                lines.line[count++] = all[l];
            }
        }
        struct ws_answer answer = {headers_of(&lines), SLICE(KEY)};
        enum status status = ws_check_answer(&answer, &options, &out, &cause);
        assert_int_equal(status, c->is_good ? STATUS_OK : STATUS_PROTOCOL);
        assert_true((cause == NULL) == c->is_good);
        if (c->is_good) {
            assert_compression(&out.compression, &c->agreed);
            assert_true((out.subprotocol.bytes != NULL) == (c->protocol != NULL));
        }
        options.has_compression = false;
        status = ws_check_answer(&answer, &options, &out, &cause);
        assert_int_equal(status, c->is_good && !c->extension ? STATUS_OK : STATUS_PROTOCOL);
    }
}

static void a_server_that_keeps_its_window_unasked_is_understood(void **state) {
    struct ws_options options = {.has_compression = true};
    struct lines lines = {{{"Sec-WebSocket-Accept", ACCEPT}, {"Sec-WebSocket-Extensions", PMD}}};
    struct ws_answer answer = {headers_of(&lines), SLICE(KEY)};
    struct ws_agreement out;
    const char *cause = NULL;
    (void)state;
    assert_int_equal(ws_check_answer(&answer, &options, &out, &cause), STATUS_OK);
    assert_compression(&out.compression, &(struct ws_compression){true, false, true, 15, 15});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accept_key_is_that_of_the_rfc),
        cmocka_unit_test(version_and_key_are_checked),
        cmocka_unit_test(the_first_subprotocol_of_the_client_that_both_know_is_chosen),
        cmocka_unit_test(offers_of_compression_are_accepted_declined_or_refused),
        cmocka_unit_test(the_longest_answer_fits),
        cmocka_unit_test(a_key_is_sixteen_random_bytes_in_base64),
        cmocka_unit_test(what_is_offered_follows_the_options),
        cmocka_unit_test(an_answer_must_fit_what_was_asked),
        cmocka_unit_test(a_server_that_keeps_its_window_unasked_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
