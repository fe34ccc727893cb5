/* Origins as browsers send them (RFC 6454 section 7), and host names. */
#include "access/rules.h"

struct scheme {
    struct slice start;
    uint16_t port;
};
static const struct scheme schemes[] = {{{"http://", 7}, 80}, {{"https://", 8}, 443}};

static const struct scheme *web_scheme(struct slice text) {
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        struct slice start = {text.bytes, schemes[i].start.size};
        if (text.size >= start.size && slice_equal_nocase(start, schemes[i].start))
            return &schemes[i];
    }
    return NULL;
}

static bool is_scheme_text(struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i], lower = (char)(c | 0x20);
        bool is_letter = lower >= 'a' && lower <= 'z';
        bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_letter && (i == 0 || !is_other))
            return false;
    }
    return text.size > 0;
}

/* `file://`, `chrome-extension://abc`: no path, no space. */
static bool is_other_origin(struct slice text) {
    const char *at = memmem(text.bytes, text.size, "://", 3);
    if (!at || !is_scheme_text((struct slice){text.bytes, (size_t)(at - text.bytes)}))
        return false;
    for (const char *c = at + 3; c < text.bytes + text.size; c++)
        if (*c == '/' || *c <= ' ' || *c == '"' || *c == 0x7f)
            return false;
    return true;
}

enum status origin__parse(struct slice text, struct origin *out) {
    struct origin origin = {.whole = text};
    const struct scheme *scheme = text.size ? web_scheme(text) : NULL;
    if (scheme) {
        struct http_host host;
        struct slice rest = {text.bytes + scheme->start.size, text.size - scheme->start.size};
        if (http_host_parse(rest, &host))
            return STATUS_SYNTAX;
        origin.is_web = true;
        origin.host = host.name;
        origin.port = host.port ? host.port : scheme->port;
    } else if (!slice_is(text, "null") && !(text.size && is_other_origin(text))) {
        return STATUS_SYNTAX;
    }
    *out = origin;
    return STATUS_OK;
}

uint16_t origin__default_port(const struct origin *origin) {
    const struct scheme *scheme = origin->is_web ? web_scheme(origin->whole) : NULL;
    return scheme ? scheme->port : 0;
}

bool host__equal(struct slice a, struct slice b) {
    if (a.size && a.bytes[a.size - 1] == '.')
        a.size--;
    if (b.size && b.bytes[b.size - 1] == '.')
        b.size--;
    return slice_equal_nocase(a, b);
}

bool origin__equal(const struct origin *a, const struct origin *b) {
    if (!a->is_web || !b->is_web)
        return a->is_web == b->is_web && slice_equal_nocase(a->whole, b->whole);
    return a->port == b->port && web_scheme(a->whole) == web_scheme(b->whole) &&
           host__equal(a->host, b->host);
}
