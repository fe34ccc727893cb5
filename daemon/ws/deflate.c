/* permessage-deflate's streams, RFC 7692 section 7.2. Without context takeover each message stands
 * alone, so that all connections of a loop share one inflating stream and a compressing one for
 * each window size. With takeover a connection has streams of its own, made when first used. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include <zlib.h>

#include "ws/deflate.h"

#define MIN_BITS      9 /* the smallest window zlib compresses with */
#define MAX_BITS      15
#define LOOK_AHEAD    262 /* of its window zlib's compressor does not refer back over this rest */
#define LEVEL         3   /* of speed and ratio the former: a message is compressed on the loop */
#define PLAIN_MAX     63  /* bytes that are not worth a stream without history */
#define PLAIN_OWN_MAX 15  /* and with it */
#define SCRATCH_MIN   4096
#define SCRATCH_KEEP  ((size_t)256 * 1024) /* larger scratch is given back at the next use */
#define FLUSH_MAX     64                   /* bytes that a flush adds, and more */
#define PIECE_MAX     ((size_t)1 << 29)    /* zlib counts in unsigned int */

static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

struct scratch {
    uint8_t *bytes;
    size_t capacity;
};

struct ws_deflater {
    z_stream in;
    z_stream out[MAX_BITS + 1]; /* by window bits, from MIN_BITS on */
    bool has_in, has_out[MAX_BITS + 1];
    struct scratch inflated, deflated; /* apart: an echo compresses what was inflated */
};

struct ws_streams {
    z_stream in, out;
    bool has_in, has_out;
};

/* zlib's memory comes from this binary's heap functions, so that tests can make it fail. */
static voidpf zlib_alloc(voidpf context, uInt count, uInt size) {
    (void)context;
    return malloc((size_t)count * size);
}

static void zlib_free(voidpf context, voidpf memory) {
    (void)context;
    free(memory);
}

static bool start_in(z_stream *z, unsigned bits) {
    *z = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free};
    return inflateInit2(z, -(int)bits) == Z_OK;
}

/* Little memory for little windows: zlib clears its hash table for each message that stands alone.
 */
static bool start_out(z_stream *z, unsigned bits) {
    int memory = bits - 6 > 8 ? 8 : (int)bits - 6;
    *z = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free};
    return deflateInit2(z, LEVEL, Z_DEFLATED, -(int)bits, memory, Z_DEFAULT_STRATEGY) == Z_OK;
}

struct ws_deflater *ws_deflater_new(void) {
    return calloc(1, sizeof(struct ws_deflater));
}

void ws_deflater_free(struct ws_deflater *deflater) {
    if (!deflater) {
        return;
    }
    if (deflater->has_in) {
        (void)inflateEnd(&deflater->in); /* fails for broken streams alone, as below */
    }
    for (unsigned bits = MIN_BITS; bits <= MAX_BITS; bits++) {
        if (deflater->has_out[bits]) {
            (void)deflateEnd(&deflater->out[bits]);
        }
    }
    free(deflater->inflated.bytes);
    free(deflater->deflated.bytes);
    free(deflater);
}

void ws__streams_free(struct ws_streams *streams) {
    if (!streams) {
        return;
    }
    if (streams->has_in) {
        (void)inflateEnd(&streams->in);
    }
    if (streams->has_out) {
        (void)deflateEnd(&streams->out);
    }
    free(streams);
}

static struct ws_streams *own_streams(struct ws *ws) {
    if (!ws->streams) {
        ws->streams = calloc(1, sizeof *ws->streams);
    }
    return ws->streams;
}

static bool scratch_grow(struct scratch *scratch, size_t capacity) {
    if (scratch->capacity >= capacity) {
        return true;
    }
    uint8_t *bytes = realloc(scratch->bytes, capacity);
    if (!bytes) {
        return false;
    }
    *scratch = (struct scratch){bytes, capacity};
    return true;
}

static void scratch_trim(struct scratch *scratch) {
    if (scratch->capacity > SCRATCH_KEEP) {
        free(scratch->bytes);
        *scratch = (struct scratch){NULL, 0};
    }
}

/* ---- inflating --------------------------------------------------------------------------------
 */

size_t ws__compressed_max(size_t max_message) {
    size_t max;
    return size_add(max_message, max_message / 8 + 1024, &max) ? max : SIZE_MAX;
}

/* The stream to read this connection's next message with, or NULL. */
static z_stream *inflating(struct ws *ws, struct ws_deflater *deflater) {
    if (!ws->compression.has_in_takeover) {
        if (deflater->has_in) {
            return inflateReset(&deflater->in) == Z_OK ? &deflater->in : NULL;
        }
        deflater->has_in = start_in(&deflater->in, MAX_BITS);
        return deflater->has_in ? &deflater->in : NULL;
    }
    struct ws_streams *own = own_streams(ws);
    if (!own) {
        return NULL;
    }
    if (!own->has_in) {
        own->has_in = start_in(&own->in, ws->compression.in_bits);
    }
    return own->has_in ? &own->in : NULL;
}

/* Room behind the `used` bytes of output; STATUS_LIMIT when `max` of them and one more are used. */
static enum status make_room(struct scratch *scratch, z_stream *z, size_t used, size_t max) {
    if (used > max) {
        return STATUS_LIMIT;
    }
    size_t capacity = used < SCRATCH_MIN / 2 ? SCRATCH_MIN : used * 2;
    capacity = capacity > max ? max + 1 : capacity;
    if (!scratch_grow(scratch, capacity)) {
        return STATUS_NO_MEMORY;
    }
    capacity = scratch->capacity > max ? max + 1 : scratch->capacity;
    size_t room = capacity - used;
    z->next_out = scratch->bytes + used;
    z->avail_out = (uInt)(room > PIECE_MAX ? PIECE_MAX : room);
    return STATUS_OK;
}

/* Inflates `bytes` (not above PIECE_MAX) behind the `*used` bytes of output that are there.
 * STATUS_CLOSED: a block that calls itself the last one ended exactly where `bytes` end. */
static enum status inflate_piece(struct scratch *scratch, z_stream *z, struct slice bytes,
                                 size_t *used, size_t max) {
    z->next_in = (Bytef *)(uintptr_t)bytes.bytes; /* zlib only reads */
    z->avail_in = (uInt)bytes.size;
    for (;;) {
        enum status status = z->avail_out ? STATUS_OK : make_room(scratch, z, *used, max);
        if (status != STATUS_OK) {
            return status;
        }
        uInt room = z->avail_out;
        int result = inflate(z, Z_SYNC_FLUSH);
        *used += room - z->avail_out;
        if (result == Z_MEM_ERROR) {
            return STATUS_NO_MEMORY;
        }
        if (result == Z_STREAM_END) {
            /* Section 7.2.3.4: more blocks may follow, and refer to the window. */
            if (inflateResetKeep(z) != Z_OK) {
                return STATUS_CORRUPT;
            }
            if (z->avail_in == 0) {
                return *used > max ? STATUS_LIMIT : STATUS_CLOSED;
            }
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return STATUS_CORRUPT;
        } else if (z->avail_in == 0 && z->avail_out > 0) {
            return STATUS_OK; /* with room left, so not above `max` */
        }
    }
}

/* After the tail an empty stored block has just ended on a byte; whoever cut a block short stands
 * elsewhere (zlib.h tells how inflate() sets data_type). */
static bool is_between_blocks(const z_stream *z) {
    return (z->data_type & 128) != 0 && (z->data_type & 63) == 0;
}

enum status ws__inflate(struct ws *ws, struct ws_deflater *deflater, struct slice bytes,
                        struct slice *out) {
    assert(deflater);
    struct scratch *scratch = &deflater->inflated;
    size_t used = 0;
    enum status status = STATUS_OK;
    scratch_trim(scratch);
    z_stream *z = inflating(ws, deflater);
    if (!z) {
        return STATUS_NO_MEMORY;
    }
    z->avail_out = 0;
    while (bytes.size > 0 && (status == STATUS_OK || status == STATUS_CLOSED)) {
        size_t size = bytes.size > PIECE_MAX ? PIECE_MAX : bytes.size;
        struct slice piece = {bytes.bytes, size};
        status = inflate_piece(scratch, z, piece, &used, ws->max_message);
        bytes = (struct slice){bytes.bytes + size, bytes.size - size};
    }
    if (status == STATUS_OK) {
        struct slice last = {(const char *)tail, sizeof tail};
        status = inflate_piece(scratch, z, last, &used, ws->max_message);
        if (status == STATUS_OK && !is_between_blocks(z)) {
            status = STATUS_CORRUPT;
        }
    }
    if (status != STATUS_OK && status != STATUS_CLOSED) {
        return status;
    }
    *out = (struct slice){(const char *)scratch->bytes, used};
    return STATUS_OK;
}

/* ---- compressing ------------------------------------------------------------------------------
 */

/* One message through `z` into the deflater's scratch, without its tail. */
static enum status deflate_message(z_stream *z, struct scratch *scratch, struct slice payload,
                                   struct slice *out) {
    size_t used = 0, capacity = deflateBound(z, (uLong)payload.size) + FLUSH_MAX;
    scratch_trim(scratch);
    z->next_in = (Bytef *)(uintptr_t)payload.bytes; /* zlib only reads */
    z->avail_in = (uInt)payload.size;
    do {
        if (!scratch_grow(scratch, capacity)) {
            (void)deflateReset(z); /* a message of which no byte was sent leaves no trace */
            return STATUS_NO_MEMORY;
        }
        z->next_out = scratch->bytes + used;
        z->avail_out = (uInt)(scratch->capacity - used);
        int result = deflate(z, Z_SYNC_FLUSH);
        assert(result != Z_STREAM_ERROR);
        used = scratch->capacity - z->avail_out;
        capacity = scratch->capacity * 2;
    } while (z->avail_out == 0);
    assert(used > sizeof tail && memcmp(scratch->bytes + used - sizeof tail, tail, 4) == 0);
    *out = (struct slice){(const char *)scratch->bytes, used - sizeof tail};
    return STATUS_OK;
}

enum status ws_compress_shared(struct ws_deflater *deflater, unsigned bits, struct slice payload,
                               struct slice *out) {
    assert(bits >= MIN_BITS && bits <= MAX_BITS);
    if (payload.size <= PLAIN_MAX || payload.size > PIECE_MAX) {
        return STATUS_UNSUPPORTED;
    }
    unsigned used = MIN_BITS; /* no larger than what the message can refer back over */
    while (used < bits && ((size_t)1 << used) < payload.size + LOOK_AHEAD) {
        used++;
    }
    z_stream *z = &deflater->out[used];
    if (!deflater->has_out[used]) {
        deflater->has_out[used] = start_out(z, used);
    } else if (deflateReset(z) != Z_OK) {
        return STATUS_NO_MEMORY;
    }
    if (!deflater->has_out[used]) {
        return STATUS_NO_MEMORY;
    }
    struct slice made;
    enum status status = deflate_message(z, &deflater->deflated, payload, &made);
    if (status != STATUS_OK || made.size >= payload.size) {
        return status == STATUS_OK ? STATUS_UNSUPPORTED : status;
    }
    *out = made;
    return STATUS_OK;
}

enum status ws_compress(struct ws *ws, struct ws_deflater *deflater, struct slice payload,
                        struct slice *out) {
    const struct ws_compression *agreed = &ws->compression;
    if (!agreed->is_on || agreed->out_bits < MIN_BITS) {
        return STATUS_UNSUPPORTED;
    }
    if (!agreed->has_out_takeover) {
        return ws_compress_shared(deflater, agreed->out_bits, payload, out);
    }
    if (payload.size <= PLAIN_OWN_MAX || payload.size > PIECE_MAX) {
        return STATUS_UNSUPPORTED;
    }
    struct ws_streams *own = own_streams(ws);
    if (own && !own->has_out) {
        own->has_out = start_out(&own->out, agreed->out_bits);
    }
    if (!own || !own->has_out) {
        return STATUS_NO_MEMORY;
    }
    return deflate_message(&own->out, &deflater->deflated, payload, out);
}
