/* Reads the mapping of an action or a trigger into its struct once, and notes the holes that
 * `${...}` leaves, to be filled when the step starts. */
#include "engine/program.h"

#include <stdlib.h>

static enum hole_kind hole_kind_of(const struct config_field *field) {
    switch (field->type) {
        case CONFIG_TEXT:
            return HOLE_TEXT;
        case CONFIG_FILE:
            return HOLE_FILE;
        case CONFIG_TEXTS:
            return HOLE_ITEM;
        case CONFIG_PAIRS:
            return HOLE_PAIR;
        default:
            return HOLE_STORE;
    }
}

static struct arg_hole *hole_push(struct prepare *p, struct arg_hole hole) {
    if (p->hole_count == p->hole_capacity) {
        size_t capacity = p->hole_capacity ? p->hole_capacity * 2 : 8;
        struct arg_hole *holes = builder_alloc(p->tb->builder, capacity * sizeof *holes);
        if (!holes)
            return NULL;
        if (p->hole_count)
            memcpy(holes, p->holes, p->hole_count * sizeof *holes);
        p->holes = holes;
        p->hole_capacity = capacity;
    }
    p->holes[p->hole_count] = hole;
    return &p->holes[p->hole_count++];
}

static bool refuse_in_trigger(const struct prepare *p, const struct config_field *field,
                              struct config_mark mark) {
    config_error(p->tb->builder->diag, mark,
                 "\"%s\" of a trigger cannot hold a variable: it is compared before any is bound",
                 field->name);
    config_hint(p->tb->builder->diag, "write $${ for a literal ${");
    return false;
}

static bool on_dynamic(void *context, const struct config_field *field,
                       const struct config_node *node, size_t offset, size_t index) {
    struct prepare *p = context;
    const struct expr_template *tpl =
        template_build_text(p->tb, node->text, node, EXPR_AS_TEMPLATE);
    if (!tpl)
        return false;
    if (p->is_trigger && !expr_is_constant(tpl))
        return refuse_in_trigger(p, field, node->mark);
    return hole_push(p, (struct arg_hole){.kind = hole_kind_of(field),
                                          .offset = offset,
                                          .index = index,
                                          .field = field,
                                          .tpl = tpl,
                                          .mark = node->mark}) != NULL;
}

static bool special_value(struct prepare *p, const struct config_field *field,
                          const struct config_node *node, void *member, size_t offset) {
    struct arg_value *value = member;
    struct value_tree *tree = builder_alloc(p->tb->builder, sizeof *tree);
    if (!tree || !tree_build(p->tb, node, tree))
        return false;
    value->is_given = true;
    if (tree_is_constant(tree)) {
        value->value = tree->constant;
        return true;
    }
    if (p->is_trigger)
        return refuse_in_trigger(p, field, node->mark);
    return hole_push(p, (struct arg_hole){.kind = HOLE_TREE,
                                          .offset = offset,
                                          .index = CONFIG_NO_INDEX,
                                          .field = field,
                                          .tree = tree,
                                          .mark = node->mark}) != NULL;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape at `text` (which begins with a backslash): its length, or 0 where it is none. */
static size_t unescape_one(struct slice text, char *out) {
    if (text.size < 2)
        return 0;
    if (text.bytes[1] == 'x') {
        if (text.size < 4 || hex_digit(text.bytes[2]) < 0 || hex_digit(text.bytes[3]) < 0)
            return 0;
        *out = (char)(hex_digit(text.bytes[2]) * 16 + hex_digit(text.bytes[3]));
        return 4;
    }
    static const char names[] = "nrt0\\", values[] = "\n\r\t\0\\";
    const char *found = memchr(names, text.bytes[1], sizeof names - 1);
    if (!found)
        return 0;
    *out = values[found - names];
    return 2;
}

static bool unescape(struct prepare *p, const struct config_node *node, struct slice text,
                     struct buffer *out) {
    for (size_t i = 0; i < text.size;) {
        char c = text.bytes[i];
        size_t used = 1;
        if (c == '\\')
            used = unescape_one((struct slice){text.bytes + i, text.size - i}, &c);
        if (used == 0) {
            config_error(p->tb->builder->diag, node->mark,
                         "\"\\%.*s\" is no escape of a binary text", text.size - i > 1,
                         text.bytes + i + 1);
            config_hint(p->tb->builder->diag,
                        "it knows \\xHH \\n \\r \\t \\0 and \\\\, and wants single quotes");
            return false;
        }
        if (buffer_append(out, (struct slice){&c, 1}) != STATUS_OK) {
            builder_no_memory(p->tb->builder);
            return false;
        }
        i += used;
    }
    return true;
}

/* `text` as the constant part of a template. */
static enum status quote_constant(struct slice text, bool hole_follows, struct buffer *out) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < text.size && status == STATUS_OK; i++) {
        struct slice piece = {text.bytes + i, 1};
        bool is_dollar = text.bytes[i] == '$';
        if (is_dollar && i + 1 < text.size && text.bytes[i + 1] == '{')
            status = buffer_append(out, SLICE("$"));
        if (is_dollar && i + 1 == text.size && hole_follows)
            piece = SLICE("${\"$\"}"); /* `$` and then `${` would be a literal brace */
        if (status == STATUS_OK)
            status = buffer_append(out, piece);
    }
    return status;
}

/* Constant parts are unescaped, holes stay as they are: the same template over new text. */
static bool requote_parts(struct prepare *p, const struct config_node *node,
                          const struct expr_template *tpl, struct buffer *out) {
    size_t count = expr_parts(tpl, NULL, 0);
    struct expr_part *parts = builder_alloc(p->tb->builder, (count + 1) * sizeof *parts);
    if (!parts)
        return false;
    expr_parts(tpl, parts, count);
    for (size_t i = 0; i < count; i++) {
        enum status status = STATUS_OK;
        if (parts[i].is_hole) {
            status = buffer_printf(out, "${" SLICE_FMT "}", SLICE_ARG(parts[i].text));
        } else {
            struct buffer plain;
            buffer_init(&plain, 0);
            bool is_good = unescape(p, node, parts[i].text, &plain);
            if (is_good)
                status = quote_constant(buffer_slice(&plain), i + 1 < count, out);
            buffer_deinit(&plain);
            if (!is_good)
                return false;
        }
        if (status != STATUS_OK) {
            builder_no_memory(p->tb->builder);
            return false;
        }
    }
    return true;
}

/* `hole` is pushed when the text holds one; else `*member` is the bytes. */
static bool binary_read(struct prepare *p, const struct config_node *node, struct arg_hole hole,
                        struct slice *member, struct buffer *text) {
    if (!has_hole(node->text)) {
        if (!unescape(p, node, node->text, text))
            return false;
        if (arena_copy(p->tb->builder->arena, buffer_slice(text), member) == STATUS_OK)
            return true;
        builder_no_memory(p->tb->builder);
        return false;
    }
    hole.tpl = template_build_text(p->tb, node->text, node, EXPR_AS_TEMPLATE);
    if (!hole.tpl || !requote_parts(p, node, hole.tpl, text))
        return false;
    hole.tpl = template_build_text(p->tb, buffer_slice(text), node, EXPR_AS_TEMPLATE);
    return hole.tpl && hole_push(p, hole);
}

static bool special_binary(struct prepare *p, const struct config_field *field,
                           const struct config_node *node, void *member, size_t offset) {
    struct arg_hole hole = {.kind = HOLE_TEXT,
                            .offset = offset,
                            .index = CONFIG_NO_INDEX,
                            .field = field,
                            .mark = node->mark};
    if (node->kind != CONFIG_SCALAR) {
        config_error(p->tb->builder->diag, node->mark, "\"%s\" must be a text", field->name);
        return false;
    }
    if (node->is_plain && node->text.size == 0) {
        config_error_empty(p->tb->builder->diag, node, "a binary text");
        return false;
    }
    struct buffer text;
    buffer_init(&text, 0);
    bool is_good = binary_read(p, node, hole, member, &text);
    buffer_deinit(&text);
    return is_good;
}

static bool special_chain(struct prepare *p, const struct config_field *field,
                          const struct config_node *node, void *member) {
    struct chain *chain = builder_alloc(p->tb->builder, sizeof *chain);
    char *path = builder_printf(p->tb->builder, "%s%s/", p->place.path, field->name);
    if (!chain || !path)
        return false;
    struct chain_place place = {.path = path, .depth = p->place.depth + 1};
    *(const struct chain **)member = chain;
    return chain_build(p->tb, node, place, chain);
}

static bool special_slot(struct prepare *p, const struct config_field *field,
                         const struct config_node *node, void *member) {
    if (node->kind != CONFIG_SCALAR) {
        config_error(p->tb->builder->diag, node->mark, "\"%s\" must be a name", field->name);
        return false;
    }
    *(uint32_t *)member = names_find(p->tb, node->text);
    return true; /* a name that is none was reported when the names were collected */
}

static bool on_special(void *context, const struct config_field *field,
                       const struct config_node *node, void *member, size_t offset) {
    struct prepare *p = context;
    struct slice special = slice_of(field->special);
    if (slice_is(special, "value"))
        return special_value(p, field, node, member, offset);
    if (slice_is(special, "binary"))
        return special_binary(p, field, node, member, offset);
    if (slice_is(special, "chain"))
        return special_chain(p, field, node, member);
    if (slice_is(special, "slot"))
        return special_slot(p, field, node, member);
    if (slice_is(special, "node")) {
        *(const struct config_node **)member = node;
        return true;
    }
    enum expr_use use = slice_is(special, "expression") ? EXPR_AS_CONDITION : EXPR_AS_TEMPLATE;
    const struct expr_template *tpl = template_build(p->tb, node, use);
    *(const struct expr_template **)member = tpl;
    return tpl != NULL;
}

/* A slot that is not given must not look like number 0. */
static void clear_slots(char *args, const struct config_field *fields,
                        const struct config_node *node) {
    for (const struct config_field *f = fields; f && f->name; f++) {
        const struct config_node *child =
            node && node->kind == CONFIG_MAP ? config_get(node, f->name) : NULL;
        if (f->type == CONFIG_STRUCT)
            clear_slots(args + f->offset, f->fields, child);
        else if (f->type == CONFIG_SPECIAL && slice_is(slice_of(f->special), "slot") && !child)
            *(uint32_t *)(void *)(args + f->offset) = SLOT_NONE;
    }
}

/* Text that only looked dynamic (`$${`) is stored now. False after an error. */
static bool store_constant(struct prepare *p, const struct arg_hole *hole) {
    struct slice text = expr_constant(hole->tpl);
    if (!text.bytes)
        text.bytes = "";
    if (hole->kind == HOLE_TEXT) {
        *(struct slice *)(void *)(p->args + hole->offset) = text;
        return true;
    }
    if (hole->kind == HOLE_ITEM) {
        ((struct config_texts *)(void *)(p->args + hole->offset))->items[hole->index] = text;
        return true;
    }
    if (hole->kind == HOLE_PAIR) {
        ((struct config_pairs *)(void *)(p->args + hole->offset))->values[hole->index] = text;
        return true;
    }
    char why[CONFIG_WHY_MAX];
    if (config_store(hole->field, text, p->args, hole->offset, why) == STATUS_OK)
        return true;
    config_error(p->tb->builder->diag, hole->mark, "%s", why);
    return false;
}

static bool settle_holes(struct prepare *p) {
    size_t kept = 0;
    bool is_good = true;
    for (size_t i = 0; i < p->hole_count; i++) {
        struct arg_hole hole = p->holes[i];
        /* A FILE is joined with its folder at run time only, so its hole stays. */
        if (hole.kind != HOLE_TREE && hole.kind != HOLE_FILE && expr_is_constant(hole.tpl)) {
            if (!store_constant(p, &hole))
                is_good = false;
            continue;
        }
        hole.is_first = kept == 0 || p->holes[kept - 1].offset != hole.offset ||
                        p->holes[kept - 1].kind != hole.kind;
        p->holes[kept++] = hole;
    }
    p->hole_count = kept;
    return is_good;
}

bool args_build(struct prepare *p, size_t args_size, struct arg_block *out) {
    struct builder *builder = p->tb->builder;
    p->args = builder_alloc(builder, args_size + 1);
    if (!p->args)
        return false;
    if (!p->fields || !p->fields->name) {
        if (p->node && !(p->node->kind == CONFIG_MAP && p->node->count == 0) &&
            !config_is_null(p->node)) {
            config_error(builder->diag, p->node->mark, "%s takes no value", p->subject);
            return false;
        }
    } else {
        struct config_reader reader = {.diag = builder->diag,
                                       .arena = builder->arena,
                                       .subject = p->subject,
                                       .context = p,
                                       .dynamic = on_dynamic,
                                       .special = on_special};
        if (!config_read(&reader, p->node, p->mark, p->fields,
                         (struct config_target){p->args, args_size}))
            return false;
        clear_slots(p->args, p->fields, p->node);
    }
    bool is_good = settle_holes(p);
    *out = (struct arg_block){
        .constant = p->args, .size = args_size, .holes = p->holes, .hole_count = p->hole_count};
    for (size_t i = 0; i < p->hole_count; i++)
        out->needs_session |= p->holes[i].tpl && expr_needs_session(p->holes[i].tpl);
    return is_good;
}
