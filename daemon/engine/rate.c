/* `at-most`: a ring of the latest beginnings per task and key. With `then: last` the newest event
 * that came too early waits until the time is up. */
#include "engine/run.h"

#include <stdlib.h>

static void rate_free(struct rate *rate) {
    struct engine *engine = rate->engine;
    map_remove(&engine->rates, (struct slice){rate->key, rate->key_size});
    list_remove(&rate->order);
    timer__cancel(&engine->timers, &rate->timer);
    free(rate->key);
    free(rate);
}

void rates__free(struct engine *engine) {
    while (!list_is_empty(&engine->rate_order))
        rate_free(CONTAINER_OF(engine->rate_order.next, struct rate, order));
}

/* Peers may choose the keys, so their number is bounded. */
static void forget_oldest(struct engine *engine) {
    struct list *node;
    if (engine->rates.count < RATE_KEYS_MAX)
        return;
    LIST_FOR_EACH(node, &engine->rate_order) {
        struct rate *rate = CONTAINER_OF(node, struct rate, order);
        if (!rate->last) {
            rate_free(rate);
            return;
        }
    }
}

/* The newest that waited may begin, if its mode lets it. */
static void on_time_up(struct engine_timer *timer) {
    struct rate *rate = CONTAINER_OF(timer, struct rate, timer);
    struct run *run = rate->last;
    struct engine *engine = rate->engine;
    uint64_t retry_after_ms;
    rate->last = NULL;
    run->waits_rate = false;
    run->rate = NULL;
    list_remove(&run->queue);
    enum run_gate gate = gate__enter(run, &retry_after_ms);
    if (gate != RUN_ADMITTED) {
        gate__count_refusal(run, gate);
        run_cancel(run);
    } else if (run->waits_turn || run->waits_rate) {
        gate__wait(run);
    } else {
        list_append(&engine->queue, &run->queue);
    }
}

static struct rate *rate_new(struct run *run, char *key, struct slice name) {
    struct engine *engine = run->engine;
    uint32_t capacity = run->task->rate.runs;
    forget_oldest(engine);
    struct rate *rate = calloc(1, sizeof *rate + capacity * sizeof rate->begun_ns[0]);
    if (!rate) {
        free(key);
        return NULL;
    }
    rate->engine = engine;
    rate->key = key;
    rate->key_size = name.size;
    rate->capacity = capacity;
    rate->timer.due = on_time_up;
    list_init(&rate->order);
    if (map_put(&engine->rates, name, rate) != STATUS_OK) {
        free(key);
        free(rate);
        return NULL;
    }
    return rate;
}

static struct rate *rate_of(struct run *run) {
    struct engine *engine = run->engine;
    struct slice name;
    char *key = gate__key(run, run->task->rate.key, &name);
    if (!key)
        return NULL;
    struct rate *rate = map_get(&engine->rates, name);
    if (rate && rate->capacity != run->task->rate.runs && !rate->last) {
        rate_free(rate); /* a reload changed the bound */
        rate = NULL;
    }
    if (!rate) {
        rate = rate_new(run, key, name);
    } else {
        free(key);
    }
    if (rate) {
        list_remove(&rate->order);
        list_append(&engine->rate_order, &rate->order);
    }
    return rate;
}

/* When the next one may begin; 0: now. */
static uint64_t next_ns(const struct rate *rate, uint64_t per_ns, uint64_t now_ns) {
    if (rate->count < rate->capacity)
        return 0;
    uint64_t at_ns = rate->begun_ns[rate->next] + per_ns;
    return at_ns > now_ns ? at_ns : 0;
}

enum run_gate rate__enter(struct run *run, uint64_t *retry_after_ms) {
    const struct task_rate *bound = &run->task->rate;
    struct rate *rate = rate_of(run);
    if (!rate)
        return RUN_MEMORY;
    uint64_t now_ns = engine__now_ns(run->engine);
    uint64_t at_ns = next_ns(rate, bound->per_ms * 1000000, now_ns);
    if (at_ns == 0) {
        rate->begun_ns[rate->next] = now_ns;
        rate->next = (rate->next + 1) % rate->capacity;
        rate->count += rate->count < rate->capacity;
        return RUN_ADMITTED;
    }
    *retry_after_ms = (at_ns - now_ns + 999999) / 1000000;
    if (bound->then == RATE_DROP)
        return RUN_AT_MOST;
    run->rate = rate;
    run->waits_rate = true;
    return RUN_ADMITTED;
}

/* Takes the place of the one that waited so far, which is dropped. */
void rate__wait(struct run *run) {
    struct rate *rate = run->rate;
    if (rate->last) {
        struct run *before = rate->last;
        gate__count_refusal(before, RUN_AT_MOST);
        run_cancel(before);
    }
    rate->last = run;
    timer__arm(&run->engine->timers, &rate->timer,
               rate->begun_ns[rate->next] + run->task->rate.per_ms * 1000000);
}

void rate__leave(struct run *run) {
    struct rate *rate = run->rate;
    if (!rate)
        return;
    if (rate->last == run) {
        rate->last = NULL;
        timer__cancel(&run->engine->timers, &rate->timer);
    }
    run->rate = NULL;
}
