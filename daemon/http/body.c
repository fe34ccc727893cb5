/* Bodies: a counted one, a chunked one (RFC 9112 section 7.1), or all up to the end of the stream.
 *
 * Chunked is read strictly: hexadecimal digits alone before `;` or CR, each line ended by CR LF,
 * content followed by CR LF. What chunk extensions and trailers may take together is bounded; both
 * are checked and dropped, so that no trailer ever counts as a header. */
#include "http/scan.h"

enum { EXTRA_MAX = 8192, DIGITS_MAX = 15 };

enum body_state {
    BODY_END,
    BODY_FAILED,
    BODY_COUNTED,
    BODY_ENDLESS,
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    TRAILERS_LF
};

static enum status fail(struct http_body *body, uint16_t code, const char *reason) {
    body->state = BODY_FAILED;
    return http__fail(&body->error, code, reason);
}

enum status http_body_begin(struct http_body *body, enum http_body_kind kind,
                            uint64_t content_length, uint64_t limit_bytes) {
    static const uint8_t first[] = {[HTTP_BODY_NONE] = BODY_END,
                                    [HTTP_BODY_LENGTH] = BODY_COUNTED,
                                    [HTTP_BODY_CHUNKED] = CHUNK_SIZE,
                                    [HTTP_BODY_UNTIL_CLOSE] = BODY_ENDLESS};
    *body = (struct http_body){.limit_bytes = limit_bytes, .state = first[kind]};
    if (kind != HTTP_BODY_LENGTH)
        return STATUS_OK;
    if (content_length > limit_bytes)
        return fail(body, 413, "the body is too large");
    body->left_bytes = content_length;
    return STATUS_OK;
}

static enum status end_of_size(struct http_body *body) {
    if (body->digits == 0)
        return fail(body, 400, "a chunk has no size");
    if (body->left_bytes > body->limit_bytes - body->received_bytes)
        return fail(body, 413, "the body is too large");
    body->digits = 0;
    body->state = CHUNK_SIZE_LF;
    return STATUS_OK;
}

static enum status take_size(struct http_body *body, char c) {
    int digit = http__hex(c);
    if (digit >= 0) {
        if (++body->digits > DIGITS_MAX)
            return fail(body, 400, "a chunk's size has too many digits");
        body->left_bytes = body->left_bytes * 16 + (uint64_t)digit;
        return STATUS_OK;
    }
    if (c == '\r')
        return end_of_size(body);
    if (c != ';' || body->digits == 0)
        return fail(body, 400, "a chunk's size is no hexadecimal number");
    body->state = CHUNK_EXTENSION;
    return STATUS_OK;
}

static enum status expect(struct http_body *body, char c, char expected, enum body_state next) {
    if (c != expected)
        return fail(body, 400, "a line of the chunked body does not end with CR LF");
    body->state = (uint8_t)next;
    return STATUS_OK;
}

/* One byte of an extension or a trailer. */
static enum status take_extra(struct http_body *body, char c) {
    if (++body->extra_bytes > EXTRA_MAX)
        return fail(body, 400, "chunk extensions and trailers are too large");
    if (body->state == TRAILER_NAME && c == ':') {
        body->state = TRAILER_VALUE;
        return STATUS_OK;
    }
    bool is_good = body->state == TRAILER_START || body->state == TRAILER_NAME
                       ? http__is(c, HTTP__TOKEN)
                       : http__is_text(c);
    if (!is_good)
        return fail(body, 400, "a chunk extension or trailer is malformed");
    if (body->state == TRAILER_START)
        body->state = TRAILER_NAME;
    return STATUS_OK;
}

/* One byte that is no content. */
static enum status take(struct http_body *body, char c) {
    switch ((enum body_state)body->state) {
        case CHUNK_SIZE:
            return take_size(body, c);
        case CHUNK_EXTENSION:
            return c == '\r' ? end_of_size(body) : take_extra(body, c);
        case CHUNK_SIZE_LF:
            return expect(body, c, '\n', body->left_bytes > 0 ? CHUNK_DATA : TRAILER_START);
        case CHUNK_DATA_CR:
            return expect(body, c, '\r', CHUNK_DATA_LF);
        case CHUNK_DATA_LF:
            return expect(body, c, '\n', CHUNK_SIZE);
        case TRAILER_LF:
            return expect(body, c, '\n', TRAILER_START);
        case TRAILERS_LF:
            return expect(body, c, '\n', BODY_END);
        case TRAILER_START:
            return c == '\r' ? expect(body, c, '\r', TRAILERS_LF) : take_extra(body, c);
        case TRAILER_VALUE:
            return c == '\r' ? expect(body, c, '\r', TRAILER_LF) : take_extra(body, c);
        default: /* TRAILER_NAME; the others never get here */
            return take_extra(body, c);
    }
}

static enum http_body_event take_content(struct http_body *body, struct slice *input,
                                         struct slice *data) {
    size_t size = input->size;
    if (body->state != BODY_ENDLESS && size > body->left_bytes)
        size = (size_t)body->left_bytes;
    if (size > body->limit_bytes - body->received_bytes) {
        (void)fail(body, 413, "the body is too large");
        return HTTP_BODY_ERROR;
    }
    *data = (struct slice){input->bytes, size};
    input->bytes += size;
    input->size -= size;
    body->received_bytes += size;
    if (body->state == BODY_ENDLESS)
        return HTTP_BODY_DATA;
    body->left_bytes -= size;
    if (body->left_bytes == 0)
        body->state = body->state == BODY_COUNTED ? BODY_END : CHUNK_DATA_CR;
    return HTTP_BODY_DATA;
}

enum http_body_event http_body_next(struct http_body *body, struct slice *input,
                                    struct slice *data) {
    for (;;) {
        if (body->state == BODY_END)
            return HTTP_BODY_DONE;
        if (body->state == BODY_FAILED)
            return HTTP_BODY_ERROR;
        if (input->size == 0)
            return HTTP_BODY_MORE;
        if (body->state == BODY_COUNTED || body->state == BODY_ENDLESS || body->state == CHUNK_DATA)
            return take_content(body, input, data);
        if (take(body, *input->bytes))
            return HTTP_BODY_ERROR;
        input->bytes++;
        input->size--;
    }
}
