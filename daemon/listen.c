/* Addresses: the control thread makes one socket a worker and hands them over. One that cannot be
 * bound is told of and the rest serve. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/edit.h"
#include "daemon/supervisor.h"

struct handover { /* one socket on its way to a worker */
    struct slice server;
    char address[NET_ADDRESS_MAX];
    int fd;
};

static void open_text(struct supervisor *supervisor, struct server_row *row, struct slice text);
static void open_target(struct supervisor *supervisor, struct server_row *row,
                        struct bind_target *target);
static void hand_over(struct supervisor *supervisor, struct server_row *row,
                      struct listener *listener, const int *fds);
static void on_worker(struct worker *worker, void *context);
static void add_error(struct server_row *row, struct slice address, const char *reason);

const char *supervisor__server_state(const struct server_row *row) {
    if (!row->is_wanted)
        return "stopped";
    return list_is_empty(&row->listeners) ? "failed" : "listening";
}

void supervisor__listen(struct supervisor *supervisor, struct server_row *row) {
    if (supervisor->state >= SUPERVISOR_DRAINING)
        return; /* told to end while a change was under way: its workers have closed theirs */
    const char *before = row->since_ms ? supervisor__server_state(row) : "";
    free(row->error);
    row->error = NULL;
    if (row->is_wanted)
        for (size_t i = 0; i < row->config->options.bind.count; i++)
            open_text(supervisor, row, row->config->options.bind.items[i]);
    if (strcmp(before, supervisor__server_state(row)) != 0 || !row->since_ms)
        row->since_ms = clock_system.wall_ms(&clock_system);
}

static void open_text(struct supervisor *supervisor, struct server_row *row, struct slice text) {
    struct bind_target targets[BIND_TARGETS];
    size_t count = bind_targets(&supervisor->inherited, text, targets);
    for (size_t i = 0; i < count; i++)
        open_target(supervisor, row, &targets[i]);
}

static void open_target(struct supervisor *supervisor, struct server_row *row,
                        struct bind_target *target) {
    struct list *at;
    LIST_FOR_EACH(at, &row->listeners) {
        if (strcmp(target->requested, CONTAINER_OF(at, struct listener, link)->requested) == 0)
            return;
    }
    int fds[256];
    char why[BIND_WHY_MAX];
    if (!bind_open(&supervisor->inherited, target, supervisor->worker_count, fds, why)) {
        add_error(row, slice_of(target->requested), why);
        const struct log_field field = {SLICE("address"), slice_of(target->requested)};
        log_line(LOG_ERROR,
                 &(struct log_place){
                     .server = row->id, .error = slice_of(why), .fields = &field, .field_count = 1},
                 "cannot listen");
        return;
    }
    struct listener *listener = base_alloc(sizeof *listener);
    memcpy(listener->requested, target->requested, sizeof listener->requested);
    char bound[NET_ADDRESS_MAX];
    struct slice bound_text = bind_bound(target, bound);
    memcpy(listener->bound, bound_text.bytes, bound_text.size);
    list_append(&row->listeners, &listener->link);
    hand_over(supervisor, row, listener, fds);
    const struct log_field field = {SLICE("address"), slice_of(listener->bound)};
    log_line(LOG_INFO, &(struct log_place){.server = row->id, .fields = &field, .field_count = 1},
             "listening");
}

static void hand_over(struct supervisor *supervisor, struct server_row *row,
                      struct listener *listener, const int *fds) {
    for (uint32_t i = 0; i < supervisor->worker_count; i++) {
        struct handover *handover = base_alloc(sizeof *handover);
        handover->server = supervisor__copy(row->id);
        memcpy(handover->address, listener->bound, sizeof handover->address);
        handover->fd = fds[i];
        worker_do(&supervisor->workers[i], on_worker, NULL, NULL, handover);
    }
}

static void on_worker(struct worker *worker, void *context) {
    struct handover *handover = context;
    if (server_set_listen(worker->servers, handover->server, slice_of(handover->address),
                          handover->fd)) {
        log_line(LOG_ERROR, &(struct log_place){.server = handover->server}, "cannot listen: %s",
                 strerror(errno));
        close(handover->fd);
    }
    free((char *)(uintptr_t)handover->server.bytes);
    free(handover);
}

static void add_error(struct server_row *row, struct slice address, const char *reason) {
    char *text = NULL;
    int size = asprintf(&text, "%s%s" SLICE_FMT ": %s", row->error ? row->error : "",
                        row->error ? "; " : "", SLICE_ARG(address), reason);
    if (size < 0)
        return;
    free(row->error);
    row->error = text;
}

/* ---- stopping -------------------------------------------------------------------------------- */

struct stop { /* of one server on all workers; freed with the last answer */
    struct supervisor *supervisor;
    struct server_row *row; /* stays until the end */
    struct edit_steering steering;
    uint32_t pending;
};
struct waiting { /* an order that came while its server was being stopped */
    struct list link;
    struct edit_steering steering;
};

static void on_worker_stop(struct worker *worker, void *context) {
    const struct stop *stop = context;
    server_set_stop(worker->servers, stop->row->id, false);
}

static struct edit_steering take_order(struct server_row *row) {
    struct waiting *waiting = CONTAINER_OF(row->orders.next, struct waiting, link);
    struct edit_steering steering = waiting->steering;
    list_remove(&waiting->link);
    free(waiting);
    return steering;
}

static void on_worker_stopped(struct worker *worker, void *context) {
    (void)worker; /* they are only counted */
    struct stop *stop = context;
    if (--stop->pending > 0)
        return;
    struct supervisor *supervisor = stop->supervisor;
    struct server_row *row = stop->row;
    struct edit_steering told = stop->steering;
    row->is_stopping = false;
    free(stop);
    if (!supervisor->has_workers)
        return; /* who asked has been told, or is gone */
    told.done(told.context, STATUS_OK, NULL);
    while (!row->is_stopping && !list_is_empty(&row->orders)) {
        struct edit_steering next = take_order(row);
        edit_steer_server(supervisor, &next);
    }
}

void supervisor__after_stop(struct server_row *row, const struct edit_steering *steering) {
    struct waiting *waiting = base_alloc(sizeof *waiting);
    waiting->steering = *steering;
    waiting->steering.id = row->id;
    list_append(&row->orders, &waiting->link);
}

void supervisor__drop_orders(struct server_row *row) {
    while (!list_is_empty(&row->orders))
        (void)take_order(row); /* who gave it is gone */
}

void supervisor__stop_server(struct supervisor *supervisor, struct server_row *row,
                             const struct edit_steering *steering) {
    if (!list_is_empty(&row->listeners)) {
        row->since_ms = clock_system.wall_ms(&clock_system);
        log_line(LOG_INFO, &(struct log_place){.server = row->id}, "stopped");
    }
    while (!list_is_empty(&row->listeners)) {
        struct listener *listener = CONTAINER_OF(row->listeners.next, struct listener, link);
        list_remove(&listener->link);
        free(listener);
    }
    struct stop *stop = base_alloc(sizeof *stop);
    *stop = (struct stop){supervisor, row, *steering, supervisor->worker_count};
    row->is_stopping = true;
    for (uint32_t i = 0; i < supervisor->worker_count; i++)
        worker_do(&supervisor->workers[i], on_worker_stop, supervisor->loop, on_worker_stopped,
                  stop);
}
