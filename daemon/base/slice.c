/* Slices: comparing, cutting, numbers, and the nearest name for a misspelt one. */
#include "base/base.h"

/* Longer names are never compared by edit distance: it costs the product of both lengths. */
enum { NEAREST_MAX = 64 };

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

/* Eight letters at once: a byte below 0x80 is a capital when adding what is missing to 0x80 makes
 * its high bit for 'A' but not yet for what follows 'Z'. */
static uint64_t lower_word(const char *bytes) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    uint64_t low = word & ones * 0x7f;
    uint64_t from_a = low + ones * (0x80 - 'A'), behind_z = low + ones * (0x7f - 'Z');
    return word | ((from_a & ~behind_z & ~word & ones * 0x80) >> 2);
}

bool slice_equal_nocase(struct slice a, struct slice b) {
    size_t i = 0;
    if (a.size != b.size)
        return false;
    for (; a.size - i >= sizeof(uint64_t); i += sizeof(uint64_t))
        if (lower_word(a.bytes + i) != lower_word(b.bytes + i))
            return false;
    for (; i < a.size; i++)
        if (lower(a.bytes[i]) != lower(b.bytes[i]))
            return false;
    return true;
}

bool slice_starts_with(struct slice text, struct slice start) {
    return start.size == 0 ||
           (text.size >= start.size && memcmp(text.bytes, start.bytes, start.size) == 0);
}

bool slice_ends_with(struct slice text, struct slice end) {
    return end.size == 0 || (text.size >= end.size &&
                             memcmp(text.bytes + text.size - end.size, end.bytes, end.size) == 0);
}

bool slice_contains(struct slice text, struct slice part) {
    return part.size == 0 ||
           (text.size >= part.size && memmem(text.bytes, text.size, part.bytes, part.size) != NULL);
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

struct slice slice_trim(struct slice text) {
    while (text.size > 0 && is_space(text.bytes[text.size - 1]))
        text.size--;
    while (text.size > 0 && is_space(text.bytes[0])) {
        text.bytes++;
        text.size--;
    }
    return text;
}

struct slice slice_cut(struct slice text, char separator, struct slice *rest) {
    const char *at = text.size > 0 ? memchr(text.bytes, separator, text.size) : NULL;
    if (!at) {
        *rest = SLICE_NONE;
        return text;
    }
    size_t size = (size_t)(at - text.bytes);
    *rest = (struct slice){at + 1, text.size - size - 1};
    return (struct slice){text.bytes, size};
}

enum status slice_to_u64(struct slice text, uint64_t *out) {
    if (text.size == 0)
        return STATUS_SYNTAX;
    uint64_t value = 0;
    bool has_overflowed = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];
        if (c < '0' || c > '9')
            return STATUS_SYNTAX;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            has_overflowed = true;
    }
    if (has_overflowed)
        return STATUS_RANGE;
    *out = value;
    return STATUS_OK;
}

enum status slice_to_i64(struct slice text, int64_t *out) {
    bool is_negative = text.size > 0 && text.bytes[0] == '-';
    if (is_negative || (text.size > 0 && text.bytes[0] == '+')) {
        text.bytes++;
        text.size--;
    }
    uint64_t magnitude;
    enum status status = slice_to_u64(text, &magnitude);
    if (status != STATUS_OK)
        return status;
    if (magnitude > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return STATUS_RANGE;
    *out = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return STATUS_OK;
}

static size_t min_of(size_t a, size_t b) { return a < b ? a : b; }

/* Edit distance in which swapping two neighbours is one edit (`mian` for `main` is the commonest
 * slip) and case does not count. Both sizes are at most NEAREST_MAX. */
static size_t distance(struct slice a, struct slice b) {
    size_t rows[3][NEAREST_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.size; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            char ca = lower(a.bytes[i - 1]), cb = lower(b.bytes[j - 1]);
            size_t cost = min_of(above[j], row[j - 1]) + 1;
            cost = min_of(cost, above[j - 1] + (ca == cb ? 0 : 1));
            if (i > 1 && j > 1 && ca == lower(b.bytes[j - 2]) && cb == lower(a.bytes[i - 2]))
                cost = min_of(cost, before[j - 2] + 1);
            row[j] = cost;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b.size];
}

const char *slice_nearest(struct slice name, const char *const *candidates, size_t count) {
    if (name.size == 0 || name.size > NEAREST_MAX)
        return NULL;
    const char *nearest = NULL;
    size_t best = name.size / 3 > 0 ? name.size / 3 : 1;
    for (size_t i = 0; i < count; i++) {
        struct slice candidate = slice_of(candidates[i]);
        size_t longer = name.size > candidate.size ? name.size : candidate.size;
        if (candidate.size > NEAREST_MAX || longer - min_of(name.size, candidate.size) > best)
            continue;
        size_t edits = distance(name, candidate);
        /* Replacing every letter is no likeness, however short the name. */
        if (edits < longer && (edits < best || (edits == best && !nearest))) {
            best = edits;
            nearest = candidates[i];
        }
    }
    return nearest;
}
