/* UTF-8 as RFC 3629 defines it, checked 32 bytes a step while they are ASCII. */
#include "base/base.h"

static bool is_ascii_block(const unsigned char *at) {
    uint64_t words[4];
    memcpy(words, at, sizeof(words));
    return ((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u) == 0;
}

/* How many of the next 8 bytes are ASCII before the first that is not. */
static size_t ascii_prefix(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    word &= 0x8080808080808080u;
    return word ? (size_t)__builtin_ctzll(word) / 8 : 8;
}

/* 8 to 32 bytes, as words that overlap. */
static bool is_short_ascii(const unsigned char *at, size_t size) {
    size_t second = size < 16 ? size - 8 : 8;
    uint64_t words[4];
    memcpy(&words[0], at, 8);
    memcpy(&words[1], at + second, 8);
    memcpy(&words[2], at + size - 8 - second, 8);
    memcpy(&words[3], at + size - 8, 8);
    return ((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u) == 0;
}

static bool is_tail(unsigned char c) { return (c & 0xc0) == 0x80; }

/* Bounds of the second byte, which rule out what is overlong (E0, F0), a surrogate (ED), or beyond
 * U+10FFFF (F4). */
static bool is_second(unsigned char first, unsigned char second) {
    switch (first) {
        case 0xe0:
            return second >= 0xa0 && second <= 0xbf;
        case 0xed:
            return second >= 0x80 && second <= 0x9f;
        case 0xf0:
            return second >= 0x90 && second <= 0xbf;
        case 0xf4:
            return second >= 0x80 && second <= 0x8f;
        default:
            return is_tail(second);
    }
}

size_t slice_utf8_size(struct slice text) {
    const unsigned char *at = (const unsigned char *)text.bytes;
    if (text.size == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4 || text.size < 2 || !is_second(at[0], at[1]))
        return 0;
    if (at[0] < 0xe0)
        return 2;
    if (text.size < 3 || !is_tail(at[2]))
        return 0;
    if (at[0] < 0xf0)
        return 3;
    return text.size >= 4 && is_tail(at[3]) ? 4 : 0;
}

/* Passes characters of two bytes and more from `at` on, up to the next ASCII one. NULL: no UTF-8.
 */
static const unsigned char *skip_wide(const unsigned char *at, const unsigned char *end) {
    while (at < end && *at >= 0x80) {
        /* Most of the world's text: three bytes whose second byte has no bounds of its own. */
        if (end - at >= 3 && *at > 0xe0 && *at < 0xf0 && *at != 0xed) {
            if (!is_tail(at[1]) || !is_tail(at[2]))
                return NULL;
            at += 3;
            continue;
        }
        size_t size = slice_utf8_size((struct slice){(const char *)at, (size_t)(end - at)});
        if (size == 0)
            return NULL;
        at += size;
    }
    return at;
}

bool slice_is_utf8(struct slice text) {
    const unsigned char *at = (const unsigned char *)text.bytes;
    if (!text.size)
        return true;
    const unsigned char *end = at + text.size;
    if (text.size - 8 <= 24 && is_short_ascii(at, text.size))
        return true;
    while (at && end - at >= 8) {
        if (end - at >= 32 && is_ascii_block(at))
            at += 32;
        else if (*at < 0x80)
            at += ascii_prefix(at);
        else
            at = skip_wide(at, end);
    }
    while (at && at < end)
        at = *at < 0x80 ? at + 1 : skip_wide(at, end);
    return at;
}
