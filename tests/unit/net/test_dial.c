/* Dials on loopback: the first address that answers is taken, and nothing is left open. */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"
#include "net/net.h"

#define TURNS_MAX 20000

struct world {
    struct clock clock; /* first */
    uint64_t now_ms;
    struct net_loop *loop;
    bool is_done;
    struct net_dialed result;
    size_t descriptors; /* before the test */
};

static uint64_t mono_ns(const struct clock *clock) {
    return ((const struct world *)clock)->now_ms * 1000000;
}

static size_t count_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    world->clock = (struct clock){.mono_ns = mono_ns};
    world->now_ms = 1000;
    world->loop = net_loop_new(&(struct net_loop_options){.clock = &world->clock});
    assert_non_null(world->loop);
    world->descriptors = count_descriptors();
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    assert_int_equal(count_descriptors(), world->descriptors);
    net_loop_free(world->loop);
    free(world);
    return 0;
}

static void on_dialed(void *context, const struct net_dialed *dialed) {
    struct world *world = context;
    assert_false(world->is_done);
    world->is_done = true;
    world->result = *dialed;
}

static struct net_dial *dial(struct world *world, const char *host, uint16_t port) {
    const struct net_dial_options options = {slice_of(host), port, 5000};
    struct net_dial *dial = net_dial(world->loop, &options, on_dialed, world);
    assert_non_null(dial);
    assert_false(world->is_done);
    return dial;
}

static void turn_until_done(struct world *world) {
    for (int i = 0; i < TURNS_MAX && !world->is_done; i++)
        net_loop_turn(world->loop, 1);
    assert_true(world->is_done);
}

static int listen_on_loopback(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void an_address_is_connected_to(void **state) {
    struct world *world = *state;
    uint16_t port;
    int listener = listen_on_loopback(&port);
    (void)dial(world, "127.0.0.1", port);
    turn_until_done(world);
    assert_int_equal(world->result.status, STATUS_OK);
    char text[NET_ADDRESS_MAX];
    assert_true(slice_is(net_address_host(&world->result.peer, text), "127.0.0.1"));
    close(world->result.fd);
    close(listener);
}

/* localhost may be ::1 first, where nobody listens. */
static void a_name_falls_back_to_the_address_that_answers(void **state) {
    struct world *world = *state;
    uint16_t port;
    int listener = listen_on_loopback(&port);
    (void)dial(world, "localhost", port);
    turn_until_done(world);
    assert_int_equal(world->result.status, STATUS_OK);
    close(world->result.fd);
    close(listener);
}

static void a_port_without_a_listener_is_told_with_its_address(void **state) {
    struct world *world = *state;
    uint16_t port;
    close(listen_on_loopback(&port));
    (void)dial(world, "127.0.0.1", port);
    turn_until_done(world);
    assert_int_equal(world->result.status, STATUS_IO);
    assert_int_equal(world->result.fd, -1);
    assert_string_equal(world->result.reason, "connection refused");
    assert_true(world->result.peer.size > 0);
}

static void what_is_no_name_is_not_found(void **state) {
    struct world *world = *state;
    static const char *const names[] = {"", "no-such-host.invalid", "a..b"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        world->is_done = false;
        (void)dial(world, names[i], 80);
        world->now_ms++;
        turn_until_done(world);
        assert_int_equal(world->result.status, STATUS_NOT_FOUND);
        assert_non_null(world->result.reason);
    }
}

/* A listener whose queue is full answers nobody. */
static void an_address_that_stays_silent_times_out(void **state) {
    struct world *world = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fillers[4];
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, size); /* the last ones hang */
    }
    (void)dial(world, "127.0.0.1", ntohs(address.sin_port));
    for (int i = 0; i < 50; i++)
        net_loop_turn(world->loop, 1);
    assert_false(world->is_done);
    world->now_ms += 5001;
    turn_until_done(world);
    assert_int_equal(world->result.status, STATUS_TIMEOUT);
    for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
        close(fillers[i]);
    close(listener);
}

static void a_cancelled_dial_is_not_told_and_leaves_nothing(void **state) {
    struct world *world = *state;
    uint16_t port;
    int listener = listen_on_loopback(&port);
    net_dial_cancel(dial(world, "127.0.0.1", port)); /* its name is being looked up */
    struct net_dial *late = dial(world, "127.0.0.1", port);
    for (int i = 0; i < 3; i++)
        net_loop_turn(world->loop, 0);
    if (!world->is_done)
        net_dial_cancel(late);
    else
        close(world->result.fd);
    for (int i = 0; i < 20; i++)
        net_loop_turn(world->loop, 1);
    close(listener);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_address_is_connected_to),
        TEST(a_name_falls_back_to_the_address_that_answers),
        TEST(a_port_without_a_listener_is_told_with_its_address),
        TEST(what_is_no_name_is_not_found),
        TEST(an_address_that_stays_silent_times_out),
        TEST(a_cancelled_dial_is_not_told_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
