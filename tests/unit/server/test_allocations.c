/* In steady state an echoed message and a greeting reach the heap not once. Counted by standing in
 * for malloc() and its kin; a sanitizer has its own, so there only the path is walked. */
#include "tests/unit/server/rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static size_t heap_calls; /* stays 0 */
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
static size_t heap_calls;
void *malloc(size_t size) {
    heap_calls++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    heap_calls++;
    return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
    heap_calls++;
    return __libc_realloc(old, size);
}
#endif

struct world {
    struct rig rig;
    struct session *session;
    int events;
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    (void)context;
    (void)request;
    (void)out;
}
static void on_request(void *context, struct server_request *request) {
    struct server_response response = {
        .status = 200, .content_type = SLICE("text/plain"), .body = request->http.query};
    assert_int_equal(server_respond(request, &response), STATUS_OK);
    ((struct world *)context)->events++;
}
static void on_open(void *context, struct session *session) {
    ((struct world *)context)->session = session;
}
static void on_message(void *context, struct session *session, const struct ws_message *message) {
    struct server_outgoing out = {.payload = message->payload, .has_payload = true};
    assert_int_equal(session_send(session, &out), STATUS_OK);
    ((struct world *)context)->events++;
}
static const struct server_events events = {
    .on_head = on_head, .on_request = on_request, .on_open = on_open, .on_message = on_message};

static void walk(struct world *world, struct peer *peer, const void *bytes, size_t size) {
    int before = world->events;
    peer_send(peer, bytes, size);
    while (world->events == before) {
        net_loop_turn(world->rig.loop, 1);
    }
    peer_take(peer);
    peer->size = 0;
}

static void an_echo_allocates_nothing(void **state) {
    struct world world = {.session = NULL};
    uint8_t frame[64];
    size_t size = frame_make(frame, WS_FIN | WS_OP_TEXT, "twenty bytes of text", 20);
    (void)state;
    rig_init(&world.rig, &events, &world);
    struct peer *peer = peer_open(&world.rig, "/");
    walk(&world, peer, frame, size);
    size_t before = heap_calls;
    for (int i = 0; i < 1000; i++) {
        walk(&world, peer, frame, size);
    }
    assert_int_equal(heap_calls, before);
    peer_free(peer);
    rig_deinit(&world.rig);
}

static void a_greeting_allocates_nothing(void **state) {
    struct world world = {.session = NULL};
    static const char request[] = "GET /hello/bob?name=bob HTTP/1.1\r\nHost: localhost\r\n"
                                  "User-Agent: test\r\nAccept: */*\r\n\r\n";
    (void)state;
    rig_init(&world.rig, &events, &world);
    struct peer *peer = peer_new(&world.rig);
    walk(&world, peer, request, sizeof(request) - 1);
    size_t before = heap_calls;
    for (int i = 0; i < 1000; i++) {
        walk(&world, peer, request, sizeof(request) - 1);
    }
    assert_int_equal(heap_calls, before);
    peer_free(peer);
    rig_deinit(&world.rig);
}

static void an_answer_from_a_timer_allocates_nothing(void **state) {
    struct world world = {.session = NULL};
    struct server_outgoing out = {.payload = SLICE("tick"), .has_payload = true};
    (void)state;
    rig_init(&world.rig, &events, &world);
    struct peer *peer = peer_open(&world.rig, "/");
    size_t before = 0;
    for (int i = 0; i < 1000; i++) {
        before = i == 1 ? heap_calls : before;
        assert_int_equal(session_send(world.session, &out), STATUS_OK);
        net_loop_turn(world.rig.loop, 0);
        peer_take(peer);
        assert_int_equal(peer->size, 6);
        peer->size = 0;
    }
    assert_int_equal(heap_calls, before);
    peer_free(peer);
    rig_deinit(&world.rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echo_allocates_nothing),
        cmocka_unit_test(a_greeting_allocates_nothing),
        cmocka_unit_test(an_answer_from_a_timer_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
