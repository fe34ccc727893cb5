/* How a log record looks. Whatever a peer sent may stand in a record, so everything that could
 * start a line, steer a terminal or reorder what is shown is escaped: C0 and C1 control characters,
 * DEL, U+2028 and U+2029, the bidirectional overrides, and bytes that are not UTF-8. */
#include "base/log_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log_mask.h"

enum style { STYLE_PLAIN, STYLE_QUOTED, STYLE_JSON };

struct named {
    const char *name;
    struct slice value;
};
enum { PLACE_COUNT = 8 };

void log__text_begin(struct log_text *text) {
    text->bytes = text->first;
    text->size = 0;
    text->capacity = sizeof(text->first);
    text->has_failed = false;
}

void log__text_end(struct log_text *text) {
    if (text->bytes != text->first)
        free(text->bytes);
}

static bool grow(struct log_text *text, size_t needed) {
    size_t capacity = text->capacity;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    bool is_first = text->bytes == text->first;
    char *bytes = realloc(is_first ? NULL : text->bytes, capacity);
    if (!bytes)
        return false;
    if (is_first)
        memcpy(bytes, text->first, text->size);
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void log__text_put(struct log_text *text, struct slice bytes) {
    size_t needed;
    if (text->has_failed || bytes.size == 0)
        return;
    if (!size_add(text->size + 1, bytes.size, &needed) ||
        (needed > text->capacity && !grow(text, needed))) {
        text->has_failed = true;
        return;
    }
    memcpy(text->bytes + text->size, bytes.bytes, bytes.size);
    text->size += bytes.size;
}

void log__text_newline(struct log_text *text) { text->bytes[text->size++] = '\n'; }

static void put(struct log_text *text, const char *literal) {
    log__text_put(text, slice_of(literal));
}

static bool is_printable(unsigned char c) { return c >= 0x20 && c < 0x7f; }

/* The size of the character at the head of `rest` when it may stand as it is, else 0. */
static size_t harmless_size(struct slice rest) {
    const unsigned char *at = (const unsigned char *)rest.bytes;
    size_t size = slice_utf8_size(rest);
    if (size == 1)
        return is_printable(at[0]) ? 1 : 0;
    if (size == 2)
        return at[0] == 0xc2 && at[1] < 0xa0 ? 0 : 2; /* U+0080 .. U+009F */
    if (size == 3 && at[0] == 0xe2) {
        bool is_line_or_bidi = at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae;
        bool is_isolate = at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9;
        return is_line_or_bidi || is_isolate ? 0 : 3;
    }
    return size;
}

static unsigned code_point(const unsigned char *at, size_t size) {
    if (size == 2)
        return (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
    return (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
}

/* Escapes the character or stray byte at the head of `rest`; returns how many bytes that were. */
static size_t put_escape(struct log_text *text, struct slice rest, enum style style) {
    const unsigned char *at = (const unsigned char *)rest.bytes;
    size_t size = slice_utf8_size(rest);
    char escape[8];
    if (at[0] == '\n' || at[0] == '\t' || at[0] == '\r') {
        put(text, at[0] == '\n' ? "\\n" : at[0] == '\t' ? "\\t" : "\\r");
        return 1;
    }
    if (size > 1)
        (void)snprintf(escape, sizeof(escape), "\\u%04x", code_point(at, size)); /* 6 bytes */
    else if (size == 1 && style == STYLE_JSON)
        (void)snprintf(escape, sizeof(escape), "\\u%04x", at[0]); /* 6 bytes */
    else /* JSON has no bytes: there the text of the escape stands for a stray one */
        (void)snprintf(escape, sizeof(escape), style == STYLE_JSON ? "\\\\x%02x" : "\\x%02x",
                       at[0]); /* 5 bytes at most */
    put(text, escape);
    return size > 1 ? size : 1;
}

static bool is_special(char c, enum style style) {
    return style != STYLE_PLAIN && (c == '"' || c == '\\');
}

static void put_unmasked(struct log_text *text, struct slice value, enum style style) {
    size_t at = 0, plain_from = 0;
    while (at < value.size) {
        struct slice rest = {value.bytes + at, value.size - at};
        bool is_quote = is_special(*rest.bytes, style);
        size_t size = is_quote ? 0 : harmless_size(rest);
        if (size > 0) {
            at += size;
            continue;
        }
        log__text_put(text, (struct slice){value.bytes + plain_from, at - plain_from});
        if (is_quote) {
            put(text, *rest.bytes == '"' ? "\\\"" : "\\\\");
            at++;
        } else {
            at += put_escape(text, rest, style);
        }
        plain_from = at;
    }
    log__text_put(text, (struct slice){value.bytes + plain_from, at - plain_from});
}

static void put_escaped(struct log_text *text, struct slice value, enum style style) {
    struct buffer room;
    buffer_init(&room, 0);
    put_unmasked(text, log_mask(value, &room), style);
    buffer_deinit(&room);
}

static void collect_place(const struct log_place *place, struct named out[PLACE_COUNT]) {
    const struct named all[PLACE_COUNT] = {{"task", place->task},       {"run", place->run},
                                           {"step", place->step},       {"at", place->at},
                                           {"session", place->session}, {"server", place->server},
                                           {"client", place->client},   {"error", place->error}};
    memcpy(out, all, sizeof(all));
}

static bool needs_quotes(struct slice value) {
    for (size_t at = 0; at < value.size;) {
        char c = value.bytes[at];
        size_t size = harmless_size((struct slice){value.bytes + at, value.size - at});
        if (size == 0 || c == ' ' || c == '=' || c == '"' || c == '\\')
            return true;
        at += size;
    }
    return value.size == 0;
}

static void put_word(struct log_text *text, struct slice value) {
    bool is_quoted = needs_quotes(value);
    put(text, is_quoted ? "\"" : "");
    put_escaped(text, value, STYLE_QUOTED);
    put(text, is_quoted ? "\"" : "");
}

static void put_pair(struct log_text *text, struct slice name, struct slice value) {
    put(text, " ");
    put_word(text, name);
    put(text, "=");
    put_word(text, value);
}

static void put_record(struct log_text *text, const struct log_record *record) {
    char time[BASE_TEXT_MAX];
    log__text_put(text, time_format(record->wall_ms, time));
    put(text, " ");
    put(text, log_level_text(record->level));
    put(text, " ");
    put_escaped(text, record->message, STYLE_PLAIN);
    if (!record->place)
        return;
    struct named names[PLACE_COUNT];
    collect_place(record->place, names);
    for (size_t i = 0; i < PLACE_COUNT; i++)
        if (names[i].value.size > 0)
            put_pair(text, slice_of(names[i].name), names[i].value);
    for (size_t i = 0; i < record->place->field_count; i++)
        put_pair(text, record->place->fields[i].name, record->place->fields[i].value);
}

static void put_member(struct log_text *text, struct slice name, struct slice value) {
    put(text, "\"");
    put_escaped(text, name, STYLE_JSON);
    put(text, "\":\"");
    put_escaped(text, value, STYLE_JSON);
    put(text, "\"");
}

static void put_json(struct log_text *text, const struct log_record *record) {
    char time[BASE_TEXT_MAX];
    put(text, "{\"time\":\"");
    log__text_put(text, time_format(record->wall_ms, time));
    put(text, "\",\"level\":\"");
    put(text, log_level_text(record->level));
    put(text, "\",");
    put_member(text, SLICE("message"), record->message);
    struct named names[PLACE_COUNT] = {0};
    if (record->place)
        collect_place(record->place, names);
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        if (names[i].value.size == 0)
            continue;
        put(text, ",");
        put_member(text, slice_of(names[i].name), names[i].value);
    }
    size_t field_count = record->place ? record->place->field_count : 0;
    for (size_t i = 0; i < field_count; i++) {
        put(text, i == 0 ? ",\"fields\":{" : ",");
        put_member(text, record->place->fields[i].name, record->place->fields[i].value);
    }
    put(text, field_count > 0 ? "}}" : "}");
}

/* Half a line is no line: without memory a short one that fits into `first` takes its place. */
static bool begin_short(struct log_text *text, const struct log_record *record,
                        struct log_record *out) {
    if (!text->has_failed)
        return false;
    text->has_failed = false;
    text->size = 0;
    *out = (struct log_record){record->level, record->wall_ms,
                               SLICE("out of memory for a line of the log"), NULL};
    return true;
}

void log__write_text(struct log_text *text, const struct log_record *record) {
    struct log_record short_record;
    put_record(text, record);
    if (begin_short(text, record, &short_record))
        put_record(text, &short_record);
}

void log__write_json(struct log_text *text, const struct log_record *record) {
    struct log_record short_record;
    put_json(text, record);
    if (begin_short(text, record, &short_record))
        put_json(text, &short_record);
}
