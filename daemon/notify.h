/* What the service manager is told, by datagrams to $NOTIFY_SOCKET (sd_notify(3)): that the daemon
 * is ready, reloads or ends, how it is, and that its workers turn.
 *
 * The watchdog ($WATCHDOG_USEC) is fed when every worker has run an order that was posted after the
 * last feed: one worker that hangs, or this thread, and the service manager restarts the daemon.
 * Without $NOTIFY_SOCKET all of it does nothing.
 *
 * Thread  the control thread. */
#ifndef BELLWIRE_NOTIFY_H
#define BELLWIRE_NOTIFY_H

#include <sys/un.h>

#include "net/net.h"

#define NOTIFY_STATUS_MAX 1024

struct supervisor;
struct notify {
    struct supervisor *supervisor;
    struct sockaddr_un address;
    socklen_t address_size;
    int fd;               /* -1: nobody listens */
    uint64_t watchdog_ms; /* between two feeds; 0: no watchdog */
    struct net_timer timer;
    uint32_t pending;               /* workers that have not turned since the last feed */
    bool is_due;                    /* the time for the next feed has come */
    char status[NOTIFY_STATUS_MAX]; /* what was said last */
};
/* Reads the environment and takes its variables away, so that no child speaks for the daemon. */
void notify_open(struct notify *notify, struct supervisor *supervisor);
void notify_ready(struct notify *notify); /* also after each reload, good or bad */
void notify_reloading(struct notify *notify);
/* `extend_ms`: how long the end may take, where that is more than the service manager expects. */
void notify_stopping(struct notify *notify, uint64_t extend_ms);
void notify_status(struct notify *notify); /* tasks, sessions, last reload; sent where it differs */
void notify_failed(struct notify *notify, const char *why); /* of a start, as the last status */
void notify_close(struct notify *notify);

#endif
