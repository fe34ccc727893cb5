/* `cookies` of http-response: a mapping of names to texts, or to mappings of a cookie's members.
 * Scalars without a variable are taken as they are written, so `1.10` and `no` stay text. */
#include "actions/http.h"

static const char *const members[] = {"value",  "path",      "domain",   "max-age",
                                      "secure", "http-only", "same-site"};

static bool has_hole(struct slice text) { return slice_contains(text, SLICE("${")); }

/* ---- the members --------------------------------------------------------------------------------
 */

static bool read_bool(struct slice text, bool *out) {
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (slice_is(text, yes[i]) || slice_is(text, no[i])) {
            *out = slice_is(text, yes[i]);
            return true;
        }
    }
    return false;
}

/* A duration, or as the header itself has it: whole seconds. */
static bool read_age(struct slice text, int64_t *out) {
    uint64_t ms;
    if (slice_to_i64(text, out) == STATUS_OK)
        return true;
    if (duration_parse(text, &ms) != STATUS_OK)
        return false;
    *out = (int64_t)(ms / 1000);
    return true;
}

static bool read_same_site(struct slice text, enum http_same_site *out) {
    if (slice_equal_nocase(text, SLICE("lax")))
        *out = HTTP_SITE_LAX;
    else if (slice_equal_nocase(text, SLICE("strict")))
        *out = HTTP_SITE_STRICT;
    else if (slice_equal_nocase(text, SLICE("none")))
        *out = HTTP_SITE_NONE;
    else
        return false;
    return true;
}

/* NULL: it was read; else what the member must be. */
static const char *read_member(struct slice name, struct slice text, struct http_cookie *out) {
    if (slice_is(name, "value"))
        out->value = text;
    else if (slice_is(name, "path"))
        out->path = text;
    else if (slice_is(name, "domain"))
        out->domain = text;
    else if (slice_is(name, "max-age"))
        return (out->has_max_age = read_age(text, &out->max_age_s))
                   ? NULL
                   : "a duration such as 1h, or whole seconds";
    else if (slice_is(name, "secure"))
        return read_bool(text, &out->secure) ? NULL : "true or false";
    else if (slice_is(name, "http-only"))
        return read_bool(text, &out->http_only) ? NULL : "true or false";
    else
        return read_same_site(text, &out->same_site) ? NULL : "lax, strict or none";
    return NULL;
}

/* ---- at load ------------------------------------------------------------------------------------
 */

static bool check_member(struct prepare *prepare, size_t offset, struct slice cookie,
                         const struct config_node *key, const struct config_node *node) {
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        is_known = is_known || slice_is(key->text, members[i]);
    if (!is_known) {
        prepare_error(prepare, offset, "cookie \"" SLICE_FMT "\": unknown key \"" SLICE_FMT "\"",
                      SLICE_ARG(cookie), SLICE_ARG(key->text));
        const char *near = slice_nearest(key->text, members, ARRAY_SIZE(members));
        return near ? prepare_hint(prepare, "did you mean \"%s\"?", near) : false;
    }
    if (node->kind != CONFIG_SCALAR)
        return prepare_error(prepare, offset,
                             "cookie \"" SLICE_FMT "\": \"" SLICE_FMT "\" must be one value",
                             SLICE_ARG(cookie), SLICE_ARG(key->text));
    struct http_cookie ignored;
    const char *must = has_hole(node->text) ? NULL : read_member(key->text, node->text, &ignored);
    return !must ||
           prepare_error(prepare, offset,
                         "cookie \"" SLICE_FMT "\": \"" SLICE_FMT "\" must be %s, got \"" SLICE_FMT
                         "\"",
                         SLICE_ARG(cookie), SLICE_ARG(key->text), must, SLICE_ARG(node->text));
}

static bool check_cookie(struct prepare *prepare, size_t offset, struct slice name,
                         const struct config_node *node) {
    if (has_hole(name) || http_header_check(name, SLICE("")) == STATUS_SYNTAX)
        return prepare_error(prepare, offset, "\"" SLICE_FMT "\" cannot be the name of a cookie",
                             SLICE_ARG(name));
    if (node->kind == CONFIG_SCALAR)
        return true;
    if (node->kind == CONFIG_LIST || !config_get(node, "value"))
        return prepare_error(prepare, offset,
                             "cookie \"" SLICE_FMT "\" must be a text, or a mapping with \"value\"",
                             SLICE_ARG(name));
    bool is_good = true;
    for (size_t i = 0; i < node->count; i++)
        if (!check_member(prepare, offset, name, node->keys[i], node->items[i]))
            is_good = false;
    return is_good;
}

bool cookies__check(struct prepare *prepare, size_t offset, const struct config_node *node) {
    if (node->kind != CONFIG_MAP)
        return prepare_error(prepare, offset, "\"cookies\" must be a mapping of names to values");
    bool is_good = true;
    for (size_t i = 0; i < node->count; i++)
        if (!check_cookie(prepare, offset, node->keys[i]->text, node->items[i]))
            is_good = false;
    return is_good;
}

/* ---- at run time --------------------------------------------------------------------------------
 */

static bool text_of(struct step *step, const struct config_node *node, struct value filled,
                    struct slice *out) {
    if (!has_hole(node->text)) {
        *out = node->text;
        return true;
    }
    if (value_text(filled, step_scratch(step), out) == STATUS_OK)
        return true;
    action__no_memory(step);
    return false;
}

static bool fill_cookie(struct step *step, const struct config_node *node, struct value filled,
                        struct http_cookie *out) {
    if (node->kind == CONFIG_SCALAR)
        return text_of(step, node, filled, &out->value);
    for (size_t i = 0; i < node->count; i++) {
        struct slice name = node->keys[i]->text, text;
        if (!text_of(step, node->items[i], value_member(filled, name), &text))
            return false;
        const char *must = read_member(name, text, out);
        if (!must)
            continue;
        step_fail(step, 1, "cookie \"" SLICE_FMT "\": \"" SLICE_FMT "\" must be %s",
                  SLICE_ARG(out->name), SLICE_ARG(name), must);
        return false;
    }
    return true;
}

bool cookies__add(struct step *step, const struct cookies *cookies, struct reply *reply) {
    for (size_t i = 0; i < cookies->node->count; i++) {
        struct http_cookie cookie = {.name = cookies->node->keys[i]->text,
                                     .secure = cookies->is_secure,
                                     .http_only = true,
                                     .same_site = HTTP_SITE_LAX};
        struct slice text;
        if (!fill_cookie(step, cookies->node->items[i], value_member(cookies->filled, cookie.name),
                         &cookie))
            return false;
        enum status status = http_cookie_format(&cookie, step_scratch(step), &text);
        if (status == STATUS_OK) {
            reply__add(reply, "Set-Cookie", text);
            continue;
        }
        step_fail(step, 1, "cookie \"" SLICE_FMT "\" %s", SLICE_ARG(cookie.name),
                  status == STATUS_SYNTAX
                      ? "holds a semicolon, a line break or another control character, or white "
                        "space around its value"
                      : "needs more memory than there is");
        return false;
    }
    return true;
}
