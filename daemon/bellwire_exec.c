/* The last steps before a program whose user, group or limits are given; nothing else.
 *
 *     bellwire-exec [KEY=VALUE]... -- FILE ARGV0 [ARG]...
 *
 * KEY is cpu (seconds), memory (bytes), files, processes, groups (numbers, with commas), group,
 * user (numbers); they are done in the order given. Descriptor 3 is a pipe: when a stage fails,
 * `STAGE ERRNO` goes there and the exit code is 126; it closes when the program begins. Static and
 * small, since it is started for each such program. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define REPORT_FD 3

struct stage {
    const char *key, *name;
    int (*apply)(const char *value);
};

static int apply_cpu(const char *value);
static int apply_memory(const char *value);
static int apply_files(const char *value);
static int apply_processes(const char *value);
static int apply_groups(const char *value);
static int apply_group(const char *value);
static int apply_user(const char *value);

static const struct stage stages[] = {{"cpu=", "limiting cpu", apply_cpu},
                                      {"memory=", "limiting memory", apply_memory},
                                      {"files=", "limiting files", apply_files},
                                      {"processes=", "limiting processes", apply_processes},
                                      {"groups=", "setting groups", apply_groups},
                                      {"group=", "setting the group", apply_group},
                                      {"user=", "setting the user", apply_user}};

static int limit(int resource, const char *value, rlim_t more) {
    rlim_t bound = strtoull(value, NULL, 10);
    struct rlimit old, new = {bound, bound + more};
    if (getrlimit(resource, &old))
        return -1;
    if (new.rlim_max > old.rlim_max) /* a limit never becomes wider */
        new.rlim_max = old.rlim_max;
    if (new.rlim_cur > new.rlim_max)
        new.rlim_cur = new.rlim_max;
    return setrlimit(resource, &new);
}

/* SIGXCPU first, KILL a second later. */
static int apply_cpu(const char *value) { return limit(RLIMIT_CPU, value, 1); }
static int apply_memory(const char *value) { return limit(RLIMIT_AS, value, 0); }
static int apply_files(const char *value) { return limit(RLIMIT_NOFILE, value, 0); }
static int apply_processes(const char *value) { return limit(RLIMIT_NPROC, value, 0); }

/* Who may not change them may still ask for what he is. */
static int apply_groups(const char *value) {
    size_t count = 0, room = 1;
    for (const char *at = value; *at; at++)
        room += *at == ',';
    gid_t *groups = calloc(room, sizeof *groups);
    if (!groups)
        return -1;
    while (*value && count < room) {
        char *end;
        groups[count++] = (gid_t)strtoul(value, &end, 10);
        value = *end == ',' ? end + 1 : end;
    }
    int status = geteuid() == 0 ? setgroups(count, groups) : 0;
    free(groups);
    return status;
}

static int apply_group(const char *value) {
    gid_t gid = (gid_t)strtoul(value, NULL, 10);
    return gid == getegid() && gid == getgid() ? 0 : setresgid(gid, gid, gid);
}

static int apply_user(const char *value) {
    uid_t uid = (uid_t)strtoul(value, NULL, 10);
    return uid == geteuid() && uid == getuid() ? 0 : setresuid(uid, uid, uid);
}

static int report(const char *stage) {
    int error = errno;
    char text[64];
    int size = snprintf(text, sizeof text, "%s %d", stage, error);
    ssize_t written = write(REPORT_FD, text, (size_t)size);
    (void)written; /* nobody is there to be told */
    return 126;
}

static const struct stage *find_stage(const char *argument) {
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
        if (strncmp(argument, stages[i].key, strlen(stages[i].key)) == 0)
            return &stages[i];
    return NULL;
}

int main(int argc, char **argv) {
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
        const struct stage *stage = find_stage(argv[at]);
        errno = EINVAL;
        if (!stage || stage->apply(argv[at] + strlen(stage->key)))
            return report(stage ? stage->name : "reading arguments");
    }
    errno = EINVAL;
    if (argc - at < 3)
        return report("reading arguments");
    if (fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC))
        return 126; /* there is nobody to report to */
    execv(argv[at + 1], argv + at + 2);
    return report("starting it");
}
