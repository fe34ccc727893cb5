/* Mailboxes: per lane a stack that any thread pushes to and the owner takes as a whole, turned
 * round once taken. Without locks; the eventfd is written only by whoever finds a stack empty. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "net/loop.h"

#define WORK_A_TURN   1024
#define CONTROL_SHARE 8 /* of the bounds: one in so many */
#define UNCOUNTED     SIZE_MAX

static void on_ready(struct net_source *source, uint32_t events);
static void take_all(struct mailbox *mailbox);
static struct net_message *next_of(struct mailbox_lane *lane);
static void on_room(struct net_message *message, struct net_loop *loop);
static void call_rooms(struct net_loop *loop);
static bool is_half_empty(struct mailbox *mailbox);

static uint64_t share_of(uint64_t whole, enum mailbox_lane_number number) {
    uint64_t control = whole / CONTROL_SHARE;
    return number == MAILBOX_CONTROL ? control : whole - control;
}

bool mailbox__init(struct net_loop *loop, const struct net_loop_options *options) {
    struct mailbox *mailbox = &loop->mailbox;
    uint64_t entries = options->mailbox_entries ? options->mailbox_entries : 65536;
    uint64_t bytes = options->mailbox_bytes ? options->mailbox_bytes : 64u << 20;
    for (int i = 0; i < MAILBOX_LANES; i++) {
        struct mailbox_lane *lane = &mailbox->lanes[i];
        lane->max_entries = share_of(entries, i);
        lane->max_bytes = share_of(bytes, i);
        lane->last = &lane->first;
    }
    mailbox->source = (struct net_source){.ready = on_ready};
    mailbox->source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return mailbox->source.fd >= 0 && loop__add(loop, &mailbox->source, EPOLLIN) == STATUS_OK;
}

static struct net_message *next_of_all(struct mailbox *mailbox) {
    struct net_message *message = NULL;
    for (int i = 0; i < MAILBOX_LANES && !message; i++) {
        message = next_of(&mailbox->lanes[i]);
    }
    return message;
}

void mailbox__deinit(struct net_loop *loop) {
    struct mailbox *mailbox = &loop->mailbox;
    if (!mailbox->lanes[0].last) {
        return; /* never begun */
    }
    take_all(mailbox);
    for (struct net_message *message; (message = next_of_all(mailbox)); take_all(mailbox)) {
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

static void push_to(struct mailbox *mailbox, enum mailbox_lane_number number,
                    struct net_message *message) {
    if (push(&mailbox->lanes[number].stack, message)) {
        wake(mailbox);
    }
}

static enum status post(struct mailbox *mailbox, enum mailbox_lane_number number,
                        struct net_message *message) {
    struct mailbox_lane *lane = &mailbox->lanes[number];
    uint64_t entries = atomic_fetch_add(&lane->entries, 1);
    uint64_t bytes = atomic_fetch_add(&lane->bytes, message->bytes);
    /* A message that is larger than the lane may pass alone. */
    if (entries >= lane->max_entries || (bytes > 0 && bytes + message->bytes > lane->max_bytes)) {
        atomic_fetch_sub(&lane->bytes, message->bytes);
        atomic_fetch_sub(&lane->entries, 1);
        return STATUS_LIMIT;
    }
    push_to(mailbox, number, message);
    return STATUS_OK;
}

enum status net_post(struct net_loop *loop, struct net_message *message) {
    return post(&loop->mailbox, MAILBOX_WORK, message);
}

enum status net_post_control(struct net_loop *loop, struct net_message *message) {
    return post(&loop->mailbox, MAILBOX_CONTROL, message);
}

void net_post_order(struct net_loop *loop, struct net_message *message) {
    message->bytes = UNCOUNTED;
    push_to(&loop->mailbox, MAILBOX_CONTROL, message);
}

void net_post_answer(struct net_loop *loop, struct net_message *message) {
    message->bytes = UNCOUNTED;
    push_to(&loop->mailbox, MAILBOX_ANSWERS, message);
}

static void on_ready(struct net_source *source, uint32_t events) {
    struct mailbox *mailbox = CONTAINER_OF(source, struct mailbox, source);
    struct net_loop *loop = CONTAINER_OF(mailbox, struct net_loop, mailbox);
    uint64_t count;
    (void)events;                                        /* readable is all it can be */
    (void)(read(source->fd, &count, sizeof(count)) < 0); /* EAGAIN: taken already */
    take_all(mailbox);
    if (!mailbox__has_more(loop)) {
        call_rooms(loop);
    } /* else the turn runs them, and then calls */
}

static void take(struct mailbox_lane *lane) {
    struct net_message *top = atomic_exchange_explicit(&lane->stack, NULL, memory_order_acquire);
    struct net_message *first = NULL, *last = top;
    while (top) {
        struct net_message *next = top->next;
        top->next = first;
        first = top;
        top = next;
    }
    if (first) {
        *lane->last = first;
        lane->last = &last->next;
    }
}

/* The last lane first: whoever is taken there finds what its thread had posted to the others before
 * taken too, and that runs earlier. */
static void take_all(struct mailbox *mailbox) {
    for (int i = MAILBOX_LANES - 1; i >= 0; i--) {
        take(&mailbox->lanes[i]);
    }
}

static struct net_message *next_of(struct mailbox_lane *lane) {
    struct net_message *message = lane->first;
    if (!message) {
        return NULL;
    }
    lane->first = message->next;
    if (!lane->first) {
        lane->last = &lane->first;
    }
    if (message->bytes != UNCOUNTED) {
        atomic_fetch_sub(&lane->bytes, message->bytes);
        atomic_fetch_sub(&lane->entries, 1);
    }
    return message;
}

/* Each answer was asked for by this loop, so that all of them are no more than what it did before.
 */
void mailbox__run(struct net_loop *loop) {
    static const unsigned a_turn[MAILBOX_LANES] = {UINT_MAX, UINT_MAX, WORK_A_TURN};
    for (int i = 0; i < MAILBOX_LANES; i++) {
        struct net_message *message;
        for (unsigned left = a_turn[i]; left > 0 && (message = next_of(&loop->mailbox.lanes[i]));
             left--) {
            message->run(message, loop);
        }
    }
    call_rooms(loop);
}

static bool is_half_empty(struct mailbox *mailbox) {
    const struct mailbox_lane *lane = &mailbox->lanes[MAILBOX_WORK];
    return atomic_load(&lane->entries) <= lane->max_entries / 2 &&
           atomic_load(&lane->bytes) <= lane->max_bytes / 2;
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

static void call_rooms(struct net_loop *loop) {
    struct mailbox *mailbox = &loop->mailbox;
    /* With its like in net_wait_room(): either we see who waits, or they see what we have taken.
     * Without it this load may pass what was subtracted before it, and both miss each other. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&mailbox->rooms, memory_order_relaxed) || !is_half_empty(mailbox)) {
        return;
    }
    struct net_message *message =
        atomic_exchange_explicit(&mailbox->rooms, NULL, memory_order_acquire);
    while (message) {
        struct net_room *room = CONTAINER_OF(message, struct net_room, message);
        message = message->next;
        net_post_answer(room->home, &room->message);
    }
}

static void on_room(struct net_message *message, struct net_loop *loop) {
    struct net_room *room = CONTAINER_OF(message, struct net_room, message);
    room->ready(room, loop ? room->full : NULL);
}
