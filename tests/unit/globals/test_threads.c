/* Several threads on one store; with SAN=thread and SAN=address they say whether reclaiming is
 * right. */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <stdio.h>

#include "globals/globals.h"

#define THREADS 3
#define ROUNDS  4000

struct job {
    struct globals *globals;
    uint32_t number;
    uint64_t conflicts;
    bool saw_halves;
};

/* Two names that always change together, and one that this thread alone removes and sets. */
static void *count_up(void *context) {
    struct job *job = context;
    struct globals_reader *reader = globals_reader(job->globals, job->number);
    char own[16];
    snprintf(own, sizeof own, "own%u", job->number);
    struct slice a = SLICE("a"), b[] = {SLICE("m"), SLICE("b")}, mine = slice_of(own);
    for (int i = 0; i < ROUNDS; i++) {
        enum status status = STATUS_AGAIN;
        while (status == STATUS_AGAIN) {
            globals_snapshot(reader);
            int64_t left = globals_get(reader, SLICE("a")).integer;
            int64_t right = globals_get(reader, SLICE("m.b")).integer;
            job->saw_halves |= left != right;
            struct global_change changes[] = {
                {&a, 1, value_int(left + 1)},
                {b, 2, value_int(right + 1)},
                {&mine, 1, i % 3 ? value_int(i) : value_nil()},
            };
            status = globals_commit(reader, changes, 3);
            job->conflicts += status == STATUS_AGAIN;
        }
        assert_int_equal(status, STATUS_OK);
        globals_release(reader);
    }
    return NULL;
}

/* proves T6: no increment is lost, and nobody sees half of a `set` */
static void sets_of_several_threads_lose_nothing(void **state) {
    (void)state;
    struct globals *globals = globals_new(
        &(struct globals_options){THREADS + 1, {1, 2}, &clock_system, 1 << 20, 1 << 16});
    struct globals_reader *reader = globals_reader(globals, THREADS);
    const struct globals_row zeros[] = {{SLICE("a"), value_int(0), 1}};
    struct value_pair pair = {value_bytes(SLICE("b")), value_int(0)};
    const struct globals_row map = {SLICE("m"), {.type = VALUE_MAP, .count = 1, .pairs = &pair}, 1};
    assert_int_equal(globals_load(reader, &zeros[0]), STATUS_OK);
    assert_int_equal(globals_load(reader, &map), STATUS_OK);
    pthread_t threads[THREADS];
    struct job jobs[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){globals, i, 0, false};
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &jobs[i]), 0);
    }
    for (int i = 0; i < 50; i++)
        globals_stored(reader, UINT64_MAX);
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(jobs[i].saw_halves);
    }
    assert_int_equal(globals_get(reader, SLICE("a")).integer, THREADS * ROUNDS);
    assert_int_equal(globals_get(reader, SLICE("m.b")).integer, THREADS * ROUNDS);
    globals_release(reader);
    globals_free(globals);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_of_several_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
