/* What is refused at load, and with which words. */
#include "tests/unit/engine/lab.h"

static void expect_messages(const char *yaml, const char *messages) {
    struct lab *lab = lab_new();
    struct program *program = lab_build(lab, yaml, NULL);
    if (program && lab->diag.warnings == 0)
        fail_msg("no message for\n%s", yaml);
    assert_string_equal(lab_messages(lab), messages);
    lab->program = program;
    lab_free(lab);
}

#define STEPS(text) "t:\n  actions:\n" text

static void unknown_actions_get_the_nearest_name(void **state) {
    (void)state;
    expect_messages(STEPS("    - not: x\n"), "tasks.yaml:3:7: error: unknown action \"not\"\n"
                                             "    hint: did you mean \"note\"?\n");
    expect_messages(STEPS("    - stpo\n"), "tasks.yaml:3:7: error: unknown action \"stpo\"\n"
                                           "    hint: did you mean \"stop\"?\n");
    expect_messages(STEPS("    - repaet: 3\n      do: []\n"),
                    "tasks.yaml:3:7: error: unknown action \"repaet\"\n"
                    "    hint: did you mean \"repeat\"?\n"
                    "tasks.yaml:4:7: error: \"do\" without \"repeat\"\n");
}

static void a_step_has_one_action(void **state) {
    (void)state;
    expect_messages(STEPS("    - note: x\n      boom: y\n"),
                    "tasks.yaml:4:7: error: a step has one action or block, found \"note\" and "
                    "\"boom\"\n    hint: begin a new step with \"- boom:\"\n");
    expect_messages(STEPS("    - when: true\n"),
                    "tasks.yaml:3:7: error: a step needs an action or a block\n");
}

static void parts_belong_to_their_block(void **state) {
    (void)state;
    expect_messages(STEPS("    - then: []\n"), "tasks.yaml:3:7: error: \"then\" without \"if\"\n");
    expect_messages(STEPS("    - if: true\n"),
                    "tasks.yaml:3:7: error: \"if\" needs the key \"then\"\n");
    expect_messages(STEPS("    - switch: ${Word}\n"),
                    "tasks.yaml:3:7: error: \"switch\" needs the key \"cases\"\n");
    expect_messages(STEPS("    - repeat: 3\n"),
                    "tasks.yaml:3:7: error: \"repeat\" needs the key \"do\"\n");
    expect_messages(STEPS("    - try: []\n"),
                    "tasks.yaml:3:7: error: \"try\" needs \"catch\" or \"finally\"\n");
    expect_messages(STEPS("    - if\n"), "tasks.yaml:3:7: error: \"if\" needs a value\n");
    expect_messages(STEPS("    - note: x\n      else: []\n"),
                    "tasks.yaml:4:7: error: \"else\" without \"if\"\n");
}

static void break_and_continue_need_a_repeat(void **state) {
    (void)state;
    expect_messages(STEPS("    - break\n"),
                    "tasks.yaml:3:7: error: \"break\" stands in no repeat\n");
    expect_messages(STEPS("    - repeat: 2\n      do: [parallel: [[continue: {}]]]\n"),
                    "tasks.yaml:4:24: error: \"continue\" cannot leave a parallel\n");
    expect_messages(STEPS("    - repeat: 2\n      do: [{try: [], finally: [break]}]\n"),
                    "tasks.yaml:4:32: error: \"break\" stands in no repeat\n");
    expect_messages(STEPS("    - repeat: 2\n      do: [each: {times: 1, do: [break]}]\n"),
                    "tasks.yaml:4:34: error: \"break\" stands in no repeat\n");
    expect_messages(STEPS("    - repeat: 2\n      do: [break: 3]\n"),
                    "tasks.yaml:4:19: error: \"break\" takes no value\n");
}

static void loops_say_what_they_need(void **state) {
    (void)state;
    expect_messages(STEPS("    - repeat: {}\n      do: []\n"),
                    "tasks.yaml:3:15: error: \"repeat\" needs one of for-each, times, while, "
                    "until\n");
    expect_messages(STEPS("    - repeat: {times: 2, while: true}\n      do: []\n"),
                    "tasks.yaml:3:15: error: \"repeat\" needs one of for-each, times, while, "
                    "until\n");
    expect_messages(STEPS("    - repeat: {for-each: list, as: x}\n      do: []\n"),
                    "tasks.yaml:3:26: error: \"for-each\" needs a list or a mapping\n"
                    "    hint: a variable wants ${...} around it\n");
    expect_messages(STEPS("    - repeat: two\n      do: []\n"),
                    "tasks.yaml:3:15: error: \"times\" must be a number from 0\n");
    expect_messages(STEPS("    - repeat: 2\n      max: 0\n      do: []\n"),
                    "tasks.yaml:4:12: error: \"max\" must be between 1 and 1000000000, got 0\n");
}

static void a_switch_over_a_constant_is_a_slip(void **state) {
    (void)state;
    expect_messages(STEPS("    - switch: Word\n      cases: {a: []}\n"),
                    "tasks.yaml:3:15: error: \"switch\" needs a value that can differ, got the "
                    "text \"Word\"\n    hint: write ${Word}\n");
}

static void blocks_nest_32_deep_and_no_more(void **state) {
    (void)state;
    char yaml[8192] = "t:\n  actions: ";
    for (int i = 0; i < 33; i++)
        strcat(yaml, "[{if: true, then: ");
    strcat(yaml, "[note: deep]");
    for (int i = 0; i < 33; i++)
        strcat(yaml, "}]");
    struct lab *lab = lab_new();
    assert_null(lab_build(lab, strcat(yaml, "\n"), NULL));
    assert_non_null(strstr(lab_messages(lab), "error: blocks nest more than 32 deep"));
    lab_free(lab);
}

static void saved_names_must_be_free(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    assert_null(lab_build(lab,
                          "t:\n  vars: {Word: 1}\n  actions:\n    - {give: 1, save: a-b}\n"
                          "    - set: {end: 1}\n    - {if: true, then: [], save: x}\n",
                          NULL));
    const char *messages = lab_messages(lab);
    assert_non_null(strstr(messages, "tasks.yaml:2:10: error: "));
    assert_non_null(strstr(messages, "tasks.yaml:4:23: error: "));
    assert_non_null(strstr(messages, "tasks.yaml:5:13: error: "));
    assert_non_null(strstr(messages, "tasks.yaml:6:34: error: \"save\" belongs to an action: a "
                                     "block has no result"));
    lab_free(lab);
}

/* proves T1 */
static void all_errors_of_all_tasks_come_at_once(void **state) {
    (void)state;
    expect_messages(
        "a:\n  actoins: []\nb:\n  triggers: [pok: /x]\n  actions: [note: \"${Wrod}\"]\nc: text\n",
        "tasks.yaml:1:1: error: task \"a\" needs the key \"actions\"\n"
        "tasks.yaml:2:3: error: unknown key \"actoins\" in task \"a\"\n"
        "    hint: did you mean \"actions\"?\n"
        "tasks.yaml:4:14: error: unknown trigger \"pok\"\n    hint: did you mean \"poke\"?\n"
        "tasks.yaml:5:22: error: unknown name \"Wrod\"\n    hint: did you mean \"Word\"?\n"
        "tasks.yaml:6:1: error: task \"c\" must be a mapping\n");
}

static void set_keys_are_checked(void **state) {
    (void)state;
    expect_messages(STEPS("    - set: {session: 1}\n"),
                    "tasks.yaml:3:13: error: \"session\" needs a name: session.NAME\n");
    expect_messages(STEPS("    - set: {global.a..b: 1}\n"),
                    "tasks.yaml:3:13: error: \"global.a..b\" has an empty segment\n");
    expect_messages(STEPS("    - set: {\"${Word}.a\": 1}\n"),
                    "tasks.yaml:3:13: error: the first name of a \"set\" key cannot hold a "
                    "variable\n");
    expect_messages(STEPS("    - set: []\n"),
                    "tasks.yaml:3:12: error: \"set\" must be a mapping of names to values\n");
}

static void globals_that_nobody_keeps_cannot_be_set(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    lab->has_no_globals = true;
    assert_null(lab_build(lab, STEPS("    - set: {global.a: 1}\n"), NULL));
    assert_string_equal(lab_messages(lab), "tasks.yaml:3:13: error: nothing here keeps globals\n");
    lab_free(lab);
}

static void a_trigger_takes_no_variables(void **state) {
    (void)state;
    expect_messages("t:\n  triggers: [poke: \"/${Word}\"]\n  actions: []\n",
                    "tasks.yaml:2:20: error: \"path\" of a trigger cannot hold a variable: it is "
                    "compared before any is bound\n    hint: write $${ for a literal ${\n");
    expect_messages("t:\n  triggers: {poke: /x}\n  actions: []\n",
                    "tasks.yaml:2:13: error: \"triggers\" must be a list\n");
    expect_messages("t:\n  triggers: [{poke: /x, boot: {}}]\n  actions: []\n",
                    "tasks.yaml:2:14: error: a trigger is a mapping with one key, its kind\n");
    expect_messages("t:\n  triggers: [boot: 5]\n  actions: []\n",
                    "tasks.yaml:2:20: error: trigger \"boot\" takes no value\n");
}

static void binary_texts_know_their_escapes(void **state) {
    (void)state;
    expect_messages(STEPS("    - pack: {binary: '\\q'}\n"),
                    "tasks.yaml:3:22: error: \"\\q\" is no escape of a binary text\n"
                    "    hint: it knows \\xHH \\n \\r \\t \\0 and \\\\, and wants single quotes\n");
    struct lab *lab = lab_new();
    assert_null(lab_build(lab, STEPS("    - pack: {binary: '${Word}\\x1'}\n"), NULL));
    assert_non_null(strstr(lab_messages(lab), "\"\\x\" is no escape"));
    lab_free(lab);
}

static void tasks_that_are_named_must_exist_and_declare(void **state) {
    (void)state;
    expect_messages("one:\n  actions: [call: to]\ntwo:\n  vars: {a: 1}\n"
                    "  actions: [call: {task: two, vars: {b: 1}}]\n",
                    "tasks.yaml:2:19: error: unknown task \"to\"\n    hint: did you mean \"two\"?\n"
                    "tasks.yaml:5:13: error: task \"two\" declares no \"b\" in its \"vars\"\n");
    expect_messages("t:\n  on-error: {run-task: none}\n  actions: []\n",
                    "tasks.yaml:2:13: error: unknown task \"none\"\n");
}

/* proves S11 */
static void a_server_may_be_left_out_where_one_is_declared(void **state) {
    (void)state;
    static const struct slice servers[] = {{"main", 4}, {"side", 4}};
    struct lab *lab = lab_new();
    lab->servers = servers;
    lab->server_count = 1;
    lab_load_with(STEPS("    - send: x\n    - send: {server: main}\n    - send: {server: mian}\n"),
                  lab, 0);
    assert_string_equal(lab_messages(lab),
                        "tasks.yaml:5:22: warning: no server \"mian\" is registered\n"
                        "    hint: did you mean \"main\"?\n");
    lab_poke(lab, "t", "");
    lab_expect(lab, "main main mian ");
    lab_free(lab);
    lab = lab_new();
    lab->servers = servers;
    lab->server_count = 2;
    assert_null(lab_build(lab, STEPS("    - send: x\n"), NULL));
    assert_string_equal(
        lab_messages(lab),
        "tasks.yaml:3:7: error: action \"send\" needs \"server\": the files declare "
        "several\n    hint: one of main, side\n");
    lab_free(lab);
    expect_messages(STEPS("    - send: x\n"), "tasks.yaml:3:7: error: action \"send\" needs "
                                              "\"server\": the files declare none\n");
}

static void modes_say_what_they_take(void **state) {
    (void)state;
    expect_messages("t:\n  mode: sinlge\n  actions: []\n",
                    "tasks.yaml:2:9: error: \"type\" must be parallel, single, restart or queued, "
                    "got \"sinlge\"\n    hint: did you mean \"single\"?\n");
    expect_messages("t:\n  mode: {type: single, on-refused: none}\n  actions: []\n",
                    "tasks.yaml:2:9: error: unknown task \"none\"\n");
    expect_messages("t:\n  mode: {type: single, max: 3}\n  actions: []\n",
                    "tasks.yaml:2:9: error: \"max\" belongs to mode \"parallel\", or to a "
                    "\"key\"\n");
}

/* proves T17 for secrets */
static void an_unknown_secret_is_an_error(void **state) {
    (void)state;
    expect_messages(STEPS("    - note: \"a ${Secret(kee)}\"\n"),
                    "tasks.yaml:3:13: error: unknown secret \"kee\"\n"
                    "    hint: did you mean \"key\"?\n");
}

static void on_error_says_what_it_takes(void **state) {
    (void)state;
    expect_messages(STEPS("    - {note: x, on-error: contniue}\n"),
                    "tasks.yaml:3:27: error: \"on-error\" must be fail, continue, or {retry: "
                    "{attempts: 3, delay: 1s}}\n");
    expect_messages(STEPS("    - {note: x, on-error: {run-task: t}}\n"),
                    "tasks.yaml:3:27: error: \"run-task\" belongs to the \"on-error\" of the task, "
                    "not of a step\n");
}

static void empty_values_are_errors(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    assert_null(
        lab_build(lab,
                  "t:\n  vars:\n    a: #general\n  actions:\n    - set: {x: }\n    - when:\n"
                  "      note: x\n    -\n",
                  NULL));
    assert_int_equal(lab->diag.errors, 4);
    lab_free(lab);
}

static void a_yaml_alias_of_steps_is_built_in_each_place(void **state) {
    (void)state;
    struct lab *lab = lab_load("a:\n  vars: {x: 1}\n  actions: &steps [note: \"${x}\"]\n"
                               "b:\n  vars: {y: 2, x: 3}\n  actions: [*steps, note: \"${y}\"]\n");
    lab_poke(lab, "a", "");
    lab_poke(lab, "b", "");
    lab_expect(lab, "1 3 2 ");
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_actions_get_the_nearest_name),
        cmocka_unit_test(a_step_has_one_action),
        cmocka_unit_test(parts_belong_to_their_block),
        cmocka_unit_test(break_and_continue_need_a_repeat),
        cmocka_unit_test(loops_say_what_they_need),
        cmocka_unit_test(a_switch_over_a_constant_is_a_slip),
        cmocka_unit_test(blocks_nest_32_deep_and_no_more),
        cmocka_unit_test(saved_names_must_be_free),
        cmocka_unit_test(all_errors_of_all_tasks_come_at_once),
        cmocka_unit_test(set_keys_are_checked),
        cmocka_unit_test(globals_that_nobody_keeps_cannot_be_set),
        cmocka_unit_test(a_trigger_takes_no_variables),
        cmocka_unit_test(binary_texts_know_their_escapes),
        cmocka_unit_test(tasks_that_are_named_must_exist_and_declare),
        cmocka_unit_test(a_server_may_be_left_out_where_one_is_declared),
        cmocka_unit_test(modes_say_what_they_take),
        cmocka_unit_test(an_unknown_secret_is_an_error),
        cmocka_unit_test(on_error_says_what_it_takes),
        cmocka_unit_test(empty_values_are_errors),
        cmocka_unit_test(a_yaml_alias_of_steps_is_built_in_each_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
