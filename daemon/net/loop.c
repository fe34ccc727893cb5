/* The loop of a thread: one epoll whose entries are net_sources, with libuv's loop as one of them.
 *
 * A turn: wait; what is ready; due timers; messages; libuv where it is due; at last the streams
 * that were written to, failed or closed. libuv is run when its descriptor is ready, and after
 * net_loop_uv(), because a handle that was started is not in libuv's epoll before uv_run(). */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include "net/loop.h"

static void on_uv_ready(struct net_source *source, uint32_t events);
static int wait_time(const struct net_loop *loop, int wait_ms);
static void read_clock(struct net_loop *loop);
static void run_uv(struct net_loop *loop);

struct net_loop *net_loop_new(const struct net_loop_options *options) {
    struct net_loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        return NULL;
    }
    loop->epoll_fd = loop->reserve_fd = loop->mailbox.source.fd = -1;
    loop->clock = options->clock;
    loop->crypto_pool = options->crypto_pool;
    loop->accept_below = options->accept_below ? options->accept_below : INT_MAX;
    loop->cork = malloc(NET_CORK_SIZE);
    loop->read_buffer = malloc(NET_READ_SIZE);
    read_clock(loop);
    wheel__init(&loop->wheel, loop->now_ms);
    atomic_store(&loop->pulse, 1);
    bool has_uv = uv_loop_init(&loop->uv) == 0;
    if (!has_uv || !loop->cork || !loop->read_buffer ||
        (loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
        (loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0 ||
        !mailbox__init(loop, options)) {
        goto out;
    }
    loop->uv_source = (struct net_source){.ready = on_uv_ready, .fd = uv_backend_fd(&loop->uv)};
    if (loop__add(loop, &loop->uv_source, EPOLLIN) != STATUS_OK) {
        goto out;
    }
    return loop;
out:
    if (has_uv) {
        (void)uv_loop_close(&loop->uv); /* nothing was started on it */
    }
    mailbox__deinit(loop);
    close(loop->reserve_fd);
    close(loop->epoll_fd);
    free(loop->read_buffer);
    free(loop->cork);
    free(loop);
    return NULL;
}

void net_loop_free(struct net_loop *loop) {
    if (!loop) {
        return;
    }
    mailbox__deinit(loop);
    stream__finish_turn(loop);
    /* Cancelled jobs are still in the pool; their memory comes back through libuv. */
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    int left = uv_loop_close(&loop->uv);
    assert(left == 0);
    (void)left; /* for builds without assert */
    chunk__free_pool(loop);
    close(loop->reserve_fd);
    close(loop->epoll_fd);
    free(loop->read_buffer);
    free(loop->cork);
    free(loop->shared.bytes);
    free(loop);
}

void net_loop_run(struct net_loop *loop) {
    while (!loop->is_stopping) {
        net_loop_turn(loop, -1);
    }
    loop->is_stopping = false;
}

void net_loop_stop(struct net_loop *loop) { loop->is_stopping = true; }

void net_loop_turn(struct net_loop *loop, int wait_ms) {
    if (loop->is_uv_due) {
        run_uv(loop);
    }
    atomic_fetch_add_explicit(&loop->pulse, 1, memory_order_relaxed);
    int count = epoll_wait(loop->epoll_fd, loop->events, NET_EVENTS_MAX, wait_time(loop, wait_ms));
    atomic_fetch_add_explicit(&loop->pulse, 1, memory_order_relaxed);
    read_clock(loop);
    loop->event_count = count < 0 ? 0 : count; /* EINTR: as if nothing had happened */
    for (loop->event_at = 0; loop->event_at < loop->event_count;) {
        struct epoll_event *event = &loop->events[loop->event_at++];
        struct net_source *source = event->data.ptr;
        if (source) {
            source->ready(source, event->events);
        }
    }
    loop->event_count = 0;
    wheel__advance(&loop->wheel, loop->now_ms);
    if (mailbox__has_more(loop)) {
        mailbox__run(loop);
    }
    if (loop->is_uv_due) {
        run_uv(loop);
    }
    stream__finish_turn(loop);
}

static int wait_time(const struct net_loop *loop, int wait_ms) {
    if (loop->later.first || loop->pending.first || mailbox__has_more(loop) || loop->is_uv_due) {
        return 0;
    }
    uint64_t next = wheel__next(&loop->wheel);
    if (next == WHEEL_NOTHING) {
        return wait_ms;
    }
    uint64_t delay = next > loop->now_ms ? next - loop->now_ms : 0;
    delay = delay < INT_MAX ? delay : INT_MAX;
    return wait_ms >= 0 && (uint64_t)wait_ms < delay ? wait_ms : (int)delay;
}

static void read_clock(struct net_loop *loop) {
    loop->now_ms = loop->clock->mono_ns(loop->clock) / 1000000;
}

/* Handles that are started by what runs here ask again through net_loop_uv(). */
static void run_uv(struct net_loop *loop) {
    do {
        loop->is_uv_due = false;
        (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    } while (loop->is_uv_due);
}

static void on_uv_ready(struct net_source *source, uint32_t events) {
    (void)events; /* readable is all it can be */
    CONTAINER_OF(source, struct net_loop, uv_source)->is_uv_due = true;
}

const struct clock *net_loop_clock(const struct net_loop *loop) { return loop->clock; }

uint64_t net_loop_now_ms(const struct net_loop *loop) { return loop->now_ms; }

uint64_t net_loop_pulse(const struct net_loop *loop) {
    return atomic_load_explicit(&((struct net_loop *)loop)->pulse, memory_order_relaxed);
}

struct uv_loop_s *net_loop_uv(struct net_loop *loop) {
    loop->is_uv_due = true;
    return &loop->uv;
}

void net_timer_start(struct net_loop *loop, struct net_timer *timer, uint64_t delay_ms) {
    net_timer_stop(timer);
    uint64_t delay = delay_ms < WHEEL_MAX_MS ? delay_ms : WHEEL_MAX_MS;
    /* The clock's millisecond has begun already: one more, so that it never fires early. */
    wheel__add(&loop->wheel, timer, loop->now_ms + delay + 1);
}

enum status loop__add(struct net_loop *loop, struct net_source *source, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0) {
        return STATUS_IO;
    }
    source->armed = events;
    return STATUS_OK;
}

enum status loop__modify(struct net_loop *loop, struct net_source *source, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (source->armed == events) {
        return STATUS_OK;
    }
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0) {
        return STATUS_IO;
    }
    source->armed = events;
    return STATUS_OK;
}

/* Needed also where the fd is closed right after: a child between spawn and exec may hold a copy of
 * it, and then closing alone would leave the entry in the epoll. */
void loop__remove(struct net_loop *loop, struct net_source *source) {
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL); /* fails for a lost fd only */
    for (int i = loop->event_at; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == source) {
            loop->events[i].data.ptr = NULL;
        }
    }
}
