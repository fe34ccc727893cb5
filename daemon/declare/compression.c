/* Keys that are a switch or a mapping, and the one that servers and clients share: compression. */
#include "declare/internal.h"

struct switch_keys {
    bool is_on;
};
struct compression_keys {
    bool context_takeover;
};

static const struct config_field switch_field =
    FIELD_BOOL(struct switch_keys, is_on, "value", .doc = "on or off");
const struct config_field declare__compression_fields[] = {
    FIELD_BOOL(struct compression_keys, context_takeover, "context-takeover", .dflt = "false",
               .doc = "smaller messages at 300 KB a connection"),
    FIELD_END};

bool declare__switch(const struct config_reader *reader, const struct config_node *node,
                     const char *key, bool *out) {
    struct switch_keys keys;
    char why[CONFIG_WHY_MAX];
    struct config_field field = switch_field;
    field.name = key;
    if (config_store(&field, node->text, &keys, field.offset, why) == STATUS_OK) {
        *out = keys.is_on;
        return true;
    }
    config_error(reader->diag, node->mark, "%s", why);
    config_hint(reader->diag, "or a mapping of its own keys");
    return false;
}

bool declare__compression(const struct config_reader *reader, const struct config_node *node,
                          bool *is_on, bool *has_takeover) {
    struct compression_keys keys;
    *is_on = *has_takeover = false;
    if (!node)
        return true;
    if (node->kind == CONFIG_SCALAR)
        return declare__switch(reader, node, "compression", is_on);
    struct config_reader inner = *reader;
    inner.subject = "\"compression\"";
    if (!config_read(&inner, node, node->mark, declare__compression_fields,
                     (struct config_target){&keys, sizeof keys}))
        return false;
    *is_on = true;
    *has_takeover = keys.context_takeover;
    return true;
}
