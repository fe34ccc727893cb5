/* Who wants a connection, when it is dialed, and that there is never a second one. */
#include "tests/unit/client/peer.h"

static const struct client_order connect_order = {.verb = CLIENT_CONNECT, .client = {"c", 1}};
static const struct client_order disconnect_order = {.verb = CLIENT_DISCONNECT, .client = {"c", 1}};

static struct client_order waiting_connect(void) {
    struct client_order wait = connect_order;
    wait.wait = true;
    return wait;
}

static void refuse_from_now_on(struct fixture *fixture) {
    close(fixture->listener);
    fixture->listener = -1;
}

/* How often the log tells of `text`. */
static size_t count_of(const struct fixture *fixture, const char *text) {
    size_t count = 0;
    for (const char *at = fixture->log; (at = strstr(at, text)) != NULL; at += strlen(text))
        count++;
    return count;
}

static void turn_until(struct fixture *fixture, enum client_state state) {
    for (int i = 0; i < TURNS_MAX && state_of(fixture) != state; i++)
        net_loop_turn(fixture->loop, 1);
    assert_int_equal(state_of(fixture), state);
}

/* proves C8 */
static void attempts_back_off_up_to_the_cap(void **state) {
    struct fixture *fixture = *state;
    fixture->options.reconnect_min_ms = 1000;
    fixture->options.reconnect_max_ms = 8000;
    refuse_from_now_on(fixture);
    apply(fixture);
    uint64_t waited = 0;
    static const uint64_t caps[] = {1000, 2000, 4000, 8000, 8000, 8000};
    for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
        turn_until(fixture, CLIENT_WAITING);
        assert_int_equal(count_of(fixture, "error:refused"), i + 1);
        struct arena arena;
        arena_init(&arena, 1024, 0);
        struct client_info info = info_of(fixture, &arena);
        uint64_t delay = info.next_attempt_wall_ms - test_wall(&fixture->clock);
        assert_true(delay <= caps[i]);
        assert_true(slice_starts_with(info.error, SLICE("refused: 127.0.0.1:")));
        arena_deinit(&arena);
        waited += delay;
        fixture->now_ms += delay + 1;
        turn_until(fixture, CLIENT_CONNECTING);
    }
    assert_true(waited > 0);
}

static void a_stable_connection_resets_the_back_off(void **state) {
    struct fixture *fixture = *state;
    fixture->options.stable_ms = 5000;
    fixture->options.ping_interval_ms = 0;
    open_one(fixture);
    for (int i = 0; i < 6; i++) { /* each is lost at once: the bound grows to a minute */
        hang_up(fixture);
        turn_until(fixture, CLIENT_WAITING);
        pass(fixture, 60001);
        accept_one(fixture);
        receive(fixture, 0);
        send_accept(fixture, "");
        turn_until(fixture, CLIENT_OPEN);
    }
    pass(fixture, 5001);
    hang_up(fixture);
    turn_until(fixture, CLIENT_WAITING);
    struct arena arena;
    arena_init(&arena, 1024, 0);
    struct client_info info = info_of(fixture, &arena);
    assert_true(info.next_attempt_wall_ms - test_wall(&fixture->clock) <= 1000);
    assert_int_equal(info.reconnects, 6);
    arena_deinit(&arena);
}

static void off_means_off(void **state) {
    struct fixture *fixture = *state;
    fixture->options.auto_reconnect = false;
    open_one(fixture);
    hang_up(fixture);
    turn_until(fixture, CLIENT_STOPPED);
    for (int i = 0; i < 10; i++)
        pass(fixture, 600000);
    assert_false(try_accept(fixture));
    assert_int_equal(order(fixture, &connect_order), STATUS_OK);
    accept_one(fixture);
}

/* proves C2 */
static void connecting_what_is_open_makes_no_second_socket(void **state) {
    struct fixture *fixture = *state;
    struct client_order wait = waiting_connect();
    open_one(fixture);
    assert_int_equal(order(fixture, &connect_order), STATUS_OK);
    assert_int_equal(order(fixture, &wait), STATUS_OK);
    pass(fixture, 1000);
    assert_false(try_accept(fixture));
}

static void a_waiting_connect_ends_when_it_is_open(void **state) {
    struct fixture *fixture = *state;
    struct client_order wait = waiting_connect();
    fixture->options.enabled = false;
    apply(fixture);
    pass(fixture, 1000);
    assert_int_equal(state_of(fixture), CLIENT_STOPPED);
    assert_int_equal(order(fixture, &wait), STATUS_AGAIN);
    accept_one(fixture);
    receive(fixture, 0);
    assert_false(fixture->is_done);
    send_accept(fixture, "");
    wait_for(fixture, "open");
    assert_true(fixture->is_done);
    assert_int_equal(fixture->done_status, STATUS_OK);
}

static void a_waiting_connect_fails_with_the_cause(void **state) {
    struct fixture *fixture = *state;
    struct client_order wait = waiting_connect();
    fixture->options.enabled = false;
    refuse_from_now_on(fixture);
    apply(fixture);
    assert_int_equal(order(fixture, &wait), STATUS_AGAIN);
    wait_for(fixture, "error:refused");
    assert_true(fixture->is_done);
    assert_int_equal(fixture->done_status, STATUS_FAILED);
    assert_memory_equal(fixture->done_text, "refused: 127.0.0.1:", 19);
}

static void a_waiting_connect_is_cancelled_by_a_disconnect(void **state) {
    struct fixture *fixture = *state;
    struct client_order wait = waiting_connect();
    fixture->options.enabled = false;
    apply(fixture);
    assert_int_equal(order(fixture, &wait), STATUS_AGAIN);
    accept_one(fixture);
    assert_int_equal(order(fixture, &disconnect_order), STATUS_OK);
    assert_true(fixture->is_done);
    assert_int_equal(fixture->done_status, STATUS_CANCELLED);
    wait_for_end(fixture);
    assert_false(has_logged(fixture, "error:"));
}

static void a_cancelled_wait_is_not_told(void **state) {
    struct fixture *fixture = *state;
    struct client_order wait = waiting_connect();
    struct client_done done = {.fn = test_done, .context = fixture};
    fixture->options.enabled = false;
    apply(fixture);
    assert_int_equal(client_order(fixture->set, &wait, &done), STATUS_AGAIN);
    client_op_cancel(done.op);
    accept_one(fixture);
    receive(fixture, 0);
    send_accept(fixture, "");
    wait_for(fixture, "open");
    assert_false(fixture->is_done);
}

/* proves C3 */
static void a_disconnect_closes_and_does_not_come_back(void **state) {
    struct fixture *fixture = *state;
    struct client_order order_4000 = disconnect_order;
    order_4000.code = 4000;
    order_4000.reason = SLICE("enough");
    open_one(fixture);
    assert_int_equal(order(fixture, &order_4000), STATUS_OK);
    receive(fixture, 14);
    assert_memory_equal(fixture->got, "\x88\x88", 2);
    unmask(fixture->got + 6, 8, fixture->got + 2);
    assert_memory_equal(fixture->got + 6,
                        "\x0f\xa0"
                        "enough",
                        8);
    send_bytes(fixture, "\x88\x02\x0f\xa0", 4);
    wait_for(fixture, "close:4000:local:enough");
    wait_for_end(fixture);
    hang_up(fixture);
    for (int i = 0; i < 10; i++)
        pass(fixture, 600000);
    assert_false(try_accept(fixture));
    assert_int_equal(state_of(fixture), CLIENT_STOPPED);
    assert_int_equal(count_of(fixture, "close:"), 1);
    assert_int_equal(order(fixture, &connect_order), STATUS_OK);
    accept_one(fixture);
}

static void a_code_that_may_not_be_sent_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    struct client_order bad = disconnect_order;
    bad.code = 1006;
    open_one(fixture);
    assert_int_equal(order(fixture, &bad), STATUS_RANGE);
    assert_int_equal(state_of(fixture), CLIENT_OPEN);
}

static void a_peer_that_ignores_our_close_is_left_after_a_while(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    assert_int_equal(order(fixture, &disconnect_order), STATUS_OK);
    pass(fixture, 10001);
    wait_for(fixture, "close:1000:local:");
    wait_for_end(fixture);
}

/* proves C9 */
static void a_connect_while_the_old_socket_closes_waits_for_it(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    assert_int_equal(order(fixture, &disconnect_order), STATUS_OK);
    assert_int_equal(order(fixture, &connect_order), STATUS_OK);
    pass(fixture, 5000);
    assert_int_equal(accept(fixture->listener, NULL, NULL), -1); /* while the old one is there */
    send_bytes(fixture, "\x88\x02\x03\xe8", 4);
    wait_for_end(fixture);
    hang_up(fixture);
    accept_one(fixture); /* at once, without a back-off */
}

/* proves C9 */
static void connects_and_back_off_together_make_one_socket(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    hang_up(fixture);
    turn_until(fixture, CLIENT_WAITING);
    for (int i = 0; i < 5; i++)
        assert_int_equal(order(fixture, &connect_order), STATUS_OK);
    accept_one(fixture);
    pass(fixture, 9000);
    for (int i = 0; i < 9; i++)
        pass(fixture, 100);
    assert_int_equal(accept(fixture->listener, NULL, NULL), -1);
}

static void connect_again(struct fixture *fixture) {
    assert_int_equal(order(fixture, &connect_order), STATUS_OK);
}

static void who_connects_on_every_error_makes_no_tight_loop(void **state) {
    struct fixture *fixture = *state;
    refuse_from_now_on(fixture);
    fixture->on_error = connect_again;
    apply(fixture);
    wait_for(fixture, "error:refused");
    for (int i = 0; i < 200; i++)
        net_loop_turn(fixture->loop, 0);
    assert_int_equal(count_of(fixture, "error:"), 1);
    pass(fixture, 1001);
    wait_for(fixture, "error:refused error:refused");
}

static void a_changed_identity_connects_anew_and_a_changed_bound_does_not(void **state) {
    struct fixture *fixture = *state;
    fixture->options.identity = SLICE("one");
    open_one(fixture);
    fixture->options.ping_interval_ms = 5000;
    fixture->options.log_frames = true;
    apply(fixture);
    pass(fixture, 0);
    assert_int_equal(state_of(fixture), CLIENT_OPEN);
    fixture->options.identity = SLICE("two");
    fixture->options.path = SLICE("/other");
    apply(fixture);
    receive(fixture, 8);
    unmask(fixture->got + 6, 2, fixture->got + 2);
    assert_memory_equal(fixture->got + 6, "\x03\xe9", 2);
    send_bytes(fixture, "\x88\x02\x03\xe9", 4);
    wait_for(fixture, "close:1001:local:");
    wait_for_end(fixture);
    hang_up(fixture);
    accept_one(fixture);
    receive(fixture, 0);
    assert_memory_equal(fixture->got, "GET /other HTTP/1.1", 19);
}

static void disabling_closes_and_enabling_opens(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    fixture->options.enabled = false;
    apply(fixture);
    send_bytes(fixture, "\x88\x02\x03\xe8", 4);
    wait_for(fixture, "close:1000:local:");
    hang_up(fixture);
    turn_until(fixture, CLIENT_STOPPED);
    apply(fixture);
    pass(fixture, 60000);
    assert_false(try_accept(fixture));
    fixture->options.enabled = true;
    apply(fixture);
    accept_one(fixture);
}

static void one_that_is_removed_and_comes_back_waits_for_its_old_socket(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    client_set_remove(fixture->set, SLICE("c"));
    assert_int_equal(order(fixture, &connect_order), STATUS_NOT_FOUND);
    apply(fixture);
    pass(fixture, 5000);
    assert_int_equal(accept(fixture->listener, NULL, NULL), -1);
    send_bytes(fixture, "\x88\x02\x03\xe9", 4);
    wait_for_end(fixture);
    hang_up(fixture);
    accept_one(fixture);
}

static void one_that_is_removed_is_gone_with_its_socket(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    client_set_remove(fixture->set, SLICE("c"));
    hang_up(fixture);
    wait_for(fixture, "close:");
    for (int i = 0; i < 10; i++)
        pass(fixture, 60000);
    assert_false(try_accept(fixture));
    assert_null(client_set_find(fixture->set, SLICE("c")));
}

static void on_drained(void *context) { note(context, "drained", SLICE_NONE); }

static void a_drain_says_1001_and_is_told_when_all_sockets_are_gone(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    client_set_drain(fixture->set, on_drained, fixture);
    receive(fixture, 8);
    unmask(fixture->got + 6, 2, fixture->got + 2);
    assert_memory_equal(fixture->got + 6, "\x03\xe9", 2);
    pass(fixture, 1000);
    assert_false(has_logged(fixture, "drained"));
    send_bytes(fixture, "\x88\x02\x03\xe9", 4);
    wait_for_end(fixture);
    hang_up(fixture);
    for (int i = 0; i < TURNS_MAX && !has_logged(fixture, "drained"); i++) {
        fixture->now_ms++;
        net_loop_turn(fixture->loop, 1);
    }
    assert_string_equal(fixture->log, "connected open close:1001:local: drained");
}

/* proves C10 */
static void sending_to_what_is_not_open_fails_and_nothing_follows(void **state) {
    struct fixture *fixture = *state;
    const struct client_order send = {.verb = CLIENT_SEND_MESSAGE,
                                      .client = SLICE("c"),
                                      .out = {.payload = SLICE("late"), .has_payload = true}};
    apply(fixture);
    assert_int_equal(order(fixture, &send), STATUS_CLOSED);
    accept_one(fixture);
    receive(fixture, 0);
    assert_int_equal(order(fixture, &send), STATUS_CLOSED);
    send_accept(fixture, "");
    wait_for(fixture, "open");
    forget_received(fixture);
    pass(fixture, 1000);
    char byte;
    assert_int_equal(recv(fixture->peer, &byte, 1, 0), -1);
    const struct client_order nobody = {.verb = CLIENT_SEND_MESSAGE,
                                        .client = SLICE("x"),
                                        .out = {.payload = SLICE("late"), .has_payload = true}};
    assert_int_equal(order(fixture, &nobody), STATUS_NOT_FOUND);
}

static void a_bearer_of_a_connect_is_sent_in_place_of_the_configured_one(void **state) {
    struct fixture *fixture = *state;
    struct client_order with_bearer = connect_order;
    with_bearer.bearer = SLICE("fresh");
    fixture->options.enabled = false;
    fixture->options.bearer = SLICE("stale");
    apply(fixture);
    assert_int_equal(order(fixture, &with_bearer), STATUS_OK);
    accept_one(fixture);
    receive(fixture, 0);
    assert_non_null(strstr(fixture->got, "Authorization: Bearer fresh\r\n"));
    assert_null(strstr(fixture->got, "stale"));
}

static void a_message_past_the_backlog_waits_and_a_lost_peer_ends_the_wait(void **state) {
    struct fixture *fixture = *state;
    static char bytes[600000];
    struct client_order send = {
        .verb = CLIENT_SEND_MESSAGE,
        .client = SLICE("c"),
        .out = {.payload = {bytes, sizeof(bytes)}, .has_payload = true, .is_binary = true}};
    open_one(fixture);
    enum status status = STATUS_OK;
    for (int i = 0; i < 1000 && status == STATUS_OK; i++)
        status = order(fixture, &send);
    assert_int_equal(status, STATUS_AGAIN);
    for (int i = 0; i < TURNS_MAX && !fixture->is_done; i++) {
        char drop[65536];
        (void)recv(fixture->peer, drop, sizeof(drop), 0);
        net_loop_turn(fixture->loop, 0);
    }
    assert_true(fixture->is_done);
    assert_int_equal(fixture->done_status, STATUS_OK);
    fixture->is_done = false;
    for (status = STATUS_OK; status == STATUS_OK;)
        status = order(fixture, &send);
    assert_int_equal(status, STATUS_AGAIN);
    hang_up(fixture);
    wait_for(fixture, "close:1006");
    assert_true(fixture->is_done);
    assert_int_equal(fixture->done_status, STATUS_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(attempts_back_off_up_to_the_cap),
        TEST(a_stable_connection_resets_the_back_off),
        TEST(off_means_off),
        TEST(connecting_what_is_open_makes_no_second_socket),
        TEST(a_waiting_connect_ends_when_it_is_open),
        TEST(a_waiting_connect_fails_with_the_cause),
        TEST(a_waiting_connect_is_cancelled_by_a_disconnect),
        TEST(a_cancelled_wait_is_not_told),
        TEST(a_disconnect_closes_and_does_not_come_back),
        TEST(a_code_that_may_not_be_sent_changes_nothing),
        TEST(a_peer_that_ignores_our_close_is_left_after_a_while),
        TEST(a_connect_while_the_old_socket_closes_waits_for_it),
        TEST(connects_and_back_off_together_make_one_socket),
        TEST(who_connects_on_every_error_makes_no_tight_loop),
        TEST(a_changed_identity_connects_anew_and_a_changed_bound_does_not),
        TEST(disabling_closes_and_enabling_opens),
        TEST(one_that_is_removed_and_comes_back_waits_for_its_old_socket),
        TEST(one_that_is_removed_is_gone_with_its_socket),
        TEST(a_drain_says_1001_and_is_told_when_all_sockets_are_gone),
        TEST(sending_to_what_is_not_open_fails_and_nothing_follows),
        TEST(a_bearer_of_a_connect_is_sent_in_place_of_the_configured_one),
        TEST(a_message_past_the_backlog_waits_and_a_lost_peer_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
