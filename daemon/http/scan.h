/* What the parsers of heads, trailers, parts and answers share: character classes, spans, and the
 * header block. Private to http/. */
#ifndef BELLWIRE_HTTP_SCAN_H
#define BELLWIRE_HTTP_SCAN_H

#include <endian.h>
#include "http/http.h"

enum http__class {
    HTTP__TOKEN = 1,  /* tchar, RFC 9110 section 5.6.2 */
    HTTP__TARGET = 2, /* visible ASCII without '#' and '?' */
    HTTP__HEX = 4,
    HTTP__HOST = 8 /* letters, digits, '-', '.', '_' */
};
extern const uint8_t http__classes[256];

static inline bool http__is(char c, enum http__class class) {
    return (http__classes[(uint8_t)c] & class) != 0;
}
/* May stand in a header's value: all but controls; a tab may. */
static inline bool http__is_text(char c) { return ((uint8_t)c >= 0x20 && c != 0x7f) || c == '\t'; }
/* Eight bytes at once: the high bit of each that is `c`. The lowest bit that is set is right; bits
 * above it say nothing, since a borrow may have set them. The first byte is the lowest one. */
#define HTTP__ONES  UINT64_C(0x0101010101010101)
#define HTTP__HIGHS UINT64_C(0x8080808080808080)
static inline uint64_t http__load(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}
static inline uint64_t http__find(uint64_t word, char c) {
    uint64_t zero = word ^ HTTP__ONES * (uint8_t)c;
    return (zero - HTTP__ONES) & ~zero & HTTP__HIGHS;
}
/* The high bit of each byte below `least`, likewise. */
static inline uint64_t http__below(uint64_t word, uint8_t least) {
    return (word - HTTP__ONES * least) & ~word & HTTP__HIGHS;
}
/* How many bytes at the front are token characters. */
size_t http__token_span(const char *bytes, size_t size);
/* How many bytes at the front may stand in a header's value. */
size_t http__text_span(const char *bytes, size_t size);
struct slice http__trim(struct slice text); /* optional white space: spaces and tabs */
/* The value of one hex digit; -1 for another character. */
int http__hex(char c);

static inline enum status http__fail(struct http_error *error, uint16_t code, const char *reason) {
    error->status = code;
    error->reason = reason;
    return code == 431 || code == 414 || code == 413 ? STATUS_LIMIT : STATUS_SYNTAX;
}

/* Whether http_host_parse() would take it; does not look for addresses without need. */
bool http__is_host(struct slice text);

/* What the headers say about the message that follows and about the connection. */
struct http__framing {
    struct slice host;
    uint64_t content_length;
    bool has_host, has_length, is_chunked;
    bool says_close, says_keep_alive, says_upgrade; /* members of Connection */
    bool has_upgrade, upgrades_websocket;           /* Upgrade: is there, and lists websocket */
    bool expects_continue;
};
/* Parses one header line that starts at `at`. NULL with `*error`, else what follows its CR LF. */
const char *http__line_parse(const char *at, const char *end, struct http_header *header,
                             struct http_error *error);
struct http__block {
    struct http_header *headers;
    size_t capacity, count;
};
/* Parses the header lines of `lines`, which end with the blank line and nothing after it. Fills in
 * block->headers and count, and the framing (which starts zeroed). STATUS_LIMIT past capacity. */
enum status http__headers_parse(struct slice lines, struct http__block *block,
                                struct http__framing *framing, struct http_error *error);

/* Whether llhttp, with no lenient flag, reads the same message out of the head. */
struct http__reading {
    bool is_request, is_chunked, has_length;
    uint64_t content_length;
    unsigned code; /* enum http_method, or the status */
    unsigned minor;
};
bool http__second_reading_agrees(struct slice head, const struct http__reading *ours);

#endif
