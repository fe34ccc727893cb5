/* SHA-1 by the processor's own instructions. Private to crypto/. */
#ifndef BELLWIRE_CRYPTO_SHA1_H
#define BELLWIRE_CRYPTO_SHA1_H

#include "crypto/crypto.h"

/* Writes CRYPTO_SHA1_SIZE bytes. False, and nothing is written, where the processor or the compiler
 * does not have the instructions. */
bool sha1__by_hardware(struct slice bytes, uint8_t *out);

#endif
