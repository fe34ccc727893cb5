/* One mapping against its field table. Everything is checked even after an error, so that one load
 * tells all. */
#include "config/diag.h"
#include "config/value.h"

#include <assert.h>

/* A mapping in progress; nested ones have their own, one inside the other. */
struct reading {
    const struct config_reader *reader;
    const struct config_field *fields;
    const char *subject;
    char *out;     /* the struct of this mapping */
    size_t offset; /* of it, in the outermost struct */
    struct config_mark mark;
};

static void apply_defaults(const struct config_reader *reader, const struct config_field *fields,
                           char *out);
static void read_mapping(const struct reading *reading, const struct config_node *node);
static void read_main_key(const struct reading *reading, const struct config_node *node);
static void check_required(const struct reading *reading, const struct config_node *node);
static void unknown_key(const struct reading *reading, const struct config_node *key,
                        const struct config_node *value);
static void read_field(const struct reading *reading, const struct config_field *field,
                       const struct config_node *node, struct config_mark mark);
static void read_scalar(const struct reading *reading, const struct config_field *field,
                        const struct config_node *node);
static void read_texts(const struct reading *reading, const struct config_field *field,
                       const struct config_node *node);
static void read_pairs(const struct reading *reading, const struct config_field *field,
                       const struct config_node *node);
static void read_special(const struct reading *reading, const struct config_field *field,
                         const struct config_node *node);

static void no_memory(const struct reading *reading) {
    config_error(reading->reader->diag, reading->mark, "out of memory");
}

static bool is_empty(const struct config_node *node) {
    return node->kind == CONFIG_SCALAR && node->is_plain && node->text.size == 0;
}

bool config_read(const struct config_reader *reader, const struct config_node *node,
                 struct config_mark mark, const struct config_field *fields,
                 struct config_target out) {
    size_t errors = reader->diag->errors;
    struct reading reading = {reader, fields, reader->subject, out.out, 0, mark};
    memset(out.out, 0, out.bytes);
    apply_defaults(reader, fields, out.out);
    read_mapping(&reading, node);
    return reader->diag->errors == errors;
}

static void apply_defaults(const struct config_reader *reader, const struct config_field *fields,
                           char *out) {
    for (const struct config_field *field = fields; field->name; field++) {
        char why[CONFIG_WHY_MAX];
        void *member = out + field->offset;
        enum status status = STATUS_OK;
        if (field->type == CONFIG_STRUCT)
            apply_defaults(reader, field->fields, member);
        else if (field->type == CONFIG_TRISTATE && !field->dflt)
            *(int8_t *)member = -1;
        else if (field->type == CONFIG_TEXTS && field->dflt)
            status = value_split(field->dflt, reader->arena, member);
        else if (field->dflt && field->type < CONFIG_STRUCT && field->type != CONFIG_PAIRS)
            status = value_store(field, slice_of(field->dflt), member, why);
        if (status == STATUS_NO_MEMORY)
            config_error(reader->diag, (struct config_mark){NULL, 0, 0}, "out of memory");
        else
            assert(!status); /* a table of ours with a wrong default */
    }
}

static void read_mapping(const struct reading *reading, const struct config_node *node) {
    if (!node || is_empty(node)) {
        check_required(reading, node);
        return;
    }
    if (node->kind != CONFIG_MAP) {
        read_main_key(reading, node);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct config_field *field = reading->fields;
        while (field->name && !slice_is(node->keys[i]->text, field->name))
            field++;
        if (field->name)
            read_field(reading, field, node->items[i], node->keys[i]->mark);
        else
            unknown_key(reading, node->keys[i], node->items[i]);
    }
    check_required(reading, node);
}

static void read_main_key(const struct reading *reading, const struct config_node *node) {
    const struct config_field *main_field = reading->fields;
    if (!main_field->name) {
        config_error(reading->reader->diag, node->mark, "%s takes no plain value, found %s",
                     reading->subject, node->kind == CONFIG_LIST ? "a list" : "text");
        return;
    }
    read_field(reading, main_field, node, node->mark);
    check_required(reading, node);
}

/* A plain value or a list stands for the first field. */
static void check_required(const struct reading *reading, const struct config_node *node) {
    bool is_main_given = node && !is_empty(node) && node->kind != CONFIG_MAP;
    const struct config_node *map = node && node->kind == CONFIG_MAP ? node : NULL;
    for (const struct config_field *field = reading->fields; field->name; field++) {
        bool is_given =
            (is_main_given && field == reading->fields) || (map && config_get(map, field->name));
        if (!field->required || is_given)
            continue;
        config_error(reading->reader->diag, reading->mark, "%s needs the key \"%s\"",
                     reading->subject, field->name);
        if (node && is_empty(node))
            config_hint(reading->reader->diag,
                        node->is_cut ? "a \"#\" after a space begins a comment; put the text in "
                                       "quotes"
                                     : "indent its keys deeper than its name");
    }
}

static void unknown_key(const struct reading *reading, const struct config_node *key,
                        const struct config_node *value) {
    const struct config_reader *reader = reading->reader;
    if (reader->unknown && reading->subject == reader->subject &&
        reader->unknown(reader->context, key, value))
        return;
    config_error(reader->diag, key->mark, "unknown key \"%s\" in %s", config__quote(key->text).text,
                 reading->subject);
    const char *names[128];
    size_t count = 0;
    for (const struct config_field *field = reading->fields;
         field->name && count < ARRAY_SIZE(names); field++)
        names[count++] = field->name;
    config_hint_nearest(reader->diag, key->text, names, count);
}

static void read_struct(const struct reading *reading, const struct config_field *field,
                        const struct config_node *node, struct config_mark mark) {
    const char *subject =
        arena_printf(reading->reader->arena, "\"%s\" of %s", field->name, reading->subject);
    if (!subject) {
        no_memory(reading);
        return;
    }
    struct reading nested = {reading->reader,
                             field->fields,
                             subject,
                             reading->out + field->offset,
                             reading->offset + field->offset,
                             mark};
    read_mapping(&nested, node);
}

static void read_field(const struct reading *reading, const struct config_field *field,
                       const struct config_node *node, struct config_mark mark) {
    if (field->type == CONFIG_STRUCT) {
        read_struct(reading, field, node, mark);
    } else if (field->type == CONFIG_SPECIAL) {
        read_special(reading, field, node);
    } else if (is_empty(node)) {
        config_error_empty(reading->reader->diag, node, field->name);
    } else if (field->type == CONFIG_TEXTS) {
        read_texts(reading, field, node);
    } else if (field->type == CONFIG_PAIRS) {
        read_pairs(reading, field, node);
    } else if (node->kind != CONFIG_SCALAR) {
        config_error(reading->reader->diag, node->mark,
                     "\"%s\" must be one plain value, found a %s", field->name,
                     node->kind == CONFIG_LIST ? "list" : "mapping");
        if (node->is_flow)
            config_hint(reading->reader->diag, "a text that begins with \"%c\" wants quotes",
                        node->kind == CONFIG_LIST ? '[' : '{');
    } else {
        read_scalar(reading, field, node);
    }
}

/* Whether the value is settled without being stored: left to the caller's hook, or refused. */
static bool is_dynamic(const struct reading *reading, const struct config_field *field,
                       const struct config_node *node, size_t index) {
    const struct config_reader *reader = reading->reader;
    if (!slice_contains(node->text, SLICE("${")))
        return false;
    if (field->is_constant) {
        config_error(reader->diag, node->mark, "\"%s\" must be constant, found \"${\" in it",
                     field->name);
        return true;
    }
    if (!reader->dynamic)
        return false;
    size_t errors = reader->diag->errors;
    if (!reader->dynamic(reader->context, field, node, reading->offset + field->offset, index) &&
        reader->diag->errors == errors)
        no_memory(reading); /* a hook that failed without a word has run out of it */
    return true;
}

static void read_scalar(const struct reading *reading, const struct config_field *field,
                        const struct config_node *node) {
    char why[CONFIG_WHY_MAX];
    if (is_dynamic(reading, field, node, CONFIG_NO_INDEX))
        return;
    struct slice *member = (struct slice *)(void *)(reading->out + field->offset);
    if (value_store(field, node->text, member, why)) {
        config_error(reading->reader->diag, node->mark, "%s", why);
        value_hint(field, node->text, reading->reader->diag);
        return;
    }
    if (field->type != CONFIG_FILE || member->bytes[0] == '/')
        return;
    struct slice folder = config_folder(node->mark, reading->reader->arena);
    bool is_root = slice_is(folder, "/");
    char *path = folder.bytes
                     ? arena_printf(reading->reader->arena, SLICE_FMT "%s" SLICE_FMT,
                                    SLICE_ARG(folder), is_root ? "" : "/", SLICE_ARG(*member))
                     : NULL;
    if (path)
        *member = slice_of(path);
    else
        no_memory(reading);
}

/* One item of a list or one value of a map; false after an error. */
static bool read_item(const struct reading *reading, const struct config_field *field,
                      const struct config_node *node, size_t index, struct slice *out) {
    if (node->kind != CONFIG_SCALAR) {
        config_error(reading->reader->diag, node->mark,
                     "each value of \"%s\" must be text, found a %s", field->name,
                     node->kind == CONFIG_LIST ? "list" : "mapping");
        if (node->is_flow)
            config_hint(reading->reader->diag, "a text that begins with \"%c\" wants quotes",
                        node->kind == CONFIG_LIST ? '[' : '{');
        return false;
    }
    if (is_empty(node)) {
        config_error_empty(reading->reader->diag, node, field->name);
        return false;
    }
    *out = SLICE_NONE;
    if (!is_dynamic(reading, field, node, index))
        *out = node->text;
    return true;
}

static void read_texts(const struct reading *reading, const struct config_field *field,
                       const struct config_node *node) {
    struct config_texts *texts = (struct config_texts *)(void *)(reading->out + field->offset);
    const struct config_diag *diag = reading->reader->diag;
    size_t count = node->kind == CONFIG_LIST ? node->count : 1;
    if (node->kind == CONFIG_MAP) {
        config_error(reading->reader->diag, node->mark,
                     "\"%s\" must be a text or a list of texts, found a mapping", field->name);
        return;
    }
    struct slice *items = arena_zalloc(reading->reader->arena, count * sizeof(*items));
    if (!items) {
        no_memory(reading);
        return;
    }
    *texts = (struct config_texts){items, count};
    size_t errors = diag->errors;
    for (size_t i = 0; i < count; i++)
        read_item(reading, field, node->kind == CONFIG_LIST ? node->items[i] : node, i, &items[i]);
    if (diag->errors == errors && (count < field->min || (field->max && count > field->max)))
        config_error(reading->reader->diag, node->mark,
                     "\"%s\" must have at %s %llu item%s, got %zu", field->name,
                     count < field->min ? "least" : "most",
                     (unsigned long long)(count < field->min ? field->min : field->max),
                     (count < field->min ? field->min : field->max) == 1 ? "" : "s", count);
}

static void read_pairs(const struct reading *reading, const struct config_field *field,
                       const struct config_node *node) {
    struct config_pairs *pairs = (struct config_pairs *)(void *)(reading->out + field->offset);
    const struct config_reader *reader = reading->reader;
    if (node->kind != CONFIG_MAP) {
        config_error(reader->diag, node->mark,
                     "\"%s\" must be a mapping of names to texts, found %s", field->name,
                     node->kind == CONFIG_LIST ? "a list" : "text");
        return;
    }
    pairs->names = arena_zalloc(reader->arena, node->count * sizeof(*pairs->names));
    pairs->values = arena_zalloc(reader->arena, node->count * sizeof(*pairs->values));
    if (!pairs->names || !pairs->values) {
        no_memory(reading);
        return;
    }
    pairs->count = node->count;
    for (size_t i = 0; i < node->count; i++) {
        pairs->names[i] = node->keys[i]->text;
        if (reader->dynamic && slice_contains(node->keys[i]->text, SLICE("${")))
            config_error(reader->diag, node->keys[i]->mark,
                         "a name under \"%s\" must be constant, found \"${\" in it", field->name);
        read_item(reading, field, node->items[i], i, &pairs->values[i]);
    }
}

static void read_special(const struct reading *reading, const struct config_field *field,
                         const struct config_node *node) {
    const struct config_reader *reader = reading->reader;
    char *member = reading->out + field->offset;
    if (!reader->special) {
        *(const struct config_node **)(void *)member = node;
        return;
    }
    size_t errors = reader->diag->errors;
    if (!reader->special(reader->context, field, node, member, reading->offset + field->offset) &&
        reader->diag->errors == errors)
        no_memory(reading);
}
