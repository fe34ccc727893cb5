/* Feeds bytes to a struct ws in every cut, and writes down what it reports as one line of text:
 *   T'abc' B'a\x00' message, P'..' ping, O'..' pong, C1000'bye' close, E1002 error.
 * Long payloads of one repeated byte are written T'a'*65536. Every piece is handed over in a heap
 * block of exactly its size, so that the sanitizer sees a byte read too far. */
#ifndef BELLWIRE_TEST_WS_HARNESS_H
#define BELLWIRE_TEST_WS_HARNESS_H

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/cmocka_all.h"

#include "ws/ws.h"

#define MAX_MESSAGE ((size_t)1 << 20)

struct peer {
    struct ws ws;
    struct ws_deflater *deflater;
    struct buffer heard;
};

struct frame_spec {
    unsigned first;     /* first byte of the header */
    struct slice bytes; /* payload */
    size_t times;       /* how often bytes are repeated; 0 means once */
};

static inline void peer_init(struct peer *peer, enum ws_role role,
                             const struct ws_compression *compression, size_t max_message) {
    ws_init(&peer->ws, role, compression, max_message);
    peer->deflater = ws_deflater_new();
    assert_non_null(peer->deflater);
    buffer_init(&peer->heard, 0);
}

static inline void peer_deinit(struct peer *peer) {
    ws_deinit(&peer->ws);
    ws_deflater_free(peer->deflater);
    buffer_deinit(&peer->heard);
}

static inline void hear_bytes(struct buffer *heard, struct slice bytes) {
    size_t same = 0;
    while (same < bytes.size && bytes.bytes[same] == bytes.bytes[0]) {
        same++;
    }
    if (bytes.size > 64 && same == bytes.size) {
        assert_int_equal(buffer_printf(heard, "'%c'*%zu", bytes.bytes[0], bytes.size), STATUS_OK);
        return;
    }
    assert_int_equal(buffer_append(heard, SLICE("'")), STATUS_OK);
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.bytes[i];
        bool is_plain = c >= ' ' && c < 0x7f && c != '\'' && c != '\\';
        assert_int_equal(buffer_printf(heard, is_plain ? "%c" : "\\x%02x", c), STATUS_OK);
    }
    assert_int_equal(buffer_append(heard, SLICE("'")), STATUS_OK);
}

static inline void hear(struct buffer *heard, enum ws_event event, const struct ws_message *said) {
    if (heard->size > 0) {
        assert_int_equal(buffer_append(heard, SLICE(" ")), STATUS_OK);
    }
    switch (event) {
        case WS_MESSAGE:
            assert_int_equal(buffer_append(heard, said->is_binary ? SLICE("B") : SLICE("T")), 0);
            break;
        case WS_PING:
        case WS_PONG:
            assert_int_equal(buffer_append(heard, event == WS_PING ? SLICE("P") : SLICE("O")), 0);
            break;
        case WS_CLOSE:
            assert_int_equal(buffer_printf(heard, "C%u", (unsigned)said->code), 0);
            break;
        case WS_ERROR:
            assert_true(said->payload.size > 0);
            assert_int_equal(buffer_printf(heard, "E%u", (unsigned)said->code), 0);
            return;
        case WS_MORE:
            fail();
    }
    hear_bytes(heard, said->payload);
}

/* Hands over one piece; after each event the rest moves to another place, as when the reader
 * pauses. Returns whether an error or a close frame was heard. */
static inline void feed(struct peer *peer, struct slice piece) {
    enum ws_event event = WS_PING;
    while (event != WS_MORE) {
        uint8_t *copy = malloc(piece.size ? piece.size : 1);
        assert_non_null(copy);
        if (piece.size) {
            memcpy(copy, piece.bytes, piece.size);
        }
        struct ws_input input = {copy, copy + piece.size, peer->deflater};
        struct ws_message said;
        event = ws_next(&peer->ws, &input, &said);
        if (event == WS_MORE) {
            assert_ptr_equal(input.next, input.end);
        } else {
            hear(&peer->heard, event, &said);
        }
        size_t left = (size_t)(input.end - input.next);
        piece = (struct slice){piece.bytes + (piece.size - left), left};
        free(copy);
    }
}

static inline void expect_heard(const struct peer *peer, const char *name, const char *expected) {
    struct slice heard = buffer_slice(&peer->heard);
    if (!slice_is(heard, expected)) {
        fail_msg("%s: expected %s, heard " SLICE_FMT, name, expected, SLICE_ARG(heard));
    }
}

/* One frame as the peer of a connection with our `role` sends it. */
static inline void put_frame(struct buffer *wire, enum ws_role role,
                             const struct frame_spec *spec) {
    static const uint8_t mask[WS_MASK_SIZE] = {0x9a, 0x00, 0xff, 0x27};
    size_t size = spec->bytes.size * (spec->times ? spec->times : 1);
    assert_int_equal(buffer_reserve(wire, WS_HEADER_MAX + size), STATUS_OK);
    uint8_t *at = (uint8_t *)wire->bytes + wire->size;
    size_t header = ws_frame_header(at, spec->first, size, role == WS_SERVER ? mask : NULL);
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)spec->bytes.bytes[i % spec->bytes.size];
        at[header + i] = role == WS_SERVER ? byte ^ mask[i & 3] : byte;
    }
    wire->size += header + size;
}

struct feeding {
    const char *name;
    enum ws_role role;
    const struct ws_compression *compression;
    size_t max_message;
    const char *expected;
};

/* In pieces of `step` bytes, the first of them `first` bytes. */
static inline void feed_cut(const struct feeding *how, struct slice wire, size_t first,
                            size_t step) {
    struct peer peer;
    peer_init(&peer, how->role, how->compression, how->max_message);
    for (size_t at = 0, size = first; at < wire.size; at += size, size = step) {
        size = size > wire.size - at ? wire.size - at : size;
        feed(&peer, (struct slice){wire.bytes + at, size});
    }
    expect_heard(&peer, how->name, how->expected);
    peer_deinit(&peer);
}

/* Whole, byte by byte (where that is bearable) and, when it is short, at each split. */
static inline void feed_all_ways(const struct feeding *how, struct slice wire) {
    feed_cut(how, wire, wire.size, wire.size);
    feed_cut(how, wire, wire.size > 4096 ? 997 : 1, wire.size > 4096 ? 997 : 1);
    for (size_t split = 1; split < wire.size && wire.size <= 400; split++) {
        feed_cut(how, wire, split, wire.size);
    }
}

#endif
