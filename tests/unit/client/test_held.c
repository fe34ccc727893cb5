/* Keep-alive of a connection that is past its backlog: it is not read, so neither is its pong. */
#include "tests/unit/client/peer.h"

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pong_that_could_not_be_read_is_in_time),
        TEST(a_connection_let_go_is_lost_without_a_pong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
