/* Output of streams. Three ways out, in order of cost:
 *   cork    while a stream's input is handled, small writes gather in the loop's one cork buffer
 *   direct  large writes go to the kernel at once, together with the cork, without a copy
 *   queue   what the kernel did not take, and what is written at other times: a ring of chunks,
 * each with bytes of its own or a reference to a counted frame
 *   shared  frames for many streams, on an empty queue: a range of the loop's buffer until the turn
 * ends. A stream with a queue or a range never has a cork, and one with a queue no range, so the
 * order is kept. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include "net/output.h"
#include "net/transfer.h"

struct net_chunk {
    struct net_chunk *next;  /* a ring: the last one points to the first */
    struct net_frame *frame; /* or NULL: bytes of its own */
    size_t at, size, capacity;
    uint8_t bytes[];
};

#define SMALL_CAPACITY (1024 - sizeof(struct net_chunk))
#define LARGE_CAPACITY (NET_ROOM_MAX)
#define PARTS_MAX      64

static const size_t capacities[CHUNK_CLASSES] = {0, SMALL_CAPACITY, LARGE_CAPACITY};
static const uint32_t spares[CHUNK_CLASSES] = {4096, 256, 4};

static struct net_chunk *chunk_new(struct net_loop *loop, size_t size);
static void chunk_free(struct net_loop *loop, struct net_chunk *chunk);
static enum status write_direct(struct net_stream *stream, const struct slice *parts, size_t count);
static enum status enqueue(struct net_stream *stream, struct slice bytes);
static enum status uncork(struct net_stream *stream);
static bool flush_queue(struct net_stream *stream);
static bool flush_shared(struct net_stream *stream);
static bool keep_shared(struct net_stream *stream);
static void consume(struct net_stream *stream, size_t size);

static bool is_writable(const struct net_stream *stream) {
    return stream->state == NET_OPEN && !stream->fault;
}

/* A layer may hold what the socket did not take: the queue is empty then, and may not be passed. */
static bool is_corked(const struct net_stream *stream) {
    return stream->loop->corked == stream && output__is_empty(stream) && !stream->is_blocked;
}

enum status net_write(struct net_stream *stream, const struct slice *parts, size_t count) {
    struct net_loop *loop = stream->loop;
    size_t total = 0;
    if (!is_writable(stream)) {
        return STATUS_CLOSED;
    }
    for (size_t i = 0; i < count; i++) {
        total += parts[i].size;
    }
    if (total < NET_DIRECT_SIZE && is_corked(stream) && total > NET_CORK_SIZE - loop->cork_bytes) {
        output__flush(stream);
    }
    if (total < NET_DIRECT_SIZE && is_corked(stream)) {
        for (size_t i = 0; i < count; i++) {
            if (parts[i].size) {
                memcpy(loop->cork + loop->cork_bytes, parts[i].bytes, parts[i].size);
                loop->cork_bytes += parts[i].size;
            }
        }
        return STATUS_OK;
    }
    if (total >= NET_DIRECT_SIZE && output__is_empty(stream) && !stream->is_blocked) {
        return write_direct(stream, parts, count);
    }
    for (size_t i = 0; i < count; i++) {
        enum status status = enqueue(stream, parts[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Number of bytes that went out, or -1 when the stream has failed. */
static ssize_t send_parts(struct net_stream *stream, struct iovec *parts, size_t count) {
    struct net_layer *layer = stream->layer;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent;
    do {
        sent = layer        ? layer->send(layer, stream->source.fd, parts->iov_base, parts->iov_len)
               : count == 1 ? transfer__send(stream->source.fd, parts->iov_base, parts->iov_len)
                            : sendmsg(stream->source.fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN) {
        stream__fail(stream, errno);
        return -1;
    }
    sent = sent < 0 ? 0 : sent;
    stream->bytes_out += (uint64_t)sent;
    if (stream->counters && sent > 0) {
        net_count(&stream->counters->bytes_out, (uint64_t)sent);
    }
    return sent;
}

bool output__flush_layer(struct net_stream *stream) {
    struct net_layer *layer = stream->layer;
    if (!layer || layer->send(layer, stream->source.fd, NULL, 0) >= 0) {
        return true;
    }
    if (errno == EAGAIN) {
        output__wait_writable(stream);
    } else {
        stream__fail(stream, errno);
    }
    return false;
}

void output__wait_writable(struct net_stream *stream) {
    if (!stream->is_blocked) {
        stream->is_blocked = true;
        if (loop__modify(stream->loop, &stream->source, stream->source.armed | EPOLLOUT) < 0) {
            stream__fail(stream, errno);
        }
    }
}

/* The cork, if it is this stream's, and the parts; what is not taken is queued. */
static enum status write_direct(struct net_stream *stream, const struct slice *parts,
                                size_t count) {
    struct net_loop *loop = stream->loop;
    struct iovec vector[PARTS_MAX];
    size_t used = 0, total = 0;
    if (loop->corked == stream && loop->cork_bytes) {
        vector[used++] = (struct iovec){loop->cork, loop->cork_bytes};
        loop->cork_bytes = 0; /* still there for what has to be queued of it */
    }
    assert(count < PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        vector[used++] = (struct iovec){(void *)parts[i].bytes, parts[i].size};
    }
    for (size_t i = 0; i < used; i++) {
        total += vector[i].iov_len;
    }
    ssize_t sent = send_parts(stream, vector, used);
    if (sent < 0) {
        return STATUS_CLOSED;
    }
    if ((size_t)sent < total && !stream->layer) {
        output__wait_writable(stream);
    }
    size_t skip = (size_t)sent;
    for (size_t i = 0; i < used; i++) {
        size_t taken = skip < vector[i].iov_len ? skip : vector[i].iov_len;
        skip -= taken;
        struct slice rest = {(char *)vector[i].iov_base + taken, vector[i].iov_len - taken};
        enum status status = rest.size ? enqueue(stream, rest) : STATUS_OK;
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Appends a chunk to the ring. */
static void append(struct net_stream *stream, struct net_chunk *chunk) {
    struct net_chunk *last = stream->last_chunk;
    chunk->next = last ? last->next : chunk;
    if (last) {
        last->next = chunk;
    }
    stream->last_chunk = chunk;
}

/* The cork's bytes come before whatever is queued now. */
static enum status uncork(struct net_stream *stream) {
    struct net_loop *loop = stream->loop;
    if (loop->corked != stream || loop->cork_bytes == 0) {
        return STATUS_OK;
    }
    struct slice cork = {(const char *)loop->cork, loop->cork_bytes};
    loop->cork_bytes = 0;
    return enqueue(stream, cork);
}

static enum status fail_memory(struct net_stream *stream) {
    stream__fail(stream, ENOMEM);
    return STATUS_NO_MEMORY;
}

static void queued(struct net_stream *stream, size_t size) {
    stream->backlog_bytes += (uint32_t)size;
    if (!stream->is_blocked) {
        stream__mark(stream);
    }
}

static enum status enqueue(struct net_stream *stream, struct slice bytes) {
    if (uncork(stream) != STATUS_OK || !keep_shared(stream)) {
        return STATUS_NO_MEMORY;
    }
    struct net_chunk *last = stream->last_chunk;
    size_t room = last && !last->frame ? last->capacity - last->size : 0;
    size_t head = bytes.size < room ? bytes.size : room;
    if (stream->backlog_bytes + (uint64_t)bytes.size > UINT32_MAX) {
        return fail_memory(stream);
    }
    if (head) {
        memcpy(last->bytes + last->size, bytes.bytes, head);
        last->size += head;
    }
    if (head < bytes.size) {
        struct net_chunk *chunk = chunk_new(stream->loop, bytes.size - head);
        if (!chunk) {
            return fail_memory(stream);
        }
        memcpy(chunk->bytes, bytes.bytes + head, bytes.size - head);
        chunk->size = bytes.size - head;
        append(stream, chunk);
    }
    queued(stream, bytes.size);
    return STATUS_OK;
}

char *net_write_begin(struct net_stream *stream, size_t size) {
    struct net_loop *loop = stream->loop;
    assert(size <= NET_ROOM_MAX);
    if (!is_writable(stream)) {
        return NULL;
    }
    if (is_corked(stream) && size > NET_CORK_SIZE - loop->cork_bytes) {
        output__flush(stream);
    }
    if (is_corked(stream)) {
        return (char *)loop->cork + loop->cork_bytes;
    }
    if (uncork(stream) != STATUS_OK || !keep_shared(stream)) {
        return NULL;
    }
    if (stream->backlog_bytes > UINT32_MAX - size) {
        (void)fail_memory(stream); /* the caller sees NULL */
        return NULL;
    }
    struct net_chunk *last = stream->last_chunk;
    if (!last || last->frame || last->capacity - last->size < size) {
        last = chunk_new(loop, size);
        if (!last) {
            (void)fail_memory(stream); /* the caller sees NULL */
            return NULL;
        }
        append(stream, last);
    }
    return (char *)last->bytes + last->size;
}

void net_write_end(struct net_stream *stream, size_t used) {
    if (is_corked(stream)) {
        stream->loop->cork_bytes += used;
        return;
    }
    if (stream->last_chunk) {
        stream->last_chunk->size += used;
        queued(stream, used);
    }
}

/* Whether the frame is now a range of its own, or made the range that is there longer. */
static bool share(struct net_stream *stream, struct net_frame *frame) {
    uint32_t at;
    if (stream->last_chunk || stream->is_blocked || stream->layer ||
        frame->size >= NET_DIRECT_SIZE || !shared__place(stream->loop, frame, &at)) {
        return false;
    }
    if (stream->shared_size == 0) {
        stream->shared_at = at;
    } else if (stream->shared_at + stream->shared_size != at) {
        return false;
    }
    stream->shared_size += (uint32_t)frame->size;
    queued(stream, frame->size);
    return true;
}

/* The range becomes a chunk, before something else is queued. Without memory the stream fails. */
static bool keep_shared(struct net_stream *stream) {
    if (stream->shared_size == 0) {
        return true;
    }
    struct slice bytes = {(const char *)stream->loop->shared.bytes + stream->shared_at,
                          stream->shared_size};
    stream->shared_size = 0;
    stream->backlog_bytes -= (uint32_t)bytes.size; /* is counted again */
    return enqueue(stream, bytes) == STATUS_OK;
}

static bool flush_shared(struct net_stream *stream) {
    struct iovec part = {stream->loop->shared.bytes + stream->shared_at, stream->shared_size};
    ssize_t sent = send_parts(stream, &part, 1);
    if (sent < 0) {
        return false;
    }
    stream->shared_at += (uint32_t)sent;
    stream->shared_size -= (uint32_t)sent;
    stream->backlog_bytes -= (uint32_t)sent;
    if (stream->shared_size) {
        output__wait_writable(stream);
        (void)keep_shared(stream); /* as above */
    }
    return sent > 0;
}

enum status net_write_frame(struct net_stream *stream, struct net_frame *frame) {
    struct slice bytes = {(const char *)frame->bytes, frame->size};
    if (!is_writable(stream)) {
        return STATUS_CLOSED;
    }
    if (!is_corked(stream) && share(stream, frame)) {
        return STATUS_OK;
    }
    if (frame->size <= SMALL_CAPACITY / 8 || is_corked(stream)) {
        return net_write(stream, &bytes, 1); /* a copy is cheaper, and may join others */
    }
    if (uncork(stream) != STATUS_OK || !keep_shared(stream)) {
        return STATUS_NO_MEMORY;
    }
    struct net_chunk *chunk = chunk_new(stream->loop, 0);
    if (!chunk || stream->backlog_bytes + (uint64_t)frame->size > UINT32_MAX) {
        free(chunk);
        return fail_memory(stream);
    }
    chunk->frame = net_frame_ref(frame);
    chunk->size = frame->size;
    append(stream, chunk);
    queued(stream, frame->size);
    return STATUS_OK;
}

size_t net_backlog(const struct net_stream *stream) {
    const struct net_loop *loop = stream->loop;
    return stream->backlog_bytes + (loop->corked == stream ? loop->cork_bytes : 0);
}

void net_flush(struct net_stream *stream) { (void)output__flush(stream); /* net_backlog() tells */ }

bool output__flush(struct net_stream *stream) {
    struct net_loop *loop = stream->loop;
    if (stream->fault || stream->state > NET_FINISHING) {
        return false;
    }
    if (stream->is_blocked) {
        (void)uncork(stream); /* without memory the stream has failed */
        return false;
    }
    if (loop->corked == stream && loop->cork_bytes) {
        struct iovec part = {loop->cork, loop->cork_bytes};
        ssize_t sent = send_parts(stream, &part, 1);
        if (sent < 0 || (size_t)sent == loop->cork_bytes) {
            loop->cork_bytes = 0;
            return sent > 0;
        }
        memmove(loop->cork, loop->cork + sent, loop->cork_bytes - (size_t)sent);
        loop->cork_bytes -= (size_t)sent;
        output__wait_writable(stream);
        (void)uncork(stream); /* without memory the stream has failed */
        return sent > 0;
    }
    return stream->shared_size ? flush_shared(stream) : flush_queue(stream);
}

static bool flush_queue(struct net_stream *stream) {
    bool has_sent = false;
    while (stream->last_chunk && !stream->fault) {
        struct iovec parts[PARTS_MAX];
        size_t count = 0, total = 0;
        struct net_chunk *chunk = stream->last_chunk;
        do {
            chunk = chunk->next;
            uint8_t *bytes = chunk->frame ? chunk->frame->bytes : chunk->bytes;
            parts[count++] = (struct iovec){bytes + chunk->at, chunk->size - chunk->at};
            total += chunk->size - chunk->at;
        } while (chunk != stream->last_chunk && count < PARTS_MAX && !stream->layer);
        ssize_t sent = send_parts(stream, parts, count);
        if (sent < 0) {
            return has_sent;
        }
        consume(stream, (size_t)sent);
        has_sent = has_sent || sent > 0;
        if ((size_t)sent < total) {
            output__wait_writable(stream);
            return has_sent;
        }
    }
    return has_sent;
}

static void drop_first(struct net_stream *stream) {
    struct net_chunk *last = stream->last_chunk, *first = last->next;
    last->next = first->next;
    if (first == last) {
        stream->last_chunk = NULL;
    }
    chunk_free(stream->loop, first);
}

static void consume(struct net_stream *stream, size_t size) {
    stream->backlog_bytes -= (uint32_t)size;
    while (stream->last_chunk) {
        struct net_chunk *first = stream->last_chunk->next;
        size_t left = first->size - first->at;
        if (size < left) {
            first->at += size;
            return;
        }
        size -= left;
        drop_first(stream);
    }
}

void output__drop(struct net_stream *stream) {
    stream->shared_size = 0;
    while (stream->last_chunk) {
        drop_first(stream);
    }
    stream->backlog_bytes = 0;
}

static struct net_chunk *chunk_new(struct net_loop *loop, size_t size) {
    unsigned class = 0;
    while (class < CHUNK_CLASSES && capacities[class] < size) {
        class ++;
    }
    size_t capacity = class < CHUNK_CLASSES ? capacities[class] : size;
    struct net_chunk *chunk = class < CHUNK_CLASSES ? loop->chunks.free[class] : NULL;
    if (chunk) {
        loop->chunks.free[class] = chunk->next;
        loop->chunks.count[class]--;
    } else {
        chunk = malloc(sizeof(*chunk) + capacity);
    }
    if (chunk) {
        *chunk = (struct net_chunk){.capacity = capacity};
    }
    return chunk;
}

static void chunk_free(struct net_loop *loop, struct net_chunk *chunk) {
    struct chunk_pool *pool = &loop->chunks;
    if (chunk->frame) {
        net_frame_unref(chunk->frame);
    }
    for (unsigned class = 0; class < CHUNK_CLASSES; class ++) {
        if (capacities[class] == chunk->capacity && pool->count[class] < spares[class]) {
            chunk->next = pool->free[class];
            pool->free[class] = chunk;
            pool->count[class]++;
            return;
        }
    }
    free(chunk);
}

void chunk__free_pool(struct net_loop *loop) {
    for (unsigned class = 0; class < CHUNK_CLASSES; class ++) {
        while (loop->chunks.free[class]) {
            struct net_chunk *chunk = loop->chunks.free[class];
            loop->chunks.free[class] = chunk->next;
            free(chunk);
        }
    }
}

struct net_frame *net_frame_new(size_t size) {
    struct net_frame *frame = malloc(sizeof(*frame) + size);
    if (frame) {
        atomic_init(&frame->refs, 1);
        frame->size = size;
    }
    return frame;
}

struct net_frame *net_frame_ref(struct net_frame *frame) {
    atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
    return frame;
}

void net_frame_unref(struct net_frame *frame) {
    if (atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1) {
        free(frame);
    }
}
