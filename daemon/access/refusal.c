/* What a refused browser is told: what was refused, and the line that would allow it. A link that
 * was followed from another site is offered again, as a link of the server's own page. */
#include <stdio.h>

#include "access/rules.h"

#define VALUE_MAX 255 /* of a refused value that is shown */

static const struct slice plain = {"text/plain; charset=utf-8", 25};
static const struct slice page = {"text/html; charset=utf-8", 24};

struct text { /* what does not fit is left out, and `is_cut` says so */
    char *bytes;
    size_t size;
    bool is_cut;
};

static void add(struct text *text, struct slice part) {
    if (text->is_cut || part.size > ACCESS_TEXT_MAX - text->size) {
        text->is_cut = true;
        return;
    }
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

/* `servers.main.hosts: [a.example, example.org]`: what is listed already, and the new one. */
static void add_line(struct text *text, const struct access_rules *rules, const char *key,
                     const struct access_list *list, struct slice item) {
    add(text, SLICE("servers."));
    add(text, rules->server);
    add(text, SLICE("."));
    add(text, slice_of(key));
    if (item.size == 0) {
        add(text, SLICE(": any"));
        return;
    }
    add(text, SLICE(": ["));
    size_t start = text->size;
    for (size_t i = 0; i < list->count; i++) {
        add_item(text, list->items[i]);
        add(text, SLICE(", "));
    }
    if (text->size > ACCESS_TEXT_MAX / 2) { /* a long list is not repeated */
        text->size = start;
        text->is_cut = false;
    }
    add_item(text, item);
    add(text, SLICE("]"));
}

static struct text begin(struct access_answer *answer) {
    answer->status = 403;
    answer->content_type = plain;
    answer->header_count = 0;
    answer->headers[answer->header_count++] =
        (struct http_header){SLICE("X-Content-Type-Options"), SLICE("nosniff")};
    answer->headers[answer->header_count++] =
        (struct http_header){SLICE("Cache-Control"), SLICE("no-store")};
    return (struct text){.bytes = answer->room};
}

static void end(struct access_answer *answer, const struct text *text) {
    answer->text = (struct slice){text->bytes, text->size};
}

void refusal__host(const struct access_rules *rules, struct slice host,
                   struct access_answer *answer) {
    struct http_host parsed;
    struct text text = begin(answer);
    answer->refused = shown(http_host_parse(host, &parsed) == STATUS_OK ? parsed.name : host);
    add(&text, SLICE("the host \""));
    add(&text, answer->refused);
    add(&text, SLICE("\" does not name this server; to allow it: "));
    add_line(&text, rules, "hosts", &rules->hosts, answer->refused);
    end(answer, &text);
}

void refusal__origin(const struct access_rules *rules, struct slice origin,
                     struct access_answer *answer) {
    struct text text = begin(answer);
    answer->refused = shown(origin);
    add(&text, SLICE("a page of \""));
    add(&text, answer->refused);
    add(&text, SLICE("\" may not ask here; to allow it: "));
    add_line(&text, rules, "origins", &rules->origin_texts,
             access_origin_check(answer->refused) ? SLICE_NONE : answer->refused);
    end(answer, &text);
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

/* In no frame, or the page around it could have the link clicked without its reader's knowing. */
static bool offer(const struct access_rules *rules, const struct http_request *request,
                  const struct hints *hints, struct access_answer *answer) {
    struct text text = begin(answer);
    add(&text, SLICE("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                     "<title>A link from another site</title>\n"
                     "<p>This link came from another site"));
    if (hints->origin.size) {
        add(&text, SLICE(", "));
        add_html(&text, shown(hints->origin));
    }
    add(&text, SLICE(". It was not followed, since opening it may start a task. "
                     "If you want that: <a href=\""));
    add_link(&text, request);
    add(&text, SLICE("\">"));
    add_html(&text, request->path);
    add(&text, SLICE("</a></p>\n<p>To let such links in: <code>"));
    struct text line = {.bytes = (char[ACCESS_TEXT_MAX]){0}};
    add_line(&line, rules, "origins", &rules->origin_texts,
             access_origin_check(shown(hints->origin)) ? SLICE_NONE : shown(hints->origin));
    add_html(&text, (struct slice){line.bytes, line.size});
    add(&text, SLICE("</code></p>\n</html>"));
    if (text.is_cut) /* a link that is cut leads elsewhere */
        return false;
    answer->content_type = page;
    answer->headers[answer->header_count++] = (struct http_header){
        SLICE("Content-Security-Policy"), SLICE("default-src 'none'; frame-ancestors 'none'")};
    answer->headers[answer->header_count++] =
        (struct http_header){SLICE("X-Frame-Options"), SLICE("DENY")};
    end(answer, &text);
    return true;
}

static void refuse_site(const struct access_rules *rules, const struct hints *hints,
                        struct access_answer *answer) {
    struct text text = begin(answer);
    add(&text, SLICE("a page of "));
    add(&text, hints->origin.size ? shown(hints->origin) : SLICE("another site"));
    add(&text, SLICE(" may not ask here; to allow it: "));
    add_line(&text, rules, "origins", &rules->origin_texts,
             access_origin_check(shown(hints->origin)) ? SLICE_NONE : shown(hints->origin));
    end(answer, &text);
}

void refusal__site(const struct access_rules *rules, const struct http_request *request,
                   const struct hints *hints, struct access_answer *answer) {
    bool is_link = (request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD) &&
                   slice_equal_nocase(hints->mode, SLICE("navigate")) &&
                   (!hints->dest.size || slice_equal_nocase(hints->dest, SLICE("document")));
    if (!is_link || !offer(rules, request, hints, answer))
        refuse_site(rules, hints, answer);
    answer->refused = hints->origin.size ? shown(hints->origin) : SLICE("another site");
}
