/* HTTP connections: from bytes of a raw peer to the table of events, and answers back. */
#include "tests/unit/server/rig.h"

struct world {
    struct rig rig;
    struct server_request *held;
    char log[4096];            /* METHOD PATH BODY; for each request */
    bool holds;                /* do not answer, hold */
    struct server_route route; /* what on_head says */
    struct server_response response;
    enum status last, second;
    bool answers_twice, works_long, ignores;
    int heads, requests;
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    struct world *world = context;
    (void)request;
    world->heads++;
    *out = world->route;
}

static void on_request(void *context, struct server_request *request) {
    struct world *world = context;
    size_t used = strlen(world->log);
    struct slice method = http_method_text(request->http.method);
    world->requests++;
    if (world->works_long) {
        rig_work_long();
    }
    (void)snprintf(world->log + used, sizeof(world->log) - used,
                   SLICE_FMT " " SLICE_FMT " " SLICE_FMT ";", SLICE_ARG(method),
                   SLICE_ARG(request->http.path),
                   (int)(request->body.size < 100 ? request->body.size : 100),
                   request->body.bytes ? request->body.bytes : "");
    if (world->holds) {
        assert_int_equal(server_request_hold(request), STATUS_OK);
        world->held = request;
        return;
    }
    if (world->ignores) {
        return;
    }
    struct server_response response = world->response;
    if (response.status == 0) {
        response = (struct server_response){
            .status = 200, .content_type = SLICE("text/plain"), .body = request->http.path};
    }
    world->last = server_respond(request, &response);
    if (world->answers_twice) {
        world->second = server_respond(request, &response);
    }
    if (world->last != STATUS_OK && world->last != STATUS_CLOSED) {
        response = (struct server_response){.status = 500};
        assert_int_equal(server_respond(request, &response), STATUS_OK);
    }
}

static const struct server_events events = {.on_head = on_head, .on_request = on_request};

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    rig_init(&world->rig, &events, world);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    if (world->held) {
        server_request_release(world->held);
    }
    rig_deinit(&world->rig);
    free(world);
    return 0;
}

static void respond(struct world *world, const char *body) {
    struct server_response response = {.status = 200, .body = slice_of(body)};
    world->last = server_respond(world->held, &response);
    server_request_release(world->held);
    world->held = NULL;
}

static void a_request_is_answered_with_its_length_and_date(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET /hello?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "/hello"));
    assert_true(peer_has(peer, "HTTP/1.1 200 OK\r\n"));
    assert_true(peer_has(peer, "Content-Length: 6\r\n"));
    assert_true(peer_has(peer, "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"));
    assert_false(peer_is_over(peer));
    peer_free(peer);
}

/* proves S10 */
static void keep_alive_and_pipelined_requests_are_answered_in_order(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\n"
                   "Content-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->requests == 3);
    peer_say(peer, "GET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "/4"));
    assert_string_equal(world->log, "GET /1 ;POST /2 abc;GET /3 ;GET /4 ;");
    assert_int_equal(peer_count(peer, "HTTP/1.1 200 OK"), 4);
    peer_free(peer);
}

/* proves S9 */
static void a_body_arrives_whole_however_it_is_cut(void **state) {
    static const char *const requests[] = {
        "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
        "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    };
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        size_t size = strlen(requests[i]);
        for (size_t cut = 1; cut <= size; cut++) {
            struct peer *peer = peer_new(&world->rig);
            world->log[0] = '\0';
            peer_send(peer, requests[i], cut);
            net_loop_turn(world->rig.loop, 0);
            net_loop_turn(world->rig.loop, 0);
            peer_send(peer, requests[i] + cut, size - cut);
            RIG_UNTIL(&world->rig, peer_has(peer, "\r\n\r\n/b"));
            assert_string_equal(world->log, "POST /b hello world;");
            peer_free(peer);
        }
    }
}

static void a_request_byte_by_byte_is_one_request(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    const char *text = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for (size_t i = 0; text[i]; i++) {
        peer_send(peer, text + i, 1);
        net_loop_turn(world->rig.loop, 0);
    }
    RIG_UNTIL(&world->rig, peer_has(peer, "\r\n\r\n/b"));
    assert_string_equal(world->log, "POST /b hello;");
    assert_int_equal(world->heads, 1);
    peer_free(peer);
}

static void a_held_request_keeps_its_bytes_and_is_answered_later(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->holds = true;
    peer_say(peer, "POST /late HTTP/1.1\r\nHost: a\r\nX-A: b\r\nContent-Length: 3\r\n\r\nxyz"
                   "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->held);
    struct peer *other = peer_new(&world->rig);
    world->holds = false;
    peer_say(other, "GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(other, "/other"));
    assert_int_equal(world->requests, 2); /* the pipelined one waits */
    assert_true(slice_is(world->held->http.path, "/late"));
    assert_true(slice_is(world->held->body, "xyz"));
    assert_true(slice_is(http_request_header(&world->held->http, SLICE("x-a")), "b"));
    assert_true(slice_is(world->held->peer, "127.0.0.1"));
    respond(world, "at last");
    assert_int_equal(world->last, STATUS_OK);
    RIG_UNTIL(&world->rig, peer_has(peer, "at last"));
    RIG_UNTIL(&world->rig, peer_has(peer, "/next"));
    peer_free(peer);
    peer_free(other);
}

/* proves S14 */
static void the_second_answer_is_refused(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->answers_twice = true;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "200 OK"));
    assert_int_equal(world->second, STATUS_EXISTS);
    peer_free(peer);
}

/* proves S14 */
static void past_the_response_timeout_504_is_answered_and_the_run_goes_on(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->holds = true;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->held);
    rig_pass(&world->rig, 80000); /* where the idle deadline was */
    rig_pass(&world->rig, 39990);
    assert_false(peer_has(peer, "504"));
    rig_pass(&world->rig, 20);
    RIG_UNTIL(&world->rig, peer_has(peer, "HTTP/1.1 504"));
    respond(world, "too late");
    assert_int_equal(world->last, STATUS_EXISTS);
    assert_int_equal(world->rig.counters.refused[SERVER_RESPONSE_TIMEOUT], 1);
    peer_free(peer);
}

/* proves S15 */
static void an_answer_to_a_peer_that_is_gone_is_dropped_and_counted(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    world->holds = true;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->held);
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    peer_free(peer);
    RIG_UNTIL(&world->rig, world->rig.counters.connections_open == 0);
    respond(world, "nobody");
    assert_int_equal(world->last, STATUS_CLOSED);
    assert_int_equal(world->rig.counters.answers_dropped, 1);
}

/* proves S15 */
static void a_peer_that_leaves_amid_its_pipeline_harms_nothing(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    static char body[100000];
    world->response = (struct server_response){.status = 200, .body = {body, sizeof(body)}};
    for (int i = 0; i < 20; i++) {
        peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    peer_free(peer); /* the first answer is met by a reset, the next ones fail */
    RIG_UNTIL(&world->rig, world->requests > 0 && world->rig.counters.connections_open == 0);
    assert_true(world->requests < 20);
}

/* proves S14 */
static void a_request_that_nobody_answers_gets_500(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->ignores = true;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "HTTP/1.1 500"));
    peer_free(peer);
}

static void a_half_closed_peer_gets_its_answer(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->holds = true;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(peer->fd, SHUT_WR);
    RIG_UNTIL(&world->rig, world->held);
    net_loop_turn(world->rig.loop, 1);
    respond(world, "still here");
    RIG_UNTIL(&world->rig, peer_has(peer, "still here"));
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    peer_free(peer);
}

/* proves S10 */
static void errors_are_answered_and_the_connection_ends_without_a_reset(void **state) {
    struct world *world = *state;
    static char large[40000], body[2000000];
    memset(large, 'a', sizeof(large) - 1);
    memset(body, 'b', sizeof(body) - 1);
    static const struct {
        const char *start, *status;
        int extra; /* 1: a long path, 2: a long header, 3: a large body follows */
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "HTTP/1.1 400", 0},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400", 0},
        {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 501", 0},
        {"GET / HTTP/3.1\r\nHost: a\r\n\r\n", "HTTP/1.1 505", 0},
        {"GET /", "HTTP/1.1 414", 1},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: ", "HTTP/1.1 431", 2},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1999999\r\n\r\n", "HTTP/1.1 413", 3},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct peer *peer = peer_new(&world->rig);
        peer_say(peer, cases[i].start);
        if (cases[i].extra == 1 || cases[i].extra == 2) {
            peer_say(peer, large);
        } else if (cases[i].extra == 3) {
            peer_send(peer, body, 60000); /* within what is discarded */
        }
        RIG_UNTIL(&world->rig, peer_has(peer, cases[i].status));
        RIG_UNTIL(&world->rig, peer_is_over(peer));
        assert_false(peer->is_reset);
        assert_true(peer_has(peer, "Connection: close"));
        peer_free(peer);
    }
    assert_int_equal(world->rig.counters.refused[SERVER_MAX_HEADER], 2);
    assert_int_equal(world->rig.counters.refused[SERVER_MAX_BODY], 1);
}

/* proves S10 */
static void slow_heads_and_bodies_get_408_and_idle_connections_end(void **state) {
    struct world *world = *state;
    struct peer *head = peer_new(&world->rig), *body = peer_new(&world->rig);
    struct peer *idle = peer_new(&world->rig);
    char much[1024];
    peer_say(head, "GET / HT");
    peer_say(body, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nab");
    RIG_UNTIL(&world->rig, world->heads == 1);
    rig_pass(&world->rig, 9000);
    assert_int_equal(peer_count(head, "408"), 0);
    rig_pass(&world->rig, 1500);
    RIG_UNTIL(&world->rig, peer_has(head, "HTTP/1.1 408"));
    rig_pass(&world->rig, 15000);
    memset(much, 'c', sizeof much);
    peer_send(body, much, sizeof much); /* progress: 30 s more */
    net_loop_turn(world->rig.loop, 2);
    rig_pass(&world->rig, 15000);
    peer_say(body, "d"); /* none */
    net_loop_turn(world->rig.loop, 2);
    rig_pass(&world->rig, 14000);
    assert_int_equal(peer_count(body, "408"), 0);
    rig_pass(&world->rig, 1100);
    RIG_UNTIL(&world->rig, peer_has(body, "HTTP/1.1 408"));
    assert_false(peer_is_over(idle));
    rig_pass(&world->rig, 30000);
    RIG_UNTIL(&world->rig, peer_is_over(idle));
    assert_int_equal(idle->size, 0);
    peer_free(head);
    peer_free(body);
    peer_free(idle);
}

/* proves S10 */
static void http_1_0_head_204_and_304(void **state) {
    struct world *world = *state;
    struct peer *old = peer_new(&world->rig);
    peer_say(old, "GET /old HTTP/1.0\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_is_over(old));
    assert_true(peer_has(old, "\r\n\r\n/old"));
    peer_free(old);
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "Content-Length: 5\r\n"));
    world->response = (struct server_response){.status = 204, .body = SLICE("never")};
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "204 No Content"));
    world->response.status = 304;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "304 Not Modified"));
    assert_false(peer_has(peer, "never"));
    assert_false(peer_has(peer, "\r\n\r\n/head"));
    peer_free(peer);
}

/* proves S9 */
static void hundred_continue_is_sent_only_when_the_body_is_wanted(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    const char *head = "POST /c HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                       "Content-Length: 2\r\n\r\n";
    peer_say(peer, head);
    peer_expect(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_say(peer, "ok");
    RIG_UNTIL(&world->rig, peer_has(peer, "200 OK"));
    assert_string_equal(world->log, "POST /c ok;");
    world->route.status = 403;
    peer->size = 0;
    peer_say(peer, head);
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    assert_true(peer_has(peer, "403 Forbidden"));
    assert_false(peer_has(peer, "100 Continue"));
    peer_free(peer);
}

/* proves S6 */
static void refusals_of_on_head_are_answered_and_the_connection_goes_on(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->route = (struct server_route){.status = 405,
                                         .allowed = HTTP_METHOD_BIT(HTTP_METHOD_GET) |
                                                    HTTP_METHOD_BIT(HTTP_METHOD_HEAD)};
    peer_say(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    RIG_UNTIL(&world->rig, peer_has(peer, "Method Not Allowed\n"));
    assert_true(peer_has(peer, "Allow: GET, HEAD\r\n"));
    world->route = (struct server_route){.status = 426};
    peer->size = 0;
    peer_say(peer, "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "Sec-WebSocket-Version: 13\r\n"));
    assert_true(peer_has(peer, "Upgrade: websocket\r\n"));
    world->route = (struct server_route){0};
    peer_say(peer, "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "/ok"));
    assert_int_equal(world->requests, 1);
    peer_free(peer);
}

/* proves S20 */
static void the_route_sets_its_own_bounds(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->route.max_body_bytes = 4;
    peer_say(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
    RIG_UNTIL(&world->rig, peer_has(peer, "HTTP/1.1 413"));
    peer_free(peer);
    world->route = (struct server_route){.response_timeout_ms = 500};
    world->holds = true;
    peer = peer_new(&world->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->held);
    rig_pass(&world->rig, 510);
    RIG_UNTIL(&world->rig, peer_has(peer, "HTTP/1.1 504"));
    peer_free(peer);
}

/* proves S16 */
static void a_header_with_a_line_break_is_refused_and_nothing_is_sent(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    struct http_header header = {SLICE("X-A"), SLICE("a\r\nSet-Cookie: b")};
    world->response =
        (struct server_response){.status = 200, .headers = &header, .header_count = 1};
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "HTTP/1.1 500"));
    assert_int_equal(world->last, STATUS_SYNTAX);
    assert_false(peer_has(peer, "Set-Cookie"));
    peer_free(peer);
}

/* proves D7 */
static void bytes_are_counted_exactly(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    const char *request = "GET /n HTTP/1.1\r\nHost: a\r\n\r\n";
    peer_say(peer, request);
    RIG_UNTIL(&world->rig, peer_has(peer, "\r\n\r\n/n"));
    assert_int_equal(world->rig.counters.net.bytes_in, strlen(request));
    assert_int_equal(world->rig.counters.net.bytes_out, peer->size);
    assert_int_equal(world->rig.counters.connections, 1);
    assert_int_equal(world->rig.counters.requests, 1);
    peer_free(peer);
}

static void a_pipeline_that_is_never_read_is_not_parsed_without_end(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    static char body[1000000];
    memset(body, 'x', sizeof(body));
    world->response = (struct server_response){.status = 200, .body = {body, sizeof(body)}};
    for (int i = 0; i < 2000; i++) {
        const char *request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        (void)send(peer->fd, request, strlen(request), MSG_DONTWAIT | MSG_NOSIGNAL);
        net_loop_turn(world->rig.loop, 0);
    }
    assert_true(world->requests < 50);
    int before = world->requests;
    for (int i = 0; i < 5000 && world->requests == before; i++) {
        peer_take(peer);
        peer->size = 0;
        net_loop_turn(world->rig.loop, 1);
    }
    assert_true(world->requests > before);
    peer_free(peer);
}

static void answers_that_gather_beyond_the_pipelines_bound_stop_nothing(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    static char body[10000];
    char requests[256] = "";
    for (int i = 0; i < 7; i++) { /* 70 KB of answers, each small enough to gather */
        strcat(requests, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    world->response = (struct server_response){.status = 200, .body = {body, sizeof(body)}};
    for (int round = 1; round <= 3; round++) {
        (void)send(peer->fd, requests, strlen(requests), MSG_NOSIGNAL);
        for (int i = 0; i < 1000 && world->requests < 7 * round; i++) {
            net_loop_turn(world->rig.loop, 1);
            peer_take(peer);
            peer->size = 0;
        }
        assert_int_equal(world->requests, 7 * round);
    }
    peer_free(peer);
}

static void a_pipeline_leaves_the_turn_to_others_after_its_share(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    RIG_UNTIL(&world->rig, world->rig.counters.connections == 1);
    world->works_long = true;
    peer_say(peer, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
                   "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 1; i <= 3; i++) {
        RIG_UNTIL(&world->rig, world->requests >= i);
        assert_int_equal(world->requests, i);
    }
    RIG_UNTIL(&world->rig, peer_has(peer, "\r\n\r\n/3"));
    peer_free(peer);
}

static void a_drain_lets_the_going_answer_out_and_ends_the_rest(void **state) {
    struct world *world = *state;
    struct peer *idle = peer_new(&world->rig), *busy = peer_new(&world->rig);
    peer_say(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_expect(idle, "200 OK");
    world->holds = true;
    peer_say(busy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, world->held && world->rig.counters.connections == 2);
    rig_pass(&world->rig, 1010);
    server_set_drain(world->rig.set, rig_on_drained, &world->rig);
    RIG_UNTIL(&world->rig, peer_is_over(idle));
    assert_false(world->rig.is_drained);
    respond(world, "the last");
    RIG_UNTIL(&world->rig, peer_has(busy, "the last"));
    assert_true(peer_has(busy, "Connection: close"));
    close(busy->fd);
    close(idle->fd);
    idle->fd = busy->fd = -1;
    RIG_UNTIL(&world->rig, (rig_pass(&world->rig, 1), world->rig.is_drained));
    world->rig.is_drained = false;
    peer_free(idle);
    peer_free(busy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_with_its_length_and_date),
        TEST(keep_alive_and_pipelined_requests_are_answered_in_order),
        TEST(a_body_arrives_whole_however_it_is_cut),
        TEST(a_request_byte_by_byte_is_one_request),
        TEST(a_held_request_keeps_its_bytes_and_is_answered_later),
        TEST(the_second_answer_is_refused),
        TEST(past_the_response_timeout_504_is_answered_and_the_run_goes_on),
        TEST(an_answer_to_a_peer_that_is_gone_is_dropped_and_counted),
        TEST(a_peer_that_leaves_amid_its_pipeline_harms_nothing),
        TEST(a_request_that_nobody_answers_gets_500),
        TEST(a_half_closed_peer_gets_its_answer),
        TEST(errors_are_answered_and_the_connection_ends_without_a_reset),
        TEST(slow_heads_and_bodies_get_408_and_idle_connections_end),
        TEST(http_1_0_head_204_and_304),
        TEST(hundred_continue_is_sent_only_when_the_body_is_wanted),
        TEST(refusals_of_on_head_are_answered_and_the_connection_goes_on),
        TEST(the_route_sets_its_own_bounds),
        TEST(a_header_with_a_line_break_is_refused_and_nothing_is_sent),
        TEST(bytes_are_counted_exactly),
        TEST(a_pipeline_that_is_never_read_is_not_parsed_without_end),
        TEST(answers_that_gather_beyond_the_pipelines_bound_stop_nothing),
        TEST(a_pipeline_leaves_the_turn_to_others_after_its_share),
        TEST(a_drain_lets_the_going_answer_out_and_ends_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
