/* The timer wheel of a loop: 256 slots of 1 ms, then five levels of 64 slots, each slot as long as
 * the whole level below it. An entry moves down a level at most five times before it fires. */
#ifndef BELLWIRE_NET_WHEEL_H
#define BELLWIRE_NET_WHEEL_H

#include "net/net.h"

#define WHEEL_LEVELS  5
#define WHEEL_NEAR    256
#define WHEEL_FAR     64
#define WHEEL_MAX_MS  ((uint64_t)1 << 37) /* a longer delay is cut to this: 4 years */
#define WHEEL_NOTHING UINT64_MAX

struct wheel {
    uint64_t now_ms; /* all that was due then has fired */
    struct net_timer *near[WHEEL_NEAR];
    struct net_timer *far[WHEEL_LEVELS][WHEEL_FAR];
    uint64_t near_bits[WHEEL_NEAR / 64]; /* slots that may hold something */
    uint64_t far_bits[WHEEL_LEVELS];
};

void wheel__init(struct wheel *wheel, uint64_t now_ms);
void wheel__add(struct wheel *wheel, struct net_timer *timer, uint64_t due_ms);
/* When wheel__advance() is needed next, or WHEEL_NOTHING; maybe early, never late. */
uint64_t wheel__next(const struct wheel *wheel);
void wheel__advance(struct wheel *wheel, uint64_t now_ms); /* fires what is due */

#endif
