/* client-message: one whole message that a client got, once, in order. All match keys that are
 * given must hold. */
#include "triggers/event.h"

static bool prepare_message(struct prepare *prepare, void *args);

static const struct config_field fields[] = {
    FIELD_TEXT(struct trigger_client_message, client.client, "client", .is_constant = true,
               .doc = "the client's ID"),
    FIELD_TEXT(struct trigger_client_message, match.contains, "contains", .is_constant = true,
               .doc = "text that stands in the message"),
    FIELD_TEXT(struct trigger_client_message, match.starts_with, "starts-with", .is_constant = true,
               .doc = "how the message begins"),
    FIELD_TEXT(struct trigger_client_message, match.exact, "exact", .is_constant = true,
               .doc = "the whole message"),
    FIELD_TEXT(struct trigger_client_message, match.regex, "regex", .is_constant = true,
               .doc = "PCRE2 pattern; its groups become Match(name) and Match(1)"),
    FIELD_SPECIAL(struct trigger_client_message, match.json, "json", "value", .is_constant = true,
                  .doc = "mapping of dotted paths to the values that the message's JSON has there"),
    FIELD_BOOL(struct trigger_client_message, match.case_sensitive, "case-sensitive",
               .is_constant = true, .dflt = "true",
               .doc = "whether capitals and small letters differ"),
    FIELD_END};

const struct trigger_kind trigger_client_message = {
    .name = "client-message",
    .doc = "one whole WebSocket message that a client got",
    .fields = fields,
    .args_size = sizeof(struct trigger_client_message),
    .binds_ws = true,
    .prepare = prepare_message,
};

static bool prepare_message(struct prepare *prepare, void *args) {
    struct trigger_client_message *message = args;
    return trigger__prepare_client(prepare, args) &&
           trigger__prepare_match(prepare, &message->match,
                                  offsetof(struct trigger_client_message, match));
}
