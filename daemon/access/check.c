/* The check of a head: host, speculation, origin, site, in that order. What says who asks is
 * gathered in one walk over the headers; a request that no browser made is through after that. */
#include "access/rules.h"

static bool is_of_browser(const struct http_request *request);
static void gather(const struct http_request *request, struct hints *hints);
static bool is_host_allowed(const struct access_rules *rules, struct slice text);
static void check_origin(const struct access_rules *rules, const struct http_request *request,
                         const struct hints *hints, struct access_answer *answer);
static void check_site(const struct access_rules *rules, const struct http_request *request,
                       const struct hints *hints, struct access_answer *answer);
static void answer_preflight(const struct http_request *request, const struct hints *hints,
                             struct access_answer *answer);

static bool is_host_known(const struct access_rules *rules, struct slice host,
                          struct access_memo *memo) {
    if (memo->serial == rules->serial && memo->size == host.size && host.size &&
        memcmp(memo->host, host.bytes, host.size) == 0)
        return true;
    if (!is_host_allowed(rules, host))
        return false;
    if (host.size <= sizeof memo->host) {
        memo->serial = rules->serial;
        memo->size = (uint8_t)host.size;
        memcpy(memo->host, host.bytes, host.size);
    }
    return true;
}

void access_check(const struct access_rules *rules, const struct http_request *request,
                  struct access_memo *memo, struct access_answer *answer) {
    answer->status = 0;
    answer->is_speculative = false;
    answer->cors = rules->any_origin     ? ACCESS_CORS_ANY
                   : rules->origin_count ? ACCESS_CORS_VARY
                                         : ACCESS_NO_CORS;
    if (request->host.size && !is_host_known(rules, request->host, memo)) {
        refusal__host(rules, request->host, answer);
        return;
    }
    if (!is_of_browser(request))
        return;
    struct hints hints = {.origin = SLICE_NONE};
    gather(request, &hints);
    answer->is_speculative = hints.purpose.size > 0;
    if (hints.origin.bytes)
        check_origin(rules, request, &hints, answer);
    else if (hints.site.size && !rules->any_origin)
        check_site(rules, request, &hints, answer);
}

/* `prefetch`, `prefetch;prerender`: a structured list whose first member counts. */
static struct slice speculation(struct slice value) {
    struct slice rest, word = slice_trim(slice_cut(value, ';', &rest));
    return slice_equal_nocase(word, SLICE("prefetch")) ? word : SLICE_NONE;
}

static void take(const struct http_header *header, const char *name, struct slice *out) {
    if (slice_equal_nocase(header->name, slice_of(name)))
        *out = header->value;
}

/* Whether there is a header that gather() looks at. */
static bool is_of_browser(const struct http_request *request) {
    const struct http_header *header = request->headers, *end = header + request->header_count;
    for (; header < end; header++) {
        size_t size = header->name.size;
        if ((size == 6 || size == 14 || size == 11) &&
            (header->name.bytes[0] | 0x20) == (size == 6 ? 'o' : 's'))
            return true;
    }
    return false;
}

/* The names are told apart by size and first letter, so that most headers cost two comparisons. */
static void gather(const struct http_request *request, struct hints *hints) {
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        char first = (char)(header->name.bytes[0] | 0x20);
        if (header->name.size == 6 && first == 'o') {
            take(header, "origin", &hints->origin);
        } else if (header->name.size == 14 && first == 's') {
            take(header, "sec-fetch-site", &hints->site);
            take(header, "sec-fetch-mode", &hints->mode);
            take(header, "sec-fetch-dest", &hints->dest);
        } else if (header->name.size == 11 && first == 's') {
            take(header, "sec-purpose", &hints->purpose);
        } else if (header->name.size >= 29 && first == 'a') {
            take(header, "access-control-request-method", &hints->asks_method);
            take(header, "access-control-request-headers", &hints->asks_headers);
            take(header, "access-control-request-private-network", &hints->asks_network);
        }
    }
    hints->purpose = speculation(hints->purpose);
}

/* ---- hosts ----------------------------------------------------------------------------------- */

static bool is_listed(const struct access_list *list, struct slice name) {
    for (size_t i = 0; i < list->count; i++)
        if (host__equal(list->items[i], name))
            return true;
    return false;
}

/* A page can make any name of its own resolve to this machine (DNS rebinding), but not a literal,
 * and none of these. */
static bool is_host_allowed(const struct access_rules *rules, struct slice text) {
    struct http_host host;
    if (rules->any_host)
        return true;
    if (http_host_parse(text, &host))
        return false;
    return host.is_ip || host__equal(host.name, SLICE("localhost")) ||
           is_listed(&rules->names, host.name) || is_listed(&rules->hosts, host.name);
}

/* ---- origins --------------------------------------------------------------------------------- */

static bool is_origin_listed(const struct access_rules *rules, const struct origin *origin) {
    for (size_t i = 0; i < rules->origin_count; i++)
        if (origin__equal(&rules->origins[i], origin))
            return true;
    return false;
}

/* The server's own pages: by the Host they were asked from. A proxy may speak TLS for us, so the
 * scheme does not count; a missing port is that of the origin's scheme. */
static bool is_own(const struct http_request *request, const struct origin *origin) {
    struct http_host host;
    if (!origin->is_web || http_host_parse(request->host, &host))
        return false;
    uint16_t port = host.port ? host.port : origin__default_port(origin);
    return origin->port == port && host__equal(origin->host, host.name);
}

/* Pages of a listed host, also behind a proxy that writes another Host. */
static bool is_of_listed_host(const struct access_rules *rules, const struct http_request *request,
                              const struct origin *origin) {
    struct http_host host;
    if (!origin->is_web || !is_listed(&rules->hosts, origin->host))
        return false;
    if (origin->port == origin__default_port(origin))
        return true;
    return http_host_parse(request->host, &host) == STATUS_OK && host.port == origin->port;
}

static bool is_same_origin(const struct hints *hints) {
    return slice_equal_nocase(hints->site, SLICE("same-origin"));
}

/* Browsers do not agree on the site of a WebSocket; there the Origin alone decides. */
static bool is_site_fine(const struct http_request *request, const struct hints *hints) {
    return request->is_websocket || !hints->site.size || is_same_origin(hints) ||
           slice_equal_nocase(hints->site, SLICE("none"));
}

static void check_origin(const struct access_rules *rules, const struct http_request *request,
                         const struct hints *hints, struct access_answer *answer) {
    struct origin origin;
    bool is_good = origin__parse(hints->origin, &origin) == STATUS_OK;
    bool is_preflight = request->method == HTTP_METHOD_OPTIONS && hints->asks_method.size;
    if (!rules->any_origin) {
        /* A page that sends no referrer posts to itself with `null`. */
        bool is_self = is_good && ((is_own(request, &origin) && is_site_fine(request, hints)) ||
                                   (slice_is(origin.whole, "null") && is_same_origin(hints)));
        if (is_good && is_origin_listed(rules, &origin)) {
            answer->cors = ACCESS_CORS_ORIGIN;
        } else if (!is_self && !(is_good && is_of_listed_host(rules, request, &origin))) {
            refusal__origin(rules, hints->origin, answer);
            return;
        }
    }
    if (is_preflight && answer->cors >= ACCESS_CORS_ORIGIN)
        answer_preflight(request, hints, answer);
}

/* Methods and headers are those that were asked for: what is listed may do all that others may. */
static void answer_preflight(const struct http_request *request, const struct hints *hints,
                             struct access_answer *answer) {
    struct http_header *headers = answer->headers;
    size_t count = access_cors_headers(answer->cors, request, headers);
    headers[count++] =
        (struct http_header){SLICE("Access-Control-Allow-Methods"), hints->asks_method};
    if (hints->asks_headers.size)
        headers[count++] =
            (struct http_header){SLICE("Access-Control-Allow-Headers"), hints->asks_headers};
    if (slice_equal_nocase(hints->asks_network, SLICE("true")))
        headers[count++] =
            (struct http_header){SLICE("Access-Control-Allow-Private-Network"), SLICE("true")};
    headers[count++] = (struct http_header){SLICE("Access-Control-Max-Age"), SLICE("600")};
    answer->header_count = count;
    answer->status = 204;
    answer->cors = ACCESS_NO_CORS; /* they stand there already */
    answer->text = answer->content_type = answer->refused = answer->line = SLICE("");
    answer->what = "";
}

size_t access_cors_headers(enum access_cors cors, const struct http_request *request,
                           struct http_header *out) {
    const struct http_header vary = {SLICE("Vary"), SLICE("Origin")};
    size_t count = 0;
    switch (cors) {
        case ACCESS_NO_CORS:
            break;
        case ACCESS_CORS_VARY:
            out[count++] = vary;
            break;
        case ACCESS_CORS_ORIGIN:
            out[count++] = (struct http_header){SLICE("Access-Control-Allow-Origin"),
                                                http_request_header(request, SLICE("origin"))};
            out[count++] =
                (struct http_header){SLICE("Access-Control-Allow-Credentials"), SLICE("true")};
            out[count++] = vary;
            break;
        case ACCESS_CORS_ANY: /* without credentials: anyone's page may ask, not as the user */
            out[count++] = (struct http_header){SLICE("Access-Control-Allow-Origin"), SLICE("*")};
            break;
    }
    return count;
}

/* ---- without an Origin ----------------------------------------------------------------------- */

/* The origin of the page that asks, where the browser tells it. */
static struct slice referrer(const struct http_request *request) {
    struct slice value = http_request_header(request, SLICE("referer"));
    const char *at = value.size ? memmem(value.bytes, value.size, "://", 3) : NULL;
    if (!at)
        return SLICE_NONE;
    const char *end = value.bytes + value.size;
    const char *slash = memchr(at + 3, '/', (size_t)(end - at) - 3);
    return (struct slice){value.bytes, (size_t)((slash ? slash : end) - value.bytes)};
}

static void check_site(const struct access_rules *rules, const struct http_request *request,
                       const struct hints *hints, struct access_answer *answer) {
    struct origin origin;
    if (is_same_origin(hints) || slice_equal_nocase(hints->site, SLICE("none")))
        return;
    struct slice from = referrer(request);
    if (from.size && origin__parse(from, &origin) == STATUS_OK &&
        (is_origin_listed(rules, &origin) || is_of_listed_host(rules, request, &origin)))
        return;
    struct hints with_origin = *hints;
    with_origin.origin = from;
    refusal__site(rules, request, &with_origin, answer);
}
