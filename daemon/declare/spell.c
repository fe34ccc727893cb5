/* Nodes as JSON. */
#include "declare/declare.h"
#include "expr/expr.h"

static enum status scalar_json(const struct config_node *node, struct buffer *out) {
    struct config_scalar scalar = config_scalar(node);
    switch (scalar.type) {
        case CONFIG_NIL:
            return buffer_append(out, SLICE("null"));
        case CONFIG_BOOLEAN:
            return json_encode(value_bool(scalar.boolean), out);
        case CONFIG_INTEGER:
            return json_encode(value_int(scalar.integer), out);
        case CONFIG_FLOAT: {
            enum status status = json_encode(value_float(scalar.number), out);
            return status == STATUS_RANGE ? json_encode_text(node->text, out)
                                          : status; /* .inf and .nan */
        }
        default:
            return json_encode_text(node->text, out);
    }
}

enum status declare_json(const struct config_node *node, struct buffer *out) {
    if (node->kind == CONFIG_SCALAR)
        return scalar_json(node, out);
    bool is_map = node->kind == CONFIG_MAP;
    enum status status = buffer_append(out, is_map ? SLICE("{") : SLICE("["));
    for (size_t i = 0; i < node->count && !status; i++) {
        if (i)
            status = buffer_append(out, SLICE(","));
        if (is_map && !status)
            status = json_encode_text(node->keys[i]->text, out);
        if (is_map && !status)
            status = buffer_append(out, SLICE(":"));
        if (!status)
            status = declare_json(node->items[i], out);
    }
    return status ? status : buffer_append(out, is_map ? SLICE("}") : SLICE("]"));
}
