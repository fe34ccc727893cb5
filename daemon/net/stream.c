/* Life of a stream: OPEN; FINISHING while the last output drains; LINGERING after its writing is
 * shut down, input thrown away; CLOSING until the turn ends. Handlers are called from three places
 * only: readiness, the timer, and the end of a turn. */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "net/output.h"
#include "net/transfer.h"

#define LINGER_BYTES (64 * 1024)
#define LINGER_MS    2000

/* fault: a failure is told once. again: asked in one turn, called at the end of the next. */
enum stream_fault { STREAM_SOUND, STREAM_FAILED, STREAM_TOLD };
enum stream_again { AGAIN_NEVER, AGAIN_LATER, AGAIN_NOW };

static void on_ready(struct net_source *source, uint32_t events);
static void on_timer(struct net_timer *timer);
static void read_some(struct net_stream *stream);
static void discard_some(struct net_stream *stream);
static void check_lost(struct net_stream *stream);
static void look_after(struct net_stream *stream);
static void begin_linger(struct net_stream *stream);

enum status net_stream_open(struct net_loop *loop, struct net_stream *stream, int fd,
                            net_stream_fn handler) {
    *stream = (struct net_stream){.source = {.ready = on_ready, .fd = fd},
                                  .loop = loop,
                                  .handler = handler,
                                  .timer = {.fire = on_timer}};
    return loop__add(loop, &stream->source, EPOLLIN);
}

/* Calls the handler with the cork in place, then sends what gathered. */
static void call_corked(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct net_loop *loop = stream->loop;
    loop->corked = stream;
    loop->cork_bytes = 0;
    stream->handler(stream, event, data);
    if (loop->cork_bytes) {
        (void)output__flush(stream); /* a failure shows at the end of the turn */
        loop->cork_bytes = 0;
    }
    loop->corked = NULL;
}

static void call(struct net_stream *stream, enum net_event event) {
    stream->handler(stream, event, (struct net_bytes){NULL, 0});
}

static void on_sendable(struct net_stream *stream) {
    stream->is_blocked = false;
    bool has_sent = output__flush_layer(stream) && output__flush(stream);
    if (!stream->is_blocked && stream->fault == STREAM_SOUND &&
        loop__modify(stream->loop, &stream->source, stream->source.armed & ~(uint32_t)EPOLLOUT) <
            0) {
        stream__fail(stream, errno);
    }
    if (stream->state == NET_FINISHING) {
        if (has_sent) {
            net_timer_start(stream->loop, &stream->timer, 1000u * stream->stall_s);
        }
        stream__mark(stream);
    } else if (has_sent) {
        call(stream, NET_SENT);
    }
}

static void on_ready(struct net_source *source, uint32_t events) {
    struct net_stream *stream = CONTAINER_OF(source, struct net_stream, source);
    if (stream->state == NET_CLOSING || stream->fault != STREAM_SOUND) {
        return;
    }
    if (events & EPOLLOUT && stream->is_blocked) {
        on_sendable(stream);
    }
    if (stream->state == NET_CLOSING || stream->fault != STREAM_SOUND) {
        return;
    }
    if (stream->state == NET_LINGERING) {
        discard_some(stream);
    } else if (!stream->is_paused && !stream->has_ended &&
               events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        read_some(stream);
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        check_lost(stream);
    } else if (events & EPOLLIN && /* paused: only now is it worth a system call */
               loop__modify(stream->loop, source, source->armed & ~(uint32_t)EPOLLIN) < 0) {
        stream__fail(stream, errno);
    }
}

static void read_some(struct net_stream *stream) {
    struct net_loop *loop = stream->loop;
    int fd = stream->source.fd;
    ssize_t size = stream->layer
                       ? stream->layer->recv(stream->layer, fd, loop->read_buffer, NET_READ_SIZE)
                       : transfer__recv(fd, loop->read_buffer, NET_READ_SIZE);
    if (size > 0) {
        stream->bytes_in += (uint64_t)size;
        if (stream->counters) {
            net_count(&stream->counters->bytes_in, (uint64_t)size);
        }
        call_corked(stream, NET_DATA, (struct net_bytes){loop->read_buffer, (size_t)size});
    } else if (size < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            stream__fail(stream, errno);
        }
    } else {
        stream->has_ended = true;
        if (loop__modify(loop, &stream->source, stream->source.armed & ~(uint32_t)EPOLLIN) < 0) {
            stream__fail(stream, errno);
        }
        call_corked(stream, NET_END, (struct net_bytes){NULL, 0});
    }
}

/* The backlog counts what was thrown away now. */
static void discard_some(struct net_stream *stream) {
    ssize_t size = transfer__recv(stream->source.fd, stream->loop->read_buffer, NET_READ_SIZE);
    if (size > 0) {
        stream->backlog_bytes += (uint32_t)size;
    }
    bool is_gone = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
    if (is_gone || stream->backlog_bytes > LINGER_BYTES) {
        net_stream_close(stream);
    }
}

/* Neither direction is left (a half-closed peer does not come here), or the socket has an error. */
static void check_lost(struct net_stream *stream) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(stream->source.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error == 0) {
        error = ECONNRESET;
    }
    stream__fail(stream, error);
}

static void on_timer(struct net_timer *timer) {
    struct net_stream *stream = CONTAINER_OF(timer, struct net_stream, timer);
    if (stream->state == NET_OPEN) {
        call(stream, NET_TIMEOUT);
    } else {
        net_stream_close(stream);
    }
}

static void push(struct stream_list *list, struct net_stream *stream) {
    stream->is_pending = true;
    stream->next_pending = NULL;
    if (list->last) {
        list->last->next_pending = stream;
    } else {
        list->first = stream;
    }
    list->last = stream;
}

void stream__mark(struct net_stream *stream) {
    if (!stream->is_pending) {
        push(&stream->loop->pending, stream);
    }
}

void stream__fail(struct net_stream *stream, int error) {
    if (stream->fault == STREAM_SOUND) {
        stream->fault = STREAM_FAILED;
        stream->error = error;
        loop__remove(stream->loop, &stream->source); /* a hang-up would be reported each turn */
        stream__mark(stream);
    }
}

void stream__finish_turn(struct net_loop *loop) {
    struct stream_list *pending = &loop->pending, *later = &loop->later;
    if (later->first) {
        later->last->next_pending = pending->first;
        pending->last = pending->last ? pending->last : later->last;
        pending->first = later->first;
        *later = (struct stream_list){NULL, NULL};
    }
    while (pending->first) {
        struct net_stream *stream = pending->first;
        pending->first = stream->next_pending;
        if (pending->first) {
            fetch_ahead(pending->first, sizeof(*stream)); /* of thousands, after a broadcast */
        } else {
            pending->last = NULL;
        }
        stream->is_pending = false;
        look_after(stream);
    }
    shared__reset(loop);
}

static void end(struct net_stream *stream) {
    if (stream->fault == STREAM_SOUND) { /* else it was removed when it failed */
        loop__remove(stream->loop, &stream->source);
    }
    if (stream->layer) {
        stream->layer->free(stream->layer);
        stream->layer = NULL;
    }
    output__drop(stream);
    net_timer_stop(&stream->timer);
    close(stream->source.fd);
    call(stream, NET_CLOSED); /* the memory may be gone after this */
}

static void look_after(struct net_stream *stream) {
    if (stream->again == AGAIN_NOW) {
        stream->again = AGAIN_NEVER;
        if (stream->state == NET_OPEN && stream->fault == STREAM_SOUND) {
            call_corked(stream, NET_AGAIN, (struct net_bytes){NULL, 0});
        }
    }
    if (stream->layer && stream->layer->has_input && !stream->is_paused && !stream->has_ended &&
        stream->state == NET_OPEN && stream->fault == STREAM_SOUND) {
        read_some(stream);
    }
    if (!output__is_empty(stream)) {
        (void)output__flush(stream); /* what it could not send waits for the socket */
    }
    if (stream->fault == STREAM_FAILED && stream->state == NET_OPEN) {
        stream->fault = STREAM_TOLD;
        call(stream, NET_ERROR);
    }
    if (stream->state == NET_FINISHING || stream->state == NET_LINGERING) {
        if (stream->fault != STREAM_SOUND) {
            net_stream_close(stream);
        } else if (stream->state == NET_FINISHING && output__is_empty(stream) &&
                   !stream->is_blocked) {
            begin_linger(stream);
        }
    }
    if (stream->again == AGAIN_LATER && !stream->is_pending && stream->state == NET_OPEN) {
        stream->again = AGAIN_NOW;
        push(&stream->loop->later, stream);
    } else if (stream->state == NET_CLOSING && !stream->is_pending) {
        end(stream);
    }
}

static void begin_linger(struct net_stream *stream) {
    struct net_source *source = &stream->source;
    if (stream->layer && !stream->layer->shutdown(stream->layer, source->fd)) {
        output__wait_writable(stream); /* and then comes here again */
        return;
    }
    if (stream->has_ended) {
        net_stream_close(stream);
        return;
    }
    if (shutdown(source->fd, SHUT_WR) < 0 ||
        loop__modify(stream->loop, source, source->armed | EPOLLIN) < 0) {
        net_stream_close(stream); /* the peer is gone already */
        return;
    }
    stream->state = NET_LINGERING;
    stream->backlog_bytes = 0;
    net_timer_start(stream->loop, &stream->timer, LINGER_MS);
}

void net_stream_pause(struct net_stream *stream) { stream->is_paused = true; }

void net_stream_resume(struct net_stream *stream) {
    struct net_source *source = &stream->source;
    stream->is_paused = false;
    if (stream->state == NET_OPEN && stream->fault == STREAM_SOUND && !stream->has_ended &&
        loop__modify(stream->loop, source, source->armed | EPOLLIN) < 0) {
        stream__fail(stream, errno);
    }
    if (stream->layer && stream->layer->has_input) {
        stream__mark(stream);
    }
}

bool net_stream_has_unread(const struct net_stream *stream) {
    int bytes = 0;
    return (stream->layer && stream->layer->has_input) ||
           (ioctl(stream->source.fd, FIONREAD, &bytes) == 0 && bytes > 0);
}

void net_stream_again(struct net_stream *stream) {
    if (stream->again == AGAIN_NEVER) {
        stream->again = AGAIN_LATER;
        stream__mark(stream);
    }
}

void net_stream_timer(struct net_stream *stream, uint64_t delay_ms) {
    net_timer_start(stream->loop, &stream->timer, delay_ms);
}

void net_stream_close(struct net_stream *stream) {
    if (stream->state != NET_CLOSING) {
        stream->state = NET_CLOSING;
        net_timer_stop(&stream->timer);
        stream__mark(stream);
    }
}

void net_stream_finish(struct net_stream *stream, uint64_t stall_ms) {
    if (stream->state != NET_OPEN) {
        return;
    }
    uint64_t stall_s = stall_ms / 1000 + 1;
    stream->state = NET_FINISHING;
    stream->stall_s = (uint8_t)(stall_s < 255 ? stall_s : 255);
    stream->is_paused = true;
    net_timer_start(stream->loop, &stream->timer, 1000u * stream->stall_s);
    stream__mark(stream);
}
