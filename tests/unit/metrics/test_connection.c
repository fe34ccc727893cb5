/* Requests on a socket pair, with a worker whose mailbox is full. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "metrics/internal.h"
#include "tests/unit/cmocka_all.h"

#define MAILBOX_ENTRIES 16

struct fixture {
    struct net_loop *loop, *worker_loop;
    struct engine *engine;
    struct control_worker worker;
    struct metrics *metrics;
    struct net_message fillers[MAILBOX_ENTRIES + 1];
    int fd; /* the peer's */
};

static void wake_at(void *host, uint64_t mono_ns) { (void)host, (void)mono_ns; }
static void ignore(struct net_message *message, struct net_loop *loop) {
    (void)message, (void)loop;
}
static void tell_state(void *context, struct metrics_state *out) {
    static const bool is_stalled[] = {false};
    static const uint64_t stalls[] = {0};
    (void)context;
    *out =
        (struct metrics_state){.version = SLICE("1.2"), .is_stalled = is_stalled, .stalls = stalls};
}
static struct program *no_program(void *context) { return (void)context, NULL; }
static enum status no_servers(void *context, struct arena *arena, struct control_server **out,
                              size_t *count) {
    (void)context;
    *out = arena_alloc(arena, 0);
    *count = 0;
    return STATUS_OK;
}
static enum status no_clients(void *context, struct arena *arena, struct control_client **out,
                              size_t *count) {
    (void)context;
    *out = arena_alloc(arena, 0);
    *count = 0;
    return STATUS_OK;
}
static const struct control_host host = {
    .program = no_program, .servers = no_servers, .clients = no_clients};

static int set_up(void **state) {
    struct fixture *fixture = base_alloc(sizeof *fixture);
    int fds[2];
    fixture->loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    fixture->worker_loop = net_loop_new(
        &(struct net_loop_options){.clock = &clock_system, .mailbox_entries = MAILBOX_ENTRIES});
    fixture->engine =
        engine_new(&(struct engine_options){.clock = &clock_system, .wake_at = wake_at});
    fixture->worker =
        (struct control_worker){.loop = fixture->worker_loop, .engine = fixture->engine};
    fixture->metrics = metrics_new(&(struct metrics_options){.loop = fixture->loop,
                                                             .state = tell_state,
                                                             .host = &host,
                                                             .workers = &fixture->worker,
                                                             .worker_count = 1});
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    fixture->fd = fds[0];
    metrics__accept(fixture->metrics, fds[1], NULL);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    metrics_close(fixture->metrics);
    for (int i = 0; i < 10; i++)
        net_loop_turn(fixture->loop, 0);
    net_loop_free(fixture->worker_loop);
    net_loop_free(fixture->loop);
    engine_free(fixture->engine);
    close(fixture->fd);
    free(fixture);
    return 0;
}

static void fill_mailbox(struct fixture *fixture) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK; i++) {
        assert_true(i < ARRAY_SIZE(fixture->fillers));
        fixture->fillers[i] = (struct net_message){.run = ignore, .bytes = 1};
        status = net_post_control(fixture->worker_loop, &fixture->fillers[i]);
    }
    assert_int_equal(status, STATUS_LIMIT);
}

static size_t count(const char *text, const char *what) {
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        found++;
    return found;
}

/* Each is answered once, and what comes behind it too. */
static void scrapes_that_no_worker_can_be_asked_for_are_answered_without_them(void **state) {
    static const char requests[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    static char room[1 << 16];
    struct fixture *fixture = *state;
    size_t got = 0;
    ssize_t more = -1;
    fill_mailbox(fixture);
    assert_int_equal(send(fixture->fd, requests, sizeof requests - 1, MSG_NOSIGNAL),
                     sizeof requests - 1);
    for (int i = 0; i < 100 && more != 0; i++) {
        net_loop_turn(fixture->loop, 0);
        more = recv(fixture->fd, room + got, sizeof room - 1 - got, 0);
        got += more > 0 ? (size_t)more : 0;
    }
    assert_int_equal(more, 0); /* the end, as asked */
    room[got] = '\0';
    assert_int_equal(count(room, "HTTP/1.1 200 OK\r\n"), 3);
    assert_int_equal(count(room, "bellwire_build_info{version=\"1.2\"} 1\n"), 2);
    assert_non_null(strstr(room, "\r\n\r\nok\n"));
    assert_null(strstr(room, "bellwire_worker_runs{")); /* what the worker would tell */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            scrapes_that_no_worker_can_be_asked_for_are_answered_without_them, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
