/* The one place that knows all names of an expression, their clashes and their nearest matches. */
#include "expr/names.h"

#include <stdio.h>
#include <stdlib.h>

#include "expr/library.h"
#include "expr/token.h"

static const char *const refused_names[] = {
    "os",           "io",           "debug",    "package", "coroutine", "require",
    "load",         "loadstring",   "loadfile", "dofile",  "pcall",     "xpcall",
    "error",        "assert",       "print",    "rawget",  "rawset",    "rawequal",
    "rawlen",       "setmetatable", "warn",     "_G",      "_ENV",      "collectgarbage",
    "getmetatable", "_VERSION",     "unpack"};

static bool is_refused(struct slice text) {
    for (size_t i = 0; i < ARRAY_SIZE(refused_names); i++)
        if (text.size && text.bytes[0] == refused_names[i][0] && slice_is(text, refused_names[i]))
            return true;
    return false;
}

static const struct expr_variable *find_variable(const struct expr_names *names,
                                                 struct slice text) {
    for (size_t t = 0; names->tables && names->tables[t]; t++)
        for (const struct expr_variable *v = names->tables[t]; v->name; v++)
            if (text.size && text.bytes[0] == v->name[0] && slice_is(text, v->name))
                return v;
    return NULL;
}

struct name name__find(const struct expr_names *names, struct slice text) {
    struct name name = {.kind = NAME_VARIABLE, .variable = find_variable(names, text)};
    if (name.variable)
        return name;
    name.kind = NAME_SLOT;
    for (size_t i = 0; i < names->slot_count; i++) {
        name.slot = (uint32_t)i;
        if (slice_is(text, names->slots[i]))
            return name;
    }
    name.kind = NAME_HELPER;
    for (; library__name(name.helper); name.helper++)
        if (slice_is(text, library__name(name.helper)))
            return name;
    name.kind = slice_is(text, "session")  ? NAME_SESSION
                : slice_is(text, "global") ? NAME_GLOBAL
                : is_refused(text)         ? NAME_REFUSED
                                           : NAME_UNKNOWN;
    return name;
}

/* Appends to `all` when it is there; counts anyway. */
static void gather(const char **all, size_t *count, const char *name) {
    if (all)
        all[*count] = name;
    (*count)++;
}

static size_t gather_all(const struct expr_names *names, const char **all) {
    size_t count = 0;
    for (size_t t = 0; names->tables && names->tables[t]; t++)
        for (const struct expr_variable *v = names->tables[t]; v->name; v++)
            gather(all, &count, v->name);
    for (size_t i = 0; i < names->slot_count; i++)
        gather(all, &count, names->slots[i]);
    for (size_t i = 0; library__name(i); i++)
        if (library__name(i)[0] != '_')
            gather(all, &count, library__name(i));
    gather(all, &count, "session");
    gather(all, &count, "global");
    return count;
}

const char *name__nearest(const struct expr_names *names, struct slice text) {
    const char **all = malloc(gather_all(names, NULL) * sizeof *all);
    if (!all)
        return NULL;
    size_t count = gather_all(names, all);
    const char *nearest = slice_nearest(text, all, count);
    for (size_t i = 0; i < count && !nearest; i++) /* httpmethod, HTTPMethod */
        if (slice_equal_nocase(text, slice_of(all[i])))
            nearest = all[i];
    free(all);
    return nearest;
}

bool expr_is_slot_name(struct slice name, const struct expr_names *names, char *why) {
    if (!text__is_name(name)) {
        snprintf(why, EXPR_WHY_MAX,
                 "\"" SLICE_FMT "\" is no name: letters, digits and _ make one, not a digit first",
                 SLICE_ARG(name));
        return false;
    }
    if (text__is_lua_word(name)) {
        snprintf(why, EXPR_WHY_MAX, "\"" SLICE_FMT "\" is a word of Lua", SLICE_ARG(name));
        return false;
    }
    struct name found = name__find(names, name);
    bool is_environment = slice_is(name, "_ENV"); /* a local of that name would hide all others */
    if (found.kind == NAME_UNKNOWN || found.kind == NAME_SLOT ||
        (found.kind == NAME_REFUSED && !is_environment))
        return true;
    snprintf(why, EXPR_WHY_MAX, "\"" SLICE_FMT "\" is the name of a %s already", SLICE_ARG(name),
             found.kind == NAME_HELPER ? "function" : "variable");
    return false;
}
