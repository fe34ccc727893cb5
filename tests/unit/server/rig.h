/* A worker's set on a real loop with a clock of the test, and raw peers on loopback sockets. */
#ifndef TESTS_SERVER_RIG_H
#define TESTS_SERVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "server/server.h"

#define RIG_TURNS 20000 /* of at most 2 ms: a condition that does not come fails the test */

struct rig_clock {
    struct clock clock;
    uint64_t mono_ms, wall_ms;
};
static inline uint64_t rig_mono_ns(const struct clock *clock) {
    return CONTAINER_OF(clock, struct rig_clock, clock)->mono_ms * 1000000;
}
static inline uint64_t rig_wall_ms(const struct clock *clock) {
    return CONTAINER_OF(clock, struct rig_clock, clock)->wall_ms;
}

struct rig {
    struct rig_clock clock;
    struct net_loop *loop;
    struct server_set *set;
    struct server_options options; /* change, then rig_apply() */
    struct server_counters counters;
    struct net_address address;
    bool is_drained;
};

static inline void rig_apply(struct rig *rig) {
    struct server_config *config = server_config_new(&rig->options);
    assert_non_null(config);
    assert_int_equal(server_set_apply(rig->set, config, &rig->counters), STATUS_OK);
    server_config_unref(config);
}

static inline void rig_listen(struct rig *rig) {
    struct net_address found[2];
    size_t count;
    int fd;
    assert_int_equal(net_bind_parse(SLICE("127.0.0.1:0"), found, &count), STATUS_OK);
    rig->address = found[0];
    assert_int_equal(net_listen(&rig->address, 1, &fd), STATUS_OK);
    assert_int_equal(server_set_listen(rig->set, SLICE("main"), SLICE("a"), fd), STATUS_OK);
}

static inline void rig_init(struct rig *rig, const struct server_events *events, void *context) {
    memset(rig, 0, sizeof(*rig));
    rig->clock = (struct rig_clock){.clock = {.mono_ns = rig_mono_ns, .wall_ms = rig_wall_ms},
                                    .mono_ms = 1000000,
                                    .wall_ms = 1700000000000};
    rig->loop = net_loop_new(&(struct net_loop_options){.clock = &rig->clock.clock});
    assert_non_null(rig->loop);
    struct server_set_options set = {
        .loop = rig->loop, .events = events, .context = context, .id_key = {1, 2}};
    rig->set = server_set_new(&set);
    assert_non_null(rig->set);
    server_options_default(&rig->options);
    rig->options.id = SLICE("main");
    rig_apply(rig);
    rig_listen(rig);
}

static inline void rig_on_drained(void *context) { ((struct rig *)context)->is_drained = true; }

/* Ends every connection, while whoever is told of it is still there. */
static inline void rig_stop(struct rig *rig) {
    if (rig->is_drained)
        return;
    server_set_drain(rig->set, rig_on_drained, rig);
    server_set_abort(rig->set);
    for (int i = 0; i < RIG_TURNS && !rig->is_drained; i++) {
        rig->clock.mono_ms += 1;
        net_loop_turn(rig->loop, 1);
    }
    assert_true(rig->is_drained);
}

static inline void rig_deinit(struct rig *rig) {
    rig_stop(rig);
    server_set_free(rig->set);
    net_loop_free(rig->loop);
}

/* Turns until `condition` holds. */
#define RIG_UNTIL(rig, condition)                                                                  \
    do {                                                                                           \
        int rig_left = RIG_TURNS;                                                                  \
        while (!(condition) && rig_left-- > 0) {                                                   \
            net_loop_turn((rig)->loop, 2);                                                         \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

/* Moves the clock, as steps that a timer may be due in. */
static inline void rig_pass(struct rig *rig, uint64_t ms) {
    rig->clock.mono_ms += ms;
    rig->clock.wall_ms += ms;
    for (int i = 0; i < 4; i++) {
        net_loop_turn(rig->loop, 0);
    }
}

/* Works until the share of a turn is used up for sure, by the clock that it is measured with. */
static inline void rig_work_long(void) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &begin);
    do {
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 8);
}

/* ---- raw peers ---------------------------------------------------------------------------------
 */
struct peer {
    struct rig *rig;
    int fd;
    char got[1 << 20];
    size_t size;
    bool is_closed, is_reset;
};

static inline struct peer *peer_new(struct rig *rig) {
    struct peer *peer = calloc(1, sizeof(*peer));
    assert_non_null(peer);
    peer->rig = rig;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->fd >= 0);
    assert_int_equal(connect(peer->fd, (struct sockaddr *)&rig->address.addr, rig->address.size),
                     0);
    return peer;
}

static inline void peer_free(struct peer *peer) {
    close(peer->fd);
    free(peer);
}

static inline void peer_send(struct peer *peer, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size) {
        ssize_t sent = send(peer->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            net_loop_turn(peer->rig->loop, 1);
            continue;
        }
        at += sent;
        size -= (size_t)sent;
    }
}

static inline void peer_say(struct peer *peer, const char *text) {
    peer_send(peer, text, strlen(text));
}

static inline void peer_take(struct peer *peer) {
    while (peer->size + 1 < sizeof(peer->got)) {
        ssize_t size = recv(peer->fd, peer->got + peer->size, sizeof(peer->got) - 1 - peer->size,
                            MSG_DONTWAIT);
        if (size <= 0) {
            peer->is_closed = peer->is_closed || size == 0;
            peer->is_reset = peer->is_reset || (size < 0 && errno == ECONNRESET);
            break;
        }
        peer->size += (size_t)size;
    }
    peer->got[peer->size] = '\0';
}

static inline bool peer_has(struct peer *peer, const char *text) {
    peer_take(peer);
    return slice_contains((struct slice){peer->got, peer->size}, slice_of(text));
}
static inline bool peer_is_over(struct peer *peer) {
    peer_take(peer);
    return peer->is_closed || peer->is_reset;
}
static inline size_t peer_count(struct peer *peer, const char *text) {
    size_t count = 0, length = strlen(text);
    peer_take(peer);
    for (size_t i = 0; i + length <= peer->size; i++) {
        count += memcmp(peer->got + i, text, length) == 0;
    }
    return count;
}
/* Waits until the peer has got `text`, and forgets what it got. */
static inline void peer_expect(struct peer *peer, const char *text) {
    RIG_UNTIL(peer->rig, peer_has(peer, text));
    peer->size = 0;
}

/* ---- WebSocket peers ---------------------------------------------------------------------------
 */
#define RIG_UPGRADE                                                                                \
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                             \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static inline struct peer *peer_open(struct rig *rig, const char *path) {
    struct peer *peer = peer_new(rig);
    char text[1024];
    (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" RIG_UPGRADE "\r\n", path);
    peer_say(peer, text);
    RIG_UNTIL(rig, peer_has(peer, "\r\n\r\n"));
    assert_memory_equal(peer->got, "HTTP/1.1 101", 12);
    const char *end = strstr(peer->got, "\r\n\r\n") + 4;
    peer->size -= (size_t)(end - peer->got);
    memmove(peer->got, end, peer->size + 1);
    return peer;
}

static inline size_t frame_make(uint8_t *out, unsigned first, const void *payload, size_t size) {
    const uint8_t mask[WS_MASK_SIZE] = {1, 2, 3, 4};
    size_t at = ws_frame_header(out, first, size, mask);
    ws_mask(out + at, payload, size, mask);
    return at + size;
}

static inline void peer_frame(struct peer *peer, unsigned first, const void *payload, size_t size) {
    uint8_t *frame = malloc(size + WS_HEADER_MAX + WS_MASK_SIZE);
    assert_non_null(frame);
    peer_send(peer, frame, frame_make(frame, first, payload, size));
    free(frame);
}

static inline void peer_text(struct peer *peer, const char *text) {
    peer_frame(peer, WS_FIN | WS_OP_TEXT, text, strlen(text));
}

static inline void peer_close_frame(struct peer *peer, unsigned code) {
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    peer_frame(peer, WS_FIN | WS_OP_CLOSE, payload, 2);
}

#endif
