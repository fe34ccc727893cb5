/* Connections between a client and a server of this very process, and how deep the causes are of
 * what goes over them, so that a task which answers itself by messages comes to an end.
 *
 * Both ends find the same way by the addresses of the socket. A message is the same on both by its
 * number, from 1, in its direction: exact while fewer than NET_OWN_MESSAGES are on their way, else
 * the depth of the latest one holds. Where no way is left connections are as foreign ones.
 *
 * Thread  a table is shared by all threads, without locks; each end of a way belongs to one. */
#ifndef BELLWIRE_NET_OWN_H
#define BELLWIRE_NET_OWN_H

#include "base/base.h"

#define NET_OWN_MESSAGES 16
#define NET_OWN_WAYS     1024 /* among them each client's whose handshake is not over */

struct net_own;
struct net_own_way;
enum net_own_end { NET_OWN_CLIENT, NET_OWN_SERVER };
struct net_own *net_own_new(struct hash_key key); /* NULL: no memory */
void net_own_free(struct net_own *own);           /* after both ends of every way were left */
/* The client's end, for a connected socket before anything is sent. `own` may be NULL. NULL: the
 * socket is not TCP's, or no way is left. */
struct net_own_way *net_own_begin(struct net_own *own, int fd);
/* The server's end. NULL: the peer is no client of ours. `own` may be NULL. */
struct net_own_way *net_own_meet(struct net_own *own, int fd);
/* For who keeps thousands: a way by its number, from 1; 0 is NULL. */
uint16_t net_own_number(const struct net_own_way *way);
struct net_own_way *net_own_at(struct net_own *own, uint16_t number);
bool net_own_is_met(const struct net_own_way *way); /* for the client, once the peer has answered */
void net_own_leave(struct net_own_way *way, enum net_own_end end); /* once; NULL does nothing */
/* `end` is about to send its message `number`, by a run of this depth. */
void net_own_note(struct net_own_way *way, enum net_own_end end, uint64_t number, uint32_t depth);
/* The depth of what the message causes that `end` has received: the sender's and one. */
uint32_t net_own_depth(const struct net_own_way *way, enum net_own_end end, uint64_t number);

#endif
