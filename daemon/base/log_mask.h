/* Values that no line of the log may show.
 * Thread  any. A value once added stays: runs of an older configuration may still use it. */
#ifndef BELLWIRE_BASE_LOG_MASK_H
#define BELLWIRE_BASE_LOG_MASK_H

#include "base/base.h"

/* Shorter ones would hide every other word, and are no secrets. */
enum { LOG_SECRET_MIN_BYTES = 4 };

/* Copied. STATUS_NO_MEMORY. */
enum status log_add_secret(struct slice value);
/* The text with *** for each of the values: `text` itself where it holds none, else the bytes of
 * `room`, which the caller has initialised and frees. Without memory it is all ***. */
struct slice log_mask(struct slice text, struct buffer *room);

#endif
