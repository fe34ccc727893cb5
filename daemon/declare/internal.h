/* Shared by the files of this folder. */
#ifndef BELLWIRE_DECLARE_INTERNAL_H
#define BELLWIRE_DECLARE_INTERNAL_H

#include "access/fields.h"
#include "declare/declare.h"

/* The value of a declaration must be a mapping; `what` is "server" and the like. */
bool declare__is_mapping(const struct config_entry *entry, const char *what,
                         struct config_diag *diag);
/* The declaration as JSON text in the arena. False: no memory, reported. */
bool declare__spell(const struct config_entry *entry, struct arena *arena, struct config_diag *diag,
                    struct slice *out);
bool declare__secret(const struct config_entry *entry, struct arena *arena,
                     struct config_diag *diag, struct declare_secret *out);
/* What `bind` at `node` (NULL: left out) holds; at least one. False: reported. */
bool declare__bind(const struct config_node *node, const struct config_texts *texts,
                   struct config_diag *diag);
bool declare__main(const struct config_files *files, struct arena *arena, struct config_diag *diag,
                   struct declare_main *out);
extern const struct config_choice declare__log_levels[];
/* A scalar as a boolean; the message names `key`. */
bool declare__switch(const struct config_reader *reader, const struct config_node *node,
                     const char *key, bool *out);
/* The value of `compression`, NULL for none: a switch, or {context-takeover: ...}. */
bool declare__compression(const struct config_reader *reader, const struct config_node *node,
                          bool *is_on, bool *has_takeover);
/* Fills in each ${Secret(name)} of `text`, which stands at `node`; nothing else may stand in ${}.
 * `key` is for the messages. */
struct declare_fill {
    const struct declaration *declared;
    struct arena *arena;
    struct config_diag *diag;
};
bool declare__fill(const struct declare_fill *fill, const struct config_node *node, const char *key,
                   struct slice *text);
/* What says where a client connects to. */
struct declare_place {
    struct slice url, host, path;
    uint32_t port;
    int is_secure;
};
/* Into `options`: is_secure, host, port, path, and url, masked. */
bool declare__place(const struct config_entry *entry, const struct declare_place *place,
                    struct arena *arena, struct config_diag *diag, struct client_options *options);
extern const struct config_choice declare__schemes[];
extern const struct config_field declare__compression_fields[];

/* The keys below `tls`; `ca` is called client-ca for servers. */
struct declare_tls_keys {
    struct slice certificate, key, ca, server_name;
    bool verify;
};
extern const struct config_field declare__server_tls_fields[], declare__client_tls_fields[];
/* Load the files into `options`, which says already whether a client is secure. `node` is the
 * client's, `tls` the server's member of that name, or NULL. */
bool declare__server_tls(const struct config_reader *reader, const struct config_node *tls,
                         const struct declare_tls_keys *keys, struct server_options *options);
bool declare__client_tls(const struct config_reader *reader, const struct config_node *node,
                         const struct declare_tls_keys *keys, struct declare_tls *shared,
                         struct client_options *options);

/* The keys of a server that say who may ask it, checked and taken into its options. */
struct declare_access {
    struct config_texts origins, hosts, proxies;
    struct access_keys auth;
};
bool declare__access(const struct config_node *node, const struct declare_access *keys,
                     const struct config_reader *reader, struct server_options *out);

#endif
