/* Certificates, keys and tickets: read from PEM files, immutable afterwards, counted. Nothing here
 * belongs to a loop; what several threads use at once was made ready for that. */
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "net/tls_inside.h"

#define PEM_BYTES_MAX     (16 * 1024 * 1024)
#define TICKET_LIFETIME_S 86400

static bool load_chain(struct net_tls_config *config, const char *path,
                       struct net_tls_fault *fault);
static bool load_key(struct net_tls_config *config, const struct net_tls_options *options,
                     struct net_tls_fault *fault);
static int set_up(struct net_tls_config *config);
static struct tls_tickets *tickets_new(void);
static void tickets_unref(struct tls_tickets *tickets);
static void use_tickets(struct net_tls_config *config, struct tls_tickets *tickets);

/* ---- files ---------------------------------------------------------------------------------- */

static bool fail(struct net_tls_fault *fault, const char *path, const char *reason) {
    (void)snprintf(fault->text, sizeof(fault->text), "%s: %s", path, reason); /* cut is fine */
    return false;
}

static bool fail_code(struct net_tls_fault *fault, const char *path, int code) {
    char text[160];
    mbedtls_strerror(code, text, sizeof(text));
    return fail(fault, path, text);
}

/* The text ends with a NUL, which is counted, as mbedTLS wants it. A FIFO must not hold us up. */
static bool read_pem(const char *path, const char *wanted, struct buffer *text,
                     struct net_tls_fault *fault) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 || fstat(fd, &info) < 0 ? -1 : 1;
    if (got > 0 && !S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
        got = -1;
    }
    while (got > 0) {
        got = -1;
        errno = EFBIG;
        if (text->size < PEM_BYTES_MAX && buffer_reserve(text, 16384) == STATUS_OK) {
            got = read(fd, text->bytes + text->size, 16383);
            text->size += got > 0 ? (size_t)got : 0;
        }
    }
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        return fail(fault, path, strerror(error));
    }
    text->bytes[text->size++] = '\0';
    if (strlen(text->bytes) + 1 != text->size || !strstr(text->bytes, wanted)) {
        char reason[96];
        (void)snprintf(reason, sizeof(reason), "holds no %s in PEM", /* fits */
                       fault->part == NET_TLS_KEY ? "private key" : "certificate");
        return fail(fault, path, reason);
    }
    return true;
}

static void forget(struct buffer *text) {
    if (text->bytes) {
        crypto_wipe(text->bytes, text->capacity);
    }
    buffer_deinit(text);
}

/* All certificates of a file; `may_skip`: those of an unknown kind are left out. */
static bool load_certificates(mbedtls_x509_crt *out, const struct buffer *text, const char *path,
                              bool may_skip, struct net_tls_fault *fault) {
    int code = mbedtls_x509_crt_parse(out, (const unsigned char *)text->bytes, text->size);
    if (code < 0) {
        return fail_code(fault, path, code);
    }
    if ((code > 0 && !may_skip) || out->version == 0) {
        return fail(fault, path, "not all of its certificates can be read");
    }
    for (mbedtls_x509_crt *at = out; at; at = at->next) {
        if ((code = tls_version__warm(&at->pk)) != 0) {
            return fail_code(fault, path, code);
        }
    }
    return true;
}

/* ---- stores --------------------------------------------------------------------------------- */

struct net_tls_store *net_tls_store_new(const char *path, bool is_system,
                                        struct net_tls_fault *fault) {
    struct net_tls_store *store = calloc(1, sizeof(*store));
    struct buffer text;
    fault->part = NET_TLS_CA;
    if (!store) {
        (void)fail(fault, path, "out of memory");
        return NULL;
    }
    buffer_init(&text, 0);
    atomic_init(&store->refs, 1);
    mbedtls_x509_crt_init(&store->certificates);
    if (!read_pem(path, "-----BEGIN CERTIFICATE-----", &text, fault) ||
        !load_certificates(&store->certificates, &text, path, is_system, fault)) {
        net_tls_store_unref(store);
        store = NULL;
    } else {
        (void)crypto_digest(CRYPTO_SHA256, buffer_slice(&text), store->digest);
    }
    buffer_deinit(&text);
    return store;
}

struct net_tls_store *net_tls_store_ref(struct net_tls_store *store) {
    atomic_fetch_add_explicit(&store->refs, 1, memory_order_relaxed);
    return store;
}

void net_tls_store_unref(struct net_tls_store *store) {
    if (store && atomic_fetch_sub_explicit(&store->refs, 1, memory_order_acq_rel) == 1) {
        mbedtls_x509_crt_free(&store->certificates);
        free(store);
    }
}

/* ---- configurations ------------------------------------------------------------------------- */

struct net_tls_config *net_tls_config_new(const struct net_tls_options *options,
                                          struct net_tls_fault *fault) {
    struct net_tls_config *config = calloc(1, sizeof(*config));
    fault->part = NET_TLS_CERTIFICATE;
    if (!config || !tls_version__start()) {
        free(config);
        (void)fail(fault, "TLS", "out of memory");
        return NULL;
    }
    atomic_init(&config->refs, 1);
    config->is_server = options->is_server;
    config->store = options->store ? net_tls_store_ref(options->store) : NULL;
    mbedtls_ssl_config_init(&config->ssl);
    mbedtls_x509_crt_init(&config->chain);
    mbedtls_pk_init(&config->key);
    if (options->certificate &&
        (!load_chain(config, options->certificate, fault) || !load_key(config, options, fault))) {
        net_tls_config_unref(config);
        return NULL;
    }
    int code = set_up(config);
    if (code != 0) {
        (void)fail_code(fault, "TLS", code);
        net_tls_config_unref(config);
        return NULL;
    }
    return config;
}

static bool load_chain(struct net_tls_config *config, const char *path,
                       struct net_tls_fault *fault) {
    struct buffer text;
    buffer_init(&text, 0);
    fault->part = NET_TLS_CERTIFICATE;
    config->has_chain = read_pem(path, "-----BEGIN CERTIFICATE-----", &text, fault) &&
                        load_certificates(&config->chain, &text, path, false, fault);
    buffer_deinit(&text);
    return config->has_chain;
}

static bool load_key(struct net_tls_config *config, const struct net_tls_options *options,
                     struct net_tls_fault *fault) {
    struct buffer text;
    const char *path = options->key;
    bool is_good = false;
    buffer_init(&text, 0);
    fault->part = NET_TLS_KEY;
    if (read_pem(path, "PRIVATE KEY-----", &text, fault)) {
        int code = tls_version__parse_key(&config->key, text.bytes, text.size);
        if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || code == MBEDTLS_ERR_PK_PASSWORD_MISMATCH) {
            (void)fail(fault, path, "is locked with a passphrase; a key without one is needed");
        } else if (code != 0 || (code = tls_version__warm(&config->key)) != 0) {
            (void)fail_code(fault, path, code);
        } else if (tls_version__check_pair(&config->chain.pk, &config->key) != 0) {
            (void)snprintf(fault->text, sizeof(fault->text), /* cut is fine */
                           "%s: is not the key of the certificate in %s", path,
                           options->certificate);
        } else {
            is_good = true;
        }
    }
    forget(&text);
    return is_good;
}

static int set_up(struct net_tls_config *config) {
    static const char *const protocols[] = {"http/1.1", NULL};
    mbedtls_ssl_config *ssl = &config->ssl;
    int role = config->is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;
    int code = mbedtls_ssl_config_defaults(ssl, role, MBEDTLS_SSL_TRANSPORT_STREAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);
    if (code == 0) {
        code = mbedtls_ssl_conf_alpn_protocols(ssl, (const char **)protocols); /* only read */
    }
    if (code == 0 && config->has_chain) {
        code = mbedtls_ssl_conf_own_cert(ssl, &config->chain, &config->key);
    }
    if (code != 0) {
        return code;
    }
    tls_version__configure(ssl);
    mbedtls_ssl_conf_rng(ssl, tls_version__random, NULL);
    mbedtls_ssl_conf_authmode(ssl, config->store ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                 : MBEDTLS_SSL_VERIFY_NONE);
    if (config->store) {
        mbedtls_ssl_conf_ca_chain(ssl, &config->store->certificates, NULL);
    }
    if (!config->is_server) {
        mbedtls_ssl_conf_session_tickets(ssl, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
        return 0;
    }
    struct tls_tickets *tickets = tickets_new();
    if (!tickets) {
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    use_tickets(config, tickets);
    return 0;
}

struct net_tls_config *net_tls_config_ref(struct net_tls_config *config) {
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void net_tls_config_unref(struct net_tls_config *config) {
    if (!config || atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    mbedtls_ssl_config_free(&config->ssl);
    mbedtls_pk_free(&config->key);
    mbedtls_x509_crt_free(&config->chain);
    net_tls_store_unref(config->store);
    tickets_unref(config->tickets);
    free(config);
}

/* ---- tickets -------------------------------------------------------------------------------- */

static struct tls_tickets *tickets_new(void) {
    struct tls_tickets *tickets = calloc(1, sizeof(*tickets));
    if (!tickets) {
        return NULL;
    }
    atomic_init(&tickets->refs, 1);
    mbedtls_ssl_ticket_init(&tickets->context);
    if (mbedtls_ssl_ticket_setup(&tickets->context, tls_version__random, NULL,
                                 MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S) != 0) {
        tickets_unref(tickets);
        return NULL;
    }
    return tickets;
}

static void tickets_unref(struct tls_tickets *tickets) {
    if (tickets && atomic_fetch_sub_explicit(&tickets->refs, 1, memory_order_acq_rel) == 1) {
        mbedtls_ssl_ticket_free(&tickets->context);
        free(tickets);
    }
}

static int parse_ticket(void *context, mbedtls_ssl_session *session, unsigned char *bytes,
                        size_t size) {
    struct tls_tickets *tickets = CONTAINER_OF(context, struct tls_tickets, context);
    int code = mbedtls_ssl_ticket_parse(context, session, bytes, size);
    if (code == 0) {
        atomic_fetch_add_explicit(&tickets->resumed, 1, memory_order_relaxed);
    }
    return code;
}

/* Takes over the reference. */
static void use_tickets(struct net_tls_config *config, struct tls_tickets *tickets) {
    tickets_unref(config->tickets);
    config->tickets = tickets;
    mbedtls_ssl_conf_session_tickets_cb(&config->ssl, mbedtls_ssl_ticket_write, parse_ticket,
                                        &tickets->context);
}

/* A resumed session is not verified again: it must not outlive a change of who may come in. And
 * mbedTLS 2.28 chooses the cipher suite of a resumed session by the certificate of today: with
 * another type of key such a handshake fails. */
void net_tls_config_inherit(struct net_tls_config *config, const struct net_tls_config *old) {
    const struct net_tls_store *now = config->store, *before = old->store;
    bool is_same = now && before ? memcmp(now->digest, before->digest, sizeof(now->digest)) == 0
                                 : now == before;
    is_same = is_same && mbedtls_pk_get_type(&config->key) == mbedtls_pk_get_type(&old->key);
    if (is_same && config->tickets && old->tickets && config->tickets != old->tickets) {
        atomic_fetch_add_explicit(&old->tickets->refs, 1, memory_order_relaxed);
        use_tickets(config, old->tickets);
    }
}

uint64_t net_tls_config_resumed(const struct net_tls_config *config) {
    return config->tickets ? atomic_load_explicit(&config->tickets->resumed, memory_order_relaxed)
                           : 0;
}

/* ---- what a client remembers ---------------------------------------------------------------- */

struct net_tls_memory *net_tls_memory_new(void) {
    struct net_tls_memory *memory = calloc(1, sizeof(*memory));
    if (memory) {
        memory->refs = 1;
        mbedtls_ssl_session_init(&memory->session);
    }
    return memory;
}

static void forget_session(struct net_tls_memory *memory) {
    mbedtls_ssl_session_free(&memory->session);
    mbedtls_ssl_session_init(&memory->session);
    net_tls_config_unref(memory->config);
    memory->config = NULL;
    memory->has_session = false;
}

void net_tls_memory_unref(struct net_tls_memory *memory) {
    if (memory && --memory->refs == 0) {
        forget_session(memory);
        free(memory);
    }
}

void tls_memory__recall(struct net_tls_memory *memory, const struct net_tls_target *target,
                        mbedtls_ssl_context *ssl) {
    if (!memory->has_session || memory->config != target->config ||
        !slice_is(target->name, memory->name) ||
        mbedtls_ssl_set_session(ssl, &memory->session) != 0) {
        forget_session(memory); /* then the handshake is a full one */
    }
}

void tls_memory__keep(struct net_tls_memory *memory, struct net_tls_config *config,
                      const char *name, mbedtls_ssl_context *ssl) {
    forget_session(memory);
    if (mbedtls_ssl_get_session(ssl, &memory->session) == 0) {
        memory->has_session = true;
        memory->config = net_tls_config_ref(config);
        memcpy(memory->name, name, strlen(name) + 1);
    }
}
