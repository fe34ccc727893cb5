/* The registry's thread and its queues: submissions go in with copies of what they carry, come back
 * with a status, in order. A mutex guards the two queues and nothing else. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/backup.h"

#define JOBS_MAX        1024
#define JOB_CHUNK_BYTES 4096

struct job {
    struct list link;
    enum status (*run)(sqlite3 *db, const struct job *job);
    struct arena arena; /* what the job carries */
    enum registry_kind kind;
    struct registry_rows rows;
    struct registry_globals globals;
    struct registry_override override;
    struct buffer *out; /* of a backup, which no transaction surrounds; else NULL */
    struct registry_done done;
    enum status status;
};

struct registry {
    sqlite3 *db; /* the thread's once it runs */
    pthread_t thread;
    pthread_mutex_t mutex; /* guards waiting, ended, jobs and is_closing */
    pthread_cond_t has_work;
    struct list waiting, ended;
    size_t jobs; /* in both queues and in work */
    bool is_closing;
    void (*wake)(void *context);
    void *wake_context;
};

static void *work(void *context);
static struct job *job_new(struct registry_done done);
static void job_free(struct job *job);
static enum status submit(struct registry *registry, struct job *job);
static enum status transact(sqlite3 *db, const struct job *job);
static enum status copy_rows(struct job *job, const struct registry_rows *rows);
static enum status copy_globals(struct job *job, const struct registry_globals *globals);

/* With `errno` of what failed. */
static void tell_denied(char *why, const char *verb, const char *directory) {
    database__tell(why,
                   "cannot %s the state directory %s: %s; make it one that uid %u can write, or "
                   "give another --state",
                   verb, directory, strerror(errno), (unsigned)geteuid());
}

int registry_lock_directory(const char *directory, char *why) {
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        tell_denied(why, "make", directory);
        return STATUS_DENIED;
    }
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || access(directory, W_OK | X_OK) != 0) {
        tell_denied(why, "use", directory);
        if (fd >= 0)
            close(fd);
        return STATUS_DENIED;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    enum status status = errno == EWOULDBLOCK ? STATUS_BUSY : STATUS_IO;
    database__tell(why, "the state directory %s %s", directory,
                   status == STATUS_BUSY
                       ? "is held by another bellwired; stop it, or give another --state"
                       : strerror(errno));
    close(fd);
    return status;
}

enum status registry_open(const char *directory, void (*wake)(void *context), void *context,
                          struct registry **out, char *why) {
    sqlite3 *db = NULL;
    enum status status = database__open(directory, &db, why);
    if (status)
        return status;
    struct registry *registry = base_alloc(sizeof *registry);
    registry->db = db;
    registry->wake = wake;
    registry->wake_context = context;
    list_init(&registry->waiting);
    list_init(&registry->ended);
    if (pthread_mutex_init(&registry->mutex, NULL) == 0 &&
        pthread_cond_init(&registry->has_work, NULL) == 0) {
        sigset_t all, old;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the control thread's */
        int failed = pthread_create(&registry->thread, NULL, work, registry);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (!failed) {
            *out = registry;
            return STATUS_OK;
        }
    }
    database__tell(why, "cannot start the registry's thread");
    (void)sqlite3_close(db); /* nothing is prepared on it */
    free(registry);
    return STATUS_NO_MEMORY;
}

enum status registry_close(struct registry *registry) {
    enum status status = STATUS_OK;
    pthread_mutex_lock(&registry->mutex);
    registry->is_closing = true;
    pthread_cond_signal(&registry->has_work);
    pthread_mutex_unlock(&registry->mutex);
    pthread_join(registry->thread, NULL);
    while (!list_is_empty(&registry->ended)) {
        struct job *job = CONTAINER_OF(registry->ended.next, struct job, link);
        list_remove(&job->link);
        status = status ? status : job->status;
        job_free(job);
    }
    int code = sqlite3_close(registry->db);
    assert(code == SQLITE_OK);
    (void)code; /* asserted */
    pthread_cond_destroy(&registry->has_work);
    pthread_mutex_destroy(&registry->mutex);
    free(registry);
    return status;
}

enum status registry_peek(const char *directory, enum registry_kind kind, struct arena *arena,
                          struct registry_rows *out, char *why) {
    sqlite3 *db = NULL;
    enum status status = database__open_read_only(directory, &db, why);
    if (status)
        return status;
    status = database__rows(db, kind, arena, out);
    if (status)
        database__tell(why, "%s/%s: %s", directory, DATABASE_FILE, sqlite3_errmsg(db));
    (void)sqlite3_close(db); /* all statements are finalized */
    return status;
}

enum status registry_read(struct registry *registry, enum registry_kind kind, struct arena *arena,
                          struct registry_rows *out) {
    return database__rows(registry->db, kind, arena, out);
}

enum status registry_read_globals(struct registry *registry, struct arena *arena,
                                  struct registry_globals *out) {
    return database__globals(registry->db, arena, out);
}

enum status registry_read_overrides(struct registry *registry, struct arena *arena,
                                    struct registry_overrides *out) {
    return database__overrides(registry->db, arena, out);
}

/* ---- the thread --------------------------------------------------------------------------------
 */

static void *work(void *context) {
    struct registry *registry = context;
    pthread_mutex_lock(&registry->mutex);
    for (;;) {
        while (list_is_empty(&registry->waiting) && !registry->is_closing)
            pthread_cond_wait(&registry->has_work, &registry->mutex);
        if (list_is_empty(&registry->waiting))
            break;
        struct job *job = CONTAINER_OF(registry->waiting.next, struct job, link);
        list_remove(&job->link);
        pthread_mutex_unlock(&registry->mutex);
        job->status = job->out ? job->run(registry->db, job) : transact(registry->db, job);
        pthread_mutex_lock(&registry->mutex);
        list_append(&registry->ended, &job->link);
        bool is_closing = registry->is_closing;
        pthread_mutex_unlock(&registry->mutex);
        if (!is_closing)
            registry->wake(registry->wake_context);
        pthread_mutex_lock(&registry->mutex);
    }
    pthread_mutex_unlock(&registry->mutex);
    return NULL;
}

/* A file that was removed or replaced takes what is written with it, and says nothing. */
static bool is_gone(sqlite3 *db) {
    int has_moved = 0;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) == SQLITE_OK &&
           has_moved;
}

static enum status transact(sqlite3 *db, const struct job *job) {
    enum status status = database__exec(db, "BEGIN IMMEDIATE");
    if (status)
        return status;
    status = is_gone(db) ? STATUS_CLOSED : job->run(db, job);
    if (!status)
        status = database__exec(db, "COMMIT");
    if (status)
        (void)database__exec(db, "ROLLBACK"); /* the first error is the one to tell */
    return status;
}

void registry_collect(struct registry *registry) {
    for (;;) {
        pthread_mutex_lock(&registry->mutex);
        struct job *job = NULL;
        if (!list_is_empty(&registry->ended)) {
            job = CONTAINER_OF(registry->ended.next, struct job, link);
            list_remove(&job->link);
            registry->jobs--;
        }
        pthread_mutex_unlock(&registry->mutex);
        if (!job)
            return;
        struct registry_done done = job->done;
        enum status status = job->status;
        job_free(job);
        if (done.fn)
            done.fn(done.context, status);
    }
}

static struct job *job_new(struct registry_done done) {
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    list_init(&job->link);
    arena_init(&job->arena, JOB_CHUNK_BYTES, 0);
    job->done = done;
    return job;
}

static void job_free(struct job *job) {
    arena_deinit(&job->arena);
    free(job);
}

/* Takes the job over, also when it is refused. */
static enum status submit(struct registry *registry, struct job *job) {
    pthread_mutex_lock(&registry->mutex);
    bool has_room = registry->jobs < JOBS_MAX;
    if (has_room) {
        registry->jobs++;
        list_append(&registry->waiting, &job->link);
        pthread_cond_signal(&registry->has_work);
    }
    pthread_mutex_unlock(&registry->mutex);
    if (has_room)
        return STATUS_OK;
    job_free(job);
    return STATUS_LIMIT;
}

static enum status copy_rows(struct job *job, const struct registry_rows *rows) {
    struct registry_row *items = arena_zalloc(&job->arena, rows->count * sizeof *items);
    if (!items)
        return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < rows->count && !status; i++) {
        items[i] = rows->items[i];
        struct slice *texts[] = {&items[i].id,           &items[i].declaration, &items[i].place,
                                 &items[i].state,        &items[i].error,       &items[i].last_sent,
                                 &items[i].last_received};
        for (size_t k = 0; k < ARRAY_SIZE(texts) && !status; k++)
            status = arena_copy(&job->arena, *texts[k], texts[k]);
    }
    job->rows = (struct registry_rows){items, rows->count};
    return status;
}

static enum status copy_globals(struct job *job, const struct registry_globals *globals) {
    struct registry_global *items = arena_zalloc(&job->arena, globals->count * sizeof *items);
    if (!items)
        return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < globals->count && !status; i++) {
        items[i].updated_ms = globals->items[i].updated_ms;
        status = arena_copy(&job->arena, globals->items[i].name, &items[i].name);
        if (!status)
            status = arena_copy(&job->arena, globals->items[i].json, &items[i].json);
    }
    job->globals = (struct registry_globals){items, globals->count};
    return status;
}

/* ---- what can be submitted ---------------------------------------------------------------------
 */

static enum status put_row(sqlite3 *db, enum registry_kind kind, const struct registry_row *row) {
    char sql[384];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO %s (id, origin, enabled, declaration, place) VALUES (?, ?, ?, ?, ?)"
                   " ON CONFLICT (id, origin) DO UPDATE SET enabled = excluded.enabled,"
                   " declaration = excluded.declaration, place = excluded.place",
                   database__table(kind)); /* fits */
    struct slice origin = slice_of(row->origin == REGISTRY_FILE ? "file" : "manager");
    return database__run(db, sql, "ssiss", &row->id, &origin, (int64_t)row->is_enabled,
                         &row->declaration, &row->place);
}

/* Rows that stay keep their last known state; those whose declaration is gone leave. */
static enum status run_replace(sqlite3 *db, const struct job *job) {
    char sql[192];
    enum status status = database__exec(
        db, "CREATE TEMP TABLE IF NOT EXISTS kept (id TEXT PRIMARY KEY); DELETE FROM kept");
    for (size_t i = 0; i < job->rows.count && !status; i++) {
        status = put_row(db, job->kind, &job->rows.items[i]);
        if (!status)
            status = database__run(db, "INSERT OR IGNORE INTO kept VALUES (?)", "s",
                                   &job->rows.items[i].id);
    }
    (void)snprintf(sql, sizeof sql,
                   "DELETE FROM %s WHERE origin = 'file' AND id NOT IN (SELECT id FROM kept)",
                   database__table(job->kind)); /* fits */
    return status ? status : database__exec(db, sql);
}

static enum status run_put(sqlite3 *db, const struct job *job) {
    return put_row(db, job->kind, &job->rows.items[0]);
}

static enum status run_remove(sqlite3 *db, const struct job *job) {
    char sql[128];
    (void)snprintf(sql, sizeof sql, "DELETE FROM %s WHERE id = ? AND origin = 'manager'",
                   database__table(job->kind)); /* fits */
    return database__run(db, sql, "s", &job->rows.items[0].id);
}

static enum status run_note(sqlite3 *db, const struct job *job) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < job->rows.count && !status; i++) {
        const struct registry_row *row = &job->rows.items[i];
        struct slice origin = slice_of(row->origin == REGISTRY_FILE ? "file" : "manager");
        if (job->kind == REGISTRY_SERVER)
            status = database__run(
                db,
                "UPDATE servers SET state = ?, since = ?, error = ? WHERE id = ? AND origin = ?",
                "sisss", &row->state, (int64_t)row->since_ms, &row->error, &row->id, &origin);
        else
            status =
                database__run(db,
                              "UPDATE clients SET state = ?, since = ?, error = ?, last_sent = ?,"
                              " last_sent_at = ?, last_received = ?, last_received_at = ?"
                              " WHERE id = ? AND origin = ?",
                              "sissisiss", &row->state, (int64_t)row->since_ms, &row->error,
                              &row->last_sent, (int64_t)row->last_sent_ms, &row->last_received,
                              (int64_t)row->last_received_ms, &row->id, &origin);
    }
    return status;
}

static enum status run_globals(sqlite3 *db, const struct job *job) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < job->globals.count && !status; i++) {
        const struct registry_global *global = &job->globals.items[i];
        if (global->json.size == 0)
            status = database__run(db, "DELETE FROM globals WHERE name = ?", "s", &global->name);
        else
            status = database__run(
                db, "INSERT OR REPLACE INTO globals (name, value, updated) VALUES (?, ?, ?)", "ssi",
                &global->name, &global->json, (int64_t)global->updated_ms);
    }
    return status;
}

static enum status run_override(sqlite3 *db, const struct job *job) {
    const struct registry_override *row = &job->override;
    if (row->is_removed)
        return database__run(db, "DELETE FROM task_overrides WHERE task = ?", "s", &row->task);
    return database__run(
        db, "INSERT OR REPLACE INTO task_overrides (task, enabled, file_enabled) VALUES (?, ?, ?)",
        "sii", &row->task, (int64_t)row->is_enabled, (int64_t)row->file_enabled);
}

static enum status submit_rows(struct registry *registry, enum registry_kind kind,
                               const struct registry_rows *rows,
                               enum status (*run)(sqlite3 *db, const struct job *job),
                               struct registry_done done) {
    struct job *job = job_new(done);
    if (!job)
        return STATUS_NO_MEMORY;
    job->run = run;
    job->kind = kind;
    enum status status = copy_rows(job, rows);
    if (status) {
        job_free(job);
        return status;
    }
    return submit(registry, job);
}

enum status registry_replace_files(struct registry *registry, enum registry_kind kind,
                                   const struct registry_rows *rows, struct registry_done done) {
    return submit_rows(registry, kind, rows, run_replace, done);
}

enum status registry_put(struct registry *registry, enum registry_kind kind,
                         const struct registry_row *row, struct registry_done done) {
    struct registry_row one = *row;
    return submit_rows(registry, kind, &(struct registry_rows){&one, 1}, run_put, done);
}

enum status registry_remove(struct registry *registry, enum registry_kind kind, struct slice id,
                            struct registry_done done) {
    struct registry_row one = {.id = id};
    return submit_rows(registry, kind, &(struct registry_rows){&one, 1}, run_remove, done);
}

enum status registry_note(struct registry *registry, enum registry_kind kind,
                          const struct registry_rows *rows, struct registry_done done) {
    return submit_rows(registry, kind, rows, run_note, done);
}

enum status registry_put_globals(struct registry *registry, const struct registry_globals *globals,
                                 struct registry_done done) {
    struct job *job = job_new(done);
    if (!job)
        return STATUS_NO_MEMORY;
    job->run = run_globals;
    enum status status = copy_globals(job, globals);
    if (status) {
        job_free(job);
        return status;
    }
    return submit(registry, job);
}

static enum status run_backup(sqlite3 *db, const struct job *job) {
    return database__backup(db, job->out);
}

enum status registry_backup(struct registry *registry, struct buffer *out,
                            struct registry_done done) {
    struct job *job = job_new(done);
    if (!job)
        return STATUS_NO_MEMORY;
    job->run = run_backup;
    job->out = out;
    return submit(registry, job);
}

enum status registry_put_override(struct registry *registry, const struct registry_override *row,
                                  struct registry_done done) {
    struct job *job = job_new(done);
    if (!job)
        return STATUS_NO_MEMORY;
    job->run = run_override;
    job->override = *row;
    enum status status = arena_copy(&job->arena, row->task, &job->override.task);
    if (status) {
        job_free(job);
        return status;
    }
    return submit(registry, job);
}

const char *registry_problem(enum status status) {
    switch (status) {
        case STATUS_BUSY:
            return "another program has locked it";
        case STATUS_DENIED:
            return "it may only be read";
        case STATUS_LIMIT:
            return "the disk is full";
        case STATUS_CLOSED:
            return "its file was removed or replaced";
        default:
            return status_text(status);
    }
}
