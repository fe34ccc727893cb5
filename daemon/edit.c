/* One edit goes: find the row, make its new declaration, check it with the tables of the YAML,
 * store it, take it over into the generation that serves, apply. Any failure before the last step
 * changes nothing. */
#include "daemon/edit.h"

#include <stdlib.h>

#include "daemon/supervisor.h"

struct edit {
    struct list link;
    struct arena arena;
    struct supervisor *supervisor;
    struct edit_request request;
    struct slice json; /* the new declaration */
    struct slice warnings;
};

static void begin(struct edit *edit);
static void warn_of_users(struct edit *edit);
static bool make_declaration(struct edit *edit);
static bool check(struct edit *edit);
static void store(struct edit *edit);
static void on_stored(void *context, enum status status);
static void on_applied(struct supervisor *supervisor, uint64_t closed_sessions);
static void steer(struct edit *edit, bool is_start);
static void fail(struct edit *edit, unsigned status, const char *format, ...) PRINTF_LIKE(3, 4);
static void finish(struct edit *edit, const struct edit_result *result);

void edit_submit(struct supervisor *supervisor, const struct edit_request *request) {
    struct edit *edit = base_alloc(sizeof *edit);
    arena_init(&edit->arena, 4096, 0);
    edit->supervisor = supervisor;
    edit->request = *request;
    list_append(&supervisor->edits, &edit->link);
    if (arena_copy(&edit->arena, request->id, &edit->request.id) ||
        value_copy(request->keys, &edit->arena, &edit->request.keys)) {
        fail(edit, 503, "out of memory");
        return;
    }
    edit_continue(supervisor);
}

void edit_continue(struct supervisor *supervisor) {
    if (supervisor->edit || supervisor->apply || supervisor->switches.change ||
        list_is_empty(&supervisor->edits))
        return;
    supervisor->edit = CONTAINER_OF(supervisor->edits.next, struct edit, link);
    begin(supervisor->edit);
}

void edit_drop_all(struct supervisor *supervisor) {
    const struct edit_result ending = {.status = 503, .text = "the daemon is ending"};
    supervisor->edit = NULL;
    while (!list_is_empty(&supervisor->edits)) {
        struct edit *edit = CONTAINER_OF(supervisor->edits.next, struct edit, link);
        list_remove(&edit->link);
        edit->request.done(edit->request.context, &ending);
        arena_deinit(&edit->arena);
        free(edit);
    }
}

/* ---- what is there
 * ----------------------------------------------------------------------------------- */

struct found {
    bool is_there;
    enum registry_origin origin;
    struct slice place, json;
};

static struct found find(struct supervisor *supervisor, enum registry_kind kind, struct slice id) {
    const struct server_row *server =
        kind == REGISTRY_SERVER ? supervisor__server(supervisor, id) : NULL;
    const struct client_row *client =
        kind == REGISTRY_CLIENT ? supervisor__client(supervisor, id) : NULL;
    if (server && server->is_declared)
        return (struct found){true, server->origin, server->place, server->json};
    if (client && client->is_declared)
        return (struct found){true, client->origin, client->place, client->json};
    const struct registry_row *stored = rows_find(
        kind == REGISTRY_SERVER ? &supervisor->stored_servers : &supervisor->stored_clients, id);
    if (stored) /* left out, since it could not be read */
        return (struct found){true, REGISTRY_MANAGER, SLICE(""), stored->declaration};
    return (struct found){.is_there = false};
}

static const char *what(const struct edit *edit) {
    return edit->request.kind == REGISTRY_SERVER ? "server" : "client";
}

static void begin(struct edit *edit) {
    struct supervisor *supervisor = edit->supervisor;
    struct slice id = edit->request.id;
    struct found found = find(supervisor, edit->request.kind, id);
    enum edit_verb verb = edit->request.verb;
    if (supervisor->state != SUPERVISOR_SERVING) {
        fail(edit, 503, "the daemon is %s",
             supervisor->state == SUPERVISOR_STARTING ? "starting" : "ending");
        return;
    }
    if (verb == EDIT_START || verb == EDIT_STOP) {
        steer(edit, verb == EDIT_START);
        return;
    }
    if (found.is_there && found.origin == REGISTRY_FILE) {
        fail(edit, 409,
             "%s \"" SLICE_FMT "\" is declared in " SLICE_FMT ": edit it there, then reload",
             what(edit), SLICE_ARG(id), SLICE_ARG(found.place));
        return;
    }
    if (verb == EDIT_ADD && found.is_there) {
        fail(edit, 409, "%s \"" SLICE_FMT "\" exists already: change it with set", what(edit),
             SLICE_ARG(id));
        return;
    }
    if ((verb == EDIT_SET || verb == EDIT_REMOVE) && !found.is_there) {
        fail(edit, 404, "unknown %s \"" SLICE_FMT "\"", what(edit), SLICE_ARG(id));
        return;
    }
    if (verb == EDIT_REMOVE)
        warn_of_users(edit);
    edit->json = found.is_there && verb == EDIT_SET ? found.json : SLICE("{}");
    if (verb == EDIT_REMOVE || (make_declaration(edit) && check(edit)))
        store(edit);
}

/* ---- who names it ---------------------------------------------------------------------------- */

/* Keys whose value is an ID: `server`, `start-server` ...; `client`, `client-open` ... */
static bool is_id_key(struct slice key, enum registry_kind kind) {
    if (kind == REGISTRY_SERVER)
        return slice_is(key, "server") || slice_ends_with(key, SLICE("-server"));
    return slice_is(key, "client") || slice_ends_with(key, SLICE("-client")) ||
           slice_starts_with(key, SLICE("client-"));
}

static bool names(const struct config_node *node, enum registry_kind kind, struct slice id) {
    if (node->kind == CONFIG_SCALAR)
        return false;
    for (size_t i = 0; i < node->count; i++) {
        const struct config_node *item = node->items[i];
        if (node->kind == CONFIG_MAP && item->kind == CONFIG_SCALAR &&
            slice_equal(item->text, id) && is_id_key(node->keys[i]->text, kind))
            return true;
        if (names(item, kind, id))
            return true;
    }
    return false;
}

/* Removing goes through; the tasks will fail where they use it. */
static void warn_of_users(struct edit *edit) {
    const struct program *program = edit->supervisor->generation->program;
    struct buffer text;
    buffer_init(&text, 0);
    for (size_t i = 0; i < program_task_count(program); i++) {
        const struct task *task = program_task(program, i);
        if (task->declaration && names(task->declaration, edit->request.kind, edit->request.id))
            (void)buffer_printf(&text, "%s\"" SLICE_FMT "\"", text.size ? ", " : "",
                                SLICE_ARG(task->id)); /* cut without memory */
    }
    if (text.size) {
        const char *whole =
            arena_printf(&edit->arena, "%s \"" SLICE_FMT "\" is still named by: " SLICE_FMT,
                         what(edit), SLICE_ARG(edit->request.id), SLICE_ARG(buffer_slice(&text)));
        edit->warnings = slice_of(whole); /* likewise */
    }
    buffer_deinit(&text);
}

/* ---- the new declaration
 * ------------------------------------------------------------------------------- */

static const struct config_field *find_field(const struct config_field *fields, struct slice path) {
    struct slice rest;
    struct slice name = slice_cut(path, '.', &rest);
    for (const struct config_field *field = fields; field->name; field++)
        if (slice_is(name, field->name))
            return rest.bytes && field->fields ? find_field(field->fields, rest) : field;
    return NULL;
}

/* A text for a list is its items between commas; one that begins like JSON is JSON. */
static bool shape(struct edit *edit, const struct config_field *field, struct value *value) {
    struct slice text = value_slice(*value);
    size_t at;
    if (text.size && (text.bytes[0] == '[' || text.bytes[0] == '{') &&
        json_decode(text, &edit->arena, value, &at) == STATUS_OK)
        return true;
    if (!field || field->type != CONFIG_TEXTS)
        return true;
    size_t count = 1;
    for (size_t i = 0; i < text.size; i++)
        count += text.bytes[i] == ',';
    struct value *items = arena_alloc(&edit->arena, count * sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < count; i++)
        items[i] = value_bytes(slice_trim(slice_cut(text, ',', &text)));
    *value = (struct value){.type = VALUE_LIST, .count = (uint32_t)count, .items = items};
    return true;
}

static bool set_key(struct edit *edit, struct value *root, struct slice key, struct value value) {
    const struct config_field *fields =
        edit->request.kind == REGISTRY_SERVER ? declare_server_fields : declare_client_fields;
    struct slice path[VALUE_DEPTH_MAX];
    size_t segments = 0;
    for (struct slice rest = key; rest.bytes && segments < ARRAY_SIZE(path);)
        path[segments++] = slice_cut(rest, '.', &rest);
    if (value.type == VALUE_BYTES && value.count == 0)
        value = value_nil();
    if (value.type == VALUE_BYTES && !shape(edit, find_field(fields, key), &value))
        return false;
    return value_with(*root, (struct value_place){path, segments}, value, &edit->arena, root) ==
           STATUS_OK;
}

static bool make_declaration(struct edit *edit) {
    struct value root = value_nil();
    size_t at;
    bool is_good = json_decode(edit->json, &edit->arena, &root, &at) == STATUS_OK;
    const struct value *keys = &edit->request.keys;
    for (uint32_t i = 0; i < keys->count && keys->type == VALUE_MAP && is_good; i++) {
        struct slice key = value_slice(keys->pairs[i].key);
        if (set_key(edit, &root, key, keys->pairs[i].value))
            continue;
        fail(edit, 422,
             "\"" SLICE_FMT "\" cannot be set: it stands below a value that is no mapping",
             SLICE_ARG(key));
        return false;
    }
    struct buffer text;
    buffer_init(&text, 0);
    if (root.type == VALUE_NIL)
        root = (struct value){.type = VALUE_MAP};
    is_good = is_good && json_encode(root, &text) == STATUS_OK &&
              arena_copy(&edit->arena, buffer_slice(&text), &edit->json) == STATUS_OK;
    buffer_deinit(&text);
    if (!is_good)
        fail(edit, 503, "out of memory");
    return is_good;
}

/* The same tables, the same messages, as if the declaration stood in a file of its own. */
static bool check(struct edit *edit) {
    struct config_diag diag;
    config_diag_init(&diag, &edit->arena);
    struct config_entry entry = {.id = edit->request.id};
    if (!config_is_id(entry.id)) {
        fail(edit, 422,
             "an ID is letters, digits, \".\", \"_\" and \"-\", at most 64 of them, beginning with "
             "a letter or digit, got \"" SLICE_FMT "\"",
             SLICE_ARG(entry.id));
        return false;
    }
    const char *file = generation_row_name(edit->supervisor->generation, &edit->arena, what(edit),
                                           edit->request.id);
    entry.value = config_parse(edit->json, file ? file : "", &edit->arena, &diag);
    entry.mark = entry.value ? entry.value->mark : (struct config_mark){0};
    if (entry.value)
        generation_check_row(edit->supervisor->generation, edit->request.kind, &entry, &edit->arena,
                             &diag);
    struct buffer text;
    buffer_init(&text, 0);
    for (size_t i = 0; i < diag.count; i++) {
        const struct config_message *message = &diag.messages[i];
        if ((message->severity == CONFIG_ERROR) == (diag.errors > 0))
            (void)buffer_printf(&text, "%s%s%s%s", text.size ? "\n" : "", message->text,
                                message->hint ? "; " : "",
                                message->hint ? message->hint : ""); /* cut without memory */
    }
    edit->warnings = slice_of(arena_text(&edit->arena, buffer_slice(&text))); /* likewise */
    buffer_deinit(&text);
    if (!diag.errors)
        return true;
    fail(edit, 422, SLICE_FMT, SLICE_ARG(edit->warnings));
    return false;
}

/* ---- on disk, then live
 * ---------------------------------------------------------------------------------- */

static void store(struct edit *edit) {
    struct registry *registry = edit->supervisor->registry;
    const struct registry_done done = {on_stored, edit};
    enum status status;
    if (edit->request.verb == EDIT_REMOVE) {
        status = registry_remove(registry, edit->request.kind, edit->request.id, done);
    } else {
        size_t at;
        struct value root;
        bool is_enabled = true;
        if (json_decode(edit->json, &edit->arena, &root, &at) == STATUS_OK) {
            struct slice said;
            struct value member = value_member(root, SLICE("enabled"));
            static const char *const no[] = {"false", "no", "off", "0"};
            for (size_t i = 0;
                 value_text(member, &edit->arena, &said) == STATUS_OK && i < ARRAY_SIZE(no); i++)
                is_enabled = is_enabled && !slice_equal_nocase(said, slice_of(no[i]));
        }
        const struct registry_row row = {.id = edit->request.id,
                                         .origin = REGISTRY_MANAGER,
                                         .is_enabled = is_enabled,
                                         .declaration = edit->json,
                                         .place = SLICE("")};
        status = registry_put(registry, edit->request.kind, &row, done);
    }
    if (status)
        on_stored(edit, status);
}

static void on_stored(void *context, enum status status) {
    struct edit *edit = context;
    struct supervisor *supervisor = edit->supervisor;
    supervisor__stored(supervisor, status);
    if (status) {
        fail(edit, 503, "the registry could not be written: %s; nothing was changed",
             registry_problem(status));
        return;
    }
    struct rows *rows = edit->request.kind == REGISTRY_SERVER ? &supervisor->stored_servers
                                                              : &supervisor->stored_clients;
    if (edit->request.verb == EDIT_REMOVE)
        rows_remove(rows, edit->request.id);
    else
        rows_put(rows, edit->request.id, edit->json);
    struct generation *generation = supervisor->generation;
    const struct registry_rows servers = rows_view(&supervisor->stored_servers);
    const struct registry_rows clients = rows_view(&supervisor->stored_clients);
    generation_take_rows(generation, &servers, &clients);
    (void)program_ref(
        generation->program); /* given back with the generation that this one follows: itself */
    generation_ref(generation);
    supervisor__apply(supervisor, generation, on_applied);
}

static void on_applied(struct supervisor *supervisor, uint64_t closed_sessions) {
    (void)closed_sessions; /* nobody asks */
    struct edit *edit = supervisor->edit;
    struct log_place place = {0};
    *(edit->request.kind == REGISTRY_SERVER ? &place.server : &place.client) = edit->request.id;
    log_line(LOG_INFO, &place,
             edit->request.verb == EDIT_REMOVE ? "removed by the manager"
                                               : "changed by the manager");
    finish(edit, &(struct edit_result){.status = 200,
                                       .text = edit->warnings.size ? edit->warnings.bytes : ""});
}

/* ---- start and stop
 * ---------------------------------------------------------------------------------------- */

void edit_steer_server(struct supervisor *supervisor, const struct edit_steering *steering) {
    struct server_row *row = supervisor__server(supervisor, steering->id);
    if (!row || !row->is_declared) {
        steering->done(steering->context, STATUS_NOT_FOUND, NULL);
    } else if (supervisor->state >= SUPERVISOR_DRAINING) {
        steering->done(steering->context, STATUS_CANCELLED, NULL);
    } else if (row->is_stopping) {
        supervisor__after_stop(row, steering);
    } else if (!steering->is_start) {
        row->is_wanted = false;
        supervisor__stop_server(supervisor, row, steering);
    } else {
        row->is_wanted = true;
        supervisor__listen(supervisor, row); /* what is open already stays as it is */
        bool is_listening = !list_is_empty(&row->listeners);
        steering->done(steering->context, is_listening ? STATUS_OK : STATUS_FAILED,
                       is_listening ? NULL : row->error);
    }
}

static void on_steered(void *context, enum status status, const char *why) {
    struct edit *edit = context;
    struct slice id = edit->request.id;
    switch (status) {
        case STATUS_OK:
            finish(edit, &(struct edit_result){.status = 200, .text = ""});
            break;
        case STATUS_NOT_FOUND:
            fail(edit, 404, "unknown %s \"" SLICE_FMT "\"", what(edit), SLICE_ARG(id));
            break;
        case STATUS_FAILED:
            fail(edit, 409, "server \"" SLICE_FMT "\" cannot listen: %s", SLICE_ARG(id),
                 why ? why : "no address is declared");
            break;
        default:
            fail(edit, 503, "%s \"" SLICE_FMT "\" cannot be reached: %s", what(edit), SLICE_ARG(id),
                 status_text(status));
            break;
    }
}

static void steer(struct edit *edit, bool is_start) {
    struct supervisor *supervisor = edit->supervisor;
    const struct edit_steering steering = {edit->request.id, is_start, on_steered, edit};
    if (edit->request.kind == REGISTRY_SERVER)
        edit_steer_server(supervisor, &steering);
    else
        on_steered(edit, clients__steer(supervisor, steering.id, is_start), NULL);
}

/* ---- the end of an edit
 * -------------------------------------------------------------------------------------- */

static void fail(struct edit *edit, unsigned status, const char *format, ...) {
    struct buffer text;
    va_list arguments;
    buffer_init(&text, 0);
    va_start(arguments, format);
    enum status written = buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    if (!written)
        written = buffer_append(&text, (struct slice){"", 1}); /* its NUL */
    finish(edit,
           &(struct edit_result){.status = status, .text = written ? "out of memory" : text.bytes});
    buffer_deinit(&text);
}

static void finish(struct edit *edit, const struct edit_result *result) {
    struct supervisor *supervisor = edit->supervisor;
    list_remove(&edit->link);
    if (supervisor->edit == edit)
        supervisor->edit = NULL;
    edit->request.done(edit->request.context, result);
    arena_deinit(&edit->arena);
    free(edit);
    supervisor__next(supervisor);
}
