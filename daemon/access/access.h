/* Who may ask: host names and origins (a browser must not become a weapon), addresses of proxies
 * that are believed, and credentials.
 *
 * Deaf but for loading: rules and logins are made by the control thread, immutable afterwards and
 * read by every worker; the checks take a parsed head and give an answer.
 *
 * Memory  rules and logins live in the arena they were made in, and copy what they are given. */
#ifndef BELLWIRE_ACCESS_H
#define BELLWIRE_ACCESS_H

#include "crypto/crypto.h"
#include "http/http.h"

/* ---- rules of one server --------------------------------------------------------------------- */
struct access_list {
    const struct slice *items;
    size_t count;
};
struct access_spec {
    struct slice server; /* its ID, for the lines that would allow something */
    bool any_origin, any_host;
    struct access_list origins, hosts, proxies; /* as in the YAML */
    struct access_list names;                   /* of this machine: access_machine_names() */
};
struct access_rules;
/* STATUS_SYNTAX where one of the texts is none (see below); STATUS_NO_MEMORY. */
enum status access_rules_new(const struct access_spec *spec, struct arena *arena,
                             const struct access_rules **out);
/* What a list may hold: `https://app.example.org`, `null`, `file://`; a host name or an address
 * without a port; an address or `10.0.0.0/8`. STATUS_SYNTAX. */
enum status access_origin_check(struct slice text);
enum status access_host_check(struct slice text);
enum status access_proxy_check(struct slice text);
/* Host name, NAME.local and FQDN of this machine. Asks the resolver, which may take seconds: once,
 * and never on a loop. STATUS_NO_MEMORY. */
enum status access_machine_names(struct arena *arena, struct access_list *out);

/* ---- the check of a head --------------------------------------------------------------------- */
enum access_cors { /* headers that every answer to the request carries */
                   ACCESS_NO_CORS,
                   ACCESS_CORS_VARY,   /* origins are listed, and this request tells of none of them
                                        */
                   ACCESS_CORS_ORIGIN, /* its Origin is listed */
                   ACCESS_CORS_ANY     /* `origins: any` */
};
#define ACCESS_CORS_HEADERS 3
/* Those headers into `out`, which has room for ACCESS_CORS_HEADERS; borrows from the request. */
size_t access_cors_headers(enum access_cors cors, const struct http_request *request,
                           struct http_header *out);

/* The host that was allowed last: one comparison in place of a look-up. All zero at first. */
struct access_memo {
    uint64_t serial; /* of the rules */
    uint8_t size;
    char host[63];
};
/* What may refuse a request before any task sees it; for counters. */
enum access_gate {
    ACCESS_HOST,        /* DNS rebinding */
    ACCESS_ORIGIN,      /* a page of another origin */
    ACCESS_SITE,        /* another site, by Sec-Fetch-Site */
    ACCESS_PREFETCH,    /* ahead of time */
    ACCESS_CREDENTIALS, /* none that are accepted */
    ACCESS_SIGNATURE,   /* none, or one that does not fit */
    ACCESS_BUSY,        /* too many credentials are being checked */
    ACCESS_GATES
};
const char *access_gate_text(enum access_gate gate); /* "host" "origin" ... */

#define ACCESS_HEADERS_MAX 8
#define ACCESS_TEXT_MAX    4096
#define ACCESS_LINE_MAX    1024
struct access_answer {
    uint16_t status; /* 0: allowed; 204: a preflight; 403 */
    enum access_cors cors;
    bool is_speculative; /* the browser asks before its user does: Sec-Purpose: prefetch */
    /* Unless allowed. For the log: `what` (constant), the host, origin or site that was `refused`,
     * and the line that would allow it; empty for a preflight. */
    struct slice text, content_type, refused, line;
    const char *what;
    enum access_gate gate; /* of a 403 */
    struct http_header headers[ACCESS_HEADERS_MAX];
    size_t header_count;
    char room[ACCESS_TEXT_MAX], line_room[ACCESS_LINE_MAX]; /* private */
};
/* Walks the headers once. The answer borrows from rules and request. */
void access_check(const struct access_rules *rules, const struct http_request *request,
                  struct access_memo *memo, struct access_answer *answer);
/* Whether a refusal is to be logged: each value once a minute, whatever worker it came to. At most
 * some tens of values a minute. */
bool access_is_loggable(const struct access_rules *rules, struct slice refused, uint64_t now_ms);

/* ---- proxies --------------------------------------------------------------------------------- */
#define ACCESS_PEER_MAX 512
/* The addresses of X-Forwarded-For from the client to the nearest proxy, joined by ", ", where
 * `peer` (an address without a port) is a trusted proxy: read from the right, up to the first
 * address that is no trusted proxy, since what stands left of it anyone may have written. Else, and
 * where the header tells nothing, `peer` itself. Written into `out` of ACCESS_PEER_MAX. */
struct slice access_peer(const struct access_rules *rules, const struct http_request *request,
                         struct slice peer, char *out);

/* ---- credentials ----------------------------------------------------------------------------- */
struct access_auth;
enum status access_auth_copy(const struct access_auth *auth, struct arena *arena,
                             const struct access_auth **out); /* NULL stays NULL; NO_MEMORY */
/* WWW-Authenticate headers of a 401, one for each way in. `out` has room for ACCESS_HEADERS_MAX. */
size_t access_challenges(const struct access_auth *auth, struct http_header *out);

/* Passwords that were found right within the last minutes, by an HMAC under a random key, so that
 * the slow check is rare. Of one worker. */
struct access_cache;
struct access_cache *access_cache_new(void); /* NULL without memory */
void access_cache_free(struct access_cache *cache);

#define ACCESS_PASSWORD_MAX 512
struct access_password { /* to be checked off the loop; owns its bytes; wipe it afterwards */
    uint8_t key[CRYPTO_SHA256_SIZE]; /* private: of the cache */
    size_t size;
    char password[ACCESS_PASSWORD_MAX];
    char hash[256];
    bool is_known; /* a user of the file: else nothing fits, and it takes as long */
};
enum access_grant {
    ACCESS_GRANTED, /* `*user` says to whom; as long as `auth` */
    ACCESS_DENIED,
    ACCESS_ASK /* a password is to be checked: `*password` is filled in */
};
struct access_request {
    const struct http_request *http;
    struct access_cache *cache;
    struct arena *scratch;
    uint64_t now_ms; /* of a clock that never steps */
};
/* Any of the ways suffices. Compares in constant time, and asks no password that the cache knows.
 */
enum access_grant access_authenticate(const struct access_auth *auth,
                                      const struct access_request *request,
                                      struct access_password *password, struct slice *user);
/* Slow by design; on any thread but a loop's. */
bool access_password_fits(const struct access_password *password);
void access_cache_add(struct access_cache *cache, const struct access_password *password,
                      uint64_t now_ms);

/* What a request that was refused had to show, for people and without what is secret, into `out` of
 * ACCESS_SEEN_MAX. `user` is whom of the file it named, or empty. */
#define ACCESS_SEEN_MAX 256
struct slice access_credentials_seen(const struct access_auth *auth,
                                     const struct access_request *request, struct slice user,
                                     char *out);

/* ---- signatures of requests ------------------------------------------------------------------ */
enum access_encoding { ACCESS_HEX, ACCESS_BASE64 };
struct access_signature {
    struct slice header, prefix, secret;
    struct slice timestamp; /* the header with the time, in seconds since 1970; empty: none */
    uint64_t tolerance_ms;
    int algorithm; /* enum crypto_digest */
    int encoding;  /* enum access_encoding */
};
/* What the request says its signature is, into `out` of CRYPTO_DIGEST_MAX. False: it has none, one
 * that cannot be read, or a time too far from `wall_ms`. */
bool access_signature_read(const struct access_signature *its, const struct http_request *request,
                           uint64_t wall_ms, uint8_t *out);
/* Whether it is that of `bytes`. Takes some milliseconds for each MiB. */
bool access_signature_fits(const struct access_signature *its, struct slice bytes,
                           const uint8_t *signature);

/* As access_credentials_seen(), of a signature that did not do. */
struct slice access_signature_seen(const struct access_signature *its,
                                   const struct http_request *request, uint64_t wall_ms, char *out);

#endif
