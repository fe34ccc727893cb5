/* What clients tell the log: their own lines by their own level, frames, and the handshake with its
 * secrets masked. Frames are escaped by the log itself. */
#include <stdio.h>
#include "client/internal.h"

#define LINE_MAX_SIZE  1024
#define FRAME_TEXT_MAX 512 /* of a payload; more is cut */

void say(const struct client *client, enum log_level level, const char *format, ...) {
    const struct client_options *options = &client->config->options;
    const struct log_place place = {.client = options->id};
    bool is_forced = options->has_log_level && level >= (enum log_level)options->log_level;
    if (!is_forced && (options->has_log_level || !log_is_on(level))) {
        return;
    }
    char line[LINE_MAX_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args); /* a long one is cut */
    va_end(args);
    if (is_forced) {
        log_line_forced(level, &place, "%s", line);
    } else {
        log_line(level, &place, "%s", line);
    }
}

static const char *opcode_name(unsigned opcode) {
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

void say__frame(const struct client_link *link, bool is_sent, unsigned first,
                struct slice payload) {
    const struct client_options *options = link__bounds(link);
    const struct log_place place = {.client = options->id, .session = client_link_id(link)};
    unsigned opcode = first & 0x0f;
    struct slice shown = payload;
    if (!options->log_frames) {
        return;
    }
    if (opcode == WS_OP_CLOSE && shown.size >= 2) {
        unsigned code = (unsigned)(uint8_t)shown.bytes[0] << 8 | (uint8_t)shown.bytes[1];
        shown = (struct slice){shown.bytes + 2, shown.size - 2};
        log_line_forced(LOG_INFO, &place, "%s close %u " SLICE_FMT, is_sent ? "sent" : "received",
                        code, SLICE_ARG(shown));
        return;
    }
    if (opcode == WS_OP_BINARY) {
        shown = SLICE_NONE;
    }
    bool is_cut = shown.size > FRAME_TEXT_MAX;
    shown.size = is_cut ? FRAME_TEXT_MAX : shown.size;
    log_line_forced(LOG_INFO, &place, "%s %s, %zu bytes%s: " SLICE_FMT "%s",
                    is_sent ? "sent" : "received", opcode_name(opcode), payload.size,
                    first & WS_RSV1 ? " compressed" : "", SLICE_ARG(shown), is_cut ? "..." : "");
}

/* ---- handshakes ----------------------------------------------------------------------------- */

void say__head(const struct client_link *link, bool is_sent, struct slice head) {
    const struct client_options *options = link__bounds(link);
    const struct log_place place = {.client = options->id, .session = client_link_id(link)};
    if (!options->log_frames) {
        return;
    }
    bool is_first = true;
    while (head.size) {
        struct slice line = slice_trim(slice_cut(head, '\n', &head)), value;
        struct slice name = slice_cut(line, ':', &value);
        char text[LINE_MAX_SIZE];
        if (is_first) {
            line = client_mask_query(line, text, sizeof(text));
        } else if (value.bytes && client_is_secret(name)) {
            int size = snprintf(text, sizeof(text), SLICE_FMT ": ***", SLICE_ARG(name));
            line =
                (struct slice){text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1};
        }
        is_first = false;
        if (line.size) {
            log_line_forced(LOG_INFO, &place, "%s " SLICE_FMT, is_sent ? "sent" : "received",
                            SLICE_ARG(line));
        }
    }
}
