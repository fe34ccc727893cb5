/* A byte of options, path patterns, one a line, and a path in the last line: the router and each
 * pattern for itself must agree on what matches. */
#include "http/http.h"
#include "tests/fuzz/fuzz.h"

#define ROUTES_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    struct http_route routes[ROUTES_MAX];
    const struct http_route *found[ROUTES_MAX];
    struct http_conflict *conflicts = NULL;
    struct http_router *router = NULL;
    struct arena arena;
    size_t count = 0, matching = 0;
    uint64_t allowed = 0;
    bool may_share = fuzz_byte(&input) & 1; /* else the second of two equal routes is left out */
    arena_init(&arena, 1024, 4 << 20);
    struct slice line = fuzz_until(&input, '\n');
    for (; input.size && count < ROUTES_MAX; line = fuzz_until(&input, '\n')) {
        struct http_pattern *pattern = NULL;
        struct http_pattern_error error;
        struct slice text = fuzz_copy(line);
        enum status status = http_pattern_compile(&arena, text, &pattern, &error);
        assert(!status || status == STATUS_NO_MEMORY ||
               (error.message && error.offset <= text.size));
        if (!status) {
            assert(slice_equal(http_pattern_text(pattern), text));
            routes[count] =
                (struct http_route){pattern, count % 3 ? HTTP_METHOD_BIT(count % 5) : 0, pattern};
            count++;
        }
        fuzz_drop(text);
    }
    struct slice path = fuzz_copy(line), decoded;
    bool is_path = path.size && path.bytes[0] == '/' && !http_path_decode(path, &arena, &decoded);
    if (is_path &&
        !http_router_build(&arena, routes, count, may_share ? NULL : &conflicts, &router)) {
        for (size_t i = 0; i < count; i++)
            matching += http_pattern_matches(routes[i].pattern, path);
        size_t listed = http_router_all(router, path, found, ROUTES_MAX);
        assert(may_share ? listed == matching : listed <= matching && !listed == !matching);
        const struct http_route *best = http_router_best(router, path, HTTP_METHOD_GET, &allowed);
        assert(!best || http_pattern_matches(best->pattern, path));
        assert(best || !matching || allowed);
        struct slice param;
        if (best && http_pattern_has_param(best->pattern, SLICE("a")))
            (void)http_pattern_param(best->pattern, path, SLICE("a"), &arena, &param);
    }
    fuzz_drop(path);
    arena_deinit(&arena);
    return 0;
}
