/* Images of frames and requests: built once, numbered per message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "load.h"

static void put_digits(uint8_t *at, uint32_t number) {
    for (int i = 0; i < DIGITS; i++) {
        at[i] = (uint8_t) "0123456789abcdef"[(number >> (28 - 4 * i)) & 15];
    }
}

void image_number(const struct image *image, uint8_t *copy, uint32_t number) {
    uint8_t *at = copy + image->digits_at;
    put_digits(at, number);
    for (int i = 0; i < DIGITS; i++) {
        at[i] ^= image->mask[i % 4];
    }
}

static uint32_t put_header(uint8_t *at, const struct options *options, bool is_masked) {
    uint32_t size = options->size, used = 2;
    at[0] = options->is_binary ? 0x82 : 0x81;
    if (size < 126) {
        at[1] = (uint8_t)size;
    } else if (size < 65536) {
        at[1] = 126;
        at[2] = (uint8_t)(size >> 8);
        at[3] = (uint8_t)size;
        used = 4;
    } else {
        memset(at + 1, 0, 9);
        at[1] = 127;
        for (int i = 0; i < 4; i++) {
            at[6 + i] = (uint8_t)(size >> (24 - 8 * i));
        }
        used = 10;
    }
    at[1] |= is_masked ? 0x80 : 0;
    return used;
}

void image_frame(struct image *image, const struct options *options, bool is_masked) {
    static const uint8_t mask[4] = {0x5a, 0xc3, 0x17, 0x9e};
    image->bytes = malloc(options->size + 16);
    if (!image->bytes || options->size < DIGITS) {
        fail("a message needs at least %d bytes", DIGITS);
    }
    uint32_t used = put_header(image->bytes, options, is_masked);
    memset(image->mask, 0, 4);
    if (is_masked) {
        memcpy(image->mask, mask, 4);
        memcpy(image->bytes + used, mask, 4);
        used += 4;
    }
    image->digits_at = used;
    image->size = used + options->size;
    for (uint32_t i = 0; i < options->size; i++) {
        uint8_t byte = options->is_binary ? (uint8_t)(i * 131 + 7) : (uint8_t)('a' + i % 26);
        image->bytes[used + i] = byte ^ image->mask[i % 4];
    }
}

/* `%` in the path is where the number goes. */
void image_request(struct image *image, const struct options *options) {
    const char *percent = strchr(options->path, '%');
    size_t room = strlen(options->path) + 256;
    image->bytes = malloc(room);
    if (!image->bytes) {
        fail("no memory");
    }
    const char *method = options->is_post ? "POST" : "GET";
    int head = (int)(percent ? (size_t)(percent - options->path) : strlen(options->path));
    int size =
        snprintf((char *)image->bytes, room, "%s %.*s%s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method,
                 head, options->path, percent ? "00000000" : "", percent ? percent + 1 : "",
                 options->host, options->is_post ? "Content-Length: 0\r\n" : "");
    image->size = (uint32_t)size;
    image->digits_at = percent ? (uint32_t)(strlen(method) + 1 + (size_t)head) : UINT32_MAX;
    memset(image->mask, 0, 4);
}

void image_free(struct image *image) { free(image->bytes); }

bool image_holds(const struct image *image, uint32_t number, uint32_t at, const uint8_t *bytes,
                 uint32_t size) {
    uint32_t begin = image->digits_at, end = begin + DIGITS;
    if (at >= end || at + size <= begin) {
        return memcmp(image->bytes + at, bytes, size) == 0;
    }
    uint8_t digits[DIGITS];
    put_digits(digits, number);
    uint32_t before = at < begin ? begin - at : 0;
    uint32_t first = at + before - begin; /* of the digits that are compared */
    uint32_t shown = DIGITS - first < size - before ? DIGITS - first : size - before;
    uint32_t after = before + shown;
    return memcmp(image->bytes + at, bytes, before) == 0 &&
           memcmp(digits + first, bytes + before, shown) == 0 &&
           memcmp(image->bytes + at + after, bytes + after, size - after) == 0;
}
