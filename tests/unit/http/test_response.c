/* Responses' heads as a client reads them. */
#include "tests/unit/http/http_test.h"

static enum status parse(const char *text, struct http_response *response,
                         struct http_error *error) {
    static const struct http_limits few = {32768, 8};
    struct http_header headers[8];
    struct slice copy = exact(slice_of(text));
    enum status status = http_response_parse(copy, &few, headers, response, error);
    if (status == STATUS_OK)
        assert_true(response->header_count <= 8);
    drop(copy);
    return status;
}

/* proves C4 */
static void a_handshake_answer_is_read(void **state) {
    (void)state;
    struct http_header headers[TEST_HEADERS];
    struct http_response response;
    struct http_error error;
    struct slice head = SLICE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Accept: abc=\r\n\r\n");
    assert_int_equal(http_response_parse(head, &test_limits, headers, &response, &error),
                     STATUS_OK);
    assert_int_equal(response.status, 101);
    assert_slice(response.reason, "Switching Protocols");
    assert_int_equal(response.body, HTTP_BODY_NONE);
    assert_int_equal(response.header_count, 3);
    assert_slice(http_header_get(headers, 3, SLICE("sec-websocket-accept")), "abc=");
}

static void the_kind_of_body_follows_status_and_headers(void **state) {
    (void)state;
    static const struct {
        const char *head;
        unsigned status;
        enum http_body_kind body;
        uint64_t length;
        bool keep_alive;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", 200, HTTP_BODY_LENGTH, 7, true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, HTTP_BODY_NONE, 0, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, HTTP_BODY_CHUNKED, 0, true},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 200, HTTP_BODY_UNTIL_CLOSE, 0, false},
        {"HTTP/1.0 404 \r\n\r\n", 404, HTTP_BODY_UNTIL_CLOSE, 0, false},
        {"HTTP/1.1 403\r\nContent-Length: 2\r\n\r\n", 403, HTTP_BODY_LENGTH, 2, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, HTTP_BODY_NONE, 0, true},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, HTTP_BODY_NONE, 9, true},
        {"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", 205, HTTP_BODY_NONE, 0, true},
        {"HTTP/1.1 205 Reset Content\r\nContent-Length: 9\r\n\r\n", 205, HTTP_BODY_LENGTH, 9, true},
        {"HTTP/1.1 100 Continue\r\n\r\n", 100, HTTP_BODY_NONE, 0, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_response response;
        struct http_error error = {0, NULL};
        if (parse(cases[i].head, &response, &error))
            fail_msg("%s: %s", cases[i].head, error.reason);
        assert_int_equal(response.status, cases[i].status);
        assert_int_equal(response.body, cases[i].body);
        assert_int_equal(response.content_length, cases[i].length);
        assert_int_equal(response.keep_alive, cases[i].keep_alive);
    }
}

/* proves C4 */
static void malformed_responses_are_refused(void **state) {
    (void)state;
    static const char *const bads[] = {
        "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7\r\nH: 8\r\nI: "
        "9\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
        struct http_response response;
        struct http_error error = {0, NULL};
        if (parse(bads[i], &response, &error) == STATUS_OK)
            fail_msg("%s passed", bads[i]);
        assert_int_equal(error.status, 502);
        assert_non_null(error.reason);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_answer_is_read),
        cmocka_unit_test(the_kind_of_body_follows_status_and_headers),
        cmocka_unit_test(malformed_responses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
