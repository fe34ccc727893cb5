/* What a program starts with: who it is, its file, its environment. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actions/program.h"

#define USUAL_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define ENTRY_BYTES (1024 * 1024) /* a group names all its members */

/* ---- in the pool --------------------------------------------------------------------------------
 */

bool program__needs_helper(const struct program_run *run) {
    const struct program_limits *limits = &run->args->limits;
    return run->user || run->group || limits->cpu_ms || limits->memory_bytes || limits->files ||
           limits->processes;
}

bool program__needs_pool(struct program_run *run) {
    run->asks_self = !run->user && !run->host->self.is_known &&
                     (!getenv("HOME") || !getenv("USER") || !getenv("SHELL"));
    return run->user || run->group || run->input_file || run->asks_self;
}

/* All of them: the first call tells how many there are. */
static void take_groups(struct program_run *run, const struct passwd *entry) {
    struct program_user *who = &run->who;
    int count = 0;
    (void)getgrouplist(entry->pw_name, entry->pw_gid, NULL, &count); /* fails for want of room */
    who->groups = count > 0 ? arena_alloc(&run->arena, (size_t)count * sizeof *who->groups) : NULL;
    who->group_count = count;
    if (!who->groups || getgrouplist(entry->pw_name, entry->pw_gid, who->groups, &count) < 0)
        snprintf(run->why, sizeof run->why, "the groups of user \"%s\" cannot be read",
                 entry->pw_name);
}

static void take_user(struct program_run *run, const struct passwd *entry) {
    struct program_user *who = &run->who;
    who->uid = entry->pw_uid;
    who->gid = entry->pw_gid;
    who->name = arena_text(&run->arena, slice_of(entry->pw_name));
    who->home = arena_text(&run->arena, slice_of(entry->pw_dir));
    who->shell =
        arena_text(&run->arena, slice_of(entry->pw_shell[0] ? entry->pw_shell : "/bin/sh"));
    if (run->user)
        take_groups(run, entry);
}

static bool is_number(const char *text, uint64_t *out) {
    return slice_to_u64(slice_of(text), out) == STATUS_OK && *out < UINT32_MAX;
}

/* Not found (0, or one of several codes), or not to be asked for. */
static void say_missing(struct program_run *run, const char *kind, const char *name, int error) {
    snprintf(run->why, sizeof run->why, "there is no %s \"%s\"%s%s", kind, name, error ? ": " : "",
             error ? strerror(error) : "");
}

static void find_user(struct program_run *run, char *bytes) {
    struct passwd entry, *found = NULL;
    uint64_t uid;
    int error;
    if (!run->user)
        error = getpwuid_r(geteuid(), &entry, bytes, ENTRY_BYTES, &found);
    else if (is_number(run->user, &uid))
        error = getpwuid_r((uid_t)uid, &entry, bytes, ENTRY_BYTES, &found);
    else
        error = getpwnam_r(run->user, &entry, bytes, ENTRY_BYTES, &found);
    run->who.is_known = !run->user && error == 0; /* or that there is no such entry */
    if (found)
        take_user(run, found);
    else if (run->user)
        say_missing(run, "user", run->user, error);
}

static void find_group(struct program_run *run, char *bytes) {
    struct group entry, *found = NULL;
    uint64_t gid;
    int error;
    if (is_number(run->group, &gid))
        error = getgrgid_r((gid_t)gid, &entry, bytes, ENTRY_BYTES, &found);
    else
        error = getgrnam_r(run->group, &entry, bytes, ENTRY_BYTES, &found);
    if (!found) {
        say_missing(run, "group", run->group, error);
        return;
    }
    run->who.gid = found->gr_gid;
    if (!run->user) {
        run->who.groups = arena_alloc(&run->arena, sizeof *run->who.groups);
        run->who.group_count = run->who.groups ? 1 : 0;
        if (run->who.groups)
            run->who.groups[0] = found->gr_gid;
        else
            snprintf(run->why, sizeof run->why, "out of memory");
    }
}

static void open_input(struct program_run *run) {
    struct stat info;
    run->stdin_fd = path__open(run->fence, run->input_file, O_RDONLY | O_NONBLOCK);
    if (run->stdin_fd < 0)
        run->error = errno;
    else if (fstat(run->stdin_fd, &info) || !S_ISREG(info.st_mode))
        run->error = EINVAL;
    if (run->error)
        snprintf(run->why, sizeof run->why, "\"stdin-file\": %s",
                 run->error == EINVAL  ? "it is no regular file"
                 : run->error == EXDEV ? "it leaves the folder that a variable must stay in"
                                       : strerror(run->error));
}

void program__prepare(struct program_run *run) {
    char *bytes = malloc(ENTRY_BYTES);
    if (!bytes)
        snprintf(run->why, sizeof run->why, "out of memory");
    else if (run->user || run->asks_self)
        find_user(run, bytes);
    if (run->group && !run->why[0])
        find_group(run, bytes);
    free(bytes);
    if (run->input_file && !run->why[0])
        open_input(run);
}

void program__keep_self(const struct program_run *run) {
    const struct program_user *who = &run->who;
    struct action_self *self = &run->host->self;
    if (!run->asks_self || self->is_known)
        return;
    self->is_known = who->is_known;
    self->name = who->name ? arena_text(&self->arena, slice_of(who->name)) : NULL;
    self->home = who->home ? arena_text(&self->arena, slice_of(who->home)) : NULL;
    self->shell = who->shell ? arena_text(&self->arena, slice_of(who->shell)) : NULL;
}

/* ---- the environment ----------------------------------------------------------------------------
 */

bool program__set_env(struct program_run *run, const char *name, struct slice value) {
    size_t size = strlen(name), at = 0;
    char *entry = arena_printf(&run->arena, "%s=" SLICE_FMT, name, SLICE_ARG(value));
    if (!entry)
        return false;
    while (at < run->env_count &&
           (strncmp(run->env[at], name, size) != 0 || run->env[at][size] != '='))
        at++;
    if (at == run->env_capacity) {
        size_t capacity = run->env_capacity ? run->env_capacity * 2 : 32;
        char **env = arena_zalloc(&run->arena, (capacity + 1) * sizeof *env);
        if (!env)
            return false;
        if (run->env_count)
            memcpy(env, run->env, run->env_count * sizeof *env);
        run->env = env;
        run->env_capacity = capacity;
    }
    run->env[at] = entry;
    run->env_count += at == run->env_count;
    return true;
}

static bool set_text(struct program_run *run, const char *name, const char *text) {
    return program__set_env(run, name, slice_of(text));
}

static const char *or_else(const char *text, const char *other) { return text ? text : other; }

/* Whoever the child is: the passwd entry of `user`, else what we were started with. */
static bool set_person(struct program_run *run) {
    const struct program_user *who = &run->who;
    const struct action_self *self = &run->host->self;
    bool is_other = run->user != NULL;
    const char *name = is_other ? who->name : or_else(getenv("USER"), self->name);
    const char *home = is_other ? who->home : or_else(getenv("HOME"), self->home);
    const char *shell = is_other ? who->shell : or_else(getenv("SHELL"), self->shell);
    return set_text(run, "HOME", or_else(home, "/")) && set_text(run, "USER", or_else(name, "")) &&
           set_text(run, "LOGNAME", or_else(name, "")) &&
           set_text(run, "SHELL", or_else(shell, "/bin/sh"));
}

static bool set_cause(struct program_run *run) {
    const struct log_place *log = &run->log;
    const struct event *event = run_event(step_run(run->step));
    const char *trigger = event && event->trigger ? event->trigger->kind->name : "";
    return program__set_env(run, "BELLWIRE_TASK", log->task) &&
           program__set_env(run, "BELLWIRE_RUN", log->run) &&
           set_text(run, "BELLWIRE_TRIGGER", trigger) &&
           program__set_env(run, "BELLWIRE_SERVER", log->server) &&
           program__set_env(run, "BELLWIRE_CLIENT", log->client) &&
           program__set_env(run, "BELLWIRE_SESSION", log->session) &&
           program__set_env(run, "BELLWIRE_PEER", run->peer);
}

bool program__make_env(struct program_run *run) {
    char **given = run->env;
    size_t given_count = run->env_count;
    run->env = NULL;
    run->env_count = run->env_capacity = 0;
    bool is_good = set_text(run, "PATH", or_else(getenv("PATH"), USUAL_PATH)) &&
                   set_text(run, "LANG", or_else(getenv("LANG"), "C.UTF-8")) &&
                   set_text(run, "TZ", or_else(getenv("TZ"), ":/etc/localtime")) &&
                   set_person(run) && set_cause(run);
    for (size_t i = 0; is_good && i < given_count; i++) {
        char *equals = strchr(given[i], '=');
        *equals = '\0';
        is_good = set_text(run, given[i], equals + 1);
    }
    return is_good;
}

/* ---- the program --------------------------------------------------------------------------------
 */

static bool is_program(const char *path) {
    struct stat info;
    if (stat(path, &info))
        return false;
    if (S_ISREG(info.st_mode) && access(path, X_OK) == 0)
        return true;
    errno = EACCES;
    return false;
}

static const char *env_of(const struct program_run *run, const char *name) {
    size_t size = strlen(name);
    for (size_t i = 0; i < run->env_count; i++)
        if (strncmp(run->env[i], name, size) == 0 && run->env[i][size] == '=')
            return run->env[i] + size + 1;
    return "";
}

const char *program__find(struct program_run *run) {
    const char *name = run->argv[0];
    if (strchr(name, '/')) {
        const char *path =
            name[0] == '/' ? name : arena_printf(&run->arena, "%s/%s", run->directory, name);
        if (!path)
            errno = ENOMEM;
        return path && is_program(path) ? path : NULL;
    }
    int error = ENOENT;
    struct slice rest = slice_of(env_of(run, "PATH")), folder;
    while (rest.size) {
        folder = slice_cut(rest, ':', &rest);
        if (folder.size == 0 || folder.bytes[0] != '/')
            continue; /* relative to what? */
        const char *path = arena_printf(&run->arena, SLICE_FMT "/%s", SLICE_ARG(folder), name);
        if (path && is_program(path))
            return path;
        if (errno == EACCES)
            error = EACCES; /* one that is there says more than those that are not */
    }
    errno = error;
    return NULL;
}

static char *groups_text(struct program_run *run) {
    const struct program_user *who = &run->who;
    size_t room = sizeof "groups=" + (size_t)who->group_count * sizeof "4294967295";
    char *text = arena_alloc(&run->arena, room);
    size_t used = text ? (size_t)snprintf(text, room, "groups=") : 0;
    for (int i = 0; text && i < who->group_count; i++)
        used += (size_t)snprintf(text + used, room - used, "%s%u", i ? "," : "", who->groups[i]);
    return text;
}

char **program__wrap(struct program_run *run, const char *path) {
    const struct program_limits *limits = &run->args->limits;
    struct arena *arena = &run->arena;
    size_t count = 0, at = 0;
    while (run->argv[count])
        count++;
    char **argv = arena_zalloc(arena, (count + 12) * sizeof *argv);
    if (!argv)
        return NULL;
    argv[at++] = (char *)(uintptr_t)run->host->exec_helper; /* execve() does not write to it */
    if (limits->cpu_ms)
        argv[at++] = arena_printf(arena, "cpu=%" PRIu64, (limits->cpu_ms + 999) / 1000);
    if (limits->memory_bytes)
        argv[at++] = arena_printf(arena, "memory=%" PRIu64, limits->memory_bytes);
    if (limits->files)
        argv[at++] = arena_printf(arena, "files=%u", limits->files);
    if (limits->processes)
        argv[at++] = arena_printf(arena, "processes=%u", limits->processes);
    if (run->user || run->group) {
        argv[at++] = groups_text(run);
        argv[at++] = arena_printf(arena, "group=%u", run->who.gid);
    }
    if (run->user)
        argv[at++] = arena_printf(arena, "user=%u", run->who.uid);
    argv[at++] = arena_text(arena, SLICE("--"));
    argv[at++] = arena_text(arena, slice_of(path));
    for (size_t i = 0; i < at; i++)
        if (!argv[i])
            return NULL;
    memcpy(argv + at, run->argv, count * sizeof *argv);
    return argv;
}
