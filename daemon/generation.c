/* Loads a configuration into a generation: files, declarations, the manager's rows, tasks, their
 * index. */
#include "daemon/generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "actions/actions.h"
#include "base/log_mask.h"
#include "triggers/triggers.h"

#define CHUNK_BYTES      65536
#define ROWS_CHUNK_BYTES 4096

static bool read_rows(struct generation *generation, const struct registry_rows *const rows[2],
                      const struct generation *before, bool *has_kept);
static struct program *build(struct generation *generation, const struct generation_input *input,
                             struct config_diag *diag);
static void release(void *object);

struct generation *generation_load(const struct generation_input *input) {
    struct generation *generation = base_alloc(sizeof *generation);
    generation->refs = 1;
    arena_init(&generation->arena, CHUNK_BYTES, 0);
    arena_init(&generation->rows_arena, ROWS_CHUNK_BYTES, 0);
    config_diag_init(&generation->diag, &generation->arena);
    struct config_diag *diag = &generation->diag;
    if (config_load(input->config, &generation->arena, diag, &generation->files) && !diag->errors)
        config_error(diag, (struct config_mark){.file = input->config}, "out of memory");
    (void)declare_read(&generation->files, &generation->arena, diag,
                       &generation->declared); /* in diag */
    (void)read_rows(generation,
                    (const struct registry_rows *const[]){input->servers, input->clients},
                    input->before, NULL); /* in diag */
    uint32_t declared = generation->declared.main.workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    generation->workers = input->workers ? input->workers
                          : declared     ? declared
                          : cores < 1    ? 1
                                         : (uint32_t)cores;
    if (generation->workers > 255)
        generation->workers = 255;
    generation->program = build(generation, input, diag);
    config_diag_sort(diag);
    return generation;
}

static void release_rows(struct generation *generation) {
    declare_release_servers(generation->manager_servers, generation->manager_server_count);
    declare_release_clients(generation->manager_clients, generation->manager_client_count);
    arena_deinit(&generation->rows_arena);
    while (generation->kept) {
        struct generation_kept *kept = generation->kept;
        generation->kept = kept->next;
        arena_deinit(&kept->arena);
        free(kept);
    }
}

void generation_unref(struct generation *generation) {
    if (atomic_fetch_sub_explicit(&generation->refs, 1, memory_order_acq_rel) != 1)
        return;
    release_rows(generation);
    declare_release(&generation->declared);
    arena_deinit(&generation->arena);
    free(generation);
}

static void release(void *object) { generation_unref(object); }

static bool is_declared(const struct config_section *section, struct slice id) {
    for (size_t i = 0; i < section->count; i++)
        if (slice_equal(section->entries[i].id, id))
            return true;
    return false;
}

const char *generation_row_name(const struct generation *generation, struct arena *arena,
                                const char *what, struct slice id) {
    const char *path = generation->files.main_path ? generation->files.main_path : "";
    const char *slash = strrchr(path, '/');
    return arena_printf(arena, "%.*sregistry (%s " SLICE_FMT ")",
                        slash ? (int)(slash + 1 - path) : 0, path, what, SLICE_ARG(id));
}

/* A row of the manager as an entry, as if it stood in a file of its own. */
static bool entry_of(struct generation *generation, const struct registry_row *row,
                     const char *what, struct config_entry *out, struct config_diag *diag) {
    const char *name = generation_row_name(generation, &generation->rows_arena, what, row->id);
    const struct config_node *node =
        name ? config_parse(row->declaration, name, &generation->rows_arena, diag) : NULL;
    if (!node || arena_copy(&generation->rows_arena, row->id, &out->id)) {
        if (!diag->errors)
            config_error(diag, (struct config_mark){.file = generation->files.main_path},
                         "out of memory");
        return false;
    }
    out->value = node;
    out->mark = node->mark;
    return true;
}

/* One that a file declares too is shadowed by it. Counts and arrays may be of either kind. */
static bool is_shadowed(struct generation *generation, const struct config_section *files,
                        struct slice id, const char *what) {
    if (!is_declared(files, id))
        return false;
    config_warning(&generation->diag, (struct config_mark){.file = generation->files.main_path},
                   "%s \"" SLICE_FMT
                   "\" of the manager is shadowed by the one that the files declare",
                   what, SLICE_ARG(id));
    return true;
}

/* What was found out about a row. One that serves must stay as it is, so its errors are errors; one
 * that does not is left out, since whoever may mend it needs a daemon that runs. */
static void report(struct generation *generation, const struct config_diag *found,
                   const struct registry_row *row, const char *what, bool is_serving) {
    struct config_diag *diag = &generation->diag;
    for (size_t i = 0; i < found->count; i++) {
        const struct config_message *message = &found->messages[i];
        if (message->severity == CONFIG_ERROR && is_serving)
            config_error(diag, message->mark, "%s", message->text);
        else if (message->severity == CONFIG_ERROR)
            config_warning(diag, message->mark,
                           "%s \"" SLICE_FMT "\" of the manager is left out: %s", what,
                           SLICE_ARG(row->id), message->text);
        else
            config_warning(diag, message->mark, "%s", message->text);
        if (message->severity == CONFIG_ERROR && !is_serving)
            config_hint(diag, "mend it and reload, or `bellwire %s remove " SLICE_FMT "`", what,
                        SLICE_ARG(row->id));
        else if (message->hint)
            config_hint(diag, "%s", message->hint);
    }
}

static struct declare_server *find_server(const struct generation *generation, struct slice id) {
    for (size_t i = 0; generation && i < generation->manager_server_count; i++)
        if (slice_equal(generation->manager_servers[i].options.id, id))
            return &generation->manager_servers[i];
    return NULL;
}

static struct declare_client *find_client(const struct generation *generation, struct slice id) {
    for (size_t i = 0; generation && i < generation->manager_client_count; i++)
        if (slice_equal(generation->manager_clients[i].options.id, id))
            return &generation->manager_clients[i];
    return NULL;
}

static void read_servers(struct generation *generation, const struct registry_rows *rows,
                         const struct generation *before, bool *has_kept) {
    struct arena *arena = &generation->rows_arena;
    struct config_entry entry;
    for (size_t i = 0; i < rows->count; i++) {
        const struct registry_row *row = &rows->items[i];
        struct declare_server *out = &generation->manager_servers[generation->manager_server_count];
        struct config_diag found;
        if (row->origin != REGISTRY_MANAGER ||
            is_shadowed(generation, &generation->files.servers, row->id, "server"))
            continue;
        config_diag_init(&found, arena);
        struct declare_server *serving = find_server(before, row->id);
        bool is_good = entry_of(generation, row, "server", &entry, &found) &&
                       declare_server(&entry, arena, &found, out);
        if (!is_good && serving && has_kept) {
            *out = *serving;
            serving->options.tls = NULL; /* it goes with the copy */
            is_good = *has_kept = true;
        } else {
            report(generation, &found, row, "server", serving != NULL);
        }
        generation->manager_server_count += is_good;
    }
}

static void read_clients(struct generation *generation, const struct registry_rows *rows,
                         const struct generation *before, bool *has_kept) {
    struct arena *arena = &generation->rows_arena;
    struct config_entry entry;
    for (size_t i = 0; i < rows->count; i++) {
        const struct registry_row *row = &rows->items[i];
        struct declare_client *out = &generation->manager_clients[generation->manager_client_count];
        struct config_diag found;
        if (row->origin != REGISTRY_MANAGER ||
            is_shadowed(generation, &generation->files.clients, row->id, "client"))
            continue;
        config_diag_init(&found, arena);
        struct declare_client *serving = find_client(before, row->id);
        bool is_good = entry_of(generation, row, "client", &entry, &found) &&
                       declare_client(&entry, &generation->declared, arena, &found, out);
        if (!is_good && serving && has_kept) {
            *out = *serving;
            serving->options.tls = NULL; /* it goes with the copy */
            is_good = *has_kept = true;
        } else {
            report(generation, &found, row, "client", serving != NULL);
        }
        generation->manager_client_count += is_good;
    }
}

/* With `has_kept`, which is set then, a row of `before` that cannot be read any more is taken over
 * from there. */
static bool read_rows(struct generation *generation, const struct registry_rows *const rows[2],
                      const struct generation *before, bool *has_kept) {
    const struct registry_rows *servers = rows[REGISTRY_SERVER], *clients = rows[REGISTRY_CLIENT];
    static const struct registry_rows none;
    servers = servers ? servers : &none;
    clients = clients ? clients : &none;
    struct arena *arena = &generation->rows_arena;
    generation->manager_server_count = generation->manager_client_count = 0;
    generation->manager_servers =
        arena_zalloc(arena, servers->count * sizeof *generation->manager_servers);
    generation->manager_clients =
        arena_zalloc(arena, clients->count * sizeof *generation->manager_clients);
    if (!generation->manager_servers || !generation->manager_clients)
        return false;
    read_servers(generation, servers, before, has_kept);
    read_clients(generation, clients, before, has_kept);
    return true;
}

/* One server's key that has gone must not end a server because another one was edited. */
void generation_take_rows(struct generation *generation, const struct registry_rows *servers,
                          const struct registry_rows *clients) {
    const struct generation before = {.manager_servers = generation->manager_servers,
                                      .manager_clients = generation->manager_clients,
                                      .manager_server_count = generation->manager_server_count,
                                      .manager_client_count = generation->manager_client_count};
    const struct config_diag diag = generation->diag;
    struct arena memory = generation->rows_arena;
    bool has_kept = false;
    arena_init(&generation->rows_arena, ROWS_CHUNK_BYTES, 0);
    (void)read_rows(generation, (const struct registry_rows *const[]){servers, clients}, &before,
                    &has_kept); /* what was edited was checked when it was stored */
    generation->diag = diag;    /* that of the load */
    declare_release_servers(before.manager_servers, before.manager_server_count);
    declare_release_clients(before.manager_clients, before.manager_client_count);
    if (has_kept) {
        struct generation_kept *kept = base_alloc(sizeof *kept);
        *kept = (struct generation_kept){generation->kept, memory};
        generation->kept = kept;
    } else {
        arena_deinit(&memory);
    }
}

void generation_check_row(struct generation *generation, enum registry_kind kind,
                          const struct config_entry *entry, struct arena *arena,
                          struct config_diag *diag) {
    struct declare_server server;
    struct declare_client client;
    if (kind == REGISTRY_SERVER && declare_server(entry, arena, diag, &server)) /* else in diag */
        declare_release_servers(&server, 1);
    else if (kind == REGISTRY_CLIENT &&
             declare_client(entry, &generation->declared, arena, diag, &client)) /* likewise */
        declare_release_clients(&client, 1);
}

struct generation *generation_ref(struct generation *generation) {
    (void)atomic_fetch_add_explicit(&generation->refs, 1, memory_order_relaxed); /* the old count */
    return generation;
}

static struct slice *ids_of(struct arena *arena, const struct config_section *section) {
    struct slice *ids = arena_alloc(arena, section->count * sizeof *ids);
    for (size_t i = 0; ids && i < section->count; i++)
        ids[i] = section->entries[i].id;
    return ids;
}

/* For the tasks, and for the log, which hides them. NULL without memory. */
static struct program_secret *secrets_of(struct arena *arena, const struct declaration *declared) {
    struct program_secret *secrets = arena_alloc(arena, declared->secret_count * sizeof *secrets);
    for (size_t i = 0; secrets && i < declared->secret_count; i++) {
        secrets[i] = (struct program_secret){declared->secrets[i].name, declared->secrets[i].value};
        if (log_add_secret(secrets[i].value))
            return NULL;
    }
    return secrets;
}

/* NULL after errors, which are in `diag`. */
static struct program *build(struct generation *generation, const struct generation_input *input,
                             struct config_diag *diag) {
    struct arena *arena = &generation->arena;
    const struct declaration *declared = &generation->declared;
    struct slice *servers = ids_of(arena, &generation->files.servers),
                 *clients = ids_of(arena, &generation->files.clients);
    struct slice *more_servers =
        arena_alloc(arena, generation->manager_server_count * sizeof *more_servers);
    struct slice *more_clients =
        arena_alloc(arena, generation->manager_client_count * sizeof *more_clients);
    struct program_secret *secrets = secrets_of(arena, declared);
    if (!servers || !clients || !more_servers || !more_clients || !secrets) {
        config_error(diag, (struct config_mark){.file = generation->files.main_path},
                     "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < generation->manager_server_count; i++)
        more_servers[i] = generation->manager_servers[i].options.id;
    for (size_t i = 0; i < generation->manager_client_count; i++)
        more_clients[i] = generation->manager_clients[i].options.id;
    const struct program_input tasks = {
        .tasks = &generation->files.tasks,
        .triggers = trigger_kinds,
        .actions = action_kinds,
        .variables = trigger_variables,
        .servers = servers,
        .server_count = generation->files.servers.count,
        .clients = clients,
        .client_count = generation->files.clients.count,
        .more_servers = more_servers,
        .more_server_count = generation->manager_server_count,
        .more_clients = more_clients,
        .more_client_count = generation->manager_client_count,
        .secrets = secrets,
        .secret_count = declared->secret_count,
        .expression_time_ns = declared->main.expression_time_ms * 1000000,
        .expression_memory_bytes = declared->main.expression_memory_bytes,
        .worker_count = generation->workers,
        .has_globals = true,
        .generation = input->number,
        .previous = input->previous,
        .is_enabled = input->is_enabled,
        .context = input->context,
    };
    struct program *program = program_build(&tasks, diag);
    if (!program)
        return NULL;
    if (triggers_index(program, diag) == STATUS_NO_MEMORY)
        config_error(diag, (struct config_mark){.file = generation->files.main_path},
                     "out of memory");
    if (diag->errors) {
        program_unref(program);
        return NULL;
    }
    generation->refs++;
    program_own(program, release, generation);
    return program;
}

struct program *generation_rebuild(struct generation *generation,
                                   const struct generation_input *input) {
    struct config_diag diag;
    struct arena arena;
    arena_init(&arena, CHUNK_BYTES, 0);
    config_diag_init(&diag, &arena);
    struct program *program = build(generation, input, &diag);
    arena_deinit(&arena);
    return program;
}

enum status generation_print(const struct generation *generation, bool is_running,
                             struct buffer *out) {
    enum status status = config_diag_print(&generation->diag, out);
    size_t errors = generation->diag.errors;
    if (!errors || status)
        return status;
    return buffer_printf(out, "%zu error%s in %s%s\n", errors, errors == 1 ? "" : "s",
                         generation->files.main_path,
                         is_running ? "; the running configuration is unchanged" : "");
}

char *generation_first_error(const struct generation *generation) {
    const struct config_diag *diag = &generation->diag;
    char *text = NULL;
    for (size_t i = 0; i < diag->count && !text; i++) {
        const struct config_message *message = &diag->messages[i];
        const struct config_mark *mark = &message->mark;
        if (message->severity != CONFIG_ERROR)
            continue;
        if (asprintf(&text, "%s:%u:%u: %s%s%s%s", mark->file ? mark->file : "", mark->line,
                     mark->column, message->text, message->hint ? " (" : "",
                     message->hint ? message->hint : "", message->hint ? ")" : "") < 0)
            text = NULL;
    }
    return text ? text : base_strdup(SLICE("out of memory"));
}

static enum status print_list(const struct config_diag *diag, enum config_severity severity,
                              struct buffer *out) {
    const char *separator = "";
    enum status status = STATUS_OK;
    for (size_t i = 0; i < diag->count && !status; i++) {
        const struct config_message *message = &diag->messages[i];
        if (message->severity != severity)
            continue;
        status = buffer_printf(out, "%s{\"file\":", separator);
        if (!status)
            status = json_encode_text(slice_of(message->mark.file ? message->mark.file : ""), out);
        if (!status)
            status =
                buffer_printf(out, ",\"line\":%u,\"column\":%u,\"message\":", message->mark.line,
                              message->mark.column);
        if (!status)
            status = json_encode_text(slice_of(message->text), out);
        if (!status && message->hint) {
            status = buffer_append(out, SLICE(",\"hint\":"));
            if (!status)
                status = json_encode_text(slice_of(message->hint), out);
        }
        if (!status)
            status = buffer_append(out, SLICE("}"));
        separator = ",";
    }
    return status;
}

enum status generation_print_json(const struct generation *generation, bool is_ok,
                                  struct buffer *out) {
    enum status status = buffer_printf(out, "\"ok\":%s,\"errors\":[", is_ok ? "true" : "false");
    if (!status)
        status = print_list(&generation->diag, CONFIG_ERROR, out);
    if (!status)
        status = buffer_append(out, SLICE("],\"warnings\":["));
    if (!status)
        status = print_list(&generation->diag, CONFIG_WARNING, out);
    return status ? status : buffer_append(out, SLICE("]"));
}
