/* Hierarchical timer wheel. A stopped timer only leaves its list; the bit of its slot is cleared
 * when the slot is passed, at the price of a wake-up that finds nothing. */
#include <assert.h>
#include "net/wheel.h"

static void place(struct wheel *wheel, struct net_timer *timer);
static void cascade(struct wheel *wheel, unsigned level);
static void fire_slot(struct wheel *wheel);

static unsigned shift_of(unsigned level) { return 8 + 6 * level; }

void wheel__init(struct wheel *wheel, uint64_t now_ms) {
    memset(wheel, 0, sizeof(*wheel));
    wheel->now_ms = now_ms;
}

void wheel__add(struct wheel *wheel, struct net_timer *timer, uint64_t due_ms) {
    uint64_t latest = wheel->now_ms + WHEEL_MAX_MS;
    timer->due_ms = due_ms <= wheel->now_ms ? wheel->now_ms + 1 : due_ms;
    if (timer->due_ms > latest) {
        timer->due_ms = latest;
    }
    place(wheel, timer);
}

static void push(struct net_timer **slot, struct net_timer *timer) {
    timer->next = *slot;
    if (timer->next) {
        timer->next->link = &timer->next;
    }
    timer->link = slot;
    *slot = timer;
}

static void place(struct wheel *wheel, struct net_timer *timer) {
    uint64_t due = timer->due_ms, delay = due - wheel->now_ms;
    if (delay < WHEEL_NEAR) {
        push(&wheel->near[due % WHEEL_NEAR], timer);
        wheel->near_bits[due % WHEEL_NEAR / 64] |= (uint64_t)1 << (due % 64);
        return;
    }
    unsigned level = 0;
    while (level + 1 < WHEEL_LEVELS && delay >> shift_of(level + 1)) {
        level++;
    }
    uint64_t slot = (due >> shift_of(level)) % WHEEL_FAR;
    push(&wheel->far[level][slot], timer);
    wheel->far_bits[level] |= (uint64_t)1 << slot;
}

/* Distance from bit `from` to the next set one, going round; `from` itself counts as 0. */
static unsigned distance(uint64_t bits, unsigned from) {
    uint64_t turned = from ? bits >> from | bits << (64 - from) : bits;
    return (unsigned)__builtin_ctzll(turned);
}

static uint64_t next_near(const struct wheel *wheel) {
    uint64_t tick = wheel->now_ms + 1;
    unsigned word = (unsigned)(tick % WHEEL_NEAR / 64);
    uint64_t bits = wheel->near_bits[word] & UINT64_MAX << (tick % 64);
    uint64_t base = tick - tick % 64;
    for (unsigned i = 0; i <= WHEEL_NEAR / 64; i++) {
        if (bits) {
            return base + (unsigned)__builtin_ctzll(bits);
        }
        base += 64;
        word = (word + 1) % (WHEEL_NEAR / 64);
        bits = wheel->near_bits[word];
    }
    return WHEEL_NOTHING;
}

uint64_t wheel__next(const struct wheel *wheel) {
    uint64_t next = next_near(wheel);
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (wheel->far_bits[level]) {
            uint64_t block = (wheel->now_ms >> shift_of(level)) + 1;
            block += distance(wheel->far_bits[level], block % WHEEL_FAR);
            uint64_t tick = block << shift_of(level);
            next = tick < next ? tick : next;
        }
    }
    return next;
}

void wheel__advance(struct wheel *wheel, uint64_t now_ms) {
    for (uint64_t next; (next = wheel__next(wheel)) <= now_ms;) {
        wheel->now_ms = next;
        for (unsigned level = WHEEL_LEVELS; level-- > 0;) {
            if (next % ((uint64_t)1 << shift_of(level)) == 0) {
                cascade(wheel, level);
            }
        }
        fire_slot(wheel);
    }
    if (now_ms > wheel->now_ms) {
        wheel->now_ms = now_ms;
    }
}

static void take(struct net_timer *timer) {
    *timer->link = timer->next;
    if (timer->next) {
        timer->next->link = timer->link;
    }
    timer->next = NULL;
    timer->link = NULL;
}

/* Empties a slot into `list`, from where entries can still be stopped. */
static void detach(struct net_timer **slot, struct net_timer **list) {
    *list = *slot;
    *slot = NULL;
    if (*list) {
        (*list)->link = list;
    }
}

static void cascade(struct wheel *wheel, unsigned level) {
    uint64_t slot = (wheel->now_ms >> shift_of(level)) % WHEEL_FAR;
    struct net_timer *list;
    wheel->far_bits[level] &= ~((uint64_t)1 << slot);
    detach(&wheel->far[level][slot], &list);
    while (list) {
        struct net_timer *timer = list;
        take(timer);
        place(wheel, timer);
    }
}

static void fire_slot(struct wheel *wheel) {
    uint64_t slot = wheel->now_ms % WHEEL_NEAR;
    struct net_timer *list;
    wheel->near_bits[slot / 64] &= ~((uint64_t)1 << (slot % 64));
    detach(&wheel->near[slot], &list);
    while (list) {
        struct net_timer *timer = list;
        take(timer);
        timer->fire(timer);
    }
}

void net_timer_init(struct net_timer *timer, void (*fire)(struct net_timer *timer)) {
    *timer = (struct net_timer){.fire = fire};
}

void net_timer_stop(struct net_timer *timer) {
    if (timer->link) {
        take(timer);
    }
}
