/* A request's head: the request line, what its headers mean together, and moving it. */
#include "http/scan.h"

enum status http_method_parse(struct slice text, enum http_method *out) {
    for (unsigned method = 0; method < HTTP_METHOD_COUNT; method++) {
        if (slice_equal(text, http_method_text((enum http_method)method))) {
            *out = (enum http_method)method;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

struct slice http_method_text(enum http_method method) {
    static const struct slice texts[] = {
#define X(name, text) {text, sizeof(text) - 1},
        HTTP_METHODS(X)
#undef X
    };
    return (unsigned)method < HTTP_METHOD_COUNT ? texts[method] : SLICE_NONE;
}

struct slice http_methods_format(uint64_t methods, char *out) {
    size_t size = 0;
    for (unsigned method = 0; method < HTTP_METHOD_COUNT; method++) {
        if (!(methods & HTTP_METHOD_BIT(method)))
            continue;
        struct slice text = http_method_text((enum http_method)method);
        if (size > 0) {
            out[size++] = ',';
            out[size++] = ' ';
        }
        memcpy(out + size, text.bytes, text.size);
        size += text.size;
    }
    return (struct slice){out, size};
}

/* Two readers may take a dot segment for itself or for its parent, so none is let in; browsers and
 * curl resolve them before they send. */
static enum status check_segments(struct slice path, struct http_error *error) {
    size_t dots = 0, others = 0;
    for (size_t at = 0; at < path.size; at++) {
        char c = path.bytes[at];
        if (c == '%') {
            int high = path.size - at > 2 ? http__hex(path.bytes[at + 1]) : -1;
            int low = high >= 0 ? http__hex(path.bytes[at + 2]) : -1;
            if (low < 0)
                return http__fail(error, 400, "a percent sign in the path starts no escape");
            if (high == 0 && low == 0)
                return http__fail(error, 400, "the path holds a NUL");
            dots += high * 16 + low == '.';
            others += high * 16 + low != '.';
            at += 2;
        } else if (c == '.') {
            dots++;
        } else if (c != '/') {
            others++;
        }
        if (c == '/' || at + 1 == path.size) {
            if (others == 0 && (dots == 1 || dots == 2))
                return http__fail(error, 400, "the path holds a dot segment");
            dots = others = 0;
        }
    }
    return STATUS_OK;
}

/* What precedes the path of an absolute form, RFC 9112 section 3.2.2: empty for another form. */
static struct slice cut_authority(struct slice *target) {
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        struct slice start = {target->bytes, schemes[i].size};
        if (target->size <= start.size || !slice_equal_nocase(start, schemes[i]))
            continue;
        size_t at = start.size;
        while (at < target->size && target->bytes[at] != '/' && target->bytes[at] != '?')
            at++;
        struct slice authority = {target->bytes + start.size, at - start.size};
        target->bytes += at;
        target->size -= at;
        return authority;
    }
    return SLICE_NONE;
}

/* How many bytes at the front may stand in a target: visible ASCII without '#'. */
static size_t target_span(const char *bytes, size_t size) {
    size_t at = 0;
    for (; size - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word = http__load(bytes + at);
        uint64_t others = http__below(word, 0x21) | http__find(word, 0x7f) | http__find(word, '#') |
                          (word & HTTP__HIGHS);
        if (others)
            return at + (size_t)__builtin_ctzll(others) / 8;
    }
    while (at < size && (http__is(bytes[at], HTTP__TARGET) || bytes[at] == '?'))
        at++;
    return at;
}

/* Whether the path has to be looked at character by character. At least eight bytes of the head
 * follow it. */
static bool is_suspect(struct slice path) {
    size_t at = 0;
    for (; at + sizeof(uint64_t) < path.size; at += sizeof(uint64_t)) {
        uint64_t word = http__load(path.bytes + at);
        if (http__find(word, '%') | http__find(word, '.'))
            return true;
    }
    uint64_t word = http__load(path.bytes + at);
    uint64_t inside = UINT64_MAX >> (8 * (sizeof word - (path.size - at)));
    return ((http__find(word, '%') | http__find(word, '.')) & inside) != 0;
}

/* Splits request->target; the authority of an absolute form is kept as host until the headers are
 * known. */
static enum status split_target(struct http_request *request, struct http_error *error) {
    struct slice rest = request->target;
    request->host = SLICE_NONE;
    if (rest.bytes[0] != '/') {
        request->host = cut_authority(&rest);
        bool is_star = slice_equal(rest, SLICE("*")) && request->method == HTTP_METHOD_OPTIONS;
        if (request->host.size == 0 && !is_star)
            return http__fail(error, 400, "the target is neither a path nor a URL of this server");
    }
    const char *mark = memchr(rest.bytes, '?', rest.size);
    request->path = rest;
    request->query = SLICE_NONE;
    if (mark) {
        request->path.size = (size_t)(mark - rest.bytes);
        request->query = (struct slice){mark + 1, rest.size - request->path.size - 1};
    }
    if (request->path.size == 0)
        request->path = SLICE("/");
    else if (is_suspect(request->path))
        return check_segments(request->path, error);
    return STATUS_OK;
}

static enum status parse_version(const char *at, size_t size, uint8_t *minor,
                                 struct http_error *error) {
    if (size >= 10 && memcmp(at, "HTTP/1.1\r\n", 10) == 0) {
        *minor = 1;
        return STATUS_OK;
    }
    if (size < 10 || memcmp(at, "HTTP/", 5) != 0 || at[6] != '.' || memcmp(at + 8, "\r\n", 2) != 0)
        return http__fail(error, 400, "the request line does not end with a version");
    if (at[5] < '0' || at[5] > '9' || at[7] < '0' || at[7] > '9')
        return http__fail(error, 400, "the version is no number");
    if (at[5] != '1' || at[7] > '1')
        return http__fail(error, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    *minor = (uint8_t)(at[7] - '0');
    return STATUS_OK;
}

/* The word at the start of a line, most often `GET`. */
static struct slice take_method(const char *at, const char *end) {
    size_t room = (size_t)(end - at);
    bool is_get = room > 4 && memcmp(at, "GET ", 4) == 0;
    return (struct slice){at, is_get ? 3 : http__token_span(at, room)};
}

/* Returns where the headers start, or NULL with `*error`. */
static const char *parse_line(const char *at, const char *end, struct http_request *request,
                              struct http_error *error) {
    struct slice method = take_method(at, end);
    at += method.size;
    if (method.size == 0 || at == end || *at != ' ') {
        (void)http__fail(error, 400, "the request line does not start with a method");
        return NULL;
    }
    at++;
    request->target = (struct slice){at, target_span(at, (size_t)(end - at))};
    at += request->target.size;
    if (request->target.size == 0 || at == end || *at != ' ') {
        (void)http__fail(error, 400, "the target of the request line is malformed");
        return NULL;
    }
    at++;
    if (parse_version(at, (size_t)(end - at), &request->minor, error))
        return NULL;
    if (slice_equal(method, SLICE("GET"))) {
        request->method = HTTP_METHOD_GET;
    } else if (http_method_parse(method, &request->method) ||
               request->method == HTTP_METHOD_CONNECT) {
        (void)http__fail(error, 501, "the method is not known here");
        return NULL;
    }
    return split_target(request, error) ? NULL : at + 10;
}

/* RFC 9112 section 3.2: one Host in 1.1, and an absolute target must say the same. */
static enum status settle_host(struct http_request *request, const struct http__framing *framing,
                               struct http_error *error) {
    struct slice authority = request->host;
    if (!framing->has_host && request->minor == 1)
        return http__fail(error, 400, "there is no Host header");
    if (framing->has_host)
        request->host = framing->host;
    if (authority.size == 0)
        return STATUS_OK;
    if (framing->has_host && !slice_equal_nocase(authority, framing->host))
        return http__fail(error, 400, "the target names another host than the Host header");
    if (!http__is_host(authority))
        return http__fail(error, 400, "the target names no host");
    return STATUS_OK;
}

/* RFC 9112 sections 6 and 9.3, RFC 9110 sections 7.8 and 10.1.1. */
static enum status settle(struct http_request *request, const struct http__framing *framing,
                          struct http_error *error) {
    if (framing->is_chunked && request->minor == 0)
        return http__fail(error, 400, "there is a Transfer-Encoding in HTTP/1.0");
    request->content_length = framing->has_length ? framing->content_length : 0;
    request->body = framing->is_chunked            ? HTTP_BODY_CHUNKED
                    : request->content_length != 0 ? HTTP_BODY_LENGTH
                                                   : HTTP_BODY_NONE;
    request->keep_alive = !framing->says_close && (request->minor == 1 || framing->says_keep_alive);
    bool is_new = request->minor == 1;
    request->expects_continue =
        framing->expects_continue && is_new && request->body != HTTP_BODY_NONE;
    request->is_websocket = framing->upgrades_websocket && framing->says_upgrade && is_new &&
                            request->method == HTTP_METHOD_GET && request->body == HTTP_BODY_NONE;
    return settle_host(request, framing, error);
}

/* A plain request without a body means the same to every reader once it passed the scan; where
 * more is at stake, llhttp has to read the same. */
static enum status ask_again(const struct http_request *request,
                             const struct http__framing *framing, struct http_error *error) {
    if (!framing->has_length && !framing->is_chunked && !framing->has_upgrade)
        return STATUS_OK;
    struct http__reading ours = {.is_request = true,
                                 .is_chunked = framing->is_chunked,
                                 .has_length = framing->has_length,
                                 .content_length = request->content_length,
                                 .code = request->method,
                                 .minor = request->minor};
    if (!http__second_reading_agrees(request->head, &ours))
        return http__fail(error, 400, "the head can be read in two ways");
    return STATUS_OK;
}

/* Fills in `*request`, also in part when it fails: a copy at the end would wait for the single
 * bytes that were written before. */
static enum status parse(struct slice head, const struct http_limits *limits,
                         struct http_header *headers, struct http_request *request,
                         struct http_error *error) {
    struct http__framing framing = {.has_host = false};
    struct http__block block = {headers, limits->header_count, 0};
    const char *at = head.bytes, *end = at + head.size;
    /* RFC 9112 section 2.2: an empty line before a request is passed over, here just one. */
    if (head.size >= 2 && at[0] == '\r' && at[1] == '\n')
        at += 2;
    *request = (struct http_request){.head = head, .headers = headers};
    if (!(at = parse_line(at, end, request, error)))
        return STATUS_SYNTAX;
    enum status status =
        http__headers_parse((struct slice){at, (size_t)(end - at)}, &block, &framing, error);
    if (!status)
        status = settle(request, &framing, error);
    if (!status)
        status = ask_again(request, &framing, error);
    request->header_count = block.count;
    return status;
}

enum status http_request_parse(struct slice head, const struct http_limits *limits,
                               struct http_header *headers, struct http_request *out,
                               struct http_error *error) {
    enum status status = parse(head, limits, headers, out, error);
    if (status)
        *out = (struct http_request){.head = SLICE_NONE};
    return status;
}

static struct slice move(struct slice text, struct slice from, const char *to) {
    if (text.bytes >= from.bytes && text.bytes <= from.bytes + from.size && text.bytes)
        text.bytes = to + (text.bytes - from.bytes);
    return text;
}

void http_request_move(struct http_request *request, const char *head,
                       struct http_header *headers) {
    struct slice from = request->head;
    for (size_t i = 0; i < request->header_count; i++) {
        headers[i].name = move(request->headers[i].name, from, head);
        headers[i].value = move(request->headers[i].value, from, head);
    }
    request->headers = headers;
    request->target = move(request->target, from, head);
    request->path = move(request->path, from, head);
    request->query = move(request->query, from, head);
    request->host = move(request->host, from, head);
    request->head.bytes = head;
}
