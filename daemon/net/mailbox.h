/* Messages from thread to thread. A part of net.h.
 *
 * A mailbox has three lanes. A turn runs what has come in the first two, then up to 1,024 messages
 * of the third:
 *
 * control  what the daemon's own control thread asks for: nothing that peers do fills it.
 *          net_post_control() is bounded, for what can be told that there is no room;
 *          net_post_order() never refuses, for callers that have few of them on the way.
 * answers  to what the receiving loop has asked for: that bounds them, and they are never refused.
 * work     all that peers can cause: bounded.
 *
 * What one thread posts arrives in its order, except that a message may overtake those which that
 * thread has posted to later lanes. */
#ifndef BELLWIRE_NET_MAILBOX_H
#define BELLWIRE_NET_MAILBOX_H

/* Embedded in what is sent; belongs to the receiver from a successful post until `run` is called.
 * `run` is called once on the receiving thread, or with loop NULL when that loop is freed first. */
struct net_message {
    struct net_message *next; /* private */
    void (*run)(struct net_message *message, struct net_loop *loop);
    size_t bytes; /* what it carries, counted where there is a bound; else it may be overwritten */
};
/* From any thread. STATUS_LIMIT: there is no room, the message stays the caller's. */
enum status net_post(struct net_loop *loop, struct net_message *message); /* work */
enum status net_post_control(struct net_loop *loop, struct net_message *message);
void net_post_order(struct net_loop *loop, struct net_message *message);
void net_post_answer(struct net_loop *loop, struct net_message *message);
/* Runs `ready` on `home` (once; `full` may be NULL then: home is ending) as soon as the lane for
 * work of `full` is half empty. The caller keeps the struct until then. */
struct net_room {
    struct net_message message; /* private */
    struct net_loop *home;
    void (*ready)(struct net_room *room, struct net_loop *full);
    struct net_loop *full; /* private */
};
void net_wait_room(struct net_loop *full, struct net_room *room);

#endif
