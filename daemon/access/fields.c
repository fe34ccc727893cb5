/* `auth` in a configuration: its keys, and the files that they name. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "access/auth.h"
#include "access/fields.h"

#define FILE_MAX (8 * 1024 * 1024)

const struct config_field access_file_fields[] = {
    FIELD_FILE(struct access_file, path, "file", .required = true, .is_constant = true,
               .doc = "one credential a line, read at each load"),
    FIELD_END};
const struct config_field access_query_fields[] = {
    FIELD_FILE(struct access_query, path, "file", .required = true, .is_constant = true,
               .doc = "tokens, as for bearer"),
    FIELD_TEXT(struct access_query, name, "name", .dflt = "token", .is_constant = true, .min = 1,
               .doc = "name of the parameter"),
    FIELD_END};
const struct config_field access_auth_fields[] = {
    FIELD_STRUCT(struct access_keys, bearer, "bearer", access_file_fields,
                 .doc = "a file of tokens: TOKEN, TOKEN LABEL or sha256:HEX LABEL"),
    FIELD_STRUCT(struct access_keys, basic, "basic", access_file_fields,
                 .doc = "a file of users: NAME:HASH, as htpasswd -B writes it"),
    FIELD_STRUCT(struct access_keys, query, "query", access_query_fields,
                 .doc = "a token in a parameter of the query"),
    FIELD_END};

struct source {
    struct arena *arena;
    struct config_diag *diag;
    const struct config_node *auth;
};

/* Where the file of `key` is named: {key: {file: F}}, {key: F}, or F alone. */
static struct config_mark place_of(const struct source *source, const char *key) {
    const struct config_node *node = source->auth;
    if (!node)
        return (struct config_mark){.line = 0};
    if (node->kind == CONFIG_MAP && config_get(node, key))
        node = config_get(node, key);
    if (node->kind == CONFIG_MAP && config_get(node, "file"))
        node = config_get(node, "file");
    return node->mark;
}

/* All of it, STATUS_LIMIT past FILE_MAX, STATUS_IO with errno. */
static enum status read_all(const char *path, struct buffer *out) {
    enum status status = STATUS_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return STATUS_IO;
    for (ssize_t got = 1; got > 0 && !status;) {
        status = out->size > FILE_MAX ? STATUS_LIMIT : buffer_reserve(out, 65536);
        got = status ? 0 : read(fd, out->bytes + out->size, 65536);
        if (got < 0)
            status = STATUS_IO;
        out->size += got > 0 ? (size_t)got : 0;
    }
    int error = errno;
    close(fd);
    errno = error;
    return status;
}

static bool read_file(const struct source *source, struct slice path, const char *key,
                      struct buffer *out) {
    const char *name = arena_text(source->arena, path);
    enum status status = name ? read_all(name, out) : STATUS_NO_MEMORY;
    if (!status)
        return true;
    config_error(source->diag, place_of(source, key), "cannot read %s: %s",
                 name ? name : "the file",
                 status == STATUS_IO      ? strerror(errno)
                 : status == STATUS_LIMIT ? "it is longer than 8 MiB"
                                          : "out of memory");
    return false;
}

static bool report(const struct source *source, const char *key, struct slice path,
                   const struct auth_fault *fault, enum status status) {
    if (status == STATUS_SYNTAX)
        config_error(source->diag, place_of(source, key), SLICE_FMT ":%zu: %s", SLICE_ARG(path),
                     fault->line, fault->why);
    else if (status)
        config_error(source->diag, place_of(source, key), "out of memory");
    return status == STATUS_OK;
}

static bool load_tokens(const struct source *source, struct slice path, const char *key,
                        struct tokens *out) {
    struct buffer text;
    struct auth_fault fault = {0};
    buffer_init(&text, 0);
    bool is_good = read_file(source, path, key, &text);
    if (is_good)
        is_good = report(source, key, path, &fault,
                         tokens__parse(buffer_slice(&text), source->arena, out, &fault));
    if (text.bytes)
        crypto_wipe(text.bytes, text.size);
    buffer_deinit(&text);
    return is_good;
}

static bool load_users(const struct source *source, struct slice path, struct access_auth *out) {
    struct buffer text;
    struct auth_fault fault = {0};
    buffer_init(&text, 0);
    bool is_good = read_file(source, path, "basic", &text);
    if (is_good)
        is_good = report(source, "basic", path, &fault,
                         users__parse(buffer_slice(&text), source->arena, out, &fault));
    buffer_deinit(&text);
    return is_good;
}

bool access_auth_load(const struct access_keys *keys, const struct config_node *auth,
                      struct arena *arena, struct config_diag *diag,
                      const struct access_auth **out) {
    const struct source source = {arena, diag, auth};
    struct access_auth *found = arena_zalloc(arena, sizeof *found);
    *out = NULL;
    if (!found) {
        config_error(diag, place_of(&source, "bearer"), "out of memory");
        return false;
    }
    bool is_good = true;
    found->has_bearer = keys->bearer.path.bytes != NULL;
    found->has_basic = keys->basic.path.bytes != NULL;
    found->has_query = keys->query.path.bytes != NULL;
    found->query_name = keys->query.name;
    if (found->has_bearer)
        is_good &= load_tokens(&source, keys->bearer.path, "bearer", &found->bearer);
    if (found->has_basic)
        is_good &= load_users(&source, keys->basic.path, found);
    if (found->has_query)
        is_good &= load_tokens(&source, keys->query.path, "query", &found->query);
    if (found->has_bearer || found->has_basic || found->has_query)
        *out = found;
    return is_good;
}

static enum status copy_tokens(const struct tokens *from, struct arena *arena, struct tokens *out) {
    out->items = arena_alloc(arena, from->count * sizeof *out->items);
    if (!out->items)
        return STATUS_NO_MEMORY;
    for (; out->count < from->count; out->count++) {
        out->items[out->count] = from->items[out->count];
        if (arena_copy(arena, from->items[out->count].label, &out->items[out->count].label))
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

enum status access_auth_copy(const struct access_auth *auth, struct arena *arena,
                             const struct access_auth **out) {
    struct access_auth *copy = auth ? arena_alloc(arena, sizeof *copy) : NULL;
    *out = copy;
    if (!copy)
        return auth ? STATUS_NO_MEMORY : STATUS_OK;
    *copy = *auth;
    copy->bearer = copy->query = (struct tokens){.count = 0};
    copy->users = arena_alloc(arena, auth->user_count * sizeof *copy->users);
    if (!copy->users || copy_tokens(&auth->bearer, arena, &copy->bearer) ||
        copy_tokens(&auth->query, arena, &copy->query) ||
        arena_copy(arena, auth->query_name, &copy->query_name))
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < auth->user_count; i++)
        if (arena_copy(arena, auth->users[i].name, &copy->users[i].name) ||
            arena_copy(arena, auth->users[i].hash, &copy->users[i].hash))
            return STATUS_NO_MEMORY;
    return STATUS_OK;
}
