/* The reference as Markdown, from the same tables that check what it tells of, and the rows of a
 * registry at rest. */
#include "daemon/describe.h"

#include "actions/actions.h"
#include "control/control.h"
#include "triggers/triggers.h"

struct page {
    struct buffer *out;
    enum status status; /* the first failure; nothing is written after it */
};

static void say(struct page *page, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(struct page *page, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!page->status)
        page->status = buffer_vprintf(page->out, format, args);
    va_end(args);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void write_fields(struct page *page, const struct config_field *fields) {
    if (!fields || !fields->name)
        return;
    say(page, "\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
    if (!page->status)
        page->status = config_reference(fields, page->out);
}

static void write_sections(struct page *page) {
    static const struct {
        const char *title;
        const struct config_field *fields;
    } sections[] = {
        {"The main file", declare_main_fields}, {"Servers", declare_server_fields},
        {"Clients", declare_client_fields},     {"Secrets", declare_secret_fields},
        {"Tasks", engine_task_fields},          {"Common keys of a step", engine_step_fields}};
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
        say(page, "\n## %s\n", sections[i].title);
        write_fields(page, sections[i].fields);
    }
}

static void write_kinds(struct page *page) {
    say(page, "\n## Triggers\n\nThe first key may be given as a plain value.\n");
    for (size_t i = 0; trigger_kinds[i]; i++) {
        say(page, "\n### `%s`\n\n%s\n", trigger_kinds[i]->name, trigger_kinds[i]->doc);
        write_fields(page, trigger_kinds[i]->fields);
    }
    say(page, "\n## Actions\n\nThe first key may be given as a plain value.\n");
    for (size_t i = 0; action_kinds[i]; i++) {
        say(page, "\n### `%s`\n\n%s\n", action_kinds[i]->name, action_kinds[i]->doc);
        write_fields(page, action_kinds[i]->fields);
    }
    say(page, "\n## Blocks\n");
    for (const struct engine_block *block = engine_blocks; block->name; block++)
        say(page, "\n### `%s`\n\n%s\n\n```yaml\n%s\n```\n", block->name, block->doc,
            block->example);
}

static void write_variables(struct page *page, const struct expr_variable *table) {
    static const char *const arguments[] = {
        [EXPR_NO_ARGUMENT] = "", [EXPR_NAME] = "(n)", [EXPR_PATH] = "(path)"};
    for (; table->name; table++)
        say(page, "| `%s%s` | %s | %s |\n", table->name, arguments[table->argument],
            table->type == VALUE_NIL ? "" : value_type_text(table->type),
            table->doc ? table->doc : "");
}

static void write_expressions(struct page *page) {
    say(page, "\n## Variables\n\n| name | type | meaning |\n| --- | --- | --- |\n");
    for (size_t i = 0; trigger_variables[i]; i++)
        write_variables(page, trigger_variables[i]);
    write_variables(page, engine_variables);
    say(page, "\n## Helpers of expressions\n\n| helper | does | example | gives |\n"
              "| --- | --- | --- | --- |\n");
    for (const struct expr_helper *helper = expr_helpers; helper->signature; helper++)
        say(page, "| `%s` | %s | `%s` | `%s` |\n", helper->signature, helper->doc, helper->example,
            helper->result);
}

enum status describe_reference(struct buffer *out) {
    struct page page = {out, STATUS_OK};
    say(&page, "# Bellwire %s: reference\n", BELLWIRE_VERSION);
    write_sections(&page);
    write_kinds(&page);
    write_expressions(&page);
    return page.status;
}

/* ---- rows at rest ---------------------------------------------------------------------------- */

static struct value member(const struct registry_row *row, struct arena *arena, const char *key) {
    struct value declaration;
    size_t at;
    if (json_decode(row->declaration, arena, &declaration, &at))
        return value_nil();
    return value_member(declaration, slice_of(key));
}

static struct slice text_of(const struct registry_row *row, struct arena *arena, const char *key) {
    struct value value = member(row, arena, key);
    struct slice text;
    return value.type != VALUE_NIL && value_text(value, arena, &text) == STATUS_OK ? text
                                                                                   : SLICE("");
}

static void write_common(struct out *out, const struct registry_row *row, struct arena *arena) {
    out_text(out, "id", row->id);
    out_text(out, "name", text_of(row, arena, "name"));
    out_text(out, "origin", row->origin == REGISTRY_FILE ? SLICE("file") : SLICE("manager"));
    out_bool(out, "enabled", row->is_enabled);
    out_text(out, "state", SLICE("stopped"));
}

static void write_server(struct out *out, const struct registry_row *row, struct arena *arena) {
    struct value bind = member(row, arena, "bind");
    write_common(out, row, arena);
    out_list(out, "bind");
    if (bind.type == VALUE_BYTES)
        out_text(out, NULL, value_slice(bind));
    for (uint32_t i = 0; bind.type == VALUE_LIST && i < bind.count; i++)
        if (bind.items[i].type == VALUE_BYTES)
            out_text(out, NULL, value_slice(bind.items[i]));
    if (bind.type == VALUE_NIL)
        out_text(out, NULL, slice_of(declare_server_fields[0].dflt));
    out_end(out);
    out_bool(out, "tls", member(row, arena, "tls").type != VALUE_NIL);
    out_u64(out, "sessions", 0);
    out_time(out, "since", row->since_ms);
    out_text_or_null(out, "error", row->error);
}

static void write_message(struct out *out, const char *name, struct slice text, uint64_t at_ms) {
    if (!at_ms) {
        out_null(out, name);
        return;
    }
    out_map(out, name);
    out_time(out, "at", at_ms);
    out_text(out, "text", text);
    out_end(out);
}

/* A URL that was given in parts is put together as the daemon does. */
static struct slice url_of(const struct registry_row *row, struct arena *arena) {
    struct slice url = text_of(row, arena, "url"), host = text_of(row, arena, "host");
    if (url.size || !host.size)
        return url;
    struct slice protocol = text_of(row, arena, "protocol"), port = text_of(row, arena, "port"),
                 path = text_of(row, arena, "path");
    bool is_v6 = slice_contains(host, SLICE(":")), has_port = port.size && !slice_is(port, "0");
    char *text = arena_printf(arena, SLICE_FMT "://%s" SLICE_FMT "%s%s" SLICE_FMT SLICE_FMT,
                              SLICE_ARG(protocol.size ? protocol : SLICE("ws")), is_v6 ? "[" : "",
                              SLICE_ARG(host), is_v6 ? "]" : "", has_port ? ":" : "",
                              SLICE_ARG(has_port ? port : SLICE("")),
                              SLICE_ARG(path.size ? path : SLICE("/")));
    return slice_of(text);
}

static void write_client(struct out *out, const struct registry_row *row, struct arena *arena) {
    write_common(out, row, arena);
    out_text(out, "url", url_of(row, arena));
    out_time(out, "since", row->since_ms);
    write_message(out, "last_sent", row->last_sent, row->last_sent_ms);
    write_message(out, "last_received", row->last_received, row->last_received_ms);
    out_u64(out, "reconnects", 0);
    out_null(out, "next_attempt");
    out_text_or_null(out, "error", row->error);
}

enum status describe_stored(const char *directory, enum registry_kind kind, struct buffer *buffer,
                            char *why) {
    struct registry_rows rows = {0};
    struct arena arena;
    struct out out;
    arena_init(&arena, 4096, 0);
    enum status status = registry_peek(directory, kind, &arena, &rows, why);
    out_init(&out, buffer);
    out_list(&out, NULL);
    for (size_t i = 0; i < rows.count && !status; i++) {
        out_map(&out, NULL);
        if (kind == REGISTRY_SERVER)
            write_server(&out, &rows.items[i], &arena);
        else
            write_client(&out, &rows.items[i], &arena);
        out_end(&out);
    }
    out_end(&out);
    arena_deinit(&arena);
    if (!status)
        status = out.status ? out.status : buffer_append(buffer, SLICE("\n"));
    return status;
}
