/* UTF-8 in pieces: only the characters that a piece cuts go byte by byte. */
#include "ws/utf8.h"

static bool begin(struct ws__utf8 *state, uint8_t lead) {
    if (lead < 0x80) {
        return true;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return false;
    }
    state->need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    state->low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;  /* nothing overlong */
    state->high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf; /* no surrogate, the end */
    return true;
}

static bool step(struct ws__utf8 *state, uint8_t byte) {
    if (state->need == 0) {
        return begin(state, byte);
    }
    if (byte < state->low || byte > state->high) {
        return false;
    }
    state->need--;
    state->low = 0x80;
    state->high = 0xbf;
    return true;
}

/* Bytes at the end that begin a character and do not finish it: 0 to 3. */
static size_t cut_off(const uint8_t *bytes, size_t size) {
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        uint8_t byte = bytes[size - back];
        if (byte >= 0xc0) {
            size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
            return length > back ? back : 0;
        }
        if (byte < 0x80) {
            break;
        }
    }
    return 0;
}

bool ws__utf8_feed(struct ws__utf8 *state, const uint8_t *bytes, size_t size) {
    const uint8_t *end = bytes + size;
    for (; bytes < end && state->need; bytes++) {
        if (!step(state, *bytes)) {
            return false;
        }
    }
    size_t whole = (size_t)(end - bytes);
    whole -= cut_off(bytes, whole);
    if (whole && !slice_is_utf8((struct slice){(const char *)bytes, whole})) {
        return false;
    }
    for (bytes += whole; bytes < end; bytes++) {
        if (!step(state, *bytes)) {
            return false;
        }
    }
    return true;
}
