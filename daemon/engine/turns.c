/* Modes whose runs take turns per key: single with a key, parallel with a key, queued, restart. The
 * home's side: a struct turns exists while a claim holds it or waits for it. */
#include <stdlib.h>

#include "engine/claim.h"
#include "engine/run.h"

struct turns {
    struct list holding, waiting; /* claims */
    uint32_t holder_count, waiting_count;
    size_t key_size;
    char key[];
};

static struct turns *turns_of(struct engine *engine, const struct claim *claim) {
    struct turns *turns = map_get(&engine->turns, claim_key(claim));
    if (turns)
        return turns;
    turns = calloc(1, sizeof *turns + claim->key_size);
    if (!turns)
        return NULL;
    list_init(&turns->holding);
    list_init(&turns->waiting);
    turns->key_size = claim->key_size;
    memcpy(turns->key, claim->key, claim->key_size);
    if (map_put(&engine->turns, (struct slice){turns->key, turns->key_size}, turns) == STATUS_OK)
        return turns;
    free(turns);
    return NULL;
}

static void drop_if_unused(struct engine *engine, struct turns *turns) {
    if (turns->holder_count > 0 || turns->waiting_count > 0)
        return;
    map_remove(&engine->turns, (struct slice){turns->key, turns->key_size});
    free(turns);
}

static void refuse(struct claim *claim, enum run_gate gate) {
    claim->answer = CLAIM_REFUSED;
    claim->gate = gate;
    claim->retry_after_ms = 1000;
}

static void hold(struct turns *turns, struct claim *claim) {
    claim->holds = true;
    claim->turns = turns;
    list_append(&turns->holding, &claim->link);
    turns->holder_count++;
}

static void take_out(struct turns *turns, struct claim *claim) {
    list_remove(&claim->link);
    *(claim->holds ? &turns->holder_count : &turns->waiting_count) -= 1;
    claim->holds = false;
    claim->turns = NULL;
}

/* The oldest that waits goes, and is told so. */
static void drop_oldest(struct engine *engine, struct turns *turns) {
    struct claim *oldest = CONTAINER_OF(turns->waiting.next, struct claim, link);
    take_out(turns, oldest);
    oldest->gate = RUN_MODE;
    oldest->retry_after_ms = 1000;
    claim__tell(engine, oldest, &oldest->dropped);
    claim__unref(oldest);
}

/* Runs that give way leave by themselves, some of them inside this call. */
static void tell_to_yield(struct engine *engine, const struct claim *newer, struct list *claims) {
    struct list *at = claims->next;
    while (at != claims) {
        struct claim *claim = CONTAINER_OF(at, struct claim, link);
        if (claim == newer || claim->is_yielding) {
            at = at->next;
            continue;
        }
        claim->is_yielding = true;
        claim__tell(engine, claim, &claim->yield);
        at = claims->next; /* anything may have left meanwhile */
    }
}

static void wait_for_turn(struct engine *engine, struct turns *turns, struct claim *claim) {
    claim->turns = turns;
    claim->answer = CLAIM_WAITS;
    list_append(&turns->waiting, &claim->link);
    turns->waiting_count++;
    atomic_fetch_add_explicit(&claim->references, 1, memory_order_relaxed);
    if (claim->type != MODE_RESTART)
        return;
    tell_to_yield(engine, claim, &turns->waiting);
    if (claim->turns && !claim->holds)
        tell_to_yield(engine, claim, &turns->holding);
    if (claim->holds)
        claim->answer = CLAIM_GRANTED;
}

static void queue(struct engine *engine, struct turns *turns, struct claim *claim) {
    bool is_full = claim->type == MODE_QUEUED && turns->waiting_count >= claim->max_waiting;
    if (is_full && (claim->overflow == OVERFLOW_REJECT || turns->waiting_count == 0)) {
        refuse(claim, RUN_MODE);
        return;
    }
    if (is_full)
        drop_oldest(engine, turns);
    wait_for_turn(engine, turns, claim);
}

void turns__ask(struct engine *engine, struct claim *claim) {
    struct turns *turns = turns_of(engine, claim);
    if (!turns) {
        refuse(claim, RUN_MEMORY);
        return;
    }
    uint32_t max = claim->type == MODE_PARALLEL ? claim->max : 1;
    if (turns->holder_count < max && turns->waiting_count == 0) {
        hold(turns, claim);
        claim->answer = CLAIM_GRANTED;
        atomic_fetch_add_explicit(&claim->references, 1, memory_order_relaxed);
        return;
    }
    if (claim->type == MODE_PARALLEL)
        refuse(claim, RUN_MAX);
    else if (claim->type == MODE_SINGLE)
        refuse(claim, RUN_MODE);
    else
        queue(engine, turns, claim);
}

void turns__leave(struct engine *engine, struct claim *claim) {
    struct turns *turns = claim->turns;
    if (!turns)
        return;
    bool has_room = claim->holds;
    take_out(turns, claim);
    if (has_room && turns->waiting_count > 0) {
        struct claim *next = CONTAINER_OF(turns->waiting.next, struct claim, link);
        take_out(turns, next);
        hold(turns, next);
        if (!next->is_being_asked)
            claim__tell(engine, next, &next->granted);
    } else {
        drop_if_unused(engine, turns);
    }
    claim__unref(claim);
}

void turns__free_all(struct engine *engine) {
    struct map_entry *entry;
    for (size_t at = 0; (entry = map_next(&engine->turns, &at));) {
        struct turns *turns = entry->value;
        struct list *lists[] = {&turns->holding, &turns->waiting};
        for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
            while (!list_is_empty(lists[i])) {
                struct claim *claim = CONTAINER_OF(lists[i]->next, struct claim, link);
                list_remove(&claim->link);
                claim->turns = NULL;
                claim__unref(claim);
            }
        free(turns);
    }
    map_deinit(&engine->turns);
}
