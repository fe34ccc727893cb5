/* What a text of `bind` stands for: addresses, or sockets that systemd has opened and passed
 * ($LISTEN_FDS, $LISTEN_FDNAMES, sd_listen_fds(3)). These stay open as long as the process, so that
 * a server may stop and start, and nobody is refused between two processes.
 *
 * Thread  the control thread. */
#ifndef BELLWIRE_BIND_H
#define BELLWIRE_BIND_H

#include "declare/declare.h"
#include "net/net.h"

#define BIND_TARGETS   16 /* of one text */
#define BIND_INHERITED 64
struct inherited {
    struct {
        int fd;
        char name[DECLARE_FD_NAME_MAX + 1];
    } sockets[BIND_INHERITED];
    size_t count;
};
/* Reads the environment and takes its variables away. Sockets past BIND_INHERITED are left out,
 * with a line in the log. */
void inherited_open(struct inherited *inherited);
void inherited_close(struct inherited *inherited);

struct bind_target {
    char requested[NET_ADDRESS_MAX]; /* how it is known: `127.0.0.1:80`, `fd:main`, `fd:main#2` */
    struct slice name;               /* of an inherited one, else empty */
    int fd;                          /* of an inherited one; -1: it was not passed */
    struct net_address address;
};
/* 0 where the text is no address; the declaration was checked. Borrows from both. */
size_t bind_targets(const struct inherited *inherited, struct slice text,
                    struct bind_target out[BIND_TARGETS]);
/* `count` listening sockets, one a worker. On failure `why` says what and the way out, nothing is
 * open, and the result is false. On success `bound` is where it listens. */
#define BIND_WHY_MAX 384
bool bind_open(const struct inherited *inherited, struct bind_target *target, size_t count,
               int *fds, char why[BIND_WHY_MAX]);
struct slice bind_bound(const struct bind_target *target, char out[NET_ADDRESS_MAX]);

#endif
