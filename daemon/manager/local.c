/* What needs no daemon: `bellwired` beside this program, or on PATH, does it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "manager/manager.h"

#define PATH_SIZE 4096

/* The daemon beside this program; only its name when there is none. The caller frees it. */
static char *daemon_path(void) {
    char *path = base_alloc(PATH_SIZE + sizeof "bellwired");
    ssize_t size = readlink("/proc/self/exe", path, PATH_SIZE);
    size_t end = size > 0 ? (size_t)size : 0;
    while (end && path[end - 1] != '/')
        end--;
    memcpy(path + end, "bellwired", sizeof "bellwired");
    if (access(path, X_OK) != 0)
        memcpy(path, "bellwired", sizeof "bellwired");
    return path;
}

int local_become(const char **arguments) {
    char *path = daemon_path();
    arguments[0] = path;
    (void)fflush(stdout); /* nothing is left in it */
    execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    (void)fprintf(stderr, "bellwire: cannot run %s: %s\n", path, strerror(errno));
    free(path);
    return CONTROL_EXIT_FAILED;
}

static bool read_all(int fd, struct buffer *out) {
    ssize_t got = 1;
    while (got > 0 && buffer_reserve(out, 65536) == STATUS_OK) {
        got = read(fd, out->bytes + out->size, 65536);
        out->size += got > 0 ? (size_t)got : 0;
    }
    return got == 0;
}

int local_list(const struct manager *manager) {
    bool is_servers = manager->command == COMMAND_server_list;
    const char *arguments[] = {NULL,      "--peek",       is_servers ? "servers" : "clients",
                               "--state", manager->state, NULL};
    int ends[2], status = 0;
    pid_t child = pipe(ends) == 0 ? fork() : -1;
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO); /* both are open */
        close(ends[0]);
        close(ends[1]);
        _exit(local_become(arguments));
    }
    if (child < 0) {
        (void)fprintf(stderr, "bellwire: cannot start bellwired: %s\n", strerror(errno));
        return CONTROL_EXIT_FAILED;
    }
    struct buffer text;
    buffer_init(&text, 0);
    close(ends[1]);
    bool is_good = read_all(ends[0], &text);
    close(ends[0]);
    is_good &= waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status);
    if (!is_good) {
        buffer_deinit(&text);
        return CONTROL_EXIT_FAILED; /* bellwired has said why */
    }
    (void)fprintf(stderr, "bellwire: the daemon is not running; this is its registry in %s\n",
                  manager->state);
    json_t *rows = json_loadb(text.bytes, text.size, 0, NULL);
    if (manager->is_json)
        (void)fwrite(text.bytes, 1, text.size, stdout);
    else
        print_table(rows, commands[manager->command].columns);
    json_decref(rows);
    buffer_deinit(&text);
    return CONTROL_EXIT_DONE;
}
