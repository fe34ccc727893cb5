/* Timers of one engine: an intrusive pairing heap, so that arming never allocates. Private. */
#ifndef BELLWIRE_ENGINE_TIMERS_H
#define BELLWIRE_ENGINE_TIMERS_H

#include "base/base.h"

struct engine_timer {
    struct engine_timer *child, *next, *prev; /* prev: the left sibling, or the parent */
    uint64_t at_ns;
    bool is_armed;
    void (*due)(struct engine_timer *timer);
};
struct timers {
    struct engine_timer *root;
};
void timer__arm(struct timers *timers, struct engine_timer *timer, uint64_t at_ns); /* again too */
void timer__cancel(struct timers *timers, struct engine_timer *timer);              /* idempotent */
uint64_t timers__next_ns(const struct timers *timers); /* UINT64_MAX: none */
/* Takes the first timer that is due; NULL when none is. */
struct engine_timer *timers__take_due(struct timers *timers, uint64_t now_ns);

#endif
