/* Builds the libraries of a worker's state: the allow-list of Lua's own, some of them behind a
 * charge, and the helpers. Expressions get libraries behind read-only tables, so that nothing that
 * one does is seen by the next. */
#include <lualib.h>

#include "expr/helpers.h"

struct lua_function { /* of Lua's own libraries */
    const char *library, *name;
    bool is_charged; /* walks its text arguments, in one go */
};
struct library {
    const char *name;
    const luaL_Reg *functions; /* NULL: none of ours */
    const luaL_Reg *over;      /* ours, with Lua's own function as upvalue; NULL: none */
};

static int refuse_write(lua_State *L);
static int call_charged(lua_State *L);

static const struct lua_function lua_functions[] = {
    {"_G", "tonumber", true},   {"_G", "ipairs", false},       {"_G", "select", false},
    {"string", "byte", true},   {"string", "char", false},     {"string", "len", false},
    {"string", "lower", true},  {"string", "upper", true},     {"string", "reverse", true},
    {"string", "sub", true},    {"string", "pack", true},      {"string", "packsize", true},
    {"string", "unpack", true}, {"table", "pack", false},      {"utf8", "char", false},
    {"utf8", "codes", true},    {"utf8", "codepoint", true},   {"utf8", "len", true},
    {"utf8", "offset", true},   {"math", "abs", false},        {"math", "ceil", false},
    {"math", "floor", false},   {"math", "sqrt", false},       {"math", "sin", false},
    {"math", "cos", false},     {"math", "tan", false},        {"math", "asin", false},
    {"math", "acos", false},    {"math", "atan", false},       {"math", "exp", false},
    {"math", "log", false},     {"math", "deg", false},        {"math", "rad", false},
    {"math", "fmod", false},    {"math", "modf", false},       {"math", "max", false},
    {"math", "min", false},     {"math", "tointeger", false},  {"math", "type", false},
    {"math", "ult", false},     {"math", "random", false},     {"math", "pi", false},
    {"math", "huge", false},    {"math", "maxinteger", false}, {"math", "mininteger", false}};
static const struct library libraries[] = {{"math", NULL, NULL},
                                           {"utf8", NULL, NULL},
                                           {"string", helpers_string, helpers_string_over},
                                           {"table", helpers_table, helpers_table_over},
                                           {"json", helpers_json, NULL},
                                           {"url", helpers_url, NULL},
                                           {"html", helpers_html, NULL},
                                           {"base64", helpers_base64, NULL},
                                           {"hex", helpers_hex, NULL},
                                           {"hash", helpers_hash, NULL},
                                           {"time", helpers_time, NULL},
                                           {"regex", helpers_regex, NULL}};
static const luaL_Reg *const function_lists[] = {helpers_base, helpers_text, helpers_crypto};
/* In the order of indices: tables first, then functions. */
static const char *const names[] = {
    "math",     "utf8",        "string", "table",     "json",        "url",    "html",
    "base64",   "hex",         "hash",   "time",      "regex",       "type",   "tostring",
    "tonumber", "ipairs",      "pairs",  "next",      "select",      "number", "get",
    "trim",     "lower",       "upper",  "contains",  "starts_with", "split",  "join",
    "equal",    "hmac_sha256", "uuid",   LIBRARY_TEXT};
static const char library_key; /* of the registry: its address counts */

const char *library__name(size_t index) { return index < ARRAY_SIZE(names) ? names[index] : NULL; }

void lua__push_library(lua_State *L, size_t index) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &library_key);
    lua_getfield(L, -1, names[index]);
    lua_remove(L, -2);
}

/* Sets the fields of the table on top from `library` of Lua's own, which are at `globals`. */
static void copy_lua_functions(lua_State *L, const char *library, int globals) {
    for (size_t i = 0; i < ARRAY_SIZE(lua_functions); i++) {
        const struct lua_function *function = &lua_functions[i];
        if (strcmp(function->library, library) != 0)
            continue;
        lua_getfield(L, globals, library);
        lua_getfield(L, -1, function->name);
        lua_remove(L, -2);
        if (function->is_charged)
            lua_pushcclosure(L, call_charged, 1);
        lua_setfield(L, -2, function->name);
    }
}

/* Sets the fields of the table on top to our functions over Lua's. */
static void put_over(lua_State *L, const struct library *library, int globals) {
    for (const luaL_Reg *over = library->over; over && over->name; over++) {
        lua_getfield(L, globals, library->name);
        lua_getfield(L, -1, over->name);
        lua_remove(L, -2);
        lua_pushcclosure(L, over->func, 1);
        lua_setfield(L, -2, over->name);
    }
}

/* Replaces the table on top by an empty one that reads through it. */
static void make_read_only(lua_State *L) {
    lua_newtable(L);
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* Methods of strings: s:upper(). */
static void set_string_methods(lua_State *L) {
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
}

static void open_table(lua_State *L, const struct library *library, int globals) {
    lua_newtable(L);
    copy_lua_functions(L, library->name, globals);
    if (library->functions)
        luaL_setfuncs(L, library->functions, 0);
    put_over(L, library, globals);
    if (strcmp(library->name, "string") == 0)
        set_string_methods(L);
    if (strcmp(library->name, "json") == 0) {
        lua__push_null(L);
        lua_setfield(L, -2, "null");
    }
    make_read_only(L);
}

void lua__open_library(lua_State *L) {
    luaL_requiref(L, "_G", luaopen_base, 1);
    luaL_requiref(L, "string", luaopen_string, 1);
    luaL_requiref(L, "table", luaopen_table, 1);
    luaL_requiref(L, "math", luaopen_math, 1);
    luaL_requiref(L, "utf8", luaopen_utf8, 1);
    lua_settop(L, 0);
    lua_pushglobaltable(L);
    lua_newtable(L); /* of all that expressions may name */
    copy_lua_functions(L, "_G", 1);
    for (size_t i = 0; i < ARRAY_SIZE(function_lists); i++)
        luaL_setfuncs(L, function_lists[i], 0);
    for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
        lua_settop(L, 2);
        open_table(L, &libraries[i], 1);
        lua_setfield(L, 2, libraries[i].name);
    }
    lua_getfield(L, 2, "string"); /* lower and upper alone are those of strings */
    lua_getfield(L, 3, "lower");
    lua_setfield(L, 2, "lower");
    lua_getfield(L, 3, "upper");
    lua_setfield(L, 2, "upper");
    lua_settop(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &library_key);
    /* Lua's own globals go: nothing can reach them, and they need not be marked by the collector.
     */
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT);
}

static int refuse_write(lua_State *L) { return luaL_error(L, "libraries are read-only"); }

/* Lua's function in the upvalue, after a charge for a walk over its text arguments. */
static int call_charged(lua_State *L) {
    size_t bytes = 0;
    for (int i = 1; i <= lua_gettop(L); i++)
        bytes += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) : 0;
    budget__charge(L, 20 + bytes);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}
