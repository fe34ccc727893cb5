/* File jobs in libuv's pool. A job belongs to the pool while it runs and to the loop before and
 * after; cancelling only marks it, and what it opened is closed when it comes back. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "net/loop.h"

struct net_job {
    uv_work_t work;
    net_file_fn done;
    void *context;
    bool is_cancelled, is_chunk, whole_only;
    const char *root, *path; /* behind the struct; root NULL: none */
    uint64_t whole_bytes, offset;
    size_t size; /* to read, of a chunk */
    char *bytes; /* what was read */
    struct net_file file;
    enum status status;
    int error;
};

static void on_work(uv_work_t *work);
static void on_done(uv_work_t *work, int uv_status);
static enum status open_file(struct net_job *job);
static enum status read_whole(struct net_job *job);
static enum status read_part(struct net_job *job);

static struct net_job *job_new(const struct net_file_options *options) {
    size_t texts = options ? options->root.size + options->path.size + 2 : 0;
    struct net_job *job = calloc(1, sizeof(*job) + texts);
    if (!job) {
        return NULL;
    }
    job->file.fd = -1;
    if (options) {
        char *text = (char *)(job + 1);
        job->path = text;
        memcpy(text, options->path.bytes, options->path.size);
        if (options->root.size) {
            job->root = text + options->path.size + 1;
            memcpy(text + options->path.size + 1, options->root.bytes, options->root.size);
        }
    }
    return job;
}

static struct net_job *start(struct net_loop *loop, struct net_job *job) {
    if (uv_queue_work(net_loop_uv(loop), &job->work, on_work, on_done) != 0) {
        free(job);
        return NULL;
    }
    return job;
}

struct net_job *net_file_open(struct net_loop *loop, const struct net_file_options *options,
                              net_file_fn done, void *context) {
    struct net_job *job = job_new(options);
    if (!job) {
        return NULL;
    }
    job->done = done;
    job->context = context;
    job->whole_bytes = options->whole_bytes;
    job->whole_only = options->whole_only;
    return start(loop, job);
}

struct net_job *net_file_read(struct net_loop *loop, const struct net_file_range *range,
                              net_file_fn done, void *context) {
    struct net_job *job = job_new(NULL);
    if (!job) {
        return NULL;
    }
    job->is_chunk = true;
    job->done = done;
    job->context = context;
    job->file.fd = range->fd;
    job->offset = range->offset;
    job->size = range->size;
    return start(loop, job);
}

void net_job_cancel(struct net_job *job) { job->is_cancelled = true; }

static void on_work(uv_work_t *work) {
    struct net_job *job = CONTAINER_OF(work, struct net_job, work);
    job->status = job->is_chunk ? read_part(job) : open_file(job);
    job->error = errno;
}

static void on_done(uv_work_t *work, int uv_status) {
    struct net_job *job = CONTAINER_OF(work, struct net_job, work);
    (void)uv_status; /* we never ask libuv to cancel */
    bool has_failed = job->status != STATUS_OK;
    if (!job->is_chunk && job->file.fd >= 0 && (has_failed || job->is_cancelled)) {
        close(job->file.fd);
        job->file.fd = -1;
    }
    if (job->is_chunk && job->is_cancelled) {
        close(job->file.fd);
    }
    if (!job->is_cancelled) {
        errno = job->error;
        job->done(job->context, job->status, has_failed ? NULL : &job->file);
    }
    free(job->bytes);
    free(job);
}

static enum status status_of_errno(void) {
    switch (errno) {
        case ENOENT:
        case ENOTDIR:
            return STATUS_NOT_FOUND;
        case EACCES:
        case EPERM:
        case EXDEV: /* would leave the root */
        case ELOOP:
            return STATUS_DENIED;
        case ENAMETOOLONG:
            return STATUS_NOT_FOUND;
        case ENOMEM:
            return STATUS_NO_MEMORY;
        case ENXIO: /* a FIFO or socket */
        case EISDIR:
            return STATUS_TYPE;
        default:
            return STATUS_IO;
    }
}

/* O_NONBLOCK: a FIFO must not hold up the pool. */
static int open_beneath(const struct net_job *job) {
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_NO_MAGICLINKS};
    int root = AT_FDCWD;
    if (job->root) {
        root = open(job->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0) {
            return -1;
        }
        how.resolve |= RESOLVE_BENEATH;
    }
    int fd = (int)syscall(SYS_openat2, root, job->path, &how, sizeof(how));
    int error = errno;
    if (root >= 0) {
        close(root);
    }
    errno = error;
    return fd;
}

static enum status open_file(struct net_job *job) {
    struct stat info;
    job->file.fd = open_beneath(job);
    if (job->file.fd < 0 || fstat(job->file.fd, &info) < 0) {
        return status_of_errno();
    }
    if (!S_ISREG(info.st_mode)) {
        return STATUS_TYPE;
    }
    job->file.size = (uint64_t)info.st_size;
    job->file.mtime_s = info.st_mtim.tv_sec;
    if (job->file.size <= job->whole_bytes) {
        return read_whole(job);
    }
    return job->whole_only ? STATUS_LIMIT : STATUS_OK;
}

/* Reads up to `size` bytes, fewer only at the end of the file. */
static enum status read_some(struct net_job *job, size_t size) {
    size_t at = 0;
    job->bytes = malloc(size ? size : 1);
    if (!job->bytes) {
        return STATUS_NO_MEMORY;
    }
    while (at < size) {
        off_t offset = (off_t)(job->offset + at);
        ssize_t got = pread(job->file.fd, job->bytes + at, size - at, offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return STATUS_IO;
        }
        if (got == 0) {
            break;
        }
        at += (size_t)got;
    }
    job->file.bytes = (struct slice){job->bytes, at};
    return STATUS_OK;
}

/* A file of /proc says 0 and has more; one that grows is cut where it stood when it was opened. */
static enum status read_whole(struct net_job *job) {
    size_t size = (size_t)job->file.size;
    if (size == 0 && job->whole_bytes > 0) {
        size = (size_t)(job->whole_bytes < 65536 ? job->whole_bytes : 65536);
    }
    enum status status = read_some(job, size);
    if (status == STATUS_OK) {
        job->file.size = job->file.bytes.size;
        close(job->file.fd);
        job->file.fd = -1;
    }
    return status;
}

static enum status read_part(struct net_job *job) { return read_some(job, job->size); }
