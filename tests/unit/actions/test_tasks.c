/* run-task, stop-task, wait, log, fail, stop, write-file. */
#include "tests/unit/actions/bench.h"

#define GET_ROOT "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* proves M8 */
static void a_wait_holds_its_run_and_not_the_daemon(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load(bench, "slow:\n"
                      "  triggers: [{http-request: /}]\n"
                      "  actions: [{wait: 5s}, {http-response: slow}]\n"
                      "fast:\n"
                      "  triggers: [{http-request: /fast}]\n"
                      "  actions: [{wait: 0s}, {http-response: fast}]\n");
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, GET_ROOT);
    RIG_UNTIL(&bench->rig, bench->rig.counters.requests == 1);
    EXPECT(bench_ask(bench, "GET /fast HTTP/1.1"), "fast");
    rig_pass(&bench->rig, 4990);
    assert_false(peer_has(peer, "slow"));
    rig_pass(&bench->rig, 11);
    peer_expect(peer, "slow");
    peer_free(peer);
    bench_free(bench);
}

/* proves T13 */
static void log_writes_one_line_with_its_place(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load_actions(bench, "  - log: {text: \"a\\n${HttpQueryParam(x)}\", level: warn, fields: "
                              "{k: '${HttpMethod}', l: 2}}\n"
                              "  - http-response: ok\n");
    EXPECT(bench_ask(bench, "GET /?x=b%0ac HTTP/1.1"), "ok");
    const char *log = bench_log(bench);
    EXPECT(log, "\"level\":\"warn\"");
    EXPECT(log, "\"message\":\"a\\nb\\nc\"");
    EXPECT(log, "\"task\":\"t\"");
    EXPECT(log, "\"run\":\"");
    EXPECT(log, "\"fields\":{\"k\":\"GET\",\"l\":\"2\"}");
    bench_free(bench);
    bench_refuses("  - log: {text: a, level: loud}\n", "\"level\"", "loud");
}

/* proves M6 */
static void fail_fails_its_step(void **state) {
    (void)state;
    bench_answers("  - fail: {message: 'no ${HttpMethod}', code: 42}\n"
                  "    on-error: continue\n"
                  "  - http-response: '${StepResult} ${LastErrorCode} ${LastErrorDescription}'\n",
                  "GET / HTTP/1.1", "\r\n\r\n1 42 no GET");
    bench_answers("  - fail: no\n  - http-response: yes\n", "GET / HTTP/1.1", "HTTP/1.1 500");
}

static void stop_ends_the_run_as_done(void **state) {
    (void)state;
    bench_answers("  - http-response: first\n  - stop\n  - fail: no\n", "GET / HTTP/1.1", "first");
    bench_answers("  - stop\n  - fail: no\n", "GET / HTTP/1.1", "HTTP/1.1 204");
}

/* ---- other tasks --------------------------------------------------------------------------------
 */

static const char *const family = "parent:\n"
                                  "  triggers: [{http-request: /}]\n"
                                  "  actions:\n"
                                  "  - run-task: {task: child, vars: {a: '${HttpQueryParam(a)}'}, "
                                  "wait: true}\n"
                                  "    save: r\n"
                                  "  - http-response: '${r.status} ${r.error} ${r.result.x}'\n"
                                  "bare:\n"
                                  "  triggers: [{http-request: /bare}]\n"
                                  "  actions:\n"
                                  "  - run-task: {task: child, vars: {a: bad}, wait: true}\n"
                                  "    on-error: continue\n"
                                  "  - http-response: '${LastErrorDescription}'\n"
                                  "free:\n"
                                  "  triggers: [{http-request: /free}]\n"
                                  "  actions:\n"
                                  "  - run-task: child\n"
                                  "    save: r\n"
                                  "  - http-response: '${#r.run} ${r.status}'\n"
                                  "child:\n"
                                  "  vars: {a: none}\n"
                                  "  actions:\n"
                                  "  - log: 'a is ${a}'\n"
                                  "  - fail: child fails\n"
                                  "    when: a == \"bad\"\n"
                                  "  - stop: {result: {x: '${a}!'}}\n";

/* proves T8 */
static void run_task_starts_another_task_and_waits(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load(bench, family);
    EXPECT(bench_ask(bench, "GET /?a=1 HTTP/1.1"), "\r\n\r\ndone  1!");
    EXPECT(bench_ask(bench, "GET /?a=bad HTTP/1.1"), "\r\n\r\nfailed child fails ");
    EXPECT(bench_ask(bench, "GET /bare HTTP/1.1"), "\r\n\r\ntask \"child\" failed: child fails");
    EXPECT(bench_ask(bench, "GET /free HTTP/1.1"), "\r\n\r\n26 ");
    EXPECT(bench_log(bench), "a is none");
    bench_free(bench);
}

/* proves T8 */
static void a_task_that_starts_itself_ends_in_an_error(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load(bench, "self:\n"
                      "  triggers: [{http-request: /}]\n"
                      "  actions: [{run-task: self}]\n");
    EXPECT(bench_ask(bench, "GET / HTTP/1.1"), "HTTP/1.1 204");
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "causes nest 32 deep"));
    bench_free(bench);
}

static void slips_about_tasks_are_load_errors(void **state) {
    (void)state;
    bench_refuses("  - run-task: tt\n", "unknown task \"tt\"", "did you mean \"t\"?");
    bench_refuses("  - run-task: {task: t, vars: {x: 1}}\n", "declares no \"x\"", "");
    bench_refuses("  - run-task: {task: t, vars: {x: '${HttpPath}'}}\n", "declares no \"x\"", "");
    bench_refuses("  - run-task: {task: t, vars: 7}\n", "\"vars\" must be a mapping", "");
    bench_refuses("  - stop-task: tt\n", "unknown task \"tt\"", "");
    bench_refuses("  - stop-task: {}\n", "needs \"task\" or \"run\"", "");
}

/* proves T8 */
static void stop_task_cancels_runs(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load(bench, "slow:\n"
                      "  triggers: [{http-request: /}]\n"
                      "  actions: [{log: 'id ${RunId}.'}, {wait: 1h}, {http-response: slow}]\n"
                      "end:\n"
                      "  triggers: [{http-request: /end}]\n"
                      "  actions:\n"
                      "  - stop-task: slow\n"
                      "    save: r\n"
                      "  - http-response: '${r.stopped}'\n"
                      "one:\n"
                      "  triggers: [{http-request: '/one/{run}'}]\n"
                      "  actions:\n"
                      "  - stop-task: {run: '${HttpPathParam(run)}'}\n"
                      "    save: r\n"
                      "  - http-response: '${r.stopped}'\n"
                      "own:\n"
                      "  triggers: [{http-request: /own}]\n"
                      "  actions: [{stop-task: own}, {http-response: not reached}]\n");
    struct peer *a = peer_new(&bench->rig), *b = peer_new(&bench->rig);
    peer_say(a, GET_ROOT);
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "id "));
    const char *id = strstr(bench_log(bench), "id ") + 3;
    char head[128];
    snprintf(head, sizeof head, "GET /one/%.26s HTTP/1.1", id);
    EXPECT(bench_ask(bench, head), "\r\n\r\n1");
    peer_expect(a, "HTTP/1.1 503");
    EXPECT(bench_ask(bench, head), "\r\n\r\n0");
    peer_say(a, GET_ROOT);
    peer_say(b, GET_ROOT);
    RIG_UNTIL(&bench->rig, bench->rig.counters.requests == 5);
    EXPECT(bench_ask(bench, "GET /end HTTP/1.1"), "\r\n\r\n2");
    peer_expect(a, "HTTP/1.1 503");
    peer_expect(b, "HTTP/1.1 503");
    EXPECT(bench_ask(bench, "GET /own HTTP/1.1"), "HTTP/1.1 503");
    peer_free(a);
    peer_free(b);
    bench_free(bench);
}

/* Who waited for a task and is cancelled takes it along. */
static void a_cancelled_wait_cancels_the_other_run(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load(bench, "parent:\n"
                      "  triggers: [{http-request: /}]\n"
                      "  actions: [{run-task: {task: child, wait: true}}]\n"
                      "child:\n"
                      "  actions:\n"
                      "  - try: [{log: began}, {wait: 1h}]\n"
                      "    finally: [{log: ended}]\n");
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, GET_ROOT);
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "began"));
    assert_int_equal(engine_cancel_task(bench->engine, SLICE("parent")), 1);
    EXPECT(bench_log(bench), "ended");
    peer_expect(peer, "HTTP/1.1 503");
    peer_free(peer);
    bench_free(bench);
}

/* ---- files --------------------------------------------------------------------------------------
 */

/* proves T15 */
static void files_are_written_whole_replaced_and_appended(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load_actions(bench, "  - write-file: {file: out, text: 'a ${HttpQueryParam(x)}'}\n"
                              "  - write-file: {file: out, binary: '\\0b', append: true}\n"
                              "  - http-response: ok\n");
    bench_write_text(bench, "out", "old and longer than the new one");
    EXPECT(bench_ask(bench, "GET /?x=1 HTTP/1.1"), "ok");
    const char *text = bench_read(bench, "out");
    assert_memory_equal(text, "a 1\0b", 6);
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "%s/out", bench->folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0755); /* as the old one had it */
    bench_free(bench);
}

/* proves T15 */
static void nothing_is_written_outside_the_root(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    char path[128];
    snprintf(path, sizeof path, "%s/in", bench->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/in/up", bench->folder);
    assert_int_equal(symlink("..", path), 0);
    snprintf(path, sizeof path, "%s/in/link", bench->folder);
    assert_int_equal(symlink("../evil", path), 0);
    bench_load_actions(bench, "  - write-file: {file: '${HttpQueryParam(f)}', root: in, text: x, "
                              "append: '${HttpQueryParam(a)}'}\n"
                              "    on-error: continue\n"
                              "  - http-response: '${StepResult} ${LastErrorDescription}'\n");
    static const char *const evil[] = {"..%2fevil&a=0", "..%2fevil&a=1",   "up%2fevil&a=0",
                                       "up%2fevil&a=1", "link&a=1",        "a%2f..%2f..%2fevil&a=0",
                                       "&a=0",          "none%2fevil&a=0", "%2f&a=1"};
    for (size_t i = 0; i < ARRAY_SIZE(evil); i++) {
        char head[128];
        snprintf(head, sizeof head, "GET /?f=%s HTTP/1.1", evil[i]);
        EXPECT(bench_ask(bench, head), "\r\n\r\n1 ");
    }
    assert_null(bench_read(bench, "evil"));
    EXPECT(bench_ask(bench, "GET /?f=good&a=0 HTTP/1.1"), "\r\n\r\n0 ");
    EXPECT(bench_ask(bench, "GET /?f=/good&a=1 HTTP/1.1"), "\r\n\r\n0 ");
    assert_string_equal(bench_read(bench, "in/good"), "xx");
    EXPECT(bench_ask(bench, "GET /?f=link&a=0 HTTP/1.1"), "\r\n\r\n0 "); /* the link is replaced */
    assert_null(bench_read(bench, "evil"));
    assert_string_equal(bench_read(bench, "in/link"), "x");
    bench_free(bench);
}

static void wrong_uses_of_files_are_load_errors(void **state) {
    (void)state;
    bench_refuses("  - write-file: {file: a}\n", "exactly one of", "");
    bench_refuses("  - write-file: {file: a, text: b, binary: c}\n", "exactly one of", "");
    bench_refuses("  - write-file: {file: '${HttpPath}', text: b}\n", "needs \"root\"", "");
    bench_refuses("  - write-file: {file: a/, text: b}\n", "not a folder", "");
    bench_refuses("  - write-file: {text: b}\n", "\"file\"", "");
}

/* proves T15 */
static void a_write_that_cannot_be_leaves_the_old_file(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    char path[128];
    snprintf(path, sizeof path, "%s/folder", bench->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    bench_load_actions(bench, "  - write-file: {file: folder, text: x}\n"
                              "    on-error: continue\n"
                              "  - http-response: '${LastErrorDescription}'\n");
    EXPECT(bench_get(bench), "/folder\" cannot be written: Is a directory");
    bench_free(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_holds_its_run_and_not_the_daemon),
        cmocka_unit_test(log_writes_one_line_with_its_place),
        cmocka_unit_test(fail_fails_its_step),
        cmocka_unit_test(stop_ends_the_run_as_done),
        cmocka_unit_test(run_task_starts_another_task_and_waits),
        cmocka_unit_test(a_task_that_starts_itself_ends_in_an_error),
        cmocka_unit_test(slips_about_tasks_are_load_errors),
        cmocka_unit_test(stop_task_cancels_runs),
        cmocka_unit_test(a_cancelled_wait_cancels_the_other_run),
        cmocka_unit_test(files_are_written_whole_replaced_and_appended),
        cmocka_unit_test(nothing_is_written_outside_the_root),
        cmocka_unit_test(wrong_uses_of_files_are_load_errors),
        cmocka_unit_test(a_write_that_cannot_be_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
