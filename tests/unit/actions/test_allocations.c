/* In steady state an answer with look-ups and an echoed message reach the heap not once: the whole
 * way from the socket through trigger, run and action and back. Counted by standing in for malloc()
 * and its kin; a sanitizer has its own, so there only the path is walked. */
#include "tests/unit/actions/bench.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static size_t heap_calls; /* stays 0 */
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
static size_t heap_calls;
void *malloc(size_t size) {
    heap_calls++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    heap_calls++;
    return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
    heap_calls++;
    return __libc_realloc(old, size);
}
#endif

#define ROUNDS 1000

struct exchange {
    const void *bytes;
    size_t size;
    const char *answer; /* its last characters */
};

static void walk(struct peer *peer, const struct exchange *exchange) {
    peer->size = 0;
    peer_send(peer, exchange->bytes, exchange->size);
    RIG_UNTIL(peer->rig, peer_has(peer, exchange->answer));
}

static void count(struct peer *peer, const struct exchange *exchange) {
    for (int i = 0; i < 10; i++)
        walk(peer, exchange);
    size_t before = heap_calls;
    for (int i = 0; i < ROUNDS; i++)
        walk(peer, exchange);
    assert_int_equal(heap_calls, before);
}

static void a_text_answer_allocates_nothing(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load(bench, "hello:\n"
                      "  triggers: [{http-request: '/hello/{name}'}]\n"
                      "  actions: [{http-response: 'Hello ${HttpPathParam(name)}!'}]\n");
    struct peer *peer = peer_new(&bench->rig);
    static const char head[] = "GET /hello/bob HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const struct exchange exchange = {head, sizeof head - 1, "Hello bob!"};
    count(peer, &exchange);
    peer_free(peer);
    bench_free(bench);
}

static void an_html_answer_allocates_nothing(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load(bench, "hello:\n"
                      "  triggers: [{http-request: '/hello/{name}'}]\n"
                      "  actions: [{http-response: {html: '<b>${HttpPathParam(name)}</b>', "
                      "headers: {X-A: b}}}]\n");
    struct peer *peer = peer_new(&bench->rig);
    static const char head[] = "GET /hello/%3Cbob%3E HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const struct exchange exchange = {head, sizeof head - 1, "<b>&lt;bob&gt;</b>"};
    count(peer, &exchange);
    peer_free(peer);
    bench_free(bench);
}

static void an_echo_allocates_nothing(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load_actions(bench,
                       "  - send-message: {text: '${WsMessage}', is-binary: '${WsIsBinary}'}\n");
    struct peer *peer = peer_open(&bench->rig, "/");
    uint8_t frame[64];
    size_t size = frame_make(frame, WS_FIN | WS_OP_TEXT, "twenty bytes of text", 20);
    const struct exchange exchange = {frame, size, "twenty bytes of text"};
    count(peer, &exchange);
    peer_free(peer);
    bench_free(bench);
}

static void a_message_with_text_around_it_allocates_nothing(void **state) {
    (void)state;
    struct bench *bench = bench_new();
    bench_load_actions(bench, "  - send-message: 'you said ${WsMessage}, ${Peer}'\n");
    struct peer *peer = peer_open(&bench->rig, "/");
    uint8_t frame[64];
    size_t size = frame_make(frame, WS_FIN | WS_OP_TEXT, "hi", 2);
    const struct exchange exchange = {frame, size, "you said hi, 127.0.0.1"};
    count(peer, &exchange);
    peer_free(peer);
    bench_free(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_answer_allocates_nothing),
        cmocka_unit_test(an_html_answer_allocates_nothing),
        cmocka_unit_test(an_echo_allocates_nothing),
        cmocka_unit_test(a_message_with_text_around_it_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
