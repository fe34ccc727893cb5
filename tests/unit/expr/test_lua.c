/* The bounds of one evaluation: CPU time and memory, also inside one call of a library. */
#include <time.h>

#include "tests/unit/expr/fixture.h"
#include "tests/unit/fail_alloc.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CPU_MS_MAX 2000 /* what is bounded is the code as it ships */
#else
#define CPU_MS_MAX 100
#endif

static uint64_t cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* Each body runs as that of a function; it ends by a bound, and within 100 ms. */
static void assert_all_end(struct fixture *f, const char *const *bodies, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char text[1024];
        struct value value;
        snprintf(text, sizeof text, "${(function() %s end)()}", bodies[i]);
        const struct expr_template *tpl = compiled(f, text);
        uint64_t start = cpu_us();
        enum status status = expr_eval(tpl, &f->scope, EXPR_PLAIN, &value, f->why);
        uint64_t took = cpu_us() - start;
        if (getenv("EXPR_TEST_TIMES"))
            printf("%8llu us %s: %s\n", (unsigned long long)took, status_text(status), bodies[i]);
        if (status != STATUS_TIMEOUT && status != STATUS_LIMIT)
            fail_msg("\"%s\" ends with %d %s", text, status, status ? f->why : "");
        if (took > CPU_MS_MAX * 1000)
            fail_msg("\"%s\" took %llu us", text, (unsigned long long)took);
        assert_text(f, "${1 + 1}", "2"); /* and the next one is well */
    }
}

/* proves T3 */
static void a_runaway_loop_ends_in_time(void **state) {
    static const char *const bodies[] = {
        "while true do end",
        "local x = 0 repeat x = x + 1 until false",
        "for i = 1, 1e15 do end",
        "::a:: goto a",
        "local function f() return f() end return f()",
        "while true do local t = {1, 2, 3} end",
        "while true do local s = tostring(1.5) end",
        "for k in pairs(deploy) do while true do end end",
        "while true do local x = deploy.items[1] end",
        "while true do local x = HttpQueryParam(\"n\") end",
        "while true do local x = global.count end",
        "while true do local x = regex.match(\"aaaa\", \"a+\") end",
        "while true do local x = hash.sha256(\"x\") end",
        "while true do local x = json.encode({1, 2}) end",
        "while true do local x = math.random() end",
        "local function f() while true do end end table.sort({1, 2, 3}, f)",
    };
    assert_all_end(*state, bodies, ARRAY_SIZE(bodies));
    assert_run_error(*state, "${(function() while true do end end)()}", STATUS_TIMEOUT,
                     "took longer than 10ms (expression-time)");
}

/* proves T3 */
static void a_hungry_expression_ends_at_its_memory(void **state) {
    static const char *const bodies[] = {
        "return (\"x\"):rep(1e10)",
        "return (\"x\"):rep(1 << 62)",
        "return (\"x\"):rep(2, (\"y\"):rep(9000000))",
        "local s = \"x\" while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local t = {} for i = 1, 1e9 do t[tostring(i)] = i end",
        "return string.format(\"%s\", (\"x\"):rep(15000000))",
        "local s = (\"x\"):rep(1000000) return table.concat({s, s, s, s, s, s, s, s, s, s, s, s, "
        "s, s, s, "
        "s, s, s})",
        "local s = (\"x\"):rep(1000000) return join({s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, "
        "s, s}, "
        "s)",
        "return (\"x\"):rep(9000000):upper()",
        "return hex.encode((\"x\"):rep(9000000))",
        "return url.encode((\"ä\"):rep(3000000))",
        "return base64.encode((\"x\"):rep(13000000))",
        "return html.escape((\"<\"):rep(5000000))",
        "return json.encode((\"x\"):rep(15000000))",
        "return string.pack(\"c100000000\", \"\")",
        "return regex.replace((\"x\"):rep(100000), \"x\", (\"y\"):rep(10000))",
        "local function f(...) return f(1, ...) end return f()",
    };
    struct fixture *f = *state;
    assert_all_end(f, bodies, ARRAY_SIZE(bodies));
    assert_run_error(f, "${(\"x\"):rep(1e10)}", STATUS_LIMIT,
                     "took more than 16MiB (expression-memory)");
}

/* proves T3 */
static void one_long_call_or_instruction_ends_in_time(void **state) {
    static const char *const bodies[] = {
        "local s = (\"x\"):rep(3000000) local t = s .. \"y\" local u = s .. \"y\" while true do "
        "local b = t < u end",
        "local s = (\"x\"):rep(3000000) local t = s .. \"y\" local u = s .. \"y\" while true do "
        "local b = t == u end",
        "local s = (\"x\"):rep(7000000) while true do local b = s .. \"y\" end",
        "local s = (\"x\"):rep(7000000) while true do local b = utf8.len(s) end",
        "local s = (\"x\"):rep(7000000) while true do utf8.codepoint(s, 1, 200000) end",
        "local s = (\"x\"):rep(7000000) while true do local b = contains(s, \"xxxy\") end",
        "local s = (\"x\"):rep(7000000) while true do local b = trim(s) end",
        "local s = (\"1\"):rep(7000000) while true do local b = tonumber(s) end",
        "local s = (\"1\"):rep(7000000) while true do local b = number(s, 0) end",
        "local s = (\"1\"):rep(1000000) while true do local b = s + 0 end",
        "local s = (\"x\"):rep(7000000) while true do local b = hash.sha256(s) end",
        "local s = (\"x\"):rep(7000000) while true do local b = hash.sha1(s) end",
        "local s = (\"x\"):rep(7000000) while true do local b = hmac_sha256(s, s) end",
        "local s = (\"[\"):rep(7000000) while true do local b = json.decode(s) end",
        "local s = \"[\" .. (\"1,\"):rep(1200000) .. \"1]\" while true do local b = json.decode(s) "
        "end",
        "local s = \"[\" .. (\"[],\"):rep(200000) .. \"1]\" while true do local b = json.decode(s) "
        "end",
        "local s = (\",\"):rep(7000000) while true do local b = split(s, \",\") end",
        "local s = (\"x\"):rep(4000000) while true do local b = url.encode(s) end",
        "local s = (\"%41\"):rep(2000000) while true do local b = url.decode(s) end",
        "local s = (\"a\"):rep(1000000) while true do local b = regex.match(s, \"(a+)+b\") end",
        "local s = (\"a\"):rep(7000000) while true do local b = regex.match(s, \"a*?b\") end",
        "local s = (\"a\"):rep(3000000) while true do local b = regex.split(s, \"\") end",
        "local s = (\"a\"):rep(3000000) while true do local b = regex.replace(s, \"b|a\", \"\") "
        "end",
        "local t = table.pack((\"x\"):rep(50000):byte(1, 50000)) "
        "while true do table.sort(t, function(a, b) return a > b end) end",
        "local t = table.pack((\"x\"):rep(50000):byte(1, 50000)) while true do table.sort(t) end",
        "local t = table.pack((\"x\"):rep(50000):byte(1, 50000)) while true do table.sort(t, "
        "math.ult) end",
        "local t = table.pack((\"x\"):rep(50000):byte(1, 50000)) while true do table.insert(t, "
        "1, 0) end",
        "local t = table.pack((\"x\"):rep(50000):byte(1, 50000)) while true do table.remove(t, "
        "1) end",
        "local t = table.pack((\"x\"):rep(50000):byte(1, 50000)) while true do local u = "
        "{table.unpack(t)} end",
        "local t = table.pack((\"x\"):rep(50000):byte(1, 50000)) while true do local u = join(t, "
        "\"\") end",
        "local s = (\"x\"):rep(1000000) local t = {} for i = 1, 2000 do t[i] = s end table.sort(t)",
        "local s = (\"x\"):rep(1000000) while true do local t = {} for i = 1, 9 do t[i] = s end t "
        "= equal(s, s) end",
        "local t = {} for i = 1, 200000 do t[i] = i end for i = 1, 200000 do t[i] = nil end while "
        "true do next(t) end",
        "local t = {} for i = 1, 20000 do t[\"k\" .. i] = i end while true do json.encode(t) end",
        "while true do time.format(0, (\"%A\"):rep(100)) end",
        "while true do local t = {} t.t = t json.list(t) end",
        "local s = (\"x\"):rep(4000000) while true do local x = s:sub(2) end",
        "local s = (\"x\"):rep(2000000) while true do local x = s:reverse():lower() end",
        "local i = 0 while true do i = i + 1 regex.match(\"a\", \"a\" .. i) end",
    };
    assert_all_end(*state, bodies, ARRAY_SIZE(bodies));
}

static void memory_of_one_evaluation_returns(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 50; i++)
        assert_text(
            f, "${#(function() local t = {} for i = 1, 3000 do t[i] = {i} end return t end)()}",
            "3000");
    for (int i = 0; i < 20; i++)
        assert_text(f, "${#(\"x\"):rep(7000000)}", "7000000"); /* each needs most of the bound */
    const struct expr_template *tpl = compiled(f, "${(HttpMethod .. key):rep(100):sub(1, 3)}");
    for (int i = 0; i < 100000; i++) {
        struct slice text;
        struct arena_mark mark = arena_mark(&f->arena);
        assert_int_equal(expr_eval_text(tpl, &f->scope, EXPR_PLAIN, &text, f->why), STATUS_OK);
        arena_rewind(&f->arena, mark);
    }
    assert_text(f, "${#(\"x\"):rep(7000000)}", "7000000");
}

static void budgets_are_those_of_the_generation(void **state) {
    struct fixture *f = *state, *small = fixture_new(1000000, 100000);
    void *small_state = small;
    assert_text(f, "${#(\"x\"):rep(200000)}", "200000");
    assert_run_error(small, "${#(\"x\"):rep(200000)}", STATUS_LIMIT, "100000B");
    assert_run_error(small, "${(function() while true do end end)()}", STATUS_TIMEOUT, "1ms");
    fixture_teardown(&small_state);
}

/* What a state that is new says to a text of so many bytes, under a bound of 1 MiB. */
static enum status status_of_text(size_t bytes) {
    struct fixture *f = fixture_new(10000000, 1048576);
    void *state = f;
    char text[64];
    struct value value;
    snprintf(text, sizeof text, "${#('x'):rep(%zu)}", bytes);
    const struct expr_template *tpl = compiled(f, text);
    enum status status = expr_eval(tpl, &f->scope, EXPR_PLAIN, &value, f->why);
    assert_int_equal(expr_lua_passed(f->scope.lua, true), status == STATUS_OK ? 0 : 1);
    fixture_teardown(&state);
    return status;
}

/* proves T3 */
static void the_bound_of_memory_is_passed_by_one_byte(void **state) {
    (void)state; /* each has a Lua of its own, without garbage */
    size_t taken = 0, refused = 1048576;
    while (refused - taken > 1) {
        size_t middle = (taken + refused) / 2;
        enum status status = status_of_text(middle);
        assert_true(status == STATUS_OK || status == STATUS_LIMIT);
        *(status == STATUS_OK ? &taken : &refused) = middle;
    }
    assert_in_range(taken, 1048576 / 2 - 2048, 1048576 / 2); /* Lua makes a text twice */
    for (int round = 0; round < 3; round++) {
        assert_int_equal(status_of_text(taken), STATUS_OK);
        assert_int_equal(status_of_text(taken + 1), STATUS_LIMIT);
    }
}

static void deep_recursion_is_an_error_of_the_expression(void **state) {
    struct fixture *f = *state;
    struct value value;
    const struct expr_template *tpl =
        compiled(f, "${(function() local function f(x) return 1 + f(x) end return f(1) end)()}");
    assert_int_not_equal(expr_eval(tpl, &f->scope, EXPR_PLAIN, &value, f->why), STATUS_OK);
    tpl = compiled(f, "${(function() local function f(a, b) return table.sort({1, 2, 3}, f) end "
                      "return f() end)()}");
    assert_int_not_equal(expr_eval(tpl, &f->scope, EXPR_PLAIN, &value, f->why), STATUS_OK);
    assert_text(f, "${1 + 1}", "2");
}

/* Compiles, evaluates and frees with allocation n failing, for each n until nothing fails. */
static void exhaustion_is_a_status_everywhere(void **state) {
    struct fixture *f = *state;
    static const char *const texts[] = {
        "a ${HttpMethod} ${HttpHeader(x)}",
        "${HttpQueryParam(\"n\"):upper() .. 1.5 .. get(global, \"topics.x\")}",
        "${json.encode(json.decode('{\"a\":[1,2]}'))}",
        "${regex.replace(HttpMethod, \"[A-F]\", \"<$0>\")}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        enum status status = STATUS_NO_MEMORY;
        struct slice text;
        char why[EXPR_WHY_MAX];
        FAIL_EACH_ALLOCATION(
            {
                struct expr_set *set = expr_set_new(10000000, 16 << 20);
                struct expr_lua *lua = expr_lua_new(&fixture_clock);
                const struct expr_template *tpl =
                    set ? expr_compile(set, slice_of(texts[i]), EXPR_AS_TEMPLATE, &fixture_names,
                                       (struct expr_report){fixture_problem, f})
                        : NULL;
                struct expr_scope scope = f->scope;
                scope.lua = lua;
                if (tpl && lua)
                    status = expr_eval_text(tpl, &scope, EXPR_PLAIN, &text, why);
                expr_lua_free(lua);
                expr_set_free(set);
            },
            status == STATUS_OK);
    }
}

static void direct_look_ups_stay_out_of_the_heap(void **state) {
    struct fixture *f = *state;
    static const char *const texts[] = {"${HttpMethod}", "a ${HttpMethod}${deploy.stdout}",
                                        "${session.nick}${global.topics.x}"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const struct expr_template *tpl = compiled(f, texts[i]);
        struct slice text;
        assert_non_null(arena_alloc(&f->arena, 1)); /* a chunk with room is there */
        long before = atomic_load(&allocation_count);
        for (int n = 0; n < 100; n++) {
            struct arena_mark mark = arena_mark(&f->arena);
            assert_int_equal(expr_eval_text(tpl, &f->scope, EXPR_PLAIN, &text, f->why), STATUS_OK);
            arena_rewind(&f->arena, mark);
        }
        assert_int_equal(atomic_load(&allocation_count), before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_runaway_loop_ends_in_time),
        TEST(a_hungry_expression_ends_at_its_memory),
        TEST(one_long_call_or_instruction_ends_in_time),
        TEST(memory_of_one_evaluation_returns),
        TEST(budgets_are_those_of_the_generation),
        TEST(the_bound_of_memory_is_passed_by_one_byte),
        TEST(deep_recursion_is_an_error_of_the_expression),
        TEST(direct_look_ups_stay_out_of_the_heap),
        TEST(exhaustion_is_a_status_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
