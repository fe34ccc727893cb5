/* The lexer. It never fails: what it does not know becomes a token of its own, and Lua's compiler
 * has the last word about it. */
#include "expr/token.h"

static bool skip_long_bracket(struct lexer *lexer);
static bool skip_space(struct lexer *lexer);
static size_t number_size(struct slice rest);
static size_t symbol_size(struct slice rest);

/* The longest first where one begins another. */
static const char *const symbols[] = {
    "...", "===", "..", "==", "~=", "!=", "<=", ">=", "<<", ">>", "//", "::", "&&", "||", NULL};
static const char single_symbols[] = "+-*/%^#&~|<>=(){}[];:,.!?";
static const char *const lua_words[] = {"and",   "break", "do",       "else", "elseif", "end",
                                        "false", "for",   "function", "goto", "if",     "in",
                                        "local", "nil",   "not",      "or",   "repeat", "return",
                                        "then",  "true",  "until",    "while"};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_name_rest(char c) { return is_name_start(c) || is_digit(c); }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool text__is_name(struct slice text) {
    if (text.size == 0 || !is_name_start(text.bytes[0]))
        return false;
    for (size_t i = 1; i < text.size; i++)
        if (!is_name_rest(text.bytes[i]))
            return false;
    return true;
}

bool text__is_lua_word(struct slice text) {
    for (size_t i = 0; i < ARRAY_SIZE(lua_words); i++)
        if (text.size && text.bytes[0] == lua_words[i][0] && slice_is(text, lua_words[i]))
            return true;
    return false;
}

void lexer__init(struct lexer *lexer, struct slice text, size_t at) {
    *lexer = (struct lexer){.text = text, .at = at, .comment = SIZE_MAX};
}

static struct token make(struct lexer *lexer, enum token_kind kind, size_t size) {
    struct token token = {.kind = kind,
                          .text = {lexer->text.bytes + lexer->at, size},
                          .offset = lexer->at,
                          .is_after_space = false};
    lexer->at += size;
    return token;
}

static struct token quoted(struct lexer *lexer) {
    char quote = lexer->text.bytes[lexer->at];
    for (size_t i = lexer->at + 1; i < lexer->text.size; i++) {
        char c = lexer->text.bytes[i];
        if (c == quote)
            return make(lexer, TOKEN_STRING, i + 1 - lexer->at);
        if (c == '\n') /* Lua allows it only behind a backslash */
            break;
        if (c == '\\')
            i++;
    }
    return make(lexer, TOKEN_OPEN_STRING, lexer->text.size - lexer->at);
}

static struct token long_string(struct lexer *lexer) {
    size_t start = lexer->at;
    bool is_closed = skip_long_bracket(lexer);
    size_t size = lexer->at - start;
    lexer->at = start;
    return make(lexer, is_closed ? TOKEN_STRING : TOKEN_OPEN_STRING, size);
}

/* Level of the long bracket that opens here, or -1. */
static int long_bracket_level(struct slice text, size_t at) {
    int level = 0;
    if (at >= text.size || text.bytes[at] != '[')
        return -1;
    for (at++; at < text.size && text.bytes[at] == '='; at++)
        level++;
    return at < text.size && text.bytes[at] == '[' ? level : -1;
}

static struct token next_token(struct lexer *lexer) {
    struct slice rest = {lexer->text.bytes + lexer->at, lexer->text.size - lexer->at};
    if (rest.size == 0)
        return make(lexer, TOKEN_END, 0);
    char c = rest.bytes[0];
    if (c == '"' || c == '\'')
        return quoted(lexer);
    if (long_bracket_level(lexer->text, lexer->at) >= 0)
        return long_string(lexer);
    if (is_digit(c) || (c == '.' && rest.size > 1 && is_digit(rest.bytes[1])))
        return make(lexer, TOKEN_NUMBER, number_size(rest));
    if (is_name_start(c)) {
        size_t size = 1;
        while (size < rest.size && is_name_rest(rest.bytes[size]))
            size++;
        bool is_word = text__is_lua_word((struct slice){rest.bytes, size});
        return make(lexer, is_word ? TOKEN_WORD : TOKEN_NAME, size);
    }
    size_t size = symbol_size(rest);
    return make(lexer, size ? TOKEN_SYMBOL : TOKEN_OTHER, size ? size : 1);
}

struct token lexer__next(struct lexer *lexer) {
    bool is_after_space = skip_space(lexer);
    struct token token = next_token(lexer);
    token.is_after_space = is_after_space;
    return token;
}

/* Moves past a long bracket; false, and to the end of the text, when it is not closed. */
static bool skip_long_bracket(struct lexer *lexer) {
    int level = long_bracket_level(lexer->text, lexer->at);
    for (size_t i = lexer->at + (size_t)level + 2; i < lexer->text.size; i++) {
        if (lexer->text.bytes[i] != ']')
            continue;
        size_t equals = 0;
        while (i + 1 + equals < lexer->text.size && lexer->text.bytes[i + 1 + equals] == '=')
            equals++;
        size_t end = i + 1 + equals;
        if (equals == (size_t)level && end < lexer->text.size && lexer->text.bytes[end] == ']') {
            lexer->at = end + 1;
            return true;
        }
    }
    lexer->at = lexer->text.size;
    return false;
}

static void skip_comment(struct lexer *lexer) {
    size_t start = lexer->at;
    lexer->at += 2;
    if (long_bracket_level(lexer->text, lexer->at) >= 0) {
        if (!skip_long_bracket(lexer))
            lexer->comment = start;
        return;
    }
    while (lexer->at < lexer->text.size && lexer->text.bytes[lexer->at] != '\n')
        lexer->at++;
    lexer->comment = start;
}

/* White space and comments; true when there was any. */
static bool skip_space(struct lexer *lexer) {
    size_t start = lexer->at;
    while (lexer->at < lexer->text.size) {
        const char *here = lexer->text.bytes + lexer->at;
        if (is_space(*here))
            lexer->at++;
        else if (*here == '-' && lexer->at + 1 < lexer->text.size && here[1] == '-')
            skip_comment(lexer);
        else
            break;
    }
    return lexer->at > start;
}

/* As greedy as Lua: letters belong to it, and a sign behind an exponent. */
static size_t number_size(struct slice rest) {
    bool is_hex = rest.size > 1 && rest.bytes[0] == '0' && (rest.bytes[1] | 0x20) == 'x';
    size_t size = is_hex ? 2 : 1;
    while (size < rest.size) {
        char last = (char)(rest.bytes[size - 1] | 0x20), c = rest.bytes[size];
        bool is_sign = (c == '+' || c == '-') && last == (is_hex ? 'p' : 'e');
        bool is_concat = c == '.' && size + 1 < rest.size && rest.bytes[size + 1] == '.';
        if (is_concat || !(is_name_rest(c) || c == '.' || is_sign))
            break;
        size++;
    }
    return size;
}

static size_t symbol_size(struct slice rest) {
    for (size_t i = 0; symbols[i]; i++)
        if (rest.bytes[0] == symbols[i][0] && slice_starts_with(rest, slice_of(symbols[i])))
            return strlen(symbols[i]);
    return strchr(single_symbols, rest.bytes[0]) && rest.bytes[0] ? 1 : 0;
}
