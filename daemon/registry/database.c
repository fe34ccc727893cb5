/* Opens, checks and migrates the file, and reads what it holds. The file is checked before anything
 * is written to it, so that a damaged one stays as it was found. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "registry/database.h"

static enum status check(const char *path, char *why);
static enum status read_number(sqlite3 *db, const char *sql, int64_t *out);
static enum status check_version(sqlite3 *db, const char *path, int64_t *version, char *why);
static enum status migrate(sqlite3 *db, int64_t version);
static struct slice column(sqlite3_stmt *statement, int index, struct arena *arena);
static bool grow(struct arena *arena, void *items, size_t count, size_t item_bytes);

/* Entry N brings version N to version N + 1. */
static const char *const migrations[DATABASE_VERSION] = {
    "CREATE TABLE servers (id TEXT NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('file', "
    "'manager')),"
    " enabled INTEGER NOT NULL, declaration TEXT NOT NULL, place TEXT NOT NULL,"
    " state TEXT NOT NULL DEFAULT 'stopped', since INTEGER NOT NULL DEFAULT 0,"
    " error TEXT NOT NULL DEFAULT '', PRIMARY KEY (id, origin)) WITHOUT ROWID;"
    "CREATE TABLE clients (id TEXT NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('file', "
    "'manager')),"
    " enabled INTEGER NOT NULL, declaration TEXT NOT NULL, place TEXT NOT NULL,"
    " state TEXT NOT NULL DEFAULT 'stopped', since INTEGER NOT NULL DEFAULT 0,"
    " error TEXT NOT NULL DEFAULT '', last_sent TEXT NOT NULL DEFAULT '',"
    " last_sent_at INTEGER NOT NULL DEFAULT 0, last_received TEXT NOT NULL DEFAULT '',"
    " last_received_at INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, origin)) WITHOUT ROWID;"
    "CREATE TABLE globals (name TEXT PRIMARY KEY, value TEXT NOT NULL, updated INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE task_overrides (task TEXT PRIMARY KEY, enabled INTEGER NOT NULL,"
    " file_enabled INTEGER NOT NULL) WITHOUT ROWID;",
};

const char *database__table(enum registry_kind kind) {
    return kind == REGISTRY_SERVER ? "servers" : "clients";
}

void database__tell(char *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, REGISTRY_WHY_MAX, format, arguments); /* a longer reason is cut */
    va_end(arguments);
}

enum status database__status(int code) {
    switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
            return STATUS_OK;
        case SQLITE_NOMEM:
            return STATUS_NO_MEMORY;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return STATUS_BUSY;
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
        case SQLITE_CANTOPEN:
            return STATUS_DENIED;
        case SQLITE_FULL:
        case SQLITE_TOOBIG:
            return STATUS_LIMIT;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return STATUS_CORRUPT;
        default:
            return STATUS_IO;
    }
}

enum status database__open(const char *directory, sqlite3 **out, char *why) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", directory,
                   DATABASE_FILE); /* a cut path fails to open */
    bool is_new = access(path, F_OK) != 0;
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &db, flags, NULL);
    enum status status = database__status(code);
    if (status) {
        database__tell(why, "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
        goto out;
    }
    (void)sqlite3_busy_timeout(db, DATABASE_BUSY_MS); /* fails only for a bad handle */
    status = is_new ? STATUS_OK : check(path, why);
    if (status)
        goto out;
    int64_t version = 0;
    status = check_version(db, path, &version, why);
    if (status)
        goto out;
    status = database__exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
    if (!status)
        status = migrate(db, version);
    if (status)
        database__tell(why, "%s: %s", path, sqlite3_errmsg(db));
out:
    if (status) {
        (void)sqlite3_close(db); /* nothing is prepared on it */
        return status;
    }
    *out = db;
    return STATUS_OK;
}

/* Looks at the whole file through a handle that cannot write. */
static enum status check(const char *path, char *why) {
    sqlite3 *reader = NULL;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_busy_timeout(reader, DATABASE_BUSY_MS); /* as above */
        code = sqlite3_prepare_v2(reader, "PRAGMA quick_check(1)", -1, &statement, NULL);
    }
    const char *found = NULL;
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        found = (const char *)sqlite3_column_text(statement, 0);
    enum status status = found && strcmp(found, "ok") == 0 ? STATUS_OK : database__status(code);
    if (status == STATUS_OK && (!found || strcmp(found, "ok") != 0))
        status = STATUS_CORRUPT;
    if (status)
        database__tell(
            why, "%s: %s; it was left untouched: restore a backup, or move it away to begin anew",
            path, found ? found : sqlite3_errmsg(reader));
    (void)sqlite3_finalize(statement); /* repeats the error that was seen */
    (void)sqlite3_close(reader);
    return status;
}

/* Neither another program's file nor one of a later schema is written to. One without tables is a
 * start that did not get far. */
static enum status check_version(sqlite3 *db, const char *path, int64_t *version, char *why) {
    int64_t application = 0, tables = 0;
    enum status status = read_number(db, "PRAGMA user_version", version);
    if (!status)
        status = read_number(db, "PRAGMA application_id", &application);
    if (!status)
        status = read_number(db, "SELECT count(*) FROM sqlite_master", &tables);
    if (status) {
        database__tell(why, "%s: %s", path, sqlite3_errmsg(db));
    } else if (tables && application != DATABASE_APPLICATION_ID) {
        database__tell(why,
                       "%s: is no registry of bellwired, and was left untouched; move it away, or "
                       "give another --state",
                       path);
        status = STATUS_TYPE;
    } else if (*version > DATABASE_VERSION) {
        database__tell(why,
                       "%s: written by a newer bellwired (schema %lld, this one knows up to %d); "
                       "install that version again, or give another --state",
                       path, (long long)*version, DATABASE_VERSION);
        status = STATUS_VERSION;
    }
    return status;
}

static enum status migrate(sqlite3 *db, int64_t version) {
    for (; version < DATABASE_VERSION; version++) {
        char end[128];
        (void)snprintf(end, sizeof end,
                       "PRAGMA application_id=%d; PRAGMA user_version=%lld; COMMIT",
                       DATABASE_APPLICATION_ID, (long long)version + 1); /* fits */
        enum status status = database__exec(db, "BEGIN IMMEDIATE");
        if (!status)
            status = database__exec(db, migrations[version]);
        if (!status)
            status = database__exec(db, end);
        if (status) {
            (void)database__exec(db, "ROLLBACK"); /* the first error is the one to tell */
            return status;
        }
    }
    return STATUS_OK;
}

enum status database__open_read_only(const char *directory, sqlite3 **out, char *why) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", directory,
                   DATABASE_FILE); /* a cut path fails to open */
    if (access(path, F_OK) != 0) {
        database__tell(why, "%s: %s", path, strerror(errno));
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_DENIED;
    }
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_busy_timeout(db, DATABASE_BUSY_MS); /* fails only for a bad handle */
        *out = db;
        return STATUS_OK;
    }
    database__tell(why, "%s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    (void)sqlite3_close(db); /* nothing is prepared on it */
    return database__status(code);
}

enum status database__exec(sqlite3 *db, const char *sql) {
    return database__status(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

enum status database__run(sqlite3 *db, const char *sql, const char *letters, ...) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    va_list arguments;
    va_start(arguments, letters);
    for (int i = 0; code == SQLITE_OK && letters[i]; i++) {
        if (letters[i] == 'i') {
            code = sqlite3_bind_int64(statement, i + 1, va_arg(arguments, int64_t));
            continue;
        }
        const struct slice *text = va_arg(arguments, const struct slice *);
        code = sqlite3_bind_text64(statement, i + 1, text->bytes ? text->bytes : "", text->size,
                                   SQLITE_STATIC, SQLITE_UTF8);
    }
    va_end(arguments);
    if (code == SQLITE_OK)
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        }
    (void)sqlite3_finalize(statement); /* repeats the code of the step */
    return database__status(code);
}

static enum status read_number(sqlite3 *db, const char *sql, int64_t *out) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement); /* repeats the code of the step */
    return database__status(code);
}

/* Text of a column in the arena; bytes NULL when memory ran out. */
static struct slice column(sqlite3_stmt *statement, int index, struct arena *arena) {
    const char *text = (const char *)sqlite3_column_text(statement, index);
    size_t size = (size_t)sqlite3_column_bytes(statement, index);
    struct slice copy = SLICE_NONE;
    if (arena_copy(arena, (struct slice){text ? text : "", text ? size : 0}, &copy))
        return SLICE_NONE;
    return copy.bytes ? copy : SLICE("");
}

/* Room for one more item at every power of two; `items` points to the array's pointer. */
static bool grow(struct arena *arena, void *items, size_t count, size_t item_bytes) {
    if (count & (count - 1))
        return true;
    void *old = NULL;
    memcpy(&old, items, sizeof old);
    void *new = arena_zalloc(arena, (count ? count * 2 : 1) * item_bytes);
    if (!new)
        return false;
    if (count)
        memcpy(new, old, count * item_bytes);
    memcpy(items, &new, sizeof new);
    return true;
}

enum status database__rows(sqlite3 *db, enum registry_kind kind, struct arena *arena,
                           struct registry_rows *out) {
    bool is_client = kind == REGISTRY_CLIENT;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(
        db,
        is_client
            ? "SELECT id, origin, enabled, declaration, place, state, since, error, last_sent,"
              " last_sent_at, last_received, last_received_at FROM clients ORDER BY id, origin"
            : "SELECT id, origin, enabled, declaration, place, state, since, error"
              " FROM servers ORDER BY id, origin",
        -1, &statement, NULL);
    struct registry_rows rows = {0};
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        code = SQLITE_NOMEM;
        if (!grow(arena, &rows.items, rows.count, sizeof *rows.items))
            break;
        struct registry_row *row = &rows.items[rows.count++];
        row->id = column(statement, 0, arena);
        row->origin =
            slice_is(column(statement, 1, arena), "file") ? REGISTRY_FILE : REGISTRY_MANAGER;
        row->is_enabled = sqlite3_column_int(statement, 2) != 0;
        row->declaration = column(statement, 3, arena);
        row->place = column(statement, 4, arena);
        row->state = column(statement, 5, arena);
        row->since_ms = (uint64_t)sqlite3_column_int64(statement, 6);
        row->error = column(statement, 7, arena);
        if (is_client) {
            row->last_sent = column(statement, 8, arena);
            row->last_sent_ms = (uint64_t)sqlite3_column_int64(statement, 9);
            row->last_received = column(statement, 10, arena);
            row->last_received_ms = (uint64_t)sqlite3_column_int64(statement, 11);
        }
        if (row->id.bytes && row->declaration.bytes && row->place.bytes)
            code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement); /* repeats the code of the step */
    if (code == SQLITE_DONE)
        *out = rows;
    return database__status(code);
}

enum status database__globals(sqlite3 *db, struct arena *arena, struct registry_globals *out) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, "SELECT name, value, updated FROM globals ORDER BY name", -1,
                                  &statement, NULL);
    struct registry_globals globals = {0};
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        code = SQLITE_NOMEM;
        if (!grow(arena, &globals.items, globals.count, sizeof *globals.items))
            break;
        struct registry_global *global = &globals.items[globals.count++];
        global->name = column(statement, 0, arena);
        global->json = column(statement, 1, arena);
        global->updated_ms = (uint64_t)sqlite3_column_int64(statement, 2);
        if (global->name.bytes && global->json.bytes)
            code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement); /* repeats the code of the step */
    if (code == SQLITE_DONE)
        *out = globals;
    return database__status(code);
}

enum status database__overrides(sqlite3 *db, struct arena *arena, struct registry_overrides *out) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(
        db, "SELECT task, enabled, file_enabled FROM task_overrides ORDER BY task", -1, &statement,
        NULL);
    struct registry_overrides rows = {0};
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        code = SQLITE_NOMEM;
        if (!grow(arena, &rows.items, rows.count, sizeof *rows.items))
            break;
        struct registry_override *row = &rows.items[rows.count++];
        row->task = column(statement, 0, arena);
        row->is_enabled = sqlite3_column_int(statement, 1) != 0;
        row->file_enabled = sqlite3_column_int(statement, 2) != 0;
        if (row->task.bytes)
            code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement); /* repeats the code of the step */
    if (code == SQLITE_DONE)
        *out = rows;
    return database__status(code);
}
