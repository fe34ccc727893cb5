/* How many sessions each address has, on all workers together: a small table that is touched when a
 * session opens and when it ends, and only where there is such a bound. */
#include <pthread.h>
#include <stdlib.h>
#include "server/session.h"

struct address {
    struct slice text; /* behind the struct */
    uint32_t sessions;
};
struct server_addresses {
    pthread_mutex_t lock; /* of the table and of all counts in it */
    struct map table;
};

struct server_addresses *server_addresses_new(struct hash_key key) {
    struct server_addresses *addresses = calloc(1, sizeof(*addresses));
    if (addresses) {
        pthread_mutex_init(&addresses->lock, NULL);
        map_init(&addresses->table, key);
    }
    return addresses;
}

void server_addresses_free(struct server_addresses *addresses) {
    if (addresses) {
        map_deinit(&addresses->table); /* every session has given its place back */
        pthread_mutex_destroy(&addresses->lock);
        free(addresses);
    }
}

static struct address *find_or_add(struct server_addresses *addresses, struct slice text) {
    struct address *address = map_get(&addresses->table, text);
    if (address) {
        return address;
    }
    address = malloc(sizeof(*address) + text.size);
    if (!address) {
        return NULL;
    }
    memcpy(address + 1, text.bytes, text.size);
    *address = (struct address){.text = {(const char *)(address + 1), text.size}};
    if (map_put(&addresses->table, address->text, address) != STATUS_OK) {
        free(address);
        return NULL;
    }
    return address;
}

bool address__take(struct session *session) {
    struct server_addresses *addresses = session->server->counters->addresses;
    uint32_t max = session__bounds(session)->max_sessions_per_address;
    struct slice rest, text = slice_cut(session->http->request->peer, ',', &rest);
    if (!max || !addresses || text.size == 0) {
        return true;
    }
    pthread_mutex_lock(&addresses->lock);
    struct address *address = find_or_add(addresses, text);
    bool has_room = address && address->sessions < max;
    if (has_room) {
        address->sessions++;
        session->address = address;
    }
    pthread_mutex_unlock(&addresses->lock);
    return has_room;
}

void address__leave(struct session *session) {
    struct server_addresses *addresses = session->server->counters->addresses;
    struct address *address = session->address;
    if (!address) {
        return;
    }
    session->address = NULL;
    pthread_mutex_lock(&addresses->lock);
    if (--address->sessions == 0) {
        (void)map_remove(&addresses->table, address->text); /* it is there */
        free(address);
    }
    pthread_mutex_unlock(&addresses->lock);
}
