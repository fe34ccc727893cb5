/* Tasks compiled into an immutable program, and the runs that execute them on one worker each.
 * Names no trigger, action, server or client: tables and callbacks are handed in.
 *
 * Thread  program_build() on the control thread; a program is immutable and counted. An engine and
 *         its runs belong to one worker.
 * Memory  a run that never waits touches the heap only for names that it sets. */
#ifndef BELLWIRE_ENGINE_H
#define BELLWIRE_ENGINE_H

#include "engine/host.h"
#include "engine/kind.h"
#include "engine/why.h"

/* ---- programs: all tasks of one generation
 * ---------------------------------------------------------
 */
struct task;
struct trigger {
    const struct trigger_kind *kind;
    const struct task *task;
    const void *args; /* kind->args_size */
    struct config_mark mark;
    uint32_t number; /* among all triggers of the program, in the order of the files */
};
struct task { /* what others may read of one; the rest is the engine's */
    struct slice id, name, description;
    struct config_mark mark;
    const struct config_node *declaration; /* for `show` */
    const struct trigger *triggers;
    size_t trigger_count;
    bool is_enabled, is_enabled_by_file;
    uint32_t number; /* index into program_task() */
};
uint32_t task_max(const struct task *task); /* mode.max, or what holds where it is not set */
struct program_secret {
    struct slice name, value;
};
struct program_input {
    const struct config_section *tasks;
    const struct trigger_kind *const *triggers; /* each list ends with NULL */
    const struct action_kind *const *actions;
    const struct expr_variable *const *variables; /* tables; the engine adds its own, EXPR_RUN with
                                                     the struct run as source */
    const struct slice *servers, *clients;        /* IDs that the files declare ... */
    size_t server_count, client_count;
    const struct slice *more_servers, *more_clients; /* ... and those of the manager */
    size_t more_server_count, more_client_count;
    const struct program_secret *secrets; /* copied */
    size_t secret_count;
    uint64_t expression_time_ns, expression_memory_bytes;
    uint32_t worker_count;
    bool has_globals; /* engine_options.globals will be there; else `set: global.` is an error */
    uint64_t generation;
    struct program *previous; /* or NULL: what belongs to a task ID (counters, modes) lives on */
    /* The manager's say, or NULL: is the task enabled? */
    bool (*is_enabled)(void *context, struct slice id, bool by_file);
    void *context;
};
/* NULL after any error; all errors of all tasks are in `diag`, which also gets the warnings. The
 * nodes of `tasks` must outlive the program: hand their owner over with program_own(). */
struct program *program_build(const struct program_input *input, struct config_diag *diag);
struct program *program_ref(struct program *program); /* these two from any thread */
void program_unref(struct program *program);
uint64_t program_generation(const struct program *program);
size_t program_task_count(const struct program *program);
const struct task *program_task(const struct program *program, size_t number);
const struct task *program_find_task(const struct program *program, struct slice id); /* or NULL */
size_t program_trigger_count(const struct program *program); /* of enabled tasks */
const struct trigger *program_trigger(const struct program *program, size_t at);
/* Runs when the last reference is gone. Before the program is shared only. */
void program_own(struct program *program, void (*cleanup)(void *object), void *object);
/* One slot for the index of triggers/. */
void program_set_index(struct program *program, void *index, void (*cleanup)(void *index));
void *program_index(const struct program *program);
/* For schema and reference: the keys of a task, the common keys of a step, the blocks. A SPECIAL
 * field that takes a mapping names its keys in .fields. */
extern const struct config_field engine_task_fields[], engine_step_fields[];
struct engine_block {
    const char *name, *doc, *example;
};
extern const struct engine_block engine_blocks[];     /* ends with a NULL name */
extern const struct expr_variable engine_variables[]; /* TaskId RunId ...; for reference */
bool engine_is_valid_var(const struct task *task, struct slice name); /* declared in `vars` */

/* ---- events: what a run is started by
 * -----------------------------------------------------------------
 */
enum run_cause { RUN_TRIGGER, RUN_MANUAL, RUN_TASK, RUN_STARTUP };
enum run_outcome { RUN_DONE, RUN_FAILED, RUN_CANCELLED };
struct event_place { /* texts for StartCause, log lines and lists; empty where it has none */
    struct slice server, client, session, peer;
};
enum run_gate {
    RUN_ADMITTED,
    RUN_UNMET, /* conditions */
    RUN_AT_MOST,
    RUN_MODE,    /* single, queued */
    RUN_MAX,     /* mode.max */
    RUN_MEMORY,  /* run-memory */
    RUN_DEPTH,   /* causes nest too deep */
    RUN_OVERLAP, /* a beat while the one before runs: engine_count_refusal() */
    RUN_GATES
};
void engine_count_refusal(struct engine *engine, const struct task *task, enum run_gate gate);
/* A regex of a trigger took longer than an expression may. Whether it is to be logged: once a
 * second, since peers can have it happen. */
bool engine_count_slow_regex(struct engine *engine);
const char *run_gate_text(enum run_gate gate); /* as in `stats`: "conditions" "at_most" ... */
struct run_verdict {
    enum run_gate gate;
    uint32_t status;         /* RUN_UNMET: the condition's own `unmet`, else 0 */
    uint64_t retry_after_ms; /* RUN_AT_MOST, RUN_MODE, RUN_MAX; at least 1000 */
    struct config_mark mark; /* of the condition or mode that refused */
    bool is_asking;          /* admitted so far: another worker is asked, refused() may follow */
};
struct run_end {
    enum run_outcome outcome;
    struct slice run_id;      /* text */
    const char *error;        /* NULL unless failed */
    struct config_mark mark;  /* where it failed */
    struct value result;      /* of `stop` */
    enum run_gate refused_by; /* cancelled while it waited: by this gate; else RUN_ADMITTED */
};
struct event;
/* Each may be NULL. */
struct event_ops {
    /* The gates are passed; before the first step and before any waiting in a queue. */
    void (*admitted)(struct event *event, struct run *run);
    /* The run suspends for the first time: what is borrowed must be copied now. Returns the event
     * to use from here on (this one, or a copy), NULL when there is no memory: the run fails. */
    struct event *(*hold)(struct event *event);
    void (*release)(struct event *event); /* pairs with hold(), after ended() */
    /* Instead of all others but release(): run_begin() had to ask another worker, which refuses. */
    void (*refused)(struct event *event, const struct run_verdict *verdict);
    /* Once per admitted run; `run` can still be asked, not be used later. Of a run that lost its
     * place in a queue to the task of `on-refused`, when that one ends. */
    void (*ended)(struct event *event, struct run *run, const struct run_end *end);
    /* Where `session.` names live: NULL where there is no session. */
    struct value_box **(*session)(struct event *event);
    void (*place)(struct event *event, struct arena *arena, struct event_place *out);
};
struct event {
    const struct event_ops *ops;   /* or NULL */
    const struct trigger *trigger; /* or NULL */
    enum run_cause cause;
    void *sources[EXPR_FAMILIES];     /* EXPR_RUN is filled by the engine */
    const struct expr_groups *groups; /* of the match, or NULL */
    uint64_t why;                     /* engine_note_event(); 0: not noted */
    uint32_t depth;                   /* of causes: 0 where it comes from elsewhere */
    size_t held_bytes;                /* what hold() has copied, as it says; for run-memory */
};

/* ---- the engine of one worker
 * ---------------------------------------------------------------------------
 */
struct engine_options {
    const struct clock *clock;
    uint32_t worker, worker_count;
    uint64_t seed[2]; /* random, for run IDs and jitter */
    void *host;       /* for actions: step_host(), engine_host() */
    /* Asks for engine_tick() at `mono_ns` of the clock; the latest call counts, UINT64_MAX: never.
     */
    void (*wake_at)(void *host, uint64_t mono_ns);
    const struct engine_globals *globals; /* or NULL */
    const struct engine_journal *journal; /* or NULL */
    /* Brings `mail` to the engine of a worker: in order, once, or STATUS_LIMIT. NULL: there is no
     * other worker. */
    enum status (*post)(void *host, uint32_t worker, struct engine_mail *mail);
    struct hash_key home_key; /* the same on all workers, random: peers choose keys */
    uint64_t max_run_memory_bytes, run_memory_bytes; /* 0: the defaults of the design */
};
struct engine *engine_new(const struct engine_options *options); /* NULL without memory */
void engine_free(struct engine *engine); /* cancels what still runs, without finally chains */
void *engine_host(const struct engine *engine);
void engine_set_memory(struct engine *engine, uint64_t max_run_bytes, uint64_t run_bytes);
void engine_set_program(struct engine *engine, struct program *program); /* takes a reference */
struct program *engine_program(const struct engine *engine);             /* borrowed, or NULL */
void engine_tick(struct engine *engine);

/* The gates, then the chain until its end or first suspension. Refused: nothing of `event->ops` was
 * called. `event` need not outlive the call unless hold() kept it. */
struct run_verdict run_begin(struct engine *engine, const struct task *task, struct event *event);

/* Starts without a trigger: by hand, by `run-task`, after an error. It is queued, and begins when
 * the run in progress has suspended or ended, else inside this call. */
struct run_request {
    const struct task *task; /* of engine_program() */
    enum run_cause cause;
    struct value vars;   /* map or nil; only names of the task's `vars` */
    struct run *parent;  /* or NULL */
    struct event *event; /* or NULL; what it borrows is held at once */
    /* May be NULL, unless run_unwatch(): called once where the verdict is still asking, with the
     * final one; refused, nothing else follows. */
    void (*on_settled)(void *context, const struct run_verdict *verdict);
    /* May be NULL: called once when the run has ended, unless run_unwatch(). */
    void (*on_ended)(void *context, const struct run_end *end);
    void *context;
};
/* STATUS_NOT_FOUND: a name that `vars` of the task lacks; STATUS_LIMIT: a gate, see `verdict`. The
 * run's text ID is in `id` (RUN_ID_MAX); `*out` (may be NULL) is valid until on_ended. */
#define RUN_ID_MAX 27
enum status run_start(struct engine *engine, const struct run_request *request, char *id,
                      struct run_verdict *verdict, struct run **out);
void run_unwatch(struct run *run);
/* Ends the waiting steps, runs finally chains (10 s at most), outcome RUN_CANCELLED. */
void run_cancel(struct run *run);
void run_resume(struct run *run); /* after PENDING of the journal */
struct event *run_event(const struct run *run);
uint32_t run_depth(const struct run *run); /* of causes */
const struct task *run_task(const struct run *run);
struct slice run_id_text(struct run *run);                              /* as long as the run */
struct run *engine_find_run(struct engine *engine, struct slice id);    /* or NULL */
size_t engine_cancel_task(struct engine *engine, struct slice task_id); /* how many */

/* ---- what the manager sees; on the worker's thread
 * --------------------------------------------------------
 */
struct run_info {                             /* texts live as long as the call */
    struct slice id, task, trigger, step, at; /* `at`: file:line of the step, or of the failure */
    bool is_waiting, has_ended;
    enum run_outcome outcome;      /* once it has ended */
    struct slice error;            /* of a failed one */
    uint64_t started_ms, ended_ms; /* wall */
};
typedef void (*run_info_fn)(void *context, const struct run_info *info);
void engine_list_runs(struct engine *engine, run_info_fn each, void *context); /* the live ones */
#define ENGINE_ENDED_MAX 1000 /* the latest; newest first */
void engine_list_ended(const struct engine *engine, run_info_fn each, void *context);
struct task_info { /* of this worker; sums and the latest are made by who asks */
    uint64_t runs, failures, active, stopping, waiting; /* waiting: for their turn, by the mode */
    uint64_t last_run_ms, last_error_ms;                /* wall; 0: never */
    struct slice last_error;                            /* as long as the program */
    uint64_t refused[RUN_GATES];
    struct histogram durations[3]; /* of ended runs, by enum run_outcome */
};
void engine_task_info(struct engine *engine, const struct task *task, struct task_info *out);
struct engine_stats {
    uint64_t started, done, failed, cancelled, refused[RUN_GATES];
    uint64_t live, waiting, memory_bytes;
    uint64_t max_run_memory_passed;  /* steps that wanted more; one may count several times */
    uint64_t expression_time_passed; /* and by regexes of message triggers */
    uint64_t expression_memory_passed;
};
void engine_stats(const struct engine *engine, struct engine_stats *out);

#endif
