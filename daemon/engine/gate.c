/* The gates of a task behind its conditions: memory, how many of its runs wait, at-most, mode. The
 * last two may be asked of another worker, and may let a run wait: it goes on with news of its
 * claims.
 *
 * Peers may choose keys, and what waits per key is bounded by none of them: so all runs of a task
 * that have waited and not ended, for an answer, their time, their turn or a step, count together,
 * over all workers. The count is read at the gate and raised when a run waits, without a lock: each
 * further worker, and each run that waits for the one in progress to suspend, may pass it by one.
 */
#include "engine/claim.h"
#include "engine/run.h"

static bool enter_counter(atomic_uint *counter, uint32_t max) {
    if (atomic_fetch_add_explicit(counter, 1, memory_order_acq_rel) < max)
        return true;
    atomic_fetch_sub_explicit(counter, 1, memory_order_acq_rel);
    return false;
}

void gate__count_refusal(struct run *run, enum run_gate gate) {
    run->engine->stats.refused[gate]++;
    run->local->info.refused[gate]++;
}

/* Waiting for what one of those holds who wait for this run would never end. */
static bool is_held_by_ancestor(const struct run *run, const struct claim *claim) {
    for (const struct run *up = run->waiting_parent; up; up = up->waiting_parent)
        if (up->turn_claim && slice_equal(claim_key(up->turn_claim), claim_key(claim)))
            return true;
    return false;
}

/* Fills the verdict where the answer is a refusal. */
static enum claim_answer ask(struct run *run, struct claim *claim, struct run_verdict *verdict) {
    enum claim_answer answer = claim__ask(run->engine, claim);
    run->is_asking = answer == CLAIM_ASKED;
    run->waits = answer == CLAIM_ASKED || answer == CLAIM_WAITS;
    verdict->gate = answer == CLAIM_REFUSED ? claim->gate : RUN_ADMITTED;
    /* One that is asked on another worker is that worker's to write until it answers. */
    verdict->retry_after_ms = answer == CLAIM_REFUSED ? claim->retry_after_ms : 0;
    return answer;
}

static enum claim_answer ask_rate(struct run *run, struct run_verdict *verdict) {
    const struct task_rate *bound = &run->task->rate;
    struct claim *claim = claim__new(run, bound->key, bound->is_own);
    verdict->gate = RUN_MEMORY;
    if (!claim)
        return CLAIM_REFUSED;
    claim->kind = CLAIM_RATE;
    claim->runs = bound->runs;
    claim->per_ns = bound->per_ms * 1000000;
    claim->then = bound->then;
    run->rate_claim = claim;
    return ask(run, claim, verdict);
}

static enum claim_answer ask_turn(struct run *run, struct run_verdict *verdict) {
    const struct task_mode *mode = &run->task->mode;
    struct claim *claim = claim__new(run, mode->key, mode->is_own);
    verdict->gate = RUN_MEMORY;
    if (!claim)
        return CLAIM_REFUSED;
    claim->kind = CLAIM_TURN;
    claim->type = mode->type;
    claim->max = mode->max;
    claim->max_waiting = mode->max_waiting;
    claim->overflow = mode->overflow;
    bool lines_up = mode->type == MODE_QUEUED || mode->type == MODE_RESTART;
    if (lines_up && is_held_by_ancestor(run, claim)) {
        claim__unref(claim);
        verdict->gate = RUN_MODE;
        return CLAIM_REFUSED;
    }
    run->turn_claim = claim;
    return ask(run, claim, verdict);
}

static void enter_mode(struct run *run, struct run_verdict *verdict) {
    const struct task_mode *mode = &run->task->mode;
    struct task_gate *gate = run->task->gate;
    uint32_t max = mode->type == MODE_SINGLE ? 1 : mode->max;
    if (mode->has_turns) {
        (void)ask_turn(run, verdict); /* the verdict has it */
    } else if (mode->type == MODE_PARALLEL && !mode->has_max) {
        verdict->gate = RUN_ADMITTED;
    } else if (enter_counter(&gate->active, max)) {
        run->holds_gate = true;
        verdict->gate = RUN_ADMITTED;
    } else {
        verdict->gate = mode->type == MODE_SINGLE ? RUN_MODE : RUN_MAX;
    }
}

static void complete(struct run *run, struct run_verdict *verdict) {
    if (verdict->retry_after_ms < 1000)
        verdict->retry_after_ms = 1000;
    if (verdict->gate != RUN_ADMITTED)
        verdict->mark = verdict->gate == RUN_AT_MOST ? run->task->rate.mark : run->task->mode.mark;
}

uint32_t task_max(const struct task *task) {
    const struct task_mode *mode = &((const struct task_program *)(const void *)task)->mode;
    return mode->has_max ? mode->max : mode->max_suspended;
}

/* It only reads: the fast path writes nothing that workers share. */
static bool may_wait(const struct task_program *task) {
    return atomic_load_explicit(&task->gate->suspended, memory_order_relaxed) <
           task->mode.max_suspended;
}

void gate__enter(struct run *run, struct run_verdict *verdict) {
    if (run->engine->stats.memory_bytes >= run->engine->options.run_memory_bytes) {
        verdict->gate = RUN_MEMORY;
    } else if (!may_wait(run->task)) {
        verdict->gate = RUN_MAX;
    } else {
        enum claim_answer answer = CLAIM_GRANTED;
        if (run->task->rate.runs)
            answer = ask_rate(run, verdict);
        if (answer == CLAIM_GRANTED)
            enter_mode(run, verdict);
    }
    verdict->is_asking = run->is_asking;
    complete(run, verdict);
}

/* ---- news of a claim --------------------------------------------------------------------------
 */

static void refuse(struct run *run, struct run_verdict *verdict) {
    complete(run, verdict);
    run->is_asking = false;
    if (run->has_entered) {
        gate__count_refusal(run, verdict->gate);
        run->refused_by = verdict->gate;
        run_cancel(run);
    } else {
        run__refuse(run, verdict);
    }
}

void gate__news(struct run *run, struct claim *claim, enum claim_answer answer) {
    struct run_verdict verdict = {.gate = RUN_ADMITTED};
    if (run->is_cancelled || run->state != RUN_QUEUED)
        return;
    run->is_asking = false;
    if (answer == CLAIM_REFUSED) { /* for good: its home does not write it any more */
        verdict.gate = claim->gate;
        verdict.retry_after_ms = claim->retry_after_ms;
    }
    run->waits = answer == CLAIM_WAITS;
    if (answer == CLAIM_GRANTED && claim == run->rate_claim)
        enter_mode(run, &verdict);
    if (verdict.gate != RUN_ADMITTED)
        refuse(run, &verdict);
    else if (!run->is_asking)
        run__let_in(run);
}

void gate__line_up(struct run *run) {
    run->is_in_line = true;
    run->local->info.waiting++;
}

void gate__line_off(struct run *run) {
    if (run->is_in_line)
        run->local->info.waiting--;
    run->is_in_line = false;
}

void gate__leave(struct run *run) {
    struct claim *rate = run->rate_claim, *turn = run->turn_claim;
    run->rate_claim = run->turn_claim = NULL;
    list_remove(&run->queue);
    gate__line_off(run);
    if (rate)
        claim__leave(run->engine, rate);
    if (turn)
        claim__leave(run->engine, turn);
    if (run->holds_gate)
        atomic_fetch_sub_explicit(&run->task->gate->active, 1, memory_order_acq_rel);
    if (run->is_counted) {
        atomic_fetch_sub_explicit(&run->task->gate->suspended, 1, memory_order_relaxed);
        run->engine->stats.waiting--;
    }
    run->holds_gate = run->is_counted = false;
}

void gate__suspend(struct run *run) {
    if (run->is_counted)
        return;
    run->is_counted = true;
    run->engine->stats.waiting++;
    atomic_fetch_add_explicit(&run->task->gate->suspended, 1, memory_order_relaxed);
}
