/* Inflating for the reader; the rest of permessage-deflate is public (ws.h). */
#ifndef BELLWIRE_WS_DEFLATE_H
#define BELLWIRE_WS_DEFLATE_H

#include "ws/ws.h"

/* One whole compressed message, without the tail of RFC 7692 section 7.2.1. `*out` lies in the
 * deflater's scratch until the next ws__inflate() with it.
 *   STATUS_LIMIT      it grows above ws->max_message
 *   STATUS_CORRUPT    it is no DEFLATE data, or ends inside of a block
 *   STATUS_NO_MEMORY
 * After an error the connection must end: its window is lost. */
enum status ws__inflate(struct ws *ws, struct ws_deflater *deflater, struct slice bytes,
                        struct slice *out);
/* Compressed bytes that a message may have when `max_message` is its bound after inflation: what no
 * data expands to by DEFLATE's worst coding. */
size_t ws__compressed_max(size_t max_message);
void ws__streams_free(struct ws_streams *streams); /* NULL is allowed */

#endif
