/* What a server tells the log about its connections: lines by its own level where it has one, and
 * frames. Secrets are masked. Nothing is formatted unless it is wanted. */
#include <stdio.h>
#include "server/session.h"

#define LINE_MAX_SIZE 1280

static struct log_place place_of(const struct session *session) {
    struct log_place place = {.server = session->server->config->options.id};
    if (session->head) {
        place.session = session_id(session);
    }
    return place;
}

void note__line(const struct session *session, const char *format, ...) {
    const struct log_place place = place_of(session);
    char line[LINE_MAX_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args); /* a long one is cut */
    va_end(args);
    if (session->server->config->options.has_log_level) {
        log_line_forced(LOG_DEBUG, &place, "%s", line);
    } else {
        log_line(LOG_DEBUG, &place, "%s", line);
    }
}

void note__request(const struct session *session) {
    const struct server_request *request = session->http->request;
    char target[HTTP_MASKED_MAX];
    struct slice shown = http_mask_query(request->http.target, target, sizeof(target));
    note__line(session, SLICE_FMT " " SLICE_FMT " of " SLICE_FMT,
               SLICE_ARG(http_method_text(request->http.method)), SLICE_ARG(shown),
               SLICE_ARG(request->peer));
}

void note__frame_line(const struct session *session, bool is_sent, unsigned first,
                      struct slice payload) {
    const struct log_place place = place_of(session);
    char line[WS_SHOWN_MAX];
    struct slice shown = ws_describe(is_sent, first, payload, line);
    log_line_forced(LOG_INFO, &place, SLICE_FMT, SLICE_ARG(shown));
}

void note__received(const struct session *session, enum ws_event event,
                    const struct ws_message *frame) {
    uint8_t close[WS_CONTROL_MAX];
    struct slice payload = frame->payload;
    unsigned opcode = frame->is_binary ? WS_OP_BINARY : WS_OP_TEXT;
    if (event == WS_PING || event == WS_PONG) {
        opcode = event == WS_PING ? WS_OP_PING : WS_OP_PONG;
    } else if (event == WS_CLOSE) {
        int size = ws_close_payload(close, frame->code, frame->payload);
        payload = (struct slice){(const char *)close, size < 0 ? 0 : (size_t)size};
        opcode = WS_OP_CLOSE;
    } else if (event != WS_MESSAGE) {
        return;
    }
    note__frame_line(session, false, opcode, payload);
}

void note__head(const struct session *session) {
    const struct log_place place = place_of(session);
    struct http_masked masked = {.rest = session_head(session)};
    struct slice line;
    while (http_masked_next(&masked, &line)) {
        log_line_forced(LOG_INFO, &place, "received " SLICE_FMT, SLICE_ARG(line));
    }
}
