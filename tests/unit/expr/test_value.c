/* Plain values: equality, look-ups, text, copies, boxes, and replacing one member. */
#include "expr/expr.h"

#include <math.h>
#include <stdio.h>

#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

#define TEXT(literal) value_bytes(SLICE(literal))
#define PAIR(name, v) ((struct value_pair){TEXT(name), (v)})
#define LIST_OF(...)  list_of((struct value[]){__VA_ARGS__}, COUNT_OF(struct value, __VA_ARGS__))
#define MAP_OF(...)                                                                                \
    map_of((struct value_pair[]){__VA_ARGS__}, COUNT_OF(struct value_pair, __VA_ARGS__))
#define COUNT_OF(type, ...)      (sizeof((type[]){__VA_ARGS__}) / sizeof(type))
#define assert_text(slice, text) assert_slice((slice), SLICE(text))

static void assert_slice(struct slice got, struct slice expected) {
    if (!slice_equal(got, expected))
        fail_msg("got \"" SLICE_FMT "\", expected \"" SLICE_FMT "\"", SLICE_ARG(got),
                 SLICE_ARG(expected));
}

static struct value list_of(const struct value *items, size_t count) {
    return (struct value){.type = VALUE_LIST, .count = (uint32_t)count, .items = items};
}

static struct value map_of(const struct value_pair *pairs, size_t count) {
    return (struct value){.type = VALUE_MAP, .count = (uint32_t)count, .pairs = pairs};
}

/* `levels` lists, one in the other, around a one; `room` holds `levels` values. */
static struct value nested(struct value *room, size_t levels) {
    struct value v = value_int(1);
    for (size_t i = 0; i < levels; i++) {
        room[i] = v;
        v = list_of(&room[i], 1);
    }
    return v;
}

static void assert_value_text(struct value v, const char *text) {
    struct arena arena;
    arena_init(&arena, 256, 0);
    struct slice got;
    assert_int_equal(value_text(v, &arena, &got), STATUS_OK);
    assert_slice(got, slice_of(text));
    arena_deinit(&arena);
}

/* ---- equality and look-ups ------------------------------------------------------------------ */
static void types_have_names(void **state) {
    (void)state;
    assert_string_equal(value_type_text(VALUE_NIL), "nil");
    assert_string_equal(value_type_text(VALUE_BOOL), "boolean");
    assert_string_equal(value_type_text(VALUE_INT), "integer");
    assert_string_equal(value_type_text(VALUE_FLOAT), "float");
    assert_string_equal(value_type_text(VALUE_BYTES), "text");
    assert_string_equal(value_type_text(VALUE_LIST), "list");
    assert_string_equal(value_type_text(VALUE_MAP), "map");
    assert_string_equal(value_type_text((enum value_type)99), "unknown");
}

static void seven_equals_seven_point_zero_and_not_its_text(void **state) {
    (void)state;
    assert_true(value_equal(value_int(7), value_float(7.0)));
    assert_true(value_equal(value_float(7.0), value_int(7)));
    assert_false(value_equal(value_int(7), value_float(7.5)));
    assert_false(value_equal(value_int(7), TEXT("7")));
    assert_false(value_equal(value_bool(true), value_int(1)));
    assert_false(value_equal(value_bool(true), value_bool(false)));
    assert_false(value_equal(value_nil(), TEXT("")));
    assert_true(value_equal(value_nil(), value_nil()));
    assert_true(value_equal(value_int(-3), value_int(-3)));
    assert_false(value_equal(value_int(-3), value_int(3)));
    assert_true(value_equal(value_float(0.5), value_float(0.5)));
}

static void large_integers_and_floats_are_compared_exactly(void **state) {
    (void)state;
    int64_t past = (INT64_C(1) << 53) + 1;
    assert_false(value_equal(value_int(past), value_float(0x1p53)));
    assert_true(value_equal(value_int(past - 1), value_float(0x1p53)));
    assert_false(value_equal(value_int(INT64_MAX), value_float(0x1p63)));
    assert_true(value_equal(value_int(INT64_MIN), value_float(-0x1p63)));
    assert_false(value_equal(value_int(0), value_float(NAN)));
    assert_false(value_equal(value_float(NAN), value_float(NAN)));
    assert_false(value_equal(value_int(INT64_MAX), value_float(INFINITY)));
}

static void maps_are_equal_in_any_order_and_lists_in_one(void **state) {
    (void)state;
    struct value a = MAP_OF(PAIR("x", value_int(1)), PAIR("y", value_int(2)), PAIR("z", TEXT("t")));
    struct value b =
        MAP_OF(PAIR("z", TEXT("t")), PAIR("y", value_float(2)), PAIR("x", value_int(1)));
    assert_true(value_equal(a, b));
    assert_true(value_equal(a, a));
    struct value other =
        MAP_OF(PAIR("x", value_int(1)), PAIR("y", value_int(2)), PAIR("w", TEXT("t")));
    assert_false(value_equal(a, other));
    struct value differs =
        MAP_OF(PAIR("x", value_int(1)), PAIR("y", value_int(3)), PAIR("z", TEXT("t")));
    assert_false(value_equal(a, differs));
    struct value fewer = MAP_OF(PAIR("x", value_int(1)), PAIR("y", value_int(2)));
    assert_false(value_equal(a, fewer));
    assert_true(value_equal(LIST_OF(a, value_int(1)), LIST_OF(b, value_int(1))));
    assert_false(
        value_equal(LIST_OF(value_int(1), value_int(2)), LIST_OF(value_int(2), value_int(1))));
    assert_false(value_equal(LIST_OF(value_int(1)), LIST_OF(value_int(1), value_int(1))));
    assert_false(value_equal(map_of(NULL, 0), list_of(NULL, 0)));
    assert_true(value_equal(map_of(NULL, 0), map_of(NULL, 0)));
}

static void comparing_ends_at_the_depth_bound(void **state) {
    (void)state;
    struct value room[100];
    assert_true(value_equal(nested(room, VALUE_DEPTH_MAX), nested(room, VALUE_DEPTH_MAX)));
    struct value deep = nested(room, VALUE_DEPTH_MAX + 1);
    assert_false(value_equal(deep, deep));
}

static void paths_go_through_maps_and_lists(void **state) {
    (void)state;
    struct value list = LIST_OF(TEXT("zero"), MAP_OF(PAIR("c", value_int(5))));
    struct value v = MAP_OF(PAIR("a", MAP_OF(PAIR("b", list))), PAIR("", value_int(9)));
    assert_int_equal(value_path(v, SLICE("a.b.1.c")).integer, 5);
    assert_text(value_slice(value_path(v, SLICE("a.b.0"))), "zero");
    assert_int_equal(value_path(v, SLICE("a.b")).count, 2);
    assert_int_equal(value_path(v, SLICE("a.b.2")).type, VALUE_NIL);
    assert_int_equal(value_path(v, SLICE("a.b.-1")).type, VALUE_NIL);
    assert_int_equal(value_path(v, SLICE("a.b.99999999999999999999")).type, VALUE_NIL);
    assert_int_equal(value_path(v, SLICE("a.b.0.x")).type, VALUE_NIL);
    assert_int_equal(value_path(v, SLICE("a.x.y")).type, VALUE_NIL);
    assert_int_equal(value_path(v, SLICE("a.")).type, VALUE_NIL);
    assert_int_equal(value_path(v, SLICE(".")).type, VALUE_NIL);
    assert_int_equal(value_path(v, SLICE("")).type, VALUE_MAP);
    assert_int_equal(value_path(v, SLICE_NONE).type, VALUE_MAP);
    assert_int_equal(value_member(v, SLICE("")).integer, 9);
    assert_int_equal(value_member(list, SLICE("1")).type, VALUE_MAP);
    assert_int_equal(value_member(TEXT("text"), SLICE("0")).type, VALUE_NIL);
}

/* ---- text ----------------------------------------------------------------------------------- */
static void each_type_has_its_text(void **state) {
    (void)state;
    assert_value_text(value_nil(), "");
    assert_value_text(value_bool(true), "true");
    assert_value_text(value_bool(false), "false");
    assert_value_text(value_int(-12), "-12");
    assert_value_text(value_float(10.0 / 2), "5");
    assert_value_text(TEXT("as is"), "as is");
    assert_value_text(LIST_OF(value_int(1), value_nil()), "[1,null]");
    assert_value_text(MAP_OF(PAIR("k", TEXT("v"))), "{\"k\":\"v\"}");
}

static void text_of_bytes_is_not_copied(void **state) {
    (void)state;
    const char *bytes = "abc";
    struct arena arena;
    arena_init(&arena, 64, 0);
    struct slice got;
    assert_int_equal(value_text(value_bytes(slice_of(bytes)), &arena, &got), STATUS_OK);
    assert_ptr_equal(got.bytes, bytes);
    assert_int_equal(arena.used_bytes, 0);
    arena_deinit(&arena);
}

static void text_tells_of_its_failures(void **state) {
    (void)state;
    struct arena arena;
    struct slice got = SLICE("untouched");
    arena_init(&arena, 64, 4);
    assert_int_equal(value_text(value_int(12345), &arena, &got), STATUS_NO_MEMORY);
    assert_int_equal(value_text(value_float(1234.5), &arena, &got), STATUS_NO_MEMORY);
    assert_int_equal(value_text(LIST_OF(value_int(123)), &arena, &got), STATUS_NO_MEMORY);
    assert_int_equal(value_text(LIST_OF(TEXT("\xff")), &arena, &got), STATUS_TYPE);
    assert_int_equal(value_text(LIST_OF(value_float(NAN)), &arena, &got), STATUS_RANGE);
    assert_int_equal(value_text((struct value){.type = 99}, &arena, &got), STATUS_TYPE);
    assert_text(got, "untouched");
    arena_deinit(&arena);
}

/* ---- copies and boxes ----------------------------------------------------------------------- */
static void a_copy_shares_nothing_with_its_original(void **state) {
    (void)state;
    char text[] = "hello";
    struct value_pair pairs[] = {PAIR("list", value_nil()), PAIR("none", value_nil())};
    struct value items[] = {value_bytes((struct slice){text, 5}), value_float(1.5), TEXT("")};
    pairs[0].value = list_of(items, 3);
    struct arena arena;
    arena_init(&arena, 256, 0);
    struct value copy;
    assert_int_equal(value_copy(map_of(pairs, 2), &arena, &copy), STATUS_OK);
    memset(text, 'x', sizeof text);
    items[1] = value_nil();
    pairs[0].value = value_nil();
    assert_text(value_slice(value_path(copy, SLICE("list.0"))), "hello");
    assert_true(value_path(copy, SLICE("list.1")).number == 1.5);
    assert_int_equal(value_path(copy, SLICE("list.2")).type, VALUE_BYTES);
    assert_int_equal(copy.count, 2);
    assert_text(value_slice(copy.pairs[1].key), "none");
    arena_deinit(&arena);
}

static void copies_are_bounded_in_depth_and_memory(void **state) {
    (void)state;
    struct value room[100], out = value_int(42);
    struct arena arena;
    arena_init(&arena, 256, 0);
    assert_int_equal(value_copy(nested(room, VALUE_DEPTH_MAX), &arena, &out), STATUS_OK);
    assert_int_equal(value_bytes_deep(out), VALUE_DEPTH_MAX * sizeof(struct value));
    arena_deinit(&arena);

    struct value deep = nested(room, VALUE_DEPTH_MAX + 1);
    out = value_int(42);
    arena_init(&arena, 256, 0);
    assert_int_equal(value_copy(deep, &arena, &out), STATUS_LIMIT);
    assert_true(value_bytes_deep(deep) == SIZE_MAX);
    assert_null(value_box_new(deep));
    arena_deinit(&arena);

    arena_init(&arena, 256, 20);
    assert_int_equal(value_copy(LIST_OF(value_int(1), value_int(2)), &arena, &out),
                     STATUS_NO_MEMORY);
    assert_int_equal(value_copy(LIST_OF(TEXT("123456")), &arena, &out), STATUS_NO_MEMORY);
    assert_int_equal(out.integer, 42);
    arena_deinit(&arena);
}

static void the_size_of_a_copy_is_exact(void **state) {
    (void)state;
    assert_int_equal(value_bytes_deep(value_int(1)), 0);
    assert_int_equal(value_bytes_deep(TEXT("abc")), 3);
    struct value map = MAP_OF(PAIR("key", TEXT("ab")));
    assert_int_equal(value_bytes_deep(map), sizeof(struct value_pair) + 5);
    assert_int_equal(value_bytes_deep(LIST_OF(map, map)),
                     2 * sizeof(struct value) + 2 * (sizeof(struct value_pair) + 5));
}

static void a_box_holds_its_value_in_one_block(void **state) {
    (void)state;
    char text[] = "hello";
    struct value v =
        MAP_OF(PAIR("a", LIST_OF(value_bytes((struct slice){text, 5}))), PAIR("n", value_int(3)));
    atomic_store(&allocation_count, 0);
    struct value_box *box = value_box_new(v);
    assert_int_equal(atomic_load(&allocation_count), 1);
    memset(text, 'x', 5);
    struct value in_box = value_box_value(box);
    assert_text(value_slice(value_path(in_box, SLICE("a.0"))), "hello");
    assert_int_equal((uintptr_t)in_box.pairs % 16, 0);
    assert_true(value_box_bytes(box) > value_bytes_deep(in_box));
    assert_ptr_equal(value_box_ref(box), box);
    value_box_unref(box);
    assert_int_equal(value_path(value_box_value(box), SLICE("n")).integer, 3);
    value_box_unref(box);
}

static void no_box_is_nil_and_costs_nothing(void **state) {
    (void)state;
    assert_int_equal(value_box_value(NULL).type, VALUE_NIL);
    assert_int_equal(value_box_bytes(NULL), 0);
    value_box_unref(NULL);
    fail_alloc_after(0);
    assert_null(value_box_new(value_int(1)));
    fail_alloc_never();
}

/* ---- replacing one member ------------------------------------------------------------------- */
static void assert_with(struct value root, const char *dotted, struct value v, const char *json) {
    struct slice path[80], rest = slice_of(dotted);
    size_t segments = 0;
    while (rest.size > 0)
        path[segments++] = slice_cut(rest, '.', &rest);
    struct arena arena;
    arena_init(&arena, 256, 0);
    struct value out;
    struct slice text;
    assert_int_equal(value_with(root, (struct value_place){path, segments}, v, &arena, &out),
                     STATUS_OK);
    assert_int_equal(value_text(out, &arena, &text), STATUS_OK);
    assert_slice(text, slice_of(json));
    arena_deinit(&arena);
}

static void members_are_replaced_added_and_removed(void **state) {
    (void)state;
    struct value root = MAP_OF(PAIR("a", MAP_OF(PAIR("x", value_int(1)), PAIR("y", value_int(2)))),
                               PAIR("b", TEXT("t")), PAIR("n", value_nil()));
    assert_with(root, "b", value_int(7), "{\"a\":{\"x\":1,\"y\":2},\"b\":7,\"n\":null}");
    assert_with(root, "a.x", value_int(7), "{\"a\":{\"x\":7,\"y\":2},\"b\":\"t\",\"n\":null}");
    assert_with(root, "a.z", value_int(7),
                "{\"a\":{\"x\":1,\"y\":2,\"z\":7},\"b\":\"t\",\"n\":null}");
    assert_with(root, "n.m", value_int(7), "{\"a\":{\"x\":1,\"y\":2},\"b\":\"t\",\"n\":{\"m\":7}}");
    assert_with(root, "a.x", value_nil(), "{\"a\":{\"y\":2},\"b\":\"t\",\"n\":null}");
    assert_with(root, "a", value_nil(), "{\"b\":\"t\",\"n\":null}");
    assert_with(root, "a.q.r", value_nil(), "{\"a\":{\"x\":1,\"y\":2},\"b\":\"t\",\"n\":null}");
    assert_with(value_nil(), "p.q.r", value_bool(true), "{\"p\":{\"q\":{\"r\":true}}}");
    assert_with(value_nil(), "p.q", value_nil(), "");
    assert_with(MAP_OF(PAIR("a", value_int(1))), "a", value_nil(), "{}");
    assert_with(root, "", value_int(7), "7");
}

static void replacing_leaves_the_root_alone_and_shares_the_rest(void **state) {
    (void)state;
    struct value root = MAP_OF(PAIR("keep", LIST_OF(value_int(1))), PAIR("b", value_int(2)));
    struct arena arena;
    arena_init(&arena, 256, 0);
    char key[] = "new";
    struct slice path = {key, 3};
    struct value out;
    assert_int_equal(value_with(root, (struct value_place){&path, 1}, value_int(3), &arena, &out),
                     STATUS_OK);
    memset(key, 'x', 3);
    assert_int_equal(root.count, 2);
    assert_int_equal(value_member(out, SLICE("new")).integer, 3);
    assert_ptr_equal(value_member(out, SLICE("keep")).items,
                     value_member(root, SLICE("keep")).items);
    arena_deinit(&arena);
}

static void replacing_tells_of_its_failures(void **state) {
    (void)state;
    struct value root = MAP_OF(PAIR("a", value_int(1)), PAIR("l", LIST_OF(value_int(1))));
    struct arena arena;
    arena_init(&arena, 64, 0);
    struct value out = value_int(42);
    struct slice path[VALUE_DEPTH_MAX + 1] = {SLICE("a"), SLICE("b")};
    assert_int_equal(value_with(root, (struct value_place){path, 2}, value_int(1), &arena, &out),
                     STATUS_TYPE);
    assert_int_equal(value_with(root, (struct value_place){path, 2}, value_nil(), &arena, &out),
                     STATUS_TYPE);
    path[0] = SLICE("l");
    path[1] = SLICE("0");
    assert_int_equal(value_with(root, (struct value_place){path, 2}, value_int(1), &arena, &out),
                     STATUS_TYPE);
    assert_int_equal(
        value_with(TEXT("no map"), (struct value_place){path, 1}, value_int(1), &arena, &out),
        STATUS_TYPE);
    for (size_t i = 0; i <= VALUE_DEPTH_MAX; i++)
        path[i] = SLICE("p");
    assert_int_equal(value_with(value_nil(), (struct value_place){path, VALUE_DEPTH_MAX + 1},
                                value_int(1), &arena, &out),
                     STATUS_LIMIT);
    arena_deinit(&arena);
    for (size_t limit = 0; limit < 96; limit += 16) {
        arena_init(&arena, 64, limit == 0 ? 1 : limit);
        path[0] = SLICE("b");
        assert_int_equal(
            value_with(root, (struct value_place){path, 1}, value_int(1), &arena, &out),
            STATUS_NO_MEMORY);
        arena_deinit(&arena);
    }
    arena_init(&arena, 64, 16);
    path[0] = SLICE("a");
    assert_int_equal(value_with(root, (struct value_place){path, 1}, value_nil(), &arena, &out),
                     STATUS_NO_MEMORY);
    arena_deinit(&arena);
    arena_init(&arena, 64, 96); /* room for the pairs, none for the name */
    path[0] = SLICE("b");
    assert_int_equal(value_with(root, (struct value_place){path, 1}, value_int(1), &arena, &out),
                     STATUS_NO_MEMORY);
    arena_deinit(&arena);
    assert_int_equal(out.integer, 42);
}

/* Pairs in this order and in the reverse one, of keys that differ in their last bytes alone. */
static void large_maps_are_compared_in_any_order(void **state) {
    (void)state; /* nothing is shared */
    enum { PAIRS = 20000, FEWER = 500 };
    static char names[PAIRS][8];
    static struct value_pair there[PAIRS], back[PAIRS];
    for (uint32_t i = 0; i < PAIRS; i++) {
        snprintf(names[i], sizeof names[i], "k%u", i);
        there[i] = (struct value_pair){value_bytes(slice_of(names[i])), value_int(i)};
        back[PAIRS - 1 - i] = there[i];
    }
    const struct value a = {.type = VALUE_MAP, .count = PAIRS, .pairs = there};
    struct value b = {.type = VALUE_MAP, .count = PAIRS, .pairs = back};
    for (int round = 0; round < 3; round++)
        assert_true(value_equal(a, b));
    back[7].value = value_int(-1);
    assert_false(value_equal(a, b));
    back[7] = back[8];
    assert_false(value_equal(a, b));
    const struct value first = {.type = VALUE_MAP, .count = FEWER, .pairs = there};
    const struct value last = {.type = VALUE_MAP, .count = FEWER, .pairs = back + PAIRS - FEWER};
    fail_alloc_after(0); /* slower, but right */
    assert_true(value_equal(first, last));
    back[PAIRS - 7].value = value_int(-1);
    assert_false(value_equal(first, last));
    fail_alloc_never();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(seven_equals_seven_point_zero_and_not_its_text),
        cmocka_unit_test(large_integers_and_floats_are_compared_exactly),
        cmocka_unit_test(maps_are_equal_in_any_order_and_lists_in_one),
        cmocka_unit_test(comparing_ends_at_the_depth_bound),
        cmocka_unit_test(paths_go_through_maps_and_lists),
        cmocka_unit_test(each_type_has_its_text),
        cmocka_unit_test(text_of_bytes_is_not_copied),
        cmocka_unit_test(text_tells_of_its_failures),
        cmocka_unit_test(a_copy_shares_nothing_with_its_original),
        cmocka_unit_test(copies_are_bounded_in_depth_and_memory),
        cmocka_unit_test(the_size_of_a_copy_is_exact),
        cmocka_unit_test(large_maps_are_compared_in_any_order),
        cmocka_unit_test(a_box_holds_its_value_in_one_block),
        cmocka_unit_test(no_box_is_nil_and_costs_nothing),
        cmocka_unit_test(members_are_replaced_added_and_removed),
        cmocka_unit_test(replacing_leaves_the_root_alone_and_shares_the_rest),
        cmocka_unit_test(replacing_tells_of_its_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
