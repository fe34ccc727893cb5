/* Sec-WebSocket-Extensions, RFC 6455 section 9.1, and what permessage-deflate says in it. */
#ifndef BELLWIRE_WS_EXTENSION_H
#define BELLWIRE_WS_EXTENSION_H

#include "ws/ws.h"

#define WS__DEFLATE "permessage-deflate"

/* One element of the list that names permessage-deflate, or the word of another extension. */
struct ws__extension {
    bool is_deflate;
    bool is_good; /* deflate: its parameters are known, single and in range */
    bool has_server_no_takeover, has_client_no_takeover;
    bool has_server_bits, has_client_bits;
    uint8_t server_bits, client_bits; /* 8-15; 0: the parameter has no value (client_bits only) */
};
/* Takes the next element from `*list` (one header line). STATUS_OK, STATUS_NOT_FOUND at its end, or
 * STATUS_SYNTAX. */
enum status ws__extension_next(struct slice *list, struct ws__extension *out);

/* Tokens of RFC 9110, which both lists of the handshake are made of. The token (size 0 when there
 * is none) that follows optional blanks; `*text` is what follows it and its blanks. */
struct slice ws__token(struct slice *text);

#endif
