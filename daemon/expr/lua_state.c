/* Loading chunks and running them, each evaluation in one protected call. */
#include "expr/lua_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "expr/set.h"

#define SCRATCH_BYTES     16384
#define BUFFER_KEEP_BYTES 65536
#define SOURCE_SHOWN      80

struct evaluation {
    const struct chunk *chunk;
    struct value *out;
    int *ref;
};

static int open_state(lua_State *L);
static int load_chunk(lua_State *L);
static int evaluate(lua_State *L);

/* ---- life
 * --------------------------------------------------------------------------------------*/

struct expr_lua *expr_lua_new(const struct clock *clock) {
    struct expr_lua *lua = calloc(1, sizeof *lua);
    if (!lua)
        return NULL;
    lua->clock = clock;
    arena_init(&lua->scratch, SCRATCH_BYTES, 0);
    buffer_init(&lua->buffer, 0);
    crypto_source_init(&lua->random);
    lua_State *L = lua_newstate(budget__alloc, &lua->budget);
    lua->budget.L = L;
    if (L) {
        *(struct expr_lua **)lua_getextraspace(L) = lua;
        lua_pushcfunction(L, open_state);
    }
    if (L && lua_pcall(L, 0, 0, 0) == LUA_OK)
        return lua;
    expr_lua_free(lua);
    return NULL;
}

static int open_state(lua_State *L) {
    lua__open_values(L);
    lua__open_library(L);
    return 0;
}

void expr_lua_free(struct expr_lua *lua) {
    if (!lua)
        return;
    if (lua->budget.L)
        lua_close(lua->budget.L);
    for (struct lua_generation *next; lua->generations; lua->generations = next) {
        next = lua->generations->next;
        free(lua->generations);
    }
    for (size_t i = 0; i < LUA_REGEXES; i++) {
        regex__free(lua->regexes[i].regex);
        free((void *)lua->regexes[i].pattern.bytes);
    }
    arena_deinit(&lua->scratch);
    buffer_deinit(&lua->buffer);
    free(lua);
}

void expr_lua_forget(struct expr_lua *lua, const struct expr_set *set) {
    struct lua_generation **at = &lua->generations;
    while (*at && (*at)->id != set__generation(set))
        at = &(*at)->next;
    struct lua_generation *gone = *at;
    if (!gone)
        return;
    *at = gone->next;
    for (uint32_t i = 0; i < gone->count; i++)
        luaL_unref(lua->budget.L, LUA_REGISTRYINDEX, gone->refs[i]);
    free(gone);
    lua_gc(lua->budget.L, LUA_GCCOLLECT);
}

/* ---- chunks
 * ------------------------------------------------------------------------------------*/

/* Where the reference to a chunk is kept; NULL without memory. */
static int *find_ref(struct expr_lua *lua, const struct chunk *chunk) {
    uint64_t id = set__generation(chunk->set);
    struct lua_generation **at = &lua->generations, *found;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    found = *at;
    uint32_t count = found ? found->count : 0;
    if (!found || chunk->number >= count) {
        uint32_t wanted = set__chunk_count(chunk->set);
        assert(chunk->number < wanted);
        struct lua_generation *next = found ? found->next : NULL;
        found = realloc(found, sizeof *found + wanted * sizeof found->refs[0]);
        if (!found)
            return NULL;
        *found = (struct lua_generation){.next = next, .id = id, .count = wanted};
        for (uint32_t i = count; i < wanted; i++)
            found->refs[i] = LUA_NOREF;
        *at = found;
    }
    *at = found->next; /* to the front */
    found->next = lua->generations;
    lua->generations = found;
    return &found->refs[chunk->number];
}

static int call_variable(lua_State *L);

/* Runs the outer function of the bytecode with what is bound once, and keeps the inner one. */
static int load_chunk(lua_State *L) {
    const struct evaluation *evaluation = lua_touserdata(L, 1);
    const struct chunk *chunk = evaluation->chunk;
    luaL_checkstack(L, (int)chunk->fixed_count + 2, NULL);
    if (luaL_loadbufferx(L, chunk->bytecode.bytes, chunk->bytecode.size, "=expr", "b") != LUA_OK)
        return lua_error(L);
    for (uint32_t i = 0; i < chunk->fixed_count; i++) {
        if (chunk->fixed[i].kind == INPUT_LIBRARY) {
            lua__push_library(L, chunk->fixed[i].library);
            continue;
        }
        lua_pushlightuserdata(L, (void *)chunk->fixed[i].variable);
        lua_pushcclosure(L, call_variable, 1);
    }
    lua_call(L, (int)chunk->fixed_count, 1);
    *evaluation->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* ---- variables
 * ---------------------------------------------------------------------------------*/

static void push_variable(lua_State *L, const struct expr_variable *variable,
                          struct slice argument) {
    struct expr_lua *lua = lua__of(L);
    struct value value = value_nil();
    enum status status = variable__eval(variable, argument, lua->scope, lua->scope->arena, &value);
    if (status == STATUS_NOT_FOUND)
        lua__fail(L, STATUS_FAILED,
                  lua_pushfstring(L, "%s(%s) is not defined", variable->name,
                                  lua_pushlstring(L, argument.bytes, argument.size)));
    else if (status != STATUS_OK)
        lua__fail(L, status, lua_pushfstring(L, "%s: %s", variable->name, status_text(status)));
    /* A path that leads to null does so in JSON. */
    lua__push(L, value, variable->argument == EXPR_PATH);
}

static int call_variable(lua_State *L) {
    const struct expr_variable *variable = lua_touserdata(L, lua_upvalueindex(1));
    if (lua_type(L, 1) != LUA_TSTRING && !lua_isinteger(L, 1))
        return luaL_error(L, "%s(...) takes a name, not %s", variable->name, luaL_typename(L, 1));
    struct slice argument;
    argument.bytes = lua_tolstring(L, 1, &argument.size);
    budget__charge(L, 100 + argument.size);
    push_variable(L, variable, argument);
    return 1;
}

static void push_input(lua_State *L, const struct input *input) {
    const struct expr_scope *scope = lua__of(L)->scope;
    switch (input->kind) {
        case INPUT_VARIABLE:
            push_variable(L, input->variable, SLICE_NONE);
            return;
        case INPUT_SLOT:
            lua__push(L, value_box_value(scope->slots[input->slot]), false);
            return;
        case INPUT_SESSION:
            lua__push(L,
                      scope->session.type == VALUE_MAP ? scope->session
                                                       : (struct value){.type = VALUE_MAP},
                      false);
            return;
        case INPUT_GLOBAL:
            lua__push_global(L);
            return;
        case INPUT_LIBRARY:
        case INPUT_FUNCTION:
            break;
    }
    assert(!"bound when the chunk was loaded");
}

/* ---- evaluation
 * --------------------------------------------------------------------------------*/

static int evaluate(lua_State *L) {
    const struct evaluation *evaluation = lua_touserdata(L, 1);
    const struct chunk *chunk = evaluation->chunk;
    luaL_checkstack(L, (int)chunk->input_count + 2, NULL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, *evaluation->ref);
    for (uint32_t i = 0; i < chunk->input_count; i++)
        push_input(L, &chunk->inputs[i]);
    lua_call(L, (int)chunk->input_count, 1);
    *evaluation->out = lua__read(L, -1, lua__of(L)->scope->arena);
    return 0;
}

int lua__fail(lua_State *L, enum status status, const char *text) {
    lua__of(L)->failure = status;
    return luaL_error(L, "%s", text);
}

uint64_t expr_lua_passed(const struct expr_lua *lua, bool is_memory) {
    return is_memory ? lua->passed_memory : lua->passed_time;
}

/* Turns what Lua raised into the status and the sentence of expr_eval(). */
static enum status explain(struct expr_lua *lua, const struct chunk *chunk, int code, char *why) {
    lua_State *L = lua->budget.L;
    const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "failed";
    if (strncmp(message, "expr:", 5) == 0 && strstr(message, ": "))
        message = strstr(message, ": ") + 2;
    int shown = (int)(chunk->source.size < SOURCE_SHOWN ? chunk->source.size : SOURCE_SHOWN);
    const char *source = chunk->source.bytes;
    const char *more = chunk->source.size > SOURCE_SHOWN ? "..." : "";
    bool is_memory = code == LUA_ERRMEM || strstr(message, "not enough memory");
    char bound[BASE_TEXT_MAX];
    if (lua->budget.is_time_passed) {
        lua->passed_time++;
        struct slice text = duration_format(lua->budget.time_ns / 1000000, bound);
        snprintf(why, EXPR_WHY_MAX, "${%.*s%s} took longer than " SLICE_FMT " (expression-time)",
                 shown, source, more, SLICE_ARG(text));
        return STATUS_TIMEOUT;
    }
    if (is_memory && lua->budget.is_memory_passed) {
        lua->passed_memory++;
        struct slice text = size_format(set__memory_budget_bytes(chunk->set), bound);
        snprintf(why, EXPR_WHY_MAX, "${%.*s%s} took more than " SLICE_FMT " (expression-memory)",
                 shown, source, more, SLICE_ARG(text));
        return STATUS_LIMIT;
    }
    snprintf(why, EXPR_WHY_MAX, "${%.*s%s}: %s", shown, source, more,
             is_memory ? "out of memory" : message);
    hint__append(chunk->source, message, why);
    if (is_memory)
        return STATUS_NO_MEMORY;
    return lua->failure != STATUS_OK ? lua->failure : STATUS_FAILED;
}

static void tidy(struct expr_lua *lua) {
    lua_settop(lua->budget.L, 0);
    budget__end(&lua->budget);
    if (lua->scratch.used_bytes > BUFFER_KEEP_BYTES)
        arena_deinit(&lua->scratch);
    else if (lua->scratch.used_bytes)
        arena_reset(&lua->scratch);
    if (lua->buffer.capacity > BUFFER_KEEP_BYTES)
        buffer_deinit(&lua->buffer);
    lua->buffer.size = 0;
    lua->scope = NULL;
}

static int call_protected(lua_State *L, lua_CFunction function, struct evaluation *evaluation) {
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, evaluation);
    return lua_pcall(L, 1, 0, 0);
}

enum status lua__eval(const struct chunk *chunk, const struct expr_scope *scope, struct value *out,
                      char *why) {
    struct expr_lua *lua = scope->lua;
    lua_State *L = lua->budget.L;
    assert(!lua->scope); /* a variable's getter may not evaluate */
    struct evaluation evaluation = {.chunk = chunk, .out = out, .ref = find_ref(lua, chunk)};
    if (!evaluation.ref) {
        snprintf(why, EXPR_WHY_MAX, "out of memory");
        return STATUS_NO_MEMORY;
    }
    lua->scope = scope;
    lua->failure = STATUS_OK;
    int code = LUA_OK;
    if (*evaluation.ref == LUA_NOREF)
        code = call_protected(L, load_chunk, &evaluation);
    lua->scratch.limit_bytes = set__memory_budget_bytes(chunk->set);
    lua->buffer.limit_bytes = lua->scratch.limit_bytes;
    budget__begin(&lua->budget, set__time_budget_ns(chunk->set),
                  set__memory_budget_bytes(chunk->set));
    if (code == LUA_OK)
        code = call_protected(L, evaluate, &evaluation);
    enum status status = STATUS_OK;
    if (code != LUA_OK) {
        status = explain(lua, chunk, code, why);
        why__mend(why);
    }
    tidy(lua);
    return status;
}
