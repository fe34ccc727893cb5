/* A peer that reads less than it is sent: who waits for room, in which order, and what becomes of
 * broadcasts, pings and closes meanwhile. */
#include "server/session.h"
#include "tests/unit/server/rig.h"

#define BACKLOG (256 * 1024)

struct post { /* one that may wait */
    bool is_done;
    enum status status;
};
struct world {
    struct rig rig;
    struct session *session;
    struct peer *peer;
    int closes;
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

static void limit_buffer(int fd, int which) {
    const int bytes = 32768;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, which, &bytes, sizeof(bytes)), 0);
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    rig_init(&world->rig, &events, world);
    world->rig.options.max_backlog_bytes = BACKLOG;
    world->rig.options.slow_consumer = SERVER_SLOW_DROP;
    rig_apply(&world->rig);
    world->peer = peer_open(&world->rig, "/");
    /* The kernel takes little at once, so that most of what waits does so in the backlog. */
    limit_buffer(world->session->stream.source.fd, SO_SNDBUF);
    limit_buffer(world->peer->fd, SO_RCVBUF);
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

static void on_done(void *context, enum status status, uint32_t sent) {
    struct post *post = context;
    (void)sent; /* the status says it */
    assert_false(post->is_done);
    post->is_done = true;
    post->status = status;
}

/* To the session: `size` times the letter. */
static enum status reply(struct world *world, struct post *post, char letter, size_t size) {
    static char bytes[BACKLOG];
    assert_true(size <= sizeof(bytes));
    memset(bytes, letter, size);
    const struct server_outgoing out = {
        .payload = {bytes, size}, .has_payload = true, .is_binary = true};
    const struct server_target target = {.session = world->session};
    struct server_done done = {.fn = on_done, .context = post};
    *post = (struct post){false, STATUS_OK};
    return server_post(world->rig.set, &target, &out, &done);
}

static enum status broadcast(struct world *world, size_t size, bool end) {
    static char bytes[2 * BACKLOG];
    assert_true(size <= sizeof(bytes));
    memset(bytes, 'x', size);
    const struct server_outgoing out = {
        .payload = {bytes, size}, .has_payload = true, .is_binary = true, .end = end};
    const struct server_target all = {.server = SLICE("main")};
    struct post post = {false, STATUS_OK};
    struct server_done done = {.fn = on_done, .context = &post};
    return server_post(world->rig.set, &all, &out, &done); /* one worker: done in the call */
}

static uint64_t dropped(const struct world *world) {
    return world->rig.counters.broadcasts_dropped;
}

/* Until nothing more is taken: the backlog is nearly full, and nobody waits. */
static void fill_with_broadcasts(struct world *world) {
    for (uint64_t before = dropped(world); dropped(world) == before;) {
        assert_int_equal(broadcast(world, 3000, false), STATUS_OK);
    }
}

static void fill_with_replies(struct world *world, struct post *post, char letter, size_t size) {
    while (reply(world, post, letter, size) == STATUS_OK) {
    }
    assert_false(post->is_done);
}

/* A little of what came, which is forgotten. */
static void read_a_little(struct world *world) {
    char bytes[20000];
    ssize_t size = recv(world->peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    assert_true(size > 0 || errno == EAGAIN);
}

static void read_until_done(struct world *world, const struct post *post) {
    for (int i = 0; i < RIG_TURNS && !post->is_done; i++) {
        peer_take(world->peer);
        world->peer->size = 0;
        net_loop_turn(world->rig.loop, 1);
    }
    assert_true(post->is_done);
    assert_int_equal(post->status, STATUS_OK);
}

/* proves W16 */
static void a_reply_that_waits_goes_before_broadcasts_that_may_be_dropped(void **state) {
    struct world *world = *state;
    struct post post;
    fill_with_replies(world, &post, 'r', 200000);
    for (int i = 0; i < 2000 && !post.is_done; i++) {
        fill_with_broadcasts(world);
        read_a_little(world);
        net_loop_turn(world->rig.loop, 0);
    }
    assert_true(post.is_done);
    for (uint64_t before = world->session->messages_out; world->session->messages_out == before;) {
        peer_take(world->peer);
        world->peer->size = 0;
        net_loop_turn(world->rig.loop, 1);
        assert_int_equal(broadcast(world, 1, false), STATUS_OK); /* taken in the end */
    }
}

static void a_broadcast_that_may_close_goes_by_the_backlog_alone(void **state) {
    struct world *world = *state;
    struct post post;
    world->rig.options.slow_consumer = SERVER_SLOW_CLOSE;
    rig_apply(&world->rig);
    fill_with_replies(world, &post, 'r', 200000);
    assert_int_equal(broadcast(world, 3000, false), STATUS_OK);
    read_until_done(world, &post);
    assert_true(session_is_open(world->session));
    assert_int_equal(dropped(world), 0);
}

/* proves W16: the order of sends is kept */
static void a_small_reply_does_not_pass_a_large_one_that_waits(void **state) {
    struct world *world = *state;
    struct post posts[4];
    char order[8] = "";
    fill_with_replies(world, &posts[0], '.', 100000);
    assert_int_equal(reply(world, &posts[1], 'A', 200000), STATUS_AGAIN);
    assert_int_equal(reply(world, &posts[2], 'B', 10), STATUS_AGAIN);
    assert_int_equal(reply(world, &posts[3], 'C', 10), STATUS_AGAIN);
    for (int i = 0; i < RIG_TURNS && !strchr(order, 'C'); i++) {
        char bytes[20000];
        ssize_t size = recv(world->peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        for (ssize_t at = 0; at < size; at++) {
            size_t used = strlen(order);
            if (bytes[at] >= 'A' && bytes[at] <= 'C' && !strchr(order, bytes[at])) {
                order[used] = bytes[at];
            }
        }
        net_loop_turn(world->rig.loop, 0);
    }
    assert_string_equal(order, "ABC");
    for (size_t i = 0; i < ARRAY_SIZE(posts); i++) {
        assert_int_equal(posts[i].status, STATUS_OK);
        assert_true(posts[i].is_done);
    }
}

/* proves W16: within a quarter more than drain-timeout */
static void output_that_does_not_move_ends_soon_after_the_drain_timeout(void **state) {
    struct world *world = *state;
    struct post post;
    rig_pass(&world->rig, 20000); /* the next look would be in 10 s */
    fill_with_replies(world, &post, 'r', 100000);
    for (int i = 0; i < 3; i++) {
        rig_pass(&world->rig, 7510);
        assert_int_equal(world->closes, 0);
    }
    rig_pass(&world->rig, 7510);
    rig_pass(&world->rig, 7510); /* where the kernel took something after the reply was refused */
    RIG_UNTIL(&world->rig, world->closes == 1);
    assert_int_equal(world->rig.counters.refused[SERVER_DRAIN_TIMEOUT], 1);
}

/* proves W10 W16 */
static void a_broadcast_larger_than_the_backlog_is_an_error(void **state) {
    struct world *world = *state;
    assert_int_equal(broadcast(world, BACKLOG + 1, true), STATUS_LIMIT);
    assert_true(session_is_open(world->session));
    assert_int_equal(net_backlog(&world->session->stream), 0);
    const struct server_outgoing out = {.payload = {(const char *)world, BACKLOG + 1},
                                        .has_payload = true}; /* it is not read */
    const struct server_target any = {.path = SLICE("/none")}, other = {.server = SLICE("other")};
    struct server_done done = {.fn = on_done, .context = world};
    assert_int_equal(server_post(world->rig.set, &any, &out, &done), STATUS_LIMIT);
    assert_int_equal(server_post(world->rig.set, &other, &out, &done), STATUS_OK);
    assert_int_equal(broadcast(world, BACKLOG, false), STATUS_OK);
}

/* proves W10 */
static void end_closes_also_who_is_too_slow_for_the_message(void **state) {
    struct world *world = *state;
    fill_with_broadcasts(world);
    const uint64_t before = dropped(world);
    assert_int_equal(broadcast(world, 3000, true), STATUS_OK);
    assert_int_equal(dropped(world), before + 1);
    assert_false(session_is_open(world->session));
    RIG_UNTIL(&world->rig, peer_has(world->peer, "\x88\x02\x03\xe8"));
}

/* proves W5. The clock stands. */
static void who_waits_hears_of_our_close_before_the_peer_answers_it(void **state) {
    struct world *world = *state;
    struct post posts[2];
    fill_with_replies(world, &posts[0], 'r', 100000);
    assert_int_equal(reply(world, &posts[1], 's', 10), STATUS_AGAIN);
    assert_int_equal(session_close(world->session, 4000, SLICE("why")), STATUS_OK);
    assert_false(posts[0].is_done); /* never inside the call */
    RIG_UNTIL(&world->rig, posts[0].is_done && posts[1].is_done);
    for (size_t i = 0; i < ARRAY_SIZE(posts); i++) {
        assert_int_equal(posts[i].status, STATUS_CLOSED);
    }
    assert_int_equal(world->closes, 0);
}

static void read_until_the_backlog_is_less(struct world *world) {
    const size_t before = net_backlog(&world->session->stream);
    for (int i = 0; i < RIG_TURNS && net_backlog(&world->session->stream) == before; i++) {
        read_a_little(world);
        net_loop_turn(world->rig.loop, 0);
    }
    assert_true(net_backlog(&world->session->stream) < before);
}

/* proves C7 for the server's side */
static void a_ping_behind_output_that_moves_is_not_late(void **state) {
    struct world *world = *state;
    fill_with_broadcasts(world);
    rig_pass(&world->rig, 30010); /* pinged; the bound of what does not move counts from here */
    const size_t with_ping = net_backlog(&world->session->stream);
    for (int i = 0; i < 2; i++) {
        read_until_the_backlog_is_less(world);
        rig_pass(&world->rig, 10010);
        assert_int_equal(world->closes, 0);
    }
    assert_true(net_backlog(&world->session->stream) < with_ping);
    assert_true(net_backlog(&world->session->stream) > 0);
    rig_pass(&world->rig, 9900); /* nothing moves now */
    assert_int_equal(world->closes, 0);
    rig_pass(&world->rig, 110);
    RIG_UNTIL(&world->rig, world->closes == 1);
    assert_int_equal(world->rig.counters.refused[SERVER_PONG_TIMEOUT], 1);
}

/* proves C7 for the server's side */
static void a_ping_that_has_left_is_late_without_a_pong(void **state) {
    struct world *world = *state;
    fill_with_broadcasts(world);
    rig_pass(&world->rig, 30010);
    RIG_UNTIL(&world->rig, (peer_take(world->peer), world->peer->size = 0,
                            net_backlog(&world->session->stream) == 0));
    rig_pass(&world->rig, 10010); /* here it is seen to have left */
    assert_int_equal(world->closes, 0);
    assert_int_equal(broadcast(world, 1000, false), STATUS_OK);
    rig_pass(&world->rig, 9900);
    assert_int_equal(world->closes, 0);
    rig_pass(&world->rig, 110);
    RIG_UNTIL(&world->rig, world->closes == 1);
    assert_int_equal(world->rig.counters.refused[SERVER_PONG_TIMEOUT], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_reply_that_waits_goes_before_broadcasts_that_may_be_dropped),
        TEST(a_broadcast_that_may_close_goes_by_the_backlog_alone),
        TEST(a_small_reply_does_not_pass_a_large_one_that_waits),
        TEST(a_broadcast_larger_than_the_backlog_is_an_error),
        TEST(end_closes_also_who_is_too_slow_for_the_message),
        TEST(who_waits_hears_of_our_close_before_the_peer_answers_it),
        TEST(output_that_does_not_move_ends_soon_after_the_drain_timeout),
        TEST(a_ping_behind_output_that_moves_is_not_late),
        TEST(a_ping_that_has_left_is_late_without_a_pong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
