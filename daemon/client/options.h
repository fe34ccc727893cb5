/* What a client is told to be, and what it counts. A part of client.h. */
#ifndef BELLWIRE_CLIENT_OPTIONS_H
#define BELLWIRE_CLIENT_OPTIONS_H

#include "net/net.h"
#include "ws/ws.h"

struct client_texts {
    const struct slice *items;
    size_t count;
};
struct client_pairs {
    const struct slice *names, *values;
    size_t count;
};
struct client_options { /* design.md sections 3 and 4; times in ms, sizes in bytes */
    struct slice id, name;
    struct slice url; /* for people: secrets in its query are masked */
    bool enabled;
    bool is_secure;          /* wss */
    struct slice host, path; /* the path with its query, beginning with '/' */
    uint16_t port;           /* never 0 */
    /* Secrets are filled in. */
    struct slice bearer, origin; /* empty: none */
    struct client_pairs headers, cookies;
    struct client_texts subprotocols;
    bool compression, compression_takeover;
    struct slice tls_ca, tls_certificate, tls_key, tls_server_name; /* empty: none, the host */
    bool tls_verify;
    struct net_tls_config *tls; /* of these; a configuration takes a reference; NULL: ws */
    /* What is declared of all above but id, name and enabled, secrets not filled in. When it
     * differs the connection is made anew; a secret that changed counts for the next one. */
    struct slice identity;
    bool auto_reconnect;
    uint64_t reconnect_min_ms, reconnect_max_ms, stable_ms;
    uint64_t ping_interval_ms; /* 0: off */
    uint64_t pong_timeout_ms, connect_timeout_ms, handshake_timeout_ms, drain_timeout_ms;
    uint64_t max_message_bytes, max_backlog_bytes;
    uint32_t log_level; /* enum log_level, where has_log_level */
    bool has_log_level, log_frames;
};
void client_options_default(struct client_options *out); /* those of the design; no id, no host */
/* An immutable copy. A connection holds the one that it was dialed under. */
struct client_config {
    struct client_options options;
    _Atomic uint32_t refs; /* private */
    struct arena arena;    /* private */
};
struct client_config *client_config_new(const struct client_options *options); /* NULL: no memory */
struct client_config *client_config_ref(struct client_config *config);
void client_config_unref(struct client_config *config);

/* Counted each time one is passed. */
enum client_bound {
    CLIENT_CONNECT_TIMEOUT,
    CLIENT_HANDSHAKE_TIMEOUT,
    CLIENT_PONG_TIMEOUT,
    CLIENT_DRAIN_TIMEOUT,
    CLIENT_MAX_MESSAGE,
    CLIENT_MAX_BACKLOG,
    CLIENT_BOUNDS
};
struct client_counters { /* of one client; written by its worker, read anywhere */
    struct net_counters net;
    _Atomic uint64_t connections, connections_failed, connections_open, sessions_open;
    _Atomic uint64_t messages_in, messages_out;
    _Atomic uint64_t refused[CLIENT_BOUNDS];
    _Atomic uint64_t closes[WS_CODE_CLASSES][3]; /* of sessions; by enum client_closed_by */
};

#endif
