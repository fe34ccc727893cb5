/* Where `${...}` may stand in `html`. Escaping protects in text and in quoted attributes, unless
 * the attribute is itself code, style or an address; there, in scripts, styles and comments a value
 * must be encoded for that place, and nowhere may one be a name or part of one.
 *
 * The reader follows the tokeniser of the HTML standard (section 13.2.5) over the constant parts,
 * and in code keeps track of quotes, since what is encoded must not stand in quotes once more. */
#include "actions/http.h"

#include <stdio.h>

#define NAME_MAX_SIZE 32
#define START_MAX     16

enum place {
    IN_TEXT,
    IN_TAG_NAME,
    IN_TAG, /* between attributes */
    IN_NAME,
    BEFORE_VALUE,
    IN_QUOTES,
    IN_BARE_VALUE,
    IN_COMMENT,
    IN_RAW /* text of <script>, <style> ... */
};
struct code { /* JavaScript and CSS, as far as quotes and comments go */
    char quote;
    enum { IN_CODE, IN_LINE_COMMENT, IN_BLOCK_COMMENT } state;
    char before; /* the last character; 0 where it does not count */
};
struct reader {
    enum place place;
    char quote; /* of the attribute */
    bool is_end_tag;
    char tag[NAME_MAX_SIZE + 1], name[NAME_MAX_SIZE + 1]; /* lower case, cut */
    char start[START_MAX + 1];                            /* of the value, without white space */
    bool has_value;
    struct code code;
};

static const char *const raw_elements[] = {"script",  "style",    "iframe",   "xmp",
                                           "noembed", "noframes", "noscript", "plaintext"};
static const char *const plain_elements[] = {"textarea", "title"};
static const char *const addresses[] = {"href", "src"};
/* These too run what begins with `javascript:`, so a value must not decide how they begin. */
static const char *const open_addresses[] = {"action", "formaction", "data", "xlink:href"};

static bool is_one_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_space(char c) { return c && strchr(" \t\r\n\f", c); }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

static void append(char *text, size_t room, char c) {
    size_t size = strlen(text);
    if (size < room) {
        text[size] = lower(c);
        text[size + 1] = '\0';
    }
}

/* ---- code ---------------------------------------------------------------------------------------
 */

static void read_code(struct code *code, char c) {
    char before = code->before;
    code->before = c;
    if (code->state == IN_LINE_COMMENT) {
        if (c == '\n')
            code->state = IN_CODE;
    } else if (code->state == IN_BLOCK_COMMENT) {
        if (before == '*' && c == '/')
            *code = (struct code){0};
    } else if (code->quote) {
        if (before == '\\')
            code->before = 0; /* escaped, whatever it is */
        else if (c == code->quote || (c == '\n' && code->quote != '`'))
            *code = (struct code){0};
    } else if (before == '/' && (c == '/' || c == '*')) {
        code->state = c == '/' ? IN_LINE_COMMENT : IN_BLOCK_COMMENT;
        code->before = 0;
    } else if (c == '"' || c == '\'' || c == '`') {
        code->quote = c;
    }
}

/* ---- HTML ---------------------------------------------------------------------------------------
 */

static void leave_tag(struct reader *reader) {
    bool is_raw =
        !reader->is_end_tag && (is_one_of(reader->tag, raw_elements, ARRAY_SIZE(raw_elements)) ||
                                is_one_of(reader->tag, plain_elements, ARRAY_SIZE(plain_elements)));
    reader->place = is_raw ? IN_RAW : IN_TEXT;
    reader->code = (struct code){0};
}

/* At `<` in text: how many bytes it takes. */
static size_t open_tag(struct reader *reader, struct slice rest) {
    if (slice_starts_with(rest, SLICE("<!--"))) {
        reader->place = IN_COMMENT;
        return 4;
    }
    bool is_end = slice_starts_with(rest, SLICE("</"));
    char c = rest.size > 1u + is_end ? lower(rest.bytes[1 + is_end]) : 0;
    bool is_odd = rest.size > 1 && (rest.bytes[1] == '!' || rest.bytes[1] == '?');
    /* A `<` that a hole follows may begin a tag: the hole is its name. */
    if (!is_odd && !is_end && rest.size > 1 && (c < 'a' || c > 'z'))
        return 1;
    reader->place = IN_TAG_NAME;
    reader->is_end_tag = is_end;
    reader->tag[0] = '\0';
    return 1u + is_end;
}

static void open_name(struct reader *reader, char c) {
    reader->place = IN_NAME;
    reader->name[0] = '\0';
    append(reader->name, NAME_MAX_SIZE, c);
}

static void read_tag_name(struct reader *reader, char c) {
    if (c == '>')
        leave_tag(reader);
    else if (is_space(c) || c == '/')
        reader->place = IN_TAG;
    else
        append(reader->tag, NAME_MAX_SIZE, c);
}

static void read_between(struct reader *reader, char c) {
    if (c == '>')
        leave_tag(reader);
    else if (c == '=' && reader->name[0])
        reader->place = BEFORE_VALUE; /* white space may stand before it */
    else if (!is_space(c) && c != '/')
        open_name(reader, c);
}

static void read_name(struct reader *reader, char c) {
    if (c == '>')
        leave_tag(reader);
    else if (c == '=')
        reader->place = BEFORE_VALUE;
    else if (is_space(c) || c == '/')
        reader->place = IN_TAG;
    else
        append(reader->name, NAME_MAX_SIZE, c);
}

static void read_value(struct reader *reader, char c) {
    if (!is_space(c))
        append(reader->start, START_MAX, c);
    reader->has_value = true;
    read_code(&reader->code, c);
}

static void read_before_value(struct reader *reader, char c) {
    if (is_space(c))
        return;
    reader->start[0] = '\0';
    reader->has_value = false;
    reader->code = (struct code){0};
    if (c == '>') {
        leave_tag(reader);
    } else if (c == '"' || c == '\'') {
        reader->place = IN_QUOTES;
        reader->quote = c;
    } else {
        reader->place = IN_BARE_VALUE;
        read_value(reader, c);
    }
}

static void end_value(struct reader *reader) {
    reader->place = IN_TAG;
    reader->name[0] = '\0';
}

static size_t read_raw(struct reader *reader, struct slice rest) {
    size_t size = strlen(reader->tag);
    bool ends = slice_starts_with(rest, SLICE("</")) && rest.size >= size + 2 &&
                slice_equal_nocase((struct slice){rest.bytes + 2, size}, slice_of(reader->tag)) &&
                (rest.size == size + 2 || strchr(" \t\r\n\f/>", rest.bytes[size + 2]));
    if (!ends) {
        read_code(&reader->code, rest.bytes[0]);
        return 1;
    }
    reader->place = IN_TAG;
    reader->is_end_tag = true;
    return size + 2;
}

/* Takes what stands at the start of `rest`, at least one byte; how many they were. */
static size_t read_one(struct reader *reader, struct slice rest) {
    char c = rest.bytes[0];
    switch (reader->place) {
        case IN_TEXT:
            return c == '<' ? open_tag(reader, rest) : 1;
        case IN_TAG_NAME:
            read_tag_name(reader, c);
            return 1;
        case IN_TAG:
            read_between(reader, c);
            return 1;
        case IN_NAME:
            read_name(reader, c);
            return 1;
        case BEFORE_VALUE:
            read_before_value(reader, c);
            return 1;
        case IN_QUOTES:
            if (c == reader->quote)
                end_value(reader);
            else
                read_value(reader, c);
            return 1;
        case IN_BARE_VALUE:
            if (c == '>')
                leave_tag(reader);
            else if (is_space(c))
                end_value(reader);
            else
                read_value(reader, c);
            return 1;
        case IN_COMMENT:
            if (!slice_starts_with(rest, SLICE("-->")) && !slice_starts_with(rest, SLICE("--!>")))
                return 1;
            reader->place = IN_TEXT;
            return rest.bytes[2] == '!' ? 4 : 3;
        case IN_RAW:
            return read_raw(reader, rest);
    }
    return 1;
}

/* ---- the holes ----------------------------------------------------------------------------------
 */

enum rule { FREE, ENCODED, URL_ONLY, NEVER };

/* Encoded values are whole literals of the language around them: not in its quotes. */
static enum rule in_code(const struct reader *reader) {
    return reader->code.quote ? URL_ONLY : ENCODED;
}

static enum rule in_attribute(const struct reader *reader) {
    const char *name = reader->name;
    if (strncmp(reader->start, "javascript:", 11) == 0 || strcmp(name, "srcdoc") == 0)
        return NEVER; /* decoded once more before it is run */
    if (reader->place != IN_QUOTES)
        return URL_ONLY;
    if (strncmp(name, "on", 2) == 0 || strcmp(name, "style") == 0)
        return in_code(reader);
    if (is_one_of(name, addresses, ARRAY_SIZE(addresses)) ||
        (!reader->has_value && is_one_of(name, open_addresses, ARRAY_SIZE(open_addresses))))
        return ENCODED;
    return FREE;
}

/* What holds for a hole here; `where` says what the place is. */
static enum rule rule_of(const struct reader *reader, char *where, size_t room) {
    switch (reader->place) {
        case IN_TEXT:
            return FREE;
        case IN_TAG_NAME:
            snprintf(where, room, "in the name of a tag");
            return NEVER;
        case IN_TAG:
        case IN_NAME:
            snprintf(where, room, "among the attributes of <%s>", reader->tag);
            return NEVER;
        case BEFORE_VALUE:
        case IN_BARE_VALUE:
            snprintf(where, room, "in the unquoted attribute \"%s\" of <%s>", reader->name,
                     reader->tag);
            return in_attribute(reader);
        case IN_QUOTES:
            snprintf(where, room, "in the attribute \"%s\" of <%s>", reader->name, reader->tag);
            return in_attribute(reader);
        case IN_COMMENT:
            snprintf(where, room, "in a comment");
            return ENCODED;
        case IN_RAW:
            snprintf(where, room, "in <%s>", reader->tag);
            if (is_one_of(reader->tag, plain_elements, ARRAY_SIZE(plain_elements)))
                return FREE;
            return strcmp(reader->tag, "script") == 0 ? in_code(reader) : URL_ONLY;
    }
    return NEVER;
}

static bool check_hole(struct prepare *prepare, size_t offset, const struct reader *reader,
                       const struct expr_part *part) {
    char where[160] = "";
    enum rule rule = rule_of(reader, where, sizeof where);
    bool is_good = rule == FREE || (rule != NEVER && part->is_encoded_url) ||
                   (rule == ENCODED && part->is_encoded_json);
    if (is_good)
        return true;
    prepare_error(prepare, offset,
                  "\"html\" must not hold ${" SLICE_FMT "} %s, where escaping does not protect",
                  SLICE_ARG(part->text), where);
    if (rule == NEVER)
        return prepare_hint(prepare, "values may stand in text and in quoted attributes");
    return prepare_hint(prepare, rule == ENCODED
                                     ? "there only ${json.encode(...)} or ${url.encode(...)}"
                                     : "there only ${url.encode(...)}");
}

/* What a hole leaves behind it: some text that is no white space and no quote. */
static void pass_hole(struct reader *reader) {
    if (reader->place == BEFORE_VALUE)
        read_before_value(reader, 'x');
    else if (reader->place == IN_QUOTES || reader->place == IN_BARE_VALUE)
        read_value(reader, 'x');
    else if (reader->place == IN_RAW)
        read_code(&reader->code, 'x');
}

bool html__check(struct prepare *prepare, size_t offset, const struct expr_template *tpl) {
    struct reader reader = {.place = IN_TEXT};
    size_t count = expr_parts(tpl, NULL, 0);
    struct expr_part *parts = arena_alloc(prepare_arena(prepare), (count + 1) * sizeof *parts);
    bool is_good = true;
    if (!parts)
        return prepare_error(prepare, offset, "out of memory");
    expr_parts(tpl, parts, count);
    for (size_t p = 0; p < count; p++) {
        struct slice rest = parts[p].text;
        if (parts[p].is_hole) {
            is_good = check_hole(prepare, offset, &reader, &parts[p]) && is_good;
            pass_hole(&reader);
            continue;
        }
        while (rest.size) {
            size_t taken = read_one(&reader, rest);
            rest.bytes += taken;
            rest.size -= taken;
        }
    }
    return is_good;
}
