/* libyaml's events to trees: anchors are shared, not copied, so what they could blow up is counted
 * instead: the nodes and the depth a reader would walk. */
#include "config/diag.h"
#include "config/parse.h"

struct built {
    const struct config_node *node;
    uint32_t nodes, height; /* as walked by a reader, aliases followed */
};
struct anchor {
    struct built built;
    bool is_open; /* its node is not complete */
};
struct builder {
    yaml_parser_t parser;
    struct source source;
    struct arena *arena;
    struct config_diag *diag;
    struct map anchors; /* name to struct anchor */
    size_t alias_nodes;
    bool has_sections, is_in_section;
};
/* A list or mapping while it grows. */
struct growing {
    struct config_node *node;
    struct key_entry *entries; /* of a list: only values */
    size_t count, capacity;
    uint32_t nodes, height, sources;
    const struct config_node *merge_key;
};

static enum status build_document(struct builder *builder, const struct config_node **out);
static enum status next_event(struct builder *builder, yaml_event_t *event);
static enum status build(struct builder *builder, yaml_event_t *event, uint32_t depth,
                         struct built *out);
static enum status build_scalar(struct builder *builder, const yaml_event_t *event,
                                struct built *out);
static enum status build_alias(struct builder *builder, const yaml_event_t *event, uint32_t depth,
                               struct built *out);
static enum status build_list(struct builder *builder, const yaml_event_t *event, uint32_t depth,
                              struct built *out);
static enum status build_map(struct builder *builder, const yaml_event_t *event, uint32_t depth,
                             struct built *out);
static enum status grow(struct builder *builder, struct growing *growing, struct key_entry entry);
static enum status add_pair(struct builder *builder, struct growing *growing,
                            const struct built *key, const struct built *value);
static enum status merge(struct builder *builder, struct growing *growing,
                         const struct config_node *value);

/* Anchors are names of one file, and the table lives no longer than its parse: a fixed key does. */
static const struct hash_key anchor_key = {0x62656c6c77697265, 0x616e63686f727321};

const struct config_node *config_parse(struct slice yaml, const char *name, struct arena *arena,
                                       struct config_diag *diag) {
    size_t errors = diag->errors;
    struct config_mark nowhere = {name, 0, 0};
    const struct config_node *node = NULL;
    struct slice text;
    const char *own_name = arena_text(arena, slice_of(name));
    enum status status = own_name ? arena_copy(arena, yaml, &text) : STATUS_NO_MEMORY;
    if (!status)
        status = config__parse(&(struct parse_input){text, own_name, false}, arena, diag, &node);
    if (status == STATUS_NO_MEMORY)
        config_error(diag, nowhere, "out of memory");
    return status || diag->errors > errors ? NULL : node;
}

enum status config__parse(const struct parse_input *input, struct arena *arena,
                          struct config_diag *diag, const struct config_node **out) {
    config__diag_file(diag, input->name);
    struct builder builder = {.arena = arena, .diag = diag, .has_sections = input->has_sections};
    enum status status = source_init(&builder.source, input->yaml, input->name, diag);
    if (status)
        goto out_source;
    status = STATUS_NO_MEMORY;
    if (!yaml_parser_initialize(&builder.parser))
        goto out_source;
    map_init(&builder.anchors, anchor_key);
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)builder.source.text.bytes,
                                 builder.source.text.size);
    status = build_document(&builder, out);
    if (status != STATUS_NO_MEMORY && comments_check(&builder.source, diag))
        status = STATUS_NO_MEMORY;
    map_deinit(&builder.anchors);
    yaml_parser_delete(&builder.parser);
out_source:
    source_deinit(&builder.source);
    return status;
}

static enum status build_document(struct builder *builder, const struct config_node **out) {
    static const struct config_node empty = {.kind = CONFIG_SCALAR, .is_plain = true};
    struct config_node *root = NULL;
    struct built built = {NULL, 0, 0};
    for (bool is_done = false; !is_done;) {
        yaml_event_t event;
        enum status status = next_event(builder, &event);
        if (status)
            return status;
        is_done = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && built.node) {
            config_error(builder->diag, source_mark(&builder->source, event.start_mark.index),
                         "a file must hold one document, found a second one");
            config_hint(builder->diag, "take the \"---\" away, or make it a file of its own");
            is_done = true;
        } else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_ALIAS_EVENT ||
                   event.type == YAML_SEQUENCE_START_EVENT ||
                   event.type == YAML_MAPPING_START_EVENT) {
            status = build(builder, &event, 0, &built);
        }
        yaml_event_delete(&event);
        if (status)
            return status;
    }
    if (!built.node) {
        root = arena_alloc(builder->arena, sizeof(*root));
        if (!root)
            return STATUS_NO_MEMORY;
        *root = empty;
        root->mark = (struct config_mark){builder->source.name, 1, 1};
        root->text = SLICE("");
    }
    *out = built.node ? built.node : root;
    return STATUS_OK;
}

static enum status next_event(struct builder *builder, yaml_event_t *event) {
    if (yaml_parser_parse(&builder->parser, event))
        return STATUS_OK;
    if (builder->parser.error == YAML_MEMORY_ERROR)
        return STATUS_NO_MEMORY;
    yaml_error_report(&builder->parser, &builder->source, builder->diag);
    return STATUS_FAILED;
}

/* ---- properties: anchors and tags ----------------------------------------------------------- */

static struct slice anchor_name(const yaml_event_t *event) {
    const yaml_char_t *name = event->type == YAML_SCALAR_EVENT  ? event->data.scalar.anchor
                              : event->type == YAML_ALIAS_EVENT ? event->data.alias.anchor
                              : event->type == YAML_SEQUENCE_START_EVENT
                                  ? event->data.sequence_start.anchor
                                  : event->data.mapping_start.anchor;
    return slice_of((const char *)name);
}

static bool has_tag(const yaml_event_t *event) {
    return event->type == YAML_SCALAR_EVENT           ? event->data.scalar.tag != NULL
           : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.tag != NULL
           : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.tag != NULL
                                                      : false;
}

static size_t characters_of(struct slice text) {
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.bytes[i] & 0xc0) != 0x80;
    return count;
}

static void refuse_tag(struct builder *builder, const yaml_event_t *event) {
    struct slice text = builder->source.text;
    size_t start = source_byte(&builder->source, event->start_mark.index), at = start;
    while (at < text.size && text.bytes[at] != '!')
        at++;
    size_t end = at;
    while (end < text.size && !memchr(" \t\r\n,]}", text.bytes[end], 7))
        end++;
    size_t passed = characters_of((struct slice){text.bytes + start, at - start});
    config_error(builder->diag, source_mark(&builder->source, event->start_mark.index + passed),
                 "a value must have no tag, found \"%s\"",
                 config__quote((struct slice){text.bytes + at, end - at}).text);
    config_hint(builder->diag, "a text that begins with \"!\" wants quotes");
}

/* Where the value itself begins, behind its anchor and tag. */
static size_t skip_properties(struct slice text, size_t at, size_t end) {
    while (at < end && (text.bytes[at] == '&' || text.bytes[at] == '!')) {
        while (at < end && !memchr(" \t\r\n", text.bytes[at], 4))
            at++;
        while (at < end && memchr(" \t\r\n#", text.bytes[at], 5)) {
            bool is_comment = text.bytes[at] == '#';
            while (is_comment && at < end && text.bytes[at] != '\n' && text.bytes[at] != '\r')
                at++;
            at += !is_comment;
        }
    }
    return at;
}

static enum status open_anchor(struct builder *builder, const yaml_event_t *event,
                               struct anchor **out) {
    struct slice name = anchor_name(event);
    if (!name.bytes)
        return STATUS_OK;
    struct slice own;
    struct anchor *anchor = arena_zalloc(builder->arena, sizeof(*anchor));
    if (!anchor || arena_copy(builder->arena, name, &own))
        return STATUS_NO_MEMORY;
    anchor->is_open = true;
    *out = anchor;
    return map_put(&builder->anchors, own, anchor);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static enum status build(struct builder *builder, yaml_event_t *event, uint32_t depth,
                         struct built *out) {
    if (depth > CONFIG_DEPTH) {
        config_error(builder->diag, source_mark(&builder->source, event->start_mark.index),
                     "values must nest at most %d deep", CONFIG_DEPTH);
        return STATUS_FAILED;
    }
    if (event->type == YAML_ALIAS_EVENT)
        return build_alias(builder, event, depth, out);
    if (has_tag(event))
        refuse_tag(builder, event);
    struct anchor *anchor = NULL;
    enum status status = open_anchor(builder, event, &anchor);
    if (!status && event->type == YAML_SCALAR_EVENT)
        status = build_scalar(builder, event, out);
    else if (!status && event->type == YAML_SEQUENCE_START_EVENT)
        status = build_list(builder, event, depth, out);
    else if (!status)
        status = build_map(builder, event, depth, out);
    if (!status && anchor)
        *anchor = (struct anchor){.built = *out};
    return status;
}

static struct config_node *new_node(struct builder *builder, const yaml_event_t *event,
                                    enum config_kind kind) {
    struct config_node *node = arena_zalloc(builder->arena, sizeof(*node));
    if (!node)
        return NULL;
    size_t start = event->start_mark.index;
    node->kind = kind;
    node->mark = source_mark(&builder->source, start);
    if (anchor_name(event).bytes || has_tag(event)) {
        struct slice text = builder->source.text;
        size_t from = source_byte(&builder->source, start);
        size_t to = skip_properties(text, from, text.size);
        struct slice passed = {text.bytes + from, to - from};
        node->mark = source_mark(&builder->source, start + characters_of(passed));
    }
    return node;
}

static enum status build_scalar(struct builder *builder, const yaml_event_t *event,
                                struct built *out) {
    struct config_node *node = new_node(builder, event, CONFIG_SCALAR);
    struct slice value = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (!node || !(node->text.bytes = arena_text(builder->arena, value)))
        return STATUS_NO_MEMORY;
    node->text.size = value.size;
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !has_tag(event);
    struct slice text = builder->source.text;
    size_t start = source_byte(&builder->source, event->start_mark.index);
    size_t end = source_byte(&builder->source, event->end_mark.index);
    start = skip_properties(text, start, end);
    node->source = (struct slice){text.bytes + start, end - start};
    if (node->is_plain && value.size == 0) {
        size_t at = end;
        while (at < text.size && (text.bytes[at] == ' ' || text.bytes[at] == '\t'))
            at++;
        node->is_cut = at < text.size && text.bytes[at] == '#';
        /* White space alone is between the two. */
        size_t skipped = node->is_cut ? at - end : 0;
        node->mark = source_mark(&builder->source, event->end_mark.index + skipped);
    }
    *out = (struct built){node, 1, 0};
    return STATUS_OK;
}

static enum status build_alias(struct builder *builder, const yaml_event_t *event, uint32_t depth,
                               struct built *out) {
    struct slice name = anchor_name(event);
    struct config_mark mark = source_mark(&builder->source, event->start_mark.index);
    const struct anchor *anchor = map_get(&builder->anchors, name);
    if (!anchor || anchor->is_open) {
        if (anchor)
            config_error(builder->diag, mark, "alias \"*" SLICE_FMT "\" stands inside its anchor",
                         SLICE_ARG(name));
        else
            config_error(builder->diag, mark,
                         "alias \"*" SLICE_FMT "\" needs an anchor \"&" SLICE_FMT "\" above it",
                         SLICE_ARG(name), SLICE_ARG(name));
        config_hint(builder->diag, "a text that begins with \"*\" wants quotes");
        struct config_node *node = arena_zalloc(builder->arena, sizeof(*node));
        const char *text = arena_printf(builder->arena, "*" SLICE_FMT, SLICE_ARG(name));
        if (!node || !text)
            return STATUS_NO_MEMORY;
        *node = (struct config_node){.kind = CONFIG_SCALAR, .mark = mark, .text = slice_of(text)};
        *out = (struct built){node, 1, 0};
        return STATUS_OK;
    }
    builder->alias_nodes += anchor->built.nodes;
    bool is_deep = depth + anchor->built.height > CONFIG_DEPTH;
    if (is_deep)
        config_error(builder->diag, mark, "values must nest at most %d deep, aliases counted",
                     CONFIG_DEPTH);
    else if (builder->alias_nodes > CONFIG_ALIAS_NODES)
        config_error(builder->diag, mark, "aliases must add at most %d values to a file",
                     CONFIG_ALIAS_NODES);
    if (is_deep || builder->alias_nodes > CONFIG_ALIAS_NODES)
        return STATUS_FAILED;
    *out = anchor->built;
    return STATUS_OK;
}

static void count(struct growing *growing, const struct built *child) {
    uint32_t sum;
    if (__builtin_add_overflow(growing->nodes, child->nodes, &sum))
        sum = UINT32_MAX; /* past every bound as it is */
    growing->nodes = sum;
    if (child->height + 1 > growing->height)
        growing->height = child->height + 1;
}

static enum status grow(struct builder *builder, struct growing *growing, struct key_entry entry) {
    if (growing->count == growing->capacity) {
        size_t capacity = growing->capacity ? growing->capacity * 2 : 4;
        struct key_entry *entries = arena_alloc(builder->arena, capacity * sizeof(*entries));
        if (!entries)
            return STATUS_NO_MEMORY;
        if (growing->count)
            memcpy(entries, growing->entries, growing->count * sizeof(*entries));
        growing->entries = entries;
        growing->capacity = capacity;
    }
    growing->entries[growing->count++] = entry;
    return STATUS_OK;
}

static enum status build_list(struct builder *builder, const yaml_event_t *event, uint32_t depth,
                              struct built *out) {
    struct growing growing = {.node = new_node(builder, event, CONFIG_LIST), .nodes = 1};
    if (!growing.node)
        return STATUS_NO_MEMORY;
    growing.node->is_flow = event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    for (bool is_done = false; !is_done;) {
        yaml_event_t item;
        struct built child;
        enum status status = next_event(builder, &item);
        if (status)
            return status;
        is_done = item.type == YAML_SEQUENCE_END_EVENT;
        if (!is_done && !(status = build(builder, &item, depth + 1, &child))) {
            count(&growing, &child);
            status = grow(builder, &growing, (struct key_entry){.value = child.node});
        }
        yaml_event_delete(&item);
        if (status)
            return status;
    }
    struct config_node *node = growing.node;
    node->items = arena_alloc(builder->arena, growing.count * sizeof(*node->items));
    if (!node->items)
        return STATUS_NO_MEMORY;
    for (; node->count < growing.count; node->count++)
        node->items[node->count] = growing.entries[node->count].value;
    *out = (struct built){node, growing.nodes, growing.height};
    return STATUS_OK;
}

static bool is_section(struct slice key) {
    return slice_is(key, "servers") || slice_is(key, "clients") || slice_is(key, "secrets") ||
           slice_is(key, "tasks");
}

static enum status build_map(struct builder *builder, const yaml_event_t *event, uint32_t depth,
                             struct built *out) {
    bool keep_twins = depth == 1 && builder->is_in_section;
    struct growing growing = {.node = new_node(builder, event, CONFIG_MAP), .nodes = 1};
    if (!growing.node)
        return STATUS_NO_MEMORY;
    growing.node->is_flow = event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    struct built key = {NULL, 0, 0};
    for (bool is_done = false; !is_done;) {
        yaml_event_t item;
        struct built child;
        enum status status = next_event(builder, &item);
        if (status)
            return status;
        is_done = item.type == YAML_MAPPING_END_EVENT;
        if (!is_done && !(status = build(builder, &item, depth + 1, &child))) {
            count(&growing, &child);
            if (!key.node) {
                key = child;
                if (depth == 0)
                    builder->is_in_section = builder->has_sections && is_section(key.node->text);
            } else {
                status = add_pair(builder, &growing, &key, &child);
                key.node = NULL;
            }
        }
        yaml_event_delete(&item);
        if (status)
            return status;
    }
    *out = (struct built){growing.node, growing.nodes, growing.height};
    struct key_list list = {growing.entries, growing.count, keep_twins};
    return keys_settle(&list, builder->arena, builder->diag, growing.node);
}

static enum status add_pair(struct builder *builder, struct growing *growing,
                            const struct built *key, const struct built *value) {
    if (key->node->kind != CONFIG_SCALAR) {
        config_error(builder->diag, key->node->mark, "a key must be text, found a %s",
                     key->node->kind == CONFIG_LIST ? "list" : "mapping");
        config_hint(builder->diag, "a key that begins with \"{\" or \"[\" wants quotes");
        return STATUS_OK;
    }
    if (!key->node->is_plain || !slice_is(key->node->text, "<<"))
        return grow(builder, growing, (struct key_entry){.key = key->node, .value = value->node});
    if (growing->merge_key) {
        config_error(builder->diag, key->node->mark, "key \"<<\" stands in this mapping twice");
        config_hint(builder->diag, "merge several as \"<<: [*a, *b]\"");
        config_note(builder->diag, growing->merge_key->mark, "first given here");
        return STATUS_OK;
    }
    growing->merge_key = key->node;
    if (value->node->kind != CONFIG_LIST)
        return merge(builder, growing, value->node);
    for (size_t i = 0; i < value->node->count; i++) {
        enum status status = merge(builder, growing, value->node->items[i]);
        if (status)
            return status;
    }
    return STATUS_OK;
}

static enum status merge(struct builder *builder, struct growing *growing,
                         const struct config_node *value) {
    if (value->kind != CONFIG_MAP) {
        config_error(builder->diag, value->mark,
                     "\"<<\" merges a mapping or a list of mappings, found %s",
                     value->kind == CONFIG_LIST ? "a list in a list" : "text");
        return STATUS_OK;
    }
    growing->sources++;
    for (size_t i = 0; i < value->count; i++) {
        enum status status =
            grow(builder, growing,
                 (struct key_entry){
                     .key = value->keys[i], .value = value->items[i], .rank = growing->sources});
        if (status)
            return status;
    }
    return STATUS_OK;
}
