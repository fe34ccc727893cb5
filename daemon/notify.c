/* The protocol of sd_notify(3), and the watchdog. */
#include "daemon/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/supervisor.h"

#define US_PER_MS 1000u
#define NS_PER_US 1000u

static bool take_address(struct notify *notify, const char *path);
static uint64_t take_watchdog(void);
static void feed(struct notify *notify);
static void on_due(struct net_timer *timer);

void notify_open(struct notify *notify, struct supervisor *supervisor) {
    *notify = (struct notify){.supervisor = supervisor, .fd = -1};
    net_timer_init(&notify->timer, on_due);
    const char *path = getenv("NOTIFY_SOCKET");
    if (path && take_address(notify, path))
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    else if (path)
        log_line(LOG_WARN, NULL, "NOTIFY_SOCKET is no path of a local socket: %s", path);
    /* Half the time that is allowed, as sd_watchdog_enabled(3) advises. */
    notify->watchdog_ms = notify->fd >= 0 ? take_watchdog() / US_PER_MS / 2 : 0;
    (void)unsetenv("NOTIFY_SOCKET"); /* these fail only for names that are none */
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

/* A path, or `@` and a name in the abstract space. */
static bool take_address(struct notify *notify, const char *path) {
    size_t size = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || size < 2 || size >= sizeof notify->address.sun_path)
        return false;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, path, size + 1);
    if (path[0] == '@')
        notify->address.sun_path[0] = 0;
    size_t whole = offsetof(struct sockaddr_un, sun_path) + size + (path[0] == '/');
    notify->address_size = (socklen_t)whole;
    return true;
}

static uint64_t take_watchdog(void) {
    const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t us = 0, owner = 0;
    if (!interval || slice_to_u64(slice_of(interval), &us))
        return 0;
    if (pid && (slice_to_u64(slice_of(pid), &owner) || owner != (uint64_t)getpid()))
        return 0; /* meant for another process */
    return us;
}

/* A service manager that does not read misses a line; it will ask for nothing. */
static void say(const struct notify *notify, const char *text) {
    if (notify->fd >= 0)
        (void)sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL,
                     (const struct sockaddr *)&notify->address, notify->address_size);
}

/* ---- how it is --------------------------------------------------------------------------------
 */

static uint64_t count_sessions(struct supervisor *supervisor) {
    uint64_t sum = 0;
    struct list *at;
    LIST_FOR_EACH(at, &supervisor->servers)
    sum += atomic_load_explicit(&CONTAINER_OF(at, struct server_row, link)->all_sessions,
                                memory_order_relaxed);
    LIST_FOR_EACH(at, &supervisor->clients)
    sum += atomic_load_explicit(&CONTAINER_OF(at, struct client_row, link)->counters.sessions_open,
                                memory_order_relaxed);
    return sum;
}

static const struct server_row *first_failed(struct supervisor *supervisor) {
    struct list *at;
    LIST_FOR_EACH(at, &supervisor->servers) {
        const struct server_row *row = CONTAINER_OF(at, struct server_row, link);
        if (row->is_declared && row->error)
            return row;
    }
    return NULL;
}

/* Lines end a field of the protocol, so a message of several is cut at the first. */
static void write_status(struct supervisor *supervisor, char *out, size_t room) {
    const struct generation *generation = supervisor->generation;
    const struct server_row *failed = first_failed(supervisor);
    char when[32] = "";
    time_t at = (time_t)(supervisor->last_reload_ms / 1000);
    struct tm utc;
    if (gmtime_r(&at, &utc))
        (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc); /* always fits */
    char trouble[NOTIFY_STATUS_MAX / 2] = "";
    if (!supervisor->last_reload_ok && supervisor->last_reload_error)
        (void)snprintf(trouble, sizeof trouble, ": %s", supervisor->last_reload_error);
    else if (supervisor->is_degraded)
        (void)snprintf(trouble, sizeof trouble, "; degraded: the registry cannot be written");
    else if (failed)
        (void)snprintf(trouble, sizeof trouble, "; server " SLICE_FMT ": %s", SLICE_ARG(failed->id),
                       failed->error);
    trouble[strcspn(trouble, "\n")] = 0;
    (void)snprintf(out, room, "STATUS=%zu tasks, %" PRIu64 " sessions, %s at %s%s",
                   generation && generation->program ? program_task_count(generation->program) : 0,
                   count_sessions(supervisor),
                   supervisor->last_reload_ok ? "loaded" : "the last reload failed", when, trouble);
}

void notify_status(struct notify *notify) {
    char text[sizeof notify->status];
    if (notify->fd < 0 || notify->supervisor->state != SUPERVISOR_SERVING)
        return;
    write_status(notify->supervisor, text, sizeof text);
    if (strcmp(text, notify->status) == 0)
        return;
    memcpy(notify->status, text, sizeof text);
    say(notify, text);
}

void notify_failed(struct notify *notify, const char *why) {
    char text[NOTIFY_STATUS_MAX];
    (void)snprintf(text, sizeof text, "STATUS=cannot start: %.*s", (int)strcspn(why, "\n"),
                   why); /* cut, it is for one line of a terminal */
    say(notify, text);
}

/* ---- what it does -----------------------------------------------------------------------------
 */

void notify_ready(struct notify *notify) {
    if (notify->fd < 0 || notify->supervisor->state != SUPERVISOR_SERVING)
        return;
    char text[sizeof notify->status + 16];
    write_status(notify->supervisor, notify->status, sizeof notify->status);
    (void)snprintf(text, sizeof text, "READY=1\n%s", notify->status);
    say(notify, text);
    if (notify->watchdog_ms && !net_timer_is_on(&notify->timer) && !notify->pending)
        feed(notify);
}

void notify_reloading(struct notify *notify) {
    char text[80];
    uint64_t now_us = clock_system.mono_ns(&clock_system) / NS_PER_US;
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_us);
    say(notify, text);
}

void notify_stopping(struct notify *notify, uint64_t extend_ms) {
    char text[96];
    (void)snprintf(text, sizeof text, "STOPPING=1\nSTATUS=ending\nEXTEND_TIMEOUT_USEC=%" PRIu64,
                   extend_ms * US_PER_MS);
    say(notify, text);
}

/* ---- the watchdog -----------------------------------------------------------------------------
 */

static void on_turn(struct worker *worker, void *context) {
    (void)worker, (void)context; /* that it came here is all */
}

static void on_turned(struct worker *worker, void *context) {
    (void)worker; /* they are only counted */
    struct notify *notify = context;
    if (--notify->pending == 0 && notify->is_due && notify->supervisor->has_workers)
        feed(notify);
}

static void feed(struct notify *notify) {
    struct supervisor *supervisor = notify->supervisor;
    say(notify, "WATCHDOG=1");
    notify->is_due = false;
    net_timer_start(supervisor->loop, &notify->timer, notify->watchdog_ms);
    for (uint32_t i = 0; i < supervisor->worker_count; i++) {
        notify->pending++;
        worker_do(&supervisor->workers[i], on_turn, supervisor->loop, on_turned, notify);
    }
}

/* Fed at once when all have turned, else when the last one has. */
static void on_due(struct net_timer *timer) {
    struct notify *notify = CONTAINER_OF(timer, struct notify, timer);
    notify->is_due = true;
    if (notify->pending == 0)
        feed(notify);
}

void notify_close(struct notify *notify) {
    net_timer_stop(&notify->timer);
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}
