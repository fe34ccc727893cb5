/* The cases of HTTP: requests with `depth` in flight on each connection, and handshakes that are
 * made, checked, and dropped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "load.h"

#define EVENTS 512

/* Value of Content-Length in a head, or -1. */
static long content_length(const char *head, const char *end) {
    for (const char *line = head; line && line < end;) {
        if (strncasecmp(line, "content-length:", 15) == 0) {
            return strtol(line + 15, NULL, 10);
        }
        line = memchr(line, '\n', (size_t)(end - line));
        line = line ? line + 1 : NULL;
    }
    return -1;
}

/* What the body of answer `number` must be: the text with the number in place of `%`. */
static void check_body(const struct options *options, uint32_t number, const char *body,
                       long size) {
    char digits[DIGITS + 1];
    const char *wanted = options->body, *percent = strchr(wanted, '%');
    size_t before = percent ? (size_t)(percent - wanted) : strlen(wanted);
    size_t after = percent ? strlen(percent + 1) : 0;
    size_t total = before + (percent ? DIGITS : 0) + after;
    snprintf(digits, sizeof(digits), "%08x", number);
    if ((size_t)size != total || memcmp(body, wanted, before) != 0 ||
        (percent && (memcmp(body + before, digits, DIGITS) != 0 ||
                     memcmp(body + before + DIGITS, percent + 1, after) != 0))) {
        fail("wrong body in answer %u: %.*s", number, (int)size, body);
    }
}

/* Size of the first whole answer, or 0 when more must come. */
static size_t take_answer(const struct options *options, uint32_t number, const char *bytes,
                          size_t size) {
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (!end) {
        return 0;
    }
    if (memcmp(bytes, "HTTP/1.1 20", 11) != 0) {
        fail("answer %u is no success: %.*s", number, (int)(size < 400 ? size : 400), bytes);
    }
    bool is_empty = bytes[11] == '4'; /* 204 */
    long length = is_empty ? 0 : content_length(bytes, end + 2);
    if (length < 0) {
        fail("answer %u has no Content-Length", number);
    }
    size_t whole = (size_t)(end + 4 - bytes) + (size_t)length;
    if (size < whole) {
        return 0;
    }
    check_body(options, number, end + 4, length);
    return whole;
}

static uint32_t take_answers(struct load *load, struct connection *connection) {
    memcpy(load->read_bytes, connection->tail ? connection->tail : load->read_bytes,
           connection->tail_size);
    ssize_t got = recv(connection->fd, load->read_bytes + connection->tail_size,
                       READ_BYTES - connection->tail_size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return 0;
    }
    if (got <= 0) {
        fail("recv: %s", got ? strerror(errno) : "closed by the peer");
    }
    const char *at = (const char *)load->read_bytes;
    size_t left = connection->tail_size + (size_t)got, taken;
    uint32_t whole = 0;
    while ((taken = take_answer(&load->options, connection->in_number, at, left)) > 0) {
        at += taken;
        left -= taken;
        connection->in_number++;
        whole++;
    }
    connection->tail_size = (uint32_t)left;
    if (left) {
        connection->tail = realloc(connection->tail, left);
        if (!connection->tail) {
            fail("no memory");
        }
        memcpy(connection->tail, at, left);
    }
    return whole;
}

void run_http(struct load *load) {
    struct epoll_event events[EVENTS];
    uint32_t depth = load->options.depth, connections = load->options.connections;
    image_request(&load->out, &load->options);
    load->connections = calloc(connections, sizeof(*load->connections));
    uint64_t now = meter_now();
    for (uint32_t i = 0; load->connections && i < connections; i++) {
        struct connection *connection = &load->connections[i];
        connection_open(load, connection, NULL);
        connection_watch(load, connection, EPOLLIN);
        for (uint32_t k = 0; k < depth; k++) {
            connection_queue(load, connection, now);
        }
        connection_send(load, connection);
    }
    load->meter = meter_new(&load->options);
    while (meter_goes_on(load->meter, now)) {
        int count = wait_events(load, events, EVENTS);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            uint32_t first = connection->in_number;
            now = meter_now();
            uint32_t whole = take_answers(load, connection);
            for (uint32_t k = 0; k < whole; k++) {
                meter_took(load->meter, now - connection->sent_ns[(first + k) % depth]);
                connection_queue(load, connection, now);
            }
            meter_count(load->meter, whole);
            connection_send(load, connection);
        }
    }
    meter_print(load->meter);
    for (uint32_t i = 0; i < connections; i++) {
        connection_close(&load->connections[i]);
    }
    free(load->connections);
}

/* ---- handshakes */

static void begin_handshake(struct load *load, struct connection *connection) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *connection = (struct connection){.fd = fd};
    if (fd < 0 || (connect(fd, (const struct sockaddr *)&load->options.address,
                           sizeof(load->options.address)) < 0 &&
                   errno != EINPROGRESS)) {
        fail("connect: %s", strerror(errno));
    }
    connection->sent_ns = malloc(sizeof(uint64_t));
    if (connection->sent_ns) {
        *connection->sent_ns = meter_now();
    }
    connection_watch(load, connection, EPOLLOUT);
}

static void send_handshake(struct load *load, struct connection *connection) {
    if (send(connection->fd, load->out.bytes, load->out.size, MSG_NOSIGNAL) !=
        (ssize_t)load->out.size) {
        fail("send: %s", strerror(errno));
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

static void end_handshake(struct load *load, struct connection *connection, uint64_t now) {
    char bytes[4096];
    ssize_t got = recv(connection->fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);
    if (got <= 0) {
        fail("no answer to a handshake");
    }
    bytes[got] = 0;
    if (strncmp(bytes, "HTTP/1.1 101 ", 13) != 0 ||
        !strstr(bytes, ": s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") || !strstr(bytes, "\r\n\r\n")) {
        fail("a handshake was refused: %.300s", bytes);
    }
    meter_took(load->meter, now - *connection->sent_ns);
    meter_count(load->meter, 1);
    connection_close(connection);
}

void run_handshakes(struct load *load) {
    struct epoll_event events[EVENTS];
    char request[512];
    int size = snprintf(request, sizeof(request),
                        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        load->options.path, load->options.host);
    load->out = (struct image){.bytes = (uint8_t *)request, .size = (uint32_t)size};
    load->connections = calloc(load->options.connections, sizeof(*load->connections));
    load->meter = meter_new(&load->options);
    for (uint32_t i = 0; load->connections && i < load->options.connections; i++) {
        begin_handshake(load, &load->connections[i]);
    }
    uint64_t now = meter_now();
    while (meter_goes_on(load->meter, now)) {
        int count = wait_events(load, events, EVENTS);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            now = meter_now();
            if (events[i].events & EPOLLOUT) {
                send_handshake(load, connection);
            } else {
                end_handshake(load, connection, now);
                begin_handshake(load, connection);
            }
        }
    }
    meter_print(load->meter);
    load->out.bytes = NULL;
    for (uint32_t i = 0; i < load->options.connections; i++) {
        connection_close(&load->connections[i]);
    }
    free(load->connections);
}
