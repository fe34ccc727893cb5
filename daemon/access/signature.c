/* Signatures of requests: an HMAC over the body, or over what a template makes of the request. */
#include "access/access.h"

static size_t digest_size(const struct access_signature *its) {
    return crypto_digest_size((enum crypto_digest)its->algorithm);
}

static bool is_recent(const struct access_signature *its, const struct http_request *request,
                      uint64_t wall_ms) {
    uint64_t at_s, now_s = wall_ms / 1000;
    if (!its->timestamp.size)
        return true;
    if (slice_to_u64(http_request_header(request, its->timestamp), &at_s))
        return false;
    uint64_t apart_s = at_s > now_s ? at_s - now_s : now_s - at_s;
    return apart_s <= its->tolerance_ms / 1000;
}

static bool decode(const struct access_signature *its, struct slice text, uint8_t *out) {
    uint8_t bytes[CRYPTO_BASE64_DECODED_MAX(2 * CRYPTO_DIGEST_MAX)];
    size_t size = 0;
    if (text.size > 2 * CRYPTO_DIGEST_MAX)
        return false;
    enum status status = its->encoding == ACCESS_HEX
                             ? crypto_hex_decode(text, bytes, &size)
                             : crypto_base64_decode(CRYPTO_BASE64, text, bytes, &size);
    if (status || size != digest_size(its))
        return false;
    memcpy(out, bytes, size);
    return true;
}

bool access_signature_read(const struct access_signature *its, const struct http_request *request,
                           uint64_t wall_ms, uint8_t *out) {
    struct slice value = http_request_header(request, its->header);
    if (!value.size || !slice_starts_with(value, its->prefix))
        return false;
    struct slice text = {value.bytes + its->prefix.size, value.size - its->prefix.size};
    return is_recent(its, request, wall_ms) && decode(its, text, out);
}

bool access_signature_fits(const struct access_signature *its, struct slice bytes,
                           const uint8_t *signature) {
    uint8_t made[CRYPTO_DIGEST_MAX];
    size_t size = crypto_hmac((enum crypto_digest)its->algorithm, its->secret, bytes, made);
    return crypto_equal((struct slice){(const char *)made, size},
                        (struct slice){(const char *)signature, size});
}
