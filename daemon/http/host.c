/* The host of a Host header or an authority (RFC 9110 section 7.2), stricter than its grammar:
 * letters, digits, `-`, `.` and `_`, or an IP literal, and a port of digits where a colon stands.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include "http/scan.h"

static bool is_address(int family, struct slice text) {
    char copy[INET6_ADDRSTRLEN];
    uint8_t address[sizeof(struct in6_addr)];
    if (text.size >= sizeof copy)
        return false;
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = 0;
    return inet_pton(family, copy, address) == 1;
}

/* The characters of a name at the front. */
static struct slice name_of(struct slice text) {
    size_t at = 0;
    while (at < text.size && http__is(text.bytes[at], HTTP__HOST))
        at++;
    return (struct slice){text.bytes, at};
}

static enum status parse_port(struct slice text, uint16_t *port) {
    uint32_t number = 0;
    if (text.size > 5)
        return STATUS_SYNTAX;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return STATUS_SYNTAX;
        number = number * 10 + (uint32_t)(text.bytes[i] - '0');
    }
    if (number == 0 || number > 65535)
        return STATUS_SYNTAX;
    *port = (uint16_t)number;
    return STATUS_OK;
}

/* All but is_ip of an IPv4 address, whose grammar is part of a name's. */
static enum status split(struct slice text, struct http_host *out) {
    struct http_host host = {.port = 0};
    struct slice rest;
    if (text.size > 0 && text.bytes[0] == '[') {
        const char *end = memchr(text.bytes, ']', text.size);
        if (!end)
            return STATUS_SYNTAX;
        host.name = (struct slice){text.bytes + 1, (size_t)(end - text.bytes) - 1};
        rest = (struct slice){end + 1, text.size - host.name.size - 2};
        host.is_ip = is_address(AF_INET6, host.name);
        if (!host.is_ip)
            return STATUS_SYNTAX;
    } else {
        host.name = name_of(text);
        rest = (struct slice){text.bytes + host.name.size, text.size - host.name.size};
        if (host.name.size == 0)
            return STATUS_SYNTAX;
    }
    if (rest.size > 0) {
        struct slice port = {rest.bytes + 1, rest.size - 1};
        if (rest.bytes[0] != ':' || parse_port(port, &host.port))
            return STATUS_SYNTAX;
    }
    *out = host;
    return STATUS_OK;
}

bool http__is_host(struct slice text) {
    struct http_host host;
    return split(text, &host) == STATUS_OK;
}

enum status http_host_parse(struct slice text, struct http_host *out) {
    enum status status = split(text, out);
    if (status == STATUS_OK && !out->is_ip)
        out->is_ip = is_address(AF_INET, out->name);
    return status;
}
