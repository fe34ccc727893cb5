/* The loop that walks one strand until it ends or waits. */
#include "engine/run.h"

#include <assert.h>
#include <stdlib.h>

typedef void (*step_fn)(struct strand *strand, const struct program_step *def);

static void jump_break(struct strand *strand, const struct program_step *def);
static void jump_continue(struct strand *strand, const struct program_step *def);

static const step_fn step_fns[STEP_KINDS] = {
    [STEP_ACTION] = step__start, [STEP_SET] = set__run,       [STEP_IF] = flow__enter,
    [STEP_SWITCH] = flow__enter, [STEP_REPEAT] = flow__enter, [STEP_PARALLEL] = flow__enter,
    [STEP_TRY] = flow__enter,    [STEP_BREAK] = jump_break,   [STEP_CONTINUE] = jump_continue,
};

static void on_deadline(struct engine_timer *timer) {
    struct strand *strand = CONTAINER_OF(timer, struct strand, deadline);
    struct run *run = strand->run;
    strand__check_deadlines(strand);
    if (strand->state != STRAND_READY)
        strand__arm_deadline(strand);
    run__advance(run);
}

/* Everything but the frames, which are set when they are pushed. */
void strand__init(struct strand *strand, struct run *run, struct strand *parent) {
    memset(strand, 0, offsetof(struct strand, inline_frames));
    strand->deadline.due = on_deadline;
    strand->run = run;
    strand->parent = parent;
    strand->frames = strand->inline_frames;
    strand->capacity = FRAMES_INLINE;
    strand->force_depth = FORCE_NONE;
    list_init(&strand->siblings);
    list_init(&strand->ready);
}

static bool grow(struct strand *strand) {
    uint32_t capacity = strand->capacity * 2;
    bool is_inline = strand->frames == strand->inline_frames;
    struct frame *frames =
        realloc(is_inline ? NULL : strand->frames, capacity * sizeof *strand->frames);
    if (!frames)
        return false;
    if (is_inline)
        memcpy(frames, strand->inline_frames, sizeof strand->inline_frames);
    strand->frames = frames;
    strand->capacity = capacity;
    return true;
}

/* False without memory. */
bool strand__push(struct strand *strand, struct frame frame) {
    if (strand->depth == strand->capacity && !grow(strand))
        return false;
    if (frame.owner && frame.owner->timeout_ms) {
        frame.deadline_ns = engine__now_ns(strand->run->engine) + frame.owner->timeout_ms * 1000000;
        strand->timed_frames++;
    }
    strand->frames[strand->depth++] = frame;
    return true;
}

void strand__ready(struct strand *strand) {
    timer__cancel(&strand->run->engine->timers, &strand->deadline);
    strand->state = STRAND_READY;
    if (list_is_empty(&strand->ready) && strand != strand->run->active)
        list_append(&strand->run->ready, &strand->ready);
}

void strand__advance(struct strand *strand) {
    struct frame *top = strand__top(strand);
    top->at++;
    top->attempt = 0;
    strand->step_deadline_ns = 0;
}

static void arm_limit(struct run *run) {
    if (run->deadline_ns && !run->limit.is_armed)
        timer__arm(&run->engine->timers, &run->limit, run->deadline_ns);
}

/* From here on the run outlives the call that began it. */
void strand__suspend(struct strand *strand, enum strand_state state) {
    struct run *run = strand->run;
    strand->state = state;
    if (!run__hold(run)) {
        run__set_error(run, NULL, (struct config_mark){0}, 12, SLICE("out of memory"));
        strand__interrupt(strand, SIGNAL_FAIL, 0);
        return;
    }
    gate__suspend(run);
    arm_limit(run);
    strand__arm_deadline(strand);
}

static void jump_break(struct strand *strand, const struct program_step *def) {
    (void)def; /* the target is the innermost loop of the stack */
    strand->signal = SIGNAL_BREAK;
}

static void jump_continue(struct strand *strand, const struct program_step *def) {
    (void)def; /* as above */
    strand->signal = SIGNAL_CONTINUE;
}

/* True: go on with the step. */
static bool is_wanted(struct strand *strand, const struct program_step *def) {
    char why[EXPR_WHY_MAX];
    bool holds = false;
    struct scratch_hold hold = scratch__begin(strand->run);
    enum status status = expr_eval_bool(def->when, run__scope(strand->run), &holds, why);
    scratch__end(strand->run, hold);
    if (status != STATUS_OK) {
        strand__failf(strand, def, 1, "\"when\": %s", why);
        return false;
    }
    if (!holds)
        strand__advance(strand);
    return holds;
}

static void step_next(struct strand *strand) {
    struct frame *top = strand__top(strand);
    if (top->at == top->chain->count) {
        flow__chain_end(strand);
        return;
    }
    const struct program_step *def = &top->chain->steps[top->at];
    if (strand->timed_frames) {
        strand__check_deadlines(strand);
        if (strand->signal)
            return;
    }
    if (!def->when || is_wanted(strand, def))
        step_fns[def->kind](strand, def);
}

/* Long computing gives way to the loop; the run goes on in its next turn. */
static bool is_too_long(struct strand *strand, uint64_t *since_ns) {
    uint64_t now_ns = engine__now_ns(strand->run->engine);
    if (!*since_ns)
        *since_ns = now_ns;
    return now_ns - *since_ns > TURN_NS;
}

void strand__run(struct strand *strand) {
    uint64_t since_ns = 0;
    uint32_t steps = 0;
    while (strand->state == STRAND_READY) {
        if (strand->step.phase == PHASE_FINISHED)
            strand__step_ended(strand, strand->step.state);
        else if (strand->depth == 0)
            strand->state = STRAND_ENDED;
        else if (strand->signal)
            strand__unwind(strand);
        else if (++steps % STEPS_PER_LOOK == 0 && is_too_long(strand, &since_ns))
            strand__delay(strand, 0);
        else
            step_next(strand);
    }
}

static void journal_step(struct strand *strand, const struct program_step *def) {
    const struct engine_journal *journal = strand->run->engine->options.journal;
    if (journal && journal->step_done &&
        journal->step_done(journal->context, strand->run, def->id) == STEP_PENDING)
        strand__suspend(strand, STRAND_JOURNAL);
}

/* The action in hand is over; what it left beside it must end first. */
void strand__step_ended(struct strand *strand, enum step_state state) {
    struct step *step = &strand->step;
    const struct program_step *def = step->def;
    if (strand->branches_left) {
        struct list *node;
        step->phase = PHASE_FINISHED;
        step->state = state;
        step->on_branch = NULL;
        strand->state = STRAND_BRANCHES;
        LIST_FOR_EACH(node, &strand->run->strands) {
            struct strand *child = CONTAINER_OF(node, struct strand, siblings);
            if (child->parent == strand)
                strand__interrupt(child, SIGNAL_CANCEL, FORCE_NONE);
        }
        return;
    }
    if (state == STEP_FAILED && !step->has_failure)
        run__set_error(strand->run, def, def->mark, 1, SLICE("the step failed"));
    step__close(step);
    strand->has_failed = state == STEP_FAILED;
    if (strand->signal)
        return;
    if (state == STEP_FAILED) {
        strand__fail(strand, def);
    } else {
        if (strand->ends_run)
            strand->signal = SIGNAL_STOP;
        strand__advance(strand);
    }
    if (strand->state == STRAND_READY)
        journal_step(strand, def);
}
