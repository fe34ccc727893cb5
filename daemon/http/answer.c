/* The head of an answer, written in one pass into memory that was measured before. */
#include "http/scan.h"

struct slice http_status_text(unsigned status) {
    switch (status) {
#define X(code, text)                                                                              \
    case code:                                                                                     \
        return SLICE(text);
        X(100, "Continue")
        X(101, "Switching Protocols")
        X(200, "OK")
        X(201, "Created")
        X(202, "Accepted")
        X(203, "Non-Authoritative Information")
        X(204, "No Content")
        X(205, "Reset Content")
        X(206, "Partial Content")
        X(300, "Multiple Choices")
        X(301, "Moved Permanently")
        X(302, "Found")
        X(303, "See Other")
        X(304, "Not Modified")
        X(307, "Temporary Redirect")
        X(308, "Permanent Redirect")
        X(400, "Bad Request")
        X(401, "Unauthorized")
        X(402, "Payment Required")
        X(403, "Forbidden")
        X(404, "Not Found")
        X(405, "Method Not Allowed")
        X(406, "Not Acceptable")
        X(408, "Request Timeout")
        X(409, "Conflict")
        X(410, "Gone")
        X(411, "Length Required")
        X(412, "Precondition Failed")
        X(413, "Content Too Large")
        X(414, "URI Too Long")
        X(415, "Unsupported Media Type")
        X(416, "Range Not Satisfiable")
        X(417, "Expectation Failed")
        X(418, "I'm a teapot")
        X(421, "Misdirected Request")
        X(422, "Unprocessable Content")
        X(423, "Locked")
        X(425, "Too Early")
        X(426, "Upgrade Required")
        X(428, "Precondition Required")
        X(429, "Too Many Requests")
        X(431, "Request Header Fields Too Large")
        X(451, "Unavailable For Legal Reasons")
        X(500, "Internal Server Error")
        X(501, "Not Implemented")
        X(502, "Bad Gateway")
        X(503, "Service Unavailable")
        X(504, "Gateway Timeout")
        X(505, "HTTP Version Not Supported")
        X(507, "Insufficient Storage")
#undef X
        default:
            return SLICE("Unknown");
    }
}

bool http_status_has_body(unsigned status) {
    return status >= 200 && status != 204 && status != 205 && status != 304;
}

/* The names whose meaning is the framing or the connection, which only the codec may decide. */
static bool is_ours(struct slice name) {
    switch (name.size) {
        case 7:
            return slice_equal_nocase(name, SLICE("trailer")) ||
                   slice_equal_nocase(name, SLICE("upgrade"));
        case 10:
            return slice_equal_nocase(name, SLICE("connection")) ||
                   slice_equal_nocase(name, SLICE("keep-alive"));
        case 14:
            return slice_equal_nocase(name, SLICE("content-length"));
        case 17:
            return slice_equal_nocase(name, SLICE("transfer-encoding"));
        default:
            return false;
    }
}

enum status http_header_check(struct slice name, struct slice value) {
    if (name.size == 0 || http__token_span(name.bytes, name.size) != name.size)
        return STATUS_SYNTAX;
    if (http__text_span(value.bytes, value.size) != value.size)
        return STATUS_SYNTAX;
    return is_ours(name) ? STATUS_DENIED : STATUS_OK;
}

enum { FIXED_BYTES = 256 }; /* status line, names of our own headers, numbers, line ends */

size_t http_answer_bound(const struct http_answer *answer) {
    size_t size =
        FIXED_BYTES + answer->date.size + answer->content_type.size + answer->upgrade.size;
    for (size_t i = 0; i < answer->header_count; i++)
        size += answer->headers[i].name.size + answer->headers[i].value.size + 4;
    return size;
}

static char *put(char *out, struct slice text) {
    if (text.size > 0)
        memcpy(out, text.bytes, text.size);
    return out + text.size;
}

static char *put_number(char *out, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

static char *put_header(char *out, struct slice name, struct slice value) {
    out = put(out, name);
    *out++ = ':';
    *out++ = ' ';
    out = put(out, value);
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

static char *put_status(char *out, unsigned status) {
    if (status == 200)
        return put(out, SLICE("HTTP/1.1 200 OK\r\n"));
    out = put(out, SLICE("HTTP/1.1 "));
    out = put_number(out, status);
    *out++ = ' ';
    out = put(out, http_status_text(status));
    return put(out, SLICE("\r\n"));
}

/* A size that is known is copied without a call. */
static char *put_date(char *out, struct slice date) {
    if (date.size != HTTP_DATE_SIZE)
        return put_header(out, SLICE("Date"), date);
    out = put(out, SLICE("Date: "));
    memcpy(out, date.bytes, HTTP_DATE_SIZE);
    return put(out + HTTP_DATE_SIZE, SLICE("\r\n"));
}

static char *put_connection(char *out, const struct http_answer *answer) {
    if (answer->upgrade.size > 0) {
        out = put_header(out, SLICE("Upgrade"), answer->upgrade);
        return put(out, answer->keep_alive ? SLICE("Connection: Upgrade\r\n")
                                           : SLICE("Connection: Upgrade, close\r\n"));
    }
    if (!answer->keep_alive)
        return put(out, SLICE("Connection: close\r\n"));
    return answer->minor == 0 ? put(out, SLICE("Connection: keep-alive\r\n")) : out;
}

static enum status check(const struct http_answer *answer, bool *has_date, bool *has_type) {
    struct slice type = answer->content_type;
    if (http__text_span(type.bytes, type.size) != type.size)
        return STATUS_SYNTAX;
    for (size_t i = answer->own_count; i < answer->header_count; i++) {
        struct slice name = answer->headers[i].name;
        enum status status = http_header_check(name, answer->headers[i].value);
        if (status)
            return status;
        *has_date |= name.size == 4 && slice_equal_nocase(name, SLICE("date"));
        *has_type |= name.size == 12 && slice_equal_nocase(name, SLICE("content-type"));
    }
    return STATUS_OK;
}

ssize_t http_answer_write(const struct http_answer *answer, char *out, size_t room) {
    bool has_date = answer->date.size == 0, has_type = answer->content_type.size == 0;
    enum status status = check(answer, &has_date, &has_type);
    if (status)
        return status;
    if (http_answer_bound(answer) > room)
        return STATUS_LIMIT;
    char *at = put_status(out, answer->status);
    if (!has_date)
        at = put_date(at, answer->date);
    if (http_status_has_body(answer->status)) {
        if (!has_type)
            at = put_header(at, SLICE("Content-Type"), answer->content_type);
        at = put(at, SLICE("Content-Length: "));
        at = put_number(at, answer->content_length);
        at = put(at, SLICE("\r\n"));
    } else if (answer->status == 205) {
        at = put(at, SLICE("Content-Length: 0\r\n"));
    }
    at = put_connection(at, answer);
    for (size_t i = 0; i < answer->header_count; i++)
        at = put_header(at, answer->headers[i].name, answer->headers[i].value);
    at = put(at, SLICE("\r\n"));
    return at - out;
}
