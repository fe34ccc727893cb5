/* Configurations of servers: the design's defaults, and counted immutable copies. */
#include <stdlib.h>
#include "server/server.h"

static enum status copy_all(struct arena *arena, struct server_options *options);
static enum status make_access(struct server_config *config);

void server_options_default(struct server_options *out) {
    *out = (struct server_options){
        .enabled = true,
        .compression = false,
        .ping_interval_ms = 30000,
        .pong_timeout_ms = 10000,
        .header_timeout_ms = 10000,
        .body_timeout_ms = 30000,
        .idle_timeout_ms = 75000,
        .response_timeout_ms = 120000,
        .drain_timeout_ms = 30000,
        .handshake_timeout_ms = 10000,
        .max_header_bytes = 32 * 1024,
        .max_header_count = 100,
        .max_body_bytes = 1024 * 1024,
        .max_message_bytes = 1024 * 1024,
        .max_backlog_bytes = 1024 * 1024,
        .max_sessions = 100000,
        .max_tls_sessions = 5000,
        .slow_consumer = SERVER_SLOW_CLOSE,
    };
}

struct server_config *server_config_new(const struct server_options *options) {
    struct server_config *config = calloc(1, sizeof(*config));
    if (!config) {
        return NULL;
    }
    arena_init(&config->arena, 1024, 0);
    atomic_init(&config->refs, 1);
    config->options = *options;
    if (options->tls) {
        (void)net_tls_config_ref(options->tls); /* itself */
    }
    if (copy_all(&config->arena, &config->options) != STATUS_OK ||
        make_access(config) != STATUS_OK) {
        server_config_unref(config);
        return NULL;
    }
    return config;
}

static enum status copy_all(struct arena *arena, struct server_options *options) {
    struct slice *texts[] = {&options->id, &options->name, &options->tls_certificate,
                             &options->tls_key, &options->tls_client_ca};
    struct server_texts *lists[] = {
        &options->bind,  &options->subprotocols,    &options->origins,
        &options->hosts, &options->trusted_proxies, &options->machine_names};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (arena_copy(arena, *texts[i], texts[i]) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        if (arena_copy_list(arena, &lists[i]->items, lists[i]->count) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

static enum status make_access(struct server_config *config) {
    struct server_options *options = &config->options;
    const struct access_spec spec = {
        .server = options->id,
        .any_origin = options->any_origin,
        .any_host = options->any_host,
        .origins = {options->origins.items, options->origins.count},
        .hosts = {options->hosts.items, options->hosts.count},
        .proxies = {options->trusted_proxies.items, options->trusted_proxies.count},
        .names = {options->machine_names.items, options->machine_names.count},
    };
    enum status status = access_auth_copy(options->auth, &config->arena, &options->auth);
    return status ? status : access_rules_new(&spec, &config->arena, &config->access);
}

struct server_config *server_config_ref(struct server_config *config) {
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void server_config_unref(struct server_config *config) {
    if (atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) == 1) {
        net_tls_config_unref(config->options.tls);
        arena_deinit(&config->arena);
        free(config);
    }
}
