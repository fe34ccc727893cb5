/* The opening handshake's values for both roles, RFC 6455 section 4 and RFC 7692 section 7.1. */
#include <assert.h>
#include <stdio.h>

#include "ws/extension.h"

#define KEY_BYTES    16
#define FULL_WINDOW  15
#define LEAST_WINDOW 9 /* that zlib compresses with */

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */

static const char protocol_header[] = "Sec-WebSocket-Protocol";
static const char extensions_header[] = "Sec-WebSocket-Extensions";

static struct slice header(const struct ws_headers *headers, const char *name, size_t index) {
    return headers->get(headers->context, name, index);
}

/* The value of a header that must be there once; bytes NULL when it is missing or repeated. */
static struct slice single(const struct ws_headers *headers, const char *name) {
    struct slice value = header(headers, name, 0);
    if (!value.bytes || header(headers, name, 1).bytes) {
        return SLICE_NONE;
    }
    return slice_trim(value);
}

void ws_accept_key(struct slice key, char *out) {
    uint8_t digest[CRYPTO_SHA1_SIZE];
    char text[WS_KEY_SIZE + sizeof guid];
    assert(key.size == WS_KEY_SIZE);
    memcpy(text, key.bytes, WS_KEY_SIZE);
    memcpy(text + WS_KEY_SIZE, guid, sizeof guid - 1);
    struct slice whole = {text, sizeof text - 1};
    struct slice made = {(const char *)digest, crypto_digest(CRYPTO_SHA1, whole, digest)};
    (void)crypto_base64_encode(CRYPTO_BASE64, made, out); /* always WS_ACCEPT_SIZE */
}

void ws_key_make(struct crypto_source *source, char *out) {
    uint8_t bytes[KEY_BYTES];
    if (source) {
        crypto_source_take(source, bytes, sizeof bytes);
    } else {
        crypto_random(bytes, sizeof bytes);
    }
    struct slice made = {(const char *)bytes, sizeof bytes};
    (void)crypto_base64_encode(CRYPTO_BASE64, made, out); /* always WS_KEY_SIZE */
}

static bool is_key(struct slice key) {
    uint8_t bytes[CRYPTO_BASE64_DECODED_MAX(WS_KEY_SIZE)];
    size_t size = 0;
    return key.size == WS_KEY_SIZE &&
           crypto_base64_decode(CRYPTO_BASE64, key, bytes, &size) == STATUS_OK && size == KEY_BYTES;
}

/* ---- subprotocols -----------------------------------------------------------------------------
 */

/* The next token of a comma-separated list; size 0 at its end or, with *is_good false, where it
 * breaks. */
static struct slice next_listed(struct slice *list, bool *is_good) {
    struct slice token = ws__token(list);
    while (token.size == 0 && list->size > 0 && list->bytes[0] == ',') {
        *list = (struct slice){list->bytes + 1, list->size - 1};
        token = ws__token(list);
    }
    if ((token.size == 0 && list->size > 0) ||
        (token.size > 0 && list->size > 0 && list->bytes[0] != ',')) {
        *is_good = false;
        return SLICE_NONE;
    }
    return token;
}

/* Our entry of that name; bytes NULL when there is none. Subprotocols compare with their case. */
static struct slice known_subprotocol(const struct ws_options *options, struct slice name) {
    for (size_t i = 0; i < options->subprotocol_count; i++) {
        if (slice_equal(options->subprotocols[i], name)) {
            return options->subprotocols[i];
        }
    }
    return SLICE_NONE;
}

/* The first of the client's that we know; false when a line is no list of tokens. */
static bool choose_subprotocol(const struct ws_headers *headers, const struct ws_options *options,
                               struct slice *out) {
    bool is_good = true;
    struct slice line, name;
    *out = SLICE_NONE;
    for (size_t i = 0; (line = header(headers, protocol_header, i)).bytes; i++) {
        while ((name = next_listed(&line, &is_good)).size > 0) {
            if (!out->bytes) {
                *out = known_subprotocol(options, name);
            }
        }
    }
    return is_good;
}

bool ws_is_subprotocol_offered(const struct ws_headers *headers, struct slice subprotocol) {
    struct ws_options wanted = {.subprotocols = &subprotocol, .subprotocol_count = 1};
    struct slice found;
    return subprotocol.size > 0 && choose_subprotocol(headers, &wanted, &found) && found.bytes;
}

/* ---- permessage-deflate -----------------------------------------------------------------------
 */

static void write_extension(const struct ws__extension *answer, struct ws_agreement *out) {
    char server_bits[32] = "", client_bits[32] = "";
    if (answer->has_server_bits) {
        (void)snprintf(server_bits, sizeof server_bits, "; server_max_window_bits=%u",
                       (unsigned)answer->server_bits); /* fits: two digits */
    }
    if (answer->has_client_bits) {
        (void)snprintf(client_bits, sizeof client_bits, "; client_max_window_bits=%u",
                       (unsigned)answer->client_bits);
    }
    int size = snprintf(out->extension, sizeof out->extension, "%s%s%s%s%s", WS__DEFLATE,
                        answer->has_server_no_takeover ? "; server_no_context_takeover" : "",
                        answer->has_client_no_takeover ? "; client_no_context_takeover" : "",
                        server_bits, client_bits);
    out->extension_size = (size_t)size;
}

/* Accepts an offer that may be agreed to; false declines it. */
static bool accept_offer(const struct ws__extension *offer, const struct ws_options *options,
                         struct ws_agreement *out) {
    if (!offer->is_good || (offer->has_server_bits && offer->server_bits < LEAST_WINDOW)) {
        return false;
    }
    struct ws__extension answer = *offer;
    answer.has_server_no_takeover |= !options->has_takeover;
    answer.has_client_no_takeover |= !options->has_takeover;
    answer.has_client_bits = offer->client_bits != 0; /* a bare one asks for no answer */
    out->compression = (struct ws_compression){
        .is_on = true,
        .has_out_takeover = !answer.has_server_no_takeover,
        .has_in_takeover = !answer.has_client_no_takeover,
        .out_bits = answer.has_server_bits ? answer.server_bits : FULL_WINDOW,
        .in_bits = answer.has_client_bits ? answer.client_bits : FULL_WINDOW,
    };
    write_extension(&answer, out);
    return true;
}

/* Reads all offers, since any broken one fails the handshake; the first good one is accepted. */
static bool choose_extension(const struct ws_headers *headers, const struct ws_options *options,
                             struct ws_agreement *out) {
    struct ws__extension offer;
    struct slice line;
    for (size_t i = 0; (line = header(headers, extensions_header, i)).bytes; i++) {
        enum status status;
        while ((status = ws__extension_next(&line, &offer)) == STATUS_OK) {
            if (options->has_compression && !out->compression.is_on) {
                (void)accept_offer(&offer, options, out); /* declined: the next may do */
            }
        }
        if (status != STATUS_NOT_FOUND) {
            return false;
        }
    }
    return true;
}

struct slice ws_offer(const struct ws_options *options) {
    if (!options->has_compression) {
        return SLICE_NONE;
    }
    return options->has_takeover
               ? SLICE(WS__DEFLATE "; client_max_window_bits")
               : SLICE(WS__DEFLATE "; server_no_context_takeover; client_no_context_takeover"
                                   "; client_max_window_bits");
}

/* What the server accepted, seen from the client. A server that keeps its window although it was
 * asked not to is understood all the same. */
static void agree_answer(const struct ws__extension *answer, const struct ws_options *options,
                         struct ws_compression *out) {
    *out = (struct ws_compression){
        .is_on = true,
        .has_out_takeover = options->has_takeover && !answer->has_client_no_takeover,
        .has_in_takeover = !answer->has_server_no_takeover,
        .out_bits = answer->has_client_bits ? answer->client_bits : FULL_WINDOW,
        .in_bits = answer->has_server_bits ? answer->server_bits : FULL_WINDOW,
    };
}

/* NULL, or how the server broke the negotiation. */
static const char *check_extensions(const struct ws_headers *headers,
                                    const struct ws_options *options, struct ws_agreement *out) {
    struct ws__extension answer;
    struct slice line;
    for (size_t i = 0; (line = header(headers, extensions_header, i)).bytes; i++) {
        enum status status;
        while ((status = ws__extension_next(&line, &answer)) == STATUS_OK) {
            if (!options->has_compression || !answer.is_deflate || out->compression.is_on) {
                return "an extension that was not offered";
            }
            if (!answer.is_good || (answer.has_client_bits && answer.client_bits == 0)) {
                return "permessage-deflate with parameters that cannot be agreed to";
            }
            agree_answer(&answer, options, &out->compression);
        }
        if (status != STATUS_NOT_FOUND) {
            return "a Sec-WebSocket-Extensions that is no list of extensions";
        }
    }
    return NULL;
}

/* ---- both sides -------------------------------------------------------------------------------
 */

enum status ws_accept(const struct ws_headers *headers, const struct ws_options *options,
                      struct ws_agreement *out, const char **cause) {
    struct ws_agreement made = {.subprotocol = SLICE_NONE};
    if (!slice_is(single(headers, "Sec-WebSocket-Version"), "13")) {
        *cause = "Sec-WebSocket-Version is not 13";
        return STATUS_VERSION;
    }
    struct slice key = single(headers, "Sec-WebSocket-Key");
    if (!is_key(key)) {
        *cause = "Sec-WebSocket-Key is not 16 bytes in base64";
        return STATUS_SYNTAX;
    }
    if (!choose_subprotocol(headers, options, &made.subprotocol)) {
        *cause = "Sec-WebSocket-Protocol is no list of tokens";
        return STATUS_SYNTAX;
    }
    if (!choose_extension(headers, options, &made)) {
        *cause = "Sec-WebSocket-Extensions is no list of extensions";
        return STATUS_SYNTAX;
    }
    ws_accept_key(key, made.accept);
    *out = made;
    return STATUS_OK;
}

/* NULL, or how the server broke the choice of a subprotocol. */
static const char *check_subprotocol(const struct ws_headers *headers,
                                     const struct ws_options *options, struct slice *out) {
    struct slice value = header(headers, protocol_header, 0);
    if (!value.bytes) {
        return NULL;
    }
    *out = known_subprotocol(options, slice_trim(value));
    if (!out->bytes || header(headers, protocol_header, 1).bytes) {
        return "a subprotocol that was not offered";
    }
    return NULL;
}

enum status ws_check_answer(const struct ws_answer *answer, const struct ws_options *options,
                            struct ws_agreement *out, const char **cause) {
    struct ws_agreement made = {.subprotocol = SLICE_NONE};
    char expected[WS_ACCEPT_SIZE];
    ws_accept_key(answer->key, expected);
    struct slice accept = single(&answer->headers, "Sec-WebSocket-Accept");
    if (!slice_equal(accept, (struct slice){expected, sizeof expected})) {
        *cause = "Sec-WebSocket-Accept does not fit the key";
        return STATUS_PROTOCOL;
    }
    const char *broken = check_subprotocol(&answer->headers, options, &made.subprotocol);
    if (!broken) {
        broken = check_extensions(&answer->headers, options, &made);
    }
    if (broken) {
        *cause = broken;
        return STATUS_PROTOCOL;
    }
    *out = made;
    return STATUS_OK;
}
