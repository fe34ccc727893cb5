/* Rows of a field table as Markdown, the way people look keys up. */
#include "config/value.h"

#include <stdio.h>

enum { PREFIX_MAX = 128, TYPE_MAX = 512 };

static enum status write_rows(const struct config_field *fields, const char *prefix,
                              struct buffer *out);
static enum status write_row(const struct config_field *field, const char *prefix,
                             struct buffer *out);
static void describe(const struct config_field *field, char *type);
static enum status append_cell(struct buffer *out, const char *text);

enum status config_reference(const struct config_field *fields, struct buffer *out) {
    return write_rows(fields, "", out);
}

static enum status write_rows(const struct config_field *fields, const char *prefix,
                              struct buffer *out) {
    for (const struct config_field *field = fields; field->name; field++) {
        char nested[PREFIX_MAX];
        enum status status = STATUS_OK;
        snprintf(nested, sizeof(nested), "%s%s.", prefix, field->name);
        if (field->type != CONFIG_STRUCT)
            status = write_row(field, prefix, out);
        if (!status && field->fields) /* also of what may be written as a mapping */
            status = write_rows(field->fields, nested, out);
        if (status)
            return status;
    }
    return STATUS_OK;
}

static enum status write_row(const struct config_field *field, const char *prefix,
                             struct buffer *out) {
    char type[TYPE_MAX];
    describe(field, type);
    enum status status = buffer_printf(out, "| `%s%s` | ", prefix, field->name);
    if (!status)
        status = append_cell(out, type);
    if (!status && field->required)
        status = buffer_append(out, SLICE(" | required | "));
    else if (!status && field->dflt)
        status = buffer_printf(out, " | `%s` | ", field->dflt);
    else if (!status)
        status = buffer_append(out, SLICE(" | | "));
    if (!status)
        status = append_cell(out, field->doc ? field->doc : "");
    return status ? status : buffer_append(out, SLICE(" |\n"));
}

static void describe(const struct config_field *field, char *type) {
    static const char *const names[] = {
        [CONFIG_TEXT] = "text",          [CONFIG_BOOL] = "yes or no",
        [CONFIG_TRISTATE] = "yes or no", [CONFIG_U32] = "number",
        [CONFIG_DURATION] = "duration",  [CONFIG_SIZE] = "size",
        [CONFIG_TEXTS] = "texts",        [CONFIG_PAIRS] = "names and texts",
        [CONFIG_FILE] = "file",          [CONFIG_SPECIAL] = "value",
    };
    if (field->type == CONFIG_U32 && field->max)
        snprintf(type, TYPE_MAX, "number from %llu to %llu", (unsigned long long)field->min,
                 (unsigned long long)field->max);
    else if (field->type == CONFIG_ENUM)
        value_choices(field, "or", type, TYPE_MAX);
    else if (field->type == CONFIG_SPECIAL && field->special)
        snprintf(type, TYPE_MAX, "%s", field->special);
    else
        snprintf(type, TYPE_MAX, "%s%s", names[field->type], field->allow_off ? " or off" : "");
}

/* `|` would end the cell. */
static enum status append_cell(struct buffer *out, const char *text) {
    struct slice rest = slice_of(text);
    bool is_more = true;
    for (bool is_first = true; is_more; is_first = false) {
        struct slice part = slice_cut(rest, '|', &rest);
        is_more = rest.bytes != NULL;
        enum status status = is_first ? STATUS_OK : buffer_append(out, SLICE("\\|"));
        if (!status)
            status = buffer_append(out, part);
        if (status)
            return status;
    }
    return STATUS_OK;
}
