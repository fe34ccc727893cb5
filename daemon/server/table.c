/* Session IDs and the table of a worker's sessions by ID. An ID is 16 random bytes and one that
 * names the worker, hidden under a keyed hash of the others, in 28 letters and digits. */
#include <stdlib.h>
#include "server/session.h"

#define RANDOM_BYTES 16

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

static uint8_t mask_of(const struct server_set *set, const uint8_t *random) {
    struct slice bytes = {(const char *)random, RANDOM_BYTES};
    return (uint8_t)hash_bytes(&set->id_key, bytes);
}

void table__make_id(struct server_set *set, char *out) {
    uint8_t bytes[RANDOM_BYTES + 1];
    uint32_t bits = 0, held = 0;
    crypto_source_take(&set->random, bytes, RANDOM_BYTES);
    bytes[RANDOM_BYTES] = (uint8_t)(set->worker ^ mask_of(set, bytes));
    for (size_t at = 0, i = 0; i < SESSION_ID_SIZE; i++) {
        if (held < 5) {
            bits = bits << 8 | (at < sizeof(bytes) ? bytes[at] : 0);
            at++;
            held += 8;
        }
        held -= 5;
        out[i] = digits[bits >> held & 31];
    }
}

bool table__worker_of(const struct server_set *set, struct slice id, uint32_t *worker) {
    uint8_t bytes[RANDOM_BYTES + 2];
    uint32_t bits = 0, held = 0;
    if (id.size != SESSION_ID_SIZE) {
        return false;
    }
    for (size_t at = 0, i = 0; i < SESSION_ID_SIZE; i++) {
        const char *digit = memchr(digits, id.bytes[i], sizeof(digits) - 1);
        if (!digit) {
            return false;
        }
        bits = bits << 5 | (uint32_t)(digit - digits);
        held += 5;
        if (held >= 8) {
            held -= 8;
            bytes[at++] = (uint8_t)(bits >> held);
        }
    }
    *worker = bytes[RANDOM_BYTES] ^ mask_of(set, bytes);
    return true;
}

/* IDs are random and ours, so their first characters are a good hash. */
static struct session **slot_of(const struct server_set *set, const char *id) {
    uint64_t word;
    memcpy(&word, id, sizeof(word));
    word *= 0x9e3779b97f4a7c15u;
    return &set->table[word >> 32 & (set->table_size - 1)];
}

static enum status grow(struct server_set *set) {
    uint32_t old_size = set->table_size;
    struct session **old = set->table;
    struct session **table = calloc(old_size ? 2 * old_size : 64, sizeof(struct session *));
    if (!table) {
        return STATUS_NO_MEMORY;
    }
    set->table = table;
    set->table_size = old_size ? 2 * old_size : 64;
    for (uint32_t i = 0; i < old_size; i++) {
        while (old[i]) {
            struct session *session = old[i];
            struct session **slot = slot_of(set, session->id);
            old[i] = session->next_in_table;
            session->next_in_table = *slot;
            *slot = session;
        }
    }
    free(old);
    return STATUS_OK;
}

enum status table__add(struct server_set *set, struct session *session) {
    if (set->table_count >= set->table_size && grow(set) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    struct session **slot = slot_of(set, session->id);
    session->next_in_table = *slot;
    *slot = session;
    set->table_count++;
    return STATUS_OK;
}

void table__remove(struct server_set *set, struct session *session) {
    struct session **link = slot_of(set, session->id);
    while (*link != session) {
        link = &(*link)->next_in_table;
    }
    *link = session->next_in_table;
    set->table_count--;
}

struct session *table__find(const struct server_set *set, struct slice id) {
    if (id.size != SESSION_ID_SIZE || set->table_size == 0) {
        return NULL;
    }
    struct session *session = *slot_of(set, id.bytes);
    while (session && memcmp(session->id, id.bytes, SESSION_ID_SIZE) != 0) {
        session = session->next_in_table;
    }
    return session;
}
