/* One run-program step, from its arguments to its result. Private to actions/.
 *
 * States  waiting for a place -> preparing in the pool -> waiting for its turn -> running -> its
 *         last lines -> done.
 * Memory  the object is the step's; in the pool it outlives a cancelled step until the work is
 *         back.
 * Thread  its worker's, but for what program__prepare() does in the pool. */
#ifndef BELLWIRE_ACTIONS_PROGRAM_H
#define BELLWIRE_ACTIONS_PROGRAM_H

#include <uv.h>

#include "actions/process.h"

struct program_limits {
    uint64_t cpu_ms, memory_bytes; /* 0: none */
    uint32_t files, processes;     /* 0: none */
};
struct program_lines {
    uint32_t as;
    const struct chain *chain; /* NULL: no chains */
};
struct program_args {
    struct config_texts command;
    struct slice standard_input, input_file;
    struct config_pairs env;
    struct config_texts pass_env;
    struct slice directory, user, group;
    struct program_limits limits;
    uint64_t max_output;
    struct config_texts success;
    struct program_lines lines;
    struct slice fence;     /* of a variable in input_file; made by prepare */
    const uint8_t *is_good; /* by exit code, 256 of them; made by prepare */
};
struct program_user { /* who the child is, or who we are; found in the pool */
    bool is_known;
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* in the run's arena */
    int group_count;
    const char *name, *home, *shell;
};
struct program_run {
    struct step *step; /* NULL: cancelled while in the pool */
    struct action_host *host;
    struct arena arena; /* all texts */
    uv_work_t work;
    bool is_in_pool, has_place, asks_self;
    struct action_place *place; /* while it waits for one */
    struct launch launch;       /* then for its turn */
    struct action_process *process;
    struct log_place log;
    const struct program_args *args; /* a copy, with the texts below in place of its own */
    char **argv;
    const char *directory, *input_file, *fence, *user, *group;
    char **env; /* NAME=VALUE, ends with NULL */
    size_t env_count, env_capacity;
    struct slice peer;
    int stdin_fd;
    char why[256]; /* what failed in the pool; empty: nothing */
    int error;
    struct program_user who;
    struct buffer output[2];
    bool is_truncated, has_ended;
    struct process_end end;
    /* The lines that no chain has had yet. */
    struct buffer pending;
    size_t taken, scanned; /* taken: had by chains; scanned: behind it, and known to hold no end */
    bool is_in_chain, gives_way, skips_line;
    uint64_t turn, turn_began_ns; /* of the loop; when it began with lines */
};

/* ---- program_env.c -------------------------------------------------------------------------- */
/* Whether the pool must be asked: for a user, a group, a file, or who we are. */
bool program__needs_pool(struct program_run *run);
void program__prepare(struct program_run *run);         /* in the pool; run->why */
void program__keep_self(const struct program_run *run); /* back from there */
/* The whole environment, from run->env as the step gave it. False without memory. */
bool program__make_env(struct program_run *run);
bool program__set_env(struct program_run *run, const char *name, struct slice value);
/* The file of argv[0] by PATH or directory, in the arena; NULL: errno. */
const char *program__find(struct program_run *run);
/* argv of the helper around the program's; NULL without memory. */
char **program__wrap(struct program_run *run, const char *path);
bool program__needs_helper(const struct program_run *run);

/* ---- program_lines.c ------------------------------------------------------------------------ */
/* False without memory. */
bool program__add_lines(struct program_run *run, struct slice bytes);
/* Starts the chain of the next line, when none runs. The run may be gone when it returns. */
void program__next_line(struct program_run *run);

/* ---- program_sandbox.c ----------------------------------------------------------------------- */
/* After a failure: the log says where the service's sandbox looks to be the cause. `error` is the
 * errno of a start that failed, or 0. */
void program__blame_sandbox(const struct program_run *run, int error);

/* ---- run_program.c -------------------------------------------------------------------------- */
/* Ends the step; the run is gone when it returns. */
void program__finish(struct program_run *run, enum step_state state);
void program__complete(struct program_run *run); /* the process has ended, all lines are done */

#endif
