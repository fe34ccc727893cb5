/* Taking accepted connections from a listening socket, and what to do when descriptors run out. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "net/loop.h"

#define ACCEPTS_A_TURN 128
#define SHED_LOG_MS    60000
#define QUEUE_MAX      4096 /* Linux' own bound, net.core.somaxconn */

struct net_listener {
    struct net_source source;
    struct net_loop *loop;
    net_accept_fn accept;
    void *context;
};

static void on_ready(struct net_source *source, uint32_t events);
static bool accept_one(struct net_listener *listener);
static bool shed_one(struct net_listener *listener);
static void note_shedding(struct net_loop *loop);

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
    close(listener->source.fd);
    free(listener);
}

static void on_ready(struct net_source *source, uint32_t events) {
    struct net_listener *listener = CONTAINER_OF(source, struct net_listener, source);
    (void)events; /* an error of the socket shows in accept4() */
    for (int i = 0; i < ACCEPTS_A_TURN && accept_one(listener); i++) {
    }
}

/* False when nobody waits any more, or nobody can be taken. */
static bool accept_one(struct net_listener *listener) {
    struct net_address peer = {.size = sizeof(peer.addr)};
    int fd = accept4(listener->source.fd, (struct sockaddr *)&peer.addr, &peer.size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= listener->loop->accept_below) { /* what is left is for files, programs, the manager */
        close(fd);
        note_shedding(listener->loop);
        return true;
    }
    if (fd >= 0) {
        listener->accept(listener->context, fd, &peer);
        return true;
    }
    switch (errno) {
        case EMFILE:
        case ENFILE:
            return shed_one(listener);
        case EAGAIN:
        case ENOMEM:
        case ENOBUFS:
            return false;
        default: /* one connection was lost while it waited; the next may be whole */
            return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }
}

static void note_shedding(struct net_loop *loop) {
    if (loop->shed_logged_ms && loop->now_ms - loop->shed_logged_ms < SHED_LOG_MS) {
        return;
    }
    loop->shed_logged_ms = loop->now_ms;
    log_line(LOG_ERROR, NULL, "out of file descriptors: new connections are refused");
}

static bool shed_one(struct net_listener *listener) {
    struct net_loop *loop = listener->loop;
    note_shedding(loop);
    close(loop->reserve_fd);
    int fd = accept4(listener->source.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && loop->reserve_fd >= 0;
}
