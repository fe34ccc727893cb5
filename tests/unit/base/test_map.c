/* The keyed hash against published and independently computed values, and maps. */
#include "base/base.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

#include <stdio.h>

enum { MANY = 5000 };

static const struct hash_key counting_key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

static void hash_is_siphash_1_3(void **state) {
    (void)state;
    static const struct {
        size_t size;
        uint64_t hash;
    } known[] = {{0, 0xabac0158050fc4dcu}, {1, 0xc9f49bf37d57ca93u},  {7, 0xd3927d989bb11140u},
                 {8, 0x369095118d299a8eu}, {15, 0xd320d86d2a519956u}, {16, 0xcc4fdd1a7d908b66u},
                 {63, 0x9d199062b7bbb3a8u}};
    char bytes[64];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        assert_true(hash_bytes(&counting_key, (struct slice){bytes, known[i].size}) ==
                    known[i].hash);
}

static void another_key_gives_another_hash(void **state) {
    (void)state;
    struct hash_key other = {counting_key.a, counting_key.b ^ 1};
    assert_true(hash_bytes(&counting_key, SLICE("x")) != hash_bytes(&other, SLICE("x")));
}

static struct slice name_of(char names[MANY][8], int i) {
    return (struct slice){names[i], (size_t)snprintf(names[i], 8, "k%d", i)};
}

static void many_entries_are_found_replaced_and_removed(void **state) {
    (void)state;
    static char names[MANY][8];
    static int values[MANY];
    struct map map;
    map_init(&map, counting_key);
    assert_null(map_get(&map, SLICE("k1")));
    assert_null(map_remove(&map, SLICE("k1")));
    for (int i = 0; i < MANY; i++)
        assert_int_equal(map_put(&map, name_of(names, i), &values[i]), STATUS_OK);
    assert_int_equal(map.count, MANY);
    for (int i = 0; i < MANY; i += 2)
        assert_ptr_equal(map_remove(&map, name_of(names, i)), &values[i]);
    assert_int_equal(map_put(&map, name_of(names, 1), &values[0]), STATUS_OK);
    assert_int_equal(map.count, MANY / 2);
    for (int i = 3; i < MANY; i++)
        assert_ptr_equal(map_get(&map, name_of(names, i)), i % 2 == 0 ? NULL : &values[i]);
    assert_ptr_equal(map_get(&map, SLICE("k1")), &values[0]);
    map_deinit(&map);
    assert_null(map_get(&map, SLICE("k1")));
}

static void adding_and_removing_for_ever_does_not_grow(void **state) {
    (void)state;
    char names[MANY][8];
    int value;
    struct map map;
    map_init(&map, counting_key);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(map_put(&map, name_of(names, i), &value), STATUS_OK);
        assert_ptr_equal(map_remove(&map, name_of(names, i)), &value);
    }
    assert_int_equal(map.count, 0);
    assert_true(map.capacity <= 32);
    map_deinit(&map);
}

static void iterating_sees_each_entry_once_also_while_removing(void **state) {
    (void)state;
    char names[MANY][8];
    static int seen[100];
    struct map map;
    map_init(&map, counting_key);
    for (int i = 0; i < 100; i++)
        assert_int_equal(map_put(&map, name_of(names, i), &seen[i]), STATUS_OK);
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&map, &at));) {
        (*(int *)entry->value)++;
        assert_non_null(map_remove(&map, entry->key));
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(map.count, 0);
    map_deinit(&map);
}

static void keys_may_hold_any_bytes(void **state) {
    (void)state;
    int a, b, c;
    struct map map;
    map_init(&map, counting_key);
    assert_int_equal(map_put(&map, SLICE(""), &a), STATUS_OK);
    assert_int_equal(map_put(&map, SLICE("\0"), &b), STATUS_OK);
    assert_int_equal(map_put(&map, SLICE("\0\0"), &c), STATUS_OK);
    assert_ptr_equal(map_get(&map, SLICE_NONE), &a);
    assert_ptr_equal(map_get(&map, SLICE("\0")), &b);
    assert_ptr_equal(map_get(&map, SLICE("\0\0")), &c);
    map_deinit(&map);
}

static void without_memory_nothing_is_lost(void **state) {
    (void)state;
    char names[MANY][8];
    int value;
    struct map map;
    map_init(&map, counting_key);
    fail_alloc_after(0);
    assert_int_equal(map_put(&map, SLICE("k"), &value), STATUS_NO_MEMORY);
    fail_alloc_after(1);
    int put_count = 0;
    while (map_put(&map, name_of(names, put_count), &value) == STATUS_OK)
        put_count++;
    fail_alloc_never();
    assert_int_equal(map.count, put_count);
    assert_true(put_count > 0);
    for (int i = 0; i < put_count; i++)
        assert_ptr_equal(map_get(&map, name_of(names, i)), &value);
    assert_null(map_get(&map, name_of(names, put_count)));
    map_deinit(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_siphash_1_3),
        cmocka_unit_test(another_key_gives_another_hash),
        cmocka_unit_test(many_entries_are_found_replaced_and_removed),
        cmocka_unit_test(adding_and_removing_for_ever_does_not_grow),
        cmocka_unit_test(iterating_sees_each_entry_once_also_while_removing),
        cmocka_unit_test(keys_may_hold_any_bytes),
        cmocka_unit_test(without_memory_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
