/* The inside of rules, shared by the files of this folder. */
#ifndef BELLWIRE_ACCESS_RULES_H
#define BELLWIRE_ACCESS_RULES_H

#include <stdatomic.h>

#include "access/access.h"

/* `scheme://host:port` in parts; `whole` is as written. Other texts than http and https origins
 * (`null`, `file://`, `chrome-extension://ID`) are compared as a whole. */
struct origin {
    struct slice whole, host;
    uint16_t port;
    bool is_web; /* http or https: host and port are set */
};
enum status origin__parse(struct slice text, struct origin *out); /* STATUS_SYNTAX */
bool origin__equal(const struct origin *a, const struct origin *b);
bool host__equal(struct slice a, struct slice b); /* in any case, a final dot aside */
uint16_t origin__default_port(const struct origin *origin);

struct network { /* IPv4 as ::ffff:0:0/96 */
    uint8_t address[16];
    uint8_t bits;
};
enum status network__parse(struct slice text, struct network *out); /* STATUS_SYNTAX */
bool address__parse(struct slice text, uint8_t out[16]);

#define LOGGED_SLOTS 64
struct access_rules {
    uint64_t serial; /* random: tells rules apart that lay at one address */
    struct slice server;
    bool any_origin, any_host;
    struct origin *origins;
    size_t origin_count;
    struct access_list origin_texts; /* as written */
    struct access_list hosts, names;
    struct network *proxies;
    size_t proxy_count;
    /* When a value was logged, in seconds, and a tag of it: written by all workers. */
    _Atomic uint64_t *logged;
};

/* What a browser says about a request. Bytes NULL: not said. */
struct hints {
    struct slice origin, site, mode, dest, purpose;
    struct slice asks_method, asks_headers, asks_network; /* Access-Control-Request-... */
};

/* Fills in a refusal: what was refused, and the line of the configuration that would allow it. */
void refusal__host(const struct access_rules *rules, struct slice host,
                   struct access_answer *answer);
void refusal__origin(const struct access_rules *rules, struct slice origin,
                     struct access_answer *answer);
/* Without an Origin: by its site alone, or by the origin of its Referer. */
void refusal__site(const struct access_rules *rules, const struct http_request *request,
                   const struct hints *hints, struct access_answer *answer);

#endif
