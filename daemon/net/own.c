/* A table of fixed size in open addressing. A way is free where neither end holds it: its key and
 * notes then mean nothing. Only a client takes a free one, only one server meets it. */
#include "net/own.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PROBES     16
#define TAKING     4u /* in `ends`: a client is about to hold it */
#define DEPTH_BITS 8
#define HOST_BYTES 16
#define END_BYTES  (HOST_BYTES + 2)

/* Notes are a message's number (in `latest` 1), then what its depth is where it arrives; 0: none.
 */
struct notes {
    _Atomic uint64_t latest, exact[NET_OWN_MESSAGES];
};
struct net_own_way {
    struct net_own *own;
    _Atomic uint64_t key;
    _Atomic uint32_t ends; /* a bit for each enum net_own_end */
    struct notes sent[2];  /* by enum net_own_end */
};
_Static_assert(NET_OWN_WAYS < UINT16_MAX, "a way has a number");
struct net_own {
    struct hash_key key;
    _Atomic uint32_t used;
    struct net_own_way ways[NET_OWN_WAYS];
};

struct net_own *net_own_new(struct hash_key key) {
    struct net_own *own = calloc(1, sizeof(*own)); /* pages that nobody uses cost nothing */
    if (own) {
        own->key = key;
    }
    return own;
}

void net_own_free(struct net_own *own) {
    assert(!own || own->used == 0);
    free(own);
}

/* ---- the two ends ---------------------------------------------------------------------------- */

/* One address has one spelling: a socket of both families shows IPv4 as IPv6. */
static bool put_end(const struct sockaddr_storage *address, uint8_t *out) {
    static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        memcpy(out, &v6->sin6_addr, HOST_BYTES);
        memcpy(out + HOST_BYTES, &v6->sin6_port, sizeof(v6->sin6_port));
        return true;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    memcpy(out, mapped, sizeof(mapped));
    memcpy(out + sizeof(mapped), &v4->sin_addr, sizeof(v4->sin_addr));
    memcpy(out + HOST_BYTES, &v4->sin_port, sizeof(v4->sin_port));
    return address->ss_family == AF_INET;
}

/* The client's address, then the server's. */
static bool name(const struct net_own *own, int fd, enum net_own_end end, uint64_t *key) {
    struct sockaddr_storage here = {0}, there = {0}; /* what a short address leaves is read too */
    socklen_t here_size = sizeof(here), there_size = sizeof(there);
    uint8_t pair[2 * END_BYTES];
    if (getsockname(fd, (struct sockaddr *)&here, &here_size) < 0 ||
        getpeername(fd, (struct sockaddr *)&there, &there_size) < 0 ||
        !put_end(end == NET_OWN_CLIENT ? &here : &there, pair) ||
        !put_end(end == NET_OWN_CLIENT ? &there : &here, pair + END_BYTES)) {
        return false;
    }
    *key = hash_bytes(&own->key, (struct slice){(const char *)pair, sizeof(pair)});
    return true;
}

static bool take(struct net_own *own, struct net_own_way *way, uint64_t key) {
    uint32_t free_ends = 0;
    if (!atomic_compare_exchange_strong(&way->ends, &free_ends, TAKING)) {
        return false;
    }
    for (int end = 0; end < 2; end++) {
        atomic_store(&way->sent[end].latest, 0);
        for (int i = 0; i < NET_OWN_MESSAGES; i++) {
            atomic_store(&way->sent[end].exact[i], 0);
        }
    }
    way->own = own;
    atomic_store(&way->key, key);
    atomic_fetch_add(&own->used, 1);
    atomic_store(&way->ends, 1u << NET_OWN_CLIENT);
    return true;
}

struct net_own_way *net_own_begin(struct net_own *own, int fd) {
    uint64_t key;
    if (!own || !name(own, fd, NET_OWN_CLIENT, &key)) {
        return NULL;
    }
    for (uint64_t i = 0; i < PROBES; i++) {
        struct net_own_way *way = &own->ways[(key + i) % NET_OWN_WAYS];
        if (take(own, way, key)) {
            return way;
        }
    }
    return NULL;
}

/* Held from here on, the key stays; it may have become another's just before. */
static bool meet(struct net_own_way *way, uint64_t key) {
    uint32_t alone = 1u << NET_OWN_CLIENT;
    if (atomic_load(&way->key) != key ||
        !atomic_compare_exchange_strong(&way->ends, &alone, alone | 1u << NET_OWN_SERVER)) {
        return false;
    }
    if (atomic_load(&way->key) == key) {
        return true;
    }
    net_own_leave(way, NET_OWN_SERVER);
    return false;
}

struct net_own_way *net_own_meet(struct net_own *own, int fd) {
    uint64_t key;
    if (!own || atomic_load(&own->used) == 0 || !name(own, fd, NET_OWN_SERVER, &key)) {
        return NULL;
    }
    for (uint64_t i = 0; i < PROBES; i++) {
        struct net_own_way *way = &own->ways[(key + i) % NET_OWN_WAYS];
        if (meet(way, key)) {
            return way;
        }
    }
    return NULL;
}

uint16_t net_own_number(const struct net_own_way *way) {
    return way ? (uint16_t)(way - way->own->ways + 1) : 0;
}

struct net_own_way *net_own_at(struct net_own *own, uint16_t number) {
    return number ? &own->ways[number - 1] : NULL;
}

bool net_own_is_met(const struct net_own_way *way) {
    return atomic_load(&way->ends) & 1u << NET_OWN_SERVER;
}

void net_own_leave(struct net_own_way *way, enum net_own_end end) {
    if (!way) {
        return;
    }
    struct net_own *own = way->own; /* the way may be another's after the next line */
    if (atomic_fetch_and(&way->ends, ~(1u << end)) == 1u << end) {
        atomic_fetch_sub(&own->used, 1);
    }
}

/* ---- notes ----------------------------------------------------------------------------------- */

/* The socket, which the message goes through after this, orders the two threads. */
void net_own_note(struct net_own_way *way, enum net_own_end end, uint64_t number, uint32_t depth) {
    struct notes *notes = &way->sent[end];
    uint64_t most = (1u << DEPTH_BITS) - 1;
    uint64_t there = depth < most ? (uint64_t)depth + 1 : most;
    atomic_store_explicit(&notes->exact[number % NET_OWN_MESSAGES], number << DEPTH_BITS | there,
                          memory_order_release);
    atomic_store_explicit(&notes->latest, 1u << DEPTH_BITS | there, memory_order_release);
}

uint32_t net_own_depth(const struct net_own_way *way, enum net_own_end end, uint64_t number) {
    const struct notes *notes = &way->sent[!end];
    uint64_t note =
        atomic_load_explicit(&notes->exact[number % NET_OWN_MESSAGES], memory_order_acquire);
    if (note >> DEPTH_BITS != number) {
        note = atomic_load_explicit(&notes->latest, memory_order_acquire);
    }
    return (uint32_t)(note & ((1u << DEPTH_BITS) - 1));
}
