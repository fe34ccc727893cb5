/* Forms: a content type in the first line, then the body; urlencoded, multipart, and as cookies. */
#include "http/http.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {"a", "b", "", "name", "file", "\xc3\xa4"};

static void walk(struct slice type, struct slice body, struct arena *arena) {
    struct http_multipart parts;
    struct http_part part;
    size_t count = 0, bytes = 0;
    if (http_multipart_begin(&parts, type, body) != STATUS_OK)
        return;
    while (http_multipart_next(&parts, arena, &part) == STATUS_OK) {
        bytes += part.content.size;
        assert(++count <= HTTP_PARTS_MAX);
        assert(!part.filename.size || (!memchr(part.filename.bytes, '/', part.filename.size) &&
                                       !memchr(part.filename.bytes, '\\', part.filename.size)));
    }
    assert(bytes <= body.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    struct slice type = fuzz_copy(fuzz_until(&input, '\n')), body = fuzz_copy(input);
    struct http_header cookie = {SLICE("Cookie"), body};
    struct arena arena;
    struct http_part part;
    struct slice found;
    arena_init(&arena, 1024, 1 << 20);
    walk(type, body, &arena);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct slice name = slice_of(names[i]);
        (void)http_form_field(type, body, name, &arena, &found);
        (void)http_form_field(SLICE("application/x-www-form-urlencoded"), body, name, &arena,
                              &found);
        (void)http_form_file(type, body, name, &arena, &part);
        (void)http_query_get(body, name, &arena, &found);
        (void)http_cookie_get(&cookie, 1, name, &found);
    }
    arena_deinit(&arena);
    fuzz_drop(type);
    fuzz_drop(body);
    return 0;
}
