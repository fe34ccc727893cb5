/* Growable buffers, their limit, and lists. */
#include "base/base.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

static void appended_bytes_stay_in_order(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buffer_append(&buffer, SLICE("0123456789")), STATUS_OK);
    assert_int_equal(buffer.size, 10000);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(buffer.bytes[i], '0' + (int)(i % 10));
    assert_int_equal(buffer_append(&buffer, SLICE_NONE), STATUS_OK);
    assert_int_equal(buffer.size, 10000);
    buffer_deinit(&buffer);
    assert_int_equal(buffer.size, 0);
}

static void the_limit_is_exact_and_leaves_the_buffer_as_it_was(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    assert_int_equal(buffer_reserve(&buffer, 101), STATUS_LIMIT);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), STATUS_LIMIT);
    for (int i = 0; i < 10; i++)
        assert_int_equal(buffer_append(&buffer, SLICE("0123456789")), STATUS_OK);
    assert_int_equal(buffer.capacity, 100);
    assert_int_equal(buffer_append(&buffer, SLICE("x")), STATUS_LIMIT);
    assert_int_equal(buffer.size, 100);
    assert_memory_equal(buffer.bytes + 90, "0123456789", 10);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), STATUS_LIMIT);
    buffer_deinit(&buffer);
}

static void printed_text_grows_the_buffer(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    assert_int_equal(buffer_printf(&buffer, "%s", ""), STATUS_OK);
    assert_int_equal(buffer.size, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buffer_printf(&buffer, "%03d,", i), STATUS_OK);
    assert_int_equal(buffer.size, 400);
    assert_memory_equal(buffer.bytes + 396, "099,", 4);
    buffer_deinit(&buffer);
    buffer_init(&buffer, 80);
    assert_int_equal(buffer_printf(&buffer, "%0200d", 1), STATUS_LIMIT);
    assert_int_equal(buffer.size, 0);
    buffer_deinit(&buffer);
}

static void consuming_drops_the_first_bytes(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    assert_int_equal(buffer_append(&buffer, SLICE("abcdef")), STATUS_OK);
    buffer_consume(&buffer, 2);
    assert_true(slice_equal(buffer_slice(&buffer), SLICE("cdef")));
    buffer_consume(&buffer, 0);
    assert_int_equal(buffer.size, 4);
    buffer_consume(&buffer, 4);
    assert_int_equal(buffer.size, 0);
    buffer_consume(&buffer, 9);
    assert_int_equal(buffer.size, 0);
    buffer_deinit(&buffer);
}

static void without_memory_the_buffer_says_so_and_keeps_its_bytes(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    fail_alloc_after(0);
    assert_int_equal(buffer_append(&buffer, SLICE("x")), STATUS_NO_MEMORY);
    assert_int_equal(buffer_printf(&buffer, "x"), STATUS_NO_MEMORY);
    fail_alloc_never();
    assert_int_equal(buffer_append(&buffer, SLICE("kept")), STATUS_OK);
    fail_alloc_after(0);
    assert_int_equal(buffer_reserve(&buffer, 10000), STATUS_NO_MEMORY);
    assert_int_equal(buffer_printf(&buffer, "%0500d", 1), STATUS_NO_MEMORY);
    fail_alloc_never();
    assert_true(slice_equal(buffer_slice(&buffer), SLICE("kept")));
    buffer_deinit(&buffer);
}

struct item {
    int number;
    struct list link;
};

static void lists_keep_order_and_forget_what_is_removed(void **state) {
    (void)state;
    struct list head, *at;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    list_init(&head);
    assert_true(list_is_empty(&head));
    for (int i = 0; i < 3; i++)
        list_append(&head, &items[i].link);
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    int sum = 0;
    LIST_FOR_EACH(at, &head)
    sum = sum * 10 + CONTAINER_OF(at, struct item, link)->number;
    assert_int_equal(sum, 13);
    list_remove(&items[0].link);
    list_remove(&items[2].link);
    assert_true(list_is_empty(&head));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_stay_in_order),
        cmocka_unit_test(the_limit_is_exact_and_leaves_the_buffer_as_it_was),
        cmocka_unit_test(printed_text_grows_the_buffer),
        cmocka_unit_test(consuming_drops_the_first_bytes),
        cmocka_unit_test(without_memory_the_buffer_says_so_and_keeps_its_bytes),
        cmocka_unit_test(lists_keep_order_and_forget_what_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
