/* The socket with a host of our own: its life, requests whole and in pieces, bounds, and workers
 * that do not answer. */
#include "tests/unit/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/control.h"

#define TURNS 200

struct fixture {
    char folder[64], path[96];
    struct net_loop *loop, *worker_loop;
    struct engine *engine;
    struct control_worker worker;
    struct control *control;
    unsigned reloads, listings;
};

static void wake_at(void *host, uint64_t mono_ns) { (void)host, (void)mono_ns; }

static void tell_state(void *context, struct control_state *out) {
    static const bool is_stalled[] = {true};
    (void)context;
    *out = (struct control_state){
        .version = SLICE("1.2"), .config = SLICE("etc"), .is_stalled = is_stalled};
}
static struct program *no_program(void *context) { return (void)context, NULL; }
static const struct config_files *no_files(void *context) { return (void)context, NULL; }
static const struct declare_main *no_main(void *context) { return (void)context, NULL; }
static enum status no_servers(void *context, struct arena *arena, struct control_server **out,
                              size_t *count) {
    ((struct fixture *)context)->listings++;
    *out = arena_alloc(arena, 0);
    *count = 0;
    return STATUS_OK;
}
static enum status no_clients(void *context, struct arena *arena, struct control_client **out,
                              size_t *count) {
    (void)context;
    *out = arena_alloc(arena, 0);
    *count = 0;
    return STATUS_OK;
}
static void reload(void *context, control_reload_fn done, void *done_context) {
    ((struct fixture *)context)->reloads++;
    done(done_context, SLICE("{\"ok\":true}"));
}
static enum status check(void *context, struct slice path, bool is_strict, struct buffer *out) {
    (void)context;
    return buffer_printf(out, "\"ok\":%s,\"path\":\"" SLICE_FMT "\"", is_strict ? "false" : "true",
                         SLICE_ARG(path));
}
static enum status schema(struct buffer *out) { return buffer_append(out, SLICE("{}")); }
static const struct control_host host = {.state = tell_state,
                                         .program = no_program,
                                         .files = no_files,
                                         .main = no_main,
                                         .servers = no_servers,
                                         .clients = no_clients,
                                         .reload = reload,
                                         .check = check,
                                         .schema = schema,
                                         .reference = schema};

static struct control *open_one(struct fixture *fixture) {
    return control_open(&(struct control_options){.loop = fixture->loop,
                                                  .host = &host,
                                                  .context = fixture,
                                                  .workers = &fixture->worker,
                                                  .worker_count = 1,
                                                  .path = fixture->path});
}

static int set_up(void **state) {
    struct fixture *fixture = base_alloc(sizeof *fixture);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/bellwire-unit-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/c.sock", fixture->folder);
    fixture->loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    fixture->worker_loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    fixture->engine =
        engine_new(&(struct engine_options){.clock = &clock_system, .wake_at = wake_at});
    fixture->worker =
        (struct control_worker){.loop = fixture->worker_loop, .engine = fixture->engine};
    fixture->control = open_one(fixture);
    assert_non_null(fixture->control);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    if (fixture->control)
        control_close(fixture->control);
    net_loop_free(fixture->worker_loop); /* what it was asked comes back unanswered */
    for (int i = 0; i < 10; i++)
        net_loop_turn(fixture->loop, 0);
    net_loop_free(fixture->loop);
    engine_free(fixture->engine);
    (void)unlink(fixture->path); /* mostly gone already */
    assert_int_equal(rmdir(fixture->folder), 0);
    free(fixture);
    return 0;
}

/* ---- a peer ---------------------------------------------------------------------------------- */

static int dial(struct fixture *fixture) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, fixture->path, strlen(fixture->path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    net_loop_turn(fixture->loop, 0);
    return fd;
}

static void turn(struct fixture *fixture) {
    net_loop_turn(fixture->loop, 0);
    net_loop_turn(fixture->worker_loop, 0);
}

static void say(struct fixture *fixture, int fd, const char *text, size_t step) {
    for (size_t at = 0, size = strlen(text); at < size; at += step) {
        size_t part = size - at < step ? size - at : step;
        if (send(fd, text + at, part, MSG_NOSIGNAL) != (ssize_t)part)
            return; /* it was refused before its end */
        turn(fixture);
    }
}

/* As hear(), but until `last` has come, which may take timers; at most 1,000 ms of waiting. */
static const char *hear_until(struct fixture *fixture, int fd, char *room, size_t size,
                              const char *last) {
    size_t got = 0;
    room[0] = '\0';
    for (int i = 0; i < 1000 && !strstr(room, last); i++) {
        net_loop_turn(fixture->loop, 1);
        net_loop_turn(fixture->worker_loop, 0);
        ssize_t more = recv(fd, room + got, size - 1 - got, 0);
        got += more > 0 ? (size_t)more : 0;
        room[got] = '\0';
    }
    return room;
}

/* What has come, as text; valid until the next call. */
static const char *hear(struct fixture *fixture, int fd, char *room, size_t size) {
    size_t got = 0;
    for (int i = 0; i < TURNS; i++) {
        turn(fixture);
        ssize_t more = recv(fd, room + got, size - 1 - got, 0);
        got += more > 0 ? (size_t)more : 0;
    }
    room[got] = '\0';
    return room;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* proves D9 */
static void the_socket_has_mode_0660_and_goes_with_the_daemon(void **state) {
    struct fixture *fixture = *state;
    struct stat found;
    assert_int_equal(stat(fixture->path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0660);
    control_close(fixture->control);
    fixture->control = NULL;
    assert_int_equal(stat(fixture->path, &found), -1);
}

/* proves D9 */
static void a_socket_left_over_is_replaced_and_a_file_is_not(void **state) {
    struct fixture *fixture = *state;
    struct control *second = open_one(fixture); /* the lock on the state is not ours to test */
    assert_non_null(second);
    control_close(second);
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_OFF);
    assert_null(open_one(fixture));
    assert_int_equal(access(fixture->path, F_OK), 0);
}

static void requests_are_answered_whole_and_in_pieces(void **state) {
    struct fixture *fixture = *state;
    static const char request[] = "POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n"
                                  "{\"config\":\"a.yaml\",\"strict\":true}";
    char room[4096];
    int fd = dial(fixture);
    for (size_t step = 1; step <= sizeof request; step++) {
        say(fixture, fd, request, step);
        const char *answer = hear(fixture, fd, room, sizeof room);
        assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
        assert_non_null(strstr(answer, "\r\n\r\n{\"ok\":false,\"path\":\"a.yaml\"}"));
    }
    close(fd);
}

static void requests_in_a_row_are_answered_in_order(void **state) {
    struct fixture *fixture = *state;
    char room[8192];
    int fd = dial(fixture);
    say(fixture, fd,
        "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n",
        4096);
    const char *answer = hear_until(fixture, fd, room, sizeof room, "{\"ok\"");
    const char *first = strstr(answer, "{\"version\""),
               *second = strstr(answer, "{\"connections\""), *third = strstr(answer, "{\"ok\"");
    assert_true(first && second && third && first < second && second < third);
    assert_int_equal(fixture->reloads, 1);
    close(fd);
}

/* proves D9 */
static void bad_requests_get_errors(void **state) {
    static const struct {
        const char *request, *status, *code;
    } cases[] = {
        {"GET /v1/nix HTTP/1.1\r\nHost: x\r\n\r\n", "404", "not_found"},
        {"GET /v1/servers/ HTTP/1.1\r\nHost: x\r\n\r\n", "404", "not_found"},
        {"GET /v1/tasks/one HTTP/1.1\r\nHost: x\r\n\r\n", "503",
         "unavailable"}, /* no program yet */
        {"POST /v1/tasks/one/run HTTP/1.1\r\nHost: x\r\n\r\n", "503", "unavailable"},
        {"GET /v1/limits HTTP/1.1\r\nHost: x\r\n\r\n", "503", "unavailable"},
        {"PUT /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "405", "method_not_allowed"},
        {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{", "400", "bad_request"},
        {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1", "400", "bad_request"},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505", "bad_request"},
        {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", "413",
         "bad_request"},
    };
    struct fixture *fixture = *state;
    char room[4096], head[32], code[64];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int fd = dial(fixture);
        say(fixture, fd, cases[i].request, 4096);
        const char *answer = hear(fixture, fd, room, sizeof room);
        (void)snprintf(head, sizeof head, "HTTP/1.1 %s ", cases[i].status);
        (void)snprintf(code, sizeof code, "{\"error\":{\"code\":\"%s\"", cases[i].code);
        assert_int_equal(strncmp(answer, head, strlen(head)), 0);
        assert_non_null(strstr(answer, code));
        close(fd);
    }
    assert_int_equal(fixture->reloads, 0);
}

/* proves D9 */
static void a_new_peer_takes_the_place_of_the_longest_quiet_one(void **state) {
    struct fixture *fixture = *state;
    int fds[100];
    char room[4096];
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = dial(fixture);
    say(fixture, fds[99], "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n", 4096);
    assert_non_null(strstr(hear(fixture, fds[99], room, sizeof room), "{\"version\":\"1.2\"}"));
    assert_int_equal(recv(fds[0], room, sizeof room, 0), 0); /* closed */
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
}

static void a_peer_that_leaves_before_its_answer_harms_nothing(void **state) {
    struct fixture *fixture = *state;
    char room[4096];
    int fd = dial(fixture);
    assert_true(send(fd, "GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n", 36, 0) == 36);
    net_loop_turn(fixture->loop, 0); /* the worker has been asked, and has not answered */
    close(fd);
    fd = dial(fixture);
    say(fixture, fd, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 4096);
    assert_non_null(strstr(hear(fixture, fd, room, sizeof room), "\"stalled\":[0]"));
    close(fd);
}

/* The loop is turned by hand, so nobody sleeps but who waits for the 2 s. */
static void a_worker_that_does_not_answer_is_left_out(void **state) {
    struct fixture *fixture = *state;
    char room[4096];
    size_t got = 0;
    int fd = dial(fixture);
    assert_true(send(fd, "GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n", 36, 0) == 36);
    while (got == 0) {
        net_loop_turn(fixture->loop, 3000);
        ssize_t more = recv(fd, room, sizeof room - 1, 0);
        got = more > 0 ? (size_t)more : 0;
    }
    room[got] = '\0';
    assert_non_null(strstr(room, "X-Bellwire-Partial: true\r\n"));
    assert_non_null(strstr(room, "\"partial\":true"));
    close(fd);
}

/* proves D9 */
static void a_question_that_outlives_the_api_asks_the_host_no_more(void **state) {
    struct fixture *fixture = *state;
    int fd = dial(fixture);
    static const char question[] = "GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        assert_int_equal(send(fd, question, strlen(question), MSG_NOSIGNAL), strlen(question));
        net_loop_turn(fixture->loop, 0); /* now it is with the worker */
        if (is_closed)
            control_close(fixture->control);
        for (int i = 0; i < TURNS; i++)
            turn(fixture);
        assert_int_equal(fixture->listings, 1); /* the first question is answered */
    }
    fixture->control = NULL;
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_socket_has_mode_0660_and_goes_with_the_daemon, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_socket_left_over_is_replaced_and_a_file_is_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(requests_are_answered_whole_and_in_pieces, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(requests_in_a_row_are_answered_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_requests_get_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_peer_takes_the_place_of_the_longest_quiet_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_peer_that_leaves_before_its_answer_harms_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_worker_that_does_not_answer_is_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_question_that_outlives_the_api_asks_the_host_no_more,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
