/* One connection: the request, the answer's checks, messages, closes, keep-alive. */
#include "tests/unit/client/peer.h"

/* proves C4 */
static void the_request_carries_what_was_configured(void **state) {
    struct fixture *fixture = *state;
    static const struct slice subprotocols[] = {{"chat.v1", 7}, {"chat.v2", 7}};
    static const struct slice names[] = {{"X-Desk", 6}}, values[] = {{"7", 1}};
    static const struct slice cookie_names[] = {{"sid", 3}, {"lang", 4}};
    static const struct slice cookie_values[] = {{"abc", 3}, {"de", 2}};
    fixture->options.subprotocols = (struct client_texts){subprotocols, 2};
    fixture->options.headers = (struct client_pairs){names, values, 1};
    fixture->options.cookies = (struct client_pairs){cookie_names, cookie_values, 2};
    fixture->options.bearer = SLICE("t0ken");
    fixture->options.origin = SLICE("https://app.example.org");
    fixture->options.compression = true;
    apply(fixture);
    accept_one(fixture);
    receive(fixture, 0);
    char host[64];
    (void)snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", fixture->port);
    const char *const lines[] = {"GET /live?x=1 HTTP/1.1\r\n",
                                 host,
                                 "\r\nUpgrade: websocket\r\n",
                                 "\r\nConnection: Upgrade\r\n",
                                 "\r\nSec-WebSocket-Version: 13\r\n",
                                 "\r\nSec-WebSocket-Protocol: chat.v1, chat.v2\r\n",
                                 "\r\nSec-WebSocket-Extensions: permessage-deflate",
                                 "\r\nAuthorization: Bearer t0ken\r\n",
                                 "\r\nOrigin: https://app.example.org\r\n",
                                 "\r\nCookie: sid=abc; lang=de\r\n",
                                 "\r\nX-Desk: 7\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        if (!strstr(fixture->got, lines[i]))
            fail_msg("no \"%s\" in \"%s\"", lines[i], fixture->got);
    send_accept(fixture, "Sec-WebSocket-Protocol: chat.v2\r\n");
    wait_for(fixture, "open");
    assert_string_equal(fixture->log, "connected open");
    struct slice chosen = client_link_subprotocol(fixture->link);
    assert_true(slice_is(chosen, "chat.v2"));
    assert_true(slice_is(client_link_path(fixture->link), "/live"));
    assert_true(slice_is(client_link_query(fixture->link), "x=1"));
    assert_true(slice_is(client_link_peer(fixture->link), "127.0.0.1"));
}

static void a_token_with_a_line_break_fails_before_it_is_sent(void **state) {
    struct fixture *fixture = *state;
    fixture->options.bearer = SLICE("a\r\nX-Evil: 1");
    apply(fixture);
    accept_one(fixture);
    wait_for(fixture, "error:handshake");
    wait_for_end(fixture);
    assert_string_equal(fixture->log, "connected error:handshake");
}

/* proves C5 */
static void every_bad_answer_is_one_error_and_no_open(void **state) {
    struct fixture *fixture = *state;
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "\x16\x03\x01 garbage\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    };
    apply(fixture);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        accept_one(fixture);
        receive(fixture, 0);
        send_text(fixture, answers[i]);
        wait_for(fixture, "error:");
        wait_for_end(fixture);
        assert_string_equal(fixture->log, "connected error:handshake");
        hang_up(fixture);
        fixture->log[0] = '\0';
        pass(fixture, 60000);
    }
    assert_int_equal(fixture->counters.connections_failed, ARRAY_SIZE(answers));
}

static void a_subprotocol_that_was_not_offered_is_refused(void **state) {
    struct fixture *fixture = *state;
    apply(fixture);
    accept_one(fixture);
    receive(fixture, 0);
    send_accept(fixture, "Sec-WebSocket-Protocol: chat.v9\r\n");
    wait_for(fixture, "error:handshake");
    assert_false(has_logged(fixture, "open"));
}

static void an_extension_that_was_not_offered_is_refused(void **state) {
    struct fixture *fixture = *state;
    apply(fixture);
    accept_one(fixture);
    receive(fixture, 0);
    send_accept(fixture, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    wait_for(fixture, "error:handshake");
    assert_false(has_logged(fixture, "open"));
}

static void an_answer_may_come_byte_by_byte_with_a_message_behind_it(void **state) {
    struct fixture *fixture = *state;
    apply(fixture);
    accept_one(fixture);
    receive(fixture, 0);
    char answer[512], accept[WS_ACCEPT_SIZE];
    ws_accept_key((struct slice){strstr(fixture->got, "Key: ") + 5, WS_KEY_SIZE}, accept);
    int size =
        snprintf(answer, sizeof(answer),
                 "HTTP/1.1 101 X\r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n"
                 "Sec-WebSocket-Accept: %.28s\r\n\r\n\x81\x02hi\x81\x02ho",
                 accept);
    for (int i = 0; i < size; i++) {
        send_bytes(fixture, answer + i, 1);
        net_loop_turn(fixture->loop, 10);
    }
    wait_for(fixture, "message:ho");
    assert_string_equal(fixture->log, "connected open message:hi message:ho");
}

/* proves C6 */
static void messages_right_behind_the_answer_fire_once_each_in_order(void **state) {
    struct fixture *fixture = *state;
    apply(fixture);
    accept_one(fixture);
    receive(fixture, 0);
    char accept[WS_ACCEPT_SIZE], answer[512];
    ws_accept_key((struct slice){strstr(fixture->got, "Key: ") + 5, WS_KEY_SIZE}, accept);
    int size = snprintf(answer, sizeof(answer),
                        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %.28s\r\n\r\n\x81\x01"
                        "a"
                        "\x01\x01"
                        "b"
                        "\x89\x01p"
                        "\x80\x01"
                        "c"
                        "\x82\x01"
                        "d",
                        accept);
    send_bytes(fixture, answer, (size_t)size);
    wait_for(fixture, "binary:d");
    assert_string_equal(fixture->log, "connected open message:a message:bc binary:d");
    forget_received(fixture);
    receive(fixture, 7);
    assert_memory_equal(fixture->got, "\x8a\x81", 2); /* a masked pong */
    unmask(fixture->got + 6, 1, fixture->got + 2);
    assert_int_equal(fixture->got[6], 'p');
}

static void what_is_sent_is_masked_and_whole(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    struct client_order send = {.verb = CLIENT_SEND_MESSAGE,
                                .client = SLICE("c"),
                                .out = {.payload = SLICE("hello"), .has_payload = true}};
    assert_int_equal(order(fixture, &send), STATUS_OK);
    receive(fixture, 11);
    assert_memory_equal(fixture->got, "\x81\x85", 2);
    unmask(fixture->got + 6, 5, fixture->got + 2);
    assert_memory_equal(fixture->got + 6, "hello", 5);
    forget_received(fixture);
    char mask[4];
    memcpy(mask, fixture->got + 2, 4);
    send.out.payload = SLICE_NONE;
    assert_int_equal(order(fixture, &send), STATUS_OK);
    receive(fixture, 6);
    assert_memory_equal(fixture->got, "\x81\x80", 2);
    assert_memory_not_equal(fixture->got + 2, mask, 4);
}

/* Longer than one piece of output: the mask goes on where the last piece ended. */
static void a_large_message_is_masked_across_its_pieces(void **state) {
    struct fixture *fixture = *state;
    size_t size = 300001;
    char *bytes = malloc(size), *got = malloc(size + 14);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    open_one(fixture);
    const struct client_order send = {
        .verb = CLIENT_SEND_MESSAGE,
        .client = SLICE("c"),
        .out = {.payload = {bytes, size}, .has_payload = true, .is_binary = true}};
    assert_int_equal(order(fixture, &send), STATUS_OK);
    for (size_t at = 0; at < size + 14;) {
        ssize_t more = recv(fixture->peer, got + at, size + 14 - at, 0);
        at += more > 0 ? (size_t)more : 0;
        net_loop_turn(fixture->loop, 0);
    }
    assert_memory_equal(got, "\x82\xff\0\0\0\0\0\x04\x93\xe1", 10);
    unmask(got + 14, size, got + 10);
    assert_memory_equal(got + 14, bytes, size);
    free(bytes);
    free(got);
}

static void a_close_of_the_peer_is_answered_and_told_once(void **state) {
    struct fixture *fixture = *state;
    fixture->options.auto_reconnect = false;
    open_one(fixture);
    send_bytes(fixture,
               "\x88\x05\x03\xe9"
               "bye",
               7);
    wait_for(fixture, "close:");
    receive(fixture, 8);
    assert_memory_equal(fixture->got, "\x88\x82", 2);
    wait_for_end(fixture);
    hang_up(fixture);
    pass(fixture, 3000);
    assert_string_equal(fixture->log, "connected open close:1001:peer:bye");
    assert_int_equal(state_of(fixture), CLIENT_STOPPED);
}

static void a_peer_that_is_lost_is_1006(void **state) {
    struct fixture *fixture = *state;
    fixture->options.auto_reconnect = false;
    open_one(fixture);
    hang_up(fixture);
    wait_for(fixture, "close:");
    pass(fixture, 0);
    assert_string_equal(fixture->log, "connected open close:1006:lost:");
    assert_int_equal(state_of(fixture), CLIENT_STOPPED);
}

/* proves C5 */
static void a_masked_frame_of_the_server_is_a_fault_and_one_close(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    send_bytes(fixture, "\x81\x82mask\x05\x08", 8);
    wait_for(fixture, "close:");
    wait_for_end(fixture);
    assert_memory_equal(fixture->log, "connected open error:protocol close:1002:local:", 47);
    hang_up(fixture);
}

static void a_message_above_the_bound_closes_with_1009(void **state) {
    struct fixture *fixture = *state;
    fixture->options.max_message_bytes = 4;
    open_one(fixture);
    send_bytes(fixture, "\x81\x05hello", 7);
    wait_for(fixture, "close:1009:local");
    assert_int_equal(fixture->counters.refused[CLIENT_MAX_MESSAGE], 1);
    receive(fixture, 8);
    unmask(fixture->got + 6, 2, fixture->got + 2);
    assert_memory_equal(fixture->got + 6, "\x03\xf1", 2);
}

/* proves C7 */
static void a_silent_peer_is_pinged_and_then_dropped(void **state) {
    struct fixture *fixture = *state;
    open_one(fixture);
    pass(fixture, 30001);
    receive(fixture, 6);
    assert_memory_equal(fixture->got, "\x89\x80", 2);
    send_bytes(fixture, "\x8a\x00", 2);
    forget_received(fixture);
    pass(fixture, 0);
    pass(fixture, 10001);
    pass(fixture, 20001);
    receive(fixture, 6); /* it answered, so there is another one */
    assert_memory_equal(fixture->got, "\x89\x80", 2);
    assert_false(has_logged(fixture, "close:"));
    pass(fixture, 10001);
    wait_for(fixture, "error:timeout close:1006:lost:");
    wait_for_end(fixture);
    assert_int_equal(fixture->counters.refused[CLIENT_PONG_TIMEOUT], 1);
}

static void without_an_interval_nobody_is_pinged(void **state) {
    struct fixture *fixture = *state;
    fixture->options.ping_interval_ms = 0;
    open_one(fixture);
    for (int i = 0; i < 100; i++)
        pass(fixture, 30001);
    char byte;
    assert_int_equal(recv(fixture->peer, &byte, 1, 0), -1);
    assert_string_equal(fixture->log, "connected open");
}

static void a_silent_handshake_times_out(void **state) {
    struct fixture *fixture = *state;
    apply(fixture);
    accept_one(fixture);
    receive(fixture, 0);
    assert_int_equal(state_of(fixture), CLIENT_CONNECTED);
    pass(fixture, 10001);
    wait_for_end(fixture);
    assert_string_equal(fixture->log, "connected error:timeout");
    assert_int_equal(fixture->counters.refused[CLIENT_HANDSHAKE_TIMEOUT], 1);
}

/* proves C14 */
static void the_manager_sees_states_times_and_last_messages(void **state) {
    struct fixture *fixture = *state;
    struct arena arena;
    arena_init(&arena, 1024, 0);
    open_one(fixture);
    fixture->now_ms += 5000;
    send_bytes(fixture, "\x81\x03in!", 5);
    wait_for(fixture, "message:in!");
    const struct client_order send = {.verb = CLIENT_SEND_MESSAGE,
                                      .link = fixture->link,
                                      .out = {.payload = SLICE("out"), .has_payload = true}};
    assert_int_equal(order(fixture, &send), STATUS_OK);
    struct client_info info = info_of(fixture, &arena);
    assert_int_equal(info.state, CLIENT_OPEN);
    assert_int_equal(info.since_wall_ms, 1700000001000u);
    assert_true(slice_is(info.last_received.text, "in!"));
    assert_int_equal(info.last_received.wall_ms, 1700000006000u);
    assert_true(slice_is(info.last_sent.text, "out"));
    assert_int_equal(info.last_sent.wall_ms, 1700000006000u);
    assert_true(slice_is(info.peer, "127.0.0.1"));
    assert_int_equal(info.session_id.size, 28);
    assert_int_equal(info.messages_in, 1);
    arena_deinit(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_request_carries_what_was_configured),
        TEST(a_token_with_a_line_break_fails_before_it_is_sent),
        TEST(every_bad_answer_is_one_error_and_no_open),
        TEST(a_subprotocol_that_was_not_offered_is_refused),
        TEST(an_extension_that_was_not_offered_is_refused),
        TEST(an_answer_may_come_byte_by_byte_with_a_message_behind_it),
        TEST(messages_right_behind_the_answer_fire_once_each_in_order),
        TEST(what_is_sent_is_masked_and_whole),
        TEST(a_large_message_is_masked_across_its_pieces),
        TEST(a_close_of_the_peer_is_answered_and_told_once),
        TEST(a_peer_that_is_lost_is_1006),
        TEST(a_masked_frame_of_the_server_is_a_fault_and_one_close),
        TEST(a_message_above_the_bound_closes_with_1009),
        TEST(a_silent_peer_is_pinged_and_then_dropped),
        TEST(without_an_interval_nobody_is_pinged),
        TEST(a_silent_handshake_times_out),
        TEST(the_manager_sees_states_times_and_last_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
