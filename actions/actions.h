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
struct action_spawner;

/* How many programs run at once, in all workers together; all zero but `max` is a good start. */
struct action_programs {
    _Atomic uint32_t running;
    _Atomic uint32_t max;              /* `max-programs`; may change at a reload */
    _Atomic uint32_t waiting;          /* changes under the lock */
    _Atomic uint64_t waited, cut;      /* that had to wait for a place; that passed max-output */
    pthread_mutex_t lock;              /* of the two below and of what changes `running` */
    struct action_place *first, *last; /* who waits for a place, in order */
};
/* From any thread: where there are more places now, those who wait go on at once. */
void action_programs_set_max(struct action_programs *programs, uint32_t max);
/* How runs have servers started and stopped, by a thread that owns the listeners. */
struct action_steer {    /* one order, on its way there and back */
    struct slice server; /* copied */
    bool is_start;
    struct net_loop *home;
    /* Called once on the thread of `home`, unless cancelled. NOT_FOUND; FAILED: no address could be
     * bound, `why` says more; CANCELLED: the daemon is ending. */
    void (*done)(void *context, enum status status, const char *why);
    void *context;
};
struct action_order;
struct action_steering {
    struct action_order *(*begin)(void *context, const struct action_steer *steer);
    void (*cancel)(struct action_order *order); /* done is not called any more */
    void *context;
};
struct action_launches { /* private: programs that wait for their turn to be started */
    struct list waiting;
    struct net_message message; /* brings the next turn */
    uint64_t turn, spent_ns;    /* how long it has been starting programs */
    bool is_asked;
};
struct action_self { /* private: who the daemon is, once it has been looked up */
    bool is_known;
    const char *name, *home, *shell; /* in the arena; NULL: nobody knows */
    struct arena arena;
};
/* engine_options.host of a worker points to one; step_host() gives it back. All that is not named
 * when it is made is zero. */
struct action_host {
    struct net_loop *loop;
    struct server_set *servers;
    struct client_set *clients;
    struct engine *engine;
    struct action_programs *programs;
    const char *exec_helper;                /* path of bellwire-exec */
    const struct action_steering *steering; /* NULL: servers stay as they are */
    /* Those of all workers, for what reaches every worker; NULL: this one is alone. */
    struct action_host *const *hosts;
    uint32_t host_count;
    uint64_t program_files; /* soft limit of descriptors that programs get; 0: the daemon's own */
    /* private: */
    struct action_process *processes; /* programs that have not ended */
    struct action_spawner *spawner;
    struct action_launches launches;
    struct action_self self;
};
/* Before anything is accepted or opened in numbers, since programs are handed their descriptors by
 * low ones. False: errno says why; action_host_end() is called all the same. */
bool action_host_begin(struct action_host *host);
/* After the engine is gone and before the loop is: kills what is left of programs. */
void action_host_end(struct action_host *host);

#endif
