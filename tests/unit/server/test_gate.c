/* Heads whose decision comes later, names that a route gives, headers that CORS adds. */
#include "tests/unit/server/rig.h"

struct world {
    struct rig rig;
    struct server_request *pending, *done; /* held */
    struct server_route route;
    char user[8], peer[16];
    size_t heads, opened, faults;
    char fault[96];
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    struct world *world = context;
    world->heads++;
    if (slice_is(request->http.path, "/now")) {
        return;
    }
    assert_int_equal(server_request_hold(request), STATUS_OK);
    world->pending = request;
    out->is_pending = true;
}

static void on_request(void *context, struct server_request *request) {
    struct world *world = context;
    char text[256];
    (void)world; /* what is asked stands in the request */
    int size = snprintf(text, sizeof(text), "[%.*s|%.*s|%.*s]", SLICE_ARG(request->user),
                        SLICE_ARG(request->peer), SLICE_ARG(request->body));
    struct server_response response = {.status = 200, .body = {text, (size_t)size}};
    assert_int_equal(server_respond(request, &response), STATUS_OK);
}

static void on_open(void *context, struct session *session) {
    struct world *world = context;
    world->opened++;
    if (!slice_is(session_path(session), "/now")) {
        assert_true(slice_is(session_user(session), "ada"));
        assert_true(slice_is(session_peer(session), "1.2.3.4"));
    }
}

static void on_message(void *context, struct session *session, const struct ws_message *message) {
    (void)context; /* an echo */
    struct server_outgoing out = {.payload = message->payload, .has_payload = true};
    assert_int_equal(session_send(session, &out), STATUS_OK);
}

static void on_error(void *context, const struct server_fault *fault) {
    struct world *world = context;
    world->faults++;
    assert_true(fault->session || (fault->request && !fault->request->is_answered));
    (void)snprintf(world->fault, sizeof(world->fault), "%s: %s", fault->kind, fault->text);
}

static const struct server_events events = {.on_error = on_error,
                                            .on_head = on_head,
                                            .on_request = on_request,
                                            .on_open = on_open,
                                            .on_message = on_message};

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    rig_init(&world->rig, &events, world);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    rig_deinit(&world->rig);
    free(world);
    return 0;
}

/* Names from memory that is gone after the call, as a dispatcher's scratch is. */
static void decide(struct world *world, struct server_route route) {
    struct server_request *request = world->pending;
    assert_non_null(request);
    world->pending = NULL;
    memcpy(world->user, "ada", 3);
    memcpy(world->peer, "1.2.3.4", 7);
    route.user = (struct slice){world->user, 3};
    route.peer = (struct slice){world->peer, 7};
    server_decide(request, &route);
    memset(world->user, 'x', sizeof(world->user));
    memset(world->peer, 'x', sizeof(world->peer));
    server_request_release(request);
}

static void expect(struct peer *peer, const char *text) {
    RIG_UNTIL(peer->rig, peer_has(peer, text));
}

static void a_request_waits_for_its_decision_with_all_that_follows(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
                   "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    rig_pass(&world->rig, 1000);
    assert_int_equal(world->heads, 1);
    decide(world, (struct server_route){0});
    expect(peer, "[ada|1.2.3.4|body]");
    expect(peer, "[|127.0.0.1|]");
    peer_free(peer);
}

static void a_body_that_comes_after_the_decision_is_whole(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n"
                   "Expect: 100-continue\r\n\r\n");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    decide(world, (struct server_route){0});
    expect(peer, "100 Continue");
    peer_say(peer, "one ");
    rig_pass(&world->rig, 10);
    peer_say(peer, "two!");
    expect(peer, "[ada|1.2.3.4|one two!]");
    peer_free(peer);
}

static void a_late_refusal_discards_the_body_and_goes_on(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
                   "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    decide(world, (struct server_route){.status = 401, .text = SLICE("no")});
    expect(peer, "[|127.0.0.1|]");
    assert_true(peer_has(peer, "401 Unauthorized"));
    peer_free(peer);
}

static void an_upgrade_waits_and_its_early_frames_are_kept(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                   "\x81\x84\1\1\1\1rkmm");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    assert_int_equal(world->opened, 0);
    decide(world, (struct server_route){0});
    assert_int_equal(world->opened, 1);
    expect(peer, "\x81\x04sjll");
    peer_free(peer);
}

static void past_the_response_timeout_504_ends_what_was_pending(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    rig_pass(&world->rig, 120001);
    expect(peer, "504 Gateway Timeout");
    assert_true(peer_has(peer, "Connection: close"));
    decide(world, (struct server_route){0}); /* comes too late, and does nothing */
    peer_free(peer);
}

static void a_peer_that_leaves_meanwhile_is_not_decided_on(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    const struct linger reset = {.l_onoff = 1};
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    peer_free(peer);
    RIG_UNTIL(&world->rig, world->pending->is_gone);
    decide(world, (struct server_route){0});
}

static void cors_headers_are_on_answers_and_refusals(void **state) {
    struct world *world = *state;
    static const struct {
        struct server_route route;
        const char *status;
    } cases[] = {{{.cors = ACCESS_CORS_ORIGIN}, "200 OK"},
                 {{.cors = ACCESS_CORS_ORIGIN, .status = 404}, "404 Not Found"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct peer *peer = peer_new(&world->rig);
        peer_say(peer, "GET /a HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n\r\n");
        RIG_UNTIL(&world->rig, world->pending != NULL);
        decide(world, cases[i].route);
        expect(peer, cases[i].status);
        assert_true(peer_has(peer, "\r\nAccess-Control-Allow-Origin: https://b.example\r\n"));
        assert_true(peer_has(peer, "\r\nVary: Origin\r\n"));
        peer_free(peer);
    }
}

static void a_204_of_on_head_has_no_body(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    decide(world, (struct server_route){.status = 204});
    expect(peer, "[|127.0.0.1|]");
    assert_true(peer_has(peer, "\r\n\r\nHTTP/1.1 200 OK"));
    peer_free(peer);
}

static struct peer *ask_to_open(struct world *world, const char *lines) {
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET /a HTTP/1.1\r\n" RIG_UPGRADE);
    peer_say(peer, lines);
    peer_say(peer, "\r\n");
    return peer;
}

/* proves W11 */
static void a_decision_adds_headers_and_a_subprotocol_to_the_101(void **state) {
    struct world *world = *state;
    struct peer *peer = ask_to_open(world, "Sec-WebSocket-Protocol: a, b\r\n");
    const struct http_header header = {SLICE("X-Room"), SLICE("7")};
    RIG_UNTIL(&world->rig, world->pending != NULL);
    decide(world, (struct server_route){.headers = &header,
                                        .header_count = 1,
                                        .subprotocol = SLICE("b"),
                                        .has_subprotocol = true});
    expect(peer, "HTTP/1.1 101 ");
    assert_true(peer_has(peer, "\r\nSec-WebSocket-Protocol: b\r\n"));
    assert_true(peer_has(peer, "\r\nX-Room: 7\r\n"));
    assert_int_equal(world->opened, 1);
    peer_free(peer);
}

/* proves W11 */
static void a_decision_for_no_subprotocol_overrules_the_servers_choice(void **state) {
    struct world *world = *state;
    struct slice known = SLICE("a");
    world->rig.options.subprotocols = (struct server_texts){&known, 1};
    rig_apply(&world->rig);
    struct peer *peer = ask_to_open(world, "Sec-WebSocket-Protocol: a\r\n");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    decide(world, (struct server_route){.has_subprotocol = true});
    expect(peer, "HTTP/1.1 101 ");
    assert_false(peer_has(peer, "Sec-WebSocket-Protocol"));
    peer_free(peer);
}

/* proves W6 */
static void a_handshake_that_is_not_decided_in_time_is_told_once(void **state) {
    struct world *world = *state;
    struct peer *peer = ask_to_open(world, "");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    rig_pass(&world->rig, 120001);
    expect(peer, "504 Gateway Timeout");
    decide(world, (struct server_route){0});
    assert_int_equal(world->faults, 1);
    assert_string_equal(world->fault, "timeout: the handshake was not decided in time");
    assert_int_equal(world->opened, 0);
    peer_free(peer);
}

static void a_handshake_that_waits_while_its_server_stops_is_refused(void **state) {
    struct world *world = *state;
    struct peer *peer = ask_to_open(world, "");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    server_set_stop(world->rig.set, SLICE("main"), false);
    decide(world, (struct server_route){0});
    expect(peer, "503 Service Unavailable");
    assert_int_equal(world->opened, 0);
    peer_free(peer);
}

/* proves W6 */
static void faults_of_a_session_are_told_with_their_kind(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rig, "/now");
    peer_send(peer, "\x81\x01x", 3); /* not masked */
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    assert_int_equal(world->faults, 1);
    assert_memory_equal(world->fault, "protocol: ", 10);
    peer_free(peer);
    peer = peer_open(&world->rig, "/now");
    const struct linger reset = {.l_onoff = 1};
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    peer_free(peer);
    RIG_UNTIL(&world->rig, world->faults == 2);
    assert_memory_equal(world->fault, "transport: ", 11);
    peer = peer_open(&world->rig, "/now");
    rig_pass(&world->rig, 30001);
    expect(peer, "\x89");
    for (int i = 0; i < 3; i++) {
        rig_pass(&world->rig, 10001);
    }
    assert_int_equal(world->faults, 3);
    assert_memory_equal(world->fault, "timeout: ", 9);
    peer_free(peer);
}

static void sessions_of_one_address_are_bounded_and_give_their_place_back(void **state) {
    struct world *world = *state;
    struct server_addresses *addresses = server_addresses_new((struct hash_key){1, 2});
    world->rig.counters.addresses = addresses;
    world->rig.options.max_sessions_per_address = 2;
    rig_apply(&world->rig);
    struct peer *one = peer_open(&world->rig, "/now"), *two = peer_open(&world->rig, "/now");
    struct peer *three = peer_new(&world->rig);
    peer_say(three, "GET /now HTTP/1.1\r\n" RIG_UPGRADE "\r\n");
    expect(three, "503 Service Unavailable");
    assert_true(peer_has(three, "too many sessions of this address"));
    peer_free(three);
    peer_free(two);
    RIG_UNTIL(&world->rig, atomic_load(&world->rig.counters.sessions_open) == 1);
    peer_free(peer_open(&world->rig, "/now"));
    peer_free(one);
    RIG_UNTIL(&world->rig, atomic_load(&world->rig.counters.sessions_open) == 0);
    world->rig.counters.addresses = NULL;
    server_addresses_free(addresses);
}

/* What follows it is never taken for its answer. */
static void a_refusal_that_cannot_be_sent_is_500_and_the_last_answer(void **state) {
    static char large[70000];
    memset(large, 'q', sizeof(large));
    const struct http_header header = {SLICE("A"), {large, sizeof(large)}};
    const struct http_header wrong = {SLICE("A"), SLICE("a\r\nB: b")};
    const struct http_header *const headers[] = {&header, &wrong};
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        struct peer *peer = peer_new(&world->rig);
        peer_say(peer, "GET /a HTTP/1.1\r\n" RIG_UPGRADE "Origin: http://b\r\n\r\n"
                       "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
        RIG_UNTIL(&world->rig, world->pending != NULL);
        decide(world,
               (struct server_route){.status = 403, .headers = headers[i], .header_count = 1});
        RIG_UNTIL(&world->rig, peer_is_over(peer));
        assert_memory_equal(peer->got, "HTTP/1.1 500 ", 13);
        assert_true(peer_has(peer, "Connection: close\r\n"));
        assert_int_equal(peer_count(peer, "HTTP/1.1"), 1);
        peer_free(peer);
    }
}

static void a_refusal_has_all_headers_of_its_decision(void **state) {
    struct http_header headers[SERVER_UPGRADE_HEADERS];
    char names[SERVER_UPGRADE_HEADERS][8];
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "X-%zu", i);
        headers[i] = (struct http_header){slice_of(names[i]), SLICE("here")};
    }
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET /a HTTP/1.1\r\n" RIG_UPGRADE "\r\n");
    RIG_UNTIL(&world->rig, world->pending != NULL);
    decide(world, (struct server_route){
                      .status = 403, .headers = headers, .header_count = ARRAY_SIZE(headers)});
    expect(peer, "X-31: here\r\n");
    assert_int_equal(peer_count(peer, ": here\r\n"), SERVER_UPGRADE_HEADERS);
    peer_free(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_waits_for_its_decision_with_all_that_follows),
        TEST(a_body_that_comes_after_the_decision_is_whole),
        TEST(a_late_refusal_discards_the_body_and_goes_on),
        TEST(an_upgrade_waits_and_its_early_frames_are_kept),
        TEST(past_the_response_timeout_504_ends_what_was_pending),
        TEST(a_peer_that_leaves_meanwhile_is_not_decided_on),
        TEST(cors_headers_are_on_answers_and_refusals),
        TEST(a_204_of_on_head_has_no_body),
        TEST(a_decision_adds_headers_and_a_subprotocol_to_the_101),
        TEST(a_decision_for_no_subprotocol_overrules_the_servers_choice),
        TEST(a_handshake_that_is_not_decided_in_time_is_told_once),
        TEST(a_handshake_that_waits_while_its_server_stops_is_refused),
        TEST(faults_of_a_session_are_told_with_their_kind),
        TEST(a_refusal_that_cannot_be_sent_is_500_and_the_last_answer),
        TEST(a_refusal_has_all_headers_of_its_decision),
        TEST(sessions_of_one_address_are_bounded_and_give_their_place_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
