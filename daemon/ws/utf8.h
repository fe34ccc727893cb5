/* UTF-8 (RFC 3629) in pieces: text that comes split is refused at the first byte that cannot belong
 * to it, not only when its message is whole. */
#ifndef BELLWIRE_WS_UTF8_H
#define BELLWIRE_WS_UTF8_H

#include "base/base.h"

struct ws__utf8 {
    uint8_t need;      /* bytes that the character begun still lacks; 0 at the end of good text */
    uint8_t low, high; /* what its next byte may be */
};

/* false: no text starts like this. All zero is the state to begin with. */
bool ws__utf8_feed(struct ws__utf8 *state, const uint8_t *bytes, size_t size);

#endif
