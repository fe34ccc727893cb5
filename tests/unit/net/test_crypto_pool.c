/* The crypto pool: jobs run elsewhere and come home, in bounded numbers. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "net/net.h"
#include "tests/unit/cmocka_all.h"

struct task {
    struct crypto_job job;
    pthread_mutex_t *gate; /* held by the test while the job shall not end */
    pthread_t worked_on, done_on;
    int nice, done;
    bool has_loop;
};

static void on_work(struct crypto_job *job) {
    struct task *task = CONTAINER_OF(job, struct task, job);
    task->worked_on = pthread_self();
    task->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    if (task->gate) {
        pthread_mutex_lock(task->gate);
        pthread_mutex_unlock(task->gate);
    }
}

static void on_done(struct crypto_job *job, struct net_loop *loop) {
    struct task *task = CONTAINER_OF(job, struct task, job);
    task->done++;
    task->done_on = pthread_self();
    task->has_loop = loop != NULL;
}

static struct task task_of(pthread_mutex_t *gate) {
    return (struct task){.job = {.work = on_work, .done = on_done}, .gate = gate};
}

struct world {
    struct crypto_pool *pool;
    struct net_loop *loop;
};

static void begin(struct world *world, uint32_t threads, uint32_t max_jobs) {
    world->pool =
        crypto_pool_new(&(struct crypto_pool_options){.threads = threads, .max_jobs = max_jobs});
    assert_non_null(world->pool);
    world->loop = net_loop_new(
        &(struct net_loop_options){.clock = &clock_system, .crypto_pool = world->pool});
    assert_non_null(world->loop);
}

static void end(struct world *world) {
    crypto_pool_free(world->pool);
    net_loop_free(world->loop);
}

static void a_job_runs_on_a_nice_thread_and_comes_home(void **state) {
    struct world world;
    struct task task = task_of(NULL);
    (void)state;
    begin(&world, 0, 0);
    assert_int_equal(crypto_pool_run(world.loop, CRYPTO_HANDSHAKES, &task.job), STATUS_OK);
    while (!task.done) {
        net_loop_turn(world.loop, 1000);
    }
    assert_false(pthread_equal(task.worked_on, pthread_self()));
    assert_true(pthread_equal(task.done_on, pthread_self()));
    assert_int_equal(task.nice, 19);
    assert_true(task.has_loop);
    assert_true(task.job.has_run);
    end(&world);
}

static void thousands_of_jobs_all_come_home_once(void **state) {
    struct world world;
    static struct task tasks[3000];
    (void)state;
    begin(&world, 4, 0);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        tasks[i] = task_of(NULL);
        enum crypto_lane lane = i % 2 ? CRYPTO_HANDSHAKES : CRYPTO_PASSWORDS;
        assert_int_equal(crypto_pool_run(world.loop, lane, &tasks[i].job), STATUS_OK);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        while (!tasks[i].done) {
            net_loop_turn(world.loop, 1000);
        }
        assert_int_equal(tasks[i].done, 1);
    }
    end(&world);
}

static void a_full_lane_refuses_and_the_other_goes_on(void **state) {
    struct world world;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct task tasks[8], other = task_of(NULL);
    size_t taken = 0;
    (void)state;
    begin(&world, 1, 2);
    pthread_mutex_lock(&gate);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        tasks[i] = task_of(&gate);
        enum status status = crypto_pool_run(world.loop, CRYPTO_PASSWORDS, &tasks[taken].job);
        assert_true(status == STATUS_OK || status == STATUS_LIMIT);
        taken += status == STATUS_OK;
    }
    assert_in_range(taken, 2, 3); /* the thread may have taken one by then */
    assert_int_equal(crypto_pool_run(world.loop, CRYPTO_HANDSHAKES, &other.job), STATUS_OK);
    while (!other.done) {
        net_loop_turn(world.loop, 1000);
    }
    assert_int_equal(tasks[0].done, 0);
    pthread_mutex_unlock(&gate);
    while (!tasks[taken - 1].done) {
        net_loop_turn(world.loop, 1000);
    }
    end(&world);
}

static void what_waits_when_the_pool_ends_comes_home_without_having_run(void **state) {
    struct world world;
    struct task tasks[50];
    size_t ran = 0;
    (void)state;
    begin(&world, 1, 0);
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        tasks[i] = task_of(NULL);
        assert_int_equal(crypto_pool_run(world.loop, CRYPTO_HANDSHAKES, &tasks[i].job), STATUS_OK);
    }
    crypto_pool_free(world.pool);
    net_loop_free(world.loop); /* nobody turned it: it gives back what lies in its mailbox */
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        assert_int_equal(tasks[i].done, 1);
        assert_false(tasks[i].has_loop);
        ran += tasks[i].job.has_run;
    }
    assert_in_range(ran, 0, ARRAY_SIZE(tasks));
}

static void a_loop_without_a_pool_says_so(void **state) {
    struct net_loop *loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    struct task task = task_of(NULL);
    (void)state;
    assert_int_equal(crypto_pool_run(loop, CRYPTO_HANDSHAKES, &task.job), STATUS_UNSUPPORTED);
    net_loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_runs_on_a_nice_thread_and_comes_home),
        cmocka_unit_test(thousands_of_jobs_all_come_home_once),
        cmocka_unit_test(a_full_lane_refuses_and_the_other_goes_on),
        cmocka_unit_test(what_waits_when_the_pool_ends_comes_home_without_having_run),
        cmocka_unit_test(a_loop_without_a_pool_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
