/* What kept a task from being considered at all: its trigger is disabled, or names another path or
 * method. Worked out when it is asked for, so that events pay nothing for it. */
#include <stdio.h>

#include "triggers/event.h"

static bool has_path(const struct trigger_kind *kind) {
    static const struct trigger_kind *const kinds[] = {
        &trigger_http_request,   &trigger_server_upgrade, &trigger_server_open,
        &trigger_server_message, &trigger_server_close,   &trigger_server_error};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i] == kind)
            return true;
    return false;
}

/* A WebSocket that was refused would have been an upgrade, an open or a message. */
static bool is_of_kind(const struct trigger *trigger, const char *kind) {
    if (strcmp(trigger->kind->name, kind) == 0)
        return true;
    return strcmp(kind, trigger_server_upgrade.name) == 0 && index__is_accepting(trigger);
}

const char *triggers_explain(const struct trigger *trigger, const struct why_event *event,
                             struct slice *value, char *text /* TRIGGERS_EXPLAIN_MAX */) {
    *value = SLICE_NONE;
    if (!is_of_kind(trigger, event->kind))
        return NULL;
    if (has_path(trigger->kind)) {
        const struct trigger_path *args = trigger->args;
        if (!slice_equal(args->server, event->server))
            return NULL;
        if (args->pattern && !http_pattern_matches(args->pattern, event->path)) {
            int size = snprintf(text, TRIGGERS_EXPLAIN_MAX, SLICE_FMT " is not " SLICE_FMT,
                                SLICE_ARG(event->path), SLICE_ARG(args->path));
            bool is_cut = size >= TRIGGERS_EXPLAIN_MAX;
            *value = (struct slice){text, is_cut ? TRIGGERS_EXPLAIN_MAX - 1 : (size_t)size};
            return "path";
        }
    }
    if (!trigger->task->is_enabled)
        return "disabled";
    if (trigger->kind != &trigger_http_request)
        return NULL;
    const struct trigger_http *args = trigger->args;
    enum http_method method;
    bool is_known = http_method_parse(event->text, &method) == STATUS_OK;
    if (!args->method_bits || !is_known || (args->method_bits >> (unsigned)method & 1))
        return NULL;
    *value = event->text;
    return "method";
}
