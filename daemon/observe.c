/* What the metrics may ask of the supervisor, and where they are served. */
#include "daemon/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/api.h"
#include "metrics/metrics.h"

static void tell_state(void *context, struct metrics_state *out);
static void make(struct supervisor *supervisor);
static void open_one(struct supervisor *supervisor, struct bind_target *target);

void observe_apply(struct supervisor *supervisor) {
    const struct server_texts *bind = &supervisor->generation->declared.main.metrics_bind;
    if (!supervisor->metrics && !bind->count)
        return;
    if (!supervisor->metrics)
        make(supervisor);
    struct bind_target targets[BIND_TARGETS];
    struct slice kept[BIND_TARGETS];
    size_t count = 0;
    for (size_t i = 0; i < bind->count; i++) {
        struct bind_target found[BIND_TARGETS];
        size_t more = bind_targets(&supervisor->inherited, bind->items[i], found);
        for (size_t k = 0; k < more && count < BIND_TARGETS; k++)
            targets[count++] = found[k];
    }
    for (size_t i = 0; i < count; i++)
        kept[i] = slice_of(targets[i].requested);
    metrics_keep(supervisor->metrics, kept, count);
    for (size_t i = 0; i < count; i++)
        if (!metrics_listens(supervisor->metrics, kept[i]))
            open_one(supervisor, &targets[i]);
}

static void make(struct supervisor *supervisor) {
    uint32_t count = supervisor->worker_count;
    supervisor->observed = base_alloc(count * sizeof *supervisor->observed);
    for (uint32_t i = 0; i < count; i++)
        supervisor->observed[i] =
            (struct control_worker){supervisor->workers[i].loop, supervisor->workers[i].servers,
                                    supervisor->workers[i].clients, supervisor->workers[i].engine};
    supervisor->metrics = metrics_new(&(struct metrics_options){.loop = supervisor->loop,
                                                                .state = tell_state,
                                                                .host = &api_host,
                                                                .context = supervisor,
                                                                .workers = supervisor->observed,
                                                                .worker_count = count});
}

static void open_one(struct supervisor *supervisor, struct bind_target *target) {
    char why[BIND_WHY_MAX] = "out of memory", bound[NET_ADDRESS_MAX];
    const struct log_field field = {SLICE("address"), slice_of(target->requested)};
    int fd = -1;
    bool is_open = bind_open(&supervisor->inherited, target, 1, &fd, why);
    if (is_open &&
        metrics_listen(supervisor->metrics, slice_of(target->requested), fd) == STATUS_OK) {
        const struct log_field at = {SLICE("address"), bind_bound(target, bound)};
        log_line(LOG_INFO, &(struct log_place){.fields = &at, .field_count = 1},
                 "metrics are served");
        return;
    }
    if (is_open)
        close(fd);
    log_line(LOG_ERROR,
             &(struct log_place){.error = slice_of(why), .fields = &field, .field_count = 1},
             "cannot serve metrics");
}

static uint64_t database_bytes(const struct supervisor *supervisor) {
    char path[4096];
    struct stat stat_of;
    int size = snprintf(path, sizeof path, "%s/bellwire.db", supervisor->options->state);
    return size > 0 && (size_t)size < sizeof path && stat(path, &stat_of) == 0
               ? (uint64_t)stat_of.st_size
               : 0;
}

static const char *why_unready(const struct supervisor *supervisor) {
    if (supervisor->state == SUPERVISOR_STARTING)
        return "starting";
    if (supervisor->state != SUPERVISOR_SERVING)
        return "draining";
    return supervisor->is_degraded ? "degraded: the registry cannot be written" : NULL;
}

static void tell_state(void *context, struct metrics_state *out) {
    struct supervisor *supervisor = context;
    const struct globals_refused refused = globals_refused(supervisor->keep.reader);
    *out = (struct metrics_state){.version = SLICE(BELLWIRE_VERSION),
                                  .started_ms = supervisor->started_ms,
                                  .generation = supervisor->generation_number,
                                  .last_reload_ms = supervisor->last_reload_ms,
                                  .database_bytes = database_bytes(supervisor),
                                  .reloads_ok = supervisor->reloads_ok,
                                  .reloads_failed = supervisor->reloads_failed,
                                  .programs = atomic_load(&supervisor->programs.running),
                                  .max_programs = atomic_load(&supervisor->programs.max),
                                  .waiting_programs = atomic_load(&supervisor->programs.waiting),
                                  .refused_globals = refused.past_all,
                                  .refused_global = refused.past_one,
                                  .last_reload_ok = supervisor->last_reload_ok,
                                  .is_degraded = supervisor->is_degraded,
                                  .is_stalled = supervisor->is_stalled,
                                  .stalls = supervisor->stalls,
                                  .unready = why_unready(supervisor)};
}

void observe_close(struct supervisor *supervisor) {
    if (supervisor->metrics)
        metrics_close(supervisor->metrics);
    supervisor->metrics = NULL;
}
