/* The one file that knows which mbedTLS this is: 2.28 of Debian 12 or 3.6 of Debian 13. */
#include "net/tls_version.h"

#include <mbedtls/aes.h>
#include <mbedtls/ecp.h>
#include <mbedtls/version.h>
#include "crypto/crypto.h"
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

int tls_version__random(void *context, unsigned char *out, size_t size) {
    (void)context; /* the kernel's generator has no state of ours, so threads need not share any */
    crypto_random(out, size);
    return 0;
}

/* Tables that mbedTLS makes at the first use of AES, without a lock. */
static bool warm_aes(void) {
    static const unsigned char zero[16];
    mbedtls_aes_context aes;
    mbedtls_aes_init(&aes);
    bool is_good = mbedtls_aes_setkey_enc(&aes, zero, 128) == 0;
    mbedtls_aes_free(&aes);
    return is_good;
}

/* Forward secrecy and authenticated encryption alone. Here and among the groups the cheapest comes
 * first; a long list of groups would have strong and slow ones chosen. */
#define SUITES_1_2                                                                                 \
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,                                               \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,                                             \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,                                           \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,                                             \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,                                     \
        MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256

#if MBEDTLS_VERSION_NUMBER >= 0x03000000

bool tls_version__start(void) { return psa_crypto_init() == PSA_SUCCESS && warm_aes(); }

void tls_version__configure(mbedtls_ssl_config *config) {
    static const uint16_t groups[] = {
        MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
        MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
        MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    static const int suites[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, SUITES_1_2, 0};
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_groups(config, groups);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
}

int tls_version__parse_key(mbedtls_pk_context *key, const char *text, size_t size) {
    return mbedtls_pk_parse_key(key, (const unsigned char *)text, size, NULL, 0,
                                tls_version__random, NULL);
}

int tls_version__check_pair(const mbedtls_pk_context *public, const mbedtls_pk_context *key) {
    return mbedtls_pk_check_pair(public, key, tls_version__random, NULL);
}

int tls_version__warm(mbedtls_pk_context *key) {
    (void)key; /* its tables are part of the library */
    return 0;
}

/* A server's tickets of TLS 1.3 come when the library counts the handshake as over. */
int tls_version__handshake(mbedtls_ssl_context *ssl) {
    int code = mbedtls_ssl_handshake(ssl);
    while (code == 0 && ssl->MBEDTLS_PRIVATE(state) != MBEDTLS_SSL_HANDSHAKE_OVER) {
        code = mbedtls_ssl_handshake_step(ssl);
    }
    return code;
}

bool tls_version__is_ticket(int code) {
    return code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

bool tls_version__has_session(const mbedtls_ssl_context *ssl) {
    return mbedtls_ssl_get_version_number(ssl) == MBEDTLS_SSL_VERSION_TLS1_2;
}

unsigned tls_version__alert(const mbedtls_ssl_context *ssl) {
    return ssl->MBEDTLS_PRIVATE(in_msg) ? ssl->MBEDTLS_PRIVATE(in_msg)[1] : 0;
}

#else

bool tls_version__start(void) { return warm_aes(); }

void tls_version__configure(mbedtls_ssl_config *config) {
    static const mbedtls_ecp_group_id curves[] = {
        MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_SECP384R1,
        MBEDTLS_ECP_DP_SECP521R1, MBEDTLS_ECP_DP_NONE};
    static const int suites[] = {SUITES_1_2, 0};
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_curves(config, curves);
    mbedtls_ssl_conf_ciphersuites(config, suites);
}

int tls_version__parse_key(mbedtls_pk_context *key, const char *text, size_t size) {
    return mbedtls_pk_parse_key(key, (const unsigned char *)text, size, NULL, 0);
}

int tls_version__check_pair(const mbedtls_pk_context *public, const mbedtls_pk_context *key) {
    return mbedtls_pk_check_pair(public, key);
}

/* 2.28 keeps multiples of the base point in the key's group, made at its first use without a lock.
 */
int tls_version__warm(mbedtls_pk_context *key) {
    if (!mbedtls_pk_can_do(key, MBEDTLS_PK_ECKEY)) {
        return 0;
    }
    mbedtls_ecp_group *group = &mbedtls_pk_ec(*key)->grp;
    mbedtls_ecp_point point;
    mbedtls_mpi two;
    mbedtls_ecp_point_init(&point);
    mbedtls_mpi_init(&two);
    int code = mbedtls_mpi_lset(&two, 2);
    if (code == 0) {
        code = mbedtls_ecp_mul(group, &point, &two, &group->G, tls_version__random, NULL);
    }
    mbedtls_mpi_free(&two);
    mbedtls_ecp_point_free(&point);
    return code;
}

int tls_version__handshake(mbedtls_ssl_context *ssl) { return mbedtls_ssl_handshake(ssl); }

bool tls_version__is_ticket(int code) {
    (void)code; /* TLS 1.2 gives tickets in the handshake alone */
    return false;
}

bool tls_version__has_session(const mbedtls_ssl_context *ssl) {
    (void)ssl; /* it is always TLS 1.2 */
    return true;
}

unsigned tls_version__alert(const mbedtls_ssl_context *ssl) {
    return ssl->in_msg ? ssl->in_msg[1] : 0;
}

#endif
