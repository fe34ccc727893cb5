/* Leaving blocks: failures, break and continue, the end of a run, cancelling, timeouts. A strand
 * that carries a signal loses one frame a turn until one of them takes the signal. */
#include "engine/run.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What the step's on-error says, now that its failure is recorded. */
void strand__fail(struct strand *strand, const struct program_step *def) {
    struct frame *top = strand__top(strand);
    strand->has_failed = true;
    if (strand->signal)
        return;
    if (def->on_error == ON_ERROR_CONTINUE) {
        strand__advance(strand);
        return;
    }
    if (def->on_error == ON_ERROR_FAIL || top->attempt + 1u >= def->retry.attempts) {
        strand->signal = SIGNAL_FAIL;
        return;
    }
    uint64_t delay_ms = def->retry.delay_ms;
    for (uint16_t i = 0; i < top->attempt && delay_ms < def->retry.max_delay_ms; i++)
        delay_ms *= 2;
    if (delay_ms > def->retry.max_delay_ms)
        delay_ms = def->retry.max_delay_ms;
    /* Half of it is jitter, so that many that failed together do not return together. */
    delay_ms = delay_ms / 2 + engine__random(strand->run->engine) % (delay_ms / 2 + 1);
    top->attempt++;
    strand->step_deadline_ns = 0;
    strand__delay(strand, delay_ms);
}

void strand__failf(struct strand *strand, const struct program_step *def, int32_t code,
                   const char *format, ...) {
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    run__set_error(strand->run, def, def->mark, code, slice_of(text));
    strand__fail(strand, def);
}

static void on_delay_over(struct engine_timer *timer) {
    struct step *step = CONTAINER_OF(timer, struct step, timer);
    struct strand *strand = strand_of(step);
    strand__ready(strand);
    run__advance(strand->run);
}

void strand__delay(struct strand *strand, uint64_t ms) {
    struct engine *engine = strand->run->engine;
    strand->step.timer.due = on_delay_over;
    timer__arm(&engine->timers, &strand->step.timer, engine__now_ns(engine) + ms * 1000000);
    strand__suspend(strand, STRAND_DELAY);
}

void strand__pop(struct strand *strand) {
    struct frame *top = strand__top(strand);
    const struct program_step *owner = top->owner;
    if (top->deadline_ns)
        strand->timed_frames--;
    if (top->items) {
        run__discharge(strand->run, value_box_bytes(top->items));
        value_box_unref(top->items);
    }
    if (top->role == ROLE_ROUND && owner->as != SLOT_NONE) {
        struct value_box **slot = &strand->run->slots[owner->as];
        run__discharge(strand->run, value_box_bytes(*slot));
        value_box_unref(*slot);
        *slot = top->shadowed; /* stayed charged */
    }
    strand->depth--;
}

/* The block of the frame that was just popped has failed. */
static void block_failed(struct strand *strand, const struct program_step *def) {
    if (strand->force_depth != FORCE_NONE && strand->depth > strand->force_depth) {
        strand->signal = SIGNAL_FAIL;
        return;
    }
    strand->force_depth = FORCE_NONE;
    strand->signal = SIGNAL_NONE;
    strand__fail(strand, def);
}

static void unwind_round(struct strand *strand, struct frame *top) {
    enum signal signal = strand->signal;
    if (signal == SIGNAL_CONTINUE) {
        strand->signal = SIGNAL_NONE;
        top->at = top->chain->count;
        return;
    }
    const struct program_step *def = top->owner;
    strand__pop(strand);
    if (signal == SIGNAL_BREAK) {
        strand->signal = SIGNAL_NONE;
        strand__advance(strand);
    } else if (signal == SIGNAL_FAIL) {
        block_failed(strand, def);
    }
}

static void redirect(struct frame *top, enum frame_role role, const struct chain *chain) {
    top->role = (uint8_t)role;
    top->chain = chain;
    top->at = 0;
    top->attempt = 0;
}

/* True: catch or finally has taken over. */
static bool unwind_try(struct strand *strand, struct frame *top) {
    const struct program_step *def = top->owner;
    bool is_forced = strand->force_depth != FORCE_NONE && strand->depth > strand->force_depth;
    bool can_catch = strand->signal == SIGNAL_FAIL && !is_forced;
    if (top->role == ROLE_TRY && can_catch && def->has_catch) {
        redirect(top, ROLE_CATCH, &def->catch);
        strand->signal = SIGNAL_NONE;
        return true;
    }
    if (!def->has_finally || strand->run->is_hard)
        return false;
    top->saved = (uint8_t)strand->signal;
    redirect(top, ROLE_FINALLY, &def->finally);
    strand->signal = SIGNAL_NONE;
    return true;
}

void strand__unwind(struct strand *strand) {
    struct frame *top = strand__top(strand);
    const struct program_step *def = top->owner;
    if (top->role == ROLE_ROUND) {
        unwind_round(strand, top);
        return;
    }
    if ((top->role == ROLE_TRY || top->role == ROLE_CATCH) && unwind_try(strand, top))
        return;
    if (top->role == ROLE_FINALLY && top->saved > strand->signal)
        strand->signal = (enum signal)top->saved; /* a failing finally does not undo a cancel */
    strand__pop(strand);
    if (def && strand->signal == SIGNAL_FAIL)
        block_failed(strand, def);
}

static void interrupt_children(struct strand *strand) {
    struct list *node;
    LIST_FOR_EACH(node, &strand->run->strands) {
        struct strand *child = CONTAINER_OF(node, struct strand, siblings);
        if (child->parent == strand)
            strand__interrupt(child, SIGNAL_CANCEL, FORCE_NONE);
    }
}

/* A finally chain that is running is let finish; the signal goes on behind it. */
static bool is_shielded(struct strand *strand, enum signal signal, uint32_t force_depth) {
    uint32_t lowest = force_depth == FORCE_NONE ? 0 : force_depth;
    if (strand->run->is_hard)
        return false;
    for (uint32_t d = strand->depth; d > lowest; d--) {
        struct frame *frame = &strand->frames[d - 1];
        if (frame->role != ROLE_FINALLY)
            continue;
        if (frame->saved < signal)
            frame->saved = (uint8_t)signal;
        if (signal == SIGNAL_FAIL)
            strand->force_depth = force_depth;
        return true;
    }
    return false;
}

/* Ends what the strand waits for and sends `signal` down its stack. */
void strand__interrupt(struct strand *strand, enum signal signal, uint32_t force_depth) {
    if (strand->state == STRAND_ENDED || is_shielded(strand, signal, force_depth))
        return;
    if (strand->signal < signal) {
        strand->signal = signal;
        strand->force_depth = signal == SIGNAL_FAIL ? force_depth : FORCE_NONE;
    }
    /* The journal still holds the run, and lets it go on by run_resume(). */
    bool is_journaled = strand->state == STRAND_JOURNAL && !strand->run->is_hard;
    if (strand->state == STRAND_READY || is_journaled)
        return;
    if (strand->state == STRAND_STEP)
        step__cancel(&strand->step);
    else if (strand->state == STRAND_DELAY)
        timer__cancel(&strand->run->engine->timers, &strand->step.timer);
    if (strand->branches_left) {
        strand->state = STRAND_BRANCHES;
        interrupt_children(strand);
    } else {
        strand__ready(strand);
    }
}

/* Tells the parent, and is freed. The main strand stays for run__end(). */
void strand__over(struct strand *strand) {
    struct strand *parent = strand->parent;
    enum signal signal = strand->signal;
    bool is_of_step = strand->is_of_step;
    if (!parent)
        return;
    list_remove(&strand->siblings);
    list_remove(&strand->ready);
    timer__cancel(&strand->run->engine->timers, &strand->deadline);
    if (strand->frames != strand->inline_frames)
        free(strand->frames);
    run__discharge(strand->run, sizeof *strand);
    free(strand);
    parent->branches_left--;
    if (is_of_step && parent->state == STRAND_STEP && signal == SIGNAL_STOP) {
        strand__interrupt(parent, SIGNAL_STOP, FORCE_NONE);
    } else if (is_of_step && parent->state == STRAND_STEP && parent->step.on_branch) {
        void (*on_branch)(struct step *, enum step_state) = parent->step.on_branch;
        parent->step.on_branch = NULL;
        if (signal == SIGNAL_FAIL)
            parent->step.has_failure = true; /* described by the chain */
        on_branch(&parent->step, signal == SIGNAL_NONE ? STEP_DONE : STEP_FAILED);
    } else if (!is_of_step && (signal == SIGNAL_FAIL || signal == SIGNAL_STOP) &&
               parent->signal == SIGNAL_NONE) {
        parent->signal = signal;
        interrupt_children(parent);
    }
    if (parent->branches_left == 0 && parent->state == STRAND_BRANCHES)
        strand__ready(parent);
}

void strand__arm_deadline(struct strand *strand) {
    uint64_t at_ns = strand->step_deadline_ns ? strand->step_deadline_ns : UINT64_MAX;
    for (uint32_t d = 0; strand->timed_frames && d < strand->depth; d++) {
        uint64_t frame_ns = strand->frames[d].deadline_ns;
        if (frame_ns && frame_ns < at_ns)
            at_ns = frame_ns;
    }
    if (at_ns != UINT64_MAX)
        timer__arm(&strand->run->engine->timers, &strand->deadline, at_ns);
}

static void timed_out(struct strand *strand, const struct program_step *def) {
    char text[64], size[BASE_TEXT_MAX];
    snprintf(text, sizeof text, "no end within " SLICE_FMT,
             SLICE_ARG(duration_format(def->timeout_ms, size)));
    run__set_error(strand->run, def, def->mark, ETIMEDOUT, slice_of(text));
}

/* The outermost block whose time is up fails as a whole; else the step in hand does. */
void strand__check_deadlines(struct strand *strand) {
    uint64_t now_ns = engine__now_ns(strand->run->engine);
    for (uint32_t d = 0; strand->timed_frames && d < strand->depth; d++) {
        struct frame *frame = &strand->frames[d];
        if (!frame->deadline_ns || now_ns < frame->deadline_ns)
            continue;
        frame->deadline_ns = 0;
        strand->timed_frames--;
        timed_out(strand, frame->owner);
        strand__interrupt(strand, SIGNAL_FAIL, d);
        return;
    }
    if (!strand->step_deadline_ns || now_ns < strand->step_deadline_ns ||
        strand->state != STRAND_STEP)
        return;
    struct step *step = &strand->step;
    strand->step_deadline_ns = 0;
    timed_out(strand, step->def);
    step__cancel(step);
    step->has_failure = true;
    step->phase = PHASE_FINISHED;
    step->state = STEP_FAILED;
    strand__ready(strand);
}
