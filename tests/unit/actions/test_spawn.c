/* What a program finds when it begins: its descriptors, limits and signals, and none of ours. */
#include "tests/unit/actions/bench.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "actions/process.h"

#define SHOW "    save: r\n  - http-response: '${r.stdout}'\n"

static struct bench *bench_of(const char *command) {
    struct bench *bench = bench_new();
    bench_load_actions(
        bench, arena_printf(&bench->arena, "  - run-program: [sh, -c, '%s']\n" SHOW, command));
    return bench;
}

/* proves T7 */
static void a_program_gets_three_descriptors(void **state) {
    (void)state;
    struct bench *bench = bench_of("ls /proc/self/fd; readlink /proc/self/fd/0");
    int high = fcntl(0, F_DUPFD, 500); /* kept over execve(), and far above */
    assert_true(high >= 500);
    /* `ls` itself opens the folder. */
    EXPECT(bench_get(bench), "\r\n\r\n0\n1\n2\n3\n/dev/null\n");
    close(high);
    bench_free(bench);
}

/* proves T7 */
static void many_open_descriptors_change_nothing(void **state) {
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct bench *bench = bench_of("cat; echo out; echo err >&2");
    int fds[400];
    size_t count = limit.rlim_cur < 600 ? 100 : ARRAY_SIZE(fds);
    for (size_t i = 0; i < count; i++)
        assert_true((fds[i] = fcntl(0, F_DUPFD_CLOEXEC, 50)) >= 50);
    EXPECT(bench_get(bench), "\r\n\r\nout\n");
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    bench_free(bench);
}

/* proves T7 */
static void a_program_gets_the_limit_that_is_meant_for_it(void **state) {
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct bench *bench = bench_of("ulimit -Sn; ulimit -Hn");
    char soft[80], as_ours[80];
    snprintf(soft, sizeof soft, "\r\n\r\n%d\n%llu\n", 77, (unsigned long long)limit.rlim_max);
    snprintf(as_ours, sizeof as_ours, "\r\n\r\n%llu\n", (unsigned long long)limit.rlim_cur);
    EXPECT(bench_get(bench), as_ours);
    bench->host.program_files = 77;
    EXPECT(bench_get(bench), soft);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_not_equal(limit.rlim_cur, 77);
    bench_free(bench);
}

static void on_signal(int number) { (void)number; }

/* proves T7 */
static void signals_are_as_for_a_fresh_program(void **state) {
    (void)state;
    struct bench *bench =
        bench_of("grep -E \"Sig(Blk|Ign|Cgt)\" /proc/self/status | tr -d \"\\\\n\\\\t\"");
    sigset_t all, old;
    sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &old), 0);
    void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
    void (*user_before)(int) = signal(SIGUSR1, on_signal);
    const char *answer = bench_get(bench);
    EXPECT(answer, "SigBlk:0000000000000000");
    EXPECT(answer, "SigIgn:0000000000000000");
    sigset_t now;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, &now), 0);
    assert_true(sigismember(&now, SIGTERM)); /* ours are as they were */
    assert_true(signal(SIGUSR1, user_before) == on_signal);
    assert_true(signal(SIGPIPE, pipe_before) == SIG_IGN);
    bench_free(bench);
}

/* proves T7 */
static void a_program_leads_a_session_and_a_group(void **state) {
    (void)state;
    struct bench *bench = bench_of("read pid name state parent group session rest < /proc/$$/stat; "
                                   "test $pid = $group -a $group = $session && echo leads");
    EXPECT(bench_get(bench), "\r\n\r\nleads\n");
    bench_free(bench);
}

/* Whatever stood in the result before is not taken for the child. proves T7 */
static void a_closed_descriptor_is_an_error_and_concerns_nobody_else(void **state) {
    (void)state;
    struct action_spawner *spawner = spawner__new();
    assert_non_null(spawner);
    pid_t other = fork();
    if (other == 0)
        _exit(0);
    int closed = dup(0), kept = dup(0);
    assert_true(other > 0 && closed >= 0 && kept >= 0);
    close(closed);
    char *const argv[] = {"true", NULL};
    struct process_spawn spawn = {.path = "/bin/true", .argv = argv, .env = argv, .directory = "/"};
    struct spawned child = {.pid = other, .pidfd = kept};
    int files[SPAWN_FILES] = {closed, -1, -1, -1};
    assert_int_equal(spawner__run(spawner, &spawn, files, &child), EBADF);
    assert_int_equal(waitpid(other, NULL, 0), other);
    assert_int_equal(close(kept), 0);
    spawner__free(spawner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_three_descriptors),
        cmocka_unit_test(many_open_descriptors_change_nothing),
        cmocka_unit_test(a_program_gets_the_limit_that_is_meant_for_it),
        cmocka_unit_test(signals_are_as_for_a_fresh_program),
        cmocka_unit_test(a_program_leads_a_session_and_a_group),
        cmocka_unit_test(a_closed_descriptor_is_an_error_and_concerns_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
