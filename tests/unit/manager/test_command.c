/* The command line: which command it is, what goes into the path, and what is sent. */
#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "manager/manager.h"

#define WORDS_MAX 24

struct line {
    struct manager manager;
    char words[256]; /* what the manager borrows */
};

/* Reads the words as a command line; what is said about it goes nowhere. */
static bool parse(struct line *line, const char *text) {
    char program[] = "bellwire", *rest = NULL;
    char *words[WORDS_MAX] = {program};
    int count = 1;
    assert_true(strlen(text) < sizeof line->words);
    memcpy(line->words, text, strlen(text) + 1);
    for (char *at = strtok_r(line->words, " ", &rest); at && count < WORDS_MAX;
         at = strtok_r(NULL, " ", &rest))
        words[count++] = at;
    (void)unsetenv("BELLWIRE_CONTROL");
    (void)unsetenv("BELLWIRE_STATE");
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC), kept = dup(STDERR_FILENO);
    assert_true(dup2(quiet, STDERR_FILENO) >= 0);
    bool is_good = command_parse(&line->manager, count, words);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(quiet);
    close(kept);
    return is_good;
}

static void expect_request(const char *line, const char *target, const char *body) {
    struct line read;
    assert_true(parse(&read, line));
    assert_true(read.manager.is_ready);
    char *got = command_target(&read.manager), *sent = command_body(&read.manager);
    assert_string_equal(got, target);
    if (body)
        assert_string_equal(sent, body);
    else
        assert_null(sent);
    free(got);
    free(sent);
    command_release(&read.manager);
}

static void expect_refused(const char *line) {
    struct line read;
    assert_false(parse(&read, line));
    assert_false(read.manager.is_ready);
    command_release(&read.manager);
}

static void commands_become_requests(void **state) {
    (void)state;
    expect_request("server list", "/v1/servers", NULL);
    expect_request("status", "/v1/status", NULL);
    expect_request("server show main", "/v1/servers/main", NULL);
    expect_request("task show a/b", "/v1/tasks/a%2Fb", NULL);
    expect_request("run list --task hello", "/v1/runs?task=hello", NULL);
    expect_request("log -f --level debug", "/v1/log?follow=true&level=debug", NULL);
    expect_request("log --follow", "/v1/log?follow=true", NULL);
    expect_request("log --task=a&b", "/v1/log?task=a%26b", NULL);
    expect_request("reload", "/v1/reload", "{}");
    expect_request("task stop t", "/v1/tasks/t/stop", "{}");
    expect_request("session send s hello", "/v1/sessions/s/send", "{\"text\":\"hello\"}");
    expect_request("session send --binary s hello", "/v1/sessions/s/send",
                   "{\"binary\":true,\"text\":\"hello\"}");
    expect_request("session close s --code 4000 --reason bye", "/v1/sessions/s/close",
                   "{\"code\":4000,\"reason\":\"bye\"}");
}

static void variables_are_texts_or_json(void **state) {
    (void)state;
    expect_request("task run t --var a=1 --json b=[1,null] --var c=x=y --wait", "/v1/tasks/t/run",
                   "{\"vars\":{\"a\":\"1\",\"b\":[1,null],\"c\":\"x=y\"},\"wait\":true}");
    expect_request("task run t --var=a= --timeout 5s", "/v1/tasks/t/run",
                   "{\"timeout\":\"5s\",\"vars\":{\"a\":\"\"}}");
    expect_refused("task run t --var a");
    expect_refused("task run t --var =a");
    expect_refused("task run t --json a={");
    expect_refused("task run t --var");
}

static void two_dashes_end_the_options(void **state) {
    (void)state;
    expect_request("session send -- s --binary", "/v1/sessions/s/send", "{\"text\":\"--binary\"}");
    expect_request("session send s -- -o", "/v1/sessions/s/send", "{\"text\":\"-o\"}");
    expect_request("session send s -", "/v1/sessions/s/send", "{\"text\":\"-\"}");
}

static void common_options_stand_anywhere(void **state) {
    (void)state;
    static const char *const lines[] = {"-o json --control /a/b status",
                                        "status -o json --control /a/b",
                                        "--control=/a/b -o=json status"};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct line read;
        assert_true(parse(&read, lines[i]));
        assert_true(read.manager.is_json);
        assert_string_equal(read.manager.control, "/a/b");
        assert_string_equal(read.manager.state, "/var/lib/bellwire");
        command_release(&read.manager);
    }
}

static void the_socket_is_that_of_the_state_where_only_that_is_given(void **state) {
    (void)state;
    struct line read;
    assert_true(parse(&read, "--state /s status"));
    assert_string_equal(read.manager.control, "/s/control.sock");
    command_release(&read.manager);
    assert_true(parse(&read, "--state /s --control /c status"));
    assert_string_equal(read.manager.control, "/c");
    command_release(&read.manager);
    assert_true(parse(&read, "status"));
    assert_string_equal(read.manager.control, CONTROL_SOCKET_DEFAULT);
    command_release(&read.manager);
}

static void wrong_lines_are_refused(void **state) {
    (void)state;
    static const char *const lines[] = {"",
                                        "nonsense",
                                        "server",
                                        "server lst",
                                        "status extra",
                                        "status --nope",
                                        "server show",
                                        "server show a b",
                                        "session send s",
                                        "session close s --code x",
                                        "session close s --code",
                                        "-o xml status",
                                        "--timeout 5 status",
                                        "--timeout 0s status",
                                        "status --control"};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        expect_refused(lines[i]);
}

static void help_needs_no_arguments(void **state) {
    (void)state;
    static const char *const lines[] = {"--help", "task run --help", "-h", "status -h"};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct line read;
        assert_true(parse(&read, lines[i]));
        assert_true(read.manager.is_help);
        command_release(&read.manager);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_become_requests),
        cmocka_unit_test(variables_are_texts_or_json),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(common_options_stand_anywhere),
        cmocka_unit_test(the_socket_is_that_of_the_state_where_only_that_is_given),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(help_needs_no_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
