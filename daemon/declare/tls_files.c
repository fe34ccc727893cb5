/* The files of TLS, loaded where they are declared, so that a check finds what is wrong with them.
 * What is loaded is counted: declare_release() gives it up. */
#include "declare/internal.h"

static const char *path_of(struct slice path, const struct config_reader *reader);
static bool fail(const struct config_reader *reader, const struct config_node *tls,
                 const struct net_tls_fault *fault, const char *authorities);
static bool check_pair(const struct config_reader *reader, const struct config_node *tls);
static bool find_system_store(const struct config_reader *reader, struct config_mark mark,
                              struct declare_tls *shared);

const struct config_field declare__server_tls_fields[] = {
    FIELD_FILE(struct declare_tls_keys, certificate, "certificate",
               .doc = "PEM file of the certificate and those that vouch for it"),
    FIELD_FILE(struct declare_tls_keys, key, "key", .doc = "PEM file of its private key"),
    FIELD_FILE(struct declare_tls_keys, ca, "client-ca",
               .doc = "clients must show a certificate that one in this PEM file vouches for"),
    FIELD_END};
const struct config_field declare__client_tls_fields[] = {
    FIELD_FILE(struct declare_tls_keys, ca, "ca",
               .doc = "PEM file of who vouches for the server; the system's store when left out"),
    FIELD_FILE(struct declare_tls_keys, certificate, "certificate",
               .doc = "PEM file of a certificate for servers that ask for one"),
    FIELD_FILE(struct declare_tls_keys, key, "key", .doc = "PEM file of its private key"),
    FIELD_BOOL(struct declare_tls_keys, verify, "verify", .dflt = "true",
               .doc = "false accepts any certificate: anybody can be the server"),
    FIELD_TEXT(struct declare_tls_keys, server_name, "server-name", .is_constant = true,
               .doc = "name in the certificate, where it is not the host's"),
    FIELD_END};

bool declare__server_tls(const struct config_reader *reader, const struct config_node *tls,
                         const struct declare_tls_keys *keys, struct server_options *options) {
    struct net_tls_fault fault;
    struct net_tls_store *store = NULL;
    if (!tls || tls->kind != CONFIG_MAP)
        return true;
    if (!keys->certificate.size || !keys->key.size) {
        config_error(reader->diag, tls->mark, "\"tls\" needs \"certificate\" and \"key\"");
        return false;
    }
    options->tls_certificate = keys->certificate;
    options->tls_key = keys->key;
    options->tls_client_ca = keys->ca;
    if (keys->ca.size && !(store = net_tls_store_new(path_of(keys->ca, reader), false, &fault)))
        return fail(reader, tls, &fault, "client-ca");
    const struct net_tls_options files = {.is_server = true,
                                          .certificate = path_of(keys->certificate, reader),
                                          .key = path_of(keys->key, reader),
                                          .store = store};
    options->tls = net_tls_config_new(&files, &fault);
    net_tls_store_unref(store);
    return options->tls || fail(reader, tls, &fault, "client-ca");
}

bool declare__client_tls(const struct config_reader *reader, const struct config_node *node,
                         const struct declare_tls_keys *keys, struct declare_tls *shared,
                         struct client_options *options) {
    const struct config_node *tls = node ? config_get(node, "tls") : NULL;
    struct net_tls_fault fault;
    struct net_tls_store *store = NULL;
    options->tls_ca = keys->ca;
    options->tls_certificate = keys->certificate;
    options->tls_key = keys->key;
    options->tls_server_name = keys->server_name;
    options->tls_verify = keys->verify;
    if (tls && tls->kind == CONFIG_MAP && !check_pair(reader, tls))
        return false;
    if (!options->is_secure)
        return true;
    if (!keys->verify)
        config_warning(reader->diag, config_get(tls, "verify")->mark,
                       "\"verify\" is false: whoever is on the way can be the server");
    else if (keys->ca.size)
        store = net_tls_store_new(path_of(keys->ca, reader), false, &fault);
    else if (find_system_store(reader, node->mark, shared))
        store = net_tls_store_ref(shared->system);
    if (keys->verify && !store)
        return keys->ca.size ? fail(reader, tls, &fault, "ca") : false;
    const struct net_tls_options files = {
        .certificate = keys->certificate.size ? path_of(keys->certificate, reader) : NULL,
        .key = keys->certificate.size ? path_of(keys->key, reader) : NULL,
        .store = store};
    options->tls = net_tls_config_new(&files, &fault);
    net_tls_store_unref(store);
    return options->tls || fail(reader, tls ? tls : node, &fault, "ca");
}

/* NUL-terminated; the path of a file that is not there where memory is out. */
static const char *path_of(struct slice path, const struct config_reader *reader) {
    const char *text = arena_text(reader->arena, path);
    return text ? text : "";
}

static bool fail(const struct config_reader *reader, const struct config_node *tls,
                 const struct net_tls_fault *fault, const char *authorities) {
    const char *key = fault->part == NET_TLS_CERTIFICATE ? "certificate"
                      : fault->part == NET_TLS_KEY       ? "key"
                                                         : authorities;
    const struct config_node *at = config_get(tls, key);
    config_error(reader->diag, at ? at->mark : tls->mark, "\"%s\" cannot be used: %s", key,
                 fault->text);
    return false;
}

static bool check_pair(const struct config_reader *reader, const struct config_node *tls) {
    const struct config_node *certificate = config_get(tls, "certificate"),
                             *key = config_get(tls, "key");
    if (!certificate == !key)
        return true;
    config_error(reader->diag, (certificate ? certificate : key)->mark,
                 "\"%s\" needs \"%s\" beside it", certificate ? "certificate" : "key",
                 certificate ? "key" : "certificate");
    return false;
}

/* Read once for all clients of a configuration. */
static bool find_system_store(const struct config_reader *reader, struct config_mark mark,
                              struct declare_tls *shared) {
    struct net_tls_fault fault;
    if (!shared->system)
        shared->system = net_tls_store_new(NET_TLS_SYSTEM_STORE, true, &fault);
    if (shared->system)
        return true;
    config_error(reader->diag, mark, "the system's store of authorities cannot be used: %s",
                 fault.text);
    config_hint(reader->diag, "install the package ca-certificates, or name a file as "
                              "\"tls: {ca: FILE}\"");
    return false;
}

void declare_release_servers(struct declare_server *servers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        net_tls_config_unref(servers[i].options.tls);
        servers[i].options.tls = NULL;
    }
}

void declare_release_clients(struct declare_client *clients, size_t count) {
    for (size_t i = 0; i < count; i++) {
        net_tls_config_unref(clients[i].options.tls);
        clients[i].options.tls = NULL;
    }
}

void declare_release(struct declaration *declared) {
    declare_release_servers(declared->servers, declared->server_count);
    declare_release_clients(declared->clients, declared->client_count);
    if (declared->tls) {
        net_tls_store_unref(declared->tls->system);
        declared->tls->system = NULL;
    }
}
