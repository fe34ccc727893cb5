/* Modes whose runs take turns, and at-most. */
#include "tests/unit/engine/lab.h"

static uint64_t refused(struct lab *lab, enum run_gate gate) {
    struct engine_stats stats;
    engine_stats(lab->engine, &stats);
    return stats.refused[gate];
}

/* proves T9 on one worker, with the tests below */
static void queued_runs_begin_one_after_the_other(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: queued\n  actions: [note: \"${Word}\", hang: a]\n");
    lab_poke(lab, "t", "1");
    lab_poke(lab, "t", "2");
    lab_poke(lab, "t", "3");
    assert_int_equal(lab->admitted, 3);
    lab_expect(lab, "1 ");
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "2 ");
    lab_finish(lab, "a", STEP_FAILED);
    lab_expect(lab, "3 ");
    lab_finish(lab, "a", STEP_DONE);
    assert_int_equal(lab->ended, 3);
    lab_free(lab);
}

static void a_queue_has_an_end(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("t:\n  mode: {type: queued, max-waiting: 2}\n  actions: [hang: \"${Word}\"]\n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(lab_poke(lab, "t", "a").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "a").gate, RUN_MODE);
    assert_int_equal(refused(lab, RUN_MODE), 1);
    lab_finish(lab, "a", STEP_DONE);
    assert_int_equal(lab_poke(lab, "t", "a").gate, RUN_ADMITTED);
    for (int i = 0; i < 3; i++)
        lab_finish(lab, "a", STEP_DONE);
    lab_free(lab);
}

static void a_full_queue_may_drop_its_oldest(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: queued, max-waiting: 1, overflow: drop-oldest}\n"
                               "  actions: [note: \"${Word}\", hang: a]\n");
    lab_poke(lab, "t", "1");
    lab_poke(lab, "t", "2");
    lab_poke(lab, "t", "3");
    assert_int_equal(lab->ended, 1);
    assert_int_equal(lab->outcome, RUN_CANCELLED);
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "1 3 ");
    lab_finish(lab, "a", STEP_DONE);
    lab_free(lab);
}

static void a_key_makes_a_queue_per_value(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: queued, key: \"${Word}\"}\n"
                               "  actions: [note: \"${Word}\", hang: \"${Word}\"]\n");
    lab_poke(lab, "t", "x");
    lab_poke(lab, "t", "y");
    lab_poke(lab, "t", "x");
    lab_expect(lab, "x y ");
    lab_finish(lab, "x", STEP_DONE);
    lab_expect(lab, "x ");
    lab_finish(lab, "y", STEP_DONE);
    lab_finish(lab, "x", STEP_DONE);
    lab_free(lab);
}

static void single_and_parallel_count_per_key(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("s:\n  mode: {type: single, key: \"${Word}\"}\n  actions: [nap: 1s]\n"
                 "p:\n  mode: {max: 2, key: \"${Word}\"}\n  actions: [nap: 1s]\n");
    assert_int_equal(lab_poke(lab, "s", "x").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "s", "y").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "s", "x").gate, RUN_MODE);
    assert_int_equal(lab_poke(lab, "p", "x").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "p", "x").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "p", "x").gate, RUN_MAX);
    assert_int_equal(lab_poke(lab, "p", "y").gate, RUN_ADMITTED);
    lab_pass(lab, 1000);
    assert_int_equal(lab_poke(lab, "p", "x").gate, RUN_ADMITTED);
    lab_pass(lab, 1000);
    lab_free(lab);
}

static void restart_begins_when_the_older_one_has_ended(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("t:\n  mode: restart\n  actions:\n"
                 "    - try: [note: \"${Word}\", hang: a]\n      finally: [nap: 1s, note: f]\n");
    lab_poke(lab, "t", "1");
    lab_poke(lab, "t", "2");
    lab_poke(lab, "t", "3");
    lab_expect(lab, "1 !a ");
    assert_int_equal(lab->ended, 1); /* the second never began */
    lab_pass(lab, 1000);
    lab_expect(lab, "f 3 ");
    lab_finish(lab, "a", STEP_DONE);
    lab_pass(lab, 1000);
    lab_expect(lab, "f ");
    assert_int_equal(lab->ended, 3);
    lab_free(lab);
}

static void a_queued_run_may_be_cancelled(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: queued, max-waiting: 1}\n"
                               "  actions: [note: \"${Word}\", hang: a]\n");
    lab_poke(lab, "t", "1");
    lab_poke(lab, "t", "2");
    run_cancel(lab->last_run);
    assert_int_equal(lab->outcome, RUN_CANCELLED);
    assert_int_equal(lab_poke(lab, "t", "3").gate, RUN_ADMITTED);
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "1 3 ");
    lab_finish(lab, "a", STEP_DONE);
    lab_free(lab);
}

static void a_refused_event_may_start_another_task_in_its_place(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: single, on-refused: u}\n  actions: [hang: a]\n"
                               "u:\n  mode: {type: single, on-refused: t}\n"
                               "  actions: [note: \"u${Word}\", hang: b]\n");
    lab_poke(lab, "t", "1");
    assert_int_equal(lab_poke(lab, "t", "2").gate, RUN_ADMITTED);
    lab_expect(lab, "u2 ");
    assert_int_equal(lab_poke(lab, "t", "3").gate, RUN_MODE); /* and no circle */
    lab_finish(lab, "a", STEP_DONE);
    lab_finish(lab, "b", STEP_DONE);
    lab_free(lab);
}

static void a_dropped_event_may_start_another_task_in_its_place(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: queued, max-waiting: 1, overflow: drop-oldest, "
                               "on-refused: u}\n  actions: [note: \"${Word}\", hang: a]\n"
                               "u:\n  actions: [note: \"u${Word}\", hang: b]\n");
    lab_poke(lab, "t", "1");
    lab_poke(lab, "t", "2");
    lab_poke(lab, "t", "3");
    lab_expect(lab, "1 u2 ");
    assert_int_equal(lab->ended, 0); /* its event goes on */
    lab_finish(lab, "b", STEP_DONE);
    assert_int_equal(lab->ended, 1);
    assert_int_equal(lab->outcome, RUN_DONE);
    lab_finish(lab, "a", STEP_DONE);
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "3 ");
    assert_int_equal(lab->ended, 3);
    assert_int_equal(lab->admitted, 4);
    lab->ended++; /* that of 2 was told as that of u */
    lab_free(lab);
}

static void waiting_for_what_an_ancestor_holds_is_an_error(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: queued\n  actions: [call: {task: u, wait: true}]\n"
                               "u:\n  actions: [call: {task: t, wait: true}]\n");
    lab_poke(lab, "t", "");
    assert_int_equal(lab->outcome, RUN_FAILED);
    assert_string_equal(lab->error, "the task failed: refused: mode");
    lab_free(lab);
}

static void a_parent_may_start_the_same_single_task_again(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions: [{repeat: 3, do: [call: {task: u, wait: true}]}]\n"
                               "u:\n  mode: single\n  actions: [note: u]\n");
    lab_poke(lab, "t", "");
    lab_expect(lab, "u u u ");
    assert_int_equal(lab->outcome, RUN_DONE);
    lab_free(lab);
}

static void at_most_drops_what_comes_too_early(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("t:\n  at-most: {runs: 2, per: 10s}\n  actions: [note: \"${Word}\"]\n");
    lab_poke(lab, "t", "1");
    lab_pass(lab, 4000);
    lab_poke(lab, "t", "2");
    struct run_verdict verdict = lab_poke(lab, "t", "3");
    assert_int_equal(verdict.gate, RUN_AT_MOST);
    assert_int_equal(verdict.retry_after_ms, 6000);
    lab_pass(lab, 6000);
    lab_poke(lab, "t", "4");
    assert_int_equal(lab_poke(lab, "t", "5").gate, RUN_AT_MOST);
    lab_pass(lab, 4000);
    lab_poke(lab, "t", "6");
    lab_expect(lab, "1 2 4 6 ");
    assert_int_equal(refused(lab, RUN_AT_MOST), 2);
    lab_free(lab);
}

static void at_most_may_run_the_last_when_the_time_is_up(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  at-most: {runs: 1, per: 10s, then: last, key: \"k\"}\n"
                               "  actions: [note: \"${Word}\"]\n");
    lab_poke(lab, "t", "1");
    lab_poke(lab, "t", "2");
    lab_poke(lab, "t", "3");
    lab_expect(lab, "1 ");
    assert_int_equal(lab->ended, 2);
    lab_pass(lab, 9999);
    lab_expect(lab, "");
    lab_pass(lab, 1);
    lab_expect(lab, "3 ");
    lab_poke(lab, "t", "4");
    lab_pass(lab, 10000);
    lab_expect(lab, "4 ");
    lab_poke(lab, "t", "5");
    run_cancel(lab->last_run);
    lab_pass(lab, 20000);
    lab_expect(lab, "");
    lab_free(lab);
}

static void the_last_one_still_takes_its_turn(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  at-most: {runs: 1, per: 1s, then: last}\n  mode: queued\n"
                               "  actions: [note: \"${Word}\", hang: a]\n");
    lab_poke(lab, "t", "1");
    lab_poke(lab, "t", "2");
    lab_pass(lab, 1000);
    lab_expect(lab, "1 ");
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "2 ");
    lab_finish(lab, "a", STEP_DONE);
    lab_free(lab);
}

static void keys_of_at_most_are_bounded_in_number(void **state) {
    (void)state;
    char word[16];
    struct lab *lab =
        lab_load("t:\n  at-most: {runs: 1, per: 1d, key: \"${Word}\"}\n  actions: []\n");
    for (int i = 0; i <= 10000; i++) {
        snprintf(word, sizeof word, "%d", i);
        assert_int_equal(lab_poke(lab, "t", word).gate, RUN_ADMITTED);
    }
    assert_int_equal(lab_poke(lab, "t", "10000").gate, RUN_AT_MOST);
    assert_int_equal(lab_poke(lab, "t", "0").gate, RUN_ADMITTED); /* forgotten */
    lab_free(lab);
}

static void an_engine_that_ends_lets_nothing_of_a_queue_begin(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: queued\n  actions: [note: \"${Word}\", hang: a]\n");
    lab_poke(lab, "t", "1");
    lab_poke(lab, "t", "2");
    lab_poke(lab, "t", "3");
    engine_free(lab->engine);
    lab->engine = NULL;
    assert_int_equal(lab->ended, 3);
    lab_expect(lab, "1 !a ");
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queued_runs_begin_one_after_the_other),
        cmocka_unit_test(a_queue_has_an_end),
        cmocka_unit_test(a_full_queue_may_drop_its_oldest),
        cmocka_unit_test(a_key_makes_a_queue_per_value),
        cmocka_unit_test(single_and_parallel_count_per_key),
        cmocka_unit_test(restart_begins_when_the_older_one_has_ended),
        cmocka_unit_test(a_queued_run_may_be_cancelled),
        cmocka_unit_test(a_refused_event_may_start_another_task_in_its_place),
        cmocka_unit_test(a_dropped_event_may_start_another_task_in_its_place),
        cmocka_unit_test(waiting_for_what_an_ancestor_holds_is_an_error),
        cmocka_unit_test(a_parent_may_start_the_same_single_task_again),
        cmocka_unit_test(at_most_drops_what_comes_too_early),
        cmocka_unit_test(at_most_may_run_the_last_when_the_time_is_up),
        cmocka_unit_test(the_last_one_still_takes_its_turn),
        cmocka_unit_test(keys_of_at_most_are_bounded_in_number),
        cmocka_unit_test(an_engine_that_ends_lets_nothing_of_a_queue_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
