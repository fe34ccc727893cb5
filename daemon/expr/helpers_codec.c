/* json.* url.* html.* base64.* hex.* hash.* hmac_sha256 uuid. */
#include "expr/helpers.h"
#include "expr/value.h"

#define JSON_NS_PER_BYTE  5
#define JSON_NS_PER_TABLE 150
#define JSON_NS_PER_ITEM  60
#define HASH_NS_PER_BYTE  6

/* ---- JSON
 * --------------------------------------------------------------------------------------*/

static int refuse_json(lua_State *L, enum status status, const char *what) {
    if (status == STATUS_NO_MEMORY)
        budget__no_room(L); /* scratch memory has the bound of the evaluation */
    return luaL_error(L, "%s: %s", what, status_text(status));
}

static int json_encode_value(lua_State *L) {
    struct expr_lua *lua = lua__of(L);
    luaL_checkany(L, 1);
    struct value value = lua__read(L, 1, &lua->scratch);
    budget__ahead(L, value_bytes_deep(value) * 2);
    lua->buffer.size = 0;
    enum status status = json_encode(value, &lua->buffer);
    if (status == STATUS_TYPE)
        return luaL_error(L, "json.encode: text that is not UTF-8");
    if (status == STATUS_LIMIT)
        budget__no_room(L); /* of the buffer: depth was checked on the way out of Lua */
    if (status == STATUS_RANGE)
        return luaL_error(L, "json.encode: a number that is not finite");
    if (status != STATUS_OK)
        return refuse_json(L, status, "json.encode");
    helper__push(L, buffer_slice(&lua->buffer));
    return 1;
}

/* About how long reading takes, of which texts full of small things need most. */
static uint64_t json_ns(struct slice text) {
    uint64_t ns = text.size * JSON_NS_PER_BYTE;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];
        ns += c == '[' || c == '{' ? JSON_NS_PER_TABLE : c == ',' ? JSON_NS_PER_ITEM : 0;
    }
    return ns;
}

static int json_decode_text(lua_State *L) {
    struct expr_lua *lua = lua__of(L);
    struct slice text = helper__text(L, 1);
    struct value value;
    size_t at = 0;
    budget__ahead(L, json_ns(text));
    enum status status = json_decode(text, &lua->scratch, &value, &at);
    if (status == STATUS_SYNTAX)
        return luaL_error(L, "json.decode: no JSON at byte %I", (LUAI_UACINT)at + 1);
    if (status != STATUS_OK)
        return refuse_json(L, status, "json.decode");
    lua__push_tables(L, value);
    return 1;
}

/* json.list(t): t, which stays a list also when it is empty. */
static int json_list(lua_State *L) {
    lua_settop(L, 1);
    const struct value *value = lua__proxy(L, 1);
    if (lua_isnil(L, 1) || (value && value->count == 0)) {
        lua_newtable(L);
    } else if (value) {
        luaL_argcheck(L, value->type == VALUE_LIST, 1, "a map is no list");
        return 1;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_pushvalue(L, -1);
    luaL_argcheck(L, !luaL_getmetafield(L, -1, "__newindex"), 1, "a library is no list");
    lua__mark_list(L, -1);
    return 1;
}

const luaL_Reg helpers_json[] = {
    {"encode", json_encode_value}, {"decode", json_decode_text}, {"list", json_list}, {NULL, NULL}};

/* ---- URL, HTML
 * ---------------------------------------------------------------------------------*/

static bool is_unreserved(char c) { /* RFC 3986 section 2.3 */
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static int url_encode(lua_State *L) {
    static const char digits[] = "0123456789ABCDEF";
    struct slice text = helper__text(L, 1);
    budget__room(L, text.size * 3);
    budget__ahead(L, text.size * 4);
    luaL_Buffer buffer;
    char *start = luaL_buffinitsize(L, &buffer, text.size * 3), *to = start;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if (is_unreserved(text.bytes[i])) {
            *to++ = text.bytes[i];
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    luaL_pushresultsize(&buffer, (size_t)(to - start));
    return 1;
}

/* A percent sign that starts no escape stays; a plus is a plus. */
static int url_decode(lua_State *L) {
    struct slice text = helper__text(L, 1);
    budget__ahead(L, text.size * 4);
    luaL_Buffer buffer;
    char *start = luaL_buffinitsize(L, &buffer, text.size), *to = start;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte;
        size_t size;
        if (text.bytes[i] == '%' && text.size - i > 2 &&
            crypto_hex_decode((struct slice){text.bytes + i + 1, 2}, &byte, &size) == STATUS_OK) {
            *to++ = (char)byte;
            i += 2;
        } else {
            *to++ = text.bytes[i];
        }
    }
    luaL_pushresultsize(&buffer, (size_t)(to - start));
    return 1;
}

const luaL_Reg helpers_url[] = {{"encode", url_encode}, {"decode", url_decode}, {NULL, NULL}};

static int html_escape_text(lua_State *L) {
    struct slice text = helper__text(L, 1);
    budget__ahead(L, text.size * 4);
    enum status status = html__escape(text, &lua__of(L)->scratch, &text);
    if (status != STATUS_OK)
        budget__no_room(L);
    helper__push(L, text);
    return 1;
}

const luaL_Reg helpers_html[] = {{"escape", html_escape_text}, {NULL, NULL}};

/* ---- base64, hex
 * -------------------------------------------------------------------------------*/

static int base64_encode(lua_State *L) {
    struct slice text = helper__text(L, 1);
    budget__room(L, CRYPTO_BASE64_SIZE(text.size));
    budget__ahead(L, text.size * 2);
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, CRYPTO_BASE64_SIZE(text.size));
    luaL_pushresultsize(&buffer, crypto_base64_encode(CRYPTO_BASE64, text, to));
    return 1;
}

static int base64_decode(lua_State *L) {
    struct slice text = helper__text(L, 1);
    bool is_url = text.size && (memchr(text.bytes, '-', text.size) ||
                                memchr(text.bytes, '_', text.size) || text.size % 4 != 0);
    budget__ahead(L, text.size * 3);
    luaL_Buffer buffer;
    size_t size;
    char *to = luaL_buffinitsize(L, &buffer, CRYPTO_BASE64_DECODED_MAX(text.size));
    if (crypto_base64_decode(is_url ? CRYPTO_BASE64_URL : CRYPTO_BASE64, text, (uint8_t *)to,
                             &size) != STATUS_OK)
        return luaL_error(L, "base64.decode: the text is not base64");
    luaL_pushresultsize(&buffer, size);
    return 1;
}

const luaL_Reg helpers_base64[] = {
    {"encode", base64_encode}, {"decode", base64_decode}, {NULL, NULL}};

static int hex_encode(lua_State *L) {
    struct slice text = helper__text(L, 1);
    budget__room(L, text.size * 2);
    budget__ahead(L, text.size * 2);
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, text.size * 2);
    luaL_pushresultsize(&buffer, crypto_hex_encode(text, to));
    return 1;
}

static int hex_decode(lua_State *L) {
    struct slice text = helper__text(L, 1);
    budget__ahead(L, text.size * 2);
    luaL_Buffer buffer;
    size_t size;
    char *to = luaL_buffinitsize(L, &buffer, text.size / 2 + 1);
    if (crypto_hex_decode(text, (uint8_t *)to, &size) != STATUS_OK)
        return luaL_error(L, "hex.decode: the text is not pairs of hexadecimal digits");
    luaL_pushresultsize(&buffer, size);
    return 1;
}

const luaL_Reg helpers_hex[] = {{"encode", hex_encode}, {"decode", hex_decode}, {NULL, NULL}};

/* ---- digests
 * -----------------------------------------------------------------------------------*/

static int push_hex(lua_State *L, const uint8_t *digest, size_t size) {
    char text[2 * CRYPTO_DIGEST_MAX];
    lua_pushlstring(L, text, crypto_hex_encode((struct slice){(const char *)digest, size}, text));
    return 1;
}

static int hash_text(lua_State *L, enum crypto_digest kind) {
    struct slice text = helper__text(L, 1);
    uint8_t digest[CRYPTO_DIGEST_MAX];
    budget__ahead(L, 500 + text.size * HASH_NS_PER_BYTE);
    return push_hex(L, digest, crypto_digest(kind, text, digest));
}

static int hash_sha1(lua_State *L) { return hash_text(L, CRYPTO_SHA1); }

static int hash_sha256(lua_State *L) { return hash_text(L, CRYPTO_SHA256); }

const luaL_Reg helpers_hash[] = {{"sha1", hash_sha1}, {"sha256", hash_sha256}, {NULL, NULL}};

static int hmac_sha256(lua_State *L) {
    struct slice key = helper__text(L, 1), text = helper__text(L, 2);
    uint8_t digest[CRYPTO_DIGEST_MAX];
    budget__ahead(L, 1500 + (key.size + text.size) * HASH_NS_PER_BYTE);
    return push_hex(L, digest, crypto_hmac(CRYPTO_SHA256, key, text, digest));
}

static int uuid(lua_State *L) {
    char text[CRYPTO_UUID_SIZE];
    budget__charge(L, 500);
    crypto_uuid(&lua__of(L)->random, text);
    lua_pushlstring(L, text, sizeof text);
    return 1;
}

const luaL_Reg helpers_crypto[] = {{"hmac_sha256", hmac_sha256}, {"uuid", uuid}, {NULL, NULL}};
