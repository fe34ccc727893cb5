/* Masking by words against the plain loop of RFC 6455 section 5.3, and frame headers. */
#include "tests/unit/cmocka_all.h"
#include "ws/mask.h"
#include "ws/ws.h"

static const uint8_t mask[WS_MASK_SIZE] = {0x11, 0x2e, 0x73, 0x5c};

static void every_size_and_place_is_masked_like_byte_by_byte(void **state) {
    uint8_t from[400], to[400], again[400];
    (void)state;
    for (size_t i = 0; i < sizeof from; i++) {
        from[i] = (uint8_t)(i * 7 + 3);
    }
    for (size_t size = 0; size < 300; size++) {
        for (size_t offset = 0; offset < 17; offset++) {
            memset(to, 0xaa, sizeof to);
            memcpy(again, from, sizeof again);
            ws_mask(to + offset, from + offset, size, mask);
            ws_mask(again + offset, again + offset, size, mask);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(to[offset + i], from[offset + i] ^ mask[i & 3]);
                assert_int_equal(again[offset + i], to[offset + i]);
            }
            assert_int_equal(to[offset + size], 0xaa);
            assert_int_equal(again[offset + size], from[offset + size]);
        }
    }
}

static void a_turned_key_goes_on_where_the_piece_before_ended(void **state) {
    uint8_t whole[64] = {0}, pieces[64] = {0};
    (void)state;
    ws_mask(whole, whole, sizeof whole, mask);
    for (size_t cut = 0; cut <= sizeof pieces; cut++) {
        uint64_t key = ws__mask_key(mask);
        memset(pieces, 0, sizeof pieces);
        (void)ws__mask(pieces, pieces, cut, key);
        (void)ws__mask(pieces + cut, pieces + cut, sizeof pieces - cut, ws__mask_turn(key, cut));
        assert_memory_equal(pieces, whole, sizeof whole);
    }
}

static void one_byte_beyond_ascii_is_noticed_wherever_it_is(void **state) {
    uint8_t bytes[200];
    (void)state;
    for (size_t size = 0; size < sizeof bytes; size++) {
        memset(bytes, 'a', sizeof bytes);
        ws_mask(bytes, bytes, size, mask);
        assert_true(ws__mask(bytes, bytes, size, ws__mask_key(mask)));
        for (size_t at = 0; at < size; at++) {
            bytes[at] = 0x80;
            ws_mask(bytes, bytes, size, mask);
            assert_false(ws__mask(bytes, bytes, size, ws__mask_key(mask)));
            bytes[at] = 'a';
        }
    }
}

static void a_header_has_the_shortest_form_of_its_size(void **state) {
    static const struct {
        uint64_t size;
        uint8_t bytes[10];
        size_t count;
    } cases[] = {
        {0, {0x81, 0}, 2},
        {125, {0x81, 125}, 2},
        {126, {0x81, 126, 0, 126}, 4},
        {65535, {0x81, 126, 0xff, 0xff}, 4},
        {65536, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}, 10},
        {0x0123456789abcdef, {0x81, 127, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}, 10},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t out[WS_HEADER_MAX], first = WS_FIN | WS_OP_TEXT;
        assert_int_equal(ws_frame_header(out, first, cases[i].size, NULL), cases[i].count);
        assert_memory_equal(out, cases[i].bytes, cases[i].count);
        assert_int_equal(ws_frame_header(out, first, cases[i].size, mask), cases[i].count + 4);
        assert_int_equal(out[1], cases[i].bytes[1] | 0x80);
        assert_memory_equal(out + 2, cases[i].bytes + 2, cases[i].count - 2);
        assert_memory_equal(out + cases[i].count, mask, 4);
    }
}

static void a_close_payload_has_a_code_that_may_be_sent_and_a_short_utf8_reason(void **state) {
    static const unsigned bad[] = {0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 66536};
    char reason[WS_REASON_MAX + 1];
    uint8_t out[WS_CONTROL_MAX];
    (void)state;
    memset(reason, 'r', sizeof reason);
    assert_int_equal(ws_close_payload(out, 1000, SLICE("")), 2);
    assert_memory_equal(out, "\x03\xe8", 2);
    assert_int_equal(ws_close_payload(out, 4999, SLICE("bye")), 5);
    assert_memory_equal(out,
                        "\x13\x87"
                        "bye",
                        5);
    assert_int_equal(ws_close_payload(out, WS_NO_CODE, SLICE_NONE), 0);
    assert_int_equal(ws_close_payload(out, WS_NO_CODE, SLICE("why")), STATUS_RANGE);
    assert_int_equal(ws_close_payload(out, 1001, (struct slice){reason, WS_REASON_MAX}), 125);
    assert_int_equal(ws_close_payload(out, 1001, (struct slice){reason, WS_REASON_MAX + 1}),
                     STATUS_LIMIT);
    assert_int_equal(ws_close_payload(out, 1001, SLICE("\xe2\x82")), STATUS_SYNTAX);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(ws_close_payload(out, bad[i], SLICE("")), STATUS_RANGE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_and_place_is_masked_like_byte_by_byte),
        cmocka_unit_test(a_turned_key_goes_on_where_the_piece_before_ended),
        cmocka_unit_test(one_byte_beyond_ascii_is_noticed_wherever_it_is),
        cmocka_unit_test(a_header_has_the_shortest_form_of_its_size),
        cmocka_unit_test(a_close_payload_has_a_code_that_may_be_sent_and_a_short_utf8_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
