/* The cases of sessions that stay: echo, broadcast, idle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load.h"

#define EVENTS 512

static void open_all(struct load *load, const char *path) {
    uint32_t count = load->options.connections;
    load->connections = calloc(count, sizeof(*load->connections));
    if (!load->connections) {
        fail("no memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        connection_open(load, &load->connections[i], path);
        connection_watch(load, &load->connections[i], EPOLLIN);
    }
}

static void close_all(struct load *load) {
    for (uint32_t i = 0; i < load->options.connections; i++) {
        connection_close(&load->connections[i]);
    }
    free(load->connections);
}

static void images(struct load *load) {
    image_frame(&load->out, &load->options, !load->options.is_raw);
    image_frame(&load->in, &load->options, false);
}

static void on_echo(struct load *load, struct connection *connection, uint64_t now) {
    uint32_t first = connection->in_number, depth = load->options.depth;
    uint32_t whole = connection_take(load, connection);
    for (uint32_t i = 0; i < whole; i++) {
        meter_took(load->meter, now - connection->sent_ns[(first + i) % depth]);
        connection_queue(load, connection, now);
    }
    meter_count(load->meter, whole);
}

/* Each connection keeps `depth` messages in flight; those of the first `active` alone. */
void run_echo(struct load *load) {
    struct epoll_event events[EVENTS];
    images(load);
    open_all(load, load->options.path);
    load->meter = meter_new(&load->options);
    uint64_t now = meter_now();
    uint32_t active = load->options.active ? load->options.active : load->options.connections;
    for (uint32_t i = 0; i < active; i++) {
        for (uint32_t k = 0; k < load->options.depth; k++) {
            connection_queue(load, &load->connections[i], now);
        }
        connection_send(load, &load->connections[i]);
    }
    while (meter_goes_on(load->meter, now)) {
        int count = wait_events(load, events, EVENTS);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].events & ~(uint32_t)EPOLLOUT) {
                now = meter_now();
                on_echo(load, connection, now);
            }
            connection_send(load, connection);
        }
    }
    meter_print(load->meter);
    close_all(load);
}

struct cast {
    struct load *load;
    struct connection sender;
    uint32_t *missing; /* receivers, by number of the message */
};

static void on_cast(struct cast *cast, struct connection *member, uint64_t now) {
    struct load *load = cast->load;
    uint32_t number = member->in_number, depth = load->options.depth;
    uint32_t whole = connection_take(load, member);
    meter_count(load->meter, whole);
    for (; whole; whole--, number++) {
        uint32_t *missing = &cast->missing[number % depth];
        if (--*missing == 0) {
            *missing = load->options.connections;
            meter_took(load->meter, now - cast->sender.sent_ns[number % depth]);
            connection_queue(load, &cast->sender, now);
        }
    }
}

/* One sender keeps `depth` messages in flight; one has arrived when all members have it. A raw
 * server takes the first connection that speaks for the sender. */
void run_cast(struct load *load) {
    struct epoll_event events[EVENTS];
    struct cast cast = {.load = load};
    images(load);
    open_all(load, load->options.member_path);
    connection_open(load, &cast.sender, load->options.path);
    connection_watch(load, &cast.sender, 0);
    cast.missing = calloc(load->options.depth, sizeof(*cast.missing));
    for (uint32_t k = 0; cast.missing && k < load->options.depth; k++) {
        cast.missing[k] = load->options.connections;
        connection_queue(load, &cast.sender, meter_now());
    }
    load->meter = meter_new(&load->options);
    uint64_t now = meter_now();
    connection_send(load, &cast.sender);
    while (cast.missing && meter_goes_on(load->meter, now)) {
        int count = wait_events(load, events, EVENTS);
        now = meter_now();
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr != &cast.sender) { /* which only waits for room */
                on_cast(&cast, events[i].data.ptr, now);
            }
        }
        connection_send(load, &cast.sender);
    }
    meter_print(load->meter);
    free(cast.missing);
    connection_close(&cast.sender);
    close_all(load);
}

/* Says `open`, and holds the sessions until a line comes or the input ends. Says how large the
 * opening heads are. */
void run_idle(struct load *load) {
    images(load);
    open_all(load, load->options.path);
    puts("open");
    fflush(stdout);
    (void)getchar();
    close_all(load);
    puts("closed");
}
