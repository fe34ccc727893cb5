/* The rules of RFC 6455 as a table, ordered like the sections 1 to 7, 9 and 10 of the well-known
 * conformance suite, for both roles and in every cut. proves W13 */
#include "harness.h"

#define FRAMES_MAX  12
#define TEXT        (WS_FIN | WS_OP_TEXT)
#define BINARY      (WS_FIN | WS_OP_BINARY)
#define MORE        (WS_FIN | WS_OP_CONTINUATION)
#define CLOSE       (WS_FIN | WS_OP_CLOSE)
#define PING        (WS_FIN | WS_OP_PING)
#define PONG        (WS_FIN | WS_OP_PONG)
#define RSV(n)      ((unsigned)(n) << 4)
#define S(text)     SLICE(text)
#define KAPPA       "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" /* a Greek word */
#define KAPPA_HEARD "\\xce\\xba\\xe1\\xbd\\xb9\\xcf\\x83\\xce\\xbc\\xce\\xb5"

struct conformance_case {
    const char *name;
    struct frame_spec frames[FRAMES_MAX]; /* ends at first == 0 && bytes.bytes == NULL */
    const char *expected;
};

static const struct conformance_case framing_cases[] = {
    {"1.1.1 empty text", {{TEXT, S(""), 0}}, "T''"},
    {"1.1.2 text of 125", {{TEXT, S("*"), 125}}, "T'*'*125"},
    {"1.1.3 text of 126", {{TEXT, S("*"), 126}}, "T'*'*126"},
    {"1.1.4 text of 127", {{TEXT, S("*"), 127}}, "T'*'*127"},
    {"1.1.5 text of 128", {{TEXT, S("*"), 128}}, "T'*'*128"},
    {"1.1.6 text of 65535", {{TEXT, S("*"), 65535}}, "T'*'*65535"},
    {"1.1.7 text of 65536", {{TEXT, S("*"), 65536}}, "T'*'*65536"},
    {"1.2.1 empty binary", {{BINARY, S(""), 0}}, "B''"},
    {"1.2.2 binary of 125", {{BINARY, S("\xfe"), 125}}, "B'\xfe'*125"},
    {"1.2.3 binary of 126", {{BINARY, S("\xfe"), 126}}, "B'\xfe'*126"},
    {"1.2.4 binary of 127", {{BINARY, S("\xfe"), 127}}, "B'\xfe'*127"},
    {"1.2.5 binary of 128", {{BINARY, S("\xfe"), 128}}, "B'\xfe'*128"},
    {"1.2.6 binary of 65535", {{BINARY, S("\xfe"), 65535}}, "B'\xfe'*65535"},
    {"1.2.7 binary of 65536", {{BINARY, S("\xfe"), 65536}}, "B'\xfe'*65536"},
    {"1 several in one read",
     {{TEXT, S("a"), 0}, {BINARY, S("b\0"), 0}, {TEXT, S("c"), 300}},
     "T'a' B'b\\x00' T'c'*300"},
};

static const struct conformance_case ping_cases[] = {
    {"2.1 empty ping", {{PING, S(""), 0}}, "P''"},
    {"2.2 ping with text", {{PING, S("Hello, world!"), 0}}, "P'Hello, world!'"},
    {"2.3 ping with bytes", {{PING, S("\x00\xff\xfe\xfd"), 0}}, "P'\\x00\\xff\\xfe\\xfd'"},
    {"2.4 ping of 125", {{PING, S("\xfe"), 125}}, "P'\xfe'*125"},
    {"2.5 ping of 126", {{PING, S("\xfe"), 126}}, "E1002"},
    {"2.7 unasked empty pong", {{PONG, S(""), 0}}, "O''"},
    {"2.8 unasked pong", {{PONG, S("any"), 0}}, "O'any'"},
    {"2.9 pong then ping", {{PONG, S("any"), 0}, {PING, S("now"), 0}}, "O'any' P'now'"},
    {"2.10 ten pings",
     {{PING, S("0"), 0},
      {PING, S("1"), 0},
      {PING, S("2"), 0},
      {PING, S("3"), 0},
      {PING, S("4"), 0},
      {PING, S("5"), 0},
      {PING, S("6"), 0},
      {PING, S("7"), 0},
      {PING, S("8"), 0},
      {PING, S("9"), 0}},
     "P'0' P'1' P'2' P'3' P'4' P'5' P'6' P'7' P'8' P'9'"},
};

static const struct conformance_case reserved_cases[] = {
    {"3.1 rsv 1", {{TEXT | RSV(1), S("hi"), 0}}, "E1002"},
    {"3.2 rsv 2 after a message",
     {{TEXT, S("hi"), 0}, {TEXT | RSV(2), S("hi"), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
    {"3.3 rsv 3 after a message",
     {{TEXT, S("hi"), 0}, {TEXT | RSV(3), S("hi"), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
    {"3.4 rsv 4 after a message",
     {{TEXT, S("hi"), 0}, {TEXT | RSV(4), S("hi"), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
    {"3.5 rsv 5 on binary", {{BINARY | RSV(5), S("\xff"), 0}}, "E1002"},
    {"3.6 rsv 6 on a ping", {{PING | RSV(6), S("hi"), 0}}, "E1002"},
    {"3.7 rsv 7 on a close", {{CLOSE | RSV(7), S("\x03\xe8"), 0}}, "E1002"},
    {"3 rsv on a continuation", {{WS_OP_TEXT, S("a"), 0}, {MORE | RSV(4), S("b"), 0}}, "E1002"},
    {"4.1.1 opcode 3", {{WS_FIN | 3, S(""), 0}}, "E1002"},
    {"4.1.2 opcode 4", {{WS_FIN | 4, S("reserved"), 0}}, "E1002"},
    {"4.1.3 opcode 5",
     {{TEXT, S("hi"), 0}, {WS_FIN | 5, S(""), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
    {"4.1.4 opcode 6",
     {{TEXT, S("hi"), 0}, {WS_FIN | 6, S("reserved"), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
    {"4.1.5 opcode 7",
     {{TEXT, S("hi"), 0}, {WS_FIN | 7, S("reserved"), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
    {"4.2.1 opcode 11", {{WS_FIN | 11, S(""), 0}}, "E1002"},
    {"4.2.2 opcode 12", {{WS_FIN | 12, S("reserved"), 0}}, "E1002"},
    {"4.2.3 opcode 13",
     {{TEXT, S("hi"), 0}, {WS_FIN | 13, S(""), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
    {"4.2.4 opcode 14",
     {{TEXT, S("hi"), 0}, {WS_FIN | 14, S("reserved"), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
    {"4.2.5 opcode 15",
     {{TEXT, S("hi"), 0}, {WS_FIN | 15, S("reserved"), 0}, {PING, S(""), 0}},
     "T'hi' E1002"},
};

static const struct conformance_case fragment_cases[] = {
    {"5.1 fragmented ping", {{WS_OP_PING, S("a"), 0}, {MORE, S("b"), 0}}, "E1002"},
    {"5.2 fragmented pong", {{WS_OP_PONG, S("a"), 0}, {MORE, S("b"), 0}}, "E1002"},
    {"5.3 two fragments", {{WS_OP_TEXT, S("frag1"), 0}, {MORE, S("frag2"), 0}}, "T'frag1frag2'"},
    {"5.6 a ping between",
     {{WS_OP_TEXT, S("frag1"), 0}, {PING, S("now"), 0}, {MORE, S("frag2"), 0}},
     "P'now' T'frag1frag2'"},
    {"5.9 final continuation of nothing", {{MORE, S("none"), 0}, {TEXT, S("hi"), 0}}, "E1002"},
    {"5.12 open continuation of nothing",
     {{WS_OP_CONTINUATION, S("none"), 0}, {TEXT, S("hi"), 0}},
     "E1002"},
    {"5.15 a third fragment after the end",
     {{WS_OP_TEXT, S("a"), 0}, {MORE, S("b"), 0}, {0, S("none"), 0}, {TEXT, S("hi"), 0}},
     "T'ab' E1002"},
    {"5.16 continuation of nothing, open, then fragments",
     {{0, S("none"), 0}, {WS_OP_TEXT, S("a"), 0}, {MORE, S("b"), 0}},
     "E1002"},
    {"5.17 continuation of nothing, final, then fragments",
     {{MORE, S("none"), 0}, {WS_OP_TEXT, S("a"), 0}, {MORE, S("b"), 0}},
     "E1002"},
    {"5.18 both fragments are called text", {{WS_OP_TEXT, S("a"), 0}, {TEXT, S("b"), 0}}, "E1002"},
    {"5.19 five fragments, pings between and after",
     {{WS_OP_TEXT, S("f1"), 0},
      {0, S("f2"), 0},
      {PING, S("p1"), 0},
      {0, S("f3"), 0},
      {0, S("f4"), 0},
      {PING, S("p2"), 0},
      {MORE, S("f5"), 0},
      {PING, S("p3"), 0}},
     "P'p1' P'p2' T'f1f2f3f4f5' P'p3'"},
    {"5 binary fragments, a pong between, then a text",
     {{WS_OP_BINARY, S("\x80"), 3000},
      {PONG, S(""), 0},
      {MORE, S("\x80"), 3000},
      {TEXT, S("t"), 0}},
     "O'' B'\x80'*6000 T't'"},
    {"5 empty fragments of binary",
     {{WS_OP_BINARY, S(""), 0}, {0, S(""), 0}, {MORE, S(""), 0}, {TEXT, S(""), 0}},
     "B'' T''"},
};

static const struct conformance_case text_cases[] = {
    {"6.1.1 empty text", {{TEXT, S(""), 0}}, "T''"},
    {"6.1.2 three empty fragments",
     {{WS_OP_TEXT, S(""), 0}, {0, S(""), 0}, {MORE, S(""), 0}},
     "T''"},
    {"6.1.3 the middle one is not empty",
     {{WS_OP_TEXT, S(""), 0}, {0, S("middle"), 0}, {MORE, S(""), 0}},
     "T'middle'"},
    {"6.2.1 letters beyond ASCII", {{TEXT, S(KAPPA), 0}}, "T'" KAPPA_HEARD "'"},
    {"6.2.2 cut between letters",
     {{WS_OP_TEXT, S("\xce\xba\xe1\xbd\xb9"), 0}, {MORE, S("\xcf\x83\xce\xbc\xce\xb5"), 0}},
     "T'" KAPPA_HEARD "'"},
    {"6.2 cut inside of a letter",
     {{WS_OP_TEXT, S("\xce\xba\xe1"), 0},
      {PING, S("\xff"), 0},
      {0, S("\xbd"), 0},
      {MORE, S("\xb9\xcf\x83\xce\xbc\xce\xb5"), 0}},
     "P'\\xff' T'" KAPPA_HEARD "'"},
    {"6.3.1 a surrogate inside",
     {{TEXT,
       S(KAPPA "\xed\xa0\x80"
               "edited"),
       0}},
     "E1007"},
    {"6.4.1 a fragment beyond the last code point",
     {{WS_OP_TEXT, S(KAPPA), 0}, {0, S("\xf4\x90\x80\x80"), 0}, {MORE, S("edited"), 0}},
     "E1007"},
    {"6 the message ends inside of a letter",
     {{WS_OP_TEXT, S("a\xe2"), 0}, {MORE, S("\x82"), 0}},
     "E1007"},
    {"6 the state does not leak into the next message",
     {{WS_OP_BINARY, S("a\xe2"), 0}, {MORE, S("\x82"), 0}, {TEXT, S("b"), 0}},
     "B'a\\xe2\\x82' T'b'"},
};

static const struct conformance_case close_cases[] = {
    {"7.1.1 a message, then close",
     {{TEXT, S("hi"), 0}, {CLOSE, S("\x03\xe8"), 0}},
     "T'hi' C1000''"},
    {"7.1.2 two closes", {{CLOSE, S("\x03\xe8"), 0}, {CLOSE, S("\x03\xe8"), 0}}, "C1000''"},
    {"7.1.3 ping after close", {{CLOSE, S("\x03\xe8"), 0}, {PING, S(""), 0}}, "C1000''"},
    {"7.1.4 text after close", {{CLOSE, S("\x03\xe8"), 0}, {TEXT, S("hi"), 0}}, "C1000''"},
    {"7.1.5 close inside of a message",
     {{WS_OP_TEXT, S("a"), 0}, {CLOSE, S("\x03\xe8"), 0}, {MORE, S("b"), 0}},
     "C1000''"},
    {"7.1.6 256 KiB, close, ping",
     {{TEXT, S("*"), 262144}, {CLOSE, S("\x03\xe8"), 0}, {PING, S(""), 0}},
     "T'*'*262144 C1000''"},
    {"7.3.1 empty close", {{CLOSE, S(""), 0}}, "C1005''"},
    {"7.3.2 close of one byte", {{CLOSE, S("a"), 0}}, "E1002"},
    {"7.3.3 close with a code", {{CLOSE, S("\x03\xe8"), 0}}, "C1000''"},
    {"7.3.4 close with a reason",
     {{CLOSE,
       S("\x03\xe8"
         "bye"),
       0}},
     "C1000'bye'"},
    {"7.3.5 the longest reason", {{CLOSE, S("\x0f\x0f\x0f\x0f\x0f"), 25}}, "C3855'\x0f'*123"},
    {"7.3.6 a longer one", {{CLOSE, S("\x0f\x0f\x0f\x0f\x0f\x0f"), 21}}, "E1002"},
    {"7.5.1 a reason that is not UTF-8", {{CLOSE, S("\x03\xe8\xce\xba\xed\xa0\x80"), 0}}, "E1007"},
    {"7.5 a reason cut inside of a letter", {{CLOSE, S("\x03\xe8\xe2\x82"), 0}}, "E1007"},
};

static const struct conformance_case long_cases[] = {
    {"9.1 1 MiB of text", {{TEXT, S("*"), 1 << 20}}, "T'*'*1048576"},
    {"9.2 1 MiB of bytes", {{BINARY, S("\xfe"), 1 << 20}}, "B'\xfe'*1048576"},
    {"10 one byte above the bound", {{BINARY, S("\xfe"), (1 << 20) + 1}}, "E1009"},
    {"10 fragments above the bound",
     {{WS_OP_TEXT, S("*"), 1 << 19}, {PING, S(""), 0}, {0, S("*"), 1 << 19}, {MORE, S("*"), 1}},
     "P'' E1009"},
};

static void build(struct buffer *wire, const struct conformance_case *c, enum ws_role role) {
    buffer_init(wire, 0);
    for (size_t i = 0; i < FRAMES_MAX && (c->frames[i].first || c->frames[i].bytes.bytes); i++) {
        put_frame(wire, role, &c->frames[i]);
    }
}

static void run_cases(const struct conformance_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (int role = WS_SERVER; role <= WS_CLIENT; role++) {
            struct buffer wire;
            struct feeding how = {cases[i].name, (enum ws_role)role, NULL, MAX_MESSAGE,
                                  cases[i].expected};
            build(&wire, &cases[i], how.role);
            feed_all_ways(&how, buffer_slice(&wire));
            buffer_deinit(&wire);
        }
    }
}

static void messages_of_every_header_size_arrive_whole(void **state) {
    (void)state;
    run_cases(framing_cases, ARRAY_SIZE(framing_cases));
}
static void pings_and_pongs_are_reported_with_their_bytes(void **state) {
    (void)state;
    run_cases(ping_cases, ARRAY_SIZE(ping_cases));
}
static void reserved_bits_and_opcodes_are_protocol_errors(void **state) {
    (void)state;
    run_cases(reserved_cases, ARRAY_SIZE(reserved_cases));
}
static void fragments_make_one_message_with_control_frames_between(void **state) {
    (void)state;
    run_cases(fragment_cases, ARRAY_SIZE(fragment_cases));
}
static void text_must_be_utf8_however_it_is_cut(void **state) {
    (void)state;
    run_cases(text_cases, ARRAY_SIZE(text_cases));
}
static void nothing_is_reported_after_a_close(void **state) {
    (void)state;
    run_cases(close_cases, ARRAY_SIZE(close_cases));
}
static void messages_up_to_the_bound_arrive_and_above_it_fail(void **state) {
    (void)state;
    run_cases(long_cases, ARRAY_SIZE(long_cases));
}

static void fragments_of_any_size_make_the_same_message(void **state) {
    static const size_t sizes[] = {1, 2, 64, 125, 126, 1300, 65535};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct buffer wire;
        buffer_init(&wire, 0);
        for (size_t at = 0, size = 0; at < 65536; at += size) {
            size = 65536 - at < sizes[i] ? 65536 - at : sizes[i];
            unsigned first = (at == 0 ? WS_OP_TEXT : 0u) | (at + size == 65536 ? WS_FIN : 0u);
            put_frame(&wire, WS_SERVER, &(struct frame_spec){first, SLICE("*"), size});
        }
        struct feeding how = {"fragments", WS_SERVER, NULL, MAX_MESSAGE, "T'*'*65536"};
        feed_all_ways(&how, buffer_slice(&wire));
        buffer_deinit(&wire);
    }
}

static void close_codes_are_believed_only_where_the_rfc_allows_them(void **state) {
    static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                    1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    static const unsigned bad[] = {0,    1,    999,  1004, 1005, 1006,  1015,
                                   1016, 1100, 2000, 2999, 5000, 32768, 65535};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good) + ARRAY_SIZE(bad); i++) {
        bool is_good = i < ARRAY_SIZE(good);
        unsigned code = is_good ? good[i] : bad[i - ARRAY_SIZE(good)];
        char bytes[2] = {(char)(code >> 8), (char)code}, expected[16];
        struct conformance_case c = {"7.7 and 7.9", {{CLOSE, {bytes, 2}, 0}}, expected};
        (void)snprintf(expected, sizeof expected, is_good ? "C%u''" : "E1002", code);
        assert_int_equal(ws_code_is_valid(code), is_good);
        run_cases(&c, 1);
    }
}

/* ---- section 6, the letters -------------------------------------------------------------------
 */

static const struct slice good_texts[] = {
    S("hello$world"),
    S("hello\xc2\xa2world"),
    S("hello\xe2\x82\xacworld"),
    S("hello\xf0\xa4\xad\xa2world"),
    S(KAPPA),
    S("\x00"),
    S("\xc2\x80"),
    S("\xe0\xa0\x80"),
    S("\xf0\x90\x80\x80"),
    S("\x7f"),
    S("\xdf\xbf"),
    S("\xef\xbf\xbf"),
    S("\xf4\x8f\xbf\xbf"),
    S("\xed\x9f\xbf"),
    S("\xee\x80\x80"),
    S("\xef\xbf\xbd"),
    S("\xef\xbf\xbe"),
    S("\xf0\x9f\xbf\xbe"),
    S("\xf0\x9f\xbf\xbf"),
    S("\xf3\xbf\xbf\xbf"),
    S("\xef\xb7\x90"),
};
static const struct slice bad_texts[] = {
    S("\xce"),
    S("\xce\xba\xe1"),
    S("\xce\xba\xe1\xbd"),
    S("\xf0\x90\x80"),
    S("\xf8\x88\x80\x80\x80"),
    S("\xfc\x84\x80\x80\x80\x80"),
    S("\xf7\xbf\xbf\xbf"),
    S("\xfb\xbf\xbf\xbf\xbf"),
    S("\xfd\xbf\xbf\xbf\xbf\xbf"),
    S("\xf4\x90\x80\x80"),
    S("\x80"),
    S("\xbf"),
    S("\x80\xbf\x80\xbf\x80\xbf"),
    S("\xc0 \xc1 \xc2 \xdf "),
    S("\xe0 \xef "),
    S("\xf0 \xf7 "),
    S("\xf8 \xfb "),
    S("\xfc \xfd "),
    S("\xc0"),
    S("\xe0\x80"),
    S("\xf0\x80\x80"),
    S("\xdf"),
    S("\xef\xbf"),
    S("\xfe"),
    S("\xff"),
    S("\xfe\xfe\xff\xff"),
    S("\xc0\xaf"),
    S("\xe0\x80\xaf"),
    S("\xf0\x80\x80\xaf"),
    S("\xf8\x80\x80\x80\xaf"),
    S("\xc1\xbf"),
    S("\xe0\x9f\xbf"),
    S("\xf0\x8f\xbf\xbf"),
    S("\xc0\x80"),
    S("\xe0\x80\x80"),
    S("\xed\xa0\x80"),
    S("\xed\xad\xbf"),
    S("\xed\xae\x80"),
    S("\xed\xbf\xbf"),
    S("\xed\xa0\x80\xed\xb0\x80"),
    S("\xed\xad\xbf\xed\xbf\xbf"),
};

static void check_text(struct slice text, bool is_good) {
    struct buffer expected;
    struct conformance_case whole = {"whole text", {{TEXT, text, 0}}, NULL};
    struct conformance_case single = {.name = "fragments of one byte"};
    struct conformance_case padded = {"behind much ASCII",
                                      {{WS_OP_TEXT, S("*"), 100}, {MORE, text, 0}},
                                      is_good ? NULL : "E1007"};
    buffer_init(&expected, 0);
    if (is_good) {
        struct ws_message said = {.payload = text};
        hear(&expected, WS_MESSAGE, &said);
    } else {
        assert_int_equal(buffer_append(&expected, SLICE("E1007")), STATUS_OK);
    }
    assert_int_equal(buffer_append(&expected, (struct slice){"", 1}), STATUS_OK);
    whole.expected = single.expected = expected.bytes;
    run_cases(&whole, 1);
    if (!is_good) {
        run_cases(&padded, 1);
    }
    for (size_t i = 0; i < text.size && text.size <= FRAMES_MAX; i++) {
        unsigned first = (i == 0 ? WS_OP_TEXT : 0u) | (i + 1 == text.size ? WS_FIN : 0u);
        single.frames[i] = (struct frame_spec){first, {text.bytes + i, 1}, 0};
    }
    if (text.size <= FRAMES_MAX) {
        run_cases(&single, 1);
    }
    buffer_deinit(&expected);
}

static void every_kind_of_good_and_bad_text_is_told_apart(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good_texts); i++) {
        check_text(good_texts[i], true);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad_texts); i++) {
        check_text(bad_texts[i], false);
    }
}

/* Byte by byte, and the error must come with the byte that spoils the text, not later. */
static void bad_text_fails_at_its_first_impossible_byte(void **state) {
    static const struct {
        struct slice text;
        size_t bad_at;
    } cases[] = {
        {S("ok\xf4\x90\x80\x80"
           "edited"),
         3},
        {S("ok\xed\xa0\x80"
           "edited"),
         3},
        {S("\xe0\x80\x80more"), 1},
        {S("\xf0\x8f\xbf\xbfmore"), 1},
        {S("\xc0\x80more"), 0},
        {S("\xe2\x82more"), 2},
        {S("\xffmore"), 0},
        {S("\xf5more"), 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct peer peer;
        struct buffer wire;
        buffer_init(&wire, 0);
        peer_init(&peer, WS_SERVER, NULL, MAX_MESSAGE);
        put_frame(&wire, WS_SERVER, &(struct frame_spec){TEXT, cases[i].text, 0});
        for (size_t at = 0; at < wire.size; at++) {
            expect_heard(&peer, "before", at > 6 + cases[i].bad_at ? "E1007" : "");
            feed(&peer, (struct slice){wire.bytes + at, 1});
        }
        peer_deinit(&peer);
        buffer_deinit(&wire);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_header_size_arrive_whole),
        cmocka_unit_test(pings_and_pongs_are_reported_with_their_bytes),
        cmocka_unit_test(reserved_bits_and_opcodes_are_protocol_errors),
        cmocka_unit_test(fragments_make_one_message_with_control_frames_between),
        cmocka_unit_test(text_must_be_utf8_however_it_is_cut),
        cmocka_unit_test(nothing_is_reported_after_a_close),
        cmocka_unit_test(messages_up_to_the_bound_arrive_and_above_it_fail),
        cmocka_unit_test(fragments_of_any_size_make_the_same_message),
        cmocka_unit_test(close_codes_are_believed_only_where_the_rfc_allows_them),
        cmocka_unit_test(every_kind_of_good_and_bad_text_is_told_apart),
        cmocka_unit_test(bad_text_fails_at_its_first_impossible_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
