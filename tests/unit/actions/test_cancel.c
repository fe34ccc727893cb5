/* Runs that are cancelled while an action waits for a file: nothing is told, nothing is left. */
#include "tests/unit/actions/bench.h"

#include <semaphore.h>
#include <uv.h>

enum { POOL_THREADS = 4 }; /* libuv's, unless UV_THREADPOOL_SIZE says otherwise */

/* Work that keeps the pool busy, so that a file job waits until it is let go. */
struct jam {
    uv_work_t work[POOL_THREADS];
    sem_t go;
    int done;
};

static void on_work(uv_work_t *work) { (void)sem_wait(&((struct jam *)work->data)->go); }

static void on_done(uv_work_t *work, int status) {
    (void)status;
    ((struct jam *)work->data)->done++;
}

static void jam_begin(struct jam *jam, struct net_loop *loop) {
    assert_int_equal(sem_init(&jam->go, 0, 0), 0);
    for (int i = 0; i < POOL_THREADS; i++) {
        jam->work[i].data = jam;
        assert_int_equal(uv_queue_work(net_loop_uv(loop), &jam->work[i], on_work, on_done), 0);
    }
}

static void jam_end(struct jam *jam, struct rig *rig) {
    for (int i = 0; i < POOL_THREADS; i++)
        (void)sem_post(&jam->go);
    RIG_UNTIL(rig, jam->done == POOL_THREADS);
    (void)sem_destroy(&jam->go);
}

/* The caller gets 503, and the next request is served. */
static void expect_cancelled(const char *action) {
    struct bench *bench = bench_new();
    char yaml[512];
    (void)snprintf(yaml, sizeof yaml,
                   "t:\n  triggers: [{http-request: /}]\n  actions:\n%s"
                   "u:\n  triggers: [{http-request: /next}]\n"
                   "  actions: [{http-response: next}]\n",
                   action);
    bench_load(bench, yaml);
    bench_write_text(bench, "file", "content");
    struct jam jam = {0};
    jam_begin(&jam, bench->rig.loop);
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(&bench->rig, bench->rig.counters.requests == 1);
    assert_int_equal(engine_cancel_task(bench->engine, SLICE("t")), 1);
    peer_expect(peer, "HTTP/1.1 503");
    jam_end(&jam, &bench->rig);
    EXPECT(bench_ask(bench, "GET /next HTTP/1.1"), "next");
    peer_free(peer);
    bench_free(bench);
}

/* proves S14 */
static void an_answer_from_a_file_is_cancelled(void **state) {
    (void)state;
    expect_cancelled("    - http-response: {file: file}\n");
}

static void a_message_from_a_file_is_cancelled(void **state) {
    (void)state;
    expect_cancelled("    - send-message: {file: file, to: {server: main}}\n");
}

/* proves T15 */
static void a_file_that_is_written_is_cancelled(void **state) {
    (void)state;
    expect_cancelled("    - write-file: {file: made, text: x}\n");
}

/* proves T7 */
static void input_from_a_file_is_cancelled(void **state) {
    (void)state;
    expect_cancelled("    - run-program: {command: [cat], stdin-file: file}\n");
}

/* A daemon that never comes to start or stop the server, and is told when nobody waits any more. */
struct slow_daemon {
    int begun, cancelled;
};

static struct action_order *slow_begin(void *context, const struct action_steer *steer) {
    (void)steer;
    ((struct slow_daemon *)context)->begun++;
    return context;
}

static void slow_cancel(struct action_order *order) {
    ((struct slow_daemon *)(void *)order)->cancelled++;
}

static void expect_order_cancelled(const char *action) {
    struct bench *bench = bench_new();
    struct slow_daemon daemon = {0};
    const struct action_steering steering = {slow_begin, slow_cancel, &daemon};
    bench->host.steering = &steering;
    char yaml[256];
    (void)snprintf(yaml, sizeof yaml,
                   "t:\n  triggers: [{http-request: /}]\n  actions: [{%s: main}]\n", action);
    bench_load(bench, yaml);
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(&bench->rig, daemon.begun == 1);
    assert_int_equal(daemon.cancelled, 0);
    assert_int_equal(engine_cancel_task(bench->engine, SLICE("t")), 1);
    peer_expect(peer, "HTTP/1.1 503");
    assert_int_equal(daemon.cancelled, 1);
    peer_free(peer);
    bench_free(bench);
}

static void starting_and_stopping_a_server_are_cancelled(void **state) {
    (void)state;
    expect_order_cancelled("start-server");
    expect_order_cancelled("stop-server");
}

/* The second worker takes its mail only when its loop is turned. */
static void a_broadcast_that_waits_for_its_count_is_cancelled(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    struct rig *rig = &bench->rig;
    struct net_loop *loop = net_loop_new(&(struct net_loop_options){.clock = &rig->clock.clock});
    assert_non_null(loop);
    struct server_set *other = server_set_new(&(struct server_set_options){
        .loop = loop, .events = &triggers_server_events, .worker = 1, .id_key = {1, 2}});
    assert_non_null(other);
    struct server_set *sets[] = {rig->set, other};
    server_set_connect(rig->set, sets, 2);
    server_set_connect(other, sets, 2);
    bench_load(bench, "t:\n  triggers: [{http-request: /}]\n"
                      "  actions: [{send-message: {to: {server: main}, text: x}, save: told}]\n");
    struct peer *peer = peer_new(rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(rig, rig->counters.requests == 1);
    assert_int_equal(engine_cancel_task(bench->engine, SLICE("t")), 1);
    peer_expect(peer, "HTTP/1.1 503");
    for (int i = 0; i < 4; i++) { /* the answer that nobody waits for comes, and is dropped */
        net_loop_turn(loop, 0);
        net_loop_turn(rig->loop, 0);
    }
    peer_free(peer);
    server_set_abort(other);
    bench_free(bench);
    server_set_free(other);
    net_loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_from_a_file_is_cancelled),
        cmocka_unit_test(a_message_from_a_file_is_cancelled),
        cmocka_unit_test(a_file_that_is_written_is_cancelled),
        cmocka_unit_test(input_from_a_file_is_cancelled),
        cmocka_unit_test(starting_and_stopping_a_server_are_cancelled),
        cmocka_unit_test(a_broadcast_that_waits_for_its_count_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
