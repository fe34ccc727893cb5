/* HTTP/1.x as a codec (RFC 9110, 9112): heads and bodies in, answers out, targets, forms, routing.
 * Deaf: bytes in, views and bytes out; no socket, loop, thread, clock or global. Every slice points
 * into the caller's bytes, into the arena that was given, or into constant memory. Whatever two
 * parsers could read in two ways is refused. A connection is driven like this:
 *
 *   http_head_find()      until it gives the size of a whole head in the bytes gathered so far
 *   http_request_parse()  over exactly these bytes
 *   http_body_begin(), then http_body_next() until DONE; what is left belongs to the next request
 *
 * It may stop between any two calls and go on later: the next pipelined head is not looked at until
 * the caller asks. After an error the connection is to be answered with error.status and closed. */
#ifndef BELLWIRE_HTTP_H
#define BELLWIRE_HTTP_H

#include <sys/types.h>
#include "base/base.h"
#include "http/mask.h"
#include "http/methods.h"

/* `reason` is a constant English phrase for the answer's body and the log; nothing of the peer. */
struct http_error {
    uint16_t status;
    const char *reason;
};
struct http_header {
    struct slice name, value; /* the value without white space around it */
};

/* ---- heads ----------------------------------------------------------------------------------- */
struct http_limits {
    size_t head_bytes;   /* request line and headers; 414 when the line alone passes it, else 431 */
    size_t header_count; /* 431; the array given to a parser has room for as many */
};
struct http_head_scan { /* all zero at the start of each head; written by http_head_find() alone */
    size_t scanned_bytes;
};
/* `bytes` is all that was received since the start of the head (it may move between two calls).
 * Returns the size of the head with its blank line, 0 when more bytes are needed, or STATUS_SYNTAX
 * or STATUS_LIMIT with `*error` filled in. Nothing is read twice. For requests and responses. */
ssize_t http_head_find(struct http_head_scan *scan, struct slice bytes,
                       const struct http_limits *limits, struct http_error *error);

enum http_body_kind { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_CLOSE };
struct http_request {
    struct slice head;           /* as given, with the blank line */
    struct slice target;         /* as sent */
    struct slice path, query;    /* raw; the path starts with '/', or is "*" (OPTIONS alone); the
                                    query is without its '?', empty when there is none */
    struct slice host;           /* of the Host header, checked; empty when there is none (1.0) */
    struct http_header *headers; /* the array given to the parser */
    size_t header_count;
    uint64_t content_length; /* for HTTP_BODY_LENGTH */
    enum http_method method;
    enum http_body_kind body; /* NONE also for Content-Length: 0; never UNTIL_CLOSE */
    uint8_t minor;            /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;
    bool expects_continue; /* wants 100 before it sends its body */
    bool is_websocket;     /* GET 1.1, no body, Connection: upgrade, Upgrade: websocket */
};
/* `head` is what http_head_find() measured. Fills in `*out` and `headers`, which has room
 * for limits->header_count. STATUS_SYNTAX or STATUS_LIMIT with `*error` (400 414 417 431 501 505);
 * `*out` is all zero then. A bad or NUL escape in the path, or a segment of dots once decoded: 400.
 * To keep a request longer than its bytes: copy the head, then http_request_move(). */
enum status http_request_parse(struct slice head, const struct http_limits *limits,
                               struct http_header *headers, struct http_request *out,
                               struct http_error *error);
/* Makes all slices point into `head`, an exact copy of request->head, and the headers into
 * `headers`, which has room for header_count of them (or is request->headers itself). */
void http_request_move(struct http_request *request, const char *head, struct http_header *headers);

struct http_response { /* what a server answered to us as a client */
    struct slice head, reason;
    struct http_header *headers;
    size_t header_count;
    uint64_t content_length;
    enum http_body_kind body; /* as if the request was no HEAD */
    uint16_t status;          /* 100 to 599 */
    uint8_t minor;
    bool keep_alive;
};
enum status http_response_parse(struct slice head, const struct http_limits *limits,
                                struct http_header *headers, struct http_response *out,
                                struct http_error *error); /* as above; error.status is 502 */

/* The first value of a header, name in any case; SLICE_NONE when absent. */
struct slice http_header_get(const struct http_header *headers, size_t count, struct slice name);
static inline struct slice http_request_header(const struct http_request *its, struct slice name) {
    return http_header_get(its->headers, its->header_count, name);
}
/* The same from the bytes of a head that was parsed before, without an array (for what is kept). */
struct slice http_head_header(struct slice head, struct slice name);
/* Whether any header of that name lists `token`, in any case: `Connection: a, upgrade`. */
bool http_header_has_token(const struct http_header *headers, size_t count, struct slice name,
                           struct slice token);
/* Cuts the next member of a list with commas, trimmed, not empty, quotes unseen; false at the end
 */
bool http_list_next(struct slice *rest, struct slice *member);

/* ---- bodies ---------------------------------------------------------------------------------- */
enum http_body_event { HTTP_BODY_MORE, HTTP_BODY_DATA, HTTP_BODY_DONE, HTTP_BODY_ERROR };
struct http_body {           /* embed it; all fields are this codec's own, but the first two */
    struct http_error error; /* after HTTP_BODY_ERROR: 400 or 413 */
    uint64_t received_bytes; /* of content so far */
    uint64_t limit_bytes, left_bytes;
    uint32_t extra_bytes; /* chunk extensions and trailers so far */
    uint8_t state, digits;
};
/* STATUS_LIMIT (413 in body->error) when the announced length is over the limit. */
enum status http_body_begin(struct http_body *body, enum http_body_kind kind,
                            uint64_t content_length, uint64_t limit_bytes);
/* Takes bytes from the front of `*input`, which is moved on.
 *   MORE   all were taken   DATA  `*data` is content, call again   DONE  the rest is not ours
 *   ERROR  see body->error  (UNTIL_CLOSE never gives DONE: the end of the stream is the end) */
enum http_body_event http_body_next(struct http_body *body, struct slice *input,
                                    struct slice *data);

/* ---- answers --------------------------------------------------------------------------------- */
struct http_answer {
    uint16_t status; /* 100 to 599 */
    uint8_t minor;   /* of the request: decides how keep-alive is spelled */
    bool keep_alive;
    struct slice date;         /* from http_date_format(), made once a second; may be empty */
    struct slice content_type; /* none when empty; a Content-Type among headers wins */
    uint64_t content_length;   /* of the body, also for HEAD; unwritten for 1xx 204 304 */
    struct slice upgrade;      /* "websocket" for 101 and 426, else empty */
    const struct http_header *headers; /* further ones, checked while they are written */
    size_t header_count, own_count;    /* own: the first ones, of this program, so not checked */
};
/* Writes the head with its blank line. Returns its size, STATUS_LIMIT when `room` is too small
 * (then http_answer_bound() is enough), STATUS_SYNTAX or STATUS_DENIED as http_header_check(). */
ssize_t http_answer_write(const struct http_answer *answer, char *out, size_t room);
size_t http_answer_bound(const struct http_answer *answer);
/* STATUS_SYNTAX: the name is no token, or the value has CR, LF, NUL or another control character.
 * STATUS_DENIED: ours: Connection Content-Length Keep-Alive Trailer Transfer-Encoding Upgrade. */
enum status http_header_check(struct slice name, struct slice value);
bool http_status_has_body(unsigned status);     /* not 1xx, 204, 304, and 205, whose length is 0 */
struct slice http_status_text(unsigned status); /* "Not Found"; "Unknown" for an unknown one */

enum http_same_site { HTTP_SITE_UNSET, HTTP_SITE_LAX, HTTP_SITE_STRICT, HTTP_SITE_NONE };
struct http_cookie {
    struct slice name, value, path, domain; /* path and domain: left out when empty */
    int64_t max_age_s;                      /* written when has_max_age; 0 or less deletes */
    bool has_max_age, secure, http_only;
    enum http_same_site same_site;
};
/* The value of a Set-Cookie header. STATUS_SYNTAX for a name that is no token, a control or ';' in
 * a member, white space around the value, a path without '/', a domain that is no host. NO_MEMORY.
 */
enum status http_cookie_format(const struct http_cookie *cookie, struct arena *arena,
                               struct slice *out);
/* From all Cookie headers, as sent, the first of that name (case-sensitive). STATUS_NOT_FOUND. */
enum status http_cookie_get(const struct http_header *headers, size_t count, struct slice name,
                            struct slice *out);

/* ---- targets, queries, forms: decoded on demand, copied to the arena only where needed ------- */
/* STATUS_NO_MEMORY; STATUS_SYNTAX for what the parser refuses: a bad or NUL escape. */
enum status http_path_decode(struct slice raw_path, struct arena *arena, struct slice *out);
struct slice http_path_filename(struct slice path); /* what follows the last '/' */
/* The first value of `name` in a query or urlencoded form; `+` is a space, a percent sign that
 * starts no escape stays. STATUS_NOT_FOUND, STATUS_NO_MEMORY. */
enum status http_query_get(struct slice raw_query, struct slice name, struct arena *arena,
                           struct slice *out);
#define HTTP_PARTS_MAX 1000
struct http_part {
    struct slice name, filename; /* the filename without directories */
    struct slice type, content;  /* the type is empty when unsaid */
    bool is_file;                /* it had a filename, maybe an empty one */
};
struct http_multipart {
    struct slice rest, boundary;
    size_t count;
};
/* For a body of multipart/form-data (RFC 7578). STATUS_TYPE: the content type is another one;
 * STATUS_SYNTAX: no good boundary. */
enum status http_multipart_begin(struct http_multipart *parts, struct slice content_type,
                                 struct slice body);
/* STATUS_NOT_FOUND after the last part; STATUS_SYNTAX, also for a body that is cut short;
 * STATUS_LIMIT past HTTP_PARTS_MAX; STATUS_NO_MEMORY. */
enum status http_multipart_next(struct http_multipart *parts, struct arena *arena,
                                struct http_part *out);
/* The first field of either kind of form (a file is no field), or the first file. STATUS_NOT_FOUND,
 * also when the body is no form or breaks off before it; STATUS_NO_MEMORY. */
enum status http_form_field(struct slice content_type, struct slice body, struct slice name,
                            struct arena *arena, struct slice *out);
enum status http_form_file(struct slice content_type, struct slice body, struct slice name,
                           struct arena *arena, struct http_part *out);

/* ---- path patterns and routers: immutable once made, so readable from every thread ----------- */
struct http_pattern;
struct http_pattern_error {
    size_t offset; /* in bytes, of what is wrong in the pattern */
    const char *message;
};
/* In the arena; the text is copied. Literals are written decoded. STATUS_SYNTAX with `*error`,
 * STATUS_NO_MEMORY. In all that follows a NULL pattern matches every path. */
enum status http_pattern_compile(struct arena *arena, struct slice text, struct http_pattern **out,
                                 struct http_pattern_error *error);
struct slice http_pattern_text(const struct http_pattern *pattern);
bool http_pattern_has_param(const struct http_pattern *pattern, struct slice name);
bool http_pattern_matches(const struct http_pattern *pattern, struct slice raw_path);
/* The decoded parameter of a path that the pattern matches. STATUS_NOT_FOUND, STATUS_NO_MEMORY. */
enum status http_pattern_param(const struct http_pattern *pattern, struct slice raw_path,
                               struct slice name, struct arena *arena, struct slice *out);

struct http_route {
    const struct http_pattern *pattern; /* must outlive the router */
    uint64_t methods;                   /* HTTP_METHOD_BIT()s; 0 for any */
    void *value;                        /* not NULL */
};
struct http_conflict { /* two routes that some request matches equally well, in the order given */
    const struct http_route *first, *second;
    struct http_conflict *next;
};
struct http_router;
/* In the arena, from routes that are copied. With `conflicts`, every pair of equal routes is listed
 * there (the first one wins in the router); NULL where sharing a pattern is fine. NO_MEMORY. */
enum status http_router_build(struct arena *arena, const struct http_route *routes, size_t count,
                              struct http_conflict **conflicts, struct http_router **out);
/* The route with the most specific path among those whose method matches too, then the one that
 * names the method (HEAD, then GET for a HEAD). NULL: `*allowed` has the methods of all routes
 * whose path matches (405), or is 0 (404). */
const struct http_route *http_router_best(const struct http_router *router, struct slice raw_path,
                                          enum http_method method, uint64_t *allowed);
/* Every route whose path matches, methods aside, in the order given to the build. Returns how many
 * there are; at most `capacity` of them are written. */
size_t http_router_all(const struct http_router *router, struct slice raw_path,
                       const struct http_route **out, size_t capacity);

/* ---- small grammars -------------------------------------------------------------------------- */
#define HTTP_DATE_SIZE 29
/* IMF-fixdate of seconds since 1970 (years 1970 to 9999) into `out` of HTTP_DATE_SIZE. */
struct slice http_date_format(int64_t unix_s, char *out);
enum status http_date_parse(struct slice text, int64_t *unix_s); /* STATUS_SYNTAX */
/* By If-Modified-Since of a GET or HEAD; a date that cannot be read does not count. */
bool http_is_unmodified(const struct http_request *request, int64_t modified_s);
/* One range of a representation of `size` bytes: OK with first and last byte; STATUS_NOT_FOUND:
 * answer the whole (absent, other unit, several, malformed); STATUS_RANGE: 416. It counts only
 * while http_range_holds(): a GET whose If-Range is absent or the very date of the last change. */
enum status http_range_parse(struct slice value, uint64_t size, uint64_t *first, uint64_t *last);
bool http_range_holds(const struct http_request *request, int64_t modified_s);
struct slice http_type_of(struct slice filename); /* by extension; application/octet-stream */
bool http_accepts_html(const struct http_request *request); /* Accept names text/html, q not 0 */
struct http_host {
    struct slice name; /* without brackets */
    uint16_t port;     /* 0: not said */
    bool is_ip;        /* a literal, of either kind */
};
enum status http_host_parse(struct slice text, struct http_host *out); /* STATUS_SYNTAX */

#endif
