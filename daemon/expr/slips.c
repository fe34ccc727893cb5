/* Slips of people who know other languages, found before Lua's compiler, whose messages would not
 * help them; and variables used in a way that cannot be meant. */
#include "expr/compile.h"

struct foreign {
    const char *symbol, *lua;
};
static const struct foreign foreign_symbols[] = {
    {"!=", "~="}, {"===", "=="}, {"&&", "and"}, {"||", "or"}, {"!", "not "}};

struct token *compile__tokens(struct compile *compile, struct slice source) {
    size_t capacity = source.size + 4; /* some ends more: looking ahead needs no check */
    struct token *tokens = arena_alloc(&compile->scratch, capacity * sizeof *tokens);
    if (!tokens) {
        compile__no_memory(compile);
        return NULL;
    }
    struct lexer lexer;
    lexer__init(&lexer, source, 0);
    size_t count = 0;
    do
        tokens[count] = lexer__next(&lexer);
    while (tokens[count++].kind != TOKEN_END);
    for (size_t i = 0; i < 3; i++)
        tokens[count + i] = tokens[count - 1];
    return tokens;
}

static const char *lua_for(const struct token *token) {
    for (size_t i = 0; token->kind == TOKEN_SYMBOL && i < ARRAY_SIZE(foreign_symbols); i++)
        if (slice_is(token->text, foreign_symbols[i].symbol))
            return foreign_symbols[i].lua;
    return NULL;
}

/* The whole expression as Lua writes it; `equals` is what a single = becomes. NULL without memory.
 */
static const char *as_lua(struct compile *compile, struct slice source, const struct token *tokens,
                          const char *equals) {
    const char *text = "write ";
    size_t at = 0;
    for (; tokens->kind != TOKEN_END && text; tokens++) {
        const char *lua = token__is(tokens, "=") ? equals : lua_for(tokens);
        if (!lua)
            continue;
        text = arena_printf(&compile->scratch, "%s%.*s%s", text, (int)(tokens->offset - at),
                            source.bytes + at, lua);
        at = token__end(tokens);
    }
    return text ? arena_printf(&compile->scratch, "%s%.*s", text, (int)(source.size - at),
                               source.bytes + at)
                : NULL;
}

/* a ? b : c */
static const char *without_question(struct compile *compile, struct slice source, size_t question) {
    struct slice rest = {source.bytes + question + 1, source.size - question - 1};
    const char *colon = memchr(rest.bytes, ':', rest.size);
    if (!colon)
        return "write CONDITION and A or B";
    struct slice first = slice_trim((struct slice){source.bytes, question});
    struct slice second = slice_trim((struct slice){rest.bytes, (size_t)(colon - rest.bytes)});
    struct slice third =
        slice_trim((struct slice){colon + 1, rest.size - (size_t)(colon + 1 - rest.bytes)});
    return arena_printf(&compile->scratch, "write " SLICE_FMT " and " SLICE_FMT " or " SLICE_FMT,
                        SLICE_ARG(first), SLICE_ARG(second), SLICE_ARG(third));
}

static bool check_symbols(struct compile *compile, struct slice source,
                          const struct token *tokens) {
    size_t braces = 0;
    bool has_function = false; /* in a function a single = is an assignment */
    for (const struct token *token = tokens; token->kind != TOKEN_END; token++) {
        braces += token__is(token, "{");
        braces -= braces && token__is(token, "}");
        has_function |= token__is(token, "function");
        if (token->kind == TOKEN_OTHER && slice_is(token->text, "$"))
            compile__error(compile, token->offset, "inside an expression names stand as they are",
                           "\"$\" is no part of Lua");
        else if (token__is(token, "?"))
            compile__error(compile, token->offset, without_question(compile, source, token->offset),
                           "\"?:\" is no part of Lua");
        else if (lua_for(token))
            compile__error(compile, token->offset, as_lua(compile, source, tokens, NULL),
                           "\"" SLICE_FMT "\" is no part of Lua", SLICE_ARG(token->text));
        else if (token__is(token, "=") && !braces && !has_function)
            compile__error(compile, token->offset, as_lua(compile, source, tokens, "=="),
                           "a single \"=\" compares nothing");
        else
            continue;
        return false;
    }
    return true;
}

static bool touches_name(const struct token *token) {
    return (token->kind == TOKEN_NAME || token->kind == TOKEN_WORD) && !token->is_after_space;
}

/* a.b-c: a member with a dash to those who wrote it, a subtraction to Lua. */
static bool check_dash(struct compile *compile, struct slice source, const struct token *tokens) {
    for (size_t i = 0; tokens[i].kind != TOKEN_END; i++) {
        bool is_member = i > 1 && tokens[i].kind == TOKEN_NAME && token__is(&tokens[i - 1], ".");
        if (!is_member || !token__is(&tokens[i + 1], "-") || tokens[i + 1].is_after_space ||
            !touches_name(&tokens[i + 2]) || token__is(&tokens[i + 3], "("))
            continue;
        size_t root = i, end = i + 2;
        while (root >= 2 && token__is(&tokens[root - 1], ".") &&
               tokens[root - 2].kind == TOKEN_NAME)
            root -= 2;
        while (token__is(&tokens[end + 1], "-") && touches_name(&tokens[end + 2]))
            end += 2;
        size_t start = tokens[root].offset, member = tokens[i].offset;
        const char *hint = arena_printf(
            &compile->scratch, "write %.*s[\"%.*s\"], or with spaces around - to subtract",
            (int)(tokens[i - 1].offset - start), source.bytes + start,
            (int)(token__end(&tokens[end]) - member), source.bytes + member);
        compile__error(compile, start, hint, "\"%.*s\" is a subtraction in Lua",
                       (int)(token__end(&tokens[end]) - start), source.bytes + start);
        return false;
    }
    return true;
}

/* ---- variables
 * ---------------------------------------------------------------------------------*/

/* In a longer expression the name must be quoted; a number is one in Lua too, and a name may be a
 * function's own. */
static bool check_bare_word(struct compile *compile, struct slice source, const struct token *token,
                            bool has_function) {
    size_t start = token__end(&token[1]);
    const char *close = memchr(source.bytes + start, ')', source.size - start);
    if (!token__is(&token[1], "(") || !close)
        return true;
    struct slice word =
        slice_trim((struct slice){source.bytes + start, (size_t)(close - source.bytes) - start});
    bool is_number = token[2].kind == TOKEN_NUMBER && slice_equal(token[2].text, word);
    bool is_local = has_function && text__is_name(word) &&
                    name__find(compile->names, word).kind == NAME_UNKNOWN;
    if (!text__is_bare_word(word) || is_number || is_local)
        return true;
    enum name_kind kind = name__find(compile->names, word).kind;
    const char *or_value = "";
    if (kind == NAME_SLOT || kind == NAME_VARIABLE)
        or_value = arena_printf(&compile->scratch,
                                ", or (\"\" .. " SLICE_FMT ") for what " SLICE_FMT " holds",
                                SLICE_ARG(word), SLICE_ARG(word));
    const char *hint =
        arena_printf(&compile->scratch, "write " SLICE_FMT "(\"" SLICE_FMT "\")%s",
                     SLICE_ARG(token->text), SLICE_ARG(word), or_value ? or_value : "");
    compile__error(compile, token->offset, hint,
                   "in a longer expression the name in " SLICE_FMT "(...) needs quotes",
                   SLICE_ARG(token->text));
    return false;
}

static bool check_variable(struct compile *compile, const struct expr_variable *variable,
                           const struct token *token) {
    bool is_called = token__is(&token[1], "(") || token[1].kind == TOKEN_STRING;
    if (is_called == (variable->argument != EXPR_NO_ARGUMENT))
        return true;
    const char *hint = is_called
                           ? arena_printf(&compile->scratch, "write %s", variable->name)
                           : arena_printf(&compile->scratch, "write %s(\"name\")", variable->name);
    compile__error(compile, token->offset, hint, "\"%s\" %s", variable->name,
                   is_called ? "takes no argument" : "needs an argument");
    return false;
}

static bool check_names(struct compile *compile, struct slice source, const struct token *tokens) {
    bool has_function = false;
    for (size_t i = 0; tokens[i].kind != TOKEN_END; i++) {
        has_function |= token__is(&tokens[i], "function");
        bool is_field = i > 0 && (token__is(&tokens[i - 1], ".") || token__is(&tokens[i - 1], ":"));
        if (tokens[i].kind != TOKEN_NAME || is_field || token__is(&tokens[i + 1], "="))
            continue;
        struct name name = name__find(compile->names, tokens[i].text);
        if (name.kind != NAME_VARIABLE)
            continue;
        if (!check_variable(compile, name.variable, &tokens[i]))
            return false;
        if (name.variable->argument != EXPR_NO_ARGUMENT &&
            !check_bare_word(compile, source, &tokens[i], has_function))
            return false;
    }
    return true;
}

bool compile__check_slips(struct compile *compile, struct slice source,
                          const struct token *tokens) {
    return check_symbols(compile, source, tokens) && check_dash(compile, source, tokens) &&
           check_names(compile, source, tokens);
}
