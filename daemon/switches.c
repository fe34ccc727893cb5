/* Stored first, then compiled, then applied; a failure before the last step changes nothing that
 * serves. */
#include "daemon/switches.h"

#include <stdlib.h>

#include "daemon/supervisor.h"

struct row {
    struct list link;
    struct slice task; /* heap */
    bool is_enabled, file_enabled;
};
struct change {
    struct list link;
    struct supervisor *supervisor;
    struct switches_request request; /* its task: heap */
    struct program *before;          /* while the new one is applied */
    bool by_file;
};

static void begin(struct change *change);
static void on_stored(void *context, enum status status);
static void on_applied(struct supervisor *supervisor, uint64_t closed_sessions);
static void finish(struct change *change, unsigned status, const char *text);

/* ---- rows ------------------------------------------------------------------------------------ */

static struct row *find(struct switches *switches, struct slice task) {
    struct list *at;
    LIST_FOR_EACH(at, &switches->rows) {
        struct row *row = CONTAINER_OF(at, struct row, link);
        if (slice_equal(row->task, task))
            return row;
    }
    return NULL;
}

static void drop(struct row *row) {
    list_remove(&row->link);
    free((char *)(uintptr_t)row->task.bytes);
    free(row);
}

/* A say that the file says too is none. */
static void put(struct switches *switches, struct slice task, bool is_enabled, bool file_enabled) {
    struct row *row = find(switches, task);
    if (row)
        drop(row);
    if (is_enabled == file_enabled)
        return;
    row = base_alloc(sizeof *row);
    *row = (struct row){
        .task = supervisor__copy(task), .is_enabled = is_enabled, .file_enabled = file_enabled};
    list_append(&switches->rows, &row->link);
}

bool switches_open(struct switches *switches, struct registry *registry) {
    struct registry_overrides stored;
    struct arena arena;
    list_init(&switches->rows);
    list_init(&switches->waiting);
    arena_init(&arena, 4096, 0);
    enum status status = registry_read_overrides(registry, &arena, &stored);
    for (size_t i = 0; !status && i < stored.count; i++)
        put(switches, stored.items[i].task, stored.items[i].is_enabled,
            stored.items[i].file_enabled);
    if (status)
        log_line(LOG_ERROR, NULL, "what the manager said of tasks cannot be read: %s",
                 status_text(status));
    arena_deinit(&arena);
    return status == STATUS_OK;
}

static void change_free(struct change *change) {
    list_remove(&change->link);
    free((char *)(uintptr_t)change->request.task.bytes);
    free(change);
}

void switches_drop_all(struct switches *switches) {
    struct list *at;
    LIST_FOR_EACH(at, &switches->waiting) {
        struct switches_request *request = &CONTAINER_OF(at, struct change, link)->request;
        request->done(request->context, 503, "the daemon is ending");
        request->done = NULL;
    }
}

void switches_close(struct switches *switches) {
    while (switches->rows.next && !list_is_empty(&switches->rows))
        drop(CONTAINER_OF(switches->rows.next, struct row, link));
    while (switches->waiting.next && !list_is_empty(&switches->waiting)) {
        struct change *change = CONTAINER_OF(switches->waiting.next, struct change, link);
        if (change->before)
            program_unref(change->before);
        change_free(change);
    }
}

bool switches_is_enabled(void *context, struct slice task, bool by_file) {
    const struct row *row = find(context, task);
    return row && row->file_enabled == by_file ? row->is_enabled : by_file;
}

/* ---- a change -------------------------------------------------------------------------------- */

void switches_submit(struct supervisor *supervisor, const struct switches_request *request) {
    struct change *change = base_alloc(sizeof *change);
    change->supervisor = supervisor;
    change->request = *request;
    change->request.task = supervisor__copy(request->task);
    list_append(&supervisor->switches.waiting, &change->link);
    switches_continue(supervisor);
}

void switches_continue(struct supervisor *supervisor) {
    struct switches *switches = &supervisor->switches;
    if (switches->change || supervisor->apply || supervisor->edit ||
        list_is_empty(&switches->waiting))
        return;
    switches->change = CONTAINER_OF(switches->waiting.next, struct change, link);
    begin(switches->change);
}

static enum status store(struct supervisor *supervisor, const struct registry_override *row,
                         struct registry_done done) {
    return registry_put_override(supervisor->registry, row, done);
}

static void begin(struct change *change) {
    struct supervisor *supervisor = change->supervisor;
    const struct generation *generation = supervisor->generation;
    const struct task *task =
        generation ? program_find_task(generation->program, change->request.task) : NULL;
    if (!task || supervisor->state >= SUPERVISOR_DRAINING) {
        finish(change, task ? 503 : 404, task ? "the daemon is ending" : "unknown task");
        return;
    }
    if (task->is_enabled == change->request.is_enabled) {
        finish(change, 200, "");
        return;
    }
    change->by_file = task->is_enabled_by_file;
    const struct registry_override row = {.task = change->request.task,
                                          .is_enabled = change->request.is_enabled,
                                          .file_enabled = change->by_file,
                                          .is_removed =
                                              change->request.is_enabled == change->by_file};
    enum status status = store(supervisor, &row, (struct registry_done){on_stored, change});
    if (status)
        on_stored(change, status);
}

static void on_stored(void *context, enum status status) {
    struct change *change = context;
    struct supervisor *supervisor = change->supervisor;
    supervisor__stored(supervisor, status);
    if (status) {
        finish(change, 503, "the registry could not be written; nothing was changed");
        return;
    }
    struct generation *generation = supervisor->generation;
    const struct switches_request *request = &change->request;
    put(&supervisor->switches, request->task, request->is_enabled, change->by_file);
    const struct generation_input input = {.workers = supervisor->worker_count,
                                           .number = supervisor->generation_number + 1,
                                           .previous = generation->program,
                                           .is_enabled = switches_is_enabled,
                                           .context = &supervisor->switches};
    struct program *program = generation_rebuild(generation, &input);
    if (!program) {
        finish(change, 409,
               "the task is switched with the next reload: the configuration in use "
               "cannot be compiled again, see `bellwire check`");
        return;
    }
    change->before = generation->program;
    generation->program = program_ref(program); /* one is given back when it is applied */
    supervisor__apply(supervisor, generation_ref(generation), on_applied);
}

static void on_applied(struct supervisor *supervisor, uint64_t closed_sessions) {
    (void)closed_sessions; /* sessions stay, also those that no task names any more */
    struct change *change = supervisor->switches.change;
    program_unref(change->before);
    change->before = NULL;
    log_line(LOG_INFO, &(struct log_place){.task = change->request.task},
             change->request.is_enabled ? "enabled by the manager" : "disabled by the manager");
    finish(change, 200, "");
}

static void finish(struct change *change, unsigned status, const char *text) {
    struct supervisor *supervisor = change->supervisor;
    supervisor->switches.change = NULL;
    list_remove(&change->link); /* whoever is told may ask for the next one at once */
    list_init(&change->link);
    if (change->request.done) /* else it was told that the daemon is ending */
        change->request.done(change->request.context, status, text);
    change_free(change);
    supervisor__next(supervisor);
}

void switches_follow(struct supervisor *supervisor) {
    const struct program *program = supervisor->generation->program;
    struct list *at, *next;
    for (at = supervisor->switches.rows.next; at != &supervisor->switches.rows; at = next) {
        struct row *row = CONTAINER_OF(at, struct row, link);
        const struct task *task = program_find_task(program, row->task);
        next = at->next;
        if (!task || task->is_enabled_by_file == row->file_enabled)
            continue;
        const struct registry_override gone = {.task = row->task, .is_removed = true};
        enum status status = store(supervisor, &gone, (struct registry_done){0});
        if (status)
            supervisor__stored(supervisor, status);
        drop(row);
    }
}
