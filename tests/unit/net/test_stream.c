/* Streams over socket pairs: the cork, the queue, pressure, pausing, ends, lingering, and a layer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "net/net.h"

struct test_clock {
    struct clock clock;
    uint64_t ms;
};
static uint64_t mono_ns(const struct clock *clock) {
    return CONTAINER_OF(clock, struct test_clock, clock)->ms * 1000000;
}

struct world {
    struct test_clock clock;
    struct net_loop *loop;
    struct net_stream stream;
    int peer;
    int events[NET_CLOSED + 1];
    size_t received;
    char last[64];
    size_t echo_times; /* how often each input is written back */
    void (*on_data)(struct world *world);
    bool is_closed;
};

static void on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct world *world = CONTAINER_OF(stream, struct world, stream);
    world->events[event]++;
    if (event == NET_DATA) {
        struct slice bytes = {(char *)data.bytes, data.size};
        world->received += data.size;
        for (size_t i = 0; i < world->echo_times; i++) {
            (void)net_write(stream, &bytes, 1);
        }
        if (world->on_data) {
            world->on_data(world);
        }
    } else if (event == NET_ERROR) {
        net_stream_close(stream);
    } else if (event == NET_CLOSED) {
        world->is_closed = true;
    }
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    int fds[2];
    world->clock = (struct test_clock){.clock = {.mono_ns = mono_ns}, .ms = 5000};
    world->loop = net_loop_new(&(struct net_loop_options){.clock = &world->clock.clock});
    assert_non_null(world->loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    world->peer = fds[1];
    assert_int_equal(net_stream_open(world->loop, &world->stream, fds[0], on_event), STATUS_OK);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    net_stream_close(&world->stream);
    for (int i = 0; i < 3 && !world->is_closed; i++) {
        net_loop_turn(world->loop, 0);
    }
    assert_true(world->is_closed);
    assert_int_equal(world->events[NET_CLOSED], 1);
    net_loop_free(world->loop);
    close(world->peer);
    free(world);
    return 0;
}

static void say(struct world *world, const char *text) {
    assert_int_equal(send(world->peer, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* What the peer gets now, as text. */
static const char *hear(struct world *world) {
    static char got[1 << 16];
    ssize_t size = recv(world->peer, got, sizeof(got) - 1, 0);
    got[size < 0 ? 0 : size] = '\0';
    return got;
}

static void put(struct world *world, const char *text) {
    struct slice bytes = slice_of(text);
    assert_int_equal(net_write(&world->stream, &bytes, 1), STATUS_OK);
}

static void answers_gather_and_leave_with_the_handler(void **state) {
    struct world *world = *state;
    world->echo_times = 3;
    say(world, "abc");
    net_loop_turn(world->loop, 0);
    assert_string_equal(hear(world), "abcabcabc");
    assert_int_equal(world->stream.bytes_in, 3);
    assert_int_equal(world->stream.bytes_out, 9);
    assert_int_equal(net_backlog(&world->stream), 0);
}

static void what_is_written_at_other_times_leaves_when_the_turn_ends(void **state) {
    struct world *world = *state;
    put(world, "one ");
    put(world, "two");
    assert_int_equal(net_backlog(&world->stream), 7);
    assert_string_equal(hear(world), "");
    net_loop_turn(world->loop, -1);
    assert_string_equal(hear(world), "one two");
    assert_int_equal(net_backlog(&world->stream), 0);
}

static size_t drain_peer(struct world *world, bool turn) {
    static char sink[1 << 16];
    size_t total = 0;
    for (int idle = 0; idle < 3;) {
        ssize_t size = recv(world->peer, sink, sizeof(sink), 0);
        idle = size > 0 ? 0 : idle + 1;
        for (ssize_t i = 0; i < size; i++) {
            assert_int_equal((uint8_t)sink[i], (uint8_t)((total + (size_t)i) % 251));
        }
        total += size > 0 ? (size_t)size : 0;
        if (turn) {
            net_loop_turn(world->loop, 0);
        }
    }
    return total;
}

/* Bytes that tell their place, written in pieces of several sizes. */
static size_t write_pattern(struct world *world, size_t total) {
    static char bytes[300000];
    static const size_t sizes[] = {1, 100, 20000, 7, 70000, 900, 262144};
    size_t at = 0;
    for (size_t i = 0; at < total; i++) {
        size_t size = sizes[i % ARRAY_SIZE(sizes)];
        size = size < total - at ? size : total - at;
        for (size_t b = 0; b < size; b++) {
            bytes[b] = (char)((at + b) % 251);
        }
        struct slice parts[] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}};
        assert_int_equal(net_write(&world->stream, parts, 2), STATUS_OK);
        at += size;
    }
    return at;
}

static void what_the_kernel_does_not_take_waits_in_order(void **state) {
    struct world *world = *state;
    size_t total = write_pattern(world, 3000000);
    net_loop_turn(world->loop, 0);
    assert_true(net_backlog(&world->stream) > 0);
    assert_int_equal(net_backlog(&world->stream) + world->stream.bytes_out, total);
    assert_int_equal(drain_peer(world, true), total);
    assert_int_equal(net_backlog(&world->stream), 0);
    assert_true(world->events[NET_SENT] > 0);
    put(world, "after");
    net_loop_turn(world->loop, 0);
    assert_string_equal(hear(world), "after");
}

static void write_from_handler(struct world *world) { (void)write_pattern(world, 2000000); }

static void the_cork_and_the_queue_keep_the_order(void **state) {
    struct world *world = *state;
    world->on_data = write_from_handler;
    say(world, "go");
    net_loop_turn(world->loop, 0);
    assert_int_equal(drain_peer(world, true), 2000000);
}

static void room_is_written_in_place(struct world *world) {
    for (int i = 0; i < 40; i++) {
        char *room = net_write_begin(&world->stream, 10000);
        assert_non_null(room);
        memset(room, 'a' + i % 26, 10000);
        net_write_end(&world->stream, 5000);
    }
}

static void room_in_the_cork_and_in_the_queue(void **state) {
    struct world *world = *state;
    static char got[200001];
    size_t total = 0;
    world->on_data = room_is_written_in_place;
    say(world, "go");
    net_loop_turn(world->loop, 0);
    for (int i = 0; i < 100 && total < 200000; i++) {
        ssize_t size = recv(world->peer, got + total, 200000 - total, 0);
        total += size > 0 ? (size_t)size : 0;
        net_loop_turn(world->loop, 0);
    }
    assert_int_equal(total, 200000);
    for (size_t i = 0; i < total; i++) {
        assert_int_equal(got[i], 'a' + i / 5000 % 26);
    }
}

static void a_frame_is_shared_and_freed_by_the_last(void **state) {
    struct world *world = *state;
    struct net_frame *frame = net_frame_new(251 * 1000);
    for (size_t i = 0; i < frame->size; i++) {
        frame->bytes[i] = (uint8_t)(i % 251);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(net_write_frame(&world->stream, frame), STATUS_OK);
    }
    assert_int_equal(frame->refs, 11);
    assert_int_equal(drain_peer(world, true), 2510000);
    assert_int_equal(frame->refs, 1);
    net_frame_unref(frame);
}

static void a_paused_stream_is_not_read(void **state) {
    struct world *world = *state;
    net_stream_pause(&world->stream);
    say(world, "abc");
    net_loop_turn(world->loop, 0);
    net_loop_turn(world->loop, 0);
    assert_int_equal(world->received, 0);
    net_stream_resume(&world->stream);
    net_loop_turn(world->loop, 0);
    assert_int_equal(world->received, 3);
}

static void again_comes_in_the_next_turn(void **state) {
    struct world *world = *state;
    net_stream_again(&world->stream);
    net_stream_again(&world->stream);
    net_loop_turn(world->loop, 0);
    assert_int_equal(world->events[NET_AGAIN], 0);
    net_loop_turn(world->loop, -1); /* does not wait */
    assert_int_equal(world->events[NET_AGAIN], 1);
    net_loop_turn(world->loop, 0);
    assert_int_equal(world->events[NET_AGAIN], 1);
}

static void a_half_closed_peer_still_gets_what_is_written(void **state) {
    struct world *world = *state;
    say(world, "abc");
    shutdown(world->peer, SHUT_WR);
    net_loop_turn(world->loop, 0);
    net_loop_turn(world->loop, 0);
    net_loop_turn(world->loop, 0);
    assert_int_equal(world->received, 3);
    assert_int_equal(world->events[NET_END], 1);
    assert_int_equal(world->events[NET_ERROR], 0);
    put(world, "answer");
    net_loop_turn(world->loop, 0);
    assert_string_equal(hear(world), "answer");
}

static void a_lost_peer_is_told_once_also_while_paused(void **state) {
    struct world *world = *state;
    net_stream_pause(&world->stream);
    close(world->peer);
    world->peer = -1;
    for (int i = 0; i < 3; i++) {
        net_loop_turn(world->loop, 0);
    }
    assert_int_equal(world->events[NET_ERROR], 1);
    assert_true(world->is_closed);
    struct slice bytes = SLICE("late");
    assert_int_equal(net_write(&world->stream, &bytes, 1), STATUS_CLOSED);
}

static void the_timer_of_a_stream_fires(void **state) {
    struct world *world = *state;
    net_stream_timer(&world->stream, 100);
    world->clock.ms += 100;
    net_loop_turn(world->loop, 0);
    assert_int_equal(world->events[NET_TIMEOUT], 0); /* never early */
    world->clock.ms += 1;
    net_loop_turn(world->loop, 0);
    assert_int_equal(world->events[NET_TIMEOUT], 1);
}

static void finishing_sends_all_then_shuts_down_then_waits_for_the_peer(void **state) {
    struct world *world = *state;
    size_t total = write_pattern(world, 1000000);
    net_stream_finish(&world->stream, 1000);
    assert_int_equal(drain_peer(world, true), total);
    char byte;
    assert_int_equal(recv(world->peer, &byte, 1, 0), 0); /* the end, not a reset */
    say(world, "ignored");
    net_loop_turn(world->loop, 0);
    assert_false(world->is_closed);
    assert_int_equal(world->received, 0);
    shutdown(world->peer, SHUT_WR);
    net_loop_turn(world->loop, 0);
    net_loop_turn(world->loop, 0);
    assert_true(world->is_closed);
}

static void lingering_ends_after_two_seconds_or_64_kib(void **state) {
    struct world *world = *state;
    net_stream_finish(&world->stream, 1000);
    net_loop_turn(world->loop, 0);
    world->clock.ms += 1990;
    net_loop_turn(world->loop, 0);
    assert_false(world->is_closed);
    world->clock.ms += 20;
    net_loop_turn(world->loop, 0);
    assert_true(world->is_closed);
}

static void lingering_ends_after_64_kib(void **state) {
    struct world *world = *state;
    static char bytes[50000];
    net_stream_finish(&world->stream, 1000);
    net_loop_turn(world->loop, 0);
    assert_int_equal(send(world->peer, bytes, sizeof(bytes), 0), sizeof(bytes));
    net_loop_turn(world->loop, 0);
    assert_false(world->is_closed);
    assert_int_equal(send(world->peer, bytes, sizeof(bytes), 0), sizeof(bytes));
    net_loop_turn(world->loop, 0);
    assert_true(world->is_closed);
}

static void finishing_gives_up_when_nothing_moves(void **state) {
    struct world *world = *state;
    (void)write_pattern(world, 2000000);
    net_stream_finish(&world->stream, 3000);
    net_loop_turn(world->loop, 0);
    world->clock.ms += 4100;
    net_loop_turn(world->loop, 0);
    assert_true(world->is_closed);
}

static void close_in_handler(struct world *world) {
    put(world, "never sent");
    net_stream_close(&world->stream);
}

static void closing_in_the_handler_drops_the_cork(void **state) {
    struct world *world = *state;
    world->on_data = close_in_handler;
    say(world, "go");
    net_loop_turn(world->loop, 0);
    assert_true(world->is_closed);
    assert_string_equal(hear(world), "");
}

/* ---- a layer: what stands between is asked in place of the socket ------------------------------
 */
static ssize_t turn_bits(void *bytes, ssize_t size) {
    for (ssize_t i = 0; i < size; i++) {
        ((uint8_t *)bytes)[i] ^= 0x20;
    }
    return size;
}
static ssize_t layer_recv(struct net_layer *layer, int fd, void *bytes, size_t size) {
    (void)layer;
    return turn_bits(bytes, recv(fd, bytes, size, 0));
}
static ssize_t layer_send(struct net_layer *layer, int fd, const void *bytes, size_t size) {
    char copy[16]; /* takes little at once */
    (void)layer;
    if (size == 0) {
        return 0; /* it holds nothing itself */
    }
    size = size < sizeof(copy) ? size : sizeof(copy);
    memcpy(copy, bytes, size);
    turn_bits(copy, (ssize_t)size);
    return send(fd, copy, size, MSG_NOSIGNAL);
}
static bool layer_shutdown(struct net_layer *layer, int fd) {
    (void)layer;
    return send(fd, "!", 1, MSG_NOSIGNAL) == 1;
}
static int layers_freed;
static void layer_free(struct net_layer *layer) {
    (void)layer;
    layers_freed++;
}

static void a_layer_sees_all_bytes(void **state) {
    struct world *world = *state;
    struct net_layer layer = {
        .recv = layer_recv, .send = layer_send, .shutdown = layer_shutdown, .free = layer_free};
    world->stream.layer = &layer;
    world->echo_times = 2;
    layers_freed = 0;
    say(world, "HELLO WORLD, THIS IS LONGER");
    for (int i = 0; i < 4; i++) {
        net_loop_turn(world->loop, 0);
    }
    put(world, "X");
    net_stream_finish(&world->stream, 1000);
    net_loop_turn(world->loop, 0);
    assert_string_equal(hear(world), "HELLO WORLD, THIS IS LONGERHELLO WORLD, THIS IS LONGERx!");
    shutdown(world->peer, SHUT_WR);
    net_loop_turn(world->loop, 0);
    net_loop_turn(world->loop, 0);
    assert_int_equal(layers_freed, 1);
}

/* ---- watches -----------------------------------------------------------------------------------
 */
struct watched {
    struct net_watch watch;
    int calls;
};
static void on_watch(struct net_watch *watch, uint32_t events) {
    struct watched *watched = CONTAINER_OF(watch, struct watched, watch);
    assert_true(events & (EPOLLIN | EPOLLHUP));
    watched->calls++;
    net_watch_stop(watch);
}

static void a_watch_is_level_triggered_until_stopped(void **state) {
    struct world *world = *state;
    struct watched watched = {.watch = {.fn = on_watch}};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(net_watch_start(world->loop, &watched.watch, fds[0], EPOLLIN), STATUS_OK);
    net_loop_turn(world->loop, 0);
    assert_int_equal(watched.calls, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    net_loop_turn(world->loop, 0);
    net_loop_turn(world->loop, 0);
    assert_int_equal(watched.calls, 1);
    net_watch_stop(&watched.watch);
    close(fds[0]);
    close(fds[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers_gather_and_leave_with_the_handler),
        TEST(what_is_written_at_other_times_leaves_when_the_turn_ends),
        TEST(what_the_kernel_does_not_take_waits_in_order),
        TEST(the_cork_and_the_queue_keep_the_order),
        TEST(room_in_the_cork_and_in_the_queue),
        TEST(a_frame_is_shared_and_freed_by_the_last),
        TEST(a_paused_stream_is_not_read),
        TEST(again_comes_in_the_next_turn),
        TEST(a_half_closed_peer_still_gets_what_is_written),
        TEST(a_lost_peer_is_told_once_also_while_paused),
        TEST(the_timer_of_a_stream_fires),
        TEST(finishing_sends_all_then_shuts_down_then_waits_for_the_peer),
        TEST(lingering_ends_after_two_seconds_or_64_kib),
        TEST(lingering_ends_after_64_kib),
        TEST(finishing_gives_up_when_nothing_moves),
        TEST(closing_in_the_handler_drops_the_cork),
        TEST(a_layer_sees_all_bytes),
        TEST(a_watch_is_level_triggered_until_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
