/* From text to a template: cuts it at its holes, and hands each hole to the look-ups or to Lua. */
#include "expr/template.h"

#include <stdarg.h>
#include <stdio.h>

#include "expr/compile.h"

#define SCRATCH_BYTES 4096

static struct expr_template *compile_condition(struct compile *compile, struct slice text);
static struct expr_template *compile_text(struct compile *compile, struct slice text);

static void report(struct compile *compile, struct expr_problem *problem, const char *format,
                   va_list args) PRINTF_LIKE(3, 0);
static void report(struct compile *compile, struct expr_problem *problem, const char *format,
                   va_list args) {
    vsnprintf(problem->text, sizeof problem->text, format, args);
    problem->offset += compile->base;
    compile->problem(compile->context, problem);
}

void compile__error(struct compile *compile, size_t offset, const char *hint, const char *format,
                    ...) {
    struct expr_problem problem = {.offset = offset};
    snprintf(problem.hint, sizeof problem.hint, "%s", hint ? hint : "");
    va_list args;
    va_start(args, format);
    report(compile, &problem, format, args);
    va_end(args);
    compile->errors++;
}

void compile__warn(struct compile *compile, size_t offset, const char *hint, const char *format,
                   ...) {
    struct expr_problem problem = {.is_warning = true, .offset = offset};
    snprintf(problem.hint, sizeof problem.hint, "%s", hint ? hint : "");
    va_list args;
    va_start(args, format);
    report(compile, &problem, format, args);
    va_end(args);
}

void compile__no_memory(struct compile *compile) {
    compile__error(compile, 0, NULL, "out of memory");
}

void compile__unknown_name(struct compile *compile, struct slice name, size_t offset) {
    if (name__find(compile->names, name).kind == NAME_REFUSED) {
        compile__error(compile, offset, "`bellwire reference` lists what is",
                       "\"" SLICE_FMT "\" is not available in expressions", SLICE_ARG(name));
        return;
    }
    static const char *const nothing[] = {"null", "None", "undefined", "NULL"};
    const char *hint = NULL, *nearest = name__nearest(compile->names, name);
    if (nearest)
        hint = arena_printf(&compile->scratch, "did you mean \"%s\"?", nearest);
    for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
        if (slice_is(name, nothing[i]))
            hint = "what is absent is nil in Lua; null in JSON is json.null";
    compile__error(compile, offset, hint, "unknown name \"" SLICE_FMT "\"", SLICE_ARG(name));
}

const struct expr_template *expr_compile(struct expr_set *set, struct slice text, enum expr_use use,
                                         const struct expr_names *names,
                                         struct expr_report report) {
    struct compile compile = {
        .set = set, .names = names, .problem = report.problem, .context = report.context};
    arena_init(&compile.scratch, SCRATCH_BYTES, 0);
    struct expr_template *tpl =
        use == EXPR_AS_CONDITION ? compile_condition(&compile, text) : compile_text(&compile, text);
    arena_deinit(&compile.scratch);
    return compile.errors ? NULL : tpl;
}

/* ---- holes ------------------------------------------------------------------------------------
 */

/* End of the hole whose `${` stands at `open`: the offset of its `}`, or SIZE_MAX after an error.
 */
static size_t hole_end(struct compile *compile, struct slice text, size_t open) {
    struct lexer lexer;
    lexer__init(&lexer, text, open + 2);
    struct token token;
    for (size_t depth = 0; (token = lexer__next(&lexer)).kind != TOKEN_END;) {
        if (token.kind == TOKEN_OPEN_STRING) {
            compile__error(compile, token.offset, NULL, "this string has no end");
            return SIZE_MAX;
        }
        if (token__is(&token, "{"))
            depth++;
        else if (token__is(&token, "}") && depth-- == 0)
            return token.offset;
    }
    const char *hint = lexer.comment != SIZE_MAX
                           ? "\"--\" begins a comment in Lua, which hides the rest of its line"
                           : "write $${ for a literal ${";
    compile__error(compile, open, hint, "\"${\" without its \"}\"");
    return SIZE_MAX;
}

/* The type of a look-up where its variable always has the same. */
static uint8_t lookup_type(const struct lookup *lookup) {
    return lookup->kind == LOOKUP_VARIABLE && lookup->path.size == 0 ? lookup->variable->type
                                                                     : VALUE_NIL;
}

static uint8_t type_of_guess(enum guess guess) {
    return guess == GUESS_BOOL   ? VALUE_BOOL
           : guess == GUESS_INT  ? VALUE_INT
           : guess == GUESS_TEXT ? VALUE_BYTES
                                 : VALUE_NIL;
}

/* True where the outermost thing of the expression is one call of `function`. */
static bool is_call_of(struct compile *compile, struct slice source, const char *function) {
    if (source.bytes[0] != function[0])
        return false;
    struct token *token = compile__tokens(compile, source);
    if (!token || token[0].kind != TOKEN_NAME || !token__is(&token[1], ".") ||
        token[2].kind != TOKEN_NAME || !token__is(&token[3], "("))
        return false;
    struct slice called = {token->text.bytes, token__end(&token[2]) - token->offset};
    if (!slice_is(called, function))
        return false;
    size_t depth = 0;
    for (token += 3; token->kind != TOKEN_END; token++) {
        if (token__is(token, "("))
            depth++;
        else if (token__is(token, ")") && --depth == 0)
            return token[1].kind == TOKEN_END;
    }
    return false;
}

/* Fills `part` from the source of a hole, which begins at `compile->base`. */
static bool compile_hole(struct compile *compile, struct slice source, struct part *part,
                         enum guess *guess) {
    if (source.size == 0) {
        compile__error(compile, 0, NULL, "there is nothing between the braces");
        return false;
    }
    if (arena_copy(set__arena(compile->set), source, &part->text) != STATUS_OK) {
        compile__no_memory(compile);
        return false;
    }
    part->kind = PART_LOOKUP;
    enum direct direct = compile__direct(compile, source, &part->lookup);
    if (direct == DIRECT_ERROR)
        return false;
    if (direct == DIRECT_YES) {
        *guess = guess__of(lookup_type(&part->lookup));
        return true;
    }
    part->kind = PART_CHUNK;
    part->chunk = compile__chunk(compile, part->text, guess);
    part->is_encoded_json = part->chunk && is_call_of(compile, source, "json.encode");
    part->is_encoded_url = part->chunk && is_call_of(compile, source, "url.encode");
    return part->chunk != NULL;
}

/* ---- conditions
 * --------------------------------------------------------------------------------*/

static bool is_not_boolean(enum guess guess) {
    return guess != GUESS_UNKNOWN && guess != GUESS_BOOL && guess != GUESS_NIL;
}

static void refuse_type(struct compile *compile, struct slice source, enum guess guess) {
    const char *hint = "compare it with something";
    if (guess == GUESS_TEXT)
        hint = arena_printf(&compile->scratch, "write " SLICE_FMT " ~= \"\"", SLICE_ARG(source));
    else if (guess == GUESS_INT || guess == GUESS_NUMBER)
        hint = arena_printf(&compile->scratch, "write " SLICE_FMT " ~= 0", SLICE_ARG(source));
    compile__error(compile, 0, hint, "a condition must be true or false, this is %s",
                   guess__text(guess));
}

static struct expr_template *compile_condition(struct compile *compile, struct slice text) {
    struct slice source = slice_trim(text);
    compile->base = source.size ? (size_t)(source.bytes - text.bytes) : 0;
    if (slice_starts_with(source, SLICE("${"))) {
        size_t end = hole_end(compile, source, 0);
        if (end == SIZE_MAX)
            return NULL;
        if (end + 1 != source.size) {
            compile__error(compile, 0, "leave ${ and } away: A == \"x\" and B ~= \"y\"",
                           "a condition is one expression, not text with expressions in it");
            return NULL;
        }
        source = slice_trim((struct slice){source.bytes + 2, end - 2});
        compile->base = source.size ? (size_t)(source.bytes - text.bytes) : compile->base;
    }
    struct expr_template *tpl = set__alloc(compile->set, sizeof *tpl);
    struct part *part = set__alloc(compile->set, sizeof *part);
    enum guess guess = GUESS_UNKNOWN;
    if (!tpl || !part)
        compile__no_memory(compile);
    else if (compile_hole(compile, source, part, &guess) && is_not_boolean(guess))
        refuse_type(compile, source, guess);
    if (compile->errors)
        return NULL;
    *tpl = (struct expr_template){
        .parts = part, .count = 1, .is_single = true, .is_condition = true, .type = VALUE_BOOL};
    return tpl;
}

/* ---- text
 * --------------------------------------------------------------------------------------*/

struct parts {
    struct part *list;
    size_t count;
    struct slice text; /* the whole, as written */
    enum guess guess;  /* of the last hole */
};

/* Adds text[from, to) with `$${` resolved; nothing when empty. */
static bool add_text(struct compile *compile, struct parts *parts, size_t from, size_t to) {
    if (from == to)
        return true;
    char *bytes = arena_bytes(set__arena(compile->set), to - from);
    if (!bytes) {
        compile__no_memory(compile);
        return false;
    }
    size_t size = 0;
    for (size_t i = from; i < to; i++) {
        struct slice rest = {parts->text.bytes + i, to - i};
        bytes[size++] = parts->text.bytes[i];
        if (slice_starts_with(rest, SLICE("$${")))
            i++;
    }
    parts->list[parts->count++] = (struct part){.kind = PART_TEXT, .text = {bytes, size}};
    return true;
}

/* The next `${` at or behind `at` that is no `$${`, or the end of the text. */
static size_t next_hole(struct slice text, size_t at) {
    for (; at < text.size; at++) {
        struct slice rest = {text.bytes + at, text.size - at};
        if (slice_starts_with(rest, SLICE("${")))
            return at;
        if (slice_starts_with(rest, SLICE("$${")))
            at += 2;
    }
    return text.size;
}

/* An error in one hole does not hide those of the next. */
static bool cut(struct compile *compile, struct parts *parts) {
    for (size_t at = 0; at < parts->text.size;) {
        size_t open = next_hole(parts->text, at);
        if (!add_text(compile, parts, at, open))
            return false;
        if (open == parts->text.size)
            break;
        compile->base = 0;
        size_t end = hole_end(compile, parts->text, open);
        if (end == SIZE_MAX)
            return false;
        struct slice source =
            slice_trim((struct slice){parts->text.bytes + open + 2, end - open - 2});
        compile->base = source.size ? (size_t)(source.bytes - parts->text.bytes) : open;
        struct part part = {.kind = PART_TEXT};
        if (compile_hole(compile, source, &part, &parts->guess))
            parts->list[parts->count++] = part;
        at = end + 1;
    }
    return compile->errors == 0;
}

static size_t count_holes(struct slice text) {
    size_t count = 0;
    for (size_t at = 0; (at = next_hole(text, at)) < text.size; at += 2)
        count++;
    return count;
}

/* Drops white space around a single hole. */
static void settle_single(struct parts *parts) {
    size_t holes = 0, last = 0;
    for (size_t i = 0; i < parts->count; i++) {
        bool is_text = parts->list[i].kind == PART_TEXT;
        if (is_text && slice_trim(parts->list[i].text).size > 0)
            return;
        holes += !is_text;
        last = is_text ? last : i;
    }
    if (holes != 1)
        return;
    parts->list[0] = parts->list[last];
    parts->count = 1;
}

static struct expr_template *compile_text(struct compile *compile, struct slice text) {
    struct parts parts = {.text = text};
    struct expr_template *tpl = set__alloc(compile->set, sizeof *tpl);
    parts.list = set__alloc(compile->set, (2 * count_holes(text) + 1) * sizeof *parts.list);
    if (!tpl || !parts.list) {
        compile__no_memory(compile);
        return NULL;
    }
    if (!cut(compile, &parts))
        return NULL;
    html__mark_scripts(parts.list, parts.count);
    settle_single(&parts);
    *tpl = (struct expr_template){
        .parts = parts.list, .count = (uint32_t)parts.count, .type = VALUE_BYTES};
    bool is_constant = parts.count == 0 || (parts.count == 1 && parts.list[0].kind == PART_TEXT);
    tpl->is_single = parts.count == 1 && !is_constant;
    if (is_constant)
        tpl->constant = parts.count ? parts.list[0].text : SLICE("");
    if (tpl->is_single)
        tpl->type = parts.list[0].kind == PART_LOOKUP ? lookup_type(&parts.list[0].lookup)
                                                      : type_of_guess(parts.guess);
    return tpl;
}

/* ---- what callers may ask
 * ----------------------------------------------------------------------*/

bool expr_is_constant(const struct expr_template *tpl) {
    return tpl->count == 0 || (tpl->count == 1 && tpl->parts[0].kind == PART_TEXT);
}

struct slice expr_constant(const struct expr_template *tpl) {
    return tpl->constant;
}

/* What an expression reads is known to Lua alone. */
bool expr_needs_session(const struct expr_template *tpl) {
    for (uint32_t i = 0; i < tpl->count; i++) {
        const struct part *part = &tpl->parts[i];
        if (part->kind == PART_CHUNK ||
            (part->kind == PART_LOOKUP && part->lookup.kind == LOOKUP_SESSION))
            return true;
    }
    return false;
}

uint8_t expr_type(const struct expr_template *tpl) { return tpl->type; }

size_t expr_parts(const struct expr_template *tpl, struct expr_part *parts, size_t capacity) {
    for (size_t i = 0; i < tpl->count && i < capacity; i++) {
        const struct part *part = &tpl->parts[i];
        parts[i] = (struct expr_part){.is_hole = part->kind != PART_TEXT,
                                      .text = part->text,
                                      .is_encoded_json = part->is_encoded_json,
                                      .is_encoded_url = part->is_encoded_url};
    }
    return tpl->count;
}
