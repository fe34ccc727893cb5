/* Orders by name, to clients of any worker.
 *
 * An op is what was asked for, with its texts; it is made where an order has to wait. It travels to
 * the owner of the client, is carried out there, and comes back with the result. A full mailbox
 * keeps it waiting, never drops it. */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "client/internal.h"

struct client_op {
    struct net_message message;
    struct net_room room;
    struct client_set *home, *there;
    void (*fn)(void *context, enum status status, const char *text); /* NULL: cancelled */
    void *context;
    struct client_order order; /* texts behind the struct */
    /* On the owner's thread: */
    struct link_waiter waiter; /* of a link past its backlog */
    struct client_link *link;  /* referenced while it waits */
    struct list node;          /* in client->waiters */
    bool is_parked;            /* one of the two */
    enum status status;
    char text[FAULT_TEXT_MAX];
    _Atomic bool is_cancelled; /* told from the home's thread */
};

static enum status carry_out(struct client_set *set, const struct client_order *order,
                             struct client **client, struct client_link **link);
static void park(struct client_op *op, struct client *client, struct client_link *link);
static void on_room_for_message(struct link_waiter *waiter, enum status status);
static void send_away(struct client_op *op);
static void finish(struct client_op *op, enum status status, const char *text);
static void on_arrival(struct net_message *message, struct net_loop *loop);
static void on_return(struct net_message *message, struct net_loop *loop);

/* ---- ops ------------------------------------------------------------------------------------- */

static char *move_text(char *at, struct slice *text) {
    if (text->size) {
        memcpy(at, text->bytes, text->size);
    }
    text->bytes = text->bytes ? at : NULL; /* an empty bearer is not the same as none */
    return at + text->size;
}

static struct client_op *op_new(struct client_set *home, struct client_set *there,
                                const struct client_order *order, const struct client_done *done) {
    struct slice session_id = order->link ? client_link_id(order->link) : order->session_id;
    size_t texts = order->client.size + session_id.size + order->out.payload.size +
                   order->reason.size + order->bearer.size;
    struct client_op *op = calloc(1, sizeof(*op) + texts + 1);
    if (!op) {
        return NULL;
    }
    op->home = home;
    op->there = there;
    op->fn = done->fn;
    op->context = done->context;
    op->order = *order;
    op->order.link = NULL;
    op->order.session_id = session_id;
    list_init(&op->node);
    list_init(&op->waiter.node);
    char *at = move_text((char *)(op + 1), &op->order.client);
    at = move_text(at, &op->order.session_id);
    at = move_text(at, &op->order.out.payload);
    at = move_text(at, &op->order.reason);
    (void)move_text(at, &op->order.bearer); /* the end of the block */
    op->message.bytes = sizeof(*op) + texts;
    return op;
}

void client_op_cancel(struct client_op *op) {
    op->fn = NULL;
    if (op->there == op->home && op->is_parked) { /* else it may be another thread's */
        list_remove(&op->node);
        list_remove(&op->waiter.node);
        if (op->link) {
            client_link_unref(op->link);
        }
        free(op);
    } else {
        atomic_store_explicit(&op->is_cancelled, true, memory_order_relaxed);
    }
}

/* ---- the call -------------------------------------------------------------------------------- */

static struct client_set *set_of(struct client_set *set, const struct client_order *order) {
    uint32_t worker = set->worker;
    if (order->link) {
        return set;
    }
    if (order->client.size) {
        worker = client_set_owner(set, order->client);
    } else if (!set__worker_of(set, order->session_id, &worker)) {
        return NULL;
    }
    if (worker == set->worker) {
        return set;
    }
    return worker < set->set_count ? set->sets[worker] : NULL;
}

enum status client_order(struct client_set *set, const struct client_order *order,
                         struct client_done *done) {
    struct client_set *there = set_of(set, order);
    struct client *client = NULL;
    struct client_link *link = NULL;
    assert(done->fn);
    done->op = NULL;
    if (!there) {
        return STATUS_NOT_FOUND;
    }
    if (there == set) {
        enum status status = carry_out(set, order, &client, &link);
        if (status != STATUS_AGAIN) {
            return status;
        }
    }
    struct client_op *op = op_new(set, there, order, done);
    if (!op) {
        return STATUS_NO_MEMORY;
    }
    done->op = op;
    if (there == set) {
        park(op, client, link);
    } else {
        op->message.run = on_arrival;
        send_away(op);
    }
    return STATUS_AGAIN;
}

/* ---- on the owner's thread ------------------------------------------------------------------- */

static enum status carry_out(struct client_set *set, const struct client_order *order,
                             struct client **client, struct client_link **link) {
    unsigned code = order->code ? order->code : WS_NORMAL;
    *link = order->link ? order->link : NULL;
    if (!*link && order->client.size) {
        *client = client__find(set, order->client);
        *link = *client ? (*client)->link : NULL;
        if (!*client) {
            return STATUS_NOT_FOUND;
        }
    } else {
        *link = *link ? *link : map_get(&set->links, order->session_id);
        if (!*link) {
            return STATUS_NOT_FOUND;
        }
        *client = (*link)->client; /* NULL: its socket is closed */
    }
    switch (order->verb) {
        case CLIENT_SEND_MESSAGE:
            return *link && *client ? frames__send(*link, &order->out) : STATUS_CLOSED;
        case CLIENT_CLOSE_LINK:
            return *link && (*link)->state == LINK_OPEN ? link__close(*link, code, order->reason)
                                                        : STATUS_CLOSED;
        case CLIENT_DISCONNECT:
            return *client ? client__disconnect(*client, code, order->reason) : STATUS_CLOSED;
        case CLIENT_CONNECT: {
            enum status status = *client ? client__connect(*client, order->bearer) : STATUS_CLOSED;
            return status == STATUS_AGAIN && !order->wait ? STATUS_OK : status;
        }
    }
    return STATUS_UNSUPPORTED;
}

static bool is_cancelled(const struct client_op *op) {
    return atomic_load_explicit(&op->is_cancelled, memory_order_relaxed);
}

/* Those of other workers were cancelled without a word to us. They go when one more wants to wait:
 * so a server that does not read holds no more messages than are still waited for. */
static void forget_cancelled(struct client_link *link) {
    struct list *next;
    for (struct list *at = link->waiters.next; at != &link->waiters; at = next) {
        struct link_waiter *waiter = CONTAINER_OF(at, struct link_waiter, node);
        next = at->next;
        if (waiter->ready == on_room_for_message &&
            is_cancelled(CONTAINER_OF(waiter, struct client_op, waiter))) {
            list_remove(at);
            on_room_for_message(waiter, STATUS_CLOSED);
        }
    }
}

/* A send waits for room, a connect for its end. */
static void park(struct client_op *op, struct client *client, struct client_link *link) {
    op->is_parked = true;
    if (op->order.verb == CLIENT_CONNECT) {
        list_append(&client->waiters, &op->node);
        return;
    }
    forget_cancelled(link);
    if (!op->link) {
        op->link = client_link_ref(link);
    }
    op->waiter.ready = on_room_for_message;
    frames__wait(link, &op->waiter);
}

static void on_room_for_message(struct link_waiter *waiter, enum status status) {
    struct client_op *op = CONTAINER_OF(waiter, struct client_op, waiter);
    struct client_link *link = op->link;
    op->is_parked = false;
    if (status == STATUS_OK) { /* nobody learns how one that was cancelled ended */
        status = is_cancelled(op) ? STATUS_CLOSED : frames__send(link, &op->order.out);
    }
    if (status == STATUS_AGAIN) {
        park(op, NULL, link);
        return;
    }
    op->link = NULL;
    finish(op, status, NULL);
    client_link_unref(link);
}

void op__tell(struct list *node, enum status status, const char *text) {
    struct client_op *op = CONTAINER_OF(node, struct client_op, node);
    op->is_parked = false;
    finish(op, status, text);
}

/* The result is here, on the owner's thread. */
static void finish(struct client_op *op, enum status status, const char *text) {
    op->status = status;
    (void)snprintf(op->text, sizeof(op->text), "%s", text ? text : ""); /* as long as a fault's */
    op->message.run = on_return;
    if (op->there == op->home) {
        on_return(&op->message, op->home->loop);
    } else {
        net_post_answer(op->home->loop, &op->message);
    }
}

static void on_arrival(struct net_message *message, struct net_loop *loop) {
    struct client_op *op = CONTAINER_OF(message, struct client_op, message);
    struct client *client;
    struct client_link *link;
    if (!loop) {
        on_return(message, NULL);
        return;
    }
    enum status status = carry_out(op->there, &op->order, &client, &link);
    if (status == STATUS_AGAIN) {
        park(op, client, link);
    } else {
        finish(op, status, NULL);
    }
}

/* ---- the way there and back ------------------------------------------------------------------ */

static void on_room(struct net_room *room, struct net_loop *full) {
    struct client_op *op = CONTAINER_OF(room, struct client_op, room);
    if (full) {
        send_away(op);
    } else { /* the process ends */
        op->message.run(&op->message, NULL);
    }
}

static void send_away(struct client_op *op) {
    struct net_loop *to = op->there->loop;
    if (net_post(to, &op->message) != STATUS_OK) {
        op->room = (struct net_room){.home = op->home->loop, .ready = on_room};
        net_wait_room(to, &op->room);
    }
}

static void on_return(struct net_message *message, struct net_loop *loop) {
    struct client_op *op = CONTAINER_OF(message, struct client_op, message);
    if (loop && op->fn) { /* without a loop the process ends: nobody is there to be told */
        op->fn(op->context, op->status, op->text[0] ? op->text : NULL);
    }
    free(op);
}
