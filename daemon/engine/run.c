/* A run from its event to its end. */
#include "engine/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log_mask.h"

static const struct task_program *program_of(const struct task *task) {
    return (const struct task_program *)(const void *)task;
}

/* ---- errors ------------------------------------------------------------------------------------
 */

static char *place_text(char *at, struct slice text, const char **out) {
    *out = at;
    memcpy(at, text.bytes, text.size);
    at[text.size] = '\0';
    return at + text.size + 1;
}

enum { ERROR_TASK, ERROR_STEP, ERROR_TEXT, ERROR_TEXTS };

/* The file's name is copied too: the error may outlive the program. */
static void replace_error(struct run *run, struct run_error head,
                          const struct slice texts[ERROR_TEXTS]) {
    struct slice file = slice_of(head.mark.file ? head.mark.file : "");
    size_t size = sizeof head + file.size + 1;
    for (int i = 0; i < ERROR_TEXTS; i++)
        size += texts[i].size + 1;
    struct run_error *error = malloc(size);
    if (error) { /* without memory the failure has no text, and is one all the same */
        *error = head;
        char *at = (char *)(error + 1);
        at = place_text(at, texts[ERROR_TASK], &error->task);
        at = place_text(at, texts[ERROR_STEP], &error->step);
        at = place_text(at, texts[ERROR_TEXT], &error->text);
        place_text(at, file, &error->file);
        error->mark.file = error->file;
    }
    free(run->error);
    run->error = error;
}

void run__set_error(struct run *run, const struct program_step *def, struct config_mark mark,
                    int32_t code, struct slice text) {
    struct buffer room; /* the text is shown in listings, and remembered */
    buffer_init(&room, 0);
    text = log_mask(text, &room);
    if (text.size >= ERROR_TEXT_MAX)
        text.size = ERROR_TEXT_MAX - 1;
    if (!text.bytes)
        text.bytes = "";
    struct slice texts[ERROR_TEXTS] = {run->task->shared.id, def ? def->place : SLICE(""), text};
    if (mark.line == 0)
        mark = def ? def->mark : run->task->shared.mark;
    replace_error(run, (struct run_error){.code = code, .mark = mark}, texts);
    buffer_deinit(&room);
}

void run__copy_error(struct run *run, const struct run_error *error) {
    struct slice texts[ERROR_TEXTS] = {slice_of(error->task), slice_of(error->step),
                                       slice_of(error->text)};
    replace_error(run, (struct run_error){.code = error->code, .mark = error->mark}, texts);
}

/* ---- begin -------------------------------------------------------------------------------------
 */

static bool condition_holds(struct run *run, const struct task_condition *condition) {
    char why[EXPR_WHY_MAX];
    bool holds = false;
    struct scratch_hold hold = scratch__begin(run);
    enum status status = expr_eval_bool(condition->when, run__scope(run), &holds, why);
    scratch__end(run, hold);
    if (status == STATUS_OK)
        return holds;
    char at[512];
    snprintf(at, sizeof at, "%s:%u", condition->mark.file, condition->mark.line);
    struct log_place place = {.task = run->task->shared.id, .at = slice_of(at)};
    log_line(LOG_WARN, &place, "a condition does not hold: %s", why);
    return false;
}

static void admit(struct run *run, bool asks_conditions, struct run_verdict *verdict) {
    const struct task_program *task = run->task;
    for (size_t i = 0; asks_conditions && i < task->condition_count; i++) {
        if (condition_holds(run, &task->conditions[i]))
            continue;
        why__refused(run, RUN_UNMET, &task->conditions[i]);
        *verdict = (struct run_verdict){.gate = RUN_UNMET,
                                        .status = task->conditions[i].unmet,
                                        .mark = task->conditions[i].mark};
        return;
    }
    *verdict = (struct run_verdict){.gate = RUN_DEPTH, .retry_after_ms = 1000};
    if (run->depth <= RUN_DEPTH_MAX)
        gate__enter(run, verdict);
}

static bool var_begin(struct run *run, const struct task_var *var, char *why) {
    enum status status = STATUS_OK;
    struct value value = value_nil();
    if (var->slot == SLOT_NONE || run->slots[var->slot])
        return true; /* given by who started the run */
    if (var->box) {
        status = run__set_slot(run, var->slot, value_box_ref(var->box));
    } else if (!tree_is_constant(var->initial)) {
        if (!fill__tree(run, var->initial, &value, why))
            return false;
        struct value_box *box = value.type == VALUE_NIL ? NULL : value_box_new(value);
        status =
            box || value.type == VALUE_NIL ? run__set_slot(run, var->slot, box) : STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK)
        strcpy(why, "passes max-run-memory, or there is no memory");
    return status == STATUS_OK;
}

static bool vars_begin(struct run *run) {
    char why[EXPR_WHY_MAX], text[ERROR_TEXT_MAX];
    bool is_good = true;
    struct scratch_hold hold = scratch__begin(run);
    for (size_t i = 0; is_good && i < run->task->var_count; i++) {
        const struct task_var *var = &run->task->vars[i];
        is_good = var_begin(run, var, why);
        if (is_good)
            continue;
        snprintf(text, sizeof text, "\"vars\": " SLICE_FMT ": %s", SLICE_ARG(var->name), why);
        run__set_error(run, NULL, var->initial->mark, 1, slice_of(text));
    }
    scratch__end(run, hold);
    return is_good;
}

/* First strand, first frame, variables; what fails here fails the run. */
static void begin(struct run *run) {
    struct engine *engine = run->engine;
    const struct engine_journal *journal = engine->options.journal;
    run->has_begun = true;
    run->state = RUN_GOING;
    if (run->task->timeout_ms)
        run->deadline_ns = engine__now_ns(engine) + run->task->timeout_ms * 1000000;
    run->main.frames[run->main.depth++] = (struct frame){.chain = &run->task->actions};
    if (run->is_cancelled)
        run->main.signal = SIGNAL_CANCEL;
    else if (run->task->var_count && !vars_begin(run))
        run->main.signal = SIGNAL_FAIL;
    if (journal && journal->begun && journal->begun(journal->context, run) == STEP_PENDING)
        strand__suspend(&run->main, STRAND_JOURNAL);
    else
        strand__ready(&run->main);
}

/* What a task's timeout hits, the block where a block waits for its parts; NULL at the end. */
static const struct program_step *step_in_hand(const struct strand *strand) {
    if (strand->depth == 0)
        return NULL;
    const struct frame *top = &strand->frames[strand->depth - 1];
    bool is_at_step = top->chain && top->at < top->chain->count;
    return is_at_step ? &top->chain->steps[top->at] : top->owner;
}

static void on_limit(struct engine_timer *timer) {
    struct run *run = CONTAINER_OF(timer, struct run, limit);
    struct engine *engine = run->engine;
    if (!run->is_cancelled && !run->has_timed_out) {
        char text[64], size[BASE_TEXT_MAX];
        snprintf(text, sizeof text, "the task has no end within " SLICE_FMT,
                 SLICE_ARG(duration_format(run->task->timeout_ms, size)));
        run__set_error(run, step_in_hand(&run->main), run->task->shared.mark, ETIMEDOUT,
                       slice_of(text));
        run->has_timed_out = true;
        run->deadline_ns = 0;
        timer__arm(&engine->timers, &run->limit, engine__now_ns(engine) + GRACE_MS * 1000000ull);
        strand__interrupt(&run->main, SIGNAL_FAIL, 0);
    } else {
        run->is_hard = true;
        strand__interrupt(&run->main, SIGNAL_CANCEL, FORCE_NONE);
    }
    run__advance(run);
}

/* Counted as started; from here on exactly one end follows. */
static void enter(struct run *run) {
    struct engine *engine = run->engine;
    run->has_entered = true;
    why__fired(run);
    run->limit.due = on_limit;
    engine->stats.started++;
    run->local->info.runs++;
    run->local->info.active++;
    if (run->waits)
        gate__line_up(run);
    run->local->info.last_run_ms = run->started_ms;
    if (run->event && run->event->ops && run->event->ops->admitted)
        run->event->ops->admitted(run->event, run);
}

static void bind_event(struct run *run, struct event *event) {
    run->event = event;
    for (int i = 0; i < EXPR_FAMILIES; i++)
        if (i != EXPR_RUN)
            run->scope.sources[i] = event ? event->sources[i] : NULL;
}

/* A run that never began: nobody is told of its end. */
static void discard(struct run *run) {
    gate__leave(run);
    run__free(run);
}

/* Counts it as started and lets it begin, unless it waits. False: no memory to wait. */
static bool let_in(struct run *run, bool is_queued) {
    if ((run->waits || is_queued) && !run__hold(run))
        return false;
    if (run->waits)
        gate__suspend(run);
    if (!run->is_asking)
        enter(run);
    if (!run->waits && is_queued)
        list_append(&run->engine->queue, &run->queue);
    else if (!run->waits)
        run__advance(run);
    return true;
}

static void begin_task(struct engine *engine, const struct task *task, struct event *event,
                       int hand_ons, struct run_verdict *verdict) {
    struct run *run = run__new(engine, program_of(task));
    if (!run) {
        *verdict = (struct run_verdict){.gate = RUN_MEMORY, .retry_after_ms = 1000};
        engine->stats.refused[RUN_MEMORY]++;
        return;
    }
    run->cause = event->cause;
    run->why = event->why;
    run->depth = event->depth;
    run->hand_ons = (uint8_t)hand_ons;
    bind_event(run, event);
    admit(run, true, verdict);
    if (verdict->gate == RUN_ADMITTED && !let_in(run, false))
        verdict->gate = RUN_MEMORY;
    if (verdict->gate != RUN_ADMITTED) {
        if (verdict->gate != RUN_UNMET)
            why__refused(run, verdict->gate, NULL);
        gate__count_refusal(run, verdict->gate);
        if (verdict->gate == RUN_DEPTH)
            engine__tell_depth(run);
        discard(run);
    }
}

/* The task that runs for a refused event in its place, or NULL. */
static const struct task *next_in_place(const struct task *task, enum run_gate gate, int hand_ons) {
    const struct task_mode *mode = &program_of(task)->mode;
    bool is_of_mode = gate == RUN_MODE || gate == RUN_MAX;
    return is_of_mode && mode->on_refused.size && hand_ons < HAND_ONS_MAX
               ? program_find_task(program_of(task)->program, mode->on_refused)
               : NULL;
}

static void begin_in_place(struct engine *engine, const struct task *task, struct event *event,
                           int hand_ons, struct run_verdict *verdict) {
    do {
        begin_task(engine, task, event, hand_ons, verdict);
        task = next_in_place(task, verdict->gate, hand_ons++);
    } while (task);
}

struct run_verdict run_begin(struct engine *engine, const struct task *task, struct event *event) {
    struct run_verdict verdict;
    engine__enter(engine);
    begin_in_place(engine, task, event, 0, &verdict);
    engine__leave(engine);
    return verdict;
}

/* ---- what another worker has answered ----------------------------------------------------------
 */

static void settle(struct run *run, const struct run_verdict *verdict) {
    void (*on_settled)(void *, const struct run_verdict *) = run->on_settled;
    run->on_settled = NULL;
    if (on_settled)
        on_settled(run->context, verdict);
    else if (verdict->gate != RUN_ADMITTED && run->on_ended)
        run->on_ended(run->context, &(struct run_end){.outcome = RUN_CANCELLED,
                                                      .run_id = run_id_text(run),
                                                      .refused_by = verdict->gate});
}

void run__let_in(struct run *run) {
    if (!run->has_entered)
        enter(run);
    if (!run->waits) {
        gate__line_off(run);
        list_append(&run->engine->queue, &run->queue);
    }
    settle(run, &(struct run_verdict){.gate = RUN_ADMITTED});
}

void run__refuse(struct run *run, struct run_verdict *verdict) {
    const struct event_ops *ops = run->event ? run->event->ops : NULL;
    const struct task *next = next_in_place(&run->task->shared, verdict->gate, run->hand_ons);
    why__refused(run, verdict->gate, NULL);
    gate__count_refusal(run, verdict->gate);
    gate__leave(run);
    if (next && run->event)
        begin_in_place(run->engine, next, run->event, run->hand_ons + 1, verdict);
    if (verdict->gate != RUN_ADMITTED) {
        if (ops && ops->refused)
            ops->refused(run->event, verdict);
        settle(run, verdict);
    }
    if (run->is_held && ops && ops->release)
        ops->release(run->event);
    run__free(run);
}

/* ---- going on ----------------------------------------------------------------------------------
 */

/* Before anything waits: what the event borrows is copied, once. */
bool run__hold(struct run *run) {
    if (run->is_held)
        return true;
    if (run->event && run->event->ops && run->event->ops->hold) {
        struct event *held = run->event->ops->hold(run->event);
        if (!held)
            return false;
        bind_event(run, held);
    }
    run->is_held = true;
    run->held_bytes = sizeof *run + (run->event ? run->event->held_bytes : 0);
    run->engine->stats.memory_bytes += run->held_bytes;
    return true;
}

void run__advance(struct run *run) {
    if (run->is_advancing || run->state == RUN_OVER)
        return;
    run->is_advancing = true;
    if (!run->has_begun)
        begin(run);
    while (!list_is_empty(&run->ready)) {
        struct strand *strand = CONTAINER_OF(run->ready.next, struct strand, ready);
        list_remove(&strand->ready);
        run->active = strand;
        strand__run(strand);
        run->active = NULL;
        if (strand->state == STRAND_ENDED)
            strand__over(strand);
    }
    run->is_advancing = false;
    if (run->main.state == STRAND_ENDED && run->state == RUN_GOING)
        run__end(run);
}

void run_resume(struct run *run) {
    struct engine *engine = run->engine;
    struct list *node;
    engine__enter(engine);
    if (run->state == RUN_CLOSING) {
        run__end(run);
    } else {
        if (run->main.state == STRAND_JOURNAL)
            strand__ready(&run->main);
        LIST_FOR_EACH(node, &run->strands) {
            struct strand *strand = CONTAINER_OF(node, struct strand, siblings);
            if (strand->state == STRAND_JOURNAL)
                strand__ready(strand);
        }
        run__advance(run);
    }
    engine__leave(engine);
}

void run_cancel(struct run *run) {
    struct engine *engine = run->engine;
    if (run->state == RUN_OVER || run->state == RUN_CLOSING || (run->is_cancelled && !run->is_hard))
        return;
    engine__enter(engine);
    run->local->info.stopping += !run->is_cancelled;
    run->is_cancelled = true;
    if (run->state == RUN_QUEUED) {
        if (!run->has_entered)
            run__let_in(run); /* asked, and nobody waits for the answer any more */
        list_remove(&run->queue);
    } else {
        timer__arm(&engine->timers, &run->limit, engine__now_ns(engine) + GRACE_MS * 1000000ull);
        strand__interrupt(&run->main, SIGNAL_CANCEL, FORCE_NONE);
    }
    run__advance(run);
    engine__leave(engine);
}

void run_unwatch(struct run *run) {
    run->on_ended = NULL;
    run->on_settled = NULL;
    run->waiting_parent = NULL;
}

/* ---- end ---------------------------------------------------------------------------------------
 */

static enum run_outcome outcome_of(const struct run *run) {
    if (run->main.signal == SIGNAL_FAIL || run->has_timed_out)
        return RUN_FAILED;
    return run->main.signal == SIGNAL_CANCEL ? RUN_CANCELLED : RUN_DONE;
}

static void note_failure(struct run *run, const struct run_end *end) {
    struct task_local *local = run->local;
    struct engine *engine = run->engine;
    char at[512];
    struct log_place place = {.task = run->task->shared.id,
                              .run = end->run_id,
                              .step = slice_of(run->error ? run->error->step : ""),
                              .error = slice_of(end->error)};
    local->info.failures++;
    local->info.last_error_ms = engine->options.clock->wall_ms(engine->options.clock);
    snprintf(local->last_error, sizeof local->last_error, "%s", end->error);
    local->info.last_error = slice_of(local->last_error);
    if (!log_is_on(LOG_WARN))
        return;
    snprintf(at, sizeof at, "%s:%u", end->mark.file ? end->mark.file : "", end->mark.line);
    place.at = slice_of(at);
    log_line(LOG_WARN, &place, "run failed");
}

static void count_end(struct run *run, const struct run_end *end) {
    struct engine_stats *stats = &run->engine->stats;
    run->local->info.active--;
    run->local->info.stopping -= run->is_cancelled;
    if (end->outcome == RUN_DONE)
        stats->done++;
    else if (end->outcome == RUN_CANCELLED)
        stats->cancelled++;
    else
        stats->failed++;
    if (end->outcome == RUN_FAILED)
        note_failure(run, end);
}

static enum status queue_run(struct engine *engine, const struct run_request *request,
                             const struct run_error *error, struct run_verdict *verdict,
                             struct run **out);

/* `on-error: {run-task: ID}`. The handler belongs to the run's own generation. */
static void start_handler(struct run *run) {
    struct run_verdict verdict;
    struct run *handler;
    const struct task *task = program_find_task(run->generation->program, run->task->on_error_task);
    struct run_request request = {.task = task, .cause = RUN_TASK, .parent = run};
    if (queue_run(run->engine, &request, run->error, &verdict, &handler) == STATUS_OK)
        return;
    struct log_place place = {.task = run->task->shared.id, .run = run_id_text(run)};
    log_line(LOG_WARN, &place, "the on-error task \"" SLICE_FMT "\" was refused: %s",
             SLICE_ARG(task->id), run_gate_text(verdict.gate));
}

/* Whether the task of `on-refused` took over the event of a run that lost its place in a queue.
 * What would have to wait for gates of its own does not: the event still names the run that ends.
 */
static bool hand_on(struct run *run, enum run_gate refused_by) {
    struct run_verdict verdict;
    const struct task *next = next_in_place(&run->task->shared, refused_by, run->hand_ons);
    if (!next || program_of(next)->mode.has_turns || program_of(next)->rate.runs)
        return false;
    begin_task(run->engine, next, run->event, run->hand_ons + 1, &verdict);
    return verdict.gate == RUN_ADMITTED;
}

static void tell_end(struct run *run, const struct run_end *end) {
    const struct event_ops *ops = run->event ? run->event->ops : NULL;
    run->state = RUN_OVER;
    count_end(run, end);
    if (run->event && !hand_on(run, end->refused_by) && ops && ops->ended)
        ops->ended(run->event, run, end);
    /* Told first, so that the next of a mode begins later; but before a parent goes on, which may
     * well start the same task again. */
    gate__leave(run);
    if (run->on_ended)
        run->on_ended(run->context, end);
    if (end->outcome == RUN_FAILED && run->task->on_error_task.size)
        start_handler(run);
    ended__note(run, end);
    if (run->is_held && ops && ops->release)
        ops->release(run->event);
    run__free(run);
}

void run__end(struct run *run) {
    const struct engine_journal *journal = run->engine->options.journal;
    const struct event_ops *ops = run->event ? run->event->ops : NULL;
    struct run_end end = {.outcome = outcome_of(run), .result = value_box_value(run->result)};
    if (end.outcome == RUN_CANCELLED)
        end.refused_by = run->refused_by;
    if (end.outcome == RUN_FAILED) {
        end.error = run->error ? run->error->text : "out of memory";
        end.mark = run->error ? run->error->mark : run->task->shared.mark;
    }
    /* Its text costs a tenth of a short run: not for nobody. */
    if ((ops && ops->ended) || run->on_ended || journal || end.outcome == RUN_FAILED)
        end.run_id = run_id_text(run);
    bool asks = run->state == RUN_GOING && journal && journal->ended;
    run->state = RUN_CLOSING;
    timer__cancel(&run->engine->timers, &run->limit);
    if (asks && journal->ended(journal->context, run, &end) == STEP_PENDING && run__hold(run))
        return;
    tell_end(run, &end);
}

/* ---- runs without a trigger --------------------------------------------------------------------
 */

static enum status take_vars(struct run *run, struct value vars) {
    for (uint32_t i = 0; vars.type == VALUE_MAP && i < vars.count; i++) {
        const struct task_var *var = NULL;
        struct slice name = value_slice(vars.pairs[i].key);
        for (size_t v = 0; v < run->task->var_count && !var; v++)
            if (slice_equal(run->task->vars[v].name, name))
                var = &run->task->vars[v];
        if (!var)
            return STATUS_NOT_FOUND;
        if (vars.pairs[i].value.type == VALUE_NIL)
            continue;
        struct value_box *box = value_box_new(vars.pairs[i].value);
        enum status status = box ? run__set_slot(run, var->slot, box) : STATUS_NO_MEMORY;
        if (status != STATUS_OK)
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static void take_cause(struct run *run, const struct run_request *request) {
    run->cause = request->cause;
    run->on_ended = request->on_ended;
    run->on_settled = request->on_settled;
    run->context = request->context;
    if (!request->parent)
        return;
    run->depth = request->parent->depth + 1;
    if (request->on_ended)
        run->waiting_parent = request->parent;
    (void)run_id_text(request->parent);
    memcpy(run->parent_id, request->parent->id_text, sizeof run->parent_id);
}

static enum status queue_run(struct engine *engine, const struct run_request *request,
                             const struct run_error *error, struct run_verdict *verdict,
                             struct run **out) {
    struct run *run = run__new(engine, program_of(request->task));
    *verdict = (struct run_verdict){.gate = RUN_MEMORY, .retry_after_ms = 1000};
    if (!run)
        return STATUS_NO_MEMORY;
    take_cause(run, request);
    bind_event(run, request->event);
    enum status status = take_vars(run, request->vars);
    if (status == STATUS_OK) {
        /* Who starts a task by hand wants it to run. */
        admit(run, request->cause != RUN_MANUAL, verdict);
        status = verdict->gate == RUN_ADMITTED ? STATUS_OK : STATUS_LIMIT;
        if (status == STATUS_LIMIT)
            gate__count_refusal(run, verdict->gate);
    }
    if (error) {
        run__copy_error(run, error);
        run->main.has_failed = true; /* IsError holds in a handler from its first step on */
    }
    if (status == STATUS_OK && !let_in(run, true))
        status = STATUS_NO_MEMORY;
    if (status != STATUS_OK) {
        discard(run);
        return status;
    }
    *out = run;
    return STATUS_OK;
}

enum status run_start(struct engine *engine, const struct run_request *request, char *id,
                      struct run_verdict *verdict, struct run **out) {
    struct run *run = NULL;
    engine__enter(engine);
    enum status status = queue_run(engine, request, NULL, verdict, &run);
    if (status == STATUS_OK) {
        if (!verdict->is_asking) /* it may wait for its turn, but the verdict is final */
            run->on_settled = NULL;
        memcpy(id, run_id_text(run).bytes, RUN_ID_MAX);
        if (out)
            *out = run;
    }
    engine__leave(engine);
    return status;
}
