/* Rules out of their texts, and when a refusal is worth a line in the log. */
#include "access/rules.h"

#define LOGGED_EVERY_S 60
#define LOGGED_PROBES  4

static enum status parse_origins(struct arena *arena, struct access_rules *rules) {
    const struct access_list *texts = &rules->origin_texts;
    rules->origins = arena_alloc(arena, texts->count * sizeof *rules->origins);
    if (!rules->origins)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < texts->count; i++)
        if (origin__parse(texts->items[i], &rules->origins[rules->origin_count++]))
            return STATUS_SYNTAX;
    return STATUS_OK;
}

static enum status parse_proxies(struct arena *arena, const struct access_list *texts,
                                 struct access_rules *rules) {
    rules->proxies = arena_alloc(arena, texts->count * sizeof *rules->proxies);
    if (!rules->proxies)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < texts->count; i++)
        if (network__parse(texts->items[i], &rules->proxies[rules->proxy_count++]))
            return STATUS_SYNTAX;
    return STATUS_OK;
}

enum status access_rules_new(const struct access_spec *spec, struct arena *arena,
                             const struct access_rules **out) {
    struct access_rules *rules = arena_zalloc(arena, sizeof *rules);
    if (!rules)
        return STATUS_NO_MEMORY;
    crypto_random(&rules->serial, sizeof rules->serial);
    rules->serial |= 1; /* 0 is no rules */
    rules->any_origin = spec->any_origin;
    rules->any_host = spec->any_host;
    rules->origin_texts = spec->origins;
    rules->hosts = spec->hosts;
    rules->names = spec->names;
    rules->logged = arena_zalloc(arena, LOGGED_SLOTS * sizeof *rules->logged);
    if (!rules->logged || arena_copy(arena, spec->server, &rules->server) ||
        arena_copy_list(arena, &rules->origin_texts.items, rules->origin_texts.count) ||
        arena_copy_list(arena, &rules->hosts.items, rules->hosts.count) ||
        arena_copy_list(arena, &rules->names.items, rules->names.count))
        return STATUS_NO_MEMORY;
    enum status status = parse_origins(arena, rules);
    if (!status)
        status = parse_proxies(arena, &spec->proxies, rules);
    if (!status)
        *out = rules;
    return status;
}

enum status access_origin_check(struct slice text) {
    struct origin origin;
    return origin__parse(text, &origin);
}

enum status access_host_check(struct slice text) {
    struct http_host host;
    uint8_t address[16];
    if (address__parse(text, address)) /* an IPv6 address without brackets too */
        return STATUS_OK;
    return http_host_parse(text, &host) || host.port ? STATUS_SYNTAX : STATUS_OK;
}

bool access_is_loggable(const struct access_rules *rules, struct slice refused, uint64_t now_ms) {
    const struct hash_key key = {rules->serial, ~rules->serial};
    uint64_t hash = hash_bytes(&key, refused), now_s = now_ms / 1000 + LOGGED_EVERY_S;
    uint64_t tag = hash >> 32, entry = tag << 32 | (now_s & UINT32_MAX);
    for (size_t probe = 0; probe < LOGGED_PROBES; probe++) {
        _Atomic uint64_t *slot = &rules->logged[(hash + probe) % LOGGED_SLOTS];
        uint64_t seen = atomic_load_explicit(slot, memory_order_relaxed);
        bool is_fresh = now_s - (seen & UINT32_MAX) < LOGGED_EVERY_S;
        if (is_fresh && seen >> 32 == tag)
            return false;
        if (!is_fresh) /* whoever loses the race leaves the line to the other */
            return atomic_compare_exchange_strong_explicit(slot, &seen, entry, memory_order_relaxed,
                                                           memory_order_relaxed);
    }
    return false; /* a flood of values */
}
