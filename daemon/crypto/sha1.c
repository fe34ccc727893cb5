/* SHA-1 (FIPS 180-4) by the processor's own instructions, for whole texts: each WebSocket handshake
 * hashes two blocks, and in software they are an eighth of what it takes. The instructions do four
 * rounds each; a, b, c, d lie in one register with a highest, e in the highest part of another. */
#include "crypto/sha1.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#include <immintrin.h>

#define BLOCK_BYTES 64
#define GROUPS      20 /* of four rounds */

struct state {
    __m128i abcd, e;
};

/* The words of all rounds, four to a group: those of the block, then what FIPS 180-4 section 6.1.2
 * makes of them. */
__attribute__((target("sha,sse4.1"))) static void schedule(const uint8_t *block, __m128i *words) {
    const __m128i reverse = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    for (int i = 0; i < 4; i++) {
        __m128i raw = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
        words[i] = _mm_shuffle_epi8(raw, reverse);
    }
    for (int i = 4; i < GROUPS; i++) {
        __m128i older = _mm_sha1msg1_epu32(words[i - 4], words[i - 3]);
        words[i] = _mm_sha1msg2_epu32(_mm_xor_si128(older, words[i - 2]), words[i - 1]);
    }
}

/* Which function and constant a group has must be known to the compiler. */
#define FIVE_GROUPS(from, which)                                                                   \
    for (int i = (from); i < (from) + 5; i++) {                                                    \
        __m128i e = i ? _mm_sha1nexte_epu32(before, words[i]) : _mm_add_epi32(state->e, words[0]); \
        before = now;                                                                              \
        now = _mm_sha1rnds4_epu32(now, e, which);                                                  \
    }

__attribute__((target("sha,sse4.1"))) static void add_block(struct state *state,
                                                            const uint8_t *block) {
    __m128i words[GROUPS], now = state->abcd, before = now;
    schedule(block, words);
    FIVE_GROUPS(0, 0)
    FIVE_GROUPS(5, 1)
    FIVE_GROUPS(10, 2)
    FIVE_GROUPS(15, 3)
    state->abcd = _mm_add_epi32(state->abcd, now);
    state->e = _mm_sha1nexte_epu32(before, state->e);
}

/* What is left of the text, a one, zeros, and the number of bits: one block or two. */
__attribute__((target("sha,sse4.1"))) static void add_rest(struct state *state, struct slice rest,
                                                           uint64_t bits) {
    uint8_t last[2 * BLOCK_BYTES] = {0};
    size_t size = rest.size + 1 + sizeof bits <= BLOCK_BYTES ? BLOCK_BYTES : sizeof last;
    if (rest.size) {
        memcpy(last, rest.bytes, rest.size);
    }
    last[rest.size] = 0x80;
    bits = __builtin_bswap64(bits);
    memcpy(last + size - sizeof bits, &bits, sizeof bits);
    for (size_t at = 0; at < size; at += BLOCK_BYTES) {
        add_block(state, last + at);
    }
}

__attribute__((target("sha,sse4.1"))) static void digest(struct slice bytes, uint8_t *out) {
    const uint64_t bits = (uint64_t)bytes.size * 8;
    struct state state = {_mm_set_epi32(0x67452301, (int)0xefcdab89, (int)0x98badcfe, 0x10325476),
                          _mm_set_epi32((int)0xc3d2e1f0, 0, 0, 0)};
    for (; bytes.size >= BLOCK_BYTES; bytes.bytes += BLOCK_BYTES, bytes.size -= BLOCK_BYTES) {
        add_block(&state, (const uint8_t *)bytes.bytes);
    }
    add_rest(&state, bytes, bits);
    const __m128i reverse = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    _mm_storeu_si128((__m128i *)(void *)out, _mm_shuffle_epi8(state.abcd, reverse));
    uint32_t e = __builtin_bswap32((uint32_t)_mm_extract_epi32(state.e, 3));
    memcpy(out + 16, &e, sizeof e);
}

bool sha1__by_hardware(struct slice bytes, uint8_t *out) {
    if (!__builtin_cpu_supports("sha") || !__builtin_cpu_supports("sse4.1")) {
        return false;
    }
    digest(bytes, out);
    return true;
}

#else

bool sha1__by_hardware(struct slice bytes, uint8_t *out) {
    (void)bytes, (void)out; /* nothing to do it with */
    return false;
}

#endif
