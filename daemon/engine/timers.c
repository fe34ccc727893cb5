/* A pairing heap ordered by time. Equal times run in no particular order. */
#include "engine/timers.h"

static struct engine_timer *meld(struct engine_timer *a, struct engine_timer *b) {
    if (!a || !b)
        return a ? a : b;
    if (b->at_ns < a->at_ns) {
        struct engine_timer *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    b->prev = a;
    if (a->child)
        a->child->prev = b;
    a->child = b;
    return a;
}

/* Pairs the siblings from left to right, then melds the pairs from right to left. */
static struct engine_timer *merge_pairs(struct engine_timer *first) {
    struct engine_timer *pairs = NULL;
    while (first) {
        struct engine_timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(a, b);
        a->next = pairs; /* a stack of roots */
        pairs = a;
    }
    struct engine_timer *root = NULL;
    while (pairs) {
        struct engine_timer *next = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

static void detach(struct timers *timers, struct engine_timer *timer) {
    struct engine_timer *rest = merge_pairs(timer->child);
    if (timer == timers->root) {
        timers->root = rest;
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next)
            timer->next->prev = timer->prev;
        timers->root = meld(timers->root, rest);
    }
    timer->child = timer->next = timer->prev = NULL;
    timer->is_armed = false;
}

void timer__arm(struct timers *timers, struct engine_timer *timer, uint64_t at_ns) {
    if (timer->is_armed)
        detach(timers, timer);
    timer->at_ns = at_ns;
    timer->is_armed = true;
    timers->root = meld(timers->root, timer);
}

void timer__cancel(struct timers *timers, struct engine_timer *timer) {
    if (timer->is_armed)
        detach(timers, timer);
}

uint64_t timers__next_ns(const struct timers *timers) {
    return timers->root ? timers->root->at_ns : UINT64_MAX;
}

struct engine_timer *timers__take_due(struct timers *timers, uint64_t now_ns) {
    struct engine_timer *timer = timers->root;
    if (!timer || timer->at_ns > now_ns)
        return NULL;
    detach(timers, timer);
    return timer;
}
