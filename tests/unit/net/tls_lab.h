/* Two streams of one loop with a wire between them that the test holds in its hands, and the
 * certificates of tests/certificates. */
#ifndef TESTS_TLS_LAB_H
#define TESTS_TLS_LAB_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/net.h"
#include "tests/unit/cmocka_all.h"

#define TURNS_MAX 2000000

struct lab_end {
    struct net_stream stream;
    struct buffer got;
    int events[NET_CLOSED + 1];
    int answers; /* calls of net_tls_fn */
    enum status status;
    char why[NET_TLS_WHY_MAX];
    bool echoes, is_closed;
    size_t pauses_at;  /* pauses once so much has come; 0: never */
    const char *hello; /* written as soon as the handshake is done */
    int wire;          /* the other end of its socket */
};
struct lab {
    char folder[64];
    struct net_loop *loop;
    struct crypto_pool *pool;
    struct lab_end client, server;
    size_t step_bytes; /* that the wire carries at once */
    bool is_cut;       /* the wire carries nothing */
    size_t carried[2]; /* from the client, from the server */
};

static inline void lab_on_event(struct net_stream *stream, enum net_event event,
                                struct net_bytes data) {
    struct lab_end *end = CONTAINER_OF(stream, struct lab_end, stream);
    struct slice bytes = {(const char *)data.bytes, data.size};
    end->events[event]++;
    switch (event) {
        case NET_DATA:
            assert_int_equal(buffer_append(&end->got, bytes), STATUS_OK);
            if (end->echoes) {
                (void)net_write(stream, &bytes, 1);
            }
            if (end->pauses_at && end->got.size >= end->pauses_at) {
                net_stream_pause(stream);
            }
            break;
        case NET_ERROR:
            net_stream_close(stream);
            break;
        case NET_CLOSED:
            end->is_closed = true;
            break;
        default:
            break;
    }
}

static inline void lab_on_tls(struct net_stream *stream, enum status status, const char *why) {
    struct lab_end *end = CONTAINER_OF(stream, struct lab_end, stream);
    end->answers++;
    end->status = status;
    (void)snprintf(end->why, sizeof(end->why), "%s", why ? why : "");
    if (status != STATUS_OK) {
        net_stream_finish(stream, 1000);
    } else if (end->hello) {
        struct slice hello = slice_of(end->hello);
        (void)net_write(stream, &hello, 1);
    }
}

/* Once for a test program: the pool and the certificates. */
static inline int lab_set_up_group(void **state) {
    struct lab *lab = calloc(1, sizeof(*lab));
    char command[128];
    (void)snprintf(lab->folder, sizeof(lab->folder), "/tmp/bellwire-tls-XXXXXX");
    assert_non_null(mkdtemp(lab->folder));
    (void)snprintf(command, sizeof(command), "tests/certificates %s", lab->folder);
    assert_int_equal(system(command), 0);
    lab->pool = crypto_pool_new(&(struct crypto_pool_options){.threads = 2});
    assert_non_null(lab->pool);
    lab->loop =
        net_loop_new(&(struct net_loop_options){.clock = &clock_system, .crypto_pool = lab->pool});
    assert_non_null(lab->loop);
    *state = lab;
    return 0;
}

static inline int lab_tear_down_group(void **state) {
    struct lab *lab = *state;
    char command[128];
    crypto_pool_free(lab->pool);
    net_loop_free(lab->loop);
    (void)snprintf(command, sizeof(command), "rm -r %s", lab->folder);
    assert_int_equal(system(command), 0);
    free(lab);
    return 0;
}

static inline void lab_open_end(struct lab *lab, struct lab_end *end) {
    int fds[2];
    *end = (struct lab_end){.status = STATUS_AGAIN};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    end->wire = fds[1];
    assert_int_equal(net_stream_open(lab->loop, &end->stream, fds[0], lab_on_event), STATUS_OK);
}

/* A fresh pair of streams for each test. */
static inline int lab_set_up(void **state) {
    struct lab *lab = *state;
    lab->step_bytes = 65536;
    lab->is_cut = false;
    lab->carried[0] = lab->carried[1] = 0;
    lab_open_end(lab, &lab->client);
    lab_open_end(lab, &lab->server);
    return 0;
}

static inline void lab_carry(struct lab *lab, unsigned from) {
    static uint8_t bytes[65536];
    struct lab_end *source = from ? &lab->server : &lab->client;
    struct lab_end *target = from ? &lab->client : &lab->server;
    if (lab->is_cut || source->wire < 0 || target->wire < 0) {
        return;
    }
    ssize_t size = recv(source->wire, bytes, lab->step_bytes, MSG_PEEK);
    if (size == 0) {
        (void)shutdown(target->wire, SHUT_WR); /* fails where it is gone */
    } else if (size > 0) {
        ssize_t sent = send(target->wire, bytes, (size_t)size, MSG_NOSIGNAL);
        if (sent > 0) {
            assert_int_equal(recv(source->wire, bytes, (size_t)sent, 0), sent);
            lab->carried[from] += (size_t)sent;
        }
    }
}

static inline void lab_turn(struct lab *lab) {
    lab_carry(lab, 0);
    lab_carry(lab, 1);
    net_loop_turn(lab->loop, 1);
}

#define LAB_UNTIL(lab, condition)                                                                  \
    do {                                                                                           \
        for (int turns_ = 0; !(condition); turns_++) {                                             \
            assert_true(turns_ < TURNS_MAX);                                                       \
            lab_turn(lab);                                                                         \
        }                                                                                          \
    } while (0)

static inline void lab_close_wire(struct lab_end *end) {
    if (end->wire >= 0) {
        close(end->wire);
        end->wire = -1;
    }
}

static inline int lab_tear_down(void **state) {
    struct lab *lab = *state;
    struct lab_end *ends[] = {&lab->client, &lab->server};
    for (size_t i = 0; i < 2; i++) {
        if (!ends[i]->is_closed) {
            net_stream_close(&ends[i]->stream);
        }
        LAB_UNTIL(lab, ends[i]->is_closed);
        lab_close_wire(ends[i]);
        buffer_deinit(&ends[i]->got);
    }
    return 0;
}

/* ---- configurations ------------------------------------------------------------------------- */

static inline const char *lab_path(const struct lab *lab, const char *name, const char *ending) {
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % ARRAY_SIZE(paths)];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s.%s", lab->folder, name, ending);
    return path;
}

/* `certificate` and `authority` are names of tests/certificates, or NULL. */
static inline struct net_tls_config *lab_config(const struct lab *lab, bool is_server,
                                                const char *certificate, const char *authority) {
    struct net_tls_fault fault = {.text = ""};
    struct net_tls_store *store =
        authority ? net_tls_store_new(lab_path(lab, authority, "pem"), false, &fault) : NULL;
    struct net_tls_options options = {.is_server = is_server, .store = store};
    if (certificate) {
        options.certificate = lab_path(lab, certificate, "pem");
        options.key = lab_path(lab, certificate, "key");
    }
    struct net_tls_config *config = net_tls_config_new(&options, &fault);
    if (!config) {
        fail_msg("%s", fault.text);
    }
    net_tls_store_unref(store);
    return config;
}

struct lab_shake {
    const char *server, *server_authority, *client, *client_authority, *name;
};

/* Both ends begin; configurations are given up here, since streams hold them. */
static inline void lab_begin(struct lab *lab, const struct lab_shake *shake) {
    struct net_tls_config *server =
        lab_config(lab, true, shake->server ? shake->server : "server", shake->server_authority);
    struct net_tls_config *client = lab_config(lab, false, shake->client, shake->client_authority);
    struct net_tls_target target = {.config = client,
                                    .name = slice_of(shake->name ? shake->name : "localhost")};
    assert_int_equal(net_tls_accept(&lab->server.stream, server, lab_on_tls), STATUS_OK);
    assert_int_equal(net_tls_connect(&lab->client.stream, &target, lab_on_tls), STATUS_OK);
    net_tls_config_unref(server);
    net_tls_config_unref(client);
}

static inline void lab_open(struct lab *lab) {
    lab_begin(lab, &(struct lab_shake){.client_authority = "ca"});
    LAB_UNTIL(lab, lab->client.answers && lab->server.answers);
    assert_string_equal(lab->client.why, "");
    assert_string_equal(lab->server.why, "");
    assert_int_equal(lab->client.status, STATUS_OK);
    assert_int_equal(lab->server.status, STATUS_OK);
}

#endif
