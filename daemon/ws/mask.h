/* Masking, RFC 6455 section 5.3, as the hot path of a server: payloads of a few bytes cost a few
 * instructions, long ones go by vectors. All functions work in place too, and all report on the way
 * whether the result is plain ASCII, so that most text needs no second pass. */
#ifndef BELLWIRE_WS_MASK_H
#define BELLWIRE_WS_MASK_H

#include "base/base.h"

#define WS__HIGH_BITS 0x8080808080808080u

/* The key as four bytes twice, in the order of memory. */
static inline uint64_t ws__mask_key(const uint8_t *mask) {
    uint32_t half;
    uint64_t key;
    memcpy(&half, mask, sizeof half);
    key = half;
    return key << 32 | key;
}

/* The key for a place `offset` bytes further on. */
static inline uint64_t ws__mask_turn(uint64_t key, size_t offset) {
    unsigned shift = (unsigned)(offset & 3) * 8;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return key >> shift | key << ((64 - shift) & 63);
#else
    return key << shift | key >> ((64 - shift) & 63);
#endif
}

/* The key's byte for a place, 0 to 3. */
static inline uint8_t ws__mask_byte(uint64_t key, size_t place) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (uint8_t)(key >> (place * 8));
#else
    return (uint8_t)(key >> (56 - place * 8));
#endif
}

/* Below 16 bytes: two words that overlap, both loaded before the first is stored. Returns all
 * result bytes or-ed together (in any order). */
static inline uint64_t ws__mask_short(uint8_t *to, const uint8_t *from, size_t size, uint64_t key) {
    if (size >= 8) {
        uint64_t a, b;
        memcpy(&a, from, 8);
        memcpy(&b, from + size - 8, 8);
        a ^= key;
        b ^= ws__mask_turn(key, size);
        memcpy(to, &a, 8);
        memcpy(to + size - 8, &b, 8);
        return a | b;
    }
    if (size >= 4) {
        uint32_t a, b;
        memcpy(&a, from, 4);
        memcpy(&b, from + size - 4, 4);
        a ^= (uint32_t)key;
        b ^= (uint32_t)ws__mask_turn(key, size);
        memcpy(to, &a, 4);
        memcpy(to + size - 4, &b, 4);
        return a | b;
    }
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i] ^ ws__mask_byte(key, i);
        all |= to[i];
    }
    return all;
}

/* From 16 to 32 bytes, in the same way. */
static inline uint64_t ws__mask_medium(uint8_t *to, const uint8_t *from, size_t size,
                                       uint64_t key) {
    uint64_t head[2], tail[2], turned = ws__mask_turn(key, size);
    memcpy(head, from, sizeof head);
    memcpy(tail, from + size - sizeof tail, sizeof tail);
    head[0] ^= key;
    head[1] ^= key;
    tail[0] ^= turned;
    tail[1] ^= turned;
    memcpy(to, head, sizeof head);
    memcpy(to + size - sizeof tail, tail, sizeof tail);
    return head[0] | head[1] | tail[0] | tail[1];
}

/* Returns true when no byte of the result is above 0x7f. `key` as ws__mask_key() made it. */
bool ws__mask_long(uint8_t *to, const uint8_t *from, size_t size, uint64_t key);

static inline bool ws__mask(uint8_t *to, const uint8_t *from, size_t size, uint64_t key) {
    if (size < 16) {
        return (ws__mask_short(to, from, size, key) & WS__HIGH_BITS) == 0;
    }
    if (size <= 32) {
        return (ws__mask_medium(to, from, size, key) & WS__HIGH_BITS) == 0;
    }
    return ws__mask_long(to, from, size, key);
}

#endif
