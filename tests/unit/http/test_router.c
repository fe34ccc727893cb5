/* Routers: specificity in every order of adding, methods, conflicts, all matches, many routes. */
#include <stdio.h>
#include "tests/unit/http/http_test.h"

static struct http_pattern *compile(struct arena *arena, const char *text) {
    struct http_pattern *pattern = NULL;
    struct http_pattern_error error;
    if (text && http_pattern_compile(arena, slice_of(text), &pattern, &error))
        fail_msg("%s: %s", text, error.message);
    return pattern;
}

#define BIT(method) HTTP_METHOD_BIT(HTTP_METHOD_##method)

struct line {
    const char *pattern;
    uint64_t methods;
};

static struct http_router *build(struct arena *arena, const struct line *lines, size_t count,
                                 struct http_conflict **conflicts) {
    struct http_route routes[64];
    struct http_router *router;
    for (size_t i = 0; i < count; i++)
        routes[i] = (struct http_route){compile(arena, lines[i].pattern), lines[i].methods,
                                        (void *)(uintptr_t)&lines[i]};
    assert_int_equal(http_router_build(arena, routes, count, conflicts, &router), STATUS_OK);
    return router;
}

static const struct line *best(const struct http_router *router, const char *path,
                               enum http_method method, uint64_t *allowed) {
    const struct http_route *route = http_router_best(router, slice_of(path), method, allowed);
    return route ? route->value : NULL;
}

/* From the most specific to the least for the path /a/b/c. */
static const struct line ladder[] = {{"/a/b/c", 0},   {"/a/b/{x}", 0},      {"/a/b/{x...}", 0},
                                     {"/a/{x}/c", 0}, {"/a/{x}/{y...}", 0}, {"/a/{x...}", 0},
                                     {"/{x}/b/c", 0}, {"/{x...}", 0},       {NULL, 0}};

/* proves S6 */
static void the_most_specific_path_wins_in_any_order(void **state) {
    (void)state;
    enum { COUNT = ARRAY_SIZE(ladder) };
    uint64_t random = 5, allowed;
    for (unsigned round = 0; round < 300; round++) {
        struct arena arena;
        struct line lines[COUNT];
        arena_init(&arena, 4096, 0);
        memcpy(lines, ladder, sizeof lines);
        for (size_t i = COUNT - 1; i > 0; i--) {
            size_t other = random_next(&random) % (i + 1);
            struct line kept = lines[i];
            lines[i] = lines[other];
            lines[other] = kept;
        }
        size_t count = 1 + round % COUNT, expected = COUNT;
        for (size_t i = 0; i < count; i++) {
            for (size_t rank = 0; rank < expected; rank++) {
                if (lines[i].pattern == ladder[rank].pattern)
                    expected = rank;
            }
        }
        struct http_conflict *conflicts;
        struct http_router *router = build(&arena, lines, count, &conflicts);
        assert_null(conflicts);
        const struct line *found = best(router, "/a/b/c", HTTP_METHOD_GET, &allowed);
        assert_non_null(found);
        assert_ptr_equal(found->pattern, ladder[expected].pattern);
        arena_deinit(&arena);
    }
}

static void segments_match_decoded_and_rests_may_be_empty(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"/q/{r...}", 0}, {"/caf\xc3\xa9/{x}", 0}, {"/a b", 0},  {"/", 0},
        {"/t/", 0},       {"/t/{x}", 0},           {"/d//e", 0}, {"/100x/{p}/z", 0}};
    static const struct {
        const char *path;
        int line; /* -1 for none */
    } cases[] = {{"/q/", 0},
                 {"/q", -1},
                 {"/q/a/b", 0},
                 {"/q//", 0},
                 {"/q%2F", -1},
                 {"/caf%C3%A9/x", 1},
                 {"/caf\xc3\xa9/x", 1},
                 {"/caf%C3%A9/", -1},
                 {"/caf%c3%a9/x%2Fy", 1},
                 {"/a%20b", 2},
                 {"/a+b", -1},
                 {"/", 3},
                 {"/t/", 4},
                 {"/t/x", 5},
                 {"/t", -1},
                 {"/t/x/", -1},
                 {"/d//e", 6},
                 {"/d/e", -1},
                 {"/d/x/e", -1},
                 {"*", -1},
                 {"/A%20b", -1},
                 {"/%2F", -1},
                 {"/100x//z", -1},
                 {"/100%78/1/z", 7}};
    struct arena arena;
    uint64_t allowed;
    arena_init(&arena, 4096, 0);
    struct http_router *router = build(&arena, lines, ARRAY_SIZE(lines), NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct line *found = best(router, cases[i].path, HTTP_METHOD_GET, &allowed);
        int line = found ? (int)(found - lines) : -1;
        if (line != cases[i].line)
            fail_msg("%s: got %d, expected %d", cases[i].path, line, cases[i].line);
    }
    arena_deinit(&arena);
}

/* proves S6 */
static void methods_choose_and_say_what_is_allowed(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"/a", BIT(GET)},    {"/a", BIT(POST) | BIT(PUT)}, {"/b", 0},        {"/b", BIT(GET)},
        {"/c/x", BIT(POST)}, {"/c/{p}", BIT(DELETE)},      {"/h", BIT(GET)}, {"/h", BIT(HEAD)}};
    static const struct {
        const char *path;
        enum http_method method;
        int line;
        uint64_t allowed;
    } cases[] = {{"/a", HTTP_METHOD_GET, 0, 0},
                 {"/a", HTTP_METHOD_HEAD, 0, 0},
                 {"/a", HTTP_METHOD_PUT, 1, 0},
                 {"/a", HTTP_METHOD_PATCH, -1, BIT(GET) | BIT(HEAD) | BIT(POST) | BIT(PUT)},
                 {"/b", HTTP_METHOD_GET, 3, 0},
                 {"/b", HTTP_METHOD_HEAD, 3, 0},
                 {"/b", HTTP_METHOD_POST, 2, 0},
                 {"/c/x", HTTP_METHOD_POST, 4, 0},
                 {"/c/x", HTTP_METHOD_DELETE, 5, 0},
                 {"/c/x", HTTP_METHOD_GET, -1, BIT(POST) | BIT(DELETE)},
                 {"/c/y", HTTP_METHOD_POST, -1, BIT(DELETE)},
                 {"/h", HTTP_METHOD_HEAD, 7, 0},
                 {"/h", HTTP_METHOD_GET, 6, 0},
                 {"/nothing", HTTP_METHOD_GET, -1, 0}};
    struct arena arena;
    struct http_conflict *conflicts;
    arena_init(&arena, 4096, 0);
    struct http_router *router = build(&arena, lines, ARRAY_SIZE(lines), &conflicts);
    assert_null(conflicts);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t allowed = 1;
        const struct line *found = best(router, cases[i].path, cases[i].method, &allowed);
        assert_int_equal(found ? (int)(found - lines) : -1, cases[i].line);
        if (!found)
            assert_true(allowed == cases[i].allowed);
    }
    arena_deinit(&arena);
}

/* proves S6 */
static void equal_routes_are_reported_in_pairs(void **state) {
    (void)state;
    static const struct line lines[] = {
        {"/a/{x}", 0},    {"/a/{y}", 0}, {"/b", BIT(GET)}, {"/b", BIT(POST) | BIT(GET)},
        {"/c/{r...}", 0}, {"/c/{s}", 0}, {NULL, BIT(GET)}, {NULL, 0},
        {NULL, 0}};
    struct arena arena;
    struct http_conflict *conflicts;
    arena_init(&arena, 4096, 0);
    struct http_router *router = build(&arena, lines, ARRAY_SIZE(lines), &conflicts);
    static const int pairs[][2] = {{0, 1}, {2, 3}, {7, 8}};
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++, conflicts = conflicts->next) {
        assert_non_null(conflicts);
        assert_ptr_equal(conflicts->first->value, &lines[pairs[i][0]]);
        assert_ptr_equal(conflicts->second->value, &lines[pairs[i][1]]);
    }
    assert_null(conflicts);
    uint64_t allowed;
    assert_ptr_equal(best(router, "/a/1", HTTP_METHOD_GET, &allowed), &lines[0]);
    arena_deinit(&arena);
}

/* proves W1 */
static void all_routes_of_a_path_come_in_the_order_given(void **state) {
    (void)state;
    static const struct line lines[] = {{NULL, 0},           {"/chat/{room}", 0}, {"/chat/a", 0},
                                        {"/{r...}", 0},      {"/chat/a", 0},      {"/other", 0},
                                        {"/chat/{x...}", 0}, {NULL, 0},           {"/{a}/{b}", 0}};
    static const int a_matches[] = {0, 1, 2, 3, 4, 6, 7, 8};
    struct arena arena;
    const struct http_route *found[16];
    arena_init(&arena, 4096, 0);
    struct http_router *router = build(&arena, lines, ARRAY_SIZE(lines), NULL);
    size_t count = http_router_all(router, SLICE("/chat/a"), found, 16);
    assert_int_equal(count, ARRAY_SIZE(a_matches));
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(found[i]->value, &lines[a_matches[i]]);
    assert_int_equal(http_router_all(router, SLICE("/chat/a"), found, 3), 8);
    assert_int_equal(http_router_all(router, SLICE("/chat/a"), NULL, 0), 8);
    assert_int_equal(http_router_all(router, SLICE("*"), found, 16), 2);
    arena_deinit(&arena);
}

/* Random routers against the slow truth: each pattern asked alone. */
static void the_router_agrees_with_each_pattern_alone(void **state) {
    (void)state;
    static const char *const words[] = {"a", "b", "{x}", "", "c%"};
    uint64_t random = 99;
    for (unsigned round = 0; round < 400; round++) {
        struct arena arena;
        struct line lines[12];
        char texts[12][64];
        arena_init(&arena, 4096, 0);
        for (size_t i = 0; i < 12; i++) {
            size_t size = 0, depth = 1 + random_next(&random) % 4;
            for (size_t level = 0; level < depth; level++) {
                const char *word = words[random_next(&random) % 4];
                bool is_rest = level + 1 == depth && random_next(&random) % 4 == 0;
                if (word[0] == '{' || is_rest)
                    size +=
                        (size_t)sprintf(texts[i] + size, "/{p%zu%s}", level, is_rest ? "..." : "");
                else
                    size += (size_t)sprintf(texts[i] + size, "/%s", word);
            }
            lines[i] = (struct line){random_next(&random) % 12 ? texts[i] : NULL, 0};
        }
        struct http_router *router = build(&arena, lines, 12, NULL);
        for (unsigned ask = 0; ask < 30; ask++) {
            char path[64];
            size_t size = 0, depth = 1 + random_next(&random) % 4;
            for (size_t level = 0; level < depth; level++) {
                static const char *const parts[] = {"/a", "/b", "/z", "/", "/%61", "/a%2Fb"};
                size += (size_t)sprintf(path + size, "%s", parts[random_next(&random) % 6]);
            }
            const struct http_route *found[12];
            size_t count = http_router_all(router, slice_of(path), found, 12), expected = 0;
            for (size_t i = 0; i < 12; i++) {
                if (!http_pattern_matches(compile(&arena, lines[i].pattern), slice_of(path)))
                    continue;
                assert_true(expected < count);
                assert_ptr_equal(found[expected]->value, &lines[i]);
                expected++;
            }
            assert_int_equal(count, expected);
            uint64_t allowed;
            assert_int_equal(!best(router, path, HTTP_METHOD_GET, &allowed), expected == 0);
        }
        arena_deinit(&arena);
    }
}

static void ten_thousand_routes_are_told_apart(void **state) {
    (void)state;
    enum { COUNT = 10000 };
    struct arena arena;
    struct http_conflict *conflicts;
    struct http_router *router;
    struct http_route *routes = calloc(COUNT, sizeof *routes);
    char text[64];
    uint64_t allowed;
    arena_init(&arena, 65536, 0);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "/api/%zu/{x}/v%zu", i % 100, i);
        routes[i] = (struct http_route){compile(&arena, text), 0, &routes[i]};
    }
    assert_int_equal(http_router_build(&arena, routes, COUNT, &conflicts, &router), STATUS_OK);
    assert_null(conflicts);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "/api/%zu/q/v%zu", i % 100, i);
        const struct http_route *found =
            http_router_best(router, slice_of(text), HTTP_METHOD_GET, &allowed);
        assert_non_null(found);
        assert_ptr_equal(found->value, &routes[i]);
    }
    assert_null(http_router_best(router, SLICE("/api/1/q/v2"), HTTP_METHOD_GET, &allowed));
    arena_deinit(&arena);
    free(routes);
}

static void an_empty_router_finds_nothing(void **state) {
    (void)state;
    struct arena arena;
    struct http_router *router;
    uint64_t allowed = 7;
    arena_init(&arena, 4096, 0);
    assert_int_equal(http_router_build(&arena, NULL, 0, NULL, &router), STATUS_OK);
    assert_null(http_router_best(router, SLICE("/"), HTTP_METHOD_GET, &allowed));
    assert_true(allowed == 0);
    assert_int_equal(http_router_all(router, SLICE("/"), NULL, 0), 0);
    arena_deinit(&arena);
}

static void a_full_arena_is_a_status(void **state) {
    (void)state;
    enum status status = STATUS_NO_MEMORY;
    for (size_t limit = 1; status; limit += 64) {
        struct arena arena;
        struct http_pattern *pattern;
        struct http_pattern_error error;
        struct http_router *router;
        struct http_conflict *conflicts;
        arena_init(&arena, 64, limit);
        status = http_pattern_compile(&arena, SLICE("/a/{b}"), &pattern, &error);
        struct http_route routes[] = {{pattern, 0, &arena}, {pattern, 0, &arena}};
        if (status == STATUS_OK)
            status = http_router_build(&arena, routes, 2, &conflicts, &router);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        arena_deinit(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_path_wins_in_any_order),
        cmocka_unit_test(segments_match_decoded_and_rests_may_be_empty),
        cmocka_unit_test(methods_choose_and_say_what_is_allowed),
        cmocka_unit_test(equal_routes_are_reported_in_pairs),
        cmocka_unit_test(all_routes_of_a_path_come_in_the_order_given),
        cmocka_unit_test(the_router_agrees_with_each_pattern_alone),
        cmocka_unit_test(ten_thousand_routes_are_told_apart),
        cmocka_unit_test(an_empty_router_finds_nothing),
        cmocka_unit_test(a_full_arena_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
