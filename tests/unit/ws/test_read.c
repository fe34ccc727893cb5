/* Reading: borrowed payloads, pausing, memory, the rules of headers that a writer of ours cannot
 * break, and random streams against what was sent. */
#include <malloc.h>

#include "harness.h"
#include "tests/unit/fail_alloc.h"

#define S(text) SLICE(text)

static struct ws_input input_of(struct buffer *wire) {
    uint8_t *bytes = (uint8_t *)wire->bytes;
    return (struct ws_input){bytes, bytes + wire->size, NULL};
}

static void put_text(struct buffer *wire, unsigned first, struct slice text, size_t times) {
    put_frame(wire, WS_SERVER, &(struct frame_spec){first, text, times});
}

/* ---- the contract of ws_next() ----------------------------------------------------------------
 */

static void a_whole_message_is_borrowed_from_the_input_and_allocates_nothing(void **state) {
    static const size_t sizes[] = {0, 1, 20, 125, 126, 65535, 65536, 200000};
    struct ws ws;
    (void)state;
    ws_init(&ws, WS_SERVER, NULL, MAX_MESSAGE);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct buffer wire;
        struct ws_message said;
        buffer_init(&wire, 0);
        put_text(&wire, WS_FIN | WS_OP_TEXT, sizes[i] ? S("x") : S(""), sizes[i]);
        put_text(&wire, WS_FIN | WS_OP_PING, S("p"), 1);
        struct ws_input input = input_of(&wire);
        fail_alloc_after(0);
        assert_int_equal(ws_next(&ws, &input, &said), WS_MESSAGE);
        assert_int_equal(said.payload.size, sizes[i]);
        assert_ptr_equal(said.payload.bytes + sizes[i], input.next);
        assert_int_equal(ws_next(&ws, &input, &said), WS_PING);
        assert_ptr_equal(said.payload.bytes + 1, input.end);
        assert_int_equal(ws_next(&ws, &input, &said), WS_MORE);
        assert_null(ws.partial);
        fail_alloc_never();
        buffer_deinit(&wire);
    }
    ws_deinit(&ws);
}

static void one_event_is_reported_at_a_time_and_the_rest_is_left_untouched(void **state) {
    struct ws ws;
    struct buffer wire;
    struct ws_message said;
    uint8_t before[64];
    (void)state;
    buffer_init(&wire, 0);
    ws_init(&ws, WS_SERVER, NULL, MAX_MESSAGE);
    put_text(&wire, WS_FIN | WS_OP_TEXT, S("one"), 0);
    size_t first = wire.size;
    put_text(&wire, WS_FIN | WS_OP_TEXT, S("two"), 0);
    memcpy(before, wire.bytes, wire.size);
    struct ws_input input = input_of(&wire);
    assert_int_equal(ws_next(&ws, &input, &said), WS_MESSAGE);
    assert_true(slice_is(said.payload, "one"));
    assert_ptr_equal(input.next, (uint8_t *)wire.bytes + first);
    assert_memory_equal(input.next, before + first, wire.size - first);
    assert_int_equal(ws_next(&ws, &input, &said), WS_MESSAGE);
    assert_true(slice_is(said.payload, "two"));
    buffer_deinit(&wire);
    ws_deinit(&ws);
}

static void after_an_error_input_is_taken_and_nothing_reported(void **state) {
    struct ws ws;
    struct buffer wire;
    struct ws_message said;
    (void)state;
    buffer_init(&wire, 0);
    ws_init(&ws, WS_SERVER, NULL, MAX_MESSAGE);
    put_text(&wire, WS_FIN | 3, S("bad"), 0);
    put_text(&wire, WS_FIN | WS_OP_TEXT, S("good"), 0);
    struct ws_input input = input_of(&wire);
    assert_int_equal(ws_next(&ws, &input, &said), WS_ERROR);
    assert_ptr_equal(input.next, input.end);
    input = input_of(&wire);
    assert_int_equal(ws_next(&ws, &input, &said), WS_MORE);
    assert_ptr_equal(input.next, input.end);
    buffer_deinit(&wire);
    ws_deinit(&ws);
}

static void memory_is_gone_when_the_split_message_is_done(void **state) {
    struct peer peer;
    struct buffer wire;
    (void)state;
    buffer_init(&wire, 0);
    peer_init(&peer, WS_SERVER, NULL, MAX_MESSAGE);
    put_text(&wire, WS_FIN | WS_OP_TEXT, S("a"), 5000);
    feed(&peer, (struct slice){wire.bytes, 3});
    assert_non_null(peer.ws.partial);
    feed(&peer, (struct slice){wire.bytes + 3, 2000});
    assert_non_null(peer.ws.partial);
    feed(&peer, (struct slice){wire.bytes + 2003, wire.size - 2003});
    assert_null(peer.ws.partial);
    expect_heard(&peer, "split", "T'a'*5000");
    buffer_deinit(&wire);
    peer_deinit(&peer);
}

static void an_idle_connection_is_small(void **state) {
    (void)state;
    assert_true(sizeof(struct ws) <= 64);
}

/* ---- bounds and memory ------------------------------------------------------------------------
 */

static void an_announced_size_alone_costs_no_memory(void **state) {
    struct peer peer;
    struct buffer wire;
    (void)state;
    buffer_init(&wire, 0);
    peer_init(&peer, WS_SERVER, NULL, (size_t)1 << 30);
    put_text(&wire, WS_FIN | WS_OP_BINARY, S("a"), (size_t)50 << 20);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    feed(&peer, (struct slice){wire.bytes, 100});
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_true(after - before < 8192);
    buffer_deinit(&wire);
    peer_deinit(&peer);
}

static void a_message_never_owns_more_than_its_bound(void **state) {
    struct peer peer;
    struct buffer wire;
    (void)state;
    buffer_init(&wire, 0);
    peer_init(&peer, WS_SERVER, NULL, 100000);
    put_text(&wire, WS_OP_BINARY, S("a"), 90000);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    feed(&peer, buffer_slice(&wire));
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_true(after - before < 110000);
    buffer_deinit(&wire);
    peer_deinit(&peer);
}

static void the_bound_counts_every_way_a_message_can_come(void **state) {
    (void)state;
    for (size_t max = 0; max < 300; max += 7) {
        char good[32], text[300];
        struct buffer fits, large, split;
        buffer_init(&fits, 0);
        buffer_init(&large, 0);
        buffer_init(&split, 0);
        memset(text, 'a', sizeof text);
        put_text(&fits, WS_FIN | WS_OP_TEXT, (struct slice){text, max}, 0);
        put_text(&large, WS_FIN | WS_OP_TEXT, (struct slice){text, max + 1}, 0);
        put_text(&split, WS_OP_TEXT, (struct slice){text, max}, 0);
        put_text(&split, WS_FIN | WS_OP_CONTINUATION, S("b"), 0);
        (void)snprintf(good, sizeof good, "T'a'*%zu", max);
        if (max > 64) {
            feed_all_ways(&(struct feeding){"fits", WS_SERVER, NULL, max, good},
                          buffer_slice(&fits));
        }
        feed_all_ways(&(struct feeding){"large", WS_SERVER, NULL, max, "E1009"},
                      buffer_slice(&large));
        feed_all_ways(&(struct feeding){"split", WS_SERVER, NULL, max, "E1009"},
                      buffer_slice(&split));
        buffer_deinit(&fits);
        buffer_deinit(&large);
        buffer_deinit(&split);
    }
}

static void a_message_above_the_bound_fails_with_its_header(void **state) {
    struct peer peer;
    struct buffer wire;
    (void)state;
    buffer_init(&wire, 0);
    peer_init(&peer, WS_SERVER, NULL, 1000);
    put_text(&wire, WS_FIN | WS_OP_TEXT, S("a"), 1001);
    feed(&peer, (struct slice){wire.bytes, 7});
    expect_heard(&peer, "before the mask", "");
    feed(&peer, (struct slice){wire.bytes + 7, 1});
    expect_heard(&peer, "with the header", "E1009");
    buffer_deinit(&wire);
    peer_deinit(&peer);
}

/* As a reload does; what has come was within the bound, what comes is not. */
static void a_bound_that_is_lowered_amid_a_message_ends_it(void **state) {
    (void)state;
    for (unsigned is_amid_frame = 0; is_amid_frame < 2; is_amid_frame++) {
        struct peer peer;
        struct buffer wire;
        buffer_init(&wire, 0);
        peer_init(&peer, WS_SERVER, NULL, 100000);
        put_text(&wire, WS_OP_BINARY, S("a"), 40000);
        size_t first = is_amid_frame ? 10000 : wire.size;
        put_text(&wire, WS_FIN | WS_OP_CONTINUATION, S("b"), 50000);
        feed(&peer, (struct slice){wire.bytes, first});
        peer.ws.max_message = 5000;
        feed(&peer, (struct slice){wire.bytes + first, wire.size - first});
        expect_heard(&peer, "after the bound was lowered", "E1009");
        buffer_deinit(&wire);
        peer_deinit(&peer);
    }
}

/* The event that reading `wire` in two halves ends with. */
static enum ws_event read_halves(struct buffer *wire, unsigned *code) {
    struct ws ws;
    uint8_t bytes[512];
    struct ws_message said = {0};
    size_t half = wire->size / 2;
    ws_init(&ws, WS_SERVER, NULL, MAX_MESSAGE);
    memcpy(bytes, wire->bytes, wire->size);
    struct ws_input input = {bytes, bytes + half, NULL};
    enum ws_event event = ws_next(&ws, &input, &said);
    if (event == WS_MORE) {
        input = (struct ws_input){bytes + half, bytes + wire->size, NULL};
        event = ws_next(&ws, &input, &said);
    }
    *code = said.code;
    ws_deinit(&ws);
    return event;
}

static void without_memory_the_connection_fails_with_1011(void **state) {
    struct buffer wire;
    enum ws_event event = WS_MORE;
    unsigned code = 0, failures = 0;
    (void)state;
    buffer_init(&wire, 0);
    put_text(&wire, WS_OP_TEXT, S("a"), 200);
    put_text(&wire, WS_FIN | WS_OP_CONTINUATION, S("b"), 200);
    FAIL_EACH_ALLOCATION(
        {
            event = read_halves(&wire, &code);
            failures += event == WS_ERROR;
            assert_true(event == WS_MESSAGE || code == WS_INTERNAL);
        },
        event == WS_MESSAGE);
    assert_true(failures >= 2);
    buffer_deinit(&wire);
}

/* ---- headers that our own writer does not make ------------------------------------------------
 */

static void broken_headers_are_protocol_errors(void **state) {
    static const struct {
        const char *name;
        enum ws_role role;
        struct slice wire;
    } cases[] = {
        {"unmasked frame of a client", WS_SERVER, S("\x81\x02hi")},
        {"unmasked empty frame of a client", WS_SERVER, S("\x81\x00")},
        {"unmasked ping of a client", WS_SERVER, S("\x89\x00")},
        {"masked frame of a server", WS_CLIENT, S("\x81\x82\x01\x02\x03\x04hi")},
        {"16 bits for 125", WS_CLIENT, S("\x82\x7e\x00\x7d")},
        {"16 bits for 0", WS_CLIENT, S("\x82\x7e\x00\x00")},
        {"64 bits for 65535", WS_CLIENT, S("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff")},
        {"64 bits for 1", WS_CLIENT, S("\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01")},
        {"the highest bit of 64", WS_CLIENT, S("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00")},
        {"all bits of 64", WS_CLIENT, S("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff")},
        {"16 bits for a ping of 1", WS_CLIENT,
         S("\x89\x7e\x00\x01"
           "a")},
        {"16 bits for 125, masked", WS_SERVER, S("\x82\xfe\x00\x7d\x01\x02\x03\x04")},
        {"a ping of 64 bits", WS_CLIENT, S("\x89\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct feeding how = {cases[i].name, cases[i].role, NULL, MAX_MESSAGE, "E1002"};
        feed_all_ways(&how, cases[i].wire);
    }
}

static void the_largest_size_that_can_be_written_is_too_big(void **state) {
    (void)state;
    struct feeding how = {"2^63 - 1", WS_CLIENT, NULL, SIZE_MAX / 4, "E1009"};
    feed_all_ways(&how, S("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"));
}

/* ---- random streams ---------------------------------------------------------------------------
 */

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* A few random messages in random fragments with pings between; what must be heard of them. */
static void put_random(struct buffer *wire, struct buffer *expected, enum ws_role role,
                       uint64_t *seed) {
    static char text[70000];
    for (unsigned message = 0; message < 5; message++) {
        bool is_binary = next_random(seed) % 2;
        size_t size = next_random(seed) % (next_random(seed) % 5 ? 200 : sizeof text);
        size_t fragments = 1 + next_random(seed) % 3;
        for (size_t i = 0; i < size; i++) {
            text[i] = is_binary ? (char)next_random(seed) : (char)('a' + next_random(seed) % 26);
        }
        for (size_t i = 0, at = 0; i < fragments; i++) {
            bool is_last = i + 1 == fragments;
            size_t part = is_last ? size - at : next_random(seed) % (size - at + 1);
            unsigned opcode = i > 0 ? WS_OP_CONTINUATION : is_binary ? WS_OP_BINARY : WS_OP_TEXT;
            struct frame_spec spec = {opcode | (is_last ? WS_FIN : 0), {text + at, part}, 0};
            put_frame(wire, role, &spec);
            at += part;
            if (!is_last && next_random(seed) % 2) {
                put_frame(wire, role, &(struct frame_spec){WS_FIN | WS_OP_PING, S("between"), 0});
                hear(expected, WS_PING, &(struct ws_message){.payload = S("between")});
            }
        }
        hear(expected, WS_MESSAGE,
             &(struct ws_message){.payload = {text, size}, .is_binary = is_binary});
    }
}

static void random_streams_arrive_as_they_were_sent_however_they_are_cut(void **state) {
    uint64_t seed = 4711;
    (void)state;
    for (int round = 0; round < 200; round++) {
        enum ws_role role = round % 2 ? WS_CLIENT : WS_SERVER;
        struct buffer wire, expected;
        struct peer peer;
        buffer_init(&wire, 0);
        buffer_init(&expected, 0);
        peer_init(&peer, role, NULL, MAX_MESSAGE);
        put_random(&wire, &expected, role, &seed);
        for (size_t at = 0, size = 0; at < wire.size; at += size) {
            size = 1 + next_random(&seed) % (next_random(&seed) % 2 ? 40000 : 300);
            size = size > wire.size - at ? wire.size - at : size;
            feed(&peer, (struct slice){wire.bytes + at, size});
        }
        assert_true(slice_equal(buffer_slice(&peer.heard), buffer_slice(&expected)));
        peer_deinit(&peer);
        buffer_deinit(&wire);
        buffer_deinit(&expected);
    }
}

static void noise_never_harms(void **state) {
    uint64_t seed = 31337;
    (void)state;
    for (int round = 0; round < 5000; round++) {
        char bytes[80];
        struct peer peer;
        size_t size = next_random(&seed) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (char)next_random(&seed);
        }
        bytes[0] = (char)((unsigned char)bytes[0] & 0x8b); /* mostly past the first checks */
        bytes[1] = (char)(bytes[1] | (char)0x80);
        peer_init(&peer, WS_SERVER, NULL, 4096);
        feed(&peer, (struct slice){bytes, size / 2});
        feed(&peer, (struct slice){bytes + size / 2, size - size / 2});
        peer_deinit(&peer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_message_is_borrowed_from_the_input_and_allocates_nothing),
        cmocka_unit_test(one_event_is_reported_at_a_time_and_the_rest_is_left_untouched),
        cmocka_unit_test(after_an_error_input_is_taken_and_nothing_reported),
        cmocka_unit_test(memory_is_gone_when_the_split_message_is_done),
        cmocka_unit_test(an_idle_connection_is_small),
        cmocka_unit_test(an_announced_size_alone_costs_no_memory),
        cmocka_unit_test(a_message_never_owns_more_than_its_bound),
        cmocka_unit_test(the_bound_counts_every_way_a_message_can_come),
        cmocka_unit_test(a_message_above_the_bound_fails_with_its_header),
        cmocka_unit_test(a_bound_that_is_lowered_amid_a_message_ends_it),
        cmocka_unit_test(without_memory_the_connection_fails_with_1011),
        cmocka_unit_test(broken_headers_are_protocol_errors),
        cmocka_unit_test(the_largest_size_that_can_be_written_is_too_big),
        cmocka_unit_test(random_streams_arrive_as_they_were_sent_however_they_are_cut),
        cmocka_unit_test(noise_never_harms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
