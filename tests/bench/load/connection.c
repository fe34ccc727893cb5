/* One connection: its opening, its messages out, and its messages in, compared byte by byte. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "load.h"

#define STALL_MS 10000

void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

int connect_to(const struct options *options) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)&options->address, sizeof(options->address)) < 0) {
        fail("connect: %s", strerror(errno));
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* The key of RFC 6455, section 1.3, whose answer stands there too. */
static void open_session(const struct options *options, int fd, const char *path) {
    char bytes[4096];
    int size = snprintf(bytes, sizeof(bytes),
                        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        path, options->host);
    if (send(fd, bytes, (size_t)size, MSG_NOSIGNAL) != size) {
        fail("send: %s", strerror(errno));
    }
    size_t have = 0;
    for (;;) {
        ssize_t got = recv(fd, bytes + have, sizeof(bytes) - 1 - have, 0);
        if (got <= 0) {
            fail("no answer to a handshake: %s", got ? strerror(errno) : "closed");
        }
        have += (size_t)got;
        bytes[have] = 0;
        char *end = strstr(bytes, "\r\n\r\n");
        if (end && end + 4 != bytes + have) {
            fail("something follows the 101");
        }
        if (end) {
            break;
        }
    }
    if (strncmp(bytes, "HTTP/1.1 101 ", 13) != 0 ||
        !strstr(bytes, ": s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")) {
        fail("a handshake was refused: %.300s", bytes);
    }
}

void connection_open(struct load *load, struct connection *connection, const char *path) {
    *connection = (struct connection){.fd = connect_to(&load->options)};
    connection->sent_ns = calloc(load->options.depth, sizeof(uint64_t));
    if (!load->options.is_raw && path) {
        open_session(&load->options, connection->fd, path);
    }
}

static void control(struct load *load, int what, struct connection *connection, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(load->epoll_fd, what, connection->fd, &event) < 0) {
        fail("epoll_ctl: %s", strerror(errno));
    }
}

void connection_watch(struct load *load, struct connection *connection, uint32_t events) {
    control(load, EPOLL_CTL_ADD, connection, events);
}

void connection_queue(struct load *load, struct connection *connection, uint64_t now) {
    uint32_t number = connection->out_number + connection->out_due++;
    connection->sent_ns[number % load->options.depth] = now;
}

/* Numbered copies of what is due, from where the last write ended. Returns their size. */
static size_t prepare(struct load *load, const struct connection *connection, uint8_t **bytes) {
    const struct image *out = &load->out;
    size_t count = WRITE_BYTES / out->size;
    count = count < connection->out_due ? count : connection->out_due;
    uint8_t *at = load->write_bytes;
    if (count <= 1) { /* large ones go from the image itself */
        count = 1;
        at = out->bytes;
    }
    *bytes = at + connection->out_at;
    for (size_t i = 0; i < count; i++, at += out->size) {
        if (at != out->bytes) {
            memcpy(at, out->bytes, out->size);
        }
        if (out->digits_at < out->size) {
            image_number(out, at, connection->out_number + (uint32_t)i);
        }
    }
    return count * out->size - connection->out_at;
}

void connection_send(struct load *load, struct connection *connection) {
    bool was_waiting = connection->is_waiting;
    connection->is_waiting = false;
    while (connection->out_due) {
        uint8_t *bytes;
        size_t size = prepare(load, connection, &bytes);
        ssize_t sent = send(connection->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) {
            fail("send: %s", strerror(errno));
        }
        size_t gone = connection->out_at + (sent < 0 ? 0 : (size_t)sent);
        connection->out_number += (uint32_t)(gone / load->out.size);
        connection->out_due -= (uint32_t)(gone / load->out.size);
        connection->out_at = (uint32_t)(gone % load->out.size);
        if (sent < 0 || (size_t)sent < size) {
            connection->is_waiting = true;
            break;
        }
    }
    if (connection->is_waiting != was_waiting) {
        uint32_t out = connection->is_waiting ? EPOLLOUT : 0;
        control(load, EPOLL_CTL_MOD, connection, EPOLLIN | out);
    }
}

uint32_t connection_take(struct load *load, struct connection *connection) {
    ssize_t got = recv(connection->fd, load->read_bytes, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return 0;
    }
    if (got <= 0) {
        fail("recv: %s", got ? strerror(errno) : "closed by the peer");
    }
    const uint8_t *bytes = load->read_bytes;
    uint32_t left = (uint32_t)got, whole = 0, size = load->in.size;
    while (left) {
        uint32_t part = size - connection->in_at < left ? size - connection->in_at : left;
        if (!image_holds(&load->in, connection->in_number, connection->in_at, bytes, part)) {
            fail("wrong answer to message %u, at byte %u of it", connection->in_number,
                 connection->in_at);
        }
        bytes += part;
        left -= part;
        connection->in_at += part;
        if (connection->in_at == size) {
            connection->in_at = 0;
            connection->in_number++;
            whole++;
        }
    }
    return whole;
}

void connection_close(struct connection *connection) {
    struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT, or the ports would run out */
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(connection->fd);
    free(connection->sent_ns);
    free(connection->tail);
}

int wait_events(struct load *load, struct epoll_event *events, int max) {
    int count;
    do {
        count = epoll_wait(load->epoll_fd, events, max, STALL_MS);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) {
        fail(count ? "epoll_wait failed" : "nothing came for 10 s");
    }
    return count;
}
