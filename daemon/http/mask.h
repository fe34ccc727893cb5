/* What is hidden wherever it is shown. A part of http.h. */
#ifndef BELLWIRE_HTTP_MASK_H
#define BELLWIRE_HTTP_MASK_H

#include "base/base.h"

/* Whether the name speaks of authorization, a token, key, secret, password or cookie. */
bool http_is_secret(struct slice name);
/* A URL, or a part of one, with such values of its query masked; cut where `room` (not 0) ends. */
struct slice http_mask_query(struct slice target, char *out, size_t room);
/* The lines of a head as they may be shown. */
#define HTTP_MASKED_MAX 1024 /* a longer line is cut */
struct http_masked {
    struct slice rest; /* the head, at first; all else is zero then */
    bool is_behind_first;
    char line[HTTP_MASKED_MAX];
};
bool http_masked_next(struct http_masked *masked, struct slice *line); /* false at the end */

#endif
