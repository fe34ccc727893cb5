/* Path patterns as the router sees them. Private to http/. */
#ifndef BELLWIRE_HTTP_PATTERN_H
#define BELLWIRE_HTTP_PATTERN_H

#include "http/http.h"

enum { HTTP__SEGMENTS_MAX = 64, HTTP__LITERAL_MAX = 255 };

enum http__segment_kind { HTTP__LITERAL, HTTP__PARAM, HTTP__REST };
struct http__segment {
    enum http__segment_kind kind;
    struct slice text; /* the literal, or the parameter's name */
};
struct http_pattern {
    struct slice text;
    size_t count;
    struct http__segment segments[];
};

/* Walks the raw segments of a path: start with http__path_start(), then cut while rest->bytes is
 * not NULL. A path that does not begin with '/' has none. */
static inline struct slice http__path_start(struct slice raw_path) {
    if (raw_path.size == 0 || raw_path.bytes[0] != '/')
        return SLICE_NONE;
    return (struct slice){raw_path.bytes + 1, raw_path.size - 1};
}
/* Decodes a raw segment into `out` of HTTP__LITERAL_MAX when it holds an escape; false when it is
 * longer than any literal. */
bool http__segment_decode(struct slice raw, char *out, struct slice *text);

#endif
