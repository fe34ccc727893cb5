/* JSON Schema of a field table, for editors. It allows what config_read() does: texts as they are
 * written (a YAML reader may see `1.10` as a number), and `${...}` in place of any value. */
#include "config/value.h"

struct schema {
    struct buffer *out;
    config_schema_fn special;
    enum status status; /* of the first write that failed: later ones do nothing */
};

static void write_mapping(struct schema *schema, const struct config_field *fields);
static bool has_short_form(const struct config_field *fields);
static void write_field(struct schema *schema, const struct config_field *field);
static void write_value(struct schema *schema, const struct config_field *field);
static void write_plain(struct schema *schema, const struct config_field *field);

static const char text_type[] = "{\"type\":[\"string\",\"number\",\"boolean\"]}";
static const char template_type[] = "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}";
static const char bool_type[] = "{\"enum\":[true,false,\"true\",\"false\",\"yes\",\"no\",\"on\","
                                "\"off\",1,0,\"1\",\"0\"]}";

static void put(struct schema *schema, const char *text) {
    if (!schema->status)
        schema->status = buffer_append(schema->out, slice_of(text));
}

static void put_quoted(struct schema *schema, struct slice text) {
    put(schema, "\"");
    for (size_t i = 0; i < text.size && !schema->status; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if (byte < 0x20)
            schema->status = buffer_printf(schema->out, "\\u%04x", byte);
        else if (byte == '"' || byte == '\\')
            schema->status = buffer_printf(schema->out, "\\%c", byte);
        else
            schema->status = buffer_append(schema->out, (struct slice){text.bytes + i, 1});
    }
    put(schema, "\"");
}

enum status config_schema(const struct config_field *fields, config_schema_fn special,
                          struct buffer *out) {
    struct schema schema = {out, special, STATUS_OK};
    write_mapping(&schema, fields);
    return schema.status;
}

/* Also the main key alone, where that is enough. */
static void write_mapping(struct schema *schema, const struct config_field *fields) {
    bool is_short = has_short_form(fields);
    bool is_first = true;
    put(schema, is_short ? "{\"anyOf\":[{\"type\":\"object\",\"properties\":{"
                         : "{\"type\":\"object\",\"properties\":{");
    for (const struct config_field *field = fields; field->name; field++) {
        put(schema, field == fields ? "" : ",");
        put_quoted(schema, slice_of(field->name));
        put(schema, ":");
        write_field(schema, field);
    }
    put(schema, "},\"required\":[");
    for (const struct config_field *field = fields; field->name; field++) {
        if (!field->required)
            continue;
        put(schema, is_first ? "" : ",");
        put_quoted(schema, slice_of(field->name));
        is_first = false;
    }
    put(schema, "],\"additionalProperties\":false}");
    if (is_short) {
        /* A mapping holds the keys, also where the main key may be any value. */
        bool is_any = fields->type == CONFIG_SPECIAL;
        put(schema, is_any ? ",{\"type\":[\"string\",\"number\",\"boolean\",\"array\",\"null\"],"
                             "\"allOf\":["
                           : ",");
        write_value(schema, fields);
        put(schema, is_any ? "]}]}" : "]}");
    }
}

static bool has_short_form(const struct config_field *fields) {
    if (!fields->name || fields->type == CONFIG_STRUCT || fields->type == CONFIG_PAIRS)
        return false;
    for (const struct config_field *field = fields + 1; field->name; field++)
        if (field->required)
            return false;
    return true;
}

/* What the field means beside what it may be. */
static void write_field(struct schema *schema, const struct config_field *field) {
    put(schema, "{\"description\":");
    put_quoted(schema, slice_of(field->doc ? field->doc : ""));
    if (field->dflt) {
        put(schema, ",\"default\":");
        put_quoted(schema, slice_of(field->dflt));
    }
    put(schema, ",\"allOf\":[");
    write_value(schema, field);
    put(schema, "]}");
}

static void write_value(struct schema *schema, const struct config_field *field) {
    switch (field->type) {
        case CONFIG_STRUCT:
            write_mapping(schema, field->fields);
            break;
        case CONFIG_SPECIAL:
            if (!schema->special)
                put(schema, "{}");
            else if (!schema->status)
                schema->status = schema->special(field, schema->out);
            break;
        case CONFIG_TEXT:
        case CONFIG_FILE:
            put(schema, text_type);
            break;
        case CONFIG_TEXTS:
            put(schema, "{\"anyOf\":[");
            put(schema, text_type);
            put(schema, ",{\"type\":\"array\",\"items\":");
            put(schema, text_type);
            put(schema, "}]}");
            break;
        case CONFIG_PAIRS:
            put(schema, "{\"type\":\"object\",\"additionalProperties\":");
            put(schema, text_type);
            put(schema, "}");
            break;
        case CONFIG_BOOL:
        case CONFIG_TRISTATE:
        case CONFIG_U32:
        case CONFIG_DURATION:
        case CONFIG_SIZE:
        case CONFIG_ENUM:
            put(schema, "{\"anyOf\":[");
            write_plain(schema, field);
            if (!field->is_constant) {
                put(schema, ",");
                put(schema, template_type);
            }
            put(schema, "]}");
            break;
    }
}

static void write_plain(struct schema *schema, const struct config_field *field) {
    if (field->type == CONFIG_U32 && !schema->status) {
        schema->status =
            buffer_printf(schema->out,
                          "{\"type\":\"integer\",\"minimum\":%llu,\"maximum\":%llu},"
                          "{\"type\":\"string\",\"pattern\":\"^[0-9]+$\"}",
                          (unsigned long long)field->min, (unsigned long long)value_max(field));
    } else if (field->type == CONFIG_DURATION) {
        put(schema, "{\"type\":\"string\",\"pattern\":\"^[0-9]+(ms|s|m|h|d)$\"}");
        put(schema, field->allow_off ? ",{\"enum\":[\"off\",false]}" : "");
    } else if (field->type == CONFIG_SIZE) {
        put(schema, "{\"type\":\"string\",\"pattern\":\"^[0-9]+(B|KiB|MiB|GiB)?$\"},");
        if (!schema->status)
            schema->status = buffer_printf(schema->out, "{\"type\":\"integer\",\"minimum\":%llu}",
                                           (unsigned long long)field->min);
    } else if (field->type == CONFIG_ENUM) {
        put(schema, "{\"enum\":[");
        for (const struct config_choice *choice = field->choices; choice->name; choice++) {
            put(schema, choice == field->choices ? "" : ",");
            put_quoted(schema, slice_of(choice->name));
        }
        put(schema, "]}");
    } else if (field->type == CONFIG_BOOL || field->type == CONFIG_TRISTATE) {
        put(schema, bool_type);
    }
}
