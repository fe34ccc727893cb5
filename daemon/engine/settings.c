/* Compiles what a task says beside its steps: mode, at-most, on-error. */
#include "engine/program.h"

struct retry_decl {
    uint32_t attempts;
    uint64_t delay_ms, max_delay_ms;
};
static const struct config_field retry_fields[] = {
    FIELD_U32(struct retry_decl, attempts, "attempts", .dflt = "3", .min = 1, .max = 1000,
              .is_constant = true, .doc = "tries in all"),
    FIELD_DURATION(struct retry_decl, delay_ms, "delay", .dflt = "1s", .is_constant = true,
                   .doc = "before the second try; doubles each time, with jitter"),
    FIELD_DURATION(struct retry_decl, max_delay_ms, "max-delay", .dflt = "30s", .is_constant = true,
                   .doc = "the longest delay"),
    FIELD_END};

struct handler_decl {
    const struct config_node *retry;
    struct slice run_task;
};
const struct config_field settings__handler_fields[] = {
    FIELD_SPECIAL(struct handler_decl, retry, "retry", "retry", .fields = retry_fields,
                  .doc = "try again, with delays"),
    FIELD_TEXT(struct handler_decl, run_task, "run-task", .is_constant = true,
               .doc = "of a task only: the task that runs after the failure"),
    FIELD_END};

struct mode_decl {
    int type, overflow;
    uint32_t max, max_waiting;
    const struct config_node *key;
    struct slice on_refused;
};
static const struct config_choice mode_types[] = {{"parallel", MODE_PARALLEL},
                                                  {"single", MODE_SINGLE},
                                                  {"restart", MODE_RESTART},
                                                  {"queued", MODE_QUEUED},
                                                  {NULL, 0}};
static const struct config_choice overflows[] = {
    {"reject", OVERFLOW_REJECT}, {"drop-oldest", OVERFLOW_DROP_OLDEST}, {NULL, 0}};
const struct config_field settings__mode_fields[] = {
    FIELD_ENUM(struct mode_decl, type, "type", .choices = mode_types, .dflt = "parallel",
               .is_constant = true, .doc = "what happens to an event while a run is going on"),
    FIELD_U32(struct mode_decl, max, "max", .min = 1, .max = 1000000, .is_constant = true,
              .doc = "parallel: runs at once; others, with a key: runs that wait, of all keys "
                     "(unset: 10,000 that wait)"),
    FIELD_U32(struct mode_decl, max_waiting, "max-waiting", .dflt = "1000", .max = 1000000,
              .is_constant = true, .doc = "queued: events that wait"),
    FIELD_SPECIAL(struct mode_decl, key, "key", "template", .doc = "the mode holds per value"),
    FIELD_ENUM(struct mode_decl, overflow, "overflow", .choices = overflows, .dflt = "reject",
               .is_constant = true, .doc = "queued: who goes when the queue is full"),
    FIELD_TEXT(struct mode_decl, on_refused, "on-refused", .is_constant = true,
               .doc = "the task that runs for a refused event, in its place"),
    FIELD_END};

struct rate_decl {
    uint32_t runs;
    uint64_t per_ms;
    const struct config_node *key;
    int then;
};
static const struct config_choice thens[] = {{"drop", RATE_DROP}, {"last", RATE_LAST}, {NULL, 0}};
const struct config_field settings__rate_fields[] = {
    FIELD_U32(struct rate_decl, runs, "runs", .required = true, .min = 1, .max = RATE_RUNS_MAX,
              .is_constant = true, .doc = "how many may begin"),
    FIELD_DURATION(struct rate_decl, per_ms, "per", .required = true, .min = 1, .is_constant = true,
                   .doc = "within this time"),
    FIELD_SPECIAL(struct rate_decl, key, "key", "template", .doc = "counted per value"),
    FIELD_ENUM(struct rate_decl, then, "then", .choices = thens, .dflt = "drop",
               .is_constant = true, .doc = "the others: dropped, or the last one runs afterwards"),
    FIELD_END};

static struct config_reader reader_for(struct task_builder *tb, const char *subject) {
    return (struct config_reader){
        .diag = tb->builder->diag, .arena = tb->builder->arena, .subject = subject};
}

static bool retry_read(struct task_builder *tb, const struct config_node *node,
                       struct program_step *out) {
    struct config_reader reader = reader_for(tb, "retry");
    struct retry_decl decl;
    if (!config_read(&reader, node, node->mark, retry_fields,
                     (struct config_target){&decl, sizeof decl}))
        return false;
    out->on_error = ON_ERROR_RETRY;
    out->retry = (struct retry){decl.attempts, decl.delay_ms, decl.max_delay_ms};
    return true;
}

static bool task_exists(struct task_builder *tb, struct config_mark mark, struct slice id) {
    if (program_find_task(tb->builder->program, id))
        return true;
    config_error(tb->builder->diag, mark, "unknown task \"" SLICE_FMT "\"", SLICE_ARG(id));
    return false;
}

static bool handler_read(struct task_builder *tb, const struct config_node *node,
                         struct program_step *out, struct slice *task_id) {
    struct config_reader reader = reader_for(tb, "on-error");
    struct handler_decl decl;
    if (!config_read(&reader, node, node->mark, settings__handler_fields,
                     (struct config_target){&decl, sizeof decl}))
        return false;
    if (decl.run_task.size && !task_id->bytes) {
        config_error(tb->builder->diag, node->mark,
                     "\"run-task\" belongs to the \"on-error\" of the task, not of a step");
        return false;
    }
    if (decl.run_task.size) {
        *task_id = decl.run_task;
        if (!task_exists(tb, node->mark, decl.run_task))
            return false;
    }
    return !decl.retry || retry_read(tb, decl.retry, out);
}

/* `fail`, `continue` or a mapping. A `task_id` with bytes allows `run-task`, which goes there. */
bool on_error_read(struct task_builder *tb, const struct config_node *node,
                   struct program_step *out, struct slice *task_id) {
    out->on_error = ON_ERROR_FAIL;
    if (node->kind == CONFIG_MAP)
        return handler_read(tb, node, out, task_id);
    if (node->kind == CONFIG_SCALAR && slice_is(node->text, "fail"))
        return true;
    out->on_error = ON_ERROR_CONTINUE;
    if (node->kind == CONFIG_SCALAR && slice_is(node->text, "continue"))
        return true;
    config_error(tb->builder->diag, node->mark,
                 "\"on-error\" must be fail, continue, or {retry: {attempts: 3, delay: 1s}}%s",
                 task_id->bytes ? " or {run-task: ID}" : "");
    return false;
}

static bool is_session_key(const struct expr_template *key) {
    struct expr_part part;
    return key && expr_parts(key, &part, 1) == 1 && part.is_hole &&
           slice_is(slice_trim(part.text), "SessionId");
}

/* Who lets more than the default be of one key wants as many of the task. */
static uint32_t max_suspended(const struct task_mode *mode) {
    if (mode->has_max && mode->type != MODE_PARALLEL)
        return mode->max;
    uint32_t of_a_key = mode->type == MODE_QUEUED ? mode->max_waiting + 1 : mode->max;
    return of_a_key > TASK_MAX_DEFAULT ? of_a_key : TASK_MAX_DEFAULT;
}

static bool mode_read(struct task_builder *tb, const struct config_node *node) {
    struct task_mode *mode = &tb->task->mode;
    struct config_reader reader = reader_for(tb, "mode");
    struct mode_decl decl;
    if (!config_read(&reader, node, node->mark, settings__mode_fields,
                     (struct config_target){&decl, sizeof decl}))
        return false;
    mode->mark = node->mark;
    mode->type = (enum mode_type)decl.type;
    mode->has_max = decl.max > 0;
    mode->max = mode->has_max ? decl.max : TASK_MAX_DEFAULT;
    mode->max_waiting = decl.max_waiting;
    mode->overflow = (enum mode_overflow)decl.overflow;
    mode->on_refused = decl.on_refused;
    mode->max_suspended = max_suspended(mode);
    if (mode->has_max && mode->type != MODE_PARALLEL && !decl.key) {
        config_error(tb->builder->diag, node->mark,
                     "\"max\" belongs to mode \"parallel\", or to a \"key\"");
        return false;
    }
    if (decl.on_refused.size && !task_exists(tb, node->mark, decl.on_refused))
        return false;
    if (decl.key && !(mode->key = template_build(tb, decl.key, EXPR_AS_TEMPLATE)))
        return false;
    mode->has_turns = mode->key || mode->type == MODE_QUEUED || mode->type == MODE_RESTART;
    mode->is_own = is_session_key(mode->key);
    return true;
}

static bool rate_read(struct task_builder *tb, const struct config_node *node) {
    struct task_rate *rate = &tb->task->rate;
    struct config_reader reader = reader_for(tb, "at-most");
    struct rate_decl decl;
    if (!config_read(&reader, node, node->mark, settings__rate_fields,
                     (struct config_target){&decl, sizeof decl}))
        return false;
    *rate = (struct task_rate){.runs = decl.runs,
                               .per_ms = decl.per_ms,
                               .then = (enum rate_then)decl.then,
                               .mark = node->mark};
    if (decl.key && !(rate->key = template_build(tb, decl.key, EXPR_AS_TEMPLATE)))
        return false;
    rate->is_own = is_session_key(rate->key);
    return true;
}

bool task_settings_build(struct task_builder *tb, const struct config_node *mode,
                         const struct config_node *at_most) {
    tb->task->mode = (struct task_mode){
        .type = MODE_PARALLEL, .max = TASK_MAX_DEFAULT, .max_suspended = TASK_MAX_DEFAULT};
    bool is_good = !mode || mode_read(tb, mode);
    return (!at_most || rate_read(tb, at_most)) && is_good;
}
