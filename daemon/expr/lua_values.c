/* Plain values on their way into Lua and out of it.
 *
 * Lists and maps of a run go in as proxies: a userdata that borrows the value, read lazily, that
 * cannot be written. They die with the evaluation, at the latest by the garbage collector, which
 * calls nothing of theirs. */
#include <limits.h>
#include <stdlib.h>

#include "expr/lua_state.h"
#include "expr/value.h"

enum proxy_kind { PROXY_VALUE, PROXY_GLOBAL };
struct proxy {
    enum proxy_kind kind;
    struct value value;
};

/* Keys of the registry: their addresses count. */
static const char proxy_key, list_key;
/* What json.null is: a light userdata with this address. */
static const char null_key;

static int proxy_index(lua_State *L);
static int proxy_refuse(lua_State *L);
static int proxy_len(lua_State *L);
static int proxy_eq(lua_State *L);
static int proxy_pairs(lua_State *L);
static int proxy_text(lua_State *L);

static const luaL_Reg proxy_methods[] = {{"__index", proxy_index},
                                         {"__newindex", proxy_refuse},
                                         {"__len", proxy_len},
                                         {"__eq", proxy_eq},
                                         {"__pairs", proxy_pairs},
                                         {"__tostring", proxy_text},
                                         {NULL, NULL}};

void lua__open_values(lua_State *L) {
    luaL_newlib(L, proxy_methods);
    lua_pushliteral(L, "table"); /* what error messages call it */
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &proxy_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &list_key);
}

/* ---- into Lua
 * ----------------------------------------------------------------------------------*/

static struct proxy *push_proxy(lua_State *L, enum proxy_kind kind) {
    struct proxy *proxy = lua_newuserdatauv(L, sizeof *proxy, 0);
    *proxy = (struct proxy){.kind = kind};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &proxy_key);
    lua_setmetatable(L, -2);
    return proxy;
}

void lua__push_null(lua_State *L) { lua_pushlightuserdata(L, (void *)&null_key); }

void lua__push_global(lua_State *L) { push_proxy(L, PROXY_GLOBAL); }

/* False: not one of the plain kinds. */
static bool push_plain(lua_State *L, struct value value, bool is_member) {
    switch ((enum value_type)value.type) {
        case VALUE_NIL:
            if (is_member)
                lua__push_null(L);
            else
                lua_pushnil(L);
            return true;
        case VALUE_BOOL:
            lua_pushboolean(L, value.boolean);
            return true;
        case VALUE_INT:
            lua_pushinteger(L, value.integer);
            return true;
        case VALUE_FLOAT:
            lua_pushnumber(L, value.number);
            return true;
        case VALUE_BYTES:
            budget__charge(L, value.count / 8);
            lua_pushlstring(L, value.count ? value.bytes : "", value.count);
            return true;
        case VALUE_LIST:
        case VALUE_MAP:
            break;
    }
    return false;
}

void lua__push(lua_State *L, struct value value, bool is_member) {
    luaL_checkstack(L, 4, NULL);
    if (!push_plain(L, value, is_member))
        push_proxy(L, PROXY_VALUE)->value = value;
}

void lua__push_tables(lua_State *L, struct value value) {
    luaL_checkstack(L, 6, NULL);
    budget__charge(L, 50);
    if (push_plain(L, value, true))
        return;
    bool is_list = value.type == VALUE_LIST;
    int count = value.count < INT_MAX ? (int)value.count : INT_MAX;
    lua_createtable(L, is_list ? count : 0, is_list ? 0 : count);
    for (uint32_t i = 0; i < value.count; i++) {
        if (is_list) {
            lua__push_tables(L, value.items[i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
            continue;
        }
        lua_pushlstring(L, value.pairs[i].key.count ? value.pairs[i].key.bytes : "",
                        value.pairs[i].key.count);
        lua__push_tables(L, value.pairs[i].value);
        lua_rawset(L, -3);
    }
    if (is_list)
        lua__mark_list(L, -1);
}

/* ---- what a thing is
 * ---------------------------------------------------------------------------*/

/* All full userdata that an expression can get hold of is ours. */
static const struct proxy *proxy_at(lua_State *L, int index, enum proxy_kind kind) {
    const struct proxy *proxy =
        lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
    return proxy && proxy->kind == kind ? proxy : NULL;
}

const struct value *lua__proxy(lua_State *L, int index) {
    const struct proxy *proxy = proxy_at(L, index, PROXY_VALUE);
    return proxy ? &proxy->value : NULL;
}

bool lua__is_null(lua_State *L, int index) { return lua_type(L, index) == LUA_TLIGHTUSERDATA; }

bool lua__is_global(lua_State *L, int index) { return proxy_at(L, index, PROXY_GLOBAL) != NULL; }

bool lua__is_list(lua_State *L, int index) {
    if (!lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
    bool is_list = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_list;
}

void lua__mark_list(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
    lua_setmetatable(L, index);
}

/* ---- the methods of proxies
 * --------------------------------------------------------------------*/

static bool member(struct value value, lua_State *L, int key, struct value *out) {
    struct slice name;
    int is_integer = 0;
    if (value.type == VALUE_LIST) {
        lua_Integer at = lua_type(L, key) == LUA_TNUMBER ? lua_tointegerx(L, key, &is_integer) : 0;
        if (!is_integer || at < 1 || at > (lua_Integer)value.count)
            return false;
        *out = value.items[at - 1];
        return true;
    }
    if (lua_type(L, key) != LUA_TSTRING)
        return false;
    name.bytes = lua_tolstring(L, key, &name.size);
    budget__charge(L, 20 + value.count * 4ull);
    return value__find(value, name, out);
}

static int proxy_index(lua_State *L) {
    struct value found = value_nil();
    const struct value *value = lua__proxy(L, 1);
    if (value) {
        if (member(*value, L, 2, &found))
            lua__push(L, found, true);
        else
            lua_pushnil(L);
        return 1;
    }
    const struct expr_scope *scope = lua__of(L)->scope;
    if (lua_type(L, 2) == LUA_TSTRING && scope->global) {
        struct slice name;
        name.bytes = lua_tolstring(L, 2, &name.size);
        budget__charge(L, 200);
        found = scope->global(scope->global_context, name);
    }
    lua__push(L, found, false);
    return 1;
}

static int proxy_refuse(lua_State *L) {
    return luaL_error(L, "a list or map of the run is read-only: build a new one");
}

static int proxy_len(lua_State *L) {
    const struct value *value = lua__proxy(L, 1);
    lua_pushinteger(L, value && value->type == VALUE_LIST ? (lua_Integer)value->count : 0);
    return 1;
}

static int proxy_eq(lua_State *L) {
    const struct value *a = lua__proxy(L, 1), *b = lua__proxy(L, 2);
    lua_pushboolean(L,
                    a && b && a->type == b->type && a->count == b->count && a->items == b->items);
    return 1;
}

static int proxy_text(lua_State *L) {
    lua_pushliteral(L, "table");
    return 1;
}

/* Pushes pair number `at`; false past the end. */
static bool push_pair(lua_State *L, const struct value *value, lua_Integer at) {
    if (at < 0 || at >= (lua_Integer)value->count)
        return false;
    budget__charge(L, 50);
    if (value->type == VALUE_LIST) {
        lua_pushinteger(L, at + 1);
        lua__push(L, value->items[at], true);
    } else {
        lua__push(L, value->pairs[at].key, false);
        lua__push(L, value->pairs[at].value, true);
    }
    return true;
}

/* The iterator counts by itself, in its upvalue, so that a map need not be searched. */
static int pairs_next(lua_State *L) {
    const struct value *value = lua__proxy(L, 1);
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(1));
    lua_pushinteger(L, at + 1);
    lua_replace(L, lua_upvalueindex(1));
    if (value && push_pair(L, value, at))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int proxy_pairs(lua_State *L) {
    if (!lua__proxy(L, 1))
        return luaL_error(L, "\"global\" cannot be listed: name what you need");
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, pairs_next, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* ---- out of Lua
 * --------------------------------------------------------------------------------*/

struct reading {
    lua_State *L;
    struct arena *arena;
};
struct census { /* what keys a table has */
    uint32_t items, pairs;
    bool has_others;
};

static struct value read_value(const struct reading *reading, int index, int depth);

static int compare_keys(const void *a, const void *b) {
    struct slice x = value_slice(((const struct value_pair *)a)->key),
                 y = value_slice(((const struct value_pair *)b)->key);
    int order = memcmp(x.bytes, y.bytes, x.size < y.size ? x.size : y.size);
    return order ? order : (x.size > y.size) - (x.size < y.size);
}

static void *take_memory(const struct reading *reading, size_t size) {
    budget__charge(reading->L, 50 + size / 8);
    void *memory = arena_alloc(reading->arena, size);
    if (!memory && reading->arena == &lua__of(reading->L)->scratch)
        budget__no_room(reading->L);
    if (!memory)
        lua__fail(reading->L, STATUS_NO_MEMORY, "out of memory for what the expression returns");
    return memory;
}

static struct value read_text(const struct reading *reading, int index) {
    struct slice text;
    text.bytes = lua_tolstring(reading->L, index, &text.size);
    char *bytes = take_memory(reading, text.size);
    memcpy(bytes, text.bytes, text.size);
    return value_bytes((struct slice){bytes, text.size});
}

static struct census count_keys(lua_State *L, int index) {
    struct census census = {0};
    lua_Unsigned length = lua_rawlen(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        budget__charge(L, 20);
        lua_pop(L, 1);
        bool is_item = lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 1 &&
                       (lua_Unsigned)lua_tointeger(L, -1) <= length;
        if (is_item)
            census.items++;
        else if (lua_type(L, -1) == LUA_TSTRING)
            census.pairs++;
        else
            census.has_others = true;
    }
    census.has_others |= census.items != length || (census.items && census.pairs);
    return census;
}

static struct value read_list(const struct reading *reading, int index, uint32_t count, int depth) {
    struct value *items = take_memory(reading, count * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(reading->L, index, (lua_Integer)i + 1);
        items[i] = read_value(reading, lua_gettop(reading->L), depth);
        lua_pop(reading->L, 1);
    }
    return (struct value){.type = VALUE_LIST, .count = count, .items = items};
}

/* Sorted by key, since Lua's own order changes from one state to the next. */
static struct value read_map(const struct reading *reading, int index, uint32_t count, int depth) {
    lua_State *L = reading->L;
    struct value_pair *pairs = take_memory(reading, count * sizeof *pairs);
    int top = lua_gettop(L);
    uint32_t at = 0;
    lua_pushnil(L);
    while (at < count && lua_next(L, index)) {
        pairs[at].key = read_text(reading, lua_gettop(L) - 1);
        pairs[at++].value = read_value(reading, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
    if (count > 1)
        qsort(pairs, count, sizeof *pairs, compare_keys);
    budget__charge(L, count * 100ull);
    return (struct value){.type = VALUE_MAP, .count = count, .pairs = pairs};
}

static struct value read_table(const struct reading *reading, int index, int depth) {
    lua_State *L = reading->L;
    if (depth >= VALUE_DEPTH_MAX)
        luaL_error(L, "a table that leaves an expression is deeper than %d, or holds itself",
                   VALUE_DEPTH_MAX);
    luaL_checkstack(L, 6, NULL);
    struct census census = count_keys(L, index);
    bool is_list = census.items || (census.pairs == 0 && lua__is_list(L, index));
    if (census.has_others)
        luaL_error(L, "a table that leaves an expression is a list from 1 without holes, or has "
                      "text for keys");
    return is_list ? read_list(reading, index, census.items, depth + 1)
                   : read_map(reading, index, census.pairs, depth + 1);
}

static struct value read_value(const struct reading *reading, int index, int depth) {
    lua_State *L = reading->L;
    const struct value *proxied;
    switch (lua_type(L, index)) {
        case LUA_TNIL:
        case LUA_TLIGHTUSERDATA:
            return value_nil();
        case LUA_TBOOLEAN:
            return value_bool(lua_toboolean(L, index));
        case LUA_TNUMBER:
            return lua_isinteger(L, index) ? value_int(lua_tointeger(L, index))
                                           : value_float(lua_tonumber(L, index));
        case LUA_TSTRING:
            return read_text(reading, index);
        case LUA_TTABLE:
            return read_table(reading, index, depth);
        case LUA_TUSERDATA:
            proxied = lua__proxy(L, index);
            if (proxied)
                return *proxied;
            luaL_error(L, "\"global\" alone is no value");
            break;
        default:
            luaL_error(L, "a function cannot leave an expression");
    }
    return value_nil();
}

struct value lua__read(lua_State *L, int index, struct arena *arena) {
    struct reading reading = {.L = L, .arena = arena};
    return read_value(&reading, lua_absindex(L, index), 0);
}
