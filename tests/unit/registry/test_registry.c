/* The registry on real files in a folder of its own: what was acknowledged is there after a new
 * open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "registry/registry.h"

struct fixture {
    char directory[64], path[128];
    int wake[2];
    struct registry *registry;
    struct arena arena;
    char why[REGISTRY_WHY_MAX];
    int ended;
    enum status last;
};

static void on_wake(void *context) {
    struct fixture *f = context;
    assert_int_equal(write(f->wake[1], "", 1), 1);
}

static void on_done(void *context, enum status status) {
    struct fixture *f = context;
    f->ended++;
    f->last = status;
}

static int setup(void **state) {
    struct fixture *f = base_alloc(sizeof *f);
    (void)snprintf(f->directory, sizeof f->directory, "/tmp/bellwire-registry-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof f->path, "%s/bellwire.db", f->directory);
    assert_int_equal(pipe(f->wake), 0);
    arena_init(&f->arena, 4096, 0);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    if (f->registry)
        registry_close(f->registry);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", f->directory);
    int code = system(command);
    close(f->wake[0]);
    close(f->wake[1]);
    arena_deinit(&f->arena);
    free(f);
    return code;
}

static void open_it(struct fixture *f) {
    assert_int_equal(registry_open(f->directory, on_wake, f, &f->registry, f->why), STATUS_OK);
}

static void reopen(struct fixture *f) {
    registry_close(f->registry);
    f->registry = NULL;
    open_it(f);
}

static enum status wait_for(struct fixture *f, int count) {
    while (f->ended < count) {
        struct pollfd one = {f->wake[0], POLLIN, 0};
        assert_int_equal(poll(&one, 1, 20000), 1);
        char byte;
        assert_int_equal(read(f->wake[0], &byte, 1), 1);
        registry_collect(f->registry);
    }
    return f->last;
}

static struct registry_row row_of(const char *id, enum registry_origin origin) {
    return (struct registry_row){.id = slice_of(id),
                                 .origin = origin,
                                 .is_enabled = true,
                                 .declaration = SLICE("{\"bind\":[\"127.0.0.1:1\"]}"),
                                 .place = SLICE("bellwire.yaml:3")};
}

/* proves D5 */
static void an_acknowledged_row_is_there_after_a_new_open(void **state) {
    struct fixture *f = *state;
    open_it(f);
    struct registry_row row = row_of("side", REGISTRY_MANAGER);
    assert_int_equal(
        registry_put(f->registry, REGISTRY_SERVER, &row, (struct registry_done){on_done, f}), 0);
    assert_int_equal(wait_for(f, 1), STATUS_OK);
    reopen(f);
    struct registry_rows rows;
    assert_int_equal(registry_read(f->registry, REGISTRY_SERVER, &f->arena, &rows), STATUS_OK);
    assert_int_equal(rows.count, 1);
    assert_true(slice_is(rows.items[0].id, "side"));
    assert_int_equal(rows.items[0].origin, REGISTRY_MANAGER);
    assert_true(rows.items[0].is_enabled);
    assert_true(slice_is(rows.items[0].declaration, "{\"bind\":[\"127.0.0.1:1\"]}"));
    assert_true(slice_is(rows.items[0].state, "stopped"));
}

static void a_file_row_whose_declaration_is_gone_leaves_and_the_managers_stay(void **state) {
    struct fixture *f = *state;
    struct registry_done done = {on_done, f};
    open_it(f);
    struct registry_row files[] = {row_of("a", REGISTRY_FILE), row_of("b", REGISTRY_FILE)};
    struct registry_row managers = row_of("a", REGISTRY_MANAGER);
    assert_int_equal(registry_put(f->registry, REGISTRY_CLIENT, &managers, done), 0);
    assert_int_equal(registry_replace_files(f->registry, REGISTRY_CLIENT,
                                            &(struct registry_rows){files, 2}, done),
                     0);
    struct registry_row noted = {.id = SLICE("a"),
                                 .origin = REGISTRY_FILE,
                                 .state = SLICE("open"),
                                 .since_ms = 7,
                                 .last_sent = SLICE("hello"),
                                 .last_sent_ms = 8};
    assert_int_equal(
        registry_note(f->registry, REGISTRY_CLIENT, &(struct registry_rows){&noted, 1}, done), 0);
    assert_int_equal(registry_replace_files(f->registry, REGISTRY_CLIENT,
                                            &(struct registry_rows){files, 1}, done),
                     0);
    assert_int_equal(wait_for(f, 4), STATUS_OK);
    reopen(f);
    struct registry_rows rows;
    assert_int_equal(registry_read(f->registry, REGISTRY_CLIENT, &f->arena, &rows), STATUS_OK);
    assert_int_equal(rows.count, 2);
    assert_int_equal(rows.items[0].origin, REGISTRY_FILE);
    assert_true(slice_is(rows.items[0].state, "open"));
    assert_true(slice_is(rows.items[0].last_sent, "hello"));
    assert_int_equal(rows.items[0].last_sent_ms, 8);
    assert_int_equal(rows.items[1].origin, REGISTRY_MANAGER);
    assert_true(slice_is(rows.items[1].state, "stopped"));
}

static void removing_takes_the_managers_row_only(void **state) {
    struct fixture *f = *state;
    struct registry_done done = {on_done, f};
    open_it(f);
    struct registry_row file = row_of("a", REGISTRY_FILE), manager = row_of("a", REGISTRY_MANAGER);
    assert_int_equal(registry_put(f->registry, REGISTRY_SERVER, &file, done), 0);
    assert_int_equal(registry_put(f->registry, REGISTRY_SERVER, &manager, done), 0);
    assert_int_equal(registry_remove(f->registry, REGISTRY_SERVER, SLICE("a"), done), 0);
    assert_int_equal(wait_for(f, 3), STATUS_OK);
    reopen(f);
    struct registry_rows rows;
    assert_int_equal(registry_read(f->registry, REGISTRY_SERVER, &f->arena, &rows), STATUS_OK);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.items[0].origin, REGISTRY_FILE);
}

static void globals_and_overrides_come_back(void **state) {
    struct fixture *f = *state;
    struct registry_done done = {on_done, f};
    open_it(f);
    struct registry_global items[] = {{SLICE("count"), SLICE("7"), 11},
                                      {SLICE("gone"), SLICE("1"), 11}};
    assert_int_equal(registry_put_globals(f->registry, &(struct registry_globals){items, 2}, done),
                     0);
    struct registry_global removed = {.name = SLICE("gone")};
    assert_int_equal(
        registry_put_globals(f->registry, &(struct registry_globals){&removed, 1}, done), 0);
    struct registry_override override = {SLICE("hello"), false, true, false};
    assert_int_equal(registry_put_override(f->registry, &override, done), 0);
    assert_int_equal(wait_for(f, 3), STATUS_OK);
    reopen(f);
    struct registry_globals globals;
    assert_int_equal(registry_read_globals(f->registry, &f->arena, &globals), STATUS_OK);
    assert_int_equal(globals.count, 1);
    assert_true(slice_is(globals.items[0].name, "count"));
    assert_true(slice_is(globals.items[0].json, "7"));
    assert_int_equal(globals.items[0].updated_ms, 11);
    struct registry_overrides overrides;
    assert_int_equal(registry_read_overrides(f->registry, &f->arena, &overrides), STATUS_OK);
    assert_int_equal(overrides.count, 1);
    assert_false(overrides.items[0].is_enabled);
    assert_true(overrides.items[0].file_enabled);
}

/* proves D8 */
static void a_damaged_file_is_refused_and_left_untouched(void **state) {
    struct fixture *f = *state;
    const char garbage[] =
        "this is not a database, and it is longer than one hundred bytes, so that the "
        "header alone cannot be what is wrong with it.....";
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(garbage, 1, sizeof garbage, file), sizeof garbage);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(registry_open(f->directory, on_wake, f, &f->registry, f->why), STATUS_CORRUPT);
    assert_non_null(strstr(f->why, f->path));
    char read_back[sizeof garbage] = {0};
    file = fopen(f->path, "r");
    assert_non_null(file);
    assert_int_equal(fread(read_back, 1, sizeof read_back, file), sizeof garbage);
    assert_int_equal(fclose(file), 0);
    assert_memory_equal(read_back, garbage, sizeof garbage);
}

static void a_newer_schema_is_refused(void **state) {
    struct fixture *f = *state;
    open_it(f);
    registry_close(f->registry);
    f->registry = NULL;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1000", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(registry_open(f->directory, on_wake, f, &f->registry, f->why), STATUS_VERSION);
    assert_non_null(strstr(f->why, "newer"));
}

/* proves D8 */
static void a_locked_database_refuses_the_edit_and_goes_on(void **state) {
    struct fixture *f = *state;
    struct registry_done done = {on_done, f};
    open_it(f);
    sqlite3 *other;
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct registry_row row = row_of("side", REGISTRY_MANAGER);
    assert_int_equal(registry_put(f->registry, REGISTRY_SERVER, &row, done), 0);
    assert_int_equal(wait_for(f, 1), STATUS_BUSY);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(registry_put(f->registry, REGISTRY_SERVER, &row, done), 0);
    assert_int_equal(wait_for(f, 2), STATUS_OK);
}

static void closing_tells_of_what_could_not_be_stored(void **state) {
    struct fixture *f = *state;
    struct registry_done done = {on_done, f};
    open_it(f);
    sqlite3 *other;
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct registry_row row = row_of("side", REGISTRY_MANAGER);
    assert_int_equal(registry_put(f->registry, REGISTRY_SERVER, &row, done), 0);
    assert_int_equal(registry_close(f->registry), STATUS_BUSY);
    f->registry = NULL;
    assert_int_equal(f->ended, 0);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

/* proves D9 */
static void one_state_directory_serves_one_process(void **state) {
    struct fixture *f = *state;
    int held = registry_lock_directory(f->directory, f->why);
    assert_true(held >= 0);
    assert_int_equal(registry_lock_directory(f->directory, f->why), STATUS_BUSY);
    assert_non_null(strstr(f->why, "another bellwired"));
    close(held);
    held = registry_lock_directory(f->directory, f->why);
    assert_true(held >= 0);
    close(held);
}

static void a_missing_directory_is_made_for_its_owner_alone(void **state) {
    struct fixture *f = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/new", f->directory);
    int held = registry_lock_directory(path, f->why);
    assert_true(held >= 0);
    struct stat found;
    assert_int_equal(fstat(held, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
    close(held);
    (void)snprintf(path, sizeof path, "%s/none/new", f->directory);
    assert_int_equal(registry_lock_directory(path, f->why), STATUS_DENIED);
    assert_non_null(strstr(f->why, path));
}

/* proves D5 */
static void rows_are_readable_while_it_is_open_and_without_it(void **state) {
    struct fixture *f = *state;
    struct registry_rows rows;
    assert_int_equal(registry_peek(f->directory, REGISTRY_SERVER, &f->arena, &rows, f->why),
                     STATUS_NOT_FOUND);
    open_it(f);
    struct registry_row row = row_of("side", REGISTRY_MANAGER);
    assert_int_equal(
        registry_put(f->registry, REGISTRY_SERVER, &row, (struct registry_done){on_done, f}), 0);
    assert_int_equal(wait_for(f, 1), STATUS_OK);
    assert_int_equal(registry_peek(f->directory, REGISTRY_SERVER, &f->arena, &rows, f->why),
                     STATUS_OK);
    assert_int_equal(rows.count, 1);
    registry_close(f->registry);
    f->registry = NULL;
    assert_int_equal(registry_peek(f->directory, REGISTRY_SERVER, &f->arena, &rows, f->why),
                     STATUS_OK);
    assert_int_equal(rows.count, 1);
}

/* proves D5 */
static void an_acknowledged_edit_survives_a_kill(void **state) {
    struct fixture *f = *state;
    pid_t child = fork();
    if (child == 0) {
        open_it(f);
        struct registry_row row = row_of("side", REGISTRY_MANAGER);
        if (registry_put(f->registry, REGISTRY_SERVER, &row, (struct registry_done){on_done, f}))
            _exit(1);
        if (wait_for(f, 1) != STATUS_OK)
            _exit(2);
        raise(SIGKILL);
    }
    int code = 0;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFSIGNALED(code));
    open_it(f);
    struct registry_rows rows;
    assert_int_equal(registry_read(f->registry, REGISTRY_SERVER, &f->arena, &rows), STATUS_OK);
    assert_int_equal(rows.count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_acknowledged_row_is_there_after_a_new_open),
        TEST(a_file_row_whose_declaration_is_gone_leaves_and_the_managers_stay),
        TEST(removing_takes_the_managers_row_only),
        TEST(globals_and_overrides_come_back),
        TEST(a_damaged_file_is_refused_and_left_untouched),
        TEST(a_newer_schema_is_refused),
        TEST(a_locked_database_refuses_the_edit_and_goes_on),
        TEST(closing_tells_of_what_could_not_be_stored),
        TEST(one_state_directory_serves_one_process),
        TEST(a_missing_directory_is_made_for_its_owner_alone),
        TEST(rows_are_readable_while_it_is_open_and_without_it),
        TEST(an_acknowledged_edit_survives_a_kill),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
