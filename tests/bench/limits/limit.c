/* limit MODE PORT: what the same bytes cost with epoll and nothing else. It reads no frame and no
 * head: it is what a server cannot be faster than, not a server.
 *   echo  answers with what came
 *   cast  what came on one connection goes to all others
 *   http  as many fixed answers as there are ends of heads in what came */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 512
#define BUFFER (256 * 1024)

struct peer {
    int fd;
    bool is_blocked;
    size_t rest_at, rest_size, rest_capacity;
    char *rest;
};
struct limit {
    int epoll_fd, listen_fd;
    const char *mode;
    struct peer **peers;
    size_t count, capacity;
    char in[BUFFER], out[BUFFER];
};

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                             "Content-Length: 35\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
                             "Hello 12345678, have a good day now";

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(struct limit *limit, int what, int fd, uint32_t events, void *data) {
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(limit->epoll_fd, what, fd, &event) < 0) {
        die("epoll_ctl");
    }
}

static void accept_all(struct limit *limit) {
    int fd, one = 1;
    while ((fd = accept4(limit->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *peer = calloc(1, sizeof(*peer));
        if (limit->count == limit->capacity) {
            limit->capacity = limit->capacity ? 2 * limit->capacity : 1024;
            limit->peers = realloc(limit->peers, limit->capacity * sizeof(*limit->peers));
        }
        if (!peer || !limit->peers) {
            die("memory");
        }
        peer->fd = fd;
        limit->peers[limit->count++] = peer;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        watch(limit, EPOLL_CTL_ADD, fd, EPOLLIN, peer);
    }
}

static void drop(struct limit *limit, struct peer *peer) {
    for (size_t i = 0; i < limit->count; i++) {
        if (limit->peers[i] == peer) {
            limit->peers[i] = limit->peers[--limit->count];
            break;
        }
    }
    close(peer->fd);
    free(peer->rest);
    free(peer);
}

static void keep(struct peer *peer, const char *bytes, size_t size) {
    if (peer->rest_at + peer->rest_size + size > peer->rest_capacity) {
        peer->rest_capacity = peer->rest_at + peer->rest_size + size;
        peer->rest = realloc(peer->rest, peer->rest_capacity);
        if (!peer->rest) {
            die("memory");
        }
    }
    memcpy(peer->rest + peer->rest_at + peer->rest_size, bytes, size);
    peer->rest_size += size;
}

/* A peer that echoes is not read while something waits; one that listens takes all that comes. */
static void put(struct limit *limit, struct peer *peer, const char *bytes, size_t size) {
    ssize_t sent = peer->is_blocked ? 0 : send(peer->fd, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        return; /* it is gone, as the next recv() says */
    }
    sent = sent < 0 ? 0 : sent;
    if ((size_t)sent < size) {
        keep(peer, bytes + sent, size - (size_t)sent);
        if (!peer->is_blocked) {
            peer->is_blocked = true;
            watch(limit, EPOLL_CTL_MOD, peer->fd, EPOLLOUT, peer);
        }
    }
}

static void put_rest(struct limit *limit, struct peer *peer) {
    ssize_t sent = send(peer->fd, peer->rest + peer->rest_at, peer->rest_size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        drop(limit, peer);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    peer->rest_at += (size_t)sent;
    peer->rest_size -= (size_t)sent;
    if (peer->rest_size == 0) {
        peer->rest_at = 0;
        peer->is_blocked = false;
        watch(limit, EPOLL_CTL_MOD, peer->fd, EPOLLIN, peer);
    }
}

static void answer_http(struct limit *limit, struct peer *peer, size_t size) {
    size_t out = 0;
    const char *at = limit->in, *end = limit->in + size;
    while ((at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4)) != NULL) {
        memcpy(limit->out + out, answer, sizeof(answer) - 1);
        out += sizeof(answer) - 1;
        at += 4;
    }
    put(limit, peer, limit->out, out);
}

static void take(struct limit *limit, struct peer *peer) {
    ssize_t got = recv(peer->fd, limit->in, limit->mode[0] == 'h' ? 16384 : BUFFER, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        drop(limit, peer);
    } else if (limit->mode[0] == 'h') {
        answer_http(limit, peer, (size_t)got);
    } else if (limit->mode[0] == 'e') {
        put(limit, peer, limit->in, (size_t)got);
    } else {
        for (size_t i = 0; i < limit->count; i++) {
            if (limit->peers[i] != peer) {
                put(limit, limit->peers[i], limit->in, (size_t)got);
            }
        }
    }
}

static int listen_on(int port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, 4096) < 0) {
        die("listen");
    }
    return fd;
}

int main(int argc, char **argv) {
    static struct limit limit;
    struct epoll_event events[EVENTS];
    if (argc != 3 || !strchr("ech", argv[1][0])) {
        fputs("usage: limit echo|cast|http PORT\n", stderr);
        return 2;
    }
    limit.mode = argv[1];
    limit.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    limit.listen_fd = listen_on(atoi(argv[2]));
    watch(&limit, EPOLL_CTL_ADD, limit.listen_fd, EPOLLIN, &limit);
    for (;;) {
        int count = epoll_wait(limit.epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            if ((void *)peer == &limit) {
                accept_all(&limit);
            } else if (peer->is_blocked && (events[i].events & EPOLLOUT)) {
                put_rest(&limit, peer);
            } else {
                take(&limit, peer);
            }
        }
    }
}
