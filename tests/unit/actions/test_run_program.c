/* run-program against real programs: small shell scripts in a folder of the test. */
#include "tests/unit/actions/bench.h"

#include <sys/wait.h>

static struct bench *bench_script(const char *script, const char *actions) {
    struct bench *bench = bench_new();
    bench_write_text(bench, "s", arena_printf(&bench->arena, "#!/bin/sh\n%s\n", script));
    bench_load_actions(bench, actions);
    return bench;
}

static void expect(const char *script, const char *actions, const char *answer) {
    struct bench *bench = bench_script(script, actions);
    EXPECT(bench_ask(bench, "GET /?x=a%20b HTTP/1.1"), answer);
    bench_free(bench);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a zombie */
    assert_int_equal(errno, ECHILD);
}

static size_t open_fds(void) {
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static bool is_alive(pid_t pid) { return kill(pid, 0) == 0; }

/* proves T7 */
static void arguments_arrive_as_they_are(void **state) {
    (void)state;
    expect("for a in \"$@\"; do echo \"[$a]\"; done",
           "  - run-program: {command: [./s, '$HOME; ls', '${HttpQueryParam(x)}', '']}\n"
           "    save: r\n"
           "  - http-response: '${r.stdout}'\n",
           "[$HOME; ls]\n[a b]\n[]\n");
    expect("echo", "  - run-program: [echo, plain]\n    save: r\n  - http-response: ${r.stdout}\n",
           "\r\n\r\nplain\n");
}

/* proves T7 */
static void a_variable_may_name_the_program(void **state) {
    (void)state;
    expect("printf '%s|' \"${0##*/}\" \"$@\"",
           "  - set: {name: s, none: ''}\n"
           "  - run-program: ['./${name}', '${name}']\n"
           "    save: part\n"
           "  - run-program: {command: '${\"./\" .. name}'}\n"
           "    save: whole\n"
           "  - run-program: ['${none}', a]\n"
           "    on-error: continue\n"
           "  - http-response: '${part.stdout} ${whole.stdout} ${LastErrorDescription}'\n",
           "\r\n\r\ns|s| s| \"command\" must name a program, got \"\" as its first text");
}

/* proves T7 */
static void both_streams_and_the_exit_code_are_the_result(void **state) {
    (void)state;
    const char *actions =
        "  - run-program: {command: [./s]}\n"
        "    save: r\n"
        "    on-error: continue\n"
        "  - http-response: '${r.stdout}|${r.stderr}|${r.exit_code}|${r.signal}|"
        "${r.truncated}|${StepResult}|${LastErrorCode}|${LastErrorDescription}'\n";
    expect("printf out; printf err >&2", actions, "\r\n\r\nout|err|0|0|false|0|0|");
    expect("printf out; exit 7", actions,
           "\r\n\r\nout||7|0|false|1|7|program \"./s\" ended with exit code 7");
    expect("printf out; kill -9 $$", actions,
           "\r\n\r\nout||137|9|false|1|137|program \"./s\" was "
           "ended by signal 9");
}

/* proves T7 */
static void success_lists_the_exit_codes_that_are_no_failure(void **state) {
    (void)state;
    const char *actions = "  - run-program: {command: [./s], success: [0, 7]}\n"
                          "  - http-response: fine\n";
    expect("exit 7", actions, "fine");
    expect("exit 8", actions, "HTTP/1.1 500");
    bench_refuses("  - run-program: {command: [a], success: [256]}\n", "from 0 to 255", "256");
}

/* proves T7 */
static void standard_input_comes_from_a_text_or_a_file(void **state) {
    (void)state;
    const char *out = "    save: r\n  - http-response: '<${r.stdout}>'\n";
    char actions[512];
    snprintf(actions, sizeof actions,
             "  - run-program: {command: [cat], stdin: 'in ${HttpQueryParam(x)}'}\n%s", out);
    expect("", actions, "<in a b>");
    snprintf(actions, sizeof actions, "  - run-program: {command: [cat], stdin-file: s}\n%s", out);
    expect("here", actions, "<#!/bin/sh\nhere\n>");
    snprintf(actions, sizeof actions, "  - run-program: {command: [cat]}\n%s", out);
    expect("", actions, "<>");
    expect("",
           "  - run-program: {command: [cat], stdin-file: '../${HttpQueryParam(x)}'}\n"
           "    on-error: continue\n"
           "  - http-response: '${LastErrorDescription}'\n",
           "\"stdin-file\": No such file");
    expect("",
           "  - run-program: {command: [cat], stdin-file: '${HttpQueryParam(x)}/../../etc/passwd'}"
           "\n    on-error: continue\n"
           "  - http-response: '${LastErrorDescription}'\n",
           "\"stdin-file\": ");
    bench_refuses("  - run-program: {command: [a], stdin: a, stdin-file: b}\n",
                  "exclude each other", "");
}

/* proves T7 */
static void the_environment_is_the_one_that_is_promised(void **state) {
    (void)state;
    setenv("BENCH_PASSED", "yes", 1);
    setenv("BENCH_HIDDEN", "no", 1);
    struct bench *bench =
        bench_script("env | cut -d= -f1 | grep -v '^_$' | grep -v '^PWD$' | sort | tr '\\n' ' '; "
                     "echo \"$A $BENCH_PASSED $BELLWIRE_TASK $BELLWIRE_TRIGGER $BELLWIRE_SERVER "
                     "$BELLWIRE_PEER\"; pwd",
                     "  - run-program:\n"
                     "      command: [./s]\n"
                     "      env: {A: '${HttpQueryParam(x)}'}\n"
                     "      pass-env: [BENCH_PASSED, BENCH_NONE]\n"
                     "    save: r\n"
                     "  - http-response: '${r.stdout}'\n");
    const char *answer = bench_ask(bench, "GET /?x=1 HTTP/1.1");
    EXPECT(answer, "\r\n\r\nA BELLWIRE_CLIENT BELLWIRE_PEER BELLWIRE_RUN BELLWIRE_SERVER "
                   "BELLWIRE_SESSION BELLWIRE_TASK BELLWIRE_TRIGGER BENCH_PASSED HOME LANG LOGNAME "
                   "PATH SHELL TZ USER 1 yes t http-request main 127.0.0.1\n");
    EXPECT(answer, bench->folder);
    bench_free(bench);
}

/* proves T7 */
static void what_cannot_be_started_says_so(void **state) {
    (void)state;
    static const struct {
        const char *command, *more, *answer;
    } cases[] = {
        {"no-such-program-here", "",
         "127 2 program \"no-such-program-here\" cannot be started: it "
         "is not found on PATH"},
        {"/no/such", "", "127 2 program \"/no/such\" cannot be started: there is no such file"},
        {"/etc/passwd", "",
         "126 13 program \"/etc/passwd\" cannot be started: it is no file that "
         "may be executed"},
        {"./s", "", "its first line is not there"},
        {"true", ", directory: nowhere", "its directory \""},
        {"true", ", user: nobody-knows-him", "there is no user \"nobody-knows-him\""},
        {"true", ", limits: {files: 20}",
         "its helper \"/nonexistent/bellwire-exec\" is not there"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench *bench = bench_new();
        bench_write_text(bench, "s", "#!/no/such/interpreter\n");
        bench_load_actions(bench,
                           arena_printf(&bench->arena,
                                        "  - run-program: {command: ['%s']%s}\n"
                                        "    save: r\n"
                                        "    on-error: continue\n"
                                        "  - http-response: '${r.exit_code} ${LastErrorCode} "
                                        "${LastErrorDescription}'\n",
                                        cases[i].command, cases[i].more));
        EXPECT(bench_get(bench), cases[i].answer);
        assert_int_equal(bench->programs.running, 0);
        bench_free(bench);
    }
}

/* proves T7 */
static void output_is_cut_at_its_bound(void **state) {
    (void)state;
    expect("head -c 300000 /dev/zero | tr '\\0' a; echo end >&2",
           "  - run-program: {command: [./s], max-output: 1000}\n"
           "    save: r\n"
           "  - http-response: '${#r.stdout} ${r.truncated} ${r.stderr}'\n",
           "\r\n\r\n1000 true end\n");
}

/* proves T7 */
static void without_save_the_output_goes_to_the_log(void **state) {
    (void)state;
    struct bench *bench = bench_script("echo one; echo two; echo three >&2",
                                       "  - run-program: [./s]\n  - http-response: ok\n");
    EXPECT(bench_get(bench), "ok");
    EXPECT(bench_log(bench), "stdout of ./s: one\"");
    EXPECT(bench_log(bench), "stdout of ./s: two\"");
    EXPECT(bench_log(bench), "stderr of ./s: three\"");
    bench_free(bench);
}

/* The pids that a script has written, one a line. */
static bool read_pid(struct bench *bench, const char *name, pid_t *out) {
    const char *text = bench_read(bench, name);
    if (!text || !strchr(text, '\n'))
        return false;
    *out = (pid_t)atoi(text);
    return true;
}

static const char *const stubborn = "trap '' TERM\n"
                                    "sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; "
                                    "done' &\n"
                                    "echo $$ > leader; echo early\n"
                                    "while :; do sleep 1; done";

/* proves T7 */
static void a_timeout_ends_the_whole_group(void **state) {
    (void)state;
    size_t fds = open_fds();
    pid_t leader = 0, child = 0;
    struct bench *bench = bench_script(stubborn, "  - run-program: [./s]\n"
                                                 "    timeout: 5s\n"
                                                 "    save: r\n"
                                                 "    on-error: continue\n"
                                                 "  - http-response: '${r.exit_code} ${r.stdout} "
                                                 "${LastErrorDescription}'\n");
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(&bench->rig, read_pid(bench, "leader", &leader) && read_pid(bench, "child", &child));
    for (int i = 0; i < 50; i++)
        net_loop_turn(bench->rig.loop, 2); /* `early` comes */
    rig_pass(&bench->rig, 5001);
    peer_expect(peer, "124 early\n no end within 5s");
    assert_true(is_alive(leader)); /* it does not mind TERM */
    assert_int_equal(bench->programs.running, 1);
    rig_pass(&bench->rig, 5001);
    RIG_UNTIL(&bench->rig, bench->programs.running == 0);
    assert_false(is_alive(leader));
    RIG_UNTIL(&bench->rig, !is_alive(child));
    peer_free(peer);
    bench_free(bench);
    assert_true(open_fds() <= fds + 4); /* of libuv's pool, once */
}

/* Who prints while it ends is not ended by a closed pipe. */
static void a_program_may_speak_when_it_is_told_to_end(void **state) {
    (void)state;
    pid_t leader = 0;
    struct bench *bench =
        bench_script("trap 'echo bye; echo bye >&2; echo > told; exit' TERM\n"
                     "echo $$ > leader; while :; do sleep 0.05; done",
                     "  - run-program: [./s]\n    timeout: 5s\n    on-error: continue\n"
                     "  - http-response: late\n");
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(&bench->rig, read_pid(bench, "leader", &leader));
    rig_pass(&bench->rig, 5001);
    peer_expect(peer, "late");
    RIG_UNTIL(&bench->rig, bench->programs.running == 0);
    assert_non_null(bench_read(bench, "told"));
    peer_free(peer);
    bench_free(bench);
}

/* proves T7 */
static void what_a_leader_leaves_behind_is_ended(void **state) {
    (void)state;
    pid_t child = 0;
    struct bench *bench =
        bench_script("sh -c 'echo $$ > child; while :; do sleep 1; done' > /dev/null 2>&1 &\n"
                     "while [ ! -s child ]; do sleep 0.01; done; echo ready",
                     "  - run-program: [./s]\n    save: r\n  - http-response: '${r.stdout}'\n");
    EXPECT(bench_get(bench), "ready");
    assert_true(read_pid(bench, "child", &child));
    RIG_UNTIL(&bench->rig, !is_alive(child));
    bench_free(bench);
}

/* The pipes of a leader that has gone are waited for 100 ms, not for ever. */
static void open_pipes_do_not_hold_the_step(void **state) {
    (void)state;
    struct bench *bench =
        bench_script("setsid sh -c 'echo $$ > far; while :; do sleep 1; done' &\n"
                     "while [ ! -s far ]; do sleep 0.01; done; echo said",
                     "  - run-program: [./s]\n    save: r\n  - http-response: '${r.stdout}'\n");
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < RIG_TURNS && !peer_has(peer, "said"); i++) {
        bench->rig.clock.mono_ms += 2;
        net_loop_turn(bench->rig.loop, 2);
    }
    assert_true(peer_has(peer, "said"));
    pid_t far = 0; /* it has left the group, so nobody else ends it */
    assert_true(read_pid(bench, "far", &far));
    assert_int_equal(kill(far, SIGKILL), 0);
    peer_free(peer);
    bench_free(bench);
}

/* proves T7 */
static void places_are_given_in_order(void **state) {
    (void)state;
    struct bench *bench = bench_script("echo $1 >> order; while [ ! -e go ]; do sleep 0.01; done",
                                       "  - run-program: [./s, '${HttpQuery}']\n    timeout: 10s\n"
                                       "  - http-response: done\n");
    bench->programs.max = 1;
    struct peer *peers[4];
    for (int i = 0; i < 4; i++) {
        char head[80];
        peers[i] = peer_new(&bench->rig);
        snprintf(head, sizeof head, "GET /?%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i);
        peer_say(peers[i], head);
        RIG_UNTIL(&bench->rig, bench->rig.counters.requests == (uint64_t)i + 1);
    }
    RIG_UNTIL(&bench->rig, bench_read(bench, "order") && *bench_read(bench, "order"));
    rig_pass(&bench->rig, 9000); /* longer than the second would have left */
    assert_string_equal(bench_read(bench, "order"), "0\n");
    bench_write_text(bench, "go", "");
    for (int i = 0; i < 4; i++) {
        peer_expect(peers[i], "done");
        rig_pass(&bench->rig, 500);
        peer_free(peers[i]);
    }
    assert_string_equal(bench_read(bench, "order"), "0\n1\n2\n3\n");
    assert_int_equal(bench->programs.running, 0);
    bench_free(bench);
}

/* A run that is cancelled while its program waits, or runs, leaves nothing. */
static void cancelled_runs_leave_no_program(void **state) {
    (void)state;
    pid_t leader = 0;
    struct bench *bench =
        bench_script("echo $$ > leader; while :; do sleep 1; done", "  - run-program: [./s]\n");
    bench->programs.max = 1;
    struct peer *one = peer_new(&bench->rig), *two = peer_new(&bench->rig);
    peer_say(one, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(&bench->rig, read_pid(bench, "leader", &leader));
    peer_say(two, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(&bench->rig, bench->rig.counters.requests == 2);
    assert_int_equal(engine_cancel_task(bench->engine, SLICE("t")), 2);
    peer_expect(one, "HTTP/1.1 503");
    peer_expect(two, "HTTP/1.1 503");
    RIG_UNTIL(&bench->rig, bench->programs.running == 0);
    assert_false(is_alive(leader));
    peer_free(one);
    peer_free(two);
    bench_free(bench);
}

static void a_worker_that_ends_kills_its_programs(void **state) {
    (void)state;
    pid_t leader = 0;
    struct bench *bench = bench_script(stubborn, "  - run-program: [./s]\n");
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(&bench->rig, read_pid(bench, "leader", &leader));
    bench_free(bench);
    assert_false(is_alive(leader));
    close(peer->fd);
    free(peer);
}

/* proves T15 */
static void each_line_has_its_chain_in_order(void **state) {
    (void)state;
    struct bench *bench = bench_script("printf 'a\\nb\\n\\nc'",
                                       "  - run-program:\n"
                                       "      command: [./s]\n"
                                       "      lines: {as: line, do: [{wait: 10ms}, {write-file: "
                                       "{file: out, text: \"<${line}>\", append: true}}]}\n"
                                       "    save: r\n"
                                       "  - http-response: '${r.exit_code} ${#r.stdout}'\n");
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < RIG_TURNS && !peer_has(peer, "\r\n\r\n0 6"); i++) {
        bench->rig.clock.mono_ms += 2;
        net_loop_turn(bench->rig.loop, 1);
    }
    assert_true(peer_has(peer, "\r\n\r\n0 6"));
    assert_string_equal(bench_read(bench, "out"), "<a><b><><c>");
    peer_free(peer);
    bench_free(bench);
}

/* proves T15 */
static void lines_come_while_the_program_runs(void **state) {
    (void)state;
    expect("echo one; while [ ! -e seen ]; do sleep 0.01; done; echo two",
           "  - run-program:\n"
           "      command: [./s]\n"
           "      lines: {as: line, do: [{write-file: {file: seen, text: '${line}'}}]}\n"
           "  - http-response: both\n",
           "both");
}

/* proves T15 */
static void a_failing_chain_ends_the_program(void **state) {
    (void)state;
    pid_t leader = 0;
    struct bench *bench = bench_script("echo $$ > leader; echo one; while :; do sleep 1; done",
                                       "  - run-program:\n"
                                       "      command: [./s]\n"
                                       "      lines: {as: line, do: [{fail: 'no ${line}'}]}\n"
                                       "    on-error: continue\n"
                                       "  - http-response: '${LastErrorDescription}'\n");
    EXPECT(bench_get(bench), "\r\n\r\nno one");
    RIG_UNTIL(&bench->rig, bench->programs.running == 0);
    assert_true(read_pid(bench, "leader", &leader));
    assert_false(is_alive(leader));
    bench_free(bench);
}

static void a_line_past_max_output_is_cut(void **state) {
    (void)state;
    expect("head -c 300000 /dev/zero | tr '\\0' a; echo; echo last",
           "  - run-program:\n"
           "      command: [./s]\n"
           "      max-output: 1000\n"
           "      lines: {as: line, do: [{write-file: {file: out, text: 'n ${#line}', append: "
           "true}}]}\n"
           "    save: r\n"
           "  - run-program: [cat, out]\n"
           "    save: all\n"
           "  - http-response: '${all.stdout}${r.truncated}'\n",
           "\r\n\r\nn 1000n 4true");
    /* Ends that come in the same read, in a later one, and not at all. */
    expect("printf '%050d\\n%050d\\n%010d\\n' 1 2 3; while [ ! -e 2 ]; do sleep 0.01; done\n"
           "printf '%050d' 4; while [ ! -e 4 ]; do sleep 0.01; done\n"
           "printf '%05d\\nabc\\n%011d' 5 6",
           "  - set: {n: 0, seen: ''}\n"
           "  - run-program:\n"
           "      command: [./s]\n"
           "      max-output: 10\n"
           "      lines:\n"
           "        as: line\n"
           "        do:\n"
           "          - set: {n: '${n + 1}', seen: '${seen}<${line}>'}\n"
           "          - write-file: {file: '${n}', root: ., text: ''}\n"
           "  - http-response: '${seen}'\n",
           "\r\n\r\n<0000000000><0000000000><0000000003><0000000000><abc><0000000000>");
}

/* The test's own clock, which goes on by one millisecond with each look. */
static uint64_t ticking_mono_ns(const struct clock *clock) {
    struct rig_clock *rig_clock =
        CONTAINER_OF((struct clock *)(uintptr_t)clock, struct rig_clock, clock);
    return ++rig_clock->mono_ms * 1000000;
}

/* How often the text is in what was added to the file since the last look. */
static size_t added(int fd, const char *what) {
    char text[65536];
    ssize_t size = read(fd, text, sizeof text - 1);
    size_t count = 0;
    assert_true(size >= 0);
    text[size] = '\0';
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

/* proves T15 */
static void many_lines_leave_the_loop_its_turns(void **state) {
    (void)state;
    struct bench *bench = bench_script("seq 500", "  - set: {n: 0, good: 0}\n"
                                                  "  - run-program:\n"
                                                  "      command: [./s]\n"
                                                  "      lines:\n"
                                                  "        as: line\n"
                                                  "        do:\n"
                                                  "          - set: {n: '${n + 1}'}\n"
                                                  "          - set: {good: '${good + 1}'}\n"
                                                  "            when: number(line) == n\n"
                                                  "          - log: a-line\n"
                                                  "  - http-response: 'all ${n} ${good}'\n");
    struct peer *peer = peer_new(&bench->rig);
    int log = open(bench->log_path, O_RDONLY | O_CLOEXEC);
    assert_true(log >= 0);
    bench->rig.clock.clock.mono_ns = ticking_mono_ns;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    size_t most = 0, seen = 0;
    for (int i = 0; i < RIG_TURNS && !peer_has(peer, "\r\n\r\nall 500 500"); i++) {
        net_loop_turn(bench->rig.loop, 1);
        size_t now = added(log, "a-line");
        most = now > most ? now : most;
        seen += now;
    }
    assert_true(peer_has(peer, "\r\n\r\nall 500 500"));
    assert_int_equal(seen, 500);
    assert_in_range(most, 1, 12); /* a look for each line, and ten of them fill a turn */
    close(log);
    peer_free(peer);
    bench_free(bench);
}

/* proves T15 */
static void a_timeout_ends_lines_that_give_way(void **state) {
    (void)state;
    struct bench *bench =
        bench_script("seq 500", "  - run-program:\n"
                                "      command: [./s]\n"
                                "      lines: {as: line, do: [{log: a-line}, {wait: 1ms, "
                                "when: line == '1'}]}\n"
                                "    timeout: 200ms\n"
                                "    on-error: continue\n"
                                "  - http-response: ${LastErrorDescription}\n");
    struct peer *peer = peer_new(&bench->rig);
    int log = open(bench->log_path, O_RDONLY | O_CLOEXEC);
    assert_true(log >= 0);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    size_t seen = 0;
    RIG_UNTIL(&bench->rig, (seen += added(log, "a-line")) == 1); /* its chain awaits the clock */
    bench->rig.clock.clock.mono_ns = ticking_mono_ns;
    RIG_UNTIL(&bench->rig, peer_has(peer, "\r\n\r\nno end within 200ms"));
    bench->rig.clock.clock.mono_ns = rig_mono_ns;
    assert_in_range(added(log, "a-line"), 10, 490);
    RIG_UNTIL(&bench->rig, bench->programs.running == 0);
    assert_int_equal(added(log, "a-line"), 0);
    close(log);
    peer_free(peer);
    bench_free(bench);
}

/* proves T7 */
static void many_programs_leave_no_descriptor(void **state) {
    (void)state;
    struct bench *bench = bench_script("echo hi", "  - run-program: [./s]\n    save: r\n"
                                                  "  - http-response: '${r.stdout}'\n");
    EXPECT(bench_get(bench), "hi");
    size_t fds = open_fds();
    for (int i = 0; i < 100; i++)
        EXPECT(bench_get(bench), "hi");
    assert_int_equal(open_fds(), fds);
    assert_null(bench->host.processes);
    bench_free(bench);
}

static void wrong_uses_are_load_errors(void **state) {
    (void)state;
    bench_refuses("  - run-program: []\n", "command", "");
    bench_refuses("  - run-program: {command: ['']}\n", "must name a program", "");
    bench_refuses("  - run-program: {command: ['', '${HttpPath}']}\n", "must name a program", "");
    bench_refuses("  - run-program: {command: [a], env: {'a=b': c}}\n", "cannot be the name", "");
    bench_refuses("  - run-program: {command: [a], lines: {as: x}}\n", "\"do\"", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_arrive_as_they_are),
        cmocka_unit_test(a_variable_may_name_the_program),
        cmocka_unit_test(both_streams_and_the_exit_code_are_the_result),
        cmocka_unit_test(success_lists_the_exit_codes_that_are_no_failure),
        cmocka_unit_test(standard_input_comes_from_a_text_or_a_file),
        cmocka_unit_test(the_environment_is_the_one_that_is_promised),
        cmocka_unit_test(what_cannot_be_started_says_so),
        cmocka_unit_test(output_is_cut_at_its_bound),
        cmocka_unit_test(without_save_the_output_goes_to_the_log),
        cmocka_unit_test(a_timeout_ends_the_whole_group),
        cmocka_unit_test(a_program_may_speak_when_it_is_told_to_end),
        cmocka_unit_test(what_a_leader_leaves_behind_is_ended),
        cmocka_unit_test(open_pipes_do_not_hold_the_step),
        cmocka_unit_test(places_are_given_in_order),
        cmocka_unit_test(cancelled_runs_leave_no_program),
        cmocka_unit_test(a_worker_that_ends_kills_its_programs),
        cmocka_unit_test(each_line_has_its_chain_in_order),
        cmocka_unit_test(lines_come_while_the_program_runs),
        cmocka_unit_test(a_failing_chain_ends_the_program),
        cmocka_unit_test(a_line_past_max_output_is_cut),
        cmocka_unit_test(many_lines_leave_the_loop_its_turns),
        cmocka_unit_test(a_timeout_ends_lines_that_give_way),
        cmocka_unit_test(many_programs_leave_no_descriptor),
        cmocka_unit_test(wrong_uses_are_load_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
