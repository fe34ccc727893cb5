/* The files of a configuration, in a folder of their own. */
#include "config/config.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fail_alloc.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct loaded {
    char folder[64];
    struct arena arena;
    struct config_diag diag;
    struct config_files files;
};

static int set_up(void **state) {
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    assert_non_null(loaded);
    strcpy(loaded->folder, "/tmp/bellwire-config-XXXXXX");
    assert_non_null(mkdtemp(loaded->folder));
    arena_init(&loaded->arena, 4096, 0);
    config_diag_init(&loaded->diag, &loaded->arena);
    *state = loaded;
    return 0;
}

static int drop(const char *path, const struct stat *info, int type, struct FTW *place) {
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static int tear_down(void **state) {
    struct loaded *loaded = *state;
    arena_deinit(&loaded->arena);
    nftw(loaded->folder, drop, 8, FTW_DEPTH | FTW_PHYS);
    free(loaded);
    return 0;
}

static const char *path_of(struct loaded *loaded, const char *name) {
    const char *path = arena_printf(&loaded->arena, "%s/%s", loaded->folder, name);
    assert_non_null(path);
    return path;
}

static void write_file(struct loaded *loaded, const char *name, const char *text) {
    char *path = arena_text(&loaded->arena, slice_of(path_of(loaded, name)));
    for (char *slash = strchr(path + strlen(loaded->folder) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void load(struct loaded *loaded, const char *name) {
    assert_int_equal(
        config_load(path_of(loaded, name), &loaded->arena, &loaded->diag, &loaded->files),
        STATUS_OK);
}

static void assert_clean(const struct loaded *loaded) {
    if (loaded->diag.errors)
        fail_msg("found: %s", loaded->diag.messages[0].text);
}

static void assert_told(struct loaded *loaded, const char *text) {
    struct buffer out;
    buffer_init(&out, 0);
    config_diag_sort(&loaded->diag);
    assert_int_equal(config_diag_print(&loaded->diag, &out), STATUS_OK);
    if (!slice_contains(buffer_slice(&out), slice_of(text)))
        fail_msg("found: " SLICE_FMT, SLICE_ARG(buffer_slice(&out)));
    buffer_deinit(&out);
}

static void a_folder_stands_for_its_main_file(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "workers: 2\n");
    load(in, "");
    assert_clean(in);
    assert_string_equal(in->files.main_path, path_of(in, "bellwire.yaml"));
    assert_int_equal(in->files.path_count, 1);
    assert_non_null(config_get(in->files.main, "workers"));
}

static void the_files_of_tasks_are_the_default(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "servers:\n  main: {}\ntasks: {zero: {}}\n");
    write_file(in, "tasks/b.yaml", "tasks:\n  two: {}\nclients:\n  c: {}\n");
    write_file(in, "tasks/a.yaml", "tasks:\n  one: {}\nsecrets: {s: {}}\nservers:\n");
    write_file(in, "tasks/empty.yaml", "# nothing yet\n");
    write_file(in, "tasks/.hidden.yaml", "bad: [");
    write_file(in, "tasks/notes.txt", "bad: [");
    write_file(in, "other/c.yaml", "bad: [");
    load(in, "bellwire.yaml");
    assert_clean(in);
    assert_int_equal(in->files.path_count, 4);
    assert_int_equal(in->files.tasks.count, 3);
    assert_true(slice_is(in->files.tasks.entries[0].id, "zero"));
    assert_true(slice_is(in->files.tasks.entries[1].id, "one"));
    assert_true(slice_is(in->files.tasks.entries[2].id, "two"));
    assert_string_equal(in->files.tasks.entries[1].mark.file, path_of(in, "tasks/a.yaml"));
    assert_int_equal(in->files.tasks.entries[1].mark.line, 2);
    assert_int_equal(in->files.servers.count, 1);
    assert_int_equal(in->files.clients.count, 1);
    assert_int_equal(in->files.secrets.count, 1);
}

static void an_empty_main_file_is_a_configuration(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "");
    load(in, "bellwire.yaml");
    assert_clean(in);
    assert_int_equal(in->files.main->kind, CONFIG_MAP);
    assert_int_equal(in->files.main->count, 0);
}

static void patterns_are_relative_to_the_main_file_and_its_name_is_no_pattern(void **state) {
    struct loaded *in = *state;
    write_file(in, "od[d]?/bellwire.yaml", "include: ['*.yaml', sub/a.yaml, ../out.yaml]\n");
    write_file(in, "od[d]?/x.yaml", "tasks: {x: {}}\n");
    write_file(in, "od[d]?/sub/a.yaml", "tasks: {a: {}}\n");
    write_file(in, "out.yaml", "tasks: {out: {}}\n");
    load(in, "od[d]?");
    assert_clean(in);
    assert_int_equal(in->files.path_count, 4); /* the main file matched its own pattern */
    assert_int_equal(in->files.tasks.count, 3);
}

static void one_text_is_one_pattern_and_may_be_absolute(void **state) {
    struct loaded *in = *state;
    const char *yaml = arena_printf(&in->arena, "include: %s\n", path_of(in, "x/*.yaml"));
    write_file(in, "bellwire.yaml", yaml);
    write_file(in, "x/a.yaml", "tasks: {x: {}}\n");
    load(in, "bellwire.yaml");
    assert_clean(in);
    assert_int_equal(in->files.tasks.count, 1);
}

static void a_file_is_read_once_whatever_leads_to_it(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml",
               "include: ['tasks/*.yaml', tasks/a.yaml, './tasks/../tasks/a*']\n");
    write_file(in, "tasks/a.yaml", "tasks: {x: {}}\n");
    assert_int_equal(symlink("a.yaml", path_of(in, "tasks/b.yaml")), 0);
    load(in, "bellwire.yaml");
    assert_clean(in);
    assert_int_equal(in->files.path_count, 2);
    assert_int_equal(in->files.tasks.count, 1);
}

static void a_missing_main_file_is_told_without_a_line(void **state) {
    struct loaded *in = *state;
    load(in, "bellwire.yaml");
    assert_null(in->files.main);
    assert_told(in, "bellwire.yaml: error: the file must be readable, found: No such file");
}

static void a_folder_without_a_main_file_names_what_it_lacks(void **state) {
    struct loaded *in = *state;
    load(in, "");
    assert_told(in, "/bellwire.yaml: error: the file must be readable, found: No such file");
}

static void what_is_no_file_is_not_read(void **state) {
    struct loaded *in = *state;
    assert_int_equal(mkfifo(path_of(in, "bellwire.yaml"), 0600), 0);
    load(in, "bellwire.yaml"); /* does not wait for a writer */
    assert_int_equal(in->diag.errors, 1);
    assert_null(in->files.main);
}

static void a_dangling_link_among_the_tasks_is_an_error(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "");
    write_file(in, "tasks/a.yaml", "tasks: {x: {}}\n");
    assert_int_equal(symlink("nowhere", path_of(in, "tasks/b.yaml")), 0);
    load(in, "bellwire.yaml");
    assert_told(in, "tasks/b.yaml: error: the file must be readable");
    assert_int_equal(in->files.tasks.count, 1);
}

static void a_file_that_is_too_long_is_refused(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "");
    assert_int_equal(truncate(path_of(in, "bellwire.yaml"), CONFIG_FILE_BYTES + 1), 0);
    load(in, "bellwire.yaml");
    assert_told(in, "the file must be at most 4194304 bytes long, found 4194305");
}

/* proves T1 */
static void the_errors_of_all_files_are_told_at_once(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "include: [nope.yaml, 'tasks/*']\ntasks: {a: {}, 'b c': {}}\n");
    write_file(in, "tasks/a.yaml", "tasks: {a: {}, x: !t y}\nfoo: 1\n");
    write_file(in, "tasks/b.yaml", "tasks: {z: \"\n");
    write_file(in, "tasks/c.yaml", "- a\n");
    load(in, "bellwire.yaml");
    assert_int_equal(in->diag.errors, 7);
    assert_told(in, "bellwire.yaml:1:11: error: include \"nope.yaml\"");
    assert_int_equal(in->files.tasks.count, 2);
}

static void twins_in_any_section_name_both_places(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml",
               "clients: {c: {}}\nsecrets: {s: {}}\nservers: {m: {}, m: {}}\n");
    write_file(in, "tasks/a.yaml", "secrets: {s: {}}\nclients: {c: {}}\n");
    load(in, "bellwire.yaml");
    assert_int_equal(in->diag.errors, 3);
    assert_told(in, "bellwire.yaml:3:18: error: server \"m\" is defined twice");
    assert_told(in, "tasks/a.yaml:1:11: error: secret \"s\" is defined twice");
    assert_told(in, "bellwire.yaml:1:11: note: first defined here");
    assert_int_equal(in->files.clients.count, 1);
}

static void anchors_belong_to_one_file(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "tasks: {a: &x {}}\n");
    write_file(in, "tasks/a.yaml", "tasks: {b: *x}\n");
    load(in, "bellwire.yaml");
    assert_told(in, "alias \"*x\" needs an anchor");
}

static void merged_ids_are_declared_too(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "servers: &s {m: {}}\ntasks: {<<: *s, a: {}, m: {}}\n");
    load(in, "bellwire.yaml");
    assert_clean(in);
    assert_int_equal(in->files.tasks.count, 2);
}

static void without_memory_loading_is_a_status(void **state) {
    struct loaded *in = *state;
    write_file(in, "bellwire.yaml", "tasks: {a: {}, a: {}, b: {}}\n");
    write_file(in, "tasks/a.yaml", "tasks: {c: {}, a: {}}\n");
    write_file(in, "tasks/b.yaml", "tasks: {d: {}, e: [1, 2, 3]}\n");
    const char *path = path_of(in, "bellwire.yaml");
    enum status status = STATUS_OK;
    size_t failed = 0;
    for (size_t limit = 4000; limit < 40000; limit += 53) {
        struct arena arena;
        struct config_diag diag;
        struct config_files files;
        arena_init(&arena, 64, limit);
        config_diag_init(&diag, &arena);
        status = config_load(path, &arena, &diag, &files);
        failed += status == STATUS_NO_MEMORY;
        assert_true(status == STATUS_NO_MEMORY || diag.errors == 2);
        arena_deinit(&arena);
    }
    assert_true(failed > 10);
    assert_int_equal(status, STATUS_OK);
    FAIL_EACH_ALLOCATION(
        {
            struct arena arena;
            struct config_diag diag;
            struct config_files files;
            arena_init(&arena, 64, 0);
            config_diag_init(&diag, &arena);
            status = config_load(path, &arena, &diag, &files);
            arena_deinit(&arena);
        },
        status == STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_stands_for_its_main_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_files_of_tasks_are_the_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_main_file_is_a_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            patterns_are_relative_to_the_main_file_and_its_name_is_no_pattern, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_text_is_one_pattern_and_may_be_absolute, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_read_once_whatever_leads_to_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_missing_main_file_is_told_without_a_line, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_folder_without_a_main_file_names_what_it_lacks, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dangling_link_among_the_tasks_is_an_error, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_too_long_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_errors_of_all_files_are_told_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(twins_in_any_section_name_both_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(anchors_belong_to_one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(merged_ids_are_declared_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_loading_is_a_status, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
