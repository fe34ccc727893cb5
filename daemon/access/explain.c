/* What a request that was refused had to show, in words for whoever looks after the daemon. Nothing
 * that it gave is told but the name of a user whom a file lists. */
#include <inttypes.h>
#include <stdio.h>

#include "access/auth.h"

struct line {
    char *text; /* of ACCESS_SEEN_MAX */
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int size = vsnprintf(line->text + line->size, ACCESS_SEEN_MAX - line->size, format, values);
    va_end(values);
    line->size += size > 0 ? (size_t)size : 0;
    line->size = line->size < ACCESS_SEEN_MAX ? line->size : ACCESS_SEEN_MAX - 1; /* cut */
}

/* ---- credentials ----------------------------------------------------------------------------- */

static bool has_query(const struct access_auth *auth, const struct access_request *request) {
    struct slice value;
    return auth->has_query && request->http->query.size &&
           http_query_get(request->http->query, auth->query_name, request->scratch, &value) ==
               STATUS_OK;
}

static bool is_scheme(struct slice header, const char *name) {
    struct slice rest;
    return slice_equal_nocase(slice_cut(header, ' ', &rest), slice_of(name));
}

static void add_accepted(struct line *line, const struct access_auth *auth) {
    const char *before = "; accepted is ";
    if (auth->has_bearer) {
        add(line, "%sa bearer token", before);
        before = " or ";
    }
    if (auth->has_basic) {
        add(line, "%sa basic user", before);
        before = " or ";
    }
    if (auth->has_query)
        add(line, "%sthe query parameter \"" SLICE_FMT "\"", before, SLICE_ARG(auth->query_name));
}

struct slice access_credentials_seen(const struct access_auth *auth,
                                     const struct access_request *request, struct slice user,
                                     char *out) {
    struct line line = {out, 0};
    struct slice header = http_request_header(request->http, SLICE("authorization"));
    if (auth->has_bearer && is_scheme(header, "Bearer"))
        add(&line, "a bearer token that is not listed");
    else if (auth->has_basic && is_scheme(header, "Basic") && user.size)
        add(&line, "a wrong password of user \"" SLICE_FMT "\"", SLICE_ARG(user));
    else if (auth->has_basic && is_scheme(header, "Basic"))
        add(&line, "a user that is not listed");
    else if (has_query(auth, request))
        add(&line, "a token that is not listed in the query");
    else if (header.size)
        add(&line, "an Authorization header of another kind");
    else
        add(&line, "no credentials");
    add_accepted(&line, auth);
    return (struct slice){out, line.size};
}

/* ---- signatures ------------------------------------------------------------------------------ */

/* False when the time is fine, or none is asked for. */
static bool add_time(struct line *line, const struct access_signature *its,
                     const struct http_request *http, uint64_t wall_ms) {
    uint64_t at_s, now_s = wall_ms / 1000;
    char text[BASE_TEXT_MAX];
    struct slice value = http_request_header(http, its->timestamp);
    if (!its->timestamp.size)
        return false;
    if (!value.size || slice_to_u64(value, &at_s)) {
        add(line, "header " SLICE_FMT " %s", SLICE_ARG(its->timestamp),
            value.size ? "is no time in seconds" : "is missing");
        return true;
    }
    uint64_t apart_s = at_s > now_s ? at_s - now_s : now_s - at_s;
    if (apart_s <= its->tolerance_ms / 1000)
        return false;
    add(line, "the time in header " SLICE_FMT " is %" PRIu64 "s off, more than " SLICE_FMT,
        SLICE_ARG(its->timestamp), apart_s, SLICE_ARG(duration_format(its->tolerance_ms, text)));
    return true;
}

struct slice access_signature_seen(const struct access_signature *its,
                                   const struct http_request *http, uint64_t wall_ms, char *out) {
    struct line line = {out, 0};
    struct slice value = http_request_header(http, its->header);
    uint8_t signature[CRYPTO_DIGEST_MAX];
    if (!value.size)
        add(&line, "header " SLICE_FMT " is missing", SLICE_ARG(its->header));
    else if (!slice_starts_with(value, its->prefix))
        add(&line, "header " SLICE_FMT " does not begin with \"" SLICE_FMT "\"",
            SLICE_ARG(its->header), SLICE_ARG(its->prefix));
    else if (add_time(&line, its, http, wall_ms))
        ;
    else if (!access_signature_read(its, http, wall_ms, signature))
        add(&line, "header " SLICE_FMT " holds no signature of this kind", SLICE_ARG(its->header));
    else
        add(&line, "the signature in header " SLICE_FMT " is not that of the request",
            SLICE_ARG(its->header));
    return (struct slice){out, line.size};
}
