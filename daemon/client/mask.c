/* What is hidden wherever a client is shown: values whose name speaks of a secret. */
#include <stdio.h>
#include "client/client.h"

static bool contains_nocase(struct slice text, struct slice part) {
    for (size_t i = 0; i + part.size <= text.size; i++) {
        if (slice_equal_nocase((struct slice){text.bytes + i, part.size}, part)) {
            return true;
        }
    }
    return false;
}

bool client_is_secret(struct slice name) {
    static const char *const words[] = {"authorization", "token",    "key",
                                        "secret",        "password", "cookie"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (contains_nocase(name, slice_of(words[i]))) {
            return true;
        }
    }
    return false;
}

struct slice client_mask_query(struct slice target, char *out, size_t room) {
    struct slice query, path = slice_cut(target, '?', &query);
    size_t used = (size_t)snprintf(out, room, SLICE_FMT, SLICE_ARG(path));
    for (char mark = '?'; query.bytes && used < room; mark = '&') {
        struct slice pair = slice_cut(query, '&', &query), value;
        struct slice name = slice_cut(pair, '=', &value);
        bool is_masked = value.bytes && client_is_secret(name);
        used += (size_t)snprintf(out + used, room - used, "%c" SLICE_FMT "%s", mark,
                                 SLICE_ARG(is_masked ? name : pair), is_masked ? "=***" : "");
    }
    return (struct slice){out, used < room ? used : room - 1};
}
