/* One store, one thread: commits, snapshots, bounds, listings, what is to be stored. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "globals/globals.h"

static uint64_t mono(const struct clock *clock) {
    (void)clock;
    return 1;
}
static uint64_t wall(const struct clock *clock) {
    (void)clock;
    return 1700000000000;
}
static const struct clock fixed = {mono, wall};

static struct globals *make(void) {
    struct globals *globals =
        globals_new(&(struct globals_options){2, {1, 2}, &fixed, 1 << 20, 1 << 16});
    assert_non_null(globals);
    return globals;
}

static enum status set(struct globals_reader *reader, const char *dotted, struct value value) {
    struct slice path[8], rest = slice_of(dotted);
    size_t count = 0;
    while (rest.bytes)
        path[count++] = slice_cut(rest, '.', &rest);
    return globals_commit(reader, &(struct global_change){path, count, value}, 1);
}

static int64_t number(struct globals_reader *reader, const char *dotted) {
    struct value value = globals_get(reader, slice_of(dotted));
    return value.type == VALUE_INT ? value.integer : -1;
}

static void values_are_set_read_and_removed(void **state) {
    (void)state;
    struct globals *globals = make();
    struct globals_reader *reader = globals_reader(globals, 0);
    assert_int_equal(set(reader, "a", value_int(1)), STATUS_OK);
    assert_int_equal(number(reader, "a"), 1);
    assert_int_equal(set(reader, "m.x.y", value_int(2)), STATUS_OK);
    assert_int_equal(number(reader, "m.x.y"), 2);
    assert_int_equal(set(reader, "a.b", value_int(2)), STATUS_TYPE);
    assert_int_equal(set(reader, "a", value_nil()), STATUS_OK);
    assert_int_equal(globals_get(reader, SLICE("a")).type, VALUE_NIL);
    assert_int_equal(globals_get(reader, SLICE("never.there")).type, VALUE_NIL);
    globals_release(reader);
    globals_free(globals);
}

static void a_snapshot_sees_one_state(void **state) {
    (void)state;
    struct globals *globals = make();
    struct globals_reader *one = globals_reader(globals, 0), *two = globals_reader(globals, 1);
    assert_int_equal(set(one, "a", value_int(1)), STATUS_OK);
    globals_snapshot(two);
    assert_int_equal(set(one, "a", value_int(2)), STATUS_OK);
    globals_release(one);
    assert_int_equal(number(two, "a"), 1);
    assert_int_equal(set(two, "b", value_int(1)), STATUS_AGAIN);
    globals_snapshot(two);
    assert_int_equal(number(two, "a"), 2);
    assert_int_equal(set(two, "b", value_int(1)), STATUS_OK);
    globals_release(two);
    globals_free(globals);
}

/* proves T6: one `set` is all or nothing */
static void a_commit_that_fails_changes_nothing(void **state) {
    (void)state;
    struct globals *globals = make();
    struct globals_reader *reader = globals_reader(globals, 0);
    struct slice a = SLICE("a"), b = SLICE("b");
    char *huge = calloc(1, 1 << 17);
    struct global_change changes[] = {
        {&a, 1, value_int(1)},
        {&b, 1, value_bytes((struct slice){huge, 1 << 17})},
    };
    assert_int_equal(globals_commit(reader, changes, 2), STATUS_LIMIT);
    assert_int_equal(globals_refused(reader).past_one, 1);
    assert_int_equal(globals_refused(reader).past_all, 0);
    assert_int_equal(globals_get(reader, a).type, VALUE_NIL);
    changes[1].value = value_int(2);
    assert_int_equal(globals_commit(reader, changes, 2), STATUS_OK);
    assert_int_equal(number(reader, "b"), 2);
    globals_release(reader);
    free(huge);
    globals_free(globals);
}

static void what_json_cannot_hold_is_refused(void **state) {
    (void)state;
    struct globals *globals = make();
    struct globals_reader *reader = globals_reader(globals, 0);
    struct value text = value_bytes(SLICE("\xff"));
    assert_int_equal(set(reader, "a", text), STATUS_UNSUPPORTED);
    assert_int_equal(set(reader, "\xff", value_int(1)), STATUS_UNSUPPORTED);
    assert_int_equal(set(reader, "a.\xff", value_int(1)), STATUS_UNSUPPORTED);
    assert_int_equal(set(reader, "a", value_float(1.0 / 0.0)), STATUS_UNSUPPORTED);
    struct value list = {.type = VALUE_LIST, .count = 1, .items = &text};
    assert_int_equal(set(reader, "a", list), STATUS_UNSUPPORTED);
    globals_release(reader);
    globals_free(globals);
}

static void all_together_are_bounded(void **state) {
    (void)state;
    struct globals *globals = make();
    struct globals_reader *reader = globals_reader(globals, 0);
    char *text = calloc(1, 40000), name[16];
    int count = 0;
    enum status status = STATUS_OK;
    for (; status == STATUS_OK && count < 100; count++) {
        snprintf(name, sizeof name, "n%d", count);
        status = set(reader, name, value_bytes((struct slice){text, 40000}));
    }
    assert_int_equal(status, STATUS_LIMIT);
    assert_in_range(count, 20, 27);
    assert_int_equal(set(reader, "n0", value_nil()), STATUS_OK);
    assert_int_equal(set(reader, "n99", value_bytes((struct slice){text, 39000})), STATUS_OK);
    globals_release(reader);
    free(text);
    globals_free(globals);
}

struct seen {
    size_t rows, removed;
    int64_t sum;
};
static void note(void *context, const struct globals_row *row) {
    struct seen *seen = context;
    seen->rows++;
    seen->removed += row->value.type == VALUE_NIL;
    seen->sum += row->value.type == VALUE_INT ? row->value.integer : 0;
    assert_int_equal(row->updated_ms, 1700000000000);
}

static void thousands_of_names_are_found_listed_and_removed(void **state) {
    (void)state;
    struct globals *globals = make();
    struct globals_reader *reader = globals_reader(globals, 0);
    char name[16];
    globals_set_bounds(globals, 64 << 20, 1 << 20);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "name%d", i);
        assert_int_equal(set(reader, name, value_int(i)), STATUS_OK);
        globals_release(reader);
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "name%d", i);
        assert_int_equal(number(reader, name), i);
    }
    struct seen all = {0}, one = {0};
    globals_list(reader, SLICE_NONE, note, &all);
    assert_int_equal(all.rows, 5000);
    assert_int_equal(all.sum, 4999 * 2500);
    globals_list(reader, SLICE("name7"), note, &one);
    assert_int_equal(one.rows, 1);
    assert_int_equal(one.sum, 7);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "name%d", i);
        assert_int_equal(set(reader, name, value_nil()), STATUS_OK);
    }
    globals_release(reader);
    struct seen none = {0}, changes = {0};
    globals_list(reader, SLICE_NONE, note, &none);
    assert_int_equal(none.rows, 0);
    uint64_t version = globals_changes(reader, 0, note, &changes);
    assert_int_equal(changes.removed, 5000);
    globals_stored(reader, version);
    struct seen after = {0};
    assert_int_equal(globals_changes(reader, 0, note, &after), version);
    assert_int_equal(after.rows, 0);
    globals_free(globals);
}

static void only_what_changed_is_told(void **state) {
    (void)state;
    struct globals *globals = make();
    struct globals_reader *reader = globals_reader(globals, 0);
    const struct globals_row row = {SLICE("old"), value_int(5), 1700000000000};
    assert_int_equal(globals_load(reader, &row), STATUS_OK);
    struct seen seen = {0};
    uint64_t version = globals_changes(reader, 0, note, &seen);
    assert_int_equal(seen.rows, 0); /* what was loaded is stored */
    assert_int_equal(number(reader, "old"), 5);
    assert_int_equal(set(reader, "new", value_int(6)), STATUS_OK);
    globals_release(reader);
    uint64_t next = globals_changes(reader, version, note, &seen);
    assert_int_equal(seen.rows, 1);
    assert_int_equal(seen.sum, 6);
    assert_int_equal(globals_changes(reader, next, note, &seen), next);
    assert_int_equal(seen.rows, 1);
    globals_list(reader, SLICE_NONE, note, &seen);
    assert_int_equal(seen.rows, 3);
    globals_free(globals);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_set_read_and_removed),
        cmocka_unit_test(a_snapshot_sees_one_state),
        cmocka_unit_test(a_commit_that_fails_changes_nothing),
        cmocka_unit_test(what_json_cannot_hold_is_refused),
        cmocka_unit_test(all_together_are_bounded),
        cmocka_unit_test(thousands_of_names_are_found_listed_and_removed),
        cmocka_unit_test(only_what_changed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
