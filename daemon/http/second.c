/* llhttp as a second reader of heads that the strict scan has passed: where both read the same
 * message, no third reader in between reads another one. llhttp.h stays in this file, since its
 * names are as short as ours. */
#include "http/scan.h"
#include <llhttp.h>

_Static_assert((int)HTTP_METHOD_SOURCE == (int)HTTP_SOURCE, "methods are numbered as in llhttp");
_Static_assert((int)HTTP_METHOD_PATCH == (int)HTTP_PATCH, "methods are numbered as in llhttp");

struct second {
    const struct http__reading *ours;
    bool agrees;
};

static int on_headers_complete(llhttp_t *parser) {
    struct second *second = parser->data;
    const struct http__reading *ours = second->ours;
    bool has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    bool is_chunked = (parser->flags & F_CHUNKED) != 0;
    unsigned code = ours->is_request ? parser->method : parser->status_code;
    second->agrees = has_length == ours->has_length && is_chunked == ours->is_chunked &&
                     (!has_length || parser->content_length == ours->content_length) &&
                     code == ours->code && parser->http_major == 1 &&
                     parser->http_minor == ours->minor;
    return 0;
}

static const llhttp_settings_t settings = {.on_headers_complete = on_headers_complete};

bool http__second_reading_agrees(struct slice head, const struct http__reading *ours) {
    struct second second = {ours, false};
    llhttp_t parser;
    llhttp_init(&parser, ours->is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    parser.data = &second;
    llhttp_errno_t result = llhttp_execute(&parser, head.bytes, head.size);
    return second.agrees && (result == HPE_OK || result == HPE_PAUSED_UPGRADE);
}
