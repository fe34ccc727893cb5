/* Values to compact JSON (RFC 8259). Own code, since trees of jansson would cost an allocation for
 * each node. */
#include "expr/expr.h"

#include <math.h>

#include "expr/number.h"

static enum status encode_within(struct value v, unsigned depth, struct buffer *out);

static enum status encode_escape(unsigned char c, struct buffer *out) {
    switch (c) {
        case '"':
            return buffer_append(out, SLICE("\\\""));
        case '\\':
            return buffer_append(out, SLICE("\\\\"));
        case '\n':
            return buffer_append(out, SLICE("\\n"));
        case '\r':
            return buffer_append(out, SLICE("\\r"));
        case '\t':
            return buffer_append(out, SLICE("\\t"));
        default: {
            static const char hex[] = "0123456789abcdef";
            char text[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            return buffer_append(out, (struct slice){text, sizeof text});
        }
    }
}

enum status json_encode_text(struct slice text, struct buffer *out) {
    if (!slice_is_utf8(text))
        return STATUS_TYPE;
    size_t size_before = out->size, start = 0;
    enum status status = buffer_append(out, SLICE("\""));
    for (size_t i = 0; i < text.size && status == STATUS_OK; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        status = buffer_append(out, (struct slice){text.bytes + start, i - start});
        if (status == STATUS_OK)
            status = encode_escape(c, out);
        start = i + 1;
    }
    if (status == STATUS_OK && start < text.size)
        status = buffer_append(out, (struct slice){text.bytes + start, text.size - start});
    if (status == STATUS_OK)
        status = buffer_append(out, SLICE("\""));
    if (status != STATUS_OK)
        out->size = size_before;
    return status;
}

static enum status encode_member(struct value_pair pair, unsigned depth, struct buffer *out) {
    if (pair.key.type != VALUE_BYTES)
        return STATUS_TYPE;
    enum status status = json_encode_text(value_slice(pair.key), out);
    if (status == STATUS_OK)
        status = buffer_append(out, SLICE(":"));
    return status == STATUS_OK ? encode_within(pair.value, depth, out) : status;
}

static enum status encode_container(struct value v, unsigned depth, struct buffer *out) {
    bool is_map = v.type == VALUE_MAP;
    if (depth == VALUE_DEPTH_MAX)
        return STATUS_LIMIT;
    enum status status = buffer_append(out, is_map ? SLICE("{") : SLICE("["));
    for (uint32_t i = 0; i < v.count && status == STATUS_OK; i++) {
        if (i > 0)
            status = buffer_append(out, SLICE(","));
        if (status == STATUS_OK)
            status = is_map ? encode_member(v.pairs[i], depth + 1, out)
                            : encode_within(v.items[i], depth + 1, out);
    }
    return status == STATUS_OK ? buffer_append(out, is_map ? SLICE("}") : SLICE("]")) : status;
}

static enum status encode_within(struct value v, unsigned depth, struct buffer *out) {
    char number[NUMBER_TEXT_MAX];
    switch ((enum value_type)v.type) {
        case VALUE_NIL:
            return buffer_append(out, SLICE("null"));
        case VALUE_BOOL:
            return buffer_append(out, v.boolean ? SLICE("true") : SLICE("false"));
        case VALUE_INT:
            return buffer_append(out, number__from_int(v.integer, number));
        case VALUE_FLOAT:
            return isfinite(v.number) ? buffer_append(out, number__from_float(v.number, number))
                                      : STATUS_RANGE;
        case VALUE_BYTES:
            return json_encode_text(value_slice(v), out);
        case VALUE_LIST:
        case VALUE_MAP:
            return encode_container(v, depth, out);
    }
    return STATUS_TYPE;
}

enum status json_encode(struct value v, struct buffer *out) {
    size_t size_before = out->size;
    enum status status = encode_within(v, 0, out);
    if (status != STATUS_OK)
        out->size = size_before;
    return status;
}
