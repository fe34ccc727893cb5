/* The latest events of all workers, each with the tasks that were considered for it and the first
 * gate that refused each. */
#include <stdio.h>
#include <stdlib.h>

#include "control/internal.h"

#define MISSES_MAX 8 /* tasks that are named for an event which none was considered for */

struct task_row {
    struct task_row *next;
    struct why_task task; /* texts in the part's arena */
};
struct event_row {
    struct event_row *next;
    uint64_t at_ms, order; /* among those of one millisecond and worker: newest first */
    struct why_event event;
    struct task_row *first, **last;
};
struct rows {
    struct gather_part *part;
    struct slice task; /* size 0: any */
    struct event_row *first, **last, *open;
    uint64_t count;
};

/* ---- on a worker ----------------------------------------------------------------------------- */

static void copy(struct gather_part *part, struct slice *text) {
    if (arena_copy(&part->arena, *text, text))
        part->status = STATUS_NO_MEMORY;
}

static void *room(struct gather_part *part, size_t size) {
    void *memory = arena_zalloc(&part->arena, size);
    if (!memory)
        part->status = STATUS_NO_MEMORY;
    return memory;
}

static void open_event(struct rows *rows, uint64_t at_ms, const struct why_event *event) {
    struct event_row *row = rows->open = room(rows->part, sizeof *row);
    if (!row)
        return;
    row->at_ms = at_ms;
    row->order = rows->count++;
    row->event = *event;
    row->last = &row->first;
    struct slice *texts[] = {&row->event.server, &row->event.client, &row->event.path,
                             &row->event.text};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        copy(rows->part, texts[i]);
    *rows->last = row;
    rows->last = &row->next;
}

static void take(void *context, uint64_t at_ms, const struct why_event *event,
                 const struct why_task *task) {
    struct rows *rows = context;
    if (!task->task.size) {
        open_event(rows, at_ms, event);
        return;
    }
    struct task_row *row = rows->open ? room(rows->part, sizeof *row) : NULL;
    if (!row)
        return;
    row->task = *task;
    struct slice *texts[] = {&row->task.task, &row->task.value, &row->task.at};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        copy(rows->part, texts[i]);
    *rows->open->last = row;
    rows->open->last = &row->next;
}

static void ask_why(struct gather_part *part, const void *context) {
    const struct slice *task = context;
    struct rows rows = {.part = part, .task = *task};
    rows.last = &rows.first;
    engine_list_why(part->worker->engine, take, &rows);
    part->data = rows.first;
}

/* ---- back ------------------------------------------------------------------------------------ */

static void write_task(struct call *call, const struct why_task *task) {
    struct out *out = &call->out;
    out_map(out, NULL);
    out_text(out, "task", task->task);
    out_bool(out, "fired", task->has_fired);
    if (task->has_fired) {
        out_null(out, "reason");
    } else {
        char *text = arena_printf(&call->arena, "%s%s" SLICE_FMT, task->reason,
                                  task->value.size ? ": " : "", SLICE_ARG(task->value));
        out_text(out, "reason", slice_of(text ? text : ""));
    }
    out_text_or_null(out, "at", task->at);
    out_end(out);
}

/* Tasks that the event did not come to, since their path, method or being disabled kept them. */
static void write_misses(struct call *call, const struct event_row *row, struct slice wanted) {
    struct control *control = call->control;
    const struct program *program = control->host->program(control->context);
    size_t count = 0;
    for (size_t i = 0; program && i < program_task_count(program) && count < MISSES_MAX; i++) {
        const struct task *task = program_task(program, i);
        if (wanted.size && !slice_equal(task->id, wanted))
            continue;
        for (size_t t = 0; t < task->trigger_count; t++) {
            char text[CONTROL_EXPLAIN_MAX];
            struct slice value;
            const struct trigger *trigger = &task->triggers[t];
            const char *reason = control->host->explain(trigger, &row->event, &value, text);
            if (!reason)
                continue;
            char *at = arena_printf(&call->arena, "%s:%u", trigger->mark.file, trigger->mark.line);
            write_task(call,
                       &(struct why_task){
                           .task = task->id, .reason = reason, .value = value, .at = slice_of(at)});
            count++;
            break;
        }
    }
}

static void write_event(struct call *call, const struct event_row *row, struct slice wanted) {
    struct out *out = &call->out;
    bool is_request = strcmp(row->event.kind, "http-request") == 0 ||
                      strcmp(row->event.kind, "server-upgrade") == 0;
    bool has_task = false;
    out_map(out, NULL);
    out_time(out, "at", row->at_ms);
    out_map(out, "event");
    out_text(out, "kind", slice_of(row->event.kind));
    out_text_or_null(out, "server", row->event.server);
    out_text_or_null(out, "client", row->event.client);
    out_text_or_null(out, "path", row->event.path);
    out_text_or_null(out, is_request ? "method" : "message", row->event.text);
    out_end(out);
    out_list(out, "tasks");
    for (const struct task_row *at = row->first; at; at = at->next) {
        if (wanted.size && !slice_equal(at->task.task, wanted))
            continue;
        write_task(call, &at->task);
        has_task = true;
    }
    if (!has_task)
        write_misses(call, row, wanted);
    out_end(out);
    out_end(out);
}

/* Whether the event says anything about the task that is asked for. */
static bool concerns(struct call *call, const struct event_row *row, struct slice wanted) {
    struct control *control = call->control;
    const struct program *program = control->host->program(control->context);
    const struct task *task = wanted.size && program ? program_find_task(program, wanted) : NULL;
    bool does = !wanted.size;
    for (const struct task_row *at = row->first; at && !does; at = at->next)
        does = slice_equal(at->task.task, wanted);
    for (size_t t = 0; task && !does && t < task->trigger_count; t++) {
        char text[CONTROL_EXPLAIN_MAX];
        struct slice value;
        does = control->host->explain(&task->triggers[t], &row->event, &value, text) != NULL;
    }
    return does;
}

static int by_time(const void *left, const void *right) {
    const struct event_row *a = *(const struct event_row *const *)left;
    const struct event_row *b = *(const struct event_row *const *)right;
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? 1 : -1;
    return (a->order > b->order) - (a->order < b->order);
}

static void on_why(struct call *call, struct gather_part *parts, uint32_t count) {
    const struct slice *wanted = gather_input(parts);
    size_t known = 0, used = 0;
    for (uint32_t i = 0; i < count; i++)
        for (const struct event_row *row = parts[i].is_answered ? parts[i].data : NULL; row;
             row = row->next)
            known++;
    const struct event_row **rows =
        arena_alloc(&call->arena, (known + 1) * sizeof(const struct event_row *));
    if (!rows) {
        call_no_memory(call);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        for (const struct event_row *row = parts[i].is_answered ? parts[i].data : NULL; row;
             row = row->next)
            rows[used++] = row;
    qsort(rows, used, sizeof(const struct event_row *), by_time);
    out_list(&call->out, NULL);
    size_t written = 0;
    for (size_t i = 0; i < used && written < WHY_EVENTS_MAX; i++) {
        if (!concerns(call, rows[i], *wanted))
            continue;
        write_event(call, rows[i], *wanted);
        written++;
    }
    out_end(&call->out);
    call_answer(call);
}

void route__why(struct call *call) {
    struct slice task = call_text(call, "task");
    call->id = task;
    if (task.size && !task__find(call))
        return;
    struct slice *input = slice__box(task);
    if (input)
        gather(call, &(struct gather_ask){ask_why, on_why, input, free});
    else
        call_no_memory(call);
}
