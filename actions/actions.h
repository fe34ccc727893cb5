/* The action kinds, and what a worker gives them to act on.
 *
 * Thread  the table is constant; a host belongs to its worker, programs to all of them. */
#ifndef BELLWIRE_ACTIONS_H
#define BELLWIRE_ACTIONS_H

#include <pthread.h>

#include "engine/engine.h"
#include "client/client.h"
#include "server/server.h"

extern const struct action_kind *const action_kinds[]; /* ends with NULL */

struct action_place;
struct action_process;

/* How many programs run at once, in all workers together; all zero but `max` is a good start. */
struct action_programs {
    _Atomic uint32_t running;
    _Atomic uint32_t max;              /* `max-programs`; may change at a reload */
    pthread_mutex_t lock;              /* of the two below and of what changes `running` */
    struct action_place *first, *last; /* who waits for a place, in order */
};
/* engine_options.host of a worker points to one; step_host() gives it back. All that is not named
 * when it is made is zero. */
struct action_host {
    struct net_loop *loop;
    struct server_set *servers;
    struct client_set *clients;
    struct engine *engine;
    struct action_programs *programs;
    const char *exec_helper; /* path of bellwire-exec */
    /* Those of all workers, for what reaches every worker; NULL: this one is alone. */
    struct action_host *const *hosts;
    uint32_t host_count;
    struct action_process *processes; /* private: programs that have not ended */
};
/* After the engine is gone and before the loop is: kills what is left of programs. */
void action_host_end(struct action_host *host);

#endif
