/* What the fuzz targets share. A target is LLVMFuzzerTestOneInput() over one input; what must hold
 * is asserted, the sanitizers see the rest. Inputs are handed on in heap blocks of exactly their
 * size, so that a byte read too far is seen. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <assert.h>
#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct slice fuzz_copy(struct slice text) {
    char *copy = malloc(text.size ? text.size : 1);
    assert(copy);
    if (text.size)
        memcpy(copy, text.bytes, text.size);
    return (struct slice){copy, text.size};
}
static inline void fuzz_drop(struct slice copy) { free((char *)(uintptr_t)copy.bytes); }

/* The first byte of the input, taken off; 0 at its end. */
static inline uint8_t fuzz_byte(struct slice *input) {
    if (input->size == 0)
        return 0;
    uint8_t byte = (uint8_t)input->bytes[0];
    input->bytes++;
    input->size--;
    return byte;
}
/* The bytes up to the next `end`, which is taken off too; all of them where there is none. */
static inline struct slice fuzz_until(struct slice *input, char end) {
    struct slice part = slice_cut(*input, end, input);
    if (!input->bytes)
        *input = SLICE("");
    return part;
}

/* Order-sensitive sum of what a codec has told, to compare two ways of feeding it. */
static inline void fuzz_sum(uint64_t *sum, const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        *sum = (*sum ^ at[i]) * 0x100000001b3u;
    *sum = (*sum ^ size) * 0x100000001b3u;
}

#endif
