/* What is wanted of a client, and when it dials. There is one place that begins a link (dial), and
 * it is reached only while none is there: whoever asks for a connection meanwhile sets `is_again`,
 * and the going of the link looks at it. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "client/internal.h"

#define CALM_MS                                                                                    \
    1000 /* at most, between a failed attempt and the next one that an action asks for */

static void on_retry(struct net_timer *timer);
static void dial(struct client *client);
static void dial_soon(struct client *client);
static void back_off(struct client *client);
static void wait(struct client *client, uint64_t delay_ms);
static void rest(struct client *client);
static void give_up(struct client *client, unsigned code);
static void tell_all(struct client *client, enum status status, const char *text);
static void set_bearer(struct client *client, struct slice bearer);

struct client *client__new(struct client_set *set, struct client_config *config,
                           struct client_counters *counters) {
    struct client *client = calloc(1, sizeof(*client));
    if (!client) {
        return NULL;
    }
    const struct clock *clock = net_loop_clock(set->loop);
    client->set = set;
    client->config = client_config_ref(config);
    client->counters = counters;
    client->since_wall_ms = clock->wall_ms(clock);
    list_init(&client->waiters);
    net_timer_init(&client->retry, on_retry);
    list_append(&set->clients, &client->node);
    client->is_wanted = config->options.enabled;
    return client;
}

void client__free(struct client *client) {
    assert(!client->link);
    tell_all(client, STATUS_CANCELLED, NULL);
    net_timer_stop(&client->retry);
    list_remove(&client->node);
    if (map_get(&client->set->by_id, client->config->options.id) == client) {
        (void)map_remove(&client->set->by_id, client->config->options.id); /* just seen */
    }
    set_bearer(client, SLICE_NONE);
    client_config_unref(client->config);
    net_tls_memory_unref(client->tls_memory);
    free(client);
}

void client__set_state(struct client *client, enum client_state state) {
    if (client->state != state) {
        const struct clock *clock = net_loop_clock(client->set->loop);
        client->state = (uint8_t)state;
        client->since_wall_ms = clock->wall_ms(clock);
    }
}

const char *client_state_name(enum client_state state) {
    static const char *const names[] = {[CLIENT_STOPPED] = "stopped",
                                        [CLIENT_CONNECTING] = "connecting",
                                        [CLIENT_CONNECTED] = "connected",
                                        [CLIENT_OPEN] = "open",
                                        [CLIENT_WAITING] = "waiting"};
    return names[state];
}

/* ---- dialing --------------------------------------------------------------------------------- */

static void dial(struct client *client) {
    assert(!client->link);
    net_timer_stop(&client->retry);
    client->next_attempt_wall_ms = 0;
    client->is_again = false;
    client->dialed_ms = net_loop_now_ms(client->set->loop);
    client->link = link__new(client);
    if (!client->link) {
        (void)snprintf(client->error, sizeof(client->error), "refused: out of memory"); /* fits */
        client->has_failed = true;
        back_off(client);
        return;
    }
    client__set_state(client, CLIENT_CONNECTING);
    say(client, LOG_DEBUG, "connecting to " SLICE_FMT, SLICE_ARG(client->config->options.url));
}

/* Now, unless an attempt has just failed: who connects on each client-error makes no tight loop. */
static void dial_soon(struct client *client) {
    uint64_t calm = client->config->options.reconnect_min_ms;
    uint64_t since = net_loop_now_ms(client->set->loop) - client->dialed_ms;
    calm = calm < CALM_MS ? calm : CALM_MS;
    if (client->has_failed && since < calm) {
        wait(client, calm - since);
    } else {
        dial(client);
    }
}

/* Full jitter: anything up to a bound that doubles with each attempt. */
static void back_off(struct client *client) {
    const struct client_options *options = &client->config->options;
    uint64_t bound = options->reconnect_min_ms, random;
    for (uint32_t i = 0; i < client->failures && bound < options->reconnect_max_ms; i++) {
        bound *= 2;
    }
    bound = bound < options->reconnect_max_ms ? bound : options->reconnect_max_ms;
    client->failures++;
    crypto_source_take(&client->set->random, &random, sizeof(random));
    wait(client, random % (bound + 1));
}

static void wait(struct client *client, uint64_t delay_ms) {
    const struct clock *clock = net_loop_clock(client->set->loop);
    client->is_again = false;
    client->next_attempt_wall_ms = clock->wall_ms(clock) + delay_ms;
    net_timer_start(client->set->loop, &client->retry, delay_ms);
    client__set_state(client, CLIENT_WAITING);
    say(client, LOG_INFO, "connects again in %llu ms", (unsigned long long)delay_ms);
}

static void on_retry(struct net_timer *timer) { dial(CONTAINER_OF(timer, struct client, retry)); }

static void rest(struct client *client) {
    net_timer_stop(&client->retry);
    client->next_attempt_wall_ms = 0;
    client__set_state(client, CLIENT_STOPPED);
}

/* ---- what the link tells --------------------------------------------------------------------- */

void client__opened(struct client *client) {
    client->opens++;
    client->has_failed = false;
    client->error[0] = '\0';
    client__set_state(client, CLIENT_OPEN);
    say(client, LOG_INFO, "open: " SLICE_FMT, SLICE_ARG(client->config->options.url));
    tell_all(client, STATUS_OK, NULL);
}

void client__failed(struct client *client, const char *text) {
    client->has_failed = true;
    tell_all(client, STATUS_FAILED, text);
}

void client__link_gone(struct client *client) {
    struct client_set *set = client->set;
    if (client->is_removed) {
        client__free(client);
    } else if (!client->is_wanted || set->is_draining) {
        rest(client);
    } else if (client->is_again) {
        dial_soon(client);
    } else if (client->config->options.auto_reconnect) {
        back_off(client);
    } else {
        rest(client);
    }
    set__check_drained(set);
}

/* One that asks for a connection anew while it is told comes into a list of its own. */
static void tell_all(struct client *client, enum status status, const char *text) {
    struct list told;
    list_init(&told);
    while (!list_is_empty(&client->waiters)) {
        struct list *node = client->waiters.next;
        list_remove(node);
        list_append(&told, node);
    }
    while (!list_is_empty(&told)) {
        struct list *node = told.next;
        list_remove(node);
        op__tell(node, status, text);
    }
}

void client__remember(struct client *client, struct client_last_text *last,
                      const struct ws_message *message) {
    const struct clock *clock = net_loop_clock(client->set->loop);
    size_t size = message->payload.size < LAST_TEXT_MAX ? message->payload.size : LAST_TEXT_MAX;
    last->wall_ms = clock->wall_ms(clock);
    if (message->is_binary) {
        last->size = (size_t)snprintf(last->text, sizeof(last->text), "(%zu bytes, binary)",
                                      message->payload.size);
        return;
    }
    if (size) {
        memcpy(last->text, message->payload.bytes, size);
    }
    while (size && size < message->payload.size &&
           ((uint8_t)message->payload.bytes[size] & 0xc0) == 0x80) {
        size--; /* back to the beginning of the character that is cut */
    }
    last->size = size;
}

/* ---- what others ask for --------------------------------------------------------------------- */

static void set_bearer(struct client *client, struct slice bearer) {
    free((char *)(uintptr_t)client->bearer.bytes);
    client->bearer = SLICE_NONE;
    char *copy = bearer.bytes ? malloc(bearer.size + 1) : NULL;
    if (copy) {
        memcpy(copy, bearer.bytes, bearer.size);
        client->bearer = (struct slice){copy, bearer.size};
    }
}

enum status client__connect(struct client *client, struct slice bearer) {
    struct client_link *link = client->link;
    if (client->set->is_draining || client->is_removed) {
        return STATUS_CANCELLED;
    }
    client->is_wanted = true;
    if (link && link->state == LINK_OPEN) {
        return STATUS_OK;
    }
    set_bearer(client, bearer);
    if (bearer.bytes && !client->bearer.bytes) {
        return STATUS_NO_MEMORY;
    }
    if (!link) {
        dial_soon(client);
    } else if (link->state >= LINK_CLOSING) {
        client->is_again = true;
    }
    return STATUS_AGAIN;
}

enum status client__disconnect(struct client *client, unsigned code, struct slice reason) {
    struct client_link *link = client->link;
    if (link && link->state == LINK_OPEN) {
        enum status status = link__close(link, code, reason);
        if (status != STATUS_OK && status != STATUS_CLOSED) {
            return status; /* nothing was done */
        }
    }
    client->is_wanted = client->is_again = false;
    set_bearer(client, SLICE_NONE);
    tell_all(client, STATUS_CANCELLED, NULL);
    if (!client->link) {
        rest(client);
    } else {
        (void)link__close(client->link, code, reason); /* one that closes already goes on so */
    }
    return STATUS_OK;
}

static void give_up(struct client *client, unsigned code) {
    (void)client__disconnect(client, code, SLICE_NONE); /* the code is one of ours */
}

void client__remove(struct client *client) {
    client->is_removed = true;
    if (client->link) {
        give_up(client, WS_GOING_AWAY);
    } else {
        client__free(client);
    }
}

void client__abort(struct client *client) {
    client->is_wanted = client->is_again = false;
    tell_all(client, STATUS_CANCELLED, NULL); /* while other workers can still be told */
    rest(client);
    if (client->link) {
        link__drop(client->link);
    }
}

/* A connection to the old place, or with the old words, is given up for one to the new. */
static void connect_anew(struct client *client) {
    struct client_link *link = client->link;
    client->failures = 0;
    client->has_failed = false;
    if (!link) {
        dial_soon(client);
        return;
    }
    client->is_again = true;
    (void)link__close(link, WS_GOING_AWAY, SLICE_NONE); /* it may be closing already */
}

void client__apply(struct client *client, struct client_config *config) {
    struct client_config *old = client->config;
    const struct client_options *now = &config->options, *before = &old->options;
    bool is_revived = client->is_removed;
    bool is_enabled_anew = is_revived || now->enabled != before->enabled;
    bool is_elsewhere = !slice_equal(now->identity, before->identity);
    bool is_kept_again = now->auto_reconnect && !before->auto_reconnect;
    bool is_left_alone = !now->auto_reconnect && client->state == CLIENT_WAITING;
    client->config = client_config_ref(config);
    client_config_unref(old);
    client->is_removed = false;
    if (client->link && client->link->was_open) {
        client->link->ws.max_message = (size_t)now->max_message_bytes;
    }
    if (is_enabled_anew && !now->enabled) {
        give_up(client, WS_NORMAL);
        return;
    }
    client->is_wanted = client->is_wanted || is_enabled_anew;
    if (!client->is_wanted || client->set->is_draining) {
        return;
    }
    if (is_elsewhere) {
        connect_anew(client);
    } else if (client->link) {
        client->is_again = client->is_again || is_revived;
    } else if (is_left_alone) {
        rest(client);
    } else if (is_enabled_anew || (is_kept_again && client->state == CLIENT_STOPPED)) {
        dial_soon(client);
    }
}
