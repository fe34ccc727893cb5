/* Two workers on threads of their own: sessions of both reach each other while they come and go. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include "tests/unit/server/rig.h"

#define WORKERS  2
#define ROUNDS   300
#define MESSAGES 20

struct worker {
    pthread_t thread;
    struct rig rig;
    struct server_set *const *sets;
    struct net_message stop;
    _Atomic int posted, done, failed;
};

static void on_head(void *context, struct server_request *request, struct server_route *out) {
    (void)context;
    (void)request;
    (void)out;
}
static void on_open(void *context, struct session *session) {
    (void)context;
    assert_int_equal(session_join(session, SLICE("all")), STATUS_OK);
}
static void on_done(void *context, enum status status, uint32_t sent) {
    struct worker *worker = context;
    (void)sent;
    worker->done++;
    worker->failed += status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_CLOSED;
}

/* A text that is an ID goes to that session, any other to the room. */
static void on_message(void *context, struct session *session, const struct ws_message *message) {
    struct worker *worker = context;
    bool is_id = message->payload.size == session_id(session).size;
    struct server_target target = {.session_id = is_id ? message->payload : SLICE_NONE,
                                   .server = SLICE("main"),
                                   .room = SLICE("all")};
    struct server_outgoing out = {.payload = message->payload, .has_payload = true};
    struct server_done done = {.fn = on_done, .context = worker, .wait_all = true};
    worker->posted++;
    enum status status = server_post(session_set(session), &target, &out, &done);
    if (status != STATUS_AGAIN) {
        on_done(worker, status, done.sent);
    }
}

static const struct server_events events = {
    .on_head = on_head, .on_open = on_open, .on_message = on_message};

static void on_drained(void *context) { net_loop_stop(((struct worker *)context)->rig.loop); }

static void on_stop(struct net_message *message, struct net_loop *loop) {
    struct worker *worker = CONTAINER_OF(message, struct worker, stop);
    (void)loop;
    server_set_drain(worker->rig.set, on_drained, worker);
    server_set_abort(worker->rig.set);
}

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    net_loop_run(worker->rig.loop);
    return NULL;
}

static void worker_init(struct worker *worker, uint32_t number) {
    struct rig *rig = &worker->rig;
    rig->loop =
        net_loop_new(&(struct net_loop_options){.clock = &clock_system, .mailbox_entries = 64});
    struct server_set_options options = {.loop = rig->loop,
                                         .events = &events,
                                         .context = worker,
                                         .worker = number,
                                         .id_key = {3, 4}};
    rig->set = server_set_new(&options);
    assert_non_null(rig->set);
    server_options_default(&rig->options);
    rig->options.id = SLICE("main");
    rig_apply(rig);
    rig_listen(rig);
    worker->stop.run = on_stop;
}

/* A peer that blocks: the loops turn on their own threads. */
static int dial(struct rig *rig) {
    static const char head[] = "GET / HTTP/1.1\r\n" RIG_UPGRADE "\r\n";
    char got[512];
    size_t size = 0;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&rig->address.addr, rig->address.size), 0);
    assert_int_equal(send(fd, head, sizeof(head) - 1, 0), sizeof(head) - 1);
    do {
        assert_int_equal(recv(fd, got + size, 1, 0), 1);
        size++;
    } while (size < 4 || memcmp(got + size - 4, "\r\n\r\n", 4) != 0);
    return fd;
}

static void say(int fd, const char *text) {
    uint8_t frame[128];
    size_t size = frame_make(frame, WS_FIN | WS_OP_TEXT, text, strlen(text));
    assert_int_equal(send(fd, frame, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Reads up to the message `text`. */
static void await(int fd, const char *text) {
    char got[65536];
    size_t size = 0, length = strlen(text);
    for (;;) {
        ssize_t more = recv(fd, got + size, sizeof(got) - size, 0);
        assert_true(more > 0);
        size += (size_t)more;
        if (slice_contains((struct slice){got, size}, (struct slice){text, length})) {
            return;
        }
        if (size > sizeof(got) / 2) {
            memmove(got, got + size - 128, 128);
            size = 128;
        }
    }
}

/* proves W16 */
static void sessions_of_two_workers_reach_each_other_while_others_come_and_go(void **state) {
    struct worker *workers = calloc(WORKERS, sizeof(*workers));
    struct server_set *sets[WORKERS];
    int listeners[WORKERS];
    (void)state;
    for (uint32_t i = 0; i < WORKERS; i++) {
        worker_init(&workers[i], i);
        sets[i] = workers[i].rig.set;
    }
    for (int i = 0; i < WORKERS; i++) {
        server_set_connect(sets[i], sets, WORKERS);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        listeners[i] = dial(&workers[i].rig);
    }
    for (int round = 0; round < ROUNDS; round++) {
        int fd = dial(&workers[round % WORKERS].rig);
        for (int i = 0; i < MESSAGES; i++) {
            say(fd, i % 2 ? "to the room" : "0123456789abcdefghjkmnpqrstv");
        }
        char text[32];
        (void)snprintf(text, sizeof(text), "<round %d>", round);
        say(fd, text);
        await(listeners[0], text);
        await(listeners[1], text);
        close(fd);
    }
    for (int i = 0; i < WORKERS; i++) {
        while (workers[i].done != workers[i].posted) {
            (void)sched_yield();
        }
        assert_int_equal(net_post_control(workers[i].rig.loop, &workers[i].stop), STATUS_OK);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failed, 0);
        close(listeners[i]);
    }
    assert_int_equal(workers[0].posted + workers[1].posted, ROUNDS * (MESSAGES + 1));
    for (int i = 0; i < WORKERS; i++) {
        server_set_free(workers[i].rig.set);
    }
    for (int i = 0; i < WORKERS; i++) {
        net_loop_free(workers[i].rig.loop);
    }
    free(workers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_of_two_workers_reach_each_other_while_others_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
