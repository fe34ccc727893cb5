/* Starting, reading, ending a program. */
#include "actions/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES  65536
#define DRAIN_READS 32 /* a pipe holds at most 1 MiB, unless somebody goes on writing */
#define PIPES_MS    100
#define TERM_MS     5000

enum process_state { PROCESS_RUNNING, PROCESS_EXITED, PROCESS_OVER };
struct pipe_end {
    struct net_watch watch;
    struct action_process *process;
    int fd; /* -1: closed */
};
struct action_process {
    struct action_process *next, **link; /* in host->processes */
    struct action_host *host;
    const struct process_events *events; /* NULL: nobody wants it */
    void *context;
    pid_t pid; /* of the leader, and of the group */
    int pidfd, status_fd;
    struct net_watch exit_watch;
    struct pipe_end pipes[2];
    struct net_timer timer; /* of the pipes after the end, or until KILL */
    enum process_state state;
    bool is_in_call; /* an event is on the C stack: no free() */
};
struct spawn_fds { /* of pipes; by SPAWN_... */
    int child[SPAWN_FILES], ours[SPAWN_FILES];
};

static void on_exit_ready(struct net_watch *watch, uint32_t events);
static void on_pipe_ready(struct net_watch *watch, uint32_t events);
static void on_timer(struct net_timer *timer);
static void finish(struct action_process *process);

/* ---- starting -----------------------------------------------------------------------------------
 */

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The input stays the caller's. */
static void close_fds(struct spawn_fds *fds, bool ours_too) {
    for (size_t i = SPAWN_OUTPUT; i < SPAWN_FILES; i++) {
        close_fd(&fds->child[i]);
        if (ours_too)
            close_fd(&fds->ours[i]);
    }
}

static bool open_fds(const struct process_spawn *spawn, struct spawn_fds *fds) {
    *fds = (struct spawn_fds){{spawn->stdin_fd, -1, -1, -1}, {-1, -1, -1, -1}};
    for (size_t i = SPAWN_OUTPUT; i <= (spawn->has_helper ? SPAWN_REPORT : SPAWN_ERROR); i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC))
            return false;
        fds->ours[i] = ends[0];
        fds->child[i] = ends[1];
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK))
            return false;
    }
    return true;
}

static bool watch(struct action_process *process) {
    struct net_loop *loop = process->host->loop;
    process->exit_watch.fn = on_exit_ready;
    if (net_watch_start(loop, &process->exit_watch, process->pidfd, EPOLLIN) != STATUS_OK)
        return false;
    for (int i = 0; i < 2; i++) {
        struct pipe_end *end = &process->pipes[i];
        end->process = process;
        end->watch.fn = on_pipe_ready;
        if (net_watch_start(loop, &end->watch, end->fd, EPOLLIN) != STATUS_OK)
            return false;
    }
    return true;
}

static void stop_watches(struct action_process *process) {
    net_timer_stop(&process->timer);
    net_watch_stop(&process->exit_watch);
    for (int i = 0; i < 2; i++) {
        net_watch_stop(&process->pipes[i].watch);
        close_fd(&process->pipes[i].fd);
    }
}

/* A child that cannot be watched must not live. */
static void drop(struct action_process *process) {
    int error = errno;
    stop_watches(process);
    kill(-process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close_fd(&process->pidfd);
    close_fd(&process->status_fd);
    free(process);
    errno = error;
}

struct action_process *process__start(struct action_host *host, const struct process_spawn *spawn) {
    struct spawn_fds fds;
    struct spawned child;
    struct action_process *process = calloc(1, sizeof *process);
    if (!process)
        return NULL;
    int error =
        open_fds(spawn, &fds) ? spawner__run(host->spawner, spawn, fds.child, &child) : errno;
    close_fds(&fds, error != 0);
    if (error) {
        free(process);
        errno = error;
        return NULL;
    }
    process->host = host;
    process->events = spawn->events;
    process->context = spawn->context;
    process->pid = child.pid;
    process->pidfd = child.pidfd;
    process->status_fd = fds.ours[SPAWN_REPORT];
    process->pipes[0].fd = fds.ours[SPAWN_OUTPUT];
    process->pipes[1].fd = fds.ours[SPAWN_ERROR];
    net_timer_init(&process->timer, on_timer);
    if (!watch(process)) {
        drop(process);
        return NULL;
    }
    process->link = &host->processes;
    process->next = host->processes;
    if (process->next)
        process->next->link = &process->next;
    host->processes = process;
    return process;
}

/* ---- while it runs ------------------------------------------------------------------------------
 */

static void close_pipe(struct pipe_end *end) {
    net_watch_stop(&end->watch);
    close_fd(&end->fd);
}

/* Whether more may come. The process may be over when this returns, not freed. */
static bool read_pipe(struct pipe_end *end) {
    char bytes[READ_BYTES];
    struct action_process *process = end->process;
    ssize_t size = read(end->fd, bytes, sizeof bytes);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size <= 0) {
        close_pipe(end);
        return false;
    }
    if (process->events)
        process->events->output(process->context, end == &process->pipes[1],
                                (struct slice){bytes, (size_t)size});
    return end->fd >= 0;
}

static void leave_call(struct action_process *process) {
    process->is_in_call = false;
    if (process->state == PROCESS_OVER)
        free(process);
    else if (process->state == PROCESS_EXITED &&
             (!process->events || (process->pipes[0].fd < 0 && process->pipes[1].fd < 0)))
        finish(process);
}

static void on_pipe_ready(struct net_watch *watched, uint32_t events) {
    struct pipe_end *end = CONTAINER_OF(watched, struct pipe_end, watch);
    struct action_process *process = end->process;
    (void)events; /* read() tells */
    process->is_in_call = true;
    (void)read_pipe(end); /* one read a turn; the watch is level-triggered */
    leave_call(process);
}

void process__pause(struct action_process *process, bool is_paused) {
    struct pipe_end *end = &process->pipes[0];
    if (end->fd >= 0 && process->state == PROCESS_RUNNING)
        (void)net_watch_change(&end->watch, is_paused ? 0 : EPOLLIN); /* it was watched before */
}

void process__kill(struct action_process *process) {
    process->events = NULL;
    if (process->state == PROCESS_EXITED) {
        finish(process);
        return;
    }
    process__pause(process, false); /* what it says on its way out is read, or SIGPIPE ends it */
    kill(-process->pid, SIGTERM);
    net_timer_start(process->host->loop, &process->timer, TERM_MS);
}

static void on_timer(struct net_timer *timer) {
    struct action_process *process = CONTAINER_OF(timer, struct action_process, timer);
    if (process->state == PROCESS_RUNNING)
        kill(-process->pid, SIGKILL);
    else
        finish(process);
}

/* ---- its end ------------------------------------------------------------------------------------
 */

static void drain(struct action_process *process) {
    for (int i = 0; i < 2; i++)
        for (int reads = 0; process->events && process->pipes[i].fd >= 0 && reads < DRAIN_READS;
             reads++)
            if (!read_pipe(&process->pipes[i]))
                break;
}

/* The leader is left a zombie: as long as it is there, the group's number is nobody else's. Its
 * pipes are read at once, since what the loop has to tell of them may be turns away. */
static void on_exit_ready(struct net_watch *watched, uint32_t events) {
    struct action_process *process = CONTAINER_OF(watched, struct action_process, exit_watch);
    (void)events; /* there is only one */
    net_watch_stop(&process->exit_watch);
    process->state = PROCESS_EXITED;
    net_timer_stop(&process->timer);
    process->is_in_call = true;
    drain(process);
    bool is_read = process->pipes[0].fd < 0 && process->pipes[1].fd < 0;
    if (process->state == PROCESS_EXITED && process->events && !is_read) {
        if (process->pipes[0].fd >= 0)
            (void)net_watch_change(&process->pipes[0].watch, EPOLLIN); /* it was watched before */
        net_timer_start(process->host->loop, &process->timer, PIPES_MS);
    }
    leave_call(process);
}

/* `STAGE ERRNO`, written by the helper when it failed. */
static void read_report(struct action_process *process, struct process_end *end) {
    char text[sizeof end->stage];
    ssize_t size = process->status_fd < 0 ? 0 : read(process->status_fd, text, sizeof text - 1);
    if (size <= 0)
        return;
    text[size] = '\0';
    char *space = strrchr(text, ' ');
    if (!space)
        return;
    *space = '\0';
    snprintf(end->stage, sizeof end->stage, "%s", text);
    end->error = atoi(space + 1);
}

static struct process_end reap(struct action_process *process) {
    struct process_end end = {0};
    int status = 0;
    kill(-process->pid, SIGKILL); /* what it left behind; after this its number is free */
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        ;
    end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end.exit_code = end.signal ? 128 + end.signal : WEXITSTATUS(status);
    read_report(process, &end);
    return end;
}

static void finish(struct action_process *process) {
    bool was_in_call = process->is_in_call;
    process->is_in_call = true;
    drain(process);
    process->is_in_call = was_in_call;
    if (process->state == PROCESS_OVER) { /* ended from inside an event */
        if (!was_in_call)
            free(process);
        return;
    }
    process->state = PROCESS_OVER;
    struct process_end end = reap(process);
    const struct process_events *events = process->events;
    void *context = process->context;
    struct action_host *host = process->host;
    stop_watches(process);
    close_fd(&process->pidfd);
    close_fd(&process->status_fd);
    *process->link = process->next;
    if (process->next)
        process->next->link = process->link;
    if (!was_in_call)
        free(process);
    if (events)
        events->ended(context, &end);
    place__release(host);
}

/* ---- hosts --------------------------------------------------------------------------------------
 */

bool action_host_begin(struct action_host *host) {
    launch__init(host);
    arena_init(&host->self.arena, 256, 0);
    host->spawner = spawner__new();
    return host->spawner != NULL;
}

void action_host_end(struct action_host *host) {
    while (host->processes) {
        struct action_process *process = host->processes;
        host->processes = process->next;
        drop(process);
    }
    arena_deinit(&host->self.arena);
    spawner__free(host->spawner);
    host->spawner = NULL;
}
