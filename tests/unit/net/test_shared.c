/* Frames for many streams: one range a stream and turn, in order with what is written beside them,
 * also where a socket takes only a part of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/net.h"

#define PEERS 3

struct receiver {
    struct net_stream stream;
    int peer;
    bool is_closed;
};
struct world {
    struct net_loop *loop;
    struct receiver receivers[PEERS];
};

static void on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    (void)data; /* the peers say nothing */
    if (event == NET_CLOSED) {
        CONTAINER_OF(stream, struct receiver, stream)->is_closed = true;
    } else if (event == NET_ERROR) {
        net_stream_close(stream);
    }
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    world->loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    assert_non_null(world->loop);
    for (size_t i = 0; i < PEERS; i++) {
        struct receiver *receiver = &world->receivers[i];
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        receiver->peer = fds[1];
        assert_int_equal(net_stream_open(world->loop, &receiver->stream, fds[0], on_event),
                         STATUS_OK);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    for (size_t i = 0; i < PEERS; i++) {
        net_stream_close(&world->receivers[i].stream);
    }
    for (int i = 0; i < 3; i++) {
        net_loop_turn(world->loop, 0);
    }
    for (size_t i = 0; i < PEERS; i++) {
        assert_true(world->receivers[i].is_closed);
        close(world->receivers[i].peer);
    }
    net_loop_free(world->loop);
    free(world);
    return 0;
}

static struct net_frame *frame_of(const char *text) {
    struct net_frame *frame = net_frame_new(strlen(text));
    assert_non_null(frame);
    memcpy(frame->bytes, text, strlen(text));
    return frame;
}

/* To the receivers whose bit is set. */
static void cast(struct world *world, const char *text, unsigned who) {
    struct net_frame *frame = frame_of(text);
    for (size_t i = 0; i < PEERS; i++) {
        if (who >> i & 1) {
            assert_int_equal(net_write_frame(&world->receivers[i].stream, frame), STATUS_OK);
        }
    }
    net_frame_unref(frame);
}

static void put(struct world *world, size_t who, const char *text) {
    struct slice bytes = slice_of(text);
    assert_int_equal(net_write(&world->receivers[who].stream, &bytes, 1), STATUS_OK);
}

static void expect(struct world *world, size_t who, const char *text) {
    char got[256];
    ssize_t size = recv(world->receivers[who].peer, got, sizeof(got) - 1, 0);
    got[size < 0 ? 0 : size] = '\0';
    assert_string_equal(got, text);
    assert_int_equal(net_backlog(&world->receivers[who].stream), 0);
}

static void frames_of_a_turn_arrive_in_order_at_each_receiver(void **state) {
    struct world *world = *state;
    cast(world, "one ", 7);
    cast(world, "two ", 7);
    assert_int_equal(net_backlog(&world->receivers[0].stream), 8);
    cast(world, "three", 7);
    net_loop_turn(world->loop, 0);
    for (size_t i = 0; i < PEERS; i++) {
        expect(world, i, "one two three");
    }
    cast(world, "later", 7);
    net_loop_turn(world->loop, 0);
    expect(world, 2, "later");
}

static void receivers_of_different_frames_get_theirs_alone(void **state) {
    struct world *world = *state;
    cast(world, "a", 7);
    cast(world, "b", 2); /* leaves a gap for the others */
    cast(world, "c", 5);
    cast(world, "d", 7);
    net_loop_turn(world->loop, 0);
    expect(world, 0, "acd");
    expect(world, 1, "abd");
    expect(world, 2, "acd");
}

static void writes_between_frames_keep_their_place(void **state) {
    struct world *world = *state;
    cast(world, "a", 3);
    put(world, 0, "b");
    cast(world, "c", 3);
    char *room = net_write_begin(&world->receivers[1].stream, 8);
    assert_non_null(room);
    memcpy(room, "d", 1);
    net_write_end(&world->receivers[1].stream, 1);
    cast(world, "e", 3);
    net_loop_turn(world->loop, 0);
    expect(world, 0, "abce");
    expect(world, 1, "acde");
}

static void a_frame_is_not_taken_for_a_new_one_at_its_address(void **state) {
    struct world *world = *state;
    for (char c = 'a'; c < 'k'; c++) {
        cast(world, (char[]){c, '\0'}, 1);
    }
    net_loop_turn(world->loop, 0);
    expect(world, 0, "abcdefghij");
}

static void a_flush_within_the_turn_sends_what_is_there(void **state) {
    struct world *world = *state;
    cast(world, "a", 3);
    net_flush(&world->receivers[0].stream);
    expect(world, 0, "a");
    cast(world, "b", 3);
    net_loop_turn(world->loop, 0);
    expect(world, 0, "b");
    expect(world, 1, "ab");
}

static void a_closed_receiver_drops_its_range(void **state) {
    struct world *world = *state;
    cast(world, "a", 7);
    net_stream_close(&world->receivers[0].stream);
    net_loop_turn(world->loop, 0);
    expect(world, 0, "");
    expect(world, 1, "a");
}

/* More than a socket takes, and more than the shared buffer holds: nothing is lost or mixed up. */
static void what_a_socket_does_not_take_waits_in_order(void **state) {
    struct world *world = *state;
    enum { SIZE = 4096, COUNT = 200 };
    static char text[SIZE + 1], got[1 << 16];
    for (int n = 0; n < COUNT; n++) {
        memset(text, 'a' + n % 26, SIZE);
        cast(world, text, 7);
        if (n % 16 == 15) {
            net_loop_turn(world->loop, 0);
        }
    }
    for (size_t i = 0; i < PEERS; i++) {
        size_t seen = 0;
        for (int idle = 0; seen < (size_t)SIZE * COUNT && idle < 1000; idle++) {
            ssize_t size = recv(world->receivers[i].peer, got, sizeof(got), 0);
            for (ssize_t k = 0; k < size; k++, seen++) {
                assert_int_equal(got[k], 'a' + (int)(seen / SIZE) % 26);
            }
            net_loop_turn(world->loop, 0);
        }
        assert_int_equal(seen, (size_t)SIZE * COUNT);
        assert_int_equal(net_backlog(&world->receivers[i].stream), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(frames_of_a_turn_arrive_in_order_at_each_receiver),
        TEST(receivers_of_different_frames_get_theirs_alone),
        TEST(writes_between_frames_keep_their_place),
        TEST(a_frame_is_not_taken_for_a_new_one_at_its_address),
        TEST(a_flush_within_the_turn_sends_what_is_there),
        TEST(a_closed_receiver_drops_its_range),
        TEST(what_a_socket_does_not_take_waits_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
