/* The functions of expressions: each example of the reference, and what the examples leave out. */
#include "tests/unit/expr/fixture.h"

static void each_example_of_the_reference_gives_its_result(void **state) {
    struct fixture *f = *state;
    size_t count = 0;
    char text[512];
    for (const struct expr_helper *helper = expr_helpers; helper->signature; helper++, count++) {
        snprintf(text, sizeof text, "${%s}", helper->example);
        assert_text(f, text, helper->result);
        assert_true(helper->doc[0] != 0);
    }
    assert_int_equal(count, 30);
}

static void number_takes_decimal_and_finite_numbers_only(void **state) {
    struct fixture *f = *state;
    assert_type(f, "${number(\"7\")}", VALUE_INT);
    assert_type(f, "${number(\"7.5\")}", VALUE_FLOAT);
    assert_text(f, "${number(\"-1e2\")}", "-100");
    static const char *const bad[] = {"\"\"", "\"0x10\"", "\"inf\"", "\"nan\"", "\"1 2\"",
                                      "nil",  "1 / 0",    "{}",      "true",    "json.null"};
    char text[64];
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        snprintf(text, sizeof text, "${number(%s, \"d\")}", bad[i]);
        assert_text(f, text, "d");
        snprintf(text, sizeof text, "${number(%s)}", bad[i]);
        assert_run_error(f, text, STATUS_FAILED, "number(x");
    }
    assert_text(f, "[${number(\"x\", nil)}]", "[]");
    assert_run_error(f, "${number(HttpHeader(\"accept-encoding\"))}", STATUS_FAILED, "number");
    assert_null(strstr(f->why, "gzip")); /* it could be a secret */
}

static void get_walks_maps_lists_and_defaults(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${get(deploy, \"items.1\")}", "20");
    assert_text(f, "${get({1, {x = 5}}, \"1.x\")}", "5");
    assert_text(f, "${get(nil, \"a.b\", \"d\")}", "d");
    assert_text(f, "${get(\"text\", \"a\", \"d\")}", "d");
    assert_text(f, "${get(deploy, \"stdout.x\", \"d\")}", "d");
    assert_text(f, "${get({a = false}, \"a\", true)}", "false");
    assert_run_error(f, "${get(deploy, 1)}", STATUS_FAILED, "bad argument");
}

static void json_keeps_kinds_and_null(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${json.encode(json.decode('[[],{},null,{\"a\":[null]}]'))}",
                "[[],{},null,{\"a\":[null]}]");
    assert_text(f, "${json.encode({})}${json.encode(json.list())}", "{}[]");
    assert_text(f, "${json.decode(\"null\") == json.null}", "true");
    assert_text(f, "${json.encode(nil)} ${json.encode(\"a\\\"b\")} ${json.encode(1.0)}",
                "null \"a\\\"b\" 1");
    assert_text(f,
                "${(function() local t = json.decode('{\"a\":1}') t.b = 2 return json.encode(t) "
                "end)()}",
                "{\"a\":1,\"b\":2}");
    assert_run_error(f, "${json.decode(\"{\")}", STATUS_FAILED, "json.decode: no JSON at byte");
    assert_run_error(f, "${json.encode(trim)}", STATUS_FAILED, "function");
    assert_run_error(f, "${json.encode(\"\\xff\")}", STATUS_FAILED, "UTF-8");
    assert_run_error(f, "${json.encode(1/0)}", STATUS_FAILED, "finite");
    assert_run_error(f, "${json.list(deploy)}", STATUS_FAILED, "a map is no list");
    assert_text(f, "${json.encode(json.list(deploy.items))}", "[10,20]");
}

static void texts_are_bytes(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${#\"\\0a\" .. hex.encode(\"\\0\\xff\")}", "200ff");
    assert_text(f, "${url.encode(\"\\0é/~\")}", "%00%C3%A9%2F~");
    assert_text(f, "${url.decode(\"a+b%zz%41%\")}", "a+b%zzA%");
    assert_text(f, "${base64.decode(base64.encode(\"\\xfb\\xff\\0\")) == \"\\xfb\\xff\\0\"}",
                "true");
    assert_text(f, "${hex.encode(base64.decode(\"-_8\"))}", "fbff");
    assert_text(f, "${equal(\"a\", \"b\")} ${equal(\"\", \"\")}", "false true");
    assert_run_error(f, "${base64.decode(\"a\")}", STATUS_FAILED, "not base64");
    assert_run_error(f, "${hex.decode(\"abc\")}", STATUS_FAILED, "hexadecimal");
    assert_run_error(f, "${trim(nil)}", STATUS_FAILED, "bad argument");
    assert_text(f, "${contains(\"a*c\", \"*\")} ${contains(\"abc\", \"*\")}", "true false");
    assert_text(f, "${join(split(\"\", \",\"), \"-\")}|${#split(\"a--b\", \"--\")}", "|2");
    assert_run_error(f, "${split(\"a\", \"\")}", STATUS_FAILED, "separator is empty");
    assert_run_error(f, "${join({1, {}})}", STATUS_FAILED, "item 2");
    assert_text(f, "${lower(\"ÄB\") .. (\"x\"):rep(3, \"-\") .. (\"ab\"):reverse()}", "Äbx-x-xba");
}

static void time_is_that_of_the_clock_in_utc(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${time.now()}", "1700000000.123");
    assert_text(f, "${time.format(time.now(), \"%Y-%m-%dT%H:%M:%SZ\")}", "2023-11-14T22:13:20Z");
    assert_text(f, "${time.format(-0.5, \"%S\")}", "59");
    assert_run_error(f, "${time.format(1e300, \"%S\")}", STATUS_FAILED, "out of range");
    assert_run_error(f, "${time.format(0, (\"%A\"):rep(500))}", STATUS_FAILED, "too long");
    assert_run_error(f, "${time.format(0, \"%9999999d\")}", STATUS_FAILED, "too long");
    assert_text(f, "${regex.match(uuid(), \"^[0-9a-f-]{36}$\") ~= nil}", "true");
    assert_text(f, "${uuid() == uuid()}", "false");
}

static void regular_expressions_give_groups_parts_and_replacements(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${regex.match(\"abc\", \"x\") == nil}", "true");
    assert_text(f, "${regex.match(\"abc\", \"(b)(x)?(?<n>c)\")[0]}", "bc");
    assert_text(f, "${regex.match(\"abc\", \"(b)(x)?(?<n>c)\")[2] == nil}", "true");
    assert_text(f, "${regex.match(\"abc\", \"(b)(x)?(?<n>c)\").n}", "c");
    assert_text(f, "${regex.replace(\"aXbX\", \"X\", \"$$1$0$\")}", "a$1X$b$1X$");
    assert_text(f, "${regex.replace(\"ab\", \"\", \"-\")}", "-a-b-");
    assert_text(f, "${regex.replace(\"ab\", \"z\", \"-\")}", "ab");
    assert_text(f, "${regex.split(\"abc\", \"\")}", "[\"a\",\"b\",\"c\"]");
    assert_text(f, "${regex.split(\",a,\", \",\")}", "[\"\",\"a\",\"\"]");
    assert_text(f, "${regex.split(\"\", \",\")}", "[\"\"]");
    assert_run_error(f, "${regex.match(\"a\", \"(\")}", STATUS_FAILED, "pattern is wrong at byte");
    assert_run_error(f, "${regex.match(\"a\", (\"a\"):rep(2000))}", STATUS_FAILED, "pattern");
    for (int i = 0; i < 200; i++) { /* more than are kept */
        char text[64];
        snprintf(text, sizeof text, "${regex.match(\"%d\", \"%d\")[0]}", i, i);
        snprintf(f->why, sizeof f->why, "%d", i);
        char expected[16];
        snprintf(expected, sizeof expected, "%d", i);
        assert_text(f, text, expected);
    }
}

static void lua_brings_its_allow_list_alone(void **state) {
    struct fixture *f = *state;
    assert_text(f, "${math.floor(2.5) .. math.type(1) .. math.max(1, 3)}", "2integer3");
    assert_text(f, "${utf8.len(\"äö\") .. utf8.char(228) .. select(\"#\", 1, 2)}", "2ä2");
    assert_text(f, "${(\"abc\"):sub(2) .. (\"abc\"):byte() .. string.char(65)}", "bc97A");
    assert_text(f,
                "${(function() local t = {3, 1, 2} table.sort(t) table.insert(t, 1, 0) "
                "table.remove(t) return t end)()}",
                "[0,1,2]");
    assert_text(f,
                "${(function() local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) "
                "return t end)()}",
                "[3,2,1]");
    assert_text(f, "${tonumber(\"0x10\") .. type(nil) .. table.pack(1, 2).n}", "16nil2");
    static const char *const gone[] = {"string.dump",      "string.find",     "string.match",
                                       "string.gmatch",    "string.gsub",     "table.move",
                                       "utf8.charpattern", "math.randomseed", "(\"\").find",
                                       "(\"\").gsub",      "json.load"};
    char text[64];
    for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
        snprintf(text, sizeof text, "${%s == nil}", gone[i]);
        assert_text(f, text, "true");
    }
    assert_text(f, "${tostring({}) .. tostring(trim) .. tostring(deploy)}", "tablefunctiontable");
    assert_run_error(f, "${string.format(\"%p\", \"x\")}", STATUS_FAILED, "%p");
    assert_run_error(f, "${string.format(\"%s\", {})}", STATUS_FAILED, "takes text");
    assert_run_error(f, "${string.format(\"%200d\", 1)}", STATUS_FAILED, "");
    assert_text(f, "${string.format(\"%%%d%%\", 5)}", "%5%");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_example_of_the_reference_gives_its_result),
        TEST(number_takes_decimal_and_finite_numbers_only),
        TEST(get_walks_maps_lists_and_defaults),
        TEST(json_keeps_kinds_and_null),
        TEST(texts_are_bytes),
        TEST(time_is_that_of_the_clock_in_utc),
        TEST(regular_expressions_give_groups_parts_and_replacements),
        TEST(lua_brings_its_allow_list_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
