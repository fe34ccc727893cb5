/* Steps one after the other: arguments, when, set, save, results, names. */
#include "tests/unit/engine/lab.h"

#include <unistd.h>

/* Loads one task `t` with these actions, pokes it with the word "w". */
static struct lab *run_steps(const char *steps) {
    char yaml[8192];
    snprintf(yaml, sizeof yaml, "t:\n  triggers: [poke: /x]\n  actions:\n%s", steps);
    struct lab *lab = lab_load(yaml);
    lab->has_session = true;
    assert_int_equal(lab_poke(lab, "t", "w").gate, RUN_ADMITTED);
    return lab;
}

static void expect_run(const char *steps, const char *trace, enum run_outcome outcome) {
    struct lab *lab = run_steps(steps);
    lab_expect(lab, trace);
    assert_int_equal(lab->ended, 1);
    assert_int_equal(lab->outcome, outcome);
    lab_free(lab);
}

static void a_chain_runs_in_order(void **state) {
    (void)state;
    expect_run("    - note: one\n    - note: {text: two}\n    - note: ${Word}\n"
               "    - note: \"<${Word}>\"\n    - note: $${x}\n",
               "one two w <w> ${x} ", RUN_DONE);
}

static void an_empty_chain_is_done(void **state) {
    (void)state;
    expect_run("    []\n", "", RUN_DONE);
}

static void lists_among_steps_are_spliced(void **state) {
    (void)state;
    expect_run("    - note: one\n    - [{note: two}, {note: three}]\n    - boom\n",
               "one two three ", RUN_FAILED);
}

static void when_skips_and_its_failure_fails(void **state) {
    (void)state;
    expect_run("    - {note: yes1, when: Word == \"w\"}\n    - {note: no1, when: Word == \"v\"}\n"
               "    - {note: yes2, when: \"${Word == 'w'}\"}\n    - note: end\n",
               "yes1 yes2 end ", RUN_DONE);
    expect_run("    - {note: never, when: number(Word) > 1}\n    - note: never\n", "", RUN_FAILED);
}

/* proves T6 */
static void set_gives_names_of_the_run(void **state) {
    (void)state;
    expect_run("    - set: {a: 1, b: \"x${Word}\", c: {d: [1, \"${Word}\"]}}\n"
               "    - note: ${a}${b}${c}\n    - note: ${c.d}\n"
               "    - set: {a: \"${b}\", b: \"${a}\"}\n    - note: ${a},${b}\n"
               "    - set: {c.e: 2, \"c.${Word}\": 3}\n    - note: ${c}\n"
               "    - set: {c.d: null, a: null}\n    - note: ${c}|${a}\n",
               "1xw{\"d\":[1,\"w\"]} [1,\"w\"] xw,1 {\"d\":[1,\"w\"],\"e\":2,\"w\":3} "
               "{\"e\":2,\"w\":3}| ",
               RUN_DONE);
}

static void a_variable_segment_is_one_segment(void **state) {
    (void)state;
    expect_run("    - set: {k: a.b}\n    - set: {m: {}, \"m.${k}.x\": 1}\n    - note: ${m}\n",
               "{\"a.b\":{\"x\":1}} ", RUN_DONE);
}

static void a_segment_below_a_text_fails(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - set: {a: text}\n    - set: {a.b: 1}\n");
    assert_int_equal(lab->outcome, RUN_FAILED);
    assert_string_equal(lab->error, "a name on the way holds no mapping");
    assert_int_equal(lab->last_end.mark.line, 5);
    lab_free(lab);
}

/* proves T14 for sessions */
static void session_names_outlive_the_run(void **state) {
    (void)state;
    struct lab *lab =
        run_steps("    - note: \"${session.n}\"\n    - set: {session.n: \"${Word}\"}\n"
                  "    - note: \"${session.n}\"\n");
    lab_expect(lab, " w ");
    lab_poke(lab, "t", "v");
    lab_expect(lab, "w v ");
    lab->has_session = false;
    lab_poke(lab, "t", "v");
    assert_int_equal(lab->outcome, RUN_FAILED);
    assert_string_equal(lab->error, "this run has no session");
    lab_free(lab);
}

static void globals_are_committed_together_and_again_on_conflict(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions:\n"
                               "    - set: {global.n: \"${(global.n or 0) + 1}\", global.m.x: 2}\n"
                               "    - note: ${global.n}${global.m.x}\n");
    lab->conflicts = 3;
    lab_poke(lab, "t", "");
    lab_poke(lab, "t", "");
    lab_expect(lab, "12 22 ");
    lab_free(lab);
}

static void save_keeps_the_result(void **state) {
    (void)state;
    expect_run("    - {give: {value: {a: [1, 2.5, true, null, \"${Word}\"]}}, save: r}\n"
               "    - note: ${r.a}\n    - give: ignored\n",
               "[1,2.5,true,null,\"w\"] ", RUN_DONE);
}

static void vars_are_set_before_the_first_step(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  vars: {n: 5, w: \"${Word}!\", none: null}\n"
                               "  actions: [note: \"${n}${w}${none}\", set: {n: 6}]\n");
    lab_poke(lab, "t", "a");
    lab_poke(lab, "t", "b");
    lab_expect(lab, "5a! 5b! ");
    lab_free(lab);
}

static void a_variable_initial_value_that_fails_fails_the_run(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  vars: {n: \"${number(Word)}\"}\n  actions: [note: never]\n");
    lab_poke(lab, "t", "a");
    lab_expect(lab, "");
    assert_int_equal(lab->outcome, RUN_FAILED);
    assert_int_equal(lab->last_end.mark.line, 2);
    lab_free(lab);
}

/* proves M7 */
static void every_kind_of_argument_may_hold_variables(void **state) {
    (void)state;
    expect_run("    - set: {n: 4, yes: true}\n"
               "    - pack: {count: \"${n}\", flag: \"${yes}\", file: \"/d/${Word}\",\n"
               "             inner: {to: \"to ${Word}\"}, tpl: \"<${Word}&\", condition: n == 4,\n"
               "             list: [a, \"${Word}\", c, \"${n}\"], map: {k: v, l: \"${Word}\"},\n"
               "             binary: '\\x00${Word}\\n$${'}\n"
               "    - pack\n",
               "4,1,/d/w,to w,<w&,1[a][w][c][4]{k=v}{l=w}<00><77><0a><24><7b> 3,-1,,,-,0 ",
               RUN_DONE);
}

static void constants_that_only_look_dynamic_are_stored_at_load(void **state) {
    (void)state;
    expect_run("    - pack: {count: 7, list: [\"$${a}\", b], map: {k: \"$${b}\"}, "
               "inner: {to: \"$${c}\"}, binary: '\\x24{\\\\'}\n",
               "7,-1,,${c},-,0[${a}][b]{k=${b}}<24><7b><5c> ", RUN_DONE);
}

static void a_relative_file_is_joined_with_the_folder_of_the_task(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - pack: {file: \"${Word}.txt\"}\n    - pack: {file: w.txt}\n");
    char cwd[4096], expected[8500];
    assert_non_null(getcwd(cwd, sizeof cwd));
    snprintf(expected, sizeof expected, "3,-1,%s/w.txt,,-,0 3,-1,%s/w.txt,,-,0 ", cwd, cwd);
    lab_expect(lab, expected);
    lab_free(lab);
}

static void a_value_out_of_range_at_run_time_fails_at_its_place(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - set: {n: 11}\n    - pack:\n        flag: true\n"
                                "        count: ${n}\n");
    assert_int_equal(lab->outcome, RUN_FAILED);
    assert_string_equal(lab->error, "\"count\" must be between 1 and 10, got 11");
    assert_int_equal(lab->last_end.mark.line, 7);
    lab_free(lab);
}

static void an_action_may_set_a_slot_of_its_own(void **state) {
    (void)state;
    expect_run("    - pack: {inner: {slot: mine}}\n    - note: ${mine}\n", "3,-1,,,-,0 slotted ",
               RUN_DONE);
}

static void stop_ends_the_run_as_done_with_its_result(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - if: true\n      then:\n        - stop: {value: [1]}\n"
                                "    - note: never\n");
    lab_expect(lab, "");
    assert_int_equal(lab->outcome, RUN_DONE);
    assert_string_equal(lab->result, "[1]");
    lab_free(lab);
}

static void a_step_that_finishes_inside_start_goes_on(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - early\n    - note: on\n");
    lab_expect(lab, "on ");
    assert_int_equal(lab->held, 0);
    lab_free(lab);
}

static void a_waiting_step_holds_the_event_once_and_goes_on(void **state) {
    (void)state;
    struct lab *lab =
        run_steps("    - note: ${Word}\n    - hang: a\n    - note: ${Word}\n    - hang: b\n");
    lab_expect(lab, "w ");
    assert_int_equal(lab->held, 1);
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "w ");
    lab_finish(lab, "b", STEP_DONE);
    assert_int_equal(lab->held, 1);
    assert_int_equal(lab->ended, 1);
    lab_free(lab);
}

static void an_event_that_cannot_be_held_fails_the_run_and_ends_the_step(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions: [hang: a, note: never]\n");
    lab->hold_fails = true;
    lab_poke(lab, "t", "");
    lab_expect(lab, "!a ");
    assert_int_equal(lab->outcome, RUN_FAILED);
    lab_free(lab);
}

/* proves M8 */
static void many_runs_wait_for_their_time_at_once(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions: [nap: 5s, note: x]\n");
    struct engine_stats stats;
    for (int i = 0; i < 1000; i++)
        lab_poke(lab, "t", "");
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.waiting, 1000);
    lab_pass(lab, 4999);
    assert_int_equal(lab->ended, 0);
    lab_pass(lab, 1);
    assert_int_equal(lab->ended, 1000);
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.memory_bytes, 0);
    lab_free(lab);
}

static void run_variables_are_bound(void **state) {
    (void)state;
    struct lab *lab =
        run_steps("    - note: ${TaskId},${Trigger},${IsError},${StepResult},${Secret(key)}\n"
                  "    - {boom: {message: why, code: 7}, on-error: continue}\n"
                  "    - note: ${IsError},${StepResult},${LastErrorTask},${LastErrorStep}\n"
                  "    - note: ${IsError},${LastErrorCode},${LastErrorDescription}\n"
                  "    - {note: x, when: IsError}\n"
                  "    - note: ${json.decode(StartCause).session}${json.decode(StartCause).cause}\n"
                  "    - note: ${Match(1)}${Secret('no' .. 'ne')}\n");
    lab_expect(lab, "t,poke,false,0,hush true,1,t,2 false,7,why s1trigger ");
    assert_int_equal(lab->outcome, RUN_FAILED); /* no such secret */
    lab_free(lab);
}

static void run_ids_are_sortable_and_unlike(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - note: ${RunId}\n");
    char first[RUN_ID_MAX];
    assert_int_equal(strlen(lab->trace), RUN_ID_MAX);
    memcpy(first, lab->trace, RUN_ID_MAX);
    for (int i = 0; i < 100; i++) {
        lab->trace[0] = '\0';
        lab->now_ns += (uint64_t)i % 3 * 1000000;
        lab_poke(lab, "t", "w");
        assert_true(memcmp(first, lab->trace, RUN_ID_MAX - 1) < 0);
        memcpy(first, lab->trace, RUN_ID_MAX);
    }
    lab_free(lab);
}

static void a_step_has_memory_within_the_bound(void **state) {
    (void)state;
    struct lab *lab = lab_load_with("t:\n  actions: [hoard: 60KiB, hoard: 60KiB, hoard: 70KiB]\n",
                                    lab_new(), 65536);
    lab_poke(lab, "t", "");
    assert_string_equal(lab->error, "no memory");
    assert_int_equal(lab->last_end.mark.line, 2);
    lab_free(lab);
}

static void slots_are_counted_against_the_memory_of_the_run(void **state) {
    (void)state;
    struct lab *lab = lab_load_with("t:\n  actions:\n    - set: {a: \"0123456789\"}\n"
                                    "    - repeat: {times: 100}\n"
                                    "      do: [set: {a: \"${a}${a}\"}]\n",
                                    lab_new(), 65536);
    struct engine_stats stats;
    lab_poke(lab, "t", "");
    assert_int_equal(lab->outcome, RUN_FAILED);
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.memory_bytes, 0);
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_runs_in_order),
        cmocka_unit_test(an_empty_chain_is_done),
        cmocka_unit_test(lists_among_steps_are_spliced),
        cmocka_unit_test(when_skips_and_its_failure_fails),
        cmocka_unit_test(set_gives_names_of_the_run),
        cmocka_unit_test(a_variable_segment_is_one_segment),
        cmocka_unit_test(a_segment_below_a_text_fails),
        cmocka_unit_test(session_names_outlive_the_run),
        cmocka_unit_test(globals_are_committed_together_and_again_on_conflict),
        cmocka_unit_test(save_keeps_the_result),
        cmocka_unit_test(vars_are_set_before_the_first_step),
        cmocka_unit_test(a_variable_initial_value_that_fails_fails_the_run),
        cmocka_unit_test(every_kind_of_argument_may_hold_variables),
        cmocka_unit_test(constants_that_only_look_dynamic_are_stored_at_load),
        cmocka_unit_test(a_relative_file_is_joined_with_the_folder_of_the_task),
        cmocka_unit_test(a_value_out_of_range_at_run_time_fails_at_its_place),
        cmocka_unit_test(an_action_may_set_a_slot_of_its_own),
        cmocka_unit_test(stop_ends_the_run_as_done_with_its_result),
        cmocka_unit_test(a_step_that_finishes_inside_start_goes_on),
        cmocka_unit_test(a_waiting_step_holds_the_event_once_and_goes_on),
        cmocka_unit_test(an_event_that_cannot_be_held_fails_the_run_and_ends_the_step),
        cmocka_unit_test(many_runs_wait_for_their_time_at_once),
        cmocka_unit_test(run_variables_are_bound),
        cmocka_unit_test(run_ids_are_sortable_and_unlike),
        cmocka_unit_test(a_step_has_memory_within_the_bound),
        cmocka_unit_test(slots_are_counted_against_the_memory_of_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
