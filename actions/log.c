/* log: one line in the daemon's log, with the task and the run that wrote it. */
#include "actions/action.h"

struct log_args {
    struct slice text;
    int level;
    struct config_pairs fields;
};

static enum step_state log_start(struct step *step, const void *args);

static const struct config_choice log_levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {NULL, 0}};
static const struct config_field log_fields[] = {
    FIELD_TEXT(struct log_args, text, "text", .required = true, .doc = "the line"),
    FIELD_ENUM(struct log_args, level, "level", .choices = log_levels, .dflt = "info",
               .doc = "how grave it is"),
    FIELD_PAIRS(struct log_args, fields, "fields", .doc = "named texts beside the line"),
    FIELD_END};

const struct action_kind action_log = {
    .name = "log",
    .doc = "writes a line to the log",
    .fields = log_fields,
    .args_size = sizeof(struct log_args),
    .resume = RESUME_AGAIN,
    .start = log_start,
};

static enum step_state log_start(struct step *step, const void *args) {
    const struct log_args *wanted = args;
    struct log_place place;
    if (!log_is_on((enum log_level)wanted->level))
        return STEP_DONE;
    step_log_place(step, &place);
    size_t count = wanted->fields.count;
    struct log_field *fields = arena_alloc(step_scratch(step), count * sizeof *fields);
    if (!fields)
        return action__no_memory(step);
    for (size_t i = 0; i < count; i++)
        fields[i] = (struct log_field){wanted->fields.names[i], wanted->fields.values[i]};
    place.fields = fields;
    place.field_count = count;
    log_bytes((enum log_level)wanted->level, &place, wanted->text);
    return STEP_DONE;
}
