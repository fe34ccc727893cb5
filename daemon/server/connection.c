/* From accept to close: making and freeing connections, and the bytes that are not parsed yet. */
#include <stdlib.h>
#include "server/session.h"

#define KEEP_BODY_BYTES (64 * 1024) /* a larger buffer is not kept in the pool */

static struct http_state *take_state(struct server_set *set);
static void free_session(struct session *session);

enum status connection__open(struct server *server, int fd, const struct net_address *peer,
                             bool is_from_outside) {
    struct server_set *set = server->set;
    struct session *session = calloc(1, sizeof(*session));
    struct http_state *http = session ? take_state(set) : NULL;
    if (!http || net_stream_open(set->loop, &session->stream, fd, http__on_event) != STATUS_OK) {
        if (http) {
            session->http = http;
            list_init(&http->node);
            session->server = server;
            connection__leave_http(session);
        }
        free(session);
        return http ? STATUS_IO : STATUS_NO_MEMORY;
    }
    session->http = http;
    session->server = server;
    session->config = server_config_ref(server->config);
    session->refs = 1;
    session->stream.counters = &server->counters->net;
    http->session = session;
    list_append(&server->connections, &http->node);
    http->peer_size = (uint8_t)net_address_host(peer, http->peer).size;
    http__set_deadline(session, DEADLINE_IDLE, server->config->options.idle_timeout_ms);
    server->refs++;
    set->connection_count++;
    net_count(&server->counters->connections, 1);
    net_count(&server->counters->connections_open, 1);
    if (note__is_on(session)) {
        note__line(session, "a connection of %.*s", (int)http->peer_size, http->peer);
    }
    if (is_from_outside && session->config->options.tls) {
        tls__begin(session);
    }
    return STATUS_OK;
}

static struct http_state *take_state(struct server_set *set) {
    struct http_state *http = set->spare_states;
    if (!http) {
        return calloc(1, sizeof(*http));
    }
    struct buffer gathered = http->gathered;
    set->spare_states = http->next_spare;
    set->spare_state_count--;
    *http = (struct http_state){.gathered = gathered};
    return http;
}

void connection__leave_http(struct session *session) {
    struct http_state *http = session->http;
    struct server_set *set = session->server->set;
    list_remove(&http->node);
    session->http = NULL;
    http->gathered.size = 0;
    if (http->gathered.capacity > KEEP_BODY_BYTES) {
        buffer_deinit(&http->gathered);
        buffer_init(&http->gathered, 0);
    }
    if (set->spare_state_count >= SPARE_HTTP_STATES) {
        buffer_deinit(&http->gathered);
        free(http);
        return;
    }
    http->next_spare = set->spare_states;
    set->spare_states = http;
    set->spare_state_count++;
}

struct net_bytes connection__gather(struct session *session, struct net_bytes data) {
    struct rest *rest = session->rest;
    if (!rest || data.size == 0) {
        return rest ? (struct net_bytes){rest->bytes + rest->at, rest->size - rest->at} : data;
    }
    uint32_t left = rest->size - rest->at;
    if (rest->capacity - rest->size < data.size) {
        uint32_t capacity = 2 * (left + (uint32_t)data.size);
        struct rest *larger = malloc(sizeof(*larger) + capacity);
        if (!larger) {
            net_stream_close(&session->stream);
            return (struct net_bytes){NULL, 0};
        }
        *larger = (struct rest){.size = left, .capacity = capacity};
        memcpy(larger->bytes, rest->bytes + rest->at, left);
        free(rest);
        session->rest = rest = larger;
    }
    memcpy(rest->bytes + rest->size, data.bytes, data.size);
    rest->size += (uint32_t)data.size;
    return (struct net_bytes){rest->bytes + rest->at, rest->size - rest->at};
}

bool connection__keep(struct session *session, const uint8_t *bytes, size_t size) {
    struct rest *rest = session->rest;
    if (size == 0) {
        free(rest);
        session->rest = NULL;
        return true;
    }
    if (rest) { /* then all that was parsed lay in it, and `bytes` is its end */
        rest->at = rest->size - (uint32_t)size;
        return true;
    }
    rest = malloc(sizeof(*rest) + size);
    if (!rest) {
        net_stream_close(&session->stream);
        return false;
    }
    *rest = (struct rest){.size = (uint32_t)size, .capacity = (uint32_t)size};
    memcpy(rest->bytes, bytes, size);
    session->rest = rest;
    return true;
}

/* NET_CLOSED: the stream is gone, the struct goes with its last reference. */
void connection__on_closed(struct session *session) {
    struct server *server = session->server;
    if (note__is_on(session)) {
        note__line(session, "a connection has ended");
    }
    if (session->http) {
        if (session->http->transfer) {
            transfer__end(session->http->transfer);
        }
        if (session->http->request) {
            request__lost(session->http->request);
        }
        connection__leave_http(session);
    }
    free(session->rest);
    session->rest = NULL;
    server->set->connection_count--;
    atomic_store_explicit(
        &server->counters->connections_open,
        atomic_load_explicit(&server->counters->connections_open, memory_order_relaxed) - 1,
        memory_order_relaxed);
    session_unref(session);
}

struct session *session_ref(struct session *session) {
    session->refs++;
    return session;
}

void session_unref(struct session *session) {
    if (--session->refs == 0) {
        free_session(session);
    }
}

static void free_session(struct session *session) {
    struct server *server = session->server;
    struct server_set *set = server->set;
    if (session->head && set->events->on_free) {
        set->events->on_free(set->context, session);
    }
    ws_deinit(&session->ws);
    free(session->head);
    server_config_unref(session->config);
    free(session);
    server__unref(server);
}
