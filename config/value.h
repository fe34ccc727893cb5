/* One scalar and its field: from text to the C member and back. */
#ifndef BELLWIRE_CONFIG_VALUE_H
#define BELLWIRE_CONFIG_VALUE_H

#include "config/config.h"

/* As config_store(), with the place of the member itself. */
enum status value_store(const struct config_field *field, struct slice text, void *member,
                        char *why);
/* A hint for a text that value_store() refused, where a usual slip is seen in it. */
void value_hint(const struct config_field *field, struct slice text, struct config_diag *diag);
/* The items of a default such as `[a, "b"]`, or of one text, into the arena. STATUS_NO_MEMORY. */
enum status value_split(const char *dflt, struct arena *arena, struct config_texts *out);
/* `a, b or c` of a field's choices into `out`, cut where `room` ends. */
void value_choices(const struct config_field *field, const char *last_word, char *out, size_t room);
uint64_t value_max(const struct config_field *field); /* the type's own where none is given */

#endif
