/* Comparing secrets, wiping them, and checking passwords with crypt(3). */
#include <crypt.h>
#include <stdlib.h>

#include <mbedtls/platform_util.h>

#include "crypto/crypto.h"

#define DES_HASH_SIZE 13

bool crypto_equal(struct slice a, struct slice b) {
    const volatile char *left = a.bytes, *right = b.bytes;
    unsigned char differs = 0;
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        differs = (unsigned char)(differs | (unsigned char)(left[i] ^ right[i]));
    }
    return differs == 0;
}

void crypto_wipe(void *bytes, size_t size) { mbedtls_platform_zeroize(bytes, size); }

/* `text` with a NUL behind it in `out`; false when it does not fit or has a NUL inside. */
static bool copy_text(struct slice text, char *out, size_t room) {
    if (text.size >= room || (text.size && memchr(text.bytes, '\0', text.size))) {
        return false;
    }
    if (text.size) {
        memcpy(out, text.bytes, text.size);
    }
    out[text.size] = '\0';
    return true;
}

/* crypt(3) reads any two letters as the salt of the oldest method; a hash of it has 13 characters,
 * which tells it from a password that somebody wrote down as it is. */
static bool is_known(const char *hash, size_t size) {
    bool has_prefix = hash[0] == '$' || hash[0] == '_';
    int salt = crypt_checksalt(hash);
    if (!has_prefix && size != DES_HASH_SIZE) {
        return false;
    }
    return salt == CRYPT_SALT_OK || salt == CRYPT_SALT_METHOD_LEGACY ||
           salt == CRYPT_SALT_TOO_CHEAP;
}

bool crypto_password_hash_is_known(struct slice hash) {
    char text[CRYPT_OUTPUT_SIZE];
    return copy_text(hash, text, sizeof text) && is_known(text, hash.size);
}

enum status crypto_password_check(struct slice password, struct slice hash) {
    char text[CRYPT_OUTPUT_SIZE], phrase[CRYPT_MAX_PASSPHRASE_SIZE];
    if (!copy_text(hash, text, sizeof text) || !is_known(text, hash.size)) {
        return STATUS_UNSUPPORTED;
    }
    if (!copy_text(password, phrase, sizeof phrase)) {
        return STATUS_DENIED;
    }
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data) {
        crypto_wipe(phrase, sizeof phrase);
        return STATUS_NO_MEMORY;
    }
    const char *made = crypt_r(phrase, text, data);
    enum status status = STATUS_UNSUPPORTED;
    if (made && made[0] != '*') {
        status = crypto_equal(slice_of(made), hash) ? STATUS_OK : STATUS_DENIED;
    }
    crypto_wipe(data, sizeof *data);
    crypto_wipe(phrase, sizeof phrase);
    free(data);
    return status;
}
