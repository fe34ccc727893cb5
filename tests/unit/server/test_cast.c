/* Rooms, broadcasts and orders by name, on one worker and between two. The two workers' loops are
 * turned by this thread in turn; test_workers.c has them on threads. */
#include <stdio.h>
#include "server/session.h"
#include "tests/unit/server/rig.h"

struct world {
    struct rig rigs[2];
    struct server_set *sets[2];
    struct session *sessions[16]; /* in the order of their opening */
    int opens, closes;
    int done;
    enum status status;
    uint32_t sent;
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    (void)context;
    (void)request;
    (void)out;
}
static void on_open(void *context, struct session *session) {
    struct world *world = context;
    world->sessions[world->opens++] = session;
}
static void on_close(void *context, struct session *session, const struct server_close *close) {
    (void)session;
    (void)close;
    ((struct world *)context)->closes++;
}
static const struct server_events events = {
    .on_head = on_head, .on_open = on_open, .on_close = on_close};

static void on_done(void *context, enum status status, uint32_t sent) {
    struct world *world = context;
    world->done++;
    world->status = status;
    world->sent = sent;
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    for (int i = 0; i < 2; i++) {
        rig_init(&world->rigs[i], &events, world);
        server_set_free(world->rigs[i].set); /* that one was worker 0 and has a listener */
        net_loop_turn(world->rigs[i].loop, 0);
        struct server_set_options options = {.loop = world->rigs[i].loop,
                                             .events = &events,
                                             .context = world,
                                             .worker = (uint32_t)i,
                                             .id_key = {1, 2}};
        world->sets[i] = world->rigs[i].set = server_set_new(&options);
        rig_apply(&world->rigs[i]);
        rig_listen(&world->rigs[i]);
    }
    for (int i = 0; i < 2; i++) {
        server_set_connect(world->sets[i], world->sets, 2);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 8; i++) {
        net_loop_turn(world->rigs[i % 2].loop, 0);
    }
    rig_deinit(&world->rigs[0]);
    rig_deinit(&world->rigs[1]);
    free(world);
    return 0;
}

#define BOTH_UNTIL(world, condition)                                                               \
    do {                                                                                           \
        int both_left = RIG_TURNS;                                                                 \
        while (!(condition) && both_left-- > 0) {                                                  \
            net_loop_turn((world)->rigs[0].loop, 1);                                               \
            net_loop_turn((world)->rigs[1].loop, 1);                                               \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static struct server_outgoing text(const char *bytes) {
    return (struct server_outgoing){.payload = slice_of(bytes), .has_payload = true};
}

static enum status post(struct world *world, const struct server_target *target,
                        struct server_outgoing out) {
    struct server_done done = {.fn = on_done, .context = world, .wait_all = true};
    enum status status = server_post(world->sets[0], target, &out, &done);
    if (status == STATUS_OK) {
        world->sent = done.sent;
    } else if (status == STATUS_AGAIN) {
        assert_non_null(done.op);
        BOTH_UNTIL(world, world->done > 0);
        world->done = 0;
        status = world->status;
    }
    return status;
}

/* Peers often choose the names. proves W15 */
static void rooms_of_a_session_are_bounded(void **state) {
    struct world *world = *state;
    char name[SERVER_ROOM_NAME_MAX + 1];
    struct peer *peer = peer_open(&world->rigs[0], "/a");
    struct session *session = world->sessions[0];
    memset(name, 'n', sizeof name);
    const struct slice longest = {name, SERVER_ROOM_NAME_MAX}, longer = {name, sizeof name};
    assert_int_equal(session_join(session, longer), STATUS_LIMIT);
    assert_int_equal(session_join(session, longest), STATUS_OK);
    for (int i = 1; i < SERVER_ROOMS_MAX; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        assert_int_equal(session_join(session, slice_of(number)), STATUS_OK);
    }
    assert_int_equal(session_join(session, SLICE("one more")), STATUS_LIMIT);
    assert_int_equal(session_join(session, SLICE("7")), STATUS_OK); /* it is there already */
    session_leave(session, SLICE("7"));
    assert_int_equal(session_join(session, SLICE("one more")), STATUS_OK);
    peer_free(peer);
}

/* proves W9 W15 */
static void targets_choose_by_server_path_room_and_except(void **state) {
    struct world *world = *state;
    struct peer *peers[4];
    static const char *const paths[] = {"/a", "/b", "/a", "/b"};
    for (int i = 0; i < 4; i++) {
        peers[i] = peer_open(&world->rigs[i / 2], paths[i]);
    }
    assert_int_equal(session_join(world->sessions[0], SLICE("red")), STATUS_OK);
    assert_int_equal(session_join(world->sessions[0], SLICE("red")), STATUS_OK);
    assert_int_equal(session_join(world->sessions[3], SLICE("red")), STATUS_OK);
    assert_int_equal(session_join(world->sessions[3], SLICE("blue")), STATUS_OK);
    struct slice id = session_id(world->sessions[3]);
    const struct {
        struct server_target target;
        const char *text;
        uint32_t sent;
        int receivers; /* bits */
    } cases[] = {
        {{.server = SLICE("main")}, "all", 4, 15},
        {{.path = SLICE("/a")}, "path", 2, 5},
        {{.server = SLICE("main"), .room = SLICE("red")}, "red", 2, 9},
        {{.room = SLICE("red"), .path = SLICE("/b")}, "both", 1, 8},
        {{.room = SLICE("red"), .except = id}, "others", 1, 1},
        {{.server = SLICE("other")}, "none", 0, 0},
        {{.room = SLICE("green")}, "nobody", 0, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(post(world, &cases[i].target, text(cases[i].text)), STATUS_OK);
        assert_int_equal(world->sent, cases[i].sent);
    }
    struct server_target all = {.server = SLICE("main")};
    assert_int_equal(post(world, &all, text("end")), STATUS_OK);
    for (int p = 0; p < 4; p++) {
        BOTH_UNTIL(world, peer_has(peers[p], "\x81\x03"
                                             "end"));
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            assert_int_equal(peer_has(peers[p], cases[i].text), cases[i].receivers >> p & 1);
        }
    }
    session_leave(world->sessions[0], SLICE("red"));
    struct server_target red = {.room = SLICE("red")};
    assert_int_equal(post(world, &red, text("again")), STATUS_OK);
    assert_int_equal(world->sent, 1);
    peer_free(peers[3]);
    BOTH_UNTIL(world, world->closes == 1);
    assert_int_equal(post(world, &red, text("gone")), STATUS_OK);
    assert_int_equal(world->sent, 0);
    for (int i = 0; i < 3; i++) {
        peer_free(peers[i]);
    }
}

/* proves W9 W16 */
static void a_session_is_reached_by_its_id_on_any_worker(void **state) {
    struct world *world = *state;
    struct peer *here = peer_open(&world->rigs[0], "/"), *there = peer_open(&world->rigs[1], "/");
    struct server_target target = {.session_id = session_id(world->sessions[0])};
    assert_int_equal(post(world, &target, text("here")), STATUS_OK);
    target.session_id = session_id(world->sessions[1]);
    assert_int_equal(post(world, &target, text("there")), STATUS_OK);
    assert_int_equal(world->sent, 1);
    BOTH_UNTIL(world, peer_has(here, "here") && peer_has(there, "there"));
    char wrong[28];
    memcpy(wrong, session_id(world->sessions[1]).bytes, 28);
    wrong[3] = wrong[3] == 'a' ? 'b' : 'a';
    target.session_id = (struct slice){wrong, 28};
    assert_int_equal(post(world, &target, text("lost")), STATUS_NOT_FOUND);
    target.session_id = SLICE("../../etc");
    assert_int_equal(post(world, &target, text("lost")), STATUS_NOT_FOUND);
    peer_free(here);
    peer_free(there);
}

static void orders_reach_sessions_of_other_workers(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rigs[1], "/");
    struct server_done done = {.fn = on_done, .context = world};
    struct server_order join = {
        .verb = SERVER_JOIN, .session_id = session_id(world->sessions[0]), .text = SLICE("red")};
    assert_int_equal(server_order(world->sets[0], &join, &done), STATUS_AGAIN);
    BOTH_UNTIL(world, world->done == 1);
    struct server_target red = {.room = SLICE("red")};
    world->done = 0;
    assert_int_equal(post(world, &red, text("hello")), STATUS_OK);
    assert_int_equal(world->sent, 1);
    struct server_order close = {
        .verb = SERVER_CLOSE, .session_id = join.session_id, .code = 4000, .text = SLICE("bye")};
    assert_int_equal(server_order(world->sets[0], &close, &done), STATUS_AGAIN);
    BOTH_UNTIL(world, peer_has(peer, "\x88\x05\x0f\xa0"
                                     "bye"));
    close.code = 1006;
    assert_int_equal(server_order(world->sets[1], &close, &done), STATUS_CLOSED);
    peer_free(peer);
}

static void a_cancelled_post_tells_nobody(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rigs[1], "/");
    struct server_done done = {.fn = on_done, .context = world};
    struct server_target target = {.session_id = session_id(world->sessions[0])};
    struct server_outgoing out = text("sent all the same");
    assert_int_equal(server_post(world->sets[0], &target, &out, &done), STATUS_AGAIN);
    server_op_cancel(done.op);
    BOTH_UNTIL(world, peer_has(peer, "all the same"));
    net_loop_turn(world->rigs[0].loop, 0);
    assert_int_equal(world->done, 0);
    peer_free(peer);
}

/* Sends until a post must wait; returns that post. */
static struct server_op *fill(struct world *world, struct server_set *set, struct slice id) {
    static char large[200000];
    memset(large, 'x', sizeof(large));
    struct server_target target = {.session_id = id};
    struct server_outgoing out = {
        .payload = {large, sizeof(large)}, .has_payload = true, .is_binary = true};
    struct server_done done = {.fn = on_done, .context = world};
    enum status status;
    do {
        status = server_post(set, &target, &out, &done);
    } while (status == STATUS_OK);
    assert_int_equal(status, STATUS_AGAIN);
    return done.op;
}

static void a_post_to_a_session_past_its_backlog_is_done_when_there_is_room(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rigs[0], "/");
    (void)fill(world, world->sets[0], session_id(world->sessions[0]));
    struct server_op *op = fill(world, world->sets[0], session_id(world->sessions[0]));
    server_op_cancel(op);
    assert_int_equal(world->done, 0);
    for (int i = 0; i < RIG_TURNS && !world->done; i++) {
        peer_take(peer);
        peer->size = 0;
        net_loop_turn(world->rigs[0].loop, 1);
    }
    assert_int_equal(world->done, 1);
    assert_int_equal(world->status, STATUS_OK);
    assert_int_equal(world->sent, 1);
    peer_free(peer);
}

static size_t waiters_of(const struct session *session) {
    size_t count = 0;
    for (const struct session_waiter *at = session->waiters; at; at = at->next) {
        count++;
    }
    return count;
}

/* Until the kernel takes no more either: then one post waits, and goes on waiting. */
static void fill_all(struct world *world, struct slice id) {
    do {
        world->done = 0;
        (void)fill(world, world->sets[1], id);
        for (int i = 0; i < 50; i++) {
            net_loop_turn(world->rigs[1].loop, 1);
        }
    } while (world->done);
}

/* proves W16 */
static void a_cancelled_post_of_another_worker_does_not_pile_up(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rigs[1], "/");
    struct session *session = world->sessions[0];
    fill_all(world, session_id(session));
    struct server_target target = {.session_id = session_id(session)};
    struct server_done done = {.fn = on_done, .context = world};
    static char large[200000];
    struct server_outgoing out = {
        .payload = {large, sizeof(large)}, .has_payload = true, .is_binary = true};
    for (int i = 0; i < 10; i++) { /* the last is waited for */
        assert_int_equal(server_post(world->sets[0], &target, &out, &done), STATUS_AGAIN);
        net_loop_turn(world->rigs[1].loop, 0);
        if (i < 9) {
            server_op_cancel(done.op);
        }
    }
    for (int i = 0; i < 100; i++) {
        net_loop_turn(world->rigs[1].loop, 0);
    }
    assert_int_equal(waiters_of(session), 2); /* that one, and fill_all()'s */
    for (int i = 0; i < RIG_TURNS && world->done < 2; i++) {
        peer_take(peer);
        peer->size = 0;
        net_loop_turn(world->rigs[0].loop, 0);
        net_loop_turn(world->rigs[1].loop, 1);
    }
    assert_int_equal(world->status, STATUS_OK);
    assert_int_equal(waiters_of(session), 0);
    peer_free(peer);
}

static void a_post_that_waits_fails_when_the_session_ends(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rigs[0], "/");
    (void)fill(world, world->sets[0], session_id(world->sessions[0]));
    peer_free(peer);
    BOTH_UNTIL(world, world->done == 1);
    assert_int_equal(world->status, STATUS_CLOSED);
}

/* proves W16 */
static void a_broadcast_closes_or_drops_the_slow_and_reaches_the_others(void **state) {
    struct world *world = *state;
    static char large[300000];
    memset(large, 'x', sizeof(large));
    struct peer *slow = peer_open(&world->rigs[0], "/"), *quick = peer_open(&world->rigs[0], "/");
    struct server_outgoing out = {
        .payload = {large, sizeof(large)}, .has_payload = true, .is_binary = true};
    struct server_target all = {.server = SLICE("main")};
    world->rigs[0].options.slow_consumer = SERVER_SLOW_DROP;
    rig_apply(&world->rigs[0]);
    for (int i = 0; i < 100 && world->rigs[0].counters.broadcasts_dropped == 0; i++) {
        assert_int_equal(post(world, &all, out), STATUS_OK);
        RIG_UNTIL(&world->rigs[0], (peer_take(quick), quick->size == sizeof(large) + 10));
        quick->size = 0;
    }
    assert_true(world->rigs[0].counters.broadcasts_dropped > 0);
    assert_true(session_is_open(world->sessions[0]));
    world->rigs[0].options.slow_consumer = SERVER_SLOW_CLOSE;
    rig_apply(&world->rigs[0]);
    assert_int_equal(post(world, &all, out), STATUS_OK);
    assert_int_equal(world->sent, 1);
    BOTH_UNTIL(world, world->closes == 1);
    assert_int_equal(world->rigs[0].counters.refused[SERVER_MAX_BACKLOG],
                     world->rigs[0].counters.broadcasts_dropped + 1);
    assert_true(session_is_open(world->sessions[1]));
    peer_free(slow);
    peer_free(quick);
}

/* proves W10 */
static void end_closes_with_1000_after_the_message(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rigs[0], "/");
    struct server_outgoing out = text("last");
    out.end = true;
    struct server_target all = {.server = SLICE("main")};
    assert_int_equal(post(world, &all, out), STATUS_OK);
    BOTH_UNTIL(world, peer_has(peer, "\x81\x04last\x88\x02\x03\xe8"));
    peer_free(peer);
}

static void broadcasts_of_one_turn_leave_with_one_write(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_open(&world->rigs[0], "/");
    struct server_target all = {.server = SLICE("main")};
    for (int i = 0; i < 16; i++) {
        struct server_outgoing out = text("0123456789");
        struct server_done done = {.fn = on_done, .context = world};
        assert_int_equal(server_post(world->sets[0], &all, &out, &done), STATUS_OK);
        peer_take(peer);
        assert_int_equal(peer->size, 0); /* nothing yet: it waits for the end of the turn */
    }
    net_loop_turn(world->rigs[0].loop, 0);
    peer_take(peer);
    assert_int_equal(peer->size, 16 * 12);
    peer_free(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rooms_of_a_session_are_bounded),
        TEST(targets_choose_by_server_path_room_and_except),
        TEST(a_session_is_reached_by_its_id_on_any_worker),
        TEST(orders_reach_sessions_of_other_workers),
        TEST(a_cancelled_post_tells_nobody),
        TEST(a_post_to_a_session_past_its_backlog_is_done_when_there_is_room),
        TEST(a_cancelled_post_of_another_worker_does_not_pile_up),
        TEST(a_post_that_waits_fails_when_the_session_ends),
        TEST(a_broadcast_closes_or_drops_the_slow_and_reaches_the_others),
        TEST(end_closes_with_1000_after_the_message),
        TEST(broadcasts_of_one_turn_leave_with_one_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
