/* libyaml's complaints in our words. What it says is where its grammar broke; what people want to
 * know is which of a few usual slips did it, and that is read from the text around the place. */
#include "config/diag.h"
#include "config/parse.h"

struct slip {
    struct source *source;
    struct config_diag *diag;
    struct config_mark mark, context;
    struct slice text;   /* of the file */
    size_t at, opened;   /* bytes: of the problem, of what it stands in */
    struct slice line;   /* of the problem */
    size_t column_bytes; /* from the line's begin to the problem */
};
struct complaint {
    const char *problem; /* begin of libyaml's sentence */
    void (*tell)(const struct slip *slip);
};

static void tell_bad_start(const struct slip *slip);
static void tell_no_mapping(const struct slip *slip);
static void tell_no_list(const struct slip *slip);
static void tell_no_question(const struct slip *slip);
static void tell_no_colon(const struct slip *slip);
static void tell_bad_name(const struct slip *slip);
static void tell_bad_block(const struct slip *slip);
static void tell_bad_escape(const struct slip *slip);
static void tell_bad_digits(const struct slip *slip);
static void tell_bad_code(const struct slip *slip);
static void tell_open_quote(const struct slip *slip);
static void tell_tab(const struct slip *slip);
static void tell_stray(const struct slip *slip);
static void tell_behind(const struct slip *slip, char last);
static void tell_behind_alias(const struct slip *slip);
static void tell_open_flow(const struct slip *slip);
static void tell_no_value(const struct slip *slip);
static void tell_bad_tag(const struct slip *slip);

static const struct complaint complaints[] = {
    {"found character that cannot start any token", tell_bad_start},
    {"mapping values are not allowed", tell_no_mapping},
    {"block sequence entries are not allowed", tell_no_list},
    {"mapping keys are not allowed", tell_no_question},
    {"could not find expected ':'", tell_no_colon},
    {"did not find expected alphabetic", tell_bad_name},
    {"did not find expected comment or line break", tell_bad_block},
    {"found an indentation indicator", tell_bad_block},
    {"found unknown escape character", tell_bad_escape},
    {"did not find expected hexdecimal", tell_bad_digits},
    {"found invalid Unicode", tell_bad_code},
    {"found unexpected end of stream", tell_open_quote},
    {"found unexpected document indicator", tell_open_quote},
    {"found a tab character", tell_tab},
    {"did not find expected key", tell_stray},
    {"did not find expected '-'", tell_stray},
    {"did not find expected <document start>", tell_stray},
    {"did not find expected ',' or", tell_open_flow},
    {"did not find expected node content", tell_no_value},
    {"did not find expected whitespace or line break", tell_bad_tag},
    {"did not find expected '!'", tell_bad_tag},
    {"did not find expected tag", tell_bad_tag},
    {"did not find the expected '>'", tell_bad_tag},
    {"found undefined tag handle", tell_bad_tag},
};

void yaml_error_report(const yaml_parser_t *parser, struct source *source,
                       struct config_diag *diag) {
    struct slip slip = {.source = source, .diag = diag, .text = source->text};
    slip.mark = source_mark(source, parser->problem_mark.index);
    slip.at = source_byte(source, parser->problem_mark.index);
    slip.context = slip.mark;
    slip.opened = slip.at;
    if (parser->context) {
        slip.context = source_mark(source, parser->context_mark.index);
        slip.opened = source_byte(source, parser->context_mark.index);
    }
    slip.line = source_line_at(source, slip.at);
    slip.column_bytes = slip.at - (size_t)(slip.line.bytes - source->text.bytes);
    struct slice problem = slice_of(parser->problem);
    for (size_t i = 0; i < ARRAY_SIZE(complaints); i++) {
        if (slice_starts_with(problem, slice_of(complaints[i].problem))) {
            complaints[i].tell(&slip);
            return;
        }
    }
    config_error(diag, slip.mark, "the YAML breaks its grammar: " SLICE_FMT, SLICE_ARG(problem));
}

/* ---- what stands around the place ----------------------------------------------------------- */

static char char_at(const struct slip *slip, size_t at) {
    return at < slip->text.size ? slip->text.bytes[at] : '\n';
}

static bool is_break(char c) { return c == '\n' || c == '\r'; }
static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The whole character at byte `at`, for quoting. */
static struct slice character_at(const struct slip *slip, size_t at) {
    size_t end = at;
    do
        end++;
    while (end < slip->text.size && ((unsigned char)slip->text.bytes[end] & 0xc0) == 0x80);
    return (struct slice){slip->text.bytes + at, at < slip->text.size ? end - at : 0};
}

/* What stands before the problem on its line, without blanks around it. */
static struct slice before(const struct slip *slip) {
    return slice_trim((struct slice){slip->line.bytes, slip->column_bytes});
}

/* The word at byte `at`, to its blank or line break. */
static struct slice word_at(const struct slip *slip, size_t at) {
    size_t end = at;
    while (end < slip->text.size && !is_blank(slip->text.bytes[end]) &&
           !is_break(slip->text.bytes[end]))
        end++;
    return (struct slice){slip->text.bytes + at, end - at};
}

static bool is_tab_indented(struct slice line) {
    for (size_t i = 0; i < line.size && is_blank(line.bytes[i]); i++)
        if (line.bytes[i] == '\t')
            return true;
    return false;
}

static bool is_item(const struct slip *slip) {
    char next = char_at(slip, slip->at + 1);
    return char_at(slip, slip->at) == '-' && (is_blank(next) || is_break(next));
}

/* The last word of `head` begins with `*`. */
static bool is_behind_alias(struct slice head) {
    size_t start = head.size;
    while (start > 0 && !is_blank(head.bytes[start - 1]))
        start--;
    return start < head.size && head.bytes[start] == '*';
}

/* The nearest line above that is not blank. */
static struct slice line_above(const struct slip *slip) {
    size_t at = (size_t)(slip->line.bytes - slip->text.bytes);
    while (at > 0) {
        struct slice line = source_line_at(slip->source, at - 1);
        if (slice_trim(line).size > 0)
            return line;
        at = (size_t)(line.bytes - slip->text.bytes);
    }
    return SLICE_NONE;
}

static size_t indent_of(struct slice line) {
    size_t indent = 0;
    while (indent < line.size && line.bytes[indent] == ' ')
        indent++;
    return indent;
}

/* ---- one function a complaint ---------------------------------------------------------------- */

static void tell_bad_start(const struct slip *slip) {
    if (char_at(slip, slip->at) == '\t') {
        tell_tab(slip);
        return;
    }
    struct config__quote word = config__quote(word_at(slip, slip->at));
    config_error(slip->diag, slip->mark, "\"" SLICE_FMT "\" must not begin a value, found \"%s\"",
                 SLICE_ARG(character_at(slip, slip->at)), word.text);
    config_hint(slip->diag, "a text that begins with @, `, %% or * wants quotes around all of it");
}

static void tell_tab(const struct slip *slip) {
    config_error(slip->diag, slip->mark, "lines must be indented with spaces, found a tab");
    config_hint(slip->diag, "put spaces in place of the tab");
}

static void tell_no_mapping(const struct slip *slip) {
    config_error(slip->diag, slip->mark, "\": \" must not stand inside a value");
    struct slice head = before(slip);
    bool has_key = slice_contains(head, SLICE(": "));
    if (is_tab_indented(slip->line))
        config_hint(slip->diag, "put spaces in place of the tab at the begin of the line");
    else if (slice_contains(head, SLICE("${")))
        config_hint(slip->diag, "a ${...} that holds \": \" wants quotes around the whole value");
    else if (has_key)
        config_hint(slip->diag, "put the value in quotes");
    else if (indent_of(slip->line) <= indent_of(line_above(slip)))
        config_hint(slip->diag, "in the line above, a key needs a \":\" and a space behind it");
    else
        config_hint(slip->diag, "the line is indented deeper than the keys above it; give it "
                                "their column, or put the value above it in quotes");
}

static void tell_no_list(const struct slip *slip) {
    config_error(slip->diag, slip->mark, "\"- \" must not begin a list behind a key on its line");
    config_hint(slip->diag, "begin the list on the next line, or put a text in quotes");
}

static void tell_no_question(const struct slip *slip) {
    config_error(slip->diag, slip->mark, "\"? \" must not begin a value");
    config_hint(slip->diag, "a text that begins with \"? \" wants quotes");
}

static void tell_no_colon(const struct slip *slip) {
    struct slice line = slice_trim(source_line_at(slip->source, slip->opened));
    config_error(slip->diag, slip->context,
                 "a key needs a \":\" and a space behind it, found \"%s\"",
                 config__quote(line).text);
    if (is_tab_indented(source_line_at(slip->source, slip->opened)))
        config_hint(slip->diag, "put spaces in place of the tab at the begin of the line");
    else if (line.size > 0 && (line.bytes[0] == '"' || line.bytes[0] == '\''))
        config_hint(slip->diag, "a quoted text of several lines ends with the quote it began with");
    else
        config_hint(slip->diag, "further lines of a text are indented deeper than its key");
}

static void tell_bad_name(const struct slip *slip) {
    struct config__quote word = config__quote(word_at(slip, slip->opened));
    char first = char_at(slip, slip->opened);
    if (first == '&')
        config_error(slip->diag, slip->context, "\"&\" begins the name of an anchor, found \"%s\"",
                     word.text);
    else
        config_error(slip->diag, slip->context, "\"*\" begins the name of an alias, found \"%s\"",
                     word.text);
    config_hint(slip->diag, "a text that begins with \"%c\" wants quotes",
                first == '&' ? '&' : '*');
}

static void tell_bad_block(const struct slip *slip) {
    char first = char_at(slip, slip->opened);
    if (first != '|' && first != '>') {
        config_error(slip->diag, slip->mark, "a line that begins with \"%%\" is a directive");
        config_hint(slip->diag, "a text that begins with \"%%\" wants quotes");
        return;
    }
    config_error(slip->diag, slip->context,
                 "\"%c\" begins a text on the next lines, found \"%s\" behind it", first,
                 config__quote(word_at(slip, slip->at)).text);
    config_hint(slip->diag, "a text that begins with \"%c\" wants quotes", first);
}

static void tell_bad_escape(const struct slip *slip) {
    struct slice escaped = character_at(slip, slip->at + 1);
    config_error(slip->diag, slip->mark,
                 "\"\\%s\" must not stand in double quotes, where it is no escape",
                 config__quote(escaped).text);
    config_hint(slip->diag, "use single quotes, or write the backslash twice");
}

static void tell_bad_digits(const struct slip *slip) {
    config_error(slip->diag, slip->mark,
                 "\"\\x\" in double quotes needs 2 hexadecimal digits, \"\\u\" 4, \"\\U\" 8");
    config_hint(slip->diag, "use single quotes, or write the backslash twice");
}

static void tell_bad_code(const struct slip *slip) {
    config_error(slip->diag, slip->mark, "an escape must name a character of Unicode");
    config_hint(slip->diag, "use single quotes, or write the backslash twice");
}

static void tell_open_quote(const struct slip *slip) {
    char quote = char_at(slip, slip->opened);
    if (quote != '"' && quote != '\'') {
        config_error(slip->diag, slip->mark,
                     "a value must be complete, found the file's end in it");
        return;
    }
    config_error(slip->diag, slip->context,
                 "a text in %s quotes must be closed, found the file's end",
                 quote == '"' ? "double" : "single");
    if (quote == '\'')
        config_hint(slip->diag, "inside single quotes an apostrophe is written twice");
    else
        config_hint(slip->diag, "inside double quotes a quote is written \\\"");
}

/* Something that neither goes on with nor ends the mapping, list or document it stands in. */
static void tell_stray(const struct slip *slip) {
    struct slice head = before(slip);
    char last = head.size ? head.bytes[head.size - 1] : '\0';
    if (is_tab_indented(slip->line))
        tell_tab(slip);
    else if (last == '"' || last == '\'' || last == '}' || last == ']')
        tell_behind(slip, last);
    else if (is_behind_alias(head))
        tell_behind_alias(slip);
    else if (is_item(slip)) {
        config_error(slip->diag, slip->mark, "\"- \" stands in a column where no list is open");
        config_hint(slip->diag, "the steps of one list begin in the same column, below their key");
    } else {
        config_error(slip->diag, slip->mark,
                     "a key must stand in the column of the keys above it, found \"%s\"",
                     config__quote(word_at(slip, slip->at)).text);
        config_hint(slip->diag, "indent the keys of one mapping alike, and steps with \"- \"");
    }
}

/* The value ended with `last`, and goes on: `"a" b`, `{name}/x`, `'it's'`. */
static void tell_behind(const struct slip *slip, char last) {
    struct config__quote word = config__quote(word_at(slip, slip->at));
    if (last == '"' || last == '\'')
        config_error(slip->diag, slip->mark,
                     "a value must end with its closing quote, found \"%s\" behind it", word.text);
    else
        config_error(slip->diag, slip->mark,
                     "a value must end with its closing \"%c\", found \"%s\" behind it", last,
                     word.text);
    if (last == '"')
        config_hint(slip->diag, "put all of the value in quotes, and \\\" for each one inside");
    else if (last == '\'')
        config_hint(slip->diag, "inside single quotes an apostrophe is written twice");
    else
        config_hint(slip->diag, "a text that begins with \"%c\" wants quotes",
                    last == '}' ? '{' : '[');
}

/* The value began as an alias: `*bold text`. Nothing more is told where the alias was refused. */
static void tell_behind_alias(const struct slip *slip) {
    const struct config_diag *diag = slip->diag;
    if (diag->is_last_kept && diag->messages[diag->count - 1].mark.line == slip->mark.line)
        return;
    config_error(slip->diag, slip->mark, "an alias must stand alone, found \"%s\" behind it",
                 config__quote(word_at(slip, slip->at)).text);
    config_hint(slip->diag, "a text that begins with \"*\" wants quotes");
}

static void tell_open_flow(const struct slip *slip) {
    char open = char_at(slip, slip->opened), here = char_at(slip, slip->at);
    bool is_template = here == '{' && slip->at > 0 && char_at(slip, slip->at - 1) == '$';
    struct slice between = {slip->text.bytes + slip->opened, slip->at - slip->opened};
    if (is_template) {
        config_error(slip->diag, slip->mark, "\"${\" must be in quotes inside \"%s\"",
                     open == '{' ? "{...}" : "[...]");
        config_hint(slip->diag, "write \"${...}\" with double quotes around it");
        return;
    }
    config_error(slip->diag, slip->context, "\"%c\" must be closed by a \"%c\"", open,
                 open == '{' ? '}' : ']');
    if (slice_contains(between, SLICE("${")))
        config_hint(slip->diag, "a ${...} inside %s wants quotes", open == '{' ? "{...}" : "[...]");
    else
        config_hint(slip->diag, "a text that begins with \"%c\" wants quotes", open);
}

static void tell_no_value(const struct slip *slip) {
    struct slice here = character_at(slip, slip->at);
    config_error(slip->diag, slip->mark, "a value is missing before \"%s\"",
                 here.size && !is_break(here.bytes[0]) ? config__quote(here).text
                                                       : "the line's end");
    config_hint(slip->diag, "a text that begins with one of , ] } wants quotes");
}

static void tell_bad_tag(const struct slip *slip) {
    config_error(slip->diag, slip->context, "a value must have no tag, found \"%s\"",
                 config__quote(word_at(slip, slip->opened)).text);
    config_hint(slip->diag, "a text that begins with \"!\" wants quotes");
}
