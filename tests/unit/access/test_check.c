/* Hosts, origins, sites: who may ask, and what those who may not are told. */
#include "tests/unit/access/access_test.h"

#include <stdio.h>

static const struct access_spec plain = {
    .server = {"main", 4}, .names = {(struct slice[]){{"box", 3}, {"box.local", 9}}, 2}};

struct given {
    const char *line, *rest;
    uint16_t status;
};

static void try_all(const struct access_spec *spec, const struct given *cases, size_t count) {
    struct arena arena;
    arena_init(&arena, 8192, 0);
    struct access_memo memo = {0};
    const struct access_rules *rules = rules_of(&arena, spec);
    for (size_t round = 0; round < 2; round++) /* the second one with a warm memo */
        for (size_t i = 0; i < count; i++) {
            struct asked asked;
            struct access_answer answer;
            access_check(rules, ask(&asked, &arena, cases[i].line, cases[i].rest), &memo, &answer);
            if (answer.status != cases[i].status)
                fail_msg("%s %s: got %d, expected %d", cases[i].line, cases[i].rest, answer.status,
                         cases[i].status);
        }
    arena_deinit(&arena);
}

#define GET  "GET /x HTTP/1.1"
#define POST "POST /x HTTP/1.1"
#define WS                                                                                         \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* proves S18 */
static void hosts_that_name_the_machine_are_let_in_and_no_other(void **state) {
    (void)state;
    static const struct given cases[] = {{GET, "Host: 127.0.0.1:8080\r\n", 0},
                                         {GET, "Host: 192.168.1.5\r\n", 0},
                                         {GET, "Host: [::1]:8080\r\n", 0},
                                         {GET, "Host: localhost:8080\r\n", 0},
                                         {GET, "Host: LocalHost.\r\n", 0},
                                         {GET, "Host: box\r\n", 0},
                                         {GET, "Host: BOX.local:1\r\n", 0},
                                         {"GET /x HTTP/1.0", "", 0},
                                         {GET, "Host: evil.example\r\n", 403},
                                         {GET, "Host: localhost.evil.example\r\n", 403},
                                         {GET, "Host: evil.localhost\r\n", 403},
                                         {GET, "Host: 127.0.0.1.nip.io\r\n", 403},
                                         {GET, "Host: box.local.evil\r\n", 403},
                                         {GET, "Host: boxer\r\n", 403},
                                         {"GET /x HTTP/1.0", "Host: evil.example\r\n", 403}};
    try_all(&plain, cases, ARRAY_SIZE(cases));
}

/* proves S18 */
static void listed_hosts_and_any_host_are_let_in(void **state) {
    (void)state;
    struct access_spec listed = plain, any = plain;
    listed.hosts = LIST(SLICE("example.org"), SLICE("b.example"));
    any.any_host = true;
    static const struct given few[] = {{GET, "Host: example.org\r\n", 0},
                                       {GET, "Host: B.example:99\r\n", 0},
                                       {GET, "Host: a.example.org\r\n", 403},
                                       {GET, "Host: box\r\n", 0}};
    static const struct given all[] = {{GET, "Host: whatever.example\r\n", 0}};
    try_all(&listed, few, ARRAY_SIZE(few));
    try_all(&any, all, ARRAY_SIZE(all));
}

/* proves S18 */
static void pages_of_other_origins_may_not_ask(void **state) {
    (void)state;
#define HOST "Host: localhost:8080\r\n"
    static const struct given cases[] = {
        {POST, HOST "Origin: http://localhost:8080\r\n", 0},
        {POST, HOST "Origin: https://LOCALHOST:8080\r\n", 0},
        {POST, HOST "Origin: http://localhost:8080\r\nSec-Fetch-Site: same-origin\r\n", 0},
        {POST, HOST "Origin: http://localhost:8080\r\nSec-Fetch-Site: cross-site\r\n", 403},
        {POST, HOST "Origin: http://localhost:8081\r\n", 403},
        {POST, HOST "Origin: http://localhost\r\n", 403},
        {POST, HOST "Origin: http://127.0.0.1:8080\r\n", 403},
        {POST, HOST "Origin: http://evil.example\r\n", 403},
        {POST, HOST "Origin: http://localhost:8080.evil.example\r\n", 403},
        {POST, HOST "Origin: http://localhost:8080@evil.example\r\n", 403},
        {POST, HOST "Origin: http://evil.example#localhost:8080\r\n", 403},
        {POST, HOST "Origin: null\r\n", 403},
        {POST, HOST "Origin: null\r\nSec-Fetch-Site: cross-site\r\n", 403},
        {POST, HOST "Origin: null\r\nSec-Fetch-Site: same-origin\r\n", 0},
        {POST, HOST "Origin: file://\r\n", 403},
        {POST, HOST "Origin: file://\r\nSec-Fetch-Site: same-origin\r\n", 403},
        {POST, HOST "Origin: \r\n", 403},
        {POST, HOST "origin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\n", 403},
        {POST, HOST, 0},
        {GET, HOST WS "Origin: http://localhost:8080\r\nSec-Fetch-Site: cross-site\r\n", 0},
        {GET, HOST WS "Origin: http://evil.example\r\n", 403},
        {GET, HOST WS "Origin: null\r\n", 403},
        {GET, HOST WS, 0},
        {GET, "Host: 10.0.0.1\r\nOrigin: http://10.0.0.1\r\n", 0},
        {GET, "Host: 10.0.0.1\r\nOrigin: https://10.0.0.1\r\n", 0},
        {GET, "Host: 10.0.0.1:443\r\nOrigin: https://10.0.0.1\r\n", 0},
        {GET, "Host: 10.0.0.1:443\r\nOrigin: http://10.0.0.1\r\n", 403},
        {GET, "Host: [::1]:80\r\nOrigin: http://[::1]\r\n", 0}};
    try_all(&plain, cases, ARRAY_SIZE(cases));
}

/* proves S18 */
static void listed_origins_may_ask_and_listed_hosts_allow_their_own(void **state) {
    (void)state;
    struct access_spec spec = plain, any = plain;
    spec.origins = LIST(SLICE("https://app.example.org"), SLICE("null"), SLICE("file://"),
                        SLICE("http://dev.example:3000"));
    spec.hosts = LIST(SLICE("example.org"));
    any.any_origin = true;
    static const struct given cases[] = {
        {POST, HOST "Origin: https://app.example.org\r\nSec-Fetch-Site: cross-site\r\n", 0},
        {POST, HOST "Origin: https://APP.example.org:443\r\n", 0},
        {POST, HOST "Origin: http://app.example.org\r\n", 403},
        {POST, HOST "Origin: http://dev.example:3000\r\n", 0},
        {POST, HOST "Origin: http://dev.example:3001\r\n", 403},
        {POST, HOST "Origin: null\r\n", 0},
        {GET, HOST WS "Origin: file://\r\n", 0},
        {POST, HOST "Origin: https://example.org\r\n", 0},
        {POST, HOST "Origin: http://example.org:8080\r\n", 0},
        {POST, HOST "Origin: http://example.org:9999\r\n", 403},
        {GET, HOST "Sec-Fetch-Site: cross-site\r\nReferer: https://app.example.org/x\r\n", 0},
        {GET, HOST "Sec-Fetch-Site: cross-site\r\nReferer: https://evil.example/x\r\n", 403}};
    static const struct given all[] = {{POST, HOST "Origin: http://evil.example\r\n", 0},
                                       {GET, HOST "Sec-Fetch-Site: cross-site\r\n", 0},
                                       {GET, "Host: evil.example\r\n", 403}};
    try_all(&spec, cases, ARRAY_SIZE(cases));
    try_all(&any, all, ARRAY_SIZE(all));
}

/* proves S18 */
static void without_an_origin_the_site_decides(void **state) {
    (void)state;
    static const struct given cases[] = {{GET, HOST "Sec-Fetch-Site: none\r\n", 0},
                                         {GET, HOST "Sec-Fetch-Site: same-origin\r\n", 0},
                                         {GET, HOST "Sec-Fetch-Site: same-site\r\n", 403},
                                         {GET, HOST "Sec-Fetch-Site: cross-site\r\n", 403},
                                         {GET, HOST "Sec-Fetch-Site: something\r\n", 403}};
    try_all(&plain, cases, ARRAY_SIZE(cases));
}

static void check_one(const struct access_spec *spec, const char *line, const char *rest,
                      struct arena *arena, struct access_answer *answer) {
    struct asked *asked = arena_alloc(arena, sizeof *asked);
    struct access_memo memo = {0};
    assert_non_null(asked);
    access_check(rules_of(arena, spec), ask(asked, arena, line, rest), &memo, answer);
}

/* proves S18 */
static void a_refusal_names_the_line_that_would_allow_it(void **state) {
    (void)state;
    struct access_spec more = plain;
    more.hosts = LIST(SLICE("a.example"));
    static const struct {
        bool has_more;
        const char *rest, *refused, *line;
    } cases[] = {
        {false, "Host: example.org:81\r\n", "example.org", ": servers.main.hosts: [example.org]"},
        {true, "Host: example.org\r\n", "example.org",
         ": servers.main.hosts: [a.example, example.org]"},
        {false, HOST "Origin: https://app.example.org\r\n", "https://app.example.org",
         ": servers.main.origins: [https://app.example.org]"},
        {false, HOST "Origin: http://[::1]:3000\r\n", "http://[::1]:3000",
         ": servers.main.origins: ['http://[::1]:3000']"},
        {false, HOST "Origin: null\r\n", "null", ": servers.main.origins: [null]"},
        {false, HOST "Origin: not an origin\r\n", "not an origin", ": servers.main.origins: any"},
        {false, HOST "Sec-Fetch-Site: cross-site\r\nReferer: http://a.b:1/c?d\r\n", "http://a.b:1",
         ": servers.main.origins: [http://a.b:1]"},
        {false, HOST "Sec-Fetch-Site: cross-site\r\n", "another site",
         ": servers.main.origins: any"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct access_answer answer;
        arena_init(&arena, 8192, 0);
        check_one(cases[i].has_more ? &more : &plain, GET, cases[i].rest, &arena, &answer);
        assert_int_equal(answer.status, 403);
        assert_slice(answer.refused, cases[i].refused);
        if (!slice_ends_with(answer.text, slice_of(cases[i].line)))
            fail_msg("\"" SLICE_FMT "\" does not end in \"%s\"", SLICE_ARG(answer.text),
                     cases[i].line);
        assert_slice(answer.content_type, "text/plain; charset=utf-8");
        arena_deinit(&arena);
    }
}

#define LINK                                                                                       \
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"       \
    "Referer: http://evil.example/\r\n"

/* proves S19 */
static void a_link_from_another_site_is_offered_again(void **state) {
    (void)state;
    static const struct {
        const char *line, *link;
    } cases[] = {{"GET /a/b?c=d&e='%22\"<f> HTTP/1.1",
                  "<a href=\"/a/b?c=d&amp;e=&#39;%22&quot;&lt;f&gt;\">/a/b</a>"},
                 {"GET //evil.example/x HTTP/1.1", "<a href=\"/.//evil.example/x\">"},
                 {"GET / HTTP/1.1", "<a href=\"/\">/</a>"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct access_answer answer;
        arena_init(&arena, 8192, 0);
        check_one(&plain, cases[i].line, HOST LINK, &arena, &answer);
        assert_int_equal(answer.status, 403);
        assert_slice(answer.content_type, "text/html; charset=utf-8");
        if (!slice_contains(answer.text, slice_of(cases[i].link)))
            fail_msg("no %s in " SLICE_FMT, cases[i].link, SLICE_ARG(answer.text));
        assert_true(
            slice_contains(answer.text, SLICE("servers.main.origins: [http://evil.example]")));
        assert_slice(http_header_get(answer.headers, answer.header_count, SLICE("cache-control")),
                     "no-store");
        assert_slice(http_header_get(answer.headers, answer.header_count, SLICE("x-frame-options")),
                     "DENY");
        arena_deinit(&arena);
    }
}

/* proves S19 */
static void only_a_whole_link_in_a_window_of_its_own_is_offered(void **state) {
    (void)state;
    static char longest[8000];
    memset(longest, '&', sizeof longest);
    memcpy(longest, "GET /?", 6);
    memcpy(longest + sizeof longest - 10, " HTTP/1.1", 10);
    const struct {
        const char *line, *rest;
    } cases[] = {{GET, HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
                            "Sec-Fetch-Dest: iframe\r\n"},
                 {GET, HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"},
                 {POST, HOST LINK},
                 {longest, HOST LINK}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct access_answer answer;
        arena_init(&arena, 8192, 0);
        check_one(&plain, cases[i].line, cases[i].rest, &arena, &answer);
        assert_int_equal(answer.status, 403);
        assert_slice(answer.content_type, "text/plain; charset=utf-8");
        assert_false(slice_contains(answer.text, SLICE("href")));
        assert_true(slice_starts_with(answer.text, SLICE("a page of \"")));
        arena_deinit(&arena);
    }
}

/* proves S19 */
static void speculation_is_seen(void **state) {
    (void)state;
    static const struct {
        const char *value;
        bool is_speculative;
    } cases[] = {{"prefetch", true},
                 {"prefetch;prerender", true},
                 {"Prefetch ; anonymous-client-ip", true},
                 {"prefetched", false},
                 {"", false}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct access_answer answer;
        arena_init(&arena, 8192, 0);
        const char *rest = arena_printf(&arena, HOST "Sec-Purpose: %s\r\n", cases[i].value);
        check_one(&plain, GET, rest, &arena, &answer);
        assert_int_equal(answer.status, 0);
        assert_int_equal(answer.is_speculative, cases[i].is_speculative);
        arena_deinit(&arena);
    }
}

static const char *header_of(const struct access_answer *answer, const char *name,
                             struct arena *arena) {
    return arena_text(arena,
                      http_header_get(answer->headers, answer->header_count, slice_of(name)));
}

/* proves S19 */
static void listed_origins_get_preflights_and_cors_answers(void **state) {
    (void)state;
    struct arena arena;
    struct access_answer answer;
    struct access_spec spec = plain, any = plain;
    arena_init(&arena, 8192, 0);
    spec.origins = LIST(SLICE("https://app.example.org"));
    any.any_origin = true;
    const char *ours = HOST "Origin: https://app.example.org\r\n"
                            "Access-Control-Request-Method: PUT\r\n"
                            "Access-Control-Request-Headers: authorization,x-a\r\n"
                            "Access-Control-Request-Private-Network: true\r\n";
    check_one(&spec, "OPTIONS /x HTTP/1.1", ours, &arena, &answer);
    assert_int_equal(answer.status, 204);
    assert_string_equal(header_of(&answer, "access-control-allow-origin", &arena),
                        "https://app.example.org");
    assert_string_equal(header_of(&answer, "access-control-allow-methods", &arena), "PUT");
    assert_string_equal(header_of(&answer, "access-control-allow-headers", &arena),
                        "authorization,x-a");
    assert_string_equal(header_of(&answer, "access-control-allow-private-network", &arena), "true");
    assert_string_equal(header_of(&answer, "access-control-allow-credentials", &arena), "true");
    assert_string_equal(header_of(&answer, "vary", &arena), "Origin");
    check_one(&any, "OPTIONS /x HTTP/1.1", ours, &arena, &answer);
    assert_int_equal(answer.status, 204);
    assert_string_equal(header_of(&answer, "access-control-allow-origin", &arena), "*");
    assert_string_equal(header_of(&answer, "access-control-allow-credentials", &arena), "");
    check_one(&plain, "OPTIONS /x HTTP/1.1", ours, &arena, &answer);
    assert_int_equal(answer.status, 403);
    check_one(&spec, GET, HOST "Origin: https://app.example.org\r\n", &arena, &answer);
    assert_int_equal(answer.cors, ACCESS_CORS_ORIGIN);
    check_one(&spec, GET, HOST, &arena, &answer);
    assert_int_equal(answer.cors, ACCESS_CORS_VARY);
    check_one(&any, GET, HOST, &arena, &answer);
    assert_int_equal(answer.cors, ACCESS_CORS_ANY);
    check_one(&plain, GET, HOST, &arena, &answer);
    assert_int_equal(answer.cors, ACCESS_NO_CORS);
    arena_deinit(&arena);
}

/* proves S18 */
static void a_value_is_logged_once_a_minute(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 8192, 0);
    const struct access_rules *rules = rules_of(&arena, &plain);
    assert_true(access_is_loggable(rules, SLICE("a"), 5000));
    assert_false(access_is_loggable(rules, SLICE("a"), 64999));
    assert_true(access_is_loggable(rules, SLICE("b"), 6000));
    assert_true(access_is_loggable(rules, SLICE("a"), 65000));
    assert_false(access_is_loggable(rules, SLICE("a"), 65001));
    size_t logged = 0;
    for (int i = 0; i < 10000; i++) {
        char text[16];
        int size = snprintf(text, sizeof text, "host%d", i);
        logged += access_is_loggable(rules, (struct slice){text, (size_t)size}, 200000);
    }
    assert_in_range(logged, 16, 64);
    arena_deinit(&arena);
}

static void texts_of_the_lists_are_checked(void **state) {
    (void)state;
    assert_int_equal(access_origin_check(SLICE("https://a.example:1")), STATUS_OK);
    assert_int_equal(access_origin_check(SLICE("chrome-extension://abc")), STATUS_OK);
    static const char *const bad_origins[] = {"",     "a.example",  "https://", "https://a/b",
                                              "any",  "Null",       "*",        "https://*.a",
                                              "://x", "https://a b"};
    for (size_t i = 0; i < ARRAY_SIZE(bad_origins); i++)
        assert_int_equal(access_origin_check(slice_of(bad_origins[i])), STATUS_SYNTAX);
    assert_int_equal(access_host_check(SLICE("example.org")), STATUS_OK);
    assert_int_equal(access_host_check(SLICE("::1")), STATUS_OK);
    static const char *const bad_hosts[] = {"", "a:80", "http://a", "*.a", "a/b"};
    for (size_t i = 0; i < ARRAY_SIZE(bad_hosts); i++)
        assert_int_equal(access_host_check(slice_of(bad_hosts[i])), STATUS_SYNTAX);
    struct arena arena;
    const struct access_rules *rules;
    arena_init(&arena, 8192, 0);
    struct access_spec spec = {.origins = LIST(SLICE("x"))};
    assert_int_equal(access_rules_new(&spec, &arena, &rules), STATUS_SYNTAX);
    arena_deinit(&arena);
}

static void the_machine_has_names(void **state) {
    (void)state;
    struct arena arena;
    struct access_list names;
    bool has_local = false;
    arena_init(&arena, 1024, 0);
    assert_int_equal(access_machine_names(&arena, &names), STATUS_OK);
    assert_in_range(names.count, 2, 4);
    for (size_t i = 0; i < names.count; i++)
        has_local = has_local || slice_ends_with(names.items[i], SLICE(".local"));
    assert_true(has_local);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_that_name_the_machine_are_let_in_and_no_other),
        cmocka_unit_test(listed_hosts_and_any_host_are_let_in),
        cmocka_unit_test(pages_of_other_origins_may_not_ask),
        cmocka_unit_test(listed_origins_may_ask_and_listed_hosts_allow_their_own),
        cmocka_unit_test(without_an_origin_the_site_decides),
        cmocka_unit_test(a_refusal_names_the_line_that_would_allow_it),
        cmocka_unit_test(a_link_from_another_site_is_offered_again),
        cmocka_unit_test(only_a_whole_link_in_a_window_of_its_own_is_offered),
        cmocka_unit_test(speculation_is_seen),
        cmocka_unit_test(listed_origins_get_preflights_and_cors_answers),
        cmocka_unit_test(a_value_is_logged_once_a_minute),
        cmocka_unit_test(texts_of_the_lists_are_checked),
        cmocka_unit_test(the_machine_has_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
