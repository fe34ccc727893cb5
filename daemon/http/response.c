/* A response's head, read by a client: as strict as a request's, and always read by llhttp too. */
#include "http/scan.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Returns where the headers start, or NULL. RFC 9112 section 4; the space after the code may be
 * missing where no reason follows, as some servers do. */
static const char *parse_line(struct slice head, struct http_response *response) {
    const char *at = head.bytes, *end = at + head.size;
    if (head.size < 14 || memcmp(at, "HTTP/1.", 7) != 0 || (at[7] != '0' && at[7] != '1') ||
        at[8] != ' ')
        return NULL;
    if (!is_digit(at[9]) || !is_digit(at[10]) || !is_digit(at[11]))
        return NULL;
    response->minor = (uint8_t)(at[7] - '0');
    response->status = (uint16_t)((at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0'));
    at += 12;
    if (*at == ' ') {
        at++;
        response->reason = (struct slice){at, http__text_span(at, (size_t)(end - at))};
        at += response->reason.size;
    }
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return NULL;
    return response->status >= 100 && response->status <= 599 ? at + 2 : NULL;
}

/* RFC 9112 section 6.3: a 205 is framed as any other, though it holds nothing. */
static void settle(struct http_response *response, const struct http__framing *framing) {
    response->content_length = framing->has_length ? framing->content_length : 0;
    response->keep_alive =
        !framing->says_close && (response->minor == 1 || framing->says_keep_alive);
    if (!http_status_has_body(response->status) && response->status != 205)
        response->body = HTTP_BODY_NONE;
    else if (framing->is_chunked)
        response->body = HTTP_BODY_CHUNKED;
    else if (!framing->has_length)
        response->body = HTTP_BODY_UNTIL_CLOSE;
    else
        response->body = framing->content_length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
}

enum status http_response_parse(struct slice head, const struct http_limits *limits,
                                struct http_header *headers, struct http_response *out,
                                struct http_error *error) {
    struct http_response response = {.head = head, .headers = headers};
    struct http__framing framing = {.has_host = false};
    struct http__block block = {headers, limits->header_count, 0};
    const char *at = parse_line(head, &response);
    if (!at)
        return http__fail(error, 502, "the status line is malformed");
    struct slice lines = {at, head.size - (size_t)(at - head.bytes)};
    enum status status = http__headers_parse(lines, &block, &framing, error);
    if (status) {
        error->status = 502;
        return status;
    }
    if (framing.is_chunked && response.minor == 0)
        return http__fail(error, 502, "there is a Transfer-Encoding in HTTP/1.0");
    settle(&response, &framing);
    response.header_count = block.count;
    struct http__reading ours = {.is_chunked = framing.is_chunked,
                                 .has_length = framing.has_length,
                                 .content_length = response.content_length,
                                 .code = response.status,
                                 .minor = response.minor};
    if (!http__second_reading_agrees(head, &ours))
        return http__fail(error, 502, "the head can be read in two ways");
    *out = response;
    return STATUS_OK;
}
