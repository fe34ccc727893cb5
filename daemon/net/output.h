/* What a stream has still to send, and the cork of its loop. Private to streams. */
#ifndef BELLWIRE_NET_OUTPUT_H
#define BELLWIRE_NET_OUTPUT_H

#include "net/loop.h"

/* Gives the kernel what it takes of the cork and the queue. Returns whether anything went out. An
 * error marks the stream as failed; nothing is called. */
bool output__flush(struct net_stream *stream);
/* Gives the kernel what the layer holds. False when some is left, and the stream waits or failed.
 */
bool output__flush_layer(struct net_stream *stream);
/* Nothing is sent before the socket takes more. */
void output__wait_writable(struct net_stream *stream);
/* Drops what is queued. */
void output__drop(struct net_stream *stream);
static inline bool output__is_empty(const struct net_stream *stream) {
    return stream->last_chunk == NULL && stream->shared_size == 0;
}
/* Where a frame lies until the turn ends; false when there is no room for it. */
bool shared__place(struct net_loop *loop, struct net_frame *frame, uint32_t *at);
void shared__reset(struct net_loop *loop); /* when no stream has a range any more */
/* Puts the stream on the list of those looked at when the turn ends. */
void stream__mark(struct net_stream *stream);
void stream__fail(struct net_stream *stream, int error);

#endif
