/* Random bytes: the kernel's generator alone, fetched ahead for the many small ones. A generator of
 * our own would only add state that can leak. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "crypto/crypto.h"

#define UUID_BYTES 16

void crypto_random(void *out, size_t size) {
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno != EINTR) {
            perror("bellwired: the kernel gives no random bytes");
            abort();
        }
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}

void crypto_source_init(struct crypto_source *source) { source->left = 0; }

void crypto_source_take(struct crypto_source *source, void *out, size_t size) {
    if (size > sizeof source->bytes) {
        crypto_random(out, size);
        return;
    }
    if (size > source->left) {
        crypto_random(source->bytes, sizeof source->bytes);
        source->left = sizeof source->bytes;
    }
    uint8_t *from = source->bytes + (sizeof source->bytes - source->left);
    memcpy(out, from, size);
    memset(from, 0, size);
    source->left -= (uint32_t)size;
}

void crypto_uuid(struct crypto_source *source, char *out) {
    uint8_t bytes[UUID_BYTES];
    if (source) {
        crypto_source_take(source, bytes, sizeof bytes);
    } else {
        crypto_random(bytes, sizeof bytes);
    }
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4, RFC 9562 section 5.4 */
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80); /* its variant */
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        out += crypto_hex_encode((struct slice){(const char *)bytes + i, 1}, out);
    }
}
