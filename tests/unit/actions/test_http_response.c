/* http-response against raw peers: sources, headers, cookies, files, and what is refused. */
#include "tests/unit/actions/bench.h"

#define GET "GET / HTTP/1.1"

/* proves S12 */
static void each_source_has_its_type_and_length(void **state) {
    (void)state;
    bench_answers("  - http-response: hi\n", GET, "Content-Type: text/plain; charset=utf-8\r\n");
    bench_answers("  - http-response: hi\n", GET, "Content-Length: 2\r\n");
    bench_answers("  - http-response: hi\n", GET, "\r\n\r\nhi");
    bench_answers("  - http-response: {text: ''}\n", GET, "Content-Length: 0\r\n");
    bench_answers("  - http-response: {html: '<b>x</b>'}\n", GET, "text/html; charset=utf-8\r\n");
    bench_answers("  - http-response: {json: {a: [1, 'x', null, 1.5]}}\n", GET,
                  "\r\n\r\n{\"a\":[1,\"x\",null,1.5]}");
    bench_answers("  - http-response: {json: 1}\n", GET, "Content-Type: application/json\r\n");
    bench_answers("  - http-response: {json: 1, content-type: application/x-y}\n", GET,
                  "Content-Type: application/x-y\r\n");
}

/* proves S12 */
static void status_and_headers_are_sent(void **state) {
    (void)state;
    bench_answers("  - http-response: {text: a, status: 418, headers: {X-One: '1', x-two: b}}\n",
                  GET, "HTTP/1.1 418");
    bench_answers("  - http-response: {text: a, headers: {X-One: '1', x-two: b}}\n", GET,
                  "X-One: 1\r\nx-two: b\r\n");
    bench_answers("  - http-response: {status: 204}\n", GET, "HTTP/1.1 204");
    bench_answers("  - http-response: {status: 205}\n", GET, "Content-Length: 0\r\n");
    struct bench *bench = bench_new();
    bench_load_actions(bench, "  - http-response: {status: 205, text: never}\n");
    const char *answer = bench_get(bench);
    EXPECT(answer, "HTTP/1.1 205 Reset Content\r\n");
    EXPECT(answer, "Content-Length: 0\r\n");
    EXPECT_NOT(answer, "never");
    EXPECT_NOT(answer, "Content-Type");
    bench_free(bench);
    bench_answers("  - http-response: {text: a, status: '${HttpQueryParam(s)}'}\n",
                  "GET /?s=503 HTTP/1.1", "HTTP/1.1 503");
    bench_answers("  - http-response: {text: a, status: '${HttpQueryParam(s)}'}\n",
                  "GET /?s=99 HTTP/1.1", "HTTP/1.1 500");
}

/* proves S12 */
static void redirects_name_the_place(void **state) {
    (void)state;
    bench_answers("  - http-response: {redirect: /there}\n", GET, "HTTP/1.1 302");
    bench_answers("  - http-response: {redirect: /there}\n", GET, "Location: /there\r\n");
    bench_answers("  - http-response: {redirect: /there, status: 308}\n", GET, "HTTP/1.1 308");
}

/* proves S14 */
static void every_answer_names_its_run(void **state) {
    (void)state;
    bench_answers("  - http-response: {text: a}\n", GET, "X-Bellwire-Run: ");
    bench_answers("  - http-response: {redirect: /a}\n", GET, "X-Bellwire-Run: ");
    bench_answers("  - http-response: {file: '${HttpPath}', root: .}\n", GET, "X-Bellwire-Run: ");
    bench_answers("  - http-response: {file: '${HttpPath}', root: .}\n", GET, "HTTP/1.1 404");
}

/* proves S12 */
static void cookies_are_safe_unless_said_otherwise(void **state) {
    (void)state;
    const char *plain = "  - http-response: {text: a, cookies: {sid: 1.10}}\n";
    bench_answers(plain, GET, "Set-Cookie: sid=1.10; HttpOnly; SameSite=Lax\r\n");
    const char *full = "  - http-response:\n"
                       "      text: a\n"
                       "      cookies:\n"
                       "        a: {value: '${HttpQueryParam(v)}', path: /p, domain: d.example, "
                       "max-age: 1h, secure: yes, http-only: no, same-site: strict}\n"
                       "        b: {value: x, max-age: 60}\n";
    bench_answers(full, "GET /?v=q HTTP/1.1", "Set-Cookie: a=q; ");
    bench_answers(full, "GET /?v=q HTTP/1.1", "Max-Age=3600");
    bench_answers(full, "GET /?v=q HTTP/1.1", "SameSite=Strict\r\n");
    bench_answers(full, "GET /?v=q HTTP/1.1", "Set-Cookie: b=x; Max-Age=60; ");
    struct bench *bench = bench_new();
    bench_load_actions(bench, full);
    EXPECT_NOT(bench_ask(bench, "GET /?v=q HTTP/1.1"), "a=q; HttpOnly");
    bench_free(bench);
}

/* proves S16 */
static void line_breaks_from_variables_are_step_errors(void **state) {
    (void)state;
    const char *evil = "GET /?x=a%0d%0aX-Evil:%201 HTTP/1.1";
    const char *const actions[] = {
        "  - http-response: {text: a, headers: {X-A: '${HttpQueryParam(x)}'}}\n",
        "  - http-response: {text: a, cookies: {c: '${HttpQueryParam(x)}'}}\n",
        "  - http-response: {redirect: '${HttpQueryParam(x)}'}\n",
        "  - http-response: {text: a, content-type: '${HttpQueryParam(x)}'}\n",
        "  - http-response: {file: 'x', root: ., headers: {X-A: '${HttpQueryParam(x)}'}}\n"};
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        struct bench *bench = bench_new();
        bench_load_actions(bench, actions[i]);
        bench_write_text(bench, "x", "file");
        const char *answer = bench_ask(bench, evil);
        EXPECT(answer, "HTTP/1.1 500");
        EXPECT_NOT(answer, "X-Evil");
        bench_free(bench);
    }
}

/* proves S16 */
static void html_escapes_what_is_interpolated(void **state) {
    (void)state;
    const char *actions = "  - http-response: {html: '<b title=\"${HttpQueryParam(x)}\">"
                          "${HttpQueryParam(x)}</b><script>f(${json.encode(HttpQueryParam(\"x\"))})"
                          "</script>'}\n";
    struct bench *bench = bench_new();
    bench_load_actions(bench, actions);
    const char *answer = bench_ask(bench, "GET /?x=%3C/script%3E%22%27%26 HTTP/1.1");
    EXPECT(answer, "<b title=\"&lt;/script&gt;&quot;&#39;&amp;\">&lt;/script&gt;&quot;&#39;&amp;");
    EXPECT(answer, "<script>f(\"\\u003c/script\\u003e\\\"'\\u0026\")</script>");
    bench_free(bench);
}

/* proves S16 */
static void html_refuses_places_where_escaping_does_not_protect(void **state) {
    (void)state;
    static const struct {
        const char *html, *where;
    } cases[] = {
        {"<a href=\"${HttpPath}\">x</a>", "in the attribute \"href\" of <a>"},
        {"<img src='${HttpPath}'>", "in the attribute \"src\" of <img>"},
        {"<p onclick=\"f(${HttpPath})\">x</p>", "in the attribute \"onclick\" of <p>"},
        {"<p style=\"color: ${HttpPath}\">x</p>", "in the attribute \"style\" of <p>"},
        {"<p title=${HttpPath}>x</p>", "in the unquoted attribute \"title\" of <p>"},
        {"<p title=a${HttpPath}>x</p>", "in the unquoted attribute \"title\" of <p>"},
        {"<p title = ${HttpPath}>x</p>", "in the unquoted attribute \"title\" of <p>"},
        {"<p ${HttpPath}>x</p>", "among the attributes of <p>"},
        {"<p a${HttpPath}=\"1\">x</p>", "among the attributes of <p>"},
        {"<${HttpPath}>x", "in the name of a tag"},
        {"</${HttpPath}>x", "in the name of a tag"},
        {"<p${HttpPath}>x", "in the name of a tag"},
        {"<!-- ${HttpPath} -->", "in a comment"},
        {"<script>var a = ${HttpPath}</script>", "in <script>"},
        {"<SCRIPT type='x'>var a = ${HttpPath}</SCRIPT>", "in <script>"},
        {"<style>a { color: ${HttpPath} }</style>", "in <style>"},
        {"<style>a { color: ${json.encode(HttpPath)} }</style>", "only ${url.encode(...)}"},
        {"<script>var a = \"${json.encode(HttpPath)}\"</script>", "only ${url.encode(...)}"},
        {"<script>var a = `${json.encode(HttpPath)}`</script>", "only ${url.encode(...)}"},
        {"<p onclick=\"f('${json.encode(HttpPath)}')\">x</p>", "only ${url.encode(...)}"},
        {"<p title=${json.encode(HttpPath)}>x</p>", "only ${url.encode(...)}"},
        {"<a href=\"javascript:f(${url.encode(HttpPath)})\">x</a>", "quoted attributes"},
        {"<iframe srcdoc=\"${HttpPath}\"></iframe>", "in the attribute \"srcdoc\""},
        {"<form action=\"${HttpPath}\"></form>", "in the attribute \"action\""},
        {"<script/>${HttpPath}", "in <script>"},
        {"<p title='a>b' ${HttpPath}>", "among the attributes of <p>"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char actions[512];
        snprintf(actions, sizeof actions, "  - http-response:\n      html: |-\n        %s\n",
                 cases[i].html);
        bench_refuses(actions, "where escaping does not protect", cases[i].where);
    }
}

/* proves S16 */
static void html_accepts_places_where_escaping_protects(void **state) {
    (void)state;
    static const char *const cases[] = {
        "${HttpPath}",
        "<p title=\"${HttpPath}\">${HttpPath}</p>",
        "<p title='a ${HttpPath}' class=x>${HttpPath}</p>",
        "<textarea>${HttpPath}</textarea><title>${HttpPath}</title>",
        "1 < 2 ${HttpPath}",
        "<!doctype html><!-- a --><p>${HttpPath}",
        "<script>var a = \"b\"; /* don't */ f(${json.encode(HttpPath)}, '\\'')</script>${HttpPath}",
        "<script>// don't\n        f(${json.encode(HttpPath)})</script>",
        "<script>var a = \"${url.encode(HttpPath)}\"</script>",
        "<p onclick=\"f(${json.encode(HttpPath)})\">x</p>",
        "<a href=\"/x?a=${url.encode(HttpPath)}\">x</a>",
        "<a href=/x?a=${url.encode(HttpPath)}>x</a>",
        "<form action=\"/x/${HttpPath}\"></form>",
        "<!-- ${url.encode(HttpPath)} -->${HttpPath}",
        "<script>if (a </b/.c) {}</script><p>${HttpPath}"};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char actions[512];
        snprintf(actions, sizeof actions, "  - http-response:\n      html: |-\n        %s\n",
                 cases[i]);
        bench_accepts(actions);
    }
}

/* proves S12 */
static void wrong_uses_are_load_errors(void **state) {
    (void)state;
    bench_refuses("  - http-response: {text: a, json: 1}\n", "exactly one of", "got several");
    bench_refuses("  - http-response: {status: 200}\n", "exactly one of", "got none");
    bench_refuses("  - http-response: {redirect: /a, status: 200}\n", "\"status\" of a redirect",
                  "got 200");
    bench_refuses("  - http-response: {file: '${HttpPath}'}\n", "needs \"root\"", "t.yaml:4:");
    bench_refuses("  - http-response: {text: a, root: /}\n", "\"root\" stands beside", "");
    bench_refuses("  - http-response: {text: a, headers: {Content-Length: '1'}}\n",
                  "written by Bellwire itself", "");
    bench_refuses("  - http-response: {text: a, headers: {'a b': '1'}}\n", "a name is one word",
                  "");
    bench_refuses("  - http-response: {text: a, cookies: {s: {vlaue: 1}}}\n", "with \"value\"", "");
    bench_refuses("  - http-response: {text: a, cookies: {s: {value: 1, max-aeg: 1}}}\n",
                  "unknown key", "did you mean \"max-age\"?");
    bench_refuses("  - http-response: {text: a, cookies: {s: {value: 1, same-site: lux}}}\n",
                  "must be lax, strict or none", "");
    bench_refuses("  - http-response: {text: a, cookies: [1]}\n", "must be a mapping", "");
}

/* ---- files --------------------------------------------------------------------------------------
 */

static struct bench *bench_with_site(void) {
    struct bench *bench = bench_new();
    char path[128];
    snprintf(path, sizeof path, "%s/site", bench->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/site/sub", bench->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    bench_write_text(bench, "site/index.html", "<p>${x}</p>");
    bench_write_text(bench, "site/sub/index.html", "sub");
    bench_write_text(bench, "site/a.txt", "0123456789");
    bench_write_text(bench, "secret.txt", "secret");
    snprintf(path, sizeof path, "%s/site/link", bench->folder);
    assert_int_equal(symlink("../secret.txt", path), 0);
    bench_load(bench, "t:\n"
                      "  triggers: [{http-request: '/{rest...}'}]\n"
                      "  actions: [{http-response: {file: '${HttpPathParam(rest)}', root: site}}]\n"
                      "plain:\n"
                      "  triggers: [{http-request: /plain}]\n"
                      "  actions: [{http-response: {file: site/a.txt, status: 203}}]\n"
                      "gone:\n"
                      "  triggers: [{http-request: /gone}]\n"
                      "  actions: [{http-response: {file: nowhere.txt}}]\n");
    return bench;
}

/* proves S12 */
static void files_come_with_type_and_date_and_unexpanded(void **state) {
    (void)state;
    struct bench *bench = bench_with_site();
    const char *answer = bench_ask(bench, "GET / HTTP/1.1");
    EXPECT(answer, "HTTP/1.1 200");
    EXPECT(answer, "Content-Type: text/html; charset=utf-8\r\n");
    EXPECT(answer, "Last-Modified: ");
    EXPECT(answer, "Accept-Ranges: bytes\r\n");
    EXPECT(answer, "\r\n\r\n<p>${x}</p>");
    EXPECT(bench_ask(bench, "GET /sub/ HTTP/1.1"), "\r\n\r\nsub");
    EXPECT(bench_ask(bench, "GET /plain HTTP/1.1"), "HTTP/1.1 203");
    answer = bench_ask(bench, "HEAD /a.txt HTTP/1.1");
    EXPECT(answer, "Content-Length: 10\r\n");
    EXPECT_NOT(answer, "012345");
    bench_free(bench);
}

/* proves S12 */
static void what_is_missing_or_outside_a_root_is_404(void **state) {
    (void)state;
    struct bench *bench = bench_with_site();
    EXPECT(bench_ask(bench, "GET /none.txt HTTP/1.1"), "HTTP/1.1 404");
    EXPECT(bench_ask(bench, "GET /..%2fsecret.txt HTTP/1.1"), "HTTP/1.1 404");
    EXPECT(bench_ask(bench, "GET /link HTTP/1.1"), "HTTP/1.1 404");
    EXPECT(bench_ask(bench, "GET /sub HTTP/1.1"), "HTTP/1.1 404");
    EXPECT(bench_ask(bench, "GET /gone HTTP/1.1"), "HTTP/1.1 500");
    EXPECT(bench_log(bench), "no such file");
    bench_free(bench);
}

/* proves S12 */
static void conditions_and_ranges_are_honoured(void **state) {
    (void)state;
    struct bench *bench = bench_with_site();
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\nRange: bytes=2-4"), "\r\n\r\n234");
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\nRange: bytes=2-4"), "HTTP/1.1 206");
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\nRange: bytes=2-4"),
           "Content-Range: bytes 2-4/10\r\n");
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\nRange: bytes=-3"), "\r\n\r\n789");
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\nRange: bytes=20-"), "HTTP/1.1 416");
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\nRange: bytes=20-"), "bytes */10\r\n");
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\nRange: bytes=2-4\r\n"
                            "If-Range: Sun, 06 Nov 1994 08:49:37 GMT"),
           "\r\n\r\n0123456789");
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\n"
                            "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
           "HTTP/1.1 304");
    EXPECT(bench_ask(bench, "GET /a.txt HTTP/1.1\r\n"
                            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"),
           "HTTP/1.1 200");
    bench_free(bench);
}

/* proves S12 */
static void large_files_are_streamed_and_have_ranges(void **state) {
    (void)state;
    struct bench *bench = bench_with_site();
    size_t size = 300000;
    char *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 26);
    bench_write(bench, "site/big.bin", bytes, size);
    const char *answer = bench_ask(bench, "GET /big.bin HTTP/1.1");
    EXPECT(answer, "Content-Length: 300000\r\n");
    assert_memory_equal(strstr(answer, "\r\n\r\n") + 4, bytes, size);
    EXPECT(bench_ask(bench, "GET /big.bin HTTP/1.1\r\nRange: bytes=100000-100003"), "\r\n\r\nefgh");
    EXPECT(bench_ask(bench, "HEAD /big.bin HTTP/1.1"), "Content-Length: 300000\r\n");
    free(bytes);
    bench_free(bench);
}

/* ---- at most once, and only where somebody asked ------------------------------------------------
 */

/* proves S14 */
static void the_second_answer_is_a_step_error(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load_actions(bench, "  - http-response: first\n"
                              "  - http-response: second\n"
                              "    on-error: continue\n"
                              "  - log: 'after ${LastErrorDescription}'\n");
    const char *answer = bench_get(bench);
    EXPECT(answer, "first");
    EXPECT_NOT(answer, "second");
    EXPECT(bench_log(bench), "after the request is answered already");
    bench_free(bench);
}

/* proves S13 */
static void a_run_without_a_request_cannot_answer(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load_actions(bench, "  - http-response: hi\n");
    struct peer *peer = peer_open(&bench->rig, "/");
    peer_text(peer, "x");
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "no HTTP request has started this run"));
    peer_free(peer);
    EXPECT(bench_get(bench), "HTTP/1.1 200");
    bench_free(bench);
}

/* proves S15 */
static void a_peer_that_is_gone_is_no_error(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load_actions(bench, "  - wait: 1s\n"
                              "  - http-response: hi\n"
                              "  - log: went on\n");
    struct peer *peer = peer_new(&bench->rig);
    peer_say(peer, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RIG_UNTIL(&bench->rig, bench->rig.counters.requests == 1);
    struct linger reset = {1, 0};
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    peer_free(peer);
    RIG_UNTIL(&bench->rig, bench->rig.counters.connections_open == 0);
    rig_pass(&bench->rig, 1001);
    RIG_UNTIL(&bench->rig, strstr(bench_log(bench), "went on"));
    assert_int_equal(bench->rig.counters.answers_dropped, 1);
    bench_free(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_source_has_its_type_and_length),
        cmocka_unit_test(status_and_headers_are_sent),
        cmocka_unit_test(redirects_name_the_place),
        cmocka_unit_test(every_answer_names_its_run),
        cmocka_unit_test(cookies_are_safe_unless_said_otherwise),
        cmocka_unit_test(line_breaks_from_variables_are_step_errors),
        cmocka_unit_test(html_escapes_what_is_interpolated),
        cmocka_unit_test(html_refuses_places_where_escaping_does_not_protect),
        cmocka_unit_test(html_accepts_places_where_escaping_protects),
        cmocka_unit_test(wrong_uses_are_load_errors),
        cmocka_unit_test(files_come_with_type_and_date_and_unexpanded),
        cmocka_unit_test(what_is_missing_or_outside_a_root_is_404),
        cmocka_unit_test(conditions_and_ranges_are_honoured),
        cmocka_unit_test(large_files_are_streamed_and_have_ranges),
        cmocka_unit_test(the_second_answer_is_a_step_error),
        cmocka_unit_test(a_run_without_a_request_cannot_answer),
        cmocka_unit_test(a_peer_that_is_gone_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
