/* Credentials of a request: bearer tokens (RFC 6750), basic users (RFC 7617), a query parameter. */
#include "access/auth.h"

static const struct token *find_token(const struct tokens *tokens, struct slice text) {
    uint8_t digest[CRYPTO_SHA256_SIZE];
    const struct token *found = NULL;
    (void)crypto_digest(CRYPTO_SHA256, text, digest);
    struct slice wanted = {(const char *)digest, sizeof digest};
    for (size_t i = 0; i < tokens->count; i++) { /* all of them, so that time tells nothing */
        const struct token *token = &tokens->items[i];
        struct slice known = {(const char *)token->digest, sizeof token->digest};
        if (crypto_equal(wanted, known) && !found)
            found = token;
    }
    return found;
}

/* The credentials behind a scheme; bytes NULL where the header has another one. */
static struct slice of_scheme(struct slice header, struct slice scheme) {
    struct slice start = {header.bytes, scheme.size};
    if (header.size <= scheme.size || header.bytes[scheme.size] != ' ' ||
        !slice_equal_nocase(start, scheme))
        return SLICE_NONE;
    return slice_trim(
        (struct slice){header.bytes + scheme.size + 1, header.size - scheme.size - 1});
}

static const struct token *by_query(const struct access_auth *auth,
                                    const struct access_request *request) {
    struct slice value;
    if (!request->http->query.size ||
        http_query_get(request->http->query, auth->query_name, request->scratch, &value))
        return NULL;
    return find_token(&auth->query, value);
}

static enum access_grant by_password(const struct access_auth *auth,
                                     const struct access_request *request, struct slice encoded,
                                     struct access_password *password, struct slice *user) {
    size_t size, room = CRYPTO_BASE64_DECODED_MAX(encoded.size);
    uint8_t *decoded = arena_alloc(request->scratch, room);
    if (!decoded || crypto_base64_decode(CRYPTO_BASE64, encoded, decoded, &size))
        return ACCESS_DENIED;
    struct slice text = {(const char *)decoded, size}, given, name = slice_cut(text, ':', &given);
    enum access_grant grant = ACCESS_DENIED;
    if (auth->user_count && given.bytes && given.size < ACCESS_PASSWORD_MAX &&
        (given.size == 0 || !memchr(given.bytes, 0, given.size))) {
        const struct user *found = NULL;
        for (size_t i = 0; i < auth->user_count; i++)
            if (crypto_equal(auth->users[i].name, name))
                found = &auth->users[i];
        /* A name that is not there takes as long as one that is. */
        struct slice hash = found ? found->hash : auth->users[0].hash;
        password->is_known = found != NULL;
        password->size = given.size;
        if (given.size)
            memcpy(password->password, given.bytes, given.size);
        memcpy(password->hash, hash.bytes, hash.size);
        password->hash[hash.size] = 0;
        cache__key(request->cache, name, password);
        bool is_right = found && cache__has(request->cache, password, request->now_ms);
        grant = is_right ? ACCESS_GRANTED : ACCESS_ASK;
        if (found)
            *user = found->name;
    }
    crypto_wipe(decoded, room);
    return grant;
}

enum access_grant access_authenticate(const struct access_auth *auth,
                                      const struct access_request *request,
                                      struct access_password *password, struct slice *user) {
    struct slice header = http_request_header(request->http, SLICE("authorization"));
    const struct token *token = NULL;
    struct slice given = auth->has_bearer ? of_scheme(header, SLICE("Bearer")) : SLICE_NONE;
    if (given.size)
        token = find_token(&auth->bearer, given);
    if (!token && auth->has_query)
        token = by_query(auth, request);
    if (token) {
        *user = token->label;
        return ACCESS_GRANTED;
    }
    given = auth->has_basic ? of_scheme(header, SLICE("Basic")) : SLICE_NONE;
    return given.size ? by_password(auth, request, given, password, user) : ACCESS_DENIED;
}

size_t access_challenges(const struct access_auth *auth, struct http_header *out) {
    const struct slice name = SLICE("WWW-Authenticate");
    size_t count = 0;
    if (auth->has_bearer)
        out[count++] = (struct http_header){name, SLICE("Bearer realm=\"bellwire\"")};
    if (auth->has_basic)
        out[count++] =
            (struct http_header){name, SLICE("Basic realm=\"bellwire\", charset=\"UTF-8\"")};
    if (auth->has_query) /* no registered scheme; every 401 must name one (RFC 9110, 11.6.1) */
        out[count++] = (struct http_header){name, SLICE("Query realm=\"bellwire\"")};
    return count;
}

/* ---- passwords ------------------------------------------------------------------------------- */

bool access_password_fits(const struct access_password *password) {
    struct slice given = {password->password, password->size};
    bool fits = crypto_password_check(given, slice_of(password->hash)) == STATUS_OK;
    return fits && password->is_known;
}
