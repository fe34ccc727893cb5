/* The text of one file while it is parsed: where its lines begin, and from libyaml's character
 * numbers to bytes and marks. libyaml breaks lines at NEL, LS and PS too; editors and YAML 1.2 do
 * not, so the lines are counted here.
 *
 * Memory  the line table is on the heap, until source_deinit(); the text is the caller's. */
#ifndef BELLWIRE_CONFIG_SOURCE_H
#define BELLWIRE_CONFIG_SOURCE_H

#include "config/config.h"

struct source_line {
    uint32_t byte, character; /* where the line begins */
};
struct source {
    const char *name;
    struct slice text; /* UTF-8 that YAML allows, without a byte order mark */
    struct source_line *lines;
    size_t line_count, line_capacity;
    uint32_t near_byte, near_character; /* the place asked for last: makes the next one cheap */
};

/* STATUS_FAILED after an error in `diag` (too long, not UTF-8, control characters),
 * STATUS_NO_MEMORY. To be followed by source_deinit() in any case. */
enum status source_init(struct source *source, struct slice text, const char *name,
                        struct config_diag *diag);
void source_deinit(struct source *source);
size_t source_byte(struct source *source, size_t character); /* at most the text's size */
struct config_mark source_mark(struct source *source, size_t character);
struct config_mark source_mark_of_byte(struct source *source, size_t byte);
struct slice source_line_at(struct source *source, size_t byte); /* without its line break */

#endif
