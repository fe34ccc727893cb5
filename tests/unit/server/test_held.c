/* Keep-alive of a session that is past its backlog: it is not read, so neither is its pong. */
#include "tests/unit/server/rig.h"

struct world {
    struct rig rig;
    struct session *session;
    struct peer *peer;
    int closes;
    struct session_waiter waiter;
    bool is_let_go;
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    (void)context;
    (void)request;
    (void)out; /* accepted */
}

static void on_open(void *context, struct session *session) {
    ((struct world *)context)->session = session;
}

static void on_close(void *context, struct session *session, const struct server_close *close) {
    (void)session;
    (void)close;
    ((struct world *)context)->closes++;
}

static const struct server_events events = {
    .on_head = on_head, .on_open = on_open, .on_close = on_close};

static void on_room(struct session_waiter *waiter, enum status status) {
    assert_int_equal(status, STATUS_OK);
    CONTAINER_OF(waiter, struct world, waiter)->is_let_go = true;
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    rig_init(&world->rig, &events, world);
    world->rig.options.drain_timeout_ms = 400000;
    rig_apply(&world->rig);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    peer_free(world->peer);
    rig_deinit(&world->rig);
    free(world);
    return 0;
}

static void fill_backlog(struct world *world) {
    static const char bytes[100000];
    const struct server_outgoing out = {
        .payload = {bytes, sizeof(bytes)}, .has_payload = true, .is_binary = true};
    enum status status;
    do {
        status = session_send(world->session, &out);
    } while (status == STATUS_OK);
    assert_int_equal(status, STATUS_AGAIN);
    world->waiter.ready = on_room;
    session_wait(world->session, &world->waiter);
}

/* Pinged, then held until long after the pong was due, and let go 100 ms before the next look. */
static void hold_and_let_go(struct world *world, bool answers) {
    struct peer *peer = world->peer = peer_open(&world->rig, "/");
    rig_pass(&world->rig, 30010);
    peer_expect(peer, "\x89");
    fill_backlog(world);
    if (answers) {
        peer_frame(peer, WS_FIN | WS_OP_PONG, "", 0);
    }
    rig_pass(&world->rig, 10010);
    rig_pass(&world->rig, 29900);
    for (int i = 0; i < RIG_TURNS && !world->is_let_go; i++) {
        peer_take(peer);
        peer->size = 0;
        net_loop_turn(world->rig.loop, 1);
    }
    assert_true(world->is_let_go);
    assert_int_equal(world->closes, 0);
}

/* proves C7 for the server's side */
static void a_pong_that_could_not_be_read_is_in_time(void **state) {
    struct world *world = *state;
    hold_and_let_go(world, true);
    rig_pass(&world->rig, 110);
    rig_pass(&world->rig, 9700);
    rig_pass(&world->rig, 200);
    assert_int_equal(world->closes, 0);
}

static void a_session_let_go_is_lost_without_a_pong(void **state) {
    struct world *world = *state;
    hold_and_let_go(world, false);
    rig_pass(&world->rig, 110);
    rig_pass(&world->rig, 9700);
    assert_int_equal(world->closes, 0);
    rig_pass(&world->rig, 200);
    RIG_UNTIL(&world->rig, world->closes == 1);
    assert_int_equal(world->rig.counters.refused[SERVER_PONG_TIMEOUT], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pong_that_could_not_be_read_is_in_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_session_let_go_is_lost_without_a_pong, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
