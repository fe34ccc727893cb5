/* Files whose name a variable may decide. What the author wrote himself he may name freely; what a
 * variable adds can never leave the folder that the author's own words named. */
#include "actions/action.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct slice join(struct arena *arena, struct slice folder, struct slice path) {
    if (path.size && path.bytes[0] == '/')
        return path;
    return slice_of(
        arena_printf(arena, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(folder), SLICE_ARG(path)));
}

struct slice path__fence(struct prepare *prepare, size_t offset) {
    const struct expr_template *tpl = prepare_template(prepare, offset);
    struct expr_part first = {.is_hole = true};
    if (!tpl)
        return SLICE_NONE;
    expr_parts(tpl, &first, 1);
    const char *slash = first.is_hole ? NULL : memrchr(first.text.bytes, '/', first.text.size);
    if (!slash)
        return prepare_folder(prepare);
    struct slice named = {first.text.bytes, (size_t)(slash - first.text.bytes)};
    if (named.size == 0)
        return SLICE("/");
    struct slice fence = join(prepare_arena(prepare), prepare_folder(prepare), named);
    if (!fence.bytes)
        prepare_error(prepare, offset, "out of memory");
    return fence;
}

bool path__below(struct slice root, struct slice path, struct net_file_options *out) {
    if (path.size && memchr(path.bytes, '\0', path.size))
        return false;
    out->root = root;
    out->path = path;
    if (root.size == 0)
        return true;
    bool is_inside =
        slice_starts_with(path, root) && (slice_ends_with(root, SLICE("/")) ||
                                          (path.size > root.size && path.bytes[root.size] == '/'));
    if (is_inside)
        out->path = (struct slice){path.bytes + root.size, path.size - root.size};
    else if (path.size && path.bytes[0] == '/')
        return false;
    while (out->path.size && out->path.bytes[0] == '/') {
        out->path.bytes++;
        out->path.size--;
    }
    return true;
}

enum step_state path__fail(struct step *step, enum status status, struct slice path) {
    int code = errno;
    struct slice shown = {path.bytes, path.size < 256 ? path.size : 256};
    switch (status) {
        case STATUS_NOT_FOUND:
            return step_fail(step, ENOENT, "\"" SLICE_FMT "\": no such file", SLICE_ARG(shown));
        case STATUS_DENIED:
            return step_fail(step, EACCES,
                             "\"" SLICE_FMT "\" may not be used: no permission, or it leaves the "
                             "folder that a variable must stay in",
                             SLICE_ARG(shown));
        case STATUS_TYPE:
            return step_fail(step, EISDIR, "\"" SLICE_FMT "\" is no regular file",
                             SLICE_ARG(shown));
        case STATUS_LIMIT:
            return step_fail(step, EFBIG, "\"" SLICE_FMT "\" is too large", SLICE_ARG(shown));
        case STATUS_NO_MEMORY:
            return action__no_memory(step);
        default:
            return step_fail(step, code, "\"" SLICE_FMT "\": %s", SLICE_ARG(shown), strerror(code));
    }
}

int path__open(const char *root, const char *path, int flags) {
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                           .mode = flags & O_CREAT ? 0644 : 0,
                           .resolve = RESOLVE_NO_MAGICLINKS};
    int folder = AT_FDCWD;
    if (root) {
        folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
            return -1;
        how.resolve |= RESOLVE_BENEATH;
    }
    int fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
    int error = errno;
    if (folder >= 0)
        close(folder);
    errno = error;
    return fd;
}
