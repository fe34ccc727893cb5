/* What helps against the errors of Lua that people meet most at run time. */
#include <stdio.h>

#include "expr/lua_state.h"
#include "expr/token.h"

struct chain { /* root.a.b.c in the source */
    struct slice root, path;
    size_t members;
};

static void append(char *why, const char *text) {
    size_t size = strlen(why);
    snprintf(why + size, EXPR_WHY_MAX - size, "%s", text);
}

/* What stands between the first two quotes of "... (field 'topics')". */
static struct slice quoted_name(const char *message) {
    const char *open = strchr(message, '\'');
    const char *close = open ? strchr(open + 1, '\'') : NULL;
    return close ? (struct slice){open + 1, (size_t)(close - open) - 1} : SLICE_NONE;
}

/* The chain that begins with `*token`; moves both to behind it. */
static struct chain read_chain(struct lexer *lexer, struct token *token) {
    struct chain chain = {.root = token->text};
    *token = lexer__next(lexer);
    while (token__is(token, ".")) {
        struct token member = lexer__next(lexer);
        if (member.kind != TOKEN_NAME)
            break;
        if (!chain.path.bytes)
            chain.path.bytes = member.text.bytes;
        chain.path.size = (size_t)(member.text.bytes + member.text.size - chain.path.bytes);
        chain.members++;
        *token = lexer__next(lexer);
    }
    return chain;
}

/* Whether something of the chain stands behind `name`, which was nil. */
static bool goes_beyond(const struct chain *chain, struct slice name) {
    if (slice_equal(chain->root, name))
        return chain->members > 0;
    struct slice rest = chain->path;
    while (rest.bytes) {
        struct slice member = slice_trim(slice_cut(rest, '.', &rest));
        if (slice_equal(member, name))
            return rest.bytes != NULL;
    }
    return false;
}

/* get(...) with the names of the expression, where they can be found in it. */
static void append_get(struct slice source, const char *message, char *why) {
    struct slice name = quoted_name(message);
    struct lexer lexer;
    lexer__init(&lexer, source, 0);
    struct token token = lexer__next(&lexer);
    size_t size = strlen(why);
    while (name.bytes && token.kind != TOKEN_END) {
        if (token.kind != TOKEN_NAME) {
            token = lexer__next(&lexer);
            continue;
        }
        struct chain chain = read_chain(&lexer, &token);
        if (!goes_beyond(&chain, name))
            continue;
        snprintf(why + size, EXPR_WHY_MAX - size,
                 "; what may be absent is read with get(" SLICE_FMT ", \"" SLICE_FMT "\", default)",
                 SLICE_ARG(chain.root), SLICE_ARG(chain.path));
        return;
    }
    append(why, "; what may be absent is read with get(global, \"topics.x\", default)");
}

void hint__append(struct slice source, const char *message, char *why) {
    bool has_text = strstr(message, "string"), has_number = strstr(message, "number");
    if (strstr(message, "attempt to index a nil"))
        append_get(source, message, why);
    else if (strstr(message, "attempt to compare") && has_text && has_number)
        append(why, "; number(...) makes a number of text");
    else if (strstr(message, "a 'string' with a") || strstr(message, "with a 'string'") ||
             strstr(message, "attempt to perform arithmetic on a nil"))
        append(why, "; number(x, default) makes a number of what may be none");
    else if (strstr(message, "attempt to call a nil value") &&
             (strstr(message, "'find'") || strstr(message, "'match'") ||
              strstr(message, "'gmatch'") || strstr(message, "'gsub'")))
        append(why, "; contains(...), regex.match(...) and regex.replace(...) take its place");
}

void why__mend(char *why) {
    size_t size = strlen(why);
    /* A character that was cut off at the end goes whole. */
    for (size_t cut = 0; cut < 4 && cut <= size; cut++)
        if (slice_is_utf8((struct slice){why, size - cut})) {
            why[size - cut] = 0;
            return;
        }
    for (; *why; why++)
        if ((unsigned char)*why >= 0x80)
            *why = '?';
}
