/* The table of connections that have both ends here: who finds whom, what is told of messages, and
 * what is left of it when it is full, or its ends belong to several threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "net/net.h"

#define ROUNDS  2000
#define THREADS 2
#define MANY    (NET_OWN_WAYS + 1)

struct pair {
    int client, server;
};

static struct net_own *new_own(void) {
    struct net_own *own = net_own_new((struct hash_key){1, 2});
    assert_non_null(own);
    return own;
}

/* `is_dual`: the server's socket takes both families, as one that systemd made. */
static struct pair connect_pair(int family, bool is_dual) {
    struct sockaddr_storage address = {.ss_family = (sa_family_t)(is_dual ? AF_INET6 : family)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    struct pair pair = {.client = socket(family, SOCK_STREAM, 0)};
    int listener = socket(address.ss_family, SOCK_STREAM, 0);
    if (family == AF_INET && !is_dual) {
        memcpy(&address, &to, sizeof(to));
    } else if (!is_dual) {
        ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
    }
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    size = address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(to);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    if (is_dual) {
        to.sin_port = ((struct sockaddr_in6 *)&address)->sin6_port;
        memcpy(&address, &to, size = sizeof(to));
    }
    assert_int_equal(connect(pair.client, (struct sockaddr *)&address, size), 0);
    pair.server = accept(listener, NULL, NULL);
    assert_true(pair.server >= 0);
    close(listener);
    return pair;
}

static void close_pair(struct pair pair) {
    close(pair.client);
    close(pair.server);
}

static void both_ends_find_each_other_by_their_addresses(void **state) {
    static const struct {
        int family;
        bool is_dual;
    } kinds[] = {{AF_INET, false}, {AF_INET6, false}, {AF_INET, true}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct net_own *own = new_own();
        struct pair pair = connect_pair(kinds[i].family, kinds[i].is_dual);
        struct pair other = connect_pair(kinds[i].family, kinds[i].is_dual);
        assert_null(net_own_meet(own, pair.server));
        struct net_own_way *way = net_own_begin(own, pair.client);
        assert_non_null(way);
        assert_null(net_own_meet(own, other.server));
        assert_false(net_own_is_met(way));
        assert_ptr_equal(net_own_meet(own, pair.server), way);
        assert_ptr_equal(net_own_at(own, net_own_number(way)), way);
        assert_true(net_own_is_met(way));
        assert_null(net_own_meet(own, pair.server)); /* it has its server's end */
        net_own_leave(way, NET_OWN_SERVER);
        net_own_leave(way, NET_OWN_CLIENT);
        assert_null(net_own_meet(own, pair.server));
        net_own_free(own);
        close_pair(pair);
        close_pair(other);
    }
}

static void a_socket_without_addresses_and_no_table_are_nobodys(void **state) {
    (void)state;
    int fds[2];
    struct net_own *own = new_own();
    struct pair pair = connect_pair(AF_INET, false);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_null(net_own_begin(own, fds[0]));
    struct net_own_way *way = net_own_begin(own, pair.client);
    assert_null(net_own_meet(own, fds[1]));
    net_own_leave(way, NET_OWN_CLIENT);
    assert_null(net_own_begin(NULL, pair.client));
    assert_null(net_own_meet(NULL, pair.server));
    assert_int_equal(net_own_number(NULL), 0);
    assert_null(net_own_at(NULL, 0));
    net_own_leave(NULL, NET_OWN_CLIENT);
    net_own_free(own);
    net_own_free(NULL);
    close_pair((struct pair){fds[0], fds[1]});
    close_pair(pair);
}

static void each_message_has_its_own_depth_while_few_are_on_their_way(void **state) {
    (void)state;
    struct net_own *own = new_own();
    struct pair pair = connect_pair(AF_INET, false);
    struct net_own_way *way = net_own_begin(own, pair.client);
    assert_ptr_equal(net_own_meet(own, pair.server), way);
    assert_int_equal(net_own_depth(way, NET_OWN_SERVER, 1), 0); /* nothing is known of it */
    net_own_note(way, NET_OWN_CLIENT, 1, 32);
    net_own_note(way, NET_OWN_CLIENT, 2, 0);
    net_own_note(way, NET_OWN_SERVER, 1, 7);
    assert_int_equal(net_own_depth(way, NET_OWN_SERVER, 1), 33);
    assert_int_equal(net_own_depth(way, NET_OWN_SERVER, 2), 1);
    assert_int_equal(net_own_depth(way, NET_OWN_CLIENT, 1), 8);
    for (uint64_t number = 3; number < 3 + NET_OWN_MESSAGES; number++) {
        net_own_note(way, NET_OWN_CLIENT, number, 5 + (uint32_t)number);
    }
    assert_int_equal(net_own_depth(way, NET_OWN_SERVER, 2), 5 + 2 + NET_OWN_MESSAGES + 1);
    assert_int_equal(net_own_depth(way, NET_OWN_SERVER, 3), 9);
    net_own_note(way, NET_OWN_CLIENT, 100, UINT32_MAX);
    assert_int_equal(net_own_depth(way, NET_OWN_SERVER, 100), 255);
    net_own_leave(way, NET_OWN_CLIENT);
    net_own_leave(way, NET_OWN_SERVER);
    net_own_free(own);
    close_pair(pair);
}

/* The same two ports again while the server has not noticed the end of the old connection. */
static void a_new_connection_has_nothing_of_the_old_one(void **state) {
    (void)state;
    struct net_own *own = new_own();
    struct pair pair = connect_pair(AF_INET, false);
    struct net_own_way *old = net_own_begin(own, pair.client);
    assert_ptr_equal(net_own_meet(own, pair.server), old);
    net_own_note(old, NET_OWN_CLIENT, 1, 9);
    net_own_leave(old, NET_OWN_CLIENT);
    struct net_own_way *new = net_own_begin(own, pair.client);
    assert_ptr_not_equal(new, old);
    assert_ptr_equal(net_own_meet(own, pair.server), new);
    assert_int_equal(net_own_depth(new, NET_OWN_SERVER, 1), 0);
    assert_int_equal(net_own_depth(old, NET_OWN_SERVER, 1), 10);
    net_own_leave(old, NET_OWN_SERVER);
    struct net_own_way *third = net_own_begin(own, pair.client);
    assert_ptr_equal(third, old); /* its place is free, and its notes are gone */
    assert_int_equal(net_own_depth(third, NET_OWN_SERVER, 1), 0);
    net_own_leave(third, NET_OWN_CLIENT);
    net_own_leave(new, NET_OWN_CLIENT);
    net_own_leave(new, NET_OWN_SERVER);
    net_own_free(own);
    close_pair(pair);
}

/* One socket is enough to take places until there is none for its pair. */
static void a_full_table_leaves_the_rest_as_foreign_ones(void **state) {
    (void)state;
    static struct net_own_way *const none = NULL;
    struct net_own_way *ways[MANY];
    struct net_own *own = new_own();
    struct pair pair = connect_pair(AF_INET, false);
    size_t count = 0;
    while (count < MANY && (ways[count] = net_own_begin(own, pair.client)) != none) {
        count++;
    }
    assert_in_range(count, 1, NET_OWN_WAYS);
    for (size_t i = 0; i < count; i++) {
        net_own_leave(ways[i], NET_OWN_CLIENT);
    }
    assert_null(net_own_meet(own, pair.server));
    ways[0] = net_own_begin(own, pair.client);
    assert_ptr_equal(net_own_meet(own, pair.server), ways[0]);
    net_own_leave(ways[0], NET_OWN_CLIENT);
    net_own_leave(ways[0], NET_OWN_SERVER);
    net_own_free(own);
    close_pair(pair);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    struct net_own *own;
    struct pair pair;
};

/* Either end of a connection on a thread of its own; a byte stands for a message. */
static void *be_server(void *context) {
    struct worker *worker = context;
    char byte;
    while (read(worker->pair.server, &byte, 1) == 1) {
        struct net_own_way *way = net_own_meet(worker->own, worker->pair.server);
        uint32_t depth = way ? net_own_depth(way, NET_OWN_SERVER, 1) : 0;
        if (way) {
            net_own_note(way, NET_OWN_SERVER, 1, depth);
        }
        byte = (char)depth;
        if (write(worker->pair.server, &byte, 1) != 1) {
            abort();
        }
        net_own_leave(way, NET_OWN_SERVER);
    }
    return NULL;
}

static void *be_client(void *context) {
    struct worker *worker = context;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct net_own_way *way = net_own_begin(worker->own, worker->pair.client);
        char byte = 0;
        if (way) {
            net_own_note(way, NET_OWN_CLIENT, 1, round % 32);
        }
        if (write(worker->pair.client, &byte, 1) != 1 || read(worker->pair.client, &byte, 1) != 1) {
            abort();
        }
        bool is_known = way && byte; /* else nobody was met: another was just being looked at */
        if (is_known && ((uint32_t)byte != round % 32 + 1 ||
                         net_own_depth(way, NET_OWN_CLIENT, 1) != round % 32 + 2)) {
            abort();
        }
        net_own_leave(way, NET_OWN_CLIENT);
    }
    shutdown(worker->pair.client, SHUT_WR);
    return NULL;
}

static void ends_on_many_threads_hear_their_own_peer_alone(void **state) {
    (void)state;
    struct net_own *own = new_own();
    struct worker clients[THREADS], servers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        clients[i] = servers[i] = (struct worker){.own = own, .pair = connect_pair(AF_INET, false)};
        assert_int_equal(pthread_create(&servers[i].thread, NULL, be_server, &servers[i]), 0);
        assert_int_equal(pthread_create(&clients[i].thread, NULL, be_client, &clients[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        pthread_join(servers[i].thread, NULL);
        close_pair(clients[i].pair);
    }
    net_own_free(own); /* asserts that nothing is held */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_find_each_other_by_their_addresses),
        cmocka_unit_test(a_socket_without_addresses_and_no_table_are_nobodys),
        cmocka_unit_test(each_message_has_its_own_depth_while_few_are_on_their_way),
        cmocka_unit_test(a_new_connection_has_nothing_of_the_old_one),
        cmocka_unit_test(a_full_table_leaves_the_rest_as_foreign_ones),
        cmocka_unit_test(ends_on_many_threads_hear_their_own_peer_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
