/* Direct look-ups and the text around them. */
#include "tests/unit/expr/fixture.h"

static void constant_text_stays_as_it_is(void **state) {
    struct fixture *f = *state;
    const struct expr_template *tpl = compiled(f, "  a $ {b} } $x  ");
    assert_true(expr_is_constant(tpl));
    assert_slice(expr_constant(tpl), "  a $ {b} } $x  ");
    assert_int_equal(expr_type(tpl), VALUE_BYTES);
    assert_text(f, "", "");
    assert_true(expr_is_constant(compiled(f, "")));
}

/* proves T2 */
static void double_dollar_is_a_literal_hole_and_nothing_else_an_escape(void **state) {
    struct fixture *f = *state;
    assert_text(f, "$${HttpMethod}", "${HttpMethod}");
    assert_true(expr_is_constant(compiled(f, "$${HttpMethod}")));
    assert_text(f, "$$${HttpMethod}", "$${HttpMethod}");
    assert_text(f, "a$${b}${HttpMethod}$$c\\n", "a${b}GET$$c\\n");
    assert_text(f, "$$", "$$");
    assert_text(f, "${'$${'}", "$${");
}

/* proves T2 */
static void a_bare_word_is_looked_up_directly(void **state) {
    struct fixture *f = *state;
    f->scope.lua = NULL; /* Lua would crash */
    assert_text(f, "${HttpHeader(accept-encoding)}", "gzip");
    assert_text(f, "${HttpHeader( Accept-Encoding )}", "gzip");
    assert_text(f, "${HttpHeader(\"accept-encoding\")}", "gzip");
    assert_text(f, "${HttpHeader('accept-encoding')}", "gzip");
    assert_text(f, "${HttpMethod} ${HttpQueryParam(n)}!", "GET 42!");
    assert_text(f, "${deploy.stdout}/${session.nick}/${global.topics.x}", "ok/bob/news");
    assert_text(f, "${deploy.items.1}", "20");
    assert_text(f, "${HttpHeader(absent)}", "");
    f->source.body = "{\"a\":{\"b\":[5,6]}}";
    assert_text(f, "${HttpJson(a.b.1)}", "6");
    assert_text(f, "${HttpPostFile(avatar).name} ${HttpPostFile(avatar).size}", "a.txt 9");
    assert_type(f, "${HttpPostFile(avatar).size}", VALUE_INT);
}

static void a_direct_look_up_takes_no_memory(void **state) {
    struct fixture *f = *state;
    const struct expr_template *single = compiled(f, "${HttpHeader(accept-encoding)}");
    size_t before = f->arena.used_bytes;
    struct value value;
    assert_int_equal(expr_eval(single, &f->scope, EXPR_PLAIN, &value, f->why), STATUS_OK);
    assert_ptr_equal(value.bytes, f->source.header); /* borrowed */
    assert_int_equal(f->arena.used_bytes, before);
    const struct expr_template *mixed = compiled(f, "a${HttpMethod}b${HttpHeader(x)}c");
    struct slice text;
    before = f->arena.used_bytes;
    assert_int_equal(expr_eval_text(mixed, &f->scope, EXPR_PLAIN, &text, f->why), STATUS_OK);
    assert_slice(text, "aGETbc");
    assert_in_range(f->arena.used_bytes - before, 1, 32); /* once, for the result */
}

/* proves T2 */
static void one_single_hole_keeps_its_type(void **state) {
    struct fixture *f = *state;
    assert_type(f, "${HttpIsReady}", VALUE_BOOL);
    assert_type(f, "  ${HttpSize}\n", VALUE_INT);
    assert_type(f, "${deploy}", VALUE_MAP);
    assert_type(f, "${deploy.items}", VALUE_LIST);
    assert_type(f, "${absent}", VALUE_NIL);
    assert_type(f, "x${HttpSize}", VALUE_BYTES);
    assert_type(f, "${HttpSize}${HttpSize}", VALUE_BYTES);
    assert_int_equal(expr_type(compiled(f, "${HttpIsReady}")), VALUE_BOOL);
    assert_int_equal(expr_type(compiled(f, "${deploy.items}")), VALUE_NIL);
    assert_int_equal(expr_type(compiled(f, "x ${deploy.items}")), VALUE_BYTES);
}

/* proves S8 */
static void a_family_without_a_source_is_empty(void **state) {
    struct fixture *f = *state;
    f->scope.sources[EXPR_HTTP] = NULL;
    assert_text(f, "[${HttpMethod}${HttpHeader(a)}${HttpJson(a.b)}]", "[]");
    assert_text(f, "${HttpIsReady} ${HttpSize}", "false 0");
    assert_text(f, "[${HttpPostFile(a).name}${HttpPostFile(\"a\").name or \"\"}]", "[]");
    assert_text(f, "${WsMessage .. \"x\"}", "x");
    assert_condition(f, "HttpIsReady", false);
    assert_condition(f, "HttpJson(flag)", false);
    assert_condition(f, "HttpMethod == \"\"", true);
}

static void a_member_of_something_absent_is_absent(void **state) {
    struct fixture *f = *state;
    assert_text(f, "[${absent.a.b}${session.x.y}${global.no.thing}${deploy.stdout.x}]", "[]");
    assert_type(f, "${global.no.thing}", VALUE_NIL);
    f->scope.global = NULL;
    f->scope.session = value_nil();
    assert_text(f, "[${session.nick}${global.count}]", "[]");
}

/* proves T2 */
static void a_value_is_never_expanded_again(void **state) {
    struct fixture *f = *state;
    f->source.query = "${HttpHeader(authorization)} $${x}";
    assert_text(f, "?x=${HttpQueryParam(n)}", "?x=${HttpHeader(authorization)} $${x}");
    assert_text(f, "${HttpQueryParam(\"n\") .. \"\"}", "${HttpHeader(authorization)} $${x}");
}

/* proves T2 */
static void the_closing_brace_is_found_behind_strings_and_braces(void **state) {
    struct fixture *f = *state;
    assert_text(f, "a${\"}\"}b", "a}b");
    assert_text(f, "${'}' .. \"\\\"}\"}", "}\"}");
    assert_text(f, "${[[}]]}${[==[ ]] } ]==]}", "} ]] } ");
    assert_text(f, "${#{1, {2}}}", "2");
    assert_text(f, "${({a = {b = \"}\"}}).a.b}", "}");
    assert_text(f, "${1 --[[ } ]] + 1}", "2");
    assert_text(f, "${1 -- } the end?\n + 1}", "2");
    assert_load_error(f, "a ${HttpMethod", "without its \"}\"", "$${");
    assert_int_equal(f->error.offset, 2);
    assert_load_error(f, "${\"a}", "no end", "");
    assert_load_error(f, "${{}", "without its \"}\"", "");
    assert_load_error(f, "${1 -- }", "without its \"}\"", "comment");
    assert_load_error(f, "${}", "nothing between", "");
    assert_load_error(f, "${ }", "nothing between", "");
}

/* proves T2 */
static void an_unknown_name_gets_the_nearest_right_one(void **state) {
    struct fixture *f = *state;
    assert_load_error(f, "a ${HtpMethod}", "unknown name \"HtpMethod\"",
                      "did you mean \"HttpMethod\"?");
    assert_int_equal(f->error.offset, 4);
    assert_load_error(f, "${HttpHeaders(a)}", "unknown name", "\"HttpHeader\"");
    assert_load_error(f, "${deplo.stdout}", "unknown name", "\"deploy\"");
    assert_load_error(f, "${sesion.nick}", "unknown name", "\"session\"");
    assert_load_error(f, "${qqqqqqqqqq}", "unknown name", "");
    assert_string_equal(f->error.hint, "");
}

static void all_errors_of_a_template_are_reported(void **state) {
    struct fixture *f = *state;
    assert_null(fixture_compile(f, "${Nope1} ${HttpMethod} ${Nope2}", EXPR_AS_TEMPLATE));
    assert_int_equal(f->errors, 2);
    assert_int_equal(f->error.offset, 25);
}

static void arguments_are_given_where_they_belong(void **state) {
    struct fixture *f = *state;
    assert_load_error(f, "${HttpMethod(x)}", "\"HttpMethod\" takes no argument", "${HttpMethod}");
    assert_load_error(f, "${HttpHeader}", "\"HttpHeader\" needs an argument", "HttpHeader(name)");
    assert_load_error(f, "${HttpMethod.x}", "has no members", "");
    assert_load_error(f, "${deploy(x)}", "takes no argument", "");
    assert_load_error(f, "${global}", "\"global\" alone", "${global.NAME}");
}

static void a_getter_that_refuses_is_named(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${Secret(github)}", "s3cret");
    assert_run_error(f, "${Secret(gitlab)}", STATUS_FAILED, "Secret(gitlab) is not defined");
    assert_run_error(f, "${Secret(\"\\xff\") .. \"\"}", STATUS_FAILED, "Secret(?) is not");
    assert_run_error(f, "${Secret(\"gitlab\") .. \"\"}", STATUS_FAILED,
                     "Secret(gitlab) is not defined");
}

/* proves S16 */
static void html_escapes_what_is_interpolated_alone(void **state) {
    struct fixture *f = *state;
    f->source.query = "<b a=\"1\" c='2'>&";
    assert_html(f, "<p>${HttpQueryParam(n)}</p>",
                "<p>&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;</p>");
    assert_html(f, "${HttpQueryParam(n)}", "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
    assert_html(f, "<b>$${x}</b>", "<b>${x}</b>");
    struct value value;
    assert_int_equal(
        expr_eval(compiled(f, "${HttpQueryParam(n)}"), &f->scope, EXPR_HTML, &value, f->why),
        STATUS_OK);
    assert_slice(value_slice(value), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
}

/* proves S16 */
static void json_in_a_script_is_safe_there_and_escaped_elsewhere(void **state) {
    struct fixture *f = *state;
    f->source.query = "</script>&\xE2\x80\xA8\"";
    assert_html(f, "<SCRIPT defer>x = ${json.encode(HttpQueryParam(\"n\"))}</script>",
                "<SCRIPT defer>x = \"\\u003c/script\\u003e\\u0026\\u2028\\\"\"</script>");
    f->source.query = "<'";
    const char *escaped = "&quot;\\u003c&#39;&quot;";
    char expected[256];
    static const char *const around[][2] = {
        {"<p title=\"", "\">"},
        {"<p>", "</p>"},
        {"<p title=\"<script>", "\">"},
        {"<!-- <script> --><p title='", "'>"},
        {"<script></script><p onclick=\"", "\">"},
        {"<textarea><script></textarea><p a=\"", "\">"},
        {"<scripted>", ""},
        {"<script src=\"", "\">"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(around); i++) {
        char text[256];
        snprintf(text, sizeof text, "%s${json.encode(HttpQueryParam(\"n\"))}%s", around[i][0],
                 around[i][1]);
        snprintf(expected, sizeof expected, "%s%s%s", around[i][0], escaped, around[i][1]);
        assert_html(f, text, expected);
    }
}

static void the_parts_of_a_template_can_be_listed(void **state) {
    struct fixture *f = *state;
    struct expr_part parts[4];
    const struct expr_template *tpl =
        compiled(f, "<a>${json.encode(list)}${ url.encode(text) }${json.encode(1) .. \"\"}");
    assert_int_equal(expr_parts(tpl, parts, 4), 4);
    assert_false(parts[0].is_hole);
    assert_slice(parts[0].text, "<a>");
    assert_true(parts[1].is_hole && parts[1].is_encoded_json && !parts[1].is_encoded_url);
    assert_slice(parts[2].text, "url.encode(text)");
    assert_true(parts[2].is_hole && parts[2].is_encoded_url && !parts[2].is_encoded_json);
    assert_true(parts[3].is_hole && !parts[3].is_encoded_json);
    assert_int_equal(expr_parts(compiled(f, "x"), NULL, 0), 1);
}

static void only_what_may_read_the_session_needs_it(void **state) {
    struct fixture *f = *state;
    static const char *const without[] = {"x", "${deploy.stdout}", "${HttpQueryParam(n)}",
                                          "a${deploy.stdout}${global.topics.x}"};
    static const char *const with[] = {"${session.nick}", "a${deploy.stdout}${session.nick}b",
                                       "${1 + 1}"};
    for (size_t i = 0; i < ARRAY_SIZE(without); i++)
        assert_false(expr_needs_session(compiled(f, without[i])));
    for (size_t i = 0; i < ARRAY_SIZE(with); i++)
        assert_true(expr_needs_session(compiled(f, with[i])));
}

static void names_that_are_taken_are_no_slots(void **state) {
    (void)state;
    char why[EXPR_WHY_MAX];
    static const char *const good[] = {"x", "_a1", "deploy", "error", "http", "Line"};
    static const char *const bad[] = {"",           "1a",   "a-b",  "a.b",  "end",
                                      "HttpMethod", "trim", "math", "json", "session",
                                      "global",     "_ENV", "a b",  "é"};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(expr_is_slot_name(slice_of(good[i]), &fixture_names, why));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(expr_is_slot_name(slice_of(bad[i]), &fixture_names, why));
    expr_is_slot_name(SLICE("trim"), &fixture_names, why);
    assert_contains(why, "\"trim\" is the name of a function");
}

static void many_parts_are_put_together(void **state) {
    struct fixture *f = *state;
    char text[1024] = "", expected[1024] = "";
    for (int i = 0; i < 40; i++) {
        strcat(text, "-${HttpMethod}");
        strcat(expected, "-GET");
    }
    assert_text(f, text, expected);
}

static void memory_that_a_run_may_not_have_is_a_status(void **state) {
    struct fixture *f = *state;
    struct arena small;
    struct slice text;
    arena_init(&small, 64, 64);
    f->source.query = "0123456789012345678901234567890123456789012345678901234567890123456789";
    f->scope.arena = &small;
    const struct expr_template *tpl = compiled(f, "-${HttpQueryParam(n)}");
    assert_int_equal(expr_eval_text(tpl, &f->scope, EXPR_PLAIN, &text, f->why), STATUS_NO_MEMORY);
    assert_contains(f->why, "memory");
    tpl = compiled(f, "${HttpQueryParam(\"n\"):upper()}");
    struct value value;
    assert_int_equal(expr_eval(tpl, &f->scope, EXPR_PLAIN, &value, f->why), STATUS_NO_MEMORY);
    arena_deinit(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(constant_text_stays_as_it_is),
        TEST(double_dollar_is_a_literal_hole_and_nothing_else_an_escape),
        TEST(a_bare_word_is_looked_up_directly),
        TEST(a_direct_look_up_takes_no_memory),
        TEST(one_single_hole_keeps_its_type),
        TEST(a_family_without_a_source_is_empty),
        TEST(a_member_of_something_absent_is_absent),
        TEST(a_value_is_never_expanded_again),
        TEST(the_closing_brace_is_found_behind_strings_and_braces),
        TEST(an_unknown_name_gets_the_nearest_right_one),
        TEST(all_errors_of_a_template_are_reported),
        TEST(arguments_are_given_where_they_belong),
        TEST(a_getter_that_refuses_is_named),
        TEST(html_escapes_what_is_interpolated_alone),
        TEST(json_in_a_script_is_safe_there_and_escaped_elsewhere),
        TEST(the_parts_of_a_template_can_be_listed),
        TEST(only_what_may_read_the_session_needs_it),
        TEST(names_that_are_taken_are_no_slots),
        TEST(many_parts_are_put_together),
        TEST(memory_that_a_run_may_not_have_is_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
