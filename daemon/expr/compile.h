/* What is shared by the parts of the compiler: where to report, and scratch memory.
 *
 * Thread  the one that builds the set. Memory  scratch ends with the call of expr_compile(). */
#ifndef BELLWIRE_EXPR_COMPILE_H
#define BELLWIRE_EXPR_COMPILE_H

#include "expr/names.h"
#include "expr/set.h"
#include "expr/template.h"
#include "expr/token.h"

struct compile {
    struct expr_set *set;
    const struct expr_names *names;
    expr_problem_fn problem;
    void *context;
    struct arena scratch;
    size_t base; /* where the text at hand stands in the whole one */
    size_t errors;
};

/* Offsets count from `base`; `hint` may be NULL. */
void compile__error(struct compile *compile, size_t offset, const char *hint, const char *format,
                    ...) PRINTF_LIKE(4, 5);
void compile__warn(struct compile *compile, size_t offset, const char *hint, const char *format,
                   ...) PRINTF_LIKE(4, 5);
void compile__no_memory(struct compile *compile);
void compile__unknown_name(struct compile *compile, struct slice name, size_t offset);

/* A direct look-up out of `source` (trimmed). DIRECT_NOT: it is an expression. */
enum direct { DIRECT_YES, DIRECT_NOT, DIRECT_ERROR };
enum direct compile__direct(struct compile *compile, struct slice source, struct lookup *out);

bool text__is_bare_word(struct slice text); /* as in HttpHeader(accept-encoding) */

/* The tokens of an expression, ended by TOKEN_END; NULL without memory. */
struct token *compile__tokens(struct compile *compile, struct slice source);
/* Slips of people who know other languages, and names used wrongly. False after an error. */
bool compile__check_slips(struct compile *compile, struct slice source, const struct token *tokens);

/* Types seen at load, and the operands of `..` that may be floats. */
enum guess {
    GUESS_UNKNOWN,
    GUESS_NIL,
    GUESS_BOOL,
    GUESS_INT,
    GUESS_NUMBER,
    GUESS_TEXT,
    GUESS_TABLE
};
struct span {
    size_t start, end;
    struct span *next;
};
enum guess compile__guess(struct compile *compile, const struct token *tokens, struct span **texts);
const char *guess__text(enum guess guess);
enum guess guess__of(uint8_t value_type);

/* A chunk out of a longer expression; NULL after an error. */
struct chunk *compile__chunk(struct compile *compile, struct slice source, enum guess *guess);

#endif
