/* server-message: one whole message, once, in order, however it was framed or split. All match keys
 * that are given must hold. */
#include "triggers/event.h"

static bool prepare_message(struct prepare *prepare, void *args);

static const struct config_field fields[] = {
    FIELD_TEXT(struct trigger_message, path.path, "path", .is_constant = true,
               .doc = "pattern of the session's path; without it every path matches"),
    FIELD_TEXT(struct trigger_message, path.server, "server", .is_constant = true,
               .doc = "the server's ID"),
    FIELD_TEXT(struct trigger_message, contains, "contains", .is_constant = true,
               .doc = "text that stands in the message"),
    FIELD_TEXT(struct trigger_message, starts_with, "starts-with", .is_constant = true,
               .doc = "how the message begins"),
    FIELD_TEXT(struct trigger_message, exact, "exact", .is_constant = true,
               .doc = "the whole message"),
    FIELD_TEXT(struct trigger_message, regex, "regex", .is_constant = true,
               .doc = "PCRE2 pattern; its groups become Match(name) and Match(1)"),
    FIELD_SPECIAL(struct trigger_message, json, "json", "value", .is_constant = true,
                  .doc = "mapping of dotted paths to the values that the message's JSON has there"),
    FIELD_BOOL(struct trigger_message, case_sensitive, "case-sensitive", .is_constant = true,
               .dflt = "true", .doc = "whether capitals and small letters differ"),
    FIELD_END};

const struct trigger_kind trigger_server_message = {
    .name = "server-message",
    .doc = "one whole WebSocket message of a session",
    .fields = fields,
    .args_size = sizeof(struct trigger_message),
    .binds_ws = true,
    .prepare = prepare_message,
};

static bool prepare_message(struct prepare *prepare, void *args) {
    struct trigger_message *message = args;
    if (!trigger__prepare_path(prepare, &message->path))
        return false;
    struct expr_match_keys keys = {.contains = message->contains,
                                   .starts_with = message->starts_with,
                                   .exact = message->exact,
                                   .regex = message->regex,
                                   .case_sensitive = message->case_sensitive};
    if (message->json.is_given && message->json.value.type != VALUE_MAP)
        return prepare_error(prepare, offsetof(struct trigger_message, json),
                             "\"json\" must be a mapping of dotted paths to values");
    if (message->json.is_given) {
        size_t count = message->json.value.count;
        struct slice *paths = arena_alloc(prepare_arena(prepare), count * sizeof *paths);
        struct value *values = arena_alloc(prepare_arena(prepare), count * sizeof *values);
        if (!paths || !values)
            return prepare_error(prepare, PREPARE_WHOLE, "out of memory");
        for (size_t i = 0; i < count; i++) {
            paths[i] = value_slice(message->json.value.pairs[i].key);
            values[i] = message->json.value.pairs[i].value;
        }
        keys.json_paths = paths;
        keys.json_values = values;
        keys.json_count = count;
    }
    if (!keys.contains.bytes && !keys.starts_with.bytes && !keys.exact.bytes && !keys.regex.bytes &&
        !keys.json_count)
        return true;
    struct expr_problem problem = {0};
    message->matcher = expr_matcher_new(prepare_set(prepare), &keys, &problem);
    if (message->matcher)
        return true;
    prepare_error(prepare, offsetof(struct trigger_message, regex), "\"regex\": %s", problem.text);
    return problem.hint[0] ? prepare_hint(prepare, "%s", problem.hint) : false;
}
