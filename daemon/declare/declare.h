/* What a configuration declares beside tasks: servers, clients, secrets and the keys of the main
 * file. Their field tables stand here, once, for the YAML, the manager's edits, the schema and the
 * reference.
 *
 * Thread  the control thread.
 * Memory  texts live in the arena that is handed in. */
#ifndef BELLWIRE_DECLARE_H
#define BELLWIRE_DECLARE_H

#include "config/config.h"
#include "client/client.h"
#include "server/server.h"

struct declare_main {
    uint32_t workers;          /* 0: one per core */
    int log_level, log_format; /* enum log_level, enum log_format */
    bool has_log_level, has_log_format;
    uint32_t max_programs;
    uint64_t max_run_memory_bytes, run_memory_bytes; /* of one run; of all runs of a worker */
    uint64_t expression_time_ms, expression_memory_bytes;
    uint64_t max_globals_bytes, max_global_bytes;
    uint64_t shutdown_timeout_ms;
    struct server_texts metrics_bind; /* none: no metrics */
};
struct declare_server {
    struct server_options options;
    struct config_mark mark;
    struct slice json; /* the declaration, in the spelling of the YAML */
};
struct declare_client {
    struct client_options options;
    struct config_mark mark;
    struct slice json; /* as above */
};
struct declare_secret {
    struct slice name, value;
    struct config_mark mark;
};
struct declare_tls {              /* what clients share */
    struct net_tls_store *system; /* NULL: not needed so far */
};
struct declaration {
    struct declare_main main;
    struct declare_tls *tls; /* in the arena */
    struct declare_server *servers;
    struct declare_client *clients;
    struct declare_secret *secrets;
    size_t server_count, client_count, secret_count;
};
/* Reads all that `files` declares beside tasks. False when anything was wrong; the rest was read
 * all the same. */
bool declare_read(const struct config_files *files, struct arena *arena, struct config_diag *diag,
                  struct declaration *out);
/* One server or client from a node of any origin; the same checks, the same messages. */
bool declare_server(const struct config_entry *entry, struct arena *arena, struct config_diag *diag,
                    struct declare_server *out);
/* `declared` holds the secrets that it may name. */
bool declare_client(const struct config_entry *entry, const struct declaration *declared,
                    struct arena *arena, struct config_diag *diag, struct declare_client *out);
/* What is counted, not in the arena: loaded certificates. Those of a server or client that was
 * refused are given up already. Repeating it is fine. */
void declare_release(struct declaration *declared);
void declare_release_servers(struct declare_server *servers, size_t count);
void declare_release_clients(struct declare_client *clients, size_t count);
/* A node as JSON, plain scalars typed as YAML says. STATUS_NO_MEMORY. */
enum status declare_json(const struct config_node *node, struct buffer *out);

/* The name in a `bind` text of the shape `fd:NAME`, a socket that systemd passes; else empty. */
#define DECLARE_FD_NAME_MAX 56
struct slice declare_fd_name(struct slice text);

extern const struct config_field declare_main_fields[], declare_server_fields[],
    declare_client_fields[], declare_secret_fields[];

#endif
