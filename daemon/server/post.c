/* Sending and ordering by name, to sessions of any worker.
 *
 * An op is what was asked for; it has one parcel for each other worker concerned. A parcel travels
 * to its worker, is carried out there, and comes back with the result; what it carries lies in the
 * op, which nobody changes meanwhile. A full mailbox keeps the parcel waiting, never drops it. */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "server/session.h"

struct server_op;
struct parcel {
    struct net_message message;
    struct net_room room;
    struct session_waiter waiter; /* of a session past its backlog */
    struct session *session;      /* referenced while it waits */
    struct server_op *op;
    struct server_set *there;
    enum status status;
    uint32_t sent;
};
struct server_op {
    struct server_set *set; /* where it began */
    void (*fn)(void *context, enum status status, uint32_t sent);
    void *context;
    struct server_target target; /* texts behind the parcels */
    struct server_outgoing out;
    struct server_order order;
    bool is_order, is_told, wait_all;
    _Atomic bool is_cancelled;
    enum status status;
    uint32_t sent;
    uint32_t away, unposted; /* parcels */
    uint32_t parcel_count;
    struct parcel parcels[];
};

static enum status post_to_session(struct server_set *set, const struct server_target *target,
                                   const struct server_outgoing *out, struct server_done *done);
static enum status broadcast(struct server_set *set, const struct server_target *target,
                             const struct server_outgoing *out, struct server_done *done);
static void on_arrival(struct net_message *message, struct net_loop *loop);
static void on_return(struct net_message *message, struct net_loop *loop);
static void on_waited(struct session_waiter *waiter, enum status status);

/* ---- ops ---------------------------------------------------------------------------------------
 */

struct request_texts { /* all that an op copies */
    struct slice *items[6];
};

static struct request_texts texts_of(struct server_op *op) {
    return (struct request_texts){{&op->target.session_id, &op->target.server, &op->target.path,
                                   &op->target.room, &op->target.except, &op->out.payload}};
}

static size_t texts_size(const struct server_op *model) {
    struct request_texts texts = texts_of((struct server_op *)model);
    size_t size = model->order.text.size;
    for (size_t i = 0; i < ARRAY_SIZE(texts.items); i++) {
        size += texts.items[i]->size;
    }
    return size;
}

static char *move_text(char *at, struct slice *text) {
    if (text->size) {
        memcpy(at, text->bytes, text->size);
    }
    text->bytes = at;
    return at + text->size;
}

/* A copy of `model` with its texts and room for parcels; NULL without memory. */
static struct server_op *op_new(const struct server_op *model, uint32_t parcels) {
    size_t fixed = sizeof(*model) + parcels * sizeof(struct parcel);
    struct server_op *op = calloc(1, fixed + texts_size(model) + 1);
    if (!op) {
        return NULL;
    }
    memcpy(op, model, sizeof(*model));
    op->parcel_count = parcels;
    char *at = (char *)op + fixed;
    struct request_texts texts = texts_of(op);
    for (size_t i = 0; i < ARRAY_SIZE(texts.items); i++) {
        at = move_text(at, texts.items[i]);
    }
    (void)move_text(at, &op->order.text); /* the end of the block */
    op->order.session_id = op->target.session_id;
    for (uint32_t i = 0; i < parcels; i++) {
        op->parcels[i].op = op;
    }
    return op;
}

/* Tells the caller, once, and only after STATUS_AGAIN was returned. */
static void tell(struct server_op *op) {
    if (!op->is_told) {
        op->is_told = true;
        if (op->fn) {
            op->fn(op->context, op->status, op->sent);
        }
    }
}

static void settle(struct server_op *op) {
    if (op->unposted == 0 && (op->away == 0 || !op->wait_all)) {
        tell(op);
    }
    if (op->away == 0) {
        free(op);
    }
}

void server_op_cancel(struct server_op *op) {
    struct parcel *local = &op->parcels[0];
    op->fn = NULL;
    if (local->there == op->set && local->session) { /* else it may be another thread's */
        session_wait_cancel(&local->waiter);
        session_unref(local->session);
        free(op);
    } else {
        atomic_store_explicit(&op->is_cancelled, true, memory_order_relaxed);
    }
}

/* ---- parcels -----------------------------------------------------------------------------------
 */

static void send_parcel(struct parcel *parcel);

static void on_room(struct net_room *room, struct net_loop *full) {
    struct parcel *parcel = CONTAINER_OF(room, struct parcel, room);
    struct server_op *op = parcel->op;
    if (!full) { /* the process ends */
        parcel->message.run(&parcel->message, NULL);
        return;
    }
    send_parcel(parcel);
    if (op->unposted == 0 && !op->wait_all) {
        tell(op);
    }
}

static void send_parcel(struct parcel *parcel) {
    struct server_op *op = parcel->op;
    struct net_loop *to = parcel->there->loop;
    if (net_post(to, &parcel->message) == STATUS_OK) {
        /* From here on the parcel is the other worker's; the op's counters are still ours. */
        op->unposted--;
    } else {
        parcel->room = (struct net_room){.home = op->set->loop, .ready = on_room};
        net_wait_room(to, &parcel->room);
    }
}

/* To all workers that the op concerns; the parcels were counted before. */
static void dispatch(struct server_op *op) {
    for (uint32_t i = 0; i < op->parcel_count; i++) {
        struct parcel *parcel = &op->parcels[i];
        parcel->message.run = on_arrival;
        parcel->message.bytes = sizeof(*op) + op->out.payload.size;
        send_parcel(parcel);
    }
}

static void send_back(struct parcel *parcel) {
    parcel->message.run = on_return;
    net_post_answer(parcel->op->set->loop, &parcel->message);
}

static enum status obey(struct session *session, const struct server_order *order) {
    switch (order->verb) {
        case SERVER_CLOSE:
            return session_close(session, order->code, order->text);
        case SERVER_JOIN:
            return session_join(session, order->text);
        case SERVER_LEAVE:
            session_leave(session, order->text);
            return STATUS_OK;
    }
    return STATUS_UNSUPPORTED;
}

static bool is_cancelled(const struct parcel *parcel) {
    return atomic_load_explicit(&parcel->op->is_cancelled, memory_order_relaxed);
}

/* Those of other workers were cancelled without a word to us. They go when one more wants to wait:
 * so a peer that does not read holds no more messages than are still waited for. */
static void forget_cancelled(struct session *session) {
    struct session_waiter *next;
    for (struct session_waiter *at = session->waiters; at; at = next) {
        struct parcel *parcel = CONTAINER_OF(at, struct parcel, waiter);
        next = at->next;
        if (at->ready == on_waited && is_cancelled(parcel)) {
            session_wait_cancel(at);
            on_waited(at, STATUS_CLOSED);
        }
    }
}

/* Sends, or begins to wait for room: then STATUS_AGAIN, and on_waited() goes on. */
static enum status try_send(struct parcel *parcel, struct session *session) {
    enum status status = session_send(session, &parcel->op->out);
    if (status == STATUS_AGAIN) {
        forget_cancelled(session);
        if (!parcel->session) {
            parcel->session = session_ref(session);
        }
        parcel->waiter = (struct session_waiter){.ready = on_waited};
        session_wait(session, &parcel->waiter);
    }
    parcel->sent = status == STATUS_OK;
    return status;
}

static void on_waited(struct session_waiter *waiter, enum status status) {
    struct parcel *parcel = CONTAINER_OF(waiter, struct parcel, waiter);
    struct server_op *op = parcel->op;
    struct session *session = parcel->session;
    status = is_cancelled(parcel) ? STATUS_CLOSED : status; /* nobody learns which */
    parcel->status = status == STATUS_OK ? try_send(parcel, session) : status;
    if (parcel->status == STATUS_AGAIN) {
        return;
    }
    parcel->session = NULL;
    if (parcel->there == op->set) {
        op->away = 0;
        op->status = parcel->status;
        op->sent = parcel->sent;
        settle(op);
    } else {
        send_back(parcel);
    }
    session_unref(session);
}

static void on_arrival(struct net_message *message, struct net_loop *loop) {
    struct parcel *parcel = CONTAINER_OF(message, struct parcel, message);
    const struct server_op *op = parcel->op;
    if (!loop) {
        on_return(message, NULL);
        return;
    }
    if (!op->target.session_id.size) {
        parcel->sent = cast__local(parcel->there, &op->target, &op->out);
    } else {
        struct session *session = table__find(parcel->there, op->target.session_id);
        parcel->status = !session       ? STATUS_NOT_FOUND
                         : op->is_order ? obey(session, &op->order)
                                        : try_send(parcel, session);
    }
    if (parcel->status != STATUS_AGAIN) {
        send_back(parcel);
    }
}

static void on_return(struct net_message *message, struct net_loop *loop) {
    struct parcel *parcel = CONTAINER_OF(message, struct parcel, message);
    struct server_op *op = parcel->op;
    op->away--;
    op->sent += parcel->sent;
    op->status = op->status == STATUS_OK ? parcel->status : op->status;
    if (!loop) { /* the process ends: nobody is there to be told */
        op->fn = NULL;
    }
    settle(op);
}

/* ---- the calls ---------------------------------------------------------------------------------
 */

/* The worker's set, or NULL when no such worker exists. */
static struct server_set *set_of(struct server_set *set, struct slice session_id) {
    uint32_t worker;
    if (!table__worker_of(set, session_id, &worker)) {
        return NULL;
    }
    if (worker == set->worker) {
        return set;
    }
    return worker < set->set_count ? set->sets[worker] : NULL;
}

static enum status send_away(struct server_op *model, struct server_set *there,
                             struct server_done *done) {
    struct server_op *op = op_new(model, 1);
    if (!op) {
        return STATUS_NO_MEMORY;
    }
    op->wait_all = true;
    op->away = op->unposted = 1;
    op->parcels[0].there = there;
    done->op = op;
    dispatch(op);
    return STATUS_AGAIN;
}

enum status server_post(struct server_set *set, const struct server_target *target,
                        const struct server_outgoing *out, struct server_done *done) {
    assert(done->fn);
    done->op = NULL;
    done->sent = 0;
    return target->session || target->session_id.size ? post_to_session(set, target, out, done)
                                                      : broadcast(set, target, out, done);
}

static struct server_op model_of(struct server_set *set, const struct server_done *done) {
    return (struct server_op){.set = set, .fn = done->fn, .context = done->context};
}

static enum status post_away(struct server_set *set, struct server_set *there,
                             const struct server_target *target, const struct server_outgoing *out,
                             struct server_done *done) {
    struct server_op model = model_of(set, done);
    model.out = *out;
    model.target.session_id = target->session_id;
    return send_away(&model, there, done);
}

/* It is past its backlog: the op waits with it. */
static enum status post_later(struct server_set *set, struct session *session,
                              const struct server_outgoing *out, struct server_done *done) {
    struct server_op model = model_of(set, done);
    model.out = *out;
    model.target.session_id = session_id(session);
    struct server_op *op = op_new(&model, 1);
    if (!op) {
        return STATUS_NO_MEMORY;
    }
    op->wait_all = true;
    op->away = 1;
    op->parcels[0].there = set;
    op->parcels[0].session = session_ref(session);
    op->parcels[0].waiter = (struct session_waiter){.ready = on_waited};
    session_wait(session, &op->parcels[0].waiter);
    done->op = op;
    return STATUS_AGAIN;
}

/* What most sends are: made out of nothing but the session and its message. */
static enum status post_to_session(struct server_set *set, const struct server_target *target,
                                   const struct server_outgoing *out, struct server_done *done) {
    struct session *session = target->session;
    if (!session) {
        struct server_set *there = set_of(set, target->session_id);
        if (there && there != set) {
            return post_away(set, there, target, out, done);
        }
        session = there ? table__find(set, target->session_id) : NULL;
        if (!session) {
            return STATUS_NOT_FOUND;
        }
    }
    enum status status = session_send(session, out);
    done->sent = status == STATUS_OK;
    return status == STATUS_AGAIN ? post_later(set, session, out, done) : status;
}

static enum status broadcast(struct server_set *set, const struct server_target *target,
                             const struct server_outgoing *out, struct server_done *done) {
    struct server_op *op = NULL;
    uint32_t others = set->set_count > 1 ? set->set_count - 1 : 0;
    if (out->has_payload && !cast__fits(set, target, out->payload.size)) {
        return STATUS_LIMIT;
    }
    if (others) {
        struct server_op model = model_of(set, done);
        model.target = *target;
        model.out = *out;
        op = op_new(&model, others);
        if (!op) {
            return STATUS_NO_MEMORY;
        }
    }
    done->sent = cast__local(set, target, out);
    if (!op) {
        return STATUS_OK;
    }
    op->sent = done->sent;
    op->wait_all = done->wait_all;
    op->away = op->unposted = others;
    for (uint32_t i = 0, at = 0; i < set->set_count; i++) {
        if (set->sets[i] != set) {
            op->parcels[at++].there = set->sets[i];
        }
    }
    dispatch(op);
    if (op->unposted == 0 && !op->wait_all) {
        op->is_told = true; /* by the return value */
        return STATUS_OK;
    }
    done->op = op;
    return STATUS_AGAIN;
}

enum status server_order(struct server_set *set, const struct server_order *order,
                         struct server_done *done) {
    struct server_set *there = set_of(set, order->session_id);
    done->op = NULL;
    done->sent = 0;
    if (there && there != set) {
        struct server_op model = model_of(set, done);
        model.is_order = true;
        model.order = *order;
        model.target.session_id = order->session_id;
        return send_away(&model, there, done);
    }
    struct session *session = there ? table__find(set, order->session_id) : NULL;
    return session ? obey(session, order) : STATUS_NOT_FOUND;
}
