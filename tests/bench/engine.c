/* engine TASKS SECONDS   prints one line of JSON
 *
 * The task engine alone: a message of a session that is not there goes to the triggers of its path,
 * its variables are bound, a template is filled in and handed over to an action that counts. No
 * socket, no frame, no loop. TASKS others stand beside the one that is meant. Linked against the
 * daemon's libraries with the heap's functions wrapped, so that what they are called for is
 * counted. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/session.h"
#include "triggers/triggers.h"

#define ROUND 10000
#define PATH  "/echo"

/* ---- calls of the heap -------------------------------------------------------------------------
 */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
static uint64_t heap_calls;

void *__wrap_malloc(size_t size) {
    heap_calls++;
    return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    heap_calls++;
    return __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
    heap_calls++;
    return __real_realloc(old, size);
}

/* ---- where a message ends ----------------------------------------------------------------------
 */

struct sink_args {
    struct slice text;
    int8_t is_binary;
};
static const struct config_field sink_fields[] = {
    FIELD_TEXT(struct sink_args, text, "text", .doc = "what is handed over"),
    FIELD_TRISTATE(struct sink_args, is_binary, "is-binary", .doc = "as in send-message"),
    FIELD_END};
static uint64_t handed_over, bytes;

static enum step_state sink_start(struct step *step, const void *args) {
    (void)step; /* nothing is asked of it */
    handed_over++;
    bytes += ((const struct sink_args *)args)->text.size;
    return STEP_DONE;
}
static const struct action_kind action_sink = {.name = "sink",
                                               .doc = "takes a text",
                                               .fields = sink_fields,
                                               .args_size = sizeof(struct sink_args),
                                               .start = sink_start};
static const struct action_kind *const actions[] = {&action_sink, NULL};

/* ---- one worker --------------------------------------------------------------------------------
 */

struct bench {
    struct arena arena;
    struct config_diag diag;
    struct config_section tasks;
    struct program *program;
    struct engine *engine;
    struct net_loop *loop;
    struct triggers *triggers;
    struct server_config config;
    struct server server;
    struct server_counters counters;
    struct session session;
};

static void fail(const char *why) {
    fprintf(stderr, "engine: %s\n", why);
    exit(1);
}

/* No run here waits for anything. */
static void wake_at(void *host, uint64_t mono_ns) { (void)host, (void)mono_ns; }

static struct slice declare(unsigned others, struct buffer *out) {
    enum status status = buffer_printf(out,
                                       "meant: {triggers: [{server-message: %s}], actions: [{sink: "
                                       "{text: \"${WsMessage}\", is-binary: "
                                       "\"${WsIsBinary}\"}}]}\n",
                                       PATH);
    for (unsigned i = 0; i < others && !status; i++)
        status = buffer_printf(
            out, "t%u: {triggers: [{server-message: /m%u}], actions: [{sink: \"%u\"}]}\n", i, i, i);
    if (status)
        fail("no memory");
    return buffer_slice(out);
}

static void load(struct bench *bench, unsigned others) {
    static const struct slice servers[] = {{"main", 4}};
    struct buffer text;
    buffer_init(&text, 0);
    arena_init(&bench->arena, 65536, 0);
    config_diag_init(&bench->diag, &bench->arena);
    const struct config_node *root =
        config_parse(declare(others, &text), "tasks.yaml", &bench->arena, &bench->diag);
    struct config_entry *entries =
        root ? arena_zalloc(&bench->arena, root->count * sizeof *entries) : NULL;
    if (!entries)
        fail("the tasks cannot be read");
    for (size_t i = 0; i < root->count; i++)
        entries[i] =
            (struct config_entry){root->keys[i]->text, root->keys[i]->mark, root->items[i]};
    bench->tasks = (struct config_section){entries, root->count};
    const struct program_input input = {.tasks = &bench->tasks,
                                        .triggers = trigger_kinds,
                                        .actions = actions,
                                        .variables = trigger_variables,
                                        .servers = servers,
                                        .server_count = 1,
                                        .expression_time_ns = 1000000000,
                                        .expression_memory_bytes = 1 << 20,
                                        .worker_count = 1,
                                        .generation = 1};
    bench->program = program_build(&input, &bench->diag);
    text.size = 0;
    if (!bench->program || triggers_index(bench->program, &bench->diag)) {
        if (config_diag_print(&bench->diag, &text) == STATUS_OK)
            fprintf(stderr, SLICE_FMT, SLICE_ARG(buffer_slice(&text)));
        fail("the tasks do not compile");
    }
    buffer_deinit(&text);
}

static void make_session(struct bench *bench) {
    static const char head[] = "GET " PATH " HTTP/1.1\r\n\r\n";
    struct session_head *kept = calloc(1, sizeof *kept + sizeof head);
    if (!kept)
        fail("no memory");
    *kept = (struct session_head){
        .head_size = sizeof head - 1, .path_at = 4, .path_size = sizeof PATH - 1};
    memcpy(kept->bytes, head, sizeof head - 1);
    bench->config.options.id = SLICE("main");
    bench->server.config = &bench->config;
    bench->server.counters = &bench->counters;
    bench->session.server = &bench->server;
    bench->session.config = &bench->config;
    bench->session.head = kept;
    bench->session.state = SESSION_OPEN;
    bench->session.refs = 1;
}

static void begin(struct bench *bench, unsigned others) {
    log_set(LOG_TEXT, LOG_OFF);
    load(bench, others);
    bench->loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    bench->engine = engine_new(&(struct engine_options){.clock = &clock_coarse,
                                                        .worker_count = 1,
                                                        .host = bench,
                                                        .wake_at = wake_at,
                                                        .max_run_memory_bytes = 1 << 20});
    bench->triggers =
        bench->loop && bench->engine ? triggers_new(bench->engine, bench->loop) : NULL;
    if (!bench->triggers)
        fail("no memory");
    engine_set_program(bench->engine, bench->program);
    triggers_program_changed(bench->triggers);
    make_session(bench);
}

static double cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run(struct bench *bench, size_t count) {
    static const char text[] = "message 00000000 abc";
    const struct ws_message message = {.payload = SLICE(text)};
    for (size_t i = 0; i < count; i++)
        triggers_server_events.on_message(bench->triggers, &bench->session, &message);
}

/* The fastest of many rounds: others on the machine only make them slower. */
int main(int argc, char **argv) {
    struct bench *bench = calloc(1, sizeof *bench);
    unsigned others = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1, best = 0;
    if (!bench)
        fail("no memory");
    begin(bench, others);
    run(bench, ROUND); /* the pools fill up */
    uint64_t expected = handed_over, calls = heap_calls, rounds = 0;
    for (double start = cpu_ns(); cpu_ns() - start < seconds * 1e9; rounds++) {
        double before = cpu_ns();
        run(bench, ROUND);
        double each = (cpu_ns() - before) / ROUND;
        best = best == 0 || each < best ? each : best;
    }
    expected += rounds * ROUND;
    if (handed_over != expected || bytes != expected * 20)
        fail("an event was not handed over");
    printf("{\"events\": %llu, \"ns\": %.1f, \"heap_calls\": %llu}\n",
           (unsigned long long)(rounds * ROUND), best, (unsigned long long)(heap_calls - calls));
    return 0;
}
