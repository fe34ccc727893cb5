/* type tostring pairs next, and what replaces functions of Lua's string and table that are not
 * bounded by themselves. */
#include "expr/helpers.h"
#include "expr/number.h"

/* ---- basic functions
 * ---------------------------------------------------------------------------*/

const char *helper__type_name(lua_State *L, int index) {
    int type = lua_type(L, index);
    return type == LUA_TLIGHTUSERDATA ? "null"
           : type == LUA_TUSERDATA    ? "table"
                                      : lua_typename(L, type);
}

static int base_type(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushstring(L, helper__type_name(L, 1));
    return 1;
}

void helper__push_number_text(lua_State *L, int index) {
    char text[NUMBER_TEXT_MAX];
    helper__push(L, lua_isinteger(L, index) ? number__from_int(lua_tointeger(L, index), text)
                                            : number__from_float(lua_tonumber(L, index), text));
}

/* No addresses: they would tell where the daemon's memory lies. */
static int base_tostring(lua_State *L) {
    luaL_checkany(L, 1);
    switch (lua_type(L, 1)) {
        case LUA_TNUMBER:
            helper__push_number_text(L, 1);
            return 1;
        case LUA_TSTRING:
            lua_settop(L, 1);
            return 1;
        case LUA_TBOOLEAN:
            lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
            return 1;
        default:
            return base_type(L);
    }
}

/* An operand of `..`: Lua would print floats in a way of its own. */
static int base_text(lua_State *L) {
    lua_settop(L, 1);
    int type = lua_type(L, 1);
    if (type == LUA_TNUMBER)
        helper__push_number_text(L, 1);
    else if (type != LUA_TSTRING)
        return luaL_error(L, "attempt to join %s to text",
                          type == LUA_TNIL ? "what is absent (nil)" : helper__type_name(L, 1));
    return 1;
}

static int base_next(lua_State *L) {
    const struct value *value = lua__proxy(L, 1);
    lua_settop(L, 2);
    if (lua__is_global(L, 1))
        return luaL_error(L, "\"global\" cannot be listed: name what you need");
    if (!value) {
        luaL_checktype(L, 1, LUA_TTABLE);
        return lua_next(L, 1) ? 2 : (lua_pushnil(L), 1);
    }
    uint32_t at = 0;
    if (value->type == VALUE_LIST) {
        at = (uint32_t)luaL_optinteger(L, 2, 0);
    } else if (!lua_isnil(L, 2)) {
        struct slice key = helper__text(L, 2);
        while (at < value->count && !slice_equal(value_slice(value->pairs[at].key), key))
            at++;
        budget__charge(L, at * 4ull);
        at++;
    }
    if (at >= value->count) {
        lua_pushnil(L);
    } else if (value->type == VALUE_LIST) {
        lua_pushinteger(L, (lua_Integer)at + 1);
        lua__push(L, value->items[at], true);
    } else {
        lua__push(L, value->pairs[at].key, false);
        lua__push(L, value->pairs[at].value, true);
    }
    return at >= value->count ? 1 : 2;
}

static int base_pairs(lua_State *L) {
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushcfunction(L, base_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

const luaL_Reg helpers_base[] = {{"type", base_type},       {"tostring", base_tostring},
                                 {"next", base_next},       {"pairs", base_pairs},
                                 {LIBRARY_TEXT, base_text}, {NULL, NULL}};

/* ---- string
 * ------------------------------------------------------------------------------------*/

static int string_rep(lua_State *L) {
    struct slice text = helper__text(L, 1);
    lua_Integer times = luaL_checkinteger(L, 2);
    size_t separator_size;
    const char *separator = luaL_optlstring(L, 3, "", &separator_size);
    size_t one = text.size + separator_size;
    if (times <= 0 || one == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((size_t)times > SIZE_MAX / 2 / one)
        budget__room(L, SIZE_MAX);
    size_t total = (size_t)times * one - separator_size;
    budget__room(L, total);
    budget__ahead(L, total / 2);
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, total);
    size_t done = one < total ? one : total; /* the last one goes without its separator */
    memcpy(to, text.bytes, text.size);
    memcpy(to + text.size, separator, done - text.size);
    for (size_t more; done < total; done += more) {
        more = done < total - done ? done : total - done;
        memcpy(to + done, to, more);
    }
    luaL_pushresultsize(&buffer, total);
    return 1;
}

/* Checks argument `index` for the conversion whose letter is `letter`. */
static void check_format_argument(lua_State *L, int index, char letter) {
    int type = lua_type(L, index);
    if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TBOOLEAN && type != LUA_TNIL)
        luaL_argerror(L, index, "string.format takes text, numbers and booleans");
    if (letter == 's' && type == LUA_TNUMBER && !lua_isinteger(L, index)) {
        helper__push_number_text(L, index);
        lua_replace(L, index);
    }
    if (letter == 'p')
        luaL_argerror(L, 1, "%p is not available");
}

/* Lua's own bounds widths and precisions to two digits. It is reached as the upvalue. */
static int string_format(lua_State *L) {
    struct slice format = helper__text(L, 1);
    int index = 1;
    for (size_t i = 0; i + 1 < format.size; i++) {
        if (format.bytes[i] != '%')
            continue;
        i++;
        while (i + 1 < format.size && strchr("-+ #0123456789.", format.bytes[i]))
            i++;
        if (format.bytes[i] != '%' && ++index <= lua_gettop(L)) {
            check_format_argument(L, index, format.bytes[i]);
            budget__charge(L, lua_type(L, index) == LUA_TSTRING ? lua_rawlen(L, index) : 200);
        }
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

const luaL_Reg helpers_string[] = {{"rep", string_rep}, {NULL, NULL}};
const luaL_Reg helpers_string_over[] = {{"format", string_format}, {NULL, NULL}};

/* ---- table: functions over Lua's own, which are the upvalue
 * ------------------------------------*/

static lua_CFunction original(lua_State *L) { return lua_tocfunction(L, lua_upvalueindex(1)); }

static uint64_t length_of(lua_State *L, int index) {
    return lua_type(L, index) == LUA_TTABLE ? lua_rawlen(L, index) : 0;
}

/* Away from the end, all items behind the place move. */
static int table_insert(lua_State *L) {
    budget__ahead(L, lua_gettop(L) < 3 ? 50 : 50 + length_of(L, 1) * 20);
    return original(L)(L);
}

static int table_remove(lua_State *L) {
    budget__ahead(L, lua_gettop(L) < 2 ? 50 : 50 + length_of(L, 1) * 20);
    return original(L)(L);
}

static int table_unpack(lua_State *L) {
    budget__ahead(L, 50 + length_of(L, 1) * 10);
    return original(L)(L);
}

/* The order of table.sort(): the caller's function in the upvalue, or `<`. */
static int sort_order(lua_State *L) {
    budget__charge(L, 100 + (lua_type(L, 1) == LUA_TSTRING ? lua_rawlen(L, 1) : 0));
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

static int table_sort(lua_State *L) {
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushcclosure(L, sort_order, 1);
    return original(L)(L);
}

const luaL_Reg helpers_table_over[] = {{"insert", table_insert},
                                       {"remove", table_remove},
                                       {"unpack", table_unpack},
                                       {"sort", table_sort},
                                       {NULL, NULL}};

/* table.concat(t[, separator[, from[, to]]]), also join(t[, separator]). */
int helper__concat(lua_State *L) {
    size_t separator_size;
    const char *separator = luaL_optlstring(L, 2, "", &separator_size);
    if (lua_type(L, 1) != LUA_TTABLE && !lua__proxy(L, 1))
        luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer from = luaL_optinteger(L, 3, 1),
                to = luaL_opt(L, luaL_checkinteger, 4, luaL_len(L, 1));
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (lua_Integer i = from; i <= to; i++) {
        budget__charge(L, 50);
        lua_geti(L, 1, i);
        if (lua_type(L, -1) == LUA_TNUMBER) {
            helper__push_number_text(L, -1);
            lua_remove(L, -2);
        }
        if (lua_type(L, -1) != LUA_TSTRING)
            return luaL_error(L, "item %I of the list is %s, only text and numbers can be joined",
                              (LUAI_UACINT)i, helper__type_name(L, -1));
        luaL_addvalue(&buffer);
        if (i == to)
            break; /* also where `to` is the largest integer */
        luaL_addlstring(&buffer, separator, separator_size);
    }
    luaL_pushresult(&buffer);
    return 1;
}

const luaL_Reg helpers_table[] = {{"concat", helper__concat}, {NULL, NULL}};
