/* run-task: starts a run of another task, and waits for its end where that is asked for. */
#include "actions/action.h"

struct task_args {
    struct slice task;
    struct arg_value vars;
    bool wait;
};
struct waiting { /* for a run that was started */
    struct run *run;
    struct slice task;
    bool waits_for_end;
};

static bool task_prepare(struct prepare *prepare, void *args);
static enum step_state task_start(struct step *step, const void *args);
static void task_cancel(struct step *step);
static void on_run_settled(void *context, const struct run_verdict *verdict);
static void on_run_ended(void *context, const struct run_end *end);

static const struct config_field task_fields[] = {
    FIELD_TEXT(struct task_args, task, "task", .required = true, .doc = "ID of the task"),
    FIELD_SPECIAL(struct task_args, vars, "vars", "value",
                  .doc = "values for names that its `vars` declares"),
    FIELD_BOOL(struct task_args, wait, "wait",
               .doc = "waits for its end; without `save` its failure is then one of this step"),
    FIELD_END};

const struct action_kind action_run_task = {
    .name = "run-task",
    .doc = "starts a run of another task",
    .fields = task_fields,
    .args_size = sizeof(struct task_args),
    .resume = RESUME_FAIL,
    .prepare = task_prepare,
    .start = task_start,
    .cancel = task_cancel,
};

/* The names in `vars` as a value, though what they hold may not be known yet. */
static struct arg_value names_of(struct prepare *prepare, const struct config_node *node) {
    struct arg_value names = {.is_given = true, .value = {.type = VALUE_MAP}};
    struct value_pair *pairs =
        arena_zalloc(prepare_arena(prepare), (node->count + 1) * sizeof *pairs);
    if (!pairs)
        return (struct arg_value){0};
    names.value.pairs = pairs;
    for (size_t i = 0; i < node->count; i++)
        if (!slice_contains(node->keys[i]->text, SLICE("${")))
            pairs[names.value.count++].key = value_bytes(node->keys[i]->text);
    return names;
}

static bool task_prepare(struct prepare *prepare, void *args) {
    const struct task_args *wanted = args;
    size_t task = offsetof(struct task_args, task), vars = offsetof(struct task_args, vars);
    const struct config_node *node = prepare_node(prepare, vars);
    struct arg_value names = {0};
    if (node && node->kind == CONFIG_MAP)
        names = names_of(prepare, node);
    else if (node && !prepare_template(prepare, vars) && !config_is_null(node))
        return prepare_error(prepare, vars, "\"vars\" must be a mapping of names to values");
    return prepare_template(prepare, task) || prepare_task(prepare, task, wanted->task, &names);
}

static enum step_state set_result(struct step *step, struct slice id, const struct run_end *end) {
    static const char *const outcomes[] = {
        [RUN_DONE] = "done", [RUN_FAILED] = "failed", [RUN_CANCELLED] = "cancelled"};
    struct value_pair pairs[4] = {{value_bytes(SLICE("run")), value_bytes(id)}};
    struct value result = {.type = VALUE_MAP, .count = 1, .pairs = pairs};
    if (end) {
        pairs[1] = (struct value_pair){value_bytes(SLICE("status")),
                                       value_bytes(slice_of(outcomes[end->outcome]))};
        pairs[2] =
            (struct value_pair){value_bytes(SLICE("error")),
                                end->error ? value_bytes(slice_of(end->error)) : value_nil()};
        pairs[3] = (struct value_pair){value_bytes(SLICE("result")), end->result};
        result.count = ARRAY_SIZE(pairs);
    }
    return step_set_result(step, result) == STATUS_OK ? STEP_DONE : STEP_FAILED;
}

static enum step_state refused(struct step *step, enum status status, struct slice task,
                               const struct run_verdict *verdict) {
    if (status == STATUS_NOT_FOUND)
        return step_fail(step, 1, "\"vars\" names what task \"" SLICE_FMT "\" does not declare",
                         SLICE_ARG(task));
    if (status == STATUS_LIMIT && verdict->gate == RUN_DEPTH)
        return step_fail(step, 1, "task \"" SLICE_FMT "\" is not started: causes nest 32 deep",
                         SLICE_ARG(task));
    if (status == STATUS_LIMIT)
        return step_fail(step, 1, "task \"" SLICE_FMT "\" is not started: refused by its %s",
                         SLICE_ARG(task), run_gate_text(verdict->gate));
    return step_fail(step, 1, "task \"" SLICE_FMT "\" cannot be started: %s", SLICE_ARG(task),
                     status_text(status));
}

/* Whether the run may begin is known later, when another worker has said so. */
static struct waiting *wait_for_gates(struct step *step, struct slice task) {
    struct waiting *waiting = step_alloc(step, sizeof *waiting);
    if (!waiting) {
        (void)action__no_memory(step); /* the caller fails */
        return NULL;
    }
    waiting->task = task;
    step_set_data(step, waiting);
    return action__keep(step, &waiting->task) ? waiting : NULL;
}

static void on_run_settled(void *context, const struct run_verdict *verdict) {
    struct step *step = context;
    struct waiting *waiting = step_data(step);
    if (verdict->gate != RUN_ADMITTED) {
        waiting->run = NULL;
        step_finish(step, refused(step, STATUS_LIMIT, waiting->task, verdict));
    } else if (!waiting->waits_for_end) {
        struct slice id = run_id_text(waiting->run);
        run_unwatch(waiting->run);
        waiting->run = NULL;
        step_finish(step, set_result(step, id, NULL));
    }
}

static enum step_state task_start(struct step *step, const void *args) {
    const struct task_args *wanted = args;
    struct engine *engine = step_engine(step);
    struct waiting *waiting = wanted->wait ? step_alloc(step, sizeof *waiting) : NULL;
    struct run_request request = {.task = program_find_task(engine_program(engine), wanted->task),
                                  .cause = RUN_TASK,
                                  .vars = wanted->vars.value,
                                  .on_settled = on_run_settled,
                                  .context = step,
                                  .parent = step_run(step)};
    struct run_verdict verdict = {0};
    char id[RUN_ID_MAX];
    if (!request.task)
        return step_fail(step, 1, "unknown task \"" SLICE_FMT "\"", SLICE_ARG(wanted->task));
    if (wanted->vars.is_given && request.vars.type != VALUE_MAP && request.vars.type != VALUE_NIL)
        return step_fail(step, 1, "\"vars\" must be a mapping of names to values");
    if (wanted->wait && !waiting)
        return action__no_memory(step);
    if (waiting) {
        request.on_ended = on_run_ended;
        waiting->waits_for_end = true;
        step_set_data(step, waiting);
        waiting->task = wanted->task;
        if (!action__keep(step, &waiting->task))
            return STEP_FAILED;
    }
    struct run *run = NULL;
    enum status status = run_start(engine, &request, id, &verdict, &run);
    if (status != STATUS_OK)
        return refused(step, status, wanted->task, &verdict);
    if (verdict.is_asking && !waiting) {
        waiting = wait_for_gates(step, wanted->task);
        if (!waiting) {
            run_unwatch(run);
            return STEP_FAILED;
        }
    }
    if (waiting)
        waiting->run = run;
    return waiting ? STEP_PENDING : set_result(step, slice_of(id), NULL);
}

static void on_run_ended(void *context, const struct run_end *end) {
    struct step *step = context;
    struct waiting *waiting = step_data(step);
    waiting->run = NULL;
    enum step_state state = set_result(step, end->run_id, end);
    if (state == STEP_DONE && end->outcome != RUN_DONE && !step_wants_result(step))
        state = step_fail(step, 1, "task \"" SLICE_FMT "\" %s%s%s", SLICE_ARG(waiting->task),
                          end->outcome == RUN_FAILED ? "failed" : "was cancelled",
                          end->error ? ": " : "", end->error ? end->error : "");
    step_finish(step, state);
}

/* Nobody waits for the other run any more: it ends too. */
static void task_cancel(struct step *step) {
    struct waiting *waiting = step_data(step);
    if (!waiting->run)
        return;
    run_unwatch(waiting->run);
    if (waiting->waits_for_end)
        run_cancel(waiting->run);
}
