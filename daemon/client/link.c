/* One attempt: the dial, TCP, what secures it, and the ways to its end.
 *
 * States  DIALING -> CONNECTED -> OPEN -> CLOSING -> CLOSED, and from each of them to CLOSED. The
 * client gets its link back (client__link_gone) when no socket is left, which is what keeps the
 * next one from being a second. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "client/internal.h"

static void on_dialed(void *context, const struct net_dialed *dialed);
static void take_socket(struct client_link *link, const struct net_dialed *dialed);
static void secure(struct client_link *link);
static void on_secured(struct net_stream *stream, enum status status, const char *why);
static void detach(struct client_link *link);

struct client_link *link__new(struct client *client) {
    struct client_set *set = client->set;
    struct client_link *link = calloc(1, sizeof(*link));
    if (!link) {
        return NULL;
    }
    const struct client_options *options = &client->config->options;
    link->set = set;
    link->client = client;
    link->config = client_config_ref(client->config);
    link->refs = 1;
    list_init(&link->waiters);
    set__make_id(set, link->id);
    const struct net_dial_options dial = {
        .host = options->host, .port = options->port, .timeout_ms = options->connect_timeout_ms};
    link->dial = net_dial(set->loop, &dial, on_dialed, link);
    if (!link->dial) {
        client_config_unref(link->config);
        free(link);
        return NULL;
    }
    set->link_count++;
    net_count(&client->counters->connections, 1);
    return link;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* The address that was tried last, else the name. */
static struct slice place_of(const struct client_link *link, const struct net_dialed *dialed,
                             char *out) {
    if (dialed->peer.size) {
        return net_address_format(&dialed->peer, out);
    }
    return link->config->options.host;
}

static void on_dialed(void *context, const struct net_dialed *dialed) {
    struct client_link *link = context;
    link->dial = NULL;
    client_link_ref(link);
    if (dialed->status == STATUS_OK) {
        take_socket(link, dialed);
    } else {
        static const struct {
            enum status status;
            enum client_fault_kind kind;
        } kinds[] = {{STATUS_NOT_FOUND, CLIENT_NAME}, {STATUS_TIMEOUT, CLIENT_TIMEOUT}};
        enum client_fault_kind kind = CLIENT_REFUSED;
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
            kind = kinds[i].status == dialed->status ? kinds[i].kind : kind;
        }
        if (kind == CLIENT_TIMEOUT) {
            link__bound_passed(link, CLIENT_CONNECT_TIMEOUT);
        }
        char text[NET_ADDRESS_MAX];
        struct slice place = place_of(link, dialed, text);
        link__fail(link, kind, SLICE_FMT ": %s", SLICE_ARG(place), dialed->reason);
        detach(link);
    }
    client_link_unref(link);
}

static void take_socket(struct client_link *link, const struct net_dialed *dialed) {
    struct client_set *set = link->set;
    link->peer_size = (uint8_t)net_address_host(&dialed->peer, link->peer).size;
    if (net_stream_open(set->loop, &link->stream, dialed->fd, handshake__on_event) != STATUS_OK) {
        close(dialed->fd);
        link__fail(link, CLIENT_REFUSED, "the socket cannot be watched");
        detach(link);
        return;
    }
    link->has_stream = true;
    link->way = net_own_begin(set->own, dialed->fd);
    link->stream.counters = &link->client->counters->net;
    link->state = LINK_CONNECTED;
    net_count(&link->client->counters->connections_open, 1);
    client__set_state(link->client, CLIENT_CONNECTED);
    say(link->client, LOG_DEBUG, "connected to " SLICE_FMT, SLICE_ARG(client_link_peer(link)));
    net_stream_timer(&link->stream, link__bounds(link)->handshake_timeout_ms);
    if (set->events->on_connected) {
        set->events->on_connected(set->context, link);
    }
    if (link->state == LINK_CONNECTED && link->config->options.is_secure) {
        secure(link);
    } else if (link->state == LINK_CONNECTED) {
        handshake__begin(link);
    }
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static void secure(struct client_link *link) {
    struct client *client = link->client;
    const struct client_options *options = &link->config->options;
    assert(options->tls); /* a declaration that is secure has one */
    if (!client->tls_memory) {
        client->tls_memory = net_tls_memory_new(); /* without it no session is resumed */
    }
    const struct net_tls_target target = {
        .config = options->tls,
        .name = options->tls_server_name.size ? options->tls_server_name : options->host,
        .memory = client->tls_memory};
    enum status status = net_tls_connect(&link->stream, &target, on_secured);
    if (status != STATUS_OK) {
        link__fail(link, CLIENT_TLS, "%s", status_text(status));
    }
}

static void on_secured(struct net_stream *stream, enum status status, const char *why) {
    struct client_link *link = CONTAINER_OF(stream, struct client_link, stream);
    if (link->state != LINK_CONNECTED) {
        return;
    }
    client_link_ref(link);
    if (status == STATUS_OK) {
        say(link->client, LOG_DEBUG, "%s with " SLICE_FMT, net_tls_version(stream),
            SLICE_ARG(client_link_peer(link)));
        handshake__begin(link);
    } else {
        link__fail(link, status == STATUS_DENIED ? CLIENT_CERTIFICATE : CLIENT_TLS, "%s", why);
    }
    client_link_unref(link);
}

/* ---- the end --------------------------------------------------------------------------------- */

void link__fail(struct client_link *link, enum client_fault_kind kind, const char *format, ...) {
    struct client_set *set = link->set;
    struct client *client = link->client;
    bool was_open = link->was_open;
    char text[FAULT_TEXT_MAX];
    if (link->state == LINK_CLOSED) {
        return;
    }
    int size = snprintf(text, sizeof(text), "%s: ", client_fault_name(kind));
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + size, sizeof(text) - (size_t)size, format, args); /* a long one is cut */
    va_end(args);
    memcpy(client->error, text, sizeof(text));
    say(client, LOG_WARN, "%s", text);
    if (!was_open) {
        link->state = LINK_CLOSED;
        net_count(&client->counters->connections_failed, 1);
        if (link->has_stream) {
            net_stream_close(&link->stream);
        }
        client__failed(client, text);
    }
    if (set->events->on_error) {
        struct client_fault fault = {.kind = kind, .text = slice_of(text)};
        set->events->on_error(set->context, link, &fault);
    }
}

enum status link__close(struct client_link *link, unsigned code, struct slice reason) {
    switch ((enum link_state)link->state) {
        case LINK_DIALING:
            link->state = LINK_CLOSED;
            link__drop(link);
            return STATUS_OK;
        case LINK_CONNECTED:
            link->state = LINK_CLOSED;
            net_stream_close(&link->stream);
            return STATUS_OK;
        case LINK_OPEN:
            return frames__close(link, code, reason);
        case LINK_CLOSING:
        case LINK_CLOSED:
            break;
    }
    return STATUS_CLOSED;
}

void link__drop(struct client_link *link) {
    if (link->has_stream) {
        net_stream_close(&link->stream);
    } else if (link->dial) {
        net_dial_cancel(link->dial);
        link->dial = NULL;
        link->state = LINK_CLOSED;
        detach(link);
    }
}

void link__on_closed(struct client_link *link) {
    net_count(&link->client->counters->connections_open, (uint64_t)-1);
    free(link->rest);
    link->rest = NULL;
    detach(link);
}

/* No socket is left. */
static void detach(struct client_link *link) {
    struct client *client = link->client;
    assert(client->link == link);
    link->client = NULL;
    net_own_leave(link->way, NET_OWN_CLIENT);
    link->way = NULL;
    link->set->link_count--;
    client->link = NULL;
    client__link_gone(client);
    client_link_unref(link);
}

/* ---- what others may read -------------------------------------------------------------------- */

const char *client_fault_name(enum client_fault_kind kind) {
    static const char *const names[CLIENT_FAULTS] = {[CLIENT_NAME] = "name",
                                                     [CLIENT_REFUSED] = "refused",
                                                     [CLIENT_TLS] = "tls",
                                                     [CLIENT_CERTIFICATE] = "certificate",
                                                     [CLIENT_HANDSHAKE] = "handshake",
                                                     [CLIENT_TIMEOUT] = "timeout",
                                                     [CLIENT_PROTOCOL] = "protocol",
                                                     [CLIENT_SEND] = "send"};
    return names[kind];
}

struct slice client_link_id(const struct client_link *link) {
    return (struct slice){link->id, LINK_ID_SIZE};
}

struct slice client_link_client(const struct client_link *link) {
    return link->config->options.id;
}

struct slice client_link_peer(const struct client_link *link) {
    return (struct slice){link->peer, link->peer_size};
}

struct slice client_link_path(const struct client_link *link) {
    struct slice query;
    return slice_cut(link->config->options.path, '?', &query);
}

struct slice client_link_query(const struct client_link *link) {
    struct slice query;
    (void)slice_cut(link->config->options.path, '?', &query); /* the path */
    return query;
}

struct slice client_link_head(const struct client_link *link) {
    return (struct slice){link->head, link->head_size};
}

struct slice client_link_subprotocol(const struct client_link *link) {
    return link->subprotocol;
}

bool client_link_is_open(const struct client_link *link) { return link->state == LINK_OPEN; }

uint32_t client_link_depth(const struct client_link *link) {
    return link->way ? net_own_depth(link->way, NET_OWN_CLIENT, link->messages_in) : 0;
}

struct client_set *client_link_set(const struct client_link *link) {
    return link->set;
}

void *client_link_attachment(const struct client_link *link, unsigned which) {
    return link->attachments[which];
}

void client_link_attach(struct client_link *link, unsigned which, void *value) {
    link->attachments[which] = value;
}

struct client_link *client_link_ref(struct client_link *link) {
    link->refs++;
    return link;
}

void client_link_unref(struct client_link *link) {
    if (--link->refs > 0) {
        return;
    }
    if (link->set->events->on_free) {
        link->set->events->on_free(link->set->context, link);
    }
    if (link->was_open) {
        ws_deinit(&link->ws);
    }
    free(link->head);
    free(link->rest);
    client_config_unref(link->config);
    free(link);
}
