/* server-message: one whole message, once, in order, however it was framed or split. All match keys
 * that are given must hold. */
#include "triggers/event.h"

static bool prepare_message(struct prepare *prepare, void *args);

static const struct config_field fields[] = {
    FIELD_TEXT(struct trigger_message, path.path, "path", .is_constant = true,
               .doc = "pattern of the session's path; without it every path matches"),
    FIELD_TEXT(struct trigger_message, path.server, "server", .is_constant = true,
               .doc = "the server's ID"),
    FIELD_TEXT(struct trigger_message, match.contains, "contains", .is_constant = true,
               .doc = "text that stands in the message"),
    FIELD_TEXT(struct trigger_message, match.starts_with, "starts-with", .is_constant = true,
               .doc = "how the message begins"),
    FIELD_TEXT(struct trigger_message, match.exact, "exact", .is_constant = true,
               .doc = "the whole message"),
    FIELD_TEXT(struct trigger_message, match.regex, "regex", .is_constant = true,
               .doc = "PCRE2 pattern; its groups become Match(name) and Match(1)"),
    FIELD_SPECIAL(struct trigger_message, match.json, "json", "value", .is_constant = true,
                  .doc = "mapping of dotted paths to the values that the message's JSON has there"),
    FIELD_BOOL(struct trigger_message, match.case_sensitive, "case-sensitive", .is_constant = true,
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
    return trigger__prepare_path(prepare, &message->path) &&
           trigger__prepare_match(prepare, &message->match,
                                  offsetof(struct trigger_message, match));
}
