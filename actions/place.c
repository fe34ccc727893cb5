/* Places under max-programs, in the order of asking, over all workers. A place that comes free
 * travels to the worker of whoever waits first. */
#include <stdlib.h>

#include "actions/process.h"

struct action_place {
    struct net_message message; /* brings the place */
    struct action_place *next;
    struct action_host *host;
    void (*ready)(void *context); /* NULL: cancelled on its way */
    void *context;
    bool is_granted; /* under the lock */
};

static void on_granted(struct net_message *message, struct net_loop *loop);
static struct action_place *grant(struct action_programs *programs, uint32_t released);
static void send_places(struct action_place *place);

bool place__take(struct action_programs *programs) {
    pthread_mutex_lock(&programs->lock);
    bool is_free = !programs->first && programs->running < programs->max;
    if (is_free)
        programs->running++;
    pthread_mutex_unlock(&programs->lock);
    return is_free;
}

struct action_place *place__wait(struct action_host *host, void (*ready)(void *context),
                                 void *context) {
    struct action_programs *programs = host->programs;
    struct action_place *place = calloc(1, sizeof *place);
    if (!place)
        return NULL;
    place->host = host;
    place->ready = ready;
    place->context = context;
    place->message = (struct net_message){.run = on_granted};
    atomic_fetch_add_explicit(&programs->waited, 1, memory_order_relaxed);
    pthread_mutex_lock(&programs->lock);
    if (programs->last)
        programs->last->next = place;
    else
        programs->first = place;
    programs->last = place;
    programs->waiting++;
    pthread_mutex_unlock(&programs->lock);
    send_places(grant(programs, 0)); /* one may have come free since place__take() */
    return place;
}

static void unlink_place(struct action_programs *programs, struct action_place *place) {
    struct action_place *before = NULL;
    struct action_place **link = &programs->first;
    while (*link != place) {
        before = *link;
        link = &before->next;
    }
    *link = place->next;
    programs->waiting--;
    if (programs->last == place)
        programs->last = before;
}

void place__cancel(struct action_place *place) {
    struct action_programs *programs = place->host->programs;
    pthread_mutex_lock(&programs->lock);
    bool is_granted = place->is_granted;
    if (!is_granted)
        unlink_place(programs, place);
    pthread_mutex_unlock(&programs->lock);
    if (is_granted)
        place->ready = NULL; /* on_granted() comes to this thread */
    else
        free(place);
}

/* Gives `released` places back and takes whoever may go on now. */
static struct action_place *grant(struct action_programs *programs, uint32_t released) {
    struct action_place *granted = NULL, **end = &granted;
    pthread_mutex_lock(&programs->lock);
    programs->running -= released;
    while (programs->first && programs->running < programs->max) {
        struct action_place *place = programs->first;
        unlink_place(programs, place);
        place->next = NULL;
        place->is_granted = true;
        programs->running++;
        *end = place;
        end = &place->next;
    }
    pthread_mutex_unlock(&programs->lock);
    return granted;
}

static void send_places(struct action_place *place) {
    while (place) {
        struct action_place *next = place->next;
        net_post_answer(place->host->loop, &place->message);
        place = next;
    }
}

void place__release(struct action_host *host) { send_places(grant(host->programs, 1)); }

void action_programs_set_max(struct action_programs *programs, uint32_t max) {
    atomic_store(&programs->max, max);
    send_places(grant(programs, 0));
}

static void on_granted(struct net_message *message, struct net_loop *loop) {
    struct action_place *place = CONTAINER_OF(message, struct action_place, message);
    struct action_place granted = *place;
    free(place);
    if (loop && granted.ready)
        granted.ready(granted.context);
    else if (loop)
        place__release(granted.host);
}
