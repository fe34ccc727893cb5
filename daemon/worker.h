/* One worker: a thread with its loop, its servers, its engine and its dispatcher.
 *
 * Thread  made, connected and freed by the control thread while its thread does not run; in between
 * it is reached by worker_do() alone. */
#ifndef BELLWIRE_WORKER_H
#define BELLWIRE_WORKER_H

#include <pthread.h>

#include "actions/actions.h"
#include "globals/globals.h"
#include "triggers/triggers.h"

struct worker {
    pthread_t thread;
    uint32_t number;
    bool is_running;
    struct net_loop *loop;
    struct server_set *servers;
    struct client_set *clients;
    struct engine *engine;
    struct triggers *triggers;
    struct action_host host;
    struct engine_globals globals;
    struct net_timer tick;
    struct drain *drain; /* while the daemon ends; the supervisor's */
};
struct worker_options {
    uint32_t number, count;
    struct hash_key id_key;
    struct net_own *own; /* outlives the workers */
    struct action_programs *programs;
    const char *exec_helper;
    uint64_t program_files;          /* as action_host has it */
    struct crypto_pool *crypto_pool; /* outlives the workers' threads */
    struct globals *globals;
    struct action_host *const *hosts; /* of all workers; outlives them */
    const struct action_steering *steering;
    int accept_below; /* net_loop_options */
};
bool worker_init(struct worker *worker,
                 const struct worker_options *options); /* false: without memory */
/* The end, after all threads were joined: each is called for all workers before the next one is,
 * since runs wait for what other workers do for them, and what peers leave behind goes to other
 * workers' mailboxes. */
void worker_end_runs(struct worker *worker);
void worker_end_peers(struct worker *worker);
void worker_deinit(struct worker *worker);
bool worker_start(struct worker *worker); /* its thread; false when there is none to be had */
void worker_join(struct worker *worker);  /* after its loop was stopped */

/* Runs `fn` on the worker's thread, then `done` on the thread of `home`; both get `context`, which
 * stays the caller's. At the end of the process `fn` may be left out; `done` never is, and must
 * then reach no worker any more. Never refused: for what has few of these on the way. Orders of one
 * thread are run in their order, before the messages that peers cause. */
typedef void (*worker_fn)(struct worker *worker, void *context);
void worker_do(struct worker *worker, worker_fn fn, struct net_loop *home, worker_fn done,
               void *context);

#endif
