/* Loops of threads, timers, mailboxes, streams, listeners and file jobs.
 *
 * A net_loop waits with an epoll of its own, whose entries are the structs below (16 bytes a
 * descriptor); libuv's loop runs inside it for its pool, names and signals. Per turn: what is
 * ready, due timers, then everything written to streams goes out with one write each.
 *
 * Thread  an object belongs to the loop it was made on. From other threads only: net_post...(),
 *         net_wait_room(), net_loop_pulse(), and counted frames.
 * Time    milliseconds of the clock that the loop was given, read once a turn. */
#ifndef BELLWIRE_NET_H
#define BELLWIRE_NET_H

#include <stdatomic.h>
#include <sys/socket.h>
#include "base/base.h"

struct uv_loop_s;
struct crypto_pool;
/* ---- loops ---------------------------------------------------------------------------------- */
struct net_loop;
struct net_loop_options {
    const struct clock *clock;
    uint32_t mailbox_entries;        /* 0: 65,536; an eighth is for net_post_control() alone */
    uint64_t mailbox_bytes;          /* 0: 64 MiB; likewise */
    struct crypto_pool *crypto_pool; /* outlived by the loop; NULL: none, and no TLS */
    int accept_below;                /* descriptors from here on are kept from peers; 0: none is */
};
struct net_loop *net_loop_new(const struct net_loop_options *options); /* NULL: errno says why */
/* All streams, listeners, timers and jobs must have ended. Messages left are run with loop NULL. */
void net_loop_free(struct net_loop *loop);
void net_loop_run(struct net_loop *loop);  /* until net_loop_stop() */
void net_loop_stop(struct net_loop *loop); /* on its thread: after this turn */
/* One turn that waits at most `wait_ms` (-1: until something happens). For tests and shut-down. */
void net_loop_turn(struct net_loop *loop, int wait_ms);
const struct clock *net_loop_clock(const struct net_loop *loop);
uint64_t net_loop_now_ms(const struct net_loop *loop);
/* Odd while the loop works, even while it sleeps; the same odd number a second later is a stall. */
uint64_t net_loop_pulse(const struct net_loop *loop);
/* For handles and requests of libuv itself; call it each time before one is started or closed,
 * since it tells the loop to look. uv_timer is not served: use net_timer. */
struct uv_loop_s *net_loop_uv(struct net_loop *loop);

/* ---- timers: a wheel, 1 ms; starting and stopping cost a few instructions ------------------- */
struct net_timer { /* private */
    struct net_timer *next, **link;
    uint64_t due_ms;
    void (*fire)(struct net_timer *timer);
};
void net_timer_init(struct net_timer *timer, void (*fire)(struct net_timer *timer));
/* Starts or moves it; it fires once, never early, at most a turn late. */
void net_timer_start(struct net_loop *loop, struct net_timer *timer, uint64_t delay_ms);
void net_timer_stop(struct net_timer *timer); /* idempotent */
static inline bool net_timer_is_on(const struct net_timer *timer) { return timer->link != NULL; }

/* ---- mailboxes: how threads talk ------------------------------------------------------------ */
#include "net/mailbox.h"

/* ---- watching other descriptors: pidfds, pipes ---------------------------------------------- */
struct net_source { /* private */
    void (*ready)(struct net_source *source, uint32_t events);
    int fd;
    uint32_t armed; /* epoll events */
};
struct net_watch {
    struct net_source source; /* private */
    struct net_loop *loop;
    void (*fn)(struct net_watch *watch, uint32_t events); /* EPOLLIN | EPOLLOUT | EPOLLHUP ... */
};
/* Level-triggered. `fd` stays the caller's. STATUS_IO (errno), STATUS_LIMIT. */
enum status net_watch_start(struct net_loop *loop, struct net_watch *watch, int fd,
                            uint32_t events);
enum status net_watch_change(struct net_watch *watch, uint32_t events);
void net_watch_stop(struct net_watch *watch); /* idempotent; the memory may go at once */

/* ---- streams -------------------------------------------------------------------------------- */
enum net_event {
    NET_DATA,    /* bytes, in the loop's read buffer until the handler returns; may be changed */
    NET_AGAIN,   /* what net_stream_again() asked for */
    NET_SENT,    /* something that was waiting went out; net_backlog() tells what is left */
    NET_TIMEOUT, /* stream->timer fired */
    NET_END,     /* the peer has shut down its writing; we may go on */
    NET_ERROR,   /* lost: stream->error (errno); close it */
    NET_CLOSED,  /* after net_stream_close() or _finish(): the last one, the memory may go */
};
struct net_stream;
struct net_bytes {
    uint8_t *bytes;
    size_t size;
};
/* Never called from inside one of the functions below. */
typedef void (*net_stream_fn)(struct net_stream *stream, enum net_event event,
                              struct net_bytes data);
struct net_counters { /* written by one thread, read by any */
    _Atomic uint64_t bytes_in, bytes_out;
};
static inline void net_count(_Atomic uint64_t *counter, uint64_t more) { /* by the writer alone */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}
/* What may stand between a stream and its socket (TLS). Results as of recv(2) and send(2), errno
 * EAGAIN where it must wait. A layer may take bytes that the socket does not: then it waits for the
 * socket, and sending 0 bytes gives them out. */
struct net_layer {
    ssize_t (*recv)(struct net_layer *layer, int fd, void *bytes, size_t size);
    ssize_t (*send)(struct net_layer *layer, int fd, const void *bytes, size_t size);
    /* Says that nothing more will be sent. False: must wait, call again when `fd` is writable. */
    bool (*shutdown)(struct net_layer *layer, int fd);
    void (*free)(struct net_layer *layer);
    bool has_input; /* it holds input, of which the socket will not tell */
};
struct net_chunk;
enum net_stream_state { NET_OPEN, NET_FINISHING, NET_LINGERING, NET_CLOSING };
struct net_stream {                /* embedded; all fields are private but those with a comment */
    struct net_source source;      /* read: its fd */
    struct net_loop *loop;         /* read */
    net_stream_fn handler;         /* may be changed */
    struct net_layer *layer;       /* NULL: plain; owned */
    struct net_counters *counters; /* may be NULL, may be changed */
    struct net_chunk *last_chunk;
    struct net_stream *next_pending;
    uint64_t bytes_in, bytes_out; /* read: taken from and given to the kernel */
    struct net_timer timer;       /* the owner's, through net_stream_timer(); NET_TIMEOUT */
    int error;                    /* read: errno of what ended it, or 0 */
    uint32_t backlog_bytes, shared_at, shared_size;
    uint8_t state; /* enum net_stream_state */
    bool is_pending, is_blocked, is_paused, has_ended;
    uint8_t fault, again, stall_s;
};
static inline bool net_stream_is_open(const struct net_stream *stream) {
    return stream->state == NET_OPEN && stream->fault == 0;
}
/* Takes over a connected, non-blocking socket. STATUS_IO: the fd is still the caller's. */
enum status net_stream_open(struct net_loop *loop, struct net_stream *stream, int fd,
                            net_stream_fn handler);
/* Queues bytes; they are taken, copied where they cannot go out in this turn. While the handler
 * runs for NET_DATA or NET_AGAIN they gather in the loop's cork and leave with one write after it
 * (large ones at once, uncopied); at other times at the end of the turn. STATUS_CLOSED: lost or
 * closed, nothing is kept. STATUS_NO_MEMORY: the stream fails. */
enum status net_write(struct net_stream *stream, const struct slice *parts, size_t count);
/* Room for `size` bytes (at most NET_ROOM_MAX) to write in place; then say how many were used. NULL
 * as the errors above. */
#define NET_ROOM_MAX 65536
char *net_write_begin(struct net_stream *stream, size_t size);
void net_write_end(struct net_stream *stream, size_t used);
size_t net_backlog(const struct net_stream *stream); /* bytes that the kernel has not taken */
bool net_stream_has_unread(const struct net_stream *stream); /* by us, or in the kernel */
void net_flush(struct net_stream *stream);        /* gives the kernel what it takes now */
void net_stream_pause(struct net_stream *stream); /* no NET_DATA, no NET_END */
void net_stream_resume(struct net_stream *stream);
void net_stream_again(struct net_stream *stream); /* NET_AGAIN in the next turn */
void net_stream_timer(struct net_stream *stream, uint64_t delay_ms); /* moves stream->timer */
/* At once; what is queued is dropped. */
void net_stream_close(struct net_stream *stream);
/* Sends what is queued (as long as some goes out each `stall_ms`, at most 255 s), shuts down
 * writing, discards input up to 64 KiB or 2 s, closes. Only NET_CLOSED comes after it. */
void net_stream_finish(struct net_stream *stream, uint64_t stall_ms);

/* Bytes made once for many receivers, on any loop; immutable once written to a first stream. */
struct net_frame {
    _Atomic uint32_t refs;
    size_t size;
    uint8_t bytes[];
};
struct net_frame *net_frame_new(size_t size); /* one reference; NULL without memory */
struct net_frame *net_frame_ref(struct net_frame *frame);
void net_frame_unref(struct net_frame *frame);
enum status net_write_frame(struct net_stream *stream, struct net_frame *frame);

/* ---- listening ------------------------------------------------------------------------------ */
#define NET_ADDRESS_MAX 64
struct net_address {
    struct sockaddr_storage addr;
    socklen_t size;
};
/* `127.0.0.1:80`, `[::1]:80`, `:80` (every address, IPv6 and IPv4), `localhost:80` (both
 * loopbacks). One or two addresses into `out`; STATUS_SYNTAX; STATUS_RANGE for the port. */
enum status net_bind_parse(struct slice text, struct net_address out[2], size_t *count);
struct slice net_address_format(const struct net_address *address, char *out); /* with port */
struct slice net_address_host(const struct net_address *address, char *out);   /* without */
/* Control thread: `count` listening sockets for one address into `fds`, one a worker. Port 0 picks
 * one for all, written to *address. On failure no socket stays open: STATUS_EXISTS (in use, also by
 * another process of this user), STATUS_DENIED, STATUS_IO; errno says more. */
enum status net_listen(struct net_address *address, size_t count, int *fds);
/* Takes accepted connections: a non-blocking, close-on-exec fd, now the callee's. */
typedef void (*net_accept_fn)(void *context, int fd, const struct net_address *peer);
struct net_listener;
/* Takes over `fd`. Out of descriptors peers are shed with the loop's reserve, out of the kernel's
 * memory they wait; said once an episode. NULL without memory or descriptors: `fd` stays yours. */
struct net_listener *net_listener_open(struct net_loop *loop, int fd, net_accept_fn accept,
                                       void *context);
void net_listener_close(struct net_listener *listener); /* accepts what waits, then closes */

/* ---- dialing; connections that have both ends here ------------------------------------------ */
#include "net/dial.h"
#include "net/own.h"

/* ---- files, in libuv's pool ----------------------------------------------------------------- */
struct net_file {  /* of a regular file; anything else is STATUS_TYPE */
    int fd;        /* the callee's to close, or -1 when all of it is in `bytes` */
    uint64_t size; /* of the file */
    int64_t mtime_s;
    struct slice bytes; /* borrowed for the call */
};
struct net_job;
/* STATUS_NOT_FOUND, DENIED (also: outside the root), TYPE, LIMIT, NO_MEMORY, IO with errno. */
typedef void (*net_file_fn)(void *context, enum status status, const struct net_file *file);
struct net_file_options {
    struct slice root;    /* a directory that is not left, symbolic links included; none: size 0 */
    struct slice path;    /* relative to the root where there is one */
    uint64_t whole_bytes; /* files up to this size are read whole and closed */
    bool whole_only;      /* larger ones are STATUS_LIMIT */
};
/* NULL without memory: done is not called. */
struct net_job *net_file_open(struct net_loop *loop, const struct net_file_options *options,
                              net_file_fn done, void *context);
/* Reads a part of an open file; `done` gets it in `bytes`, shorter where the file ends. The fd
 * stays the caller's until done. */
struct net_file_range {
    int fd;
    uint64_t offset;
    size_t size;
};
struct net_job *net_file_read(struct net_loop *loop, const struct net_file_range *range,
                              net_file_fn done, void *context);
/* `done` is not called any more; a file that was opened is closed, and so is the fd of a range (it
 * is the job's from here on). */
void net_job_cancel(struct net_job *job);

#include "net/tls.h"
#endif
