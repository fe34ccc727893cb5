/* The one way from numbers to text and back. Used by value_text(), JSON, and the helpers of
 * expressions. */
#ifndef BELLWIRE_EXPR_NUMBER_H
#define BELLWIRE_EXPR_NUMBER_H

#include "expr/expr.h"

#define NUMBER_TEXT_MAX 32
/* `out` holds NUMBER_TEXT_MAX; the text in it is returned. */
struct slice number__from_int(int64_t integer, char *out);
/* The shortest text that reads back as the same float. Whole ones below 2^53 have no `.0`, larger
 * ones have it or an exponent; zero is `0` whatever its sign; `inf`, `-inf`, `nan`. */
struct slice number__from_float(double number, char *out);
/* Decimal: sign, digits, fraction, exponent, white space around it. An integer of at most 63 bits
 * is VALUE_INT, anything else VALUE_FLOAT. STATUS_SYNTAX (also for `inf`, `nan`, `0x10`, and texts
 * of more than NUMBER_PARSE_MAX bytes), STATUS_RANGE (no finite float). */
#define NUMBER_PARSE_MAX 1024
enum status number__parse(struct slice text, struct value *out);

#endif
