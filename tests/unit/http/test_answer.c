/* Answers' heads: bytes, rules for bodies and connections, what is refused, status texts. */
#include "tests/unit/http/http_test.h"

static void assert_written(const struct http_answer *answer, const char *expected) {
    size_t bound = http_answer_bound(answer);
    char *out = malloc(bound);
    assert_non_null(out);
    ssize_t size = http_answer_write(answer, out, bound);
    assert_true(size >= 0);
    assert_slice(((struct slice){out, (size_t)size}), expected);
    assert_int_equal(http_answer_write(answer, out, bound - 1), STATUS_LIMIT);
    free(out);
}

/* proves S12 */
static void an_answer_has_status_date_type_length_and_headers(void **state) {
    (void)state;
    struct http_header headers[] = {{SLICE("X-A"), SLICE("b")},
                                    {SLICE("Set-Cookie"), SLICE("c=d")}};
    struct http_answer answer = {.status = 200,
                                 .minor = 1,
                                 .keep_alive = true,
                                 .date = SLICE("Sun, 06 Nov 1994 08:49:37 GMT"),
                                 .content_type = SLICE("text/plain; charset=utf-8"),
                                 .content_length = UINT64_MAX,
                                 .headers = headers,
                                 .header_count = 2};
    assert_written(&answer, "HTTP/1.1 200 OK\r\n"
                            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                            "Content-Type: text/plain; charset=utf-8\r\n"
                            "Content-Length: 18446744073709551615\r\n"
                            "X-A: b\r\n"
                            "Set-Cookie: c=d\r\n\r\n");
    headers[0] = (struct http_header){SLICE("content-type"), SLICE("a/b")};
    headers[1] = (struct http_header){SLICE("DATE"), SLICE("now")};
    answer.content_length = 0;
    assert_written(&answer, "HTTP/1.1 200 OK\r\n"
                            "Content-Length: 0\r\n"
                            "content-type: a/b\r\n"
                            "DATE: now\r\n\r\n");
}

/* proves S10 */
static void the_connection_is_said_where_it_is_not_the_default(void **state) {
    (void)state;
    struct http_answer answer = {.status = 404, .minor = 1, .keep_alive = false};
    assert_written(&answer, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                            "Connection: close\r\n\r\n");
    answer.minor = 0;
    assert_written(&answer, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                            "Connection: close\r\n\r\n");
    answer.keep_alive = true;
    assert_written(&answer, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                            "Connection: keep-alive\r\n\r\n");
    answer = (struct http_answer){.status = 426, .minor = 1, .upgrade = SLICE("websocket")};
    assert_written(&answer, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n"
                            "Upgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n");
}

/* proves S10 */
static void answers_without_body_say_no_length(void **state) {
    (void)state;
    static const unsigned codes[] = {100, 101, 204, 304};
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        char out[512];
        struct http_answer answer = {.status = (uint16_t)codes[i],
                                     .minor = 1,
                                     .keep_alive = true,
                                     .content_type = SLICE("a/b"),
                                     .content_length = 5};
        assert_false(http_status_has_body(codes[i]));
        ssize_t size = http_answer_write(&answer, out, sizeof out);
        assert_true(size > 0);
        assert_false(slice_contains((struct slice){out, (size_t)size}, SLICE("Content-")));
    }
    assert_true(http_status_has_body(200));
    assert_true(http_status_has_body(404));
}

/* RFC 9110 section 15.3.6. proves S10 */
static void a_205_says_that_it_holds_nothing(void **state) {
    (void)state;
    struct http_answer answer = {.status = 205,
                                 .minor = 1,
                                 .keep_alive = true,
                                 .content_type = SLICE("a/b"),
                                 .content_length = 5};
    assert_written(&answer, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n");
    assert_false(http_status_has_body(205));
}

/* proves S16 */
static void forged_and_framing_headers_are_refused(void **state) {
    (void)state;
    static const struct {
        struct slice name, value;
        enum status status;
    } cases[] = {
        {SLICE("X-A"), SLICE("b\xc3\xa4 \t"), STATUS_OK},
        {SLICE("Location"), SLICE(""), STATUS_OK},
        {SLICE("X-A"), SLICE("b\r\nX: y"), STATUS_SYNTAX},
        {SLICE("X-A"), SLICE("b\n"), STATUS_SYNTAX},
        {SLICE("X-A"), SLICE("\r"), STATUS_SYNTAX},
        {SLICE("X-A"), SLICE("a\0b"), STATUS_SYNTAX},
        {SLICE("X-A"), SLICE("\x7f"), STATUS_SYNTAX},
        {SLICE(""), SLICE("b"), STATUS_SYNTAX},
        {SLICE("X A"), SLICE("b"), STATUS_SYNTAX},
        {SLICE("X:"), SLICE("b"), STATUS_SYNTAX},
        {SLICE("X\r\nY"), SLICE("b"), STATUS_SYNTAX},
        {SLICE("content-length"), SLICE("1"), STATUS_DENIED},
        {SLICE("Transfer-Encoding"), SLICE("chunked"), STATUS_DENIED},
        {SLICE("CONNECTION"), SLICE("close"), STATUS_DENIED},
        {SLICE("Keep-Alive"), SLICE("1"), STATUS_DENIED},
        {SLICE("Upgrade"), SLICE("x"), STATUS_DENIED},
        {SLICE("Trailer"), SLICE("x"), STATUS_DENIED},
    };
    char out[512];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_header header = {cases[i].name, cases[i].value};
        struct http_answer answer = {.status = 200, .headers = &header, .header_count = 1};
        assert_int_equal(http_header_check(header.name, header.value), cases[i].status);
        ssize_t size = http_answer_write(&answer, out, sizeof out);
        assert_int_equal(size < 0 ? size : 0, cases[i].status);
    }
    struct http_answer answer = {.status = 200, .content_type = SLICE("a/b\r\nX: y")};
    assert_int_equal(http_answer_write(&answer, out, sizeof out), STATUS_SYNTAX);
}

/* What the program has made itself comes first and is not looked at. */
static void only_headers_of_others_are_checked(void **state) {
    (void)state;
    const struct http_header headers[] = {
        {SLICE("Trailer"), SLICE("own")}, {SLICE("X-A"), SLICE("b")}, {SLICE("X-B"), SLICE("c\n")}};
    char out[512];
    struct http_answer answer = {.status = 200,
                                 .minor = 1,
                                 .keep_alive = true,
                                 .headers = headers,
                                 .header_count = 2,
                                 .own_count = 1};
    assert_written(&answer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                            "Trailer: own\r\nX-A: b\r\n\r\n");
    answer.header_count = 3;
    assert_int_equal(http_answer_write(&answer, out, sizeof out), STATUS_SYNTAX);
}

static void a_status_has_its_text(void **state) {
    (void)state;
    assert_slice(http_status_text(200), "OK");
    assert_slice(http_status_text(431), "Request Header Fields Too Large");
    assert_slice(http_status_text(599), "Unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_status_date_type_length_and_headers),
        cmocka_unit_test(the_connection_is_said_where_it_is_not_the_default),
        cmocka_unit_test(answers_without_body_say_no_length),
        cmocka_unit_test(a_205_says_that_it_holds_nothing),
        cmocka_unit_test(forged_and_framing_headers_are_refused),
        cmocka_unit_test(only_headers_of_others_are_checked),
        cmocka_unit_test(a_status_has_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
