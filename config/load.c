/* The files of a configuration: the main one, those it includes, and the declarations of all. */
#include "config/diag.h"
#include "config/file.h"
#include "config/parse.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>

enum { FILES_MAX = 10000 };

struct loader {
    struct arena *arena;
    struct config_diag *diag;
    struct config_files *out;
    struct file_identity *identities; /* one a path */
    size_t path_capacity;
    size_t entry_capacities[4];
};

static enum status load_main(struct loader *loader, const char *path);
static enum status load_includes(struct loader *loader);
static enum status load_pattern(struct loader *loader, struct slice pattern,
                                struct config_mark mark);
static enum status load_further(struct loader *loader, const char *path, struct config_mark mark);
static enum status load_file(struct loader *loader, const char *path, struct config_mark mark,
                             const struct config_node **out);
static enum status take_sections(struct loader *loader, const struct config_node *root,
                                 bool is_main);
static enum status take_section(struct loader *loader, size_t number,
                                const struct config_node *node);
static enum status settle_twins(struct loader *loader, size_t number);

static const char *const section_names[] = {"servers", "clients", "secrets", "tasks"};
static const char *const kind_names[] = {"server", "client", "secret", "task"};

static struct config_section *section_of(struct config_files *files, size_t number) {
    struct config_section *sections[] = {&files->servers, &files->clients, &files->secrets,
                                         &files->tasks};
    return sections[number];
}

enum status config_load(const char *path, struct arena *arena, struct config_diag *diag,
                        struct config_files *out) {
    *out = (struct config_files){.main_path = path};
    struct loader loader = {.arena = arena, .diag = diag, .out = out};
    enum status status = load_main(&loader, path);
    if (!status && out->main)
        status = load_includes(&loader);
    for (size_t i = 0; !status && i < ARRAY_SIZE(section_names); i++)
        status = settle_twins(&loader, i);
    return status;
}

static enum status load_main(struct loader *loader, const char *path) {
    struct slice name = slice_of(path);
    if (file_is_folder(path)) {
        while (name.size > 1 && name.bytes[name.size - 1] == '/')
            name.size--;
        bool is_root = slice_is(name, "/");
        path = arena_printf(loader->arena, SLICE_FMT "%sbellwire.yaml", SLICE_ARG(name),
                            is_root ? "" : "/");
    } else {
        path = arena_text(loader->arena, name);
    }
    if (!path)
        return STATUS_NO_MEMORY;
    loader->out->main_path = path;
    const struct config_node *root = NULL;
    enum status status = load_file(loader, path, (struct config_mark){path, 0, 0}, &root);
    if (status || !root)
        return status;
    if (root->kind != CONFIG_MAP && !config_is_null(root)) {
        config_error(loader->diag, root->mark, "a configuration must be a mapping, found %s",
                     root->kind == CONFIG_LIST ? "a list" : "text");
        return STATUS_OK;
    }
    if (root->kind != CONFIG_MAP) {
        struct config_node *empty = arena_zalloc(loader->arena, sizeof(*empty));
        if (!empty)
            return STATUS_NO_MEMORY;
        *empty = (struct config_node){.kind = CONFIG_MAP, .mark = root->mark};
        root = empty;
    }
    loader->out->main = root;
    return take_sections(loader, root, true);
}

/* ---- include -------------------------------------------------------------------------------- */

static enum status load_includes(struct loader *loader) {
    const struct config_node *include = config_get(loader->out->main, "include");
    if (!include)
        return load_pattern(loader, SLICE("tasks/*.yaml"),
                            (struct config_mark){loader->out->main_path, 0, 0});
    size_t count = include->kind == CONFIG_LIST ? include->count : 1;
    for (size_t i = 0; i < count; i++) {
        const struct config_node *item = include->kind == CONFIG_LIST ? include->items[i] : include;
        if (item->kind != CONFIG_SCALAR || item->text.size == 0)
            continue; /* config_read() of the main file tells */
        enum status status = load_pattern(loader, item->text, item->mark);
        if (status)
            return status;
    }
    return STATUS_OK;
}

static bool has_wildcard(struct slice pattern) {
    for (size_t i = 0; i < pattern.size; i++)
        if (memchr("*?[", pattern.bytes[i], 3))
            return true;
    return false;
}

/* The pattern behind the main file's folder, whose own name is no pattern. */
static char *full_pattern(struct loader *loader, struct slice pattern) {
    const char *slash = strrchr(loader->out->main_path, '/');
    size_t folder_size = slash ? (size_t)(slash - loader->out->main_path) + 1 : 0;
    if (pattern.bytes[0] == '/')
        folder_size = 0;
    char *full = arena_bytes(loader->arena, folder_size * 2 + pattern.size + 1);
    if (!full)
        return NULL;
    size_t size = 0;
    for (size_t i = 0; i < folder_size; i++) {
        char c = loader->out->main_path[i];
        if (memchr("*?[\\", c, 4))
            full[size++] = '\\';
        full[size++] = c;
    }
    memcpy(full + size, pattern.bytes, pattern.size);
    full[size + pattern.size] = '\0';
    return full;
}

/* A folder that does not exist matches nothing; one that may not be read is an error. */
static int on_glob_error(const char *path, int error) {
    (void)path; /* errno says why, the pattern says where */
    return error != ENOENT && error != ENOTDIR;
}

static enum status load_pattern(struct loader *loader, struct slice pattern,
                                struct config_mark mark) {
    char *full = full_pattern(loader, pattern);
    if (!full)
        return STATUS_NO_MEMORY;
    glob_t matches = {0};
    errno = 0;
    int result = glob(full, GLOB_MARK, on_glob_error, &matches);
    enum status status = result == GLOB_NOSPACE ? STATUS_NO_MEMORY : STATUS_OK;
    if (result == GLOB_ABORTED) {
        config_error(loader->diag, mark, "include \"%s\" must be readable, found: %s",
                     config__quote(pattern).text, strerror(errno ? errno : EACCES));
    } else if (result == GLOB_NOMATCH && !has_wildcard(pattern)) {
        config_error(loader->diag, mark, "include \"%s\" must exist, found no such file",
                     config__quote(pattern).text);
    }
    for (size_t i = 0; result == 0 && !status && i < matches.gl_pathc; i++) {
        const char *path = arena_text(loader->arena, slice_of(matches.gl_pathv[i]));
        status = path ? load_further(loader, path, mark) : STATUS_NO_MEMORY;
    }
    globfree(&matches);
    return status;
}

static enum status load_further(struct loader *loader, const char *path, struct config_mark mark) {
    if (slice_ends_with(slice_of(path), SLICE("/"))) { /* GLOB_MARK: a folder */
        config_error(loader->diag, mark, "include must name files, found the folder \"%s\"",
                     config__quote(slice_of(path)).text);
        config_hint(loader->diag, "write \"%s*.yaml\" for the files in it", path);
        return STATUS_OK;
    }
    const struct config_node *root = NULL;
    enum status status = load_file(loader, path, (struct config_mark){path, 0, 0}, &root);
    if (status || !root || config_is_null(root))
        return status;
    if (root->kind == CONFIG_MAP)
        return take_sections(loader, root, false);
    config_error(loader->diag, root->mark, "a configuration must be a mapping, found %s",
                 root->kind == CONFIG_LIST ? "a list" : "text");
    return STATUS_OK;
}

/* ---- one file ------------------------------------------------------------------------------- */

/* Remembers the file; false when it was read before, by whatever path. */
static enum status remember(struct loader *loader, const char *path, struct file_identity identity,
                            bool *is_new) {
    struct config_files *out = loader->out;
    *is_new = false;
    for (size_t i = 0; i < out->path_count; i++)
        if (loader->identities[i].inode == identity.inode &&
            loader->identities[i].device == identity.device)
            return STATUS_OK;
    if (out->path_count == loader->path_capacity) {
        size_t capacity = loader->path_capacity ? loader->path_capacity * 2 : 16;
        const char **paths = arena_alloc(loader->arena, capacity * sizeof(*paths));
        struct file_identity *identities =
            arena_alloc(loader->arena, capacity * sizeof(*identities));
        if (!paths || !identities)
            return STATUS_NO_MEMORY;
        if (out->path_count) {
            memcpy(paths, out->paths, out->path_count * sizeof(*paths));
            memcpy(identities, loader->identities, out->path_count * sizeof(*identities));
        }
        out->paths = paths;
        loader->identities = identities;
        loader->path_capacity = capacity;
    }
    loader->identities[out->path_count] = identity;
    out->paths[out->path_count++] = path;
    *is_new = true;
    return STATUS_OK;
}

/* `*out` stays NULL when the file was read before, or cannot be: that is told at `mark`. */
static enum status load_file(struct loader *loader, const char *path, struct config_mark mark,
                             const struct config_node **out) {
    struct file_identity identity = {0, 0};
    struct slice text = SLICE_NONE;
    bool is_new = false;
    int error = 0;
    enum status status = file_read(path, loader->arena, &text, &identity, &error);
    if (status == STATUS_NO_MEMORY)
        return status;
    config__diag_file(loader->diag, path);
    if (status == STATUS_LIMIT)
        config_error(loader->diag, mark, "the file must be at most %u bytes long, found %zu",
                     CONFIG_FILE_BYTES, text.size);
    else if (status)
        config_error(loader->diag, mark, "the file must be readable, found: %s", strerror(error));
    if (status)
        return STATUS_OK;
    if (loader->out->path_count == FILES_MAX) {
        config_error(loader->diag, mark, "a configuration must have at most %d files", FILES_MAX);
        return STATUS_OK;
    }
    status = remember(loader, path, identity, &is_new);
    if (status || !is_new)
        return status;
    struct parse_input input = {text, path, true};
    status = config__parse(&input, loader->arena, loader->diag, out);
    return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

/* ---- sections ------------------------------------------------------------------------------- */

static enum status take_sections(struct loader *loader, const struct config_node *root,
                                 bool is_main) {
    for (size_t i = 0; i < root->count; i++) {
        size_t number = 0;
        while (number < ARRAY_SIZE(section_names) &&
               !slice_is(root->keys[i]->text, section_names[number]))
            number++;
        if (number < ARRAY_SIZE(section_names)) {
            enum status status = take_section(loader, number, root->items[i]);
            if (status)
                return status;
        } else if (!is_main) {
            config_error(loader->diag, root->keys[i]->mark,
                         "key \"%s\" must not stand in an included file, which holds servers, "
                         "clients, secrets and tasks",
                         config__quote(root->keys[i]->text).text);
            config_hint_nearest(loader->diag, root->keys[i]->text, section_names,
                                ARRAY_SIZE(section_names));
        }
    }
    return STATUS_OK;
}

static enum status add_entry(struct loader *loader, size_t number, struct config_entry entry) {
    struct config_section *section = section_of(loader->out, number);
    size_t *capacity = &loader->entry_capacities[number];
    if (section->count == *capacity) {
        size_t wanted = *capacity ? *capacity * 2 : 16;
        struct config_entry *entries = arena_alloc(loader->arena, wanted * sizeof(*entries));
        if (!entries)
            return STATUS_NO_MEMORY;
        if (section->count)
            memcpy(entries, section->entries, section->count * sizeof(*entries));
        section->entries = entries;
        *capacity = wanted;
    }
    section->entries[section->count++] = entry;
    return STATUS_OK;
}

static enum status take_section(struct loader *loader, size_t number,
                                const struct config_node *node) {
    if (config_is_null(node))
        return STATUS_OK;
    if (node->kind != CONFIG_MAP) {
        config_error(loader->diag, node->mark, "\"%s\" must be a mapping of IDs, found %s",
                     section_names[number], node->kind == CONFIG_LIST ? "a list" : "text");
        return STATUS_OK;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct config_node *key = node->keys[i];
        if (!config_is_id(key->text)) {
            config_error(loader->diag, key->mark,
                         "%s \"%s\" must have an ID of at most 64 letters, digits and . _ -",
                         kind_names[number], config__quote(key->text).text);
            if (key->text.size > 0 && memchr("._-", key->text.bytes[0], 3))
                config_hint(loader->diag, "it begins with a letter or a digit");
            continue;
        }
        enum status status =
            add_entry(loader, number, (struct config_entry){key->text, key->mark, node->items[i]});
        if (status)
            return status;
    }
    return STATUS_OK;
}

/* ---- twins ---------------------------------------------------------------------------------- */

static int by_id(const void *left, const void *right) {
    const struct config_entry *a = *(struct config_entry *const *)left;
    const struct config_entry *b = *(struct config_entry *const *)right;
    int order = strcmp(a->id.bytes, b->id.bytes); /* a checked ID, and a NUL follows it */
    return order ? order : a < b ? -1 : a > b;
}

static enum status settle_twins(struct loader *loader, size_t number) {
    struct config_section *section = section_of(loader->out, number);
    if (section->count < 2)
        return STATUS_OK;
    struct config_entry **sorted = arena_alloc(loader->arena, section->count * sizeof(*sorted));
    if (!sorted)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < section->count; i++)
        sorted[i] = &section->entries[i];
    qsort(sorted, section->count, sizeof(struct config_entry *), by_id);
    struct config_entry *first = sorted[0];
    for (size_t i = 1; i < section->count; i++) {
        if (!slice_equal(sorted[i]->id, first->id)) {
            first = sorted[i];
            continue;
        }
        config_error(loader->diag, sorted[i]->mark, "%s \"" SLICE_FMT "\" is defined twice",
                     kind_names[number], SLICE_ARG(first->id));
        config_note(loader->diag, first->mark, "first defined here");
        sorted[i]->value = NULL; /* struck out below */
    }
    size_t kept = 0;
    for (size_t i = 0; i < section->count; i++)
        if (section->entries[i].value)
            section->entries[kept++] = section->entries[i];
    section->count = kept;
    return STATUS_OK;
}
