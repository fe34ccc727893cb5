/* One request on the control socket and its answer: HTTP/1.1, a connection each. */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "manager/manager.h"

#define GRACE_MS    2000 /* for the daemon to tell of the time-out itself */
#define HEAD_MAX    65536
#define WAIT_MAX_MS 86400000 /* at once: poll(2) takes no more than an int */

struct exchange {
    const struct manager *manager;
    const struct ask *ask;
    struct answer *answer;
    int fd;
    uint64_t until_ms; /* 0: none */
    struct buffer in;  /* received and not yet taken */
    bool is_chunked, has_length, has_ended;
    uint64_t left_bytes; /* of the body, or of a chunk */
    int code;            /* why it failed */
};

static int open_socket(const struct manager *manager, bool is_quiet, int *out);
static bool send_request(struct exchange *exchange);
static bool read_head(struct exchange *exchange);
static bool read_body(struct exchange *exchange);

static uint64_t now_ms(void) { return clock_system.mono_ns(&clock_system) / 1000000; }

int client_ask(const struct manager *manager, const struct ask *ask, struct answer *out) {
    *out = (struct answer){0};
    buffer_init(&out->body, 0);
    struct exchange exchange = {.manager = manager, .ask = ask, .answer = out, .fd = -1};
    int code = open_socket(manager, ask->is_quiet, &exchange.fd);
    if (code)
        return code;
    if (manager->timeout_ms) {
        bool is_told = json_object_get(manager->parameters, "timeout") != NULL;
        exchange.until_ms = now_ms() + manager->timeout_ms + (is_told ? GRACE_MS : 0);
    }
    buffer_init(&exchange.in, 0);
    if (!send_request(&exchange) || !read_head(&exchange) || !read_body(&exchange))
        code = exchange.code;
    buffer_deinit(&exchange.in);
    close(exchange.fd);
    return code;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static const char *group_of(const char *path) {
    struct stat found;
    const struct group *group = stat(path, &found) == 0 ? getgrgid(found.st_gid) : NULL;
    return group ? group->gr_name : CONTROL_GROUP;
}

static int open_socket(const struct manager *manager, bool is_quiet, int *out) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = manager->control;
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path) {
        (void)fprintf(stderr, "bellwire: the path of the socket is too long: %s\n", path);
        return CONTROL_EXIT_USAGE;
    }
    memcpy(address.sun_path, path, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {(time_t)(manager->timeout_ms / 1000),
                            (suseconds_t)(manager->timeout_ms % 1000 * 1000)};
    if (fd >= 0 && manager->timeout_ms) /* without it a full queue is waited for */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        *out = fd;
        return CONTROL_EXIT_DONE;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (error == EACCES || error == EPERM) {
        (void)fprintf(stderr, "bellwire: no permission on %s: join the group \"%s\"\n", path,
                      group_of(path));
        return CONTROL_EXIT_FAILED;
    }
    if (error == EAGAIN) {
        (void)fprintf(stderr, "bellwire: no answer within --timeout\n");
        return CONTROL_EXIT_TIMEOUT;
    }
    bool is_missing = error == ENOENT || error == ECONNREFUSED || error == ENOTDIR;
    if (is_missing && !is_quiet)
        (void)fprintf(stderr, "bellwire: the daemon is not running: nothing listens on %s\n", path);
    if (!is_missing)
        (void)fprintf(stderr, "bellwire: cannot connect to %s: %s\n", path, strerror(error));
    return is_missing ? CONTROL_EXIT_NOT_RUNNING : CONTROL_EXIT_FAILED;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static bool fail(struct exchange *exchange, int code, const char *what) {
    exchange->code = code;
    (void)fprintf(stderr, "bellwire: %s\n", what);
    return false;
}

static bool wait_for(struct exchange *exchange, short events) {
    struct pollfd ready = {.fd = exchange->fd, .events = events};
    for (;;) {
        uint64_t now = now_ms();
        int wait = -1;
        if (exchange->until_ms)
            wait = exchange->until_ms > now ? (int)(exchange->until_ms - now) : 0;
        if (exchange->until_ms > now && exchange->until_ms - now > WAIT_MAX_MS)
            wait = WAIT_MAX_MS;
        int count = poll(&ready, 1, wait);
        if (count > 0)
            return true;
        if (count == 0 && wait < WAIT_MAX_MS)
            return fail(exchange, CONTROL_EXIT_TIMEOUT, "no answer within --timeout");
        if (count < 0 && errno != EINTR)
            return fail(exchange, CONTROL_EXIT_FAILED, strerror(errno));
    }
}

static bool send_all(struct exchange *exchange, struct slice bytes) {
    while (bytes.size) {
        if (!wait_for(exchange, POLLOUT))
            return false;
        ssize_t sent = send(exchange->fd, bytes.bytes, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return errno == EPIPE || errno == ECONNRESET; /* its answer says why */
        if (sent > 0)
            bytes = (struct slice){bytes.bytes + sent, bytes.size - (size_t)sent};
    }
    return true;
}

/* More bytes into `in`; false also at the end. */
static bool receive(struct exchange *exchange) {
    if (buffer_reserve(&exchange->in, HEAD_MAX))
        return fail(exchange, CONTROL_EXIT_FAILED, "out of memory");
    if (!wait_for(exchange, POLLIN))
        return false;
    ssize_t got = recv(exchange->fd, exchange->in.bytes + exchange->in.size, HEAD_MAX, 0);
    if (got < 0 && errno == EINTR)
        return receive(exchange);
    if (got <= 0) {
        exchange->has_ended = true;
        return false;
    }
    exchange->in.size += (size_t)got;
    return true;
}

static bool cut_short(struct exchange *exchange) {
    if (!exchange->code && exchange->ask->piece && exchange->answer->status == 200)
        return fail(exchange, CONTROL_EXIT_NOT_RUNNING, "the daemon has ended");
    if (!exchange->code)
        return fail(exchange, CONTROL_EXIT_FAILED, "the daemon ended before it answered");
    return false;
}

/* ---- the request ----------------------------------------------------------------------------- */

static bool send_request(struct exchange *exchange) {
    const struct ask *ask = exchange->ask;
    struct buffer head;
    buffer_init(&head, 0);
    enum status status =
        buffer_printf(&head, "%s %s HTTP/1.1\r\nHost: bellwire\r\nConnection: close\r\n",
                      ask->method, ask->target);
    if (!status && ask->body.bytes)
        status = buffer_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                               ask->body.size);
    if (!status)
        status = buffer_append(&head, SLICE("\r\n"));
    bool is_good =
        !status && send_all(exchange, buffer_slice(&head)) && send_all(exchange, ask->body);
    buffer_deinit(&head);
    return is_good || cut_short(exchange);
}

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._~", c);
}

static void append_escaped(struct buffer *out, const char *text) {
    enum status status = STATUS_OK;
    for (; *text && !status; text++)
        status = is_unreserved(*text)
                     ? buffer_append(out, (struct slice){text, 1})
                     : buffer_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    if (status)
        abort(); /* a few bytes at start-up */
}

static void append_query(struct buffer *out, const json_t *parameters) {
    const char *name, separators[] = "?&";
    json_t *value;
    size_t count = 0;
    json_object_foreach((json_t *)(uintptr_t)parameters, name, value) {
        const char *text = json_is_true(value) ? "true" : json_string_value(value);
        if (!text)
            continue;
        if (buffer_append(out, (struct slice){&separators[count++ > 0], 1}))
            abort(); /* as above */
        append_escaped(out, name);
        (void)buffer_append(out, SLICE("=")); /* a query without it is refused by name */
        append_escaped(out, text);
    }
}

char *command_target(const struct manager *manager) {
    const struct control_command *command = &commands[manager->command];
    struct buffer out;
    buffer_init(&out, 0);
    const char *id = strstr(command->path, "/ID");
    struct slice before = slice_of(command->path);
    if (id)
        before.size = (size_t)(id + 1 - command->path);
    if (buffer_append(&out, before))
        abort(); /* as above */
    if (id) {
        append_escaped(&out, manager->id);
        if (buffer_append(&out, slice_of(id + 3)))
            abort(); /* as above */
    }
    if (strcmp(command->method, "GET") == 0)
        append_query(&out, manager->parameters);
    char *target = base_strdup(buffer_slice(&out));
    buffer_deinit(&out);
    return target;
}

char *command_body(const struct manager *manager) {
    return strcmp(commands[manager->command].method, "GET") == 0
               ? NULL
               : json_dumps(manager->parameters, JSON_COMPACT);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void take_header(struct exchange *exchange, struct slice line) {
    struct slice value, name = slice_cut(line, ':', &value);
    value = slice_trim(value);
    if (slice_equal_nocase(name, SLICE("Content-Length")))
        exchange->has_length = slice_to_u64(value, &exchange->left_bytes) == STATUS_OK;
    else if (slice_equal_nocase(name, SLICE("Transfer-Encoding")))
        exchange->is_chunked = slice_equal_nocase(value, SLICE("chunked"));
    else if (slice_equal_nocase(name, SLICE(CONTROL_PARTIAL_HEADER)))
        exchange->answer->is_partial = true;
}

static bool read_head(struct exchange *exchange) {
    const char *end;
    while (!(end = exchange->in.size ? memmem(exchange->in.bytes, exchange->in.size, "\r\n\r\n", 4)
                                     : NULL))
        if (exchange->in.size > HEAD_MAX || !receive(exchange))
            return cut_short(exchange);
    struct slice rest = {exchange->in.bytes, (size_t)(end - exchange->in.bytes)};
    struct slice line = slice_cut(rest, '\n', &rest), status;
    uint64_t number = 0;
    (void)slice_cut(line, ' ', &status);
    status.size = status.size > 3 ? 3 : status.size;
    if (slice_to_u64(status, &number) || number < 100)
        return fail(exchange, CONTROL_EXIT_FAILED, "what listens on the socket is no bellwired");
    exchange->answer->status = (unsigned)number;
    while (rest.size)
        take_header(exchange, slice_trim(slice_cut(rest, '\n', &rest)));
    buffer_consume(&exchange->in, (size_t)(end - exchange->in.bytes) + 4);
    return true;
}

/* False when the reader has enough, or there is no memory. */
static bool give(struct exchange *exchange, size_t size) {
    struct slice piece = {exchange->in.bytes, size};
    bool is_good = true;
    if (exchange->ask->piece && exchange->answer->status == 200)
        is_good = exchange->ask->piece(exchange->ask->context, piece);
    else if (buffer_append(&exchange->answer->body, piece))
        is_good = fail(exchange, CONTROL_EXIT_FAILED, "out of memory");
    buffer_consume(&exchange->in, size);
    return is_good;
}

static bool read_counted(struct exchange *exchange) {
    while (exchange->left_bytes) {
        if (exchange->in.size == 0 && !receive(exchange))
            return cut_short(exchange);
        size_t size = exchange->in.size < exchange->left_bytes ? exchange->in.size
                                                               : (size_t)exchange->left_bytes;
        exchange->left_bytes -= size;
        if (!give(exchange, size))
            return exchange->code == 0;
    }
    return true;
}

/* Up to the end of a line, which goes to `*line` (in `in`, to be consumed by the caller). */
static bool read_line(struct exchange *exchange, struct slice *line) {
    const char *end;
    while (!(end = exchange->in.size ? memchr(exchange->in.bytes, '\n', exchange->in.size) : NULL))
        if (exchange->in.size > HEAD_MAX || !receive(exchange))
            return cut_short(exchange);
    *line = (struct slice){exchange->in.bytes, (size_t)(end - exchange->in.bytes) + 1};
    return true;
}

static bool read_chunks(struct exchange *exchange) {
    struct slice line;
    for (;;) {
        if (!read_line(exchange, &line))
            return false;
        char *end;
        exchange->left_bytes = strtoull(line.bytes, &end, 16);
        bool is_size = end != line.bytes;
        buffer_consume(&exchange->in, line.size);
        if (!is_size)
            return fail(exchange, CONTROL_EXIT_FAILED, "the daemon's answer cannot be read");
        if (exchange->left_bytes == 0)
            return true;
        if (!read_counted(exchange) || !read_line(exchange, &line))
            return false;
        buffer_consume(&exchange->in, line.size);
    }
}

static bool read_body(struct exchange *exchange) {
    if (exchange->is_chunked)
        return read_chunks(exchange);
    if (exchange->has_length)
        return read_counted(exchange);
    while (exchange->in.size || receive(exchange))
        if (!give(exchange, exchange->in.size))
            return exchange->code == 0;
    return exchange->has_ended;
}
