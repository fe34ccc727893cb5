/* Masking of payloads from 16 bytes on. */
#include "ws/mask.h"
#include "ws/ws.h"

typedef uint64_t lanes __attribute__((__vector_size__(16)));

static inline lanes load(const uint8_t *from) {
    lanes bytes;
    memcpy(&bytes, from, sizeof bytes);
    return bytes;
}

static inline void store(uint8_t *to, lanes bytes) { memcpy(to, &bytes, sizeof bytes); }

bool ws__mask_long(uint8_t *to, const uint8_t *from, size_t size, uint64_t key) {
    const lanes keys = {key, key};
    lanes all = {0, 0};
    for (; size >= 64; size -= 64, to += 64, from += 64) {
        lanes a = load(from) ^ keys, b = load(from + 16) ^ keys;
        lanes c = load(from + 32) ^ keys, d = load(from + 48) ^ keys;
        store(to, a);
        store(to + 16, b);
        store(to + 32, c);
        store(to + 48, d);
        all |= (a | b) | (c | d);
    }
    for (; size >= 16; size -= 16, to += 16, from += 16) {
        lanes a = load(from) ^ keys;
        store(to, a);
        all |= a;
    }
    uint64_t rest = ws__mask_short(to, from, size, key);
    return ((all[0] | all[1] | rest) & WS__HIGH_BITS) == 0;
}

void ws_mask(uint8_t *to, const uint8_t *from, size_t size, const uint8_t *mask) {
    (void)ws__mask(to, from, size, ws__mask_key(mask)); /* what is sent was checked before */
}
