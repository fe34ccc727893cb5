/* The decision about a handshake, as both of its actions make it. */
#include "actions/upgrade.h"

#include <errno.h>

#define HEADERS_MAX (60 * 1024) /* the whole answer has 64 KiB */

/* Written by the handshake itself. */
static bool is_ours(struct slice name) {
    struct slice start = {name.bytes, name.size < 14 ? name.size : 14};
    return slice_equal_nocase(start, SLICE("Sec-WebSocket-")) ||
           slice_equal_nocase(name, SLICE("X-Bellwire-Run"));
}

bool upgrade__check_headers(struct prepare *prepare, size_t offset,
                            const struct config_pairs *headers) {
    bool is_good = true;
    if (headers->count >= SERVER_UPGRADE_HEADERS)
        is_good = prepare_error(prepare, offset, "\"headers\" must be fewer than %d, got %zu",
                                SERVER_UPGRADE_HEADERS, headers->count);
    for (size_t i = 0; i < headers->count; i++) {
        struct slice name = headers->names[i], value = headers->values[i];
        bool is_open = slice_contains(value, SLICE("${")); /* looked at when it is known */
        enum status status = http_header_check(name, is_open ? SLICE("") : value);
        if (status == STATUS_DENIED || is_ours(name))
            is_good = prepare_error(prepare, offset,
                                    "header \"" SLICE_FMT "\" is written by Bellwire itself",
                                    SLICE_ARG(name));
        else if (status != STATUS_OK)
            is_good =
                prepare_error(prepare, offset,
                              "header \"" SLICE_FMT "\": a name is one word, and a value one line",
                              SLICE_ARG(name));
    }
    return is_good;
}

static enum step_state settle(struct step *step, const struct triggers_decision *decision,
                              enum status status) {
    switch (status) {
        case STATUS_OK:
            return STEP_DONE;
        case STATUS_NOT_FOUND:
            return step_fail(step, 1,
                             "no handshake waits for this run: only a \"server-upgrade\" with "
                             "mode manual can be decided");
        case STATUS_EXISTS:
            return step_fail(step, 1,
                             "the handshake is decided already: the first decision counts, and "
                             "past timeout 504 does");
        case STATUS_DENIED:
            return step_fail(step, 1, "the peer has not offered the subprotocol \"" SLICE_FMT "\"",
                             SLICE_ARG(decision->subprotocol));
        default:
            return step_fail(step, ENOMEM, "out of memory");
    }
}

enum step_state upgrade__decide(struct step *step, const struct config_pairs *headers,
                                struct triggers_decision *decision) {
    struct http_header all[SERVER_UPGRADE_HEADERS];
    size_t count = 0, bytes = 0;
    all[count++] = (struct http_header){SLICE("X-Bellwire-Run"), run_id_text(step_run(step))};
    for (size_t i = 0; i < headers->count && count < ARRAY_SIZE(all); i++) {
        if (http_header_check(headers->names[i], headers->values[i]))
            return step_fail(
                step, 1, "header \"" SLICE_FMT "\" holds a line break or another control character",
                SLICE_ARG(headers->names[i]));
        bytes += headers->names[i].size + headers->values[i].size;
        if (bytes > HEADERS_MAX)
            return step_fail(step, 1, "the headers are larger than 60 KiB");
        all[count++] = (struct http_header){headers->names[i], headers->values[i]};
    }
    decision->headers = all;
    decision->header_count = count;
    return settle(step, decision, triggers_decide(step_run(step), decision));
}
