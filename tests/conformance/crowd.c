/* Many WebSocket sessions of one process: those that read, and those that never do.
 *
 *   crowd ADDRESS PORT      then orders, one a line, each answered by one line of JSON:
 *     readers N             opens N more sessions on /crowd
 *     silent N              opens N on /crowd whose messages stay in the socket: a small window,
 * small segments reset                 ends the silent ones cast COUNT SIZE       a session on
 * /cast sends COUNT messages of SIZE bytes, each when all readers have the last echo RATE the
 * readers in turn send a message to themselves, RATE a second, until the next line
 *
 * A message begins with the time of its sending in hexadecimal, so the time of each delivery is
 * known to whoever reads it. Everything else of each byte is compared; a wrong one, or a reader
 * that is closed, ends the program with 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DIGITS      16
#define HEADER      4 /* of a frame of 126 to 65535 bytes, without a mask */
#define EVENTS      512
#define STALL_MS    60000
#define STEPS       65536 /* of the histogram: 16 a doubling */
#define ECHO_BYTES  126
#define SILENT_SIZE 4096 /* window */
#define SILENT_MSS  536

struct session {
    int fd;
    uint32_t at;    /* of the message that comes */
    uint64_t stamp; /* as far as it is here */
    bool is_due;    /* an echo is on its way */
};
struct crowd {
    struct sockaddr_in address;
    int epoll_fd;
    struct session **readers; /* each of its own, since epoll knows them by address */
    int *silent;
    uint32_t reader_count, silent_count, size; /* of a message */
    uint64_t delivered, worst_ns, steps[STEPS];
};

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("crowd: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- latencies: exact to a sixteenth --------------------------------------------------------- */

static uint32_t step_of(uint64_t ns) {
    uint64_t us16 = ns * 16 / 1000 + 16;
    uint32_t doublings = 63 - (uint32_t)__builtin_clzll(us16) - 4;
    return doublings * 16 + (uint32_t)(us16 >> doublings) - 16;
}

static double step_us(uint32_t step) {
    return (double)((uint64_t)(step % 16 + 16) << (step / 16)) / 16 - 1;
}

static double share_us(const struct crowd *crowd, double share) {
    uint64_t wanted = (uint64_t)((double)crowd->delivered * share), seen = 0;
    for (uint32_t i = 0; i < STEPS; i++)
        if ((seen += crowd->steps[i]) > wanted)
            return step_us(i);
    return 0;
}

static void tell_latencies(struct crowd *crowd) {
    printf("{\"delivered\": %llu, \"p50_us\": %.0f, \"p99_us\": %.0f, \"p999_us\": %.0f, "
           "\"max_us\": %.0f}\n",
           (unsigned long long)crowd->delivered, share_us(crowd, .5), share_us(crowd, .99),
           share_us(crowd, .999), (double)crowd->worst_ns / 1000);
    fflush(stdout);
}

static void forget_latencies(struct crowd *crowd) {
    crowd->delivered = crowd->worst_ns = 0;
    memset(crowd->steps, 0, sizeof crowd->steps);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void shake_hands(int fd, const char *path) {
    char text[1024];
    int size = snprintf(
        text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        path);
    if (send(fd, text, (size_t)size, MSG_NOSIGNAL) != size)
        fail("send: %s", strerror(errno));
    for (size_t have = 0; have < 4 || memcmp(text + have - 4, "\r\n\r\n", 4); have++)
        if (have == sizeof text || recv(fd, text + have, 1, 0) != 1)
            fail("a handshake was not answered");
    if (strncmp(text, "HTTP/1.1 101 ", 13))
        fail("a handshake was refused: %.200s", text);
}

static int dial(const struct crowd *crowd, const char *path, bool is_silent) {
    int one = 1, small = SILENT_SIZE, segment = SILENT_MSS,
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket: %s", strerror(errno));
    if (is_silent && (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) ||
                      setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment)))
        fail("setsockopt: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&crowd->address, sizeof crowd->address))
        fail("connect: %s", strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* slower without */
    shake_hands(fd, path);
    return fd;
}

static void reset(int fd) {
    struct linger now = {.l_onoff = 1}; /* no TIME_WAIT, or the ports would run out */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void open_readers(struct crowd *crowd, uint32_t count) {
    crowd->readers =
        realloc(crowd->readers, (crowd->reader_count + count) * sizeof *crowd->readers);
    for (uint32_t i = 0; i < count && crowd->readers; i++) {
        struct session *session = calloc(1, sizeof *session);
        if (!session)
            fail("no memory");
        session->fd = dial(crowd, "/crowd", false);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
        if (epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, session->fd, &event))
            fail("epoll_ctl: %s", strerror(errno));
        crowd->readers[crowd->reader_count++] = session;
    }
    printf("{\"readers\": %u}\n", crowd->reader_count);
    fflush(stdout);
}

static void open_silent(struct crowd *crowd, uint32_t count) {
    crowd->silent = realloc(crowd->silent, (crowd->silent_count + count) * sizeof *crowd->silent);
    for (uint32_t i = 0; i < count && crowd->silent; i++)
        crowd->silent[crowd->silent_count++] = dial(crowd, "/crowd", true);
    printf("{\"silent\": %u}\n", crowd->silent_count);
    fflush(stdout);
}

static void reset_silent(struct crowd *crowd) {
    while (crowd->silent_count)
        reset(crowd->silent[--crowd->silent_count]);
    puts("{}");
    fflush(stdout);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* With a mask of zeroes, which is one. */
static void send_message(int fd, uint32_t size) {
    static uint8_t frame[8 + 65536];
    char digits[DIGITS + 1];
    frame[0] = 0x81;
    frame[1] = 0x80 | 126;
    frame[2] = (uint8_t)(size >> 8);
    frame[3] = (uint8_t)size;
    memset(frame + 8, 'x', size);
    (void)snprintf(digits, sizeof digits, "%016llx", (unsigned long long)now_ns()); /* fits */
    memcpy(frame + 8, digits, DIGITS);
    if (send(fd, frame, 8 + size, MSG_NOSIGNAL) != (ssize_t)(8 + size))
        fail("send: %s", strerror(errno));
}

static void take_byte(const struct crowd *crowd, struct session *session, uint8_t byte) {
    const uint8_t header[HEADER] = {0x81, 126, (uint8_t)(crowd->size >> 8), (uint8_t)crowd->size};
    uint32_t at = session->at;
    bool is_digit = at >= HEADER && at < HEADER + DIGITS;
    if (at < HEADER ? byte != header[at] : !is_digit && byte != 'x')
        fail("byte %u of a message is %02x", at, byte);
    if (is_digit)
        session->stamp =
            session->stamp << 4 | (uint64_t)(byte <= '9' ? byte - '0' : byte - 'a' + 10);
}

/* Returns how many messages are whole by what came. */
static uint32_t take(struct crowd *crowd, struct session *session) {
    static uint8_t bytes[1 << 18];
    uint32_t whole = 0;
    ssize_t size = recv(session->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size <= 0)
        fail("a session that reads was closed: %s", size ? strerror(errno) : "by the daemon");
    uint64_t now = now_ns();
    for (ssize_t i = 0; i < size; i++) {
        take_byte(crowd, session, bytes[i]);
        if (++session->at < HEADER + crowd->size)
            continue;
        uint64_t took = now - session->stamp;
        crowd->steps[step_of(took)]++;
        crowd->worst_ns = took > crowd->worst_ns ? took : crowd->worst_ns;
        crowd->delivered++;
        session->at = 0;
        session->stamp = 0;
        session->is_due = false;
        whole++;
    }
    return whole;
}

static void cast(struct crowd *crowd, uint32_t count, uint32_t size) {
    struct epoll_event events[EVENTS];
    int sender = dial(crowd, "/cast", false);
    crowd->size = size;
    forget_latencies(crowd);
    for (uint32_t i = 0; i < count; i++) {
        send_message(sender, size);
        for (uint32_t missing = crowd->reader_count; missing;) {
            int ready = epoll_wait(crowd->epoll_fd, events, EVENTS, STALL_MS);
            if (ready <= 0)
                fail("%u readers still miss message %u", missing, i);
            for (int k = 0; k < ready; k++)
                missing -= take(crowd, events[k].data.ptr);
        }
    }
    reset(sender);
    tell_latencies(crowd);
}

/* The next one whose turn it is, unless it still waits for its last echo. */
static void echo_next(struct crowd *crowd, uint64_t number, uint64_t *late) {
    struct session *session = crowd->readers[number % crowd->reader_count];
    *late += session->is_due;
    if (session->is_due)
        return;
    session->is_due = true;
    send_message(session->fd, ECHO_BYTES);
}

static void echo(struct crowd *crowd, uint32_t rate) {
    struct epoll_event events[EVENTS], input = {.events = EPOLLIN};
    uint64_t begun = now_ns(), sent = 0, late = 0;
    bool is_ending = false;
    crowd->size = ECHO_BYTES;
    forget_latencies(crowd);
    if (epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input))
        fail("orders must come by a pipe");
    puts("{}");
    fflush(stdout);
    while (!is_ending || sent > crowd->delivered + late) {
        uint64_t due = (now_ns() - begun) * rate / 1000000000u;
        for (; !is_ending && sent < due; sent++)
            echo_next(crowd, sent, &late);
        int ready = epoll_wait(crowd->epoll_fd, events, EVENTS, is_ending ? STALL_MS : 1);
        if (ready < 0 || (ready == 0 && is_ending))
            fail("%llu echoes are missing", (unsigned long long)(sent - late - crowd->delivered));
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr)
                (void)take(crowd, events[i].data.ptr);
            is_ending |= !events[i].data.ptr;
        }
        if (is_ending)
            (void)epoll_ctl(crowd->epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    }
    tell_latencies(crowd);
}

/* One byte after the other, so that nothing is read ahead of epoll. */
static bool read_order(char *line, size_t room) {
    size_t size = 0;
    for (; size + 1 < room && read(STDIN_FILENO, line + size, 1) == 1; size++)
        if (line[size] == '\n') {
            line[size] = 0;
            return true;
        }
    return false;
}

int main(int count, char **arguments) {
    static struct crowd crowd;
    char line[128];
    unsigned a = 0, b = 0;
    if (count != 3 || inet_pton(AF_INET, arguments[1], &crowd.address.sin_addr) != 1)
        fail("usage: crowd ADDRESS PORT");
    crowd.address.sin_family = AF_INET;
    crowd.address.sin_port = htons((uint16_t)atoi(arguments[2]));
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* else fewer sessions, which will say so */
    }
    crowd.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    while (read_order(line, sizeof line)) {
        if (sscanf(line, "readers %u", &a) == 1)
            open_readers(&crowd, a);
        else if (sscanf(line, "silent %u", &a) == 1)
            open_silent(&crowd, a);
        else if (!strcmp(line, "reset"))
            reset_silent(&crowd);
        else if (sscanf(line, "cast %u %u", &a, &b) == 2 && b >= ECHO_BYTES && b < 65536)
            cast(&crowd, a, b);
        else if (sscanf(line, "echo %u", &a) == 1 && crowd.reader_count)
            echo(&crowd, a);
        else if (line[0])
            fail("no order: %s", line);
    }
    return 0;
}
