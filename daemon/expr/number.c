/* Numbers as text. The process never sets a locale, so the C library's functions speak plain
 * decimals with a dot. */
#include "expr/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct slice number__from_int(int64_t integer, char *out) {
    uint64_t rest = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
    char *end = out + NUMBER_TEXT_MAX, *at = end;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (integer < 0)
        *--at = '-';
    return (struct slice){at, (size_t)(end - at)};
}

struct slice number__from_float(double number, char *out) {
    if (isnan(number)) /* without the sign that the C library may print */
        return SLICE("nan");
    if (number > -0x1p53 && number < 0x1p53 && number == (double)(int64_t)number)
        return number__from_int((int64_t)number, out);
    size_t size = 0;
    for (int digits = 15; digits <= 17; digits++) {
        size = (size_t)snprintf(out, NUMBER_TEXT_MAX, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            break;
    }
    /* From 2^53 on, what looks like an integer is said to be none. */
    if (isfinite(number) && strcspn(out, ".e") == size) {
        memcpy(out + size, ".0", 3);
        size += 2;
    }
    return (struct slice){out, size};
}

static size_t skip_digits(struct slice text, size_t at) {
    while (at < text.size && text.bytes[at] >= '0' && text.bytes[at] <= '9')
        at++;
    return at;
}

/* Whether `text` is decimal as a whole, and then whether it is one of an integer. */
static bool is_decimal(struct slice text, bool *is_integer) {
    size_t start = text.size > 0 && (text.bytes[0] == '-' || text.bytes[0] == '+');
    size_t at = skip_digits(text, start), digits = at - start;
    *is_integer = true;
    if (at < text.size && text.bytes[at] == '.') {
        size_t fraction = at + 1;
        at = skip_digits(text, fraction);
        digits += at - fraction;
        *is_integer = false;
    }
    if (digits == 0)
        return false;
    if (at < text.size && (text.bytes[at] == 'e' || text.bytes[at] == 'E')) {
        at++;
        at += at < text.size && (text.bytes[at] == '-' || text.bytes[at] == '+');
        size_t end = skip_digits(text, at);
        if (end == at)
            return false;
        at = end;
        *is_integer = false;
    }
    return at == text.size;
}

enum status number__parse(struct slice text, struct value *out) {
    struct slice trimmed = slice_trim(text);
    char copy[NUMBER_PARSE_MAX + 1];
    bool is_integer = false;
    if (trimmed.size == 0 || trimmed.size > NUMBER_PARSE_MAX || !is_decimal(trimmed, &is_integer))
        return STATUS_SYNTAX;
    struct slice unsigned_text = trimmed;
    if (trimmed.bytes[0] == '+')
        unsigned_text = (struct slice){trimmed.bytes + 1, trimmed.size - 1};
    int64_t integer = 0;
    if (is_integer && slice_to_i64(unsigned_text, &integer) == STATUS_OK) {
        *out = value_int(integer);
        return STATUS_OK;
    }
    memcpy(copy, trimmed.bytes, trimmed.size);
    copy[trimmed.size] = '\0';
    double number = strtod(copy, NULL);
    if (!isfinite(number))
        return STATUS_RANGE;
    *out = value_float(number);
    return STATUS_OK;
}
