/* All declarations of a configuration, section by section. */
#include <stdio.h>

#include "declare/internal.h"

bool declare_read(const struct config_files *files, struct arena *arena, struct config_diag *diag,
                  struct declaration *out) {
    *out = (struct declaration){0};
    out->servers = arena_zalloc(arena, files->servers.count * sizeof *out->servers);
    out->clients = arena_zalloc(arena, files->clients.count * sizeof *out->clients);
    out->secrets = arena_zalloc(arena, files->secrets.count * sizeof *out->secrets);
    out->tls = arena_zalloc(arena, sizeof *out->tls);
    if (!out->servers || !out->clients || !out->secrets || !out->tls) {
        config_error(diag, (struct config_mark){.file = files->main_path}, "out of memory");
        return false;
    }
    bool is_good = declare__main(files, arena, diag, &out->main);
    for (size_t i = 0; i < files->secrets.count; i++)
        is_good &= declare__secret(&files->secrets.entries[i], arena, diag,
                                   &out->secrets[out->secret_count++]);
    for (size_t i = 0; i < files->servers.count; i++)
        is_good &= declare_server(&files->servers.entries[i], arena, diag,
                                  &out->servers[out->server_count++]);
    for (size_t i = 0; i < files->clients.count; i++)
        is_good &= declare_client(&files->clients.entries[i], out, arena, diag,
                                  &out->clients[out->client_count++]);
    return is_good;
}

bool declare__is_mapping(const struct config_entry *entry, const char *what,
                         struct config_diag *diag) {
    if (entry->value && entry->value->kind == CONFIG_MAP)
        return true;
    if (!entry->value || config_is_null(entry->value))
        return true; /* all keys left out */
    config_error(diag, entry->value->mark, "%s \"" SLICE_FMT "\" must be a mapping of its keys",
                 what, SLICE_ARG(entry->id));
    return false;
}

bool declare__spell(const struct config_entry *entry, struct arena *arena, struct config_diag *diag,
                    struct slice *out) {
    struct buffer json;
    buffer_init(&json, 0);
    enum status status = entry->value && !config_is_null(entry->value)
                             ? declare_json(entry->value, &json)
                             : buffer_append(&json, SLICE("{}"));
    if (!status)
        status = arena_copy(arena, buffer_slice(&json), out);
    buffer_deinit(&json);
    if (status)
        config_error(diag, entry->mark, "out of memory");
    return status == STATUS_OK;
}
