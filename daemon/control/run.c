/* Runs that go on, and how one is cancelled. */
#include <stdlib.h>

#include "control/internal.h"

struct row {
    struct row *next;
    struct run_info info; /* texts in the part's arena */
};
struct rows {
    struct gather_part *part;
    struct slice task, id; /* empty: any */
    struct row *first, **last;
};
struct input {
    struct slice task, id; /* behind the struct */
};

/* ---- on a worker ----------------------------------------------------------------------------- */

static void copy(struct gather_part *part, struct slice *text) {
    if (arena_copy(&part->arena, *text, text))
        part->status = STATUS_NO_MEMORY;
}

static void take(void *context, const struct run_info *info) {
    struct rows *rows = context;
    struct gather_part *part = rows->part;
    if ((rows->task.size && !slice_equal(rows->task, info->task)) ||
        (rows->id.size && !slice_equal(rows->id, info->id)))
        return;
    struct row *row = arena_zalloc(&part->arena, sizeof *row);
    if (!row) {
        part->status = STATUS_NO_MEMORY;
        return;
    }
    row->info = *info;
    struct slice *texts[] = {&row->info.id, &row->info.task, &row->info.trigger, &row->info.step,
                             &row->info.at};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        copy(part, texts[i]);
    *rows->last = row;
    rows->last = &row->next;
}

static void ask_runs(struct gather_part *part, const void *context) {
    const struct input *input = context;
    struct rows rows = {.part = part, .task = input->task, .id = input->id};
    rows.last = &rows.first;
    engine_list_runs(part->worker->engine, take, &rows);
    part->data = rows.first;
}

/* ---- back ------------------------------------------------------------------------------------ */

static void write_run(struct out *out, const struct run_info *info) {
    out_map(out, NULL);
    out_text(out, "id", info->id);
    out_text(out, "task", info->task);
    out_text(out, "state", info->is_waiting ? SLICE("waiting") : SLICE("running"));
    out_text_or_null(out, "step", info->step);
    out_time(out, "started", info->started_ms);
    out_null(out, "ended");
    out_text_or_null(out, "trigger", info->trigger);
    out_null(out, "error");
    out_text_or_null(out, "at", info->at);
    out_end(out);
}

static size_t write_runs(struct call *call, const struct gather_part *parts, uint32_t count) {
    size_t written = 0;
    for (uint32_t i = 0; i < count; i++)
        for (const struct row *row = parts[i].is_answered ? parts[i].data : NULL; row;
             row = row->next, written++)
            write_run(&call->out, &row->info);
    return written;
}

static void on_list(struct call *call, struct gather_part *parts, uint32_t count) {
    out_list(&call->out, NULL);
    (void)write_runs(call, parts, count); /* none is fine */
    out_end(&call->out);
    call_answer(call);
}

static void refuse(struct call *call) {
    call_error(call, 404, call->id, "no run \"" SLICE_FMT "\" is going on", SLICE_ARG(call->id));
}

static void on_one(struct call *call, struct gather_part *parts, uint32_t count) {
    if (write_runs(call, parts, count))
        call_answer(call);
    else
        refuse(call);
}

static void ask_all(struct call *call, struct slice task, struct slice id,
                    void (*done)(struct call *, struct gather_part *, uint32_t)) {
    struct input *input = malloc(sizeof *input + task.size + id.size);
    if (!input) {
        call_no_memory(call);
        return;
    }
    char *bytes = (char *)(input + 1);
    if (task.size)
        memcpy(bytes, task.bytes, task.size);
    if (id.size)
        memcpy(bytes + task.size, id.bytes, id.size);
    *input = (struct input){{bytes, task.size}, {bytes + task.size, id.size}};
    gather(call, &(struct gather_ask){ask_runs, done, input, free});
}

void route__run_list(struct call *call) {
    ask_all(call, call_text(call, "task"), SLICE_NONE, on_list);
}

void route__run_show(struct call *call) { ask_all(call, SLICE_NONE, call->id, on_one); }

/* ---- cancel ---------------------------------------------------------------------------------- */

static void ask_cancel(struct gather_part *part, const void *input) {
    struct run *run = engine_find_run(part->worker->engine, *(const struct slice *)input);
    if (!run)
        return;
    part->count = 1;
    run_cancel(run);
}

static void on_cancelled(struct call *call, struct gather_part *parts, uint32_t count) {
    size_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += parts[i].is_answered ? parts[i].count : 0;
    if (!found) {
        refuse(call);
        return;
    }
    out_map(&call->out, NULL);
    out_text(&call->out, "run", call->id);
    out_bool(&call->out, "ok", true);
    out_end(&call->out);
    call_answer(call);
}

void route__run_cancel(struct call *call) {
    struct slice *input = slice__box(call->id);
    if (input)
        gather(call, &(struct gather_ask){ask_cancel, on_cancelled, input, free});
    else
        call_no_memory(call);
}
