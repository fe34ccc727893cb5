/* The control thread: what is configured, what listens, who works, and how that changes.
 *
 * States  starting -> serving -> draining -> ended. A generation is applied in two steps, at the
 * start and at each reload alike: every worker takes the new program and servers, then new
 * addresses are opened. Thread  all of it is the control thread's; workers are reached by
 * worker_do(). */
#ifndef BELLWIRE_SUPERVISOR_H
#define BELLWIRE_SUPERVISOR_H

#include <uv.h>

#include "daemon/bind.h"
#include "daemon/generation.h"
#include "daemon/keep.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/switches.h"
#include "daemon/rows.h"
#include "daemon/worker.h"

struct listener {     /* one address that is open */
    struct list link; /* of its row */
    char requested[NET_ADDRESS_MAX], bound[NET_ADDRESS_MAX];
};
struct server_row { /* one server ID; kept when its declaration is gone, since workers count in it
                     */
    struct list link;
    struct slice id, name, json, place; /* heap */
    enum registry_origin origin;
    bool is_declared, is_enabled, is_wanted; /* wanted: should listen; start and stop change it */
    struct server_config *config;
    struct list listeners;
    char *error;        /* of addresses that could not be bound, or NULL */
    bool is_stopping;   /* its workers are closing it */
    struct list orders; /* that wait for this */
    uint64_t since_ms;
    _Atomic uint64_t all_sessions;      /* of all workers, for max-sessions */
    struct server_addresses *addresses; /* likewise, for max-sessions-per-address */
    struct server_counters counters[];  /* one a worker */
};
struct client_row {
    struct list link;
    struct slice id, name, url, json, place; /* heap */
    enum registry_origin origin;
    bool is_declared, is_enabled;
    uint64_t since_ms;
    struct client_config *config;
    uint32_t owner; /* the worker that it lives on */
    struct client_counters counters;
};
struct control_worker;
struct metrics;
struct client_changes; /* of clients, on their way to the workers */
enum supervisor_state {
    SUPERVISOR_STARTING,
    SUPERVISOR_SERVING,
    SUPERVISOR_DRAINING,
    SUPERVISOR_ENDED
};

struct supervisor_change_list {
    struct slice *added, *changed, *removed;
    size_t added_count, changed_count, removed_count;
};
struct supervisor_reload { /* what a reload did; valid during the call of its `done` */
    const struct generation *generation; /* NULL: the daemon is ending, nothing was loaded */
    bool is_ok;
    uint64_t number; /* of the generation that serves now */
    struct supervisor_change_list tasks, servers, clients;
    uint64_t closed_sessions;
};
typedef void (*supervisor_reload_fn)(void *context, const struct supervisor_reload *result);

struct supervisor {
    const struct options *options;
    struct net_loop *loop;
    uv_signal_t signals[3];
    struct net_timer second; /* stalls, the drain's end */
    struct registry *registry;
    struct keep keep;
    struct switches switches;
    int state_fd;
    uv_async_t registry_wake;
    struct worker *workers;
    struct server_set **sets;
    struct client_set **client_sets;
    struct action_host **hosts;
    struct action_steering steering; /* of runs: starts and stops servers */
    uint32_t worker_count;
    bool has_workers; /* they can be reached */
    struct action_programs programs;
    char *exec_helper;
    struct crypto_pool *crypto_pool;
    struct net_own *own;
    struct arena names_arena;
    struct access_list machine_names; /* looked up once */
    struct generation *generation;    /* the one that serves */
    uint64_t generation_number, started_ms, drain_until_ms;
    struct list servers, clients; /* rows */
    struct arena registry_arena;
    struct rows stored_servers, stored_clients; /* the manager's */
    struct list edits;                          /* in order, the one in work first */
    struct edit *edit;                          /* in work, or NULL */
    enum supervisor_state state;
    struct apply *apply; /* in progress, or NULL */
    struct list reloads; /* who waits for one */
    bool is_reload_wanted, is_forced;
    uint32_t drained;
    _Atomic uint64_t runs_cut_short; /* by shutdown-timeout */
    uint64_t *pulses;                /* of the workers a second ago */
    bool *is_stalled;
    bool is_degraded;
    uint64_t seconds;         /* that it has served */
    uint64_t pulse_sum, work; /* of all loops: as last seen, and since memory was given back */
    uint32_t quiet_seconds;
    uint64_t last_reload_ms;
    bool last_reload_ok;
    char *last_reload_error;
    struct control *control;
    int exit_code; /* of the process, once its loop has ended */
    struct notify notify;
    struct inherited inherited;
    struct metrics *metrics; /* made with the workers */
    struct control_worker *observed;
    uint64_t *stalls; /* by worker */
    uint64_t reloads_ok, reloads_failed;
};

/* Runs the daemon until it is told to end. Returns the exit code. */
int supervisor_run(const struct options *options);

/* ---- for the files beside this one, and the control API
 * ------------------------------------------ */
/* Loads the files anew and applies them; `done` is called once. All or nothing. */
void supervisor__reload(struct supervisor *supervisor, supervisor_reload_fn done, void *context);
void supervisor__drop_reloads(struct supervisor *supervisor); /* at the end: they are told */
/* Hands a generation with a program to the workers; `finished` is called when all of it is done. */
void supervisor__apply(struct supervisor *supervisor, struct generation *generation,
                       void (*finished)(struct supervisor *supervisor, uint64_t closed_sessions));
struct server_row *supervisor__server(struct supervisor *supervisor, struct slice id); /* or NULL */
struct client_row *supervisor__client(struct supervisor *supervisor, struct slice id); /* or NULL */
const char *supervisor__server_state(const struct server_row *row); /* listening stopped failed */
/* Opens what `row` wants and has not open; logs each address. */
void supervisor__listen(struct supervisor *supervisor, struct server_row *row);
/* Brings the rows up to date, and then the workers. */
struct client_changes *clients__plan(struct supervisor *supervisor,
                                     const struct generation *generation);
void clients__apply(struct supervisor *supervisor, struct client_changes *changes,
                    void (*done)(void *context), void *context);
void clients__drop(struct client_changes *changes); /* in place of applying them */
void clients__free_rows(struct supervisor *supervisor);
/* Connects or disconnects one, on its worker. NOT_FOUND, NO_MEMORY, LIMIT. */
enum status clients__steer(struct supervisor *supervisor, struct slice id, bool is_start);
void supervisor__stored(struct supervisor *supervisor, enum status status); /* degraded or not */
void supervisor__next(struct supervisor *supervisor); /* the reload or edit that waits */
/* Closes what `row` has open and ends its sessions with 1001; then tells. What is ordered meanwhile
 * waits: however many orders come, only one server's stop is on its way to the workers. */
struct edit_steering;
void supervisor__after_stop(struct server_row *row, const struct edit_steering *steering);
void supervisor__drop_orders(struct server_row *row); /* at the end: nobody is told */
void supervisor__stop_server(struct supervisor *supervisor, struct server_row *row,
                             const struct edit_steering *steering);
void supervisor__store_rows(struct supervisor *supervisor); /* the file rows, in the registry */
void supervisor__drain(struct supervisor *supervisor);
void supervisor__free_rows(struct supervisor *supervisor);
struct slice supervisor__copy(struct slice text); /* to the heap */

#endif
