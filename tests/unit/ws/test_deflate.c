/* permessage-deflate: the RFC's own examples, RSV1, damage, bombs, and round trips between both
 * roles with a second opinion of zlib. proves W14 */
#include "harness.h"
#include "tests/unit/fail_alloc.h"

#include <zlib.h>

#define PLAIN      (WS_FIN | WS_OP_TEXT)
#define COMPRESSED (WS_FIN | WS_RSV1 | WS_OP_TEXT)
#define S(text)    SLICE(text)
#define HELLO      "\xf2\x48\xcd\xc9\xc9\x07\x00" /* RFC 7692 section 7.2.3.1 */

static const struct ws_compression alone = {true, false, false, 15, 15};
static const struct ws_compression keeping = {true, true, true, 15, 15};

struct deflate_case {
    const char *name;
    const struct ws_compression *compression;
    struct frame_spec frames[6];
    const char *expected;
};

static const struct deflate_case cases[] = {
    {"one block", &alone, {{COMPRESSED, S(HELLO), 0}}, "T'Hello'"},
    {"two fragments",
     &alone,
     {{WS_RSV1 | WS_OP_TEXT, S("\xf2\x48\xcd"), 0},
      {WS_FIN | WS_OP_CONTINUATION, S("\xc9\xc9\x07\x00"), 0}},
     "T'Hello'"},
    {"a ping between fragments",
     &alone,
     {{WS_RSV1 | WS_OP_TEXT, S("\xf2\x48\xcd"), 0},
      {WS_FIN | WS_OP_PING, S("now"), 0},
      {WS_OP_CONTINUATION, S(""), 0},
      {WS_FIN | WS_OP_CONTINUATION, S("\xc9\xc9\x07\x00"), 0},
      {PLAIN, S("plain"), 0}},
     "P'now' T'Hello' T'plain'"},
    {"a shared window",
     &keeping,
     {{COMPRESSED, S(HELLO), 0}, {COMPRESSED, S("\xf2\x00\x11\x00\x00"), 0}},
     "T'Hello' T'Hello'"},
    {"a shared window, a plain message between",
     &keeping,
     {{COMPRESSED, S(HELLO), 0}, {PLAIN, S("x"), 0}, {COMPRESSED, S("\xf2\x00\x11\x00\x00"), 0}},
     "T'Hello' T'x' T'Hello'"},
    {"a window that is not shared",
     &alone,
     {{COMPRESSED, S(HELLO), 0}, {COMPRESSED, S("\xf2\x00\x11\x00\x00"), 0}},
     "T'Hello' E1007"},
    {"a stored block", &alone, {{COMPRESSED, S("\x00\x05\x00\xfa\xffHello\x00"), 0}}, "T'Hello'"},
    {"a block that calls itself the last",
     &alone,
     {{COMPRESSED, S("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 0}, {COMPRESSED, S(HELLO), 0}},
     "T'Hello' T'Hello'"},
    {"the last block without the empty one behind it",
     &alone,
     {{COMPRESSED, S("\xf3\x48\xcd\xc9\xc9\x07\x00"), 0}, {COMPRESSED, S(HELLO), 0}},
     "T'Hello' T'Hello'"},
    {"a last block does not forget the window",
     &keeping,
     {{COMPRESSED, S("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 0},
      {COMPRESSED, S("\xf2\x00\x11\x00\x00"), 0}},
     "T'Hello' T'Hello'"},
    {"two blocks in one message",
     &alone,
     {{COMPRESSED, S("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), 0}},
     "T'Hello'"},
    {"an empty message", &alone, {{COMPRESSED, S("\x00"), 0}, {PLAIN, S(""), 0}}, "T'' T''"},
    {"an empty message of the other spelling", &alone, {{COMPRESSED, S("\x02\x00"), 0}}, "T''"},
    {"binary",
     &alone,
     {{WS_FIN | WS_RSV1 | WS_OP_BINARY, S("\x00\x02\x00\xfd\xff\xff\x00\x00"), 0}},
     "B'\\xff\\x00'"},
    {"text that is not UTF-8 when inflated",
     &alone,
     {{COMPRESSED, S("\x00\x02\x00\xfd\xff\xff\x00\x00"), 0}},
     "E1007"},
    {"not agreed to", NULL, {{COMPRESSED, S(HELLO), 0}}, "E1002"},
    {"RSV1 on a ping", &alone, {{WS_FIN | WS_RSV1 | WS_OP_PING, S(""), 0}}, "E1002"},
    {"RSV1 on a close", &alone, {{WS_FIN | WS_RSV1 | WS_OP_CLOSE, S(""), 0}}, "E1002"},
    {"RSV1 on a continuation",
     &alone,
     {{WS_RSV1 | WS_OP_TEXT, S("\xf2\x48\xcd"), 0},
      {WS_FIN | WS_RSV1 | WS_OP_CONTINUATION, S("\xc9\xc9\x07\x00"), 0}},
     "E1002"},
    {"RSV1 on a continuation of a plain message",
     &alone,
     {{WS_OP_TEXT, S("a"), 0}, {WS_FIN | WS_RSV1 | WS_OP_CONTINUATION, S(HELLO), 0}},
     "E1002"},
    {"RSV2", &alone, {{WS_FIN | 0x20 | WS_OP_TEXT, S("a"), 0}}, "E1002"},
    {"cut inside of a block", &alone, {{COMPRESSED, S("\xf2\x48\xcd\xc9"), 0}}, "E1007"},
    {"nothing at all", &alone, {{COMPRESSED, S(""), 0}}, "E1007"},
    {"a reserved kind of block", &alone, {{COMPRESSED, S("\x06"), 0}}, "E1007"},
    {"a stored block whose size is broken",
     &alone,
     {{COMPRESSED, S("\x00\x05\x00\xfa\xfe"), 0}},
     "E1007"},
    {"a reference before the beginning",
     &alone,
     {{COMPRESSED, S("\xf2\x00\x11\x00\x00"), 0}},
     "E1007"},
};

static void the_examples_of_the_rfc_and_their_faults_are_told_apart(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
        const struct deflate_case *c = &cases[i / 2];
        struct feeding how = {c->name, i % 2 ? WS_CLIENT : WS_SERVER, c->compression, MAX_MESSAGE,
                              c->expected};
        struct buffer wire;
        buffer_init(&wire, 0);
        for (size_t f = 0; f < ARRAY_SIZE(c->frames) && c->frames[f].bytes.bytes; f++) {
            put_frame(&wire, how.role, &c->frames[f]);
        }
        feed_all_ways(&how, buffer_slice(&wire));
        buffer_deinit(&wire);
    }
}

/* ---- bounds -----------------------------------------------------------------------------------
 */

/* `size` times the letter a, compressed by zlib itself, as a frame. */
static void put_bomb(struct buffer *wire, size_t size) {
    z_stream z = {0};
    char *plain = malloc(size), *packed = malloc(size / 100 + 1000);
    assert_non_null(plain);
    assert_non_null(packed);
    memset(plain, 'a', size);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)plain;
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)packed;
    z.avail_out = (uInt)(size / 100 + 1000);
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    struct slice bytes = {packed, z.total_out - 4};
    put_frame(wire, WS_SERVER, &(struct frame_spec){COMPRESSED, bytes, 0});
    assert_int_equal(deflateEnd(&z), Z_DATA_ERROR); /* a flushed stream counts as unfinished */
    free(plain);
    free(packed);
}

static void inflating_stops_exactly_at_the_bound(void **state) {
    static const struct {
        size_t size, max;
        const char *expected;
    } bounds[] = {
        {100000, 100000, "T'a'*100000"},    {100001, 100000, "E1009"},
        {4096, 4096, "T'a'*4096"},          {4097, 4096, "E1009"},
        {16 << 20, 4096, "E1009"},          {100, 0, "E1009"},
        {1 << 20, 1 << 20, "T'a'*1048576"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        for (int own = 0; own < 2; own++) {
            struct feeding how = {"bomb", WS_SERVER, own ? &keeping : &alone, bounds[i].max,
                                  bounds[i].expected};
            struct buffer wire;
            buffer_init(&wire, 0);
            put_bomb(&wire, bounds[i].size);
            feed_cut(&how, buffer_slice(&wire), wire.size, wire.size);
            feed_cut(&how, buffer_slice(&wire), 5, 97);
            buffer_deinit(&wire);
        }
    }
}

static void a_last_block_that_ends_the_message_is_bounded_too(void **state) {
    struct buffer wire;
    struct feeding fits = {"5 of 5", WS_SERVER, &alone, 5, "T'Hello'"};
    struct feeding large = {"5 of 4", WS_SERVER, &alone, 4, "E1009"};
    (void)state;
    buffer_init(&wire, 0);
    put_frame(&wire, WS_SERVER,
              &(struct frame_spec){COMPRESSED, S("\xf3\x48\xcd\xc9\xc9\x07\x00"), 0});
    feed_all_ways(&fits, buffer_slice(&wire));
    feed_all_ways(&large, buffer_slice(&wire));
    buffer_deinit(&wire);
}

static void empty_blocks_without_end_are_too_big_on_the_wire(void **state) {
    (void)state;
    struct feeding how = {"flood", WS_SERVER, &alone, 4096, "E1009"};
    struct buffer wire;
    buffer_init(&wire, 0);
    for (unsigned i = 0; i < 100; i++) {
        unsigned first = i == 0 ? WS_RSV1 | WS_OP_TEXT : 0u;
        put_frame(&wire, WS_SERVER, &(struct frame_spec){first, S("\x00\x00\x00\xff\xff"), 100});
    }
    feed_cut(&how, buffer_slice(&wire), wire.size, wire.size);
    buffer_deinit(&wire);
}

/* A loop that is entered anew for each of 250,000 last blocks must not cost a window's copy each.
 */
static void many_last_blocks_are_read_in_one_pass(void **state) {
    (void)state;
    struct feeding how = {"last blocks", WS_SERVER, &keeping, MAX_MESSAGE, "T'Hello'"};
    struct buffer wire, payload;
    buffer_init(&wire, 0);
    buffer_init(&payload, 0);
    assert_int_equal(buffer_append(&payload, S("\xf3\x48\xcd\xc9\xc9\x07\x00")), STATUS_OK);
    for (int i = 0; i < 250000; i++) {
        assert_int_equal(buffer_append(&payload, S("\x03\x00")), STATUS_OK);
    }
    put_frame(&wire, WS_SERVER, &(struct frame_spec){COMPRESSED, buffer_slice(&payload), 0});
    feed_cut(&how, buffer_slice(&wire), wire.size, wire.size);
    buffer_deinit(&wire);
    buffer_deinit(&payload);
}

/* ---- round trips ------------------------------------------------------------------------------
 */

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* ASCII that compresses somewhat: words over a small alphabet, or noise. */
static size_t fill(char *out, size_t max, uint64_t *seed) {
    size_t size = next_random(seed) % (next_random(seed) % 4 ? 500 : max);
    unsigned letters = next_random(seed) % 3 ? 4 : 90;
    for (size_t i = 0; i < size; i++) {
        bool repeats = i > 40 && next_random(seed) % 3;
        char fresh = (char)(' ' + next_random(seed) % letters);
        out[i] = (char)(repeats ? out[i - 37] : fresh);
    }
    return size;
}

/* One message from `from` to `to`, in two pieces; whether it went compressed. */
static bool send_message(struct peer *from, struct peer *to, struct slice message, uint64_t *seed) {
    struct slice payload = message;
    struct buffer wire;
    unsigned first = WS_FIN | WS_OP_TEXT;
    enum status status = ws_compress(&from->ws, from->deflater, message, &payload);
    assert_true(status == STATUS_OK || status == STATUS_UNSUPPORTED);
    if (status == STATUS_OK) {
        first |= WS_RSV1;
    }
    buffer_init(&wire, 0);
    put_frame(&wire, (enum ws_role)to->ws.role, &(struct frame_spec){first, payload, 0});
    size_t cut = next_random(seed) % 2 ? wire.size : next_random(seed) % wire.size;
    to->heard.size = 0;
    feed(to, (struct slice){wire.bytes, cut});
    feed(to, (struct slice){wire.bytes + cut, wire.size - cut});
    struct peer expected = {0};
    hear(&expected.heard, WS_MESSAGE, &(struct ws_message){.payload = message});
    assert_true(slice_equal(buffer_slice(&to->heard), buffer_slice(&expected.heard)));
    buffer_deinit(&expected.heard);
    buffer_deinit(&wire);
    return status == STATUS_OK;
}

static void both_roles_understand_each_other_with_every_window_and_takeover(void **state) {
    static char message[80000];
    uint64_t seed = 20240607;
    (void)state;
    for (unsigned bits = 9; bits <= 15; bits++) {
        for (unsigned takeover = 0; takeover < 4; takeover++) {
            struct ws_compression ours = {true, takeover & 1, takeover & 2, (uint8_t)bits,
                                          (uint8_t)(24 - bits)};
            struct ws_compression theirs = {true, takeover & 2, takeover & 1, (uint8_t)(24 - bits),
                                            (uint8_t)bits};
            struct peer server, client;
            unsigned compressed = 0;
            peer_init(&server, WS_SERVER, &ours, MAX_MESSAGE);
            peer_init(&client, WS_CLIENT, &theirs, MAX_MESSAGE);
            for (int i = 0; i < 30; i++) {
                struct slice text = {message, fill(message, sizeof message, &seed)};
                compressed += send_message(&server, &client, text, &seed);
                text.size = fill(message, sizeof message, &seed);
                compressed += send_message(&client, &server, text, &seed);
            }
            assert_true(compressed > 20);
            peer_deinit(&server);
            peer_deinit(&client);
        }
    }
}

/* zlib with a window of exactly the agreed size must be able to read what we compress. */
static void what_is_compressed_keeps_to_the_agreed_window(void **state) {
    static char message[60000], plain[60000];
    uint64_t seed = 7;
    (void)state;
    for (unsigned bits = 9; bits <= 15; bits++) {
        struct ws_deflater *deflater = ws_deflater_new();
        assert_non_null(deflater);
        for (int i = 0; i < 20; i++) {
            struct slice text = {message, fill(message, sizeof message, &seed)}, packed;
            enum status status = ws_compress_shared(deflater, bits, text, &packed);
            if (status == STATUS_UNSUPPORTED) {
                continue;
            }
            assert_int_equal(status, STATUS_OK);
            assert_true(packed.size < text.size);
            z_stream z = {0};
            assert_int_equal(inflateInit2(&z, -(int)bits), Z_OK);
            z.next_in = (Bytef *)(uintptr_t)packed.bytes;
            z.avail_in = (uInt)packed.size;
            for (int result = Z_OK; result == Z_OK;) {
                z.next_out = (Bytef *)plain + z.total_out; /* small steps, so the window counts */
                z.avail_out = 100;
                result = inflate(&z, Z_SYNC_FLUSH);
                assert_true(result == Z_OK || result == Z_BUF_ERROR);
            }
            assert_int_equal(z.total_out, text.size);
            assert_memory_equal(plain, text.bytes, text.size);
            assert_int_equal(inflateEnd(&z), Z_OK);
        }
        ws_deflater_free(deflater);
    }
}

static void what_gains_nothing_is_sent_as_it_is(void **state) {
    struct peer peer;
    struct slice out;
    char noise[4096];
    uint64_t seed = 3;
    struct ws_compression tiny = {true, false, false, 8, 15};
    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (char)next_random(&seed);
    }
    peer_init(&peer, WS_SERVER, &alone, MAX_MESSAGE);
    struct slice bytes = {noise, sizeof noise};
    assert_int_equal(ws_compress(&peer.ws, peer.deflater, bytes, &out), STATUS_UNSUPPORTED);
    assert_int_equal(ws_compress(&peer.ws, peer.deflater, S(""), &out), STATUS_UNSUPPORTED);
    assert_int_equal(ws_compress(&peer.ws, peer.deflater, S("short"), &out), STATUS_UNSUPPORTED);
    memset(noise, 'a', sizeof noise);
    assert_int_equal(ws_compress(&peer.ws, peer.deflater, bytes, &out), STATUS_OK);
    assert_int_equal(ws_shared_bits(&peer.ws), 15);
    ws_init(&peer.ws, WS_CLIENT, &tiny, MAX_MESSAGE);
    assert_int_equal(ws_compress(&peer.ws, peer.deflater, bytes, &out), STATUS_UNSUPPORTED);
    assert_int_equal(ws_shared_bits(&peer.ws), 0);
    ws_init(&peer.ws, WS_CLIENT, NULL, MAX_MESSAGE);
    assert_int_equal(ws_compress(&peer.ws, peer.deflater, bytes, &out), STATUS_UNSUPPORTED);
    assert_int_equal(ws_shared_bits(&peer.ws), 0);
    peer_deinit(&peer);
}

static void an_echo_may_compress_what_was_inflated(void **state) {
    struct peer peer;
    struct buffer wire;
    struct slice out;
    struct ws_message said;
    (void)state;
    peer_init(&peer, WS_SERVER, &alone, MAX_MESSAGE);
    buffer_init(&wire, 0);
    put_bomb(&wire, 5000);
    struct ws_input input = {(uint8_t *)wire.bytes, (uint8_t *)wire.bytes + wire.size,
                             peer.deflater};
    assert_int_equal(ws_next(&peer.ws, &input, &said), WS_MESSAGE);
    assert_int_equal(ws_compress(&peer.ws, peer.deflater, said.payload, &out), STATUS_OK);
    assert_int_equal(said.payload.size, 5000);
    for (size_t i = 0; i < said.payload.size; i++) {
        assert_int_equal(said.payload.bytes[i], 'a');
    }
    buffer_deinit(&wire);
    peer_deinit(&peer);
}

/* Whatever bytes come, there is a message or an error, and nothing is read or written astray. */
static void noise_never_harms(void **state) {
    uint64_t seed = 99;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char bytes[60];
        struct peer peer;
        struct buffer wire;
        buffer_init(&wire, 0);
        peer_init(&peer, WS_SERVER, round % 2 ? &alone : &keeping, 2000);
        for (int i = 0; i < 3; i++) {
            size_t size = next_random(&seed) % sizeof bytes;
            for (size_t at = 0; at < size; at++) {
                bytes[at] = (char)next_random(&seed);
            }
            unsigned first = WS_FIN | WS_RSV1 | WS_OP_BINARY;
            put_frame(&wire, WS_SERVER, &(struct frame_spec){first, {bytes, size}, 0});
        }
        feed(&peer, buffer_slice(&wire));
        assert_true(peer.heard.size > 0);
        buffer_deinit(&wire);
        peer_deinit(&peer);
    }
}

/* ---- memory -----------------------------------------------------------------------------------
 */

struct attempt {
    enum ws_event event;
    unsigned code;
    enum status compressed;
};

/* Reads one compressed message and compresses another on a fresh connection and worker. */
static struct attempt attempt(const struct ws_compression *compression, struct slice wire) {
    struct attempt made = {WS_MORE, 0, STATUS_NO_MEMORY};
    uint8_t bytes[64];
    char text[200];
    struct ws ws;
    struct ws_message said;
    struct slice out;
    struct ws_deflater *deflater = ws_deflater_new();
    if (!deflater) {
        return made;
    }
    memset(text, 'a', sizeof text);
    memcpy(bytes, wire.bytes, wire.size);
    struct ws_input input = {bytes, bytes + wire.size, deflater};
    ws_init(&ws, WS_SERVER, compression, MAX_MESSAGE);
    made.event = ws_next(&ws, &input, &said);
    made.code = made.event == WS_ERROR ? said.code : 0;
    made.compressed = ws_compress(&ws, deflater, (struct slice){text, sizeof text}, &out);
    ws_deinit(&ws);
    ws_deflater_free(deflater);
    return made;
}

static void without_memory_reading_fails_with_1011_and_sending_may_go_plain(void **state) {
    const struct ws_compression *kinds[] = {&alone, &keeping};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct attempt made = {0};
        struct buffer wire;
        unsigned failures = 0;
        buffer_init(&wire, 0);
        put_frame(&wire, WS_SERVER, &(struct frame_spec){COMPRESSED, S(HELLO), 0});
        FAIL_EACH_ALLOCATION(
            {
                made = attempt(kinds[i], buffer_slice(&wire));
                failures += made.code == WS_INTERNAL;
                assert_true(made.event != WS_ERROR || made.code == WS_INTERNAL);
                assert_true(made.compressed == STATUS_OK || made.compressed == STATUS_NO_MEMORY);
            },
            made.event == WS_MESSAGE && made.compressed == STATUS_OK);
        assert_true(failures > 1);
        buffer_deinit(&wire);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc_and_their_faults_are_told_apart),
        cmocka_unit_test(inflating_stops_exactly_at_the_bound),
        cmocka_unit_test(a_last_block_that_ends_the_message_is_bounded_too),
        cmocka_unit_test(empty_blocks_without_end_are_too_big_on_the_wire),
        cmocka_unit_test(many_last_blocks_are_read_in_one_pass),
        cmocka_unit_test(both_roles_understand_each_other_with_every_window_and_takeover),
        cmocka_unit_test(what_is_compressed_keeps_to_the_agreed_window),
        cmocka_unit_test(what_gains_nothing_is_sent_as_it_is),
        cmocka_unit_test(an_echo_may_compress_what_was_inflated),
        cmocka_unit_test(noise_never_harms),
        cmocka_unit_test(without_memory_reading_fails_with_1011_and_sending_may_go_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
