/* A strict reader of extension lists: tokens, parameters, quoted values that must be tokens when
 * unquoted (RFC 6455 section 9.1). Empty elements between commas are passed over. */
#include "ws/extension.h"

#define VALUE_MAX 2 /* characters of the longest good value of a parameter we know */

struct parameter {
    struct slice name;
    bool has_value;
    char value[VALUE_MAX];
    size_t value_size; /* may be above VALUE_MAX: too long to be good */
};

static bool is_token_char(char c) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && memchr(others, c, sizeof others - 1));
}

static void skip(struct slice *text, size_t size) {
    text->bytes += size;
    text->size -= size;
}

static void skip_blanks(struct slice *text) {
    while (text->size > 0 && (text->bytes[0] == ' ' || text->bytes[0] == '\t')) {
        skip(text, 1);
    }
}

/* Passes over `c` and the blanks behind it, if it is next. */
static bool take(struct slice *text, char c) {
    if (text->size == 0 || text->bytes[0] != c) {
        return false;
    }
    skip(text, 1);
    skip_blanks(text);
    return true;
}

struct slice ws__token(struct slice *text) {
    skip_blanks(text);
    struct slice token = {text->bytes, 0};
    while (token.size < text->size && is_token_char(text->bytes[token.size])) {
        token.size++;
    }
    skip(text, token.size);
    skip_blanks(text);
    return token;
}

static void add_value_char(struct parameter *parameter, char c) {
    if (parameter->value_size < VALUE_MAX) {
        parameter->value[parameter->value_size] = c;
    }
    parameter->value_size++;
}

/* The rest of a quoted string, its first quote taken. */
static enum status read_quoted(struct slice *text, struct parameter *parameter) {
    while (text->size > 0 && text->bytes[0] != '"') {
        if (text->bytes[0] == '\\') {
            skip(text, 1);
        }
        if (text->size == 0 || !is_token_char(text->bytes[0])) {
            return STATUS_SYNTAX;
        }
        add_value_char(parameter, text->bytes[0]);
        skip(text, 1);
    }
    return parameter->value_size > 0 && take(text, '"') ? STATUS_OK : STATUS_SYNTAX;
}

static enum status read_parameter(struct slice *text, struct parameter *out) {
    *out = (struct parameter){.name = ws__token(text)};
    if (out->name.size == 0) {
        return STATUS_SYNTAX;
    }
    if (!take(text, '=')) {
        return STATUS_OK;
    }
    out->has_value = true;
    if (text->size > 0 && text->bytes[0] == '"') {
        skip(text, 1);
        return read_quoted(text, out);
    }
    struct slice value = ws__token(text);
    for (size_t i = 0; i < value.size; i++) {
        add_value_char(out, value.bytes[i]);
    }
    return value.size > 0 ? STATUS_OK : STATUS_SYNTAX;
}

/* 8 to 15, written without a leading zero; else 0. */
static uint8_t bits_of(const struct parameter *parameter) {
    const char *value = parameter->value;
    if (parameter->value_size == 1 && (value[0] == '8' || value[0] == '9')) {
        return (uint8_t)(value[0] - '0');
    }
    if (parameter->value_size == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5') {
        return (uint8_t)(10 + value[1] - '0');
    }
    return 0;
}

static bool set_once(bool *flag) {
    bool was_set = *flag;
    *flag = true;
    return !was_set;
}

/* RFC 7692 section 7.1; false when the element may not be agreed to. */
static bool add_parameter(struct ws__extension *out, const struct parameter *parameter) {
    if (slice_equal_nocase(parameter->name, SLICE("server_no_context_takeover"))) {
        return set_once(&out->has_server_no_takeover) && !parameter->has_value;
    }
    if (slice_equal_nocase(parameter->name, SLICE("client_no_context_takeover"))) {
        return set_once(&out->has_client_no_takeover) && !parameter->has_value;
    }
    if (slice_equal_nocase(parameter->name, SLICE("server_max_window_bits"))) {
        out->server_bits = bits_of(parameter);
        return set_once(&out->has_server_bits) && out->server_bits != 0;
    }
    if (slice_equal_nocase(parameter->name, SLICE("client_max_window_bits"))) {
        out->client_bits = bits_of(parameter);
        return set_once(&out->has_client_bits) && (!parameter->has_value || out->client_bits != 0);
    }
    return false;
}

enum status ws__extension_next(struct slice *list, struct ws__extension *out) {
    struct slice text = *list;
    skip_blanks(&text);
    while (take(&text, ',')) {
    }
    if (text.size == 0) {
        return STATUS_NOT_FOUND;
    }
    struct slice name = ws__token(&text);
    struct ws__extension found = {.is_deflate = slice_equal_nocase(name, SLICE(WS__DEFLATE))};
    found.is_good = found.is_deflate;
    if (name.size == 0) {
        return STATUS_SYNTAX;
    }
    while (take(&text, ';')) {
        struct parameter parameter;
        if (read_parameter(&text, &parameter) != STATUS_OK) {
            return STATUS_SYNTAX;
        }
        found.is_good = found.is_good && add_parameter(&found, &parameter);
    }
    if (text.size > 0 && text.bytes[0] != ',') {
        return STATUS_SYNTAX;
    }
    *list = text;
    *out = found;
    return STATUS_OK;
}
