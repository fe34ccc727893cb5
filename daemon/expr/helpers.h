/* The functions that expressions may call, by the file that holds them. */
#ifndef BELLWIRE_EXPR_HELPERS_H
#define BELLWIRE_EXPR_HELPERS_H

#include "expr/library.h"
#include "expr/lua_state.h"

extern const luaL_Reg helpers_text[];   /* trim contains starts_with split join number get equal */
extern const luaL_Reg helpers_json[];   /* json.* (json.null is added apart) */
extern const luaL_Reg helpers_url[];    /* url.* */
extern const luaL_Reg helpers_html[];   /* html.* */
extern const luaL_Reg helpers_base64[]; /* base64.* */
extern const luaL_Reg helpers_hex[];    /* hex.* */
extern const luaL_Reg helpers_hash[];   /* hash.* */
extern const luaL_Reg helpers_crypto[]; /* hmac_sha256 uuid */
extern const luaL_Reg helpers_time[];   /* time.* */
extern const luaL_Reg helpers_regex[];  /* regex.* */
extern const luaL_Reg helpers_base[];   /* type tostring pairs next __text */
extern const luaL_Reg helpers_string[]; /* in place of functions of Lua's string */
extern const luaL_Reg helpers_table[];  /* likewise of table */
/* The same, but each gets Lua's own function as its upvalue. */
extern const luaL_Reg helpers_string_over[], helpers_table_over[];

/* The text argument `index`, charged for a walk over it. Numbers are text, too. */
static inline struct slice helper__text(lua_State *L, int index) {
    struct slice text;
    text.bytes = luaL_checklstring(L, index, &text.size);
    budget__charge(L, 20 + text.size / 4);
    return text;
}
static inline void helper__push(lua_State *L, struct slice text) {
    lua_pushlstring(L, text.size ? text.bytes : "", text.size);
}
int helper__concat(lua_State *L); /* table.concat */
/* What type() calls it: a proxy is a "table", json.null is "null". */
const char *helper__type_name(lua_State *L, int index);
/* Pushes what value_text() makes of a number. */
void helper__push_number_text(lua_State *L, int index);

#endif
