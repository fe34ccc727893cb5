/* The log: shape of lines, what peers cannot forge, levels, the tap, threads. Lines are read back
 * from a pipe or a file that the sink writes to. */
#include "base/base.h"
#include "base/log_mask.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 4, LINES = 500 };

static char output[4 * 1024 * 1024];

/* Starts to collect in a file without a name. */
static int begin(enum log_format format, enum log_level level) {
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_APPEND, 0600);
    assert_true(fd >= 0);
    log_open(fd, format, level);
    return fd;
}

/* All that was logged since begin(), NUL-terminated. */
static char *end(int fd) {
    log_open(-1, LOG_TEXT, LOG_OFF);
    ssize_t size = pread(fd, output, sizeof(output) - 1, 0);
    assert_true(size >= 0);
    output[size] = '\0';
    close(fd);
    return output;
}

/* The line without its time, which is checked for its shape alone. */
static const char *without_time(const char *line) {
    static const char shape[] = "0000-00-00T00:00:00.000Z ";
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        bool is_digit = line[i] >= '0' && line[i] <= '9';
        assert_true(shape[i] == '0' ? is_digit : line[i] == shape[i]);
    }
    return line + sizeof(shape) - 1;
}

static const char *json_without_time(const char *line) {
    static const char start[] = "{\"time\":\"";
    assert_memory_equal(line, start, sizeof(start) - 1);
    return line + sizeof(start) - 1 + 24;
}

static void lines_for_the_journal_begin_with_their_level(void **state) {
    (void)state;
    int fd = begin(LOG_TEXT, LOG_DEBUG);
    struct stat stat;
    char name[64];
    assert_int_equal(fstat(fd, &stat), 0);
    (void)snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)stat.st_dev,
                   (unsigned long long)stat.st_ino);
    (void)setenv("JOURNAL_STREAM", name, 1);
    log_open(fd, LOG_TEXT, LOG_DEBUG);
    log_line(LOG_DEBUG, NULL, "a");
    log_line(LOG_WARN, NULL, "b");
    log_as_is(LOG_ERROR, SLICE("x.yaml:1:1: error\n    hint: none\n"));
    (void)setenv("JOURNAL_STREAM", "1:1", 1); /* somebody else's */
    log_open(fd, LOG_TEXT, LOG_DEBUG);
    log_line(LOG_INFO, NULL, "c");
    (void)unsetenv("JOURNAL_STREAM");
    char *lines = end(fd), *line = strtok(lines, "\n");
    assert_memory_equal(line, "<7>", 3);
    assert_string_equal(without_time(line + 3), "debug a");
    line = strtok(NULL, "\n");
    assert_memory_equal(line, "<4>", 3);
    assert_string_equal(strtok(NULL, "\n"), "<3>x.yaml:1:1: error");
    assert_string_equal(strtok(NULL, "\n"), "<3>    hint: none");
    assert_string_equal(without_time(strtok(NULL, "\n")), "info c");
}

static void text_lines_have_time_level_message_and_pairs(void **state) {
    (void)state;
    struct log_field fields[] = {{SLICE("who"), SLICE("bob")}, {SLICE("said"), SLICE("a b")}};
    struct log_place place = {.task = SLICE("hello"),
                              .run = SLICE("r1"),
                              .at = SLICE("tasks.yaml:3"),
                              .error = SLICE(""),
                              .fields = fields,
                              .field_count = 2};
    int fd = begin(LOG_TEXT, LOG_INFO);
    log_line(LOG_WARN, &place, "it is %d", 7);
    assert_string_equal(without_time(end(fd)),
                        "warn it is 7 task=hello run=r1 at=tasks.yaml:3 who=bob said=\"a b\"\n");
}

static void json_lines_have_places_at_the_top_and_fields_below(void **state) {
    (void)state;
    struct log_field fields[] = {{SLICE("a"), SLICE("1")}, {SLICE("b"), SLICE("\"")}};
    struct log_place place = {
        SLICE("t"),    SLICE("r"), SLICE("3/then/1"), SLICE("f:1"), SLICE("s"),
        SLICE("main"), SLICE("c"), SLICE("why"),      fields,       2};
    int fd = begin(LOG_JSON, LOG_INFO);
    log_line(LOG_ERROR, &place, "m");
    log_line(LOG_INFO, NULL, "n");
    char *line = end(fd);
    static const char expected[] =
        "\",\"level\":\"error\",\"message\":\"m\",\"task\":\"t\",\"run\":\"r\","
        "\"step\":\"3/then/1\",\"at\":\"f:1\",\"session\":\"s\",\"server\":\"main\","
        "\"client\":\"c\",\"error\":\"why\",\"fields\":{\"a\":\"1\",\"b\":\"\\\"\"}}\n";
    assert_memory_equal(json_without_time(line), expected, sizeof(expected) - 1);
    char *second = strchr(line, '\n') + 1;
    assert_string_equal(json_without_time(second), "\",\"level\":\"info\",\"message\":\"n\"}\n");
}

/* proves T13 */
static void a_peer_cannot_forge_or_steer_a_text_line(void **state) {
    (void)state;
    struct log_place place = {.session = SLICE("x\n2026 error forged\x1b[2J"),
                              .error = SLICE("\0\xff\\")};
    int fd = begin(LOG_TEXT, LOG_INFO);
    log_line(LOG_INFO, &place, "%s",
             "a\r\n\tb\x7f \xc2\x85 \xe2\x80\xa8 \xe2\x80\xae \xe2\x81\xa6 \xc3\xa4 \xe2\x82\xac "
             "\xf0\x9f\x98\x80 \xc3 \xed\xa0\x80");
    assert_string_equal(without_time(end(fd)),
                        "info a\\r\\n\\tb\\x7f \\u0085 \\u2028 \\u202e \\u2066 \xc3\xa4 "
                        "\xe2\x82\xac \xf0\x9f\x98\x80 \\xc3 \\xed\\xa0\\x80 "
                        "session=\"x\\n2026 error forged\\x1b[2J\" error=\"\\x00\\xff\\\\\"\n");
}

/* proves T13 */
static void a_peer_cannot_forge_or_break_a_json_line(void **state) {
    (void)state;
    struct log_place place = {.session = SLICE("x\",\"level\":\"error\n\\"),
                              .error = SLICE("\0\xff\x1f")};
    int fd = begin(LOG_JSON, LOG_INFO);
    log_line(LOG_INFO, &place, "%s", "\xe2\x80\xa9\xc2\x9b");
    assert_string_equal(json_without_time(end(fd)),
                        "\",\"level\":\"info\",\"message\":\"\\u2029\\u009b\","
                        "\"session\":\"x\\\",\\\"level\\\":\\\"error\\n\\\\\","
                        "\"error\":\"\\u0000\\\\xff\\u001f\"}\n");
}

static void words_are_quoted_only_where_they_need_it(void **state) {
    (void)state;
    struct log_field fields[] = {{SLICE("k"), SLICE("")},
                                 {SLICE("k"), SLICE("a=b")},
                                 {SLICE("k"), SLICE("\xc3\xa4")},
                                 {SLICE("k k"), SLICE("\"")},
                                 {SLICE("k"), SLICE("/a?b:c-d_e")}};
    struct log_place place = {.fields = fields, .field_count = ARRAY_SIZE(fields)};
    int fd = begin(LOG_TEXT, LOG_INFO);
    log_line(LOG_INFO, &place, "m");
    assert_string_equal(without_time(end(fd)), "info m k=\"\" k=\"a=b\" k=\xc3\xa4 "
                                               "\"k k\"=\"\\\"\" k=/a?b:c-d_e\n");
}

static void levels_below_the_sink_are_left_out(void **state) {
    (void)state;
    int fd = begin(LOG_TEXT, LOG_WARN);
    assert_false(log_is_on(LOG_INFO));
    assert_true(log_is_on(LOG_WARN));
    log_line(LOG_INFO, NULL, "no");
    log_line(LOG_WARN, NULL, "yes");
    log_line_forced(LOG_DEBUG, NULL, "forced");
    log_set(LOG_TEXT, LOG_OFF);
    log_line(LOG_ERROR, NULL, "no");
    char *line = end(fd);
    assert_memory_equal(without_time(line), "warn yes\n", 9);
    assert_string_equal(without_time(strchr(line, '\n') + 1), "debug forced\n");
}

static void level_names_parse_and_print(void **state) {
    (void)state;
    static const char *const names[] = {"debug", "info", "warn", "error", "off"};
    enum log_level level = LOG_DEBUG;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(log_level_parse(slice_of(names[i]), &level), STATUS_OK);
        assert_string_equal(log_level_text(level), names[i]);
    }
    assert_int_equal(log_level_parse(SLICE("Info"), &level), STATUS_SYNTAX);
    assert_int_equal(log_level_parse(SLICE(""), &level), STATUS_SYNTAX);
    assert_int_equal(level, LOG_OFF);
}

static void long_lines_are_whole(void **state) {
    (void)state;
    size_t size = 1000 * 1000;
    char *message = malloc(size + 1);
    memset(message, 'm', size);
    message[size] = '\0';
    int fd = begin(LOG_JSON, LOG_INFO);
    log_line(LOG_INFO, NULL, "%s", message);
    const char *line = json_without_time(end(fd));
    assert_int_equal(strspn(strchr(line, 'm') + strlen("message\":\""), "m"), size);
    assert_string_equal(line + strlen(line) - 4, "m\"}\n");
    free(message);
}

struct tapped {
    int count;
    enum log_level level;
    char line[512];
};

static void on_tap(void *context, enum log_level level, struct slice line) {
    struct tapped *tapped = context;
    tapped->count++;
    tapped->level = level;
    snprintf(tapped->line, sizeof(tapped->line), SLICE_FMT, SLICE_ARG(line));
}

static void the_tap_sees_json_at_its_own_level(void **state) {
    (void)state;
    struct tapped tapped = {0};
    int fd = begin(LOG_TEXT, LOG_ERROR);
    log_set_tap(on_tap, &tapped, LOG_INFO);
    assert_true(log_is_on(LOG_INFO));
    assert_false(log_is_on(LOG_DEBUG));
    log_line(LOG_DEBUG, NULL, "no");
    log_line(LOG_INFO, NULL, "tap only");
    assert_int_equal(tapped.count, 1);
    assert_int_equal(tapped.level, LOG_INFO);
    assert_string_equal(json_without_time(tapped.line),
                        "\",\"level\":\"info\",\"message\":\"tap only\"}");
    log_line(LOG_ERROR, NULL, "both");
    log_line_forced(LOG_DEBUG, NULL, "forced");
    assert_int_equal(tapped.count, 3);
    log_set_tap(NULL, NULL, LOG_OFF);
    assert_false(log_is_on(LOG_INFO));
    log_line(LOG_ERROR, NULL, "sink only");
    assert_int_equal(tapped.count, 3);
    char *line = end(fd);
    assert_memory_equal(without_time(line), "error both\n", 11);
}

static void without_memory_a_line_is_short_but_whole(void **state) {
    (void)state;
    char message[5000];
    memset(message, 'm', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    int fd = begin(LOG_TEXT, LOG_INFO);
    fail_alloc_after(0);
    log_line(LOG_INFO, NULL, "%s", message);
    fail_alloc_after(1); /* the message fits, its line does not */
    log_line(LOG_INFO, NULL, "%s", message);
    log_set(LOG_JSON, LOG_INFO);
    fail_alloc_after(1);
    log_line(LOG_INFO, NULL, "%s", message);
    fail_alloc_never();
    char *line = end(fd);
    assert_int_equal(strspn(without_time(line) + 5, "m"), 1023);
    line = strchr(line, '\n') + 1;
    char *third = strchr(line, '\n') + 1;
    static const char expected[] = "info out of memory for a line of the log\n";
    assert_memory_equal(without_time(line), expected, sizeof(expected) - 1);
    assert_string_equal(
        json_without_time(third),
        "\",\"level\":\"info\",\"message\":\"out of memory for a line of the log\"}\n");
}

static void expect_masked(struct slice text, const char *expected) {
    struct buffer room;
    buffer_init(&room, 0);
    assert_true(slice_is(log_mask(text, &room), expected));
    buffer_deinit(&room);
}

/* proves T17 */
static void secrets_are_hidden_in_every_value_of_a_line(void **state) {
    (void)state;
    expect_masked(SLICE("open sesame"), "open sesame");
    assert_int_equal(log_add_secret(SLICE("sesame")), STATUS_OK);
    assert_int_equal(log_add_secret(SLICE("sesame \"street\"")), STATUS_OK);
    assert_int_equal(log_add_secret(SLICE("sesame")), STATUS_OK);
    assert_int_equal(log_add_secret(SLICE("abc")), STATUS_OK); /* too short to hide */
    expect_masked(SLICE("sesame"), "***");
    expect_masked(SLICE("sesamesesame, sesam"), "******, sesam");
    expect_masked(SLICE("a sesame \"street\" sesame \"stree"), "a *** *** \"stree");
    expect_masked(SLICE("abc"), "abc");
    expect_masked(SLICE_NONE, "");
    const struct log_field field = {SLICE("who"), SLICE("sesame")};
    const struct log_place place = {
        .error = SLICE("no sesame"), .fields = &field, .field_count = 1};
    int fd = begin(LOG_TEXT, LOG_INFO);
    log_line(LOG_INFO, &place, "say %s", "sesame");
    assert_string_equal(without_time(end(fd)), "info say *** error=\"no ***\" who=***\n");
    fd = begin(LOG_JSON, LOG_INFO);
    log_line(LOG_INFO, &place, "say %s", "sesame \"street\"");
    assert_string_equal(json_without_time(end(fd)),
                        "\",\"level\":\"info\",\"message\":\"say ***\",\"error\":\"no ***\","
                        "\"fields\":{\"who\":\"***\"}}\n");
}

static void *log_many(void *argument) {
    const char *name = argument;
    for (int i = 0; i < LINES; i++) {
        struct log_place place = {.task = slice_of(name)};
        log_line(LOG_INFO, &place, "line");
        if (i % 50 == 0)
            log_set(LOG_TEXT, LOG_INFO);
    }
    return NULL;
}

static void lines_of_many_threads_stay_whole(void **state) {
    (void)state;
    char names[THREADS][300];
    pthread_t threads[THREADS];
    struct tapped tapped = {0};
    int fd = begin(LOG_TEXT, LOG_INFO);
    log_set_tap(on_tap, &tapped, LOG_INFO);
    for (int i = 0; i < THREADS; i++) {
        memset(names[i], 'a' + i, sizeof(names[i]) - 1);
        names[i][sizeof(names[i]) - 1] = '\0';
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    log_set_tap(NULL, NULL, LOG_OFF);
    assert_int_equal(tapped.count, THREADS * LINES);
    int count = 0;
    for (char *line = end(fd), *next; *line; line = next, count++) {
        next = strchr(line, '\n') + 1;
        const char *rest = without_time(line);
        assert_memory_equal(rest, "info line task=", 15);
        char letter[2] = {rest[15], '\0'};
        assert_int_equal(strspn(rest + 15, letter), sizeof(names[0]) - 1);
        assert_ptr_equal(rest + 15 + sizeof(names[0]) - 1, next - 1);
    }
    assert_int_equal(count, THREADS * LINES);
}

static void a_full_pipe_costs_lines_and_not_the_thread(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    log_open(ends[1], LOG_TEXT, LOG_INFO);
    char message[9000];
    memset(message, 'm', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    for (int i = 0; i < 9; i++) /* 81 kB; the pipe holds 64 */
        log_line(LOG_INFO, NULL, "%s", message);
    log_open(-1, LOG_TEXT, LOG_OFF);
    assert_true(read(ends[0], output, sizeof(output)) > 9000);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_for_the_journal_begin_with_their_level),
        cmocka_unit_test(text_lines_have_time_level_message_and_pairs),
        cmocka_unit_test(json_lines_have_places_at_the_top_and_fields_below),
        cmocka_unit_test(a_peer_cannot_forge_or_steer_a_text_line),
        cmocka_unit_test(a_peer_cannot_forge_or_break_a_json_line),
        cmocka_unit_test(words_are_quoted_only_where_they_need_it),
        cmocka_unit_test(levels_below_the_sink_are_left_out),
        cmocka_unit_test(level_names_parse_and_print),
        cmocka_unit_test(long_lines_are_whole),
        cmocka_unit_test(the_tap_sees_json_at_its_own_level),
        cmocka_unit_test(without_memory_a_line_is_short_but_whole),
        cmocka_unit_test(secrets_are_hidden_in_every_value_of_a_line),
        cmocka_unit_test(lines_of_many_threads_stay_whole),
        cmocka_unit_test(a_full_pipe_costs_lines_and_not_the_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
