/* Requests' heads: what is read out of good ones, and the status of each bad one. */
#include <stdio.h>
#include "http/scan.h"
#include "tests/unit/http/http_test.h"

struct parsed {
    struct slice copy;
    struct http_header headers[TEST_HEADERS];
    struct http_request request;
    struct http_error error;
    enum status status;
};

static void parse(struct parsed *parsed, struct slice head) {
    *parsed = (struct parsed){.copy = exact(head)};
    parsed->status = http_request_parse(parsed->copy, &test_limits, parsed->headers,
                                        &parsed->request, &parsed->error);
}

#define parse_good(name, head)                                                                     \
    struct parsed name;                                                                            \
    parse(&name, SLICE(head));                                                                     \
    if (name.status)                                                                               \
    fail_msg("%s: %u %s", head, name.error.status, name.error.reason)

/* proves S7 */
static void a_request_line_is_taken_apart(void **state) {
    (void)state;
    parse_good(p, "GET /a%20b/c?x=1?&y HTTP/1.1\r\nHost: example.org:8080\r\n\r\n");
    assert_int_equal(p.request.method, HTTP_METHOD_GET);
    assert_slice(p.request.target, "/a%20b/c?x=1?&y");
    assert_slice(p.request.path, "/a%20b/c");
    assert_slice(p.request.query, "x=1?&y");
    assert_slice(p.request.host, "example.org:8080");
    assert_int_equal(p.request.minor, 1);
    assert_int_equal(p.request.body, HTTP_BODY_NONE);
    assert_true(p.request.keep_alive);
    assert_false(p.request.is_websocket);
    assert_int_equal(p.request.header_count, 1);
    drop(p.copy);
}

static void headers_are_trimmed_and_kept_as_bytes(void **state) {
    (void)state;
    parse_good(
        p, "\r\nPOST / HTTP/1.1\r\nhost:a\r\nX-A:  b\t c \t\r\nX-B:\r\nX-C: \xc3\xa4\x80\r\n\r\n");
    assert_int_equal(p.request.header_count, 4);
    assert_slice(http_request_header(&p.request, SLICE("x-a")), "b\t c");
    assert_int_equal(http_request_header(&p.request, SLICE("x-b")).size, 0);
    assert_slice(http_request_header(&p.request, SLICE("x-c")), "\xc3\xa4\x80");
    drop(p.copy);
}

/* The target is read eight bytes at a time: each byte at each place of each size. */
static void every_place_of_a_target_is_looked_at(void **state) {
    (void)state;
    for (size_t size = 2; size <= 20; size++) {
        for (size_t i = 0; i < (size - 1) * 256; i++) {
            char head[64], path[32];
            size_t place = 1 + i / 256;
            uint8_t c = (uint8_t)i;
            memset(path, 'x', size);
            path[0] = '/';
            path[place] = (char)c;
            size_t line = (size_t)snprintf(head, sizeof head, "GET ");
            memcpy(head + line, path, size);
            line += size;
            line +=
                (size_t)snprintf(head + line, sizeof head - line, " HTTP/1.1\r\nHost:a\r\n\r\n");
            struct parsed p;
            parse(&p, (struct slice){head, line});
            bool is_bad = c <= 0x20 || c >= 0x7f || c == '#' || c == '%' || (c == '.' && size == 2);
            if ((p.status != STATUS_OK) != is_bad)
                fail_msg("byte %u at %zu of %zu", (unsigned)c, place, size);
            if (!is_bad)
                assert_int_equal(p.request.path.size, c == '?' ? place : size);
            drop(p.copy);
        }
    }
}

/* proves S6 */
static void every_method_of_llhttp_is_known_and_no_other(void **state) {
    (void)state;
    static const char *const unknown[] = {"get",  "QUERY", "PRI",      "FOO",
                                          "GETT", "GE",    "DESCRIBE", "FLUSH"};
    char head[80];
    for (unsigned method = 0; method < HTTP_METHOD_COUNT; method++) {
        struct slice text = http_method_text((enum http_method)method);
        int size = snprintf(head, sizeof head, SLICE_FMT " / HTTP/1.1\r\nHost: a\r\n\r\n",
                            SLICE_ARG(text));
        struct parsed p;
        parse(&p, (struct slice){head, (size_t)size});
        if (method == HTTP_METHOD_CONNECT)
            assert_int_equal(p.error.status, 501);
        else
            assert_int_equal(p.request.method, method);
        assert_int_equal(p.status == STATUS_OK, method != HTTP_METHOD_CONNECT);
        drop(p.copy);
    }
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        int size = snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", unknown[i]);
        struct parsed p;
        parse(&p, (struct slice){head, (size_t)size});
        assert_int_equal(p.error.status, 501);
        drop(p.copy);
    }
    assert_null(http_method_text(HTTP_METHOD_COUNT).bytes);
}

/* proves S6 */
static void a_set_of_methods_is_printed_for_allow(void **state) {
    (void)state;
    char out[HTTP_ALLOW_MAX];
    uint64_t set = HTTP_METHOD_BIT(HTTP_METHOD_POST) | HTTP_METHOD_BIT(HTTP_METHOD_GET);
    assert_slice(http_methods_format(set, out), "GET, POST");
    assert_slice(http_methods_format(0, out), "");
    struct slice all = http_methods_format(UINT64_MAX, out);
    assert_true(all.size < HTTP_ALLOW_MAX);
    assert_true(slice_contains(all, SLICE("M-SEARCH, ")));
}

static void targets_of_other_forms_are_read(void **state) {
    (void)state;
    parse_good(p, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_slice(p.request.path, "*");
    drop(p.copy);
    parse_good(q, "GET http://A.b:80/x?y HTTP/1.1\r\nHost: a.B:80\r\n\r\n");
    assert_slice(q.request.path, "/x");
    assert_slice(q.request.query, "y");
    drop(q.copy);
    parse_good(r, "GET HTTPS://a?y HTTP/1.0\r\n\r\n");
    assert_slice(r.request.path, "/");
    assert_slice(r.request.query, "y");
    assert_slice(r.request.host, "a");
    drop(r.copy);
}

/* proves S9 */
static void bodies_are_announced(void **state) {
    (void)state;
    parse_good(
        p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0012\r\nExpect: 100-Continue\r\n\r\n");
    assert_int_equal(p.request.body, HTTP_BODY_LENGTH);
    assert_int_equal(p.request.content_length, 12);
    assert_true(p.request.expects_continue);
    drop(p.copy);
    parse_good(q, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n");
    assert_int_equal(q.request.body, HTTP_BODY_CHUNKED);
    assert_false(q.request.expects_continue);
    drop(q.copy);
    parse_good(r,
               "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(r.request.body, HTTP_BODY_NONE);
    assert_false(r.request.expects_continue);
    drop(r.copy);
    parse_good(s, "POST / HTTP/1.0\r\nContent-Length: 18446744073709551615\r\n\r\n");
    assert_true(s.request.content_length == UINT64_MAX);
    drop(s.copy);
}

/* proves S10 */
static void keep_alive_follows_version_and_connection(void **state) {
    (void)state;
    static const struct {
        const char *head;
        bool keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct parsed p;
        parse(&p, slice_of(cases[i].head));
        assert_int_equal(p.status, STATUS_OK);
        assert_int_equal(p.request.keep_alive, cases[i].keep_alive);
        drop(p.copy);
    }
}

/* proves S1 */
static void only_a_get_without_body_upgrades_to_websocket(void **state) {
    (void)state;
    static const struct {
        const char *head;
        bool is_websocket;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, upgrade\r\nUpgrade: "
         "WebSocket\r\n\r\n",
         true},
        {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
         false},
        {"GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false},
        {"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
         "websocket\r\nContent-Length: 1\r\n\r\n",
         false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct parsed p;
        parse(&p, slice_of(cases[i].head));
        assert_int_equal(p.status, STATUS_OK);
        assert_int_equal(p.request.is_websocket, cases[i].is_websocket);
        drop(p.copy);
    }
}

#define WITH(headers) "POST / HTTP/1.1\r\nHost: a\r\n" headers "\r\n\r\n"
#define LINE(line)    line "\r\nHost: a\r\n\r\n"
struct bad_head {
    uint16_t code;
    struct slice head;
};
static const struct bad_head bad_heads[] = {
    /* the request line */
    {400, SLICE("\r\n")},
    {400, SLICE("\r\n\r\n")},
    {400, SLICE("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, SLICE(LINE("GET /"))},
    {400, SLICE(LINE("GET / "))},
    {400, SLICE(LINE(" GET / HTTP/1.1"))},
    {400, SLICE(LINE("GET  / HTTP/1.1"))},
    {400, SLICE(LINE("GET /  HTTP/1.1"))},
    {400, SLICE(LINE("GET\t/ HTTP/1.1"))},
    {400, SLICE(LINE("GET / HTTP/1.1 "))},
    {400, SLICE(LINE("GET / a HTTP/1.1"))},
    {400, SLICE(LINE("GET / http/1.1"))},
    {400, SLICE(LINE("GET / HTTP/1.10"))},
    {400, SLICE(LINE("GET / HTTP/1,1"))},
    {400, SLICE(LINE("GET / HTTP/1."))},
    {400, SLICE(LINE("GET / HTTP/1.x"))},
    {400, SLICE(LINE("GET / ICE/1.0"))},
    {400, SLICE(LINE("GET / RTSP/1.0"))},
    {505, SLICE(LINE("GET / HTTP/0.9"))},
    {505, SLICE(LINE("GET / HTTP/1.2"))},
    {505, SLICE(LINE("GET / HTTP/2.0"))},
    {505, SLICE("PRI * HTTP/2.0\r\n\r\n")},
    {400, SLICE(LINE("G@T / HTTP/1.1"))},
    {400, SLICE(LINE("G\0T / HTTP/1.1"))},
    {501, SLICE(LINE("CONNECT a:443 HTTP/1.1"))},
    /* the target */
    {400, SLICE(LINE("GET  HTTP/1.1"))},
    {400, SLICE(LINE("GET a HTTP/1.1"))},
    {400, SLICE(LINE("GET * HTTP/1.1"))},
    {400, SLICE(LINE("GET ?a HTTP/1.1"))},
    {400, SLICE(LINE("GET /#a HTTP/1.1"))},
    {400, SLICE(LINE("GET /?a#b HTTP/1.1"))},
    {400, SLICE(LINE("GET /\x01 HTTP/1.1"))},
    {400, SLICE(LINE("GET /\0 HTTP/1.1"))},
    {400, SLICE(LINE("GET /\x7f HTTP/1.1"))},
    {400, SLICE(LINE("GET /\xc3\xa4 HTTP/1.1"))},
    {400, SLICE(LINE("GET /\r HTTP/1.1"))},
    {400, SLICE(LINE("GET /%00 HTTP/1.1"))},
    {400, SLICE(LINE("GET /% HTTP/1.1"))},
    {400, SLICE(LINE("GET /%2 HTTP/1.1"))},
    {400, SLICE(LINE("GET /%2g/ HTTP/1.1"))},
    {400, SLICE(LINE("GET /%g2/ HTTP/1.1"))},
    {400, SLICE(LINE("GET /a/../b HTTP/1.1"))},
    {400, SLICE(LINE("GET /a/. HTTP/1.1"))},
    {400, SLICE(LINE("GET /a/.. HTTP/1.1"))},
    {400, SLICE(LINE("GET /a/%2e%2E/b HTTP/1.1"))},
    {400, SLICE(LINE("GET /a/.%2e HTTP/1.1"))},
    {400, SLICE(LINE("GET /./?q HTTP/1.1"))},
    {400, SLICE(LINE("GET http://b/ HTTP/1.1"))},
    {400, SLICE(LINE("GET http://a:81/ HTTP/1.1"))},
    {400, SLICE(LINE("GET http://u@a/ HTTP/1.1"))},
    {400, SLICE(LINE("GET http:///x HTTP/1.1"))},
    {400, SLICE(LINE("GET http:// HTTP/1.1"))},
    {400, SLICE(LINE("GET ftp://a/ HTTP/1.1"))},
    {400, SLICE("GET http://u@a/ HTTP/1.0\r\n\r\n")},
    /* header lines */
    {400, SLICE(WITH("X-A : b"))},
    {400, SLICE(WITH("X-A\t: b"))},
    {400, SLICE(WITH(" X-A: b"))},
    {400, SLICE(WITH("X-A: b\r\n c"))},
    {400, SLICE(WITH("X-A: b\r\n\tc"))},
    {400, SLICE(WITH(": b"))},
    {400, SLICE(WITH("X-A"))},
    {400, SLICE(WITH("X A: b"))},
    {400, SLICE(WITH("X(A: b"))},
    {400, SLICE(WITH("X\xc3: b"))},
    {400, SLICE(WITH("X\0: b"))},
    {400, SLICE(WITH("X-A: b\0c"))},
    {400, SLICE(WITH("X-A: b\rc"))},
    {400, SLICE(WITH("X-A: b\nc"))},
    {400, SLICE(WITH("X-A: b\n"))},
    {400, SLICE(WITH("X-A: b\x01"))},
    {400, SLICE(WITH("X-A: b\x7f"))},
    {400, SLICE(WITH("X-A: b\r\r\n"))},
    {400, SLICE("GET / HTTP/1.1\r\nHost: a\r\n")},
    {400, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\n")},
    {400, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\nx")},
    {400, SLICE("GET / HTTP/1.1\r\n Host: a\r\n\r\n")},
    /* Host */
    {400, SLICE("GET / HTTP/1.1\r\n\r\n")},
    {400, SLICE(WITH("Host: a"))},
    {400, SLICE(WITH("host: b"))},
    {400, SLICE("GET / HTTP/1.1\r\nHost : a\r\n\r\n")},
    {400, SLICE("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
    {400, SLICE("GET / HTTP/1.0\r\nHost: \t\r\n\r\n")},
    {400, SLICE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")},
    {400, SLICE("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n")},
    {400, SLICE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")},
    {400, SLICE("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n")},
    {400, SLICE("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n")},
    /* Content-Length and Transfer-Encoding */
    {400, SLICE(WITH("Content-Length: 1\r\nContent-Length: 1"))},
    {400, SLICE(WITH("Content-Length: 1\r\nContent-Length: 2"))},
    {400, SLICE(WITH("Content-Length: 1, 1"))},
    {400, SLICE(WITH("Content-Length: +1"))},
    {400, SLICE(WITH("Content-Length: -1"))},
    {400, SLICE(WITH("Content-Length: 0x1"))},
    {400, SLICE(WITH("Content-Length: 1 1"))},
    {400, SLICE(WITH("Content-Length: 1_000"))},
    {400, SLICE(WITH("Content-Length:"))},
    {400, SLICE(WITH("Content-Length : 1"))},
    {400, SLICE(WITH("Content_Length: 1\r\nContent-Length: a"))},
    {413, SLICE(WITH("Content-Length: 18446744073709551616"))},
    {400, SLICE(WITH("Content-Length: 1\r\nTransfer-Encoding: chunked"))},
    {400, SLICE(WITH("Transfer-Encoding: chunked\r\nContent-Length: 0"))},
    {400, SLICE(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"))},
    {400, SLICE(WITH("Transfer-Encoding: chunked, chunked"))},
    {400, SLICE(WITH("Transfer-Encoding: gzip, chunked"))},
    {400, SLICE(WITH("Transfer-Encoding: chunked, gzip"))},
    {400, SLICE(WITH("Transfer-Encoding: gzip"))},
    {400, SLICE(WITH("Transfer-Encoding: identity"))},
    {400, SLICE(WITH("Transfer-Encoding: xchunked"))},
    {400, SLICE(WITH("Transfer-Encoding: \"chunked\""))},
    {400, SLICE(WITH("Transfer-Encoding: chunked;q=1"))},
    {400, SLICE(WITH("Transfer-Encoding: ,chunked"))},
    {400, SLICE(WITH("Transfer-Encoding:"))},
    {400, SLICE(WITH("Transfer-Encoding: \x0b"
                     "chunked"))},
    {400, SLICE(WITH("Transfer-Encoding : chunked"))},
    {400, SLICE(WITH("Transfer-Encoding:\r\n chunked"))},
    {400, SLICE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {417, SLICE(WITH("Expect: 200-ok"))},
};

/* proves S10 */
static void every_malformed_head_gets_its_status(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad_heads); i++) {
        struct parsed p;
        parse(&p, bad_heads[i].head);
        if (p.status == STATUS_OK || p.error.status != bad_heads[i].code)
            fail_msg("head %zu, \"" SLICE_FMT "\": got %u, expected %u", i,
                     SLICE_ARG(bad_heads[i].head), p.status ? p.error.status : 200u,
                     bad_heads[i].code);
        assert_non_null(p.error.reason);
        drop(p.copy);
    }
}

static void every_cut_of_a_head_is_refused(void **state) {
    (void)state;
    struct slice whole =
        SLICE("POST http://a/b%20c?d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    for (size_t size = 0; size < whole.size; size++) {
        struct parsed p;
        parse(&p, (struct slice){whole.bytes, size});
        assert_int_not_equal(p.status, STATUS_OK);
        drop(p.copy);
    }
}

/* proves S10 */
static void the_number_of_headers_is_bounded(void **state) {
    (void)state;
    struct slice head = SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n\r\n");
    struct http_header headers[3];
    struct http_request request;
    struct http_error error;
    struct http_limits limits = {1000, 3};
    assert_int_equal(http_request_parse(head, &limits, headers, &request, &error), STATUS_OK);
    limits.header_count = 2;
    assert_int_equal(http_request_parse(head, &limits, headers, &request, &error), STATUS_LIMIT);
    assert_int_equal(error.status, 431);
}

static void dots_that_are_no_segments_and_escaped_slashes_stay(void **state) {
    (void)state;
    parse_good(p, "GET /.well-known/a..b/.../x%2F..%2Fy/a.?../. HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_slice(p.request.path, "/.well-known/a..b/.../x%2F..%2Fy/a.");
    assert_slice(p.request.query, "../.");
    drop(p.copy);
}

static void a_moved_request_reads_the_same(void **state) {
    (void)state;
    parse_good(p, "GET http://a?x HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n");
    struct slice copy = exact(p.copy);
    struct http_header headers[2];
    http_request_move(&p.request, copy.bytes, headers);
    drop(p.copy);
    assert_slice(p.request.path, "/");
    assert_slice(p.request.query, "x");
    assert_slice(p.request.host, "a");
    assert_slice(p.request.target, "http://a?x");
    assert_slice(http_request_header(&p.request, SLICE("x-a")), "b");
    assert_ptr_equal(p.request.head.bytes, copy.bytes);
    assert_ptr_equal(p.request.headers, headers);
    drop(copy);
}

/* What the strict scan lets pass, llhttp must read the same, also where the parser does not ask it.
 */
static void mutated_heads_mean_the_same_to_both_readers(void **state) {
    (void)state;
    static const char *const seeds[] = {
        "GET /hello/bob?x=1 HTTP/1.1\r\nHost: example.org\r\nAccept: text/html, */*\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nConnection: close\r\n\r\n",
        "PUT /a HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\nExpect: "
        "100-continue\r\n\r\n",
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"};
    static const char bytes[] = " \t\r\n:,;/?#%.\0\x7f\x80"
                                "aA0hHcC-_\"";
    uint64_t random = 20240607;
    unsigned good = 0;
    for (unsigned round = 0; round < 60000; round++) {
        struct slice seed = slice_of(seeds[round % ARRAY_SIZE(seeds)]);
        char text[256];
        size_t size = seed.size;
        memcpy(text, seed.bytes, size);
        for (unsigned change = 0; change < 1 + round % 3; change++) {
            size_t at = random_next(&random) % size;
            char c = bytes[random_next(&random) % (sizeof bytes - 1)];
            switch (random_next(&random) % 3) {
                case 0:
                    text[at] = c;
                    break;
                case 1:
                    memmove(text + at + 1, text + at, size - at);
                    text[at] = c;
                    size++;
                    break;
                default:
                    memmove(text + at, text + at + 1, size - at - 1);
                    size--;
            }
        }
        struct parsed p;
        parse(&p, (struct slice){text, size});
        if (p.status == STATUS_OK) {
            struct http__reading ours = {
                .is_request = true,
                .is_chunked = p.request.body == HTTP_BODY_CHUNKED,
                .has_length = http_request_header(&p.request, SLICE("content-length")).bytes,
                .content_length = p.request.content_length,
                .code = p.request.method,
                .minor = p.request.minor};
            if (!http__second_reading_agrees(p.copy, &ours))
                fail_msg("read in two ways: " SLICE_FMT, SLICE_ARG(p.copy));
            good++;
        }
        drop(p.copy);
    }
    assert_true(good > 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_line_is_taken_apart),
        cmocka_unit_test(headers_are_trimmed_and_kept_as_bytes),
        cmocka_unit_test(every_place_of_a_target_is_looked_at),
        cmocka_unit_test(every_method_of_llhttp_is_known_and_no_other),
        cmocka_unit_test(a_set_of_methods_is_printed_for_allow),
        cmocka_unit_test(targets_of_other_forms_are_read),
        cmocka_unit_test(bodies_are_announced),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(only_a_get_without_body_upgrades_to_websocket),
        cmocka_unit_test(every_malformed_head_gets_its_status),
        cmocka_unit_test(every_cut_of_a_head_is_refused),
        cmocka_unit_test(the_number_of_headers_is_bounded),
        cmocka_unit_test(dots_that_are_no_segments_and_escaped_slashes_stay),
        cmocka_unit_test(a_moved_request_reads_the_same),
        cmocka_unit_test(mutated_heads_mean_the_same_to_both_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
