/* Dialing: from a host's name to a connected socket. A part of net.h. */
#ifndef BELLWIRE_NET_DIAL_H
#define BELLWIRE_NET_DIAL_H

struct net_dial;
struct net_dial_options {
    struct slice host; /* a name or an address without brackets; copied */
    uint16_t port;
    uint64_t timeout_ms; /* for all of it, the name included */
};
/*   OK         `fd` is connected, non-blocking, close-on-exec, TCP_NODELAY, and the callee's
 *   NOT_FOUND  the name leads to no address: `reason`
 *   TIMEOUT    nothing had come of it in time
 *   IO         no address could be connected to: `peer` was the last one, `reason` says why
 *   NO_MEMORY */
struct net_dialed {
    enum status status;
    int fd;                  /* -1 unless OK */
    struct net_address peer; /* size 0: none was tried */
    const char *reason;      /* constant text, NULL for OK */
};
typedef void (*net_dial_fn)(void *context, const struct net_dialed *dialed);
/* Looks the name up in libuv's pool, then tries its addresses, IPv6 and IPv4 in turn, the next one
 * 250 ms after the one before or as soon as that has failed (RFC 8305, section 5); the first that
 * answers is taken, the others are closed. `done` is called once, never from inside this call. NULL
 * without memory: it is not called. */
struct net_dial *net_dial(struct net_loop *loop, const struct net_dial_options *options,
                          net_dial_fn done, void *context);
void net_dial_cancel(struct net_dial *dial); /* `done` is not called any more; all is closed */

#endif
