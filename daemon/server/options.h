/* What a server is told to be, and what it counts. A part of server.h. */
#ifndef BELLWIRE_SERVER_OPTIONS_H
#define BELLWIRE_SERVER_OPTIONS_H

#include "access/access.h"
#include "net/net.h"
#include "ws/ws.h"

enum server_slow { SERVER_SLOW_CLOSE, SERVER_SLOW_DROP };
struct server_texts {
    const struct slice *items;
    size_t count;
};
struct server_options { /* design.md sections 3 and 4; times in ms, sizes in bytes */
    struct slice id, name;
    bool enabled;
    struct server_texts bind;
    struct slice tls_certificate, tls_key, tls_client_ca; /* paths; empty: none */
    struct net_tls_config *tls; /* of these files; a configuration takes a reference; NULL: plain */
    struct server_texts subprotocols;
    bool compression, compression_takeover;
    uint64_t ping_interval_ms; /* 0: off */
    uint64_t pong_timeout_ms, header_timeout_ms, body_timeout_ms, idle_timeout_ms;
    uint64_t response_timeout_ms, drain_timeout_ms, handshake_timeout_ms;
    uint64_t max_header_bytes, max_body_bytes, max_message_bytes, max_backlog_bytes;
    uint32_t max_header_count;
    uint32_t max_sessions, max_sessions_per_address, max_tls_sessions; /* 0: none */
    uint32_t slow_consumer;                                            /* enum server_slow */
    bool any_origin, any_host;
    struct server_texts origins, hosts, trusted_proxies;
    struct server_texts machine_names; /* allowed as hosts: access_machine_names() */
    const struct access_auth *auth;    /* copied; NULL: none */
    uint32_t log_level;                /* enum log_level, where has_log_level */
    bool has_log_level, log_frames;
};
void server_options_default(struct server_options *out); /* those of the design; no id, no bind */
/* An immutable copy. Sessions hold the one that they were opened under. */
struct server_config {
    struct server_options options;
    const struct access_rules *access; /* made of the options; never NULL */
    _Atomic uint32_t refs;             /* private */
    struct arena arena;                /* private */
};
/* NULL: no memory, or a text among origins, hosts, proxies that access_..._check() refuses. */
struct server_config *server_config_new(const struct server_options *options);
struct server_config *server_config_ref(struct server_config *config);
void server_config_unref(struct server_config *config);

/* Counted each time one is passed. */
enum server_bound {
    SERVER_MAX_HEADER,
    SERVER_MAX_HEADER_COUNT,
    SERVER_HEADER_TIMEOUT,
    SERVER_MAX_BODY,
    SERVER_BODY_TIMEOUT,
    SERVER_IDLE_TIMEOUT,
    SERVER_RESPONSE_TIMEOUT,
    SERVER_MAX_MESSAGE,
    SERVER_MAX_BACKLOG,
    SERVER_DRAIN_TIMEOUT,
    SERVER_PONG_TIMEOUT,
    SERVER_MAX_SESSIONS,
    SERVER_MAX_PER_ADDRESS,
    SERVER_HANDSHAKE_TIMEOUT,
    SERVER_MAX_TLS_SESSIONS,
    SERVER_BOUNDS
};
struct server_addresses;
struct server_counters { /* of one server on one worker; written there, read anywhere */
    struct net_counters net;
    _Atomic uint64_t connections, connections_failed, connections_open, sessions_open;
    _Atomic uint64_t requests, answers_dropped, messages_in, messages_out, broadcasts_dropped;
    _Atomic uint64_t refused[SERVER_BOUNDS];
    _Atomic uint64_t denied[ACCESS_GATES]; /* server_count_denied() */
    _Atomic uint64_t answers[6];           /* by the first digit of their status */
    struct histogram durations;            /* of requests, from the whole head to the answer */
    _Atomic uint64_t closes[WS_CODE_CLASSES][3]; /* of sessions; by enum server_closed_by */
    /* Sessions of this server on all workers together, for max-sessions; NULL: this worker alone.
     */
    _Atomic uint64_t *all_sessions;
    struct server_addresses *addresses; /* likewise, for max-sessions-per-address; NULL: no bound */
};
/* Shared by the counters of one server, which it outlives. Sessions that were opened while there
 * was no bound do not count. NULL: no memory. */
struct server_addresses *server_addresses_new(struct hash_key key);
void server_addresses_free(struct server_addresses *addresses); /* or NULL */

#endif
