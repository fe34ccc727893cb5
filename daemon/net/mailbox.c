/* Mailboxes: a stack that any thread pushes to and the owner takes as a whole, turned round once
 * taken. Without locks; the eventfd is written only by whoever finds the stack empty. */
#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "net/loop.h"

#define MESSAGES_A_TURN 1024
#define UNCOUNTED       SIZE_MAX

static void on_ready(struct net_source *source, uint32_t events);
static void take(struct mailbox *mailbox);
static void on_room(struct net_message *message, struct net_loop *loop);
static void call_rooms(struct net_loop *loop);
static bool is_half_empty(struct mailbox *mailbox);

bool mailbox__init(struct net_loop *loop, const struct net_loop_options *options) {
    struct mailbox *mailbox = &loop->mailbox;
    mailbox->max_entries = options->mailbox_entries ? options->mailbox_entries : 65536;
    mailbox->max_bytes = options->mailbox_bytes ? options->mailbox_bytes : 64u << 20;
    mailbox->last = &mailbox->first;
    mailbox->source = (struct net_source){.ready = on_ready};
    mailbox->source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return mailbox->source.fd >= 0 && loop__add(loop, &mailbox->source, EPOLLIN) == STATUS_OK;
}

void mailbox__deinit(struct net_loop *loop) {
    struct mailbox *mailbox = &loop->mailbox;
    if (!mailbox->last) {
        return; /* never begun */
    }
    for (take(mailbox); mailbox->first; take(mailbox)) {
        struct net_message *message = mailbox->first;
        mailbox->first = message->next;
        mailbox->last = mailbox->first ? mailbox->last : &mailbox->first;
        message->run(message, NULL);
    }
    struct net_message *room = atomic_exchange(&mailbox->rooms, NULL);
    while (room) {
        struct net_room *waiting = CONTAINER_OF(room, struct net_room, message);
        room = room->next;
        waiting->ready(waiting, NULL);
    }
    if (mailbox->source.fd >= 0) {
        close(mailbox->source.fd);
    }
}

/* Returns whether the stack was empty. */
static bool push(_Atomic(struct net_message *) *stack, struct net_message *message) {
    struct net_message *top = atomic_load_explicit(stack, memory_order_relaxed);
    do {
        message->next = top;
    } while (!atomic_compare_exchange_weak_explicit(stack, &top, message, memory_order_release,
                                                    memory_order_relaxed));
    return top == NULL;
}

static void wake(struct mailbox *mailbox) {
    uint64_t one = 1;
    ssize_t written = write(mailbox->source.fd, &one, sizeof(one));
    assert(written == sizeof(one) || errno == EAGAIN); /* EAGAIN: 2^64 wake-ups are waiting */
}

static enum status post(struct net_loop *loop, struct net_message *message, unsigned reserve) {
    struct mailbox *mailbox = &loop->mailbox;
    uint64_t max_entries = mailbox->max_entries - (reserve ? mailbox->max_entries / reserve : 0);
    uint64_t max_bytes = mailbox->max_bytes - (reserve ? mailbox->max_bytes / reserve : 0);
    uint64_t entries = atomic_fetch_add(&mailbox->entries, 1);
    uint64_t bytes = atomic_fetch_add(&mailbox->bytes, message->bytes);
    /* A message that is larger than the box may pass alone. */
    if (entries >= max_entries || (bytes > 0 && bytes + message->bytes > max_bytes)) {
        atomic_fetch_sub(&mailbox->bytes, message->bytes);
        atomic_fetch_sub(&mailbox->entries, 1);
        return STATUS_LIMIT;
    }
    if (push(&mailbox->stack, message)) {
        wake(mailbox);
    }
    return STATUS_OK;
}

enum status net_post(struct net_loop *loop, struct net_message *message) {
    return post(loop, message, 8);
}

enum status net_post_control(struct net_loop *loop, struct net_message *message) {
    return post(loop, message, 0);
}

static void on_ready(struct net_source *source, uint32_t events) {
    struct mailbox *mailbox = CONTAINER_OF(source, struct mailbox, source);
    struct net_loop *loop = CONTAINER_OF(mailbox, struct net_loop, mailbox);
    uint64_t count;
    (void)events;                                        /* readable is all it can be */
    (void)(read(source->fd, &count, sizeof(count)) < 0); /* EAGAIN: taken already */
    take(mailbox);
    if (!mailbox->first) {
        call_rooms(loop);
    } /* else the turn runs them, and then calls */
}

static void take(struct mailbox *mailbox) {
    struct net_message *top = atomic_exchange_explicit(&mailbox->stack, NULL, memory_order_acquire);
    struct net_message *first = NULL, *last = top;
    while (top) {
        struct net_message *next = top->next;
        top->next = first;
        first = top;
        top = next;
    }
    if (first) {
        *mailbox->last = first;
        mailbox->last = &last->next;
    }
}

void mailbox__run(struct net_loop *loop) {
    struct mailbox *mailbox = &loop->mailbox;
    for (unsigned i = 0; i < MESSAGES_A_TURN && mailbox->first; i++) {
        struct net_message *message = mailbox->first;
        mailbox->first = message->next;
        if (!mailbox->first) {
            mailbox->last = &mailbox->first;
        }
        if (message->bytes != UNCOUNTED) {
            atomic_fetch_sub(&mailbox->bytes, message->bytes);
            atomic_fetch_sub(&mailbox->entries, 1);
        }
        message->run(message, loop);
    }
    call_rooms(loop);
}

static bool is_half_empty(struct mailbox *mailbox) {
    return atomic_load(&mailbox->entries) <= mailbox->max_entries / 2 &&
           atomic_load(&mailbox->bytes) <= mailbox->max_bytes / 2;
}

void net_wait_room(struct net_loop *full, struct net_room *room) {
    struct mailbox *mailbox = &full->mailbox;
    room->full = full;
    room->message.run = on_room;
    room->message.bytes = UNCOUNTED;
    (void)push(&mailbox->rooms, &room->message); /* whether others wait too does not matter */
    atomic_thread_fence(memory_order_seq_cst);
    if (is_half_empty(mailbox)) {
        wake(mailbox); /* it may have looked for us just before we came */
    }
}

/* The answers pass without being counted: each waiting room is one entry at most. */
static void call_rooms(struct net_loop *loop) {
    struct mailbox *mailbox = &loop->mailbox;
    if (!atomic_load_explicit(&mailbox->rooms, memory_order_relaxed) || !is_half_empty(mailbox)) {
        return;
    }
    struct net_message *message =
        atomic_exchange_explicit(&mailbox->rooms, NULL, memory_order_acquire);
    while (message) {
        struct net_room *room = CONTAINER_OF(message, struct net_room, message);
        message = message->next;
        mailbox__answer(room->home, &room->message);
    }
}

void mailbox__answer(struct net_loop *loop, struct net_message *message) {
    message->bytes = UNCOUNTED;
    if (push(&loop->mailbox.stack, message)) {
        wake(&loop->mailbox);
    }
}

static void on_room(struct net_message *message, struct net_loop *loop) {
    struct net_room *room = CONTAINER_OF(message, struct net_room, message);
    room->ready(room, loop ? room->full : NULL);
}
