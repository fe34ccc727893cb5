/* A log record as one line of text or JSON. Private to base. */
#ifndef BELLWIRE_BASE_LOG_TEXT_H
#define BELLWIRE_BASE_LOG_TEXT_H

#include "base/base.h"

struct log_record {
    enum log_level level;
    uint64_t wall_ms;
    struct slice message;
    const struct log_place *place; /* may be NULL */
};

/* A line being built: in `first` while it fits, else on the heap. When memory runs out it stops
 * growing and says so in has_failed. */
struct log_text {
    char *bytes;
    size_t size, capacity;
    bool has_failed;
    char first[2048];
};
void log__text_begin(struct log_text *text);
void log__text_end(struct log_text *text); /* frees what is on the heap */
void log__text_put(struct log_text *text, struct slice bytes);
void log__text_newline(struct log_text *text); /* once, last; its room is always kept */

/* Neither writes a newline, and no byte of the record can produce one. What does not fit into
 * memory is replaced by a line that says so. */
void log__write_text(struct log_text *text, const struct log_record *record);
void log__write_json(struct log_text *text, const struct log_record *record);

#endif
