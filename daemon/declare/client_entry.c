/* One client: its keys, into the options that a worker's client takes. */
#include "declare/internal.h"

struct reconnect_keys {
    uint64_t min_ms, max_ms, stable_ms;
};
struct client_keys {
    struct client_options options;
    struct declare_place place;
    struct config_pairs headers, cookies;
    struct config_texts subprotocols;
    const struct config_node *auto_reconnect, *compression;
    int log_level;
    struct declare_tls_keys tls;
};

static bool take_reconnect(const struct config_reader *reader, const struct config_node *node,
                           struct client_options *options);
static bool fill_all(const struct declare_fill *fill, const struct config_node *node,
                     struct client_keys *keys);
static bool check_headers(const struct config_node *node, struct client_keys *keys,
                          struct config_diag *diag);
static bool spell_identity(const struct config_node *node, struct arena *arena, struct slice *out);

static const struct config_field reconnect_fields[] = {
    FIELD_DURATION(struct reconnect_keys, min_ms, "min", .dflt = "1s", .min = 1, .max = 86400000,
                   .doc = "the first delay is up to this; it doubles with each attempt"),
    FIELD_DURATION(struct reconnect_keys, max_ms, "max", .dflt = "60s", .min = 1, .max = 86400000,
                   .doc = "the longest delay"),
    FIELD_DURATION(struct reconnect_keys, stable_ms, "stable", .dflt = "30s",
                   .doc = "open for that long begins again at min"),
    FIELD_END};

const struct config_field declare_client_fields[] = {
    FIELD_TEXT(struct client_keys, place.url, "url", .is_constant = true,
               .doc = "ws://HOST[:PORT]/PATH or wss://..."),
    FIELD_TEXT(struct client_keys, place.host, "host", .is_constant = true,
               .doc = "name or address, in place of url"),
    FIELD_U32(struct client_keys, place.port, "port", .max = 65535,
              .doc = "0 is the protocol's own"),
    FIELD_TEXT(struct client_keys, place.path, "path", .is_constant = true,
               .doc = "path and query; / when left out"),
    FIELD_ENUM(struct client_keys, place.is_secure, "protocol", .choices = declare__schemes,
               .dflt = "ws", .doc = "with or without TLS"),
    FIELD_TEXT(struct client_keys, options.name, "name", .doc = "free text"),
    FIELD_BOOL(struct client_keys, options.enabled, "enabled", .dflt = "true",
               .doc = "connects as soon as it is loaded or saved"),
    FIELD_TEXT(struct client_keys, options.bearer, "bearer", .is_secret = true,
               .doc = "token of an Authorization header (RFC 6750); may be ${Secret(name)}"),
    FIELD_PAIRS(struct client_keys, headers, "headers",
                .doc = "further headers of the handshake; ${Secret(name)} in their values"),
    FIELD_TEXT(struct client_keys, options.origin, "origin", .doc = "Origin of the handshake"),
    FIELD_PAIRS(struct client_keys, cookies, "cookies",
                .doc = "cookies of the handshake; ${Secret(name)} in their values"),
    FIELD_TEXTS(struct client_keys, subprotocols, "subprotocols", .is_constant = true,
                .doc = "WebSocket subprotocols that are offered"),
    FIELD_SPECIAL(struct client_keys, compression, "compression", "compression",
                  .fields = declare__compression_fields, .dflt = "false",
                  .doc =
                      "offers permessage-deflate; {context-takeover: true} for smaller messages"),
    FIELD_SPECIAL(struct client_keys, auto_reconnect, "auto-reconnect", "reconnect",
                  .fields = reconnect_fields, .dflt = "{min: 1s, max: 60s, stable: 30s}",
                  .doc = "connects again after a loss, with full jitter; true, false, or delays"),
    FIELD_DURATION(struct client_keys, options.ping_interval_ms, "ping-interval", .dflt = "30s",
                   .allow_off = true, .min = 1, .doc = "how often the peer is pinged, or off"),
    FIELD_DURATION(struct client_keys, options.pong_timeout_ms, "pong-timeout", .dflt = "10s",
                   .min = 1, .doc = "how long a pong may take"),
    FIELD_DURATION(struct client_keys, options.connect_timeout_ms, "connect-timeout", .dflt = "10s",
                   .min = 1, .doc = "how long the name and TCP may take"),
    FIELD_DURATION(struct client_keys, options.handshake_timeout_ms, "handshake-timeout",
                   .dflt = "10s", .min = 1, .doc = "how long TLS and the handshake may take"),
    FIELD_SIZE(struct client_keys, options.max_message_bytes, "max-message", .dflt = "1MiB",
               .min = 1, .max = 1073741824, .doc = "largest message; close code 1009 past it"),
    FIELD_SIZE(struct client_keys, options.max_backlog_bytes, "max-backlog", .dflt = "1MiB",
               .min = 1024, .max = 1073741824, .doc = "output that waits for the peer"),
    FIELD_DURATION(struct client_keys, options.drain_timeout_ms, "drain-timeout", .dflt = "30s",
                   .min = 1, .doc = "longest time without progress of waiting output"),
    FIELD_ENUM(struct client_keys, log_level, "log-level", .choices = declare__log_levels,
               .doc = "least level of this client's lines; the log's own when left out"),
    FIELD_BOOL(struct client_keys, options.log_frames, "log-frames", .dflt = "false",
               .doc = "every frame in the log, and the handshake"),
    FIELD_STRUCT(struct client_keys, tls, "tls", declare__client_tls_fields,
                 .doc = "how wss verifies and shows who is who"),
    FIELD_END};

bool declare_client(const struct config_entry *entry, const struct declaration *declared,
                    struct arena *arena, struct config_diag *diag, struct declare_client *out) {
    *out = (struct declare_client){.options = {.id = entry->id}, .mark = entry->mark};
    if (!declare__is_mapping(entry, "client", diag))
        return false;
    const struct config_node *node =
        entry->value && entry->value->kind == CONFIG_MAP ? entry->value : NULL;
    struct client_keys keys;
    const char *subject = arena_printf(arena, "client \"" SLICE_FMT "\"", SLICE_ARG(entry->id));
    const struct config_reader reader = {
        .diag = diag, .arena = arena, .subject = subject ? subject : "client"};
    bool is_good = config_read(&reader, node, entry->mark, declare_client_fields,
                               (struct config_target){&keys, sizeof keys});
    struct client_options *options = &keys.options;
    const struct declare_fill fill = {declared, arena, diag};
    options->id = entry->id;
    options->has_log_level = node && config_get(node, "log-level");
    options->log_level = (uint32_t)keys.log_level;
    is_good &= declare__place(entry, &keys.place, arena, diag, options);
    is_good &= take_reconnect(&reader, keys.auto_reconnect, options);
    is_good &= declare__compression(&reader, keys.compression, &options->compression,
                                    &options->compression_takeover);
    is_good &= !node || fill_all(&fill, node, &keys);
    is_good &= !node || check_headers(node, &keys, diag);
    options->headers =
        (struct client_pairs){keys.headers.names, keys.headers.values, keys.headers.count};
    options->cookies =
        (struct client_pairs){keys.cookies.names, keys.cookies.values, keys.cookies.count};
    options->subprotocols = (struct client_texts){keys.subprotocols.items, keys.subprotocols.count};
    is_good &= !node || spell_identity(node, arena, &options->identity);
    is_good &= declare__client_tls(&reader, node, &keys.tls, declared->tls, options);
    out->options = *options;
    is_good &= declare__spell(entry, arena, diag, &out->json);
    if (!is_good)
        declare_release_clients(out, 1);
    return is_good;
}

static bool take_reconnect(const struct config_reader *reader, const struct config_node *node,
                           struct client_options *options) {
    struct reconnect_keys keys = {0};
    bool is_mapping = node && node->kind != CONFIG_SCALAR;
    bool is_good = true;
    options->auto_reconnect = true;
    if (node && !is_mapping)
        is_good = declare__switch(reader, node, "auto-reconnect", &options->auto_reconnect);
    struct config_reader inner = *reader;
    inner.subject = "\"auto-reconnect\"";
    is_good &=
        config_read(&inner, is_mapping ? node : NULL, node ? node->mark : (struct config_mark){0},
                    reconnect_fields, (struct config_target){&keys, sizeof keys});
    if (is_good && keys.max_ms < keys.min_ms) {
        config_error(reader->diag, node->mark,
                     "\"max\" of \"auto-reconnect\" must be at least its \"min\"");
        is_good = false;
    }
    options->reconnect_min_ms = keys.min_ms;
    options->reconnect_max_ms = keys.max_ms;
    options->stable_ms = keys.stable_ms;
    return is_good;
}

/* ---- the handshake --------------------------------------------------------------------------- */

static bool fill_pairs(const struct declare_fill *fill, const struct config_node *map,
                       struct config_pairs *pairs) {
    bool is_good = true;
    for (size_t i = 0; map && i < pairs->count; i++) {
        const char *name = arena_text(fill->arena, pairs->names[i]);
        is_good &= name && declare__fill(fill, config_get(map, name), name, &pairs->values[i]);
    }
    return is_good;
}

static bool fill_all(const struct declare_fill *fill, const struct config_node *node,
                     struct client_keys *keys) {
    bool is_good = declare__fill(fill, config_get(node, "bearer"), "bearer", &keys->options.bearer);
    is_good &= declare__fill(fill, config_get(node, "origin"), "origin", &keys->options.origin);
    is_good &= fill_pairs(fill, config_get(node, "headers"), &keys->headers);
    return fill_pairs(fill, config_get(node, "cookies"), &keys->cookies) && is_good;
}

static bool is_ours(struct slice name) {
    return name.size >= 14 &&
           slice_equal_nocase((struct slice){name.bytes, 14}, SLICE("sec-websocket-"));
}

/* The value is not shown: it may be a secret. */
static bool check_header(struct config_mark mark, struct slice name, struct slice value,
                         struct config_diag *diag) {
    enum status status = is_ours(name) ? STATUS_DENIED : http_header_check(name, value);
    if (!status)
        return true;
    config_error(diag, mark, "header \"" SLICE_FMT "\" %s", SLICE_ARG(name),
                 status == STATUS_DENIED
                     ? "is written by the handshake itself"
                     : "must be a name of letters, digits and dashes, with a value without "
                       "line breaks");
    return false;
}

static bool is_cookie(struct slice name, struct slice value) {
    return http_header_check(name, value) != STATUS_SYNTAX && !slice_contains(value, SLICE(";"));
}

static bool check_headers(const struct config_node *node, struct client_keys *keys,
                          struct config_diag *diag) {
    const struct config_node *headers = config_get(node, "headers"),
                             *cookies = config_get(node, "cookies"),
                             *bearer = config_get(node, "bearer"),
                             *origin = config_get(node, "origin");
    bool is_good = true;
    for (size_t i = 0; headers && i < keys->headers.count; i++) {
        struct slice name = keys->headers.names[i];
        is_good &= check_header(headers->mark, name, keys->headers.values[i], diag);
        if (bearer && slice_equal_nocase(name, SLICE("authorization"))) {
            config_error(diag, headers->mark,
                         "\"bearer\" and the header \"Authorization\" are both given");
            is_good = false;
        }
    }
    for (size_t i = 0; cookies && i < keys->cookies.count; i++)
        if (!is_cookie(keys->cookies.names[i], keys->cookies.values[i])) {
            config_error(diag, cookies->mark,
                         "cookie \"" SLICE_FMT "\" must have a value without ; and line breaks",
                         SLICE_ARG(keys->cookies.names[i]));
            is_good = false;
        }
    if (bearer)
        is_good &= check_header(bearer->mark, SLICE("Authorization"), keys->options.bearer, diag);
    if (origin)
        is_good &= check_header(origin->mark, SLICE("Origin"), keys->options.origin, diag);
    return is_good;
}

/* What makes a connection another one when it changes, as it was declared. */
static bool spell_identity(const struct config_node *node, struct arena *arena, struct slice *out) {
    static const char *const names[] = {"url",      "host",         "port",        "path",
                                        "protocol", "bearer",       "headers",     "origin",
                                        "cookies",  "subprotocols", "compression", "tls"};
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < ARRAY_SIZE(names) && !status; i++) {
        const struct config_node *value = config_get(node, names[i]);
        if (value)
            status = buffer_printf(&text, "%s:", names[i]);
        if (value && !status)
            status = declare_json(value, &text);
    }
    if (!status)
        status = arena_copy(arena, buffer_slice(&text), out);
    buffer_deinit(&text);
    return status == STATUS_OK;
}
