/* Longer expressions become bytecode here, in a Lua state of the compiling thread that knows no
 * library and is gone afterwards.
 *
 * The source is compiled alone first, as `return (SOURCE)`, so that it is one expression and
 * nothing else. Then it is compiled behind the names it uses: what a worker binds once (libraries,
 * parametrised variables) as constant locals, what each evaluation binds as parameters. A name that
 * nothing defines shows as an upvalue `_ENV`. */
#include <lauxlib.h>
#include <lua.h>

#include "expr/compile.h"
#include "expr/library.h"

struct chunk_job {
    struct compile *compile;
    struct slice source;
    struct span *texts;
    const struct token *tokens;
    struct chunk *chunk; /* the result, NULL after an error */
    struct input *fixed, *inputs;
    uint32_t fixed_count, input_count;
    const struct token **unknown; /* names that may be locals of functions inside */
    size_t unknown_count;
    struct buffer bytecode;
};

static int compile_protected(lua_State *L);

struct chunk *compile__chunk(struct compile *compile, struct slice source, enum guess *guess) {
    struct chunk_job job = {.compile = compile, .source = source};
    job.tokens = compile__tokens(compile, source);
    if (!job.tokens || !compile__check_slips(compile, source, job.tokens))
        return NULL;
    *guess = compile__guess(compile, job.tokens, &job.texts);
    buffer_init(&job.bytecode, 0);
    lua_State *L = luaL_newstate();
    size_t errors = compile->errors;
    if (L) {
        lua_pushcfunction(L, compile_protected);
        lua_pushlightuserdata(L, &job);
    }
    bool is_done = L && lua_pcall(L, 1, 0, 0) == LUA_OK;
    if (!is_done && compile->errors == errors)
        compile__no_memory(compile);
    if (L)
        lua_close(L);
    buffer_deinit(&job.bytecode);
    return is_done ? job.chunk : NULL;
}

/* ---- errors of Lua's compiler
 * ------------------------------------------------------------------*/

/* Where in the source the token stands that the message names; 0 when it cannot be told. */
static size_t place_of(const struct chunk_job *job, struct slice message) {
    const char *near = memmem(message.bytes, message.size, "near '", 6);
    if (!near)
        return 0;
    near += 6;
    struct slice token = {near, message.size - (size_t)(near - message.bytes)};
    if (token.size)
        token.size--;
    const char *first = memmem(job->source.bytes, job->source.size, token.bytes, token.size);
    const char *rest = first ? first + 1 : NULL;
    bool is_unique = first && !memmem(rest, job->source.size - (size_t)(rest - job->source.bytes),
                                      token.bytes, token.size);
    return is_unique ? (size_t)(first - job->source.bytes) : 0;
}

/* `expr:1: unexpected symbol near 'x'`, but `C stack overflow` without a place */
static struct slice without_place(struct slice message) {
    struct slice rest;
    slice_cut(message, ':', &rest);
    if (rest.bytes)
        slice_cut(rest, ':', &rest);
    return rest.bytes ? slice_trim(rest) : message;
}

static void refuse_syntax(struct chunk_job *job, const char *raw) {
    struct slice message = without_place(slice_of(raw));
    if (slice_ends_with(message, SLICE("near <eof>")))
        compile__error(job->compile, job->source.size ? job->source.size - 1 : 0, NULL,
                       "the expression ends too early");
    else if (slice_contains(message, SLICE("stack overflow")))
        compile__error(job->compile, 0, NULL, "the expression nests too deep");
    else
        compile__error(job->compile, place_of(job, message), NULL, SLICE_FMT, SLICE_ARG(message));
}

/* ---- names
 * -------------------------------------------------------------------------------------*/

static bool is_seen(const struct chunk_job *job, const struct token *token) {
    for (const struct token *t = job->tokens; t < token; t++)
        if (t->kind == TOKEN_NAME && slice_equal(t->text, token->text) &&
            !(t > job->tokens && (token__is(t - 1, ".") || token__is(t - 1, ":"))))
            return true;
    return false;
}

static void add_name(struct chunk_job *job, const struct token *token) {
    struct name name = name__find(job->compile->names, token->text);
    struct input input = {.slot = name.slot, .library = name.helper, .variable = name.variable};
    bool is_fixed = false;
    switch (name.kind) {
        case NAME_VARIABLE:
            is_fixed = name.variable->argument != EXPR_NO_ARGUMENT;
            input.kind = is_fixed ? INPUT_FUNCTION : INPUT_VARIABLE;
            break;
        case NAME_SLOT:
            input.kind = INPUT_SLOT;
            break;
        case NAME_SESSION:
            input.kind = INPUT_SESSION;
            break;
        case NAME_GLOBAL:
            input.kind = INPUT_GLOBAL;
            break;
        case NAME_HELPER:
            is_fixed = true;
            input.kind = INPUT_LIBRARY;
            break;
        case NAME_UNKNOWN:
        case NAME_REFUSED:
            job->unknown[job->unknown_count++] = token;
            return;
    }
    if (is_fixed)
        job->fixed[job->fixed_count++] = input;
    else
        job->inputs[job->input_count++] = input;
}

static bool gather_names(struct chunk_job *job) {
    size_t count = 1;
    for (const struct token *t = job->tokens; t->kind != TOKEN_END; t++)
        count++;
    struct compile *compile = job->compile;
    job->fixed = arena_alloc(&compile->scratch, (count + 1) * sizeof *job->fixed);
    job->inputs = arena_alloc(&compile->scratch, count * sizeof *job->inputs);
    job->unknown = arena_alloc(&compile->scratch, count * sizeof(struct token *));
    if (!job->fixed || !job->inputs || !job->unknown)
        return false;
    if (job->texts) { /* calls of __text() will be put in */
        size_t helper = 0;
        while (strcmp(library__name(helper), LIBRARY_TEXT) != 0)
            helper++;
        job->fixed[job->fixed_count++] = (struct input){.kind = INPUT_LIBRARY, .library = helper};
    }
    for (const struct token *t = job->tokens; t->kind != TOKEN_END; t++) {
        bool is_field = t > job->tokens && (token__is(t - 1, ".") || token__is(t - 1, ":"));
        if (t->kind == TOKEN_NAME && !is_field && !is_seen(job, t))
            add_name(job, t);
    }
    return true;
}

static const char *input_name(const struct chunk_job *job, const struct input *input) {
    switch (input->kind) {
        case INPUT_LIBRARY:
            return library__name(input->library);
        case INPUT_FUNCTION:
        case INPUT_VARIABLE:
            return input->variable->name;
        case INPUT_SLOT:
            return job->compile->names->slots[input->slot];
        case INPUT_SESSION:
            return "session";
        case INPUT_GLOBAL:
            break;
    }
    return "global";
}

/* ---- source
 * ------------------------------------------------------------------------------------*/

static void add_slice(luaL_Buffer *buffer, struct slice text) {
    luaL_addlstring(buffer, text.bytes, text.size);
}

/* The expression with `__text(` ... `)` around what `texts` lists. */
static void add_source(luaL_Buffer *buffer, const struct chunk_job *job) {
    for (size_t i = 0; i <= job->source.size; i++) {
        for (const struct span *span = job->texts; span; span = span->next)
            if (span->end == i)
                luaL_addchar(buffer, ')');
        for (const struct span *span = job->texts; span; span = span->next)
            if (span->start == i)
                luaL_addstring(buffer, LIBRARY_TEXT "(");
        if (i < job->source.size)
            luaL_addchar(buffer, job->source.bytes[i]);
    }
}

static void push_alone(lua_State *L, const struct chunk_job *job) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, "return ");
    add_slice(&buffer, job->source);
    luaL_pushresult(&buffer);
}

/* `but`: the unknown name that is not declared; the others are. NULL: none is. */
static void push_whole(lua_State *L, const struct chunk_job *job, const struct token *but) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (uint32_t i = 0; i < job->fixed_count; i++) {
        luaL_addstring(&buffer, i ? "," : "local ");
        luaL_addstring(&buffer, input_name(job, &job->fixed[i]));
        luaL_addstring(&buffer, "<const>");
    }
    luaL_addstring(&buffer, job->fixed_count ? " = ... return function(" : "return function(");
    const char *comma = "";
    for (uint32_t i = 0; i < job->input_count; i++, comma = ",") {
        luaL_addstring(&buffer, comma);
        luaL_addstring(&buffer, input_name(job, &job->inputs[i]));
    }
    for (size_t i = 0; but && i < job->unknown_count; i++) {
        if (job->unknown[i] == but)
            continue;
        luaL_addstring(&buffer, comma);
        add_slice(&buffer, job->unknown[i]->text);
        comma = ",";
    }
    luaL_addstring(&buffer, ") return (");
    add_source(&buffer, job);
    luaL_addstring(&buffer, "\n) end");
    luaL_pushresult(&buffer);
}

/* ---- compiling
 * ---------------------------------------------------------------------------------*/

/* Replaces the text on top by its function. False after an error. */
static bool load_top(lua_State *L, struct chunk_job *job) {
    size_t size;
    const char *text = lua_tolstring(L, -1, &size);
    int code = luaL_loadbufferx(L, text, size, "=expr", "t");
    lua_remove(L, -2);
    if (code == LUA_OK)
        return true;
    if (code == LUA_ERRMEM)
        compile__no_memory(job->compile);
    else
        refuse_syntax(job, lua_tostring(L, -1));
    lua_pop(L, 1);
    return false;
}

/* Whether the function inside the one on top uses a name that nothing defines. */
static bool uses_environment(lua_State *L) {
    bool found = false;
    lua_pushvalue(L, -1);
    lua_call(L, 0, 1); /* only makes the closure */
    const char *name;
    for (int i = 1; !found && (name = lua_getupvalue(L, -1, i)); i++) {
        found = strcmp(name, "_ENV") == 0;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return found;
}

/* Finds which of the names that may be locals of functions inside are none. */
static void refuse_unknown(lua_State *L, struct chunk_job *job) {
    size_t errors = job->compile->errors;
    for (size_t i = 0; i < job->unknown_count; i++) {
        push_whole(L, job, job->unknown[i]);
        if (!load_top(L, job))
            return;
        if (uses_environment(L))
            compile__unknown_name(job->compile, job->unknown[i]->text, job->unknown[i]->offset);
        lua_pop(L, 1);
    }
    if (job->compile->errors == errors)
        compile__error(job->compile, 0, NULL, "\"_ENV\" is not available in expressions");
}

static int write_bytecode(lua_State *L, const void *bytes, size_t size, void *context) {
    (void)L; /* the writer's face is Lua's */
    return buffer_append(context, (struct slice){bytes, size}) == STATUS_OK ? 0 : 1;
}

/* From scratch memory to that of the set. */
static const struct input *keep_inputs(struct chunk_job *job, const struct input *inputs,
                                       uint32_t count) {
    struct input *kept = set__alloc(job->compile->set, count * sizeof *kept);
    if (kept && count)
        memcpy(kept, inputs, count * sizeof *kept);
    return kept;
}

static void keep(lua_State *L, struct chunk_job *job) {
    struct chunk *chunk = set__alloc(job->compile->set, sizeof *chunk);
    const struct input *fixed = keep_inputs(job, job->fixed, job->fixed_count);
    const struct input *inputs = keep_inputs(job, job->inputs, job->input_count);
    struct slice kept;
    if (!chunk || !fixed || !inputs || lua_dump(L, write_bytecode, &job->bytecode, 0) != 0 ||
        arena_copy(set__arena(job->compile->set), buffer_slice(&job->bytecode), &kept) !=
            STATUS_OK) {
        compile__no_memory(job->compile);
        return;
    }
    *chunk = (struct chunk){.set = job->compile->set,
                            .number = set__next_chunk(job->compile->set),
                            .source = job->source,
                            .bytecode = kept,
                            .fixed = fixed,
                            .inputs = inputs,
                            .fixed_count = job->fixed_count,
                            .input_count = job->input_count};
    job->chunk = chunk;
}

static int compile_protected(lua_State *L) {
    struct chunk_job *job = lua_touserdata(L, 1);
    push_alone(L, job);
    if (!load_top(L, job))
        return 0;
    lua_pop(L, 1);
    if (!gather_names(job)) {
        compile__no_memory(job->compile);
        return 0;
    }
    push_whole(L, job, NULL);
    if (!load_top(L, job))
        return 0;
    if (uses_environment(L))
        refuse_unknown(L, job);
    else
        keep(L, job);
    return 0;
}
