/* `backup FILE`: the daemon sends the registry, and whoever asks writes it, by their own rights. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "manager/manager.h"

struct target {
    const char *path;
    char *fresh; /* beside it, until all has come; NULL: standard output */
    int fd, error;
};

static bool open_target(struct target *target) {
    target->fd = STDOUT_FILENO;
    if (strcmp(target->path, "-") == 0)
        return true;
    if (asprintf(&target->fresh, "%s.XXXXXX", target->path) < 0)
        abort();                         /* a few bytes at start-up */
    target->fd = mkstemp(target->fresh); /* 0600: it may hold what only the daemon should read */
    return target->fd >= 0;
}

static bool take(void *context, struct slice piece) {
    struct target *target = context;
    while (piece.size) {
        ssize_t written = write(target->fd, piece.bytes, piece.size);
        if (written < 0 && errno != EINTR) {
            target->error = errno;
            return false;
        }
        size_t taken = written > 0 ? (size_t)written : 0;
        piece = (struct slice){piece.bytes + taken, piece.size - taken};
    }
    return true;
}

static bool finish(struct target *target, bool is_whole) {
    if (!target->fresh)
        return is_whole;
    bool is_good = is_whole && fsync(target->fd) == 0;
    is_good = close(target->fd) == 0 && is_good && rename(target->fresh, target->path) == 0;
    if (!is_good) {
        target->error = target->error ? target->error : errno;
        (void)unlink(target->fresh); /* there is nothing else to try */
    }
    free(target->fresh);
    return is_good;
}

int backup_run(const struct manager *manager) {
    struct target target = {.path = parameter(manager, "file")};
    struct answer answer = {0};
    if (!open_target(&target)) {
        (void)fprintf(stderr, "bellwire: cannot write %s: %s\n", target.path, strerror(errno));
        free(target.fresh);
        return CONTROL_EXIT_FAILED;
    }
    const struct ask ask = {
        .method = "GET", .target = "/v1/backup", .piece = take, .context = &target};
    int code = client_ask(manager, &ask, &answer);
    if (code == CONTROL_EXIT_DONE && answer.status != 200)
        code = print_refusal(manager, &answer);
    bool is_whole = code == CONTROL_EXIT_DONE && !target.error;
    if (!finish(&target, is_whole) && code == CONTROL_EXIT_DONE) {
        (void)fprintf(stderr, "bellwire: cannot write %s: %s\n", target.path,
                      strerror(target.error));
        code = CONTROL_EXIT_FAILED;
    }
    buffer_deinit(&answer.body);
    return code;
}
