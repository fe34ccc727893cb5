/* The order in which a worker starts programs, on a clock by which each start takes long. */
#include "tests/unit/actions/bench.h"

#include <sys/wait.h>

#define RUNS 5

static uint64_t passing_ns(const struct clock *clock) {
    return CONTAINER_OF(clock, struct rig_clock, clock)->mono_ms++ * 1000000;
}

static size_t running(const struct bench *bench) {
    size_t count = 0;
    for (const struct action_process *at = bench->host.processes; at;
         at = *(struct action_process *const *)(const void *)at) /* `next` is its first member */
        count++;
    return count;
}

static size_t waiting(const struct bench *bench) {
    const struct list *waiting = &bench->host.launches.waiting;
    size_t count = 0;
    for (const struct list *at = waiting->next; at != waiting; at = at->next)
        count++;
    return count;
}

/* Programs that go on until there is a file `go`, asked for by messages that come in one read. */
struct scene {
    struct bench *bench;
    struct peer *peer;
};

static void scene_begin(struct scene *scene) {
    uint8_t frames[RUNS * 16];
    size_t size = 0;
    struct bench *bench = scene->bench = bench_new();
    bench_write_text(bench, "s",
                     "#!/bin/sh\necho $1 >> order\n"
                     "while [ ! -e go ]; do sleep 0.01; done\n");
    bench_load_actions(bench, "  - run-program: [./s, '${WsMessage}']\n"
                              "  - write-file: {file: ended, text: 'x', append: true}\n");
    bench->rig.clock.clock.mono_ns = passing_ns;
    scene->peer = peer_open(&bench->rig, "/");
    for (char i = 0; i < RUNS; i++)
        size += frame_make(frames + size, WS_FIN | WS_OP_TEXT, (char[]){(char)('0' + i)}, 1);
    peer_send(scene->peer, frames, size);
}

static void scene_end(struct scene *scene) {
    RIG_UNTIL(&scene->bench->rig, scene->bench->programs.running == 0);
    peer_free(scene->peer);
    bench_free(scene->bench);
}

static size_t size_of(struct bench *bench, const char *name) {
    const char *text = bench_read(bench, name);
    return text ? strlen(text) : 0;
}

/* What libuv tells of at the begin of a turn counts with the turn before it: hence 2. */
static void a_turn_starts_few_programs_that_take_long(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    struct bench *bench = scene.bench;
    size_t before = 0;
    for (int i = 0; i < RIG_TURNS && before < RUNS; i++) {
        net_loop_turn(bench->rig.loop, 2);
        assert_true(running(bench) <= before + 2);
        before = running(bench);
    }
    assert_int_equal(before, RUNS);
    bench_write_text(bench, "go", "");
    RIG_UNTIL(&bench->rig, size_of(bench, "ended") == RUNS);
    scene_end(&scene);
}

/* proves T7 */
static void programs_begin_in_the_order_of_their_runs(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    struct bench *bench = scene.bench;
    bench->programs.max = 1;
    bench_write_text(bench, "go", "");
    RIG_UNTIL(&bench->rig, size_of(bench, "ended") == RUNS);
    assert_string_equal(bench_read(bench, "order"), "0\n1\n2\n3\n4\n");
    scene_end(&scene);
}

/* proves T7 */
static void cancelled_while_it_waits_for_its_turn_it_never_begins(void **state) {
    (void)state;
    struct scene scene;
    scene_begin(&scene);
    struct bench *bench = scene.bench;
    /* A session whose programs take long to start yields: its messages may take several turns. */
    RIG_UNTIL(&bench->rig, running(bench) + waiting(bench) == RUNS);
    size_t begun = running(bench);
    assert_int_equal(engine_cancel_task(bench->engine, SLICE("t")), RUNS);
    assert_true(list_is_empty(&bench->host.launches.waiting));
    RIG_UNTIL(&bench->rig, bench->programs.running == 0);
    assert_true(size_of(bench, "order") <= begun * 2); /* a digit and a line feed each */
    scene_end(&scene);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_starts_few_programs_that_take_long),
        cmocka_unit_test(programs_begin_in_the_order_of_their_runs),
        cmocka_unit_test(cancelled_while_it_waits_for_its_turn_it_never_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
