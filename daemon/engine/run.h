/* The inside of runs: strands of frames, walked by strand.c, blocks in flow.c, failures in
 * unwind.c. Private to engine/.
 *
 * A strand is one stack; a run has one, and one more for each chain of a `parallel` and for a chain
 * that an action runs. Nothing here recurses: what can go on is in run->ready. */
#ifndef BELLWIRE_ENGINE_RUN_H
#define BELLWIRE_ENGINE_RUN_H

#include "engine/claim.h"
#include "engine/program.h"
#include "engine/timers.h"

#define FRAMES_INLINE  4
#define SLOTS_INLINE   8
#define RUN_DEPTH_MAX  32
#define RUN_POOL_MAX   256
#define HAND_ONS_MAX   8 /* on-refused of the task of an on-refused ... */
#define GRACE_MS       10000
#define TURN_NS        10000000u /* what one run may compute before the loop turns */
#define STEPS_PER_LOOK 64        /* steps between two looks at the clock */
#define ERROR_TEXT_MAX 1024
#define SCRATCH_BYTES  65536
#define FORCE_NONE     UINT32_MAX

enum signal { SIGNAL_NONE, SIGNAL_CONTINUE, SIGNAL_BREAK, SIGNAL_FAIL, SIGNAL_STOP, SIGNAL_CANCEL };
enum frame_role { ROLE_PLAIN, ROLE_ROUND, ROLE_TRY, ROLE_CATCH, ROLE_FINALLY, ROLE_PARALLEL };
struct frame {
    const struct chain *chain;
    const struct program_step *owner; /* the block; NULL for the root */
    struct value_box *items;          /* for-each: what is walked */
    struct value_box *shadowed;       /* what `as` held before */
    uint64_t deadline_ns;             /* of the owner's timeout; 0: none */
    uint32_t at;                      /* the step in hand */
    uint32_t round, rounds;           /* `rounds`: of times and for-each */
    uint16_t attempt;                 /* of the step in hand, from 0 */
    uint8_t role;                     /* enum frame_role */
    uint8_t saved;                    /* finally: the signal that goes on behind it */
};

enum step_phase {
    PHASE_IDLE,
    PHASE_STARTING, /* start() is on the C stack */
    PHASE_WAITING,
    PHASE_FINISHED, /* step_finish() came; the strand has not gone on yet */
};
struct step_memory {
    struct step_memory *next;
    size_t size;
};
struct step {
    const struct program_step *def;
    enum step_phase phase;
    enum step_state state;
    bool is_early; /* finished inside start() */
    bool has_failure;
    void *data;
    struct step_memory *memory;
    struct engine_timer timer; /* step_wait(), the delay of a retry, the pause of a busy run */
    void (*on_due)(struct step *step);
    void (*on_branch)(struct step *step, enum step_state state);
};

enum strand_state {
    STRAND_READY,
    STRAND_STEP,
    STRAND_DELAY,
    STRAND_BRANCHES,
    STRAND_JOURNAL,
    STRAND_ENDED
};
struct strand {
    struct run *run;
    struct strand *parent;
    struct list siblings; /* in run->strands */
    struct list ready;    /* in run->ready */
    enum strand_state state;
    enum signal signal;
    bool has_failed;      /* IsError */
    bool ends_run;        /* the step in hand asked for it */
    bool is_of_step;      /* runs beside the parent's step, not as a part of a parallel */
    uint32_t force_depth; /* a failure that nothing above this depth may catch */
    uint32_t branches_left;
    uint32_t timed_frames;
    uint32_t depth, capacity;
    struct frame *frames;
    uint64_t step_deadline_ns;
    struct engine_timer deadline;
    struct step step;
    struct frame inline_frames[FRAMES_INLINE]; /* last: not cleared, since pushing fills them */
};

struct claim;
struct run_error { /* one heap block with its texts */
    const char *task, *step, *text, *file;
    int32_t code;
    struct config_mark mark;
};

enum run_state { RUN_QUEUED, RUN_GOING, RUN_CLOSING, RUN_OVER };
struct run {
    /* Kept while it is in the pool, with all slots NULL: */
    struct run *next_free;
    struct value_box **slots;
    size_t slot_capacity;
    struct value_box *inline_slots[SLOTS_INLINE];
    /* Cleared for each run, from here to `main`, which initialises itself: */
    struct engine *engine;
    struct generation *generation;
    const struct task_program *task;
    struct task_local *local;
    struct list link;  /* engine->runs */
    struct list queue; /* engine->queue */
    struct list ready; /* strands that can go on */
    struct list strands;
    enum run_state state;
    bool is_advancing, is_held, is_counted; /* held: the event is; counted: as a waiting one */
    bool is_in_line;                        /* counted as one that waits for its turn */
    bool is_cancelled, is_hard, has_timed_out, holds_gate, has_begun;
    enum signal outcome;
    struct event *event;
    struct expr_scope scope;
    struct run_error *error;
    struct value_box *result;
    struct claim *rate_claim, *turn_claim; /* gate.c; NULL: none */
    bool is_asking;                        /* another worker has not answered yet */
    bool waits;                            /* for that, for its time, for its turn */
    bool has_entered;                      /* counted as started, its event was told */
    uint8_t hand_ons;                      /* of its event, by on-refused */
    enum run_gate refused_by;              /* while it waited */
    struct run *waiting_parent;            /* whose step waits for this run */
    struct strand *active;
    struct engine_timer limit; /* the task's timeout, then the grace of finally chains */
    uint64_t deadline_ns;
    size_t memory_bytes; /* for max-run-memory */
    size_t held_bytes;   /* since it waits: its event and itself; for run-memory, as the above */
    uint64_t started_ms;
    uint64_t id[2];
    char id_text[RUN_ID_MAX];
    enum run_cause cause;
    uint32_t depth; /* of causes */
    uint64_t why;   /* the event's number, or 0 */
    char parent_id[RUN_ID_MAX];
    void (*on_ended)(void *context, const struct run_end *end);
    void (*on_settled)(void *context, const struct run_verdict *verdict);
    void *context;
    struct strand main;
};

/* A program as one engine uses it: counted here, so that workers share no counter. */
struct generation {
    struct generation *next;
    struct program *program;
    struct task_local **locals; /* by task number; made at first use */
    size_t runs;
};
struct task_local { /* of a task ID on this worker; outlives reloads */
    char *id;
    struct task_info info;
    char last_error[ERROR_TEXT_MAX];
};
struct run_record { /* of an ended run */
    uint64_t id[2];
    const struct task_local *local;
    const char *trigger; /* a kind's name, or NULL */
    struct run_error *error;
    uint64_t started_ms, ended_ms;
    enum run_outcome outcome;
};
struct engine {
    struct engine_options options;
    struct expr_lua *lua;
    struct arena scratch;
    struct generation *generations; /* newest first; the first is current */
    struct map locals;
    struct map turns, rates;
    struct list rate_order;   /* longest unused first */
    struct list rate_waiting; /* those for whose time a run waits */
    struct list runs, queue;
    struct run *free_runs;
    size_t free_count;
    struct timers timers;
    uint64_t wake_ns;
    uint32_t nesting;
    bool is_ending;
    struct engine_mail *unsent, *last_unsent; /* in order; the last one means nothing without one */
    struct engine_timer resend;
    struct engine_stats stats;
    uint64_t random[2];
    uint64_t sequence;
    struct run_record *ended; /* a ring of ENGINE_ENDED_MAX, made with the first one */
    size_t ended_count, ended_next;
    struct why *why;
    uint64_t slow_regex_ns, depth_ns; /* logged last; 0: never */
    char first_scratch[SCRATCH_BYTES] __attribute__((aligned(16)));
};

/* ---- engine.c ---- */
uint64_t engine__now_ns(const struct engine *engine);
uint64_t engine__random(struct engine *engine);
void engine__tell_depth(const struct run *run); /* an event was refused for its depth */
void engine__enter(struct engine *engine);      /* around everything that may advance a run */
void engine__leave(struct engine *engine);      /* the outermost one starts what is queued */
struct scratch_hold { /* scratch is a stack: each use gives back what it took */
    struct arena_mark mark;
    size_t limit_bytes;
};
size_t run__memory_left(const struct run *run); /* of max-run-memory */
struct scratch_hold scratch__begin(struct run *run);
void scratch__end(struct run *run, struct scratch_hold hold);
struct task_local *engine__local(struct engine *engine, const struct task_program *task);
void engine__release_generation(struct engine *engine, struct generation *generation);

/* ---- run.c, pool.c ---- */
struct run *run__new(struct engine *engine, const struct task_program *task); /* NULL: no memory */
void run__free(struct run *run);
bool run__charge(struct run *run, size_t bytes); /* false past a bound */
void run__discharge(struct run *run, size_t bytes);
enum status run__set_slot(struct run *run, uint32_t slot, struct value_box *box); /* takes it */
void run__advance(struct run *run);
void run__end(struct run *run);
bool run__hold(struct run *run);   /* the event, before anything waits */
void run__let_in(struct run *run); /* later: its gates are passed, or it waits for them */
void run__refuse(struct run *run, struct run_verdict *verdict); /* later: it never entered */
void run__stop_all(struct run *run, enum signal signal);
/* `mark` line 0: that of the step. */
void run__set_error(struct run *run, const struct program_step *def, struct config_mark mark,
                    int32_t code, struct slice text);
void run__copy_error(struct run *run, const struct run_error *error);

/* ---- gate.c: what a run passes before it begins ---- */
/* Admitted, run->waits tells whether it goes on later, with news of a claim. */
void gate__enter(struct run *run, struct run_verdict *verdict);
void gate__news(struct run *run, struct claim *claim, enum claim_answer answer);
void gate__line_up(struct run *run); /* it waits for its turn until gate__line_off() */
void gate__line_off(struct run *run);
void gate__leave(struct run *run);
void gate__suspend(struct run *run); /* it waits, and counts until gate__leave() */
void gate__count_refusal(struct run *run, enum run_gate gate);

/* ---- ended.c ---- */
void ended__note(struct run *run, const struct run_end *end); /* takes over run->error */
void ended__free(struct engine *engine);
void run__spell_id(const uint64_t id[2], char *out /* RUN_ID_MAX */);

/* ---- why.c ---- */
struct why *why__new(void); /* free() */
void why__fired(struct run *run);
/* `condition`: NULL, or the one that did not hold. */
void why__refused(struct run *run, enum run_gate gate, const struct task_condition *condition);

/* ---- strand.c: the loop ---- */
void strand__init(struct strand *strand, struct run *run, struct strand *parent);
void strand__run(struct strand *strand);
void strand__ready(struct strand *strand);
bool strand__push(struct strand *strand, struct frame frame);
void strand__advance(struct strand *strand); /* the step in hand is done */
void strand__suspend(struct strand *strand, enum strand_state state);
void strand__step_ended(struct strand *strand, enum step_state state);
static inline struct frame *strand__top(struct strand *strand) {
    return &strand->frames[strand->depth - 1];
}

/* ---- unwind.c: failures, jumps, cancelling ---- */
void strand__fail(struct strand *strand, const struct program_step *def);
void strand__failf(struct strand *strand, const struct program_step *def, int32_t code,
                   const char *format, ...) PRINTF_LIKE(4, 5);
void strand__unwind(struct strand *strand);
void strand__interrupt(struct strand *strand, enum signal signal, uint32_t force_depth);
void strand__pop(struct strand *strand);
void strand__over(struct strand *strand); /* its stack is empty */
void strand__delay(struct strand *strand, uint64_t ms);
void strand__check_deadlines(struct strand *strand);
void strand__arm_deadline(struct strand *strand);

/* ---- flow.c: blocks ---- */
void flow__enter(struct strand *strand, const struct program_step *def);
void flow__chain_end(struct strand *strand); /* the top frame has no more steps */
void flow__next_round(struct strand *strand);

/* ---- step.c, fill.c, set.c: one action ---- */
void step__start(struct strand *strand, const struct program_step *def);
void step__close(struct step *step); /* its memory and timers */
void step__cancel(struct step *step);
bool fill__args(struct strand *strand, const struct program_step *def, const void **args);
bool fill__tree(struct run *run, const struct value_tree *tree, struct value *out, char *why);
void set__run(struct strand *strand, const struct program_step *def);
const struct expr_scope *run__scope(struct run *run); /* fit to evaluate with now */
static inline struct strand *strand_of(struct step *step) {
    return CONTAINER_OF(step, struct strand, step);
}
static inline const struct strand *strand_of_const(const struct step *step) {
    return (const struct strand *)(const void *)((const char *)step -
                                                 offsetof(struct strand, step));
}

#endif
