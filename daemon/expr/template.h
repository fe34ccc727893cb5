/* Compiled templates as evaluation sees them. Immutable once compiled; all workers read them. */
#ifndef BELLWIRE_EXPR_TEMPLATE_H
#define BELLWIRE_EXPR_TEMPLATE_H

#include "expr/expr.h"

enum lookup_kind { LOOKUP_VARIABLE, LOOKUP_SLOT, LOOKUP_SESSION, LOOKUP_GLOBAL };
struct lookup { /* a direct one: no Lua */
    enum lookup_kind kind;
    uint32_t slot;
    const struct expr_variable *variable;
    struct slice argument;
    struct slice path; /* members, dotted; size 0: none */
};

enum input_kind {
    INPUT_LIBRARY,
    INPUT_FUNCTION,
    INPUT_VARIABLE,
    INPUT_SLOT,
    INPUT_SESSION,
    INPUT_GLOBAL
};
struct input { /* a name that an expression uses */
    enum input_kind kind;
    uint32_t slot;
    size_t library;
    const struct expr_variable *variable; /* FUNCTION: a parametrised one; VARIABLE: a plain one */
};
struct chunk { /* a longer expression */
    const struct expr_set *set;
    uint32_t number; /* in the set */
    struct slice source;
    struct slice bytecode; /* takes `fixed`, returns a function that takes `inputs` */
    const struct input *fixed, *inputs;
    uint32_t fixed_count, input_count;
};

enum part_kind { PART_TEXT, PART_LOOKUP, PART_CHUNK };
struct part {
    enum part_kind kind;
    bool is_encoded_json, is_encoded_url;
    bool is_in_script; /* inside a <script> element, if this is HTML */
    struct slice text; /* PART_TEXT: what to put out; else the source of the hole, trimmed */
    union {
        struct lookup lookup;
        const struct chunk *chunk;
    };
};
struct expr_template {
    const struct part *parts;
    uint32_t count;
    bool is_single; /* one hole and nothing else but white space: keeps its type */
    bool is_condition;
    uint8_t type; /* enum value_type when known, else VALUE_NIL */
    struct slice constant;
};

/* The value of a look-up. STATUS_OK or what the variable's getter answered; `*why` is filled. */
enum status lookup__eval(const struct lookup *lookup, const struct expr_scope *scope,
                         struct value *out, char *why);
/* A plain or parametrised variable; a family without a source binds empty. */
enum status variable__eval(const struct expr_variable *variable, struct slice argument,
                           const struct expr_scope *scope, struct arena *arena, struct value *out);

/* Whether each hole of `parts`, read as HTML, stands in a <script> element. */
void html__mark_scripts(struct part *parts, size_t count);
enum status html__escape(struct slice text, struct arena *arena, struct slice *out);
/* JSON made safe inside <script>: < > & U+2028 U+2029 become \uXXXX. */
enum status html__escape_json(struct slice json, struct arena *arena, struct slice *out);

#endif
