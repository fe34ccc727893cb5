/* Start, signals, drain and end of the daemon. */
#include "daemon/supervisor.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "daemon/api.h"
#include "daemon/edit.h"
#include "daemon/observe.h"
#include "daemon/note.h"
#include "daemon/steer.h"
#include "net/tls.h"

#define NOTE_S             30 /* between two writings of the last known states */
#define LULL_S             3
#define QUIET_PULSES       100 /* in a second: two a turn of a loop */
#define STORM_PULSES       1000
#define SECOND_MS          1000
#define EXIT_CONFIGURATION 78
#define DESCRIPTORS_MAX    1048576
#define KEPT_DESCRIPTORS   1024 /* or a quarter, where there are few */

static int load_first(struct supervisor *supervisor);
static bool open_registry(struct supervisor *supervisor);
static bool open_keep(struct supervisor *supervisor, const struct declare_main *main);
static bool make_workers(struct supervisor *supervisor);
static bool watch_signals(struct supervisor *supervisor);
static void on_first_applied(struct supervisor *supervisor, uint64_t closed_sessions);
static void on_signal(uv_signal_t *handle, int number);
static void on_second(struct net_timer *timer);
static void tear_down(struct supervisor *supervisor);

int supervisor_run(const struct options *options) {
    struct supervisor supervisor = {.options = options, .state_fd = -1};
    supervisor.started_ms = clock_system.wall_ms(&clock_system);
    list_init(&supervisor.servers);
    list_init(&supervisor.clients);
    list_init(&supervisor.reloads);
    list_init(&supervisor.edits);
    list_init(&supervisor.switches.rows);
    list_init(&supervisor.switches.waiting);
    net_timer_init(&supervisor.second, on_second);
    arena_init(&supervisor.registry_arena, 4096, 0);
    log_open(STDERR_FILENO, options->log_format, options->log_level);
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail for a signal that exists */
    inherited_open(&supervisor.inherited);
    notify_open(&supervisor.notify, &supervisor);
    supervisor.loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    supervisor.exit_code = supervisor.loop ? load_first(&supervisor) : 1;
    if (supervisor.exit_code == 0)
        net_loop_run(supervisor.loop);
    tear_down(&supervisor);
    notify_close(&supervisor.notify);
    inherited_close(&supervisor.inherited);
    return supervisor.exit_code;
}

/* The state directory and the registry first: the manager's rows belong to what is loaded. */
static int load_first(struct supervisor *supervisor) {
    if (!open_registry(supervisor))
        return 1;
    const struct registry_rows servers = rows_view(&supervisor->stored_servers);
    const struct registry_rows clients = rows_view(&supervisor->stored_clients);
    const struct generation_input input = {.config = supervisor->options->config,
                                           .workers = supervisor->options->workers,
                                           .number = 1,
                                           .servers = &servers,
                                           .clients = &clients,
                                           .is_enabled = switches_is_enabled,
                                           .context = &supervisor->switches};
    struct generation *generation = generation_load(&input);
    struct buffer text;
    buffer_init(&text, 0);
    if (generation_print(generation, false, &text) == STATUS_OK && text.size)
        log_as_is(generation->program ? LOG_WARN : LOG_ERROR, buffer_slice(&text));
    buffer_deinit(&text);
    if (!generation->program) {
        char *first = generation_first_error(generation);
        notify_failed(&supervisor->notify, first);
        free(first);
        generation_unref(generation);
        return EXIT_CONFIGURATION;
    }
    const struct declare_main *main = &generation->declared.main;
    log_set(supervisor->options->has_log_format ? supervisor->options->log_format
                                                : (enum log_format)main->log_format,
            supervisor->options->has_log_level ? supervisor->options->log_level
                                               : (enum log_level)main->log_level);
    supervisor->worker_count = generation->workers;
    atomic_store(&supervisor->programs.max, main->max_programs);
    bool is_good = open_keep(supervisor, main) && make_workers(supervisor) &&
                   watch_signals(supervisor) && api_open(supervisor);
    if (!is_good) {
        program_unref(generation->program);
        generation_unref(generation);
        return 1;
    }
    supervisor->last_reload_ms = clock_system.wall_ms(&clock_system);
    supervisor->last_reload_ok = true;
    supervisor__apply(supervisor, generation, on_first_applied);
    return 0;
}

/* ---- the registry
 * ---------------------------------------------------------------------------------- */

static void on_registry_wake(void *context) {
    struct supervisor *supervisor = context;
    (void)uv_async_send(&supervisor->registry_wake); /* fails only for a closed handle */
}

static void on_registry_async(uv_async_t *handle) {
    struct supervisor *supervisor = handle->data;
    if (supervisor->registry)
        registry_collect(supervisor->registry);
}

static bool open_registry(struct supervisor *supervisor) {
    char why[REGISTRY_WHY_MAX] = "";
    const char *directory = supervisor->options->state;
    supervisor->state_fd = registry_lock_directory(directory, why);
    if (supervisor->state_fd < 0) {
        log_line(LOG_ERROR, NULL, "%s", why);
        notify_failed(&supervisor->notify, why);
        return false;
    }
    if (uv_async_init(net_loop_uv(supervisor->loop), &supervisor->registry_wake, on_registry_async))
        return false;
    supervisor->registry_wake.data = supervisor;
    if (registry_open(directory, on_registry_wake, supervisor, &supervisor->registry, why)) {
        log_line(LOG_ERROR, NULL, "%s", why);
        notify_failed(&supervisor->notify, why);
        return false;
    }
    struct arena *arena = &supervisor->registry_arena;
    struct registry_rows servers, clients;
    if (registry_read(supervisor->registry, REGISTRY_SERVER, arena, &servers) == STATUS_OK &&
        registry_read(supervisor->registry, REGISTRY_CLIENT, arena, &clients) == STATUS_OK) {
        rows_init(&supervisor->stored_servers, &servers);
        rows_init(&supervisor->stored_clients, &clients);
        return switches_open(&supervisor->switches, supervisor->registry);
    }
    log_line(LOG_ERROR, NULL, "%s/bellwire.db: its rows cannot be read", directory);
    return false;
}

static void on_stored(void *context, enum status status) { supervisor__stored(context, status); }

void supervisor__stored(struct supervisor *supervisor, enum status status) {
    bool is_degraded = status != STATUS_OK;
    if (is_degraded && !supervisor->is_degraded)
        log_line(LOG_ERROR, NULL, "the registry cannot be written: %s; serving goes on",
                 registry_problem(status));
    if (!is_degraded && supervisor->is_degraded)
        log_line(LOG_INFO, NULL, "the registry can be written again");
    supervisor->is_degraded = is_degraded;
}

static bool open_keep(struct supervisor *supervisor, const struct declare_main *main) {
    return keep_open(&supervisor->keep,
                     &(struct keep_options){.registry = supervisor->registry,
                                            .loop = supervisor->loop,
                                            .worker_count = supervisor->worker_count,
                                            .max_bytes = main->max_globals_bytes,
                                            .max_one_bytes = main->max_global_bytes,
                                            .on_stored = on_stored,
                                            .context = supervisor});
}

void supervisor__store_rows(struct supervisor *supervisor) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    const struct registry_done done = {on_stored, supervisor};
    struct list *at;
    size_t count = 0;
    LIST_FOR_EACH(at, &supervisor->servers) count++;
    LIST_FOR_EACH(at, &supervisor->clients) count++;
    struct registry_row *servers = arena_zalloc(&arena, count * sizeof *servers);
    struct registry_row *clients = arena_zalloc(&arena, count * sizeof *clients);
    struct registry_rows server_rows = {servers, 0}, client_rows = {clients, 0};
    if (!servers || !clients)
        abort(); /* a few bytes a declaration */
    LIST_FOR_EACH(at, &supervisor->servers) {
        const struct server_row *row = CONTAINER_OF(at, struct server_row, link);
        if (row->is_declared && row->origin == REGISTRY_FILE)
            servers[server_rows.count++] = (struct registry_row){.id = row->id,
                                                                 .is_enabled = row->is_enabled,
                                                                 .declaration = row->json,
                                                                 .place = row->place};
    }
    LIST_FOR_EACH(at, &supervisor->clients) {
        const struct client_row *row = CONTAINER_OF(at, struct client_row, link);
        if (row->is_declared && row->origin == REGISTRY_FILE)
            clients[client_rows.count++] = (struct registry_row){.id = row->id,
                                                                 .is_enabled = row->is_enabled,
                                                                 .declaration = row->json,
                                                                 .place = row->place};
    }
    enum status status =
        registry_replace_files(supervisor->registry, REGISTRY_SERVER, &server_rows, done);
    if (!status)
        status = registry_replace_files(supervisor->registry, REGISTRY_CLIENT, &client_rows, done);
    if (status)
        on_stored(supervisor, status);
    arena_deinit(&arena);
}

/* ---- workers and signals
 * --------------------------------------------------------------------------- */

/* bellwire-exec stands beside this program, as built, or in libexec, as installed. */
static char *find_exec_helper(void) {
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    struct slice whole = {path, size > 0 ? (size_t)size : 0};
    while (whole.size && whole.bytes[whole.size - 1] != '/')
        whole.size--;
    char *helper = NULL;
    if (asprintf(&helper, SLICE_FMT "bellwire-exec", SLICE_ARG(whole)) < 0)
        return NULL;
    if (access(helper, X_OK) == 0)
        return helper;
    free(helper);
    return asprintf(&helper, SLICE_FMT "../libexec/bellwire/bellwire-exec", SLICE_ARG(whole)) < 0
               ? NULL
               : helper;
}

/* Up to the hard limit; programs keep the one that we were started with, in `*before`. Returns the
 * descriptor from which on none is a peer's: a part stays for files, programs, clients and the
 * manager. */
static int raise_descriptors(uint64_t *before) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    *before = limit.rlim_cur;
    rlim_t most = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    if (limit.rlim_cur < most) {
        struct rlimit raised = {most, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    rlim_t kept = limit.rlim_cur / 4 < KEPT_DESCRIPTORS ? limit.rlim_cur / 4 : KEPT_DESCRIPTORS;
    rlim_t below = limit.rlim_cur - kept;
    return below < INT_MAX ? (int)below : INT_MAX;
}

static bool make_workers(struct supervisor *supervisor) {
    uint32_t count = supervisor->worker_count;
    supervisor->workers = base_alloc(count * sizeof *supervisor->workers);
    supervisor->sets = base_alloc(count * sizeof(struct server_set *));
    supervisor->client_sets = base_alloc(count * sizeof(struct client_set *));
    supervisor->hosts = base_alloc(count * sizeof(struct action_host *));
    supervisor->pulses = base_alloc(count * sizeof *supervisor->pulses);
    supervisor->is_stalled = base_alloc(count * sizeof *supervisor->is_stalled);
    supervisor->stalls = base_alloc(count * sizeof *supervisor->stalls);
    supervisor->exec_helper = find_exec_helper();
    supervisor->crypto_pool = crypto_pool_new(&(struct crypto_pool_options){0});
    arena_init(&supervisor->names_arena, 512, 0);
    if (!supervisor->crypto_pool ||
        access_machine_names(&supervisor->names_arena, &supervisor->machine_names)) {
        log_line(LOG_ERROR, NULL, "cannot make the threads for passwords and TLS");
        return false;
    }
    struct worker_options options = {.count = count,
                                     .programs = &supervisor->programs,
                                     .exec_helper = supervisor->exec_helper,
                                     .crypto_pool = supervisor->crypto_pool,
                                     .globals = supervisor->keep.globals,
                                     .hosts = supervisor->hosts,
                                     .steering = &supervisor->steering};
    options.accept_below = raise_descriptors(&options.program_files);
    supervisor->steering = steer_of(supervisor);
    supervisor->has_workers = true;
    crypto_random(&options.id_key, sizeof options.id_key);
    supervisor->own = options.own = net_own_new(options.id_key); /* or none: no bound */
    for (uint32_t i = 0; i < count; i++) {
        options.number = i;
        supervisor->hosts[i] = &supervisor->workers[i].host;
        if (!worker_init(&supervisor->workers[i], &options)) {
            log_line(LOG_ERROR, NULL, "cannot make worker %u: out of memory or descriptors", i);
            return false;
        }
        supervisor->sets[i] = supervisor->workers[i].servers;
        supervisor->client_sets[i] = supervisor->workers[i].clients;
    }
    for (uint32_t i = 0; i < count; i++) {
        server_set_connect(supervisor->workers[i].servers, supervisor->sets, count);
        client_set_connect(supervisor->workers[i].clients, supervisor->client_sets, count);
    }
    for (uint32_t i = 0; i < count; i++)
        if (!worker_start(&supervisor->workers[i])) {
            log_line(LOG_ERROR, NULL, "cannot start the thread of worker %u", i);
            return false;
        }
    return true;
}

static bool watch_signals(struct supervisor *supervisor) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uv_signal_t *handle = &supervisor->signals[i];
        if (uv_signal_init(net_loop_uv(supervisor->loop), handle))
            return false;
        handle->data = supervisor;
        if (uv_signal_start(handle, on_signal, numbers[i]))
            return false;
    }
    return true;
}

static void begin(struct worker *worker, void *context) {
    const struct supervisor *supervisor = context;
    triggers_begin(worker->triggers, worker->number, supervisor->worker_count);
}

/* For a service manager a daemon whose servers could all not listen has not started: it shows that
 * as a failed service and tries again, where a person would look at what the daemon says. */
static bool is_heard(struct supervisor *supervisor) {
    const struct server_row *deaf = NULL;
    struct list *at;
    LIST_FOR_EACH(at, &supervisor->servers) {
        const struct server_row *row = CONTAINER_OF(at, struct server_row, link);
        if (!list_is_empty(&row->listeners))
            return true;
        if (row->is_wanted)
            deaf = row;
    }
    char why[NOTIFY_STATUS_MAX];
    if (deaf) {
        (void)snprintf(why, sizeof why, "server " SLICE_FMT " cannot listen: %s",
                       SLICE_ARG(deaf->id), deaf->error ? deaf->error : "no address is declared");
        log_line(LOG_ERROR, NULL, "no server can listen: ending");
        notify_failed(&supervisor->notify, why);
    }
    return !deaf;
}

static void on_first_applied(struct supervisor *supervisor, uint64_t closed_sessions) {
    (void)closed_sessions; /* there were none */
    supervisor__store_rows(supervisor);
    switches_follow(supervisor);
    net_timer_start(supervisor->loop, &supervisor->second, SECOND_MS);
    if (supervisor->state != SUPERVISOR_STARTING)
        return; /* told to end meanwhile */
    if (supervisor->notify.fd >= 0 && !is_heard(supervisor)) {
        supervisor->exit_code = 1;
        net_loop_stop(supervisor->loop);
        return;
    }
    supervisor->state = SUPERVISOR_SERVING;
    log_line(LOG_INFO, NULL, "ready");
    observe_apply(supervisor);
    notify_ready(&supervisor->notify);
    for (uint32_t i = 0; i < supervisor->worker_count; i++)
        worker_do(&supervisor->workers[i], begin, NULL, NULL, supervisor);
    api_started(supervisor);
    supervisor__next(supervisor);
}

static void on_reloaded(void *context, const struct supervisor_reload *result) {
    (void)context, (void)result; /* the log has told */
}

static void on_signal(uv_signal_t *handle, int number) {
    struct supervisor *supervisor = handle->data;
    if (number == SIGHUP)
        supervisor__reload(supervisor, on_reloaded, NULL);
    else
        supervisor__drain(supervisor);
}

/* A worker that is in the same turn as a second ago is told of once, until it goes on. */
/* What a storm has left free stays the process's until somebody asks; that takes a while and locks
 * the heap, so it waits for a lull. */
static void give_back_memory(struct supervisor *supervisor) {
    uint64_t sum = net_loop_pulse(supervisor->loop);
    for (uint32_t i = 0; i < supervisor->worker_count; i++)
        sum += net_loop_pulse(supervisor->workers[i].loop);
    uint64_t work = sum - supervisor->pulse_sum;
    supervisor->pulse_sum = sum;
    supervisor->work += work;
    supervisor->quiet_seconds = work < QUIET_PULSES ? supervisor->quiet_seconds + 1 : 0;
    if (supervisor->quiet_seconds < LULL_S || supervisor->work < STORM_PULSES)
        return;
    supervisor->work = 0;
    malloc_trim(0);
}

static void on_second(struct net_timer *timer) {
    struct supervisor *supervisor = CONTAINER_OF(timer, struct supervisor, second);
    for (uint32_t i = 0; i < supervisor->worker_count; i++) {
        uint64_t pulse = net_loop_pulse(supervisor->workers[i].loop);
        bool is_stalled = (pulse & 1) && pulse == supervisor->pulses[i];
        if (is_stalled && !supervisor->is_stalled[i])
            log_line(LOG_WARN, NULL, "worker %u has been busy with one turn for more than a second",
                     i);
        supervisor->stalls[i] += is_stalled && !supervisor->is_stalled[i];
        supervisor->is_stalled[i] = is_stalled;
        supervisor->pulses[i] = pulse;
    }
    give_back_memory(supervisor);
    api_second(supervisor);
    if (++supervisor->seconds % NOTE_S == 0)
        note_states(supervisor);
    notify_status(&supervisor->notify);
    net_timer_start(supervisor->loop, timer, SECOND_MS);
}

/* ---- the end
 * ------------------------------------------------------------------------------------------ */

/* One more signal must not turn the end into a death by it. */
static void close_signal(uv_signal_t *handle) {
    if (!handle->data)
        return;
    int number = handle->signum;
    uv_close((uv_handle_t *)handle, NULL);
    if (number)
        (void)signal(number, SIG_IGN); /* cannot fail for a signal that exists */
}

static void stop_loop(struct worker *worker, void *context) {
    (void)context; /* the worker has all */
    net_loop_stop(worker->loop);
}

static void close_registry(struct supervisor *supervisor) {
    if (!supervisor->registry)
        return;
    keep_flush(&supervisor->keep);
    enum status status = registry_close(supervisor->registry);
    supervisor->registry = NULL;
    if (status)
        log_line(LOG_ERROR, NULL, "what was changed last could not be stored: %s",
                 registry_problem(status));
}

static void free_all(struct supervisor *supervisor) {
    supervisor__free_rows(supervisor);
    switches_close(&supervisor->switches);
    rows_deinit(&supervisor->stored_servers);
    rows_deinit(&supervisor->stored_clients);
    arena_deinit(&supervisor->registry_arena);
    arena_deinit(&supervisor->names_arena);
    free(supervisor->workers);
    free(supervisor->sets);
    free(supervisor->client_sets);
    free(supervisor->hosts);
    free(supervisor->pulses);
    free(supervisor->is_stalled);
    free(supervisor->stalls);
    free(supervisor->observed);
    free(supervisor->exec_helper);
    free(supervisor->last_reload_error);
}

static void tear_down(struct supervisor *supervisor) {
    bool is_drained = supervisor->state == SUPERVISOR_ENDED; /* then they have been told */
    for (uint32_t i = 0; i < supervisor->worker_count && supervisor->workers && !is_drained; i++)
        if (supervisor->workers[i].is_running)
            worker_do(&supervisor->workers[i], stop_loop, NULL, NULL, NULL);
    for (uint32_t i = 0; i < supervisor->worker_count && supervisor->workers; i++)
        worker_join(&supervisor->workers[i]);
    supervisor->has_workers = false;
    if (supervisor->workers && supervisor->registry)
        note_last(supervisor);
    crypto_pool_free(supervisor->crypto_pool);
    static void (*const ends[])(struct worker *) = {worker_end_runs, worker_end_peers,
                                                    worker_deinit};
    for (size_t end = 0; end < ARRAY_SIZE(ends); end++)
        for (uint32_t i = 0; i < supervisor->worker_count && supervisor->workers; i++)
            ends[end](&supervisor->workers[i]);
    net_own_free(supervisor->own);
    close_registry(supervisor);
    edit_drop_all(supervisor);
    switches_drop_all(&supervisor->switches);
    supervisor__drop_reloads(supervisor);
    if (supervisor->control)
        api_close(supervisor);
    observe_close(supervisor);
    if (supervisor->loop) {
        net_timer_stop(&supervisor->second);
        net_timer_stop(&supervisor->notify.timer);
        keep_close(&supervisor->keep);
        (void)net_loop_uv(supervisor->loop); /* tells the loop to look at what closes */
        for (size_t i = 0; i < ARRAY_SIZE(supervisor->signals); i++)
            close_signal(&supervisor->signals[i]);
        if (supervisor->registry_wake.data)
            uv_close((uv_handle_t *)&supervisor->registry_wake, NULL);
        net_loop_turn(supervisor->loop, 0);
        net_loop_free(supervisor->loop);
    }
    if (supervisor->generation) {
        program_unref(supervisor->generation->program);
        generation_unref(supervisor->generation);
    }
    free_all(supervisor);
    if (supervisor->state_fd >= 0)
        close(supervisor->state_fd);
}
