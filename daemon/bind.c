/* Addresses that are bound here, and sockets that were bound before. */
#include "daemon/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

static bool is_listening(int fd);
static bool open_address(struct bind_target *target, size_t count, int *fds, char *why);
static bool open_inherited(const struct inherited *inherited, struct bind_target *target,
                           size_t count, int *fds, char *why);

/* ---- what was passed --------------------------------------------------------------------------
 */

static uint64_t number_of(const char *variable) {
    const char *text = getenv(variable);
    uint64_t number = 0;
    return text && slice_to_u64(slice_of(text), &number) == STATUS_OK ? number : 0;
}

static void take(struct inherited *inherited, int fd, struct slice name) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return; /* it is not open: whoever said so was wrong */
    if (inherited->count == BIND_INHERITED || name.size > DECLARE_FD_NAME_MAX) {
        log_line(LOG_WARN, NULL, "the passed socket \"" SLICE_FMT "\" is not taken: %s",
                 SLICE_ARG(name),
                 name.size > DECLARE_FD_NAME_MAX ? "its name is too long" : "there are too many");
        return;
    }
    memcpy(inherited->sockets[inherited->count].name, name.bytes, name.size);
    inherited->sockets[inherited->count].name[name.size] = 0;
    inherited->sockets[inherited->count++].fd = fd;
}

void inherited_open(struct inherited *inherited) {
    *inherited = (struct inherited){0};
    uint64_t count = number_of("LISTEN_FDS");
    struct slice names = slice_of(getenv("LISTEN_FDNAMES"));
    if (number_of("LISTEN_PID") == (uint64_t)getpid())
        for (uint64_t i = 0; i < count && i < INT32_MAX - FIRST_FD; i++) {
            struct slice name = slice_cut(names, ':', &names);
            take(inherited, FIRST_FD + (int)i, name.size ? name : SLICE("unknown"));
        }
    (void)unsetenv("LISTEN_PID"); /* these fail only for names that are none */
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
}

void inherited_close(struct inherited *inherited) {
    for (size_t i = 0; i < inherited->count; i++)
        close(inherited->sockets[i].fd);
    inherited->count = 0;
}

/* ---- texts ------------------------------------------------------------------------------------
 */

static size_t find_inherited(const struct inherited *inherited, struct slice name,
                             struct bind_target out[BIND_TARGETS]) {
    size_t found = 0;
    for (size_t i = 0; i < inherited->count && found < BIND_TARGETS; i++)
        if (slice_is(name, inherited->sockets[i].name))
            out[found++] = (struct bind_target){.name = name, .fd = inherited->sockets[i].fd};
    if (!found)
        out[found++] = (struct bind_target){.name = name, .fd = -1};
    for (size_t i = 0; i < found; i++) {
        char number[24] = "";
        if (i)
            (void)snprintf(number, sizeof number, "#%zu", i + 1);
        (void)snprintf(out[i].requested, sizeof out[i].requested, "fd:" SLICE_FMT "%s",
                       SLICE_ARG(name), number); /* fits: DECLARE_FD_NAME_MAX */
    }
    return found;
}

size_t bind_targets(const struct inherited *inherited, struct slice text,
                    struct bind_target out[BIND_TARGETS]) {
    struct slice name = declare_fd_name(text);
    if (name.size)
        return find_inherited(inherited, name, out);
    struct net_address addresses[2];
    size_t count = 0;
    if (net_bind_parse(text, addresses, &count))
        return 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct bind_target){.fd = -1, .address = addresses[i]};
        char requested[NET_ADDRESS_MAX];
        struct slice spelled = net_address_format(&addresses[i], requested);
        memcpy(out[i].requested, spelled.bytes, spelled.size);
    }
    return count;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

bool bind_open(const struct inherited *inherited, struct bind_target *target, size_t count,
               int *fds, char why[BIND_WHY_MAX]) {
    return target->name.size ? open_inherited(inherited, target, count, fds, why)
                             : open_address(target, count, fds, why);
}

/* What the administrator can do about it. */
static const char *way_out(int error) {
    switch (error) {
        case EADDRINUSE:
            return "the address is in use: `ss -ltnp` names who has it; end that, or give the "
                   "server another address";
        case EADDRNOTAVAIL:
            return "the address is not this machine's: `ip address` lists those that are";
        case EACCES:
            return "Permission denied: a port below 1024 needs ports.conf of the examples, or a "
                   "socket of systemd, or take a higher port";
        default:
            return strerror(error);
    }
}

static bool open_address(struct bind_target *target, size_t count, int *fds, char *why) {
    enum status status = net_listen(&target->address, count, fds);
    if (status)
        (void)snprintf(why, BIND_WHY_MAX, "%s", way_out(errno)); /* fits */
    return status == STATUS_OK;
}

/* One line: what is missing, what there is, where it is said. */
static void explain_missing(const struct inherited *inherited, const struct bind_target *target,
                            char *why) {
    int size = snprintf(why, BIND_WHY_MAX, "no socket named \"" SLICE_FMT "\" was passed",
                        SLICE_ARG(target->name));
    const char *separator = "; there are ";
    for (size_t i = 0; i < inherited->count && size > 0 && size < BIND_WHY_MAX - 100; i++) {
        size += snprintf(why + size, BIND_WHY_MAX - (size_t)size, "%s%s", separator,
                         inherited->sockets[i].name);
        separator = ", ";
    }
    (void)snprintf(why + size, BIND_WHY_MAX - (size_t)size,
                   ": FileDescriptorName= of the .socket unit names it, and the unit must run");
}

static bool is_listening(int fd) {
    int is_on = 0, type = 0;
    socklen_t size = sizeof is_on;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_on, &size) == 0 && is_on &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static bool open_inherited(const struct inherited *inherited, struct bind_target *target,
                           size_t count, int *fds, char *why) {
    if (target->fd < 0) {
        explain_missing(inherited, target, why);
        return false;
    }
    if (!is_listening(target->fd)) {
        (void)snprintf(why, BIND_WHY_MAX,
                       "it is no listening stream socket: ListenStream= with Accept=no makes one");
        return false;
    }
    int on = 1; /* as our own sockets have it; a local one has no such thing */
    (void)setsockopt(target->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    target->address.size = sizeof target->address.addr;
    if (getsockname(target->fd, (struct sockaddr *)&target->address.addr, &target->address.size))
        target->address = (struct net_address){0}; /* then it goes by its name */
    for (size_t i = 0; i < count; i++) {
        fds[i] = fcntl(target->fd, F_DUPFD_CLOEXEC, FIRST_FD);
        if (fds[i] >= 0)
            continue;
        (void)snprintf(why, BIND_WHY_MAX, "%s", strerror(errno));
        while (i > 0)
            close(fds[--i]);
        return false;
    }
    return true;
}

struct slice bind_bound(const struct bind_target *target, char out[NET_ADDRESS_MAX]) {
    int family = target->address.addr.ss_family;
    if (family == AF_INET || family == AF_INET6)
        return net_address_format(&target->address, out);
    (void)snprintf(out, NET_ADDRESS_MAX, "%s", target->requested);
    return slice_of(out);
}
