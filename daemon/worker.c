/* Composition of a worker, and how the control thread reaches one. */
#include "daemon/worker.h"

#include <signal.h>
#include <stdlib.h>

#include "crypto/crypto.h"

#define NS_PER_MS 1000000u

struct order {
    struct net_message message;
    struct worker *worker;
    worker_fn fn, done;
    struct net_loop *home;
    void *context;
};

static void wake_at(void *host, uint64_t mono_ns);
static enum status post(void *host, uint32_t to, struct engine_mail *mail);
static void on_tick(struct net_timer *timer);
static void *work(void *context);
static void run_order(struct net_message *message, struct net_loop *loop);
static void run_done(struct net_message *message, struct net_loop *loop);

bool worker_init(struct worker *worker, const struct worker_options *options) {
    *worker = (struct worker){.number = options->number};
    net_timer_init(&worker->tick, on_tick);
    worker->loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system,
                                                           .crypto_pool = options->crypto_pool,
                                                           .accept_below = options->accept_below});
    if (!worker->loop)
        return false;
    worker->globals = globals_engine;
    worker->globals.context = globals_reader(options->globals, options->number);
    struct engine_options engine = {.clock = &clock_coarse,
                                    .worker = options->number,
                                    .worker_count = options->count,
                                    .host = &worker->host,
                                    .wake_at = wake_at,
                                    .post = post,
                                    .home_key = options->id_key,
                                    .globals = &worker->globals};
    crypto_random(engine.seed, sizeof engine.seed);
    worker->engine = engine_new(&engine);
    worker->triggers = worker->engine ? triggers_new(worker->engine, worker->loop) : NULL;
    if (!worker->triggers)
        return false;
    worker->servers = server_set_new(&(struct server_set_options){.loop = worker->loop,
                                                                  .events = &triggers_server_events,
                                                                  .context = worker->triggers,
                                                                  .worker = options->number,
                                                                  .id_key = options->id_key,
                                                                  .own = options->own});
    worker->clients = client_set_new(&(struct client_set_options){.loop = worker->loop,
                                                                  .events = &triggers_client_events,
                                                                  .context = worker->triggers,
                                                                  .worker = options->number,
                                                                  .id_key = options->id_key,
                                                                  .own = options->own});
    worker->host = (struct action_host){.loop = worker->loop,
                                        .servers = worker->servers,
                                        .clients = worker->clients,
                                        .engine = worker->engine,
                                        .programs = options->programs,
                                        .exec_helper = options->exec_helper,
                                        .hosts = options->hosts,
                                        .steering = options->steering,
                                        .host_count = options->count,
                                        .program_files = options->program_files};
    return action_host_begin(&worker->host) && worker->servers && worker->clients;
}

/* The engine goes before the servers, since runs hold sessions and requests. */
void worker_end_runs(struct worker *worker) {
    net_timer_stop(&worker->tick);
    if (worker->engine)
        engine_free(worker->engine);
    if (worker->host.loop)
        action_host_end(&worker->host);
}

void worker_end_peers(struct worker *worker) {
    if (worker->clients)
        client_set_free(worker->clients);
    if (worker->triggers)
        triggers_end(worker->triggers);
    if (worker->servers)
        server_set_free(worker->servers);
    if (worker->triggers)
        triggers_free(worker->triggers);
}

void worker_deinit(struct worker *worker) {
    if (worker->loop)
        net_loop_free(worker->loop);
}

bool worker_start(struct worker *worker) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the control thread's */
    worker->is_running = pthread_create(&worker->thread, NULL, work, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return worker->is_running;
}

static void *work(void *context) {
    struct worker *worker = context;
    net_loop_run(worker->loop);
    return NULL;
}

void worker_join(struct worker *worker) {
    if (worker->is_running)
        pthread_join(worker->thread, NULL);
    worker->is_running = false;
}

/* ---- the engine's clock
 * --------------------------------------------------------------------------- */

static void wake_at(void *host, uint64_t mono_ns) {
    struct worker *worker = CONTAINER_OF(host, struct worker, host);
    if (mono_ns == UINT64_MAX) {
        net_timer_stop(&worker->tick);
        return;
    }
    uint64_t now_ns = clock_system.mono_ns(&clock_system);
    uint64_t wait_ms = mono_ns > now_ns ? (mono_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    net_timer_start(worker->loop, &worker->tick, wait_ms);
}

static void on_tick(struct net_timer *timer) {
    engine_tick(CONTAINER_OF(timer, struct worker, tick)->engine);
}

/* ---- between engines ------------------------------------------------------------------------- */

#define ROOM_ENGINE 3 /* behind the message: who gets it */
_Static_assert(sizeof(struct net_message) <= ROOM_ENGINE * sizeof(void *),
               "a mail travels without memory of its own");

static void deliver(struct net_message *message, struct net_loop *loop) {
    struct engine_mail *mail = CONTAINER_OF(message, struct engine_mail, room);
    mail->arrive(loop ? mail->room[ROOM_ENGINE] : NULL, mail);
}

static enum status post(void *host, uint32_t to, struct engine_mail *mail) {
    const struct worker *worker = CONTAINER_OF(host, struct worker, host);
    struct net_message *message = (struct net_message *)(void *)mail->room;
    *message = (struct net_message){.run = deliver, .bytes = sizeof *mail};
    mail->room[ROOM_ENGINE] = worker->host.hosts[to]->engine;
    return net_post(worker->host.hosts[to]->loop, message);
}

/* ---- orders
 * ---------------------------------------------------------------------------------------- */

void worker_do(struct worker *worker, worker_fn fn, struct net_loop *home, worker_fn done,
               void *context) {
    struct order *order = base_alloc(sizeof *order);
    *order = (struct order){.message = {.run = run_order},
                            .worker = worker,
                            .fn = fn,
                            .done = done,
                            .home = home,
                            .context = context};
    net_post_order(worker->loop, &order->message);
}

static void run_order(struct net_message *message, struct net_loop *loop) {
    struct order *order = CONTAINER_OF(message, struct order, message);
    if (loop)
        order->fn(order->worker, order->context);
    if (!order->done) {
        free(order);
        return;
    }
    order->message = (struct net_message){.run = run_done};
    net_post_answer(order->home, &order->message);
}

static void run_done(struct net_message *message, struct net_loop *loop) {
    struct order *order = CONTAINER_OF(message, struct order, message);
    (void)loop; /* `done` frees what it was given in either case */
    order->done(order->worker, order->context);
    free(order);
}
