/* Evaluation of templates. Direct look-ups and constants stay out of Lua and out of the heap; text
 * of several parts is put together in the scope's arena in one piece. */
#include <stdio.h>

#include "expr/lua_state.h"
#include "expr/template.h"

#define PARTS_ON_STACK 16

static enum status fail(char *why, enum status status, const char *text) {
    snprintf(why, EXPR_WHY_MAX, "%s", text);
    return status;
}

/* ---- look-ups ---------------------------------------------------------------------------------
 */

/* What a variable is in a run that has no source for its family. */
static struct value empty_of(const struct expr_variable *variable) {
    switch ((enum value_type)variable->type) {
        case VALUE_BOOL:
            return value_bool(false);
        case VALUE_INT:
        case VALUE_FLOAT:
            return value_int(0);
        case VALUE_LIST:
        case VALUE_MAP:
            return (struct value){.type = variable->type};
        case VALUE_NIL:
        case VALUE_BYTES:
            break;
    }
    return value_bytes(SLICE(""));
}

enum status variable__eval(const struct expr_variable *variable, struct slice argument,
                           const struct expr_scope *scope, struct arena *arena, struct value *out) {
    void *source = scope->sources[variable->family];
    if (source)
        return variable->get(source, argument, arena, out);
    *out = empty_of(variable);
    return STATUS_OK;
}

static enum status refused_variable(const struct lookup *lookup, enum status status, char *why) {
    if (status == STATUS_NOT_FOUND)
        snprintf(why, EXPR_WHY_MAX, "%s(" SLICE_FMT ") is not defined", lookup->variable->name,
                 SLICE_ARG(lookup->argument));
    else
        snprintf(why, EXPR_WHY_MAX, "%s: %s", lookup->variable->name, status_text(status));
    why__mend(why);
    return status == STATUS_NOT_FOUND ? STATUS_FAILED : status;
}

/* A variable without a path behind it, as most are. */
static enum status plain_variable(const struct lookup *lookup, const struct expr_scope *scope,
                                  struct value *out, char *why) {
    const struct expr_variable *variable = lookup->variable;
    void *source = scope->sources[variable->family];
    if (!source) {
        *out = empty_of(variable);
        return STATUS_OK;
    }
    enum status status = variable->get(source, lookup->argument, scope->arena, out);
    return status == STATUS_OK ? STATUS_OK : refused_variable(lookup, status, why);
}

enum status lookup__eval(const struct lookup *lookup, const struct expr_scope *scope,
                         struct value *out, char *why) {
    if (lookup->kind == LOOKUP_VARIABLE && lookup->path.size == 0)
        return plain_variable(lookup, scope, out, why);
    struct value value = value_nil();
    enum status status;
    switch (lookup->kind) {
        case LOOKUP_VARIABLE:
            status =
                variable__eval(lookup->variable, lookup->argument, scope, scope->arena, &value);
            if (status != STATUS_OK)
                return refused_variable(lookup, status, why);
            break;
        case LOOKUP_SLOT:
            value = value_box_value(scope->slots[lookup->slot]);
            break;
        case LOOKUP_SESSION:
            value = scope->session;
            break;
        case LOOKUP_GLOBAL: /* its path is the callback's */
            *out = scope->global ? scope->global(scope->global_context, lookup->path) : value_nil();
            return STATUS_OK;
    }
    *out = lookup->path.size ? value_path(value, lookup->path) : value;
    return STATUS_OK;
}

/* ---- parts ------------------------------------------------------------------------------------
 */

static enum status part_value(const struct part *part, const struct expr_scope *scope,
                              struct value *out, char *why) {
    if (part->kind == PART_LOOKUP)
        return lookup__eval(&part->lookup, scope, out, why);
    return lua__eval(part->chunk, scope, out, why);
}

/* JSON in a <script> is escaped by JSON's own means, since HTML's do not work there. Anywhere else,
 * in attributes above all, its quotes need those of HTML as well. */
static enum status part_html(const struct part *part, struct arena *arena, struct slice *text) {
    if (part->is_encoded_json) {
        enum status status = html__escape_json(*text, arena, text);
        if (status != STATUS_OK || part->is_in_script)
            return status;
    }
    return html__escape(*text, arena, text);
}

static enum status part_text(const struct part *part, const struct expr_scope *scope,
                             enum expr_escape escape, struct slice *out, char *why) {
    struct value value;
    if (part->kind == PART_TEXT) {
        *out = part->text;
        return STATUS_OK;
    }
    enum status status = part_value(part, scope, &value, why);
    if (status != STATUS_OK)
        return status;
    if (value.type == VALUE_BYTES)
        *out = value_slice(value);
    else
        status = value_text(value, scope->arena, out);
    if (status == STATUS_OK && escape == EXPR_HTML)
        status = part_html(part, scope->arena, out);
    if (status != STATUS_OK)
        snprintf(why, EXPR_WHY_MAX, "${" SLICE_FMT "}: %s",
                 (int)(part->text.size < 80 ? part->text.size : 80), part->text.bytes,
                 status_text(status));
    if (status != STATUS_OK)
        why__mend(why);
    return status;
}

static enum status join_parts(const struct expr_template *tpl, const struct expr_scope *scope,
                              enum expr_escape escape, struct slice *out, char *why) {
    struct slice on_stack[PARTS_ON_STACK], *texts = on_stack;
    if (tpl->count > PARTS_ON_STACK)
        texts = arena_alloc(scope->arena, tpl->count * sizeof *texts);
    size_t size = 0;
    for (uint32_t i = 0; texts && i < tpl->count; i++) {
        enum status status = part_text(&tpl->parts[i], scope, escape, &texts[i], why);
        if (status != STATUS_OK)
            return status;
        size += texts[i].size;
    }
    if (size > UINT32_MAX)
        return fail(why, STATUS_LIMIT, "the text is too large");
    char *bytes = texts ? arena_bytes(scope->arena, size) : NULL;
    if (!bytes)
        return fail(why, STATUS_NO_MEMORY, "out of memory for the run");
    *out = (struct slice){bytes, size};
    for (uint32_t i = 0; i < tpl->count; bytes += texts[i++].size)
        if (texts[i].size)
            memcpy(bytes, texts[i].bytes, texts[i].size);
    return STATUS_OK;
}

enum status expr_eval(const struct expr_template *tpl, const struct expr_scope *scope,
                      enum expr_escape escape, struct value *out, char *why) {
    if (tpl->is_single && escape == EXPR_PLAIN)
        return part_value(&tpl->parts[0], scope, out, why);
    struct slice text;
    enum status status = expr_eval_text(tpl, scope, escape, &text, why);
    if (status == STATUS_OK)
        *out = value_bytes(text);
    return status;
}

enum status expr_eval_text(const struct expr_template *tpl, const struct expr_scope *scope,
                           enum expr_escape escape, struct slice *out, char *why) {
    if (tpl->count > 1)
        return join_parts(tpl, scope, escape, out, why);
    if (tpl->count == 1)
        return part_text(&tpl->parts[0], scope, escape, out, why);
    *out = tpl->constant;
    return STATUS_OK;
}

/* A Json variable that is absent is the empty text: as a condition that is absent, too. */
static bool is_absent(const struct expr_template *tpl, struct value value) {
    const struct part *part = &tpl->parts[0];
    bool may_be_any = part->kind == PART_LOOKUP && part->lookup.kind == LOOKUP_VARIABLE &&
                      part->lookup.variable->type == VALUE_NIL;
    return value.type == VALUE_NIL || (may_be_any && value.type == VALUE_BYTES && value.count == 0);
}

enum status expr_eval_bool(const struct expr_template *tpl, const struct expr_scope *scope,
                           bool *out, char *why) {
    struct value value;
    enum status status = expr_eval(tpl, scope, EXPR_PLAIN, &value, why);
    if (status != STATUS_OK)
        return status;
    if (value.type != VALUE_BOOL && !(tpl->is_single && is_absent(tpl, value))) {
        snprintf(why, EXPR_WHY_MAX, "a condition must be true or false, this is %s",
                 value_type_text((enum value_type)value.type));
        return STATUS_TYPE;
    }
    *out = value.type == VALUE_BOOL && value.boolean;
    return STATUS_OK;
}
