/* An order is one heap block that travels by mailbox; only its home thread looks at who waits for
 * it, so cancelling is no race. */
#include "daemon/steer.h"

#include <stdlib.h>

#include "daemon/edit.h"
#include "daemon/supervisor.h"

struct action_order {
    struct net_message message;
    struct net_room room; /* while the control thread's mailbox is full */
    struct supervisor *supervisor;
    struct net_loop *home;
    void (*done)(void *context, enum status status, const char *why); /* NULL: cancelled */
    void *context;
    enum status status;
    char *why; /* heap, or NULL */
    bool is_start;
    size_t id_size;
    char id[];
};

static struct action_order *begin(void *context, const struct action_steer *steer);
static void cancel(struct action_order *order);
static void post(struct action_order *order);
static void on_order(struct net_message *message, struct net_loop *loop);
static void on_steered(void *context, enum status status, const char *why);
static void on_answer(struct net_message *message, struct net_loop *loop);

struct action_steering steer_of(struct supervisor *supervisor) {
    return (struct action_steering){begin, cancel, supervisor};
}

static void release(struct action_order *order) {
    free(order->why);
    free(order);
}

static struct action_order *begin(void *context, const struct action_steer *steer) {
    struct supervisor *supervisor = context;
    struct action_order *order = calloc(1, sizeof *order + steer->server.size + 1);
    if (!order)
        return NULL;
    order->message =
        (struct net_message){.run = on_order, .bytes = sizeof *order + steer->server.size};
    order->supervisor = supervisor;
    order->home = steer->home;
    order->done = steer->done;
    order->context = steer->context;
    order->is_start = steer->is_start;
    order->id_size = steer->server.size;
    if (steer->server.size)
        memcpy(order->id, steer->server.bytes, steer->server.size);
    post(order);
    return order;
}

static void cancel(struct action_order *order) { order->done = NULL; }

static void on_room(struct net_room *room, struct net_loop *full) {
    struct action_order *order = CONTAINER_OF(room, struct action_order, room);
    if (full)
        post(order);
    else /* the process ends */
        order->message.run(&order->message, NULL);
}

static void post(struct action_order *order) {
    struct net_loop *to = order->supervisor->loop;
    if (net_post(to, &order->message) == STATUS_OK)
        return;
    order->room = (struct net_room){.home = order->home, .ready = on_room};
    net_wait_room(to, &order->room);
}

/* ---- on the control thread ------------------------------------------------------------------- */

static void on_order(struct net_message *message, struct net_loop *loop) {
    struct action_order *order = CONTAINER_OF(message, struct action_order, message);
    struct supervisor *supervisor = order->supervisor;
    if (!loop || !supervisor->has_workers) { /* nobody waits any more */
        release(order);
        return;
    }
    edit_steer_server(supervisor, &(struct edit_steering){.id = {order->id, order->id_size},
                                                          .is_start = order->is_start,
                                                          .done = on_steered,
                                                          .context = order});
}

static void on_steered(void *context, enum status status, const char *why) {
    struct action_order *order = context;
    order->status = status;
    order->why = why ? base_strdup(slice_of(why)) : NULL;
    order->message.run = on_answer;
    net_post_answer(order->home, &order->message);
}

/* ---- back at home ---------------------------------------------------------------------------- */

static void on_answer(struct net_message *message, struct net_loop *loop) {
    struct action_order *order = CONTAINER_OF(message, struct action_order, message);
    if (loop && order->done)
        order->done(order->context, order->status, order->why);
    release(order);
}
