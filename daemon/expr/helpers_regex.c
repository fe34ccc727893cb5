/* regex.match regex.replace regex.split. Compiled patterns are kept in the worker's state, by the
 * hash of their text, since most are constant. */
#include <stdlib.h>

#include "expr/helpers.h"

#define COMPILE_NS 50000
#define SEARCH_NS  300

static size_t slot_of(struct slice pattern) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a: a clash costs a compilation, no more */
    for (size_t i = 0; i < pattern.size; i++)
        hash = (hash ^ (unsigned char)pattern.bytes[i]) * 1099511628211u;
    return (size_t)((hash ^ (hash >> 32)) % LUA_REGEXES);
}

static const struct regex *compile_pattern(lua_State *L, struct lua_regex *slot,
                                           struct slice pattern) {
    struct expr_problem problem;
    budget__charge(L, COMPILE_NS);
    char *text = malloc(pattern.size + 1);
    if (!text)
        lua__fail(L, STATUS_NO_MEMORY, "out of memory");
    struct regex *regex =
        regex__new(pattern, (struct regex_options){.is_run_time = true}, &problem);
    if (!regex) {
        free(text);
        luaL_error(L, "the pattern is wrong at byte %I: %s", (LUAI_UACINT)problem.offset + 1,
                   problem.text);
    }
    regex__free(slot->regex);
    free((void *)slot->pattern.bytes);
    if (pattern.size)
        memcpy(text, pattern.bytes, pattern.size);
    *slot = (struct lua_regex){.regex = regex, .pattern = {text, pattern.size}};
    return regex;
}

/* The regex of argument 2. */
static const struct regex *check_regex(lua_State *L) {
    struct slice pattern = helper__text(L, 2);
    struct lua_regex *slot = &lua__of(L)->regexes[slot_of(pattern)];
    return slot->regex && slice_equal(slot->pattern, pattern) ? slot->regex
                                                              : compile_pattern(L, slot, pattern);
}

static struct regex_search search_in(lua_State *L, const struct regex *regex,
                                     struct slice subject) {
    return regex__search(regex, subject, lua__of(L)->budget.time_ns);
}

static bool next_match(lua_State *L, struct regex_search *search, struct expr_groups *groups) {
    budget__charge(L, SEARCH_NS);
    enum status status = regex__next(search, groups);
    budget__charge(L, search->spent_ns);
    if (status == STATUS_NOT_FOUND)
        return false;
    if (status == STATUS_LIMIT)
        lua__fail(L, STATUS_LIMIT, "the regular expression takes too long");
    if (status != STATUS_OK)
        lua__fail(L, status, status_text(status));
    budget__charge(L, (groups->ends[0] - groups->starts[0]) / 2);
    return true;
}

static bool push_group(lua_State *L, const struct expr_groups *groups, uint32_t number) {
    if (number >= groups->count || groups->starts[number] == UINT32_MAX)
        return false;
    helper__push(L, (struct slice){groups->subject + groups->starts[number],
                                   groups->ends[number] - groups->starts[number]});
    return true;
}

static int regex_match(lua_State *L) {
    struct slice subject = helper__text(L, 1), name;
    const struct regex *regex = check_regex(L);
    struct regex_search search = search_in(L, regex, subject);
    struct expr_groups groups;
    uint32_t number;
    if (!next_match(L, &search, &groups)) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, (int)groups.count, 1);
    for (uint32_t i = 0; i < groups.count; i++)
        if (push_group(L, &groups, i))
            lua_rawseti(L, -2, i);
    for (size_t i = 0; regex__group_name(regex, i, &name, &number); i++) {
        if (!push_group(L, &groups, number))
            continue;
        helper__push(L, name);
        lua_insert(L, -2);
        lua_rawset(L, -3);
    }
    return 1;
}

/* What `$` at the start of `rest` stands for: $0 $1 ... and $$; its size, 0: itself. */
static size_t reference(struct slice rest, uint32_t *number, bool *is_dollar) {
    *is_dollar = rest.size > 1 && rest.bytes[1] == '$';
    if (*is_dollar)
        return 2;
    size_t size = 1;
    *number = 0;
    while (size < rest.size && size < 3 && rest.bytes[size] >= '0' && rest.bytes[size] <= '9')
        *number = *number * 10 + (uint32_t)(rest.bytes[size++] - '0');
    return size > 1 ? size : 0;
}

static void add_replacement(luaL_Buffer *buffer, struct slice by,
                            const struct expr_groups *groups) {
    for (size_t i = 0; i < by.size;) {
        uint32_t number = 0;
        bool is_dollar = false;
        struct slice rest = {by.bytes + i, by.size - i};
        size_t taken = rest.bytes[0] == '$' ? reference(rest, &number, &is_dollar) : 0;
        if (taken == 0 || is_dollar)
            luaL_addchar(buffer, by.bytes[i]);
        else if (push_group(buffer->L, groups, number))
            luaL_addvalue(buffer);
        i += taken ? taken : 1;
    }
}

/* All matches; $1 in `by` is the first group, $0 the match, $$ a dollar. */
static int regex_replace(lua_State *L) {
    struct slice subject = helper__text(L, 1), by = helper__text(L, 3);
    struct regex_search search = search_in(L, check_regex(L), subject);
    struct expr_groups groups;
    luaL_Buffer buffer;
    size_t at = 0;
    luaL_buffinit(L, &buffer);
    while (next_match(L, &search, &groups)) {
        luaL_addlstring(&buffer, subject.bytes + at, groups.starts[0] - at);
        budget__charge(L, by.size);
        add_replacement(&buffer, by, &groups);
        at = groups.ends[0];
    }
    luaL_addlstring(&buffer, subject.bytes + at, subject.size - at);
    luaL_pushresult(&buffer);
    return 1;
}

static int regex_split(lua_State *L) {
    struct slice subject = helper__text(L, 1);
    struct regex_search search = search_in(L, check_regex(L), subject);
    struct expr_groups groups;
    size_t at = 0;
    lua_Integer count = 0;
    lua_newtable(L);
    while (next_match(L, &search, &groups)) {
        if (groups.ends[0] == groups.starts[0] &&
            (groups.ends[0] == 0 || groups.ends[0] == subject.size))
            continue; /* an empty match at either end cuts nothing off */
        helper__push(L, (struct slice){subject.bytes + at, groups.starts[0] - at});
        lua_rawseti(L, -2, ++count);
        at = groups.ends[0];
    }
    helper__push(L, (struct slice){subject.bytes + at, subject.size - at});
    lua_rawseti(L, -2, ++count);
    lua__mark_list(L, -1);
    return 1;
}

const luaL_Reg helpers_regex[] = {
    {"match", regex_match}, {"replace", regex_replace}, {"split", regex_split}, {NULL, NULL}};
