/* Bytes over TLS: handshakes in whole and in splinters, data, ends, pressure, pausing. */
#include "net/tls_inside.h"
#include "tests/unit/net/tls_lab.h"

static void write_to(struct lab_end *end, struct slice bytes) {
    assert_int_equal(net_write(&end->stream, &bytes, 1), STATUS_OK);
}

static struct slice pattern(size_t size) {
    char *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(i * 7 + i / 251);
    }
    return (struct slice){bytes, size};
}

static void a_handshake_gives_a_stream_that_echoes(void **state) {
    struct lab *lab = *state;
    lab_open(lab);
    lab->server.echoes = true;
    write_to(&lab->client, SLICE("hello"));
    LAB_UNTIL(lab, lab->client.got.size == 5);
    assert_memory_equal(lab->client.got.bytes, "hello", 5);
    assert_true(net_stream_is_tls(&lab->client.stream));
    assert_non_null(net_tls_version(&lab->client.stream));
    assert_string_equal(net_tls_version(&lab->client.stream), net_tls_version(&lab->server.stream));
    assert_int_equal(lab->client.answers, 1);
    assert_int_equal(lab->server.answers, 1);
}

static void bytes_are_counted_before_they_are_encrypted(void **state) {
    struct lab *lab = *state;
    struct net_counters counters = {0};
    lab->server.stream.counters = &counters;
    lab_open(lab);
    lab->server.echoes = true;
    write_to(&lab->client, SLICE("12345678"));
    LAB_UNTIL(lab, lab->client.got.size == 8);
    assert_int_equal(counters.bytes_in, 8);
    assert_int_equal(counters.bytes_out, 8);
}

static void nothing_that_is_sent_can_be_read_on_the_wire(void **state) {
    struct lab *lab = *state;
    uint8_t wire[4096];
    lab_open(lab);
    lab->is_cut = true;
    write_to(&lab->client, SLICE("a secret that nobody reads"));
    LAB_UNTIL(lab, recv(lab->client.wire, wire, sizeof(wire), MSG_PEEK) > 0);
    ssize_t size = recv(lab->client.wire, wire, sizeof(wire), MSG_PEEK);
    assert_true(size > 26);
    assert_null(memmem(wire, (size_t)size, "secret", 6));
    lab->is_cut = false;
    LAB_UNTIL(lab, lab->server.got.size == 26);
}

static void records_may_come_byte_by_byte(void **state) {
    struct lab *lab = *state;
    lab->step_bytes = 1;
    lab_open(lab);
    lab->server.echoes = true;
    write_to(&lab->client, SLICE("splinters"));
    LAB_UNTIL(lab, lab->client.got.size == 9);
    assert_memory_equal(lab->client.got.bytes, "splinters", 9);
}

static void records_may_be_cut_anywhere(void **state) {
    struct lab *lab = *state;
    struct slice sent = pattern(2000);
    lab_open(lab);
    lab->server.echoes = true;
    for (size_t step = 2; step < 40; step++) {
        lab->client.got.size = 0;
        lab->step_bytes = step;
        write_to(&lab->client, sent);
        LAB_UNTIL(lab, lab->client.got.size == sent.size);
        assert_memory_equal(lab->client.got.bytes, sent.bytes, sent.size);
    }
    free((char *)sent.bytes);
}

static void megabytes_arrive_whole_and_in_order(void **state) {
    struct lab *lab = *state;
    struct slice sent = pattern(3 * 1024 * 1024 + 17);
    lab_open(lab);
    lab->server.echoes = true;
    write_to(&lab->client, sent);
    LAB_UNTIL(lab, lab->client.got.size == sent.size);
    assert_memory_equal(lab->client.got.bytes, sent.bytes, sent.size);
    assert_int_equal(net_backlog(&lab->client.stream), 0);
    free((char *)sent.bytes);
}

static void many_small_frames_arrive_in_order(void **state) {
    struct lab *lab = *state;
    lab_open(lab);
    for (unsigned i = 0; i < 3000; i++) {
        struct net_frame *frame = net_frame_new(200);
        memset(frame->bytes, (int)(i & 255), frame->size);
        assert_int_equal(net_write_frame(&lab->client.stream, frame), STATUS_OK);
        net_frame_unref(frame);
        if (i % 100 == 0) {
            lab_turn(lab);
        }
    }
    LAB_UNTIL(lab, lab->server.got.size == 600000);
    for (size_t i = 0; i < 600000; i++) {
        assert_int_equal((uint8_t)lab->server.got.bytes[i], i / 200 & 255);
    }
}

static void a_wire_that_takes_nothing_makes_a_backlog_that_drains_later(void **state) {
    struct lab *lab = *state;
    struct slice sent = pattern(2 * 1024 * 1024);
    lab_open(lab);
    lab->is_cut = true;
    write_to(&lab->client, sent);
    for (int i = 0; i < 20; i++) {
        lab_turn(lab);
    }
    assert_true(net_backlog(&lab->client.stream) > 1024 * 1024);
    write_to(&lab->client, SLICE("the end"));
    lab->is_cut = false;
    LAB_UNTIL(lab, lab->server.got.size == sent.size + 7);
    assert_memory_equal(lab->server.got.bytes, sent.bytes, sent.size);
    assert_memory_equal(lab->server.got.bytes + sent.size, "the end", 7);
    assert_true(lab->client.events[NET_SENT] > 0);
    free((char *)sent.bytes);
}

static void what_comes_with_the_end_of_the_handshake_is_read(void **state) {
    struct lab *lab = *state;
    lab->client.hello = "at once";
    lab_open(lab);
    LAB_UNTIL(lab, lab->server.got.size == 7);
    assert_memory_equal(lab->server.got.bytes, "at once", 7);
}

static void a_paused_stream_reads_on_where_it_was(void **state) {
    struct lab *lab = *state;
    struct slice sent = pattern(700000);
    lab_open(lab);
    lab->server.pauses_at = 1;
    write_to(&lab->client, sent);
    LAB_UNTIL(lab, lab->server.got.size > 0);
    size_t before = lab->server.got.size;
    for (int i = 0; i < 20; i++) {
        lab_turn(lab);
    }
    assert_int_equal(lab->server.got.size, before);
    lab->server.pauses_at = 0;
    net_stream_resume(&lab->server.stream);
    LAB_UNTIL(lab, lab->server.got.size == sent.size);
    assert_memory_equal(lab->server.got.bytes, sent.bytes, sent.size);
    free((char *)sent.bytes);
}

static void a_stream_paused_at_the_end_of_the_handshake_keeps_what_came_with_it(void **state) {
    struct lab *lab = *state;
    lab->client.hello = "early";
    lab_begin(lab, &(struct lab_shake){.client_authority = "ca"});
    LAB_UNTIL(lab, lab->client.answers);
    lab->server.pauses_at = 1;
    LAB_UNTIL(lab, lab->server.answers);
    net_stream_pause(&lab->server.stream);
    size_t before = lab->server.got.size;
    for (int i = 0; i < 20; i++) {
        lab_turn(lab);
    }
    assert_int_equal(lab->server.got.size, before);
    net_stream_resume(&lab->server.stream);
    LAB_UNTIL(lab, lab->server.got.size == 5);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void finishing_says_goodbye_after_the_last_byte(void **state) {
    struct lab *lab = *state;
    struct slice sent = pattern(500000);
    lab_open(lab);
    write_to(&lab->client, sent);
    net_stream_finish(&lab->client.stream, 5000);
    LAB_UNTIL(lab, lab->server.events[NET_END]);
    assert_int_equal(lab->server.got.size, sent.size);
    assert_memory_equal(lab->server.got.bytes, sent.bytes, sent.size);
    assert_int_equal(lab->server.events[NET_ERROR], 0);
    net_stream_finish(&lab->server.stream, 5000);
    LAB_UNTIL(lab, lab->client.is_closed && lab->server.is_closed);
    free((char *)sent.bytes);
}

static void after_the_peers_goodbye_an_answer_can_still_be_sent(void **state) {
    struct lab *lab = *state;
    lab_open(lab);
    /* Only our half is shut: a stream that finishes would throw the answer away. */
    lab->client.stream.layer->shutdown(lab->client.stream.layer, lab->client.stream.source.fd);
    LAB_UNTIL(lab, lab->server.events[NET_END]);
    write_to(&lab->server, SLICE("the answer"));
    LAB_UNTIL(lab, lab->client.got.size == 10);
    net_stream_finish(&lab->server.stream, 1000);
    LAB_UNTIL(lab, lab->client.events[NET_END]);
    assert_int_equal(lab->client.events[NET_ERROR], 0);
}

static void a_goodbye_waits_for_a_wire_that_takes_nothing(void **state) {
    struct lab *lab = *state;
    uint8_t filler[4096] = {0};
    lab_open(lab);
    lab->is_cut = true;
    size_t filled = 0;
    for (ssize_t sent; (sent = send(lab->client.stream.source.fd, filler, 1, MSG_NOSIGNAL)) > 0;) {
        filled += (size_t)sent;
    }
    net_stream_finish(&lab->client.stream, 5000);
    for (int i = 0; i < 10; i++) {
        lab_turn(lab);
    }
    assert_int_equal(lab->client.stream.state, NET_FINISHING);
    while (filled > 0) {
        ssize_t got =
            recv(lab->client.wire, filler, filled < sizeof(filler) ? filled : sizeof(filler), 0);
        assert_true(got > 0);
        filled -= (size_t)got;
    }
    lab->is_cut = false;
    LAB_UNTIL(lab, lab->server.events[NET_END]);
    assert_int_equal(lab->server.events[NET_ERROR], 0);
}

/* An attacker can cut a connection: without close_notify the stream is lost. proves S3 */
static void an_end_without_goodbye_is_lost(void **state) {
    struct lab *lab = *state;
    lab_open(lab);
    write_to(&lab->client, SLICE("half"));
    LAB_UNTIL(lab, lab->server.got.size == 4);
    net_stream_close(&lab->client.stream);
    LAB_UNTIL(lab, lab->server.is_closed);
    assert_int_equal(lab->server.events[NET_ERROR], 1);
    assert_int_equal(lab->server.events[NET_END], 0);
    assert_int_equal(lab->server.stream.error, ECONNRESET);
}

static void a_record_cut_by_the_end_is_lost(void **state) {
    struct lab *lab = *state;
    uint8_t bytes[100];
    lab_open(lab);
    lab->is_cut = true;
    write_to(&lab->client, SLICE("a record that stays incomplete"));
    LAB_UNTIL(lab, recv(lab->client.wire, bytes, 20, MSG_PEEK) == 20);
    assert_int_equal(recv(lab->client.wire, bytes, 20, 0), 20);
    assert_int_equal(send(lab->server.wire, bytes, 20, 0), 20);
    assert_int_equal(shutdown(lab->server.wire, SHUT_WR), 0);
    LAB_UNTIL(lab, lab->server.is_closed);
    assert_int_equal(lab->server.got.size, 0);
    assert_int_equal(lab->server.stream.error, ECONNRESET);
}

static void a_damaged_record_ends_the_stream(void **state) {
    struct lab *lab = *state;
    uint8_t bytes[200];
    lab_open(lab);
    lab->is_cut = true;
    write_to(&lab->client, SLICE("damaged on its way"));
    LAB_UNTIL(lab, recv(lab->client.wire, bytes, sizeof(bytes), MSG_PEEK) > 0);
    ssize_t size = recv(lab->client.wire, bytes, sizeof(bytes), 0);
    bytes[size - 1] ^= 1;
    assert_int_equal(send(lab->server.wire, bytes, (size_t)size, 0), size);
    LAB_UNTIL(lab, lab->server.is_closed);
    assert_int_equal(lab->server.got.size, 0);
    assert_int_equal(lab->server.stream.error, EPROTO);
}

/* A peer without a stream, since a stream writes no empty records. */
struct peer {
    mbedtls_ssl_context ssl;
    struct net_tls_config *config;
};

static int peer_send(void *context, const unsigned char *bytes, size_t size) {
    struct lab *lab = context;
    ssize_t sent = send(lab->server.wire, bytes, size, MSG_NOSIGNAL);
    return sent < 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : (int)sent;
}

static int peer_recv(void *context, unsigned char *bytes, size_t size) {
    struct lab *lab = context;
    ssize_t got = recv(lab->server.wire, bytes, size, 0);
    return got < 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)got;
}

static void peer_open(struct peer *peer, struct lab *lab) {
    struct net_tls_config *server = lab_config(lab, true, "server", NULL);
    peer->config = lab_config(lab, false, NULL, NULL);
    lab->is_cut = true; /* the wire is the peer's */
    mbedtls_ssl_init(&peer->ssl);
    assert_int_equal(mbedtls_ssl_setup(&peer->ssl, &peer->config->ssl), 0);
    assert_int_equal(mbedtls_ssl_set_hostname(&peer->ssl, "localhost"), 0);
    mbedtls_ssl_set_bio(&peer->ssl, lab, peer_send, peer_recv, NULL);
    assert_int_equal(net_tls_accept(&lab->server.stream, server, lab_on_tls), STATUS_OK);
    net_tls_config_unref(server);
    LAB_UNTIL(lab, tls_version__handshake(&peer->ssl) == 0);
    LAB_UNTIL(lab, lab->server.answers);
    assert_string_equal(lab->server.why, "");
}

static void peer_write(struct peer *peer, const char *text) {
    int size = (int)strlen(text);
    assert_int_equal(mbedtls_ssl_write(&peer->ssl, (const uint8_t *)text, (size_t)size), size);
}

/* `turns` for each record: 0 has them all come at once. */
static void peer_write_empty(struct peer *peer, struct lab *lab, unsigned count, unsigned turns) {
    for (unsigned i = 0; i < count; i++) {
        peer_write(peer, "");
        for (unsigned turn = 0; turn < turns; turn++) {
            lab_turn(lab);
        }
    }
}

/* As many as mbedTLS takes in a row. */
static void empty_records_are_passed_over(void **state) {
    struct lab *lab = *state;
    struct peer peer;
    peer_open(&peer, lab);
    for (unsigned i = 0; i < 6; i++) {
        peer_write_empty(&peer, lab, 1 + i % 3, i < 3 ? 0 : 10);
        peer_write(&peer, "text");
        LAB_UNTIL(lab, lab->server.got.size == 4 * (i + 1) || lab->server.is_closed);
        assert_false(lab->server.is_closed);
    }
    peer_write_empty(&peer, lab, 2, 0);
    assert_int_equal(mbedtls_ssl_close_notify(&peer.ssl), 0);
    LAB_UNTIL(lab, lab->server.events[NET_END] || lab->server.is_closed);
    assert_int_equal(lab->server.events[NET_END], 1);
    assert_int_equal(lab->server.events[NET_ERROR], 0);
    mbedtls_ssl_free(&peer.ssl);
    net_tls_config_unref(peer.config);
}

static void a_stream_may_be_closed_at_any_point_of_its_handshake(void **state) {
    struct lab *lab = *state;
    for (size_t limit = 0; limit < 3000; limit += 97) {
        lab->step_bytes = 97;
        lab_begin(lab, &(struct lab_shake){.client_authority = "ca"});
        LAB_UNTIL(lab, lab->carried[0] + lab->carried[1] >= limit || lab->server.answers);
        int answers = lab->server.answers;
        net_stream_close(&lab->server.stream);
        LAB_UNTIL(lab, lab->server.is_closed);
        assert_int_equal(lab->server.answers, answers);
        net_stream_close(&lab->client.stream);
        lab_tear_down(state);
        lab_set_up(state);
    }
}

static void a_handshake_whose_peer_goes_says_so(void **state) {
    struct lab *lab = *state;
    lab_begin(lab, &(struct lab_shake){.client_authority = "ca"});
    LAB_UNTIL(lab, lab->carried[0] > 0);
    lab->is_cut = true;
    lab_close_wire(&lab->client);
    LAB_UNTIL(lab, lab->client.answers || lab->client.events[NET_ERROR]);
    assert_int_equal(lab->client.answers + lab->client.events[NET_ERROR], 1);
    assert_int_not_equal(lab->client.status, STATUS_OK);
}

/* proves S3 */
static void plain_text_is_told_apart_and_can_be_answered_in_plain_text(void **state) {
    struct lab *lab = *state;
    char bytes[64];
    struct net_tls_config *config = lab_config(lab, true, "server", NULL);
    lab->is_cut = true;
    assert_int_equal(net_tls_accept(&lab->server.stream, config, lab_on_tls), STATUS_OK);
    net_tls_config_unref(config);
    assert_int_equal(send(lab->server.wire, "GET / HTTP/1.1\r\n", 16, 0), 16);
    LAB_UNTIL(lab, lab->server.answers);
    assert_int_equal(lab->server.status, STATUS_SYNTAX);
    assert_string_equal(lab->server.why, "the peer does not speak TLS");
    LAB_UNTIL(lab, recv(lab->server.wire, bytes, sizeof(bytes), MSG_PEEK) == 0);
}

static void answer_plainly(struct net_stream *stream, enum status status, const char *why) {
    struct slice answer = SLICE("HTTP/1.1 400 Bad Request\r\n\r\n");
    lab_on_tls(stream, STATUS_OK, why);
    assert_int_equal(status, STATUS_SYNTAX);
    assert_int_equal(net_write(stream, &answer, 1), STATUS_OK);
    net_stream_finish(stream, 1000);
}

static void a_plain_answer_reaches_a_plain_peer(void **state) {
    struct lab *lab = *state;
    char bytes[64];
    struct net_tls_config *config = lab_config(lab, true, "server", NULL);
    lab->is_cut = true;
    assert_int_equal(net_tls_accept(&lab->server.stream, config, answer_plainly), STATUS_OK);
    net_tls_config_unref(config);
    assert_int_equal(send(lab->server.wire, "GET / HTTP/1.1\r\n", 16, 0), 16);
    LAB_UNTIL(lab, recv(lab->server.wire, bytes, sizeof(bytes), MSG_PEEK) > 0);
    assert_int_equal(recv(lab->server.wire, bytes, sizeof(bytes), 0), 28);
    assert_memory_equal(bytes, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

static void rubbish_that_begins_like_tls_is_refused_with_an_alert(void **state) {
    struct lab *lab = *state;
    uint8_t bytes[64];
    struct net_tls_config *config = lab_config(lab, true, "server", NULL);
    lab->is_cut = true;
    assert_int_equal(net_tls_accept(&lab->server.stream, config, lab_on_tls), STATUS_OK);
    net_tls_config_unref(config);
    assert_int_equal(send(lab->server.wire, "\x16\x03\x01\x00\x04\x63\x00\x00\x00", 9, 0), 9);
    LAB_UNTIL(lab, lab->server.answers);
    assert_int_equal(lab->server.status, STATUS_PROTOCOL);
    assert_true(strlen(lab->server.why) > 0);
    LAB_UNTIL(lab, recv(lab->server.wire, bytes, sizeof(bytes), MSG_PEEK) >= 0);
}

static void without_a_pool_there_is_no_tls(void **state) {
    struct lab *lab = *state;
    struct net_loop *loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    struct net_tls_config *config = lab_config(lab, true, "server", NULL);
    struct lab_end end = {.answers = 0};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(net_stream_open(loop, &end.stream, fds[0], lab_on_event), STATUS_OK);
    assert_int_equal(net_tls_accept(&end.stream, config, lab_on_tls), STATUS_UNSUPPORTED);
    assert_false(net_stream_is_tls(&end.stream));
    net_tls_config_unref(config);
    net_stream_close(&end.stream);
    net_loop_turn(loop, 0);
    assert_true(end.is_closed);
    net_loop_free(loop);
    close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_set_up, lab_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_handshake_gives_a_stream_that_echoes),
        TEST(bytes_are_counted_before_they_are_encrypted),
        TEST(nothing_that_is_sent_can_be_read_on_the_wire),
        TEST(records_may_come_byte_by_byte),
        TEST(records_may_be_cut_anywhere),
        TEST(megabytes_arrive_whole_and_in_order),
        TEST(many_small_frames_arrive_in_order),
        TEST(a_wire_that_takes_nothing_makes_a_backlog_that_drains_later),
        TEST(what_comes_with_the_end_of_the_handshake_is_read),
        TEST(a_paused_stream_reads_on_where_it_was),
        TEST(a_stream_paused_at_the_end_of_the_handshake_keeps_what_came_with_it),
        TEST(finishing_says_goodbye_after_the_last_byte),
        TEST(after_the_peers_goodbye_an_answer_can_still_be_sent),
        TEST(a_goodbye_waits_for_a_wire_that_takes_nothing),
        TEST(an_end_without_goodbye_is_lost),
        TEST(a_record_cut_by_the_end_is_lost),
        TEST(a_damaged_record_ends_the_stream),
        TEST(empty_records_are_passed_over),
        TEST(a_stream_may_be_closed_at_any_point_of_its_handshake),
        TEST(a_handshake_whose_peer_goes_says_so),
        TEST(plain_text_is_told_apart_and_can_be_answered_in_plain_text),
        TEST(a_plain_answer_reaches_a_plain_peer),
        TEST(rubbish_that_begins_like_tls_is_refused_with_an_alert),
        TEST(without_a_pool_there_is_no_tls),
    };
    return cmocka_run_group_tests(tests, lab_set_up_group, lab_tear_down_group);
}
