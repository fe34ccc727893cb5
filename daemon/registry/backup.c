/* Copies of the whole registry by SQLite's online backup: out of a running daemon, and back into a
 * state directory while none runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/backup.h"

static enum status check_source(sqlite3 *db, const char *file, char *why);
static enum status copy_into(sqlite3 *from, const char *path, char *why);
static enum status put_in_place(const char *directory, const char *fresh, char *why);

static enum status copy_all(sqlite3 *from, sqlite3 *to) {
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup)
        return database__status(sqlite3_errcode(to));
    int code = sqlite3_backup_step(backup, -1);
    int end = sqlite3_backup_finish(backup);
    return database__status(code == SQLITE_DONE ? end : code);
}

enum status database__backup(sqlite3 *db, struct buffer *out) {
    sqlite3 *copy = NULL;
    sqlite3_int64 size = 0;
    enum status status = database__status(sqlite3_open(":memory:", &copy));
    if (!status)
        status = copy_all(db, copy);
    unsigned char *bytes = status ? NULL : sqlite3_serialize(copy, "main", &size, 0);
    if (!status && !bytes)
        status = STATUS_NO_MEMORY;
    if (!status)
        status = buffer_append(out, (struct slice){(const char *)bytes, (size_t)size});
    sqlite3_free(bytes);
    (void)sqlite3_close(copy); /* nothing is prepared on it */
    return status;
}

/* ---- back again -------------------------------------------------------------------------------
 */

enum status registry_restore(const char *directory, const char *file, char *why) {
    char fresh[4096];
    sqlite3 *from = NULL;
    int lock = registry_lock_directory(directory, why);
    if (lock < 0)
        return (enum status)lock;
    int size = snprintf(fresh, sizeof fresh, "%s/%s.new", directory, DATABASE_FILE);
    enum status status = size < (int)sizeof fresh ? STATUS_OK : STATUS_LIMIT;
    if (!status && sqlite3_open_v2(file, &from, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        database__tell(why, "cannot read %s: %s", file, from ? sqlite3_errmsg(from) : "no memory");
        status = STATUS_DENIED;
    }
    if (!status)
        status = check_source(from, file, why);
    if (!status)
        status = copy_into(from, fresh, why);
    if (!status)
        status = put_in_place(directory, fresh, why);
    (void)sqlite3_close(from); /* all statements are finalized */
    close(lock);
    return status;
}

static enum status number_of(sqlite3 *db, const char *sql, int64_t *out) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement); /* repeats the error that was seen */
    return database__status(code);
}

/* The statement itself: for its table-valued twin a newer SQLite takes the 1 for a table's name. */
static enum status look_whole(sqlite3 *db, bool *out) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        *out = slice_is(slice_of((const char *)sqlite3_column_text(statement, 0)), "ok");
    (void)sqlite3_finalize(statement); /* repeats the error that was seen */
    return database__status(code);
}

static enum status check_source(sqlite3 *db, const char *file, char *why) {
    int64_t application = 0, version = 0;
    bool is_whole = false;
    enum status status = number_of(db, "PRAGMA application_id", &application);
    if (!status)
        status = number_of(db, "PRAGMA user_version", &version);
    if (!status)
        status = look_whole(db, &is_whole);
    if (status) {
        database__tell(why, "%s: %s", file, sqlite3_errmsg(db));
    } else if (application != DATABASE_APPLICATION_ID) {
        database__tell(why, "%s is no registry of bellwired; `bellwire backup FILE` makes one",
                       file);
        status = STATUS_TYPE;
    } else if (version > DATABASE_VERSION) {
        database__tell(why,
                       "%s: written by a newer bellwired (schema %lld, this one knows up to %d); "
                       "install that version",
                       file, (long long)version, DATABASE_VERSION);
        status = STATUS_VERSION;
    } else if (!is_whole) {
        database__tell(why, "%s is damaged", file);
        status = STATUS_CORRUPT;
    }
    return status;
}

static enum status copy_into(sqlite3 *from, const char *path, char *why) {
    sqlite3 *to = NULL;
    (void)unlink(path); /* of a restore that was cut short */
    enum status status = database__status(sqlite3_open(path, &to));
    if (!status)
        status = copy_all(from, to);
    if (status)
        database__tell(why, "cannot write %s: %s", path, to ? sqlite3_errmsg(to) : "no memory");
    (void)sqlite3_close(to); /* nothing is prepared on it */
    return status;
}

/* As the directory's owner, whoever restores: the daemon must be able to write it. */
static enum status put_in_place(const char *directory, const char *fresh, char *why) {
    static const char *const companions[] = {"-wal", "-shm"};
    char path[4096], companion[4104];
    struct stat owner;
    (void)snprintf(path, sizeof path, "%s/%s", directory, DATABASE_FILE); /* shorter than `fresh` */
    bool is_good = stat(directory, &owner) == 0 && chmod(fresh, 0600) == 0 &&
                   (geteuid() != 0 || chown(fresh, owner.st_uid, owner.st_gid) == 0);
    /* What these hold belongs to the database that goes. */
    for (size_t i = 0; i < ARRAY_SIZE(companions) && is_good; i++) {
        (void)snprintf(companion, sizeof companion, "%s%s", path, companions[i]); /* fits */
        is_good = unlink(companion) == 0 || errno == ENOENT;
    }
    is_good = is_good && rename(fresh, path) == 0;
    if (!is_good)
        database__tell(why, "cannot put %s in place: %s", path, strerror(errno));
    return is_good ? STATUS_OK : STATUS_IO;
}
