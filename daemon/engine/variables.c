/* The variables that every run has from the engine itself. Their source is the struct run. */
#include "engine/run.h"

static enum status get_task_id(void *source, struct slice argument, struct arena *arena,
                               struct value *out) {
    (void)argument, (void)arena; /* of the common signature */
    *out = value_bytes(((struct run *)source)->task->shared.id);
    return STATUS_OK;
}

static enum status get_run_id(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)argument, (void)arena; /* of the common signature */
    *out = value_bytes(run_id_text(source));
    return STATUS_OK;
}

static struct slice trigger_of(const struct run *run) {
    return run->event && run->event->trigger ? slice_of(run->event->trigger->kind->name)
                                             : SLICE("");
}

static enum status get_trigger(void *source, struct slice argument, struct arena *arena,
                               struct value *out) {
    (void)argument, (void)arena; /* of the common signature */
    *out = value_bytes(trigger_of(source));
    return STATUS_OK;
}

static struct value text_or_nil(struct slice text) {
    return text.size ? value_bytes(text) : value_nil();
}

static const char *cause_text(enum run_cause cause) {
    static const char *const texts[] = {[RUN_TRIGGER] = "trigger",
                                        [RUN_MANUAL] = "manual",
                                        [RUN_TASK] = "task",
                                        [RUN_STARTUP] = "startup"};
    return texts[cause];
}

/* JSON, as text: {cause, trigger, task, run, parent, server, client, session}. */
static enum status get_start_cause(void *source, struct slice argument, struct arena *arena,
                                   struct value *out) {
    struct run *run = source;
    struct event_place place = {0};
    (void)argument; /* of the common signature */
    if (run->event && run->event->ops && run->event->ops->place)
        run->event->ops->place(run->event, arena, &place);
    const struct value_pair pairs[] = {
        {value_bytes(SLICE("cause")), value_bytes(slice_of(cause_text(run->cause)))},
        {value_bytes(SLICE("trigger")), text_or_nil(trigger_of(run))},
        {value_bytes(SLICE("task")), value_bytes(run->task->shared.id)},
        {value_bytes(SLICE("run")), value_bytes(run_id_text(run))},
        {value_bytes(SLICE("parent")), text_or_nil(slice_of(run->parent_id))},
        {value_bytes(SLICE("server")), text_or_nil(place.server)},
        {value_bytes(SLICE("client")), text_or_nil(place.client)},
        {value_bytes(SLICE("session")), text_or_nil(place.session)},
    };
    struct value map = {.type = VALUE_MAP, .count = ARRAY_SIZE(pairs), .pairs = pairs};
    struct slice text;
    if (value_text(map, arena, &text) != STATUS_OK)
        return STATUS_NO_MEMORY;
    *out = value_bytes(text);
    return STATUS_OK;
}

static enum status get_match(void *source, struct slice argument, struct arena *arena,
                             struct value *out) {
    const struct run *run = source;
    (void)arena; /* of the common signature */
    struct slice group = SLICE_NONE;
    if (run->event && run->event->groups)
        group = expr_group(run->event->groups, argument);
    *out = value_bytes(group.bytes ? group : SLICE(""));
    return STATUS_OK;
}

static enum status get_secret(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    const struct program *program = ((struct run *)source)->generation->program;
    (void)arena; /* of the common signature */
    for (size_t i = 0; i < program->secret_count; i++)
        if (slice_equal(program->secrets[i].name, argument)) {
            *out = value_bytes(program->secrets[i].value);
            return STATUS_OK;
        }
    return STATUS_NOT_FOUND;
}

static bool has_failed(const struct run *run) { return run->active && run->active->has_failed; }

static enum status get_is_error(void *source, struct slice argument, struct arena *arena,
                                struct value *out) {
    (void)argument, (void)arena; /* of the common signature */
    *out = value_bool(has_failed(source));
    return STATUS_OK;
}

static enum status get_step_result(void *source, struct slice argument, struct arena *arena,
                                   struct value *out) {
    (void)argument, (void)arena; /* of the common signature */
    *out = value_int(has_failed(source) ? 1 : 0);
    return STATUS_OK;
}

static enum status get_error_task(void *source, struct slice argument, struct arena *arena,
                                  struct value *out) {
    const struct run_error *error = ((struct run *)source)->error;
    (void)argument, (void)arena; /* of the common signature */
    *out = value_bytes(slice_of(error ? error->task : ""));
    return STATUS_OK;
}

static enum status get_error_step(void *source, struct slice argument, struct arena *arena,
                                  struct value *out) {
    const struct run_error *error = ((struct run *)source)->error;
    (void)argument, (void)arena; /* of the common signature */
    *out = value_bytes(slice_of(error ? error->step : ""));
    return STATUS_OK;
}

static enum status get_error_code(void *source, struct slice argument, struct arena *arena,
                                  struct value *out) {
    const struct run_error *error = ((struct run *)source)->error;
    (void)argument, (void)arena; /* of the common signature */
    *out = value_int(error ? error->code : 0);
    return STATUS_OK;
}

static enum status get_error_text(void *source, struct slice argument, struct arena *arena,
                                  struct value *out) {
    const struct run_error *error = ((struct run *)source)->error;
    (void)argument, (void)arena; /* of the common signature */
    *out = value_bytes(slice_of(error ? error->text : ""));
    return STATUS_OK;
}

#define RUN_VARIABLE(name_, argument_, type_, get_, doc_)                                          \
    {                                                                                              \
        .name = name_, .argument = argument_, .family = EXPR_RUN, .type = type_, .doc = doc_,      \
        .get = get_                                                                                \
    }
const struct expr_variable engine_variables[] = {
    RUN_VARIABLE("TaskId", EXPR_NO_ARGUMENT, VALUE_BYTES, get_task_id, "the ID of the task"),
    RUN_VARIABLE("RunId", EXPR_NO_ARGUMENT, VALUE_BYTES, get_run_id, "the ID of the run"),
    RUN_VARIABLE("Trigger", EXPR_NO_ARGUMENT, VALUE_BYTES, get_trigger,
                 "the kind of the trigger that fired, empty without one"),
    RUN_VARIABLE("StartCause", EXPR_NO_ARGUMENT, VALUE_BYTES, get_start_cause,
                 "JSON that says what started the run"),
    RUN_VARIABLE("Match", EXPR_NAME, VALUE_BYTES, get_match,
                 "a group of the trigger's regex, by name or number"),
    RUN_VARIABLE("Secret", EXPR_NAME, VALUE_BYTES, get_secret, "a secret of the configuration"),
    RUN_VARIABLE("IsError", EXPR_NO_ARGUMENT, VALUE_BOOL, get_is_error,
                 "whether the step before failed"),
    RUN_VARIABLE("StepResult", EXPR_NO_ARGUMENT, VALUE_INT, get_step_result,
                 "of the step before: 0 done, 1 failed"),
    RUN_VARIABLE("LastErrorTask", EXPR_NO_ARGUMENT, VALUE_BYTES, get_error_task,
                 "the task of the last failure"),
    RUN_VARIABLE("LastErrorStep", EXPR_NO_ARGUMENT, VALUE_BYTES, get_error_step,
                 "the place of the step that failed last, such as 3/then/1"),
    RUN_VARIABLE("LastErrorCode", EXPR_NO_ARGUMENT, VALUE_INT, get_error_code,
                 "its code: an exit code, an errno, else 1"),
    RUN_VARIABLE("LastErrorDescription", EXPR_NO_ARGUMENT, VALUE_BYTES, get_error_text, "its text"),
    EXPR_VARIABLE_END};
