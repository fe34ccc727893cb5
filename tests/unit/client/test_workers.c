/* Orders from a worker that does not own the client; both loops take turns on one thread. */
#include "client/internal.h"
#include "tests/unit/client/peer.h"

struct pair {
    struct fixture fixture; /* first: the owner */
    struct net_loop *other_loop;
    struct client_set *other;
    struct client_set *sets[2];
};

static int set_up_pair(void **state) {
    void *plain;
    set_up(&plain);
    struct pair *pair = realloc(plain, sizeof(*pair));
    struct fixture *fixture = &pair->fixture;
    /* What was made points to the fixture's clock and to itself. */
    client_set_free(fixture->set);
    net_loop_free(fixture->loop);
    struct net_loop_options options = {.clock = &fixture->clock};
    fixture->loop = net_loop_new(&options);
    pair->other_loop = net_loop_new(&options);
    struct client_set_options set = {
        .loop = fixture->loop, .events = &test_events, .context = fixture};
    struct client_set_options other = {.loop = pair->other_loop, .worker = 1};
    fixture->set = client_set_new(&set);
    pair->other = client_set_new(&other);
    pair->sets[0] = fixture->set;
    pair->sets[1] = pair->other;
    client_set_connect(fixture->set, pair->sets, 2);
    client_set_connect(pair->other, pair->sets, 2);
    static const char *const names[] = {"a", "b", "d", "e", "f", "g"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (client_set_owner(fixture->set, slice_of(names[i])) == 0)
            fixture->options.id = slice_of(names[i]);
    assert_int_equal(client_set_owner(pair->other, fixture->options.id), 0);
    *state = pair;
    return 0;
}

static int tear_down_pair(void **state) {
    struct pair *pair = *state;
    struct net_loop *other_loop = pair->other_loop;
    struct client_set *other = pair->other;
    tear_down(state);
    client_set_abort(other);
    client_set_free(other);
    net_loop_free(other_loop);
    return 0;
}

static enum status ask(struct pair *pair, const struct client_order *order) {
    struct client_done done = {.fn = test_done, .context = &pair->fixture};
    pair->fixture.is_done = false;
    return client_order(pair->other, order, &done);
}

static void turn_both_until_done(struct pair *pair) {
    for (int i = 0; i < TURNS_MAX && !pair->fixture.is_done; i++) {
        net_loop_turn(pair->fixture.loop, 1);
        net_loop_turn(pair->other_loop, 0);
    }
    assert_true(pair->fixture.is_done);
}

static void a_send_from_another_worker_gets_a_true_answer(void **state) {
    struct pair *pair = *state;
    struct fixture *fixture = &pair->fixture;
    struct client_order send = {.verb = CLIENT_SEND_MESSAGE,
                                .client = fixture->options.id,
                                .out = {.payload = SLICE("far"), .has_payload = true}};
    apply(fixture);
    assert_int_equal(ask(pair, &send), STATUS_AGAIN);
    turn_both_until_done(pair);
    assert_int_equal(fixture->done_status, STATUS_CLOSED);
    open_one(fixture);
    assert_int_equal(ask(pair, &send), STATUS_AGAIN);
    turn_both_until_done(pair);
    assert_int_equal(fixture->done_status, STATUS_OK);
    receive(fixture, 9);
    unmask(fixture->got + 6, 3, fixture->got + 2);
    assert_memory_equal(fixture->got + 6, "far", 3);
    send.client = SLICE_NONE;
    send.session_id = client_link_id(fixture->link);
    assert_int_equal(ask(pair, &send), STATUS_AGAIN);
    turn_both_until_done(pair);
    assert_int_equal(fixture->done_status, STATUS_OK);
}

static void an_unknown_client_is_told_by_its_owner(void **state) {
    struct pair *pair = *state;
    const struct client_order send = {.verb = CLIENT_CONNECT, .client = pair->fixture.options.id};
    assert_int_equal(ask(pair, &send), STATUS_AGAIN);
    turn_both_until_done(pair);
    assert_int_equal(pair->fixture.done_status, STATUS_NOT_FOUND);
    const struct client_order lost = {.verb = CLIENT_CLOSE_LINK, .session_id = SLICE("nonsense")};
    assert_int_equal(ask(pair, &lost), STATUS_NOT_FOUND);
}

static void a_waiting_connect_comes_back_with_the_cause(void **state) {
    struct pair *pair = *state;
    struct fixture *fixture = &pair->fixture;
    const struct client_order wait = {
        .verb = CLIENT_CONNECT, .client = fixture->options.id, .wait = true};
    fixture->options.enabled = false;
    close(fixture->listener);
    apply(fixture);
    assert_int_equal(ask(pair, &wait), STATUS_AGAIN);
    turn_both_until_done(pair);
    assert_int_equal(fixture->done_status, STATUS_FAILED);
    assert_memory_equal(fixture->done_text, "refused: ", 9);
}

static void one_that_waits_when_all_ends_is_told_or_freed(void **state) {
    struct pair *pair = *state;
    struct fixture *fixture = &pair->fixture;
    const struct client_order wait = {
        .verb = CLIENT_CONNECT, .client = fixture->options.id, .wait = true};
    fixture->options.enabled = false;
    apply(fixture);
    assert_int_equal(ask(pair, &wait), STATUS_AGAIN);
    accept_one(fixture); /* the order has arrived */
    client_set_abort(fixture->set);
    turn_both_until_done(pair);
    assert_int_equal(fixture->done_status, STATUS_CANCELLED);
    assert_int_equal(ask(pair, &wait), STATUS_AGAIN); /* left in the mailbox of a loop that ends */
}

static size_t waiters_of(const struct client_link *link) {
    size_t count = 0;
    for (const struct list *at = link->waiters.next; at != &link->waiters; at = at->next)
        count++;
    return count;
}

static void turn_both(struct pair *pair, int turns) {
    for (int i = 0; i < turns; i++) {
        net_loop_turn(pair->fixture.loop, 1);
        net_loop_turn(pair->other_loop, 0);
    }
}

/* proves W16 */
static void cancelled_sends_to_a_server_that_does_not_read_do_not_pile_up(void **state) {
    struct pair *pair = *state;
    struct fixture *fixture = &pair->fixture;
    static char large[200000];
    const struct client_order send = {
        .verb = CLIENT_SEND_MESSAGE,
        .client = fixture->options.id,
        .out = {.payload = {large, sizeof large}, .has_payload = true, .is_binary = true}};
    struct client_done done = {.fn = test_done, .context = fixture};
    apply(fixture);
    open_one(fixture);
    do { /* until the kernel takes no more either */
        assert_int_equal(ask(pair, &send), STATUS_AGAIN);
        turn_both(pair, 50);
    } while (fixture->is_done);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(client_order(pair->other, &send, &done), STATUS_AGAIN);
        turn_both(pair, 3);
        client_op_cancel(done.op);
    }
    assert_in_range(waiters_of(fixture->link), 1, 2); /* the first, and who was cancelled last */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pair, tear_down_pair)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_send_from_another_worker_gets_a_true_answer),
        TEST(an_unknown_client_is_told_by_its_owner),
        TEST(a_waiting_connect_comes_back_with_the_cause),
        TEST(one_that_waits_when_all_ends_is_told_or_freed),
        TEST(cancelled_sends_to_a_server_that_does_not_read_do_not_pile_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
