/* Failures: on-error of steps, blocks and tasks, retries, time outs, cancelling. */
#include "tests/unit/engine/lab.h"

static struct lab *run_task_text(const char *task) {
    char yaml[8192];
    snprintf(yaml, sizeof yaml, "t:\n%s", task);
    struct lab *lab = lab_load(yaml);
    assert_int_equal(lab_poke(lab, "t", "w").gate, RUN_ADMITTED);
    return lab;
}

static void expect_run(const char *task, const char *trace, enum run_outcome outcome) {
    struct lab *lab = run_task_text(task);
    lab_expect(lab, trace);
    assert_int_equal(lab->ended, 1);
    assert_int_equal(lab->outcome, outcome);
    lab_free(lab);
}

/* proves M6 */
static void a_failure_ends_the_run_unless_told_otherwise(void **state) {
    (void)state;
    expect_run("  actions: [note: a, boom: why, note: never]\n", "a ", RUN_FAILED);
    expect_run("  actions: [{boom: why, on-error: fail}, note: never]\n", "", RUN_FAILED);
    expect_run("  actions: [{boom: why, on-error: continue}, note: \"${StepResult}\", "
               "note: \"${StepResult}\"]\n",
               "1 0 ", RUN_DONE);
}

/* proves T5 */
static void a_step_is_tried_again_with_growing_delays(void **state) {
    (void)state;
    struct lab *lab = run_task_text(
        "  vars: {n: 0}\n  actions:\n"
        "    - {if: true, then: [set: {n: \"${n + 1}\"}, note: \"${n}\", boom: \"x${n}\"],\n"
        "       on-error: {retry: {attempts: 4, delay: 1s, max-delay: 3s}}}\n");
    lab_expect(lab, "1 ");
    lab_pass(lab, 499);
    lab_expect(lab, "");
    lab_pass(lab, 501);
    lab_expect(lab, "2 ");
    lab_pass(lab, 999);
    lab_expect(lab, "");
    lab_pass(lab, 1001);
    lab_expect(lab, "3 ");
    lab_pass(lab, 3000);
    lab_expect(lab, "4 ");
    assert_int_equal(lab->outcome, RUN_FAILED);
    assert_string_equal(lab->error, "x4");
    lab_free(lab);
}

static void a_retry_that_succeeds_goes_on(void **state) {
    (void)state;
    struct lab *lab = run_task_text("  actions:\n    - {hang: a, on-error: {retry: {attempts: 3, "
                                    "delay: 1s}}}\n    - note: end\n");
    lab_finish(lab, "a", STEP_FAILED);
    lab_pass(lab, 1000);
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "end ");
    lab_free(lab);
}

static void a_task_says_what_its_steps_do(void **state) {
    (void)state;
    expect_run(
        "  on-error: continue\n  actions:\n    - boom\n    - {if: true, then: [boom, note: a]}\n"
        "    - {boom: why, on-error: fail}\n    - note: never\n",
        "a ", RUN_FAILED);
    expect_run(
        "  on-error: continue\n  actions:\n    - {try: [boom, note: never], catch: [note: c]}\n",
        "c ", RUN_DONE);
    struct lab *lab = run_task_text("  on-error: {retry: {attempts: 2, delay: 0ms}}\n"
                                    "  actions: [{if: true, then: [note: x, boom: why]}]\n");
    lab_pass(lab, 1);
    lab_expect(lab, "x ");
    assert_int_equal(lab->outcome, RUN_FAILED);
    lab_free(lab);
}

static void a_task_runs_after_a_failure_and_sees_it(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("t:\n  on-error: {run-task: h}\n  actions: [{if: true, then: [boom: {message: m, "
                 "code: 9}]}]\n"
                 "h:\n  actions:\n    - note: ${LastErrorTask},${LastErrorStep},${LastErrorCode}\n"
                 "    - note: ${LastErrorDescription}${json.decode(StartCause).cause}\n"
                 "    - note: ${json.decode(StartCause).parent ~= nil}\n");
    lab_poke(lab, "t", "");
    lab_expect(lab, "t,1/then/1,9 mtask true ");
    lab_free(lab);
}

static void tasks_that_fail_into_each_other_end(void **state) {
    (void)state;
    struct engine_stats stats;
    struct lab *lab = lab_load("t:\n  on-error: {run-task: t}\n  actions: [boom]\n");
    lab_poke(lab, "t", "");
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.failed, 33);
    assert_int_equal(stats.refused[RUN_DEPTH], 1);
    lab_free(lab);
}

static void a_step_past_its_timeout_fails(void **state) {
    (void)state;
    struct lab *lab = run_task_text("  actions:\n    - {hang: a, timeout: 2s, on-error: continue}\n"
                                    "    - note: \"${LastErrorCode} ${LastErrorDescription}\"\n");
    lab_pass(lab, 1999);
    lab_expect(lab, "");
    lab_pass(lab, 1);
    lab_expect(lab, "!a 110 no end within 2s ");
    lab_free(lab);
}

static void a_step_in_time_leaves_no_timer(void **state) {
    (void)state;
    struct lab *lab = run_task_text("  actions: [{hang: a, timeout: 2s}, {hang: b}]\n");
    lab_finish(lab, "a", STEP_DONE);
    assert_true(lab->wake_ns == UINT64_MAX);
    lab_pass(lab, 5000);
    lab_finish(lab, "b", STEP_DONE);
    assert_int_equal(lab->outcome, RUN_DONE);
    lab_free(lab);
}

static void a_block_past_its_timeout_fails_as_a_whole(void **state) {
    (void)state;
    struct lab *lab = run_task_text(
        "  actions:\n    - if: true\n      timeout: 3s\n      on-error: continue\n"
        "      then:\n        - nap: 2s\n"
        "        - {try: [hang: a], catch: [note: never], finally: [nap: 1s, note: f]}\n"
        "        - note: never\n    - note: \"${LastErrorStep}\"\n");
    lab_pass(lab, 3000);
    lab_expect(lab, "!a ");
    lab_pass(lab, 1000);
    lab_expect(lab, "f 1 ");
    assert_int_equal(lab->outcome, RUN_DONE);
    lab_free(lab);
}

static void a_block_that_computes_past_its_timeout_fails(void **state) {
    (void)state;
    struct lab *lab =
        run_task_text("  actions:\n    - if: true\n      timeout: 3s\n"
                      "      then: [hang: a, {nap: 3s, on-error: continue}, note: never]\n");
    lab_pass(lab, 2000);
    lab_finish(lab, "a", STEP_DONE);
    lab_pass(lab, 1000);
    lab_expect(lab, "!nap ");
    assert_int_equal(lab->outcome, RUN_FAILED);
    lab_free(lab);
}

static void a_parallel_past_its_timeout_ends_all_chains(void **state) {
    (void)state;
    struct lab *lab =
        run_task_text("  actions:\n    - parallel: [[hang: a], [nap: 9s], [note: c]]\n"
                      "      timeout: 3s\n      on-error: continue\n    - note: end\n");
    lab_pass(lab, 3000);
    lab_expect(lab, "c !a !nap end ");
    lab_free(lab);
}

static void a_task_past_its_timeout_fails_and_runs_finally(void **state) {
    (void)state;
    struct lab *lab = run_task_text("  timeout: 5s\n  actions:\n"
                                    "    - try:\n        - {try: [hang: a], catch: [note: never]}\n"
                                    "      finally: [note: \"f@${LastErrorStep}\"]\n"
                                    "      on-error: continue\n    - note: never\n");
    lab_pass(lab, 5000);
    lab_expect(lab, "!a f@1/try/1/try/1 ");
    assert_int_equal(lab->outcome, RUN_FAILED);
    assert_string_equal(lab->error, "the task has no end within 5s");
    lab_free(lab);
}

static void a_timeout_names_the_block_that_waits_for_its_parts(void **state) {
    (void)state;
    struct lab *lab = run_task_text("  timeout: 5s\n  actions:\n    - try:\n        - note: t\n"
                                    "        - parallel: [[hang: a], [hang: b]]\n"
                                    "      finally: [note: \"f@${LastErrorStep}\"]\n");
    lab_pass(lab, 5000);
    lab_expect(lab, "t !a !b f@1/try/2 ");
    lab_free(lab);
}

static void finally_chains_have_ten_seconds(void **state) {
    (void)state;
    struct lab *lab =
        run_task_text("  actions:\n    - try:\n"
                      "        - try: [hang: a]\n          finally: [note: f, hang: b]\n"
                      "      finally: [note: outer]\n");
    run_cancel(lab->last_run);
    lab_expect(lab, "!a f ");
    run_cancel(lab->last_run);
    lab_expect(lab, "");
    lab_pass(lab, 9999);
    lab_expect(lab, "");
    lab_pass(lab, 1);
    lab_expect(lab, "!b ");
    assert_int_equal(lab->outcome, RUN_CANCELLED);
    lab_free(lab);
}

static void a_finally_that_runs_when_cancelled_is_let_finish(void **state) {
    (void)state;
    struct lab *lab =
        run_task_text("  actions:\n    - try: [note: t]\n      finally: [hang: a, note: f]\n"
                      "    - note: never\n");
    run_cancel(lab->last_run);
    lab_expect(lab, "t ");
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "f ");
    assert_int_equal(lab->outcome, RUN_CANCELLED);
    lab_free(lab);
}

static void a_run_may_be_cancelled_at_each_of_its_waits(void **state) {
    (void)state;
    static const char task[] = "  actions:\n    - nap: 1s\n    - {hang: a, timeout: 9s}\n"
                               "    - {boom: x, on-error: {retry: {attempts: 2, delay: 1s}}}\n";
    static const struct {
        uint64_t ms;
        const char *trace;
    } waits[] = {{0, "!nap "}, {1000, "!a "}, {2000, ""}};
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
        struct engine_stats stats;
        struct lab *lab = run_task_text(task);
        lab_pass(lab, waits[i].ms);
        if (i == 2)
            lab_finish(lab, "a", STEP_DONE);
        run_cancel(lab->last_run);
        lab_expect(lab, waits[i].trace);
        assert_int_equal(lab->outcome, RUN_CANCELLED);
        assert_true(lab->wake_ns == UINT64_MAX);
        engine_stats(lab->engine, &stats);
        assert_int_equal(stats.live + stats.waiting + stats.memory_bytes, 0);
        assert_int_equal(stats.cancelled, 1);
        lab_free(lab);
    }
}

static void cancelling_is_no_failure_to_catch(void **state) {
    (void)state;
    struct lab *lab =
        run_task_text("  on-error: continue\n  actions:\n"
                      "    - try: [{hang: a, on-error: continue}, note: never]\n"
                      "      catch: [note: never]\n      on-error: {retry: {attempts: 5}}\n"
                      "    - note: never\n");
    run_cancel(lab->last_run);
    lab_expect(lab, "!a ");
    assert_int_equal(lab->outcome, RUN_CANCELLED);
    lab_free(lab);
}

static void a_run_may_cancel_itself_in_a_step(void **state) {
    (void)state;
    expect_run("  actions:\n    - try: [suicide, note: never]\n      finally: [note: f]\n",
               "!suicide f ", RUN_CANCELLED);
}

static void cancelling_reaches_every_chain(void **state) {
    (void)state;
    struct lab *lab = run_task_text(
        "  actions:\n    - parallel:\n        - [parallel: [[hang: a], [nap: 1s]]]\n"
        "        - [each: {times: 2, do: [hang: b]}]\n        - [{repeat: 3, do: [hang: c]}]\n");
    lab_pass(lab, 0);
    run_cancel(lab->last_run);
    lab_expect(lab, "!a !nap !each !b !c ");
    assert_int_equal(lab->outcome, RUN_CANCELLED);
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_ends_the_run_unless_told_otherwise),
        cmocka_unit_test(a_step_is_tried_again_with_growing_delays),
        cmocka_unit_test(a_retry_that_succeeds_goes_on),
        cmocka_unit_test(a_task_says_what_its_steps_do),
        cmocka_unit_test(a_task_runs_after_a_failure_and_sees_it),
        cmocka_unit_test(tasks_that_fail_into_each_other_end),
        cmocka_unit_test(a_step_past_its_timeout_fails),
        cmocka_unit_test(a_step_in_time_leaves_no_timer),
        cmocka_unit_test(a_block_past_its_timeout_fails_as_a_whole),
        cmocka_unit_test(a_block_that_computes_past_its_timeout_fails),
        cmocka_unit_test(a_parallel_past_its_timeout_ends_all_chains),
        cmocka_unit_test(a_task_past_its_timeout_fails_and_runs_finally),
        cmocka_unit_test(a_timeout_names_the_block_that_waits_for_its_parts),
        cmocka_unit_test(finally_chains_have_ten_seconds),
        cmocka_unit_test(a_finally_that_runs_when_cancelled_is_let_finish),
        cmocka_unit_test(a_run_may_be_cancelled_at_each_of_its_waits),
        cmocka_unit_test(cancelling_is_no_failure_to_catch),
        cmocka_unit_test(a_run_may_cancel_itself_in_a_step),
        cmocka_unit_test(cancelling_reaches_every_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
