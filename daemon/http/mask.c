/* Values whose name speaks of a secret, hidden for logs and lists. */
#include <stdio.h>
#include "http/http.h"

static bool contains_nocase(struct slice text, struct slice part) {
    for (size_t i = 0; i + part.size <= text.size; i++) {
        if (slice_equal_nocase((struct slice){text.bytes + i, part.size}, part)) {
            return true;
        }
    }
    return false;
}

bool http_is_secret(struct slice name) {
    static const char *const words[] = {"authorization", "token",    "key",
                                        "secret",        "password", "cookie"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (contains_nocase(name, slice_of(words[i]))) {
            return true;
        }
    }
    return false;
}

struct slice http_mask_query(struct slice target, char *out, size_t room) {
    struct slice query, path = slice_cut(target, '?', &query);
    size_t used = (size_t)snprintf(out, room, SLICE_FMT, SLICE_ARG(path));
    for (char mark = '?'; query.bytes && used < room; mark = '&') {
        struct slice pair = slice_cut(query, '&', &query), value;
        struct slice name = slice_cut(pair, '=', &value);
        bool is_masked = value.bytes && http_is_secret(name);
        used += (size_t)snprintf(out + used, room - used, "%c" SLICE_FMT "%s", mark,
                                 SLICE_ARG(is_masked ? name : pair), is_masked ? "=***" : "");
    }
    return (struct slice){out, used < room ? used : room - 1};
}

/* The version behind a target is no part of its query. */
static struct slice mask_first(struct slice line, char *out) {
    const char *space = line.size ? memrchr(line.bytes, ' ', line.size) : NULL;
    size_t front = space ? (size_t)(space - line.bytes) : line.size;
    struct slice version = {line.bytes + front, line.size - front};
    if (!slice_starts_with(version, SLICE(" HTTP/")) || version.size > 16) {
        return http_mask_query(line, out, HTTP_MASKED_MAX);
    }
    struct slice shown =
        http_mask_query((struct slice){line.bytes, front}, out, HTTP_MASKED_MAX - 16);
    memcpy(out + shown.size, version.bytes, version.size);
    return (struct slice){out, shown.size + version.size};
}

static struct slice mask_line(struct http_masked *masked, struct slice line) {
    struct slice value, name = slice_cut(line, ':', &value);
    if (!masked->is_behind_first) {
        masked->is_behind_first = true;
        return mask_first(line, masked->line);
    }
    if (!value.bytes || !http_is_secret(name)) {
        return line;
    }
    int size = snprintf(masked->line, sizeof(masked->line), SLICE_FMT ": ***", SLICE_ARG(name));
    size_t used = (size_t)size;
    return (struct slice){masked->line,
                          used < sizeof(masked->line) ? used : sizeof(masked->line) - 1};
}

bool http_masked_next(struct http_masked *masked, struct slice *line) {
    while (masked->rest.size) {
        struct slice next = slice_trim(slice_cut(masked->rest, '\n', &masked->rest));
        if (next.size) {
            *line = mask_line(masked, next);
            return true;
        }
    }
    return false;
}
