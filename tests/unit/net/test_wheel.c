/* The timer wheel against a clock of the test: exact times over all levels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "net/wheel.h"

static struct wheel *the_wheel(void **state) { return *state; }

struct probe {
    struct net_timer timer;
    struct wheel *wheel;
    uint64_t fired_ms; /* 0: not yet */
    struct net_timer *stops;
    uint64_t restart_ms;
};

static void on_fire(struct net_timer *timer) {
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    probe->fired_ms = probe->wheel->now_ms;
    if (probe->stops) {
        net_timer_stop(probe->stops);
    }
    if (probe->restart_ms) {
        wheel__add(probe->wheel, timer, probe->wheel->now_ms + probe->restart_ms);
    }
}

static void start(struct wheel *wheel, struct probe *probe, uint64_t due_ms) {
    *probe = (struct probe){.wheel = wheel};
    net_timer_init(&probe->timer, on_fire);
    wheel__add(wheel, &probe->timer, due_ms);
}

static int set_up(void **state) {
    struct wheel *wheel = malloc(sizeof(*wheel));
    wheel__init(wheel, 123456789);
    *state = wheel;
    return 0;
}

static int tear_down(void **state) {
    free(*state);
    return 0;
}

static void each_fires_in_its_very_millisecond(void **state) {
    struct wheel *wheel = the_wheel(state);
    static const uint64_t delays[] = {1,         2,        63,      64,     65,      255,
                                      256,       257,      511,     16383,  16384,   16385,
                                      1048575,   1048576,  70000,   600000, 3600000, 5000000,
                                      604800000, 90000000, 67108864};
    struct probe probes[ARRAY_SIZE(delays)];
    uint64_t begin = wheel->now_ms;
    for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
        start(wheel, &probes[i], begin + delays[i]);
    }
    for (uint64_t next; (next = wheel__next(wheel)) != WHEEL_NOTHING;) {
        wheel__advance(wheel, next);
    }
    for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
        assert_int_equal(probes[i].fired_ms - begin, delays[i]);
    }
}

static void a_long_sleep_fires_all_in_order(void **state) {
    struct wheel *wheel = the_wheel(state);
    struct probe probes[2000];
    uint64_t begin = wheel->now_ms, random = 1;
    for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        start(wheel, &probes[i], begin + 1 + (random >> 33) % 3000000);
    }
    wheel__advance(wheel, begin + 5000000);
    for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
        assert_int_equal(probes[i].fired_ms, probes[i].timer.due_ms);
    }
    assert_int_equal(wheel__next(wheel), WHEEL_NOTHING);
    assert_int_equal(wheel->now_ms, begin + 5000000);
}

static void next_is_never_late_and_wakes_few_times(void **state) {
    struct wheel *wheel = the_wheel(state);
    struct probe probe;
    uint64_t due = wheel->now_ms + 86400000;
    start(wheel, &probe, due);
    int wakes = 0;
    while (!probe.fired_ms) {
        uint64_t next = wheel__next(wheel);
        assert_true(next <= due);
        wheel__advance(wheel, next);
        wakes++;
    }
    assert_true(wakes <= WHEEL_LEVELS + 1);
}

static void a_stopped_one_never_fires(void **state) {
    struct wheel *wheel = the_wheel(state);
    struct probe first, second, third;
    uint64_t due = wheel->now_ms + 200;
    start(wheel, &third, due);
    start(wheel, &second, due);
    start(wheel, &first, due); /* the newest of a slot fires first */
    first.stops = &second.timer;
    wheel__advance(wheel, due + 1);
    assert_int_equal(first.fired_ms, due);
    assert_int_equal(second.fired_ms, 0);
    assert_int_equal(third.fired_ms, due);
    assert_false(net_timer_is_on(&second.timer));
    net_timer_stop(&second.timer);
}

static void one_that_starts_itself_again_beats(void **state) {
    struct wheel *wheel = the_wheel(state);
    struct probe probe;
    uint64_t begin = wheel->now_ms;
    start(wheel, &probe, begin + 1000);
    probe.restart_ms = 1000;
    for (uint64_t i = 1; i <= 100; i++) {
        wheel__advance(wheel, begin + i * 1000);
        assert_int_equal(probe.fired_ms, begin + i * 1000);
    }
    net_timer_stop(&probe.timer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_fires_in_its_very_millisecond),     TEST(a_long_sleep_fires_all_in_order),
        TEST(next_is_never_late_and_wakes_few_times), TEST(a_stopped_one_never_fires),
        TEST(one_that_starts_itself_again_beats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
