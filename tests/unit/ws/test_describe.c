/* Frames in words. */
#include "tests/unit/cmocka_all.h"

#include "ws/ws.h"

static void expect(bool is_sent, unsigned first, struct slice payload, const char *line) {
    char out[WS_SHOWN_MAX];
    assert_true(slice_is(ws_describe(is_sent, first, payload, out), line));
}

/* proves C13 */
static void a_frame_tells_direction_opcode_size_and_text(void **state) {
    (void)state;
    expect(true, WS_FIN | WS_OP_TEXT, SLICE("hello"), "sent text, 5 bytes: hello");
    expect(false, WS_OP_TEXT, SLICE(""), "received text, 0 bytes");
    expect(false, WS_OP_TEXT, SLICE("a\0b"), "received text, 3 bytes: a\\0b");
    expect(true, WS_FIN | WS_OP_BINARY, SLICE("abc"), "sent binary, 3 bytes");
    expect(true, WS_FIN | WS_RSV1 | WS_OP_TEXT, SLICE("abc"), "sent text, 3 bytes compressed");
    expect(false, WS_OP_PING, SLICE("p"), "received ping, 1 bytes");
    expect(true, WS_FIN | WS_OP_CLOSE, SLICE("\x03\xe8"), "sent close 1000");
    expect(false, WS_OP_CLOSE,
           SLICE("\x03\xe9"
                 "bye"),
           "received close 1001: bye");
    expect(false, WS_OP_CLOSE, SLICE(""), "received close, 0 bytes");
}

/* proves C13 */
static void long_texts_are_cut_between_characters(void **state) {
    (void)state;
    char text[1000], out[WS_SHOWN_MAX];
    memset(text, 'x', sizeof(text));
    memcpy(text + WS_SHOWN_BYTES - 2, "\xe2\x82\xac", 3);
    struct slice line = ws_describe(true, WS_OP_TEXT, (struct slice){text, sizeof(text)}, out);
    assert_int_equal(line.size, strlen("sent text, 1000 bytes: ") + WS_SHOWN_BYTES - 2 + 3);
    assert_true(slice_is_utf8(line));
    assert_true(slice_ends_with(line, SLICE("x...")));
    memset(text, 0, sizeof(text));
    line = ws_describe(false, WS_OP_TEXT, (struct slice){text, sizeof(text)}, out);
    assert_true(line.size < sizeof(out) && slice_ends_with(line, SLICE("\\0...")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_tells_direction_opcode_size_and_text),
        cmocka_unit_test(long_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
