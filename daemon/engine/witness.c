/* The names that a condition reads, each as a template of its own, so that `why` can tell what they
 * were when it did not hold. What may be secret is left out. */
#include <ctype.h>

#include "engine/program.h"

#define WITNESSES_MAX 4

static bool is_name(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.'; }

/* Also what a peer sends under a name that speaks of such things. */
static bool may_be_secret(struct slice name) {
    static const char *const words[] = {"secret", "authorization", "token",
                                        "key",    "password",      "cookie"};
    char lower[128];
    size_t size = name.size < sizeof lower ? name.size : sizeof lower;
    for (size_t i = 0; i < size; i++)
        lower[i] = (char)tolower((unsigned char)name.bytes[i]);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (slice_contains((struct slice){lower, size}, slice_of(words[i])))
            return true;
    return name.size > sizeof lower;
}

/* Behind a quoted text that begins at `at`. */
static size_t skip_quoted(struct slice text, size_t at) {
    char quote = text.bytes[at++];
    while (at < text.size && text.bytes[at] != quote)
        at += text.bytes[at] == '\\' ? 2 : 1;
    return at < text.size ? at + 1 : text.size;
}

/* The name at `at`, with its quoted argument: HttpQueryParam("n"). */
static struct slice take_name(struct slice text, size_t at) {
    size_t end = at;
    while (end < text.size && is_name(text.bytes[end]))
        end++;
    if (end + 1 < text.size && text.bytes[end] == '(' &&
        (text.bytes[end + 1] == '"' || text.bytes[end + 1] == '\'')) {
        size_t behind = skip_quoted(text, end + 1);
        if (behind < text.size && text.bytes[behind] == ')')
            end = behind + 1;
    }
    return (struct slice){text.bytes + at, end - at};
}

static void ignore(void *context, const struct expr_problem *problem) {
    (void)context, (void)problem; /* what is no variable is no witness */
}

static bool is_there(const struct task_condition *condition, struct slice name) {
    for (size_t i = 0; i < condition->witness_count; i++)
        if (slice_equal(condition->witnesses[i].name, name))
            return true;
    return false;
}

static void add(struct task_builder *tb, struct task_condition *out, struct task_witness *witnesses,
                struct slice name) {
    struct builder *b = tb->builder;
    struct slice head, rest;
    head = slice_cut(name, '.', &rest);
    bool is_ours = isupper((unsigned char)name.bytes[0]) || slice_is(head, "session") ||
                   slice_is(head, "global") || names_find(tb, head) != SLOT_NONE;
    if (!is_ours || out->witness_count == WITNESSES_MAX || is_there(out, name) ||
        may_be_secret(name))
        return;
    const char *text = builder_printf(b, "${" SLICE_FMT "}", SLICE_ARG(name));
    const struct expr_template *value =
        text ? expr_compile(b->program->set, slice_of(text), EXPR_AS_TEMPLATE, &tb->names,
                            (struct expr_report){ignore, NULL})
             : NULL;
    if (value)
        witnesses[out->witness_count++] =
            (struct task_witness){.name = {text + 2, name.size}, .value = value};
}

void witnesses_build(struct task_builder *tb, struct task_condition *out) {
    struct expr_part part = {.is_hole = false};
    struct task_witness *witnesses = builder_alloc(tb->builder, WITNESSES_MAX * sizeof *witnesses);
    if (!out->when || !witnesses || expr_parts(out->when, &part, 1) != 1)
        return;
    out->witnesses = witnesses;
    for (size_t at = 0; at < part.text.size;) {
        char c = part.text.bytes[at];
        if (c == '"' || c == '\'') {
            at = skip_quoted(part.text, at);
        } else if (isalpha((unsigned char)c) || c == '_') {
            struct slice name = take_name(part.text, at);
            add(tb, out, witnesses, name);
            at += name.size;
        } else {
            at++;
        }
    }
}
