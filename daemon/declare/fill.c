/* Secrets in what clients say of themselves: filled in when the configuration is loaded. */
#include "declare/internal.h"

static bool take_name(struct slice inside, struct slice *name) {
    inside = slice_trim(inside);
    if (!slice_starts_with(inside, SLICE("Secret(")) || !slice_ends_with(inside, SLICE(")")))
        return false;
    *name = slice_trim((struct slice){inside.bytes + 7, inside.size - 8});
    bool is_quoted = name->size >= 2 && (name->bytes[0] == '"' || name->bytes[0] == '\'') &&
                     name->bytes[name->size - 1] == name->bytes[0];
    if (is_quoted)
        *name = (struct slice){name->bytes + 1, name->size - 2};
    return config_is_id(*name);
}

static bool refuse(const struct declare_fill *fill, const struct config_node *node,
                   const char *key) {
    config_error(fill->diag, node->mark, "\"%s\" may hold ${Secret(name)} and no other ${...}",
                 key);
    config_hint(fill->diag, "$${ is a literal ${");
    return false;
}

static bool append_secret(const struct declare_fill *fill, const struct config_node *node,
                          struct slice name, struct buffer *out) {
    const struct declaration *declared = fill->declared;
    for (size_t i = 0; i < declared->secret_count; i++)
        if (slice_equal(declared->secrets[i].name, name))
            return buffer_append(out, declared->secrets[i].value) == STATUS_OK;
    config_error(fill->diag, node->mark, "secret \"" SLICE_FMT "\" is not declared",
                 SLICE_ARG(name));
    const char **names = arena_alloc(fill->arena, (declared->secret_count + 1) * sizeof *names);
    for (size_t i = 0; names && i < declared->secret_count; i++)
        names[i] = arena_text(fill->arena, declared->secrets[i].name);
    if (names)
        config_hint_nearest(fill->diag, name, names, declared->secret_count);
    return false;
}

/* The part of `text` up to the next `${` that is none of `$${`; what follows it goes to `*rest`. */
static struct slice cut_literal(struct slice text, struct slice *rest) {
    for (size_t i = 0; i + 1 < text.size; i++) {
        bool is_escaped = i + 2 < text.size && text.bytes[i] == '$' && text.bytes[i + 1] == '$' &&
                          text.bytes[i + 2] == '{';
        if (is_escaped || (text.bytes[i] == '$' && text.bytes[i + 1] == '{')) {
            *rest = (struct slice){text.bytes + i, text.size - i};
            return (struct slice){text.bytes, i};
        }
    }
    *rest = SLICE_NONE;
    return text;
}

static bool fill_into(const struct declare_fill *fill, const struct config_node *node,
                      const char *key, struct buffer *out) {
    struct slice rest = node->text;
    while (rest.size) {
        struct slice literal = cut_literal(rest, &rest), name, after;
        if (buffer_append(out, literal) != STATUS_OK)
            return false;
        if (slice_starts_with(rest, SLICE("$${"))) {
            if (buffer_append(out, SLICE("${")) != STATUS_OK)
                return false;
            rest = (struct slice){rest.bytes + 3, rest.size - 3};
        } else if (rest.size) {
            struct slice inside =
                slice_cut((struct slice){rest.bytes + 2, rest.size - 2}, '}', &after);
            if (!after.bytes || !take_name(inside, &name))
                return refuse(fill, node, key);
            if (!append_secret(fill, node, name, out))
                return false;
            rest = after;
        }
    }
    return true;
}

bool declare__fill(const struct declare_fill *fill, const struct config_node *node, const char *key,
                   struct slice *text) {
    if (!node || !slice_contains(*text, SLICE("${")))
        return true;
    struct buffer filled;
    buffer_init(&filled, 0);
    bool is_good = fill_into(fill, node, key, &filled) &&
                   arena_copy(fill->arena, buffer_slice(&filled), text) == STATUS_OK;
    buffer_deinit(&filled);
    return is_good;
}
