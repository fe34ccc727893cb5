/* One secret: read from a file, a variable of the environment, or a credential of the service
 * manager. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "declare/internal.h"

#define SECRET_MAX 65536

struct secret_keys {
    struct slice file, env, credential;
};

const struct config_field declare_secret_fields[] = {
    FIELD_FILE(struct secret_keys, file, "file",
               .doc = "file that holds it; one final newline does not count"),
    FIELD_TEXT(struct secret_keys, env, "env", .doc = "variable of the daemon's environment"),
    FIELD_TEXT(struct secret_keys, credential, "credential",
               .doc = "name in $CREDENTIALS_DIRECTORY (systemd)"),
    FIELD_END};

static void hint_at_unit(struct config_diag *diag, struct slice credential);
static bool read_file(const char *path, const struct config_entry *entry, struct arena *arena,
                      struct config_diag *diag, struct slice *out);

bool declare__secret(const struct config_entry *entry, struct arena *arena,
                     struct config_diag *diag, struct declare_secret *out) {
    *out = (struct declare_secret){.name = entry->id, .mark = entry->mark};
    if (!entry->value || entry->value->kind != CONFIG_MAP) {
        config_error(diag, entry->value ? entry->value->mark : entry->mark,
                     "secret \"" SLICE_FMT "\" must say where it is kept: file, env or credential",
                     SLICE_ARG(entry->id));
        config_hint(diag, "as in " SLICE_FMT ": {file: /etc/bellwire/" SLICE_FMT ".key}",
                    SLICE_ARG(entry->id), SLICE_ARG(entry->id));
        return false;
    }
    struct secret_keys keys;
    const struct config_reader reader = {.diag = diag, .arena = arena, .subject = "secret"};
    if (!config_read(&reader, entry->value, entry->mark, declare_secret_fields,
                     (struct config_target){&keys, sizeof keys}))
        return false;
    if (!!keys.file.bytes + !!keys.env.bytes + !!keys.credential.bytes != 1) {
        config_error(diag, entry->mark,
                     "secret \"" SLICE_FMT "\" must have exactly one of file, env, credential",
                     SLICE_ARG(entry->id));
        return false;
    }
    if (keys.file.bytes)
        return read_file(arena_text(arena, keys.file), entry, arena, diag, &out->value);
    const char *name = arena_text(arena, keys.env.bytes ? keys.env : keys.credential);
    const char *found = name ? getenv(keys.env.bytes ? name : "CREDENTIALS_DIRECTORY") : NULL;
    if (!found) {
        config_error(diag, entry->mark,
                     "secret \"" SLICE_FMT "\": %s is not set in the environment",
                     SLICE_ARG(entry->id), keys.env.bytes ? name : "CREDENTIALS_DIRECTORY");
        if (!keys.env.bytes)
            hint_at_unit(diag, keys.credential);
        return false;
    }
    if (keys.env.bytes)
        return arena_copy(arena, slice_of(found), &out->value) == STATUS_OK;
    bool is_read =
        read_file(arena_printf(arena, "%s/%s", found, name), entry, arena, diag, &out->value);
    if (!is_read)
        hint_at_unit(diag, keys.credential);
    return is_read;
}

static void hint_at_unit(struct config_diag *diag, struct slice credential) {
    config_hint(diag,
                "LoadCredential=" SLICE_FMT ":FILE under [Service] of the unit passes it: "
                "`systemctl edit bellwire`, then restart",
                SLICE_ARG(credential));
}

static bool read_file(const char *path, const struct config_entry *entry, struct arena *arena,
                      struct config_diag *diag, struct slice *out) {
    char *bytes = arena_alloc(arena, SECRET_MAX + 1);
    int fd = path && bytes ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    size_t size = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && size <= SECRET_MAX) {
        got = read(fd, bytes + size, SECRET_MAX + 1 - size);
        size += got > 0 ? (size_t)got : 0;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (got < 0 || size > SECRET_MAX) {
        config_error(diag, entry->mark, "secret \"" SLICE_FMT "\": cannot read %s: %s",
                     SLICE_ARG(entry->id), path ? path : "its file",
                     got < 0 ? strerror(error) : "it is longer than 64 KiB");
        return false;
    }
    if (size && bytes[size - 1] == '\n')
        size--;
    *out = (struct slice){bytes, size};
    return true;
}
