/* Modes and at-most over two engines that talk by mail, whichever of them is the home of a key. */
#include "tests/unit/engine/lab.h"

struct pair {
    struct lab *labs[2];
};

static struct pair pair_load(const char *yaml) {
    struct pair pair = {{lab_new(), lab_new()}};
    for (uint32_t i = 0; i < 2; i++) {
        struct lab *lab = pair.labs[i];
        lab->worker = i;
        lab->worker_count = 2;
        memcpy(lab->labs, pair.labs, sizeof lab->labs);
    }
    (void)lab_load_with(yaml, pair.labs[0], 0);
    pair.labs[1]->program = program_ref(pair.labs[0]->program);
    (void)lab_load_with(yaml, pair.labs[1], 0);
    return pair;
}

static bool deliver_to(struct lab *lab) {
    struct engine_mail *mail = lab->mail;
    if (!mail)
        return false;
    lab->mail = mail->room[0];
    mail->arrive(lab->engine, mail);
    return true;
}

/* Until nothing is on its way. */
static void deliver(struct pair *pair) {
    bool goes_on = true;
    while (goes_on) {
        goes_on = deliver_to(pair->labs[0]);
        goes_on |= deliver_to(pair->labs[1]);
    }
}

static struct run_verdict poke(struct pair *pair, int worker, const char *word) {
    struct run_verdict verdict = lab_poke(pair->labs[worker], "t", word);
    deliver(pair);
    return verdict;
}

static void finish(struct pair *pair, int worker) {
    lab_finish(pair->labs[worker], "a", STEP_DONE);
    deliver(pair);
}

static void pass(struct pair *pair, uint64_t ms) {
    for (int i = 0; i < 2; i++)
        lab_pass(pair->labs[i], ms);
    deliver(pair);
}

static void pair_free(struct pair *pair) {
    for (int i = 0; i < 2; i++) {
        if (pair->labs[i]->engine)
            engine_free(pair->labs[i]->engine);
        pair->labs[i]->engine = NULL;
    }
    deliver(pair); /* engine NULL: what was on its way is freed */
    program_unref(pair->labs[1]->program);
    pair->labs[1]->program = NULL;
    lab_free(pair->labs[1]);
    lab_free(pair->labs[0]);
}

static uint64_t refused(const struct pair *pair, enum run_gate gate) {
    struct engine_stats stats[2];
    for (int i = 0; i < 2; i++)
        engine_stats(pair->labs[i]->engine, &stats[i]);
    return stats[0].refused[gate] + stats[1].refused[gate];
}

static size_t refusals(const struct pair *pair) {
    return pair->labs[0]->refusals + pair->labs[1]->refusals;
}

/* proves T9 across workers, with all below */
static void one_queue_serves_both_workers_in_order(void **state) {
    (void)state;
    struct pair pair = pair_load("t:\n  mode: queued\n  actions: [note: \"${Word}\", hang: a]\n");
    for (int i = 0; i < 6; i++) {
        char word[2] = {(char)('0' + i), '\0'};
        assert_int_equal(poke(&pair, i & 1, word).gate, RUN_ADMITTED);
    }
    for (int i = 0; i < 6; i++) {
        char trace[3] = {(char)('0' + i), ' ', '\0'};
        lab_expect(pair.labs[i & 1], trace);
        lab_expect(pair.labs[!(i & 1)], "");
        finish(&pair, i & 1);
    }
    assert_int_equal(pair.labs[0]->ended + pair.labs[1]->ended, 6);
    pair_free(&pair);
}

static void a_full_queue_refuses_on_both_workers(void **state) {
    (void)state;
    struct pair pair =
        pair_load("t:\n  mode: {type: queued, max-waiting: 1}\n  actions: [hang: a]\n");
    poke(&pair, 0, "1");
    poke(&pair, 1, "2");
    struct run_verdict left = poke(&pair, 0, "3"), right = poke(&pair, 1, "4");
    /* One of them is the home and knows at once, the other one is told. */
    assert_int_equal((left.gate == RUN_MODE) + (right.gate == RUN_MODE), 1);
    assert_int_equal(left.is_asking + right.is_asking, 1);
    assert_int_equal(refusals(&pair), 1);
    assert_int_equal(refused(&pair, RUN_MODE), 2);
    const struct lab *told = pair.labs[left.is_asking ? 0 : 1];
    assert_int_equal(told->refusal.gate, RUN_MODE);
    assert_int_equal(told->refusal.retry_after_ms, 1000);
    assert_int_equal(told->refusal.mark.line, 2);
    finish(&pair, 0);
    finish(&pair, 1);
    pair_free(&pair);
}

static void the_oldest_is_dropped_wherever_it_waits(void **state) {
    (void)state;
    struct pair pair = pair_load("t:\n  mode: {type: queued, max-waiting: 1, overflow: drop-oldest}"
                                 "\n  actions: [note: \"${Word}\", hang: a]\n");
    poke(&pair, 0, "1");
    poke(&pair, 0, "2");
    poke(&pair, 1, "3");
    assert_int_equal(pair.labs[0]->ended, 1);
    assert_int_equal(pair.labs[0]->last_end.refused_by, RUN_MODE);
    poke(&pair, 0, "4");
    assert_int_equal(pair.labs[1]->ended, 1);
    finish(&pair, 0);
    lab_expect(pair.labs[0], "1 4 ");
    lab_expect(pair.labs[1], "");
    finish(&pair, 0);
    pair_free(&pair);
}

static void restart_cancels_the_one_of_the_other_worker(void **state) {
    (void)state;
    struct pair pair =
        pair_load("t:\n  mode: restart\n  actions:\n"
                  "    - try: [note: \"${Word}\", hang: a]\n      finally: [nap: 1s, note: f]\n");
    poke(&pair, 0, "1");
    poke(&pair, 1, "2");
    poke(&pair, 0, "3");
    lab_expect(pair.labs[0], "1 !a ");
    assert_int_equal(pair.labs[1]->ended, 1); /* never began */
    pass(&pair, 1000);
    lab_expect(pair.labs[0], "f 3 ");
    poke(&pair, 1, "4");
    lab_expect(pair.labs[0], "!a ");
    pass(&pair, 1000);
    lab_expect(pair.labs[1], "4 ");
    finish(&pair, 1);
    pass(&pair, 1000);
    pair_free(&pair);
}

static void single_and_parallel_with_a_key_count_both_workers(void **state) {
    (void)state;
    struct pair pair = pair_load("t:\n  mode: {max: 3, key: \"${Word}\"}\n  actions: [hang: a]\n");
    for (int i = 0; i < 3; i++)
        poke(&pair, i & 1, "x");
    assert_int_equal(pair.labs[0]->admitted + pair.labs[1]->admitted, 3);
    poke(&pair, 0, "x");
    poke(&pair, 1, "x");
    assert_int_equal(refused(&pair, RUN_MAX), 2);
    finish(&pair, 1);
    poke(&pair, 0, "x");
    assert_int_equal(pair.labs[0]->admitted + pair.labs[1]->admitted, 4);
    for (int i = 0; i < 3; i++)
        finish(&pair, 0);
    pair_free(&pair);
}

/* Of all keys, wherever they are kept, and those too whose home has not answered yet. */
static void runs_that_wait_count_on_both_workers_before_the_answer_comes(void **state) {
    (void)state;
    char word[2] = "0";
    struct pair pair =
        pair_load("t:\n  mode: {type: single, key: \"${Word}\", max: 6}\n  actions: [hang: a]\n");
    size_t asking = 0;
    for (int i = 0; i < 6; i++, word[0]++) {
        struct run_verdict verdict = lab_poke(pair.labs[i & 1], "t", word);
        assert_int_equal(verdict.gate, RUN_ADMITTED);
        asking += verdict.is_asking;
    }
    assert_in_range(asking, 1, 5);
    for (int i = 0; i < 2; i++)
        assert_int_equal(lab_poke(pair.labs[i], "t", "n").gate, RUN_MAX);
    deliver(&pair);
    for (int i = 0; i < 2; i++)
        assert_int_equal(poke(&pair, i, "n").gate, RUN_MAX);
    finish(&pair, 1);
    assert_int_equal(poke(&pair, 0, "n").gate, RUN_ADMITTED);
    assert_int_equal(poke(&pair, 1, "m").gate, RUN_MAX);
    assert_int_equal(refused(&pair, RUN_MAX), 5);
    for (int i = 0; i < 4; i++)
        finish(&pair, 0);
    for (int i = 0; i < 2; i++)
        finish(&pair, 1);
    pair_free(&pair);
}

static void a_key_of_the_session_asks_nobody(void **state) {
    (void)state;
    struct pair pair =
        pair_load("t:\n  mode: {type: queued, key: \"${SessionId}\"}\n  actions: [hang: a]\n");
    for (int i = 0; i < 2; i++)
        assert_false(lab_poke(pair.labs[i], "t", "s1").is_asking);
    for (int i = 0; i < 2; i++)
        finish(&pair, i);
    pair_free(&pair);
}

static void at_most_counts_both_workers(void **state) {
    (void)state;
    struct pair pair =
        pair_load("t:\n  at-most: {runs: 2, per: 10s}\n  actions: [note: \"${Word}\"]\n");
    poke(&pair, 0, "1");
    poke(&pair, 1, "2");
    pass(&pair, 4000);
    poke(&pair, 0, "3");
    poke(&pair, 1, "4");
    assert_int_equal(refused(&pair, RUN_AT_MOST), 2);
    assert_int_equal(pair.labs[0]->refusals + pair.labs[1]->refusals, 1);
    const struct lab *told = pair.labs[pair.labs[0]->refusals ? 0 : 1];
    assert_int_equal(told->refusal.retry_after_ms, 6000);
    pass(&pair, 6000);
    poke(&pair, 1, "5");
    lab_expect(pair.labs[0], "1 ");
    lab_expect(pair.labs[1], "2 5 ");
    pair_free(&pair);
}

static void only_the_last_of_both_workers_runs_when_the_time_is_up(void **state) {
    (void)state;
    struct pair pair = pair_load("t:\n  at-most: {runs: 1, per: 10s, then: last}\n"
                                 "  mode: queued\n  actions: [note: \"${Word}\"]\n");
    poke(&pair, 0, "1");
    poke(&pair, 0, "2");
    poke(&pair, 1, "3");
    assert_int_equal(pair.labs[0]->last_end.refused_by, RUN_AT_MOST);
    pass(&pair, 9999);
    lab_expect(pair.labs[1], "");
    pass(&pair, 1);
    lab_expect(pair.labs[1], "3 ");
    lab_expect(pair.labs[0], "1 ");
    pair_free(&pair);
}

static void a_run_may_be_cancelled_before_the_answer_comes(void **state) {
    (void)state;
    struct pair pair = pair_load("t:\n  mode: queued\n  actions: [hang: a]\n");
    for (int i = 0; i < 2; i++) {
        if (!lab_poke(pair.labs[i], "t", "x").is_asking) {
            finish(&pair, i);
            continue;
        }
        assert_int_equal(engine_cancel_task(pair.labs[i]->engine, SLICE("t")), 1);
        assert_int_equal(pair.labs[i]->outcome, RUN_CANCELLED);
        deliver(&pair);
    }
    for (int i = 0; i < 2; i++) { /* its turn did not stay taken */
        poke(&pair, i, "y");
        finish(&pair, i);
    }
    pair_free(&pair);
}

static void what_a_full_mailbox_does_not_take_comes_later(void **state) {
    (void)state;
    struct pair pair = pair_load("t:\n  mode: queued\n  actions: [note: \"${Word}\", hang: a]\n");
    poke(&pair, 0, "1");
    poke(&pair, 1, "2");
    pair.labs[0]->is_full = pair.labs[1]->is_full = true;
    lab_finish(pair.labs[0], "a", STEP_DONE); /* leaving, or granting, cannot be said now */
    deliver(&pair);
    lab_expect(pair.labs[1], "");
    pair.labs[0]->is_full = pair.labs[1]->is_full = false;
    pass(&pair, 1);
    pass(&pair, 1);
    lab_expect(pair.labs[1], "2 ");
    pair.labs[0]->is_full = pair.labs[1]->is_full = true;
    poke(&pair, 0, "3");
    poke(&pair, 1, "4");
    assert_int_equal(refused(&pair, RUN_MEMORY), 1); /* it could not be asked */
    pair.labs[0]->is_full = pair.labs[1]->is_full = false;
    finish(&pair, 1);
    pass(&pair, 1);
    for (int i = 0; i < 2; i++)
        if (pair.labs[i]->hanging_count)
            finish(&pair, i);
    pair_free(&pair);
}

/* Nothing of a mail is read once it has been posted. */
static void all_that_a_full_mailbox_did_not_take_comes_later(void **state) {
    (void)state;
    struct pair pair =
        pair_load("t:\n  mode: {type: single, key: \"${Word}\"}\n  actions: [hang: a]\n");
    char word[2] = "a";
    for (; word[0] <= 'p'; word[0]++)
        assert_int_equal(poke(&pair, 0, word).gate, RUN_ADMITTED);
    pair.labs[1]->is_full = true;
    while (pair.labs[0]->hanging_count)
        finish(&pair, 0); /* the other worker, home of some, cannot be told */
    pair.labs[1]->is_full = false;
    pass(&pair, 1);
    for (word[0] = 'a'; word[0] <= 'p'; word[0]++)
        poke(&pair, 1, word);
    assert_int_equal(refused(&pair, RUN_MODE), 0);
    assert_int_equal(pair.labs[1]->hanging_count, 16);
    while (pair.labs[1]->hanging_count)
        finish(&pair, 1);
    pair_free(&pair);
}

static void a_refused_event_starts_the_other_task_where_it_came(void **state) {
    (void)state;
    struct pair pair = pair_load("t:\n  mode: {type: queued, max-waiting: 0, on-refused: u}\n"
                                 "  actions: [hang: a]\n"
                                 "u:\n  actions: [note: \"u${Word}\"]\n");
    poke(&pair, 0, "1");
    poke(&pair, 0, "2");
    poke(&pair, 1, "3");
    lab_expect(pair.labs[0], "u2 ");
    lab_expect(pair.labs[1], "u3 ");
    assert_int_equal(refusals(&pair), 0);
    finish(&pair, 0);
    pair_free(&pair);
}

static void a_run_that_another_one_waits_for_is_refused_aloud(void **state) {
    (void)state;
    struct pair pair = pair_load("p:\n  actions: [call: {task: t, wait: true}]\n"
                                 "t:\n  mode: {type: queued, max-waiting: 0}\n"
                                 "  actions: [hang: a]\n");
    poke(&pair, 0, "1");
    for (int i = 0; i < 2; i++) {
        lab_poke(pair.labs[i], "p", "");
        deliver(&pair);
        assert_int_equal(pair.labs[i]->outcome, RUN_FAILED);
    }
    finish(&pair, 0);
    pair_free(&pair);
}

static void engines_that_end_leave_nothing_behind(void **state) {
    (void)state;
    struct pair pair = pair_load("t:\n  mode: queued\n  actions: [hang: a]\n");
    poke(&pair, 0, "1");
    poke(&pair, 1, "2");
    lab_poke(pair.labs[0], "t", "3"); /* its mail is still on the way */
    lab_poke(pair.labs[1], "t", "4");
    pair_free(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_queue_serves_both_workers_in_order),
        cmocka_unit_test(a_full_queue_refuses_on_both_workers),
        cmocka_unit_test(the_oldest_is_dropped_wherever_it_waits),
        cmocka_unit_test(restart_cancels_the_one_of_the_other_worker),
        cmocka_unit_test(single_and_parallel_with_a_key_count_both_workers),
        cmocka_unit_test(runs_that_wait_count_on_both_workers_before_the_answer_comes),
        cmocka_unit_test(a_key_of_the_session_asks_nobody),
        cmocka_unit_test(at_most_counts_both_workers),
        cmocka_unit_test(only_the_last_of_both_workers_runs_when_the_time_is_up),
        cmocka_unit_test(a_run_may_be_cancelled_before_the_answer_comes),
        cmocka_unit_test(what_a_full_mailbox_does_not_take_comes_later),
        cmocka_unit_test(all_that_a_full_mailbox_did_not_take_comes_later),
        cmocka_unit_test(a_refused_event_starts_the_other_task_where_it_came),
        cmocka_unit_test(a_run_that_another_one_waits_for_is_refused_aloud),
        cmocka_unit_test(engines_that_end_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
