/* The load generator: one thread, one epoll, and cases that check every byte of every answer.
 *
 * Messages and requests are a fixed image in which eight hexadecimal digits count up, so what a
 * peer must answer is known to the byte and no answer can come from the wrong message. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define DIGITS      8
#define READ_BYTES  (1024 * 1024)
#define WRITE_BYTES (256 * 1024)
#define PIDS_MAX    8

struct options {
    const char *mode, *path, *member_path, *body, *host;
    struct sockaddr_in address;
    uint32_t connections, depth, size, active;
    double seconds;
    bool is_raw;    /* no handshake, frames without a mask: for the limits */
    bool is_binary; /* of the messages; a greeting otherwise */
    bool is_post;
    int pids[PIDS_MAX]; /* of the server: their CPU time is taken */
    int pid_count;
};

/* ---- image.c: what goes out and what must come back */
struct image {
    uint8_t *bytes;
    uint32_t size;
    uint32_t digits_at;
    uint8_t mask[4]; /* over the digits; zero where there is none */
};
void image_frame(struct image *image, const struct options *options, bool is_masked);
void image_request(struct image *image, const struct options *options);
void image_free(struct image *image);
void image_number(const struct image *image, uint8_t *copy, uint32_t number);
/* Compares `size` bytes from position `at` of message `number` on. They must not pass its end. */
bool image_holds(const struct image *image, uint32_t number, uint32_t at, const uint8_t *bytes,
                 uint32_t size);

/* ---- meter.c: counts, latencies and CPU time of the part that counts, after a warm-up */
struct meter;
struct meter *meter_new(const struct options *options);
void meter_free(struct meter *meter);
uint64_t meter_now(void);                                   /* ns */
bool meter_goes_on(struct meter *meter, uint64_t now);      /* false when time is over */
void meter_count(struct meter *meter, uint64_t operations); /* done just now */
void meter_took(struct meter *meter, uint64_t nanoseconds); /* one latency */
void meter_print(struct meter *meter);                      /* one line of JSON */

/* ---- connection.c */
struct connection {
    int fd;
    uint32_t in_number, in_at;   /* the message that comes, and how much of it is here */
    uint32_t out_number, out_at; /* the message that goes, and how much of it is gone */
    uint32_t out_due;            /* messages to send, the begun one included */
    bool is_waiting;             /* for the socket to take more */
    uint8_t *tail;               /* of an answer that is not whole */
    uint32_t tail_size;
    uint64_t *sent_ns; /* a ring of `depth` */
};
struct load {
    struct options options;
    int epoll_fd;
    struct connection *connections;
    struct image out, in;
    struct meter *meter;
    uint8_t *read_bytes, *write_bytes;
};
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
int connect_to(const struct options *options);
void connection_open(struct load *load, struct connection *connection, const char *path);
void connection_watch(struct load *load, struct connection *connection, uint32_t events);
/* Queues one message more, which connection_send() then sends with all that are due. */
void connection_queue(struct load *load, struct connection *connection, uint64_t now);
void connection_send(struct load *load, struct connection *connection);
/* Takes what came; returns how many messages are whole by it. Ends the program on a wrong byte. */
uint32_t connection_take(struct load *load, struct connection *connection);
void connection_close(struct connection *connection);
/* Waits for events; ends the program when none comes for 10 s. */
int wait_events(struct load *load, struct epoll_event *events, int max);

/* ---- the cases */
void run_echo(struct load *load);
void run_cast(struct load *load);
void run_idle(struct load *load);
void run_handshakes(struct load *load);
void run_http(struct load *load);

#endif
