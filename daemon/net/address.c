/* Addresses as text, and the listening sockets that the control thread makes for them. */
#include <errno.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>
#include "net/net.h"

#define HOST_MAX     63
#define LISTEN_QUEUE 4096

static enum status split(struct slice text, struct slice *host, uint16_t *port);
static enum status resolve(struct slice host, uint16_t port, struct net_address *out);
static int open_socket(const struct net_address *address, bool is_shared);
static void set_port(struct net_address *address, uint16_t port);

enum status net_bind_parse(struct slice text, struct net_address out[2], size_t *count) {
    struct slice host;
    uint16_t port;
    enum status status = split(text, &host, &port);
    if (status != STATUS_OK) {
        return status;
    }
    struct slice hosts[2] = {host, SLICE_NONE};
    if (host.size == 0) {
        hosts[0] = SLICE("::");
        hosts[1] = SLICE("0.0.0.0");
    } else if (slice_equal_nocase(host, SLICE("localhost"))) {
        hosts[0] = SLICE("127.0.0.1");
        hosts[1] = SLICE("::1");
    }
    struct net_address found[2];
    size_t used = 0;
    for (; used < 2 && hosts[used].size; used++) {
        status = resolve(hosts[used], port, &found[used]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    memcpy(out, found, used * sizeof(*out));
    *count = used;
    return STATUS_OK;
}

static enum status split(struct slice text, struct slice *host, uint16_t *port) {
    size_t colon = text.size;
    while (colon > 0 && text.bytes[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return STATUS_SYNTAX;
    }
    struct slice digits = {text.bytes + colon, text.size - colon};
    *host = (struct slice){text.bytes, colon - 1};
    bool has_brackets = host->size > 1 && host->bytes[0] == '[';
    if (has_brackets && host->bytes[host->size - 1] != ']') {
        return STATUS_SYNTAX;
    }
    if (has_brackets) {
        *host = (struct slice){host->bytes + 1, host->size - 2};
    }
    if (slice_contains(*host, SLICE(":")) != has_brackets) {
        return STATUS_SYNTAX; /* an IPv6 address stands in brackets, and nothing else does */
    }
    uint64_t number;
    enum status status = slice_to_u64(digits, &number);
    if (status != STATUS_OK || number > UINT16_MAX) {
        return status == STATUS_SYNTAX ? STATUS_SYNTAX : STATUS_RANGE;
    }
    *port = (uint16_t)number;
    return STATUS_OK;
}

static enum status resolve(struct slice host, uint16_t port, struct net_address *out) {
    char name[HOST_MAX + 1];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    if (host.size > HOST_MAX) {
        return STATUS_SYNTAX;
    }
    memcpy(name, host.bytes, host.size);
    name[host.size] = '\0';
    if (getaddrinfo(name, NULL, &hints, &found) != 0) {
        return STATUS_SYNTAX; /* numeric only: nothing is looked up */
    }
    *out = (struct net_address){.size = found->ai_addrlen};
    memcpy(&out->addr, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    set_port(out, port);
    return STATUS_OK;
}

static void set_port(struct net_address *address, uint16_t port) {
    if (address->addr.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&address->addr)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)&address->addr)->sin_port = htons(port);
    }
}

static uint16_t port_of(const struct net_address *address) {
    return address->addr.ss_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)&address->addr)->sin6_port)
               : ntohs(((const struct sockaddr_in *)&address->addr)->sin_port);
}

static char *put_octet(char *out, unsigned number) {
    if (number >= 100) {
        *out++ = (char)('0' + number / 100);
    }
    if (number >= 10) {
        *out++ = (char)('0' + number / 10 % 10);
    }
    *out++ = (char)('0' + number % 10);
    return out;
}

/* As inet_ntop(), which takes a fourteenth of a whole handshake. */
static struct slice format_v4(const struct sockaddr_in *address, char *out) {
    uint32_t bits = ntohl(address->sin_addr.s_addr);
    char *at = out;
    for (int shift = 24; shift >= 0; shift -= 8) {
        at = put_octet(at, bits >> shift & 0xff);
        *at++ = shift ? '.' : '\0';
    }
    return (struct slice){out, (size_t)(at - out) - 1};
}

struct slice net_address_host(const struct net_address *address, char *out) {
    const void *bytes = NULL;
    if (address->addr.ss_family == AF_INET) {
        return format_v4((const struct sockaddr_in *)&address->addr, out);
    }
    if (address->addr.ss_family == AF_INET6) {
        bytes = &((const struct sockaddr_in6 *)&address->addr)->sin6_addr;
    }
    if (!bytes || !inet_ntop(address->addr.ss_family, bytes, out, NET_ADDRESS_MAX)) {
        memcpy(out, "unix", sizeof("unix")); /* a local socket has no address */
    }
    return slice_of(out);
}

struct slice net_address_format(const struct net_address *address, char *out) {
    char host[NET_ADDRESS_MAX];
    struct slice name = net_address_host(address, host);
    bool is_v6 = address->addr.ss_family == AF_INET6;
    int size = snprintf(out, NET_ADDRESS_MAX, "%s" SLICE_FMT "%s:%u", is_v6 ? "[" : "",
                        SLICE_ARG(name), is_v6 ? "]" : "", port_of(address));
    return (struct slice){out, (size_t)size};
}

static enum status status_of_errno(void) {
    return errno == EADDRINUSE ? STATUS_EXISTS : errno == EACCES ? STATUS_DENIED : STATUS_IO;
}

/* The first socket is bound without SO_REUSEPORT, because with it another process of this user
 * could have the port unnoticed. With several workers it only was a probe. */
enum status net_listen(struct net_address *address, size_t count, int *fds) {
    struct net_address bound = *address;
    size_t opened = 0;
    int fd = open_socket(&bound, false);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&bound.addr, &bound.size) < 0) {
        goto failed;
    }
    if (count > 1) {
        close(fd);
        for (fd = -1; opened < count; opened++) {
            fds[opened] = open_socket(&bound, true);
            if (fds[opened] < 0) {
                goto failed;
            }
        }
    } else {
        fds[0] = fd;
    }
    *address = bound;
    return STATUS_OK;
failed:;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    while (opened > 0) {
        close(fds[--opened]);
    }
    errno = error;
    return status_of_errno();
}

/* Accepted sockets inherit TCP_NODELAY. Returns -1 with errno. */
static int open_socket(const struct net_address *address, bool is_shared) {
    int on = 1, family = address->addr.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (is_shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&address->addr, address->size) < 0 ||
        listen(fd, LISTEN_QUEUE) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}
