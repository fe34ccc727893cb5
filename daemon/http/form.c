/* Forms: multipart/form-data (RFC 7578 over RFC 2046 section 5.1.1), and fields of either kind.
 *
 * A delimiter is CR LF, two dashes, the boundary, white space, CR LF, and nothing else; what only
 * begins like one is content. A body without the closing delimiter is cut short, hence an error. */
#include "http/scan.h"

enum { BOUNDARY_MAX = 70, PART_HEADERS_MAX = 16 };

/* ---- parameters of a header: `; name=value; name="quoted"` ----------------------------------- */

/* Cuts the next one; the value stays escaped, `*is_quoted` tells. False at the end or on bad
 * syntax, which leaves *rest not empty. */
static bool next_param(struct slice *rest, struct slice *name, struct slice *value,
                       bool *is_quoted) {
    struct slice text = http__trim(*rest);
    if (text.size == 0 || text.bytes[0] != ';') {
        *rest = text;
        return false;
    }
    text = http__trim((struct slice){text.bytes + 1, text.size - 1});
    if (text.size == 0) { /* some end their list with a semicolon */
        *rest = text;
        return false;
    }
    size_t size = http__token_span(text.bytes, text.size);
    if (size == 0 || size == text.size || text.bytes[size] != '=')
        return false;
    *name = (struct slice){text.bytes, size};
    text = (struct slice){text.bytes + size + 1, text.size - size - 1};
    *is_quoted = text.size > 0 && text.bytes[0] == '"';
    if (*is_quoted) {
        for (size = 1; size < text.size && text.bytes[size] != '"'; size++)
            size += text.bytes[size] == '\\' && size + 1 < text.size;
        if (size >= text.size)
            return false;
        *value = (struct slice){text.bytes + 1, size - 1};
        size++;
    } else {
        size = http__token_span(text.bytes, text.size);
        *value = (struct slice){text.bytes, size};
    }
    *rest = (struct slice){text.bytes + size, text.size - size};
    return true;
}

/* Splits a header's value into its first word and the parameters behind it. */
static struct slice cut_word(struct slice value, struct slice *params) {
    if (value.size == 0) /* absent: no place to count from */
        value = SLICE("");
    const char *mark = memchr(value.bytes, ';', value.size);
    size_t size = mark ? (size_t)(mark - value.bytes) : value.size;
    *params = (struct slice){value.bytes + size, value.size - size};
    return http__trim((struct slice){value.bytes, size});
}

/* RFC 2046 section 5.1.1. */
static bool is_boundary(struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i], lower = (char)(c | 0x20);
        bool is_alnum = (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
        if (!is_alnum && (c == 0 || !strchr("'()+_,-./:=? ", c)))
            return false;
    }
    return text.size > 0 && text.size <= BOUNDARY_MAX && text.bytes[text.size - 1] != ' ';
}

/* ---- delimiters ------------------------------------------------------------------------------ */

enum delimiter { DELIMITER_NONE, DELIMITER_NEXT, DELIMITER_LAST };

/* What the delimiter that ends at `at` is; `*after` is what follows its line. */
static enum delimiter judge(const char *at, const char *end, struct slice *after) {
    bool is_last = end - at >= 2 && at[0] == '-' && at[1] == '-';
    if (is_last)
        at += 2;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    bool has_line_end = end - at >= 2 && at[0] == '\r' && at[1] == '\n';
    if (!has_line_end && !(is_last && at == end))
        return DELIMITER_NONE;
    at += has_line_end ? 2 : 0;
    *after = (struct slice){at, (size_t)(end - at)};
    return is_last ? DELIMITER_LAST : DELIMITER_NEXT;
}

/* Finds the first delimiter in `text`; `*content` is what precedes it. */
static enum delimiter find_delimiter(struct slice text, struct slice boundary,
                                     struct slice *content, struct slice *after) {
    char needle[BOUNDARY_MAX + 4] = {'\r', '\n', '-', '-'};
    size_t needle_size = boundary.size + 4;
    const char *at = text.bytes, *end = at + text.size;
    memcpy(needle + 4, boundary.bytes, boundary.size);
    while ((at = memmem(at, (size_t)(end - at), needle, needle_size))) {
        enum delimiter found = judge(at + needle_size, end, after);
        *content = (struct slice){text.bytes, (size_t)(at - text.bytes)};
        if (found != DELIMITER_NONE)
            return found;
        at += 2;
    }
    return DELIMITER_NONE;
}

enum status http_multipart_begin(struct http_multipart *parts, struct slice content_type,
                                 struct slice body) {
    struct slice params, name, value, boundary = SLICE_NONE, after, preamble;
    bool is_quoted;
    if (!slice_equal_nocase(cut_word(content_type, &params), SLICE("multipart/form-data")))
        return STATUS_TYPE;
    while (next_param(&params, &name, &value, &is_quoted)) {
        if (!slice_equal_nocase(name, SLICE("boundary")))
            continue;
        if (boundary.bytes)
            return STATUS_SYNTAX;
        boundary = value;
    }
    if (params.size > 0 || !is_boundary(boundary))
        return STATUS_SYNTAX;
    enum delimiter first = DELIMITER_NONE;
    if (body.size >= boundary.size + 2 && memcmp(body.bytes, "--", 2) == 0 &&
        memcmp(body.bytes + 2, boundary.bytes, boundary.size) == 0)
        first = judge(body.bytes + 2 + boundary.size, body.bytes + body.size, &after);
    if (first == DELIMITER_NONE && body.size > 0)
        first = find_delimiter(body, boundary, &preamble, &after);
    if (first == DELIMITER_NONE)
        return STATUS_SYNTAX;
    *parts = (struct http_multipart){first == DELIMITER_LAST ? SLICE_NONE : after, boundary, 0};
    return STATUS_OK;
}

/* ---- one part -------------------------------------------------------------------------------- */

/* Takes back `\"` and `\\` of curl and others, and the `%22` of browsers. */
static enum status unescape(struct slice text, struct arena *arena, struct slice *out) {
    if (text.size == 0 ||
        (!memchr(text.bytes, '\\', text.size) && !slice_contains(text, SLICE("%22")))) {
        *out = text;
        return STATUS_OK;
    }
    char *bytes = arena_bytes(arena, text.size);
    size_t size = 0;
    if (!bytes)
        return STATUS_NO_MEMORY;
    for (size_t at = 0; at < text.size; at++) {
        char c = text.bytes[at];
        char next = at + 1 < text.size ? text.bytes[at + 1] : 0;
        if (c == '\\' && (next == '"' || next == '\\')) {
            c = next;
            at++;
        } else if (text.size - at >= 3 && memcmp(text.bytes + at, "%22", 3) == 0) {
            c = '"';
            at += 2;
        }
        bytes[size++] = c;
    }
    *out = (struct slice){bytes, size};
    return STATUS_OK;
}

/* What follows the last slash of either kind; nothing that could name a directory is left. */
static struct slice base_name(struct slice path) {
    for (size_t at = path.size; at > 0; at--) {
        if (path.bytes[at - 1] == '/' || path.bytes[at - 1] == '\\') {
            path = (struct slice){path.bytes + at, path.size - at};
            break;
        }
    }
    return slice_is(path, ".") || slice_is(path, "..") ? SLICE("") : path;
}

static enum status take_disposition(struct slice header, struct arena *arena,
                                    struct http_part *part) {
    struct slice params, name, value;
    bool is_quoted;
    if (!slice_equal_nocase(cut_word(header, &params), SLICE("form-data")) || part->name.bytes)
        return STATUS_SYNTAX;
    while (next_param(&params, &name, &value, &is_quoted)) {
        bool is_name = slice_equal_nocase(name, SLICE("name"));
        if (!is_name && !slice_equal_nocase(name, SLICE("filename")))
            continue;
        if (is_name ? part->name.bytes != NULL : part->is_file)
            return STATUS_SYNTAX;
        if (is_quoted && unescape(value, arena, &value))
            return STATUS_NO_MEMORY;
        part->is_file |= !is_name;
        *(is_name ? &part->name : &part->filename) = is_name ? value : base_name(value);
    }
    return params.size == 0 && part->name.bytes ? STATUS_OK : STATUS_SYNTAX;
}

/* The headers of a part. `*rest` moves to its blank line, which may begin the next delimiter. */
static enum status take_headers(struct slice *rest, struct arena *arena, struct http_part *part) {
    const char *at = rest->bytes, *end = at + rest->size;
    for (unsigned count = 0; end - at >= 2 && (at[0] != '\r' || at[1] != '\n'); count++) {
        struct http_header header;
        struct http_error error;
        if (count == PART_HEADERS_MAX)
            return STATUS_LIMIT;
        if (!(at = http__line_parse(at, end, &header, &error)))
            return STATUS_SYNTAX;
        if (slice_equal_nocase(header.name, SLICE("content-type")))
            part->type = header.value;
        if (!slice_equal_nocase(header.name, SLICE("content-disposition")))
            continue;
        enum status status = take_disposition(header.value, arena, part);
        if (status)
            return status;
    }
    *rest = (struct slice){at, (size_t)(end - at)};
    return part->name.bytes ? STATUS_OK : STATUS_SYNTAX;
}

/* A part without content may have its blank line and the delimiter's line end be one and the same,
 * so the delimiter is looked for from the blank line on. */
enum status http_multipart_next(struct http_multipart *parts, struct arena *arena,
                                struct http_part *out) {
    struct http_part part = {.is_file = false};
    struct slice rest = parts->rest, after;
    if (!rest.bytes)
        return STATUS_NOT_FOUND;
    if (parts->count == HTTP_PARTS_MAX)
        return STATUS_LIMIT;
    enum status status = take_headers(&rest, arena, &part);
    if (status)
        return status;
    enum delimiter found = find_delimiter(rest, parts->boundary, &part.content, &after);
    if (found == DELIMITER_NONE)
        return STATUS_SYNTAX;
    if (part.content.size >= 2) {
        part.content.bytes += 2;
        part.content.size -= 2;
    }
    parts->rest = found == DELIMITER_LAST ? SLICE_NONE : after;
    parts->count++;
    *out = part;
    return STATUS_OK;
}

/* ---- look-ups -------------------------------------------------------------------------------- */

static enum status find_part(struct http_multipart *parts, struct slice name, bool is_file,
                             struct arena *arena, struct http_part *out) {
    for (;;) {
        enum status status = http_multipart_next(parts, arena, out);
        if (status)
            return status == STATUS_NO_MEMORY ? status : STATUS_NOT_FOUND;
        if (out->is_file == is_file && slice_equal(out->name, name))
            return STATUS_OK;
    }
}

enum status http_form_field(struct slice content_type, struct slice body, struct slice name,
                            struct arena *arena, struct slice *out) {
    struct http_multipart parts;
    struct http_part part;
    struct slice params;
    struct slice type = cut_word(content_type, &params);
    if (slice_equal_nocase(type, SLICE("application/x-www-form-urlencoded")))
        return http_query_get(body, name, arena, out);
    if (http_multipart_begin(&parts, content_type, body))
        return STATUS_NOT_FOUND;
    enum status status = find_part(&parts, name, false, arena, &part);
    if (status == STATUS_OK)
        *out = part.content;
    return status;
}

enum status http_form_file(struct slice content_type, struct slice body, struct slice name,
                           struct arena *arena, struct http_part *out) {
    struct http_multipart parts;
    struct http_part part;
    if (http_multipart_begin(&parts, content_type, body))
        return STATUS_NOT_FOUND;
    enum status status = find_part(&parts, name, true, arena, &part);
    if (status == STATUS_OK)
        *out = part;
    return status;
}
