/* What a word in an expression may stand for. */
#ifndef BELLWIRE_EXPR_NAMES_H
#define BELLWIRE_EXPR_NAMES_H

#include "expr/expr.h"

enum name_kind {
    NAME_UNKNOWN,
    NAME_VARIABLE,
    NAME_SLOT,
    NAME_SESSION,
    NAME_GLOBAL,
    NAME_HELPER, /* a function or a library table of library.h */
    NAME_REFUSED /* Lua has it elsewhere, expressions do not: os, pcall, print ... */
};
struct name {
    enum name_kind kind;
    const struct expr_variable *variable;
    uint32_t slot;
    size_t helper; /* index for library__name() */
};
struct name name__find(const struct expr_names *names, struct slice text);
/* The known name nearest to `text`, or NULL. The result borrows from `names`. */
const char *name__nearest(const struct expr_names *names, struct slice text);

#endif
