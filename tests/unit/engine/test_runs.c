/* Runs as wholes: gates, runs without a trigger, children, generations, lists, the journal. */
#include "tests/unit/engine/lab.h"

static enum status start_with(struct lab *lab, struct run_request request, const char *task) {
    char id[RUN_ID_MAX];
    struct run_verdict verdict;
    request.task = program_find_task(engine_program(lab->engine), slice_of(task));
    return run_start(lab->engine, &request, id, &verdict, NULL);
}

static void on_ended(void *context, const struct run_end *end) { lab_note_end(context, end); }

static enum status start(struct lab *lab, const char *task, struct value vars) {
    struct run_request request = {
        .cause = RUN_MANUAL, .vars = vars, .on_ended = on_ended, .context = lab};
    enum status status = start_with(lab, request, task);
    if (status == STATUS_OK)
        lab->admitted++; /* no event counts it */
    return status;
}

static void on_settled(void *context, const struct run_verdict *verdict) {
    (void)context, (void)verdict;
    fail_msg("told a second time");
}

/* proves T9: who starts a run is gone when its turn comes. */
static void a_final_verdict_is_told_once(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: queued, max-waiting: 1, overflow: "
                               "drop-oldest}\n  actions: [hang: a]\n");
    struct run_request request = {.cause = RUN_TASK, .on_settled = on_settled, .context = lab};
    for (int i = 0; i < 3; i++) /* one runs, one is dropped, one waits */
        assert_int_equal(start_with(lab, request, "t"), STATUS_OK);
    lab_pass(lab, 0);
    lab_finish(lab, "a", STEP_DONE);
    lab_finish(lab, "a", STEP_DONE);
    lab_free(lab);
}

/* proves T10 */
static void a_run_by_hand_has_its_names_and_no_event(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("t:\n  vars: {a: 1, b: 2}\n  conditions: [Word == \"w\"]\n"
                 "  actions: [note: \"${a}${b}<${Word}>${Trigger}\", stop: \"${a}\"]\n");
    const struct value_pair pairs[] = {{value_bytes(SLICE("a")), value_int(7)}};
    struct value vars = {.type = VALUE_MAP, .count = 1, .pairs = pairs};
    assert_int_equal(start(lab, "t", vars), STATUS_OK);
    lab_expect(lab, "72<> ");
    assert_string_equal(lab->result, "7");
    const struct value_pair wrong[] = {{value_bytes(SLICE("c")), value_int(7)}};
    vars.pairs = wrong;
    assert_int_equal(start(lab, "t", vars), STATUS_NOT_FOUND);
    lab_free(lab);
}

static void a_run_by_hand_waits_and_ends(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions: [hang: a, boom: why]\n");
    assert_int_equal(start(lab, "t", value_nil()), STATUS_OK);
    assert_int_equal(lab->ended, 0);
    lab_finish(lab, "a", STEP_DONE);
    assert_int_equal(lab->outcome, RUN_FAILED);
    assert_string_equal(lab->error, "why");
    lab_free(lab);
}

/* proves T8 */
static void a_task_starts_another_and_waits_for_its_result(void **state) {
    (void)state;
    struct lab *lab = lab_load(
        "t:\n  actions:\n    - {call: {task: u, wait: true, vars: {x: \"${Word}\"}}, save: r}\n"
        "    - note: got${r}\n"
        "u:\n  vars: {x: 0}\n  actions: [nap: 1s, note: \"u${x}\", stop: \"${x}!\"]\n");
    lab_poke(lab, "t", "w");
    lab_expect(lab, "");
    lab_pass(lab, 1000);
    lab_expect(lab, "uw gotw! ");
    assert_int_equal(lab->outcome, RUN_DONE);
    lab_free(lab);
}

static void a_task_that_is_not_waited_for_begins_when_the_run_gives_way(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions: [call: u, note: t1, hang: a, note: t2]\n"
                               "u:\n  actions: [note: u]\n");
    lab_poke(lab, "t", "");
    lab_expect(lab, "t1 u ");
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "t2 ");
    lab_free(lab);
}

static void a_failed_child_fails_the_waiting_step(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions: [call: {task: u, wait: true}]\n"
                               "u:\n  actions: [boom: why]\n");
    lab_poke(lab, "t", "");
    assert_string_equal(lab->error, "the task failed: why");
    lab_free(lab);
}

static void a_task_that_starts_itself_ends_in_an_error(void **state) {
    (void)state;
    struct engine_stats stats;
    struct lab *lab = lab_load("t:\n  actions: [call: {task: t, wait: true}]\n");
    lab_poke(lab, "t", "");
    assert_int_equal(lab->outcome, RUN_FAILED);
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.started, 33);
    assert_int_equal(stats.failed, 33);
    assert_int_equal(stats.refused[RUN_DEPTH], 1);
    lab_free(lab);
}

static void an_event_brings_the_depth_of_its_cause(void **state) {
    (void)state;
    struct engine_stats stats;
    struct event event = {.cause = RUN_TRIGGER, .depth = 32};
    struct lab *lab = lab_load("t:\n  actions: [call: {task: u, wait: true}]\n"
                               "u:\n  actions: [note: u]\n");
    const struct task *task = program_find_task(lab->program, SLICE("t"));
    assert_int_equal(run_begin(lab->engine, task, &event).gate, RUN_ADMITTED);
    lab_expect(lab, ""); /* what it would have started is too deep */
    event.depth = 33;
    assert_int_equal(run_begin(lab->engine, task, &event).gate, RUN_DEPTH);
    event.depth = 31;
    assert_int_equal(run_begin(lab->engine, task, &event).gate, RUN_ADMITTED);
    lab_expect(lab, "u ");
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.refused[RUN_DEPTH], 2);
    assert_int_equal(stats.started, 3);
    lab_free(lab);
}

static void a_cancelled_parent_does_not_hear_of_its_child(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions: [call: {task: u, wait: true}]\n"
                               "u:\n  actions: [hang: a, note: u]\n");
    lab_poke(lab, "t", "");
    run_cancel(lab->last_run);
    assert_int_equal(lab->outcome, RUN_CANCELLED);
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "u ");
    lab_free(lab);
}

static void conditions_decide_and_one_that_errors_does_not_hold(void **state) {
    (void)state;
    struct lab *lab =
        lab_load("t:\n  conditions:\n    - Word ~= \"no\"\n"
                 "    - {when: number(Word) < 5, unmet: 409}\n  actions: [note: \"${Word}\"]\n");
    struct run_verdict verdict = lab_poke(lab, "t", "no");
    assert_int_equal(verdict.gate, RUN_UNMET);
    assert_int_equal(verdict.status, 0);
    assert_int_equal(verdict.mark.line, 3);
    verdict = lab_poke(lab, "t", "9");
    assert_int_equal(verdict.gate, RUN_UNMET);
    assert_int_equal(verdict.status, 409);
    assert_int_equal(lab_poke(lab, "t", "text").gate, RUN_UNMET);
    assert_int_equal(lab_poke(lab, "t", "4").gate, RUN_ADMITTED);
    lab_expect(lab, "4 ");
    struct engine_stats stats;
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.refused[RUN_UNMET], 3);
    assert_int_equal(stats.live, 0);
    assert_int_equal(lab->held, 0);
    lab_free(lab);
}

/* proves T9 for single and parallel without keys */
static void single_refuses_the_second(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: single\n  actions: [hang: a]\n");
    lab_poke(lab, "t", "");
    struct run_verdict verdict = lab_poke(lab, "t", "");
    assert_int_equal(verdict.gate, RUN_MODE);
    assert_true(verdict.retry_after_ms >= 1000);
    lab_finish(lab, "a", STEP_DONE);
    assert_int_equal(lab_poke(lab, "t", "").gate, RUN_ADMITTED);
    lab_finish(lab, "a", STEP_DONE);
    lab_free(lab);
}

static void parallel_has_a_bound(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: {type: parallel, max: 2}\n  actions: [nap: 1s]\n");
    lab_poke(lab, "t", "");
    lab_poke(lab, "t", "");
    assert_int_equal(lab_poke(lab, "t", "").gate, RUN_MAX);
    lab_pass(lab, 1000);
    assert_int_equal(lab_poke(lab, "t", "").gate, RUN_ADMITTED);
    lab_pass(lab, 1000);
    lab_free(lab);
}

static void ten_thousand_runs_wait_and_no_more(void **state) {
    (void)state;
    struct engine_stats stats;
    struct lab *lab = lab_load("t:\n  actions: [nap: 1s]\n");
    for (int i = 0; i < 10000; i++)
        assert_int_equal(lab_poke(lab, "t", "").gate, RUN_ADMITTED);
    assert_int_equal(lab_poke(lab, "t", "").gate, RUN_MAX);
    lab_pass(lab, 1000);
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.done, 10000);
    assert_int_equal(lab_poke(lab, "t", "").gate, RUN_ADMITTED);
    lab_pass(lab, 1000);
    lab_free(lab);
}

/* proves T6: runs at once do not mix */
static void runs_beside_each_other_have_their_own_names(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions:\n    - set: {x: \"${Word}\"}\n    - hang: ${Word}\n"
                               "    - note: ${x}${Word}\n");
    lab_poke(lab, "t", "a");
    lab_poke(lab, "t", "b");
    lab_finish(lab, "b", STEP_DONE);
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "bb aa ");
    lab_free(lab);
}

/* proves D2: runs that are going finish on what they began with */
static void a_new_program_serves_new_events_and_old_runs_finish(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  mode: single\n  actions: [hang: a, note: old]\n");
    lab_poke(lab, "t", "");
    struct program *next =
        lab_build(lab, "t:\n  mode: single\n  actions: [note: new]\n", lab->program);
    assert_non_null(next);
    engine_set_program(lab->engine, next);
    program_unref(lab->program);
    lab->program = next;
    assert_int_equal(lab_poke(lab, "t", "").gate, RUN_MODE); /* the mode outlives the reload */
    lab_finish(lab, "a", STEP_DONE);
    lab_poke(lab, "t", "");
    lab_expect(lab, "old new ");
    struct task_info info;
    engine_task_info(lab->engine, program_find_task(next, SLICE("t")), &info);
    assert_int_equal(info.runs, 2);
    lab_free(lab);
}

static void count_run(void *context, const struct run_info *info) {
    struct lab *lab = context;
    char text[256];
    snprintf(text, sizeof text, SLICE_FMT "@" SLICE_FMT "@" SLICE_FMT "@" SLICE_FMT,
             SLICE_ARG(info->task), SLICE_ARG(info->step), SLICE_ARG(info->at),
             SLICE_ARG(info->trigger));
    assert_true(info->is_waiting);
    assert_non_null(engine_find_run(lab->engine, info->id));
    lab_trace(lab, text, strlen(text));
}

static void live_runs_are_listed_found_and_cancelled_by_task(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  triggers: [poke: /x]\n  actions:\n    - if: true\n"
                               "      then: [note: a, hang: a]\n"
                               "u:\n  actions: [hang: b]\n");
    lab_poke(lab, "t", "");
    lab_poke(lab, "t", "");
    lab_poke(lab, "u", "");
    lab->trace[0] = '\0';
    engine_list_runs(lab->engine, count_run, lab);
    lab_expect(lab, "t@1/then/2@tasks.yaml:5@poke t@1/then/2@tasks.yaml:5@poke u@1@tasks.yaml:7@ ");
    assert_null(engine_find_run(lab->engine, SLICE("none")));
    assert_int_equal(engine_cancel_task(lab->engine, SLICE("t")), 2);
    lab_expect(lab, "!a !a ");
    lab_finish(lab, "b", STEP_DONE);
    lab_free(lab);
}

static void note_ended(void *context, const struct run_info *info) {
    char text[256];
    assert_true(info->has_ended && info->id.size == RUN_ID_MAX - 1);
    assert_true(info->ended_ms >= info->started_ms);
    snprintf(text, sizeof text, "%d" SLICE_FMT "@" SLICE_FMT "@" SLICE_FMT "@" SLICE_FMT,
             (int)info->outcome, SLICE_ARG(info->task), SLICE_ARG(info->step), SLICE_ARG(info->at),
             SLICE_ARG(info->error));
    lab_trace(context, text, strlen(text));
}
static void count_ended(void *context, const struct run_info *info) {
    (void)info;
    ++*(size_t *)context;
}

/* proves T16 for the ended runs */
static void the_latest_ended_runs_are_listed_with_their_failing_place(void **state) {
    (void)state;
    size_t count = 0;
    struct lab *lab = lab_load("t:\n  actions:\n    - {boom: \"${Word}\", when: Word ~= \"\"}\n"
                               "u:\n  actions: [hang: a]\n");
    lab_poke(lab, "t", "");
    lab_poke(lab, "t", "why");
    lab_poke(lab, "u", "");
    run_cancel(lab->last_run);
    lab->trace[0] = '\0';
    /* The program may go, the list stays. */
    struct program *next = lab_build(lab, "v:\n  actions: []\n", lab->program);
    engine_set_program(lab->engine, next);
    program_unref(lab->program);
    lab->program = next;
    engine_list_ended(lab->engine, note_ended, lab);
    lab_expect(lab, "2u@@@ 1t@1@tasks.yaml:3@why 0t@@@ ");
    for (int i = 0; i < ENGINE_ENDED_MAX + 10; i++)
        lab_poke(lab, "v", "");
    engine_list_ended(lab->engine, count_ended, &count);
    assert_int_equal(count, ENGINE_ENDED_MAX);
    lab_free(lab);
}

static void counters_tell_of_each_task(void **state) {
    (void)state;
    struct task_info info;
    struct lab *lab = lab_load("t:\n  actions: [{boom: \"${Word}\", when: Word ~= \"\"}]\n");
    const struct task *task = program_find_task(lab->program, SLICE("t"));
    engine_task_info(lab->engine, task, &info);
    assert_int_equal(info.runs, 0);
    lab_poke(lab, "t", "");
    lab_poke(lab, "t", "why");
    engine_task_info(lab->engine, task, &info);
    assert_int_equal(info.runs, 2);
    assert_int_equal(info.failures, 1);
    assert_int_equal(info.active, 0);
    assert_true(info.last_error_ms > 0 && slice_is(info.last_error, "why"));
    lab_free(lab);
}

static void an_engine_that_ends_cancels_what_waits(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions: [{try: [hang: a], finally: [hang: never]}]\n"
                               "u:\n  actions: [nap: 1s]\n");
    lab_poke(lab, "t", "");
    lab_poke(lab, "u", "");
    engine_free(lab->engine);
    lab->engine = NULL;
    lab_expect(lab, "!a !nap ");
    assert_int_equal(lab->ended, 2);
    lab_free(lab);
}

/* ---- the journal
 * --------------------------------------------------------------------------------- */

static enum step_state journal_begun(void *context, struct run *run) {
    struct lab *lab = context;
    lab_trace(lab, "begun", 5);
    lab->last_run = run;
    return STEP_PENDING;
}
static enum step_state journal_step(void *context, struct run *run, uint64_t step_id) {
    (void)run;
    assert_true(step_id != 0);
    lab_trace(context, "step", 4);
    return STEP_PENDING;
}
static enum step_state journal_ended(void *context, struct run *run, const struct run_end *end) {
    (void)run, (void)end;
    lab_trace(context, "ended", 5);
    return STEP_PENDING;
}

static struct lab *journaled(const struct engine_journal *journal, struct lab *lab) {
    lab->program = lab_build(lab, "t:\n  actions: [note: \"${Word}\", note: b]\n", NULL);
    struct engine_options options = {
        .clock = &lab->clock, .host = lab, .wake_at = lab_wake_at, .journal = journal};
    lab->engine = engine_new(&options);
    engine_set_program(lab->engine, lab->program);
    lab_poke(lab, "t", "w");
    return lab;
}

static void a_journal_may_hold_the_run_at_each_of_its_points(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    const struct engine_journal journal = {lab, journal_begun, journal_step, journal_ended};
    journaled(&journal, lab);
    static const char *const points[] = {"begun ", "w step ", "b step ", "ended "};
    for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
        lab_expect(lab, points[i]);
        assert_int_equal(lab->ended, 0);
        run_resume(lab->last_run);
    }
    assert_int_equal(lab->ended, 1);
    lab_free(lab);
}

static void a_run_that_the_journal_holds_is_cancelled_when_it_goes_on(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    const struct engine_journal journal = {lab, journal_begun, journal_step, journal_ended};
    journaled(&journal, lab);
    run_resume(lab->last_run);
    run_cancel(lab->last_run);
    lab_expect(lab, "begun w step ");
    run_resume(lab->last_run);
    lab_expect(lab, "ended ");
    run_resume(lab->last_run);
    assert_int_equal(lab->outcome, RUN_CANCELLED);
    lab_free(lab);
}

static void an_engine_that_ends_does_not_wait_for_the_journal(void **state) {
    (void)state;
    for (int resumes = 0; resumes < 4; resumes++) {
        struct lab *lab = lab_new();
        const struct engine_journal journal = {lab, journal_begun, journal_step, journal_ended};
        journaled(&journal, lab);
        for (int i = 0; i < resumes; i++)
            run_resume(lab->last_run);
        engine_free(lab->engine);
        lab->engine = NULL;
        assert_int_equal(lab->ended, 1);
        lab_free(lab);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_final_verdict_is_told_once),
        cmocka_unit_test(a_run_by_hand_has_its_names_and_no_event),
        cmocka_unit_test(a_run_by_hand_waits_and_ends),
        cmocka_unit_test(a_task_starts_another_and_waits_for_its_result),
        cmocka_unit_test(a_task_that_is_not_waited_for_begins_when_the_run_gives_way),
        cmocka_unit_test(a_failed_child_fails_the_waiting_step),
        cmocka_unit_test(a_task_that_starts_itself_ends_in_an_error),
        cmocka_unit_test(an_event_brings_the_depth_of_its_cause),
        cmocka_unit_test(a_cancelled_parent_does_not_hear_of_its_child),
        cmocka_unit_test(conditions_decide_and_one_that_errors_does_not_hold),
        cmocka_unit_test(single_refuses_the_second),
        cmocka_unit_test(parallel_has_a_bound),
        cmocka_unit_test(ten_thousand_runs_wait_and_no_more),
        cmocka_unit_test(runs_beside_each_other_have_their_own_names),
        cmocka_unit_test(a_new_program_serves_new_events_and_old_runs_finish),
        cmocka_unit_test(live_runs_are_listed_found_and_cancelled_by_task),
        cmocka_unit_test(the_latest_ended_runs_are_listed_with_their_failing_place),
        cmocka_unit_test(counters_tell_of_each_task),
        cmocka_unit_test(an_engine_that_ends_cancels_what_waits),
        cmocka_unit_test(a_journal_may_hold_the_run_at_each_of_its_points),
        cmocka_unit_test(a_run_that_the_journal_holds_is_cancelled_when_it_goes_on),
        cmocka_unit_test(an_engine_that_ends_does_not_wait_for_the_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
