/* The heap of timers against a plain sorted expectation. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>

#include "engine/timers.h"

enum { TIMERS = 500 };

static void timers_come_in_order_of_their_time(void **state) {
    (void)state;
    struct timers timers = {NULL};
    static struct engine_timer all[TIMERS];
    uint64_t seed = 1, last = 0;
    size_t taken = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        timer__arm(&timers, &all[i], seed >> 50);
    }
    for (struct engine_timer *t; (t = timers__take_due(&timers, UINT64_MAX)); taken++) {
        assert_true(t->at_ns >= last);
        assert_false(t->is_armed);
        last = t->at_ns;
    }
    assert_int_equal(taken, TIMERS);
    assert_true(timers__next_ns(&timers) == UINT64_MAX);
}

static void cancelled_and_armed_again_timers_keep_the_order(void **state) {
    (void)state;
    struct timers timers = {NULL};
    static struct engine_timer all[TIMERS];
    uint64_t seed = 7, last = 0;
    size_t taken = 0, live = 0;
    for (size_t i = 0; i < TIMERS * 20; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct engine_timer *t = &all[(seed >> 33) % TIMERS];
        if (seed >> 62)
            timer__arm(&timers, t, (seed >> 40) % 1000);
        else
            timer__cancel(&timers, t);
        if (i % 7 == 0 && timers__next_ns(&timers) <= 10)
            assert_non_null(timers__take_due(&timers, 10));
    }
    for (size_t i = 0; i < TIMERS; i++)
        live += all[i].is_armed;
    for (struct engine_timer *t; (t = timers__take_due(&timers, UINT64_MAX)); taken++) {
        assert_true(t->at_ns >= last);
        last = t->at_ns;
    }
    assert_int_equal(taken, live);
}

static void what_is_not_due_stays(void **state) {
    (void)state;
    struct timers timers = {NULL};
    struct engine_timer timer = {.at_ns = 0};
    timer__cancel(&timers, &timer);
    timer__arm(&timers, &timer, 10);
    assert_null(timers__take_due(&timers, 9));
    assert_int_equal(timers__next_ns(&timers), 10);
    assert_ptr_equal(timers__take_due(&timers, 10), &timer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_in_order_of_their_time),
        cmocka_unit_test(cancelled_and_armed_again_timers_keep_the_order),
        cmocka_unit_test(what_is_not_due_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
