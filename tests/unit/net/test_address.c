/* Addresses as text, and listening sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>
#include "net/net.h"

static void bind_texts_name_one_or_two_addresses(void **state) {
    static const struct {
        const char *text, *first, *second;
    } cases[] = {
        {"127.0.0.1:80", "127.0.0.1:80", NULL},    {"[::1]:65535", "[::1]:65535", NULL},
        {":8080", "[::]:8080", "0.0.0.0:8080"},    {"localhost:1", "127.0.0.1:1", "[::1]:1"},
        {"LocalHost:0", "127.0.0.1:0", "[::1]:0"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct net_address found[2];
        char text[NET_ADDRESS_MAX];
        size_t count = 0;
        assert_int_equal(net_bind_parse(slice_of(cases[i].text), found, &count), STATUS_OK);
        assert_int_equal(count, cases[i].second ? 2 : 1);
        assert_true(slice_is(net_address_format(&found[0], text), cases[i].first));
        if (cases[i].second) {
            assert_true(slice_is(net_address_format(&found[1], text), cases[i].second));
        }
    }
}

static void other_texts_are_refused(void **state) {
    static const char *const wrong[] = {"",         "80",          "127.0.0.1", "127.0.0.1:",
                                        "::1:80",   "[::1]",       "[::1:80",   "[127.0.0.1]:80",
                                        "a.b:80",   "127.0.0.1:x", "[]:80",     "127.0.0.256:1",
                                        "1.2.3:-1", "[::1]80:80"};
    struct net_address found[2];
    size_t count;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(net_bind_parse(slice_of(wrong[i]), found, &count), STATUS_SYNTAX);
    }
    assert_int_equal(net_bind_parse(SLICE("127.0.0.1:65536"), found, &count), STATUS_RANGE);
}

static void hosts_are_written_without_the_port(void **state) {
    struct net_address found[2];
    char text[NET_ADDRESS_MAX];
    size_t count;
    (void)state;
    assert_int_equal(net_bind_parse(SLICE("[fe80::1]:80"), found, &count), STATUS_OK);
    assert_true(slice_is(net_address_host(&found[0], text), "fe80::1"));
    found[0].addr.ss_family = AF_UNIX;
    assert_true(slice_is(net_address_host(&found[0], text), "unix"));
}

/* proves S2 for one address: a port that another has is told */
static void a_taken_port_is_told_for_one_and_for_several_workers(void **state) {
    struct net_address found[2], copy;
    size_t count;
    int first[3], second[3];
    (void)state;
    for (size_t workers = 1; workers <= 3; workers++) {
        assert_int_equal(net_bind_parse(SLICE("127.0.0.1:0"), found, &count), STATUS_OK);
        assert_int_equal(net_listen(&found[0], workers, first), STATUS_OK);
        copy = found[0];
        assert_int_not_equal(((struct sockaddr_in *)(void *)&copy.addr)->sin_port, 0);
        assert_int_equal(net_listen(&copy, 1, second), STATUS_EXISTS);
        assert_int_equal(net_listen(&copy, 2, second), STATUS_EXISTS);
        for (size_t i = 0; i < workers; i++) {
            close(first[i]);
        }
        assert_int_equal(net_listen(&copy, workers, second), STATUS_OK);
        for (size_t i = 0; i < workers; i++) {
            close(second[i]);
        }
    }
}

static void octets_are_written_without_zeros_in_front(void **state) {
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        char expected[NET_ADDRESS_MAX], text[NET_ADDRESS_MAX];
        struct net_address address = {.size = sizeof(struct sockaddr_in)};
        struct sockaddr_in *in = (struct sockaddr_in *)&address.addr;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(i << 24 | (255 - i) << 16 | i << 8 | 7);
        (void)snprintf(expected, sizeof(expected), "%u.%u.%u.7", i, 255 - i, i); /* fits */
        assert_true(slice_is(net_address_host(&address, text), expected));
        assert_string_equal(text, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bind_texts_name_one_or_two_addresses),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(hosts_are_written_without_the_port),
        cmocka_unit_test(octets_are_written_without_zeros_in_front),
        cmocka_unit_test(a_taken_port_is_told_for_one_and_for_several_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
