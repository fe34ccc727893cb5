/* Patterns in their two forms, searches one after the other, and their bounds. */
#include "expr/regex.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

#define SEARCH_NS 10000000

static struct regex *make(const char *pattern) {
    struct expr_problem problem;
    struct regex *regex =
        regex__new(slice_of(pattern), (struct regex_options){.is_caseless = false}, &problem);
    if (!regex)
        fail_msg("\"%s\" is refused: %s", pattern, problem.text);
    return regex;
}

static struct slice group(const struct expr_groups *groups, uint32_t number) {
    return (struct slice){groups->subject + groups->starts[number],
                          groups->ends[number] - groups->starts[number]};
}

/* All matches as one text, each behind a `<`. */
static void assert_matches(const char *pattern, struct slice subject, const char *expected) {
    struct regex *regex = make(pattern);
    struct regex_search search = regex__search(regex, subject, SEARCH_NS);
    struct expr_groups groups;
    struct buffer found;
    enum status status;
    buffer_init(&found, 128 * 1024);
    while ((status = regex__next(&search, &groups)) == STATUS_OK) {
        assert_int_equal(buffer_append(&found, SLICE("<")), STATUS_OK);
        assert_int_equal(buffer_append(&found, group(&groups, 0)), STATUS_OK);
    }
    assert_int_equal(status, STATUS_NOT_FOUND);
    assert_int_equal(groups.count, 0);
    assert_int_equal(regex__next(&search, &groups), STATUS_NOT_FOUND);
    if (!slice_equal(buffer_slice(&found), slice_of(expected)))
        fail_msg("%s on \"" SLICE_FMT "\" found \"" SLICE_FMT "\", expected \"%s\"", pattern,
                 SLICE_ARG(subject), SLICE_ARG(buffer_slice(&found)), expected);
    buffer_deinit(&found);
    regex__free(regex);
}

static enum status first_status_within(const char *pattern, struct slice subject,
                                       uint64_t time_ns) {
    struct regex *regex = make(pattern);
    struct regex_search search = regex__search(regex, subject, time_ns);
    struct expr_groups groups;
    enum status status = regex__next(&search, &groups);
    regex__free(regex);
    return status;
}

static enum status first_status(const char *pattern, struct slice subject) {
    return first_status_within(pattern, subject, SEARCH_NS);
}

static void assert_refused(const char *pattern, size_t offset, const char *part) {
    struct expr_problem problem = {.is_warning = true};
    struct regex_options options = {.is_caseless = false};
    assert_null(regex__new(slice_of(pattern), options, &problem));
    assert_int_equal(problem.offset, offset);
    assert_false(problem.is_warning);
    if (!strstr(problem.text, part))
        fail_msg("\"%s\" says \"%s\", expected \"%s\" in it", pattern, problem.text, part);
}

static void matches_follow_one_another_without_overlap(void **state) {
    (void)state;
    assert_matches("a", SLICE("banana"), "<a<a<a");
    assert_matches("aa", SLICE("aaaaa"), "<aa<aa");
    assert_matches("x", SLICE("banana"), "");
    assert_matches("^a", SLICE("aaa"), "<a");
    assert_matches("(?<=a)n", SLICE("nanan"), "<n<n");
    assert_matches("\\bn\\w*", SLICE("no ano nun"), "<no<nun");
}

static void empty_matches_come_once_at_each_place(void **state) {
    (void)state;
    assert_matches("x*", SLICE("axxb"), "<<xx<<");
    assert_matches("", SLICE("ab"), "<<<");
    assert_matches("", SLICE(""), "<");
    assert_matches("", SLICE_NONE, "<");
    assert_matches("$", SLICE("ab"), "<");
    assert_matches("(?m)^", SLICE("a\nb"), "<<");
    assert_matches("", SLICE("\xc3\xa9\xc3\xa9"), "<<<");
    assert_matches("a\\K", SLICE("aa"), "<<");
}

static void text_is_matched_by_characters_and_the_rest_by_bytes(void **state) {
    (void)state;
    assert_matches(".", SLICE("\xc3\xa9x"), "<\xc3\xa9<x");
    assert_matches(".", SLICE("\xc3x"), "<\xc3<x");
    assert_matches("^.{2}$", SLICE("\xff\xfe"), "<\xff\xfe");
    assert_matches("^.{2}$", SLICE("\xc3\xa9"), "");
    assert_matches("[\xc3\xa9]", SLICE("a\xc3\xa9"), "<\xc3\xa9");
    assert_matches("\\x{20ac}", SLICE("\xe2\x82\xac"), "<\xe2\x82\xac");
    assert_matches("\\x{20ac}", SLICE("\xe2\x82"), "");
    assert_matches("\\x{20ac}", SLICE("\xff"), "");
    assert_matches("^\\x89PNG", SLICE("\x89PNG\xff"), "<\x89PNG");
    assert_matches("\\p{L}+", SLICE("1\xc3\xa9\xc3\xa8"), "<\xc3\xa9\xc3\xa8");
    assert_matches("\\w+", SLICE("a\xc3\xa9"), "<a");
    assert_matches("(*UCP)\\w+", SLICE("a\xc3\xa9"), "<a\xc3\xa9");
    assert_matches("(*UTF)a", SLICE("a\xff"), "");
}

static void nul_is_a_character(void **state) {
    (void)state;
    assert_int_equal(first_status("^a.b$", SLICE("a\0b")), STATUS_OK);
    assert_int_equal(first_status("^a\\x00b$", SLICE("a\0b")), STATUS_OK);
    assert_int_equal(first_status("^a$", SLICE("a\0b")), STATUS_NOT_FOUND);
}

static void case_is_ignored_only_when_asked(void **state) {
    (void)state;
    struct expr_problem problem;
    struct regex *regex =
        regex__new(SLICE("^\xc3\xa9T$"), (struct regex_options){.is_caseless = true}, &problem);
    struct expr_groups groups;
    struct regex_search search = regex__search(regex, SLICE("\xc3\x89t"), SEARCH_NS);
    assert_int_equal(regex__next(&search, &groups), STATUS_OK);
    regex__free(regex);
    assert_matches("t", SLICE("T"), "");
}

static void groups_have_numbers_and_names(void **state) {
    (void)state;
    struct regex *regex = make("(?<day>\\d+)-(?:x)(?<at>y)?(z)");
    assert_int_equal(regex__group_count(regex), 4);
    struct slice name;
    uint32_t number;
    assert_true(regex__group_name(regex, 0, &name, &number));
    assert_true(slice_is(name, "at"));
    assert_int_equal(number, 2);
    assert_true(regex__group_name(regex, 1, &name, &number));
    assert_true(slice_is(name, "day"));
    assert_int_equal(number, 1);
    assert_false(regex__group_name(regex, 2, &name, &number));

    struct regex_search search = regex__search(regex, SLICE("on 12-xz"), SEARCH_NS);
    struct expr_groups groups;
    assert_int_equal(regex__next(&search, &groups), STATUS_OK);
    assert_int_equal(groups.count, 4);
    assert_true(slice_is(group(&groups, 0), "12-xz"));
    assert_true(slice_is(group(&groups, 1), "12"));
    assert_int_equal(groups.starts[2], UINT32_MAX);
    assert_int_equal(groups.ends[2], UINT32_MAX);
    assert_true(slice_is(group(&groups, 3), "z"));
    regex__free(regex);
}

static void wrong_patterns_are_refused_with_their_place(void **state) {
    (void)state;
    assert_refused("a(b", 3, "missing closing parenthesis");
    assert_refused("[z-a]", 3, "range out of order");
    assert_refused("ab\\", 3, "\\ at end of pattern");
    assert_refused("(?<1>a)", 3, "name");
    assert_refused("a\\C", 3, "\\C");
    assert_refused("\xff", 0, "UTF-8");
    char groups[3 * EXPR_GROUPS_MAX + 1] = "";
    for (size_t i = 0; i < EXPR_GROUPS_MAX; i++)
        memcpy(groups + 3 * i, "(a)", 4);
    assert_refused(groups, 0, "has 32 groups, at most 31");
    groups[3 * (EXPR_GROUPS_MAX - 1)] = '\0';
    regex__free(make(groups));
}

static void patterns_made_at_run_time_are_bounded(void **state) {
    (void)state;
    char pattern[REGEX_RUN_TIME_BYTES_MAX + 1];
    memset(pattern, 'a', sizeof pattern);
    struct expr_problem problem;
    struct regex_options options = {.is_run_time = true};
    assert_null(regex__new((struct slice){pattern, sizeof pattern}, options, &problem));
    assert_non_null(strstr(problem.text, "at most 1024 bytes"));
    struct slice fits = {pattern, REGEX_RUN_TIME_BYTES_MAX};
    struct regex *regex = regex__new(fits, options, &problem);
    assert_non_null(regex);
    regex__free(regex);
    options.is_run_time = false;
    regex = regex__new((struct slice){pattern, sizeof pattern}, options, &problem);
    assert_non_null(regex);
    regex__free(regex);
}

static void a_search_that_takes_too_long_is_a_limit(void **state) {
    (void)state;
    assert_int_equal(first_status("^(a+)+$", SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")),
                     STATUS_LIMIT);
    assert_int_equal(first_status("(*LIMIT_MATCH=999999999)^(a+)+$",
                                  SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")),
                     STATUS_LIMIT);
    assert_int_equal(
        first_status("(*NO_JIT)^(a+)+$", SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")),
        STATUS_LIMIT);
    assert_int_equal(first_status("(?R)a|a(?R)", SLICE("aaaa")), STATUS_LIMIT);
}

/* What needs more stack than JIT has is left to the interpreter and its own limits. */
static uint64_t cpu_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* proves T3 */
static void no_pattern_and_no_size_takes_longer_than_the_bound(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "(a+)+[bc]",  ".*.*[yz]",          "a*a*a*a*a*a*[bc]",    "(?=.*[xy])(?=.*z)",
        "(a|aa)+$b",  "^(.*).*\\1[xy]",    "(.*)x?.*\\1[yz]",     "(?1)?(a*a*a*[bc])",
        "(?>a+|b)+c", "(?:a|b|ab)*[cd]",   "\\b(\\w+\\s*)*[=;]$", "(?:a?){1,99}a{99}[bc]",
        "(a+)+$^",    "(?<=a)(a*)*(?!a)b", "(?s)(.+)+\\n[xy]",    "(a*)*(a*)*[bc]",
    };
    static const size_t sizes[] = {40, 300, 600, 3000, 64 * 1024, 1024 * 1024};
    char *text = malloc(sizes[ARRAY_SIZE(sizes) - 1]);
    assert_non_null(text);
    memset(text, 'a', sizes[ARRAY_SIZE(sizes) - 1]);
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            uint64_t begin = cpu_ms();
            (void)first_status(patterns[i], (struct slice){text, sizes[s]}); /* any will do */
            uint64_t took = cpu_ms() - begin;
            if (took > 100)
                fail_msg("%s took %" PRIu64 " ms for %zu bytes", patterns[i], took, sizes[s]);
        }
    }
    free(text);
}

/* The same answers where the fast form gives up, or is not asked. */
static void large_subjects_and_long_searches_find_the_same(void **state) {
    (void)state;
    struct buffer words, expected;
    buffer_init(&words, 128 * 1024);
    buffer_init(&expected, 128 * 1024);
    for (int i = 0; i < 130; i++)
        assert_int_equal(buffer_append(&words, SLICE("ab ")), STATUS_OK);
    assert_matches("(?<a>\\w+) (?<b>\\w+) $", buffer_slice(&words), "<ab ab ");
    while (words.size < 64 * 1024)
        assert_int_equal(buffer_append(&words, SLICE("ab ")), STATUS_OK);
    assert_int_equal(buffer_append(&words, SLICE("price: 12")), STATUS_OK);
    assert_matches("price: (\\d+)", buffer_slice(&words), "<price: 12");
    assert_matches("^ab .*: \\d+", (struct slice){words.bytes + words.size - 12, 12},
                   "<ab price: 12");
    assert_int_equal(buffer_append(&expected, SLICE("<")), STATUS_OK);
    assert_int_equal(buffer_append(&expected, buffer_slice(&words)), STATUS_OK);
    assert_int_equal(buffer_append(&expected, (struct slice){"", 1}), STATUS_OK);
    assert_matches("^ab .*: \\d+", buffer_slice(&words), expected.bytes);
    buffer_deinit(&expected);
    buffer_deinit(&words);
}

static void a_deep_search_falls_back_to_the_interpreter(void **state) {
    (void)state;
    size_t size = 8000;
    char *text = malloc(size);
    memset(text, 'a', size);
    struct slice subject = {text, size};
    uint64_t long_ns = 1000 * (uint64_t)SEARCH_NS; /* depth is what is asked here, not speed */
    assert_int_equal(first_status_within("^(a|b)*$", subject, long_ns), STATUS_OK);
    assert_int_equal(first_status_within("^(?:(a|b)(?!c))*$", subject, long_ns), STATUS_OK);
    free(text);
    size = 1 << 20;
    text = malloc(size);
    memset(text, 'a', size);
    assert_int_equal(first_status("^(?:(a|b)(?!c))*$", (struct slice){text, size}), STATUS_LIMIT);
    free(text);
}

static void a_search_allocates_nothing(void **state) {
    (void)state;
    struct regex *regex = make("^say (?<line>.*)$");
    struct expr_groups groups;
    static const char *const subjects[] = {"say hello", "nothing", "say gr\xc3\xbcn", "say \xff"};
    atomic_store(&allocation_count, 0);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
            struct regex_search search = regex__search(regex, slice_of(subjects[i]), SEARCH_NS);
            assert_int_equal(regex__next(&search, &groups), i == 1 ? STATUS_NOT_FOUND : STATUS_OK);
        }
    }
    assert_int_equal(atomic_load(&allocation_count), 0);
    regex__free(regex);
}

static void without_memory_nothing_is_made(void **state) {
    (void)state;
    struct expr_problem problem;
    fail_alloc_after(0);
    assert_null(regex__new(SLICE("a"), (struct regex_options){.is_caseless = false}, &problem));
    fail_alloc_never();
    assert_string_equal(problem.text, "out of memory");
    regex__free(NULL);

    struct regex *regex = make("(*NO_JIT)(a+)+b");
    struct expr_groups groups;
    struct regex_search search = regex__search(regex, SLICE("aaab"), SEARCH_NS);
    fail_alloc_after(0);
    enum status status = regex__next(&search, &groups);
    fail_alloc_never();
    assert_true(status == STATUS_NO_MEMORY ||
                status == STATUS_OK); /* PCRE2 before 10.41 needs none */
    regex__free(regex);
}

static void *search_both(void *regex) {
    size_t found = 0;
    for (int i = 0; i < 200; i++) {
        struct slice subject = i % 2 ? SLICE("say \xff") : SLICE("say \xc3\xa9");
        struct regex_search search = regex__search(regex, subject, SEARCH_NS);
        struct expr_groups groups;
        found += regex__next(&search, &groups) == STATUS_OK;
    }
    return found == 200 ? regex : NULL;
}

static void several_threads_may_search_at_once(void **state) {
    (void)state;
    struct regex *regex = make("^say .$");
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_both, regex), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        void *found = NULL;
        assert_int_equal(pthread_join(threads[i], &found), 0);
        assert_ptr_equal(found, regex);
    }
    regex__free(regex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_follow_one_another_without_overlap),
        cmocka_unit_test(empty_matches_come_once_at_each_place),
        cmocka_unit_test(text_is_matched_by_characters_and_the_rest_by_bytes),
        cmocka_unit_test(nul_is_a_character),
        cmocka_unit_test(case_is_ignored_only_when_asked),
        cmocka_unit_test(groups_have_numbers_and_names),
        cmocka_unit_test(wrong_patterns_are_refused_with_their_place),
        cmocka_unit_test(patterns_made_at_run_time_are_bounded),
        cmocka_unit_test(a_search_that_takes_too_long_is_a_limit),
        cmocka_unit_test(no_pattern_and_no_size_takes_longer_than_the_bound),
        cmocka_unit_test(large_subjects_and_long_searches_find_the_same),
        cmocka_unit_test(a_deep_search_falls_back_to_the_interpreter),
        cmocka_unit_test(a_search_allocates_nothing),
        cmocka_unit_test(without_memory_nothing_is_made),
        cmocka_unit_test(several_threads_may_search_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
