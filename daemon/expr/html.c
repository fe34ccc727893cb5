/* Escaping for HTML, and which holes of a page stand in a <script> element.
 *
 * The scan follows the tokeniser of the HTML standard (13.2.5) as far as constant text of a careful
 * author goes: tags with quoted attributes, comments, and elements whose text is raw. What it is
 * not sure of counts as "not in a script", where a value is escaped all the more. */
#include "expr/template.h"

static const char *html_entity(char c) {
    switch (c) {
        case '&':
            return "&amp;";
        case '<':
            return "&lt;";
        case '>':
            return "&gt;";
        case '"':
            return "&quot;";
        case '\'':
            return "&#39;";
        default:
            return NULL;
    }
}

enum status html__escape(struct slice text, struct arena *arena, struct slice *out) {
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *entity = html_entity(text.bytes[i]);
        size += entity ? strlen(entity) : 1;
    }
    if (size == text.size) {
        *out = text;
        return STATUS_OK;
    }
    char *to = arena_bytes(arena, size + 1); /* stpcpy() ends with a NUL */
    if (!to)
        return STATUS_NO_MEMORY;
    *out = (struct slice){to, size};
    for (size_t i = 0; i < text.size; i++) {
        const char *entity = html_entity(text.bytes[i]);
        if (entity)
            to = stpcpy(to, entity);
        else
            *to++ = text.bytes[i];
    }
    return STATUS_OK;
}

/* The JSON escape of the character at the start of `rest`, and its size in bytes; NULL: as it is.
 */
static const char *json_escape(struct slice rest, size_t *size) {
    *size = 1;
    switch (rest.bytes[0]) {
        case '<':
            return "\\u003c";
        case '>':
            return "\\u003e";
        case '&':
            return "\\u0026";
        default:
            break;
    }
    *size = 3;
    if (slice_starts_with(rest, SLICE("\xE2\x80\xA8")))
        return "\\u2028";
    if (slice_starts_with(rest, SLICE("\xE2\x80\xA9")))
        return "\\u2029";
    *size = 1;
    return NULL;
}

enum status html__escape_json(struct slice json, struct arena *arena, struct slice *out) {
    size_t size = 0, taken;
    for (size_t i = 0; i < json.size; i += taken) {
        struct slice rest = {json.bytes + i, json.size - i};
        size += json_escape(rest, &taken) ? 6 : 1;
    }
    char *to = arena_bytes(arena, size + 1); /* stpcpy() ends with a NUL */
    if (!to)
        return STATUS_NO_MEMORY;
    *out = (struct slice){to, size};
    for (size_t i = 0; i < json.size; i += taken) {
        struct slice rest = {json.bytes + i, json.size - i};
        const char *escaped = json_escape(rest, &taken);
        if (escaped)
            to = stpcpy(to, escaped);
        else
            *to++ = json.bytes[i];
    }
    return STATUS_OK;
}

/* ---- where the holes stand --------------------------------------------------------------------
 */

enum place { IN_TEXT, IN_TAG, IN_DOUBLE_QUOTES, IN_SINGLE_QUOTES, IN_COMMENT, IN_RAW };
struct reader {
    enum place place;
    const char *element; /* raw element whose tag is open, or whose text this is */
};

static const char *const raw_elements[] = {"script", "style", "textarea", "title"};

static bool starts_with_nocase(struct slice text, const char *start) {
    struct slice head = {text.bytes, strlen(start)};
    return text.size >= head.size && slice_equal_nocase(head, slice_of(start));
}

static bool ends_name(struct slice rest) {
    return rest.size == 0 || strchr(" \t\r\n\f/>", rest.bytes[0]);
}

/* Reads the `<` at the start of `rest` in plain text. */
static size_t open_tag(struct reader *reader, struct slice rest) {
    if (slice_starts_with(rest, SLICE("<!--"))) {
        reader->place = IN_COMMENT;
        return 4;
    }
    char c = rest.size > 1 ? (char)(rest.bytes[1] | 0x20) : 0;
    bool is_end = c == '/' || (rest.size > 1 && rest.bytes[1] == '/');
    bool is_tag = is_end || (c >= 'a' && c <= 'z') || (rest.size > 1 && rest.bytes[1] == '!');
    if (!is_tag)
        return 1;
    reader->place = IN_TAG;
    reader->element = NULL;
    struct slice name = {rest.bytes + 1, rest.size - 1};
    for (size_t i = 0; i < ARRAY_SIZE(raw_elements); i++) {
        size_t size = strlen(raw_elements[i]);
        if (starts_with_nocase(name, raw_elements[i]) &&
            ends_name((struct slice){name.bytes + size, name.size - size}))
            reader->element = raw_elements[i];
    }
    return 1;
}

static void read_in_tag(struct reader *reader, char c) {
    if (c == '"')
        reader->place = IN_DOUBLE_QUOTES;
    else if (c == '\'')
        reader->place = IN_SINGLE_QUOTES;
    else if (c == '>')
        reader->place = reader->element ? IN_RAW : IN_TEXT;
}

static void read_in_raw(struct reader *reader, struct slice rest) {
    if (!slice_starts_with(rest, SLICE("</")))
        return;
    struct slice name = {rest.bytes + 2, rest.size - 2};
    size_t size = strlen(reader->element);
    if (!starts_with_nocase(name, reader->element) ||
        !ends_name((struct slice){name.bytes + size, name.size - size}))
        return;
    reader->place = IN_TAG;
    reader->element = NULL;
}

/* Takes what stands at the start of `rest` and returns its size. */
static size_t read_html(struct reader *reader, struct slice rest) {
    char c = rest.bytes[0];
    switch (reader->place) {
        case IN_TEXT:
            return c == '<' ? open_tag(reader, rest) : 1;
        case IN_TAG:
            read_in_tag(reader, c);
            return 1;
        case IN_DOUBLE_QUOTES:
        case IN_SINGLE_QUOTES:
            if (c == (reader->place == IN_DOUBLE_QUOTES ? '"' : '\''))
                reader->place = IN_TAG;
            return 1;
        case IN_COMMENT:
            if (!slice_starts_with(rest, SLICE("-->")))
                return 1;
            reader->place = IN_TEXT;
            return 3;
        case IN_RAW:
            read_in_raw(reader, rest);
            return 1;
    }
    return 1;
}

void html__mark_scripts(struct part *parts, size_t count) {
    struct reader reader = {.place = IN_TEXT};
    for (size_t p = 0; p < count; p++) {
        struct slice text = parts[p].text;
        parts[p].is_in_script = parts[p].kind != PART_TEXT && reader.place == IN_RAW &&
                                strcmp(reader.element, "script") == 0;
        for (size_t i = 0; parts[p].kind == PART_TEXT && i < text.size;)
            i += read_html(&reader, (struct slice){text.bytes + i, text.size - i});
    }
}
