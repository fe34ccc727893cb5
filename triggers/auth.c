/* `auth` of a trigger: its keys, its files, its secret. */
#include "triggers/event.h"

static const struct config_choice algorithms[] = {
    {"sha256", CRYPTO_SHA256}, {"sha1", CRYPTO_SHA1}, {"sha512", CRYPTO_SHA512}, {NULL, 0}};
static const struct config_choice encodings[] = {
    {"hex", ACCESS_HEX}, {"base64", ACCESS_BASE64}, {NULL, 0}};

static const struct config_field hmac_fields[] = {
    FIELD_TEXT(struct trigger_hmac, signature.header, "header", .required = true,
               .is_constant = true, .doc = "the header with the signature"),
    FIELD_TEXT(struct trigger_hmac, name, "secret", .required = true, .is_constant = true,
               .doc = "name of the secret that it is made with"),
    FIELD_TEXT(struct trigger_hmac, signature.prefix, "prefix", .is_constant = true,
               .doc = "what precedes the signature in its header"),
    FIELD_ENUM(struct trigger_hmac, signature.algorithm, "algorithm", .choices = algorithms,
               .dflt = "sha256", .doc = "digest of the HMAC"),
    FIELD_ENUM(struct trigger_hmac, signature.encoding, "encoding", .choices = encodings,
               .dflt = "hex", .doc = "how the signature is written"),
    FIELD_SPECIAL(struct trigger_hmac, text, "signed", "template",
                  .doc = "what is signed, of Http variables; the raw body when left out"),
    FIELD_TEXT(struct trigger_hmac, signature.timestamp, "timestamp", .is_constant = true,
               .doc = "the header with the time of the signature, in seconds since 1970"),
    FIELD_DURATION(struct trigger_hmac, signature.tolerance_ms, "tolerance", .dflt = "5m",
                   .is_constant = true, .min = 1, .doc = "how far that time may be off"),
    FIELD_END};

const struct config_field trigger_auth_fields[] = {
    FIELD_STRUCT(struct trigger_auth, keys.bearer, "bearer", access_file_fields,
                 .doc = "a file of tokens: TOKEN, TOKEN LABEL or sha256:HEX LABEL"),
    FIELD_STRUCT(struct trigger_auth, keys.basic, "basic", access_file_fields,
                 .doc = "a file of users: NAME:HASH, as htpasswd -B writes it"),
    FIELD_STRUCT(struct trigger_auth, keys.query, "query", access_query_fields,
                 .doc = "a token in a parameter of the query"),
    FIELD_STRUCT(struct trigger_auth, hmac, "hmac", hmac_fields,
                 .doc = "a signature of the request, as GitHub and Slack send it"),
    FIELD_END};

/* One look-up of the request: no Lua runs before it is known who asks. */
static bool is_look_up(struct slice hole) {
    hole = slice_trim(hole);
    size_t at = 4;
    if (!slice_starts_with(hole, SLICE("Http")))
        return false;
    while (at < hole.size && ((hole.bytes[at] | 0x20) >= 'a' && (hole.bytes[at] | 0x20) <= 'z'))
        at++;
    if (at == hole.size)
        return true;
    struct slice argument = {hole.bytes + at + 1, hole.size - at - 1};
    return hole.bytes[at] == '(' && slice_ends_with(argument, SLICE(")")) &&
           memchr(argument.bytes, '(', argument.size) == NULL &&
           memchr(argument.bytes, '"', argument.size) == NULL &&
           memchr(argument.bytes, '\'', argument.size) == NULL;
}

static bool check_text(struct prepare *prepare, const struct trigger_hmac *hmac, size_t offset) {
    struct expr_part parts[64];
    size_t count = expr_parts(hmac->text, parts, ARRAY_SIZE(parts));
    bool is_good = count <= ARRAY_SIZE(parts), has_time = !hmac->signature.timestamp.size;
    for (size_t i = 0; i < count && is_good; i++) {
        is_good = !parts[i].is_hole || is_look_up(parts[i].text);
        has_time = has_time || (parts[i].is_hole &&
                                slice_starts_with(slice_trim(parts[i].text), SLICE("HttpHeader")));
    }
    if (!is_good)
        return prepare_error(prepare, offset,
                             "\"signed\" may hold plain look-ups of Http variables only, such as "
                             "${HttpBody} or ${HttpHeader(x-time)}");
    if (!has_time)
        prepare_warning(prepare, offset,
                        "\"signed\" leaves the \"timestamp\" out, so anyone may change it");
    return true;
}

static bool prepare_hmac(struct prepare *prepare, struct trigger_hmac *hmac, size_t offset) {
    bool is_good = prepare_secret(prepare, offset + offsetof(struct trigger_hmac, name), hmac->name,
                                  &hmac->signature.secret);
    if (is_good && !hmac->signature.secret.size)
        is_good = prepare_error(prepare, offset + offsetof(struct trigger_hmac, name),
                                "secret \"" SLICE_FMT "\" is empty, so anyone could sign",
                                SLICE_ARG(hmac->name));
    size_t text = offset + offsetof(struct trigger_hmac, text);
    if (hmac->text)
        return check_text(prepare, hmac, text) && is_good;
    if (hmac->signature.timestamp.size)
        prepare_warning(
            prepare, offset + offsetof(struct trigger_hmac, signature.timestamp),
            "the raw body is signed without the \"timestamp\", so anyone may change it");
    return is_good;
}

bool trigger__prepare_auth(struct prepare *prepare, struct trigger_auth *auth, size_t offset) {
    const struct config_node *node = prepare_node(prepare, PREPARE_WHOLE);
    const struct config_node *given =
        node && node->kind == CONFIG_MAP ? config_get(node, "auth") : NULL;
    if (!given)
        return true;
    auth->is_given = true;
    bool is_good = access_auth_load(&auth->keys, given, prepare_arena(prepare),
                                    prepare_diag(prepare), &auth->ways);
    if (auth->hmac.name.bytes)
        is_good &= prepare_hmac(prepare, &auth->hmac, offset + offsetof(struct trigger_auth, hmac));
    else if (is_good && !auth->ways)
        is_good = prepare_error(prepare, offset,
                                "\"auth\" must name a way in: bearer, basic, query"
                                " or hmac");
    return is_good;
}
