/* The inside of a loop, shared by the files of this folder. */
#ifndef BELLWIRE_NET_LOOP_H
#define BELLWIRE_NET_LOOP_H

#include <sys/epoll.h>
#include <uv.h>
#include "net/net.h"
#include "net/wheel.h"

#define NET_EVENTS_MAX  512
#define NET_READ_SIZE   (256 * 1024)
#define NET_CORK_SIZE   (128 * 1024)
#define NET_DIRECT_SIZE (16 * 1024) /* a write this large goes out at once, without a copy */
#define NET_SHARED_SIZE (256 * 1024)

enum mailbox_lane_number { MAILBOX_CONTROL, MAILBOX_ANSWERS, MAILBOX_WORK, MAILBOX_LANES };
struct mailbox_lane {
    _Atomic(struct net_message *) stack;
    _Atomic uint64_t entries, bytes; /* of what was counted */
    uint64_t max_entries, max_bytes;
    struct net_message *first, **last; /* taken from the stack, in order */
};
struct mailbox {
    struct net_source source;                 /* an eventfd, written when a stack was empty */
    _Atomic(struct net_message *) rooms;      /* those who wait for room */
    struct mailbox_lane lanes[MAILBOX_LANES]; /* in the order in which a turn runs them */
};

/* Spare chunks by capacity: references to frames, small and large ones. */
enum chunk_class { CHUNK_REF, CHUNK_SMALL, CHUNK_LARGE, CHUNK_CLASSES };
struct chunk_pool {
    struct net_chunk *free[CHUNK_CLASSES];
    uint32_t count[CHUNK_CLASSES];
};

/* Bytes of the broadcasts of this turn: shared.c. */
struct shared {
    uint8_t *bytes;         /* made with the first one */
    struct net_frame *last; /* counted; lies at last_at */
    uint32_t last_at, used;
};

struct stream_list {
    struct net_stream *first, *last;
};

struct net_loop {
    int epoll_fd;
    uv_loop_t uv;
    struct net_source uv_source;
    bool is_uv_due, is_stopping;
    const struct clock *clock;
    uint64_t now_ms;
    _Atomic uint64_t pulse;
    struct wheel wheel;
    struct mailbox mailbox;
    struct stream_list pending, later; /* to look at when this turn, the next turn ends */
    struct net_stream *corked;         /* whose handler runs, or NULL */
    size_t cork_bytes;
    uint8_t *cork, *read_buffer;
    struct chunk_pool chunks;
    struct shared shared;
    struct crypto_pool *crypto_pool; /* or NULL */
    int reserve_fd; /* given up for a moment to shed a peer when descriptors have run out */
    int accept_below;
    uint64_t shed_count, shed_ms; /* peers refused in this episode, and the last one's time */
    int event_at, event_count;
    struct epoll_event events[NET_EVENTS_MAX];
};

/* STATUS_IO with errno. */
enum status loop__add(struct net_loop *loop, struct net_source *source, uint32_t events);
enum status loop__modify(struct net_loop *loop, struct net_source *source, uint32_t events);
/* Also drops what this turn's wait still holds for it. The fd is left open. */
void loop__remove(struct net_loop *loop, struct net_source *source);

bool mailbox__init(struct net_loop *loop, const struct net_loop_options *options);
void mailbox__deinit(struct net_loop *loop);
void mailbox__run(struct net_loop *loop); /* what a turn may run of what was taken */
static inline bool mailbox__has_more(const struct net_loop *loop) {
    const struct mailbox_lane *lanes = loop->mailbox.lanes;
    return lanes[MAILBOX_CONTROL].first || lanes[MAILBOX_ANSWERS].first ||
           lanes[MAILBOX_WORK].first;
}

void stream__finish_turn(struct net_loop *loop); /* flushes, reports and closes what is pending */
void chunk__free_pool(struct net_loop *loop);

#endif
