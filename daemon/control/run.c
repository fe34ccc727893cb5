/* Runs that go on, the latest ended ones, and how one is cancelled. */
#include <stdlib.h>

#include "control/internal.h"

struct row {
    struct row *next;
    struct run_info info; /* texts in the part's arena */
};
struct rows {
    struct gather_part *part;
    struct slice task, id; /* empty: any */
    bool only_failed;
    struct row *first, **last;
};
struct input {
    struct slice task, id; /* behind the struct */
    bool only_failed;
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
        (rows->id.size && !slice_equal(rows->id, info->id)) ||
        (rows->only_failed && (!info->has_ended || info->outcome != RUN_FAILED)))
        return;
    struct row *row = arena_zalloc(&part->arena, sizeof *row);
    if (!row) {
        part->status = STATUS_NO_MEMORY;
        return;
    }
    row->info = *info;
    struct slice *texts[] = {&row->info.id,   &row->info.task, &row->info.trigger,
                             &row->info.step, &row->info.at,   &row->info.error};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        copy(part, texts[i]);
    *rows->last = row;
    rows->last = &row->next;
}

static void ask_runs(struct gather_part *part, const void *context) {
    const struct input *input = context;
    struct rows rows = {
        .part = part, .task = input->task, .id = input->id, .only_failed = input->only_failed};
    rows.last = &rows.first;
    engine_list_runs(part->worker->engine, take, &rows);
    engine_list_ended(part->worker->engine, take, &rows);
    part->data = rows.first;
}

/* ---- back ------------------------------------------------------------------------------------ */

static const char *state_of(const struct run_info *info) {
    static const char *const ended[] = {
        [RUN_DONE] = "done", [RUN_FAILED] = "failed", [RUN_CANCELLED] = "cancelled"};
    return info->has_ended ? ended[info->outcome] : info->is_waiting ? "waiting" : "running";
}

static void write_run(struct out *out, const struct run_info *info) {
    out_map(out, NULL);
    out_text(out, "id", info->id);
    out_text(out, "task", info->task);
    out_text(out, "state", slice_of(state_of(info)));
    out_text_or_null(out, "step", info->step);
    out_time(out, "started", info->started_ms);
    out_time(out, "ended", info->ended_ms);
    out_text_or_null(out, "trigger", info->trigger);
    out_text_or_null(out, "error", info->error);
    out_text_or_null(out, "at", info->at);
    out_end(out);
}

/* The live ones first, then the ended ones, each the newest first. */
static int by_age(const void *left, const void *right) {
    const struct run_info *a = &(*(const struct row *const *)left)->info;
    const struct run_info *b = &(*(const struct row *const *)right)->info;
    uint64_t at = a->has_ended ? a->ended_ms : a->started_ms;
    uint64_t bt = b->has_ended ? b->ended_ms : b->started_ms;
    if (a->has_ended != b->has_ended)
        return a->has_ended ? 1 : -1;
    if (at != bt)
        return at < bt ? 1 : -1;
    return -memcmp(a->id.bytes, b->id.bytes, a->id.size < b->id.size ? a->id.size : b->id.size);
}

static size_t write_runs(struct call *call, const struct gather_part *parts, uint32_t count) {
    size_t known = 0, used = 0, ended = 0;
    for (uint32_t i = 0; i < count; i++)
        for (const struct row *row = parts[i].is_answered ? parts[i].data : NULL; row;
             row = row->next)
            known++;
    const struct row **rows = arena_alloc(&call->arena, (known + 1) * sizeof(const struct row *));
    if (!rows) {
        call->out.status = STATUS_NO_MEMORY;
        return 1;
    }
    for (uint32_t i = 0; i < count; i++)
        for (const struct row *row = parts[i].is_answered ? parts[i].data : NULL; row;
             row = row->next)
            rows[used++] = row;
    qsort(rows, used, sizeof(const struct row *), by_age);
    for (size_t i = 0; i < used && ended < ENGINE_ENDED_MAX; i++) {
        ended += rows[i]->info.has_ended;
        write_run(&call->out, &rows[i]->info);
    }
    return used;
}

static void on_list(struct call *call, struct gather_part *parts, uint32_t count) {
    out_list(&call->out, NULL);
    (void)write_runs(call, parts, count); /* none is fine */
    out_end(&call->out);
    call_answer(call);
}

static void refuse(struct call *call) {
    call_error(call, 404, call->id, "no run \"" SLICE_FMT "\" is going on or among the latest",
               SLICE_ARG(call->id));
}

static void on_one(struct call *call, struct gather_part *parts, uint32_t count) {
    if (write_runs(call, parts, count))
        call_answer(call);
    else
        refuse(call);
}

static void ask_all(struct call *call, struct input wanted,
                    void (*done)(struct call *, struct gather_part *, uint32_t)) {
    struct input *input = malloc(sizeof *input + wanted.task.size + wanted.id.size);
    if (!input) {
        call_no_memory(call);
        return;
    }
    char *bytes = (char *)(input + 1);
    if (wanted.task.size)
        memcpy(bytes, wanted.task.bytes, wanted.task.size);
    if (wanted.id.size)
        memcpy(bytes + wanted.task.size, wanted.id.bytes, wanted.id.size);
    *input = wanted;
    input->task.bytes = bytes;
    input->id.bytes = bytes + wanted.task.size;
    gather(call, &(struct gather_ask){ask_runs, done, input, free});
}

void route__run_list(struct call *call) {
    ask_all(
        call,
        (struct input){.task = call_text(call, "task"), .only_failed = call_flag(call, "failed")},
        on_list);
}

void route__run_show(struct call *call) { ask_all(call, (struct input){.id = call->id}, on_one); }

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
