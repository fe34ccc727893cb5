/* A run for templates to look at: some variables, slots, a session, globals, and a clock that
 * stands still. */
#ifndef BELLWIRE_TEST_EXPR_FIXTURE_H
#define BELLWIRE_TEST_EXPR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "expr/expr.h"

struct fixture_source { /* of Http...; Ws... has none */
    const char *header, *query, *body;
    bool is_ready;
    uint32_t calls;
};

static struct slice fixture_or_empty(const char *text) { return slice_of(text ? text : ""); }

static enum status get_method(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)argument, (void)arena;
    ((struct fixture_source *)source)->calls++;
    *out = value_bytes(SLICE("GET"));
    return STATUS_OK;
}
static enum status get_header(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)arena;
    struct fixture_source *it = source;
    bool is_it = slice_equal_nocase(argument, SLICE("accept-encoding"));
    *out = value_bytes(fixture_or_empty(is_it ? it->header : NULL));
    return STATUS_OK;
}
static enum status get_query(void *source, struct slice argument, struct arena *arena,
                             struct value *out) {
    (void)arena;
    struct fixture_source *it = source;
    *out = value_bytes(slice_is(argument, "n") || slice_is(argument, "key2")
                           ? fixture_or_empty(it->query)
                           : SLICE(""));
    return STATUS_OK;
}
static enum status get_json(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    struct fixture_source *it = source;
    struct value tree;
    size_t at;
    *out = value_bytes(SLICE(""));
    if (!it->body || json_decode(slice_of(it->body), arena, &tree, &at) != STATUS_OK)
        return STATUS_OK;
    struct value found = value_path(tree, argument);
    if (found.type != VALUE_NIL || slice_is(argument, "null"))
        *out = found;
    return STATUS_OK;
}
static enum status get_is_ready(void *source, struct slice argument, struct arena *arena,
                                struct value *out) {
    (void)argument, (void)arena;
    *out = value_bool(((struct fixture_source *)source)->is_ready);
    return STATUS_OK;
}
static enum status get_size(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)source, (void)argument, (void)arena;
    *out = value_int(3);
    return STATUS_OK;
}
static enum status get_file(void *source, struct slice argument, struct arena *arena,
                            struct value *out) {
    (void)source, (void)argument, (void)arena;
    static const struct value_pair pairs[] = {
        {{.type = VALUE_BYTES, .count = 4, .bytes = "name"},
         {.type = VALUE_BYTES, .count = 5, .bytes = "a.txt"}},
        {{.type = VALUE_BYTES, .count = 4, .bytes = "size"}, {.type = VALUE_INT, .integer = 9}}};
    *out = (struct value){.type = VALUE_MAP, .count = 2, .pairs = pairs};
    return STATUS_OK;
}
static enum status get_secret(void *source, struct slice argument, struct arena *arena,
                              struct value *out) {
    (void)source, (void)arena;
    *out = value_bytes(SLICE("s3cret"));
    return slice_is(argument, "github") ? STATUS_OK : STATUS_NOT_FOUND;
}

static const struct expr_variable fixture_http[] = {
    {"HttpMethod", EXPR_NO_ARGUMENT, EXPR_HTTP, VALUE_BYTES, "", get_method},
    {"HttpHeader", EXPR_NAME, EXPR_HTTP, VALUE_BYTES, "", get_header},
    {"HttpQueryParam", EXPR_NAME, EXPR_HTTP, VALUE_BYTES, "", get_query},
    {"HttpJson", EXPR_PATH, EXPR_HTTP, VALUE_NIL, "", get_json},
    {"HttpPostFile", EXPR_NAME, EXPR_HTTP, VALUE_MAP, "", get_file},
    {"HttpIsReady", EXPR_NO_ARGUMENT, EXPR_HTTP, VALUE_BOOL, "", get_is_ready},
    {"HttpSize", EXPR_NO_ARGUMENT, EXPR_HTTP, VALUE_INT, "", get_size},
    EXPR_VARIABLE_END};
static const struct expr_variable fixture_ws[] = {
    {"WsMessage", EXPR_NO_ARGUMENT, EXPR_WS, VALUE_BYTES, "", get_method},
    {"WsIsBinary", EXPR_NO_ARGUMENT, EXPR_WS, VALUE_BOOL, "", get_is_ready},
    {"WsCloseCode", EXPR_NO_ARGUMENT, EXPR_WS, VALUE_INT, "", get_size},
    {"WsJson", EXPR_PATH, EXPR_WS, VALUE_NIL, "", get_json},
    {"Secret", EXPR_NAME, EXPR_RUN, VALUE_BYTES, "", get_secret},
    EXPR_VARIABLE_END};
static const struct expr_variable *const fixture_tables[] = {fixture_http, fixture_ws, NULL};
static const char *const fixture_slots[] = {"deploy", "list", "key", "absent", "text", "error"};
static const struct expr_names fixture_names = {
    .tables = fixture_tables, .slots = fixture_slots, .slot_count = 6};

static uint64_t fixture_mono_ns(const struct clock *clock) {
    (void)clock;
    return 1;
}
static uint64_t fixture_wall_ms(const struct clock *clock) {
    (void)clock;
    return 1700000000123u;
}
static const struct clock fixture_clock = {fixture_mono_ns, fixture_wall_ms};

struct fixture {
    struct expr_set *set;
    struct expr_lua *lua;
    struct arena arena;
    struct fixture_source source;
    struct value_box *slots[6];
    struct expr_scope scope;
    struct value globals;
    struct expr_problem error, warning; /* the last ones */
    int errors, warnings;
    char why[EXPR_WHY_MAX];
};

static struct value fixture_value(struct fixture *f, const char *json) {
    struct value value;
    size_t at;
    assert_int_equal(json_decode(slice_of(json), &f->arena, &value, &at), STATUS_OK);
    return value;
}

static struct value fixture_global(void *context, struct slice dotted) {
    return value_path(((struct fixture *)context)->globals, dotted);
}

static struct fixture *fixture_new(uint64_t time_ns, uint64_t memory_bytes) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    arena_init(&f->arena, 4096, 0);
    f->set = expr_set_new(time_ns, memory_bytes);
    f->lua = expr_lua_new(&fixture_clock);
    assert_non_null(f->set);
    assert_non_null(f->lua);
    f->source = (struct fixture_source){.header = "gzip", .query = "42", .is_ready = true};
    f->slots[0] = value_box_new(
        fixture_value(f, "{\"exit_code\":0,\"stdout\":\"ok\",\"a-b\":1,\"items\":[10,20]}"));
    f->slots[1] = value_box_new(fixture_value(f, "[\"a\",null,{\"b\":[]}]"));
    f->slots[2] = value_box_new(value_bytes(SLICE("key")));
    f->slots[4] = value_box_new(value_bytes(SLICE("text")));
    f->globals = fixture_value(f, "{\"count\":7,\"topics\":{\"x\":\"news\"}}");
    f->scope = (struct expr_scope){.slots = f->slots,
                                   .session = fixture_value(f, "{\"nick\":\"bob\"}"),
                                   .global = fixture_global,
                                   .global_context = f,
                                   .lua = f->lua,
                                   .arena = &f->arena};
    f->scope.sources[EXPR_HTTP] = &f->source;
    f->scope.sources[EXPR_RUN] = f;
    return f;
}

static int fixture_setup(void **state) {
    *state = fixture_new(10000000, 16 << 20);
    return 0;
}

static int fixture_teardown(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < 6; i++)
        value_box_unref(f->slots[i]);
    expr_lua_free(f->lua);
    expr_set_free(f->set);
    arena_deinit(&f->arena);
    free(f);
    return 0;
}

static void fixture_problem(void *context, const struct expr_problem *problem) {
    struct fixture *f = context;
    *(problem->is_warning ? &f->warning : &f->error) = *problem;
    (*(problem->is_warning ? &f->warnings : &f->errors))++;
}

static const struct expr_template *fixture_compile(struct fixture *f, const char *text,
                                                   enum expr_use use) {
    f->errors = f->warnings = 0;
    memset(&f->error, 0, sizeof f->error);
    memset(&f->warning, 0, sizeof f->warning);
    return expr_compile(f->set, slice_of(text), use, &fixture_names,
                        (struct expr_report){fixture_problem, f});
}

/* ---- assertions -------------------------------------------------------------------------------*/

static const struct expr_template *compiled(struct fixture *f, const char *text) {
    const struct expr_template *tpl = fixture_compile(f, text, EXPR_AS_TEMPLATE);
    if (!tpl)
        fail_msg("\"%s\" does not compile: %s", text, f->error.text);
    return tpl;
}

static struct value evaluated(struct fixture *f, const char *text) {
    struct value value = value_nil();
    f->why[0] = 0;
    if (expr_eval(compiled(f, text), &f->scope, EXPR_PLAIN, &value, f->why) != STATUS_OK)
        fail_msg("\"%s\" fails: %s", text, f->why);
    return value;
}

static void assert_slice(struct slice actual, const char *expected) {
    if (!slice_is(actual, expected))
        fail_msg("expected \"%s\", got \"" SLICE_FMT "\"", expected, SLICE_ARG(actual));
}

/* `text` evaluates to something whose text is `expected`. */
static inline void assert_text(struct fixture *f, const char *text, const char *expected) {
    struct slice actual;
    f->why[0] = 0;
    if (expr_eval_text(compiled(f, text), &f->scope, EXPR_PLAIN, &actual, f->why) != STATUS_OK)
        fail_msg("\"%s\" fails: %s", text, f->why);
    assert_slice(actual, expected);
}

static inline void assert_html(struct fixture *f, const char *text, const char *expected) {
    struct slice actual;
    if (expr_eval_text(compiled(f, text), &f->scope, EXPR_HTML, &actual, f->why) != STATUS_OK)
        fail_msg("\"%s\" fails: %s", text, f->why);
    assert_slice(actual, expected);
}

static inline void assert_type(struct fixture *f, const char *text, enum value_type type) {
    assert_string_equal(value_type_text((enum value_type)evaluated(f, text).type),
                        value_type_text(type));
}

static void assert_contains(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* `text` does not compile: its error and hint hold these parts. */
static inline void assert_load_error(struct fixture *f, const char *text, const char *part,
                                     const char *hint) {
    if (fixture_compile(f, text, EXPR_AS_TEMPLATE))
        fail_msg("\"%s\" compiles", text);
    assert_true(f->errors > 0);
    assert_contains(f->error.text, part);
    assert_contains(f->error.hint, hint);
}

static inline void assert_condition_error(struct fixture *f, const char *text, const char *part,
                                          const char *hint) {
    if (fixture_compile(f, text, EXPR_AS_CONDITION))
        fail_msg("\"%s\" compiles", text);
    assert_contains(f->error.text, part);
    assert_contains(f->error.hint, hint);
}

/* `text` compiles and fails when evaluated. */
static inline void assert_run_error(struct fixture *f, const char *text, enum status status,
                                    const char *part) {
    struct value value;
    enum status actual = expr_eval(compiled(f, text), &f->scope, EXPR_PLAIN, &value, f->why);
    if (actual != status)
        fail_msg("\"%s\" ends with %d (%s)", text, actual, actual ? f->why : "");
    assert_contains(f->why, part);
}

static inline void assert_condition(struct fixture *f, const char *text, bool expected) {
    const struct expr_template *tpl = fixture_compile(f, text, EXPR_AS_CONDITION);
    bool actual = !expected;
    if (!tpl)
        fail_msg("\"%s\" does not compile: %s", text, f->error.text);
    if (expr_eval_bool(tpl, &f->scope, &actual, f->why) != STATUS_OK)
        fail_msg("\"%s\" fails: %s", text, f->why);
    if (actual != expected)
        fail_msg("\"%s\" is %s", text, actual ? "true" : "false");
}

static inline void assert_condition_fails(struct fixture *f, const char *text, const char *part) {
    const struct expr_template *tpl = fixture_compile(f, text, EXPR_AS_CONDITION);
    bool actual;
    assert_non_null(tpl);
    assert_int_equal(expr_eval_bool(tpl, &f->scope, &actual, f->why), STATUS_TYPE);
    assert_contains(f->why, part);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
