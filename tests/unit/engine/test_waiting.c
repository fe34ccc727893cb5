/* Runs of a task that wait, in any way, for whatever key: one bound for all of them, passed by one.
 */
#include "tests/unit/engine/lab.h"

static uint64_t refused(struct lab *lab, enum run_gate gate) {
    struct engine_stats stats;
    engine_stats(lab->engine, &stats);
    return stats.refused[gate];
}

static uint64_t waiting(struct lab *lab) {
    struct engine_stats stats;
    engine_stats(lab->engine, &stats);
    return stats.waiting;
}

/* Keys `from` to `to` - 1, all admitted. */
static void poke_keys(struct lab *lab, const char *task, int from, int to) {
    char word[16];
    for (int i = from; i < to; i++) {
        snprintf(word, sizeof word, "%d", i);
        assert_int_equal(lab_poke(lab, task, word).gate, RUN_ADMITTED);
    }
}

/* proves T9 for keys that peers choose, with all below */
static void runs_of_all_keys_of_single_count_together(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: single, key: \"${Word}\", max: 5}\n"
                               "  actions: [hang: \"${Word}\"]\n");
    poke_keys(lab, "t", 0, 5);
    struct run_verdict verdict = lab_poke(lab, "t", "5");
    assert_int_equal(verdict.gate, RUN_MAX);
    assert_int_equal(verdict.retry_after_ms, 1000);
    assert_int_equal(verdict.mark.line, 2);
    assert_int_equal(refused(lab, RUN_MAX), 1);
    assert_int_equal(waiting(lab), 5);
    lab_finish(lab, "2", STEP_DONE);
    poke_keys(lab, "t", 5, 6);
    assert_int_equal(lab_poke(lab, "t", "6").gate, RUN_MAX);
    const char *const words[] = {"0", "1", "3", "4", "5"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        lab_finish(lab, words[i], STEP_DONE);
    assert_int_equal(waiting(lab), 0);
    lab_free(lab);
}

static void what_queues_counts_and_counts_on_when_it_runs(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: queued, key: \"${Word}\", max: 3}\n"
                               "  actions: [note: \"${Word}\", hang: \"${Word}\"]\n");
    lab_poke(lab, "t", "x");
    lab_poke(lab, "t", "x");
    lab_poke(lab, "t", "y");
    assert_int_equal(waiting(lab), 3);
    assert_int_equal(lab_poke(lab, "t", "x").gate, RUN_MAX);
    assert_int_equal(lab_poke(lab, "t", "z").gate, RUN_MAX);
    lab_finish(lab, "x", STEP_DONE); /* the second begins, and waits in its step now */
    lab_expect(lab, "x y x ");
    assert_int_equal(lab_poke(lab, "t", "z").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "z").gate, RUN_MAX);
    run_cancel(lab->last_run);
    assert_int_equal(lab_poke(lab, "t", "x").gate, RUN_ADMITTED);
    lab_finish(lab, "x", STEP_DONE);
    lab_finish(lab, "x", STEP_DONE);
    lab_finish(lab, "y", STEP_DONE);
    assert_int_equal(waiting(lab), 0);
    lab_free(lab);
}

static void those_that_give_way_to_a_newer_one_count_until_they_end(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: restart, key: \"${Word}\", max: 3}\n  actions:\n"
                               "    - try: [hang: \"${Word}\"]\n      finally: [nap: 1s]\n");
    lab_poke(lab, "t", "x");
    lab_poke(lab, "t", "x"); /* waits for the first, which cleans up */
    assert_int_equal(lab_poke(lab, "t", "y").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "z").gate, RUN_MAX);
    lab_pass(lab, 1000);
    assert_int_equal(lab_poke(lab, "t", "z").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "z").gate, RUN_MAX);
    lab_finish(lab, "x", STEP_DONE);
    lab_finish(lab, "y", STEP_DONE);
    lab_finish(lab, "z", STEP_DONE);
    lab_pass(lab, 1000);
    assert_int_equal(waiting(lab), 0);
    lab_free(lab);
}

static void parallel_with_a_key_counts_per_key_and_of_all_keys(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {max: 2, key: \"${Word}\"}\n  actions: [nap: 1s]\n");
    poke_keys(lab, "t", 0, 5000);
    poke_keys(lab, "t", 0, 5000);
    assert_int_equal(refused(lab, RUN_MAX), 0);
    assert_int_equal(lab_poke(lab, "t", "new").gate, RUN_MAX);
    lab_pass(lab, 1000);
    assert_int_equal(lab_poke(lab, "t", "new").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "new").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "new").gate, RUN_MAX);
    lab_pass(lab, 1000);
    lab_free(lab);
}

static void ten_thousand_keys_wait_and_no_more(void **state) {
    (void)state;
    static const char *const modes[] = {"single", "queued", "restart"};
    char yaml[128];
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        snprintf(yaml, sizeof yaml,
                 "t:\n  mode: {type: %s, key: \"${Word}\"}\n  actions: [nap: 1s]\n", modes[i]);
        struct lab *lab = lab_load(yaml);
        poke_keys(lab, "t", 0, 10000);
        assert_int_equal(lab_poke(lab, "t", "10000").gate, RUN_MAX);
        assert_int_equal(waiting(lab), 10000);
        lab_pass(lab, 1000);
        assert_int_equal(lab_poke(lab, "t", "10000").gate, RUN_ADMITTED);
        lab_pass(lab, 1000);
        assert_int_equal(waiting(lab), 0);
        lab_free(lab);
    }
}

static void a_queue_that_is_to_be_longer_is(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("t:\n  mode: {type: queued, max-waiting: 10002}\n  actions: [nap: 1s]\n");
    assert_int_equal(task_max(program_find_task(lab->program, SLICE("t"))), 10003);
    poke_keys(lab, "t", 0, 10003);
    assert_int_equal(lab_poke(lab, "t", "").gate, RUN_MAX);
    engine_cancel_task(lab->engine, SLICE("t"));
    assert_int_equal(waiting(lab), 0);
    lab_free(lab);
}

static void a_task_may_run_in_place_of_what_finds_no_room(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("t:\n  mode: {type: single, key: \"${Word}\", max: 1, on-refused: u}\n"
                 "  actions: [hang: a]\n"
                 "u:\n  actions: [note: \"u${Word}\"]\n");
    assert_int_equal(lab_poke(lab, "t", "1").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "2").gate, RUN_ADMITTED);
    lab_expect(lab, "u2 ");
    assert_int_equal(refused(lab, RUN_MAX), 1);
    lab_finish(lab, "a", STEP_DONE);
    lab_free(lab);
}

static void long_keys_differ_by_what_is_not_kept_of_them(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: single, key: \"${('x'):rep(1000)}${Word}\"}\n"
                               "  actions: [hang: \"${Word}\"]\n"
                               "u:\n  mode: {type: single, key: \"${('x'):rep(#Word)}\"}\n"
                               "  actions: [hang: \"${Word}\"]\n");
    assert_int_equal(lab_poke(lab, "t", "a").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "b").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "a").gate, RUN_MODE);
    assert_int_equal(lab_poke(lab, "u", "a").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "u", "b").gate, RUN_MODE);
    lab_finish(lab, "a", STEP_DONE);
    lab_finish(lab, "a", STEP_DONE);
    lab_finish(lab, "b", STEP_DONE);
    lab_free(lab);
}

/* ---- run-memory -------------------------------------------------------------------------------
 */

static uint64_t memory(struct lab *lab) {
    struct engine_stats stats;
    engine_stats(lab->engine, &stats);
    return stats.memory_bytes;
}

/* proves T3: what waits is charged, with the event that it keeps */
static void what_waits_in_any_way_is_charged_to_the_memory_of_runs(void **state) {
    (void)state;
    static const char *const tasks[] = {
        "t:\n  actions: [hang: a]\n",
        "t:\n  mode: {type: queued, key: \"${Word}\"}\n  actions: [hang: a]\n",
        "t:\n  at-most: {runs: 1, per: 10s, then: last, key: \"${Word}\"}\n  actions: []\n"};
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        struct lab *lab = lab_load(tasks[i]);
        lab_poke(lab, "t", "1");
        uint64_t before = memory(lab);
        lab_poke(lab, "t", "1"); /* in the step; in its queue; as the last one */
        uint64_t each = memory(lab) - before;
        assert_true(each > sizeof(struct lab_event));
        engine_set_memory(lab->engine, 16 << 20, memory(lab) + 1);
        lab_poke(lab, "t", "2"); /* there is room, by a byte */
        lab_poke(lab, "t", "2");
        assert_int_equal(lab_poke(lab, "t", "3").gate, RUN_MEMORY);
        engine_cancel_task(lab->engine, SLICE("t"));
        assert_int_equal(memory(lab), 0);
        assert_int_equal(lab_poke(lab, "t", "3").gate, RUN_ADMITTED);
        engine_cancel_task(lab->engine, SLICE("t"));
        lab_free(lab);
    }
}

/* ---- at-most: the last ones -------------------------------------------------------------------
 */

static void the_last_ones_of_at_most_count_with_the_mode(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  at-most: {runs: 1, per: 10s, then: last, key: \"${Word}\"}\n"
                               "  mode: {type: queued, key: all, max: 3}\n"
                               "  actions: [note: \"${Word}\"]\n");
    for (int i = 0; i < 3; i++) {
        poke_keys(lab, "t", i, i + 1);
        poke_keys(lab, "t", i, i + 1);
        lab_pass(lab, 1);
    }
    lab_expect(lab, "0 1 2 ");
    assert_int_equal(waiting(lab), 3);
    assert_int_equal(lab_poke(lab, "t", "3").gate, RUN_MAX);
    assert_int_equal(lab_poke(lab, "t", "0").gate, RUN_MAX);
    lab_pass(lab, 10000);
    lab_expect(lab, "0 1 2 ");
    assert_int_equal(waiting(lab), 0);
    assert_int_equal(lab_poke(lab, "t", "3").gate, RUN_ADMITTED);
    lab_expect(lab, "3 ");
    lab_free(lab);
}

static void ten_thousand_last_ones_wait_and_no_more(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  at-most: {runs: 1, per: 10s, then: last, key: \"${Word}\"}\n"
                               "  actions: []\n");
    for (int round = 0; round < 2; round++)
        poke_keys(lab, "t", 0, 10000);
    assert_int_equal(lab_poke(lab, "t", "10000").gate, RUN_MAX);
    assert_int_equal(waiting(lab), 10000);
    assert_int_equal(refused(lab, RUN_MAX), 1);
    lab_pass(lab, 10000);
    assert_int_equal(waiting(lab), 0);
    assert_int_equal(lab_poke(lab, "t", "10000").gate, RUN_ADMITTED);
    lab_free(lab);
}

/* Two tasks fill the table, neither of them its bound. */
static void a_key_for_which_a_run_waits_is_not_forgotten(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  at-most: {runs: 1, per: 10s, then: last, key: \"${Word}\"}\n"
                               "  actions: []\n"
                               "u:\n  at-most: {runs: 1, per: 10s, then: last, key: \"${Word}\"}\n"
                               "  actions: []\n");
    for (int round = 0; round < 2; round++)
        poke_keys(lab, "t", 0, 6000);
    for (int round = 0; round < 2; round++)
        poke_keys(lab, "u", 0, 3999);
    poke_keys(lab, "u", 3999, 5000); /* each of them takes the place of the one before */
    assert_int_equal(lab_poke(lab, "u", "4999").gate, RUN_ADMITTED);
    assert_int_equal(waiting(lab), 10000);
    struct run_verdict verdict = lab_poke(lab, "u", "5000");
    assert_int_equal(verdict.gate, RUN_MAX);
    assert_int_equal(verdict.retry_after_ms, 1000);
    size_t ended = lab->ended;
    assert_int_equal(lab_poke(lab, "t", "0").gate, RUN_ADMITTED); /* as the last one of its key */
    assert_int_equal(lab->ended, ended + 1);
    assert_int_equal(lab->last_end.refused_by, RUN_AT_MOST);
    run_cancel(lab->last_run);
    assert_int_equal(lab_poke(lab, "u", "5000").gate, RUN_ADMITTED);
    lab_pass(lab, 10000);
    assert_int_equal(waiting(lab), 0);
    lab_free(lab);
}

static void a_small_mode_does_not_count_the_last_one_beside_it(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  at-most: {runs: 1, per: 10s, then: last}\n  mode: {max: 1}\n"
                               "  actions: [note: \"${Word}\", nap: 1s]\n");
    lab_poke(lab, "t", "1");
    assert_int_equal(lab_poke(lab, "t", "2").gate, RUN_ADMITTED);
    lab_pass(lab, 11000);
    lab_expect(lab, "1 2 ");
    assert_int_equal(lab->ended, 2);
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_of_all_keys_of_single_count_together),
        cmocka_unit_test(what_queues_counts_and_counts_on_when_it_runs),
        cmocka_unit_test(those_that_give_way_to_a_newer_one_count_until_they_end),
        cmocka_unit_test(parallel_with_a_key_counts_per_key_and_of_all_keys),
        cmocka_unit_test(ten_thousand_keys_wait_and_no_more),
        cmocka_unit_test(a_queue_that_is_to_be_longer_is),
        cmocka_unit_test(a_task_may_run_in_place_of_what_finds_no_room),
        cmocka_unit_test(long_keys_differ_by_what_is_not_kept_of_them),
        cmocka_unit_test(what_waits_in_any_way_is_charged_to_the_memory_of_runs),
        cmocka_unit_test(the_last_ones_of_at_most_count_with_the_mode),
        cmocka_unit_test(ten_thousand_last_ones_wait_and_no_more),
        cmocka_unit_test(a_key_for_which_a_run_waits_is_not_forgotten),
        cmocka_unit_test(a_small_mode_does_not_count_the_last_one_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
