/* Digests and HMAC over the plain functions of mbedTLS's crypto part. The state lies in memory of
 * the caller, so that nothing is allocated and nothing can fail: in software builds, which both
 * supported versions of Debian have, these functions report errors for wrong arguments alone. */
#include <assert.h>

#include <mbedtls/sha1.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>
#include <mbedtls/version.h>

#include "crypto/sha1.h"

#define HMAC_BLOCK_MAX 128

/* Before 3.0 the functions that tell of errors had names of their own. */
#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define mbedtls_sha1_starts   mbedtls_sha1_starts_ret
#define mbedtls_sha1_update   mbedtls_sha1_update_ret
#define mbedtls_sha1_finish   mbedtls_sha1_finish_ret
#define mbedtls_sha256_starts mbedtls_sha256_starts_ret
#define mbedtls_sha256_update mbedtls_sha256_update_ret
#define mbedtls_sha256_finish mbedtls_sha256_finish_ret
#define mbedtls_sha512_starts mbedtls_sha512_starts_ret
#define mbedtls_sha512_update mbedtls_sha512_update_ret
#define mbedtls_sha512_finish mbedtls_sha512_finish_ret
#endif

union hash_state {
    mbedtls_sha1_context sha1;
    mbedtls_sha256_context sha256;
    mbedtls_sha512_context sha512;
};
_Static_assert(sizeof(union hash_state) <= sizeof(((struct crypto_hash *)NULL)->state),
               "struct crypto_hash has room for every context");
_Static_assert(_Alignof(union hash_state) <= 16, "and aligns it");

static const struct {
    const char *name;
    size_t size, block;
} digests[] = {
    [CRYPTO_SHA1] = {"sha1", CRYPTO_SHA1_SIZE, 64},
    [CRYPTO_SHA256] = {"sha256", CRYPTO_SHA256_SIZE, 64},
    [CRYPTO_SHA512] = {"sha512", CRYPTO_SHA512_SIZE, 128},
};

static union hash_state *state_of(struct crypto_hash *hash) {
    return (union hash_state *)(void *)hash->state;
}

static const unsigned char *bytes_of(struct slice bytes) {
    return (const unsigned char *)(bytes.bytes ? bytes.bytes : "");
}

size_t crypto_digest_size(enum crypto_digest kind) { return digests[kind].size; }

enum status crypto_digest_parse(struct slice name, enum crypto_digest *out) {
    for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
        if (slice_is(name, digests[i].name)) {
            *out = (enum crypto_digest)i;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

void crypto_hash_begin(struct crypto_hash *hash, enum crypto_digest kind) {
    union hash_state *state = state_of(hash);
    int error = 0;
    hash->kind = kind;
    switch (kind) {
        case CRYPTO_SHA1:
            mbedtls_sha1_init(&state->sha1);
            error = mbedtls_sha1_starts(&state->sha1);
            break;
        case CRYPTO_SHA256:
            mbedtls_sha256_init(&state->sha256);
            error = mbedtls_sha256_starts(&state->sha256, 0);
            break;
        case CRYPTO_SHA512:
            mbedtls_sha512_init(&state->sha512);
            error = mbedtls_sha512_starts(&state->sha512, 0);
            break;
    }
    assert(error == 0);
}

void crypto_hash_add(struct crypto_hash *hash, struct slice bytes) {
    union hash_state *state = state_of(hash);
    int error = 0;
    switch (hash->kind) {
        case CRYPTO_SHA1:
            error = mbedtls_sha1_update(&state->sha1, bytes_of(bytes), bytes.size);
            break;
        case CRYPTO_SHA256:
            error = mbedtls_sha256_update(&state->sha256, bytes_of(bytes), bytes.size);
            break;
        case CRYPTO_SHA512:
            error = mbedtls_sha512_update(&state->sha512, bytes_of(bytes), bytes.size);
            break;
    }
    assert(error == 0);
}

size_t crypto_hash_end(struct crypto_hash *hash, uint8_t *out) {
    union hash_state *state = state_of(hash);
    int error = 0;
    switch (hash->kind) {
        case CRYPTO_SHA1:
            error = mbedtls_sha1_finish(&state->sha1, out);
            mbedtls_sha1_free(&state->sha1);
            break;
        case CRYPTO_SHA256:
            error = mbedtls_sha256_finish(&state->sha256, out);
            mbedtls_sha256_free(&state->sha256);
            break;
        case CRYPTO_SHA512:
            error = mbedtls_sha512_finish(&state->sha512, out);
            mbedtls_sha512_free(&state->sha512);
            break;
    }
    assert(error == 0);
    return digests[hash->kind].size;
}

size_t crypto_digest(enum crypto_digest kind, struct slice bytes, uint8_t *out) {
    struct crypto_hash hash;
    if (kind == CRYPTO_SHA1 && sha1__by_hardware(bytes, out)) {
        return CRYPTO_SHA1_SIZE;
    }
    crypto_hash_begin(&hash, kind);
    crypto_hash_add(&hash, bytes);
    return crypto_hash_end(&hash, out);
}

/* RFC 2104: H(key ^ opad, H(key ^ ipad, text)), a longer key replaced by its digest. */
void crypto_mac_begin(struct crypto_mac *mac, enum crypto_digest kind, struct slice key) {
    uint8_t pad[HMAC_BLOCK_MAX] = {0};
    size_t block = digests[kind].block;
    struct slice padded = {(const char *)pad, block};
    if (key.size > block) {
        crypto_digest(kind, key, pad);
    } else if (key.size) {
        memcpy(pad, key.bytes, key.size);
    }
    for (size_t i = 0; i < block; i++) {
        pad[i] ^= 0x36;
    }
    crypto_hash_begin(&mac->inner, kind);
    crypto_hash_add(&mac->inner, padded);
    for (size_t i = 0; i < block; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    crypto_hash_begin(&mac->outer, kind);
    crypto_hash_add(&mac->outer, padded);
    crypto_wipe(pad, sizeof pad);
}

void crypto_mac_add(struct crypto_mac *mac, struct slice bytes) {
    crypto_hash_add(&mac->inner, bytes);
}

size_t crypto_mac_end(struct crypto_mac *mac, uint8_t *out) {
    uint8_t inner[CRYPTO_DIGEST_MAX];
    size_t size = crypto_hash_end(&mac->inner, inner);
    crypto_hash_add(&mac->outer, (struct slice){(const char *)inner, size});
    crypto_wipe(inner, sizeof inner);
    return crypto_hash_end(&mac->outer, out);
}

size_t crypto_hmac(enum crypto_digest kind, struct slice key, struct slice bytes, uint8_t *out) {
    struct crypto_mac mac;
    crypto_mac_begin(&mac, kind, key);
    crypto_mac_add(&mac, bytes);
    return crypto_mac_end(&mac, out);
}
