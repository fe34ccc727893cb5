/* Asks all workers at once. What they carry back is their own until the last of them has come; who
 * takes longer than 2 s is left out of the answer. Once the API is closed none is written. */
#include <stdlib.h>

#include "control/internal.h"

#define WAIT_MS 2000

struct gather {
    struct call *call; /* NULL: answered */
    struct gather_ask ask;
    struct net_loop *home;
    struct net_timer timer;
    uint32_t count, pending; /* parts on their way */
    bool is_answering;
    struct gather_part parts[];
};

static void on_worker(struct net_message *message, struct net_loop *loop);
static void on_home(struct net_message *message, struct net_loop *loop);
static void on_late(struct net_timer *timer);
static void answer(struct gather *gather);
static void arrive(struct gather *gather);

void gather(struct call *call, const struct gather_ask *ask) {
    struct control *control = call->control;
    struct gather *gather =
        calloc(1, sizeof *gather + control->worker_count * sizeof gather->parts[0]);
    if (!gather) {
        if (ask->release)
            ask->release((void *)(uintptr_t)ask->input);
        call_no_memory(call);
        return;
    }
    gather->call = call;
    gather->ask = *ask;
    gather->home = control->loop;
    gather->count = control->worker_count;
    gather->pending = 1; /* this function */
    net_timer_init(&gather->timer, on_late);
    net_timer_start(control->loop, &gather->timer, WAIT_MS);
    for (uint32_t i = 0; i < gather->count; i++) {
        struct gather_part *part = &gather->parts[i];
        part->gather = gather;
        part->worker = &control->workers[i];
        part->number = i;
        part->message = (struct net_message){.run = on_worker, .bytes = sizeof *part};
        arena_init(&part->arena, 4096, 0);
        gather->pending++;
        if (net_post_control(part->worker->loop, &part->message))
            gather->pending--; /* it is left out */
    }
    arrive(gather);
}

const void *gather_input(const struct gather_part *parts) { return parts->gather->ask.input; }

struct slice *slice__box(struct slice text) {
    struct slice *box = malloc(sizeof *box + text.size);
    if (!box)
        return NULL;
    char *bytes = (char *)(box + 1);
    if (text.size)
        memcpy(bytes, text.bytes, text.size);
    *box = (struct slice){bytes, text.size};
    return box;
}

static void on_worker(struct net_message *message, struct net_loop *loop) {
    struct gather_part *part = CONTAINER_OF(message, struct gather_part, message);
    if (!loop) { /* the worker is gone, and this is the control thread */
        arrive(part->gather);
        return;
    }
    part->gather->ask.ask(part, part->gather->ask.input);
    part->has_arrived = true;
    part->message = (struct net_message){.run = on_home};
    net_post_answer(part->gather->home, &part->message);
}

static void on_home(struct net_message *message, struct net_loop *loop) {
    struct gather_part *part = CONTAINER_OF(message, struct gather_part, message);
    (void)loop; /* the memory goes in either case */
    part->is_answered = part->has_arrived && part->status == STATUS_OK;
    arrive(part->gather);
}

static void on_late(struct net_timer *timer) { answer(CONTAINER_OF(timer, struct gather, timer)); }

static void answer(struct gather *gather) {
    struct call *call = gather->call;
    if (!call)
        return;
    gather->call = NULL;
    net_timer_stop(&gather->timer);
    for (uint32_t i = 0; i < gather->count; i++)
        call->is_partial |= !gather->parts[i].is_answered;
    if (call->control->is_closed) { /* what an answer tells of may be gone */
        call_error(call, 503, SLICE_NONE, "the daemon ends");
        return;
    }
    gather->ask.done(call, gather->parts, gather->count);
}

static void arrive(struct gather *gather) {
    if (--gather->pending)
        return;
    answer(gather);
    for (uint32_t i = 0; i < gather->count; i++)
        arena_deinit(&gather->parts[i].arena);
    if (gather->ask.release)
        gather->ask.release((void *)(uintptr_t)gather->ask.input);
    free(gather);
}
