/* Match keys of message triggers. The tests prove W2 as far as one message goes. */
#include "expr/expr.h"

#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

struct message { /* with its JSON decoded at most once, as a trigger does it */
    struct slice text;
    struct arena arena;
    struct value json;
    size_t decoded;
};

struct fixture {
    struct expr_set *set;
    struct expr_matcher *matcher;
    struct expr_groups groups;
    const char *gate;
    bool failed;
};

static const struct value *on_json(void *context) {
    struct message *message = context;
    size_t at;
    message->decoded++;
    return json_decode(message->text, &message->arena, &message->json, &at) == STATUS_OK
               ? &message->json
               : NULL;
}

static struct fixture begin(const struct expr_match_keys *keys) {
    struct fixture fixture = {.set = expr_set_new(0, 0)};
    struct expr_problem problem;
    fixture.matcher = expr_matcher_new(fixture.set, keys, &problem);
    if (!fixture.matcher)
        fail_msg("refused: %s", problem.text);
    return fixture;
}

static void end(struct fixture *fixture) { expr_set_free(fixture->set); }

/* NULL on a match, else the gate. */
static const char *gate_of(struct fixture *fixture, struct slice text) {
    struct message message = {.text = text};
    struct expr_subject subject = {text, on_json, &message};
    arena_init(&message.arena, 1024, 0);
    bool is_match =
        expr_match(fixture->matcher, &subject, &fixture->groups, &fixture->gate, &fixture->failed);
    assert_int_equal(is_match, fixture->gate == NULL);
    arena_deinit(&message.arena);
    return fixture->gate;
}

static void assert_gate(const struct expr_match_keys *keys, struct slice text, const char *gate) {
    struct fixture fixture = begin(keys);
    const char *got = gate_of(&fixture, text);
    if (got != gate && (!got || !gate || strcmp(got, gate) != 0))
        fail_msg("\"" SLICE_FMT "\": gate %s, expected %s", SLICE_ARG(text), got ? got : "none",
                 gate ? gate : "none");
    assert_false(fixture.failed);
    end(&fixture);
}

#define KEYS(...)     (&(struct expr_match_keys){.case_sensitive = true, __VA_ARGS__})
#define ANY_CASE(...) (&(struct expr_match_keys){__VA_ARGS__})

/* proves W2 */
static void no_key_matches_every_message(void **state) {
    (void)state;
    assert_gate(KEYS(.json_count = 0), SLICE("anything"), NULL);
    assert_gate(KEYS(.json_count = 0), SLICE_NONE, NULL);
    assert_gate(KEYS(.json_count = 0), SLICE("\0\xff"), NULL);
}

/* proves W2 */
static void a_star_in_contains_is_a_star(void **state) {
    (void)state;
    assert_gate(KEYS(.contains = SLICE("a*b")), SLICE("xa*by"), NULL);
    assert_gate(KEYS(.contains = SLICE("a*b")), SLICE("axxb"), "contains");
    assert_gate(KEYS(.contains = SLICE("*")), SLICE("text"), "contains");
    assert_gate(KEYS(.starts_with = SLICE("*")), SLICE("text"), "starts-with");
    assert_gate(KEYS(.exact = SLICE("*")), SLICE("text"), "exact");
    assert_gate(ANY_CASE(.contains = SLICE("A*B")), SLICE("axxb"), "contains");
}

/* proves W2 */
static void text_keys_hold_where_they_should(void **state) {
    (void)state;
    assert_gate(KEYS(.contains = SLICE("ell")), SLICE("hello"), NULL);
    assert_gate(KEYS(.contains = SLICE("Ell")), SLICE("hello"), "contains");
    assert_gate(KEYS(.contains = SLICE("longer than it")), SLICE("hello"), "contains");
    assert_gate(KEYS(.contains = SLICE("\0b")), SLICE("a\0b"), NULL);
    assert_gate(KEYS(.contains = SLICE("")), SLICE(""), NULL);
    assert_gate(KEYS(.starts_with = SLICE("he")), SLICE("hello"), NULL);
    assert_gate(KEYS(.starts_with = SLICE("el")), SLICE("hello"), "starts-with");
    assert_gate(KEYS(.starts_with = SLICE("hello!")), SLICE("hello"), "starts-with");
    assert_gate(KEYS(.starts_with = SLICE("a")), SLICE_NONE, "starts-with");
    assert_gate(KEYS(.starts_with = SLICE("")), SLICE_NONE, NULL);
    assert_gate(KEYS(.exact = SLICE("hello")), SLICE("hello"), NULL);
    assert_gate(KEYS(.exact = SLICE("hello")), SLICE("hello "), "exact");
    assert_gate(KEYS(.exact = SLICE("")), SLICE(""), NULL);
    assert_gate(KEYS(.exact = SLICE("")), SLICE("x"), "exact");
}

/* proves W2 */
static void case_is_ignored_for_ascii_letters_when_asked(void **state) {
    (void)state;
    assert_gate(ANY_CASE(.contains = SLICE("ELL")), SLICE("hEllo"), NULL);
    assert_gate(ANY_CASE(.contains = SLICE("[")), SLICE("{"), "contains");
    assert_gate(ANY_CASE(.contains = SLICE("\xc3\xa9")), SLICE("\xc3\x89"), "contains");
    assert_gate(ANY_CASE(.contains = SLICE("")), SLICE("x"), NULL);
    assert_gate(ANY_CASE(.starts_with = SLICE("HE")), SLICE("hello"), NULL);
    assert_gate(ANY_CASE(.starts_with = SLICE("HEX")), SLICE("hello"), "starts-with");
    assert_gate(ANY_CASE(.exact = SLICE("HeLLo")), SLICE("hEllO"), NULL);
    assert_gate(ANY_CASE(.exact = SLICE("HeLLo")), SLICE("hEll"), "exact");
    assert_gate(ANY_CASE(.regex = SLICE("^H.*O$")), SLICE("hello"), NULL);
    assert_gate(KEYS(.regex = SLICE("^H.*O$")), SLICE("hello"), "regex");
}

/* Against a search that tries each place, over all texts of a small alphabet. */
static void contains_in_any_case_finds_what_a_plain_search_finds(void **state) {
    (void)state;
    static const char *const needles[] = {"A",    "aa",   "AB",   "aBa",   "aab",
                                          "aAaB", "ABAB", "ABAA", "aabaa", "abcabd"};
    for (size_t n = 0; n < ARRAY_SIZE(needles); n++) {
        struct slice needle = slice_of(needles[n]);
        struct fixture fixture = begin(ANY_CASE(.contains = needle));
        for (unsigned bits = 0; bits < 1u << 12; bits++) {
            char text[12];
            bool is_there = false;
            for (size_t i = 0; i < sizeof text; i++)
                text[i] = (char)((bits >> i & 1 ? 'a' : 'b') ^ (i % 3 ? 0 : 0x20));
            for (size_t i = 0; i + needle.size <= sizeof text; i++)
                is_there |= slice_equal_nocase((struct slice){text + i, needle.size}, needle);
            assert_int_equal(gate_of(&fixture, (struct slice){text, sizeof text}) == NULL,
                             is_there);
        }
        end(&fixture);
    }
}

/* proves W2 */
static void all_given_keys_must_hold_and_the_first_that_does_not_is_named(void **state) {
    (void)state;
    struct slice path = SLICE("type");
    struct value value = value_bytes(SLICE("say"));
    struct expr_match_keys keys = {.exact = SLICE("{\"type\":\"say\"}"),
                                   .starts_with = SLICE("{"),
                                   .contains = SLICE("say"),
                                   .regex = SLICE("\"say\""),
                                   .json_paths = &path,
                                   .json_values = &value,
                                   .json_count = 1,
                                   .case_sensitive = true};
    assert_gate(&keys, SLICE("{\"type\":\"say\"}"), NULL);
    assert_gate(&keys, SLICE("{\"type\": \"say\"}"), "exact");
    keys.exact = SLICE_NONE;
    assert_gate(&keys, SLICE(" {\"type\":\"say\"}"), "starts-with");
    assert_gate(&keys, SLICE("{\"type\":\"sing\"}"), "contains");
    assert_gate(&keys, SLICE("{\"type\":\"says\"}"), "regex");
    assert_gate(&keys, SLICE("{\"Type\":\"say\"}"), "json");
    assert_gate(&keys, SLICE("{\"type\":\"say\"}"), NULL);
}

/* proves W2 */
static void json_compares_types_and_tells_null_from_absent(void **state) {
    (void)state;
    struct value list[] = {value_int(1), value_float(2.0)};
    static const struct {
        const char *path;
        const char *message, *gate;
        int value;
    } cases[] = {
        {"a", "{\"a\":7}", NULL, 0},
        {"a", "{\"a\":7.0}", NULL, 0},
        {"a", "{\"a\":\"7\"}", "json", 0},
        {"a", "{\"a\":8}", "json", 0},
        {"a", "{\"a\":true}", "json", 0},
        {"a", "{\"b\":7}", "json", 0},
        {"a.b.1", "{\"a\":{\"b\":[1,7]}}", NULL, 0},
        {"a.b.2", "{\"a\":{\"b\":[1,7]}}", "json", 0},
        {"", "7", NULL, 0},
        {"a", "no json", "json", 0},
        {"a", "", "json", 0},
        {"a", "{\"a\":null}", NULL, 1},
        {"a", "{\"a\":false}", "json", 1},
        {"a", "{\"a\":\"\"}", "json", 1},
        {"a", "{\"a\":0}", "json", 1},
        {"a", "{\"b\":null}", "json", 1},
        {"a", "{}", "json", 1},
        {"a.b", "{\"a\":null}", "json", 1},
        {"a", "[]", "json", 1},
        {"", "null", NULL, 1},
        {"a", "{\"a\":[1,2]}", NULL, 2},
        {"a", "{\"a\":[2,1]}", "json", 2},
        {"a", "{\"a\":[1,2,3]}", "json", 2},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct value values[] = {
            value_int(7), value_nil(), {.type = VALUE_LIST, .count = 2, .items = list}};
        struct slice path = slice_of(cases[i].path);
        assert_gate(
            KEYS(.json_paths = &path, .json_values = &values[cases[i].value], .json_count = 1),
            slice_of(cases[i].message), cases[i].gate);
    }
}

static void json_is_asked_for_only_when_a_json_key_is_reached(void **state) {
    (void)state;
    struct slice paths[] = {SLICE("a"), SLICE("b")};
    struct value values[] = {value_int(1), value_int(2)};
    struct fixture fixture = begin(
        KEYS(.contains = SLICE("x"), .json_paths = paths, .json_values = values, .json_count = 2));
    struct message message = {.text = SLICE("{\"a\":1}")};
    struct expr_subject subject = {message.text, on_json, &message};
    arena_init(&message.arena, 1024, 0);
    assert_false(
        expr_match(fixture.matcher, &subject, &fixture.groups, &fixture.gate, &fixture.failed));
    assert_int_equal(message.decoded, 0);
    subject.message = SLICE("x");
    assert_false(
        expr_match(fixture.matcher, &subject, &fixture.groups, &fixture.gate, &fixture.failed));
    assert_int_equal(message.decoded, 1);
    subject.json = NULL;
    assert_false(
        expr_match(fixture.matcher, &subject, &fixture.groups, &fixture.gate, &fixture.failed));
    assert_string_equal(fixture.gate, "json");
    arena_deinit(&message.arena);
    end(&fixture);
}

/* proves W2 */
static void groups_are_read_by_name_and_by_number(void **state) {
    (void)state;
    struct fixture fixture = begin(KEYS(.regex = SLICE("^(?<verb>\\w+)(?<opt> -x)? (.*)$")));
    assert_null(gate_of(&fixture, SLICE("say hello there")));
    assert_true(slice_is(expr_group(&fixture.groups, SLICE("verb")), "say"));
    assert_true(slice_is(expr_group(&fixture.groups, SLICE("1")), "say"));
    assert_true(slice_is(expr_group(&fixture.groups, SLICE("3")), "hello there"));
    assert_true(slice_is(expr_group(&fixture.groups, SLICE("0")), "say hello there"));
    assert_null(expr_group(&fixture.groups, SLICE("opt")).bytes);
    assert_null(expr_group(&fixture.groups, SLICE("2")).bytes);
    assert_null(expr_group(&fixture.groups, SLICE("4")).bytes);
    assert_null(expr_group(&fixture.groups, SLICE("99999999999999999999")).bytes);
    assert_null(expr_group(&fixture.groups, SLICE("none")).bytes);
    assert_null(expr_group(&fixture.groups, SLICE("")).bytes);
    assert_null(gate_of(&fixture, SLICE("say ")));
    struct slice empty = expr_group(&fixture.groups, SLICE("3"));
    assert_non_null(empty.bytes);
    assert_int_equal(empty.size, 0);

    assert_true(expr_matcher_has_group(fixture.matcher, SLICE("verb")));
    assert_true(expr_matcher_has_group(fixture.matcher, SLICE("0")));
    assert_true(expr_matcher_has_group(fixture.matcher, SLICE("3")));
    assert_false(expr_matcher_has_group(fixture.matcher, SLICE("4")));
    assert_false(expr_matcher_has_group(fixture.matcher, SLICE("Verb")));
    end(&fixture);
}

static void without_a_match_there_are_no_groups(void **state) {
    (void)state;
    struct slice path = SLICE("a");
    struct value value = value_int(1);
    struct fixture fixture = begin(
        KEYS(.regex = SLICE("(a)"), .json_paths = &path, .json_values = &value, .json_count = 1));
    assert_string_equal(gate_of(&fixture, SLICE("a")), "json");
    assert_int_equal(fixture.groups.count, 0);
    assert_null(expr_group(&fixture.groups, SLICE("1")).bytes);
    assert_string_equal(gate_of(&fixture, SLICE("b")), "regex");
    assert_int_equal(fixture.groups.count, 0);
    end(&fixture);

    fixture = begin(KEYS(.contains = SLICE("a")));
    assert_null(gate_of(&fixture, SLICE("a")));
    assert_null(expr_group(&fixture.groups, SLICE("0")).bytes);
    assert_false(expr_matcher_has_group(fixture.matcher, SLICE("0")));
    end(&fixture);
}

static void of_groups_with_one_name_the_one_that_took_part_counts(void **state) {
    (void)state;
    struct fixture fixture = begin(KEYS(.regex = SLICE("(?J)^(?:a(?<n>\\d)|b(?<n>\\d))$")));
    assert_null(gate_of(&fixture, SLICE("a1")));
    assert_true(slice_is(expr_group(&fixture.groups, SLICE("n")), "1"));
    assert_null(gate_of(&fixture, SLICE("b2")));
    assert_true(slice_is(expr_group(&fixture.groups, SLICE("n")), "2"));
    end(&fixture);
}

static void a_regex_past_its_limit_is_no_match_and_a_failure(void **state) {
    (void)state;
    struct fixture fixture = begin(KEYS(.regex = SLICE("^(a+)+$")));
    assert_string_equal(gate_of(&fixture, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")), "regex");
    assert_true(fixture.failed);
    assert_int_equal(fixture.groups.count, 0);
    assert_null(gate_of(&fixture, SLICE("aaa")));
    assert_false(fixture.failed);
    end(&fixture);
}

static void what_is_handed_in_is_copied(void **state) {
    (void)state;
    char text[] = "abc", pattern[] = "^a", path[] = "k";
    struct slice path_slice = {path, 1};
    struct value value = value_bytes((struct slice){text, 3});
    struct fixture fixture =
        begin(KEYS(.contains = {text, 3}, .regex = {pattern, 2}, .json_paths = &path_slice,
                   .json_values = &value, .json_count = 1));
    memset(text, 'x', 3);
    memset(pattern, 'x', 2);
    path[0] = 'x';
    assert_string_equal(gate_of(&fixture, SLICE("abc")), "json");
    assert_string_equal(gate_of(&fixture, SLICE("{\"k\":\"abc\"}")), "regex");
    end(&fixture);
}

static void wrong_keys_are_refused(void **state) {
    (void)state;
    struct expr_set *set = expr_set_new(0, 0);
    struct expr_problem problem;
    assert_null(expr_matcher_new(set, KEYS(.regex = SLICE("a(")), &problem));
    assert_non_null(strstr(problem.text, "closing parenthesis"));
    assert_int_equal(problem.offset, 2);

    struct value room[VALUE_DEPTH_MAX + 1], deep = value_int(1);
    for (size_t i = 0; i < ARRAY_SIZE(room); i++) {
        room[i] = deep;
        deep = (struct value){.type = VALUE_LIST, .count = 1, .items = &room[i]};
    }
    struct slice path = SLICE("a");
    assert_null(expr_matcher_new(
        set, KEYS(.json_paths = &path, .json_values = &deep, .json_count = 1), &problem));
    assert_non_null(strstr(problem.text, "64 levels"));
    expr_set_free(set);
}

static void a_matcher_survives_each_allocation_that_fails(void **state) {
    (void)state;
    char text[20000];
    memset(text, 'a', sizeof text);
    struct slice large = {text, sizeof text}, path = SLICE("k");
    struct value value = value_bytes(large);
    const struct expr_matcher *matcher = NULL;
    size_t failures = 0;
    FAIL_EACH_ALLOCATION(
        {
            struct expr_set *set = expr_set_new(0, 0);
            struct expr_problem problem;
            matcher = set ? expr_matcher_new(set,
                                             ANY_CASE(.contains = large, .exact = large,
                                                      .starts_with = large, .regex = SLICE("a"),
                                                      .json_paths = &path, .json_values = &value,
                                                      .json_count = 1),
                                             &problem)
                          : NULL;
            failures += matcher == NULL;
            if (set && !matcher)
                assert_string_equal(problem.text, "out of memory");
            expr_set_free(set);
        },
        matcher != NULL);
    assert_true(failures > 5);
}

static const struct value *on_ready_json(void *context) { return context; }

static void a_match_allocates_nothing(void **state) {
    (void)state;
    struct slice path = SLICE("a.b");
    struct value value = value_int(7);
    struct value_pair inner = {value_bytes(SLICE("b")), value_float(7.0)};
    struct value_pair outer = {value_bytes(SLICE("a")),
                               {.type = VALUE_MAP, .count = 1, .pairs = &inner}};
    struct value json = {.type = VALUE_MAP, .count = 1, .pairs = &outer};
    struct fixture fixture =
        begin(ANY_CASE(.contains = SLICE("SAY"), .starts_with = SLICE("Say"),
                       .regex = SLICE("^say (?<line>.*)$"), .json_paths = &path,
                       .json_values = &value, .json_count = 1));
    struct expr_subject subject = {SLICE("say hello"), on_ready_json, &json};
    atomic_store(&allocation_count, 0);
    for (int i = 0; i < 100; i++) {
        assert_true(
            expr_match(fixture.matcher, &subject, &fixture.groups, &fixture.gate, &fixture.failed));
        assert_true(slice_is(expr_group(&fixture.groups, SLICE("line")), "hello"));
    }
    assert_int_equal(atomic_load(&allocation_count), 0);
    end(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_key_matches_every_message),
        cmocka_unit_test(a_star_in_contains_is_a_star),
        cmocka_unit_test(text_keys_hold_where_they_should),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_when_asked),
        cmocka_unit_test(contains_in_any_case_finds_what_a_plain_search_finds),
        cmocka_unit_test(all_given_keys_must_hold_and_the_first_that_does_not_is_named),
        cmocka_unit_test(json_compares_types_and_tells_null_from_absent),
        cmocka_unit_test(json_is_asked_for_only_when_a_json_key_is_reached),
        cmocka_unit_test(groups_are_read_by_name_and_by_number),
        cmocka_unit_test(without_a_match_there_are_no_groups),
        cmocka_unit_test(of_groups_with_one_name_the_one_that_took_part_counts),
        cmocka_unit_test(a_regex_past_its_limit_is_no_match_and_a_failure),
        cmocka_unit_test(what_is_handed_in_is_copied),
        cmocka_unit_test(wrong_keys_are_refused),
        cmocka_unit_test(a_matcher_survives_each_allocation_that_fails),
        cmocka_unit_test(a_match_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
