/* The action kinds, and what a worker gives them to act on.
 *
 * Thread  the table is constant; a host belongs to its worker. */
#ifndef BELLWIRE_ACTIONS_H
#define BELLWIRE_ACTIONS_H

#include "engine/engine.h"
#include "server/server.h"

extern const struct action_kind *const action_kinds[]; /* ends with NULL */

/* How many programs run at once, in all workers together. */
struct action_programs {
    _Atomic uint32_t running;
    _Atomic uint32_t max; /* `max-programs`; may change at a reload */
};
/* engine_options.host of a worker points to one; step_host() gives it back. */
struct action_host {
    struct net_loop *loop;
    struct server_set *servers;
    struct action_programs *programs;
    const char *exec_helper;   /* path of bellwire-exec */
    struct list waiting_steps; /* run-program steps of this worker that wait for a free place */
};

#endif
