/* `at-most`, the home's side: a ring of the latest beginnings per task and key. With `then: last`
 * the newest event that came too early waits until the time is up. */
#include <stdlib.h>

#include "engine/claim.h"
#include "engine/run.h"

#define RATE_KEYS_MAX 10000

struct rate {
    struct engine *engine;
    struct list order;  /* in engine->rate_order, or while one waits in ->rate_waiting */
    struct claim *last; /* waits for the time to be up */
    struct engine_timer timer;
    uint32_t count, next, capacity;
    size_t key_size;
    char *key;
    uint64_t begun_ns[]; /* a ring of `capacity`; the key stands behind it */
};

static void rate_free(struct rate *rate) {
    struct engine *engine = rate->engine;
    map_remove(&engine->rates, (struct slice){rate->key, rate->key_size});
    list_remove(&rate->order);
    timer__cancel(&engine->timers, &rate->timer);
    free(rate);
}

static void free_all(struct list *rates) {
    for (struct list *node = rates->next; node != rates;) {
        struct rate *rate = CONTAINER_OF(node, struct rate, order);
        node = node->next;
        if (rate->last)
            claim__unref(rate->last);
        rate_free(rate);
    }
}

void rates__free(struct engine *engine) {
    free_all(&engine->rate_order);
    free_all(&engine->rate_waiting);
    map_deinit(&engine->rates);
}

/* Where a run waits for each of the keys, none of them can be forgotten. */
static bool is_full(const struct engine *engine) {
    return engine->rates.count >= RATE_KEYS_MAX && list_is_empty(&engine->rate_order);
}

/* Peers may choose the keys, so their number is bounded. */
static bool make_room(struct engine *engine) {
    if (is_full(engine))
        return false;
    if (engine->rates.count >= RATE_KEYS_MAX)
        rate_free(CONTAINER_OF(engine->rate_order.next, struct rate, order));
    return true;
}

/* As the one that was used latest. */
static void put_in_order(struct rate *rate) {
    struct engine *engine = rate->engine;
    list_remove(&rate->order);
    list_append(rate->last ? &engine->rate_waiting : &engine->rate_order, &rate->order);
}

static void set_last(struct rate *rate, struct claim *last) {
    rate->last = last;
    put_in_order(rate);
}

static void note_begin(struct rate *rate) {
    rate->begun_ns[rate->next] = engine__now_ns(rate->engine);
    rate->next = (rate->next + 1) % rate->capacity;
    rate->count += rate->count < rate->capacity;
}

/* The newest that waited may begin, if its mode lets it. */
static void on_time_up(struct engine_timer *timer) {
    struct rate *rate = CONTAINER_OF(timer, struct rate, timer);
    struct claim *claim = rate->last;
    set_last(rate, NULL);
    claim->rate = NULL;
    note_begin(rate);
    claim__tell(rate->engine, claim, &claim->granted);
    claim__unref(claim);
}

static struct rate *rate_new(struct engine *engine, const struct claim *claim) {
    if (!make_room(engine))
        return NULL;
    size_t ring = claim->runs * sizeof(uint64_t);
    struct rate *rate = calloc(1, sizeof *rate + ring + claim->key_size);
    if (!rate)
        return NULL;
    rate->engine = engine;
    rate->key = (char *)rate->begun_ns + ring;
    rate->key_size = claim->key_size;
    memcpy(rate->key, claim->key, claim->key_size);
    rate->capacity = claim->runs;
    rate->timer.due = on_time_up;
    list_init(&rate->order);
    if (map_put(&engine->rates, (struct slice){rate->key, rate->key_size}, rate) == STATUS_OK)
        return rate;
    free(rate);
    return NULL;
}

static struct rate *rate_of(struct engine *engine, const struct claim *claim) {
    struct rate *rate = map_get(&engine->rates, claim_key(claim));
    if (rate && rate->capacity != claim->runs && !rate->last) {
        rate_free(rate); /* a reload changed the bound */
        rate = NULL;
    }
    if (!rate)
        rate = rate_new(engine, claim);
    if (rate)
        put_in_order(rate);
    return rate;
}

/* When the next one may begin; 0: now. */
static uint64_t next_ns(const struct rate *rate, uint64_t per_ns) {
    if (rate->count < rate->capacity)
        return 0;
    uint64_t at_ns = rate->begun_ns[rate->next] + per_ns;
    return at_ns > engine__now_ns(rate->engine) ? at_ns : 0;
}

/* Takes the place of the one that waited so far, which is dropped. */
static void wait_as_last(struct rate *rate, struct claim *claim, uint64_t at_ns) {
    struct claim *before = rate->last;
    set_last(rate, claim);
    claim->rate = rate;
    claim->answer = CLAIM_WAITS;
    atomic_fetch_add_explicit(&claim->references, 1, memory_order_relaxed);
    timer__arm(&rate->engine->timers, &rate->timer, at_ns);
    if (!before)
        return;
    before->rate = NULL;
    before->gate = RUN_AT_MOST;
    before->retry_after_ms = claim->retry_after_ms;
    claim__tell(rate->engine, before, &before->dropped);
    claim__unref(before);
}

void rate__ask(struct engine *engine, struct claim *claim) {
    struct rate *rate = rate_of(engine, claim);
    if (!rate) {
        claim->answer = CLAIM_REFUSED;
        claim->gate = is_full(engine) ? RUN_MAX : RUN_MEMORY;
        return;
    }
    uint64_t at_ns = next_ns(rate, claim->per_ns);
    if (at_ns == 0 && !rate->last) {
        note_begin(rate);
        claim->answer = CLAIM_GRANTED;
        return;
    }
    uint64_t now_ns = engine__now_ns(engine);
    claim->retry_after_ms = at_ns > now_ns ? (at_ns - now_ns + 999999) / 1000000 : 1;
    if (claim->then == RATE_LAST) {
        wait_as_last(rate, claim, at_ns ? at_ns : now_ns);
        return;
    }
    claim->answer = CLAIM_REFUSED;
    claim->gate = RUN_AT_MOST;
}

void rate__leave(struct engine *engine, struct claim *claim) {
    struct rate *rate = claim->rate;
    if (!rate)
        return;
    set_last(rate, NULL);
    claim->rate = NULL;
    timer__cancel(&engine->timers, &rate->timer);
    claim__unref(claim);
}
