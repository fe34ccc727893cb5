/* Character classes, spans, and the strict scan of a header block.
 *
 * The block is held to the grammar of RFC 9112 section 5 without its leniencies: no folded lines,
 * no space before the colon, no bare CR or LF, no control characters; and to one meaning of what
 * frames the message (section 6): one Content-Length of digits alone, or one Transfer-Encoding that
 * is `chunked` alone, never both. */
#include "http/scan.h"

/* Sixteen to a line, as in a chart of ASCII; bytes from 0x80 on are in no class. */
/* clang-format off */
const uint8_t http__classes[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
     0,  3,  2,  1,  3,  3,  3,  3,  2,  2,  3,  3,  2, 11, 11,  2,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  2,  2,  2,  2,  2,  0,
     2, 15, 15, 15, 15, 15, 15, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,  2,  2,  2,  3, 11,
     3, 15, 15, 15, 15, 15, 15, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,  2,  3,  2,  3,  0,
};
/* clang-format on */

size_t http__token_span(const char *bytes, size_t size) {
    size_t at = 0;
    while (at < size && http__is(bytes[at], HTTP__TOKEN))
        at++;
    return at;
}

size_t http__text_span(const char *bytes, size_t size) {
    size_t at = 0;
    while (size - at >= sizeof(uint64_t)) {
        uint64_t word = http__load(bytes + at);
        uint64_t controls = http__below(word, 0x20) | http__find(word, 0x7f);
        if (controls == 0) {
            at += sizeof word;
            continue;
        }
        at += (size_t)__builtin_ctzll(controls) / 8;
        if (bytes[at] != '\t')
            return at;
        at++;
    }
    while (at < size && http__is_text(bytes[at]))
        at++;
    return at;
}

struct slice http__trim(struct slice text) {
    while (text.size > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
        text.bytes++;
        text.size--;
    }
    while (text.size > 0 && (text.bytes[text.size - 1] == ' ' || text.bytes[text.size - 1] == '\t'))
        text.size--;
    return text;
}

int http__hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (!http__is(c, HTTP__HEX))
        return -1;
    return (c | 0x20) - 'a' + 10;
}

static enum status take_host(struct http__framing *framing, struct slice value,
                             struct http_error *error) {
    if (framing->has_host)
        return http__fail(error, 400, "there are two Host headers");
    if (!http__is_host(value)) /* not empty either: RFC 9110 section 4.2.1 */
        return http__fail(error, 400, "the Host header names no host");
    framing->has_host = true;
    framing->host = value;
    return STATUS_OK;
}

static enum status take_length(struct http__framing *framing, struct slice value,
                               struct http_error *error) {
    if (framing->has_length)
        return http__fail(error, 400, "there are two Content-Length headers");
    enum status status = slice_to_u64(value, &framing->content_length);
    if (status == STATUS_RANGE)
        return http__fail(error, 413, "the body is too large");
    if (status)
        return http__fail(error, 400, "the Content-Length is no number");
    framing->has_length = true;
    return STATUS_OK;
}

static enum status take_coding(struct http__framing *framing, struct slice value,
                               struct http_error *error) {
    if (framing->is_chunked || !slice_equal_nocase(value, SLICE("chunked")))
        return http__fail(error, 400, "the Transfer-Encoding is not chunked alone");
    framing->is_chunked = true;
    return STATUS_OK;
}

static void take_connection(struct http__framing *framing, struct slice value) {
    struct slice member;
    while (http_list_next(&value, &member)) {
        framing->says_close |= slice_equal_nocase(member, SLICE("close"));
        framing->says_keep_alive |= slice_equal_nocase(member, SLICE("keep-alive"));
        framing->says_upgrade |= slice_equal_nocase(member, SLICE("upgrade"));
    }
}

static void take_upgrade(struct http__framing *framing, struct slice value) {
    struct slice member;
    framing->has_upgrade = true;
    while (http_list_next(&value, &member))
        framing->upgrades_websocket |= slice_equal_nocase(member, SLICE("websocket"));
}

static enum status take_expect(struct http__framing *framing, struct slice value,
                               struct http_error *error) {
    if (!slice_equal_nocase(value, SLICE("100-continue")))
        return http__fail(error, 417, "the expectation is not 100-continue");
    framing->expects_continue = true;
    return STATUS_OK;
}

/* Almost every name is settled by its size and first letter. */
static enum status take(struct http__framing *framing, const struct http_header *header,
                        struct http_error *error) {
    struct slice name = header->name;
    char first = (char)(name.bytes[0] | 0x20);
    if (name.size == 4 && first == 'h' && slice_equal_nocase(name, SLICE("host")))
        return take_host(framing, header->value, error);
    if (name.size == 14 && first == 'c' && slice_equal_nocase(name, SLICE("content-length")))
        return take_length(framing, header->value, error);
    if (name.size == 17 && first == 't' && slice_equal_nocase(name, SLICE("transfer-encoding")))
        return take_coding(framing, header->value, error);
    if (name.size == 10 && first == 'c' && slice_equal_nocase(name, SLICE("connection")))
        take_connection(framing, header->value);
    else if (name.size == 7 && first == 'u' && slice_equal_nocase(name, SLICE("upgrade")))
        take_upgrade(framing, header->value);
    else if (name.size == 6 && first == 'e' && slice_equal_nocase(name, SLICE("expect")))
        return take_expect(framing, header->value, error);
    return STATUS_OK;
}

const char *http__line_parse(const char *at, const char *end, struct http_header *header,
                             struct http_error *error) {
    size_t name_size = http__token_span(at, (size_t)(end - at));
    const char *value = at + name_size + 1;
    if (name_size == 0 || value > end || value[-1] != ':') {
        (void)http__fail(error, 400, "a header line does not start with a name and a colon");
        return NULL;
    }
    size_t value_size = http__text_span(value, (size_t)(end - value));
    const char *stop = value + value_size;
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') {
        (void)http__fail(error, 400, "a header has a control character in its value");
        return NULL;
    }
    header->name = (struct slice){at, name_size};
    header->value = http__trim((struct slice){value, value_size});
    return stop + 2;
}

enum status http__headers_parse(struct slice lines, struct http__block *block,
                                struct http__framing *framing, struct http_error *error) {
    const char *at = lines.bytes, *end = at + lines.size;
    block->count = 0;
    while (end - at > 2) {
        if (block->count == block->capacity)
            return http__fail(error, 431, "there are too many headers");
        struct http_header *header = &block->headers[block->count];
        if (!(at = http__line_parse(at, end, header, error)))
            return STATUS_SYNTAX;
        enum status status = take(framing, header, error);
        if (status)
            return status;
        block->count++;
    }
    if (end - at != 2 || at[0] != '\r' || at[1] != '\n')
        return http__fail(error, 400, "the head does not end with an empty line");
    if (framing->has_length && framing->is_chunked)
        return http__fail(error, 400, "there are both Content-Length and Transfer-Encoding");
    return STATUS_OK;
}
