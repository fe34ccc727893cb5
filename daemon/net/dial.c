/* A dial: the name is looked up in libuv's pool, then its addresses are tried one after the other,
 * each with a head start before the next one (RFC 8305 in a simple form).
 *
 * States  LOOKING (libuv has the request) -> TRYING (sockets connect) -> ENDED. A cancelled look-up
 * stays in libuv until it comes back; its memory goes then. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "net/loop.h"

#define HEAD_START_MS 250
#define TRIES_MAX     16
#define NAME_MAX_SIZE 255 /* RFC 1035, section 2.3.4 */

struct try {
    struct net_watch watch;
    struct net_dial *dial;
    struct net_address address;
    int fd; /* -1: not begun, or failed */
};
struct net_dial {
    uv_getaddrinfo_t look_up;
    struct net_loop *loop;
    net_dial_fn done;
    void *context;
    struct net_timer deadline, head_start;
    struct try tries[TRIES_MAX];
    size_t count, begun, going;
    struct net_dialed result; /* of the last try that failed */
    bool is_looking, is_over;
    char name[NAME_MAX_SIZE + 1];
    char port[8];
};

static void on_deadline(struct net_timer *timer);
static void on_head_start(struct net_timer *timer);
static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *found);
static void take_addresses(struct net_dial *dial, const struct addrinfo *found);
static void try_next(struct net_dial *dial);
static bool begin(struct try *try);
static void on_writable(struct net_watch *watch, uint32_t events);
static void on_failed(struct net_dial *dial, struct try *try, int error);
static void finish(struct net_dial *dial, enum status status, const char *reason);
static void end(struct net_dial *dial);

struct net_dial *net_dial(struct net_loop *loop, const struct net_dial_options *options,
                          net_dial_fn done, void *context) {
    struct net_dial *dial = calloc(1, sizeof(*dial));
    if (!dial) {
        return NULL;
    }
    dial->loop = loop;
    dial->done = done;
    dial->context = context;
    dial->result.fd = -1;
    net_timer_init(&dial->deadline, on_deadline);
    net_timer_init(&dial->head_start, on_head_start);
    net_timer_start(loop, &dial->deadline, options->timeout_ms);
    bool is_name = options->host.size > 0 && options->host.size <= NAME_MAX_SIZE &&
                   !memchr(options->host.bytes, '\0', options->host.size);
    if (!is_name) { /* told from the timer, since nobody is called from in here */
        net_timer_start(loop, &dial->head_start, 0);
        return dial;
    }
    memcpy(dial->name, options->host.bytes, options->host.size);
    (void)snprintf(dial->port, sizeof(dial->port), "%u", options->port); /* fits */
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    dial->is_looking = uv_getaddrinfo(net_loop_uv(loop), &dial->look_up, on_found, dial->name,
                                      dial->port, &hints) == 0;
    if (!dial->is_looking) {
        end(dial);
        free(dial);
        return NULL;
    }
    return dial;
}

void net_dial_cancel(struct net_dial *dial) {
    end(dial);
    if (dial->is_looking) {
        (void)uv_cancel((uv_req_t *)&dial->look_up); /* too late is fine: it comes back anyway */
    } else {
        free(dial);
    }
}

/* Nothing of it is called any more. */
static void end(struct net_dial *dial) {
    dial->is_over = true;
    net_timer_stop(&dial->deadline);
    net_timer_stop(&dial->head_start);
    for (size_t i = 0; i < dial->begun; i++) {
        struct try *try = &dial->tries[i];
        if (try->fd >= 0) {
            net_watch_stop(&try->watch);
            close(try->fd);
            try->fd = -1;
        }
    }
}

static void on_deadline(struct net_timer *timer) {
    struct net_dial *dial = CONTAINER_OF(timer, struct net_dial, deadline);
    if (dial->begun) {
        dial->result.peer = dial->tries[dial->begun - 1].address;
    }
    finish(dial, STATUS_TIMEOUT,
           dial->is_looking ? "its name was not found in time" : "no answer in time");
}

static void on_head_start(struct net_timer *timer) {
    struct net_dial *dial = CONTAINER_OF(timer, struct net_dial, head_start);
    if (!dial->count) {
        finish(dial, STATUS_NOT_FOUND, "it is no name");
        return;
    }
    try_next(dial);
}

/* ---- the name ------------------------------------------------------------------------------- */

static void on_found(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct net_dial *dial = CONTAINER_OF(request, struct net_dial, look_up);
    dial->is_looking = false;
    if (status == 0 && !dial->is_over) {
        take_addresses(dial, found);
    }
    uv_freeaddrinfo(found);
    if (dial->is_over) {
        free(dial);
    } else if (status == UV_EAI_MEMORY || status == UV_ENOMEM) {
        finish(dial, STATUS_NO_MEMORY, uv_strerror(status));
    } else if (status != 0 || dial->count == 0) {
        finish(dial, STATUS_NOT_FOUND, status ? uv_strerror(status) : "it has no address");
    } else {
        try_next(dial);
    }
}

/* The next address of a family, from `at` on. */
static const struct addrinfo *of_family(const struct addrinfo *at, int family) {
    while (at && at->ai_family != family) {
        at = at->ai_next;
    }
    return at;
}

/* RFC 8305, section 4: the families take turns, the one that the system prefers first. */
static void take_addresses(struct net_dial *dial, const struct addrinfo *found) {
    int first = found && found->ai_family == AF_INET ? AF_INET : AF_INET6;
    int second = first == AF_INET ? AF_INET6 : AF_INET;
    const struct addrinfo *next[2] = {of_family(found, first), of_family(found, second)};
    for (size_t turn = 0; (next[0] || next[1]) && dial->count < TRIES_MAX; turn++) {
        const struct addrinfo *one = next[turn % 2];
        if (!one) {
            continue;
        }
        struct try *try = &dial->tries[dial->count++];
        try->dial = dial;
        try->fd = -1;
        try->address.size = one->ai_addrlen;
        memcpy(&try->address.addr, one->ai_addr, one->ai_addrlen);
        next[turn % 2] = of_family(one->ai_next, one->ai_family);
    }
}

/* ---- the addresses --------------------------------------------------------------------------- */

static void try_next(struct net_dial *dial) {
    while (dial->begun < dial->count) {
        struct try *try = &dial->tries[dial->begun++];
        if (begin(try)) {
            dial->going++;
            if (dial->begun < dial->count) {
                net_timer_start(dial->loop, &dial->head_start, HEAD_START_MS);
            }
            return;
        }
        dial->result.peer = try->address;
        dial->result.reason = uv_strerror(uv_translate_sys_error(errno));
    }
    if (dial->going == 0) {
        finish(dial, STATUS_IO, dial->result.reason);
    }
}

/* False with errno. A connection that is there at once is writable too. */
static bool begin(struct try *try) {
    int on = 1;
    const struct sockaddr *to = (const struct sockaddr *)&try->address.addr;
    try->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (try->fd < 0) {
        return false;
    }
    if (setsockopt(try->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        (connect(try->fd, to, try->address.size) == 0 || errno == EINPROGRESS) &&
        net_watch_start(try->dial->loop, &try->watch, try->fd, EPOLLOUT) == STATUS_OK) {
        try->watch.fn = on_writable;
        return true;
    }
    int error = errno;
    close(try->fd);
    try->fd = -1;
    errno = error;
    return false;
}

/* Without a listener on a port of the ephemeral range the kernel may connect a socket to itself. */
static bool is_own_echo(const struct try *try) {
    struct net_address local = {.size = sizeof(local.addr)}, peer = {.size = sizeof(peer.addr)};
    return getsockname(try->fd, (struct sockaddr *)&local.addr, &local.size) == 0 &&
           getpeername(try->fd, (struct sockaddr *)&peer.addr, &peer.size) == 0 &&
           local.size == peer.size && memcmp(&local.addr, &peer.addr, peer.size) == 0;
}

static void on_writable(struct net_watch *watch, uint32_t events) {
    struct try *try = CONTAINER_OF(watch, struct try, watch);
    struct net_dial *dial = try->dial;
    int error = 0;
    socklen_t size = sizeof(error);
    (void)events; /* the socket's error says more */
    if (getsockopt(try->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
        error = errno;
    } else if (!error && is_own_echo(try)) {
        error = ECONNREFUSED;
    }
    if (error) {
        on_failed(dial, try, error);
        return;
    }
    net_watch_stop(&try->watch);
    dial->result = (struct net_dialed){.fd = try->fd, .peer = try->address};
    try->fd = -1; /* the callee's */
    finish(dial, STATUS_OK, NULL);
}

static void on_failed(struct net_dial *dial, struct try *try, int error) {
    net_watch_stop(&try->watch);
    close(try->fd);
    try->fd = -1;
    dial->going--;
    dial->result.peer = try->address;
    dial->result.reason = uv_strerror(uv_translate_sys_error(error));
    net_timer_stop(&dial->head_start);
    try_next(dial);
}

static void finish(struct net_dial *dial, enum status status, const char *reason) {
    struct net_dialed result = dial->result;
    net_dial_fn done = dial->done;
    void *context = dial->context;
    result.status = status;
    result.reason = reason;
    net_dial_cancel(dial);
    done(context, &result);
}
