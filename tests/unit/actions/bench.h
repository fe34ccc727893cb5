/* Tasks as text, run by a real engine behind a real server on loopback; time is the test's own.
 * Included once by each test file. */
#ifndef TESTS_ACTIONS_BENCH_H
#define TESTS_ACTIONS_BENCH_H

#include "tests/unit/server/rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>

#include "actions/actions.h"
#include "triggers/triggers.h"

struct bench {
    struct rig rig; /* first: its loop, set and clock */
    struct arena arena;
    struct config_diag diag;
    struct engine *engine;
    struct triggers *triggers;
    struct program *program;
    struct action_host host;
    struct action_programs programs;
    struct net_timer tick;
    struct config_section tasks;
    char folder[64], log_path[80];
    uint64_t generation;
};

static inline void bench_wake_at(void *host, uint64_t mono_ns) {
    struct bench *bench = CONTAINER_OF(host, struct bench, host);
    if (mono_ns == UINT64_MAX) {
        net_timer_stop(&bench->tick);
        return;
    }
    uint64_t now_ms = bench->rig.clock.mono_ms, at_ms = (mono_ns + 999999) / 1000000;
    net_timer_start(bench->rig.loop, &bench->tick, at_ms > now_ms ? at_ms - now_ms : 0);
}

static inline void bench_on_tick(struct net_timer *timer) {
    engine_tick(CONTAINER_OF(timer, struct bench, tick)->engine);
}

static inline void bench_make_set(struct bench *bench) {
    struct rig *rig = &bench->rig;
    struct server_set_options set = {.loop = rig->loop,
                                     .events = &triggers_server_events,
                                     .context = bench->triggers,
                                     .id_key = {1, 2}};
    rig->set = server_set_new(&set);
    assert_non_null(rig->set);
    server_options_default(&rig->options);
    rig->options.id = SLICE("main");
    rig_apply(rig);
    rig_listen(rig);
    bench->host = (struct action_host){.loop = rig->loop,
                                       .servers = rig->set,
                                       .engine = bench->engine,
                                       .programs = &bench->programs,
                                       .exec_helper = "/nonexistent/bellwire-exec"};
    assert_true(action_host_begin(&bench->host));
}

static inline struct bench *bench_new(void) {
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    struct rig *rig = &bench->rig;
    rig->clock = (struct rig_clock){.clock = {.mono_ns = rig_mono_ns, .wall_ms = rig_wall_ms},
                                    .mono_ms = 1000000,
                                    .wall_ms = 1700000000000};
    rig->loop = net_loop_new(&(struct net_loop_options){.clock = &rig->clock.clock});
    assert_non_null(rig->loop);
    net_timer_init(&bench->tick, bench_on_tick);
    bench->programs.max = 64;
    bench->engine = engine_new(&(struct engine_options){.clock = &rig->clock.clock,
                                                        .worker_count = 1,
                                                        .seed = {1, 2},
                                                        .host = &bench->host,
                                                        .wake_at = bench_wake_at});
    bench->triggers = triggers_new(bench->engine, rig->loop);
    assert_non_null(bench->triggers);
    bench_make_set(bench);
    arena_init(&bench->arena, 4096, 0);
    config_diag_init(&bench->diag, &bench->arena);
    strcpy(bench->folder, "/tmp/bellwire-actions-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->log_path, sizeof bench->log_path, "%s.log", bench->folder);
    int log = open(bench->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    assert_true(log >= 0);
    log_open(log, LOG_JSON, LOG_DEBUG);
    return bench;
}

static inline int bench_unlink(const char *path, const struct stat *info, int kind,
                               struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static inline void bench_free(struct bench *bench) {
    struct rig *rig = &bench->rig;
    rig_stop(rig);
    engine_free(bench->engine);
    action_host_end(&bench->host);
    net_timer_stop(&bench->tick);
    rig_deinit(rig);
    triggers_free(bench->triggers);
    if (bench->program)
        program_unref(bench->program);
    arena_deinit(&bench->arena);
    (void)nftw(bench->folder, bench_unlink, 8, FTW_DEPTH | FTW_PHYS);
    unlink(bench->log_path);
    log_open(2, LOG_TEXT, LOG_OFF);
    free(bench);
}

/* ---- configuration ------------------------------------------------------------------------------
 */

static inline void bench_write(struct bench *bench, const char *name, const void *bytes,
                               size_t size) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", bench->folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static inline void bench_write_text(struct bench *bench, const char *name, const char *text) {
    bench_write(bench, name, text, strlen(text));
}

/* The content of a file, NUL-terminated, in the arena; NULL when there is none. */
static inline const char *bench_read(struct bench *bench, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", bench->folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    char *text = arena_alloc(&bench->arena, 1 << 20);
    ssize_t size = read(fd, text, (1 << 20) - 1);
    close(fd);
    assert_true(size >= 0);
    text[size] = '\0';
    return text;
}

static inline const char *bench_log(struct bench *bench) {
    int fd = open(bench->log_path, O_RDONLY | O_CLOEXEC);
    char *text = arena_alloc(&bench->arena, 1 << 20);
    ssize_t size = read(fd, text, (1 << 20) - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

/* Compiles the tasks; NULL after errors, which are in bench->diag. */
static inline struct program *bench_build(struct bench *bench, const char *yaml) {
    const char *name = arena_printf(&bench->arena, "%s/t.yaml", bench->folder);
    const struct config_node *root =
        config_parse(slice_of(yaml), name, &bench->arena, &bench->diag);
    if (!root)
        return NULL;
    struct config_entry *entries = arena_zalloc(&bench->arena, (root->count + 1) * sizeof *entries);
    for (size_t i = 0; i < root->count; i++)
        entries[i] =
            (struct config_entry){root->keys[i]->text, root->keys[i]->mark, root->items[i]};
    bench->tasks = (struct config_section){entries, root->count};
    static const struct slice servers[] = {{"main", 4}};
    struct program_input input = {.tasks = &bench->tasks,
                                  .triggers = trigger_kinds,
                                  .actions = action_kinds,
                                  .variables = trigger_variables,
                                  .servers = servers,
                                  .server_count = 1,
                                  .expression_time_ns = 1000000000,
                                  .expression_memory_bytes = 1 << 20,
                                  .worker_count = 1,
                                  .generation = ++bench->generation};
    return program_build(&input, &bench->diag);
}

static inline const char *bench_messages(struct bench *bench) {
    struct buffer text;
    buffer_init(&text, 0);
    assert_int_equal(config_diag_print(&bench->diag, &text), STATUS_OK);
    const char *copy = arena_text(&bench->arena, buffer_slice(&text));
    buffer_deinit(&text);
    return copy;
}

static inline void bench_load(struct bench *bench, const char *yaml) {
    bench->program = bench_build(bench, yaml);
    if (!bench->program)
        fail_msg("%s", bench_messages(bench));
    assert_int_equal(triggers_index(bench->program, &bench->diag), STATUS_OK);
    engine_set_program(bench->engine, bench->program);
    triggers_program_changed(bench->triggers);
}

/* A task with these actions that answers GET /. */
static inline void bench_load_actions(struct bench *bench, const char *actions) {
    bench_load(bench, arena_printf(&bench->arena,
                                   "t:\n  triggers: [{http-request: {}}, {server-message: {}}]\n"
                                   "  actions:\n%s",
                                   actions));
}

/* What is wrong with these actions: the messages hold each of the texts. */
static inline void bench_refuses(const char *actions, const char *first, const char *second) {
    struct bench *bench = bench_new();
    const char *yaml = arena_printf(
        &bench->arena, "t:\n  triggers: [{http-request: \"/{a}\"}]\n  actions:\n%s", actions);
    struct program *program = bench_build(bench, yaml);
    const char *messages = bench_messages(bench);
    if (program)
        fail_msg("accepted: %s", actions);
    if (!strstr(messages, first) || !strstr(messages, second))
        fail_msg("%s", messages);
    bench_free(bench);
}

static inline void bench_accepts(const char *actions) {
    struct bench *bench = bench_new();
    const char *yaml = arena_printf(
        &bench->arena, "t:\n  triggers: [{http-request: \"/{a}\"}]\n  actions:\n%s", actions);
    struct program *program = bench_build(bench, yaml);
    if (!program)
        fail_msg("%s\n%s", actions, bench_messages(bench));
    program_unref(program);
    bench_free(bench);
}

/* ---- requests -----------------------------------------------------------------------------------
 */

/* Sends a request and returns the whole answer; the connection is closed after it. */
static inline const char *bench_ask(struct bench *bench, const char *head) {
    struct peer *peer = peer_new(&bench->rig);
    char text[4096];
    snprintf(text, sizeof text, "%s\r\nHost: localhost\r\nConnection: close\r\n\r\n", head);
    peer_say(peer, text);
    RIG_UNTIL(&bench->rig, peer_is_over(peer));
    const char *copy = arena_text(&bench->arena, (struct slice){peer->got, peer->size});
    peer_free(peer);
    return copy;
}

static inline const char *bench_get(struct bench *bench) {
    return bench_ask(bench, "GET / HTTP/1.1");
}

#define EXPECT(answer, text)                                                                       \
    do {                                                                                           \
        const char *bench_got = (answer);                                                          \
        if (!strstr(bench_got, text))                                                              \
            fail_msg("no \"%s\" in:\n%s", text, bench_got);                                        \
    } while (0)
#define EXPECT_NOT(answer, text)                                                                   \
    do {                                                                                           \
        const char *bench_got = (answer);                                                          \
        if (strstr(bench_got, text))                                                               \
            fail_msg("\"%s\" in:\n%s", text, bench_got);                                           \
    } while (0)

/* One request to a task of these actions. */
static inline void bench_answers(const char *actions, const char *head, const char *text) {
    struct bench *bench = bench_new();
    bench_load_actions(bench, actions);
    EXPECT(bench_ask(bench, head), text);
    bench_free(bench);
}

#endif
