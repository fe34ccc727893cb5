/* Bytes of a link that were received and not parsed yet: of a head that is not whole, or left over
 * when parsing paused. Memory only while something is left. */
#include <stdlib.h>
#include "client/internal.h"

struct net_bytes rest__gather(struct client_link *link, struct net_bytes data) {
    struct link_rest *rest = link->rest;
    if (!rest || data.size == 0) {
        return rest ? (struct net_bytes){rest->bytes + rest->at, rest->size - rest->at} : data;
    }
    uint32_t left = rest->size - rest->at;
    if (rest->capacity - rest->size < data.size) {
        uint32_t capacity = 2 * (left + (uint32_t)data.size);
        struct link_rest *larger = malloc(sizeof(*larger) + capacity);
        if (!larger) {
            net_stream_close(&link->stream);
            return (struct net_bytes){NULL, 0};
        }
        *larger = (struct link_rest){.size = left, .capacity = capacity};
        memcpy(larger->bytes, rest->bytes + rest->at, left);
        free(rest);
        link->rest = rest = larger;
    }
    memcpy(rest->bytes + rest->size, data.bytes, data.size);
    rest->size += (uint32_t)data.size;
    return (struct net_bytes){rest->bytes + rest->at, rest->size - rest->at};
}

void rest__keep(struct client_link *link, const uint8_t *bytes, size_t size) {
    struct link_rest *rest = link->rest;
    if (size == 0) {
        free(rest);
        link->rest = NULL;
        return;
    }
    if (rest) { /* then all that was parsed lay in it, and `bytes` is its end */
        rest->at = rest->size - (uint32_t)size;
        return;
    }
    rest = malloc(sizeof(*rest) + size);
    if (!rest) {
        net_stream_close(&link->stream);
        return;
    }
    *rest = (struct link_rest){.size = (uint32_t)size, .capacity = (uint32_t)size};
    memcpy(rest->bytes, bytes, size);
    link->rest = rest;
}
