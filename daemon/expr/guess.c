/* Types of expressions as far as they can be seen at load: a small operator-precedence parser over
 * the tokens. What it does not understand is "unknown"; Lua's compiler is the judge of syntax. */
#include "expr/compile.h"

#define GUESS_DEPTH_MAX 100
#define PRIORITY_UNARY  12

struct guesser {
    struct compile *compile;
    const struct token *token; /* the next one */
    struct span *texts;
    int depth;
    bool has_failed;
};
struct operand {
    enum guess guess;
    size_t start, end;
};
struct operator{
    const char *text;
    int left, right; /* priorities of the Lua 5.4 manual, section 3.4.8 */
};
struct call { /* what a helper or a method returns */
    const char *name;
    enum guess guess;
};

static struct operand expression(struct guesser *guesser, int limit);

static const struct operator operators[] = {
    {"or", 1, 1},   {"and", 2, 2}, {"<", 3, 3},   {">", 3, 3},   {"<=", 3, 3},  {">=", 3, 3},
    {"~=", 3, 3},   {"==", 3, 3},  {"|", 4, 4},   {"~", 5, 5},   {"&", 6, 6},   {"<<", 7, 7},
    {">>", 7, 7},   {"..", 9, 8},  {"+", 10, 10}, {"-", 10, 10}, {"*", 11, 11}, {"/", 11, 11},
    {"//", 11, 11}, {"%", 11, 11}, {"^", 14, 13}};
static const struct call calls[] = {
    {"number", GUESS_UNKNOWN},     {"trim", GUESS_TEXT},          {"lower", GUESS_TEXT},
    {"upper", GUESS_TEXT},         {"join", GUESS_TEXT},          {"tostring", GUESS_TEXT},
    {"type", GUESS_TEXT},          {"hmac_sha256", GUESS_TEXT},   {"uuid", GUESS_TEXT},
    {"contains", GUESS_BOOL},      {"starts_with", GUESS_BOOL},   {"equal", GUESS_BOOL},
    {"split", GUESS_TABLE},        {"json.encode", GUESS_TEXT},   {"url.encode", GUESS_TEXT},
    {"url.decode", GUESS_TEXT},    {"html.escape", GUESS_TEXT},   {"base64.encode", GUESS_TEXT},
    {"base64.decode", GUESS_TEXT}, {"hex.encode", GUESS_TEXT},    {"hex.decode", GUESS_TEXT},
    {"hash.sha1", GUESS_TEXT},     {"hash.sha256", GUESS_TEXT},   {"time.format", GUESS_TEXT},
    {"time.now", GUESS_NUMBER},    {"regex.replace", GUESS_TEXT}, {"regex.split", GUESS_TABLE},
    {"json.list", GUESS_TABLE},    {"table.concat", GUESS_TEXT}};
static const struct call methods[] = {
    {"upper", GUESS_TEXT},   {"lower", GUESS_TEXT},  {"sub", GUESS_TEXT}, {"rep", GUESS_TEXT},
    {"reverse", GUESS_TEXT}, {"format", GUESS_TEXT}, {"len", GUESS_INT}};

const char *guess__text(enum guess guess) {
    switch (guess) {
        case GUESS_NIL:
            return "nil";
        case GUESS_BOOL:
            return "true or false";
        case GUESS_INT:
        case GUESS_NUMBER:
            return "a number";
        case GUESS_TEXT:
            return "text";
        case GUESS_TABLE:
            return "a list or map";
        case GUESS_UNKNOWN:
            break;
    }
    return "unknown";
}

enum guess guess__of(uint8_t value_type) {
    switch ((enum value_type)value_type) {
        case VALUE_BOOL:
            return GUESS_BOOL;
        case VALUE_INT:
            return GUESS_INT;
        case VALUE_FLOAT:
            return GUESS_NUMBER;
        case VALUE_BYTES:
            return GUESS_TEXT;
        case VALUE_LIST:
        case VALUE_MAP:
            return GUESS_TABLE;
        case VALUE_NIL:
            break;
    }
    return GUESS_UNKNOWN;
}

static enum guess call_guess(const struct call *list, size_t count, struct slice name) {
    for (size_t i = 0; i < count; i++)
        if (slice_is(name, list[i].name))
            return list[i].guess;
    return GUESS_UNKNOWN;
}

static bool take(struct guesser *guesser, const char *symbol) {
    if (!token__is(guesser->token, symbol))
        return false;
    guesser->token++;
    return true;
}

static void expect(struct guesser *guesser, const char *symbol) {
    if (!take(guesser, symbol))
        guesser->has_failed = true;
}

/* ---- simple expressions
 * ------------------------------------------------------------------------*/

/* The body of a function is not looked into: behind `function`, to behind its `end`. */
static void skip_function(struct guesser *guesser) {
    static const char *const openers[] = {"function", "do", "if", "repeat"};
    for (size_t depth = 1; depth && guesser->token->kind != TOKEN_END; guesser->token++) {
        for (size_t i = 0; i < ARRAY_SIZE(openers); i++)
            depth += token__is(guesser->token, openers[i]);
        depth -= token__is(guesser->token, "end") || token__is(guesser->token, "until");
    }
}

static void expressions(struct guesser *guesser, const char *end) {
    while (!guesser->has_failed && !take(guesser, end)) {
        expression(guesser, 0);
        if (!take(guesser, ",") && !token__is(guesser->token, end))
            guesser->has_failed = true;
    }
}

/* Behind the `{` of a table. */
static void table_fields(struct guesser *guesser) {
    while (!guesser->has_failed && !take(guesser, "}")) {
        if (take(guesser, "[")) {
            expression(guesser, 0);
            expect(guesser, "]");
            expect(guesser, "=");
        } else if (guesser->token->kind == TOKEN_NAME && token__is(&guesser->token[1], "=")) {
            guesser->token += 2;
        }
        expression(guesser, 0);
        if (!take(guesser, ",") && !take(guesser, ";") && !token__is(guesser->token, "}"))
            guesser->has_failed = true;
    }
}

/* (...) "..." {...}: the arguments of a call, if any stand here. */
static bool arguments(struct guesser *guesser) {
    if (take(guesser, "("))
        expressions(guesser, ")");
    else if (take(guesser, "{"))
        table_fields(guesser);
    else if (guesser->token->kind == TOKEN_STRING)
        guesser->token++;
    else
        return false;
    return true;
}

/* What follows a name or a parenthesis; `called` is the name so far, while it is one of dots. */
static enum guess suffixes(struct guesser *guesser, enum guess guess, struct slice called) {
    while (!guesser->has_failed) {
        const struct token *token = guesser->token;
        if (token__is(token, ".") && token[1].kind == TOKEN_NAME) {
            guesser->token += 2;
            if (called.bytes)
                called.size = (size_t)(token[1].text.bytes + token[1].text.size - called.bytes);
            guess = GUESS_UNKNOWN;
        } else if (take(guesser, "[")) {
            expression(guesser, 0);
            expect(guesser, "]");
            called = SLICE_NONE;
            guess = GUESS_UNKNOWN;
        } else if (token__is(token, ":") && token[1].kind == TOKEN_NAME) {
            guesser->token += 2;
            bool is_text = guess == GUESS_TEXT;
            guesser->has_failed |= !arguments(guesser);
            guess =
                is_text ? call_guess(methods, ARRAY_SIZE(methods), token[1].text) : GUESS_UNKNOWN;
            called = SLICE_NONE;
        } else if (arguments(guesser)) {
            guess = called.bytes ? call_guess(calls, ARRAY_SIZE(calls), called) : GUESS_UNKNOWN;
            called = SLICE_NONE;
        } else {
            break;
        }
    }
    return guess;
}

static enum guess named(struct guesser *guesser) {
    struct slice text = guesser->token->text;
    struct name name = name__find(guesser->compile->names, text);
    guesser->token++;
    if (name.kind == NAME_HELPER)
        return suffixes(guesser, GUESS_UNKNOWN, text);
    enum guess guess = GUESS_UNKNOWN;
    if (name.kind == NAME_VARIABLE) {
        guess = guess__of(name.variable->type);
        if (name.variable->argument != EXPR_NO_ARGUMENT && !arguments(guesser))
            guess = GUESS_UNKNOWN;
    }
    return suffixes(guesser, guess, SLICE_NONE);
}

static enum guess number_guess(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return GUESS_NUMBER;
    return GUESS_INT;
}

static enum guess simple(struct guesser *guesser) {
    const struct token *token = guesser->token;
    if (token->kind == TOKEN_NAME)
        return named(guesser);
    guesser->token++;
    if (token->kind == TOKEN_NUMBER)
        return number_guess(token->text);
    if (token->kind == TOKEN_STRING)
        return GUESS_TEXT;
    if (token__is(token, "true") || token__is(token, "false"))
        return GUESS_BOOL;
    if (token__is(token, "nil"))
        return GUESS_NIL;
    if (token__is(token, "{")) {
        table_fields(guesser);
        return GUESS_TABLE;
    }
    if (token__is(token, "function")) {
        skip_function(guesser);
        return GUESS_UNKNOWN;
    }
    if (!token__is(token, "(")) {
        guesser->has_failed = true;
        guesser->token--; /* never past the end */
        return GUESS_UNKNOWN;
    }
    struct operand inner = expression(guesser, 0);
    expect(guesser, ")");
    return suffixes(guesser, inner.guess, SLICE_NONE);
}

/* ---- operators
 * ---------------------------------------------------------------------------------*/

static bool is_number(enum guess guess) { return guess == GUESS_INT || guess == GUESS_NUMBER; }

/* The same for values that can be equal; unknown and nil go with everything. */
static int family_of(enum guess guess) {
    return guess == GUESS_NIL ? GUESS_UNKNOWN : is_number(guess) ? GUESS_NUMBER : (int)guess;
}

static const char *comparison_hint(struct guesser *guesser, const char *source, struct operand left,
                                   struct operand right) {
    struct arena *scratch = &guesser->compile->scratch;
    struct operand text = left.guess == GUESS_TEXT ? left : right;
    if (family_of(left.guess) != GUESS_BOOL && family_of(right.guess) != GUESS_BOOL)
        return arena_printf(scratch, "write number(%.*s) to compare numbers",
                            (int)(text.end - text.start), source + text.start);
    bool is_negated = left.end - left.start > 4 && strncmp(source + left.start, "not", 3) == 0;
    return is_negated ? "\"not\" takes what stands next to it: write not (A == B), or A ~= B"
                      : NULL;
}

static void warn_compared(struct guesser *guesser, const struct token *token, struct operand left,
                          struct operand right) {
    int a = family_of(left.guess), b = family_of(right.guess);
    if (a == b || a == GUESS_UNKNOWN || b == GUESS_UNKNOWN || a == GUESS_TABLE || b == GUESS_TABLE)
        return;
    const char *source = token->text.bytes - token->offset;
    bool is_equality = token__is(token, "==") || token__is(token, "~=");
    compile__warn(guesser->compile, token->offset, comparison_hint(guesser, source, left, right),
                  is_equality ? "%s is never equal to %s" : "%s cannot be compared with %s",
                  guess__text(left.guess), guess__text(right.guess));
}

/* Operands of `..` that may be floats, which Lua would print in its own way. */
static void note_text(struct guesser *guesser, struct operand operand) {
    if (operand.guess == GUESS_TEXT || operand.guess == GUESS_INT || guesser->has_failed)
        return;
    struct span *span = arena_alloc(&guesser->compile->scratch, sizeof *span);
    if (!span) {
        compile__no_memory(guesser->compile);
        return;
    }
    *span = (struct span){.start = operand.start, .end = operand.end, .next = guesser->texts};
    guesser->texts = span;
}

static bool is_always_true(enum guess guess) {
    return guess == GUESS_TEXT || guess == GUESS_TABLE || is_number(guess);
}

static enum guess logical(bool is_and, enum guess left, enum guess right) {
    if (left == right)
        return left;
    if (is_always_true(left))
        return is_and ? right : left;
    if (left == GUESS_NIL)
        return is_and ? left : right;
    return GUESS_UNKNOWN;
}

static enum guess binary(struct guesser *guesser, const struct token *token, struct operand left,
                         struct operand right) {
    if (token__is(token, "and") || token__is(token, "or"))
        return logical(token__is(token, "and"), left.guess, right.guess);
    if (token__is(token, "..")) {
        note_text(guesser, left);
        note_text(guesser, right);
        return GUESS_TEXT;
    }
    if (strchr("<>=~", token->text.bytes[0]) && !slice_is(token->text, "~") &&
        !slice_is(token->text, "<<") && !slice_is(token->text, ">>")) {
        warn_compared(guesser, token, left, right);
        return GUESS_BOOL;
    }
    bool stays_int = token__is(token, "+") || token__is(token, "-") || token__is(token, "*");
    return stays_int && left.guess == GUESS_INT && right.guess == GUESS_INT ? GUESS_INT
                                                                            : GUESS_NUMBER;
}

static const struct operator* operator_here(const struct guesser *guesser) {
    for (size_t i = 0; i < ARRAY_SIZE(operators) && guesser->token->text.size; i++)
        if (guesser->token->text.bytes[0] == operators[i].text[0] &&
            token__is(guesser->token, operators[i].text))
            return &operators[i];
    return NULL;
}

static enum guess unary_or_simple(struct guesser *guesser) {
    if (take(guesser, "not")) {
        expression(guesser, PRIORITY_UNARY);
        return GUESS_BOOL;
    }
    if (take(guesser, "#")) {
        expression(guesser, PRIORITY_UNARY);
        return GUESS_INT;
    }
    if (take(guesser, "-") || take(guesser, "~")) {
        struct operand operand = expression(guesser, PRIORITY_UNARY);
        return operand.guess == GUESS_INT ? GUESS_INT : GUESS_NUMBER;
    }
    return simple(guesser);
}

static struct operand expression(struct guesser *guesser, int limit) {
    struct operand left = {.start = guesser->token->offset};
    if (++guesser->depth > GUESS_DEPTH_MAX)
        guesser->has_failed = true;
    if (!guesser->has_failed) {
        left.guess = unary_or_simple(guesser);
        left.end = guesser->has_failed ? left.start : token__end(&guesser->token[-1]);
    }
    const struct operator* operator;
    while (!guesser->has_failed && (operator= operator_here(guesser)) && operator->left> limit) {
        const struct token *token = guesser->token++;
        struct operand right = expression(guesser, operator->right);
        if (guesser->has_failed)
            break;
        left.guess = binary(guesser, token, left, right);
        left.end = right.end;
    }
    guesser->depth--;
    return left;
}

enum guess compile__guess(struct compile *compile, const struct token *tokens,
                          struct span **texts) {
    struct guesser guesser = {.compile = compile, .token = tokens};
    struct operand whole = expression(&guesser, 0);
    bool is_understood = !guesser.has_failed && guesser.token->kind == TOKEN_END;
    *texts = is_understood ? guesser.texts : NULL;
    return is_understood ? whole.guess : GUESS_UNKNOWN;
}
