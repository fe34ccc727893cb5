/* Finding the end of a head in bytes that come in any pieces, and looking into heads. */
#include "http/scan.h"

static ssize_t judge_size(const char *bytes, size_t size, const struct http_limits *limits,
                          struct http_error *error) {
    if (size <= limits->head_bytes)
        return 0;
    if (memchr(bytes, '\n', limits->head_bytes))
        return http__fail(error, 431, "the headers are too large");
    return http__fail(error, 414, "the request line is too long");
}

/* Every line feed must follow a carriage return, and no line begins with one alone: a peer that
 * ends its lines with a bare line feed would otherwise wait for an answer until the time is up. */
ssize_t http_head_find(struct http_head_scan *scan, struct slice bytes,
                       const struct http_limits *limits, struct http_error *error) {
    const char *start = bytes.bytes, *end = start + bytes.size;
    if (bytes.size == 0)
        return 0;
    if (!http__is(*start, HTTP__TOKEN) && *start != '\r')
        return http__fail(error, 400, "this is no HTTP");
    const char *at = start + scan->scanned_bytes;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        if (at == start || at[-1] != '\r')
            return http__fail(error, 400, "a line ends without a carriage return");
        if (end - at < 3 && (end - at < 2 || at[1] == '\r')) {
            scan->scanned_bytes = (size_t)(at - start);
            return judge_size(start, bytes.size, limits, error);
        }
        if (at[1] == '\r') {
            if (at[2] != '\n')
                return http__fail(error, 400, "a carriage return stands without a line feed");
            size_t size = (size_t)(at - start) + 3;
            ssize_t verdict = judge_size(start, size, limits, error);
            return verdict < 0 ? verdict : (ssize_t)size;
        }
        at++;
    }
    scan->scanned_bytes = bytes.size;
    return judge_size(start, bytes.size, limits, error);
}

struct slice http_header_get(const struct http_header *headers, size_t count, struct slice name) {
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name.size == name.size && slice_equal_nocase(headers[i].name, name))
            return headers[i].value;
    }
    return SLICE_NONE;
}

struct slice http_head_header(struct slice head, struct slice name) {
    const char *at = head.bytes, *end = at + head.size;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        at++;
        if ((size_t)(end - at) <= name.size || at[name.size] != ':')
            continue;
        if (!slice_equal_nocase((struct slice){at, name.size}, name))
            continue;
        const char *value = at + name.size + 1;
        const char *stop = memchr(value, '\r', (size_t)(end - value));
        return http__trim((struct slice){value, (size_t)((stop ? stop : end) - value)});
    }
    return SLICE_NONE;
}

bool http_list_next(struct slice *rest, struct slice *member) {
    while (rest->bytes) {
        struct slice part = http__trim(slice_cut(*rest, ',', rest));
        if (part.size > 0) {
            *member = part;
            return true;
        }
    }
    return false;
}

bool http_header_has_token(const struct http_header *headers, size_t count, struct slice name,
                           struct slice token) {
    for (size_t i = 0; i < count; i++) {
        if (!slice_equal_nocase(headers[i].name, name))
            continue;
        struct slice rest = headers[i].value, member;
        while (http_list_next(&rest, &member)) {
            if (slice_equal_nocase(member, token))
                return true;
        }
    }
    return false;
}
