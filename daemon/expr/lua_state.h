/* A worker's Lua state: its chunks, and what the functions of expressions reach during one
 * evaluation.
 *
 * Thread  one worker. Memory  nothing of Lua survives an evaluation but chunks and libraries. */
#ifndef BELLWIRE_EXPR_LUA_STATE_H
#define BELLWIRE_EXPR_LUA_STATE_H

#include <lauxlib.h>
#include <lua.h>

#include "crypto/crypto.h"
#include "expr/lua_budget.h"
#include "expr/regex.h"
#include "expr/template.h"

#define LUA_REGEXES 64 /* compiled patterns that are kept, by hash of their text */

struct lua_regex {
    struct regex *regex;
    struct slice pattern; /* on the heap */
};
struct lua_generation { /* the loaded chunks of one set */
    struct lua_generation *next;
    uint64_t id;
    uint32_t count;
    int refs[]; /* by number of chunk; LUA_NOREF: not loaded */
};
struct expr_lua {
    struct budget budget;
    const struct clock *clock;
    struct lua_generation *generations; /* the last used first */
    const struct expr_scope *scope;     /* of the evaluation going on */
    enum status failure;                /* what a function of ours fails with; OK: as Lua's */
    struct arena scratch;               /* empty between evaluations */
    struct buffer buffer;               /* likewise */
    struct crypto_source random;
    struct lua_regex regexes[LUA_REGEXES];
    uint64_t passed_time, passed_memory; /* how many evaluations */
};
static inline struct expr_lua *lua__of(lua_State *L) {
    return *(struct expr_lua **)lua_getextraspace(L);
}

/* STATUS_OK, or as expr_eval(). */
enum status lua__eval(const struct chunk *chunk, const struct expr_scope *scope, struct value *out,
                      char *why);

/* Appends to `why` (EXPR_WHY_MAX) what helps against Lua's `message`, if anything does. */
void hint__append(struct slice source, const char *message, char *why);
/* Makes UTF-8 of `why`, which may quote anything and may be cut anywhere. */
void why__mend(char *why);

/* ---- values, all of which raise Lua errors
 * -----------------------------------------------------*/

/* Lists and maps become read-only proxies; nil becomes json.null where `is_member`. */
void lua__push(lua_State *L, struct value value, bool is_member);
/* Lists and maps become tables of Lua's own. */
void lua__push_tables(lua_State *L, struct value value);
void lua__push_null(lua_State *L);
void lua__push_global(lua_State *L); /* the proxy of all globals */
/* A deep copy into `arena`, of what is not plain already. */
struct value lua__read(lua_State *L, int index, struct arena *arena);
/* The plain value behind a proxy of a list or map, else NULL. */
const struct value *lua__proxy(lua_State *L, int index);
bool lua__is_null(lua_State *L, int index);
bool lua__is_global(lua_State *L, int index);
bool lua__is_list(lua_State *L, int index); /* json.list() made it */
void lua__mark_list(lua_State *L, int index);
void lua__open_values(lua_State *L); /* once for a state */

/* ---- libraries
 * ---------------------------------------------------------------------------------*/

void lua__open_library(lua_State *L);               /* once for a state */
void lua__push_library(lua_State *L, size_t index); /* by index of library__name() */
/* Raises `text` as the expression's own error with `status`. */
int lua__fail(lua_State *L, enum status status, const char *text);

#endif
