/* From clone() to execve(). The child shares our memory and, at first, our table of descriptors,
 * while the worker that calls waits (CLONE_VFORK): so its cost grows neither with the daemon's
 * memory nor with its connections. posix_spawn() copies the table: at 10,000 sessions that takes
 * as long as the program itself, and it knows no resource limits.
 *
 * The child takes the few descriptors that it needs at low numbers, kept for this since the start,
 * and with close_range(CLOSE_RANGE_UNSHARE) a table of its own that ends behind them. Until
 * execve() it calls the kernel alone: whatever libc or a sanitizer kept in mind would be kept in
 * ours. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actions/process.h"

#define LOW_FD      8 /* above all that a program gets */
#define STACK_BYTES 65536
#define GUARD_BYTES 65536 /* a page, however large pages are */
#define SIGNALS     64

struct action_spawner {
    int null, kept[SPAWN_FILES]; /* `kept` are /dev/null between two children */
    int last;                    /* the highest of them */
    char *stack;                 /* of the child, with its guard below */
};
struct child { /* shared with it */
    const struct action_spawner *spawner;
    const struct process_spawn *spawn;
    struct rlimit64 files;
    bool has_files, is_given[SPAWN_FILES];
    int error; /* what the child could not do */
};

struct action_spawner *spawner__new(void) {
    struct action_spawner *spawner = calloc(1, sizeof *spawner);
    if (!spawner)
        return NULL;
    int opened = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool is_good = opened >= 0;
    spawner->null = is_good ? fcntl(opened, F_DUPFD_CLOEXEC, LOW_FD) : -1;
    spawner->last = spawner->null;
    for (size_t i = 0; i < SPAWN_FILES; i++) {
        spawner->kept[i] = is_good ? fcntl(opened, F_DUPFD_CLOEXEC, LOW_FD) : -1;
        is_good &= spawner->kept[i] >= 0;
        spawner->last = spawner->kept[i] > spawner->last ? spawner->kept[i] : spawner->last;
    }
    if (opened >= 0)
        close(opened);
    void *stack = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    spawner->stack = stack == MAP_FAILED ? NULL : stack;
    if (is_good && spawner->null >= 0 && spawner->stack &&
        mprotect(spawner->stack, GUARD_BYTES, PROT_NONE) == 0)
        return spawner;
    int error = errno;
    spawner__free(spawner);
    errno = error;
    return NULL;
}

void spawner__free(struct action_spawner *spawner) {
    if (!spawner)
        return;
    if (spawner->null >= 0)
        close(spawner->null);
    for (size_t i = 0; i < SPAWN_FILES; i++)
        if (spawner->kept[i] >= 0)
            close(spawner->kept[i]);
    if (spawner->stack)
        munmap(spawner->stack, GUARD_BYTES + STACK_BYTES);
    free(spawner);
}

/* ---- in the child -------------------------------------------------------------------------------
 */

#define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

/* The descriptors: those of the program, and no other. */
IN_CHILD static bool take_files(const struct child *child) {
    const struct action_spawner *spawner = child->spawner;
    if (syscall(SYS_close_range, spawner->last + 1, ~0u, CLOSE_RANGE_UNSHARE))
        return false;
    int count = 0;
    for (int i = 0; i < SPAWN_FILES; i++) {
        int from = child->is_given[i] ? spawner->kept[i] : i == 0 ? spawner->null : -1;
        if (from >= 0 && syscall(SYS_dup3, from, i, 0) < 0)
            return false;
        count += from >= 0;
    }
    return syscall(SYS_close_range, count, ~0u, 0) == 0;
}

/* Signals as a fresh program expects them: the daemon ignores some, and its workers block all. */
IN_CHILD static bool reset_signals(void) {
    char zeros[64] = {0}; /* of the kernel's struct sigaction, or a set: the default, or none */
    for (int number = 1; number <= SIGNALS; number++)
        (void)syscall(SYS_rt_sigaction, number, zeros, NULL, SIGNALS / 8); /* not KILL and STOP */
    return syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, NULL, SIGNALS / 8) == 0;
}

IN_CHILD static int begin(void *context) {
    struct child *child = context;
    const struct process_spawn *spawn = child->spawn;
    bool is_good =
        take_files(child) && syscall(SYS_setsid) >= 0 &&
        (!child->has_files || syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &child->files, NULL) == 0) &&
        syscall(SYS_chdir, spawn->directory) == 0 && reset_signals();
    if (is_good)
        (void)syscall(SYS_execve, spawn->path, spawn->argv, spawn->env); /* returns on failure */
    child->error = errno;
    return 127; /* for nobody: the caller sees the error */
}

/* ---- around it ----------------------------------------------------------------------------------
 */

/* The thread sanitizer takes clone() for a fork and works on what is ours from inside the child. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*fn)(void *), void *stack, int flags, void *context, ...);
#define CLONE __clone
#else
#define CLONE clone
#endif

/* Signals that arrived in the child would run our handlers there. */
static int clone_child(struct child *child, struct spawned *out) {
    sigset_t all, old;
    int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD | SIGCHLD;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    out->pid = CLONE(begin, child->spawner->stack + GUARD_BYTES + STACK_BYTES, flags, child,
                     &out->pidfd, NULL, NULL);
    int error = out->pid < 0 ? errno : child->error;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

static bool keep_files(struct child *child, const int *files) {
    for (size_t i = 0; i < SPAWN_FILES; i++) {
        child->is_given[i] = files[i] >= 0;
        if (files[i] >= 0 && dup3(files[i], child->spawner->kept[i], O_CLOEXEC) < 0)
            return false;
    }
    return true;
}

/* Or the reader of a pipe would never see its end. */
static void drop_files(const struct child *child) {
    for (size_t i = 0; i < SPAWN_FILES; i++)
        if (child->is_given[i])
            (void)dup3(child->spawner->null, child->spawner->kept[i], O_CLOEXEC); /* both open */
}

int spawner__run(struct action_spawner *spawner, const struct process_spawn *spawn,
                 const int *files, struct spawned *out) {
    struct child child = {.spawner = spawner, .spawn = spawn};
    if (spawn->max_files && getrlimit64(RLIMIT_NOFILE, &child.files) == 0) {
        child.has_files = true;
        child.files.rlim_cur = spawn->max_files;
    }
    out->pid = -1;
    int error = keep_files(&child, files) ? clone_child(&child, out) : errno;
    drop_files(&child);
    if (error && out->pid > 0) {
        while (waitpid(out->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        close(out->pidfd);
    }
    return error;
}
