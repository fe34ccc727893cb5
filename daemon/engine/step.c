/* One action: its start, its end, and what it may ask meanwhile. */
#include "engine/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static void step_open(struct step *step, const struct program_step *def) {
    step->def = def;
    step->phase = PHASE_STARTING;
    step->is_early = false;
    step->has_failure = false;
    step->data = NULL;
}

/* Its memory and timers; what the action holds itself is the action's. */
void step__close(struct step *step) {
    struct strand *strand = strand_of(step);
    timer__cancel(&strand->run->engine->timers, &step->timer);
    while (step->memory) {
        struct step_memory *memory = step->memory;
        step->memory = memory->next;
        run__discharge(strand->run, memory->size);
        free(memory);
    }
    step->phase = PHASE_IDLE;
    step->on_branch = NULL;
    step->data = NULL;
}

void step__cancel(struct step *step) {
    if (step->phase == PHASE_WAITING) {
        assert(step->def->action->cancel);
        step->phase = PHASE_IDLE;
        step->def->action->cancel(step);
    }
    step__close(step);
}

static void step_wait_begins(struct strand *strand) {
    struct step *step = &strand->step;
    step->phase = PHASE_WAITING;
    if (!strand->signal) {
        strand__suspend(strand, STRAND_STEP);
        return;
    }
    strand->state = STRAND_STEP; /* the run was cancelled by the step itself */
    strand__interrupt(strand, strand->signal, strand->force_depth);
}

void step__start(struct strand *strand, const struct program_step *def) {
    struct run *run = strand->run;
    struct step *step = &strand->step;
    const void *args;
    enum step_state state = STEP_FAILED;
    if (def->timeout_ms)
        strand->step_deadline_ns = engine__now_ns(run->engine) + def->timeout_ms * 1000000;
    step_open(step, def);
    struct scratch_hold hold = scratch__begin(run);
    if (fill__args(strand, def, &args))
        state = def->action->start(step, args);
    else
        step->has_failure = true;
    scratch__end(run, hold);
    if (state == STEP_PENDING && !step->is_early) {
        step_wait_begins(strand);
        return;
    }
    assert(state == STEP_PENDING || !step->is_early);
    strand__step_ended(strand, step->is_early ? step->state : state);
}

void step_finish(struct step *step, enum step_state state) {
    struct strand *strand = strand_of(step);
    struct run *run = strand->run;
    struct engine *engine = run->engine;
    assert(state != STEP_PENDING);
    if (step->phase == PHASE_STARTING) {
        assert(!step->is_early);
        step->is_early = true;
        step->state = state;
        return;
    }
    assert(step->phase == PHASE_WAITING); /* once */
    engine__enter(engine);
    step->phase = PHASE_FINISHED;
    step->state = state;
    strand__ready(strand);
    run__advance(run);
    engine__leave(engine);
}

struct run *step_run(const struct step *step) {
    return strand_of_const(step)->run;
}

struct engine *step_engine(const struct step *step) {
    return strand_of_const(step)->run->engine;
}

void *step_host(const struct step *step) { return step_engine(step)->options.host; }

struct arena *step_scratch(struct step *step) {
    return &step_engine(step)->scratch;
}

const struct expr_scope *step_scope(struct step *step) { return run__scope(step_run(step)); }

bool step_text(struct step *step, const struct expr_template *tpl, enum expr_escape escape,
               struct slice *out) {
    char why[EXPR_WHY_MAX];
    if (expr_eval_text(tpl, step_scope(step), escape, out, why) == STATUS_OK)
        return true;
    step_fail(step, 1, "%s", why);
    return false;
}

bool step_bool(struct step *step, const struct expr_template *tpl, bool *out) {
    char why[EXPR_WHY_MAX];
    if (expr_eval_bool(tpl, step_scope(step), out, why) == STATUS_OK)
        return true;
    step_fail(step, 1, "%s", why);
    return false;
}

enum step_state step_fail(struct step *step, int32_t code, const char *format, ...) {
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    run__set_error(step_run(step), step->def, step->def->mark, code, slice_of(text));
    step->has_failure = true;
    return STEP_FAILED;
}

bool step_wants_result(const struct step *step) { return step->def->save != SLOT_NONE; }

enum status step_set_slot(struct step *step, uint32_t slot, struct value value) {
    struct value_box *box = NULL;
    enum status status = STATUS_OK;
    if (slot == SLOT_NONE)
        return STATUS_OK;
    if (value.type != VALUE_NIL && !(box = value_box_new(value)))
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        status = run__set_slot(step_run(step), slot, box);
    if (status != STATUS_OK)
        step_fail(step, 12, "the result passes max-run-memory, or there is no memory");
    return status;
}

enum status step_set_result(struct step *step, struct value result) {
    return step_set_slot(step, step->def->save, result);
}

void *step_alloc(struct step *step, size_t size) {
    struct run *run = step_run(step);
    size_t whole;
    if (!size_add(size, sizeof(struct step_memory) + 16, &whole) || !run__charge(run, whole))
        return NULL;
    struct step_memory *memory = calloc(1, whole);
    if (!memory) {
        run__discharge(run, whole);
        return NULL;
    }
    memory->size = whole;
    memory->next = step->memory;
    step->memory = memory;
    return memory + 1; /* 16 bytes on: aligned as malloc's */
}

void step_set_data(struct step *step, void *data) { step->data = data; }

void *step_data(const struct step *step) { return step->data; }

static void on_wait_over(struct engine_timer *timer) {
    struct step *step = CONTAINER_OF(timer, struct step, timer);
    step->on_due(step);
}

void step_wait(struct step *step, uint64_t ms, void (*due)(struct step *step)) {
    struct engine *engine = step_engine(step);
    uint64_t now_ns = engine__now_ns(engine);
    uint64_t at_ns =
        ms > (UINT64_MAX - 1 - now_ns) / 1000000 ? UINT64_MAX - 1 : now_ns + ms * 1000000;
    engine__enter(engine);
    step->on_due = due;
    step->timer.due = on_wait_over;
    timer__arm(&engine->timers, &step->timer, at_ns);
    engine__leave(engine);
}

void step_pause_timeout(struct step *step, bool is_paused) {
    struct strand *strand = strand_of(step);
    struct engine *engine = step_engine(step);
    if (!step->def->timeout_ms)
        return;
    engine__enter(engine);
    strand->step_deadline_ns =
        is_paused ? 0 : engine__now_ns(engine) + step->def->timeout_ms * 1000000;
    timer__cancel(&engine->timers, &strand->deadline);
    if (strand->state == STRAND_STEP) /* else it is armed when the step suspends */
        strand__arm_deadline(strand);
    engine__leave(engine);
}

enum status step_end_run(struct step *step, struct value result) {
    struct strand *strand = strand_of(step);
    struct run *run = strand->run;
    struct value_box *box = value_box_new(result);
    if (!box || !run__charge(run, value_box_bytes(box))) {
        value_box_unref(box);
        step_fail(step, 12, "the result passes max-run-memory, or there is no memory");
        return STATUS_LIMIT;
    }
    run__discharge(run, value_box_bytes(run->result));
    value_box_unref(run->result);
    run->result = box;
    strand->ends_run = true;
    return STATUS_OK;
}

struct config_mark step_mark(const struct step *step) {
    return step->def->mark;
}

struct slice step_folder(const struct step *step) {
    return step->def->task->folder;
}

struct slice step_place(const struct step *step) {
    return step->def->place;
}

void step_log_place(struct step *step, struct log_place *place) {
    struct run *run = step_run(step);
    struct event_place where = {0};
    struct config_mark mark = step->def->mark;
    *place = (struct log_place){
        .task = run->task->shared.id, .run = run_id_text(run), .step = step->def->place};
    place->at = slice_of(arena_printf(step_scratch(step), "%s:%u", mark.file, mark.line));
    if (run->event && run->event->ops && run->event->ops->place)
        run->event->ops->place(run->event, step_scratch(step), &where);
    place->server = where.server;
    place->client = where.client;
    place->session = where.session;
}
