/* Two workers on one program: what they share is counted exactly. Worth most under the thread
 * sanitizer. */
#include "tests/unit/engine/lab.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

enum { ROUNDS = 2000 };

struct worker {
    struct program *program;
    atomic_int *inside; /* runs of the task `one`, over all workers */
    struct engine *engine;
    struct clock clock;
    uint64_t begun;
};

static uint64_t no_time(const struct clock *clock) {
    (void)clock;
    return 1;
}
static void no_wake(void *host, uint64_t mono_ns) { (void)host, (void)mono_ns; }

static void on_admitted(struct event *event, struct run *run) {
    (void)run;
    struct worker *worker = event->sources[EXPR_WS];
    assert(atomic_fetch_add(worker->inside, 1) == 0);
    worker->begun++;
}
static void on_ended(struct event *event, struct run *run, const struct run_end *end) {
    (void)run, (void)end;
    struct worker *worker = event->sources[EXPR_WS];
    atomic_fetch_sub(worker->inside, 1);
}
static const struct event_ops one_ops = {.admitted = on_admitted, .ended = on_ended};

static void *work(void *context) {
    struct worker *worker = context;
    const struct engine_options options = {
        .clock = &worker->clock, .worker_count = 2, .host = worker, .wake_at = no_wake};
    worker->engine = engine_new(&options);
    engine_set_program(worker->engine, worker->program);
    const struct task *one = program_find_task(worker->program, SLICE("one"));
    const struct task *any = program_find_task(worker->program, SLICE("any"));
    for (int i = 0; i < ROUNDS; i++) {
        struct event event = {.ops = &one_ops, .sources = {[EXPR_WS] = worker}};
        run_begin(worker->engine, one, &event);
        struct event other = {.ops = NULL, .sources = {[EXPR_HTTP] = "w"}};
        assert(run_begin(worker->engine, any, &other).gate == RUN_ADMITTED);
    }
    engine_free(worker->engine);
    program_unref(worker->program);
    return NULL;
}

static void a_single_task_runs_once_at_a_time_on_all_workers(void **state) {
    (void)state;
    pthread_t threads[2];
    struct worker workers[2];
    atomic_int inside = 0;
    struct lab *lab = lab_load("one:\n  mode: single\n  vars: {x: [1, 2]}\n"
                               "  actions: [set: {y: \"${x}\"}, {early: {}, when: 1 + 1 == 2}]\n"
                               "any:\n  vars: {x: text}\n  actions: [set: {y: \"${x}${Word}\"}]\n");
    for (int i = 0; i < 2; i++) {
        workers[i] = (struct worker){
            .program = program_ref(lab->program), .inside = &inside, .clock = {no_time, no_time}};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&inside), 0);
    assert_true(workers[0].begun + workers[1].begun > 0);
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_task_runs_once_at_a_time_on_all_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
