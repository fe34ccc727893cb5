/* Hosts: names, addresses, ports. */
#include "tests/unit/http/http_test.h"

static void hosts_are_split_and_addresses_known(void **state) {
    (void)state;
    static const struct {
        const char *text, *name;
        uint16_t port;
        bool is_ip;
    } cases[] = {{"example.org", "example.org", 0, false},
                 {"Example.org.:8080", "Example.org.", 8080, false},
                 {"localhost:1", "localhost", 1, false},
                 {"a_b-c.x9", "a_b-c.x9", 0, false},
                 {"127.0.0.1", "127.0.0.1", 0, true},
                 {"127.0.0.1:65535", "127.0.0.1", 65535, true},
                 {"1.2.3", "1.2.3", 0, false},
                 {"1.2.3.256", "1.2.3.256", 0, false},
                 {"127.1", "127.1", 0, false},
                 {"[::1]", "::1", 0, true},
                 {"[fe80::1:2]:9000", "fe80::1:2", 9000, true},
                 {"[::ffff:1.2.3.4]", "::ffff:1.2.3.4", 0, true}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_host host;
        struct slice copy = exact(slice_of(cases[i].text));
        assert_int_equal(http_host_parse(copy, &host), STATUS_OK);
        assert_slice(host.name, cases[i].name);
        assert_int_equal(host.port, cases[i].port);
        assert_int_equal(host.is_ip, cases[i].is_ip);
        drop(copy);
    }
}

/* proves S10 */
static void what_is_no_host_is_refused(void **state) {
    (void)state;
    static const char *const bads[] = {"",
                                       ":",
                                       ":80",
                                       "a:",
                                       "a:0",
                                       "a:65536",
                                       "a:-1",
                                       "a:080000",
                                       "a:8 0",
                                       "a b",
                                       "a,b",
                                       "a/b",
                                       "u@a",
                                       "a?b",
                                       "a#b",
                                       "a%41",
                                       "[",
                                       "[]",
                                       "[::1",
                                       "::1",
                                       "[::1]a",
                                       "[::1]:",
                                       "[::g]",
                                       "[127.0.0.1]",
                                       "[::1%25eth0]",
                                       "a\x01",
                                       "\xc3\xa4.org",
                                       "a:1:2",
                                       "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"};
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
        struct http_host host;
        struct slice copy = exact(slice_of(bads[i]));
        if (http_host_parse(copy, &host) != STATUS_SYNTAX)
            fail_msg("passed: %s", bads[i]);
        drop(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_split_and_addresses_known),
        cmocka_unit_test(what_is_no_host_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
