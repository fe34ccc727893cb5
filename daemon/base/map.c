/* Maps from bytes to pointers, and the keyed hash below them (SipHash-1-3, after the paper of
 * Aumasson and Bernstein). Open addressing with linear probing; a removed entry leaves a tombstone,
 * so that removing while iterating is safe. */
#include "base/base.h"

#include <assert.h>
#include <stdlib.h>

enum { MIN_ENTRIES = 16 };
/* In the hash of an entry whose value is NULL. */
enum { ENTRY_FREE = 0, ENTRY_REMOVED = 1 };

static uint64_t rotate(uint64_t x, unsigned bits) { return (x << bits) | (x >> (64 - bits)); }

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t read_word(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static void sip_word(uint64_t v[4], uint64_t word) {
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t hash_bytes(const struct hash_key *key, struct slice bytes) {
    uint64_t v[4] = {key->a ^ 0x736f6d6570736575u, key->b ^ 0x646f72616e646f6du,
                     key->a ^ 0x6c7967656e657261u, key->b ^ 0x7465646279746573u};
    size_t at = 0;
    for (; bytes.size - at >= 8; at += 8)
        sip_word(v, read_word(bytes.bytes + at));
    uint64_t last = (uint64_t)bytes.size << 56;
    for (unsigned shift = 0; at < bytes.size; at++, shift += 8)
        last |= (uint64_t)(unsigned char)bytes.bytes[at] << shift;
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *map, struct hash_key key) { *map = (struct map){.key = key}; }

void map_deinit(struct map *map) {
    free(map->entries);
    map_init(map, map->key);
}

/* The entry that holds `key`, or NULL. `capacity` is a power of two, and never full. */
static struct map_entry *find(const struct map *map, struct slice key, uint64_t hash) {
    if (map->capacity == 0)
        return NULL;
    size_t mask = map->capacity - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        struct map_entry *entry = &map->entries[at];
        if (!entry->value && entry->hash == ENTRY_FREE)
            return NULL;
        if (entry->value && entry->hash == hash && slice_equal(entry->key, key))
            return entry;
    }
}

void *map_get(const struct map *map, struct slice key) {
    if (map->count == 0)
        return NULL;
    struct map_entry *entry = find(map, key, hash_bytes(&map->key, key));
    return entry ? entry->value : NULL;
}

/* Puts an entry that is known to be absent where there is room. */
static void insert(struct map *map, struct map_entry new_entry) {
    size_t mask = map->capacity - 1;
    size_t at = new_entry.hash & mask;
    while (map->entries[at].value)
        at = (at + 1) & mask;
    if (map->entries[at].hash == ENTRY_FREE)
        map->used++;
    map->entries[at] = new_entry;
    map->count++;
}

/* Room for twice the entries; tombstones are left behind. */
static enum status rehash(struct map *map) {
    size_t capacity = MIN_ENTRIES;
    while (capacity / 2 <= map->count)
        capacity *= 2;
    struct map_entry *entries = calloc(capacity, sizeof(*entries));
    if (!entries)
        return STATUS_NO_MEMORY;
    struct map old = *map;
    map->entries = entries;
    map->capacity = capacity;
    map->count = map->used = 0;
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&old, &at));)
        insert(map, *entry);
    free(old.entries);
    return STATUS_OK;
}

enum status map_put(struct map *map, struct slice key, void *value) {
    assert(value);
    uint64_t hash = hash_bytes(&map->key, key);
    struct map_entry *entry = find(map, key, hash);
    if (entry) {
        entry->key = key; /* the old key may end with the old value */
        entry->value = value;
        return STATUS_OK;
    }
    if (map->used >= map->capacity / 4 * 3) {
        enum status status = rehash(map);
        if (status != STATUS_OK)
            return status;
    }
    insert(map, (struct map_entry){.key = key, .hash = hash, .value = value});
    return STATUS_OK;
}

void *map_remove(struct map *map, struct slice key) {
    if (map->count == 0)
        return NULL;
    struct map_entry *entry = find(map, key, hash_bytes(&map->key, key));
    if (!entry)
        return NULL;
    void *value = entry->value;
    *entry = (struct map_entry){.hash = ENTRY_REMOVED};
    map->count--;
    return value;
}

struct map_entry *map_next(const struct map *map, size_t *at) {
    while (*at < map->capacity) {
        struct map_entry *entry = &map->entries[(*at)++];
        if (entry->value)
            return entry;
    }
    return NULL;
}
