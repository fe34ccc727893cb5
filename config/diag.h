/* What only this folder does with messages. */
#ifndef BELLWIRE_CONFIG_DIAG_H
#define BELLWIRE_CONFIG_DIAG_H

#include "config/config.h"

/* Tells the order of loading; `file` lives as long as the messages. */
void config__diag_file(struct config_diag *diag, const char *file);
/* Writes `text` as part of one line into `out` (`room` bytes, at least 8), with a NUL: control
 * characters escaped, cut with `...` where it is too long. Returns the length. */
size_t config__printable(struct slice text, char *out, size_t room);

#define CONFIG__QUOTE_MAX 72
/* A value as messages quote it: config__printable() into a small array of one expression. */
struct config__quote {
    char text[CONFIG__QUOTE_MAX];
};
static inline struct config__quote config__quote(struct slice text) {
    struct config__quote quote;
    config__printable(text, quote.text, sizeof(quote.text));
    return quote;
}

#endif
