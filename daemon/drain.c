/* The end of service: listening stops, sessions get 1001, runs may end; what is left when the time
 * is up is cancelled and listed. */
#include <stdlib.h>

#include "daemon/supervisor.h"

#define LOOK_MS   10
#define CANCEL_MS 10000

struct drain { /* of one worker; lives until its loop stops, since its sets may tell it late */
    struct supervisor *supervisor;
    struct worker *worker;
    struct net_timer timer;
    uint64_t until_ms, cancel_until_ms; /* of the loop's clock */
    uint32_t sets_open;                 /* servers, clients */
    bool is_cancelled;
};

static void begin(struct worker *worker, void *context);
static void on_connections_gone(void *context);
static void look(struct net_timer *timer);
static void on_through(struct worker *worker, void *context);
static void is_through(struct worker *worker, void *context);
static void stop(struct worker *worker, void *context);
static void end(struct supervisor *supervisor);

void supervisor__drain(struct supervisor *supervisor) {
    if (supervisor->state == SUPERVISOR_DRAINING) {
        log_line(LOG_WARN, NULL, "told to end a second time: ending at once");
        end(supervisor);
        return;
    }
    if (supervisor->state == SUPERVISOR_ENDED)
        return;
    supervisor->state = SUPERVISOR_DRAINING;
    uint64_t timeout_ms =
        supervisor->generation ? supervisor->generation->declared.main.shutdown_timeout_ms : 0;
    notify_stopping(&supervisor->notify, timeout_ms + 2 * (uint64_t)CANCEL_MS);
    log_line(LOG_INFO, NULL, "ending: no new connections, waiting for what runs");
    for (uint32_t i = 0; i < supervisor->worker_count; i++) {
        struct drain *drain = base_alloc(sizeof *drain);
        drain->supervisor = supervisor;
        drain->until_ms = timeout_ms;
        worker_do(&supervisor->workers[i], begin, NULL, NULL, drain);
    }
}

/* ---- on a worker
 * ---------------------------------------------------------------------------------------- */

static void begin(struct worker *worker, void *context) {
    struct drain *drain = context;
    drain->worker = worker;
    worker->drain = drain;
    drain->until_ms += net_loop_now_ms(worker->loop);
    triggers_quiet(worker->triggers);
    net_timer_init(&drain->timer, look);
    net_timer_start(worker->loop, &drain->timer, LOOK_MS);
    drain->sets_open = 2;
    server_set_drain(worker->servers, on_connections_gone, drain);
    client_set_drain(worker->clients, on_connections_gone, drain);
}

static void on_connections_gone(void *context) { ((struct drain *)context)->sets_open--; }

static void tell(void *context, const struct run_info *info) {
    (void)context; /* the log is the only place */
    const struct log_place place = {
        .task = info->task, .run = info->id, .step = info->step, .at = info->at};
    log_line(LOG_WARN, &place, "the run is cancelled: it did not end within shutdown-timeout");
}

struct run_ids {
    struct arena arena;
    struct slice *ids;
    size_t count, capacity;
};

static void collect(void *context, const struct run_info *info) {
    struct run_ids *ids = context;
    if (ids->count < ids->capacity &&
        arena_copy(&ids->arena, info->id, &ids->ids[ids->count]) == STATUS_OK)
        ids->count++;
}

static void cancel_all(struct engine *engine) {
    struct engine_stats stats;
    engine_stats(engine, &stats);
    struct run_ids ids = {.capacity = stats.live};
    arena_init(&ids.arena, 4096, 0);
    ids.ids = arena_alloc(&ids.arena, ids.capacity * sizeof *ids.ids);
    engine_list_runs(engine, tell, NULL);
    if (ids.ids)
        engine_list_runs(engine, collect, &ids);
    for (size_t i = 0; i < ids.count; i++) {
        struct run *run = engine_find_run(engine, ids.ids[i]);
        if (run)
            run_cancel(run);
    }
    arena_deinit(&ids.arena);
}

static void look(struct net_timer *timer) {
    struct drain *drain = CONTAINER_OF(timer, struct drain, timer);
    struct worker *worker = drain->worker;
    uint64_t now_ms = net_loop_now_ms(worker->loop);
    struct engine_stats stats;
    engine_stats(worker->engine, &stats);
    bool is_idle = stats.live == 0;
    if (!is_idle && !drain->is_cancelled && now_ms >= drain->until_ms) {
        drain->is_cancelled = true;
        drain->cancel_until_ms = now_ms + CANCEL_MS;
        atomic_fetch_add(&drain->supervisor->runs_cut_short, stats.live);
        cancel_all(worker->engine);
    }
    bool is_over = is_idle && (drain->sets_open == 0 || now_ms >= drain->until_ms);
    if (!is_over && !(drain->is_cancelled && now_ms >= drain->cancel_until_ms)) {
        net_timer_start(worker->loop, timer, LOOK_MS);
        return;
    }
    struct supervisor *supervisor = drain->supervisor;
    /* Its loop goes on until all are through: it may keep the turns of others' runs. */
    worker_do(worker, is_through, supervisor->loop, on_through, supervisor);
}

static void is_through(struct worker *worker, void *context) {
    (void)worker, (void)context; /* only that it is through counts */
}

static void stop(struct worker *worker, void *context) {
    (void)context; /* the worker has all */
    if (worker->drain) {
        net_timer_stop(&worker->drain->timer);
        free(worker->drain);
        worker->drain = NULL;
    }
    server_set_abort(worker->servers);
    client_set_abort(worker->clients);
    net_loop_stop(worker->loop);
}

/* ---- on the control thread
 * -------------------------------------------------------------------------------- */

static void on_through(struct worker *worker, void *context) {
    (void)worker; /* they are only counted */
    struct supervisor *supervisor = context;
    if (++supervisor->drained == supervisor->worker_count && supervisor->state != SUPERVISOR_ENDED)
        end(supervisor);
}

static void end(struct supervisor *supervisor) {
    supervisor->state = SUPERVISOR_ENDED;
    for (uint32_t i = 0; i < supervisor->worker_count; i++)
        worker_do(&supervisor->workers[i], stop, NULL, NULL, NULL);
    log_line(LOG_INFO, NULL, "ended");
    net_loop_stop(supervisor->loop);
}
