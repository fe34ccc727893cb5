/* send-message, close-session, join-room, leave-room against WebSocket peers. */
#include "tests/unit/actions/bench.h"

#define TEXT   "\x81"
#define BINARY "\x82"

static struct bench *bench_echo(const char *actions) {
    struct bench *bench = bench_new();
    bench_load_actions(bench, actions);
    return bench;
}

/* What comes back for one message, frame and all. */
static void expect_frame(const char *actions, const char *message, const char *frame) {
    struct bench *bench = bench_echo(actions);
    struct peer *peer = peer_open(&bench->rig, "/");
    peer_text(peer, message);
    peer_expect(peer, frame);
    peer_free(peer);
    bench_free(bench);
}

static void expect_log(const char *actions, const char *message, const char *text) {
    struct bench *bench = bench_echo(actions);
    struct peer *peer = peer_open(&bench->rig, "/");
    peer_text(peer, message);
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), text));
    peer_text(peer, "again"); /* the session is still there */
    RIG_UNTIL(&bench->rig, bench->rig.counters.messages_in == 2);
    assert_false(peer_is_over(peer));
    peer_free(peer);
    bench_free(bench);
}

/* proves W9 */
static void without_a_target_the_sender_gets_the_message(void **state) {
    (void)state;
    expect_frame("  - send-message: 'got ${WsMessage}'\n", "x", TEXT "\x05got x");
    expect_frame("  - send-message: {json: {a: '${WsMessage}'}}\n", "x", TEXT "\x09{\"a\":\"x\"}");
}

/* proves M2 */
static void is_binary_sets_the_frame_type_in_all_spellings(void **state) {
    (void)state;
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        char actions[128];
        snprintf(actions, sizeof actions, "  - send-message: {text: abc, is-binary: %s}\n", yes[i]);
        expect_frame(actions, "x",
                     BINARY "\x03"
                            "abc");
        snprintf(actions, sizeof actions,
                 "  - send-message: {binary: '\\x61\\x62\\x63\\x64\\x65', is-binary: %s}\n", no[i]);
        expect_frame(actions, "x",
                     TEXT "\x05"
                          "abcde");
    }
    expect_frame("  - send-message: {binary: 'a\\n'}\n", "x",
                 BINARY "\x02"
                        "a\n");
    expect_frame("  - send-message: {binary: '${WsMessage}', is-binary: '${WsIsBinary}'}\n", "x",
                 TEXT "\x01x");
}

/* proves M3 */
static void text_that_is_not_utf8_is_a_step_error(void **state) {
    (void)state;
    expect_log("  - send-message: {binary: '\\xff', is-binary: no}\n", "x", "is not UTF-8");
}

/* proves M1 */
static void none_or_two_sources_are_load_errors(void **state) {
    (void)state;
    bench_refuses("  - send-message: {}\n", "exactly one of", "got none");
    bench_refuses("  - send-message: {end: false}\n", "exactly one of", "got none");
    bench_refuses("  - send-message: {text: a, json: 1}\n", "exactly one of", "got several");
    bench_refuses("  - send-message: {binary: '\\q'}\n", "\"\\q\" is no escape", "");
    bench_refuses("  - send-message: {text: a, to: {session: x, room: y}}\n",
                  "\"session\" stands alone", "");
}

/* proves M4 M7 */
static void a_file_is_one_message(void **state) {
    (void)state;
    struct bench *bench = bench_echo("  - send-message: {file: '${WsMessage}'}\n"
                                     "    on-error: continue\n"
                                     "  - log: 'result ${StepResult} ${LastErrorDescription}'\n");
    struct peer *peer = peer_open(&bench->rig, "/");
    bench_write_text(bench, "a.txt", "hello");
    bench_write_text(bench, "empty", "");
    peer_text(peer, "a.txt");
    peer_expect(peer, BINARY "\x05hello");
    peer_text(peer, "empty");
    RIG_UNTIL(&bench->rig, (peer_take(peer), peer->size == 2));
    assert_memory_equal(peer->got, "\x82\x00", 2);
    peer_text(peer, "none");
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "none\\\": no such file"));
    peer_text(peer, "../etc/passwd");
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "it leaves the folder"));
    peer_text(peer, "/etc/passwd");
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "/etc/passwd\\\" may not be used"));
    peer_free(peer);
    bench_free(bench);
}

/* proves M4 */
static void the_authors_own_part_of_a_file_name_is_free(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_write_text(bench, "m-1.txt", "one");
    bench_load_actions(bench,
                       arena_printf(&bench->arena,
                                    "  - send-message: {file: '%s/m-${WsMessage}.txt', is-binary: "
                                    "no}\n",
                                    bench->folder));
    struct peer *peer = peer_open(&bench->rig, "/");
    peer_text(peer, "1");
    peer_expect(peer, TEXT "\x03one");
    peer_free(peer);
    bench_free(bench);
}

/* proves W10 */
static void end_sends_and_then_closes(void **state) {
    (void)state;
    expect_frame("  - send-message: {text: bye, end: true}\n", "x",
                 TEXT "\x03"
                      "bye\x88\x02\x03\xe8");
    expect_frame("  - send-message: {end: true}\n", "x", "\x88\x02\x03\xe8");
}

static const char *const chat =
    "in:\n"
    "  triggers: [{server-open: '/chat/{room}'}]\n"
    "  actions:\n"
    "  - join-room: ${WsPathParam(room)}\n"
    "  - join-room: all\n"
    "  - send-message: 'id ${SessionId} '\n"
    "say:\n"
    "  triggers: [{server-message: {path: '/chat/{room}', starts-with: say}}]\n"
    "  actions:\n"
    "  - send-message: {to: {room: '${WsPathParam(room)}', except: '${SessionId}'}, text: "
    "'${WsMessage}. '}\n"
    "    save: r\n"
    "  - send-message: 'sent ${r.sent} '\n"
    "leave:\n"
    "  triggers: [{server-message: {path: '/chat/{room}', exact: leave}}]\n"
    "  actions:\n"
    "  - leave-room: ${WsPathParam(room)}\n"
    "  - send-message: 'left '\n"
    "to:\n"
    "  triggers: [{server-message: {path: '/chat/{room}', regex: '^to (?<id>\\S*) (?<t>.*)$'}}]\n"
    "  actions:\n"
    "  - send-message: {to: {session: '${Match(id)}'}, text: '${Match(t)}. '}\n"
    "    on-error: continue\n"
    "  - send-message: 'then ${StepResult} ${LastErrorDescription}. '\n"
    "all:\n"
    "  triggers: [{http-request: /all}]\n"
    "  actions:\n"
    "  - send-message: {to: {server: main}, text: 'everybody '}\n"
    "    save: r\n"
    "  - http-response: 'sent ${r.sent}'\n"
    "path:\n"
    "  triggers: [{http-request: '/path/{room}'}]\n"
    "  actions:\n"
    "  - send-message: {to: {path: '/chat/${HttpPathParam(room)}'}, text: 'path '}\n"
    "    save: r\n"
    "  - http-response: 'sent ${r.sent}'\n"
    "empty:\n"
    "  triggers: [{http-request: /empty}]\n"
    "  actions:\n"
    "  - send-message: {to: {room: '${HttpQuery}'}, text: 'oops '}\n"
    "nobody:\n"
    "  triggers: [{http-request: /nobody}]\n"
    "  actions:\n"
    "  - send-message: {to: {server: mian}, text: 'oops '}\n";

/* The ID that the session was told. */
static void take_id(struct peer *peer, char *id, size_t room) {
    RIG_UNTIL(peer->rig, peer_has(peer, "id ") && strchr(strstr(peer->got, "id ") + 3, ' '));
    const char *start = strstr(peer->got, "id ") + 3;
    size_t size = (size_t)(strchr(start, ' ') - start);
    assert_true(size < room);
    memcpy(id, start, size);
    id[size] = '\0';
    peer->size = 0;
}

/* proves W9 W15 */
static void rooms_paths_and_servers_choose_who_gets_a_message(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    char id[128];
    bench_load(bench, chat);
    struct peer *a = peer_open(&bench->rig, "/chat/tea");
    struct peer *b = peer_open(&bench->rig, "/chat/tea");
    struct peer *c = peer_open(&bench->rig, "/chat/rum");
    take_id(a, id, sizeof id);
    take_id(b, id, sizeof id);
    take_id(c, id, sizeof id);
    peer_text(a, "say one");
    peer_expect(b, "say one. ");
    peer_expect(a, "sent 1 ");
    assert_false(peer_has(c, "say"));
    peer_text(b, "leave");
    peer_expect(b, "left ");
    peer_text(a, "say two");
    peer_expect(a, "sent 0 ");
    assert_false(peer_has(b, "say"));
    EXPECT(bench_ask(bench, "GET /all HTTP/1.1"), "sent 3");
    peer_expect(a, "everybody ");
    peer_expect(b, "everybody ");
    peer_expect(c, "everybody ");
    EXPECT(bench_ask(bench, "GET /path/tea HTTP/1.1"), "sent 2");
    EXPECT(bench_ask(bench, "GET /path/gin HTTP/1.1"), "sent 0");
    peer_free(a);
    peer_free(b);
    peer_free(c);
    bench_free(bench);
}

/* proves W9 */
static void one_session_is_reached_by_its_id(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    char id[128], text[256];
    bench_load(bench, chat);
    struct peer *a = peer_open(&bench->rig, "/chat/tea");
    struct peer *b = peer_open(&bench->rig, "/chat/tea");
    take_id(b, id, sizeof id);
    snprintf(text, sizeof text, "to %s psst", id);
    peer_text(a, text);
    peer_expect(b, "psst. ");
    peer_expect(a, "then 0 ");
    peer_text(a, "to nobody psst");
    peer_expect(a, "then 1 no session has the ID \"nobody\". ");
    peer_text(a, "to  psst");
    peer_expect(a, "\"session\" in \"to\" must not be empty");
    peer_free(a);
    peer_free(b);
    bench_free(bench);
}

/* proves S11 W9 */
static void an_empty_room_or_an_unknown_server_reach_nobody(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load(bench, chat);
    EXPECT(bench_messages(bench), "warning: no server \"mian\" is registered");
    struct peer *a = peer_open(&bench->rig, "/chat/tea");
    EXPECT(bench_ask(bench, "GET /empty HTTP/1.1"), "HTTP/1.1 500");
    EXPECT(bench_log(bench), "\\\"room\\\" in \\\"to\\\" must not be empty");
    EXPECT(bench_ask(bench, "GET /nobody HTTP/1.1"), "HTTP/1.1 500");
    EXPECT(bench_log(bench), "Invalid WS Server ID \\\"mian\\\"");
    assert_false(peer_has(a, "oops"));
    peer_free(a);
    bench_free(bench);
}

/* proves M5 */
static void close_session_takes_valid_codes_alone(void **state) {
    (void)state;
    expect_frame("  - close-session\n", "x", "\x88\x02\x03\xe8");
    expect_frame("  - close-session: {code: 4000, reason: why}\n", "x",
                 "\x88\x05\x0f\xa0"
                 "why");
    expect_frame("  - close-session: '${WsMessage}'\n", "3000", "\x88\x02\x0b\xb8");
    expect_log("  - close-session: '${WsMessage}'\n", "1006", "close code 1006 may not be sent");
    expect_log("  - close-session: '${WsMessage}'\n", "1005", "close code 1005 may not be sent");
    bench_refuses("  - close-session: 1005\n", "1005 may not be sent", "");
    bench_refuses("  - close-session: 2999\n", "2999 may not be sent", "");
    bench_refuses("  - close-session: 5000\n", "must be between 1000 and 4999", "");
    bench_refuses("  - close-session: {reason: '1234567890123456789012345678901234567890123456789"
                  "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
                  "'}\n",
                  "at most 123 bytes", "");
}

/* proves M5 */
static void another_session_is_closed_by_its_id(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    char id[128], head[256];
    bench_load(bench, "in:\n"
                      "  triggers: [{server-open: '/'}]\n"
                      "  actions: [{send-message: 'id ${SessionId} '}]\n"
                      "out:\n"
                      "  triggers: [{http-request: '/close/{id}'}]\n"
                      "  actions:\n"
                      "  - close-session: {session: '${HttpPathParam(id)}', code: 4001}\n"
                      "  - http-response: done\n");
    struct peer *a = peer_open(&bench->rig, "/");
    take_id(a, id, sizeof id);
    snprintf(head, sizeof head, "GET /close/%s HTTP/1.1", id);
    EXPECT(bench_ask(bench, head), "done");
    peer_expect(a, "\x88\x02\x0f\xa1");
    EXPECT(bench_ask(bench, "GET /close/none HTTP/1.1"), "HTTP/1.1 500");
    EXPECT(bench_log(bench), "no session has the ID \\\"none\\\"");
    peer_free(a);
    bench_free(bench);
}

static void a_message_larger_than_max_backlog_is_a_step_error(void **state) {
    (void)state;
    struct bench *bench = bench_echo("  - send-message: '${WsMessage}${WsMessage}'\n");
    bench->rig.options.max_backlog_bytes = 100000;
    rig_apply(&bench->rig);
    struct peer *peer = peer_open(&bench->rig, "/");
    char *text = malloc(60001);
    memset(text, 'a', 60000);
    text[60000] = '\0';
    peer_text(peer, text);
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "of 120000 bytes is larger than"));
    free(text);
    peer_free(peer);
    bench_free(bench);
}

/* A peer that does not read holds its replies, which come whole and in order once it does. */
static void a_reply_past_the_backlog_waits(void **state) {
    (void)state;
    struct bench *bench = bench_echo("  - repeat: {times: 100}\n"
                                     "    do: [{send-message: '${WsMessage}'}]\n"
                                     "  - log: all sent\n");
    bench->rig.options.max_backlog_bytes = 400000;
    rig_apply(&bench->rig);
    struct peer *peer = peer_open(&bench->rig, "/");
    size_t size = 200000, seen = 0;
    char *text = malloc(size + 1);
    memset(text, 'a', size);
    text[size] = '\0';
    peer_text(peer, text);
    RIG_UNTIL(&bench->rig, bench->rig.counters.messages_in == 1);
    for (int i = 0; i < 50; i++)
        net_loop_turn(bench->rig.loop, 0);
    assert_null(strstr(bench_log(bench), "all sent"));
    for (int i = 0; i < RIG_TURNS && seen < 100 * (size + 10); i++) {
        peer_take(peer);
        seen += peer->size;
        peer->size = 0;
        net_loop_turn(bench->rig.loop, 1);
    }
    assert_int_equal(seen, 100 * (size + 10));
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "all sent"));
    free(text);
    peer_free(peer);
    bench_free(bench);
}

/* The peer goes while a reply waits: the step fails, nothing is left. */
static void a_waiting_reply_ends_with_its_session(void **state) {
    (void)state;
    struct bench *bench = bench_echo("  - repeat: {times: 100}\n"
                                     "    do: [{send-message: '${WsMessage}'}]\n"
                                     "  - log: all sent\n");
    bench->rig.options.max_backlog_bytes = 400000;
    rig_apply(&bench->rig);
    struct peer *peer = peer_open(&bench->rig, "/");
    char *text = malloc(200001);
    memset(text, 'a', 200000);
    text[200000] = '\0';
    peer_text(peer, text);
    RIG_UNTIL(&bench->rig, bench->rig.counters.messages_in == 1);
    struct linger reset = {1, 0};
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    free(text);
    peer_free(peer);
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "the session is closed"));
    bench_free(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_target_the_sender_gets_the_message),
        cmocka_unit_test(is_binary_sets_the_frame_type_in_all_spellings),
        cmocka_unit_test(text_that_is_not_utf8_is_a_step_error),
        cmocka_unit_test(none_or_two_sources_are_load_errors),
        cmocka_unit_test(a_file_is_one_message),
        cmocka_unit_test(the_authors_own_part_of_a_file_name_is_free),
        cmocka_unit_test(end_sends_and_then_closes),
        cmocka_unit_test(rooms_paths_and_servers_choose_who_gets_a_message),
        cmocka_unit_test(one_session_is_reached_by_its_id),
        cmocka_unit_test(an_empty_room_or_an_unknown_server_reach_nobody),
        cmocka_unit_test(close_session_takes_valid_codes_alone),
        cmocka_unit_test(another_session_is_closed_by_its_id),
        cmocka_unit_test(a_message_larger_than_max_backlog_is_a_step_error),
        cmocka_unit_test(a_reply_past_the_backlog_waits),
        cmocka_unit_test(a_waiting_reply_ends_with_its_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
