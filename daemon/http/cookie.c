/* Cookies: Set-Cookie made from attributes, Cookie looked up (RFC 6265 sections 4 and 5).
 *
 * The value is held to what browsers keep and send back unchanged, which is more than the grammar
 * of section 4.1.1 allows: commas, quotes and inner spaces are common in practice. */
#include <stdio.h>
#include "http/scan.h"

static bool is_clean(struct slice text) {
    if (http__text_span(text.bytes, text.size) != text.size)
        return false;
    return text.size == 0 ||
           (!memchr(text.bytes, ';', text.size) && !memchr(text.bytes, '\t', text.size));
}

static enum status check(const struct http_cookie *cookie) {
    struct slice name = cookie->name, value = cookie->value;
    struct http_host host;
    if (name.size == 0 || http__token_span(name.bytes, name.size) != name.size)
        return STATUS_SYNTAX;
    if (!is_clean(value) || http__trim(value).size != value.size)
        return STATUS_SYNTAX;
    if (!is_clean(cookie->path) || (cookie->path.size > 0 && cookie->path.bytes[0] != '/'))
        return STATUS_SYNTAX;
    if (cookie->domain.size > 0 && (http_host_parse(cookie->domain, &host) || host.port != 0))
        return STATUS_SYNTAX;
    return STATUS_OK;
}

static char *put(char *out, const char *before, struct slice text) {
    out = stpcpy(out, before);
    if (text.size > 0)
        memcpy(out, text.bytes, text.size);
    return out + text.size;
}

enum status http_cookie_format(const struct http_cookie *cookie, struct arena *arena,
                               struct slice *out) {
    static const char *const sites[] = {
        [HTTP_SITE_UNSET] = "",
        [HTTP_SITE_LAX] = "; SameSite=Lax",
        [HTTP_SITE_STRICT] = "; SameSite=Strict",
        [HTTP_SITE_NONE] = "; SameSite=None",
    };
    enum { ATTRIBUTES_BYTES = 128 }; /* all their names, and one number */
    enum status status = check(cookie);
    if (status)
        return status;
    char *bytes = arena_bytes(arena, cookie->name.size + cookie->value.size + cookie->path.size +
                                         cookie->domain.size + ATTRIBUTES_BYTES);
    if (!bytes)
        return STATUS_NO_MEMORY;
    char *at = put(bytes, "", cookie->name);
    at = put(at, "=", cookie->value);
    if (cookie->path.size > 0)
        at = put(at, "; Path=", cookie->path);
    if (cookie->domain.size > 0)
        at = put(at, "; Domain=", cookie->domain);
    if (cookie->has_max_age)
        at += snprintf(at, 40, "; Max-Age=%lld", (long long)cookie->max_age_s);
    at = stpcpy(at, cookie->secure ? "; Secure" : "");
    at = stpcpy(at, cookie->http_only ? "; HttpOnly" : "");
    at = stpcpy(at, sites[cookie->same_site]);
    *out = (struct slice){bytes, (size_t)(at - bytes)};
    return STATUS_OK;
}

enum status http_cookie_get(const struct http_header *headers, size_t count, struct slice name,
                            struct slice *out) {
    for (size_t i = 0; i < count; i++) {
        if (!slice_equal_nocase(headers[i].name, SLICE("cookie")))
            continue;
        struct slice rest = headers[i].value;
        while (rest.bytes) {
            struct slice value, pair = slice_cut(rest, ';', &rest);
            struct slice key = slice_cut(pair, '=', &value);
            if (value.bytes && slice_equal(http__trim(key), name)) {
                *out = http__trim(value);
                return STATUS_OK;
            }
        }
    }
    return STATUS_NOT_FOUND;
}
