/* number get trim contains starts_with split join equal; lower and upper are Lua's own. */
#include "expr/helpers.h"
#include "expr/number.h"
#include "expr/value.h"

/* Pushes a number made of argument 1; false when it is none. */
static bool push_number(lua_State *L) {
    struct value number;
    if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_Number n = lua_tonumber(L, 1);
        lua_pushvalue(L, 1);
        return lua_isinteger(L, 1) || n - n == 0; /* neither infinite nor NaN */
    }
    if (lua_type(L, 1) != LUA_TSTRING || number__parse(helper__text(L, 1), &number) != STATUS_OK)
        return false;
    lua__push(L, number, false);
    return true;
}

static int text_number(lua_State *L) {
    bool has_default = lua_gettop(L) >= 2;
    if (push_number(L))
        return 1;
    if (has_default) {
        lua_settop(L, 2);
        return 1;
    }
    if (lua_type(L, 1) != LUA_TSTRING)
        return luaL_error(L, "number(x): x is %s; number(x, default) takes a default for that",
                          helper__type_name(L, 1));
    /* The text is not shown: it may be a secret. */
    return luaL_error(L, "number(x): x is no decimal number; number(x, default) takes a default "
                         "for that");
}

/* Replaces the top by its member; segments count lists from 0, as ${list.0} does. */
static void step_into(lua_State *L, struct slice segment) {
    const struct value *value = lua__proxy(L, -1);
    struct value found;
    uint64_t at;
    if (value) {
        if (value__find(*value, segment, &found))
            lua__push(L, found, true);
        else
            lua_pushnil(L);
    } else if (lua_type(L, -1) == LUA_TTABLE) {
        helper__push(L, segment);
        if (lua_rawget(L, -2) == LUA_TNIL && slice_to_u64(segment, &at) == STATUS_OK &&
            at < INT64_MAX) {
            lua_pop(L, 1);
            lua_rawgeti(L, -1, (lua_Integer)at + 1);
        }
    } else {
        lua_pushnil(L);
    }
    lua_remove(L, -2);
}

static void push_path(lua_State *L, struct slice path) {
    const struct expr_scope *scope = lua__of(L)->scope;
    if (lua__is_global(L, 1)) {
        lua__push(L, scope->global ? scope->global(scope->global_context, path) : value_nil(),
                  false);
        return;
    }
    lua_pushvalue(L, 1);
    while (path.bytes) {
        struct slice segment = slice_cut(path, '.', &path);
        budget__charge(L, 50);
        step_into(L, segment);
    }
}

static int text_get(lua_State *L) {
    lua_settop(L, 3);
    luaL_checktype(L, 2, LUA_TSTRING);
    push_path(L, helper__text(L, 2));
    if (lua_isnil(L, -1) || lua__is_null(L, -1))
        lua_pushvalue(L, 3);
    return 1;
}

static int text_trim(lua_State *L) {
    helper__push(L, slice_trim(helper__text(L, 1)));
    return 1;
}

static int text_contains(lua_State *L) {
    struct slice text = helper__text(L, 1), part = helper__text(L, 2);
    budget__ahead(L, text.size * 5);
    lua_pushboolean(L, slice_contains(text, part));
    return 1;
}

static int text_starts_with(lua_State *L) {
    lua_pushboolean(L, slice_starts_with(helper__text(L, 1), helper__text(L, 2)));
    return 1;
}

/* split(text, separator): the parts between, at least one. */
static int text_split(lua_State *L) {
    struct slice text = helper__text(L, 1), separator = helper__text(L, 2);
    luaL_argcheck(L, separator.size > 0, 2, "the separator is empty");
    lua_newtable(L);
    for (lua_Integer i = 1;; i++) {
        budget__charge(L, 50);
        const char *end =
            text.size ? memmem(text.bytes, text.size, separator.bytes, separator.size) : NULL;
        size_t size = end ? (size_t)(end - text.bytes) : text.size;
        helper__push(L, (struct slice){text.bytes, size});
        lua_rawseti(L, -2, i);
        if (!end)
            break;
        text.bytes = end + separator.size;
        text.size -= size + separator.size;
    }
    lua__mark_list(L, -1);
    return 1;
}

static int text_join(lua_State *L) {
    lua_settop(L, 2);
    return helper__concat(L);
}

static int text_equal(lua_State *L) {
    lua_pushboolean(L, crypto_equal(helper__text(L, 1), helper__text(L, 2)));
    return 1;
}

const luaL_Reg helpers_text[] = {{"number", text_number},
                                 {"get", text_get},
                                 {"trim", text_trim},
                                 {"contains", text_contains},
                                 {"starts_with", text_starts_with},
                                 {"split", text_split},
                                 {"join", text_join},
                                 {"equal", text_equal},
                                 {NULL, NULL}};
