/* Field tables: what is stored, defaults, hooks, main keys, and values at run time. */
#include "config/config.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/config/parse_help.h"
#include "tests/unit/config/sample.h"

#include <unistd.h>

struct calls { /* what the hooks were called with */
    struct config_reader reader;
    const char *unknown;
    struct {
        const char *name;
        size_t offset, index;
        const char *text;
    } dynamic[8];
    size_t dynamic_count;
    bool fails;
};

static bool on_dynamic(void *context, const struct config_field *field,
                       const struct config_node *node, size_t offset, size_t index) {
    struct calls *calls = context;
    assert_true(calls->dynamic_count < ARRAY_SIZE(calls->dynamic));
    calls->dynamic[calls->dynamic_count].name = field->name;
    calls->dynamic[calls->dynamic_count].offset = offset;
    calls->dynamic[calls->dynamic_count].index = index;
    calls->dynamic[calls->dynamic_count++].text = node->text.bytes;
    if (calls->fails)
        config_error(calls->reader.diag, node->mark, "the hook says no");
    return !calls->fails;
}

static bool on_special(void *context, const struct config_field *field,
                       const struct config_node *node, void *member, size_t offset) {
    struct calls *calls = context;
    if (slice_is(slice_of(field->special), "chain"))
        return config_steps(node, field->name, calls->reader.arena, calls->reader.diag, member) ==
               STATUS_OK;
    assert_int_equal(offset, offsetof(struct sample, json));
    *(const struct config_node **)member = node;
    return true;
}

static bool on_unknown(void *context, const struct config_node *key,
                       const struct config_node *value) {
    struct calls *calls = context;
    (void)value;
    calls->unknown = key->text.bytes;
    return slice_is(key->text, "save");
}

static bool read_sample(struct parsed *in, struct calls *calls, const char *yaml,
                        struct sample *out) {
    parse(in, yaml);
    assert_non_null(in->root);
    calls->reader.diag = &in->diag;
    calls->reader.arena = &in->arena;
    calls->reader.subject = "sample \"one\"";
    calls->reader.context = calls;
    memset(out, 0x55, sizeof(*out));
    return config_read(&calls->reader, in->root, in->root->mark, sample_fields,
                       (struct config_target){out, sizeof(*out)});
}

static void defaults_are_stored_where_nothing_is_given(void **state) {
    (void)state;
    struct parsed in;
    struct calls calls = {0};
    struct sample out;
    assert_true(read_sample(&in, &calls, "text: hi", &out));
    assert_true(slice_is(out.text, "hi"));
    assert_true(out.is_binary);
    assert_int_equal(out.compressed, -1);
    assert_int_equal(out.copies, 3);
    assert_int_equal(out.timeout_ms, 5000);
    assert_int_equal(out.idle_ms, 0);
    assert_int_equal(out.max_body, 1 << 20);
    assert_int_equal(out.level, SAMPLE_INFO);
    assert_int_equal(out.command.count, 2);
    assert_true(slice_is(out.command.items[1], "b"));
    assert_int_equal(out.headers.count, 0);
    assert_null(out.file.bytes);
    assert_int_equal(out.mode.type, 0);
    assert_int_equal(out.mode.max, 7);
    assert_null(out.json);
    parsed_free(&in);
}

static void every_type_is_stored(void **state) {
    (void)state;
    struct parsed in;
    struct calls calls = {.reader = {.special = on_special}};
    struct sample out;
    assert_true(read_sample(&in, &calls,
                            "text: 1.10\nis-binary: 0\ncompressed: on\ncopies: 10\n"
                            "timeout: 250ms\nidle: 1d\nmax-body: 4096\nlevel: error\n"
                            "command: [x, 007]\nheaders: {a: no, \"\": ''}\nfile: /etc/hosts\n"
                            "path: null\ntoken: ~\nmode: {type: queued, max: 4294967295, key: k}\n"
                            "json: {a: 1}\nsteps: [a, [b, c]]\n",
                            &out));
    assert_true(slice_is(out.text, "1.10"));
    assert_false(out.is_binary);
    assert_int_equal(out.compressed, 1);
    assert_int_equal(out.copies, 10);
    assert_int_equal(out.timeout_ms, 250);
    assert_int_equal(out.idle_ms, 86400000);
    assert_int_equal(out.max_body, 4096);
    assert_int_equal(out.level, SAMPLE_ERROR);
    assert_int_equal(out.command.count, 2);
    assert_true(slice_is(out.command.items[1], "007"));
    assert_int_equal(out.headers.count, 2);
    assert_true(slice_is(out.headers.names[0], "a"));
    assert_true(slice_is(out.headers.values[0], "no"));
    assert_true(slice_is(out.headers.values[1], ""));
    assert_true(slice_is(out.file, "/etc/hosts"));
    assert_true(slice_is(out.path, "null"));
    assert_true(slice_is(out.token, "~"));
    assert_int_equal(out.mode.type, 2);
    assert_int_equal(out.mode.max, UINT32_MAX);
    assert_true(slice_is(out.mode.key, "k"));
    assert_int_equal(out.json->kind, CONFIG_MAP);
    assert_int_equal(out.steps.count, 3);
    parsed_free(&in);
}

/* proves M2 */
static void a_boolean_has_eight_spellings(void **state) {
    (void)state;
    const char *const spellings[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    const struct config_field *field = &sample_fields[1];
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        struct sample out;
        char why[CONFIG_WHY_MAX];
        assert_int_equal(config_store(field, slice_of(spellings[i]), &out, field->offset, why),
                         STATUS_OK);
        assert_int_equal(out.is_binary, i % 2);
    }
}

static void a_plain_value_or_a_list_is_the_main_key(void **state) {
    (void)state;
    struct parsed in;
    struct calls calls = {0};
    struct sample out;
    assert_true(read_sample(&in, &calls, "hello there", &out));
    assert_true(slice_is(out.text, "hello there"));
    assert_int_equal(out.copies, 3);
    parsed_free(&in);
    assert_false(read_sample(&in, &calls, "[a]", &out));
    assert_string_equal(in.diag.messages[0].text, "\"text\" must be one plain value, found a list");
    parsed_free(&in);
    struct sample_mode mode;
    parse(&in, "mode: single");
    struct config_reader reader = {.diag = &in.diag, .arena = &in.arena, .subject = "x"};
    assert_true(config_read(&reader, config_get(in.root, "mode"), in.root->mark, sample_mode_fields,
                            (struct config_target){&mode, sizeof(mode)}));
    assert_int_equal(mode.type, 1);
    parsed_free(&in);
}

static void no_value_is_fine_where_nothing_is_required(void **state) {
    (void)state;
    static const struct config_field optional[] = {
        FIELD_U32(struct sample_mode, max, "max", .dflt = "7"), FIELD_END};
    static const struct config_field none[] = {FIELD_END};
    struct parsed in;
    struct sample_mode mode;
    parse(&in, "a:\nb: x\n");
    struct config_reader reader = {.diag = &in.diag, .arena = &in.arena, .subject = "action \"x\""};
    assert_true(config_read(&reader, NULL, in.root->mark, optional,
                            (struct config_target){&mode, sizeof(mode)}));
    assert_int_equal(mode.max, 7);
    assert_true(config_read(&reader, config_get(in.root, "a"), in.root->mark, optional,
                            (struct config_target){&mode, sizeof(mode)}));
    assert_true(config_read(&reader, NULL, in.root->mark, none,
                            (struct config_target){&mode, sizeof(mode)}));
    assert_false(config_read(&reader, NULL, in.root->mark, sample_mode_fields,
                             (struct config_target){&mode, sizeof(mode)}));
    assert_string_equal(in.diag.messages[0].text, "action \"x\" needs the key \"type\"");
    assert_false(config_read(&reader, config_get(in.root, "b"), in.root->mark, none,
                             (struct config_target){&mode, sizeof(mode)}));
    assert_string_equal(in.diag.messages[1].text, "action \"x\" takes no plain value, found text");
    parsed_free(&in);
}

static void what_holds_a_variable_goes_to_the_hook(void **state) {
    (void)state;
    struct parsed in;
    struct calls calls = {.reader = {.dynamic = on_dynamic, .special = on_special}};
    struct sample out;
    assert_true(read_sample(&in, &calls,
                            "text: a ${b}\ncopies: ${n}\ncommand: [x, '${y}', z]\n"
                            "headers: {p: q, r: '$${s}'}\nmode: {type: single, key: '${k}'}\n"
                            "json: ${j}\n",
                            &out));
    assert_int_equal(calls.dynamic_count, 5);
    assert_string_equal(calls.dynamic[0].name, "text");
    assert_int_equal(calls.dynamic[0].index, CONFIG_NO_INDEX);
    assert_int_equal(calls.dynamic[1].offset, offsetof(struct sample, copies));
    assert_int_equal(calls.dynamic[2].index, 1);
    assert_int_equal(calls.dynamic[3].index, 1);
    assert_int_equal(calls.dynamic[4].offset,
                     offsetof(struct sample, mode) + offsetof(struct sample_mode, key));
    assert_null(out.text.bytes);
    assert_int_equal(out.copies, 3);
    assert_int_equal(out.command.count, 3);
    assert_null(out.command.items[1].bytes);
    assert_true(slice_is(out.command.items[2], "z"));
    assert_int_equal(out.headers.count, 2);
    parsed_free(&in);
}

static void a_hook_that_refuses_fails_the_read(void **state) {
    (void)state;
    struct parsed in;
    struct calls calls = {.reader = {.dynamic = on_dynamic}, .fails = true};
    struct sample out;
    assert_false(read_sample(&in, &calls, "text: ${b}\ncopies: 40", &out));
    assert_int_equal(in.diag.errors, 2);
    parsed_free(&in);
}

static void without_the_hook_a_variable_is_ordinary_text(void **state) {
    (void)state;
    struct parsed in;
    struct calls calls = {0};
    struct sample out;
    assert_true(read_sample(&in, &calls, "text: ${b}", &out));
    assert_true(slice_is(out.text, "${b}"));
    parsed_free(&in);
    assert_false(read_sample(&in, &calls, "text: a\ncopies: ${b}", &out));
    assert_string_equal(in.diag.messages[0].text,
                        "\"copies\" must be a whole number between 1 and 10, got \"${b}\"");
    parsed_free(&in);
}

static void unknown_keys_are_offered_to_the_caller_first(void **state) {
    (void)state;
    struct parsed in;
    struct calls calls = {.reader = {.unknown = on_unknown}};
    struct sample out;
    assert_true(read_sample(&in, &calls, "text: a\nsave: b", &out));
    assert_string_equal(calls.unknown, "save");
    parsed_free(&in);
    assert_false(read_sample(&in, &calls, "text: a\nmode: {type: single, save: x}\nlvl: x", &out));
    assert_string_equal(calls.unknown, "lvl"); /* nested keys are not offered */
    assert_int_equal(in.diag.errors, 2);
    parsed_free(&in);
}

static void everything_wrong_is_told_at_once(void **state) {
    (void)state;
    struct parsed in;
    struct calls calls = {0};
    struct sample out;
    assert_false(read_sample(&in, &calls,
                             "copies: 0\ntimeout: 5\nmax-body: x\nlevel: y\nfoo: 1\n"
                             "mode: {max: -1}\ncommand: {}\nheaders: a\nfile:\n",
                             &out));
    assert_int_equal(in.diag.errors, 11);
    parsed_free(&in);
}

static void a_relative_file_belongs_to_the_folder_of_its_yaml(void **state) {
    (void)state;
    struct parsed in;
    struct sample out;
    char here[4096];
    assert_non_null(getcwd(here, sizeof(here)));
    parse(&in, "");
    struct config_reader reader = {.diag = &in.diag, .arena = &in.arena, .subject = "x"};
    const struct config_node *node =
        config_parse(SLICE("{text: a, file: ../b}"), "/etc/bw/tasks/x.yaml", &in.arena, &in.diag);
    assert_true(config_read(&reader, node, node->mark, sample_fields,
                            (struct config_target){&out, sizeof(out)}));
    assert_true(slice_is(out.file, "/etc/bw/tasks/../b"));
    node = config_parse(SLICE("{text: a, file: b}"), "/x.yaml", &in.arena, &in.diag);
    assert_true(config_read(&reader, node, node->mark, sample_fields,
                            (struct config_target){&out, sizeof(out)}));
    assert_true(slice_is(out.file, "/b"));
    node = config_parse(SLICE("{text: a, file: b}"), "x.yaml", &in.arena, &in.diag);
    assert_true(config_read(&reader, node, node->mark, sample_fields,
                            (struct config_target){&out, sizeof(out)}));
    assert_true(slice_is(out.file, arena_printf(&in.arena, "%s/b", here)));
    parsed_free(&in);
}

static void assert_why(size_t field, const char *text, enum status status, const char *expected) {
    struct sample out, before;
    char why[CONFIG_WHY_MAX] = "";
    memset(&out, 0x55, sizeof(out));
    before = out;
    assert_int_equal(
        config_store(&sample_fields[field], slice_of(text), &out, sample_fields[field].offset, why),
        status);
    assert_string_equal(why, expected);
    assert_memory_equal(&out, &before, sizeof(out)); /* untouched on failure */
}

static void a_value_at_run_time_fails_with_the_same_words(void **state) {
    (void)state;
    assert_why(3, "40", STATUS_RANGE, "\"copies\" must be between 1 and 10, got 40");
    assert_why(3, "4x", STATUS_SYNTAX,
               "\"copies\" must be a whole number between 1 and 10, got \"4x\"");
    assert_why(3, "", STATUS_SYNTAX,
               "\"copies\" must be a whole number between 1 and 10, got \"\"");
    assert_why(4, "30", STATUS_SYNTAX,
               "\"timeout\" must have a unit, as in 30s, got the bare number 30");
    assert_why(4, "1d", STATUS_RANGE, "\"timeout\" must be between 100ms and 1h, got \"1d\"");
    assert_why(6, "1TiB", STATUS_SYNTAX,
               "\"max-body\" must be a size such as 512B, 64KiB or 1MiB, got \"1TiB\"");
    assert_why(7, "loud", STATUS_SYNTAX, "\"level\" must be debug, info or error, got \"loud\"");
    assert_why(8, "x", STATUS_TYPE, "\"command\" is not one plain value");
    assert_why(12, "123456789", STATUS_RANGE, "\"token\" must be at most 8 bytes long");
    assert_why(7, "\xff\x1b", STATUS_SYNTAX,
               "\"level\" must be debug, info or error, got \"\\xff\\x1b\"");
}

static void assert_spelt(size_t field, const struct sample *in, const char *expected) {
    struct arena arena;
    struct slice text = SLICE_NONE;
    arena_init(&arena, 1024, 0);
    assert_int_equal(config_spell(&sample_fields[field], in, &arena, &text), STATUS_OK);
    if (!slice_is(text, expected))
        fail_msg(SLICE_FMT " is not %s", SLICE_ARG(text), expected);
    arena_deinit(&arena);
}

static void stored_values_are_spelt_as_in_yaml(void **state) {
    (void)state;
    struct slice items[] = {SLICE("a"), SLICE(""), SLICE("c")};
    struct sample in = {.text = SLICE("x"),
                        .is_binary = true,
                        .compressed = -1,
                        .copies = 9,
                        .timeout_ms = 90000,
                        .max_body = 3 << 20,
                        .level = SAMPLE_DEBUG,
                        .command = {items, 3},
                        .token = SLICE("top secret")};
    assert_spelt(0, &in, "x");
    assert_spelt(1, &in, "true");
    assert_spelt(2, &in, "");
    assert_spelt(3, &in, "9");
    assert_spelt(4, &in, "90s");
    assert_spelt(5, &in, "off");
    assert_spelt(6, &in, "3MiB");
    assert_spelt(7, &in, "debug");
    assert_spelt(8, &in, "a,,c");
    assert_spelt(12, &in, "***");
    struct arena small;
    struct slice text;
    arena_init(&small, 16, 1);
    assert_int_equal(config_spell(&sample_fields[9], &in, &small, &text), STATUS_TYPE);
    assert_int_equal(config_spell(&sample_fields[8], &in, &small, &text), STATUS_NO_MEMORY);
    assert_int_equal(config_spell(&sample_fields[4], &in, &small, &text), STATUS_NO_MEMORY);
    arena_deinit(&small);
}

static void without_memory_reading_fails_and_says_so(void **state) {
    (void)state;
    struct parsed in;
    parse(&in, "text: a\ncommand: [a]\nheaders: {a: b}\nfile: c\nmode: {type: single}");
    for (size_t limit = 1; limit < 3000; limit += 7) {
        struct arena small;
        struct config_diag diag;
        struct sample out;
        arena_init(&small, 16, limit);
        config_diag_init(&diag, &in.arena);
        struct config_reader reader = {.diag = &diag, .arena = &small, .subject = "x"};
        bool is_read = config_read(&reader, in.root, in.root->mark, sample_fields,
                                   (struct config_target){&out, sizeof(out)});
        assert_true(is_read == (diag.errors == 0));
        if (!is_read)
            assert_string_equal(diag.messages[0].text, "out of memory");
        assert_true(is_read || limit < 2900);
        arena_deinit(&small);
    }
    parsed_free(&in);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_stored_where_nothing_is_given),
        cmocka_unit_test(every_type_is_stored),
        cmocka_unit_test(a_boolean_has_eight_spellings),
        cmocka_unit_test(a_plain_value_or_a_list_is_the_main_key),
        cmocka_unit_test(no_value_is_fine_where_nothing_is_required),
        cmocka_unit_test(what_holds_a_variable_goes_to_the_hook),
        cmocka_unit_test(a_hook_that_refuses_fails_the_read),
        cmocka_unit_test(without_the_hook_a_variable_is_ordinary_text),
        cmocka_unit_test(unknown_keys_are_offered_to_the_caller_first),
        cmocka_unit_test(everything_wrong_is_told_at_once),
        cmocka_unit_test(a_relative_file_belongs_to_the_folder_of_its_yaml),
        cmocka_unit_test(a_value_at_run_time_fails_with_the_same_words),
        cmocka_unit_test(stored_values_are_spelt_as_in_yaml),
        cmocka_unit_test(without_memory_reading_fails_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
