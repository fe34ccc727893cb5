/* Both sides of a WebSocket handshake: what a server answers to our client, what a client asks our
 * server. */
#include "http/http.h"
#include "tests/fuzz/fuzz.h"
#include "ws/ws.h"

#define HEADERS_MAX 32

struct lines {
    const struct http_header *headers;
    size_t count;
};

static const struct http_limits limits = {8192, HEADERS_MAX};
static const struct slice subprotocols[] = {SLICE("chat.v1"), SLICE("v2")};

static struct slice get_line(const void *context, const char *name, size_t index) {
    const struct lines *lines = context;
    for (size_t i = 0; i < lines->count; i++)
        if (slice_equal_nocase(lines->headers[i].name, slice_of(name)) && index-- == 0)
            return lines->headers[i].value;
    return SLICE_NONE;
}

static void check_agreement(const struct ws_agreement *agreement) {
    const struct ws_compression *c = &agreement->compression;
    assert(!c->is_on || (c->out_bits >= 8 && c->out_bits <= 15));
    assert(!c->is_on || (c->in_bits >= 8 && c->in_bits <= 15));
    assert(agreement->extension_size <= WS_EXTENSION_MAX);
}

static void read_answer(struct slice head, const struct ws_options *options) {
    struct http_header headers[HEADERS_MAX];
    struct http_response response;
    struct http_error error;
    struct ws_agreement agreement = {0};
    const char *cause = NULL;
    if (http_response_parse(head, &limits, headers, &response, &error) != STATUS_OK) {
        assert(error.status && error.reason);
        return;
    }
    struct lines lines = {headers, response.header_count};
    struct ws_answer answer = {{get_line, &lines}, SLICE("dGhlIHNhbXBsZSBub25jZQ==")};
    if (ws_check_answer(&answer, options, &agreement, &cause) == STATUS_OK)
        check_agreement(&agreement);
    else
        assert(cause);
}

static void read_request(struct slice head, const struct ws_options *options) {
    struct http_header headers[HEADERS_MAX];
    struct http_request request;
    struct http_error error;
    struct ws_agreement agreement = {0};
    const char *cause = NULL;
    if (http_request_parse(head, &limits, headers, &request, &error) != STATUS_OK)
        return;
    struct lines lines = {headers, request.header_count};
    struct ws_headers its = {get_line, &lines};
    if (ws_accept(&its, options, &agreement, &cause) == STATUS_OK)
        check_agreement(&agreement);
    (void)ws_is_subprotocol_offered(&its, SLICE("v2"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    uint8_t how = fuzz_byte(&input);
    struct ws_options options = {subprotocols, how & 1 ? 2 : 0, how & 2, how & 4};
    struct slice head = fuzz_copy(input);
    struct http_head_scan scan = {0};
    struct http_error error;
    ssize_t found = http_head_find(&scan, head, &limits, &error);
    if (found > 0) {
        struct slice exact = fuzz_copy((struct slice){head.bytes, (size_t)found});
        read_answer(exact, &options);
        read_request(exact, &options);
        fuzz_drop(exact);
    }
    fuzz_drop(head);
    return 0;
}
