/* One server: its keys, straight into the options that a worker's server takes. */
#include "declare/internal.h"

struct server_keys {
    struct server_options options;
    struct config_texts bind, subprotocols;
    int slow_consumer;
    int log_level;
    struct declare_access access;
    struct declare_tls_keys tls;
    const struct config_node *compression;
};

static const struct config_choice slow_choices[] = {
    {"close", SERVER_SLOW_CLOSE}, {"drop", SERVER_SLOW_DROP}, {NULL, 0}};

const struct config_field declare_server_fields[] = {
    FIELD_TEXTS(struct server_keys, bind, "bind", .dflt = "127.0.0.1:8080",
                .doc =
                    "addresses to listen on; :PORT is every address, fd:NAME a socket of systemd"),
    FIELD_TEXT(struct server_keys, options.name, "name", .doc = "free text"),
    FIELD_BOOL(struct server_keys, options.enabled, "enabled", .dflt = "true",
               .doc = "listens as soon as it is loaded or saved"),
    FIELD_TEXTS(struct server_keys, subprotocols, "subprotocols",
                .doc = "WebSocket subprotocols, the first that both know"),
    FIELD_SPECIAL(struct server_keys, compression, "compression", "compression",
                  .fields = declare__compression_fields, .dflt = "false",
                  .doc = "agrees to permessage-deflate; {context-takeover: true} for smaller "
                         "messages"),
    FIELD_DURATION(struct server_keys, options.ping_interval_ms, "ping-interval", .dflt = "30s",
                   .allow_off = true, .min = 1, .doc = "how often a session is pinged, or off"),
    FIELD_DURATION(struct server_keys, options.pong_timeout_ms, "pong-timeout", .dflt = "10s",
                   .min = 1, .doc = "how long a pong may take"),
    FIELD_SIZE(struct server_keys, options.max_message_bytes, "max-message", .dflt = "1MiB",
               .min = 1, .max = 1073741824, .doc = "largest message; close code 1009 past it"),
    FIELD_SIZE(struct server_keys, options.max_header_bytes, "max-header-size", .dflt = "32KiB",
               .min = 256, .max = 1048576, .doc = "request line and headers; 414 or 431 past it"),
    FIELD_U32(struct server_keys, options.max_header_count, "max-header-count", .dflt = "100",
              .min = 1, .max = 1000, .doc = "headers of a request; 431 past it"),
    FIELD_DURATION(struct server_keys, options.header_timeout_ms, "header-timeout", .dflt = "10s",
                   .min = 1, .doc = "how long a head may take"),
    FIELD_SIZE(struct server_keys, options.max_body_bytes, "max-body", .dflt = "1MiB",
               .max = 1073741824, .doc = "largest body; 413 past it"),
    FIELD_DURATION(struct server_keys, options.body_timeout_ms, "body-timeout", .dflt = "30s",
                   .min = 1, .doc = "longest time without progress of a body"),
    FIELD_DURATION(struct server_keys, options.idle_timeout_ms, "idle-timeout", .dflt = "75s",
                   .min = 1, .doc = "how long a connection may idle between requests"),
    FIELD_DURATION(struct server_keys, options.response_timeout_ms, "response-timeout",
                   .dflt = "120s", .min = 1,
                   .doc = "how long a run may take to answer; 504 past it"),
    FIELD_SIZE(struct server_keys, options.max_backlog_bytes, "max-backlog", .dflt = "1MiB",
               .min = 1024, .max = 1073741824, .doc = "output that waits for one session"),
    FIELD_ENUM(struct server_keys, slow_consumer, "slow-consumer", .choices = slow_choices,
               .dflt = "close", .doc = "what a broadcast does past max-backlog"),
    FIELD_DURATION(struct server_keys, options.drain_timeout_ms, "drain-timeout", .dflt = "30s",
                   .min = 1, .doc = "longest time without progress of waiting output"),
    FIELD_DURATION(struct server_keys, options.handshake_timeout_ms, "handshake-timeout",
                   .dflt = "10s", .min = 1, .doc = "how long a handshake may take"),
    FIELD_U32(struct server_keys, options.max_sessions, "max-sessions", .dflt = "100000", .min = 1,
              .max = 10000000, .doc = "sessions at once; 503 past it"),
    FIELD_U32(struct server_keys, options.max_sessions_per_address, "max-sessions-per-address",
              .max = 10000000, .doc = "sessions of one address at once; 0 is no bound"),
    FIELD_U32(struct server_keys, options.max_tls_sessions, "max-tls-sessions", .dflt = "5000",
              .min = 1, .max = 10000000,
              .doc = "sessions with TLS at once, 37 KB each; 503 past it"),
    FIELD_STRUCT(struct server_keys, tls, "tls", declare__server_tls_fields,
                 .doc = "speaks TLS alone, for https and wss"),
    FIELD_ENUM(struct server_keys, log_level, "log-level", .choices = declare__log_levels,
               .doc = "debug tells of each connection, request and session; the log's own level "
                      "when left out"),
    FIELD_BOOL(struct server_keys, options.log_frames, "log-frames", .dflt = "false",
               .doc = "every frame in the log, and the handshake"),
    FIELD_TEXTS(struct server_keys, access.origins, "origins",
                .doc = "pages of other origins that may ask, or any"),
    FIELD_TEXTS(struct server_keys, access.hosts, "hosts",
                .doc = "further names that this server goes by, or any"),
    FIELD_TEXTS(struct server_keys, access.proxies, "trusted-proxies",
                .doc = "addresses and networks whose X-Forwarded-For is believed"),
    FIELD_STRUCT(struct server_keys, access.auth, "auth", access_auth_fields,
                 .doc = "credentials that are needed; any of the ways suffices"),
    FIELD_END};

bool declare_server(const struct config_entry *entry, struct arena *arena, struct config_diag *diag,
                    struct declare_server *out) {
    *out = (struct declare_server){.mark = entry->mark};
    if (!declare__is_mapping(entry, "server", diag))
        return false;
    const struct config_node *node =
        entry->value && entry->value->kind == CONFIG_MAP ? entry->value : NULL;
    struct server_keys keys;
    const char *subject = arena_printf(arena, "server \"" SLICE_FMT "\"", SLICE_ARG(entry->id));
    const struct config_reader reader = {
        .diag = diag, .arena = arena, .subject = subject ? subject : "server"};
    bool is_good = config_read(&reader, node, entry->mark, declare_server_fields,
                               (struct config_target){&keys, sizeof keys});
    is_good &= declare__bind(node ? config_get(node, "bind") : NULL, &keys.bind, diag);
    keys.options.id = entry->id;
    keys.options.bind = (struct server_texts){keys.bind.items, keys.bind.count};
    keys.options.subprotocols =
        (struct server_texts){keys.subprotocols.items, keys.subprotocols.count};
    keys.options.slow_consumer = (uint32_t)keys.slow_consumer;
    keys.options.has_log_level = node && config_get(node, "log-level");
    keys.options.log_level = (uint32_t)keys.log_level;
    is_good &= declare__compression(&reader, keys.compression, &keys.options.compression,
                                    &keys.options.compression_takeover);
    is_good &= declare__access(node, &keys.access, &reader, &keys.options);
    is_good &= declare__server_tls(&reader, node ? config_get(node, "tls") : NULL, &keys.tls,
                                   &keys.options);
    out->options = keys.options;
    is_good &= declare__spell(entry, arena, diag, &out->json);
    if (!is_good)
        declare_release_servers(out, 1);
    return is_good;
}
