/* Taking accepted connections from a listening socket, and what to do when descriptors run out. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>
#include "net/loop.h"

#define ACCEPTS_A_TURN 128
#define QUEUE_MAX      4096 /* Linux' own bound, net.core.somaxconn */
#define UNSENT_BYTES   (256 * 1024)
#define CALM_MS        5000 /* without a refusal: then the next one is news again */
#define REST_MS        100  /* until the kernel is asked again, when nobody can even be shed */

struct net_listener {
    struct net_source source;
    struct net_loop *loop;
    struct net_timer rest;
    net_accept_fn accept;
    void *context;
};

static void on_ready(struct net_source *source, uint32_t events);
static bool accept_one(struct net_listener *listener);
static bool shed_one(struct net_listener *listener);
static void rest(struct net_listener *listener);
static void on_rested(struct net_timer *timer);
static void note_shedding(struct net_loop *loop, const char *what);
static void note_calm(struct net_loop *loop);

struct net_listener *net_listener_open(struct net_loop *loop, int fd, net_accept_fn accept,
                                       void *context) {
    struct net_listener *listener = malloc(sizeof(*listener));
    if (!listener) {
        return NULL;
    }
    *listener = (struct net_listener){.source = {.ready = on_ready, .fd = fd},
                                      .loop = loop,
                                      .accept = accept,
                                      .context = context};
    net_timer_init(&listener->rest, on_rested);
    /* Accepted sockets inherit it: the kernel would take 4 MiB for a peer that never reads. It
     * fails for sockets that are not TCP's, which have a small bound of their own. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){UNSENT_BYTES}, sizeof(int));
    /* Exclusive: of those that share a socket of systemd one is woken for a connection, not all. */
    if (loop__add(loop, &listener->source, EPOLLIN | EPOLLEXCLUSIVE) != STATUS_OK) {
        free(listener);
        return NULL;
    }
    return listener;
}

/* Closing a socket whose queue is not empty would reset those who wait in it. Those who come
 * meanwhile must not keep it open. */
void net_listener_close(struct net_listener *listener) {
    loop__remove(listener->loop, &listener->source);
    for (int i = 0; i < QUEUE_MAX && accept_one(listener); i++) {
    }
    net_timer_stop(&listener->rest);
    close(listener->source.fd);
    free(listener);
}

static void on_ready(struct net_source *source, uint32_t events) {
    struct net_listener *listener = CONTAINER_OF(source, struct net_listener, source);
    (void)events; /* an error of the socket shows in accept4() */
    for (int i = 0; i < ACCEPTS_A_TURN && accept_one(listener); i++) {
    }
}

static const char no_descriptors[] = "out of file descriptors: new connections are refused";

/* False when nobody waits any more, or nobody can be taken. */
static bool accept_one(struct net_listener *listener) {
    struct net_address peer = {.size = sizeof(peer.addr)};
    int fd = accept4(listener->source.fd, (struct sockaddr *)&peer.addr, &peer.size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= listener->loop->accept_below) { /* what is left is for files, programs, the manager */
        close(fd);
        note_shedding(listener->loop, no_descriptors);
        return true;
    }
    if (fd >= 0) {
        if (listener->loop->shed_count) {
            note_calm(listener->loop);
        }
        listener->accept(listener->context, fd, &peer);
        return true;
    }
    switch (errno) {
        case EMFILE:
        case ENFILE:
            return shed_one(listener);
        case EAGAIN:
            return false;
        case ENOMEM:
        case ENOBUFS:
            note_shedding(listener->loop, "the kernel has no memory: new connections wait");
            rest(listener);
            return false;
        default: /* one connection was lost while it waited; the next may be whole */
            return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }
}

/* Once an episode: while some are refused every few seconds it is the same one. */
static void note_shedding(struct net_loop *loop, const char *what) {
    note_calm(loop);
    if (!loop->shed_count) {
        log_line(LOG_ERROR, NULL, "%s", what);
    }
    loop->shed_count++;
    loop->shed_ms = loop->now_ms;
}

static void note_calm(struct net_loop *loop) {
    if (loop->shed_count && loop->now_ms - loop->shed_ms >= CALM_MS) {
        log_line(LOG_INFO, NULL, "connections are accepted again; %" PRIu64 " times one was not",
                 loop->shed_count);
        loop->shed_count = 0;
    }
}

static bool shed_one(struct net_listener *listener) {
    struct net_loop *loop = listener->loop;
    note_shedding(loop, no_descriptors);
    close(loop->reserve_fd);
    int fd = accept4(listener->source.fd, NULL, NULL, SOCK_CLOEXEC);
    bool is_stuck = fd < 0 && errno != EAGAIN;
    if (fd >= 0) {
        close(fd);
    }
    loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (is_stuck ||
        loop->reserve_fd < 0) { /* others took the reserve: who waits shall not spin us */
        rest(listener);
    }
    return fd >= 0 && loop->reserve_fd >= 0;
}

static void rest(struct net_listener *listener) {
    loop__remove(listener->loop, &listener->source);
    net_timer_start(listener->loop, &listener->rest, REST_MS);
}

static void on_rested(struct net_timer *timer) {
    struct net_listener *listener = CONTAINER_OF(timer, struct net_listener, rest);
    if (loop__add(listener->loop, &listener->source, EPOLLIN | EPOLLEXCLUSIVE) != STATUS_OK) {
        net_timer_start(listener->loop, timer, REST_MS);
    }
}
