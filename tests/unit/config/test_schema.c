/* What the tables say to editors and readers. */
#include "config/config.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/config/parse_help.h"
#include "tests/unit/config/sample.h"
#include "tests/unit/fail_alloc.h"

static enum status write_special(const struct config_field *field, struct buffer *out) {
    return buffer_printf(out, "{\"$ref\":\"#/$defs/%s\"}", field->special);
}

static const char *text_of(struct buffer *out) {
    assert_int_equal(buffer_append(out, (struct slice){"", 1}), STATUS_OK);
    return out->bytes;
}

static void a_small_table_gives_exactly_this_schema(void **state) {
    (void)state;
    struct buffer out;
    buffer_init(&out, 0);
    assert_int_equal(config_schema(sample_mode_fields, NULL, &out), STATUS_OK);
    assert_string_equal(
        text_of(&out), "{\"anyOf\":[{\"type\":\"object\",\"properties\":{"
                       "\"type\":{\"description\":\"what to do with a second event\",\"allOf\":["
                       "{\"anyOf\":[{\"enum\":[\"single\",\"queued\"]},"
                       "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}]}]},"
                       "\"max\":{\"description\":\"how many at once\",\"default\":\"7\",\"allOf\":["
                       "{\"anyOf\":[{\"type\":\"integer\",\"minimum\":0,\"maximum\":4294967295},"
                       "{\"type\":\"string\",\"pattern\":\"^[0-9]+$\"},"
                       "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}]}]},"
                       "\"key\":{\"description\":\"makes it per value\",\"allOf\":["
                       "{\"type\":[\"string\",\"number\",\"boolean\"]}]}},"
                       "\"required\":[\"type\"],\"additionalProperties\":false},"
                       "{\"anyOf\":[{\"enum\":[\"single\",\"queued\"]},"
                       "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}]}]}");
    buffer_deinit(&out);
}

static void a_schema_of_every_type_is_json(void **state) {
    (void)state;
    struct buffer out;
    struct parsed in;
    buffer_init(&out, 0);
    assert_int_equal(config_schema(sample_fields, write_special, &out), STATUS_OK);
    const struct config_node *root = parse(&in, text_of(&out))->root; /* JSON is YAML */
    assert_non_null(root);
    const struct config_node *object = config_get(root, "anyOf")->items[0];
    const struct config_node *fields = config_get(object, "properties");
    assert_int_equal(fields->count, ARRAY_SIZE(sample_fields) - 1);
    for (size_t i = 0; i < fields->count; i++)
        assert_non_null(config_get(fields->items[i], "description"));
    assert_true(slice_is(config_get(object, "required")->items[0]->text, "text"));
    const struct config_node *json = config_get(config_get(fields, "json"), "allOf")->items[0];
    assert_true(slice_is(config_get(json, "$ref")->text, "#/$defs/tree"));
    const struct config_node *file = config_get(config_get(fields, "mode"), "allOf")->items[0];
    assert_non_null(config_get(file, "anyOf"));
    parsed_free(&in);
    buffer_deinit(&out);
}

static void a_table_without_fields_takes_an_empty_mapping(void **state) {
    (void)state;
    static const struct config_field none[] = {FIELD_END};
    struct buffer out;
    buffer_init(&out, 0);
    assert_int_equal(config_schema(none, NULL, &out), STATUS_OK);
    assert_string_equal(text_of(&out), "{\"type\":\"object\",\"properties\":{},\"required\":[],"
                                       "\"additionalProperties\":false}");
    buffer_deinit(&out);
}

static void a_main_key_alone_is_not_offered_where_more_is_required(void **state) {
    (void)state;
    static const struct config_field fields[] = {
        FIELD_TEXT(struct sample, text, "text", .required = true),
        FIELD_TEXT(struct sample, path, "path", .required = true), FIELD_END};
    struct buffer out;
    buffer_init(&out, 0);
    assert_int_equal(config_schema(fields, NULL, &out), STATUS_OK);
    assert_true(slice_starts_with(slice_of(text_of(&out)), SLICE("{\"type\":\"object\"")));
    buffer_deinit(&out);
}

static void the_reference_has_a_row_for_each_key(void **state) {
    (void)state;
    struct buffer out;
    buffer_init(&out, 0);
    assert_int_equal(config_reference(sample_fields, &out), STATUS_OK);
    assert_string_equal(
        text_of(&out),
        "| `text` | text | required | what to send |\n"
        "| `is-binary` | yes or no | `yes` | frame type |\n"
        "| `compressed` | yes or no | | unset: as the server does |\n"
        "| `copies` | number from 1 to 10 | `3` | packets to send |\n"
        "| `timeout` | duration | `5s` | how long to wait |\n"
        "| `idle` | duration or off | `off` | closes it \\| never |\n"
        "| `max-body` | size | `1MiB` | largest body |\n"
        "| `level` | debug, info or error | `info` | how loud |\n"
        "| `command` | texts | `[a, \"b\"]` | program and arguments |\n"
        "| `headers` | names and texts | | further headers |\n"
        "| `file` | file | | a file to send |\n"
        "| `path` | text | | where it listens |\n"
        "| `token` | text | | opens the door |\n"
        "| `mode.type` | single or queued | required | what to do with a second event |\n"
        "| `mode.max` | number | `7` | how many at once |\n"
        "| `mode.key` | text | | makes it per value |\n"
        "| `json` | tree | | any values |\n"
        "| `steps` | chain | | what to do |\n");
    buffer_deinit(&out);
}

static void without_memory_nothing_is_written_and_said(void **state) {
    (void)state;
    struct buffer out;
    enum status status = STATUS_OK;
    FAIL_EACH_ALLOCATION(
        {
            buffer_init(&out, 0);
            status = config_schema(sample_fields, write_special, &out);
            if (!status)
                status = config_reference(sample_fields, &out);
            buffer_deinit(&out);
            assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        },
        status == STATUS_OK);
    for (size_t limit = 1; limit < 500; limit++) {
        buffer_init(&out, limit);
        assert_int_equal(config_schema(sample_fields, write_special, &out), STATUS_LIMIT);
        assert_int_equal(config_reference(sample_fields, &out), STATUS_LIMIT);
        buffer_deinit(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_table_gives_exactly_this_schema),
        cmocka_unit_test(a_schema_of_every_type_is_json),
        cmocka_unit_test(a_table_without_fields_takes_an_empty_mapping),
        cmocka_unit_test(a_main_key_alone_is_not_offered_where_more_is_required),
        cmocka_unit_test(the_reference_has_a_row_for_each_key),
        cmocka_unit_test(without_memory_nothing_is_written_and_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
