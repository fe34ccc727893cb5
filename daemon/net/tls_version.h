/* What differs between mbedTLS 2.28 and 3.6. Private to this folder's TLS. */
#ifndef BELLWIRE_NET_TLS_VERSION_H
#define BELLWIRE_NET_TLS_VERSION_H

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include "base/base.h"

/* Random bytes for mbedTLS, from any thread; `context` is not used. */
int tls_version__random(void *context, unsigned char *out, size_t size);
/* What the library wants done before threads use it; again and again is fine. */
bool tls_version__start(void);
/* Protocol versions, groups and tickets of a configuration that has its defaults. */
void tls_version__configure(mbedtls_ssl_config *config);
/* As mbedTLS, without a passphrase; `size` counts a final NUL. */
int tls_version__parse_key(mbedtls_pk_context *key, const char *text, size_t size);
int tls_version__check_pair(const mbedtls_pk_context *public, const mbedtls_pk_context *key);
/* Before several threads use a key at once: has the library make the tables that it keeps in it. */
int tls_version__warm(mbedtls_pk_context *key);
/* As far as it goes without more input, tickets included. */
int tls_version__handshake(mbedtls_ssl_context *ssl);
/* Whether a read that gave `code` has received a ticket, and may simply be repeated. */
bool tls_version__is_ticket(int code);
/* Whether a client's session can be kept right after the handshake; else a ticket comes later. */
bool tls_version__has_session(const mbedtls_ssl_context *ssl);
/* The alert of the peer that ended a handshake just now. */
unsigned tls_version__alert(const mbedtls_ssl_context *ssl);

#endif
