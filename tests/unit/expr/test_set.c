/* The memory and the numbers of one generation. */
#include "expr/set.h"

#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

struct order {
    char text[8];
    size_t size;
};
struct order_entry {
    struct order *order;
    char name;
    const char *still_there; /* memory of the set */
};

static void on_free(void *ptr) {
    const struct order_entry *entry = ptr;
    assert_string_equal(entry->still_there, "here");
    entry->order->text[entry->order->size++] = entry->name;
}

static void a_set_keeps_what_it_was_made_with(void **state) {
    (void)state;
    struct expr_set *set = expr_set_new(10, 20), *other = expr_set_new(1, 2);
    assert_int_equal(set__time_budget_ns(set), 10);
    assert_int_equal(set__memory_budget_bytes(set), 20);
    assert_int_not_equal(set__generation(set), 0);
    assert_int_not_equal(set__generation(set), set__generation(other));
    assert_int_equal(set__chunk_count(set), 0);
    assert_int_equal(set__next_chunk(set), 0);
    assert_int_equal(set__next_chunk(set), 1);
    assert_int_equal(set__chunk_count(set), 2);
    assert_int_equal(set__next_chunk(other), 0);
    expr_set_free(set);
    expr_set_free(other);
    expr_set_free(NULL);
}

static void cleanups_run_newest_first_with_the_memory_still_there(void **state) {
    (void)state;
    struct order order = {.size = 0};
    struct expr_set *set = expr_set_new(0, 0);
    char *text = set__alloc(set, 5);
    assert_int_equal(text[4], 0);
    memcpy(text, "here", 4);
    for (char name = 'a'; name <= 'c'; name++) {
        struct order_entry *entry = set__alloc(set, sizeof *entry);
        *entry = (struct order_entry){&order, name, text};
        assert_true(set__on_free(set, on_free, entry));
    }
    expr_set_free(set);
    assert_string_equal(order.text, "cba");
}

static void without_memory_nothing_is_remembered(void **state) {
    (void)state;
    fail_alloc_after(0);
    assert_null(expr_set_new(0, 0));
    fail_alloc_never();
    struct expr_set *set = expr_set_new(0, 0);
    fail_alloc_after(0);
    assert_null(set__alloc(set, 100));
    assert_false(set__on_free(set, on_free, set));
    fail_alloc_never();
    expr_set_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_keeps_what_it_was_made_with),
        cmocka_unit_test(cleanups_run_newest_first_with_the_memory_still_there),
        cmocka_unit_test(without_memory_nothing_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
