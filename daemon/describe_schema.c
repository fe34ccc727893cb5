/* JSON Schema 2020-12 of a configuration file, put together from the field tables. It accepts what
 * the loader does: main keys as plain values, kinds as bare words, steps spliced in as lists. */
#include "daemon/describe.h"

#include "actions/actions.h"
#include "control/control.h"
#include "triggers/triggers.h"

#define STEPS      "{\"$ref\":\"#/$defs/steps\"}"
#define EXPRESSION "{\"type\":[\"string\",\"boolean\"]}"
#define NAME       "{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][A-Za-z0-9_]*$\"}"

#define SWITCH                                                                                     \
    "{\"enum\":[true,false,\"true\",\"false\",\"yes\",\"no\",\"on\",\"off\",1,0,\"1\",\"0\"]}"

/* What the tables call special. An @ is the mapping of the field's own keys, with the main key
 * alone where that is enough; a % is the mapping and nothing else. Whatever is not listed may be
 * anything. */
static const struct {
    const char *special, *schema;
} specials[] = {
    {"chain", STEPS},
    {"expression", EXPRESSION},
    {"triggers", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/trigger\"}}"},
    {"template", "{\"type\":[\"string\",\"number\",\"boolean\"]}"},
    {"binary", "{\"type\":[\"string\",\"number\",\"boolean\"]}"},
    {"compression", "{\"anyOf\":[" SWITCH ",%]}"},
    {"reconnect", "{\"anyOf\":[" SWITCH ",%]}"},
    {"conditions", "{\"anyOf\":[@,{\"type\":\"array\",\"items\":@}]}"},
    {"mode", "@"},
    {"at-most", "@"},
    {"on-error", "{\"anyOf\":[{\"enum\":[\"fail\",\"continue\"]},%]}"},
    {"retry", "@"},
    {"slot", NAME},
};
/* The parts of each block, which no field table describes. */
static const struct {
    const char *name, *properties;
} blocks[] = {
    {"if", "\"if\":" EXPRESSION ",\"then\":" STEPS ",\"else\":" STEPS},
    {"choose", "\"choose\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
               "\"when\":" EXPRESSION ",\"do\":" STEPS "},\"required\":[\"when\",\"do\"],"
               "\"additionalProperties\":false}},\"default\":" STEPS},
    {"switch", "\"switch\":{},\"cases\":{\"type\":\"object\",\"additionalProperties\":" STEPS
               "},\"default\":" STEPS},
    {"repeat",
     "\"repeat\":{\"type\":\"object\",\"properties\":{\"times\":{},\"for-each\":{},\"as\":" NAME
     ",\"while\":" EXPRESSION ",\"until\":" EXPRESSION
     "},\"additionalProperties\":false},\"max\":{},\"do\":" STEPS},
    {"parallel", "\"parallel\":{\"type\":\"array\",\"items\":" STEPS "}"},
    {"try", "\"try\":" STEPS ",\"catch\":" STEPS ",\"finally\":" STEPS},
    {"break", "\"break\":{}"},
    {"continue", "\"continue\":{}"},
    {"set", "\"set\":{\"type\":\"object\"}"},
};

static enum status special_schema(const struct config_field *field, struct buffer *out);

/* The schema of a table's mapping, without its short form, as a value in the arena. */
static enum status keys_schema(const struct config_field *fields, struct arena *arena,
                               struct value *schema) {
    struct buffer text;
    size_t at;
    buffer_init(&text, 0);
    enum status status = config_schema(fields, special_schema, &text);
    if (!status)
        status = json_decode(buffer_slice(&text), arena, schema, &at);
    buffer_deinit(&text);
    if (status)
        return status;
    struct value forms = value_member(*schema, SLICE("anyOf"));
    if (forms.type == VALUE_LIST && forms.count)
        *schema = forms.items[0];
    return STATUS_OK;
}

static enum status write_keys(const struct config_field *fields, struct buffer *out) {
    struct value schema = value_nil();
    struct arena arena;
    arena_init(&arena, 4096, 0);
    enum status status = keys_schema(fields, &arena, &schema);
    if (!status)
        status = json_encode(schema, out);
    arena_deinit(&arena);
    return status;
}

static enum status fill_in(const char *schema, const struct config_field *fields,
                           struct buffer *out) {
    enum status status = STATUS_OK;
    for (; *schema && !status; schema++) {
        if (*schema == '@')
            status = config_schema(fields, special_schema, out);
        else if (*schema == '%')
            status = write_keys(fields, out);
        else
            status = buffer_append(out, (struct slice){schema, 1});
    }
    return status;
}

static enum status special_schema(const struct config_field *field, struct buffer *out) {
    if (strcmp(field->name, "vars") == 0) /* the one value that is never a list or a number */
        return buffer_append(
            out, SLICE("{\"type\":[\"object\",\"string\"],\"pattern\":\"\\\\$\\\\{\"}"));
    for (size_t i = 0; field->special && i < ARRAY_SIZE(specials); i++)
        if (strcmp(specials[i].special, field->special) == 0)
            return fill_in(specials[i].schema, field->fields, out);
    return buffer_append(out, SLICE("{}"));
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static struct value mapping_of(struct out *out, const struct config_field *fields,
                               struct arena *arena) {
    struct value schema = value_nil();
    if (!out->status)
        out->status = keys_schema(fields, arena, &schema);
    return schema;
}

static void write_value(struct out *out, const char *name, struct value value) {
    struct buffer text;
    buffer_init(&text, 0);
    if (!out->status)
        out->status = json_encode(value, &text);
    out_json(out, name, buffer_slice(&text));
    buffer_deinit(&text);
}

static void write_properties(struct out *out, struct value mapping, struct arena *arena) {
    struct value properties = value_member(mapping, SLICE("properties"));
    for (uint32_t i = 0; properties.type == VALUE_MAP && i < properties.count; i++) {
        char *name = arena_text(arena, value_slice(properties.pairs[i].key));
        if (name)
            write_value(out, name, properties.pairs[i].value);
        else
            out->status = STATUS_NO_MEMORY;
    }
}

/* `{ID: mapping}`, each of which may be empty. */
static void write_section(struct out *out, const char *name, struct value mapping) {
    out_map(out, name);
    out_json(out, "type", SLICE("[\"object\",\"null\"]"));
    out_map(out, "additionalProperties");
    out_list(out, "anyOf");
    out_json(out, NULL, SLICE("{\"type\":\"null\"}"));
    write_value(out, NULL, mapping);
    out_end(out);
    out_end(out);
    out_end(out);
}

static bool needs_something(const struct config_field *fields) {
    for (; fields && fields->name; fields++)
        if (fields->required)
            return true;
    return false;
}

/* What may stand behind the name of a kind. */
static void write_arguments(struct out *out, const char *name, const struct config_field *fields,
                            const char *doc) {
    struct buffer text;
    buffer_init(&text, 0);
    out_map(out, name);
    out_text(out, "description", slice_of(doc));
    out_list(out, "anyOf");
    if (!needs_something(fields))
        out_json(out, NULL, SLICE("{\"type\":\"null\"}"));
    if (fields && fields->name) {
        if (!out->status)
            out->status = config_schema(fields, special_schema, &text);
        out_json(out, NULL, buffer_slice(&text));
    } else {
        out_json(out, NULL, SLICE("{\"type\":\"object\",\"maxProperties\":0}"));
    }
    out_end(out);
    out_end(out);
    buffer_deinit(&text);
}

static void open_object(struct out *out) {
    out_map(out, NULL);
    out_json(out, "type", SLICE("\"object\""));
    out_map(out, "properties");
}

static void close_object(struct out *out, const char *required) {
    out_end(out);
    out_list(out, "required");
    out_text(out, NULL, slice_of(required));
    out_end(out);
    out_bool(out, "additionalProperties", false);
    out_end(out);
}

/* ---- definitions ----------------------------------------------------------------------------- */

static void write_trigger(struct out *out) {
    out_map(out, "trigger");
    out_list(out, "anyOf");
    out_map(out, NULL);
    out_list(out, "enum");
    for (size_t i = 0; trigger_kinds[i]; i++)
        if (!needs_something(trigger_kinds[i]->fields))
            out_text(out, NULL, slice_of(trigger_kinds[i]->name));
    out_end(out);
    out_end(out);
    for (size_t i = 0; trigger_kinds[i]; i++) {
        open_object(out);
        write_arguments(out, trigger_kinds[i]->name, trigger_kinds[i]->fields,
                        trigger_kinds[i]->doc);
        close_object(out, trigger_kinds[i]->name);
    }
    out_end(out);
    out_end(out);
}

static const char *block_properties(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        if (strcmp(blocks[i].name, name) == 0)
            return blocks[i].properties;
    return NULL;
}

static void write_block(struct out *out, const char *name, struct value common,
                        struct arena *arena) {
    const char *properties = block_properties(name);
    open_object(out);
    if (properties && !out->status)
        out->status = buffer_append(out->buffer, slice_of(properties));
    out->has_one = properties != NULL;
    if (!properties)
        out_json(out, name, SLICE("{}"));
    write_properties(out, common, arena);
    close_object(out, name);
}

static void write_bare_steps(struct out *out) {
    out_map(out, NULL);
    out_list(out, "enum");
    for (size_t i = 0; action_kinds[i]; i++)
        if (!needs_something(action_kinds[i]->fields))
            out_text(out, NULL, slice_of(action_kinds[i]->name));
    out_text(out, NULL, SLICE("break"));
    out_text(out, NULL, SLICE("continue"));
    out_end(out);
    out_end(out);
}

static void write_step(struct out *out, struct arena *arena) {
    struct value common = mapping_of(out, engine_step_fields, arena);
    out_map(out, "step");
    out_list(out, "anyOf");
    out_json(out, NULL, SLICE(STEPS)); /* spliced in */
    write_bare_steps(out);
    for (size_t i = 0; action_kinds[i]; i++) {
        open_object(out);
        write_arguments(out, action_kinds[i]->name, action_kinds[i]->fields, action_kinds[i]->doc);
        write_properties(out, common, arena);
        close_object(out, action_kinds[i]->name);
    }
    for (const struct engine_block *block = engine_blocks; block->name; block++)
        write_block(out, block->name, common, arena);
    out_end(out);
    out_end(out);
}

static void write_definitions(struct out *out, struct arena *arena) {
    out_map(out, "$defs");
    out_json(out, "steps", SLICE("{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/step\"}}"));
    write_step(out, arena);
    write_trigger(out);
    out_end(out);
}

enum status describe_schema(struct buffer *buffer) {
    struct arena arena;
    struct out out;
    arena_init(&arena, 65536, 0);
    out_init(&out, buffer);
    out_map(&out, NULL);
    out_text(&out, "$schema", SLICE("https://json-schema.org/draft/2020-12/schema"));
    out_text(&out, "title", SLICE("Bellwire " BELLWIRE_VERSION " configuration"));
    out_json(&out, "type", SLICE("[\"object\",\"null\"]"));
    out_map(&out, "properties");
    write_properties(&out, mapping_of(&out, declare_main_fields, &arena), &arena);
    write_section(&out, "servers", mapping_of(&out, declare_server_fields, &arena));
    write_section(&out, "clients", mapping_of(&out, declare_client_fields, &arena));
    write_section(&out, "secrets", mapping_of(&out, declare_secret_fields, &arena));
    write_section(&out, "tasks", mapping_of(&out, engine_task_fields, &arena));
    out_end(&out);
    out_bool(&out, "additionalProperties", false);
    write_definitions(&out, &arena);
    out_end(&out);
    arena_deinit(&arena);
    return out.status;
}
