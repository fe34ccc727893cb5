/* What a refused browser is told: what was refused, and the line that would allow it. A link that
 * was followed from another site is offered again, as a link of the server's own page. */
#include <stdio.h>

#include "access/rules.h"

#define VALUE_MAX 255 /* of a refused value that is shown */

static const struct slice plain = {"text/plain; charset=utf-8", 25};
static const struct slice page = {"text/html; charset=utf-8", 24};

const char *access_gate_text(enum access_gate gate) {
    static const char *const texts[] = {"host",        "origin",    "site", "prefetch",
                                        "credentials", "signature", "busy"};
    return texts[gate];
}

struct text { /* what does not fit is left out, and `is_cut` says so */
    char *bytes;
    size_t size, room;
    bool is_cut;
};

static void add(struct text *text, struct slice part) {
    if (text->is_cut || part.size > text->room - text->size) {
        text->is_cut = true;
        return;
    }
    if (part.size)
        memcpy(text->bytes + text->size, part.bytes, part.size);
    text->size += part.size;
}

static void add_html(struct text *text, struct slice part) {
    for (size_t i = 0; i < part.size; i++) {
        switch (part.bytes[i]) {
            case '&':
                add(text, SLICE("&amp;"));
                break;
            case '<':
                add(text, SLICE("&lt;"));
                break;
            case '>':
                add(text, SLICE("&gt;"));
                break;
            case '"':
                add(text, SLICE("&quot;"));
                break;
            case '\'':
                add(text, SLICE("&#39;"));
                break;
            default:
                add(text, (struct slice){part.bytes + i, 1});
                break;
        }
    }
}

static struct slice shown(struct slice value) {
    return value.size > VALUE_MAX ? (struct slice){value.bytes, VALUE_MAX} : value;
}

/* Values that YAML would read as something else inside `[...]` are quoted. */
static void add_item(struct text *text, struct slice item) {
    static const char special[] = "[]{},#&*!|>'\"%@` \\";
    bool is_quoted = item.size == 0 || item.bytes[item.size - 1] == ':';
    for (size_t i = 0; i < item.size && !is_quoted; i++)
        is_quoted = strchr(special, item.bytes[i]) != NULL;
    if (!is_quoted) {
        add(text, item);
        return;
    }
    add(text, SLICE("'"));
    for (size_t i = 0; i < item.size; i++)
        add(text, item.bytes[i] == '\'' ? SLICE("''") : (struct slice){item.bytes + i, 1});
    add(text, SLICE("'"));
}

/* `servers.main.hosts: [a.example, example.org]`: what is listed already, and the new one. An item
 * of size 0: any. */
static void make_line(const struct access_rules *rules, const char *key, struct slice item,
                      struct access_answer *answer) {
    bool is_host = slice_is(slice_of(key), "hosts");
    const struct access_list *list = is_host ? &rules->hosts : &rules->origin_texts;
    struct text text = {.bytes = answer->line_room, .room = ACCESS_LINE_MAX};
    add(&text, SLICE("servers."));
    add(&text, rules->server);
    add(&text, SLICE("."));
    add(&text, slice_of(key));
    add(&text, item.size ? SLICE(": [") : SLICE(": any"));
    size_t start = text.size;
    for (size_t i = 0; item.size && i < list->count; i++) {
        add_item(&text, list->items[i]);
        add(&text, SLICE(", "));
    }
    if (text.size > ACCESS_LINE_MAX / 2 || text.is_cut) { /* a long list is not repeated */
        text.size = start;
        text.is_cut = false;
    }
    if (item.size) {
        add_item(&text, item);
        add(&text, SLICE("]"));
    }
    answer->line = (struct slice){text.bytes, text.size};
}

static struct text begin(struct access_answer *answer) {
    answer->status = 403;
    answer->content_type = plain;
    answer->header_count = 0;
    answer->headers[answer->header_count++] =
        (struct http_header){SLICE("X-Content-Type-Options"), SLICE("nosniff")};
    answer->headers[answer->header_count++] =
        (struct http_header){SLICE("Cache-Control"), SLICE("no-store")};
    return (struct text){.bytes = answer->room, .room = ACCESS_TEXT_MAX};
}

static void end(struct access_answer *answer, const struct text *text) {
    answer->text = (struct slice){text->bytes, text->size};
}

void refusal__host(const struct access_rules *rules, struct slice host,
                   struct access_answer *answer) {
    struct http_host parsed;
    struct text text = begin(answer);
    answer->gate = ACCESS_HOST;
    answer->what = "the host";
    answer->refused = shown(http_host_parse(host, &parsed) == STATUS_OK ? parsed.name : host);
    make_line(rules, "hosts", answer->refused, answer);
    add(&text, SLICE("the host \""));
    add(&text, answer->refused);
    add(&text, SLICE("\" does not name this server; to allow it: "));
    add(&text, answer->line);
    end(answer, &text);
}

static void refuse_page(const struct access_rules *rules, struct slice origin,
                        struct access_answer *answer) {
    struct text text = begin(answer);
    answer->what = "a page of";
    answer->refused = origin.bytes ? shown(origin) : SLICE("another site");
    make_line(rules, "origins", access_origin_check(shown(origin)) ? SLICE_NONE : shown(origin),
              answer);
    add(&text, SLICE("a page of \""));
    add(&text, answer->refused);
    add(&text, SLICE("\" may not ask here; to allow it: "));
    add(&text, answer->line);
    end(answer, &text);
}

void refusal__origin(const struct access_rules *rules, struct slice origin,
                     struct access_answer *answer) {
    answer->gate = ACCESS_ORIGIN;
    refuse_page(rules, origin.bytes ? origin : SLICE(""), answer);
}

/* A link as it was, so that it stays on this server: `//other` would name another one. */
static void add_link(struct text *text, const struct http_request *request) {
    struct slice path = request->path;
    if (path.size > 1 && (path.bytes[1] == '/' || path.bytes[1] == '\\'))
        add(text, SLICE("/."));
    add_html(text, path);
    if (request->query.size) {
        add(text, SLICE("?"));
        add_html(text, request->query);
    }
}

/* In no frame, or the page around it could have the link clicked without its reader's knowing.
 * False: the link does not fit, and one that is cut leads elsewhere. */
static bool offer(const struct http_request *request, struct access_answer *answer) {
    struct text text = begin(answer);
    add(&text, SLICE("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                     "<title>A link from another site</title>\n<p>This link came from "));
    add_html(&text, answer->refused);
    add(&text, SLICE(". It was not followed, since opening it may start a task. "
                     "If you want that: <a href=\""));
    add_link(&text, request);
    add(&text, SLICE("\">"));
    add_html(&text, request->path);
    add(&text, SLICE("</a></p>\n<p>To let such links in: <code>"));
    add_html(&text, answer->line);
    add(&text, SLICE("</code></p>\n</html>"));
    if (text.is_cut)
        return false;
    answer->what = "a link from";
    answer->content_type = page;
    answer->headers[answer->header_count++] = (struct http_header){
        SLICE("Content-Security-Policy"), SLICE("default-src 'none'; frame-ancestors 'none'")};
    answer->headers[answer->header_count++] =
        (struct http_header){SLICE("X-Frame-Options"), SLICE("DENY")};
    end(answer, &text);
    return true;
}

void refusal__site(const struct access_rules *rules, const struct http_request *request,
                   const struct hints *hints, struct access_answer *answer) {
    bool is_link = (request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD) &&
                   slice_equal_nocase(hints->mode, SLICE("navigate")) &&
                   (!hints->dest.size || slice_equal_nocase(hints->dest, SLICE("document")));
    answer->gate = ACCESS_SITE;
    refuse_page(rules, hints->origin, answer);
    if (is_link && !offer(request, answer))
        refuse_page(rules, hints->origin, answer);
}
