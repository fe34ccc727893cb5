/* The inside of TLS, shared by the tls*.c files of this folder. */
#ifndef BELLWIRE_NET_TLS_INSIDE_H
#define BELLWIRE_NET_TLS_INSIDE_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include "crypto/crypto.h"
#include "net/net.h"
#include "net/tls_version.h"

#define TLS_NAME_MAX 256

struct net_tls_store {
    _Atomic uint32_t refs;
    mbedtls_x509_crt certificates;
    uint8_t digest[CRYPTO_SHA256_SIZE]; /* of the file */
};
struct tls_tickets { /* the keys of tickets; outlive configurations */
    _Atomic uint32_t refs;
    _Atomic uint64_t resumed;
    mbedtls_ssl_ticket_context context; /* has a lock of its own */
};
struct net_tls_config {
    _Atomic uint32_t refs;
    bool is_server, has_ssl, has_chain;
    mbedtls_ssl_config ssl;
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    struct net_tls_store *store;
    struct tls_tickets *tickets; /* of servers */
};
struct net_tls_memory {
    uint32_t refs;
    bool has_session;
    struct net_tls_config *config; /* under which the session was made */
    char name[TLS_NAME_MAX];
    mbedtls_ssl_session session;
};

/* What is known about a handshake that failed. */
struct tls_failure {
    int code;              /* mbedTLS */
    uint32_t verify_flags; /* of all certificates of the peer */
    bool is_self_signed;   /* the peer's own */
    unsigned alert;        /* of the peer */
    const char *name;      /* that the certificate should have had; "" for servers */
};
#define TLS_WHY_MAX 512
/* The status for net_tls_fn, and the sentence into `out`. */
enum status tls_text__failure(const struct tls_failure *failure, char out[TLS_WHY_MAX]);

/* Gives `ssl` the session of this configuration and name, if there is one. */
void tls_memory__recall(struct net_tls_memory *memory, const struct net_tls_target *target,
                        mbedtls_ssl_context *ssl);
/* Keeps the session of `ssl`. */
void tls_memory__keep(struct net_tls_memory *memory, struct net_tls_config *config,
                      const char *name, mbedtls_ssl_context *ssl);

#endif
