/* Every message of this folder, byte for byte: tests/config/bad/NAME.yaml is loaded, its main file
 * and tasks are read by a field table, and what is reported must be NAME.expect. */
#include "config/config.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/config/sample.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct main_options {
    uint32_t workers;
    struct config_texts include;
};
static const struct config_field main_fields[] = {
    FIELD_U32(struct main_options, workers, "workers", .dflt = "1", .doc = "event loops"),
    FIELD_TEXTS(struct main_options, include, "include", .doc = "further files"),
    FIELD_END,
};

static bool take_section(void *context, const struct config_node *key,
                         const struct config_node *value) {
    (void)context;
    (void)value;
    return slice_is(key->text, "tasks") || slice_is(key->text, "servers") ||
           slice_is(key->text, "clients") || slice_is(key->text, "secrets");
}

static bool take_special(void *context, const struct config_field *field,
                         const struct config_node *node, void *member, size_t offset) {
    struct config_reader *reader = context;
    (void)offset;
    if (!slice_is(slice_of(field->special), "chain")) {
        *(const struct config_node **)member = node;
        return true;
    }
    return config_steps(node, field->name, reader->arena, reader->diag, member) == STATUS_OK;
}

static bool take_dynamic(void *context, const struct config_field *field,
                         const struct config_node *node, size_t offset, size_t index) {
    (void)context;
    (void)field;
    (void)node;
    (void)offset;
    (void)index;
    return true;
}

static void report(const char *path, struct buffer *out) {
    struct arena arena;
    struct config_diag diag;
    struct config_files files;
    arena_init(&arena, 65536, 0);
    config_diag_init(&diag, &arena);
    assert_int_equal(config_load(path, &arena, &diag, &files), STATUS_OK);
    struct main_options options;
    struct config_reader main_reader = {
        .diag = &diag, .arena = &arena, .subject = "the main file", .unknown = take_section};
    if (files.main)
        config_read(&main_reader, files.main, files.main->mark, main_fields,
                    (struct config_target){&options, sizeof(options)});
    for (size_t i = 0; i < files.tasks.count; i++) {
        const struct config_entry *entry = &files.tasks.entries[i];
        struct sample sample;
        struct config_reader reader = {
            .diag = &diag,
            .arena = &arena,
            .context = &reader,
            .subject = arena_printf(&arena, "task \"" SLICE_FMT "\"", SLICE_ARG(entry->id)),
            .dynamic = take_dynamic,
            .special = take_special};
        config_read(&reader, entry->value, entry->mark, sample_fields,
                    (struct config_target){&sample, sizeof(sample)});
    }
    config_diag_sort(&diag);
    assert_int_equal(config_diag_print(&diag, out), STATUS_OK);
    assert_int_not_equal(diag.errors, 0);
    arena_deinit(&arena);
}

static void read_expected(const char *yaml, struct buffer *out) {
    char path[300];
    snprintf(path, sizeof(path), "%.*s.expect", (int)(strlen(yaml) - strlen(".yaml")), yaml);
    FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("%s is missing", path);
    char part[4096];
    for (size_t got; (got = fread(part, 1, sizeof(part), file)) > 0;)
        assert_int_equal(buffer_append(out, (struct slice){part, got}), STATUS_OK);
    fclose(file);
}

/* proves T1 */
static void each_bad_file_is_told_exactly(void **state) {
    (void)state;
    size_t cases = 0, wrong = 0;
    assert_int_equal(chdir("tests/config/bad"), 0);
    DIR *folder = opendir(".");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!slice_ends_with(slice_of(entry->d_name), SLICE(".yaml")))
            continue;
        struct buffer told, expected;
        buffer_init(&told, 0);
        buffer_init(&expected, 0);
        report(entry->d_name, &told);
        read_expected(entry->d_name, &expected);
        if (!slice_equal(buffer_slice(&told), buffer_slice(&expected))) {
            print_error("---- %s\n" SLICE_FMT "---- expected\n" SLICE_FMT, entry->d_name,
                        SLICE_ARG(buffer_slice(&told)), SLICE_ARG(buffer_slice(&expected)));
            wrong++;
        }
        cases++;
        buffer_deinit(&told);
        buffer_deinit(&expected);
    }
    closedir(folder);
    assert_int_equal(chdir("../../.."), 0);
    assert_int_equal(wrong, 0);
    assert_true(cases > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_file_is_told_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
