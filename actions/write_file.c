/* write-file: whole or not at all. A file is replaced by renaming a finished one over it; what is
 * appended is taken back when it did not fit. All of it happens in libuv's pool. */
#include "actions/action.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "crypto/crypto.h"

#define LOCKED_MS 20 /* until it is tried again */

struct write_args {
    struct slice file, root, text, binary;
    bool append;
};
struct writing { /* one heap block with its texts; belongs to the pool while that works */
    uv_work_t work;
    struct step *step; /* NULL: cancelled; written and read on the loop */
    const char *root;  /* NULL: none */
    char *path;
    struct slice bytes;
    bool append;
    bool is_working; /* in the pool, or on its way there and back */
    int error;       /* errno, or 0; EWOULDBLOCK: another one holds the file's lock */
};

static bool write_prepare(struct prepare *prepare, void *args);
static enum step_state write_start(struct step *step, const void *args);
static void write_cancel(struct step *step);
static bool begin_work(struct writing *writing);
static void on_locked_over(struct step *step);
static void on_work(uv_work_t *work);
static void on_done(uv_work_t *work, int status);
static int append_to(const struct writing *writing);
static int replace(const struct writing *writing);

static const struct config_field write_fields[] = {
    FIELD_TEXT(struct write_args, file, "file", .required = true, .min = 1,
               .doc = "the file that is written; its folder exists"),
    FIELD_FILE(struct write_args, root, "root", .is_constant = true,
               .doc = "folder that `file` never leaves; needed where it holds a variable"),
    FIELD_TEXT(struct write_args, text, "text", .doc = "what is written"),
    FIELD_SPECIAL(struct write_args, binary, "binary", "binary",
                  .doc = "what is written: \\xHH \\n \\r \\t \\0 and \\\\ are known"),
    FIELD_BOOL(struct write_args, append, "append", .doc = "adds to the end of the file"),
    FIELD_END};

const struct action_kind action_write_file = {
    .name = "write-file",
    .doc = "writes a file, whole or not at all",
    .fields = write_fields,
    .args_size = sizeof(struct write_args),
    .resume = RESUME_FAIL,
    .prepare = write_prepare,
    .start = write_start,
    .cancel = write_cancel,
};

#define AT(member) offsetof(struct write_args, member)

static bool write_prepare(struct prepare *prepare, void *args) {
    static const size_t sources[] = {AT(text), AT(binary)};
    const struct write_args *wanted = args;
    bool is_good = true;
    if (action__given(prepare, sources, ARRAY_SIZE(sources)) != 1)
        is_good = prepare_error(prepare, PREPARE_WHOLE,
                                "action \"write-file\" needs exactly one of \"text\", \"binary\"");
    if (prepare_template(prepare, AT(file)) && !prepare_has(prepare, AT(root))) {
        prepare_error(prepare, AT(file), "\"file\" holds a variable and needs \"root\"");
        return prepare_hint(prepare, "root: the folder that it must stay in");
    }
    if (!prepare_template(prepare, AT(file)) && slice_ends_with(wanted->file, SLICE("/")))
        is_good = prepare_error(prepare, AT(file), "\"file\" must name a file, not a folder");
    return is_good;
}

/* Relative to the root, else to the task's file. */
static struct writing *writing_new(const struct step *step, const struct write_args *args) {
    struct slice folder = args->root.size ? args->root : step_folder(step);
    bool is_absolute = !args->root.size && args->file.bytes[0] == '/';
    struct slice bytes = args->text.bytes ? args->text : args->binary;
    size_t texts = folder.size + args->file.size + bytes.size + 4;
    struct writing *writing = calloc(1, sizeof *writing + texts);
    if (!writing)
        return NULL;
    char *at = (char *)(writing + 1);
    *writing = (struct writing){.append = args->append, .bytes = {at, bytes.size}};
    if (bytes.size)
        memcpy(at, bytes.bytes, bytes.size);
    at += bytes.size;
    if (args->root.size) {
        writing->root = at;
        at += sprintf(at, SLICE_FMT, SLICE_ARG(folder)) + 1; /* the block has room */
    }
    writing->path = at;
    if (!args->root.size && !is_absolute)
        at += sprintf(at, SLICE_FMT "/", SLICE_ARG(folder)); /* the block has room */
    memcpy(at, args->file.bytes, args->file.size);
    return writing;
}

static enum step_state write_start(struct step *step, const void *args) {
    struct write_args wanted = *(const struct write_args *)args;
    struct slice *file = &wanted.file;
    while (wanted.root.size && file->size && file->bytes[0] == '/') {
        file->bytes++;
        file->size--;
    }
    if (file->size == 0 || slice_ends_with(*file, SLICE("/")) ||
        memchr(file->bytes, '\0', file->size))
        return step_fail(step, EINVAL, "\"file\" names no file");
    struct writing *writing = writing_new(step, &wanted);
    if (!writing)
        return action__no_memory(step);
    writing->step = step;
    if (!begin_work(writing)) {
        free(writing);
        return action__no_memory(step);
    }
    step_set_data(step, writing);
    return STEP_PENDING;
}

static bool begin_work(struct writing *writing) {
    uv_loop_t *loop = net_loop_uv(action__host(writing->step)->loop);
    writing->is_working = uv_queue_work(loop, &writing->work, on_work, on_done) == 0;
    return writing->is_working;
}

static void write_cancel(struct step *step) {
    struct writing *writing = step_data(step);
    writing->step = NULL; /* what has begun is finished: half of it would be worse */
    if (!writing->is_working)
        free(writing);
}

static void on_done(uv_work_t *work, int status) {
    struct writing *writing = CONTAINER_OF(work, struct writing, work);
    struct step *step = writing->step;
    enum step_state state = STEP_DONE;
    (void)status; /* nobody cancels the work itself */
    writing->is_working = false;
    if (step && writing->error == EWOULDBLOCK) {
        step_wait(step, LOCKED_MS, on_locked_over);
        return;
    }
    if (step && writing->error == EXDEV)
        state = step_fail(step, writing->error, "\"%s\" would leave \"root\"", writing->path);
    else if (step && writing->error)
        state = step_fail(step, writing->error, "\"%s\" cannot be written: %s", writing->path,
                          strerror(writing->error));
    free(writing);
    if (step)
        step_finish(step, state);
}

static void on_locked_over(struct step *step) {
    struct writing *writing = step_data(step);
    if (begin_work(writing))
        return;
    free(writing);
    step_finish(step, action__no_memory(step));
}

/* ---- in the pool --------------------------------------------------------------------------------
 */

static void on_work(uv_work_t *work) {
    struct writing *writing = CONTAINER_OF(work, struct writing, work);
    writing->error = writing->append ? append_to(writing) : replace(writing);
}

static int write_all(int fd, struct slice bytes) {
    while (bytes.size) {
        ssize_t size = write(fd, bytes.bytes, bytes.size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return errno;
        bytes.bytes += size;
        bytes.size -= (size_t)size;
    }
    return 0;
}

/* Under a lock, so that what is taken back is ours. Whoever else holds it may do so for as long as
 * they like: no thread of the pool waits for them. */
static int append_locked(int fd, struct slice bytes) {
    struct stat before;
    if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &before))
        return errno;
    if (!S_ISREG(before.st_mode))
        return EINVAL;
    int error = write_all(fd, bytes);
    if (!error && fdatasync(fd))
        error = errno;
    if (error)
        (void)!ftruncate(fd, before.st_size); /* the first error is the one that is told */
    return error;
}

static int append_to(const struct writing *writing) {
    int fd = path__open(writing->root, writing->path,
                        O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno;
    int error = append_locked(fd, writing->bytes);
    if (close(fd) && !error)
        error = errno;
    return error;
}

/* Writes a file of its own in `folder` and puts it in the place of `name`. */
static int put(int folder, const char *name, struct slice bytes) {
    char temporary[40];
    uint64_t random;
    struct stat old;
    bool is_there = fstatat(folder, name, &old, 0) == 0;
    if (is_there && !S_ISREG(old.st_mode))
        return S_ISDIR(old.st_mode) ? EISDIR : EINVAL;
    crypto_random(&random, sizeof random);
    snprintf(temporary, sizeof temporary, ".bellwire-%016" PRIx64, random);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno;
    int error = write_all(fd, bytes);
    if (!error && is_there && fchmod(fd, old.st_mode & 07777))
        error = errno;
    if (!error && fsync(fd))
        error = errno;
    if (close(fd) && !error)
        error = errno;
    if (!error && renameat(folder, temporary, folder, name))
        error = errno;
    if (error)
        unlinkat(folder, temporary, 0);
    else if (fsync(folder))
        error = errno;
    return error;
}

static int replace(const struct writing *writing) {
    char *slash = strrchr(writing->path, '/');
    const char *folder_path = ".", *name = writing->path;
    if (slash == writing->path)
        folder_path = "/";
    else if (slash)
        folder_path = writing->path;
    if (slash) {
        *slash = '\0'; /* put back below: a failure names the whole path */
        name = slash + 1;
    }
    int folder =
        path__open(writing->root, folder_path[0] ? folder_path : "/", O_RDONLY | O_DIRECTORY);
    int error = folder < 0 ? errno : put(folder, name, writing->bytes);
    if (folder >= 0)
        close(folder);
    if (slash)
        *slash = '/';
    return error;
}
