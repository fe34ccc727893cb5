/* HTTP connections at the end of service, between requests or after a refusal. */
#include "tests/unit/server/rig.h"

struct world {
    struct rig rig;
    struct server_route route; /* what on_head says */
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    const struct world *world = context;
    (void)request; /* all get the same */
    *out = world->route;
}

static void on_request(void *context, struct server_request *request) {
    (void)context; /* the answer is the path */
    struct server_response response = {.status = 200, .body = request->http.path};
    assert_int_equal(server_respond(request, &response), STATUS_OK);
}

static const struct server_events events = {.on_head = on_head, .on_request = on_request};

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

static void a_stop_serves_who_was_waiting_to_be_accepted(void **state) {
    struct world *world = *state;
    struct peer *waiting = peer_new(&world->rig), *silent = peer_new(&world->rig);
    peer_say(waiting, "GET /w HTTP/1.1\r\nHost: a\r\n\r\n");
    server_set_stop(world->rig.set, SLICE("main"), false);
    RIG_UNTIL(&world->rig, peer_has(waiting, "\r\n\r\n/w"));
    assert_true(peer_has(waiting, "Connection: close"));
    rig_pass(&world->rig, 1010);
    RIG_UNTIL(&world->rig, peer_is_over(silent));
    peer_free(waiting);
    peer_free(silent);
}

/* Its request lies in the kernel when the stop comes, long after its last answer. */
static void a_stop_serves_who_asked_before_it_and_was_not_read_yet(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(peer, "\r\n\r\n/one"));
    rig_pass(&world->rig, 30000);
    peer_say(peer, "GET /two HTTP/1.1\r\nHost: a\r\n\r\n");
    server_set_stop(world->rig.set, SLICE("main"), false);
    RIG_UNTIL(&world->rig, peer_has(peer, "\r\n\r\n/two"));
    assert_true(peer_has(peer, "Connection: close"));
    peer_free(peer);
}

/* One connection asks again although the server is ending, one is in the middle of a head, one has
 * no more to ask; a fourth asks with an answer still on its way. */
static void a_drain_answers_those_who_have_just_asked_once_more(void **state) {
    struct world *world = *state;
    struct peer *again = peer_new(&world->rig), *half = peer_new(&world->rig),
                *silent = peer_new(&world->rig), *late = peer_new(&world->rig);
    struct peer *all[] = {again, half, silent};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        peer_say(all[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        peer_expect(all[i], "200 OK");
        assert_false(peer_has(all[i], "Connection: close"));
    }
    peer_say(half, "GET / HTTP/1.1\r\nHo");
    peer_say(late, "GET / HTTP/1.1\r\nHo");
    rig_pass(&world->rig, 1);
    server_set_drain(world->rig.set, rig_on_drained, &world->rig);
    rig_pass(&world->rig, 500);
    peer_say(again, "GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_say(half, "st: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_has(again, "Connection: close") && peer_is_over(again));
    RIG_UNTIL(&world->rig, peer_has(half, "Connection: close") && peer_is_over(half));
    assert_false(peer_is_over(silent) || peer_is_over(late) || world->rig.is_drained);
    rig_pass(&world->rig, 510);
    RIG_UNTIL(&world->rig, peer_is_over(silent) && peer_has(late, "408") && peer_is_over(late));
    peer_free(again);
    peer_free(half);
    peer_free(silent);
    peer_free(late);
    RIG_UNTIL(&world->rig, (rig_pass(&world->rig, 1), world->rig.is_drained));
    world->rig.is_drained = false;
}

/* The rest of a body that nobody wants comes amid the drain, and no request after it. proves D3 */
static void a_drain_does_not_wait_for_who_has_ended_a_discarded_body(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->route = (struct server_route){.status = 405};
    peer_say(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
    RIG_UNTIL(&world->rig, peer_has(peer, "Method Not Allowed\n"));
    assert_false(peer_has(peer, "Connection: close"));
    server_set_drain(world->rig.set, rig_on_drained, &world->rig);
    peer_say(peer, "dy");
    rig_pass(&world->rig, 1);
    assert_false(peer_is_over(peer));
    rig_pass(&world->rig, 1010);
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    peer_free(peer);
    RIG_UNTIL(&world->rig, (rig_pass(&world->rig, 1), world->rig.is_drained));
    world->rig.is_drained = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_drain_answers_those_who_have_just_asked_once_more),
        TEST(a_drain_does_not_wait_for_who_has_ended_a_discarded_body),
        TEST(a_stop_serves_who_was_waiting_to_be_accepted),
        TEST(a_stop_serves_who_asked_before_it_and_was_not_read_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
