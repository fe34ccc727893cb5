/* Addresses, networks, and X-Forwarded-For as proxies write it: each appends the address that it
 * was reached from, so the header is to be believed from its right end only. */
#include <arpa/inet.h>

#include "access/rules.h"

#define HOPS_MAX 10 /* longer lists are cut on the client's side */

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address__parse(struct slice text, uint8_t out[16]) {
    char copy[INET6_ADDRSTRLEN];
    if (text.size == 0 || text.size >= sizeof copy)
        return false;
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = 0;
    uint8_t address[16];
    memcpy(address, v4_prefix, sizeof v4_prefix);
    if (inet_pton(AF_INET, copy, address + 12) != 1 && inet_pton(AF_INET6, copy, address) != 1)
        return false;
    memcpy(out, address, sizeof address);
    return true;
}

enum status network__parse(struct slice text, struct network *out) {
    struct network network = {.bits = 128};
    struct slice bits, address = slice_cut(text, '/', &bits);
    uint64_t count;
    if (!address__parse(address, network.address))
        return STATUS_SYNTAX;
    if (bits.bytes) {
        bool is_v4 = memchr(address.bytes, ':', address.size) == NULL;
        if (slice_to_u64(bits, &count) || count > (is_v4 ? 32 : 128))
            return STATUS_SYNTAX;
        network.bits = (uint8_t)(count + (is_v4 ? 96 : 0));
    }
    *out = network;
    return STATUS_OK;
}

enum status access_proxy_check(struct slice text) {
    struct network network;
    return network__parse(text, &network);
}

static bool is_in(const struct network *network, const uint8_t address[16]) {
    size_t whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->address, address, whole) != 0)
        return false;
    return rest == 0 || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static bool is_trusted(const struct access_rules *rules, const uint8_t address[16]) {
    for (size_t i = 0; i < rules->proxy_count; i++)
        if (is_in(&rules->proxies[i], address))
            return true;
    return false;
}

/* Cuts the last member of a list with commas, trimmed. False where nothing is left. */
static bool take_last(struct slice *list, struct slice *member) {
    if (list->size == 0)
        return false;
    const char *comma = memrchr(list->bytes, ',', list->size);
    size_t start = comma ? (size_t)(comma - list->bytes) + 1 : 0;
    *member = slice_trim((struct slice){list->bytes + start, list->size - start});
    list->size = comma ? start - 1 : 0;
    return true;
}

/* Some proxies write `1.2.3.4:5678` and `[::1]:5678`. */
static struct slice without_port(struct slice member) {
    struct http_host host;
    bool is_bare_v6 =
        member.size && member.bytes[0] != '[' &&
        memchr(member.bytes, ':', member.size) != memrchr(member.bytes, ':', member.size);
    return !is_bare_v6 && http_host_parse(member, &host) == STATUS_OK ? host.name : member;
}

struct hops {
    struct slice items[HOPS_MAX]; /* the nearest first */
    size_t count;
};

/* False: what stands further left is not to be believed. */
static bool take_hop(const struct access_rules *rules, struct slice member, struct hops *hops) {
    uint8_t address[16];
    struct slice text = without_port(member);
    if (!address__parse(text, address) || hops->count == HOPS_MAX)
        return false;
    hops->items[hops->count++] = text;
    return is_trusted(rules, address);
}

static void walk(const struct access_rules *rules, const struct http_request *request,
                 struct hops *hops) {
    for (size_t i = request->header_count; i-- > 0;) {
        const struct http_header *header = &request->headers[i];
        struct slice list = header->value, member;
        if (!slice_equal_nocase(header->name, SLICE("x-forwarded-for")))
            continue;
        while (take_last(&list, &member))
            if (!take_hop(rules, member, hops))
                return;
    }
}

struct slice access_peer(const struct access_rules *rules, const struct http_request *request,
                         struct slice peer, char *out) {
    uint8_t address[16];
    struct hops hops = {.count = 0};
    if (rules->proxy_count == 0 || !address__parse(peer, address) || !is_trusted(rules, address))
        return peer;
    walk(rules, request, &hops);
    if (hops.count == 0)
        return peer;
    _Static_assert(HOPS_MAX * (INET6_ADDRSTRLEN + 2) <= ACCESS_PEER_MAX, "all of them fit");
    size_t used = 0;
    for (size_t i = hops.count; i-- > 0;) {
        struct slice hop = hops.items[i];
        if (used) {
            memcpy(out + used, ", ", 2);
            used += 2;
        }
        memcpy(out + used, hop.bytes, hop.size);
        used += hop.size;
    }
    return (struct slice){out, used};
}
