/* Digests, HMAC, base64, hex, random bytes, UUIDs, comparing secrets, checking passwords.
 *
 * Thread  all functions may be called from any thread; an object belongs to whoever made it.
 * Memory  results go to memory of the caller; nothing is allocated except where a comment says so.
 * Init    none is needed: only parts of mbedTLS (2.28 and 3.6) are used that need no PSA set-up.
 */
#ifndef BELLWIRE_CRYPTO_H
#define BELLWIRE_CRYPTO_H

#include "base/base.h"

/* ---- digests ----------------------------------------------------------------------------------
 */
enum crypto_digest { CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA512 };
#define CRYPTO_SHA1_SIZE   20
#define CRYPTO_SHA256_SIZE 32
#define CRYPTO_SHA512_SIZE 64
#define CRYPTO_DIGEST_MAX  64 /* bytes of the longest digest */

size_t crypto_digest_size(enum crypto_digest kind); /* bytes */
/* `sha1`, `sha256`, `sha512`. STATUS_NOT_FOUND. */
enum status crypto_digest_parse(struct slice name, enum crypto_digest *out);

/* The whole at once. `out` holds CRYPTO_DIGEST_MAX, or exactly the size of `kind`; that size is
 * returned. */
size_t crypto_digest(enum crypto_digest kind, struct slice bytes, uint8_t *out);
size_t crypto_hmac(enum crypto_digest kind, struct slice key, struct slice bytes, uint8_t *out);

/* In pieces: begin, any number of adds, end (which wipes the state; begin again to use it again).
 * May be dropped without an end when what was added is no secret. */
struct crypto_hash {
    enum crypto_digest kind;             /* private, as all fields */
    _Alignas(16) uint8_t state[15 * 16]; /* room for mbedTLS's context */
};
void crypto_hash_begin(struct crypto_hash *hash, enum crypto_digest kind);
void crypto_hash_add(struct crypto_hash *hash, struct slice bytes);
size_t crypto_hash_end(struct crypto_hash *hash, uint8_t *out); /* as crypto_digest() */

struct crypto_mac {                  /* HMAC, RFC 2104 */
    struct crypto_hash inner, outer; /* private */
};
void crypto_mac_begin(struct crypto_mac *mac, enum crypto_digest kind, struct slice key);
void crypto_mac_add(struct crypto_mac *mac, struct slice bytes);
size_t crypto_mac_end(struct crypto_mac *mac, uint8_t *out); /* as crypto_digest() */

/* ---- text forms, RFC 4648 ---------------------------------------------------------------------
 */
#define CRYPTO_BASE64_SIZE(n)        (((n) + 2) / 3 * 4) /* characters for n bytes, no NUL */
#define CRYPTO_BASE64_DECODED_MAX(n) (((n) + 3) / 4 * 3) /* bytes at most for n characters */
enum crypto_base64 {
    CRYPTO_BASE64,     /* A-Z a-z 0-9 + /, padded */
    CRYPTO_BASE64_URL, /* A-Z a-z 0-9 - _, written without padding, read with or without */
};
/* `out` holds CRYPTO_BASE64_SIZE; the characters written are counted. */
size_t crypto_base64_encode(enum crypto_base64 kind, struct slice bytes, char *out);
/* Strict: no white space, whole groups, unused bits zero. `out` holds CRYPTO_BASE64_DECODED_MAX and
 * may be scribbled on also when STATUS_SYNTAX is returned; `*size` is untouched then. */
enum status crypto_base64_decode(enum crypto_base64 kind, struct slice text, uint8_t *out,
                                 size_t *size);
/* Lower case; `out` holds 2 * size characters, no NUL; their number is returned. */
size_t crypto_hex_encode(struct slice bytes, char *out);
/* Either case; `out` holds size / 2. STATUS_SYNTAX as above. */
enum status crypto_hex_decode(struct slice text, uint8_t *out, size_t *size);

/* ---- random bytes -----------------------------------------------------------------------------
 */
/* From the kernel's generator, fit for keys. Aborts when the kernel has none (it always has). */
void crypto_random(void *out, size_t size);

/* The same bytes fetched ahead, for the many small ones of one thread: session IDs, masks. Each
 * byte is given out once and wiped. */
struct crypto_source {
    uint32_t left;      /* unused ones, at the end of `bytes`; private */
    uint8_t bytes[508]; /* private */
};
void crypto_source_init(struct crypto_source *source); /* fetches nothing yet */
void crypto_source_take(struct crypto_source *source, void *out, size_t size);

#define CRYPTO_UUID_SIZE 36
/* A version 4 UUID, lower case, no NUL. `source` may be NULL: straight from the kernel. */
void crypto_uuid(struct crypto_source *source, char *out);

/* ---- secrets ----------------------------------------------------------------------------------
 */
/* Time depends on the sizes alone. */
bool crypto_equal(struct slice a, struct slice b);
void crypto_wipe(void *bytes, size_t size); /* not optimised away */

/* Whether crypt(3) here can check against `hash` (as `htpasswd -B` and mkpasswd write it). Cheap:
 * for loading user files. */
bool crypto_password_hash_is_known(struct slice hash);
/* Slow by design (up to seconds, 32 KiB of heap): never on a loop. STATUS_OK when `password` fits,
 * else STATUS_DENIED, STATUS_UNSUPPORTED (crypt(3) does not know the hash), STATUS_NO_MEMORY. */
enum status crypto_password_check(struct slice password, struct slice hash);

#endif
