/* Longer expressions as their authors see them: names, conditions, types, and the errors that help
 * people who know no Lua. */
#include "tests/unit/expr/fixture.h"

/* proves T2 */
static void a_longer_expression_is_lua(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${HttpQueryParam(\"n\"):upper()}", "42");
    assert_text(f, "${number(HttpQueryParam(\"n\"), 0) + 1}", "43");
    assert_text(f, "${HttpQueryParam(key .. \"2\")}", "42");
    assert_text(f, "${HttpMethod .. \"/\" .. #deploy.items}", "GET/2");
    assert_text(f, "${deploy[\"a-b\"] + deploy.items[2]}", "21");
    assert_text(f, "${session.nick .. global.topics.x .. global.count}", "bobnews7");
    assert_text(f, "${session.none == nil and global.none == nil}", "true");
    assert_text(f, "${(function(a, b) local c = a + b return c end)(1, 2)}", "3");
    assert_text(f, "${HttpHeader(\"nope\") == \"\"}", "true");
    assert_text(f, "a ${1 + 1} b ${HttpMethod} ${'c'}", "a 2 b GET c");
}

static void a_quoted_name_behind_a_local_is_an_expression(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${(function(n) return HttpQueryParam(n) end)(\"n\") .. \"\"}", "42");
    f->source.body = "{\"list\":[\"x\",\"y\"],\"null\":null}";
    assert_text(f, "${HttpJson(\"list\")[2] .. HttpJson(\"list.0\")}", "yx");
    assert_text(f, "${HttpJson(\"null\") == json.null}", "true");
    assert_text(f, "${HttpJson(\"nope\") == \"\"}", "true");
}

/* proves T2 */
static void types_leave_an_expression_as_they_are(void **state) {
    struct fixture *f = *state;
    assert_type(f, "${1 < 2}", VALUE_BOOL);
    assert_type(f, " ${1 + 2} ", VALUE_INT);
    assert_type(f, "${10 / 4}", VALUE_FLOAT);
    assert_type(f, "${nil}", VALUE_NIL);
    assert_type(f, "${{1, 2}}", VALUE_LIST);
    assert_type(f, "${{a = 1}}", VALUE_MAP);
    assert_type(f, "${{}}", VALUE_MAP);
    assert_type(f, "${json.list{}}", VALUE_LIST);
    assert_type(f, "${list[3].b}", VALUE_LIST);
    assert_type(f, "${json.null}", VALUE_NIL);
    assert_text(f, "${{b = {1, 2.5, {}}, a = \"x\", c = deploy.items}}",
                "{\"a\":\"x\",\"b\":[1,2.5,{}],\"c\":[10,20]}");
    assert_int_equal(expr_type(compiled(f, "${1 < 2}")), VALUE_BOOL);
    assert_int_equal(expr_type(compiled(f, "${HttpMethod .. \"\"}")), VALUE_BYTES);
    assert_int_equal(expr_type(compiled(f, "${deploy.stdout .. \"\"}")), VALUE_BYTES);
    assert_int_equal(expr_type(compiled(f, "${deploy.exit_code or 1}")), VALUE_NIL);
}

/* proves T2 */
static void numbers_print_the_same_everywhere(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${10/2}", "5");
    assert_text(f, "a${10/2}", "a5");
    assert_text(f, "${10/2 .. \"\"}", "5");
    assert_text(f, "${\"a\" .. 10/2 .. \"b\" .. 0.1 + 0.2}", "a5b0.30000000000000004");
    assert_text(f, "${(\"a\" .. (10/2)) .. (-2.0)}", "a5-2");
    assert_text(f, "${tostring(10/2) .. tostring(9007199254740993)}", "59007199254740993");
    assert_text(f, "${table.concat({10/2, \"x\"}, \",\")}", "5,x");
    assert_text(f, "${string.format(\"%s %d %5.2f|%5s\", 10/2, 3, 1.5, \"a\")}", "5 3  1.50|    a");
    assert_text(f, "${9223372036854775807}", "9223372036854775807");
    assert_text(f, "${list[3].b and 10/2 .. deploy.exit_code}", "50");
}

/* proves T17 */
static void a_bare_word_in_a_longer_expression_is_told_its_quotes(void **state) {
    struct fixture *f = *state;
    assert_load_error(f, "x ${HttpHeader(accept-encoding) == \"gzip\"}", "needs quotes",
                      "HttpHeader(\"accept-encoding\")");
    assert_int_equal(f->error.offset, 4);
    assert_load_error(f, "${HttpQueryParam(n):upper()}", "needs quotes", "HttpQueryParam(\"n\")");
    assert_load_error(f, "${number(HttpJson(a.b.0))}", "needs quotes", "HttpJson(\"a.b.0\")");
    assert_load_error(f, "${HttpQueryParam(key) == \"\"}", "needs quotes",
                      "or (\"\" .. key) for what key holds");
    assert_load_error(f, "${HttpQueryParam(HttpMethod):upper()}", "needs quotes",
                      "or (\"\" .. HttpMethod) for what HttpMethod holds");
    assert_text(f, "${HttpPostFile(\"avatar\").size + 1}", "10");
    assert_load_error(f, "${HttpHeader .. \"\"}", "needs an argument", "HttpHeader(\"name\")");
    assert_load_error(f, "${HttpMethod(\"a\") .. \"\"}", "takes no argument", "HttpMethod");
}

/* proves T17 */
static void operators_of_other_languages_are_told_the_lua_form(void **state) {
    struct fixture *f = *state;
    assert_condition_error(f, "HttpMethod != \"GET\"", "\"!=\"", "write HttpMethod ~= \"GET\"");
    assert_int_equal(f->error.offset, 11);
    assert_condition_error(f, "HttpIsReady && !WsIsBinary", "\"&&\"",
                           "write HttpIsReady and not WsIsBinary");
    assert_condition_error(f, "HttpIsReady || WsIsBinary", "\"||\"",
                           "write HttpIsReady or WsIsBinary");
    assert_condition_error(f, "!HttpIsReady", "\"!\"", "write not HttpIsReady");
    assert_condition_error(f, "HttpMethod === \"!=\"", "\"===\"", "write HttpMethod == \"!=\"");
    assert_condition_error(f, "HttpMethod = \"GET\"", "a single \"=\"",
                           "write HttpMethod == \"GET\"");
    assert_load_error(f, "${HttpIsReady ? \"a\" : \"b\"}", "\"?:\"",
                      "write HttpIsReady and \"a\" or \"b\"");
    assert_load_error(f, "${deploy.exit-code}", "is a subtraction", "write deploy[\"exit-code\"]");
    assert_int_equal(f->error.offset, 2);
    assert_load_error(f, "${deploy.a-b-c == 1}", "\"deploy.a-b-c\"", "deploy[\"a-b-c\"]");
    assert_load_error(f, "${global.a.b-c}", "subtraction", "global.a[\"b-c\"]");
    assert_text(f, "${deploy.exit_code - global.count}", "-7");
    assert_text(f, "${deploy.exit_code-1}", "-1");
}

/* proves T17 */
static void conditions_stand_with_and_without_braces(void **state) {
    struct fixture *f = *state;
    assert_condition(f, "HttpMethod == \"GET\"", true);
    assert_condition(f, "${HttpMethod == \"GET\"}", true);
    assert_condition(f, "  ${ HttpMethod ~= \"GET\" }\n", false);
    assert_condition(f, "HttpIsReady", true);
    assert_condition(f, "${HttpIsReady}", true);
    assert_condition(f, "not HttpIsReady", false);
    assert_condition(f, "true", true);
    assert_condition(f, "deploy.exit_code == 0", true);
    assert_condition(f, "number(HttpQueryParam(\"n\"), 0) > 10", true);
    assert_condition_error(f, "${HttpMethod} == \"GET\"", "one expression", "leave ${ and } away");
    assert_condition_error(f, "HttpMethod == ${HttpMethod}", "\"$\"", "names stand as they are");
    assert_condition_error(f, "", "nothing", "");
}

/* proves T17 */
static void a_condition_is_a_boolean_and_absent_is_false(void **state) {
    struct fixture *f = *state;
    assert_condition(f, "absent", false);
    assert_condition(f, "session.none", false);
    assert_condition(f, "global.none.deeper", false);
    assert_condition(f, "HttpJson(flag)", false);
    assert_condition(f, "nil", false);
    assert_condition(f, "json.null", false);
    f->source.body = "{\"flag\":true,\"text\":\"x\"}";
    assert_condition(f, "HttpJson(flag)", true);
    assert_condition(f, "HttpJson(\"flag\")", true);
    assert_condition_fails(f, "HttpJson(text)", "this is text");
    assert_condition_fails(f, "deploy.exit_code", "must be true or false");
    assert_condition_fails(f, "deploy", "this is map");
    assert_condition_error(f, "deploy.exit_code + 0", "this is a number", "~= 0");
    assert_condition_error(f, "HttpMethod", "this is text", "HttpMethod ~= \"\"");
    assert_condition_error(f, "HttpSize", "this is a number", "HttpSize ~= 0");
    assert_condition_error(f, "HttpMethod .. \"x\"", "this is text", "");
    assert_condition_error(f, "1 + 1", "this is a number", "");
    assert_condition_error(f, "\"true\"", "this is text", "");
    assert_condition_error(f, "WsCloseCode and HttpMethod or \"a\"", "this is text", "");
}

/* proves T17 */
static void text_and_numbers_are_told_of_number(void **state) {
    struct fixture *f = *state;
    assert_run_error(f, "${text > 5}", STATUS_FAILED, "number(...)");
    assert_run_error(f, "${5 <= text}", STATUS_FAILED, "number(...)");
    assert_run_error(f, "${HttpQueryParam(\"n\") > 5}", STATUS_FAILED, "number(...)");
    assert_int_equal(f->warnings, 1);
    assert_text(f, "${HttpQueryParam(\"n\") == 5}", "false");
    assert_int_equal(f->warnings, 1);
    assert_true(f->warning.is_warning);
    assert_contains(f->warning.text, "text is never equal to a number");
    assert_contains(f->warning.hint, "number(HttpQueryParam(\"n\"))");
    assert_int_equal(f->warning.offset, 22);
    assert_text(f, "${5 ~= HttpMethod:upper()}", "true");
    assert_int_equal(f->warnings, 1);
    assert_text(f, "${HttpQueryParam(\"n\") == \"5\" or HttpSize == 5}", "false");
    assert_int_equal(f->warnings, 0);
    assert_text(f, "${not HttpMethod == \"GET\"}", "false");
    assert_contains(f->warning.text, "true or false is never equal to text");
    assert_contains(f->warning.hint, "not (A == B)");
    assert_text(f, "${not (HttpMethod == \"GET\")}", "false");
    assert_int_equal(f->warnings, 0);
    assert_text(f, "${number(HttpQueryParam(\"n\")) == 42}", "true");
    assert_int_equal(f->warnings, 0);
    assert_text(f, "${#HttpQueryParam(\"n\") == 2}", "true");
    assert_int_equal(f->warnings, 0);
}

static void indexing_something_absent_names_get(void **state) {
    struct fixture *f = *state;
    f->globals = value_nil();
    assert_run_error(f, "${global.topics.x .. \"\"}", STATUS_FAILED,
                     "get(global, \"topics.x\", default)");
    assert_run_error(f, "${1 + global.a.b.c}", STATUS_FAILED, "get(global, \"a.b.c\", default)");
    assert_run_error(f, "${absent.x == 1}", STATUS_FAILED, "get(absent, \"x\", default)");
    assert_run_error(f, "${deploy.stdout.x.y == 1}", STATUS_FAILED, "get(deploy, \"stdout.x.y\"");
    assert_run_error(f, "${deploy[\"no\"].x == 1}", STATUS_FAILED, "get(global, \"topics.x\"");
    assert_run_error(f, "${(\"x\"):find(\"x\")}", STATUS_FAILED, "regex.match(...)");
    assert_run_error(f, "${HttpMethod + 1}", STATUS_FAILED, "number(x, default)");
    f->globals = fixture_value(f, "{\"topics\":{\"x\":\"news\"}}");
    assert_text(f, "${get(global, \"none.x\", \"d\")}", "d");
    assert_text(f, "${get(global, \"topics.x\", \"d\")}", "news");
    assert_text(f, "${get(absent, \"x\", 5) + get(deploy, \"items.0\")}", "15");
    assert_text(f, "${get(session, \"nick\")}", "bob");
    assert_text(f, "${get(list, \"1\", \"null counts as absent\")}", "null counts as absent");
}

/* proves T2 */
static void unknown_names_in_expressions_are_found(void **state) {
    struct fixture *f = *state;
    assert_load_error(f, "a ${1 + HtpSize}", "unknown name \"HtpSize\"", "\"HttpSize\"");
    assert_int_equal(f->error.offset, 8);
    assert_load_error(f, "${(function(a) return a + b end)(1)}", "unknown name \"b\"", "");
    assert_load_error(f, "${(function() x = 1 end)()}", "unknown name \"x\"", "");
    assert_load_error(f, "${trimm(\"x\")}", "unknown name \"trimm\"", "\"trim\"");
    assert_condition_error(f, "HttpJson(\"a\") == null", "unknown name \"null\"", "json.null");
    assert_load_error(f, "${os.time()}", "\"os\" is not available", "");
    assert_load_error(f, "${pcall(trim)}", "\"pcall\" is not available", "");
    assert_load_error(f, "${_ENV.x}", "\"_ENV\" is not available", "");
    assert_text(f, "${({x = 1}).x}", "1");
    assert_text(f, "${(function(HttpMethod) return HttpMethod end)(1)}", "1");
}

static void what_is_no_expression_is_refused(void **state) {
    struct fixture *f = *state;
    assert_load_error(f, "${1 +}", "ends too early", "");
    char deep[2 * 300 + 8] = "${"; /* Lua tells of it without a place */
    memset(deep + 2, '(', 300);
    deep[302] = '1';
    memset(deep + 303, ')', 300);
    deep[603] = '}';
    assert_load_error(f, deep, "nests too deep", "");
    assert_load_error(f, "${1 2}", "expected", "");
    assert_int_equal(f->error.offset, 4);
    assert_load_error(f, "${1, 2}", "expected", "");
    assert_load_error(f, "${1) + (2}", "", "");
    assert_load_error(f, "${return 1}", "unexpected symbol", "");
    assert_load_error(f, "${(function() math = 1 end)()}", "assign to const", "");
    assert_load_error(f, "${\"\\q\"}", "", "");
    assert_load_error(f, "${goto x}", "", "");
    assert_load_error(f, "${\x1bLua}", "", "");
}

/* Every beginning of a text, and every text with one byte gone, is compiled or refused. */
static void mutilated_expressions_are_compiled_or_refused(void **state) {
    struct fixture *f = *state;
    static const char *const texts[] = {
        "a$${b}${HttpHeader(accept-encoding)} ${deploy.items.0}",
        "${HttpQueryParam(\"n\"):upper() .. [==[ ]] } ]==] .. 'x\\'}' --[[ } ]]}",
        "${(function(a, ...) local t = {a = 1, [2] = {}; 3} return t.a-1 >= 0x1p4 and #t or -a "
        "end)(1)}",
        "${HttpIsReady ? deploy.exit-code : global.a.b-c || 1 != 2 && !x = 3 === $4}",
        "<script>${json.encode(list)}</script><!-- ${url.encode(text)} --><p a='${key}'>",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        size_t size = strlen(texts[i]);
        for (size_t cut = 0; cut < size; cut++) {
            char *start = strndup(texts[i], cut), *without = strdup(texts[i]);
            assert_true(start && without);
            memmove(without + cut, without + cut + 1, size - cut);
            for (int use = EXPR_AS_TEMPLATE; use <= EXPR_AS_CONDITION; use++) {
                if (!fixture_compile(f, start, (enum expr_use)use))
                    assert_in_range(f->error.offset, 0, cut);
                if (!fixture_compile(f, without, (enum expr_use)use))
                    assert_in_range(f->error.offset, 0, size);
            }
            free(start);
            free(without);
        }
    }
}

static void a_function_a_cycle_and_depth_cannot_leave(void **state) {
    struct fixture *f = *state;
    assert_run_error(f, "${trim}", STATUS_FAILED, "function");
    assert_run_error(f, "${{f = function() end}}", STATUS_FAILED, "function");
    assert_run_error(f, "${(function() local t = {} t.t = t return t end)()}", STATUS_FAILED,
                     "deeper than 64");
    assert_type(f, "${(function() local t = 1 for i = 1, 64 do t = {t} end return t end)()}",
                VALUE_LIST);
    assert_run_error(f, "${(function() local t = 1 for i = 1, 65 do t = {t} end return t end)()}",
                     STATUS_FAILED, "deeper than 64");
    assert_run_error(f, "${{1, a = 2}}", STATUS_FAILED, "list from 1");
    assert_run_error(f, "${{[2] = 2}}", STATUS_FAILED, "list from 1");
    assert_run_error(f, "${{[1.5] = 2}}", STATUS_FAILED, "list from 1");
    assert_run_error(f, "${(function() return global end)()}", STATUS_FAILED, "\"global\" alone");
}

static void tables_of_the_run_are_read_only(void **state) {
    struct fixture *f = *state;
    assert_run_error(f, "${(function() deploy.x = 1 end)()}", STATUS_FAILED, "read-only");
    assert_run_error(f, "${(function() session.x = 1 end)()}", STATUS_FAILED, "read-only");
    assert_run_error(f, "${(function() global.x = 1 end)()}", STATUS_FAILED, "read-only");
    assert_run_error(f, "${table.insert(list, 1)}", STATUS_FAILED, "read-only");
    assert_run_error(f, "${table.sort(list)}", STATUS_FAILED, "");
    assert_run_error(f, "${(function() math.x = 1 end)()}", STATUS_FAILED, "read-only");
    assert_run_error(f, "${(function() json.list(math) end)()}", STATUS_FAILED, "library");
}

static void tables_of_the_run_read_like_tables(void **state) {
    struct fixture *f = *state;
    const char *keys = "${(function() local n = {} for k, v in pairs(deploy) do n[#n + 1] = k end "
                       "return join(n, \",\") end)()}";
    assert_text(f, keys, "exit_code,stdout,a-b,items");
    assert_text(f,
                "${(function() local n = 0 for i, v in ipairs(deploy.items) do n = n + i * v end "
                "return n end)()}",
                "50");
    assert_text(f, "${#list .. type(list) .. type(list[2]) .. tostring(list[1])}", "3tablenulla");
    assert_text(f, "${next(deploy)}", "exit_code");
    assert_run_error(f, "${next(global)}", STATUS_FAILED, "cannot be listed");
    assert_run_error(f, "${pairs(global)}", STATUS_FAILED, "cannot be listed");
    assert_run_error(f, "${join(list)}", STATUS_FAILED, "item 2 of the list is null");
    assert_run_error(f, "${\"a\" .. absent}", STATUS_FAILED, "what is absent (nil)");
    assert_text(f, "${next(deploy, \"items\") == nil and next(list, 3) == nil}", "true");
    assert_text(f, "${join(deploy.items, \"+\") .. table.concat(deploy.items, \"-\")}",
                "10+2010-20");
    assert_text(f, "${select(\"#\", table.unpack(deploy.items))}", "2");
    assert_text(f, "${deploy == deploy and deploy.items == deploy.items}", "true");
    assert_text(f, "${list[2] == json.null and list[4] == nil and deploy.nope == nil}", "true");
    assert_text(f, "${json.encode(deploy)}",
                "{\"exit_code\":0,\"stdout\":\"ok\",\"a-b\":1,\"items\":[10,20]}");
}

static void nothing_of_one_evaluation_is_seen_by_the_next(void **state) {
    struct fixture *f = *state;
    const struct expr_template *tpl =
        compiled(f, "${(function() local was = key key = key .. \"!\" return was end)()}");
    for (int i = 0; i < 3; i++) {
        struct slice text;
        assert_int_equal(expr_eval_text(tpl, &f->scope, EXPR_PLAIN, &text, f->why), STATUS_OK);
        assert_slice(text, "key");
    }
}

static void chunks_of_a_generation_are_forgotten(void **state) {
    struct fixture *f = *state;
    struct expr_set *old = f->set;
    assert_text(f, "${1 + 1}", "2");
    f->set = expr_set_new(10000000, 16 << 20);
    assert_text(f, "${1 + 2}", "3");
    expr_lua_forget(f->lua, old);
    expr_lua_forget(f->lua, old);
    expr_set_free(old);
    assert_text(f, "${1 + 3}", "4");
    for (int i = 0; i < 100; i++) /* a generation that grows while it is used */
        assert_text(f, "${#HttpMethod + 1}", "4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_longer_expression_is_lua),
        TEST(a_quoted_name_behind_a_local_is_an_expression),
        TEST(types_leave_an_expression_as_they_are),
        TEST(numbers_print_the_same_everywhere),
        TEST(a_bare_word_in_a_longer_expression_is_told_its_quotes),
        TEST(operators_of_other_languages_are_told_the_lua_form),
        TEST(conditions_stand_with_and_without_braces),
        TEST(a_condition_is_a_boolean_and_absent_is_false),
        TEST(text_and_numbers_are_told_of_number),
        TEST(indexing_something_absent_names_get),
        TEST(unknown_names_in_expressions_are_found),
        TEST(what_is_no_expression_is_refused),
        TEST(mutilated_expressions_are_compiled_or_refused),
        TEST(a_function_a_cycle_and_depth_cannot_leave),
        TEST(tables_of_the_run_are_read_only),
        TEST(tables_of_the_run_read_like_tables),
        TEST(nothing_of_one_evaluation_is_seen_by_the_next),
        TEST(chunks_of_a_generation_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
