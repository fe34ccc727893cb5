/* A connection that is past its backlog: it is not read, so neither is its pong. And one whose ping
 * waits behind what it sends. */
#include "client/internal.h"
#include "tests/unit/client/peer.h"

static void limit_buffer(int fd, int which) {
    const int bytes = 32768;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, which, &bytes, sizeof(bytes)), 0);
}

static void fill_backlog(struct fixture *fixture) {
    static char bytes[100000];
    const struct client_order send = {
        .verb = CLIENT_SEND_MESSAGE,
        .client = SLICE("c"),
        .out = {.payload = {bytes, sizeof(bytes)}, .has_payload = true, .is_binary = true}};
    enum status status;
    do {
        status = order(fixture, &send);
    } while (status == STATUS_OK);
    assert_int_equal(status, STATUS_AGAIN);
}

/* Pings, is held until long after the pong was due, and is let go 100 ms before the next look. */
static void hold_and_let_go(struct fixture *fixture, bool answers) {
    fixture->options.drain_timeout_ms = 100000;
    open_one(fixture);
    pass(fixture, 30010);
    receive(fixture, 6);
    assert_memory_equal(fixture->got, "\x89\x80", 2);
    fill_backlog(fixture);
    if (answers)
        send_bytes(fixture, "\x8a\x00", 2);
    pass(fixture, 10010);
    pass(fixture, 29900);
    for (int i = 0; i < TURNS_MAX && !fixture->is_done; i++) {
        while (recv(fixture->peer, fixture->got, sizeof(fixture->got), 0) > 0)
            continue;
        net_loop_turn(fixture->loop, 1);
    }
    assert_true(fixture->is_done);
    assert_int_equal(fixture->done_status, STATUS_OK);
}

/* proves C7 */
static void a_pong_that_could_not_be_read_is_in_time(void **state) {
    struct fixture *fixture = *state;
    hold_and_let_go(fixture, true);
    pass(fixture, 110);
    pass(fixture, 9700);
    pass(fixture, 200);
    assert_string_equal(fixture->log, "connected open");
}

static void a_connection_let_go_is_lost_without_a_pong(void **state) {
    struct fixture *fixture = *state;
    hold_and_let_go(fixture, false);
    pass(fixture, 110);
    pass(fixture, 9700);
    assert_string_equal(fixture->log, "connected open");
    pass(fixture, 200);
    wait_for(fixture, "error:timeout");
    wait_for(fixture, "close:1006");
}

/* The clock stands. */
static void who_waits_hears_of_our_close_before_the_peer_answers_it(void **state) {
    struct fixture *fixture = *state;
    const struct client_order close = {
        .verb = CLIENT_CLOSE_LINK, .client = SLICE("c"), .code = 4000, .reason = SLICE("why")};
    open_one(fixture);
    fill_backlog(fixture);
    assert_int_equal(order(fixture, &close), STATUS_OK);
    assert_false(fixture->is_done); /* never inside the call */
    for (int i = 0; i < TURNS_MAX && !fixture->is_done; i++)
        net_loop_turn(fixture->loop, 0);
    assert_true(fixture->is_done);
    assert_int_equal(fixture->done_status, STATUS_CLOSED);
    assert_string_equal(fixture->log, "connected open");
}

struct sent {
    bool is_done;
    enum status status;
};
static void on_sent(void *context, enum status status, const char *text) {
    (void)text; /* the status says it */
    *(struct sent *)context = (struct sent){true, status};
}

/* The order of sends is kept. */
static void a_small_message_does_not_pass_a_large_one_that_waits(void **state) {
    struct fixture *fixture = *state;
    static char bytes[1000000];
    static const size_t sizes[] = {sizeof(bytes), 10, 10};
    struct sent sent[ARRAY_SIZE(sizes)] = {{false, STATUS_OK}};
    open_one(fixture);
    limit_buffer(fixture->link->stream.source.fd, SO_SNDBUF);
    limit_buffer(fixture->peer, SO_RCVBUF);
    fill_backlog(fixture);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        const struct client_order send = {
            .verb = CLIENT_SEND_MESSAGE,
            .client = SLICE("c"),
            .out = {.payload = {bytes, sizes[i]}, .has_payload = true, .is_binary = true}};
        struct client_done done = {.fn = on_sent, .context = &sent[i]};
        assert_int_equal(client_order(fixture->set, &send, &done), STATUS_AGAIN);
    }
    for (int i = 0; i < TURNS_MAX && !sent[2].is_done; i++) {
        (void)recv(fixture->peer, fixture->got, 20000, 0); /* what it is does not matter */
        net_loop_turn(fixture->loop, 0);
        assert_true(sent[0].is_done || !sent[1].is_done);
        assert_true(sent[1].is_done || !sent[2].is_done);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_true(sent[i].is_done);
        assert_int_equal(sent[i].status, STATUS_OK);
    }
}

/* proves C7 */
static void a_ping_behind_output_that_moves_is_not_late(void **state) {
    struct fixture *fixture = *state;
    static char bytes[800000];
    fixture->options.drain_timeout_ms = 100000;
    open_one(fixture);
    limit_buffer(fixture->link->stream.source.fd, SO_SNDBUF);
    limit_buffer(fixture->peer, SO_RCVBUF);
    const struct client_order send = {
        .verb = CLIENT_SEND_MESSAGE,
        .client = SLICE("c"),
        .out = {.payload = {bytes, sizeof(bytes)}, .has_payload = true, .is_binary = true}};
    assert_int_equal(order(fixture, &send), STATUS_OK);
    pass(fixture, 30010); /* pinged */
    const size_t before = net_backlog(&fixture->link->stream);
    for (int i = 0; i < TURNS_MAX && net_backlog(&fixture->link->stream) == before; i++) {
        (void)recv(fixture->peer, bytes, 20000, 0); /* what it is does not matter */
        net_loop_turn(fixture->loop, 0);
    }
    assert_true(net_backlog(&fixture->link->stream) < before);
    pass(fixture, 10010);
    assert_string_equal(fixture->log, "connected open");
    pass(fixture, 9900); /* nothing moves now */
    assert_string_equal(fixture->log, "connected open");
    pass(fixture, 200);
    wait_for(fixture, "error:timeout");
    wait_for(fixture, "close:1006");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pong_that_could_not_be_read_is_in_time),
        TEST(a_connection_let_go_is_lost_without_a_pong),
        TEST(who_waits_hears_of_our_close_before_the_peer_answers_it),
        TEST(a_small_message_does_not_pass_a_large_one_that_waits),
        TEST(a_ping_behind_output_that_moves_is_not_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
