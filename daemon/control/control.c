/* The socket itself: made, given to the group, taken away. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/internal.h"

#define SOCKET_UMASK 0117
#define SOCKET_MODE  0660
#define FOLDER_MODE  0755
#define SOCKET_QUEUE 1024
#define GROUP_BYTES  16384

static bool make_folder(const char *path);
static int open_socket(const char *path);
static bool give_to_group(const char *path);

struct control *control_open(const struct control_options *options) {
    struct control *control = base_alloc(sizeof *control);
    *control = (struct control){.loop = options->loop,
                                .host = options->host,
                                .context = options->context,
                                .globals = options->globals,
                                .worker_count = options->worker_count,
                                .path = base_strdup(slice_of(options->path)),
                                .stats = stats__new(),
                                .refs = 1};
    size_t bytes = options->worker_count * sizeof *options->workers;
    control->workers = base_alloc(bytes);
    memcpy(control->workers, options->workers, bytes);
    list_init(&control->connections);
    bool is_good = !options->makes_folder || make_folder(control->path);
    int fd = is_good ? open_socket(control->path) : -1;
    if (fd >= 0)
        control->listener = net_listener_open(control->loop, fd, connection__accept, control);
    if (fd >= 0 && !control->listener) {
        log_line(LOG_ERROR, NULL, "cannot watch the control socket: %s", strerror(errno));
        close(fd);
        unlink(control->path);
    }
    if (!control->listener) {
        control->is_closed = true;
        control__unref(control);
        return NULL;
    }
    control->log = log_feed__new(control);
    return control;
}

static bool make_folder(const char *path) {
    struct slice folder = slice_of(path);
    while (folder.size && folder.bytes[folder.size - 1] != '/')
        folder.size--;
    if (folder.size <= 1)
        return true;
    char *text = base_strdup((struct slice){folder.bytes, folder.size - 1});
    bool is_good = mkdir(text, FOLDER_MODE) == 0 || errno == EEXIST;
    if (!is_good)
        log_line(LOG_ERROR, NULL, "cannot make %s for the control socket: %s", text,
                 strerror(errno));
    free(text);
    return is_good;
}

/* The state directory's lock is held, so a socket that stands here is one that was left over. Other
 * files are not touched. */
static int open_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path) {
        log_line(LOG_ERROR, NULL, "the path of the control socket is longer than %zu bytes: %s",
                 sizeof address.sun_path - 1, path);
        return -1;
    }
    memcpy(address.sun_path, path, size);
    struct stat found;
    if (lstat(path, &found) == 0 && S_ISSOCK(found.st_mode))
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t before = umask(SOCKET_UMASK);
    bool is_good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    int error = errno;
    umask(before);
    if (is_good && give_to_group(path) && listen(fd, SOCKET_QUEUE) == 0)
        return fd;
    log_line(LOG_ERROR, NULL, "cannot open the control socket %s: %s", path,
             strerror(is_good ? errno : error));
    if (is_good)
        unlink(path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Without the group, or without the right to give it away, the socket stays with our own. */
static bool give_to_group(const char *path) {
    struct group group, *found = NULL;
    char *memory = base_alloc(GROUP_BYTES);
    if (getgrnam_r(CONTROL_GROUP, &group, memory, GROUP_BYTES, &found) == 0 && found &&
        chown(path, (uid_t)-1, found->gr_gid))
        log_line(LOG_DEBUG, NULL, "the control socket cannot be given to the group %s: %s",
                 CONTROL_GROUP, strerror(errno));
    free(memory);
    return chmod(path, SOCKET_MODE) == 0;
}

void control_second(struct control *control) { stats__sample(control); }

void control_close(struct control *control) {
    control->is_closed = true;
    if (control->log)
        log_feed__close(control->log);
    control->log = NULL;
    unlink(control->path);
    net_listener_close(control->listener);
    control->listener = NULL;
    connection__close_all(control);
    control__unref(control);
}

struct control *control__ref(struct control *control) {
    control->refs++;
    return control;
}

void control__unref(struct control *control) {
    if (--control->refs)
        return;
    stats__free(control->stats);
    free(control->workers);
    free(control->path);
    free(control);
}
