/* Paths and queries: decoded on demand, copied only where an escape is in the way. */
#include "http/scan.h"

/* Decodes the escape at text[at], if one is there. */
static bool decode_escape(struct slice text, size_t at, char *out) {
    if (text.bytes[at] != '%' || text.size - at < 3)
        return false;
    int high = http__hex(text.bytes[at + 1]), low = http__hex(text.bytes[at + 2]);
    if (high < 0 || low < 0)
        return false;
    *out = (char)(high * 16 + low);
    return true;
}

enum status http_path_decode(struct slice raw_path, struct arena *arena, struct slice *out) {
    if (raw_path.size == 0 || !memchr(raw_path.bytes, '%', raw_path.size)) {
        *out = raw_path;
        return STATUS_OK;
    }
    char *bytes = arena_bytes(arena, raw_path.size);
    size_t size = 0;
    if (!bytes)
        return STATUS_NO_MEMORY;
    for (size_t at = 0; at < raw_path.size; at++) {
        char c = raw_path.bytes[at];
        if (c == '%') {
            if (!decode_escape(raw_path, at, &c) || c == 0)
                return STATUS_SYNTAX;
            at += 2;
        }
        bytes[size++] = c;
    }
    *out = (struct slice){bytes, size};
    return STATUS_OK;
}

struct slice http_path_filename(struct slice path) {
    const char *slash = path.size > 0 ? memrchr(path.bytes, '/', path.size) : NULL;
    if (!slash)
        return path;
    return (struct slice){slash + 1, path.size - (size_t)(slash - path.bytes) - 1};
}

/* The next decoded character of a query member; `*at` moves behind it. */
static char next_char(struct slice text, size_t *at) {
    char c = text.bytes[*at];
    if (c == '+')
        c = ' ';
    else if (decode_escape(text, *at, &c))
        *at += 2;
    ++*at;
    return c;
}

/* Whether `name` stands before the first '=' of a member; `*value` is what follows it. */
static bool is_name(struct slice member, struct slice name, struct slice *value) {
    size_t at = 0, matched = 0;
    while (at < member.size && member.bytes[at] != '=') {
        if (matched == name.size || next_char(member, &at) != name.bytes[matched])
            return false;
        matched++;
    }
    bool has_value = at < member.size;
    *value = has_value ? (struct slice){member.bytes + at + 1, member.size - at - 1} : SLICE_NONE;
    return matched == name.size;
}

static enum status decode_member(struct slice raw, struct arena *arena, struct slice *out) {
    size_t at = 0, size = 0;
    if (raw.size == 0 || (!memchr(raw.bytes, '%', raw.size) && !memchr(raw.bytes, '+', raw.size))) {
        *out = raw;
        return STATUS_OK;
    }
    char *bytes = arena_bytes(arena, raw.size);
    if (!bytes)
        return STATUS_NO_MEMORY;
    while (at < raw.size)
        bytes[size++] = next_char(raw, &at);
    *out = (struct slice){bytes, size};
    return STATUS_OK;
}

enum status http_query_get(struct slice raw_query, struct slice name, struct arena *arena,
                           struct slice *out) {
    while (raw_query.size > 0) {
        struct slice value, member = slice_cut(raw_query, '&', &raw_query);
        if (member.size > 0 && is_name(member, name, &value))
            return decode_member(value, arena, out);
    }
    return STATUS_NOT_FOUND;
}
