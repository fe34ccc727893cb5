/* What clients tell the log: their own lines by their own level, frames, and the handshake with its
 * secrets masked. Frames are escaped by the log itself. */
#include <stdio.h>
#include "client/internal.h"

#define LINE_MAX_SIZE 1024

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

void say__frame(const struct client_link *link, bool is_sent, unsigned first,
                struct slice payload) {
    const struct client_options *options = link__bounds(link);
    if (options->log_frames) {
        const struct log_place place = {.client = options->id, .session = client_link_id(link)};
        char line[WS_SHOWN_MAX];
        struct slice shown = ws_describe(is_sent, first, payload, line);
        log_line_forced(LOG_INFO, &place, SLICE_FMT, SLICE_ARG(shown));
    }
}

void say__head(const struct client_link *link, bool is_sent, struct slice head) {
    const struct client_options *options = link__bounds(link);
    const struct log_place place = {.client = options->id, .session = client_link_id(link)};
    struct http_masked masked = {.rest = head};
    struct slice line;
    while (options->log_frames && http_masked_next(&masked, &line)) {
        log_line_forced(LOG_INFO, &place, "%s " SLICE_FMT, is_sent ? "sent" : "received",
                        SLICE_ARG(line));
    }
}
