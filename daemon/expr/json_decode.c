/* JSON to values. Jansson reads the grammar; a scan before it settles what jansson cannot be told:
 * depth and number of nodes before any memory is taken, and integers that it would refuse. Such an
 * integer is handed over as a float by writing `e0` behind it. */
#include "expr/expr.h"

#include <jansson.h>

struct json_scan {
    struct slice text;
    size_t at;
    size_t depth; /* of containers */
    size_t nodes; /* at least as many as its values take of 16 bytes */
};

/* Behind the string that starts at `at`; a string without an end ends with the text. */
static size_t after_string(struct slice text, size_t at) {
    for (at++; at < text.size && text.bytes[at] != '"'; at++) {
        if (text.bytes[at] == '\\')
            at++;
    }
    return at < text.size ? at + 1 : text.size;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* What may follow the digits of a number: with it, it is no integer. */
static bool is_fraction_byte(char c) { return c == '.' || c == 'e' || c == 'E'; }

/* Goes behind the number that starts at `at`; true when it is an integer past 63 bits. A number
 * that breaks the grammar is cut somewhere, and jansson refuses it. */
static bool scan_number(struct json_scan *scan) {
    struct slice text = scan->text;
    size_t start = scan->at++;
    while (scan->at < text.size && is_digit(text.bytes[scan->at]))
        scan->at++;
    if (scan->at == text.size || !is_fraction_byte(text.bytes[scan->at])) {
        int64_t integer = 0;
        struct slice number = {text.bytes + start, scan->at - start};
        return slice_to_i64(number, &integer) == STATUS_RANGE;
    }
    while (scan->at < text.size &&
           (is_digit(text.bytes[scan->at]) || is_fraction_byte(text.bytes[scan->at]) ||
            text.bytes[scan->at] == '-' || text.bytes[scan->at] == '+'))
        scan->at++;
    return false;
}

static void scan_structure(struct json_scan *scan, char c) {
    if (c == '[' || c == '{') {
        scan->nodes++;
        scan->depth++;
    } else if ((c == ']' || c == '}') && scan->depth > 0) {
        scan->depth--;
    } else if (c == ',' || c == ':') {
        scan->nodes++;
    }
}

/* Goes on to the next integer past 63 bits and returns true, with `at` right behind it; false at
 * the end of the text, or where it gets too deep, with `at` at that place. */
static bool scan_to_big_integer(struct json_scan *scan) {
    struct slice text = scan->text;
    while (scan->at < text.size && scan->depth <= VALUE_DEPTH_MAX) {
        char c = text.bytes[scan->at];
        if (c == '"') {
            scan->at = after_string(text, scan->at);
        } else if (c == '-' || is_digit(c)) {
            if (scan_number(scan))
                return true;
        } else {
            scan_structure(scan, c);
            scan->at++;
        }
    }
    return false;
}

/* ---- integers past 63 bits -------------------------------------------------------------------
 */
#define FLOAT_MARK SLICE("e0")

/* Scans the whole text; where it has big integers, `rewritten` holds it with each of them marked,
 * else it stays empty. */
static enum status scan_and_rewrite(struct json_scan *scan, struct buffer *rewritten) {
    size_t copied = 0;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && scan_to_big_integer(scan)) {
        struct slice part = {scan->text.bytes + copied, scan->at - copied};
        status = buffer_append(rewritten, part);
        if (status == STATUS_OK)
            status = buffer_append(rewritten, FLOAT_MARK);
        copied = scan->at;
    }
    if (status == STATUS_OK && scan->depth > VALUE_DEPTH_MAX)
        status = STATUS_LIMIT;
    if (status == STATUS_OK && copied > 0)
        status = buffer_append(rewritten,
                               (struct slice){scan->text.bytes + copied, scan->text.size - copied});
    return status;
}

/* From a place in the rewritten text to the one in the text that was given. */
static size_t place_before_rewriting(struct slice text, size_t at) {
    struct json_scan scan = {.text = text};
    size_t marks_bytes = 0;
    while (scan_to_big_integer(&scan) && at >= scan.at + marks_bytes) {
        if (at < scan.at + marks_bytes + FLOAT_MARK.size)
            return scan.at - 1;
        marks_bytes += FLOAT_MARK.size;
    }
    return at - marks_bytes;
}

/* ---- from jansson's tree to ours -------------------------------------------------------------
 */
static enum status take_within(json_t *json, struct arena *arena, struct value *out);

static enum status take_bytes(struct slice text, struct arena *arena, struct value *out) {
    struct slice copy;
    enum status status = arena_copy(arena, text, &copy);
    if (status == STATUS_OK)
        *out = value_bytes(copy);
    return status;
}

static enum status take_list(json_t *json, struct arena *arena, struct value *out) {
    size_t count = json_array_size(json);
    struct value *items = arena_alloc(arena, count * sizeof *items);
    enum status status = items ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = take_within(json_array_get(json, i), arena, &items[i]);
    if (status == STATUS_OK)
        *out = (struct value){.type = VALUE_LIST, .count = (uint32_t)count, .items = items};
    return status;
}

static enum status take_map(json_t *json, struct arena *arena, struct value *out) {
    size_t count = json_object_size(json), i = 0;
    struct value_pair *pairs = arena_alloc(arena, count * sizeof *pairs);
    enum status status = pairs ? STATUS_OK : STATUS_NO_MEMORY;
    for (void *member = json_object_iter(json); member && status == STATUS_OK;
         member = json_object_iter_next(json, member), i++) {
        struct slice key = slice_of(json_object_iter_key(member));
        status = take_bytes(key, arena, &pairs[i].key);
        if (status == STATUS_OK)
            status = take_within(json_object_iter_value(member), arena, &pairs[i].value);
    }
    if (status == STATUS_OK)
        *out = (struct value){.type = VALUE_MAP, .count = (uint32_t)count, .pairs = pairs};
    return status;
}

/* Recursion is as deep as the scan allowed. */
static enum status take_within(json_t *json, struct arena *arena, struct value *out) {
    switch (json_typeof(json)) {
        case JSON_OBJECT:
            return take_map(json, arena, out);
        case JSON_ARRAY:
            return take_list(json, arena, out);
        case JSON_STRING: {
            struct slice text = {json_string_value(json), json_string_length(json)};
            return take_bytes(text, arena, out);
        }
        case JSON_INTEGER:
            *out = value_int(json_integer_value(json));
            return STATUS_OK;
        case JSON_REAL:
            *out = value_float(json_real_value(json));
            return STATUS_OK;
        case JSON_TRUE:
        case JSON_FALSE:
            *out = value_bool(json_is_true(json));
            return STATUS_OK;
        case JSON_NULL:
            *out = value_nil();
            return STATUS_OK;
    }
    return STATUS_TYPE;
}

/* ---- decoding --------------------------------------------------------------------------------
 */
static enum status status_of_error(const json_error_t *error) {
    switch (json_error_code(error)) {
        case json_error_unknown: /* left without a word where an allocation failed */
        case json_error_out_of_memory:
            return STATUS_NO_MEMORY;
        case json_error_numeric_overflow:
        case json_error_stack_overflow:
            return STATUS_LIMIT;
        default:
            return STATUS_SYNTAX;
    }
}

/* Jansson tells how far it has read; the byte at fault is the last one, or the end. */
static size_t place_of_error(const json_error_t *error, struct slice read) {
    size_t position = error->position > 0 ? (size_t)error->position : 0;
    bool is_end = json_error_code(error) == json_error_premature_end_of_input;
    if (is_end || position > read.size)
        return read.size;
    return position > 0 ? position - 1 : 0;
}

static enum status decode_scanned(struct slice text, struct slice read, struct arena *arena,
                                  struct value *out, size_t *at) {
    /* Zeroed, since jansson leaves the code alone where it has none to tell. */
    json_error_t error = {.line = 0};
    size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_t *json = json_loadb(read.size ? read.bytes : "", read.size, flags, &error);
    if (!json) {
        *at = place_before_rewriting(text, place_of_error(&error, read));
        return status_of_error(&error);
    }
    struct value value;
    struct arena_mark mark = arena_mark(arena);
    enum status status = take_within(json, arena, &value);
    if (status == STATUS_OK)
        *out = value;
    else
        arena_rewind(arena, mark);
    json_decref(json);
    return status;
}

/* Jansson's tree takes several times what ours does: what cannot fit is refused before it. */
static bool has_room(const struct arena *arena, size_t nodes) {
    if (arena->limit_bytes == 0)
        return true;
    size_t left = arena->limit_bytes - arena->used_bytes;
    return arena->used_bytes <= arena->limit_bytes && nodes <= left / sizeof(struct value);
}

enum status json_decode(struct slice text, struct arena *arena, struct value *out, size_t *at) {
    struct json_scan scan = {.text = text};
    struct buffer rewritten;
    buffer_init(&rewritten, 0);
    /* Nowhere is NUL part of JSON, but jansson passes over one behind a number. */
    const char *nul = text.size > 0 ? memchr(text.bytes, '\0', text.size) : NULL;
    *at = nul ? (size_t)(nul - text.bytes) : 0;
    enum status status = nul ? STATUS_SYNTAX : scan_and_rewrite(&scan, &rewritten);
    if (status == STATUS_LIMIT)
        *at = scan.at - 1;
    else if (status == STATUS_OK && !has_room(arena, scan.nodes))
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        struct slice read = rewritten.size > 0 ? buffer_slice(&rewritten) : text;
        status = decode_scanned(text, read, arena, out, at);
    }
    buffer_deinit(&rewritten);
    return status;
}
