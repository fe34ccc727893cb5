/* What expressions may call: Lua's allow-list and our helpers. */
#ifndef BELLWIRE_EXPR_LIBRARY_H
#define BELLWIRE_EXPR_LIBRARY_H

#include <stddef.h>

/* Name number `index` that expressions know by themselves, NULL past the last. A name that begins
 * with `_` is the compiler's own. */
const char *library__name(size_t index);
#define LIBRARY_TEXT "__text" /* makes text of a float operand of `..` */

#endif
