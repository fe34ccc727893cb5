/* Our opening handshake (RFC 6455, section 4.1): the request, and the check of its answer. */
#include <stdlib.h>
#include "client/internal.h"

static enum status write_request(struct client_link *link, struct buffer *out);
static void take_answer(struct client_link *link, struct net_bytes data);
static bool check_answer(struct client_link *link, struct slice head,
                         struct ws_agreement *agreement);
static bool enter(struct client_link *link, struct slice head,
                  const struct ws_agreement *agreement);

void handshake__begin(struct client_link *link) {
    struct buffer request;
    buffer_init(&request, 0);
    ws_key_make(&link->set->random, link->key);
    enum status status = write_request(link, &request);
    if (status == STATUS_OK) {
        struct slice bytes = buffer_slice(&request);
        say__head(link, true, bytes);
        (void)net_write(&link->stream, &bytes, 1); /* lost: NET_ERROR tells */
    } else if (status == STATUS_NO_MEMORY) {
        link__fail(link, CLIENT_HANDSHAKE, "out of memory");
    }
    buffer_deinit(&request);
}

/* ---- the request ----------------------------------------------------------------------------- */

/* STATUS_FAILED after the link has failed: a secret or an override may hold anything. */
static enum status add_header(struct client_link *link, struct buffer *out, struct slice name,
                              struct slice value) {
    if (http_header_check(name, value) != STATUS_OK) {
        link__fail(link, CLIENT_HANDSHAKE, "header \"" SLICE_FMT "\" may not be sent like that",
                   SLICE_ARG(name));
        return STATUS_FAILED;
    }
    return buffer_printf(out, SLICE_FMT ": " SLICE_FMT "\r\n", SLICE_ARG(name), SLICE_ARG(value));
}

static bool has_header(const struct client_pairs *headers, const char *name) {
    for (size_t i = 0; i < headers->count; i++) {
        if (slice_equal_nocase(headers->names[i], slice_of(name))) {
            return true;
        }
    }
    return false;
}

static enum status add_host(const struct client_options *options, struct buffer *out) {
    bool is_v6 = slice_contains(options->host, SLICE(":"));
    enum status status = buffer_printf(out, "Host: %s" SLICE_FMT "%s", is_v6 ? "[" : "",
                                       SLICE_ARG(options->host), is_v6 ? "]" : "");
    if (!status && options->port != (options->is_secure ? 443 : 80)) {
        status = buffer_printf(out, ":%u", options->port);
    }
    return status ? status : buffer_append(out, SLICE("\r\n"));
}

static enum status add_joined(struct client_link *link, struct buffer *out, struct slice name,
                              enum status (*join)(const struct client_options *options,
                                                  struct buffer *value)) {
    struct buffer value;
    buffer_init(&value, 0);
    enum status status = join(&link->config->options, &value);
    if (!status && value.size) {
        status = add_header(link, out, name, buffer_slice(&value));
    }
    buffer_deinit(&value);
    return status;
}

static enum status join_subprotocols(const struct client_options *options, struct buffer *value) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < options->subprotocols.count && !status; i++) {
        status = buffer_printf(value, "%s" SLICE_FMT, i ? ", " : "",
                               SLICE_ARG(options->subprotocols.items[i]));
    }
    return status;
}

static enum status join_cookies(const struct client_options *options, struct buffer *value) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < options->cookies.count && !status; i++) {
        status = buffer_printf(value, "%s" SLICE_FMT "=" SLICE_FMT, i ? "; " : "",
                               SLICE_ARG(options->cookies.names[i]),
                               SLICE_ARG(options->cookies.values[i]));
    }
    return status;
}

static enum status add_bearer(struct client_link *link, struct buffer *out) {
    struct slice token =
        link->client->bearer.bytes ? link->client->bearer : link->config->options.bearer;
    struct buffer value;
    if (!token.size) {
        return STATUS_OK;
    }
    buffer_init(&value, 0);
    enum status status = buffer_printf(&value, "Bearer " SLICE_FMT, SLICE_ARG(token));
    if (!status) {
        status = add_header(link, out, SLICE("Authorization"), buffer_slice(&value));
    }
    buffer_deinit(&value);
    return status;
}

static struct ws_options wanted_of(const struct client_options *options) {
    return (struct ws_options){.subprotocols = options->subprotocols.items,
                               .subprotocol_count = options->subprotocols.count,
                               .has_compression = options->compression,
                               .has_takeover = options->compression_takeover};
}

static enum status write_request(struct client_link *link, struct buffer *out) {
    const struct client_options *options = &link->config->options;
    struct ws_options wanted = wanted_of(options);
    struct slice offer = ws_offer(&wanted), key = {link->key, WS_KEY_SIZE};
    enum status status =
        buffer_printf(out, "GET " SLICE_FMT " HTTP/1.1\r\n", SLICE_ARG(options->path));
    if (!status && !has_header(&options->headers, "host")) {
        status = add_host(options, out);
    }
    if (!status) {
        status = buffer_printf(out,
                               "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " SLICE_FMT "\r\n",
                               SLICE_ARG(key));
    }
    if (!status) {
        status = add_joined(link, out, SLICE("Sec-WebSocket-Protocol"), join_subprotocols);
    }
    if (!status && offer.size) {
        status = add_header(link, out, SLICE("Sec-WebSocket-Extensions"), offer);
    }
    if (!status && options->origin.size) {
        status = add_header(link, out, SLICE("Origin"), options->origin);
    }
    status = status ? status : add_bearer(link, out);
    status = status ? status : add_joined(link, out, SLICE("Cookie"), join_cookies);
    for (size_t i = 0; i < options->headers.count && !status; i++) {
        status = add_header(link, out, options->headers.names[i], options->headers.values[i]);
    }
    return status ? status : buffer_append(out, SLICE("\r\n"));
}

/* ---- the answer ------------------------------------------------------------------------------ */

void handshake__on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct client_link *link = CONTAINER_OF(stream, struct client_link, stream);
    client_link_ref(link);
    switch (event) {
        case NET_DATA:
            if (link->state == LINK_CONNECTED) {
                take_answer(link, rest__gather(link, data));
            }
            break;
        case NET_TIMEOUT:
            if (link->state == LINK_CONNECTED) {
                link__bound_passed(link, CLIENT_HANDSHAKE_TIMEOUT);
                link__fail(link, CLIENT_TIMEOUT, "the peer did not answer the handshake in time");
            }
            break;
        case NET_END:
        case NET_ERROR:
            link__fail(link, CLIENT_HANDSHAKE, "the peer closed the connection%s%s",
                       stream->error ? ": " : " before it answered",
                       stream->error ? strerror(stream->error) : "");
            break;
        case NET_CLOSED: /* one that was given up, or had no memory */
            link__fail(link, CLIENT_HANDSHAKE, "the connection was given up");
            link__on_closed(link);
            break;
        case NET_AGAIN:
        case NET_SENT:
            break;
    }
    client_link_unref(link);
}

static void take_answer(struct client_link *link, struct net_bytes data) {
    const struct http_limits limits = {HEAD_BYTES_MAX, HEADERS_MAX};
    struct http_error error = {0};
    struct slice bytes = {(const char *)data.bytes, data.size};
    if (link->stream.state != NET_OPEN) {
        return; /* without memory */
    }
    ssize_t size = http_head_find(&link->scan, bytes, &limits, &error);
    if (size == 0) {
        rest__keep(link, data.bytes, data.size);
        return;
    }
    struct ws_agreement agreement;
    if (size < 0) {
        link__fail(link, CLIENT_HANDSHAKE, "the answer is no HTTP: %s", error.reason);
        return;
    }
    struct slice head = {bytes.bytes, (size_t)size};
    say__head(link, false, head);
    if (!check_answer(link, head, &agreement) || !enter(link, head, &agreement)) {
        return;
    }
    frames__begin(link);
    struct net_bytes left = {data.bytes + size, data.size - (size_t)size};
    if (link->state == LINK_CLOSED || link->stream.state != NET_OPEN) {
        return;
    }
    if (left.size) {
        frames__input(link, left);
    } else {
        rest__keep(link, left.bytes, 0);
    }
}

static struct slice get_header(const void *context, const char *name, size_t index) {
    const struct http_response *http = context;
    struct slice wanted = slice_of(name);
    for (size_t i = 0; i < http->header_count; i++) {
        if (slice_equal_nocase(http->headers[i].name, wanted) && index-- == 0) {
            return http->headers[i].value;
        }
    }
    return SLICE_NONE;
}

static bool check_answer(struct client_link *link, struct slice head,
                         struct ws_agreement *agreement) {
    const struct http_limits limits = {HEAD_BYTES_MAX, HEADERS_MAX};
    struct http_header headers[HEADERS_MAX];
    struct http_response http;
    struct http_error error = {0};
    if (http_response_parse(head, &limits, headers, &http, &error) != STATUS_OK) {
        link__fail(link, CLIENT_HANDSHAKE, "the answer is no good HTTP: %s", error.reason);
        return false;
    }
    if (http.status != 101) {
        bool is_redirect = http.status >= 300 && http.status < 400;
        link__fail(link, CLIENT_HANDSHAKE, "the peer answered %u " SLICE_FMT "%s", http.status,
                   SLICE_ARG(http_status_text(http.status)),
                   is_redirect ? "; redirects are not followed" : "");
        return false;
    }
    if (!http_header_has_token(headers, http.header_count, SLICE("upgrade"), SLICE("websocket")) ||
        !http_header_has_token(headers, http.header_count, SLICE("connection"), SLICE("upgrade"))) {
        link__fail(link, CLIENT_HANDSHAKE,
                   "the answer lacks \"Upgrade: websocket\" or \"Connection: Upgrade\"");
        return false;
    }
    const struct ws_options wanted = wanted_of(&link->config->options);
    const struct ws_answer answer = {.headers = {.get = get_header, .context = &http},
                                     .key = {link->key, WS_KEY_SIZE}};
    const char *cause = "it does not fit our request";
    if (ws_check_answer(&answer, &wanted, agreement, &cause) != STATUS_OK) {
        link__fail(link, CLIENT_HANDSHAKE, "the answer is refused: %s", cause);
        return false;
    }
    return true;
}

/* The answer's head is kept, since variables read it. */
static bool enter(struct client_link *link, struct slice head,
                  const struct ws_agreement *agreement) {
    struct client_set *set = link->set;
    if (agreement->compression.is_on && !set->deflater) {
        set->deflater = ws_deflater_new();
    }
    link->head = malloc(head.size);
    if (!link->head || (agreement->compression.is_on && !set->deflater) ||
        map_put(&set->links, client_link_id(link), link) != STATUS_OK) {
        link__fail(link, CLIENT_HANDSHAKE, "out of memory");
        return false;
    }
    memcpy(link->head, head.bytes, head.size);
    link->head_size = head.size;
    link->subprotocol = agreement->subprotocol;
    ws_init(&link->ws, WS_CLIENT, &agreement->compression,
            (size_t)link__bounds(link)->max_message_bytes);
    link->was_open = true;
    return true;
}
