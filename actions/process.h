/* A program that runs: its process group, its pipes, and its end. Private to actions/.
 *
 * States  running -> exited (the leader is a zombie, its pipes are read to their end, at most 100
 *         ms) -> over: the group is killed, then the leader reaped. A process that nobody wants any
 *         more is told TERM, and KILL after 5 s; it goes on holding its place meanwhile.
 * Thread  its worker's. */
#ifndef BELLWIRE_ACTIONS_PROCESS_H
#define BELLWIRE_ACTIONS_PROCESS_H

#include <sys/types.h>

#include "actions/action.h"

struct process_end {
    int exit_code; /* 128 + signal, where one ended it */
    int signal;    /* 0: none */
    int error;     /* errno of the helper's failing stage, or 0 */
    char stage[40];
};
struct process_events {
    /* `stream` 0: standard output, 1: standard error. */
    void (*output)(void *context, int stream, struct slice bytes);
    void (*ended)(void *context, const struct process_end *end); /* the process is gone */
};
struct process_spawn {
    const char *path; /* of the program, or of the helper */
    char *const *argv, *const *env;
    const char *directory;
    int stdin_fd;       /* -1: /dev/null; stays the caller's */
    bool has_helper;    /* which reports on descriptor 3 */
    uint64_t max_files; /* soft limit of descriptors; 0: the daemon's */
    const struct process_events *events;
    void *context;
};
/* NULL: errno says why; the place that was taken for it stays the caller's, else it is given back
 * when the process is over. */
struct action_process *process__start(struct action_host *host, const struct process_spawn *spawn);
/* Stops or goes on reading standard output. */
void process__pause(struct action_process *process, bool is_paused);
void process__kill(struct action_process *process); /* no event comes any more */

/* ---- the child (spawn.c) --------------------------------------------------------------------- */
enum { SPAWN_INPUT, SPAWN_OUTPUT, SPAWN_ERROR, SPAWN_REPORT, SPAWN_FILES };
struct spawned {
    pid_t pid; /* leads a session and a group of its own */
    int pidfd; /* the caller's to close */
};
struct action_spawner *spawner__new(void); /* NULL: errno says why */
void spawner__free(struct action_spawner *spawner);
/* `files` are the child's by SPAWN_..., -1: /dev/null for the input, else none; they stay the
 * caller's. Returns 0 once the program has begun, or the error number of what could not be done. */
int spawner__run(struct action_spawner *spawner, const struct process_spawn *spawn,
                 const int *files, struct spawned *out);

/* ---- turns of a worker (launch.c) -------------------------------------------------------------
 */
struct launch {
    struct list node; /* the caller makes it a list of its own, then it is private */
    void (*start)(struct launch *launch);
};
void launch__init(struct action_host *host);
/* True: `start` is called in a later turn. False: its turn is now, and the caller starts it. */
bool launch__wait(struct action_host *host, struct launch *launch);
void launch__cancel(struct launch *launch); /* idempotent */
/* Around what starts a program. */
uint64_t launch__begin(const struct action_host *host);
void launch__end(struct action_host *host, uint64_t begin_ns);

/* ---- places under max-programs (place.c) ---------------------------------------------------- */
bool place__take(struct action_programs *programs); /* false: none is free, or others wait */
/* `ready` is called once, with a place taken, unless place__cancel(). NULL without memory. */
struct action_place *place__wait(struct action_host *host, void (*ready)(void *context),
                                 void *context);
void place__cancel(struct action_place *place);
void place__release(struct action_host *host);

#endif
