/* WebSocket sessions: handshake, messages, order, pressure, keep-alive, and every way to the end.
 */
#include "tests/unit/server/rig.h"

struct world {
    struct rig rig;
    struct session *sessions[8];
    int opens, closes, frees, errors;
    char log[8192]; /* messages, one a line */
    size_t messages;
    enum { ECHO, QUIET, FLOOD, CLOSE_NOW, WORK } mode;
    struct server_close close;
    char reason[128];
    struct server_route route;
    enum status flood_status;
    size_t flood_size;
    struct session_waiter waiter;
    int waited;
    enum status waited_status;
    char fault[128];
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    (void)request;
    *out = ((struct world *)context)->route;
}

static void on_request(void *context, struct server_request *request) {
    (void)context;
    struct server_response response = {.status = 200, .body = SLICE("plain")};
    assert_int_equal(server_respond(request, &response), STATUS_OK);
}

static void send_text(struct session *session, const char *text) {
    struct server_outgoing out = {.payload = slice_of(text), .has_payload = true};
    assert_int_equal(session_send(session, &out), STATUS_OK);
}

static void on_open(void *context, struct session *session) {
    struct world *world = context;
    world->sessions[world->opens++ % 8] = session;
    if (world->mode == QUIET) {
        return;
    }
    send_text(session, "welcome");
}

static void on_waited(struct session_waiter *waiter, enum status status) {
    struct world *world = CONTAINER_OF(waiter, struct world, waiter);
    world->waited++;
    world->waited_status = status;
}

static void flood(struct world *world, struct session *session) {
    char *bytes = calloc(1, world->flood_size);
    struct server_outgoing out = {
        .payload = {bytes, world->flood_size}, .has_payload = true, .is_binary = true};
    while ((world->flood_status = session_send(session, &out)) == STATUS_OK) {
    }
    free(bytes);
    if (world->flood_status == STATUS_AGAIN) {
        world->waiter.ready = on_waited;
        session_wait(session, &world->waiter);
    }
}

static void on_message(void *context, struct session *session, const struct ws_message *message) {
    struct world *world = context;
    size_t used = strlen(world->log);
    world->messages++;
    if (used < 4096) {
        (void)snprintf(world->log + used, sizeof(world->log) - used, SLICE_FMT "\n",
                       (int)(message->payload.size < 64 ? message->payload.size : 64),
                       message->payload.bytes ? message->payload.bytes : "");
    }
    struct server_outgoing out = {
        .payload = message->payload, .has_payload = true, .is_binary = message->is_binary};
    if (world->mode == ECHO) {
        assert_int_equal(session_send(session, &out), STATUS_OK);
    } else if (world->mode == WORK) {
        rig_work_long();
    } else if (world->mode == FLOOD) {
        flood(world, session);
    } else if (world->mode == CLOSE_NOW) {
        assert_int_equal(session_close(session, 4000, SLICE("enough")), STATUS_OK);
        assert_int_equal(session_close(session, 4000, SLICE("enough")), STATUS_CLOSED);
        assert_int_equal(session_send(session, &out), STATUS_CLOSED);
    }
}

static void on_close(void *context, struct session *session, const struct server_close *close) {
    struct world *world = context;
    assert_false(session_is_open(session));
    world->closes++;
    world->close = *close;
    (void)snprintf(world->reason, sizeof(world->reason), SLICE_FMT, SLICE_ARG(close->reason));
}

static void on_error(void *context, const struct server_fault *fault) {
    struct world *world = context;
    world->errors++;
    (void)snprintf(world->fault, sizeof(world->fault), "%s", fault->text);
}

static void on_free(void *context, struct session *session) {
    (void)session;
    ((struct world *)context)->frees++;
}

static void on_posted(void *context, enum status status, uint32_t sent) {
    (void)context;
    (void)status;
    (void)sent;
    fail(); /* one worker: all is done in the call */
}

static const struct server_events events = {.on_head = on_head,
                                            .on_request = on_request,
                                            .on_open = on_open,
                                            .on_message = on_message,
                                            .on_close = on_close,
                                            .on_error = on_error,
                                            .on_free = on_free};

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    rig_init(&world->rig, &events, world);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    rig_deinit(&world->rig);
    assert_int_equal(world->frees, world->opens);
    free(world);
    return 0;
}

/* proves W4: a message sent in on_open greets the peer */
static void an_upgrade_opens_a_session_that_remembers_its_request(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/chat/a%20b?nick=bob");
    peer_expect(peer, "\x81\x07welcome");
    struct session *session = world->sessions[0];
    assert_true(slice_is(session_path(session), "/chat/a%20b"));
    assert_true(slice_is(session_query(session), "nick=bob"));
    assert_true(slice_is(session_peer(session), "127.0.0.1"));
    assert_true(slice_is(session_server(session), "main"));
    assert_int_equal(session_id(session).size, 28);
    struct slice upgrade = http_head_header(session_head(session), SLICE("upgrade"));
    assert_true(slice_is(upgrade, "websocket"));
    assert_int_equal(session_subprotocol(session).size, 0);
    assert_int_equal(world->rig.counters.sessions_open, 1);
    peer_free(peer);
}

/* proves W1 */
static void messages_come_once_and_in_order_however_they_are_cut(void **state) {
    struct world *world = *state;
    uint8_t bytes[256];
    const char *fragments[] = {"frag", "ment", "ed"};
    size_t size = frame_make(bytes, WS_FIN | WS_OP_TEXT, "one", 3);
    size += frame_make(bytes + size, WS_OP_TEXT, fragments[0], 4);
    size += frame_make(bytes + size, WS_FIN | WS_OP_PING, "p", 1);
    size += frame_make(bytes + size, WS_OP_CONTINUATION, fragments[1], 4);
    size += frame_make(bytes + size, WS_FIN | WS_OP_CONTINUATION, fragments[2], 2);
    size += frame_make(bytes + size, WS_FIN | WS_OP_TEXT, "three", 5);
    for (size_t cut = 0; cut <= size; cut++) {
        struct peer *peer = peer_open(&world->rig, "/");
        world->log[0] = '\0';
        peer_send(peer, bytes, cut);
        net_loop_turn(world->rig.loop, 0);
        net_loop_turn(world->rig.loop, 0);
        peer_send(peer, bytes + cut, size - cut);
        RIG_UNTIL(&world->rig, peer_has(peer, "\x81\x05three"));
        assert_string_equal(world->log, "one\nfragmented\nthree\n");
        assert_true(peer_has(peer, "\x81\x03one\x8a\x01p\x81\x0a"
                                   "fragmented\x81\x05three"));
        peer_free(peer);
        RIG_UNTIL(&world->rig, world->closes == (int)cut + 1);
    }
}

static void frames_sent_with_the_upgrade_wait_for_the_101(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    uint8_t bytes[1024];
    int size = snprintf((char *)bytes, sizeof(bytes), "GET / HTTP/1.1\r\n" RIG_UPGRADE "\r\n");
    size_t total = (size_t)size + frame_make(bytes + size, WS_FIN | WS_OP_TEXT, "early", 5);
    peer_send(peer, bytes, total);
    RIG_UNTIL(&world->rig, peer_has(peer, "\x81\x07welcome\x81\x05"
                                          "early"));
    assert_memory_equal(peer->got, "HTTP/1.1 101", 12);
    peer_free(peer);
}

/* proves W12 */
static void the_subprotocol_is_chosen_from_both_lists(void **state) {
    struct world *world = *state;
    struct slice known[] = {SLICE("chat.v1"), SLICE("chat.v2")};
    world->rig.options.subprotocols = (struct server_texts){known, 2};
    rig_apply(&world->rig);
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer,
             "GET / HTTP/1.1\r\n" RIG_UPGRADE "Sec-WebSocket-Protocol: other, chat.v2\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "Sec-WebSocket-Protocol: chat.v2\r\n"));
    assert_true(peer_has(peer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_true(slice_is(session_subprotocol(world->sessions[0]), "chat.v2"));
    peer_free(peer);
}

static void a_refused_or_wrong_handshake_opens_nothing(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                   "\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "HTTP/1.1 426"));
    assert_true(peer_has(peer, "Sec-WebSocket-Version: 13\r\n"));
    peer_free(peer);
    peer = peer_new(&world->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "HTTP/1.1 400"));
    peer_free(peer);
    assert_int_equal(world->errors, 2);
    world->route.status = 404;
    peer = peer_new(&world->rig);
    peer_say(peer, "GET / HTTP/1.1\r\n" RIG_UPGRADE "\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "HTTP/1.1 404"));
    peer_free(peer);
    assert_int_equal(world->opens, 0);
}

/* proves W5 */
static void the_peers_close_is_answered_and_told_once(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    peer_frame(peer, WS_FIN | WS_OP_CLOSE,
               "\x0f\xa1"
               "bye",
               5);
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    assert_true(peer_has(peer, "\x88\x02\x0f\xa1"));
    assert_int_equal(world->closes, 1);
    assert_int_equal(world->close.code, 4001);
    assert_int_equal(world->close.by, SERVER_BY_PEER);
    assert_string_equal(world->reason, "bye");
    peer_free(peer);
}

/* proves W5 */
static void our_close_waits_for_the_peers_answer(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    world->mode = CLOSE_NOW;
    peer_text(peer, "now");
    peer_text(peer, "ignored");
    peer_expect(peer, "\x88\x08\x0f\xa0"
                      "enough");
    assert_int_equal(world->closes, 0);
    peer_close_frame(peer, 4000);
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    assert_string_equal(world->log, "now\n");
    assert_int_equal(world->closes, 1);
    assert_int_equal(world->close.code, 4000);
    assert_string_equal(world->reason, "enough");
    assert_int_equal(world->close.by, SERVER_BY_LOCAL);
    peer_free(peer);
}

static void a_peer_that_never_answers_our_close_is_closed_after_a_while(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    world->mode = CLOSE_NOW;
    peer_text(peer, "now");
    peer_expect(peer, "enough");
    rig_pass(&world->rig, 10010);
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    assert_int_equal(world->closes, 1);
    assert_string_equal(world->reason, "enough"); /* of our frame */
    peer_free(peer);
}

/* proves W5 */
static void a_lost_peer_is_1006(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    peer_free(peer);
    RIG_UNTIL(&world->rig, world->closes == 1);
    assert_int_equal(world->close.code, 1006);
    assert_int_equal(world->close.by, SERVER_BY_LOST);
    assert_int_equal(world->rig.counters.sessions_open, 0);
}

static void a_broken_frame_closes_with_its_code_and_tells_the_fault(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *answer;
    } cases[] = {
        {"\x81\x01x", 3, "\x03\xea"},                           /* not masked: 1002 */
        {"\x81\x82\0\0\0\0\xc3\x28", 8, "\x03\xef"},            /* not UTF-8: 1007 */
        {"\x82\xff\0\0\0\0\x7f\0\0\0\0\0\0\0", 14, "\x03\xf1"}, /* too big: 1009 */
    };
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct peer *peer = peer_open(&world->rig, "/");
        peer_expect(peer, "welcome");
        peer_send(peer, cases[i].bytes, cases[i].size);
        RIG_UNTIL(&world->rig, peer_is_over(peer));
        assert_int_equal((uint8_t)peer->got[0], 0x88);
        assert_memory_equal(peer->got + 2, cases[i].answer, 2);
        assert_false(peer->is_reset);
        assert_int_equal(world->errors, (int)i + 1);
        assert_int_equal(world->closes, (int)i + 1);
        peer_free(peer);
    }
    assert_int_equal(world->rig.counters.refused[SERVER_MAX_MESSAGE], 1);
}

/* proves C7 for the server's side */
static void a_silent_peer_is_pinged_and_lost_without_a_pong(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    rig_pass(&world->rig, 29000);
    assert_false(peer_has(peer, "\x89"));
    rig_pass(&world->rig, 1010);
    RIG_UNTIL(&world->rig, peer->size == 0 ? (peer_take(peer), peer->size == 2) : true);
    assert_memory_equal(peer->got, "\x89\x00", 2);
    rig_pass(&world->rig, 5000); /* the next ping is due an interval after its answer */
    peer_frame(peer, WS_FIN | WS_OP_PONG, "", 0);
    net_loop_turn(world->rig.loop, 2);
    for (int i = 0; i < 4; i++) {
        rig_pass(&world->rig, i % 3 == 0 ? 5010 : 10010); /* 30 s in all */
    }
    assert_int_equal(world->closes, 0);
    RIG_UNTIL(&world->rig, (peer_take(peer), peer->size == 4));
    rig_pass(&world->rig, 10010);
    RIG_UNTIL(&world->rig, world->closes == 1);
    assert_int_equal(world->close.code, 1006);
    assert_int_equal(world->rig.counters.refused[SERVER_PONG_TIMEOUT], 1);
    peer_free(peer);
}

/* proves W16: a peer that never reads costs a bounded amount of memory */
static void a_reply_past_the_backlog_waits_and_its_peer_is_not_read_meanwhile(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    world->mode = FLOOD;
    world->flood_size = 100000;
    peer_text(peer, "go");
    RIG_UNTIL(&world->rig, world->flood_status == STATUS_AGAIN);
    struct session_info *infos;
    size_t count;
    struct arena arena;
    arena_init(&arena, 4096, 0);
    assert_int_equal(server_set_sessions(world->rig.set, SLICE_NONE, &arena, &infos, &count),
                     STATUS_OK);
    assert_int_equal(count, 1);
    assert_true(infos[0].queued_bytes <= world->rig.options.max_backlog_bytes);
    assert_true(infos[0].queued_bytes > world->rig.options.max_backlog_bytes / 2);
    arena_deinit(&arena);
    world->mode = QUIET;
    peer_text(peer, "not yet");
    for (int i = 0; i < 5; i++) {
        net_loop_turn(world->rig.loop, 1);
    }
    assert_string_equal(world->log, "go\n");
    assert_int_equal(world->waited, 0);
    for (int i = 0; i < RIG_TURNS && world->messages < 2; i++) {
        peer_take(peer);
        peer->size = 0;
        net_loop_turn(world->rig.loop, 1);
    }
    assert_int_equal(world->waited, 1);
    assert_int_equal(world->waited_status, STATUS_OK);
    assert_string_equal(world->log, "go\nnot yet\n");
    peer_free(peer);
}

static void a_peer_that_never_reads_is_closed_after_the_drain_timeout(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    world->mode = FLOOD;
    world->flood_size = 100000;
    peer_text(peer, "go");
    RIG_UNTIL(&world->rig, world->flood_status == STATUS_AGAIN);
    rig_pass(&world->rig, 30010);
    rig_pass(&world->rig, 30010);
    RIG_UNTIL(&world->rig, world->closes == 1);
    assert_int_equal(world->close.code, 1013);
    assert_int_equal(world->waited_status, STATUS_CLOSED);
    rig_pass(&world->rig, 40000);
    RIG_UNTIL(&world->rig, world->rig.counters.connections_open == 0);
    peer_free(peer);
}

static void a_message_larger_than_the_backlog_is_an_error(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    world->mode = FLOOD;
    world->flood_size = 1024 * 1024 + 1;
    peer_text(peer, "go");
    RIG_UNTIL(&world->rig, world->messages == 1);
    assert_int_equal(world->flood_status, STATUS_LIMIT);
    assert_true(session_is_open(world->sessions[0]));
    peer_free(peer);
}

/* proves W3 */
static void a_large_binary_message_is_echoed_whole(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    size_t size = 900000;
    char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(i * 7);
    }
    peer_frame(peer, WS_FIN | WS_OP_BINARY, bytes, size);
    RIG_UNTIL(&world->rig, (peer_take(peer), peer->size == size + 10));
    assert_int_equal((uint8_t)peer->got[0], 0x82);
    assert_memory_equal(peer->got + 10, bytes, size);
    free(bytes);
    peer_free(peer);
}

static void a_session_leaves_the_turn_to_others_after_its_share(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    uint8_t bytes[128];
    size_t size = 0;
    peer_expect(peer, "welcome");
    world->mode = WORK;
    for (int i = 0; i < 3; i++) {
        size += frame_make(bytes + size, WS_FIN | WS_OP_TEXT, "work", 4);
    }
    peer_send(peer, bytes, size);
    for (size_t i = 1; i <= 3; i++) {
        RIG_UNTIL(&world->rig, world->messages >= i);
        assert_int_equal(world->messages, i);
    }
    world->mode = ECHO;
    peer_text(peer, "more");
    peer_expect(peer, "more");
    peer_free(peer);
}

static void ten_thousand_echoes_lose_none_and_reorder_none(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    for (int i = 0; i < 10000; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%08d", i);
        peer_text(peer, text);
    }
    RIG_UNTIL(&world->rig, (peer_take(peer), peer->size == 100000));
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(atoi(peer->got + i * 10 + 2), i);
    }
    assert_int_equal(world->rig.counters.messages_in, 10000);
    assert_int_equal(world->rig.counters.messages_out, 10001);
    peer_free(peer);
}

static void a_stopped_server_ends_its_sessions_with_1001(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/");
    peer_expect(peer, "welcome");
    server_set_stop(world->rig.set, SLICE("main"), false);
    RIG_UNTIL(&world->rig, peer_has(peer, "\x88\x02\x03\xe9"));
    peer_close_frame(peer, 1001);
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    assert_int_equal(world->close.code, 1001);
    assert_int_equal(world->close.by, SERVER_BY_LOCAL);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(
        connect(fd, (struct sockaddr *)&world->rig.address.addr, world->rig.address.size), -1);
    close(fd);
    peer_free(peer);
}

static void a_referenced_session_outlives_its_connection(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/kept");
    peer_expect(peer, "welcome");
    struct session *session = session_ref(world->sessions[0]);
    session_attach(session, 1, world);
    peer_free(peer);
    RIG_UNTIL(&world->rig, world->rig.counters.connections_open == 0);
    assert_int_equal(world->frees, 0);
    assert_false(session_is_open(session));
    assert_ptr_equal(session_attachment(session, 1), world);
    assert_true(slice_is(session_path(session), "/kept"));
    session_unref(session);
    assert_int_equal(world->frees, 1);
}

/* proves W14: a reply and a broadcast are compressed for who agreed to it */
static void compression_is_used_where_it_was_agreed(void **state) {
    struct world *world = *state;
    world->rig.options.compression = true;
    rig_apply(&world->rig);
    struct peer *plain = peer_open(&world->rig, "/"), *small = peer_new(&world->rig);
    peer_say(small, "GET / HTTP/1.1\r\n" RIG_UPGRADE
                    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(small, "permessage-deflate"));
    peer_expect(plain, "welcome");
    peer_expect(small, "welcome");
    char text[1000];
    memset(text, 'z', sizeof(text));
    struct server_outgoing out = {.payload = {text, sizeof(text)}, .has_payload = true};
    struct server_target all = {.server = SLICE("main")};
    struct server_done done = {.fn = on_posted, .context = world};
    assert_int_equal(server_post(world->rig.set, &all, &out, &done), STATUS_OK);
    assert_int_equal(done.sent, 2);
    assert_int_equal(session_send(world->sessions[1], &out), STATUS_OK);
    RIG_UNTIL(&world->rig, (peer_take(plain), plain->size == sizeof(text) + 4));
    assert_int_equal((uint8_t)plain->got[0], 0x81);
    RIG_UNTIL(&world->rig, (peer_take(small),
                            small->size > 2 && small->size == 2 * (size_t)(2 + small->got[1])));
    assert_int_equal((uint8_t)small->got[0], 0xc1);
    assert_true(small->got[1] < 100);
    peer_free(plain);
    peer_free(small);
}

static void a_socket_may_be_handed_in(void **state) {
    struct world *world = *state;
    struct net_address peer = {.addr.ss_family = AF_UNIX};
    int fds[2];
    char got[512] = "";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(server_set_adopt(world->rig.set, SLICE("none"), fds[0], &peer),
                     STATUS_NOT_FOUND);
    assert_int_equal(server_set_adopt(world->rig.set, SLICE("main"), fds[0], &peer), STATUS_OK);
    assert_int_equal(send(fds[1], "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, 0), 27);
    RIG_UNTIL(&world->rig, (recv(fds[1], got, sizeof(got) - 1, 0), strstr(got, "\r\n\r\nplain")));
    close(fds[1]);
}

static void past_max_sessions_an_upgrade_gets_503(void **state) {
    struct world *world = *state;
    _Atomic uint64_t all = 4; /* on other workers */
    world->rig.counters.all_sessions = &all;
    world->rig.options.max_sessions = 5;
    rig_apply(&world->rig);
    struct peer *first = peer_open(&world->rig, "/");
    struct peer *second = peer_new(&world->rig);
    peer_say(second, "GET / HTTP/1.1\r\n" RIG_UPGRADE "\r\n");
    RIG_UNTIL(&world->rig, peer_has(second, "HTTP/1.1 503"));
    assert_int_equal(world->rig.counters.refused[SERVER_MAX_SESSIONS], 1);
    assert_int_equal(all, 5);
    peer_free(first);
    peer_free(second);
    RIG_UNTIL(&world->rig, all == 4);
    world->rig.counters.all_sessions = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_upgrade_opens_a_session_that_remembers_its_request),
        TEST(messages_come_once_and_in_order_however_they_are_cut),
        TEST(frames_sent_with_the_upgrade_wait_for_the_101),
        TEST(the_subprotocol_is_chosen_from_both_lists),
        TEST(a_refused_or_wrong_handshake_opens_nothing),
        TEST(the_peers_close_is_answered_and_told_once),
        TEST(our_close_waits_for_the_peers_answer),
        TEST(a_peer_that_never_answers_our_close_is_closed_after_a_while),
        TEST(a_lost_peer_is_1006),
        TEST(a_broken_frame_closes_with_its_code_and_tells_the_fault),
        TEST(a_silent_peer_is_pinged_and_lost_without_a_pong),
        TEST(a_reply_past_the_backlog_waits_and_its_peer_is_not_read_meanwhile),
        TEST(a_peer_that_never_reads_is_closed_after_the_drain_timeout),
        TEST(a_message_larger_than_the_backlog_is_an_error),
        TEST(a_large_binary_message_is_echoed_whole),
        TEST(a_session_leaves_the_turn_to_others_after_its_share),
        TEST(ten_thousand_echoes_lose_none_and_reorder_none),
        TEST(a_stopped_server_ends_its_sessions_with_1001),
        TEST(a_referenced_session_outlives_its_connection),
        TEST(compression_is_used_where_it_was_agreed),
        TEST(a_socket_may_be_handed_in),
        TEST(past_max_sessions_an_upgrade_gets_503),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
