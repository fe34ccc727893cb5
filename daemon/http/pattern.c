/* Path patterns: `/lit/{name}/{rest...}`, compiled to a list of segments, and their parameters. */
#include "http/pattern.h"
#include "http/scan.h"

static enum status fail(struct http_pattern_error *error, size_t offset, const char *message) {
    error->offset = offset;
    error->message = message;
    return STATUS_SYNTAX;
}

static bool is_param_name(struct slice name) {
    for (size_t i = 0; i < name.size; i++) {
        char c = name.bytes[i], lower = (char)(c | 0x20);
        bool is_letter = (lower >= 'a' && lower <= 'z') || c == '_';
        if (!is_letter && (i == 0 || ((c < '0' || c > '9') && c != '-')))
            return false;
    }
    return name.size > 0;
}

static const struct http__segment *find_param(const struct http_pattern *pattern,
                                              struct slice name) {
    for (size_t i = 0; i < pattern->count; i++) {
        if (pattern->segments[i].kind != HTTP__LITERAL &&
            slice_equal(pattern->segments[i].text, name))
            return &pattern->segments[i];
    }
    return NULL;
}

static enum status check_literal(struct slice text, size_t offset,
                                 struct http_pattern_error *error) {
    if (slice_is(text, ".") || slice_is(text, ".."))
        return fail(error, offset, "no request has a dot segment");
    if (slice_is(text, "*") || slice_is(text, "**"))
        return fail(error, offset, "a star is no wildcard: write {name} or {name...}");
    if (text.size > HTTP__LITERAL_MAX)
        return fail(error, offset, "a segment is longer than 255 bytes");
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];
        if (c == '{' || c == '}')
            return fail(error, offset + i, "braces must enclose a whole segment: /a/{name}/b");
        if (c == '?' || c == '#')
            return fail(error, offset + i, "a pattern holds the path alone, without query");
        if (c == '%')
            return fail(error, offset + i, "patterns are written decoded, without percent escapes");
        if (!http__is_text(c) || c == '\t')
            return fail(error, offset + i, "a pattern holds no control characters");
    }
    return STATUS_OK;
}

static enum status parse_segment(struct http_pattern *pattern, struct slice text, size_t offset,
                                 struct http_pattern_error *error) {
    struct http__segment *segment = &pattern->segments[pattern->count];
    bool is_param = text.size >= 2 && text.bytes[0] == '{' && text.bytes[text.size - 1] == '}';
    if (pattern->count > 0 && segment[-1].kind == HTTP__REST)
        return fail(error, offset, "nothing may follow {name...}");
    if (!is_param) {
        *segment = (struct http__segment){HTTP__LITERAL, text};
        pattern->count++;
        return check_literal(text, offset, error);
    }
    struct slice name = {text.bytes + 1, text.size - 2};
    bool is_rest = slice_ends_with(name, SLICE("..."));
    if (is_rest)
        name.size -= 3;
    if (!is_param_name(name))
        return fail(error, offset + 1, "a parameter's name is made of letters, digits, _ and -");
    if (find_param(pattern, name))
        return fail(error, offset + 1, "two parameters have the same name");
    *segment = (struct http__segment){is_rest ? HTTP__REST : HTTP__PARAM, name};
    pattern->count++;
    return STATUS_OK;
}

enum status http_pattern_compile(struct arena *arena, struct slice text, struct http_pattern **out,
                                 struct http_pattern_error *error) {
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.bytes[i] == '/';
    if (text.size == 0 || text.bytes[0] != '/')
        return fail(error, 0, "a path starts with /");
    if (count > HTTP__SEGMENTS_MAX)
        return fail(error, 0, "a path has at most 64 segments");
    struct http_pattern *pattern =
        arena_zalloc(arena, sizeof *pattern + count * sizeof pattern->segments[0]);
    if (!pattern || arena_copy(arena, text, &pattern->text))
        return STATUS_NO_MEMORY;
    struct slice rest = {pattern->text.bytes + 1, text.size - 1};
    while (rest.bytes) {
        size_t offset = (size_t)(rest.bytes - pattern->text.bytes);
        enum status status = parse_segment(pattern, slice_cut(rest, '/', &rest), offset, error);
        if (status)
            return status;
    }
    *out = pattern;
    return STATUS_OK;
}

struct slice http_pattern_text(const struct http_pattern *pattern) {
    return pattern ? pattern->text : SLICE_NONE;
}

bool http_pattern_has_param(const struct http_pattern *pattern, struct slice name) {
    return pattern && find_param(pattern, name);
}

bool http__segment_decode(struct slice raw, char *out, struct slice *text) {
    if (raw.size == 0 || !memchr(raw.bytes, '%', raw.size)) {
        *text = raw;
        return raw.size <= HTTP__LITERAL_MAX;
    }
    size_t size = 0;
    for (size_t at = 0; at < raw.size; at++) {
        char c = raw.bytes[at];
        int high = c == '%' && raw.size - at > 2 ? http__hex(raw.bytes[at + 1]) : -1;
        int low = high >= 0 ? http__hex(raw.bytes[at + 2]) : -1;
        if (low >= 0) {
            c = (char)(high * 16 + low);
            at += 2;
        }
        if (size == HTTP__LITERAL_MAX)
            return false;
        out[size++] = c;
    }
    *text = (struct slice){out, size};
    return true;
}

/* A literal holds no percent sign, so that an escape makes the raw text a longer one. */
static bool is_literal(struct slice raw, struct slice literal) {
    char decoded[HTTP__LITERAL_MAX];
    struct slice text;
    if (raw.size <= literal.size)
        return slice_equal(raw, literal);
    return http__segment_decode(raw, decoded, &text) && slice_equal(text, literal);
}

/* Whether the segments match; with `wanted`, its raw value is left in `*value` meanwhile. */
static bool match(const struct http_pattern *pattern, struct slice raw_path,
                  const struct http__segment *wanted, struct slice *value) {
    struct slice rest = http__path_start(raw_path);
    for (size_t i = 0; i < pattern->count; i++) {
        const struct http__segment *segment = &pattern->segments[i];
        if (!rest.bytes)
            return false;
        struct slice raw = rest;
        if (segment->kind == HTTP__REST)
            rest = SLICE_NONE;
        else
            raw = slice_cut(rest, '/', &rest);
        if (segment->kind == HTTP__PARAM && raw.size == 0)
            return false;
        if (segment->kind == HTTP__LITERAL && !is_literal(raw, segment->text))
            return false;
        if (segment == wanted)
            *value = raw;
    }
    return !rest.bytes;
}

bool http_pattern_matches(const struct http_pattern *pattern, struct slice raw_path) {
    struct slice unused;
    return !pattern || match(pattern, raw_path, NULL, &unused);
}

enum status http_pattern_param(const struct http_pattern *pattern, struct slice raw_path,
                               struct slice name, struct arena *arena, struct slice *out) {
    const struct http__segment *wanted = pattern ? find_param(pattern, name) : NULL;
    struct slice raw = SLICE_NONE;
    if (!wanted || !match(pattern, raw_path, wanted, &raw))
        return STATUS_NOT_FOUND;
    return http_path_decode(raw, arena, out);
}
