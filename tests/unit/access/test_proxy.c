/* Peers behind proxies. */
#include "tests/unit/access/access_test.h"

/* proves W8 */
static void forwarded_addresses_are_believed_from_trusted_proxies_only(void **state) {
    (void)state;
    const struct access_spec spec = {
        .proxies = LIST(SLICE("127.0.0.1"), SLICE("10.0.0.0/8"), SLICE("fd00::/16"))};
    const struct access_spec none = {.server = SLICE("main")};
    static const struct {
        const char *peer, *headers, *expected;
    } cases[] = {
        {"127.0.0.1", "", "127.0.0.1"},
        {"127.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"},
        {"127.0.0.1", "x-forwarded-for:1.2.3.4\r\n", "1.2.3.4"},
        {"1.1.1.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.1.1.1"},
        {"11.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "11.0.0.1"},
        {"10.200.0.1", "X-Forwarded-For: 1.2.3.4, 10.0.0.7\r\n", "1.2.3.4, 10.0.0.7"},
        {"127.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.7\r\n", "1.2.3.4, 10.0.0.7"},
        {"127.0.0.1", "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n", "1.2.3.4"},
        {"127.0.0.1", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.0.0.7\r\n",
         "1.2.3.4, 10.0.0.7"},
        {"127.0.0.1", "X-Forwarded-For: 10.0.0.8,10.0.0.7\r\n", "10.0.0.8, 10.0.0.7"},
        {"127.0.0.1", "X-Forwarded-For: unknown\r\n", "127.0.0.1"},
        {"127.0.0.1", "X-Forwarded-For: 1.2.3.4, unknown, 10.0.0.7\r\n", "10.0.0.7"},
        {"127.0.0.1", "X-Forwarded-For: 1.2.3.4:5678\r\n", "1.2.3.4"},
        {"127.0.0.1", "X-Forwarded-For: [2001:db8::1]:99\r\n", "2001:db8::1"},
        {"127.0.0.1", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"},
        {"127.0.0.1", "X-Forwarded-For: ,\r\n", "127.0.0.1"},
        {"fd00::1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"},
        {"fd01::1", "X-Forwarded-For: 1.2.3.4\r\n", "fd01::1"},
        {"::ffff:10.1.1.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"},
        {"", "X-Forwarded-For: 1.2.3.4\r\n", ""}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct asked asked;
        char out[ACCESS_PEER_MAX];
        arena_init(&arena, 8192, 0);
        const char *rest = arena_printf(&arena, "Host: a\r\n%s", cases[i].headers);
        const struct http_request *http = ask(&asked, &arena, "GET / HTTP/1.1", rest);
        struct slice peer = slice_of(cases[i].peer);
        assert_slice(access_peer(rules_of(&arena, &spec), http, peer, out), cases[i].expected);
        assert_slice(access_peer(rules_of(&arena, &none), http, peer, out), cases[i].peer);
        arena_deinit(&arena);
    }
}

/* proves W8 */
static void a_long_list_is_cut_on_the_side_of_the_client(void **state) {
    (void)state;
    struct arena arena;
    struct asked asked;
    char out[ACCESS_PEER_MAX];
    struct buffer list;
    arena_init(&arena, 65536, 0);
    buffer_init(&list, 0);
    const struct access_spec spec = {.proxies = LIST(SLICE("::/0"))};
    assert_int_equal(buffer_append(&list, SLICE("Host: a\r\nX-Forwarded-For: 1.2.3.4")), 0);
    for (int i = 0; i < 500; i++)
        assert_int_equal(
            buffer_append(&list, SLICE(",1111:2222:3333:4444:5555:6666:127.127.127.127")), 0);
    assert_int_equal(buffer_append(&list, SLICE("\r\n")), 0);
    const char *rest = arena_text(&arena, buffer_slice(&list));
    struct slice peer = access_peer(rules_of(&arena, &spec),
                                    ask(&asked, &arena, "GET / HTTP/1.1", rest), SLICE("::1"), out);
    assert_in_range(peer.size, 400, ACCESS_PEER_MAX);
    assert_true(slice_ends_with(peer, SLICE(", 1111:2222:3333:4444:5555:6666:127.127.127.127")));
    buffer_deinit(&list);
    arena_deinit(&arena);
}

static void networks_are_checked(void **state) {
    (void)state;
    static const char *const good[] = {"127.0.0.1", "::1", "10.0.0.0/8", "0.0.0.0/0", "fd00::/128"};
    static const char *const bad[] = {"",         "a",        "10.0.0.0/33", "10.0.0.0/",
                                      "::/129",   "10.0.0/8", "10.0.0.0/-1", "/8",
                                      "1.2.3.4:5"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(access_proxy_check(slice_of(good[i])), STATUS_OK);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(access_proxy_check(slice_of(bad[i])), STATUS_SYNTAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwarded_addresses_are_believed_from_trusted_proxies_only),
        cmocka_unit_test(a_long_list_is_cut_on_the_side_of_the_client),
        cmocka_unit_test(networks_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
