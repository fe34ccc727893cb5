/* Files as answers: whole, ranges of them, shrinking ones, slow peers, and more than may run. */
#include <fcntl.h>
#include "tests/unit/server/rig.h"

struct world {
    struct rig rig;
    char path[64];
    uint64_t size, offset, length; /* of the file, and what is answered */
    bool truncates;
    int requests;
    enum status last;
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    (void)context;
    (void)request;
    (void)out;
}

static void on_request(void *context, struct server_request *request) {
    struct world *world = context;
    world->requests++;
    if (slice_is(request->http.path, "/plain")) {
        struct server_response plain = {.status = 200, .body = SLICE("plain")};
        assert_int_equal(server_respond(request, &plain), STATUS_OK);
        return;
    }
    struct server_response response = {.status = 200, .content_type = SLICE("text/plain")};
    struct server_file file = {.fd = open(world->path, O_RDONLY | O_CLOEXEC),
                               .offset = world->offset,
                               .size = world->length};
    assert_true(file.fd >= 0);
    world->last = server_respond_file(request, &response, &file);
    if (world->truncates) {
        assert_int_equal(truncate(world->path, 1000), 0);
    }
}

static const struct server_events events = {.on_head = on_head, .on_request = on_request};

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    rig_init(&world->rig, &events, world);
    (void)snprintf(world->path, sizeof(world->path), "/tmp/transfer-XXXXXX");
    int fd = mkstemp(world->path);
    assert_true(fd >= 0);
    world->size = world->length = 500000;
    char *bytes = malloc(world->size);
    for (size_t i = 0; i < world->size; i++) {
        bytes[i] = (char)('a' + i % 23);
    }
    assert_int_equal(write(fd, bytes, world->size), (ssize_t)world->size);
    free(bytes);
    close(fd);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    (void)unlink(world->path);
    rig_deinit(&world->rig);
    free(world);
    return 0;
}

/* Where the body starts, or 0. */
static size_t body_at(struct peer *peer) {
    peer_take(peer);
    const char *end = strstr(peer->got, "\r\n\r\n");
    return end ? (size_t)(end + 4 - peer->got) : 0;
}

static bool has_body(struct peer *peer, size_t size) {
    size_t at = body_at(peer);
    return at && peer->size >= at + size;
}

/* proves S12 */
static void a_file_is_streamed_and_the_connection_goes_on(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /plain HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, has_body(peer, world->size));
    assert_int_equal(world->last, STATUS_OK);
    assert_true(peer_has(peer, "Content-Length: 500000\r\n"));
    size_t at = body_at(peer);
    for (size_t i = 0; i < world->size; i++) {
        assert_int_equal(peer->got[at + i], 'a' + i % 23);
    }
    RIG_UNTIL(&world->rig, peer_has(peer, "\r\n\r\nplain"));
    peer_free(peer);
}

static void a_part_of_a_file_and_a_head_request(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->offset = 230;
    world->length = 5;
    peer_say(peer, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_count(peer, "Content-Length: 5\r\n") == 2);
    RIG_UNTIL(&world->rig, peer_has(peer, "\r\n\r\nabcde"));
    assert_int_equal(peer_count(peer, "abcde"), 1);
    peer_free(peer);
}

/* proves S12 */
static void a_file_that_shrank_aborts_the_connection(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    world->truncates = true;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&world->rig, peer_is_over(peer));
    assert_true(peer->size < world->size);
    peer_free(peer);
}

static void a_peer_that_leaves_meanwhile_leaks_nothing(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 10; i++) {
        struct peer *peer = peer_new(&world->rig);
        peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        RIG_UNTIL(&world->rig, world->requests == i + 1);
        peer_free(peer);
    }
    RIG_UNTIL(&world->rig, world->rig.counters.connections_open == 0);
}

static void more_than_may_run_wait_and_all_are_served(void **state) {
    struct world *world = *state;
    static struct peer *peers[300];
    world->length = 1000;
    for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
        peers[i] = peer_new(&world->rig);
        peer_say(peers[i], "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
        RIG_UNTIL(&world->rig, has_body(peers[i], 1000));
        peer_free(peers[i]);
    }
    assert_int_equal(world->requests, 300);
}

static void a_peer_that_does_not_read_is_closed_after_the_drain_timeout(void **state) {
    struct world *world = *state;
    struct peer *peer = peer_new(&world->rig);
    assert_int_equal(truncate(world->path, 100000000), 0);
    world->length = 100000000;
    peer_say(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    uint64_t before;
    do {
        before = world->rig.counters.net.bytes_out;
        for (int i = 0; i < 20; i++) {
            net_loop_turn(world->rig.loop, 5);
        }
    } while (before == 0 || before != world->rig.counters.net.bytes_out);
    rig_pass(&world->rig, 30010);
    RIG_UNTIL(&world->rig, world->rig.counters.connections_open == 0);
    assert_int_equal(world->rig.counters.refused[SERVER_DRAIN_TIMEOUT], 1);
    peer_free(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_streamed_and_the_connection_goes_on),
        TEST(a_part_of_a_file_and_a_head_request),
        TEST(a_file_that_shrank_aborts_the_connection),
        TEST(a_peer_that_leaves_meanwhile_leaks_nothing),
        TEST(more_than_may_run_wait_and_all_are_served),
        TEST(a_peer_that_does_not_read_is_closed_after_the_drain_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
