/* Passwords that were right a while ago. A key tells nothing without the cache's random secret,
 * which never leaves it; a changed hash in the file makes other keys. */
#include <stdlib.h>

#include "access/auth.h"

#define SLOTS  256
#define FOR_MS (5 * 60 * 1000)

struct access_cache {
    uint8_t secret[CRYPTO_SHA256_SIZE];
    struct slot {
        uint8_t key[CRYPTO_SHA256_SIZE];
        uint64_t until_ms; /* 0: empty */
    } slots[SLOTS];
};

struct access_cache *access_cache_new(void) {
    struct access_cache *cache = calloc(1, sizeof *cache);
    if (cache)
        crypto_random(cache->secret, sizeof cache->secret);
    return cache;
}

void access_cache_free(struct access_cache *cache) {
    if (!cache)
        return;
    crypto_wipe(cache, sizeof *cache);
    free(cache);
}

void cache__key(const struct access_cache *cache, struct slice name,
                struct access_password *password) {
    struct crypto_mac mac;
    struct slice secret = {(const char *)cache->secret, sizeof cache->secret};
    crypto_mac_begin(&mac, CRYPTO_SHA256, secret);
    crypto_mac_add(&mac, slice_of(password->hash));
    crypto_mac_add(&mac, (struct slice){"", 1});
    crypto_mac_add(&mac, name);
    crypto_mac_add(&mac, (struct slice){"", 1}); /* a name holds no NUL: it stands in a file */
    crypto_mac_add(&mac, (struct slice){password->password, password->size});
    (void)crypto_mac_end(&mac, password->key);
}

static size_t slot_of(const struct access_password *password) { return password->key[0] % SLOTS; }

bool cache__has(const struct access_cache *cache, const struct access_password *password,
                uint64_t now_ms) {
    const struct slot *slot = &cache->slots[slot_of(password)];
    struct slice known = {(const char *)slot->key, sizeof slot->key};
    struct slice asked = {(const char *)password->key, sizeof password->key};
    return crypto_equal(known, asked) && now_ms < slot->until_ms;
}

void access_cache_add(struct access_cache *cache, const struct access_password *password,
                      uint64_t now_ms) {
    struct slot *slot = &cache->slots[slot_of(password)];
    memcpy(slot->key, password->key, sizeof slot->key);
    slot->until_ms = now_ms + FOR_MS;
}
