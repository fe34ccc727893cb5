/* The inside of credentials, shared by the files of this folder. */
#ifndef BELLWIRE_ACCESS_AUTH_H
#define BELLWIRE_ACCESS_AUTH_H

#include "access/access.h"

struct token {
    uint8_t digest[CRYPTO_SHA256_SIZE];
    struct slice label;
};
struct tokens {
    struct token *items;
    size_t count;
};
struct user {
    struct slice name, hash;
};
struct access_auth {
    bool has_bearer, has_basic, has_query;
    struct tokens bearer, query;
    struct slice query_name;
    struct user *users;
    size_t user_count;
};

/* A file's text as tokens or users. On failure `*line` (from 1) is at fault and `*why` constant.
 * STATUS_SYNTAX, STATUS_NO_MEMORY. */
struct auth_fault {
    size_t line;
    const char *why;
};
enum status tokens__parse(struct slice text, struct arena *arena, struct tokens *out,
                          struct auth_fault *fault);
enum status users__parse(struct slice text, struct arena *arena, struct access_auth *out,
                         struct auth_fault *fault);

/* What the cache knows a password by, into password->key: all that its being right depends on. */
void cache__key(const struct access_cache *cache, struct slice name,
                struct access_password *password);
bool cache__has(const struct access_cache *cache, const struct access_password *password,
                uint64_t now_ms);

#endif
