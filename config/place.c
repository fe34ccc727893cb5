/* From a byte of a scalar's text back to its place in the file. White space is what YAML folds,
 * strips and indents, so both sides are walked by their other characters: the n-th of the text is
 * the n-th of the source, in any style. */
#include "config/config.h"

struct walk {
    struct slice source;
    size_t at;
    struct config_mark mark;
    char quote; /* the style: `"`, `'`, `|` for both block styles, 0 for plain */
};

static void walk_begin(struct walk *walk, const struct config_node *scalar);
static bool walk_step(struct walk *walk);
static bool step_escape(struct walk *walk);
static void pass(struct walk *walk);

static bool is_white(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
static bool is_continuation(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

struct config_mark config_place(const struct config_node *scalar, size_t offset) {
    struct slice text = scalar->text;
    if (scalar->kind != CONFIG_SCALAR || scalar->source.size == 0)
        return scalar->mark;
    if (offset > text.size)
        offset = text.size;
    while (offset > 0 && offset < text.size && is_continuation(text.bytes[offset]))
        offset--;
    size_t whites = 0, others = 0;
    for (size_t i = 0; i < offset; i++) {
        if (is_white(text.bytes[i])) {
            whites++;
        } else if (!is_continuation(text.bytes[i])) {
            others++;
            whites = 0;
        }
    }
    bool is_on_white = offset == text.size || is_white(text.bytes[offset]);
    struct walk walk;
    walk_begin(&walk, scalar);
    struct config_mark place = walk.mark;
    for (size_t seen = 0; seen < others || !is_on_white;) {
        while (walk.at < walk.source.size && is_white(walk.source.bytes[walk.at]))
            pass(&walk);
        struct config_mark start = walk.mark;
        if (walk.at >= walk.source.size)
            return walk.mark;
        if (!walk_step(&walk))
            continue;
        if (seen == others)
            return start;
        seen++;
        place = walk.mark;
    }
    /* Between two words: as far behind the first as in the text, which is right within a line. */
    place.column += (uint32_t)whites;
    return place;
}

static void walk_begin(struct walk *walk, const struct config_node *scalar) {
    char first = scalar->source.bytes[0];
    *walk = (struct walk){.source = scalar->source, .mark = scalar->mark};
    if (scalar->is_plain)
        return;
    walk->quote = first == '>' ? '|' : first;
    pass(walk);
    while (walk->quote == '|' && walk->at < walk->source.size && walk->mark.column != 1)
        pass(walk); /* the header of a block */
}

/* Passes one character of the source. */
static void pass(struct walk *walk) {
    const char *bytes = walk->source.bytes;
    bool is_break = bytes[walk->at] == '\n' ||
                    (bytes[walk->at] == '\r' &&
                     !(walk->at + 1 < walk->source.size && bytes[walk->at + 1] == '\n'));
    walk->at++;
    while (walk->at < walk->source.size && is_continuation(bytes[walk->at]))
        walk->at++;
    walk->mark.column++;
    if (is_break) {
        walk->mark.line++;
        walk->mark.column = 1;
    }
}

/* Passes what stands for one character of the text. False when that is white space, or nothing. */
static bool walk_step(struct walk *walk) {
    char c = walk->source.bytes[walk->at];
    if (walk->quote == '"' && c == '\\')
        return step_escape(walk);
    pass(walk);
    if (walk->quote == '\'' && c == '\'' && walk->at < walk->source.size)
        pass(walk);
    return true;
}

static bool step_escape(struct walk *walk) {
    pass(walk);
    if (walk->at >= walk->source.size)
        return false;
    char kind = walk->source.bytes[walk->at];
    size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    uint32_t code = 0;
    pass(walk);
    for (size_t i = 0; i < digits && walk->at < walk->source.size; i++) {
        char c = walk->source.bytes[walk->at];
        code = code * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        pass(walk);
    }
    if (digits)
        return !(code == ' ' || code == '\t' || code == '\n' || code == '\r');
    return !(is_white(kind) || kind == 't' || kind == 'n' || kind == 'r');
}
