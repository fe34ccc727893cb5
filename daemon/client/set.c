/* The clients of a worker: adding, changing and forgetting them, who owns one, the drain. */
#include <assert.h>
#include <stdlib.h>
#include "client/internal.h"

#define RANDOM_DIGITS (LINK_ID_SIZE - 2) /* 130 bits */

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void on_drained_timer(struct net_timer *timer);

struct client_set *client_set_new(const struct client_set_options *options) {
    struct client_set *set = calloc(1, sizeof(*set));
    if (!set) {
        return NULL;
    }
    set->loop = options->loop;
    set->events = options->events;
    set->context = options->context;
    set->worker = options->worker;
    set->id_key = options->id_key;
    set->own = options->own;
    list_init(&set->clients);
    map_init(&set->by_id, options->id_key);
    map_init(&set->links, options->id_key);
    crypto_source_init(&set->random);
    net_timer_init(&set->drained, on_drained_timer);
    return set;
}

void client_set_connect(struct client_set *set, struct client_set *const *sets, uint32_t count) {
    set->sets = sets;
    set->set_count = count;
}

void client_set_free(struct client_set *set) {
    if (!set) {
        return;
    }
    assert(set->link_count == 0); /* every socket was closed before */
    while (!list_is_empty(&set->clients)) {
        client__free(CONTAINER_OF(set->clients.next, struct client, node));
    }
    net_timer_stop(&set->drained);
    ws_deflater_free(set->deflater);
    map_deinit(&set->by_id);
    map_deinit(&set->links);
    free(set);
}

uint32_t client_set_owner(const struct client_set *set, struct slice id) {
    return set->set_count ? (uint32_t)(hash_bytes(&set->id_key, id) % set->set_count) : set->worker;
}

struct client *client__find(const struct client_set *set, struct slice id) {
    struct client *client = map_get(&set->by_id, id);
    return client && !client->is_removed ? client : NULL;
}

struct client_config *client_set_find(const struct client_set *set, struct slice id) {
    struct client *client = client__find(set, id);
    return client ? client->config : NULL;
}

/* One that was removed and whose socket is still closing comes back as the same client, so that it
 * waits for that socket. */
enum status client_set_apply(struct client_set *set, struct client_config *config,
                             struct client_counters *counters) {
    struct client *client = map_get(&set->by_id, config->options.id);
    if (client) {
        /* The map's key lies in the configuration. To replace one that is there takes no memory. */
        (void)map_put(&set->by_id, config->options.id, client);
        client->counters = counters ? counters : client->counters;
        client__apply(client, config);
        return STATUS_OK;
    }
    assert(counters);
    client = client__new(set, config, counters);
    if (!client || map_put(&set->by_id, config->options.id, client) != STATUS_OK) {
        if (client) {
            client__free(client);
        }
        return STATUS_NO_MEMORY;
    }
    if (client->is_wanted) {
        (void)client__connect(client, SLICE_NONE); /* goes on by itself */
    }
    return STATUS_OK;
}

void client_set_remove(struct client_set *set, struct slice id) {
    struct client *client = client__find(set, id);
    if (client) {
        client__remove(client);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

void client_set_drain(struct client_set *set, void (*done)(void *context), void *context) {
    set->is_draining = true;
    set->on_drained = done;
    set->drained_context = context;
    struct list *node = set->clients.next;
    while (node != &set->clients) {
        struct client *client = CONTAINER_OF(node, struct client, node);
        node = node->next;
        if (client->link && client->link->state == LINK_CLOSING) {
            net_stream_timer(&client->link->stream, frames__close_wait_ms(client->link));
        }
        (void)client__disconnect(client, WS_GOING_AWAY, SLICE_NONE); /* the code is ours */
    }
    set__check_drained(set);
}

/* Told from a timer, so that nobody is called from inside what ended the last link. */
void set__check_drained(struct client_set *set) {
    if (set->on_drained && set->link_count == 0 && !net_timer_is_on(&set->drained)) {
        net_timer_start(set->loop, &set->drained, 0);
    }
}

static void on_drained_timer(struct net_timer *timer) {
    struct client_set *set = CONTAINER_OF(timer, struct client_set, drained);
    void (*done)(void *context) = set->on_drained;
    if (done && set->link_count == 0) {
        set->on_drained = NULL;
        done(set->drained_context);
    }
}

void client_set_abort(struct client_set *set) {
    set->is_draining = true;
    struct list *node = set->clients.next;
    while (node != &set->clients) {
        struct client *client = CONTAINER_OF(node, struct client, node);
        node = node->next;
        client__abort(client);
    }
}

/* ---- session IDs -------------------------------------------------------------------------------
 * Random digits, and two that name the worker, hidden under a hash of them. The last one is odd,
 * which it never is in the ID of a server's session. */

static uint8_t mask_of(const struct client_set *set, const char *random) {
    return (uint8_t)hash_bytes(&set->id_key, (struct slice){random, RANDOM_DIGITS});
}

void set__make_id(struct client_set *set, char *out) {
    uint8_t random[RANDOM_DIGITS];
    crypto_source_take(&set->random, random, sizeof(random));
    for (size_t i = 0; i < RANDOM_DIGITS; i++) {
        out[i] = digits[random[i] & 31];
    }
    unsigned hidden = set->worker ^ mask_of(set, out);
    out[RANDOM_DIGITS] = digits[hidden >> 4 & 15];
    out[RANDOM_DIGITS + 1] = digits[(hidden & 15) << 1 | 1];
}

/* The value of a digit, or -1. */
static int value_of(char digit) {
    const char *at = memchr(digits, digit, sizeof(digits) - 1);
    return at ? (int)(at - digits) : -1;
}

bool client_is_session_id(struct slice id) {
    return id.size == LINK_ID_SIZE && value_of(id.bytes[LINK_ID_SIZE - 1]) % 2 == 1;
}

bool set__worker_of(const struct client_set *set, struct slice session_id, uint32_t *worker) {
    if (!client_is_session_id(session_id)) {
        return false;
    }
    int high = value_of(session_id.bytes[RANDOM_DIGITS]);
    unsigned low = (unsigned)value_of(session_id.bytes[RANDOM_DIGITS + 1]);
    if (high < 0 || high > 15) {
        return false;
    }
    *worker = ((unsigned)high << 4 | low >> 1) ^ mask_of(set, session_id.bytes);
    return true;
}
