/* The servers of a worker: adding, changing and forgetting them, their listeners, the drain. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>
#include "server/session.h"

static void on_drained_timer(struct net_timer *timer);
static enum status add_server(struct server_set *set, struct server_config *config,
                              struct server_counters *counters);
static enum status reserve_headers(struct server_set *set, uint32_t count);
static void stop_server(struct server *server);
static void end_sessions(struct server *server);
static void check_drained(struct server_set *set);

struct server_set *server_set_new(const struct server_set_options *options) {
    struct server_set *set = calloc(1, sizeof(*set));
    if (!set) {
        return NULL;
    }
    set->loop = options->loop;
    set->events = options->events;
    set->context = options->context;
    set->worker = options->worker;
    set->id_key = options->id_key;
    set->own = options->own;
    list_init(&set->servers);
    list_init(&set->waiting_transfers);
    map_init(&set->by_id, options->id_key);
    crypto_source_init(&set->random);
    net_timer_init(&set->drained, on_drained_timer);
    return set;
}

void server_set_connect(struct server_set *set, struct server_set *const *sets, uint32_t count) {
    set->sets = sets;
    set->set_count = count;
}

void server_set_free(struct server_set *set) {
    if (!set) {
        return;
    }
    struct list *node = set->servers.next;
    while (node != &set->servers) {
        struct server *server = CONTAINER_OF(node, struct server, node);
        node = node->next;
        server_set_stop(set, server->config->options.id, true);
    }
    assert(list_is_empty(&set->servers)); /* every connection has ended before */
    net_timer_stop(&set->drained);
    while (set->spare_states) {
        struct http_state *state = set->spare_states;
        set->spare_states = state->next_spare;
        buffer_deinit(&state->gathered);
        free(state);
    }
    while (set->spare_requests) {
        struct server_request *request = set->spare_requests;
        set->spare_requests = request->next_spare;
        free(request);
    }
    ws_deflater_free(set->deflater);
    map_deinit(&set->by_id);
    free(set->table);
    free(set->headers);
    free(set);
}

struct server *server__find(const struct server_set *set, struct slice id) {
    return map_get(&set->by_id, id);
}

struct server_config *server_set_find(const struct server_set *set, struct slice id) {
    struct server *server = server__find(set, id);
    return server ? server->config : NULL;
}

enum status server_set_apply(struct server_set *set, struct server_config *config,
                             struct server_counters *counters) {
    struct server *server = server__find(set, config->options.id);
    if (reserve_headers(set, config->options.max_header_count) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    if (!server) {
        return add_server(set, config, counters);
    }
    struct server_config *old = server->config;
    /* The map's key lies in the configuration. To replace one that is there takes no memory. */
    (void)map_put(&set->by_id, config->options.id, server);
    server->config = server_config_ref(config);
    server->counters = counters ? counters : server->counters;
    for (uint32_t i = 0; i < server->members.count; i++) {
        server->members.items[i].session->ws.max_message =
            (size_t)config->options.max_message_bytes;
    }
    server_config_unref(old);
    return STATUS_OK;
}

static enum status add_server(struct server_set *set, struct server_config *config,
                              struct server_counters *counters) {
    struct server *server = calloc(1, sizeof(*server));
    if (!server || map_put(&set->by_id, config->options.id, server) != STATUS_OK) {
        free(server);
        return STATUS_NO_MEMORY;
    }
    assert(counters);
    server->set = set;
    server->config = server_config_ref(config);
    server->counters = counters;
    server->refs = 1;
    map_init(&server->rooms, set->id_key);
    list_init(&server->connections);
    list_append(&set->servers, &server->node);
    return STATUS_OK;
}

/* The array lies still while a head is parsed: configurations change between two events. */
static enum status reserve_headers(struct server_set *set, uint32_t count) {
    if (count <= set->header_capacity) {
        return STATUS_OK;
    }
    struct http_header *headers = calloc(count, sizeof(*headers));
    if (!headers) {
        return STATUS_NO_MEMORY;
    }
    free(set->headers);
    set->headers = headers;
    set->header_capacity = count;
    return STATUS_OK;
}

void server__unref(struct server *server) {
    struct server_set *set = server->set;
    if (--server->refs == 0) {
        list_remove(&server->node);
        map_deinit(&server->rooms);
        free(server->members.items);
        server_config_unref(server->config);
        free(server);
    }
    check_drained(set);
}

static void on_accept(void *context, int fd, const struct net_address *peer);

enum status server_set_listen(struct server_set *set, struct slice id, struct slice address,
                              int fd) {
    struct server *server = server__find(set, id);
    if (!server) {
        return STATUS_NOT_FOUND;
    }
    struct server_listener *entry = calloc(1, sizeof(*entry) + address.size + 1);
    if (!entry) {
        return STATUS_NO_MEMORY;
    }
    entry->server = server;
    entry->address = (struct slice){(char *)(entry + 1), address.size};
    memcpy(entry + 1, address.bytes, address.size);
    entry->listener = net_listener_open(set->loop, fd, on_accept, entry);
    if (!entry->listener) {
        free(entry);
        return STATUS_IO;
    }
    entry->next = server->listeners;
    server->listeners = entry;
    return STATUS_OK;
}

static void on_accept(void *context, int fd, const struct net_address *peer) {
    struct server_listener *entry = context;
    if (connection__open(entry->server, fd, peer, true) != STATUS_OK) {
        net_count(&entry->server->counters->connections_failed, 1);
        close(fd);
    }
}

enum status server_set_adopt(struct server_set *set, struct slice id, int fd,
                             const struct net_address *peer) {
    struct server *server = server__find(set, id);
    enum status status = server ? connection__open(server, fd, peer, false) : STATUS_NOT_FOUND;
    if (status == STATUS_OK) {
        CONTAINER_OF(server->connections.prev, struct http_state, node)->is_adopted = true;
    }
    return status;
}

/* Unlinks the first listener for `address` (any when its size is 0), or gives NULL. */
static struct server_listener *take_listener(struct server *server, struct slice address) {
    struct server_listener **link = &server->listeners;
    while (*link && address.size && !slice_equal((*link)->address, address)) {
        link = &(*link)->next;
    }
    struct server_listener *entry = *link;
    if (entry) {
        *link = entry->next;
    }
    return entry;
}

void server_set_unlisten(struct server_set *set, struct slice id, struct slice address) {
    struct server *server = server__find(set, id);
    struct server_listener *entry;
    while (server && (entry = take_listener(server, address)) != NULL) {
        net_listener_close(entry->listener);
        free(entry);
    }
}

enum status server_set_move_listener(struct server_set *set, struct slice from, struct slice to,
                                     struct slice address) {
    struct server *old = server__find(set, from), *new = server__find(set, to);
    struct server_listener *entry = old && new ? take_listener(old, address) : NULL;
    if (!entry) {
        return STATUS_NOT_FOUND;
    }
    entry->server = new;
    entry->next = new->listeners;
    new->listeners = entry;
    return STATUS_OK;
}

void server_set_stop(struct server_set *set, struct slice id, bool forget) {
    struct server *server = server__find(set, id);
    if (!server) {
        return;
    }
    server_set_unlisten(set, id, SLICE_NONE);
    stop_server(server);
    if (forget) {
        (void)map_remove(&set->by_id, server->config->options.id); /* it is there: just found */
        server->is_forgotten = true;
        server__unref(server);
    }
}

static void stop_server(struct server *server) {
    end_sessions(server);
    struct list *node = server->connections.next;
    while (node != &server->connections) {
        struct http_state *state = CONTAINER_OF(node, struct http_state, node);
        node = node->next;
        http__stop(state->session);
    }
}

/* Backwards: one that is closed may leave the array, and the last takes its place. */
static void end_sessions(struct server *server) {
    for (uint32_t i = server->members.count; i-- > 0;) {
        session__end_service(server->members.items[i].session);
    }
}

void server_set_drain(struct server_set *set, void (*done)(void *context), void *context) {
    set->is_draining = true;
    set->on_drained = done;
    set->drained_context = context;
    struct list *node;
    LIST_FOR_EACH(node, &set->servers) {
        struct server *server = CONTAINER_OF(node, struct server, node);
        if (!server->is_forgotten) {
            server_set_unlisten(set, server->config->options.id, SLICE_NONE);
        }
        stop_server(server);
    }
    check_drained(set);
}

/* Told from a timer, so that nobody is called from inside what ended the last connection. */
static void check_drained(struct server_set *set) {
    if (set->on_drained && set->connection_count == 0 && !net_timer_is_on(&set->drained)) {
        net_timer_start(set->loop, &set->drained, 0);
    }
}

static void on_drained_timer(struct net_timer *timer) {
    struct server_set *set = CONTAINER_OF(timer, struct server_set, drained);
    void (*done)(void *context) = set->on_drained;
    if (done && set->connection_count == 0) {
        set->on_drained = NULL;
        done(set->drained_context);
    }
}

void server_set_abort(struct server_set *set) {
    struct list *node;
    LIST_FOR_EACH(node, &set->servers) {
        struct server *server = CONTAINER_OF(node, struct server, node);
        for (uint32_t i = server->members.count; i-- > 0;) {
            net_stream_close(&server->members.items[i].session->stream);
        }
        struct list *at;
        LIST_FOR_EACH(at, &server->connections) {
            net_stream_close(&CONTAINER_OF(at, struct http_state, node)->session->stream);
        }
    }
}

void server_set_each(struct server_set *set, void (*fn)(void *context, struct session *session),
                     void *context) {
    struct list *node;
    LIST_FOR_EACH(node, &set->servers) {
        struct server *server = CONTAINER_OF(node, struct server, node);
        for (uint32_t i = server->members.count; i-- > 0;) {
            fn(context, server->members.items[i].session);
        }
    }
}
