/* Blocks: branches, loops, parallel chains, try; what break, continue and stop do to them. */
#include "tests/unit/engine/lab.h"

static struct lab *run_steps(const char *steps) {
    char yaml[8192];
    snprintf(yaml, sizeof yaml, "t:\n  vars: {list: [a, b, c], map: {x: 1, y: 2}}\n  actions:\n%s",
             steps);
    struct lab *lab = lab_load(yaml);
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

/* proves T4 */
static void if_takes_then_or_else(void **state) {
    (void)state;
    expect_run(
        "    - if: Word == \"w\"\n      then: [note: then, note: on]\n      else: [note: else]\n"
        "    - if: Word == \"v\"\n      then: [note: then]\n      else: [note: else]\n"
        "    - if: Word == \"v\"\n      then: [note: then]\n"
        "    - if: true\n      then: []\n    - note: end\n",
        "then on else end ", RUN_DONE);
}

static void choose_takes_the_first_that_holds(void **state) {
    (void)state;
    expect_run("    - choose:\n"
               "        - {when: Word == \"v\", do: [note: one]}\n"
               "        - {when: Word == \"w\", do: [note: two]}\n"
               "        - {when: true, do: [note: three]}\n"
               "      default: [note: none]\n"
               "    - choose: [{when: false, do: [note: one]}]\n      default: [note: none]\n"
               "    - choose: [{when: false, do: [note: one]}]\n",
               "two none ", RUN_DONE);
}

static void switch_compares_texts(void **state) {
    (void)state;
    expect_run(
        "    - switch: ${Word}\n      cases:\n        v: [note: v]\n        w: [note: w]\n"
        "    - switch: ${map.x}\n      cases: {1: [note: one]}\n      default: [note: none]\n"
        "    - switch: ${map.z}\n      cases: {1: [note: one]}\n      default: [note: none]\n"
        "    - switch: ${map.z}\n      cases: {1: [note: one]}\n",
        "w one none ", RUN_DONE);
}

static void repeat_walks_lists_maps_and_numbers(void **state) {
    (void)state;
    expect_run(
        "    - repeat: {for-each: \"${list}\", as: it}\n      do: [note: \"${it}\"]\n"
        "    - repeat: {for-each: \"${map}\", as: it}\n      do: [note: \"${it.key}${it.value}\"]\n"
        "    - repeat: {times: 3, as: n}\n      do: [note: \"${n}\"]\n"
        "    - repeat: {times: \"${map.y}\"}\n      do: [note: x]\n"
        "    - repeat: 2\n      do: [note: y]\n"
        "    - repeat: {for-each: \"${map.none}\", as: it}\n      do: [note: never]\n"
        "    - note: <${it}${n}>\n",
        "a b c x1 y2 1 2 3 x x y y <> ", RUN_DONE);
}

static void while_asks_before_and_until_after_the_round(void **state) {
    (void)state;
    expect_run("    - set: {n: 0}\n"
               "    - repeat: {while: n < 3}\n      do: [note: \"${n}\", set: {n: \"${n + 1}\"}]\n"
               "    - repeat: {while: n < 3}\n      do: [note: never]\n"
               "    - repeat: {until: n >= 3}\n      do: [note: once]\n"
               "    - repeat: {until: n >= 5, as: r}\n"
               "      do: [note: \"r${r}\", set: {n: \"${n + 1}\"}]\n",
               "0 1 2 once r1 r2 ", RUN_DONE);
}

static void break_and_continue_find_the_innermost_repeat(void **state) {
    (void)state;
    expect_run(
        "    - repeat: {times: 2, as: i}\n      do:\n"
        "        - repeat: {times: 5, as: j}\n          do:\n"
        "            - if: j == 2\n              then: [continue]\n"
        "            - if: j == 4\n              then: [{try: [break], finally: [note: f]}]\n"
        "            - note: ${i}${j}\n"
        "        - note: i${i}\n",
        "11 13 f i1 21 23 f i2 ", RUN_DONE);
}

static void the_name_of_an_inner_loop_gives_back_the_outer_item(void **state) {
    (void)state;
    expect_run("    - set: {it: own}\n"
               "    - repeat: {for-each: [1, 2], as: it}\n      do:\n"
               "        - repeat: {for-each: [x], as: it}\n          do: [note: \"${it}\"]\n"
               "        - note: ${it}\n    - note: ${it}\n",
               "x 1 x 2 own ", RUN_DONE);
}

static void too_many_rounds_fail_the_loop(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - repeat: {while: true}\n      max: 3\n      do: [note: x]\n");
    lab_expect(lab, "x x x ");
    assert_string_equal(lab->error, "\"repeat\" has more than 3 rounds, its \"max\"");
    lab_free(lab);
    expect_run(
        "    - repeat: {times: 3}\n      max: 3\n      do: [note: x]\n"
        "    - repeat: {times: 4}\n      max: 3\n      do: [note: y]\n      on-error: continue\n"
        "    - note: ${LastErrorStep}\n",
        "x x x y y y 2 ", RUN_DONE);
}

static void a_loop_over_no_list_fails(void **state) {
    (void)state;
    expect_run("    - repeat: {for-each: \"${Word}\", as: i}\n      do: [note: never]\n", "",
               RUN_FAILED);
    expect_run("    - repeat: {times: \"${Word}\"}\n      do: [note: never]\n", "", RUN_FAILED);
    expect_run("    - repeat: {times: \"${0 - 1}\"}\n      do: [note: never]\n", "", RUN_FAILED);
    expect_run("    - repeat: {while: number(Word) > 1}\n      do: [note: never]\n", "",
               RUN_FAILED);
    expect_run("    - if: number(Word) > 1\n      then: [note: never]\n", "", RUN_FAILED);
    expect_run("    - switch: ${number(Word)}\n      cases: {1: [note: never]}\n", "", RUN_FAILED);
}

static void parallel_chains_run_beside_each_other(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - parallel:\n"
                                "        - [note: a1, hang: a, note: a2]\n"
                                "        - [note: b1, hang: b, note: b2]\n"
                                "        - [note: c1]\n"
                                "    - note: end\n");
    lab_expect(lab, "a1 b1 c1 ");
    lab_finish(lab, "b", STEP_DONE);
    lab_expect(lab, "b2 ");
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "a2 end ");
    assert_int_equal(lab->outcome, RUN_DONE);
    lab_free(lab);
}

static void one_failing_chain_ends_the_others(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - try:\n        - parallel:\n"
                                "            - [{try: [hang: a], finally: [note: fa]}]\n"
                                "            - [hang: b, boom: why, note: never]\n"
                                "            - [nap: 5s]\n"
                                "      catch: [note: \"caught ${LastErrorDescription}\"]\n"
                                "    - note: end\n");
    lab_expect(lab, "");
    lab_finish(lab, "b", STEP_DONE);
    lab_expect(lab, "!a !nap fa caught why end ");
    assert_int_equal(lab->outcome, RUN_DONE);
    lab_free(lab);
}

static void stop_inside_a_chain_of_parallel_ends_the_run(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - parallel:\n        - [hang: a]\n"
                                "        - [hang: b, stop: 7, note: never]\n    - note: never\n");
    lab_finish(lab, "b", STEP_DONE);
    lab_expect(lab, "!a ");
    assert_int_equal(lab->outcome, RUN_DONE);
    assert_string_equal(lab->result, "7");
    lab_free(lab);
}

static void parallel_nests_and_loops(void **state) {
    (void)state;
    struct lab *lab = run_steps(
        "    - repeat: 2\n      do:\n        - parallel:\n"
        "            - [parallel: [[{nap: 1s}, {note: a}], [{nap: 2s}, {note: b}]]]\n"
        "            - [{repeat: {times: 2, as: n}, do: [{nap: 3s}, {note: \"c${n}\"}]}]\n"
        "        - note: joined\n");
    lab_pass(lab, 5999);
    lab_expect(lab, "a b c1 ");
    lab_pass(lab, 1);
    lab_expect(lab, "c2 joined ");
    lab_pass(lab, 6000);
    lab_expect(lab, "a b c1 c2 joined ");
    assert_int_equal(lab->outcome, RUN_DONE);
    lab_free(lab);
}

static void try_catches_and_always_runs_finally(void **state) {
    (void)state;
    expect_run("    - try: [note: a, boom: why, note: never]\n"
               "      catch: [note: \"${LastErrorDescription}@${LastErrorStep}\"]\n"
               "      finally: [note: f]\n"
               "    - try: [note: b]\n      catch: [note: never]\n      finally: [note: f]\n"
               "    - try: [note: c]\n      catch: [note: never]\n"
               "    - note: end\n",
               "a why@1/try/2 f b f c end ", RUN_DONE);
    expect_run("    - try: [boom: one]\n      finally: [note: f]\n    - note: never\n", "f ",
               RUN_FAILED);
    expect_run(
        "    - try: [boom: one]\n      catch: [note: c, boom: two]\n      finally: [note: f]\n",
        "c f ", RUN_FAILED);
    expect_run("    - try: [stop: 1]\n      catch: [note: never]\n      finally: [note: f]\n"
               "    - note: never\n",
               "f ", RUN_DONE);
}

static void a_failing_finally_fails_the_block(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - try: [note: a]\n      finally: [boom: fin]\n");
    lab_expect(lab, "a ");
    assert_string_equal(lab->error, "fin");
    lab_free(lab);
    expect_run("    - try: [stop: 1]\n      finally: [boom: fin]\n    - note: never\n", "",
               RUN_DONE);
}

static void a_chain_of_an_action_runs_beside_its_step(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - each: {times: 3, as: k, do: [note: \"k${k}\", nap: 1s]}\n"
                                "    - note: end\n");
    lab_pass(lab, 0);
    lab_expect(lab, "k2 ");
    lab_pass(lab, 2000);
    lab_expect(lab, "k1 k0 ");
    lab_pass(lab, 1000);
    lab_expect(lab, "end ");
    lab_free(lab);
}

static void a_failing_chain_of_an_action_is_told_to_it(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - {each: {times: 3, do: [boom: why]}, on-error: continue}\n"
                                "    - note: ${IsError}${LastErrorDescription}@${LastErrorStep}\n");
    lab_pass(lab, 0);
    lab_expect(lab, "truewhy@1/do/1 ");
    lab_free(lab);
}

static void a_step_that_ends_takes_its_chain_along(void **state) {
    (void)state;
    struct lab *lab =
        run_steps("    - each: {times: 3, do: [{try: [hang: a], finally: [note: f]}]}\n"
                  "      timeout: 2s\n      on-error: continue\n    - note: end\n");
    lab_pass(lab, 1999);
    lab_expect(lab, "");
    lab_pass(lab, 1);
    lab_expect(lab, "!each !a f end ");
    lab_free(lab);
}

static void stop_inside_the_chain_of_an_action_ends_the_run(void **state) {
    (void)state;
    struct lab *lab = run_steps("    - each: {times: 3, do: [stop: 5]}\n    - note: never\n");
    lab_pass(lab, 0);
    lab_expect(lab, "!each ");
    assert_int_equal(lab->outcome, RUN_DONE);
    assert_string_equal(lab->result, "5");
    lab_free(lab);
}

static void blocks_nest_as_deep_as_allowed(void **state) {
    (void)state;
    char yaml[8192] = "t:\n  actions: ";
    for (int i = 0; i < 32; i++)
        strcat(yaml, "[{if: true, then: ");
    strcat(yaml, "[note: deep, hang: a, note: \"${LastErrorCode}\"]");
    for (int i = 0; i < 32; i++)
        strcat(yaml, "}]");
    struct lab *lab = lab_load(strcat(yaml, "\n"));
    lab_poke(lab, "t", "");
    lab_expect(lab, "deep ");
    lab_finish(lab, "a", STEP_DONE);
    lab_expect(lab, "0 ");
    lab_free(lab);
}

/* Each look takes a millisecond. */
static uint64_t ticking(const struct clock *clock) {
    struct lab *lab = (struct lab *)(void *)(uintptr_t)clock;
    return lab->now_ns += 1000000;
}

static void a_long_computation_gives_way_to_the_loop(void **state) {
    (void)state;
    struct lab *lab = lab_load("t:\n  actions:\n    - repeat: {times: 9000, as: n}\n"
                               "      do: [set: {m: \"${n}\"}]\n    - note: ${m}\n");
    lab->clock.mono_ns = ticking;
    lab_poke(lab, "t", "");
    lab_expect(lab, "");
    assert_true(lab->wake_ns < UINT64_MAX);
    for (int turns = 0; lab->ended == 0; turns++) {
        assert_true(turns < 100);
        engine_tick(lab->engine);
    }
    lab_expect(lab, "9000 ");
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(if_takes_then_or_else),
        cmocka_unit_test(choose_takes_the_first_that_holds),
        cmocka_unit_test(switch_compares_texts),
        cmocka_unit_test(repeat_walks_lists_maps_and_numbers),
        cmocka_unit_test(while_asks_before_and_until_after_the_round),
        cmocka_unit_test(break_and_continue_find_the_innermost_repeat),
        cmocka_unit_test(the_name_of_an_inner_loop_gives_back_the_outer_item),
        cmocka_unit_test(too_many_rounds_fail_the_loop),
        cmocka_unit_test(a_loop_over_no_list_fails),
        cmocka_unit_test(parallel_chains_run_beside_each_other),
        cmocka_unit_test(one_failing_chain_ends_the_others),
        cmocka_unit_test(stop_inside_a_chain_of_parallel_ends_the_run),
        cmocka_unit_test(parallel_nests_and_loops),
        cmocka_unit_test(try_catches_and_always_runs_finally),
        cmocka_unit_test(a_failing_finally_fails_the_block),
        cmocka_unit_test(a_chain_of_an_action_runs_beside_its_step),
        cmocka_unit_test(a_failing_chain_of_an_action_is_told_to_it),
        cmocka_unit_test(a_step_that_ends_takes_its_chain_along),
        cmocka_unit_test(stop_inside_the_chain_of_an_action_ends_the_run),
        cmocka_unit_test(blocks_nest_as_deep_as_allowed),
        cmocka_unit_test(a_long_computation_gives_way_to_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
