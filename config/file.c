/* Reads a file whole, and nothing that is not a plain file. */
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status read_all(int fd, struct stat *info, struct arena *arena, struct slice *out);

bool file_is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum status file_read(const char *path, struct arena *arena, struct slice *out,
                      struct file_identity *identity, int *error) {
    struct stat info;
    enum status status = STATUS_IO;
    /* Not to wait for the other end, should it be a pipe. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        *error = errno;
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    }
    if (fstat(fd, &info) == 0) {
        *identity = (struct file_identity){info.st_dev, info.st_ino};
        errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
        if (S_ISREG(info.st_mode))
            status = read_all(fd, &info, arena, out);
    }
    *error = errno;
    close(fd);
    return status;
}

static enum status read_all(int fd, struct stat *info, struct arena *arena, struct slice *out) {
    if (info->st_size > (off_t)CONFIG_FILE_BYTES) {
        *out = (struct slice){NULL, (size_t)info->st_size};
        return STATUS_LIMIT;
    }
    size_t room = (size_t)info->st_size, size = 0;
    char *bytes = arena_bytes(arena, room + 1);
    if (!bytes)
        return STATUS_NO_MEMORY;
    while (size < room) { /* what is appended meanwhile is for the next load */
        ssize_t got = read(fd, bytes + size, room - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return STATUS_IO;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    bytes[size] = '\0';
    *out = (struct slice){bytes, size};
    return STATUS_OK;
}
