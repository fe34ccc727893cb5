/* Where a client connects to: a URL (RFC 6455, section 3), or its parts. */
#include <stdio.h>

#include "declare/internal.h"

#define URL_MAX 8192

const struct config_choice declare__schemes[] = {{"ws", 0}, {"wss", 1}, {NULL, 0}};

/* Nothing that would end the request line early or need an escape. */
static bool is_sendable(struct slice path) {
    for (size_t i = 0; i < path.size; i++)
        if ((uint8_t)path.bytes[i] <= ' ' || (uint8_t)path.bytes[i] >= 0x7f || path.bytes[i] == '#')
            return false;
    return path.size > 0 && path.bytes[0] == '/';
}

static bool check_path(struct slice path, struct config_mark mark, const char *key,
                       struct config_diag *diag) {
    if (is_sendable(path))
        return true;
    config_error(diag, mark,
                 "\"%s\" must have a path that begins with /, without a fragment, spaces or "
                 "letters beyond ASCII",
                 key);
    config_hint(diag, "write other bytes as percent escapes, a space as %%20");
    return false;
}

static bool take_url(const struct config_node *node, const struct declare_place *place,
                     struct config_diag *diag, struct client_options *options) {
    struct slice rest = place->url;
    if (place->host.bytes) {
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
    options->is_secure = is_wss;
    size_t skip = is_wss ? 6 : 5;
    rest = (struct slice){rest.bytes + skip, rest.size - skip};
    size_t end = 0;
    while (end < rest.size && rest.bytes[end] != '/' && rest.bytes[end] != '?')
        end++;
    struct http_host host;
    struct slice authority = {rest.bytes, end};
    options->path =
        end < rest.size ? (struct slice){rest.bytes + end, rest.size - end} : SLICE("/");
    if (http_host_parse(authority, &host) != STATUS_OK || host.name.size == 0) {
        config_error(diag, node->mark,
                     "\"url\" must name a host and may name a port, got \"" SLICE_FMT "\"",
                     SLICE_ARG(authority));
        return false;
    }
    options->host = host.name;
    options->port = host.port;
    return check_path(options->path, node->mark, "url", diag);
}

static bool take_parts(const struct config_entry *entry, const struct declare_place *place,
                       struct config_diag *diag, struct client_options *options) {
    options->is_secure = place->is_secure;
    options->host = place->host;
    options->port = (uint16_t)place->port;
    options->path = place->path.size ? place->path : SLICE("/");
    if (!place->host.size) {
        config_error(diag, entry->mark, "client \"" SLICE_FMT "\" must have \"url\" or \"host\"",
                     SLICE_ARG(entry->id));
        return false;
    }
    const struct config_node *host = config_get(entry->value, "host");
    if (slice_contains(place->host, SLICE("://"))) {
        config_error(diag, host->mark,
                     "\"host\" must be a name or an address without a scheme, got \"" SLICE_FMT
                     "\"",
                     SLICE_ARG(place->host));
        config_hint(diag, "write it as \"url\", or give the scheme as \"protocol\"");
        return false;
    }
    if (place->path.size &&
        !check_path(place->path, config_get(entry->value, "path")->mark, "path", diag))
        return false;
    /* An address of IPv6 may stand bare; all else is as in a URL. */
    struct http_host parsed;
    bool is_bare_v6 = slice_contains(place->host, SLICE("::")) && place->host.bytes[0] != '[';
    if (!is_bare_v6 && (http_host_parse(place->host, &parsed) != STATUS_OK || parsed.port)) {
        config_error(diag, host->mark,
                     "\"host\" must be a name or an address, got \"" SLICE_FMT "\"",
                     SLICE_ARG(place->host));
        config_hint(diag, "a port is given as \"port\"");
        return false;
    }
    if (!is_bare_v6)
        options->host = parsed.name;
    return true;
}

bool declare__place(const struct config_entry *entry, const struct declare_place *place,
                    struct arena *arena, struct config_diag *diag, struct client_options *options) {
    bool is_good = place->url.bytes
                       ? take_url(config_get(entry->value, "url"), place, diag, options)
                       : take_parts(entry, place, diag, options);
    uint16_t own = options->is_secure ? 443 : 80;
    options->port = options->port ? options->port : own;
    char port[16] = "", shown[URL_MAX];
    if (options->port != own)
        (void)snprintf(port, sizeof port, ":%u", options->port); /* fits */
    bool is_v6 = slice_contains(options->host, SLICE(":"));
    const char *url =
        arena_printf(arena, "%s://%s" SLICE_FMT "%s%s" SLICE_FMT, options->is_secure ? "wss" : "ws",
                     is_v6 ? "[" : "", SLICE_ARG(options->host), is_v6 ? "]" : "", port,
                     SLICE_ARG(options->path));
    struct slice masked = http_mask_query(slice_of(url), shown, sizeof shown);
    return url && arena_copy(arena, masked, &options->url) == STATUS_OK && is_good;
}
