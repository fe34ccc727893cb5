/* Words of Lua 5.4, as far as templates must know them: to find the brace that closes a hole, the
 * names that an expression uses, and the slips of people who know other languages.
 *
 * Thread  any; a lexer is a plain struct. Memory  tokens borrow from the text. */
#ifndef BELLWIRE_EXPR_TOKEN_H
#define BELLWIRE_EXPR_TOKEN_H

#include "expr/expr.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_WORD, /* reserved by Lua: and, or, not, function ... */
    TOKEN_NUMBER,
    TOKEN_STRING,      /* with its quotes or long brackets */
    TOKEN_SYMBOL,      /* also `!=` `&&` `||` `!` `?` `===`, which Lua does not have */
    TOKEN_OPEN_STRING, /* a string without its end: the rest of the text */
    TOKEN_OTHER        /* one byte that Lua has no use for */
};
struct token {
    enum token_kind kind;
    struct slice text;
    size_t offset;
    bool is_after_space;
};
struct lexer {
    struct slice text;
    size_t at;
    size_t comment; /* offset of the last comment that ran to the end of a line; SIZE_MAX: none */
};
void lexer__init(struct lexer *lexer, struct slice text, size_t at);
struct token lexer__next(struct lexer *lexer);

static inline bool token__is(const struct token *token, const char *text) {
    return (token->kind == TOKEN_SYMBOL || token->kind == TOKEN_WORD) &&
           slice_is(token->text, text);
}
static inline size_t token__end(const struct token *token) {
    return token->offset + token->text.size;
}

bool text__is_name(struct slice text); /* [A-Za-z_][A-Za-z0-9_]* */
bool text__is_lua_word(struct slice text);

#endif
