/* Accepting: peers are taken, those who wait are not reset by a close, and descriptors may run out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "net/loop.h"

#define PEERS 20

struct world {
    struct net_loop *loop;
    struct net_listener *listener;
    struct net_address address;
    int accepted[PEERS];
    int count;
    char host[NET_ADDRESS_MAX];
};

/* What the kernel says next, in place of taking a connection; 0: what it really says. */
static int accept_error;

int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict size, int flags) {
    if (accept_error) {
        errno = accept_error;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, addr, size, flags);
}

static void on_accept(void *context, int fd, const struct net_address *peer) {
    struct world *world = context;
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(slice_is(net_address_host(peer, world->host), "127.0.0.1"));
    world->accepted[world->count++] = fd;
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    struct net_address found[2];
    size_t count;
    int fd;
    world->loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    assert_int_equal(net_bind_parse(SLICE("127.0.0.1:0"), found, &count), STATUS_OK);
    world->address = found[0];
    assert_int_equal(net_listen(&world->address, 1, &fd), STATUS_OK);
    world->listener = net_listener_open(world->loop, fd, on_accept, world);
    assert_non_null(world->listener);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    if (world->listener) {
        net_listener_close(world->listener);
    }
    while (world->count) {
        close(world->accepted[--world->count]);
    }
    net_loop_free(world->loop);
    free(world);
    return 0;
}

static int dial(struct world *world) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&world->address.addr, world->address.size), 0);
    return fd;
}

static void peers_are_accepted(void **state) {
    struct world *world = *state;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(world);
    }
    for (int i = 0; i < 1000 && world->count < 3; i++) {
        net_loop_turn(world->loop, 2);
    }
    assert_int_equal(world->count, 3);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

static void a_close_accepts_those_who_wait(void **state) {
    struct world *world = *state;
    int first = dial(world), second = dial(world);
    net_listener_close(world->listener);
    world->listener = NULL;
    assert_int_equal(world->count, 2);
    close(first);
    close(second);
}

/* proves D8: no descriptors left */
static void without_descriptors_peers_are_shed_and_later_taken_again(void **state) {
    struct world *world = *state;
    struct rlimit old, low;
    int peers[PEERS], devnull = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char byte;
    log_open(devnull, LOG_TEXT, LOG_ERROR);
    for (int i = 0; i < 5; i++) {
        peers[i] = dial(world);
    }
    int next = dup(devnull);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)next + 2; /* room for two more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < 20; i++) {
        net_loop_turn(world->loop, 1);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(world->count, 2);
    for (int i = 2; i < 5; i++) {
        ssize_t size = recv(peers[i], &byte, 1, MSG_DONTWAIT);
        assert_true(size == 0 || (size < 0 && errno == ECONNRESET)); /* told, not left waiting */
    }
    peers[5] = dial(world);
    for (int i = 0; i < 1000 && world->count < 3; i++) {
        net_loop_turn(world->loop, 2);
    }
    assert_int_equal(world->count, 3);
    for (int i = 0; i < 6; i++) {
        close(peers[i]);
    }
    log_open(2, LOG_TEXT, LOG_INFO);
    close(devnull);
}

/* Each that is taken brings the next one, so that the queue is never empty. */
static void on_crowd(void *context, int fd, const struct net_address *peer) {
    struct world *world = context;
    const struct linger reset = {.l_onoff = 1}; /* so that no socket lies in TIME_WAIT */
    (void)peer;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
    close(world->accepted[0]);
    world->accepted[0] = ++world->count < 10000 ? dial(world) : -1;
}

/* proves D8 */
static void those_who_keep_coming_do_not_keep_a_listener_open(void **state) {
    struct world *world = *state;
    int fd;
    net_listener_close(world->listener);
    assert_int_equal(net_listen(&world->address, 1, &fd), STATUS_OK);
    struct net_listener *crowded = net_listener_open(world->loop, fd, on_crowd, world);
    world->accepted[0] = dial(world);
    net_listener_close(crowded);
    assert_int_equal(world->count, 4096);
    close(world->accepted[0]);
    world->count = 0;
    world->listener = NULL;
}

/* proves D8: files, programs and the manager have some left */
static void a_part_of_the_descriptors_is_not_for_peers(void **state) {
    struct world *world = *state;
    int peers[PEERS], devnull = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char byte;
    log_open(devnull, LOG_TEXT, LOG_ERROR);
    for (int i = 0; i < 5; i++) {
        peers[i] = dial(world);
    }
    int next = dup(devnull);
    close(next);
    world->loop->accept_below = next + 2;
    for (int i = 0; i < 20; i++) {
        net_loop_turn(world->loop, 1);
    }
    assert_int_equal(world->count, 2);
    int kept = dup(devnull);
    assert_int_equal(kept, next + 2);
    close(kept);
    for (int i = 2; i < 5; i++) {
        ssize_t size = recv(peers[i], &byte, 1, MSG_DONTWAIT);
        assert_true(size == 0 || (size < 0 && errno == ECONNRESET));
    }
    for (int i = 0; i < 5; i++) {
        close(peers[i]);
    }
    log_open(2, LOG_TEXT, LOG_INFO);
    close(devnull);
}

static size_t lines_of(int fd, const char *text) {
    char log[4096];
    ssize_t size = pread(fd, log, sizeof log - 1, 0);
    size_t count = 0;
    assert_true(size >= 0);
    log[size] = 0;
    for (const char *at = log; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static uint64_t later_ms;
static uint64_t later_ns(const struct clock *clock) {
    (void)clock; /* it is the system's, and later */
    return clock_system.mono_ns(&clock_system) + later_ms * 1000000;
}

/* proves D8: said once, no spinning, those who wait are taken when there is room again */
static void without_the_kernels_help_peers_wait_and_the_log_hears_of_it_once(void **state) {
    struct world *world = *state;
    static const int errors[] = {ENOMEM, ENOBUFS, ENFILE, EMFILE};
    struct clock clock = clock_system;
    clock.mono_ns = later_ns;
    later_ms = 0;
    world->loop->clock = &clock;
    int log = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), peers[4];
    assert_true(log >= 0);
    log_open(log, LOG_TEXT, LOG_INFO);
    for (size_t i = 0; i < 4; i++) {
        peers[i] = dial(world);
        accept_error = errors[i];
        for (int turn = 0; turn < 50; turn++)
            net_loop_turn(world->loop, 1);
        later_ms += 150; /* it asks again */
        net_loop_turn(world->loop, 0);
        accept_error = 0;
        for (int turn = 0; turn < 1000 && world->count == (int)i; turn++) {
            later_ms += 10;
            net_loop_turn(world->loop, 1);
        }
        assert_int_equal(world->count, (int)i + 1);
    }
    assert_int_equal(lines_of(log, "new connections"), 1);
    assert_int_equal(lines_of(log, "accepted again"), 0);
    later_ms += 6000;
    int last = dial(world);
    for (int turn = 0; turn < 1000 && world->count < 5; turn++)
        net_loop_turn(world->loop, 2);
    assert_int_equal(lines_of(log, "accepted again"), 1);
    log_open(2, LOG_TEXT, LOG_INFO);
    close(last);
    for (size_t i = 0; i < 4; i++)
        close(peers[i]);
    close(log);
    world->loop->clock = &clock_system;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(peers_are_accepted),
        TEST(a_close_accepts_those_who_wait),
        TEST(those_who_keep_coming_do_not_keep_a_listener_open),
        TEST(without_descriptors_peers_are_shed_and_later_taken_again),
        TEST(a_part_of_the_descriptors_is_not_for_peers),
        TEST(without_the_kernels_help_peers_wait_and_the_log_hears_of_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
