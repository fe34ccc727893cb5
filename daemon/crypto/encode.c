/* base64 and hex, RFC 4648, both ways. Reading is strict, so that one value has one spelling. */
#include "crypto/crypto.h"

static const char base64_alphabets[2][65] = {
    [CRYPTO_BASE64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [CRYPTO_BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};
static const char hex_digits[] = "0123456789abcdef";

size_t crypto_base64_encode(enum crypto_base64 kind, struct slice bytes, char *out) {
    const char *alphabet = base64_alphabets[kind];
    const uint8_t *in = (const uint8_t *)bytes.bytes;
    size_t left = bytes.size, at = 0;
    for (; left >= 3; left -= 3, in += 3) {
        uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        out[at++] = alphabet[group >> 18];
        out[at++] = alphabet[group >> 12 & 63];
        out[at++] = alphabet[group >> 6 & 63];
        out[at++] = alphabet[group & 63];
    }
    if (left == 0) {
        return at;
    }
    uint32_t group = (uint32_t)in[0] << 16 | (left == 2 ? (uint32_t)in[1] << 8 : 0);
    out[at++] = alphabet[group >> 18];
    out[at++] = alphabet[group >> 12 & 63];
    if (left == 2) {
        out[at++] = alphabet[group >> 6 & 63];
    }
    while (kind == CRYPTO_BASE64 && at % 4) {
        out[at++] = '=';
    }
    return at;
}

/* 0-63, or -1. */
static int base64_value(enum crypto_base64 kind, char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == base64_alphabets[kind][62]) {
        return 62;
    }
    return c == base64_alphabets[kind][63] ? 63 : -1;
}

/* The digits in front of the padding, or STATUS_SYNTAX for padding that does not fill a group. */
static enum status base64_digits(enum crypto_base64 kind, struct slice text, size_t *digits) {
    size_t count = text.size;
    while (count > 0 && text.size - count < 2 && text.bytes[count - 1] == '=') {
        count--;
    }
    bool is_padded = count < text.size || kind == CRYPTO_BASE64;
    if (count % 4 == 1 || (is_padded && text.size % 4 != 0)) {
        return STATUS_SYNTAX;
    }
    *digits = count;
    return STATUS_OK;
}

enum status crypto_base64_decode(enum crypto_base64 kind, struct slice text, uint8_t *out,
                                 size_t *size) {
    size_t digits = 0, written = 0;
    uint32_t bits = 0; /* the low `count` bits are not written yet */
    unsigned count = 0;
    enum status status = base64_digits(kind, text, &digits);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < digits; i++) {
        int value = base64_value(kind, text.bytes[i]);
        if (value < 0) {
            return STATUS_SYNTAX;
        }
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[written++] = (uint8_t)(bits >> count);
        }
    }
    if (bits & ((1u << count) - 1)) {
        return STATUS_SYNTAX;
    }
    *size = written;
    return STATUS_OK;
}

size_t crypto_hex_encode(struct slice bytes, char *out) {
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t byte = (uint8_t)bytes.bytes[i];
        out[2 * i] = hex_digits[byte >> 4];
        out[2 * i + 1] = hex_digits[byte & 15];
    }
    return 2 * bytes.size;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum status crypto_hex_decode(struct slice text, uint8_t *out, size_t *size) {
    if (text.size % 2 != 0) {
        return STATUS_SYNTAX;
    }
    for (size_t i = 0; i < text.size; i += 2) {
        int high = hex_value(text.bytes[i]), low = hex_value(text.bytes[i + 1]);
        if (high < 0 || low < 0) {
            return STATUS_SYNTAX;
        }
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    *size = text.size / 2;
    return STATUS_OK;
}
