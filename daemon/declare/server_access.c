/* Who may ask a server: origins, hosts, proxies that are believed, credentials. */
#include "declare/internal.h"

/* What one list may hold, and how it is told. */
struct rule {
    const char *key;
    enum status (*check)(struct slice text);
    const char *must, *hint;
};
static const struct rule origin_rule = {
    "origins", access_origin_check, "hold origins",
    "an origin is a scheme, a host and maybe a port, as in https://app.example.org; also null, "
    "file:// and any"};
static const struct rule host_rule = {
    "hosts", access_host_check, "hold host names",
    "a host is a name without a scheme and a port, as in example.org; or any"};
static const struct rule proxy_rule = {"trusted-proxies", access_proxy_check,
                                       "hold addresses or networks",
                                       "as in 127.0.0.1, ::1 or 10.0.0.0/8"};

static bool check_list(const struct config_node *node, const struct config_texts *texts,
                       const struct rule *rule, struct config_diag *diag) {
    bool is_good = true;
    for (size_t i = 0; node && i < texts->count; i++) {
        const struct config_node *item =
            node->kind == CONFIG_LIST && i < node->count ? node->items[i] : node;
        if (!texts->items[i].bytes || rule->check(texts->items[i]) == STATUS_OK)
            continue;
        is_good = false;
        config_error(diag, item->mark, "\"%s\" must %s, got \"" SLICE_FMT "\"", rule->key,
                     rule->must, SLICE_ARG(texts->items[i]));
        config_hint(diag, "%s", rule->hint);
    }
    return is_good;
}

static bool is_any(const struct config_texts *texts) {
    return texts->count == 1 && slice_is(texts->items[0], "any");
}

static struct server_texts list_of(const struct config_texts *texts, bool is_any_of_them) {
    return is_any_of_them ? (struct server_texts){NULL, 0}
                          : (struct server_texts){texts->items, texts->count};
}

bool declare__access(const struct config_node *node, const struct declare_access *keys,
                     const struct config_reader *reader, struct server_options *out) {
    out->any_origin = is_any(&keys->origins);
    out->any_host = is_any(&keys->hosts);
    out->origins = list_of(&keys->origins, out->any_origin);
    out->hosts = list_of(&keys->hosts, out->any_host);
    out->trusted_proxies = list_of(&keys->proxies, false);
    if (!node)
        return true;
    bool is_good = true;
    if (!out->any_origin)
        is_good &=
            check_list(config_get(node, "origins"), &keys->origins, &origin_rule, reader->diag);
    if (!out->any_host)
        is_good &= check_list(config_get(node, "hosts"), &keys->hosts, &host_rule, reader->diag);
    is_good &=
        check_list(config_get(node, "trusted-proxies"), &keys->proxies, &proxy_rule, reader->diag);
    const struct config_node *auth = config_get(node, "auth");
    if (!access_auth_load(&keys->auth, auth, reader->arena, reader->diag, &out->auth))
        return false;
    if (auth && !out->auth && is_good) {
        config_error(reader->diag, auth->mark,
                     "\"auth\" must name a way in: bearer, basic or query");
        return false;
    }
    return is_good;
}
