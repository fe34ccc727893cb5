/* Walking trees, and the YAML 1.2 core schema: what a scalar without quotes means. */
#include "config/diag.h"

#include <math.h>
#include <stdlib.h>

static bool is_one_of(struct slice text, const char *const *words, size_t count);
static bool read_integer(struct slice text, struct config_scalar *out);
static bool is_float(struct slice text);
static enum status add_steps(const struct config_node *list, struct arena *arena,
                             struct config_steps *out, size_t *capacity);

const struct config_node *config_get(const struct config_node *map, const char *key) {
    if (!map || map->kind != CONFIG_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (slice_is(map->keys[i]->text, key))
            return map->items[i];
    return NULL;
}

bool config_is_null(const struct config_node *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    return node->kind == CONFIG_SCALAR && node->is_plain &&
           is_one_of(node->text, nulls, ARRAY_SIZE(nulls));
}

static bool is_one_of(struct slice text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (slice_is(text, words[i]))
            return true;
    return false;
}

struct config_scalar config_scalar(const struct config_node *scalar) {
    static const char *const truths[] = {"true", "True", "TRUE"};
    static const char *const falsehoods[] = {"false", "False", "FALSE"};
    static const char *const infinities[] = {".inf", ".Inf", ".INF"};
    static const char *const nans[] = {".nan", ".NaN", ".NAN"};
    struct config_scalar out = {.type = CONFIG_STRING};
    struct slice text = scalar->text;
    if (!scalar->is_plain)
        return out;
    if (config_is_null(scalar))
        return (struct config_scalar){.type = CONFIG_NIL};
    bool is_true = is_one_of(text, truths, ARRAY_SIZE(truths));
    if (is_true || is_one_of(text, falsehoods, ARRAY_SIZE(falsehoods)))
        return (struct config_scalar){.type = CONFIG_BOOLEAN, .boolean = is_true};
    if (read_integer(text, &out))
        return out;
    if (is_one_of(text, nans, ARRAY_SIZE(nans)))
        return (struct config_scalar){.type = CONFIG_FLOAT, .number = (double)NAN};
    bool has_sign = text.size > 0 && (text.bytes[0] == '-' || text.bytes[0] == '+');
    struct slice unsigned_text = {text.bytes + has_sign, text.size - has_sign};
    if (is_one_of(unsigned_text, infinities, ARRAY_SIZE(infinities)))
        return (struct config_scalar){.type = CONFIG_FLOAT,
                                      .number = text.bytes[0] == '-' ? -HUGE_VAL : HUGE_VAL};
    if (is_float(unsigned_text)) /* a NUL follows the text of a node */
        return (struct config_scalar){.type = CONFIG_FLOAT, .number = strtod(text.bytes, NULL)};
    return out;
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* `[-+]?[0-9]+`, `0o[0-7]+`, `0x[0-9a-fA-F]+`; one too large for 64 bits becomes a float. */
static bool read_integer(struct slice text, struct config_scalar *out) {
    size_t at = 0;
    int base = 10;
    bool is_negative = text.size > 0 && text.bytes[0] == '-';
    if (slice_starts_with(text, SLICE("0x")) || slice_starts_with(text, SLICE("0o"))) {
        base = text.bytes[1] == 'x' ? 16 : 8;
        at = 2;
    } else if (is_negative || (text.size > 0 && text.bytes[0] == '+')) {
        at = 1;
    }
    if (at == text.size)
        return false;
    bool is_too_large = false;
    int64_t integer = 0; /* counted downwards: there is one more negative number */
    double number = 0;
    for (; at < text.size; at++) {
        int digit = digit_of(text.bytes[at]);
        if (digit >= base)
            return false;
        is_too_large = is_too_large || __builtin_mul_overflow(integer, base, &integer) ||
                       __builtin_sub_overflow(integer, digit, &integer);
        number = number * base + digit;
    }
    if (!is_negative && !is_too_large)
        is_too_large = __builtin_sub_overflow((int64_t)0, integer, &integer);
    if (is_too_large && base == 10)
        number = strtod(text.bytes, NULL);
    if (is_too_large)
        *out = (struct config_scalar){.type = CONFIG_FLOAT, .number = number};
    else
        *out = (struct config_scalar){.type = CONFIG_INTEGER, .integer = integer};
    return true;
}

static size_t digits_at(struct slice text, size_t at) {
    size_t count = 0;
    while (at + count < text.size && digit_of(text.bytes[at + count]) < 10)
        count++;
    return count;
}

/* `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` */
static bool is_float(struct slice text) {
    size_t whole = digits_at(text, 0), at = whole;
    if (at < text.size && text.bytes[at] == '.') {
        size_t fraction = digits_at(text, at + 1);
        if (whole + fraction == 0)
            return false;
        at += 1 + fraction;
    } else if (whole == 0) {
        return false;
    }
    if (at < text.size && (text.bytes[at] == 'e' || text.bytes[at] == 'E')) {
        at++;
        if (at < text.size && (text.bytes[at] == '-' || text.bytes[at] == '+'))
            at++;
        size_t exponent = digits_at(text, at);
        if (exponent == 0)
            return false;
        at += exponent;
    }
    return at == text.size;
}

enum status config_steps(const struct config_node *node, const char *what, struct arena *arena,
                         struct config_diag *diag, struct config_steps *out) {
    if (node->kind == CONFIG_SCALAR && node->is_plain && node->text.size == 0) {
        config_error_empty(diag, node, what);
        return STATUS_FAILED;
    }
    if (node->kind != CONFIG_LIST) {
        config_error(diag, node->mark, "\"%s\" must be a list of steps, found %s", what,
                     node->kind == CONFIG_MAP ? "a mapping" : "text");
        config_hint(diag, "each step begins with \"- \", also a single one");
        return STATUS_FAILED;
    }
    struct config_steps steps = {NULL, 0};
    size_t capacity = 0;
    enum status status = add_steps(node, arena, &steps, &capacity);
    if (!status)
        *out = steps;
    return status;
}

/* No deeper than CONFIG_DEPTH, as no tree is. */
static enum status add_steps(const struct config_node *list, struct arena *arena,
                             struct config_steps *out, size_t *capacity) {
    for (size_t i = 0; i < list->count; i++) {
        const struct config_node *step = list->items[i];
        if (step->kind == CONFIG_LIST) {
            enum status status = add_steps(step, arena, out, capacity);
            if (status)
                return status;
            continue;
        }
        if (out->count == *capacity) {
            size_t wanted = *capacity ? *capacity * 2 : list->count;
            const struct config_node **items = arena_alloc(arena, wanted * sizeof(*items));
            if (!items)
                return STATUS_NO_MEMORY;
            if (out->count)
                memcpy(items, out->items, out->count * sizeof(*items));
            out->items = items;
            *capacity = wanted;
        }
        out->items[out->count++] = step;
    }
    return STATUS_OK;
}

bool config_is_id(struct slice text) {
    if (text.size < 1 || text.size > 64)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && !(i > 0 && (c == '.' || c == '_' || c == '-')))
            return false;
    }
    return true;
}
