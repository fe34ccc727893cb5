/* http-response: answers the run's request; the run goes on. A text with direct look-ups leaves
 * without touching the heap. */
#include "actions/http.h"

#include <errno.h>

struct response_args {
    struct slice text, file, redirect, content_type, root;
    const struct expr_template *html;
    struct arg_value json, cookies;
    uint32_t status; /* 0: what the source says */
    struct config_pairs headers;
    const struct config_node *cookies_node; /* made by prepare */
};
struct source { /* exactly one of these is given */
    struct slice body, content_type;
    uint32_t status;
};

static bool response_prepare(struct prepare *prepare, void *args);
static enum step_state response_start(struct step *step, const void *args);

static const struct config_field response_fields[] = {
    FIELD_TEXT(struct response_args, text, "text", .doc = "the body, as text/plain"),
    FIELD_SPECIAL(struct response_args, html, "html", "template",
                  .doc = "the body, as text/html; values are escaped"),
    FIELD_SPECIAL(struct response_args, json, "json", "value", .doc = "the body, encoded as JSON"),
    FIELD_TEXT(struct response_args, file, "file", .min = 1,
               .doc = "the body, from a file, which is never expanded"),
    FIELD_TEXT(struct response_args, redirect, "redirect", .min = 1,
               .doc = "where the browser shall go instead"),
    FIELD_U32(struct response_args, status, "status", .min = 200, .max = 599,
              .doc = "200 when left out, 302 for a redirect"),
    FIELD_PAIRS(struct response_args, headers, "headers", .doc = "further header fields"),
    FIELD_TEXT(struct response_args, content_type, "content-type", .min = 1,
               .doc = "in place of what the source is"),
    FIELD_SPECIAL(struct response_args, cookies, "cookies", "value",
                  .doc = "name to value, or to a mapping of value, path, domain, max-age, secure, "
                         "http-only, same-site"),
    FIELD_FILE(struct response_args, root, "root", .is_constant = true,
               .doc = "folder that `file` never leaves; needed where it holds a variable"),
    FIELD_END};

const struct action_kind action_http_response = {
    .name = "http-response",
    .doc = "answers the request that started the run",
    .fields = response_fields,
    .args_size = sizeof(struct response_args),
    .resume = RESUME_FAIL,
    .prepare = response_prepare,
    .start = response_start,
    .cancel = reply__file_cancel,
};

#define AT(member) offsetof(struct response_args, member)

/* ---- at load ------------------------------------------------------------------------------------
 */

static bool is_redirect_status(uint32_t status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool prepare_source(struct prepare *prepare, const struct response_args *args) {
    static const size_t sources[] = {AT(text), AT(html), AT(json), AT(file), AT(redirect)};
    size_t given = action__given(prepare, sources, ARRAY_SIZE(sources));
    bool needs_none = given == 0 && args->status && !http_status_has_body(args->status);
    if (given != 1 && !needs_none) {
        prepare_error(prepare, PREPARE_WHOLE,
                      "action \"http-response\" needs exactly one of \"text\", \"html\", \"json\", "
                      "\"file\", \"redirect\", got %s",
                      given ? "several" : "none");
        return prepare_hint(prepare, "`text: \"\"` is an answer without content");
    }
    bool is_known = args->status && !prepare_template(prepare, AT(status));
    if (prepare_has(prepare, AT(redirect)) && is_known && !is_redirect_status(args->status))
        return prepare_error(prepare, AT(status),
                             "\"status\" of a redirect must be 301, 302, 303, 307 or 308, got %u",
                             args->status);
    return true;
}

static bool prepare_file(struct prepare *prepare, struct response_args *args) {
    bool has_file = prepare_has(prepare, AT(file));
    if (!has_file && prepare_has(prepare, AT(root)))
        return prepare_error(prepare, AT(root), "\"root\" stands beside \"file\" only");
    if (!has_file || prepare_has(prepare, AT(root)))
        return true;
    if (prepare_template(prepare, AT(file))) {
        prepare_error(prepare, AT(file), "\"file\" holds a variable and needs \"root\"");
        return prepare_hint(prepare, "root: the folder that it must stay in");
    }
    if (args->file.bytes[0] == '/')
        return true;
    args->file = slice_of(arena_printf(prepare_arena(prepare), SLICE_FMT "/" SLICE_FMT,
                                       SLICE_ARG(prepare_folder(prepare)), SLICE_ARG(args->file)));
    return args->file.bytes || prepare_error(prepare, AT(file), "out of memory");
}

static bool prepare_header(struct prepare *prepare, struct slice name, struct slice value) {
    bool is_open = slice_contains(value, SLICE("${")); /* looked at when it is known */
    enum status status = http_header_check(name, is_open ? SLICE("") : value);
    if (status == STATUS_DENIED || slice_equal_nocase(name, SLICE("X-Bellwire-Run")))
        return prepare_error(prepare, AT(headers),
                             "header \"" SLICE_FMT "\" is written by Bellwire itself",
                             SLICE_ARG(name));
    if (status != STATUS_OK)
        return prepare_error(prepare, AT(headers),
                             "header \"" SLICE_FMT "\": a name is one word, and a value one line",
                             SLICE_ARG(name));
    return true;
}

static bool response_prepare(struct prepare *prepare, void *args) {
    struct response_args *response = args;
    bool is_good = prepare_source(prepare, response);
    if (!prepare_file(prepare, response))
        is_good = false;
    for (size_t i = 0; i < response->headers.count; i++)
        if (!prepare_header(prepare, response->headers.names[i], response->headers.values[i]))
            is_good = false;
    response->cookies_node = prepare_node(prepare, AT(cookies));
    if (response->cookies_node && !cookies__check(prepare, AT(cookies), response->cookies_node))
        is_good = false;
    if (response->html && !html__check(prepare, AT(html), response->html))
        is_good = false;
    return is_good;
}

/* ---- the answer ---------------------------------------------------------------------------------
 */

void reply__add(struct reply *reply, const char *name, struct slice value) {
    reply->headers[reply->response.header_count++] = (struct http_header){slice_of(name), value};
}

/* Which one may not be sent. */
static enum step_state fail_header(struct step *step, const struct reply *reply) {
    const struct server_response *response = &reply->response;
    for (size_t i = 0; i < response->header_count; i++) {
        const struct http_header *header = &response->headers[i];
        enum status status = http_header_check(header->name, header->value);
        if (status == STATUS_DENIED)
            return step_fail(step, 1, "header \"" SLICE_FMT "\" is written by Bellwire itself",
                             SLICE_ARG(header->name));
        if (status != STATUS_OK)
            return step_fail(step, 1,
                             "header \"" SLICE_FMT "\" holds a line break or another control "
                             "character",
                             SLICE_ARG(header->name));
    }
    return step_fail(step, 1, "\"content-type\" holds a line break or another control character");
}

enum step_state reply__result(struct step *step, const struct reply *reply, enum status status) {
    switch (status) {
        case STATUS_OK:
        case STATUS_CLOSED: /* the peer is gone: dropped and counted */
            return STEP_DONE;
        case STATUS_EXISTS:
            return step_fail(step, 1,
                             "the request is answered already: the first http-response wins, and "
                             "past response-timeout 504 does");
        case STATUS_SYNTAX:
        case STATUS_DENIED:
            return fail_header(step, reply);
        case STATUS_LIMIT:
            return step_fail(step, 1, "the headers are larger than 64 KiB");
        case STATUS_NO_MEMORY:
            return step_fail(step, ENOMEM, "out of memory");
        default:
            return step_fail(step, 1, "the answer cannot be sent: %s", status_text(status));
    }
}

enum step_state reply__send(struct step *step, struct server_request *request,
                            const struct reply *reply) {
    return reply__result(step, reply, server_respond(request, &reply->response));
}

static bool add_headers(struct step *step, const struct response_args *args,
                        const struct server_request *request, struct reply *reply) {
    const struct cookies cookies = {.node = args->cookies_node,
                                    .filled = args->cookies.value,
                                    .is_secure = request->config->options.tls_certificate.size > 0};
    size_t cookie_count = cookies.node ? cookies.node->count : 0;
    reply->capacity = args->headers.count + cookie_count + REPLY_FILE_HEADERS + 2;
    reply->headers = arena_alloc(step_scratch(step), reply->capacity * sizeof *reply->headers);
    if (!reply->headers) {
        action__no_memory(step);
        return false;
    }
    reply->response.headers = reply->headers;
    reply->headers[0] = (struct http_header){SLICE("X-Bellwire-Run"), run_id_text(step_run(step))};
    reply->response.header_count = reply->response.own_count = 1;
    if (args->redirect.bytes)
        reply__add(reply, "Location", args->redirect);
    for (size_t i = 0; i < args->headers.count; i++)
        reply->headers[reply->response.header_count++] =
            (struct http_header){args->headers.names[i], args->headers.values[i]};
    return !cookies.node || cookies__add(step, &cookies, reply);
}

static enum step_state answer_json(struct step *step, struct server_request *request,
                                   struct value value, struct reply *reply) {
    struct buffer text;
    buffer_init(&text, 0);
    enum status status = json_encode(value, &text);
    enum step_state state = STEP_FAILED;
    reply->response.body = buffer_slice(&text);
    if (status == STATUS_OK)
        state = reply__send(step, request, reply);
    else
        step_fail(step, 1, "\"json\" cannot be encoded: %s", status_text(status));
    buffer_deinit(&text);
    return state;
}

static enum step_state answer_file(struct step *step, const struct response_args *args,
                                   struct reply *reply) {
    struct reply_file file = {.root = args->root, .path = args->file};
    while (file.root.size && file.path.size && file.path.bytes[0] == '/') {
        file.path.bytes++;
        file.path.size--;
    }
    if (file.path.size == 0 || slice_ends_with(file.path, SLICE("/"))) {
        const char *whole =
            arena_printf(step_scratch(step), SLICE_FMT "index.html", SLICE_ARG(file.path));
        if (!whole)
            return action__no_memory(step);
        file.path = slice_of(whole);
    }
    return reply__file(step, reply, &file);
}

/* Says what kind of answer it is; the body of json and file comes later. */
static bool take_source(struct step *step, const struct response_args *args, struct source *out) {
    *out = (struct source){.status = 200};
    if (args->redirect.bytes)
        out->status = 302;
    if (args->text.bytes) {
        out->body = args->text;
        out->content_type = SLICE("text/plain; charset=utf-8");
    } else if (args->json.is_given) {
        out->content_type = SLICE("application/json");
    } else if (args->html) {
        out->content_type = SLICE("text/html; charset=utf-8");
        return step_text(step, args->html, EXPR_HTML, &out->body);
    }
    return true;
}

static enum step_state response_start(struct step *step, const void *args) {
    const struct response_args *response = args;
    struct server_request *request = triggers_request(step_run(step));
    struct source source;
    if (!request)
        return step_fail(step, 1,
                         "no HTTP request has started this run, so there is none to "
                         "answer");
    if (request->is_answered)
        return reply__result(step, NULL, STATUS_EXISTS);
    if (!take_source(step, response, &source))
        return STEP_FAILED;
    struct reply reply = {
        .response = {.status = (uint16_t)(response->status ? response->status : source.status),
                     .content_type =
                         response->content_type.size ? response->content_type : source.content_type,
                     .body = source.body}};
    if (response->redirect.bytes && !is_redirect_status(reply.response.status))
        return step_fail(step, 1,
                         "\"status\" of a redirect must be 301, 302, 303, 307 or 308, "
                         "got %u",
                         reply.response.status);
    if (!add_headers(step, response, request, &reply))
        return STEP_FAILED;
    if (response->content_type.size &&
        http_header_check(SLICE("Content-Type"), response->content_type) != STATUS_OK)
        return fail_header(step, &reply);
    if (response->file.bytes)
        return answer_file(step, response, &reply);
    if (response->json.is_given)
        return answer_json(step, request, response->json.value, &reply);
    return reply__send(step, request, &reply);
}
