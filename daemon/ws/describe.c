/* Frames as a log shows them. Line breaks and the like are escaped by the log itself, but for NUL,
 * which would end the line. */
#include <stdio.h>
#include "ws/ws.h"

static const char *name_of(unsigned opcode) {
    switch (opcode) {
        case WS_OP_TEXT:
            return "text";
        case WS_OP_BINARY:
            return "binary";
        case WS_OP_CLOSE:
            return "close";
        case WS_OP_PING:
            return "ping";
        case WS_OP_PONG:
            return "pong";
        default:
            return "continuation";
    }
}

/* Whole characters only; false: some of it is left out. */
static bool cut(struct slice *text) {
    size_t size = text->size;
    if (size <= WS_SHOWN_BYTES) {
        return true;
    }
    for (size = WS_SHOWN_BYTES; size > 0 && ((uint8_t)text->bytes[size] & 0xc0) == 0x80; size--) {
    }
    text->size = size;
    return false;
}

static size_t put(struct slice text, char *out) {
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i]) {
            out[used++] = text.bytes[i];
        } else {
            out[used++] = '\\';
            out[used++] = '0';
        }
    }
    return used;
}

struct slice ws_describe(bool is_sent, unsigned first, struct slice payload, char *out) {
    unsigned opcode = first & 0x0f;
    const char *direction = is_sent ? "sent" : "received";
    bool has_code = opcode == WS_OP_CLOSE && payload.size >= 2;
    bool is_shown = has_code || (opcode == WS_OP_TEXT && !(first & WS_RSV1));
    struct slice text = is_shown ? payload : SLICE_NONE;
    int size;
    if (has_code) {
        unsigned code = (unsigned)(uint8_t)text.bytes[0] << 8 | (uint8_t)text.bytes[1];
        text = (struct slice){text.bytes + 2, text.size - 2};
        size = snprintf(out, WS_SHOWN_MAX, "%s close %u%s", direction, code, text.size ? ": " : "");
    } else {
        size = snprintf(out, WS_SHOWN_MAX, "%s %s, %zu bytes%s%s", direction, name_of(opcode),
                        payload.size, first & WS_RSV1 ? " compressed" : "", text.size ? ": " : "");
    }
    _Static_assert(WS_SHOWN_MAX > 2 * WS_SHOWN_BYTES + 80, "it fits");
    size_t used = (size_t)size;
    bool is_whole = cut(&text);
    used += put(text, out + used);
    if (!is_whole) {
        memcpy(out + used, "...", 3);
        used += 3;
    }
    return (struct slice){out, used};
}
