/* What a run costs: allocations on the direct path, memory of one that waits, and every allocation
 * failing once. */
#include "tests/unit/fail_alloc.h"
#include "tests/unit/engine/lab.h"

#include <malloc.h>

static long count_pokes(struct lab *lab, const char *task, int pokes) {
    lab_poke(lab, task, "w"); /* fills the pools */
    lab_poke(lab, task, "w");
    long before = atomic_load(&allocation_count);
    for (int i = 0; i < pokes; i++) {
        lab->trace[0] = '\0';
        assert_int_equal(lab_poke(lab, task, "w").gate, RUN_ADMITTED);
        assert_int_equal(lab->outcome, RUN_DONE);
    }
    return atomic_load(&allocation_count) - before;
}

static void the_direct_path_allocates_nothing(void **state) {
    (void)state;
    struct lab *lab = lab_load(
        "echo:\n  actions: [note: \"${Word}\"]\n"
        "mixed:\n  vars: {a: 1}\n  conditions: []\n  actions:\n"
        "    - note: \"Hello ${Word}, ${TaskId} ${Echo(x)} ${a}\"\n"
        "    - pack: {list: [a, \"${Word}\"], map: {k: \"${Word}\"}, file: \"/x/${Word}\"}\n"
        "    - {switch: \"${Word}\", cases: {w: [note: \"${Word}\"]}}\n"
        "    - early\n"
        "deep:\n  actions: [{try: [{try: [{try: [note: x], finally: []}], finally: []}], "
        "finally: []}]\n");
    assert_int_equal(count_pokes(lab, "echo", 100), 0);
    assert_int_equal(count_pokes(lab, "mixed", 100), 0);
    assert_int_equal(count_pokes(lab, "deep", 100), 0);
    lab_free(lab);
}

static void a_run_that_waits_takes_less_than_4_kib(void **state) {
    (void)state;
    enum { RUNS = 2000 };
    struct lab *lab =
        lab_load("t:\n  vars: {a: 1, b: text, c: 3}\n  actions:\n"
                 "    - {if: true, then: [{if: true, then: [{if: true, then: [nap: 1s]}]}]}\n");
    lab_poke(lab, "t", "");
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < RUNS; i++)
        lab_poke(lab, "t", "");
    size_t each = (mallinfo2().uordblks - before) / RUNS;
    if (each >= 4096)
        fail_msg("a waiting run takes %zu bytes", each);
    lab_pass(lab, 1000);
    lab_free(lab);
}

static void a_long_key_that_is_remembered_takes_less_than_1_kib(void **state) {
    (void)state;
    enum { KEYS = 200 };
    char word[16];
    struct lab *lab =
        lab_load("t:\n  at-most: {runs: 1, per: 1h, key: \"${('x'):rep(100000)}${Word}\"}"
                 "\n  actions: []\n");
    lab_poke(lab, "t", "");
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < KEYS; i++) {
        snprintf(word, sizeof word, "%d", i);
        assert_int_equal(lab_poke(lab, "t", word).gate, RUN_ADMITTED);
    }
    size_t each = (mallinfo2().uordblks - before) / KEYS;
    if (each >= 1024)
        fail_msg("a key takes %zu bytes", each);
    lab_free(lab);
}

static const char everything[] =
    "t:\n  vars: {a: 1, m: {x: [1, 2]}, w: \"${Word}\"}\n  triggers: [poke: /x, boot]\n"
    "  conditions: [Word ~= \"\"]\n  actions:\n"
    "    - set: {b: \"${a}\", m.y: \"${Word}\", session.z: 1, global.g: 2}\n"
    "    - pack: {list: [a, \"${Word}\"], map: {k: \"${Word}\"}, file: \"${Word}\"}\n"
    "    - {give: [1, \"${Word}\"], save: r}\n"
    "    - repeat: {for-each: \"${r}\", as: it}\n      do: [note: \"${it}\"]\n"
    "    - parallel: [[hang: a], [nap: 1s, {repeat: 2, do: [note: p]}]]\n"
    "    - {try: [boom: \"${Word}\"], catch: [note: \"${LastErrorDescription}\"], finally: "
    "[early]}\n"
    "    - {call: {task: u, wait: true, vars: {v: \"${Word}\"}}, on-error: continue}\n"
    "    - each: {times: 2, do: [note: e]}\n"
    "u:\n  vars: {v: 0}\n  actions: [{if: true, then: [nap: 1s, boom: why]}]\n";

static struct program *build_again(struct lab *reader, struct lab *lab) {
    struct program_input input = {.tasks = &reader->tasks,
                                  .triggers = lab_triggers,
                                  .actions = lab_actions,
                                  .variables = lab_tables,
                                  .expression_time_ns = 10000000,
                                  .expression_memory_bytes = 1 << 20,
                                  .has_globals = true};
    return program_build(&input, &lab->diag);
}

/* The reading is config's to survive: only program_build() is starved. */
static void building_survives_each_failing_allocation(void **state) {
    (void)state;
    struct program *program = NULL;
    struct lab *reader = lab_load(everything), *lab = lab_new();
    long tries = 0;
    FAIL_EACH_ALLOCATION((program = build_again(reader, lab), tries++), program != NULL)
    assert_true(tries > 10);
    program_unref(program);
    lab_free(reader);
    lab_free(lab);
}

static bool run_everything(struct lab *lab) {
    lab->trace[0] = '\0';
    struct run_verdict verdict = lab_poke(lab, "t", "w");
    fail_alloc_never();
    if (verdict.gate != RUN_ADMITTED)
        return false;
    if (lab->hanging_count) {
        lab_finish(lab, "a", STEP_DONE);
        lab_pass(lab, 5000);
    }
    struct engine_stats stats;
    engine_stats(lab->engine, &stats);
    assert_int_equal(stats.live, 0);
    assert_int_equal(stats.memory_bytes, 0);
    return lab->outcome == RUN_DONE;
}

static void runs_survive_each_failing_allocation(void **state) {
    (void)state;
    struct lab *lab = lab_load(everything);
    lab->has_session = true;
    bool is_done = false;
    FAIL_EACH_ALLOCATION(is_done = run_everything(lab), is_done)
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_direct_path_allocates_nothing),
        cmocka_unit_test(a_run_that_waits_takes_less_than_4_kib),
        cmocka_unit_test(a_long_key_that_is_remembered_takes_less_than_1_kib),
        cmocka_unit_test(building_survives_each_failing_allocation),
        cmocka_unit_test(runs_survive_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
