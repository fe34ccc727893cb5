/* Configurations of clients: the design's defaults, and counted immutable copies. */
#include <stdlib.h>
#include "client/client.h"

static enum status copy_all(struct arena *arena, struct client_options *options);

void client_options_default(struct client_options *out) {
    *out = (struct client_options){
        .enabled = true,
        .path = SLICE("/"),
        .port = 80,
        .tls_verify = true,
        .auto_reconnect = true,
        .reconnect_min_ms = 1000,
        .reconnect_max_ms = 60000,
        .stable_ms = 30000,
        .ping_interval_ms = 30000,
        .pong_timeout_ms = 10000,
        .connect_timeout_ms = 10000,
        .handshake_timeout_ms = 10000,
        .drain_timeout_ms = 30000,
        .max_message_bytes = 1024 * 1024,
        .max_backlog_bytes = 1024 * 1024,
    };
}

struct client_config *client_config_new(const struct client_options *options) {
    struct client_config *config = calloc(1, sizeof(*config));
    if (!config) {
        return NULL;
    }
    arena_init(&config->arena, 1024, 0);
    atomic_init(&config->refs, 1);
    config->options = *options;
    if (options->tls) {
        (void)net_tls_config_ref(options->tls); /* itself */
    }
    if (copy_all(&config->arena, &config->options) != STATUS_OK) {
        client_config_unref(config);
        return NULL;
    }
    return config;
}

static enum status copy_all(struct arena *arena, struct client_options *options) {
    struct slice *texts[] = {&options->id,
                             &options->name,
                             &options->url,
                             &options->host,
                             &options->path,
                             &options->bearer,
                             &options->origin,
                             &options->tls_ca,
                             &options->tls_certificate,
                             &options->tls_key,
                             &options->tls_server_name,
                             &options->identity};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (arena_copy(arena, *texts[i], texts[i]) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    struct client_pairs *pairs[] = {&options->headers, &options->cookies};
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        if (arena_copy_list(arena, &pairs[i]->names, pairs[i]->count) != STATUS_OK ||
            arena_copy_list(arena, &pairs[i]->values, pairs[i]->count) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    return arena_copy_list(arena, &options->subprotocols.items, options->subprotocols.count);
}

struct client_config *client_config_ref(struct client_config *config) {
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void client_config_unref(struct client_config *config) {
    if (atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) == 1) {
        net_tls_config_unref(config->options.tls);
        arena_deinit(&config->arena);
        free(config);
    }
}
