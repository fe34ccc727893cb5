/* Places under max-programs between workers, which ask, wait, and give back at any moment. */
#include "tests/unit/actions/bench.h"

#include "actions/process.h"

static void count(void *context) { ++*(int *)context; }

static int set_up(void **state) {
    struct bench *bench = *state = bench_new();
    bench->programs.max = 1;
    return 0;
}

static int tear_down(void **state) {
    bench_free(*state);
    return 0;
}

static void give_back(struct bench *bench) {
    place__release(&bench->host);
    assert_int_equal(bench->programs.running, 0);
    assert_int_equal(bench->programs.waiting, 0);
}

/* Nobody else would give it: without it all programs waited for ever. */
static void a_place_that_comes_free_just_before_the_wait_is_given(void **state) {
    struct bench *bench = *state;
    int given = 0;
    assert_true(place__take(&bench->programs));
    assert_false(place__take(&bench->programs));
    place__release(&bench->host); /* by another worker */
    assert_non_null(place__wait(&bench->host, count, &given));
    assert_int_equal(given, 0); /* in a turn of its own */
    RIG_UNTIL(&bench->rig, given == 1);
    assert_int_equal(bench->programs.running, 1);
    give_back(bench);
}

static void a_place_that_nobody_wants_any_more_is_given_back(void **state) {
    struct bench *bench = *state;
    int given = 0;
    place__cancel(place__wait(&bench->host, count, &given));
    RIG_UNTIL(&bench->rig, bench->programs.running == 0);
    assert_int_equal(given, 0);
    assert_true(place__take(&bench->programs));
    give_back(bench);
}

static void places_more_go_to_those_who_wait_longest(void **state) {
    struct bench *bench = *state;
    int given[3] = {0};
    assert_true(place__take(&bench->programs));
    for (size_t i = 0; i < ARRAY_SIZE(given); i++)
        assert_non_null(place__wait(&bench->host, count, &given[i]));
    action_programs_set_max(&bench->programs, 3);
    RIG_UNTIL(&bench->rig, given[0] && given[1]);
    assert_int_equal(given[2], 0);
    assert_int_equal(bench->programs.waiting, 1);
    action_programs_set_max(&bench->programs, 1);
    place__release(&bench->host);
    place__release(&bench->host);
    assert_int_equal(bench->programs.waiting, 1); /* one runs, as many as may */
    place__release(&bench->host);
    RIG_UNTIL(&bench->rig, given[2]);
    give_back(bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_place_that_comes_free_just_before_the_wait_is_given),
        TEST(a_place_that_nobody_wants_any_more_is_given_back),
        TEST(places_more_go_to_those_who_wait_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
