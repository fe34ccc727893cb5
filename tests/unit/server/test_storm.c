/* Peers that do anything at any time, handlers that answer now, later, twice or never, a set that
 * is stopped and started: whatever happens, nothing is lost track of. Random, but from fixed seeds.
 */
#include <fcntl.h>
#include "tests/unit/server/rig.h"

#define PEERS 12
#define STEPS 8000
#define HELD  4

struct world {
    struct rig rig;
    uint64_t random;
    struct server_request *held[HELD];
    struct session *kept[HELD];
    int opens, closes, frees, done, posted;
};

static uint32_t draw(struct world *world, uint32_t below) {
    world->random = world->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(world->random >> 33) % below;
}

static void on_done(void *context, enum status status, uint32_t sent) {
    (void)status;
    (void)sent;
    ((struct world *)context)->done++;
}

static char large[300000];

static struct slice some_bytes(struct world *world) {
    static const size_t sizes[] = {0, 1, 20, 125, 126, 1000, 17000, 70000, 300000};
    return (struct slice){large, sizes[draw(world, ARRAY_SIZE(sizes))]};
}

static void answer(struct world *world, struct server_request *request) {
    struct server_response response = {
        .status = 200, .body = some_bytes(world), .close = draw(world, 10) == 0};
    if (draw(world, 4)) {
        (void)server_respond(request, &response);
        return;
    }
    struct server_file file = {.fd = open("/bin/sh", O_RDONLY | O_CLOEXEC),
                               .size = draw(world, 2) ? 100000 : 10};
    (void)server_respond_file(request, &response, &file);
}

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    struct world *world = context;
    (void)request;
    out->status = draw(world, 8) ? 0 : 404;
}

static void on_request(void *context, struct server_request *request) {
    struct world *world = context;
    uint32_t at = draw(world, HELD), how = draw(world, 6);
    if (how == 0 && !world->held[at]) {
        assert_int_equal(server_request_hold(request), STATUS_OK);
        world->held[at] = request;
    } else if (how != 1) {
        answer(world, request);
    }
}

static void act(struct world *world, struct session *session) {
    struct server_outgoing out = {.payload = some_bytes(world),
                                  .has_payload = draw(world, 10) != 0,
                                  .is_binary = true,
                                  .end = draw(world, 200) == 0};
    struct server_target target = {.session = session};
    struct server_done done = {.fn = on_done, .context = world};
    switch (draw(world, 10)) {
        case 0:
            (void)session_join(session, draw(world, 2) ? SLICE("red") : SLICE("blue"));
            return;
        case 1:
            session_leave(session, SLICE("red"));
            return;
        case 2:
            if (draw(world, 20) == 0) {
                (void)session_close(session, 1000, SLICE("bye"));
            }
            return;
        case 3:
        case 4:
            target = (struct server_target){.server = SLICE("main"), .room = SLICE("red")};
            break;
        default:
            break;
    }
    enum status status = STATUS_OK;
    int rounds = draw(world, 30) ? 1 : 60; /* a flood, until it must wait */
    out.payload.size = rounds > 1 ? sizeof(large) : out.payload.size;
    while (rounds-- > 0 && status == STATUS_OK) {
        status = server_post(world->rig.set, &target, &out, &done);
    }
    if (status == STATUS_AGAIN) {
        world->posted++;
        if (draw(world, 5) == 0) {
            server_op_cancel(done.op);
            world->posted--;
        }
    }
}

static void on_open(void *context, struct session *session) {
    struct world *world = context;
    uint32_t at = draw(world, HELD);
    world->opens++;
    if (!world->kept[at] && draw(world, 2)) {
        world->kept[at] = session_ref(session);
    }
    act(world, session);
}
static void on_message(void *context, struct session *session, const struct ws_message *message) {
    (void)message;
    act(context, session);
}
static void on_close(void *context, struct session *session, const struct server_close *close) {
    (void)close;
    ((struct world *)context)->closes++;
    act(context, session); /* refused, all of it */
}
static void on_free(void *context, struct session *session) {
    (void)session;
    ((struct world *)context)->frees++;
}
static const struct server_events events = {.on_head = on_head,
                                            .on_request = on_request,
                                            .on_open = on_open,
                                            .on_message = on_message,
                                            .on_close = on_close,
                                            .on_free = on_free};

static size_t make_bytes(struct world *world, char *out, bool *is_ws) {
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "GET / HTTP/1.1\r\n" RIG_UPGRADE "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        "GET / HTTP/1.1\r\n" RIG_UPGRADE "\r\n",
        "GET / HTTP/1.1\r\n" RIG_UPGRADE "\r\n",
    };
    if (!*is_ws) {
        uint32_t which = draw(world, ARRAY_SIZE(requests));
        *is_ws = which >= 6;
        size_t size = strlen(requests[which]);
        memcpy(out, requests[which], size);
        return size;
    }
    static const unsigned firsts[] = {WS_FIN | WS_OP_TEXT, WS_FIN | WS_OP_BINARY,
                                      WS_OP_BINARY,        WS_FIN,
                                      WS_FIN | WS_OP_PING, WS_FIN | WS_OP_PONG};
    size_t size = 0;
    for (uint32_t i = draw(world, 6) + 1; i > 0; i--) {
        size += frame_make((uint8_t *)out + size, firsts[draw(world, ARRAY_SIZE(firsts))], large,
                           draw(world, 126));
    }
    if (draw(world, 30) == 0) {
        size += frame_make((uint8_t *)out + size, WS_FIN | WS_OP_CLOSE, "\x03\xe8", 2);
    }
    return size;
}

static void step_peer(struct world *world, struct peer **peer, bool *is_ws) {
    char bytes[4096];
    if (!*peer) {
        *peer = peer_new(&world->rig);
        *is_ws = false;
        return;
    }
    uint32_t what = draw(world, 100);
    if (what == 0) {
        peer_free(*peer);
        *peer = NULL;
    } else if (what == 1) {
        (void)shutdown((*peer)->fd, SHUT_WR);
    } else if (what < 8) {
        (*peer)->size = 0;
        if (peer_is_over(*peer)) {
            peer_free(*peer);
            *peer = NULL;
        }
    } else {
        size_t size = make_bytes(world, bytes, is_ws);
        if (draw(world, 40) == 0) {
            bytes[draw(world, (uint32_t)size)] ^= (char)(1 << draw(world, 8));
        }
        size = draw(world, 40) ? size : draw(world, (uint32_t)size);
        if (send((*peer)->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
            peer_free(*peer);
            *peer = NULL;
        }
    }
}

static void step_world(struct world *world) {
    uint32_t at = draw(world, HELD);
    net_loop_turn(world->rig.loop, 0);
    switch (draw(world, 8)) {
        case 0:
        case 1:
            if (world->held[at]) {
                if (draw(world, 4)) {
                    answer(world, world->held[at]);
                }
                server_request_release(world->held[at]);
                world->held[at] = NULL;
            }
            break;
        case 2:
            if (world->kept[at]) {
                act(world, world->kept[at]);
                session_unref(world->kept[at]);
                world->kept[at] = NULL;
            }
            break;
        case 3:
            world->rig.clock.mono_ms += draw(world, 3000);
            break;
        case 4:
            if (draw(world, 40) == 0) {
                server_set_stop(world->rig.set, SLICE("main"), draw(world, 2));
                rig_apply(&world->rig);
                rig_listen(&world->rig);
            }
            break;
        default:
            break;
    }
}

static void storm(uint64_t seed) {
    struct world *world = calloc(1, sizeof(*world));
    struct peer *peers[PEERS] = {NULL};
    bool is_ws[PEERS] = {false};
    world->random = seed;
    rig_init(&world->rig, &events, world);
    world->rig.options.compression = true;
    world->rig.options.max_backlog_bytes = 400000;
    rig_apply(&world->rig);
    for (int i = 0; i < STEPS; i++) {
        uint32_t at = draw(world, PEERS);
        step_peer(world, &peers[at], &is_ws[at]);
        step_world(world);
    }
    for (int i = 0; i < PEERS; i++) {
        if (peers[i]) {
            peer_free(peers[i]);
        }
    }
    for (int i = 0; i < HELD; i++) {
        if (world->held[i]) {
            server_request_release(world->held[i]);
        }
        if (world->kept[i]) {
            session_unref(world->kept[i]);
        }
    }
    rig_deinit(&world->rig);
    assert_int_equal(world->closes, world->opens);
    assert_int_equal(world->frees, world->opens);
    assert_int_equal(world->done, world->posted);
    assert_int_equal(world->rig.counters.sessions_open, 0);
    assert_int_equal(world->rig.counters.connections_open, 0);
    free(world);
}

static void whatever_peers_and_handlers_do_all_is_closed_and_freed(void **state) {
    (void)state;
    const char *more = getenv("STORM_SEEDS"); /* for longer runs by hand */
    uint64_t seeds = more ? strtoull(more, NULL, 10) : 8;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        storm(seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_peers_and_handlers_do_all_is_closed_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
