/* Comments that swallowed a `${...}`. libyaml drops comments, but its scanner tells exactly where
 * each scalar lies; what is outside of them and begins with `#` is a comment, as is what follows
 * `#` in the header line of a block scalar. */
#include "config/parse.h"

struct scan {
    yaml_parser_t scanner;
    struct source *source;
    struct config_diag *diag;
    size_t at; /* bytes before it are dealt with */
};

static bool has_suspect(struct slice text);
static enum status scan_all(struct scan *scan);
static void pass_scalar(struct scan *scan, const yaml_token_t *token);
static void check_gap(struct scan *scan, size_t end);

enum status comments_check(struct source *source, struct config_diag *diag) {
    if (!has_suspect(source->text))
        return STATUS_OK;
    struct scan scan = {.source = source, .diag = diag};
    if (!yaml_parser_initialize(&scan.scanner))
        return STATUS_NO_MEMORY;
    yaml_parser_set_encoding(&scan.scanner, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&scan.scanner, (const unsigned char *)source->text.bytes,
                                 source->text.size);
    enum status status = scan_all(&scan);
    yaml_parser_delete(&scan.scanner);
    return status;
}

/* A line with `#` before `${`: without one there is nothing to scan for. */
static bool has_suspect(struct slice text) {
    bool is_behind_hash = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];
        if (c == '\n' || c == '\r')
            is_behind_hash = false;
        else if (c == '#')
            is_behind_hash = true;
        else if (is_behind_hash && c == '$' && i + 1 < text.size && text.bytes[i + 1] == '{')
            return true;
    }
    return false;
}

static enum status scan_all(struct scan *scan) {
    size_t depth = 0;
    for (bool is_done = false; !is_done && depth <= CONFIG_DEPTH;) {
        yaml_token_t token;
        if (!yaml_parser_scan(&scan->scanner, &token))
            return scan->scanner.error == YAML_MEMORY_ERROR ? STATUS_NO_MEMORY : STATUS_OK;
        is_done = token.type == YAML_STREAM_END_TOKEN;
        bool is_flow_start = token.type == YAML_FLOW_SEQUENCE_START_TOKEN ||
                             token.type == YAML_FLOW_MAPPING_START_TOKEN;
        bool is_flow_end =
            token.type == YAML_FLOW_SEQUENCE_END_TOKEN || token.type == YAML_FLOW_MAPPING_END_TOKEN;
        depth += is_flow_start;
        depth -= is_flow_end && depth > 0;
        if (token.type == YAML_SCALAR_TOKEN)
            pass_scalar(scan, &token);
        yaml_token_delete(&token);
    }
    check_gap(scan, scan->source->text.size);
    return STATUS_OK;
}

static void pass_scalar(struct scan *scan, const yaml_token_t *token) {
    size_t start = source_byte(scan->source, token->start_mark.index);
    size_t end = source_byte(scan->source, token->end_mark.index);
    check_gap(scan, start);
    yaml_scalar_style_t style = token->data.scalar.style;
    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE) {
        struct slice line = source_line_at(scan->source, start);
        check_gap(scan, (size_t)(line.bytes - scan->source->text.bytes) + line.size);
    }
    scan->at = end;
}

/* Looks at what lies between two scalars. */
static void check_gap(struct scan *scan, size_t end) {
    struct slice text = scan->source->text;
    for (; scan->at < end; scan->at++) {
        if (text.bytes[scan->at] != '#')
            continue;
        size_t start = scan->at;
        while (scan->at < end && text.bytes[scan->at] != '\n' && text.bytes[scan->at] != '\r')
            scan->at++;
        struct slice comment = {text.bytes + start, scan->at - start};
        if (!slice_contains(comment, SLICE("${")))
            continue;
        config_error(scan->diag, source_mark_of_byte(scan->source, start),
                     "a comment must not contain \"${\"");
        config_hint(scan->diag, "\" #\" begins a comment: put a text that holds it in quotes");
    }
}
