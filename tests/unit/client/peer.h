/* A worker's clients on a clock of the test's own, and a scripted peer on loopback. */
#ifndef BELLWIRE_TEST_CLIENT_PEER_H
#define BELLWIRE_TEST_CLIENT_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"
#include "client/client.h"

#define TURNS_MAX 20000

struct fixture {
    struct clock clock; /* first */
    uint64_t now_ms;
    struct net_loop *loop;
    struct client_set *set;
    struct client_counters counters;
    struct client_options options;
    int listener, peer; /* the peer's end of the connection, or -1 */
    uint16_t port;
    char log[4096];           /* what happened: "connected open message:hi close:1000:peer ..." */
    struct client_link *link; /* the last one that was told of */
    void (*on_error)(struct fixture *fixture);
    bool is_done;
    enum status done_status;
    char done_text[256];
    char got[65536];
    size_t got_size;
};

static inline uint64_t test_mono(const struct clock *clock) {
    return ((const struct fixture *)clock)->now_ms * 1000000;
}
static inline uint64_t test_wall(const struct clock *clock) {
    return 1700000000000u + ((const struct fixture *)clock)->now_ms;
}

static inline void note(struct fixture *fixture, const char *text, struct slice more) {
    size_t used = strlen(fixture->log);
    (void)snprintf(fixture->log + used, sizeof(fixture->log) - used, "%s%s" SLICE_FMT,
                   used ? " " : "", text, SLICE_ARG(more));
}

static inline void test_connected(void *context, struct client_link *link) {
    struct fixture *fixture = context;
    fixture->link = link;
    note(fixture, "connected", SLICE_NONE);
}
static inline void test_open(void *context, struct client_link *link) {
    struct fixture *fixture = context;
    fixture->link = link;
    note(fixture, "open", SLICE_NONE);
}
static inline void test_message(void *context, struct client_link *link,
                                const struct ws_message *message) {
    (void)link;
    struct slice shown = message->payload;
    shown.size = shown.size < 64 ? shown.size : 64;
    note(context, message->is_binary ? "binary:" : "message:", shown);
}
static inline void test_close(void *context, struct client_link *link,
                              const struct client_close *close) {
    static const char *const names[] = {"local", "peer", "lost"};
    char text[64];
    (void)link;
    (void)snprintf(text, sizeof(text), "close:%u:%s:", close->code, names[close->by]);
    note(context, text, close->reason);
}
static inline void test_error(void *context, struct client_link *link,
                              const struct client_fault *fault) {
    struct fixture *fixture = context;
    (void)link;
    note(fixture, "error:", slice_of(client_fault_name(fault->kind)));
    if (fixture->on_error)
        fixture->on_error(fixture);
}
static const struct client_events test_events = {.on_connected = test_connected,
                                                 .on_open = test_open,
                                                 .on_message = test_message,
                                                 .on_close = test_close,
                                                 .on_error = test_error};

static inline int listen_on(uint16_t port, uint16_t *bound) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *bound = ntohs(address.sin_port);
    return fd;
}

static inline int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->clock = (struct clock){.mono_ns = test_mono, .wall_ms = test_wall};
    fixture->now_ms = 1000;
    fixture->peer = -1;
    fixture->loop = net_loop_new(&(struct net_loop_options){.clock = &fixture->clock});
    fixture->set = client_set_new(&(struct client_set_options){
        .loop = fixture->loop, .events = &test_events, .context = fixture});
    fixture->listener = listen_on(0, &fixture->port);
    client_options_default(&fixture->options);
    fixture->options.id = SLICE("c");
    fixture->options.url = SLICE("ws://test/");
    fixture->options.host = SLICE("127.0.0.1");
    fixture->options.port = fixture->port;
    fixture->options.path = SLICE("/live?x=1");
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_DEBUG);
    *state = fixture;
    return 0;
}

static inline void hang_up(struct fixture *fixture) {
    if (fixture->peer >= 0)
        close(fixture->peer);
    fixture->peer = -1;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    hang_up(fixture);
    client_set_abort(fixture->set);
    net_loop_turn(fixture->loop, 0);
    net_loop_turn(fixture->loop, 0);
    client_set_free(fixture->set);
    net_loop_free(fixture->loop);
    close(fixture->listener);
    free(fixture);
    return 0;
}

static inline void apply(struct fixture *fixture) {
    struct client_config *config = client_config_new(&fixture->options);
    assert_int_equal(client_set_apply(fixture->set, config, &fixture->counters), STATUS_OK);
    client_config_unref(config);
}

/* Time goes on, and what is due happens. */
static inline void pass(struct fixture *fixture, uint64_t ms) {
    fixture->now_ms += ms;
    for (int i = 0; i < 4; i++)
        net_loop_turn(fixture->loop, 0);
}

static inline bool has_logged(struct fixture *fixture, const char *text) {
    return strstr(fixture->log, text) != NULL;
}

static inline void wait_for(struct fixture *fixture, const char *text) {
    for (int i = 0; i < TURNS_MAX && !has_logged(fixture, text); i++)
        net_loop_turn(fixture->loop, 1);
    if (!has_logged(fixture, text))
        fail_msg("no \"%s\" in \"%s\"", text, fixture->log);
}

static inline bool try_accept(struct fixture *fixture) {
    int fd = accept4(fixture->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    assert_int_equal(fixture->peer, -1); /* a second socket */
    fixture->peer = fd;
    fixture->got_size = 0;
    return true;
}

static inline void accept_one(struct fixture *fixture) {
    for (int i = 0; i < TURNS_MAX; i++) {
        if (try_accept(fixture))
            return;
        net_loop_turn(fixture->loop, 1);
    }
    fail_msg("nobody connected; \"%s\"", fixture->log);
}

/* Reads until `size` more bytes are there than were taken before, or (0) the head is whole. */
static inline void receive(struct fixture *fixture, size_t size) {
    for (int i = 0; i < TURNS_MAX; i++) {
        fixture->got[fixture->got_size] = '\0';
        if (size ? fixture->got_size >= size : strstr(fixture->got, "\r\n\r\n") != NULL)
            return;
        ssize_t got = recv(fixture->peer, fixture->got + fixture->got_size,
                           sizeof(fixture->got) - fixture->got_size - 1, 0);
        if (got > 0)
            fixture->got_size += (size_t)got;
        else
            net_loop_turn(fixture->loop, 1);
    }
    fail_msg("too little came: \"%s\"", fixture->got);
}

static inline void forget_received(struct fixture *fixture) { fixture->got_size = 0; }

/* Whether the client has closed the connection. */
static inline void wait_for_end(struct fixture *fixture) {
    char byte[256];
    for (int i = 0; i < TURNS_MAX; i++) {
        ssize_t got = recv(fixture->peer, byte, sizeof(byte), 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return;
        net_loop_turn(fixture->loop, 1);
    }
    fail_msg("the connection is still there");
}

static inline void send_bytes(struct fixture *fixture, const void *bytes, size_t size) {
    assert_int_equal(send(fixture->peer, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}
static inline void send_text(struct fixture *fixture, const char *text) {
    send_bytes(fixture, text, strlen(text));
}

/* The answer to the request in `got`, up to but without the blank line. */
static inline void send_accept(struct fixture *fixture, const char *more) {
    char *key = strstr(fixture->got, "Sec-WebSocket-Key: "), answer[1024];
    char accept[WS_ACCEPT_SIZE];
    assert_non_null(key);
    ws_accept_key((struct slice){key + 19, WS_KEY_SIZE}, accept);
    (void)snprintf(answer, sizeof(answer),
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %.28s\r\n%s\r\n",
                   accept, more);
    send_text(fixture, answer);
}

static inline void open_one(struct fixture *fixture) {
    apply(fixture);
    accept_one(fixture);
    receive(fixture, 0);
    send_accept(fixture, "X-Who: peer\r\n");
    wait_for(fixture, "open");
    forget_received(fixture);
}

static inline void test_done(void *context, enum status status, const char *text) {
    struct fixture *fixture = context;
    fixture->is_done = true;
    fixture->done_status = status;
    (void)snprintf(fixture->done_text, sizeof(fixture->done_text), "%s", text ? text : "");
}

static inline enum status order(struct fixture *fixture, const struct client_order *order) {
    struct client_done done = {.fn = test_done, .context = fixture};
    return client_order(fixture->set, order, &done);
}

static inline struct client_info info_of(struct fixture *fixture, struct arena *arena) {
    struct client_info *info;
    size_t count;
    assert_int_equal(client_set_info(fixture->set, SLICE("c"), arena, &info, &count), STATUS_OK);
    assert_int_equal(count, 1);
    return *info;
}

static inline enum client_state state_of(struct fixture *fixture) {
    struct arena arena;
    arena_init(&arena, 1024, 0);
    enum client_state state = info_of(fixture, &arena).state;
    arena_deinit(&arena);
    return state;
}

static inline void unmask(char *bytes, size_t size, const char *mask) {
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(bytes[i] ^ mask[i % 4]);
}

#endif
