/* Arenas: alignment, limits, marks, and what a reset keeps. */
#include "base/base.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

static void memory_is_aligned_and_apart(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 256, 0);
    char *parts[200];
    for (size_t i = 0; i < 200; i++) {
        parts[i] = arena_alloc(&arena, i);
        assert_non_null(parts[i]);
        assert_int_equal((uintptr_t)parts[i] % 16, 0);
        memset(parts[i], (int)i, i);
        assert_non_null(arena_bytes(&arena, 1));
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t at = 0; at < i; at++)
            assert_int_equal((unsigned char)parts[i][at], i);
    arena_deinit(&arena);
}

static void zalloc_zeroes_memory_that_was_used_before(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 256, 0);
    memset(arena_alloc(&arena, 64), 0xff, 64);
    arena_reset(&arena);
    char *memory = arena_zalloc(&arena, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(memory[i], 0);
    arena_deinit(&arena);
}

static void a_large_piece_gets_a_chunk_of_its_own(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 128, 0);
    char *large = arena_alloc(&arena, 100000);
    assert_non_null(large);
    memset(large, 1, 100000);
    assert_non_null(arena_alloc(&arena, 16));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 40));
    assert_null(arena_bytes(&arena, SIZE_MAX));
    arena_deinit(&arena);
}

static void the_limit_is_charged_and_given_back(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 100);
    assert_non_null(arena_bytes(&arena, 60));
    struct arena_mark mark = arena_mark(&arena);
    assert_non_null(arena_bytes(&arena, 40));
    assert_null(arena_bytes(&arena, 1));
    assert_int_equal(arena.used_bytes, 100);
    arena_rewind(&arena, mark);
    assert_int_equal(arena.used_bytes, 60);
    assert_non_null(arena_bytes(&arena, 40));
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_bytes(&arena, 100));
    arena_deinit(&arena);
}

static void steady_state_after_a_reset_allocates_nothing(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024, 0);
    assert_non_null(arena_alloc(&arena, 500));
    arena_reset(&arena);
    long before = atomic_load(&allocation_count);
    for (int i = 0; i < 100; i++) {
        assert_non_null(arena_alloc(&arena, 1000));
        arena_reset(&arena);
    }
    assert_int_equal(atomic_load(&allocation_count), before);
    arena_deinit(&arena);
}

static void a_reset_does_not_keep_an_oversized_chunk(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 0);
    assert_non_null(arena_alloc(&arena, 4096));
    arena_reset(&arena);
    assert_null(arena.chunks);
    assert_non_null(arena_alloc(&arena, 16));
    arena_deinit(&arena);
}

static void borrowed_memory_comes_first_and_is_never_freed(void **state) {
    (void)state;
    _Alignas(16) char first[256];
    struct arena arena;
    arena_init_with(&arena, first, sizeof(first), 512, 0);
    long before = atomic_load(&allocation_count);
    char *memory = arena_alloc(&arena, 100);
    assert_true(memory > first && memory + 100 <= first + sizeof(first));
    assert_int_equal(atomic_load(&allocation_count), before);
    assert_non_null(arena_alloc(&arena, 400));
    assert_int_equal(atomic_load(&allocation_count), before + 1);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 1), memory);
    arena_deinit(&arena);
    memset(first, 0, sizeof(first)); /* whole and writable again */
}

static void borrowed_memory_too_small_for_a_header_is_left_alone(void **state) {
    (void)state;
    _Alignas(16) char first[16] = "untouched";
    struct arena arena;
    arena_init_with(&arena, first, sizeof(first), 64, 0);
    assert_non_null(arena_alloc(&arena, 8));
    assert_string_equal(first, "untouched");
    arena_deinit(&arena);
}

static void rewinding_frees_what_came_after_the_mark(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 0);
    char *kept = arena_text(&arena, SLICE("kept"));
    struct arena_mark mark = arena_mark(&arena);
    char *next = arena_bytes(&arena, 8);
    for (int i = 0; i < 50; i++)
        assert_non_null(arena_alloc(&arena, 48));
    arena_rewind(&arena, mark);
    assert_ptr_equal(arena_bytes(&arena, 8), next);
    assert_string_equal(kept, "kept");
    arena_deinit(&arena);
}

static void rewinding_to_an_empty_arena_empties_it(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 0);
    struct arena_mark mark = arena_mark(&arena);
    for (int i = 0; i < 5; i++)
        assert_non_null(arena_alloc(&arena, 48));
    arena_rewind(&arena, mark);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena.chunks);
    arena_deinit(&arena);
}

static void copies_and_text_are_whole(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64, 0);
    struct slice copy;
    assert_int_equal(arena_copy(&arena, SLICE("a\0b"), &copy), STATUS_OK);
    assert_true(slice_equal(copy, SLICE("a\0b")));
    assert_int_equal(arena_copy(&arena, SLICE_NONE, &copy), STATUS_OK);
    assert_int_equal(copy.size, 0);
    assert_string_equal(arena_text(&arena, SLICE_NONE), "");
    assert_string_equal(arena_printf(&arena, "%s-%d", "step", 7), "step-7");
    char *longer = arena_printf(&arena, "%0300d", 1);
    assert_int_equal(strlen(longer), 300);
    const struct slice list[] = {SLICE("one"), SLICE_NONE}, *texts = list;
    assert_int_equal(arena_copy_list(&arena, &texts, 2), STATUS_OK);
    assert_ptr_not_equal(texts, list);
    assert_ptr_not_equal(texts[0].bytes, list[0].bytes);
    assert_true(slice_is(texts[0], "one") && texts[1].size == 0);
    arena_deinit(&arena);
}

static bool use_every_way(struct arena *arena) {
    struct slice copy;
    bool is_whole = arena_alloc(arena, 100) && arena_zalloc(arena, 200) &&
                    arena_bytes(arena, 300) && arena_text(arena, SLICE("text")) &&
                    arena_printf(arena, "%0500d", 1);
    return arena_copy(arena, SLICE("copy"), &copy) == STATUS_OK && is_whole;
}

static void without_memory_the_arena_answers_null_and_stays_usable(void **state) {
    (void)state;
    bool is_whole = false;
    long rounds = 0;
    FAIL_EACH_ALLOCATION(
        {
            struct arena arena;
            arena_init(&arena, 64, 0);
            is_whole = use_every_way(&arena);
            arena_deinit(&arena);
            rounds++;
        },
        is_whole);
    assert_true(rounds > 1);

    struct arena arena;
    arena_init(&arena, 64, 0);
    fail_alloc_after(0);
    struct slice copy = SLICE_NONE;
    const struct slice list[] = {SLICE("x"), SLICE("y")}, *texts = list;
    assert_int_equal(arena_copy(&arena, SLICE("x"), &copy), STATUS_NO_MEMORY);
    assert_int_equal(arena_copy_list(&arena, &texts, 2), STATUS_NO_MEMORY);
    assert_ptr_equal(texts, list);
    assert_null(copy.bytes);
    assert_int_equal(arena.used_bytes, 0);
    fail_alloc_never();
    assert_int_equal(arena_copy(&arena, SLICE("x"), &copy), STATUS_OK);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_apart),
        cmocka_unit_test(zalloc_zeroes_memory_that_was_used_before),
        cmocka_unit_test(a_large_piece_gets_a_chunk_of_its_own),
        cmocka_unit_test(the_limit_is_charged_and_given_back),
        cmocka_unit_test(steady_state_after_a_reset_allocates_nothing),
        cmocka_unit_test(a_reset_does_not_keep_an_oversized_chunk),
        cmocka_unit_test(borrowed_memory_comes_first_and_is_never_freed),
        cmocka_unit_test(borrowed_memory_too_small_for_a_header_is_left_alone),
        cmocka_unit_test(rewinding_frees_what_came_after_the_mark),
        cmocka_unit_test(rewinding_to_an_empty_arena_empties_it),
        cmocka_unit_test(copies_and_text_are_whole),
        cmocka_unit_test(without_memory_the_arena_answers_null_and_stays_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
