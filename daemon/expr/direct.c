/* Direct look-ups: NAME, NAME(word), NAME("word"), each with .members behind it. */
#include "expr/compile.h"

struct shape { /* what the text looks like */
    struct slice name, argument, path;
    bool has_argument;
};

static bool is_word_char(char c, bool is_first) {
    bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || (unsigned char)c >= 0x80;
    return is_plain || (!is_first && c && strchr("-.:[]$", c));
}

/* A bare word: no quotes, no spaces, and no `..`, which is an operator. */
bool text__is_bare_word(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (!is_word_char(text.bytes[i], i == 0))
            return false;
    return text.size > 0 && !slice_contains(text, SLICE(".."));
}

/* "word" or 'word' without a backslash or another quote in it. */
static bool unquote(struct slice *text) {
    if (text->size < 2 || (text->bytes[0] != '"' && text->bytes[0] != '\''))
        return false;
    struct slice inner = {text->bytes + 1, text->size - 2};
    if (text->bytes[text->size - 1] != text->bytes[0] ||
        memchr(inner.bytes, text->bytes[0], inner.size) || memchr(inner.bytes, '\\', inner.size) ||
        memchr(inner.bytes, '\n', inner.size))
        return false;
    *text = inner;
    return true;
}

static bool is_path(struct slice path) {
    while (path.bytes) {
        struct slice member = slice_cut(path, '.', &path), digits = member;
        while (digits.size && digits.bytes[0] >= '0' && digits.bytes[0] <= '9')
            digits = (struct slice){digits.bytes + 1, digits.size - 1};
        bool is_number = member.size > 0 && digits.size == 0;
        if (!is_number && (!text__is_name(member) || text__is_lua_word(member)))
            return false;
    }
    return true;
}

static bool parse_shape(struct slice source, struct shape *out) {
    struct lexer lexer;
    lexer__init(&lexer, source, 0);
    struct token name = lexer__next(&lexer);
    if (name.kind != TOKEN_NAME)
        return false;
    *out = (struct shape){.name = name.text};
    struct slice rest = {source.bytes + lexer.at, source.size - lexer.at};
    if (rest.size && rest.bytes[0] == '(') {
        const char *close = memchr(rest.bytes, ')', rest.size);
        if (!close)
            return false;
        out->has_argument = true;
        out->argument =
            slice_trim((struct slice){rest.bytes + 1, (size_t)(close - rest.bytes) - 1});
        if (!unquote(&out->argument) && !text__is_bare_word(out->argument))
            return false;
        rest = (struct slice){close + 1, rest.size - (size_t)(close + 1 - rest.bytes)};
    }
    if (rest.size == 0)
        return true;
    out->path = (struct slice){rest.bytes + 1, rest.size - 1};
    return rest.bytes[0] == '.' && is_path(out->path);
}

static enum direct variable(struct compile *compile, const struct shape *shape,
                            const struct expr_variable *variable, struct lookup *out) {
    const char *name = variable->name;
    if (variable->argument == EXPR_NO_ARGUMENT && shape->has_argument) {
        compile__error(compile, 0, arena_printf(&compile->scratch, "write ${%s}", name),
                       "\"%s\" takes no argument", name);
        return DIRECT_ERROR;
    }
    if (variable->argument != EXPR_NO_ARGUMENT && !shape->has_argument) {
        const char *example = variable->argument == EXPR_PATH ? "a.b" : "name";
        compile__error(compile, 0,
                       arena_printf(&compile->scratch, "write ${%s(%s)}", name, example),
                       "\"%s\" needs an argument", name);
        return DIRECT_ERROR;
    }
    enum guess guess = guess__of(variable->type);
    if (shape->path.size && guess != GUESS_UNKNOWN && guess != GUESS_TABLE) {
        compile__error(compile, 0, NULL, "\"%s\" is %s and has no members", name,
                       guess__text(guess));
        return DIRECT_ERROR;
    }
    out->kind = LOOKUP_VARIABLE;
    out->variable = variable;
    return DIRECT_YES;
}

static enum direct own_name(struct compile *compile, const struct shape *shape,
                            const struct name *name, struct lookup *out) {
    if (shape->has_argument) {
        compile__error(compile, 0, NULL, "\"" SLICE_FMT "\" takes no argument",
                       SLICE_ARG(shape->name));
        return DIRECT_ERROR;
    }
    out->kind = name->kind == NAME_SLOT      ? LOOKUP_SLOT
                : name->kind == NAME_SESSION ? LOOKUP_SESSION
                                             : LOOKUP_GLOBAL;
    out->slot = name->slot;
    if (out->kind == LOOKUP_GLOBAL && shape->path.size == 0) {
        compile__error(compile, 0, "write ${global.NAME}", "\"global\" alone is no value");
        return DIRECT_ERROR;
    }
    return DIRECT_YES;
}

/* Copies of the argument and the path into the set, since the caller's text may go. */
static enum direct keep(struct compile *compile, const struct shape *shape, struct lookup *out) {
    struct arena *arena = set__arena(compile->set);
    if (arena_copy(arena, shape->argument, &out->argument) == STATUS_OK &&
        arena_copy(arena, shape->path, &out->path) == STATUS_OK)
        return DIRECT_YES;
    compile__no_memory(compile);
    return DIRECT_ERROR;
}

enum direct compile__direct(struct compile *compile, struct slice source, struct lookup *out) {
    struct shape shape;
    if (!parse_shape(source, &shape))
        return DIRECT_NOT;
    *out = (struct lookup){.kind = LOOKUP_VARIABLE};
    struct name name = name__find(compile->names, shape.name);
    enum direct direct = DIRECT_ERROR;
    if (name.kind == NAME_HELPER || name.kind == NAME_REFUSED)
        return DIRECT_NOT;
    if (name.kind == NAME_UNKNOWN)
        compile__unknown_name(compile, shape.name, 0);
    else if (name.kind == NAME_VARIABLE)
        direct = variable(compile, &shape, name.variable, out);
    else
        direct = own_name(compile, &shape, &name, out);
    return direct == DIRECT_YES ? keep(compile, &shape, out) : direct;
}
