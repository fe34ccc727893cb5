/* One client: where it connects to, as a URL or in parts. */
#include <stdio.h>

#include "declare/internal.h"

struct client_keys {
    struct slice name, url, host, path;
    uint32_t port;
    int protocol;
    bool enabled;
};

static bool take_url(const struct config_node *node, struct client_keys *keys,
                     struct config_diag *diag, struct declare_client *out);
static bool take_parts(const struct config_node *node, const struct config_entry *entry,
                       struct client_keys *keys, struct config_diag *diag,
                       struct declare_client *out);

static bool spell_url(struct arena *arena, struct declare_client *out);

static const struct config_choice schemes[] = {{"ws", DECLARE_WS}, {"wss", DECLARE_WSS}, {NULL, 0}};
const struct config_field declare_client_fields[] = {
    FIELD_TEXT(struct client_keys, url, "url", .doc = "ws://HOST[:PORT]/PATH or wss://..."),
    FIELD_TEXT(struct client_keys, host, "host", .doc = "name or address, in place of url"),
    FIELD_U32(struct client_keys, port, "port", .max = 65535, .doc = "0 is the protocol's own"),
    FIELD_TEXT(struct client_keys, path, "path", .doc = "path and query; / when left out"),
    FIELD_ENUM(struct client_keys, protocol, "protocol", .choices = schemes, .dflt = "ws",
               .doc = "with or without TLS"),
    FIELD_TEXT(struct client_keys, name, "name", .doc = "free text"),
    FIELD_BOOL(struct client_keys, enabled, "enabled", .dflt = "true",
               .doc = "connects as soon as it is loaded or saved"),
    FIELD_END};

bool declare_client(const struct config_entry *entry, struct arena *arena, struct config_diag *diag,
                    struct declare_client *out) {
    *out = (struct declare_client){.id = entry->id, .mark = entry->mark};
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
    out->name = keys.name;
    out->is_enabled = keys.enabled;
    is_good &= keys.url.bytes ? take_url(config_get(node, "url"), &keys, diag, out)
                              : take_parts(node, entry, &keys, diag, out);
    is_good = spell_url(arena, out) && is_good;
    return declare__spell(entry, arena, diag, &out->json) && is_good;
}

/* RFC 6455 section 3; the port 0 stands for the protocol's own. */
static bool take_url(const struct config_node *node, struct client_keys *keys,
                     struct config_diag *diag, struct declare_client *out) {
    struct slice rest = keys->url;
    if (keys->host.bytes) {
        config_error(diag, node->mark,
                     "\"url\" and \"host\" are both given; one of them says where to connect");
        return false;
    }
    bool is_wss = slice_starts_with(rest, SLICE("wss://"));
    if (!is_wss && !slice_starts_with(rest, SLICE("ws://"))) {
        config_error(diag, node->mark,
                     "\"url\" must begin with ws:// or wss://, got \"" SLICE_FMT "\"",
                     SLICE_ARG(rest));
        return false;
    }
    out->scheme = is_wss ? DECLARE_WSS : DECLARE_WS;
    size_t skip = is_wss ? 6 : 5;
    rest = (struct slice){rest.bytes + skip, rest.size - skip};
    size_t end = 0;
    while (end < rest.size && rest.bytes[end] != '/' && rest.bytes[end] != '?')
        end++;
    struct http_host host;
    struct slice authority = {rest.bytes, end};
    out->path = end < rest.size ? (struct slice){rest.bytes + end, rest.size - end} : SLICE("/");
    if (http_host_parse(authority, &host) != STATUS_OK || host.name.size == 0) {
        config_error(diag, node->mark,
                     "\"url\" must name a host and may name a port, got \"" SLICE_FMT "\"",
                     SLICE_ARG(authority));
        return false;
    }
    if (memchr(out->path.bytes, '#', out->path.size) || out->path.bytes[0] != '/') {
        config_error(diag, node->mark,
                     "\"url\" must have a path that begins with / and no fragment");
        return false;
    }
    out->host = host.name;
    out->port = host.port;
    return true;
}

static bool take_parts(const struct config_node *node, const struct config_entry *entry,
                       struct client_keys *keys, struct config_diag *diag,
                       struct declare_client *out) {
    out->scheme = keys->protocol;
    out->host = keys->host;
    out->port = keys->port;
    out->path = keys->path.size ? keys->path : SLICE("/");
    if (!keys->host.size) {
        config_error(diag, entry->mark, "client \"" SLICE_FMT "\" must have \"url\" or \"host\"",
                     SLICE_ARG(entry->id));
        return false;
    }
    const struct config_node *host = config_get(node, "host");
    if (slice_contains(keys->host, SLICE("://"))) {
        config_error(diag, host->mark,
                     "\"host\" must be a name or an address without a scheme, got \"" SLICE_FMT
                     "\"",
                     SLICE_ARG(keys->host));
        config_hint(diag, "write it as \"url\", or give the scheme as \"protocol\"");
        return false;
    }
    if (out->path.bytes[0] != '/') {
        config_error(diag, config_get(node, "path")->mark,
                     "\"path\" must begin with /, got \"" SLICE_FMT "\"", SLICE_ARG(out->path));
        return false;
    }
    return true;
}

static bool spell_url(struct arena *arena, struct declare_client *out) {
    uint32_t own = out->scheme == DECLARE_WSS ? 443 : 80;
    if (!out->port)
        out->port = own;
    char port[16] = "";
    if (out->port != own)
        (void)snprintf(port, sizeof port, ":%u", out->port); /* fits */
    bool is_v6 = slice_contains(out->host, SLICE(":"));
    const char *url = arena_printf(
        arena, "%s://%s" SLICE_FMT "%s%s" SLICE_FMT, out->scheme == DECLARE_WSS ? "wss" : "ws",
        is_v6 ? "[" : "", SLICE_ARG(out->host), is_v6 ? "]" : "", port, SLICE_ARG(out->path));
    out->url = slice_of(url);
    return url != NULL;
}
