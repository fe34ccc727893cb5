/* From the bytes of a request to the variables of a task: head, body, look-ups. However the bytes
 * are cut, the same request is read. */
#include "http/http.h"
#include "tests/fuzz/fuzz.h"
#include "triggers/event.h"

#define HEADERS_MAX 20
#define BODY_MAX    4096

static const struct http_limits limits = {4096, HEADERS_MAX};
static const char *const names[] = {"a", "b", "host", "content-type", "x-a", "", "sid", "name"};

struct read {
    size_t head_size;
    uint16_t refused; /* or 0 */
    bool is_whole;
    struct http_header headers[HEADERS_MAX];
    struct http_request request;
    struct buffer body;
};

static void read_body(struct read *its, struct slice rest, size_t step) {
    struct http_body body;
    if (http_body_begin(&body, its->request.body, its->request.content_length, BODY_MAX)) {
        its->refused = body.error.status;
        return;
    }
    for (size_t at = 0; !its->is_whole && !its->refused; at += step) {
        size_t size = at >= rest.size ? 0 : rest.size - at < step ? rest.size - at : step;
        struct slice piece = fuzz_copy((struct slice){rest.bytes + (size ? at : 0), size});
        struct slice left = piece, content;
        enum http_body_event event;
        while ((event = http_body_next(&body, &left, &content)) == HTTP_BODY_DATA)
            assert(buffer_append(&its->body, content) == STATUS_OK);
        its->is_whole = event == HTTP_BODY_DONE;
        its->refused = event == HTTP_BODY_ERROR ? body.error.status : 0;
        fuzz_drop(piece);
        if (event == HTTP_BODY_MORE && at >= rest.size)
            return;
    }
    assert(its->body.size <= BODY_MAX);
}

/* `head` gets a copy that the request points into. */
static void read_all(struct read *its, struct slice input, size_t step, struct slice *head) {
    struct http_head_scan scan = {0};
    struct http_error error = {0};
    ssize_t found = 0;
    *its = (struct read){0};
    *head = fuzz_copy(SLICE(""));
    buffer_init(&its->body, 0);
    for (size_t size = step; found == 0; size += step) {
        size = size > input.size ? input.size : size;
        struct slice copy = fuzz_copy((struct slice){input.bytes, size});
        found = http_head_find(&scan, copy, &limits, &error);
        fuzz_drop(copy);
        if (size == input.size)
            break;
    }
    if (found <= 0) {
        its->refused = found < 0 ? error.status : 0;
        return;
    }
    fuzz_drop(*head);
    *head = fuzz_copy((struct slice){input.bytes, (size_t)found});
    its->head_size = (size_t)found;
    if (http_request_parse(*head, &limits, its->headers, &its->request, &error) != STATUS_OK) {
        its->refused = error.status;
        return;
    }
    read_body(its, (struct slice){input.bytes + found, input.size - (size_t)found}, step);
}

static void look_up_all(struct read *its) {
    struct arena arena;
    struct http_pattern *pattern = NULL;
    struct http_pattern_error error;
    struct server_request request = {.http = its->request, .body = buffer_slice(&its->body)};
    arena_init(&arena, 1024, 1 << 20);
    assert(!http_pattern_compile(&arena, SLICE("/{a}/{b...}"), &pattern, &error));
    struct trigger_path path = {
        .pattern = http_pattern_matches(pattern, its->request.path) ? pattern : NULL};
    struct trigger trigger = {.args = &path};
    struct request_event event = {.event.trigger = &trigger, .request = &request};
    event__json_init(&event.json, request.body);
    for (size_t t = 0; trigger_variables[t]; t++)
        for (const struct expr_variable *v = trigger_variables[t]; v->name; v++) {
            if (v->family != EXPR_HTTP)
                continue;
            for (size_t n = 0; n < (v->argument == EXPR_NO_ARGUMENT ? 1 : ARRAY_SIZE(names)); n++) {
                struct value out = value_nil();
                enum status status = v->get(&event, slice_of(names[n]), &arena, &out);
                assert(status == STATUS_OK || status == STATUS_NO_MEMORY);
            }
        }
    event__json_deinit(&event.json);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size}, first_head, second_head;
    size_t step = 1 + fuzz_byte(&input) % 16;
    struct read whole, cut;
    read_all(&whole, input, input.size + 1, &first_head);
    read_all(&cut, input, step, &second_head);
    bool has_body = whole.is_whole || whole.refused;
    assert(whole.head_size == cut.head_size);
    assert(!whole.head_size || whole.refused == cut.refused);
    assert(!has_body || whole.is_whole == cut.is_whole);
    if (whole.is_whole && !whole.refused) {
        assert(slice_equal(buffer_slice(&whole.body), buffer_slice(&cut.body)));
        assert(whole.request.path.size > 0);
        look_up_all(&whole);
    }
    buffer_deinit(&whole.body);
    buffer_deinit(&cut.body);
    fuzz_drop(first_head);
    fuzz_drop(second_head);
    return 0;
}
