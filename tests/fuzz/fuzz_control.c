/* The control API of a whole daemon, which runs on a thread of this process: what a connection of
 * its socket may carry. An even first byte: the rest goes there as it is. An odd one: each line is
 * `METHOD PATH BODY`, sent as a request that is well-formed, so that routes, JSON and edits are
 * reached. Whatever was asked, the answers are HTTP, their JSON is JSON, and the end comes in time.
 * All 500 inputs the daemon ends and another starts: its rows are kept for as long as it lives.
 *
 * Nothing leaves the machine: names are not looked up, nobody is connected to, and servers listen
 * on loopback at whatever port is free. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/supervisor.h"
#include "expr/expr.h"
#include "http/http.h"
#include "tests/fuzz/fuzz.h"

#define LIFE_INPUTS 500
#define WAIT_MS     25000 /* less than the fuzzer's own time for an input */
#define START_TRIES 25000 /* a millisecond each */
#define HEADERS_MAX 16
#define ANSWER_MAX  (64u << 20)

static const char config[] =
    "servers: {main: {bind: '127.0.0.1:0', hosts: any}}\n"
    "clients: {peer: {url: 'ws://127.0.0.1:9/', enabled: false}}\n"
    "secrets: {key: {env: PATH}}\n"
    "tasks:\n"
    "  page:\n"
    "    triggers: [{http-request: '/x/{a...}'}]\n"
    "    actions: [{http-response: {json: {path: '${HttpPath}', body: '${HttpBody}'}}}]\n"
    "  chat:\n"
    "    triggers: [{server-message: {path: /ws, server: main}}, {client-message: peer}]\n"
    "    actions: [{send-message: '${WsMessage}'}]\n"
    "  hand:\n"
    "    vars: {a: 1, b: [1, {c: x}]}\n"
    "    actions: [{set: {global.last: '${a}', global.deep.list: '${b}'}}, {log: '${b}'},\n"
    "              {if: a == 2, then: [{fail: '${a}'}]}]\n";

static struct {
    pthread_t thread;
    struct options options;
    char folder[64], config[96], control[96];
    unsigned inputs; /* of the daemon that runs; 0: none does */
} fuzzed;

/* ---- what the daemon finds of the world ------------------------------------------------------ */

static bool is_loopback(const struct sockaddr *address) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    if (address->sa_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

int bind(int fd, const struct sockaddr *address, socklen_t size) {
    struct sockaddr_storage any = {0};
    if (address->sa_family == AF_UNIX)
        return (int)syscall(SYS_bind, fd, address, size);
    if (!is_loopback(address)) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    memcpy(&any, address, size);
    ((struct sockaddr_in *)&any)->sin_port = 0; /* at the same place in both families */
    return (int)syscall(SYS_bind, fd, &any, size);
}

int connect(int fd, const struct sockaddr *address, socklen_t size) {
    if (address->sa_family == AF_UNIX)
        return (int)syscall(SYS_connect, fd, address, size);
    errno = ECONNREFUSED;
    return -1;
}

typedef int (*look_up_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    static const struct addrinfo none = {0};
    struct addrinfo numeric = hints ? *hints : none;
    numeric.ai_flags |= AI_NUMERICHOST;
    return ((look_up_fn)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, &numeric, out);
}

static void converse(struct slice wire, struct buffer *answers);

/* ---- the daemon ------------------------------------------------------------------------------ */

static void *live(void *context) {
    (void)context; /* all is in `fuzzed` */
    int code = supervisor_run(&fuzzed.options);
    assert(code == 0);
    return NULL;
}

static int dial(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {WAIT_MS / 1000, 0};
    memcpy(address.sun_path, fuzzed.control, strlen(fuzzed.control));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) &&
           !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void remove_state(void) {
    static const char *const files[] = {"bellwire.db", "bellwire.db-wal", "bellwire.db-shm",
                                        "control.sock"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", fuzzed.folder, files[i]);
        unlink(path);
    }
}

static void make_folder(void) {
    struct stat found;
    bool has_memory = stat("/dev/shm", &found) == 0 && access("/dev/shm", W_OK) == 0;
    (void)snprintf(fuzzed.folder, sizeof fuzzed.folder, "%s/bellwire-fuzz-XXXXXX",
                   has_memory ? "/dev/shm" : "/tmp"); /* the database waits for no disk */
    assert(mkdtemp(fuzzed.folder));
    (void)snprintf(fuzzed.config, sizeof fuzzed.config, "%s/bellwire.yaml", fuzzed.folder);
    (void)snprintf(fuzzed.control, sizeof fuzzed.control, "%s/control.sock", fuzzed.folder);
    FILE *file = fopen(fuzzed.config, "we");
    assert(file && fputs(config, file) >= 0 && fclose(file) == 0);
    fuzzed.options = (struct options){.config = fuzzed.config,
                                      .state = fuzzed.folder,
                                      .control = fuzzed.control,
                                      .workers = 1,
                                      .log_level = LOG_OFF,
                                      .has_log_level = true};
}

static void end_daemon(void) {
    if (!fuzzed.inputs)
        return;
    fuzzed.inputs = 0;
    assert(kill(getpid(), SIGTERM) == 0);
    pthread_join(fuzzed.thread, NULL);
    remove_state();
}

static void end_all(void) {
    end_daemon();
    unlink(fuzzed.config);
    rmdir(fuzzed.folder);
}

/* It answers before it serves: until then it knows no task. */
static bool serves(void) {
    struct buffer answer;
    int fd = dial();
    if (fd < 0)
        return false;
    close(fd);
    buffer_init(&answer, 0);
    converse(SLICE("GET /v1/tasks/page HTTP/1.1\r\nHost: x\r\n\r\n"), &answer);
    bool is_known = slice_starts_with(buffer_slice(&answer), SLICE("HTTP/1.1 200 "));
    buffer_deinit(&answer);
    return is_known;
}

/* The fuzzer's alarm is for its own thread. Whoever interrupts means the process. */
static void start_daemon(void) {
    sigset_t alarm, before;
    bool is_ready = false;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, &before);
    assert(pthread_create(&fuzzed.thread, NULL, live, NULL) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (unsigned i = 0; i < START_TRIES && !(is_ready = serves()); i++)
        usleep(1000);
    assert(is_ready);
    (void)signal(SIGINT, SIG_DFL); /* cannot fail for a signal that exists */
}

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments; /* the fuzzer's own */
    make_folder();
    (void)atexit(end_all); /* a folder in memory is all that would be left */
    return 0;
}

/* ---- one conversation ------------------------------------------------------------------------ */

static void add_request(struct buffer *wire, struct slice line) {
    struct slice body, path, method = slice_cut(line, ' ', &path);
    path = slice_cut(path, ' ', &body);
    assert(!buffer_append(wire, method) && !buffer_append(wire, SLICE(" ")) &&
           !buffer_append(wire, path) && !buffer_append(wire, SLICE(" HTTP/1.1\r\nHost: x\r\n")) &&
           !buffer_printf(wire, "Content-Length: %zu\r\n\r\n", body.size) &&
           !buffer_append(wire, body));
}

/* Sends and reads at once, since either side may wait for the other; then all up to the end. */
static void converse(struct slice wire, struct buffer *answers) {
    static const struct timespec patience = {WAIT_MS / 1000, 0};
    char bytes[65536];
    sigset_t quiet; /* the fuzzer's alarm would end a wait */
    int fd = dial();
    sigemptyset(&quiet);
    sigaddset(&quiet, SIGALRM);
    assert(fd >= 0);
    for (ssize_t size = 1; size > 0;) {
        struct pollfd ready = {fd, (short)(POLLIN | (wire.size ? POLLOUT : 0)), 0};
        if (ppoll(&ready, 1, &patience, &quiet) != 1) {
            (void)fprintf(stderr, "no end after: " SLICE_FMT, SLICE_ARG(buffer_slice(answers)));
            abort();
        }
        if (wire.size && ready.revents & POLLOUT) {
            ssize_t sent = send(fd, wire.bytes, wire.size, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno != EAGAIN)
                sent = (ssize_t)wire.size; /* it hears no more; its answer may still lie here */
            wire.bytes += sent > 0 ? sent : 0;
            wire.size -= sent > 0 ? (size_t)sent : 0;
            if (!wire.size)
                (void)shutdown(fd, SHUT_WR); /* it may be gone */
        }
        if (!(ready.revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        size = recv(fd, bytes, sizeof bytes, 0);
        assert(size >= 0 || errno == ECONNRESET);
        assert(!buffer_append(answers, (struct slice){bytes, size > 0 ? (size_t)size : 0}));
    }
    close(fd);
}

static bool read_content(struct slice *input, const struct http_response *response,
                         struct buffer *content) {
    struct http_body body;
    struct slice data;
    enum http_body_event event;
    assert(!http_body_begin(&body, response->body, response->content_length, ANSWER_MAX));
    while ((event = http_body_next(&body, input, &data)) == HTTP_BODY_DATA)
        assert(!buffer_append(content, data));
    assert(event != HTTP_BODY_ERROR);
    return event == HTTP_BODY_DONE;
}

/* One answer off the front. False where no more need follow: the connection was to be closed, or
 * the answer has no end, as a log that is followed. */
static bool read_answer(struct slice *input) {
    static const struct http_limits limits = {8192, HEADERS_MAX};
    struct http_header headers[HEADERS_MAX];
    struct http_response response;
    struct http_error error;
    struct http_head_scan scan = {0};
    struct buffer content;
    ssize_t size = http_head_find(&scan, *input, &limits, &error);
    assert(size > 0);
    assert(!http_response_parse((struct slice){input->bytes, (size_t)size}, &limits, headers,
                                &response, &error));
    input->bytes += size;
    input->size -= (size_t)size;
    if (response.status < 200)
        return true;
    buffer_init(&content, ANSWER_MAX);
    bool is_whole = read_content(input, &response, &content);
    struct slice type = http_header_get(headers, response.header_count, SLICE("content-type"));
    if (is_whole && slice_is(type, "application/json")) {
        struct arena arena;
        struct value value;
        size_t at;
        arena_init(&arena, 4096, 0);
        assert(!json_decode(buffer_slice(&content), &arena, &value, &at));
        arena_deinit(&arena);
    }
    assert(response.status == 200 || slice_is(type, "application/json"));
    buffer_deinit(&content);
    return is_whole && response.keep_alive;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    struct buffer wire, answers;
    if (fuzzed.inputs == LIFE_INPUTS)
        end_daemon();
    if (!fuzzed.inputs++)
        start_daemon();
    bool is_made = fuzz_byte(&input) & 1;
    buffer_init(&wire, 0);
    buffer_init(&answers, ANSWER_MAX);
    size_t asked = 0;
    for (; is_made && input.size; asked++)
        add_request(&wire, fuzz_until(&input, '\n'));
    assert(is_made || !buffer_append(&wire, input));
    if (wire.size)
        converse(buffer_slice(&wire), &answers);
    struct slice heard = buffer_slice(&answers);
    bool goes_on = true;
    size_t count = 0;
    for (; heard.size && goes_on; count++)
        goes_on = read_answer(&heard);
    assert(!is_made || !goes_on || count == asked);
    buffer_deinit(&wire);
    buffer_deinit(&answers);
    return 0;
}
