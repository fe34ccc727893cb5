/* Mailboxes: order, lanes, bounds, waiting for room, and many threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include "net/net.h"

struct letter {
    struct net_message message;
    int number, *log, *count;
    bool was_dropped;
};

static void on_letter(struct net_message *message, struct net_loop *loop) {
    struct letter *letter = CONTAINER_OF(message, struct letter, message);
    letter->was_dropped = loop == NULL;
    letter->log[(*letter->count)++] = letter->number;
}

static struct net_loop *loop_new(uint32_t entries, uint64_t bytes) {
    struct net_loop_options options = {
        .clock = &clock_system, .mailbox_entries = entries, .mailbox_bytes = bytes};
    struct net_loop *loop = net_loop_new(&options);
    assert_non_null(loop);
    return loop;
}

static void letters_init(struct letter *letters, int size, int *log, int *count) {
    *count = 0;
    for (int i = 0; i < size; i++) {
        letters[i] = (struct letter){.number = i, .log = log, .count = count};
        letters[i].message.run = on_letter;
    }
}

static void messages_arrive_once_and_in_order(void **state) {
    struct letter letters[100];
    int log[100], count;
    struct net_loop *loop = loop_new(0, 0);
    (void)state;
    letters_init(letters, 100, log, &count);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(net_post(loop, &letters[i].message), STATUS_OK);
    }
    assert_int_equal(count, 0);
    net_loop_turn(loop, 0);
    assert_int_equal(count, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(log[i], i);
    }
    net_loop_free(loop);
}

static void a_full_box_refuses_and_keeps_a_reserve_for_control(void **state) {
    struct letter letters[17];
    int log[17], count;
    struct net_loop *loop = loop_new(16, 0);
    (void)state;
    letters_init(letters, 17, log, &count);
    for (int i = 0; i < 14; i++) {
        assert_int_equal(net_post(loop, &letters[i].message), STATUS_OK);
    }
    assert_int_equal(net_post(loop, &letters[14].message), STATUS_LIMIT);
    assert_int_equal(net_post_control(loop, &letters[14].message), STATUS_OK);
    assert_int_equal(net_post_control(loop, &letters[15].message), STATUS_OK);
    assert_int_equal(net_post_control(loop, &letters[16].message), STATUS_LIMIT);
    net_loop_turn(loop, 0);
    assert_int_equal(count, 16);
    assert_int_equal(net_post(loop, &letters[16].message), STATUS_OK);
    net_loop_turn(loop, 0);
    assert_int_equal(count, 17);
    net_loop_free(loop);
}

#define WORK_LETTERS 3000

/* What is behind the letters of a full lane comes before them. */
static void control_and_answers_run_before_work_that_waits(void **state) {
    struct net_loop *loop = loop_new(0, 0);
    struct letter *letters = calloc(WORK_LETTERS + 3, sizeof(*letters));
    int *log = calloc(WORK_LETTERS + 4, sizeof(*log)), count; /* one is sent twice */
    (void)state;
    letters_init(letters, WORK_LETTERS + 3, log, &count);
    for (int i = 0; i < WORK_LETTERS; i++) {
        assert_int_equal(net_post(loop, &letters[i].message), STATUS_OK);
    }
    net_post_answer(loop, &letters[WORK_LETTERS + 2].message);
    assert_int_equal(net_post_control(loop, &letters[WORK_LETTERS].message), STATUS_OK);
    net_post_order(loop, &letters[WORK_LETTERS + 1].message);
    net_loop_turn(loop, 0);
    assert_in_range(count, 4, WORK_LETTERS); /* the rest of the work waits for other turns */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(log[i], WORK_LETTERS + i);
    }
    int before = count;
    letters[WORK_LETTERS].number = -1;
    net_post_order(loop, &letters[WORK_LETTERS].message);
    net_loop_turn(loop, 0);
    assert_int_equal(log[before], -1);
    while (count < WORK_LETTERS + 4) {
        net_loop_turn(loop, 0);
    }
    net_loop_free(loop);
    free(letters);
    free(log);
}

static void the_lanes_have_bounds_of_their_own(void **state) {
    struct letter letters[40];
    int log[40], count, at = 0;
    struct net_loop *loop = loop_new(16, 0);
    (void)state;
    letters_init(letters, 40, log, &count);
    while (net_post_control(loop, &letters[at].message) == STATUS_OK) {
        at++;
    }
    assert_int_equal(at, 2);
    for (int i = 0; i < 14; i++) { /* all its room, though control has none */
        assert_int_equal(net_post(loop, &letters[at++].message), STATUS_OK);
    }
    assert_int_equal(net_post(loop, &letters[at].message), STATUS_LIMIT);
    while (at < 40) { /* never refused, whatever is full, and no room of others is theirs */
        net_post_order(loop, &letters[at++].message);
        net_post_answer(loop, &letters[at++].message);
    }
    net_loop_turn(loop, 0);
    assert_int_equal(count, 40);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(net_post_control(loop, &letters[i].message), STATUS_OK);
    }
    assert_int_equal(net_post_control(loop, &letters[2].message), STATUS_LIMIT);
    count = 0;
    net_loop_free(loop);
    assert_int_equal(count, 2);
    assert_true(letters[0].was_dropped && letters[1].was_dropped);
}

static void bytes_are_bounded_but_one_large_message_passes_alone(void **state) {
    struct letter letters[2];
    int log[2], count;
    struct net_loop *loop = loop_new(0, 1000);
    (void)state;
    letters_init(letters, 2, log, &count);
    letters[0].message.bytes = 5000;
    letters[1].message.bytes = 1;
    assert_int_equal(net_post(loop, &letters[0].message), STATUS_OK);
    assert_int_equal(net_post(loop, &letters[1].message), STATUS_LIMIT);
    net_loop_turn(loop, 0);
    assert_int_equal(net_post(loop, &letters[1].message), STATUS_OK);
    net_loop_turn(loop, 0);
    assert_int_equal(count, 2);
    net_loop_free(loop);
}

static void what_was_not_read_is_given_back_when_the_loop_ends(void **state) {
    struct letter letters[1];
    int log[1], count;
    struct net_loop *loop = loop_new(0, 0);
    (void)state;
    letters_init(letters, 1, log, &count);
    assert_int_equal(net_post(loop, &letters[0].message), STATUS_OK);
    net_loop_free(loop);
    assert_int_equal(count, 1);
    assert_true(letters[0].was_dropped);
}

struct waiter {
    struct net_room room;
    int called;
};
static void on_room(struct net_room *room, struct net_loop *full) {
    assert_non_null(full);
    CONTAINER_OF(room, struct waiter, room)->called++;
}

static void who_waits_for_room_is_told_once_it_is_half_empty(void **state) {
    struct letter letters[8];
    int log[8], count;
    struct net_loop *full = loop_new(8, 0), *home = loop_new(0, 0);
    struct waiter waiters[2] = {{.room = {.home = home, .ready = on_room}},
                                {.room = {.home = home, .ready = on_room}}};
    (void)state;
    letters_init(letters, 8, log, &count);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(net_post(full, &letters[i].message), STATUS_OK);
    }
    net_wait_room(full, &waiters[0].room);
    net_loop_turn(home, 0);
    assert_int_equal(waiters[0].called, 0);
    net_loop_turn(full, 0);
    net_loop_turn(home, 0);
    assert_int_equal(waiters[0].called, 1);
    net_wait_room(full, &waiters[1].room); /* there is room already */
    net_loop_turn(full, 0);
    net_loop_turn(home, 0);
    assert_int_equal(waiters[1].called, 1);
    net_loop_free(full);
    net_loop_free(home);
}

/* ---- threads -----------------------------------------------------------------------------------
 */
#define SENDERS 4
#define EACH    20000

struct shared {
    struct net_loop *loop;
    int next[SENDERS]; /* of the receiver: what must come next from each */
    int total;
};
struct parcel {
    struct net_message message;
    struct shared *shared;
    int sender, number;
};
static void on_parcel(struct net_message *message, struct net_loop *loop) {
    struct parcel *parcel = CONTAINER_OF(message, struct parcel, message);
    struct shared *shared = parcel->shared;
    assert_int_equal(parcel->number, shared->next[parcel->sender]++);
    if (++shared->total == SENDERS * EACH) {
        net_loop_stop(loop);
    }
    free(parcel);
}
struct sender {
    struct shared *shared;
    int number;
    struct net_loop *home;
    int left;
    struct net_room room;
};

static void send_some(struct sender *sender);
static void on_sender_room(struct net_room *room, struct net_loop *full) {
    (void)full;
    send_some(CONTAINER_OF(room, struct sender, room));
}
static void send_some(struct sender *sender) {
    while (sender->left) {
        struct parcel *parcel = malloc(sizeof(*parcel));
        *parcel = (struct parcel){
            .shared = sender->shared, .sender = sender->number, .number = EACH - sender->left};
        parcel->message.run = on_parcel;
        if (net_post(sender->shared->loop, &parcel->message) != STATUS_OK) {
            free(parcel);
            sender->room = (struct net_room){.home = sender->home, .ready = on_sender_room};
            net_wait_room(sender->shared->loop, &sender->room);
            return;
        }
        sender->left--;
    }
    net_loop_stop(sender->home);
}
static void *run_sender(void *argument) {
    struct sender *sender = argument;
    sender->home = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    send_some(sender);
    net_loop_run(sender->home);
    net_loop_free(sender->home);
    return NULL;
}

static void many_threads_lose_nothing_though_the_box_is_small(void **state) {
    struct shared shared = {.loop = loop_new(64, 0)};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    (void)state;
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.shared = &shared, .number = i, .left = EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, run_sender, &senders[i]), 0);
    }
    net_loop_run(shared.loop);
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(shared.next[i], EACH);
    }
    net_loop_free(shared.loop);
}

/* Each round an order, an answer and work, from another thread while the loop turns. */
#define ROUNDS 20000

struct round {
    struct net_message order, answer, work;
    struct rounds *all;
    bool is_ordered, is_answered;
};
struct rounds {
    struct net_loop *loop;
    int seen;
    struct round rounds[ROUNDS];
};

static void on_order(struct net_message *message, struct net_loop *loop) {
    struct round *round = CONTAINER_OF(message, struct round, order);
    (void)loop; /* it is the one of all */
    round->is_ordered = true;
}

static void on_answer(struct net_message *message, struct net_loop *loop) {
    struct round *round = CONTAINER_OF(message, struct round, answer);
    (void)loop; /* it is the one of all */
    assert_true(round->is_ordered);
    round->is_answered = true;
}

static void on_work(struct net_message *message, struct net_loop *loop) {
    struct round *round = CONTAINER_OF(message, struct round, work);
    assert_true(round->is_answered);
    if (++round->all->seen == ROUNDS) {
        net_loop_stop(loop);
    }
}

static void *post_rounds(void *argument) {
    struct rounds *rounds = argument;
    for (int i = 0; i < ROUNDS; i++) {
        struct round *round = &rounds->rounds[i];
        net_post_order(rounds->loop, &round->order);
        net_post_answer(rounds->loop, &round->answer);
        if (net_post(rounds->loop, &round->work) != STATUS_OK) {
            return NULL; /* more than all rounds have room */
        }
    }
    return rounds;
}

static void work_does_not_overtake_what_its_thread_posted_before(void **state) {
    struct rounds *rounds = calloc(1, sizeof(*rounds));
    pthread_t thread;
    void *result;
    (void)state;
    rounds->loop = loop_new(0, 0);
    for (int i = 0; i < ROUNDS; i++) {
        rounds->rounds[i] = (struct round){.order = {.run = on_order},
                                           .answer = {.run = on_answer},
                                           .work = {.run = on_work},
                                           .all = rounds};
    }
    assert_int_equal(pthread_create(&thread, NULL, post_rounds, rounds), 0);
    net_loop_run(rounds->loop);
    pthread_join(thread, &result);
    assert_non_null(result);
    net_loop_free(rounds->loop);
    free(rounds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_once_and_in_order),
        cmocka_unit_test(a_full_box_refuses_and_keeps_a_reserve_for_control),
        cmocka_unit_test(control_and_answers_run_before_work_that_waits),
        cmocka_unit_test(the_lanes_have_bounds_of_their_own),
        cmocka_unit_test(bytes_are_bounded_but_one_large_message_passes_alone),
        cmocka_unit_test(what_was_not_read_is_given_back_when_the_loop_ends),
        cmocka_unit_test(who_waits_for_room_is_told_once_it_is_half_empty),
        cmocka_unit_test(many_threads_lose_nothing_though_the_box_is_small),
        cmocka_unit_test(work_does_not_overtake_what_its_thread_posted_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
