/* The rings behind `bellwire why`. An event has a number; notes name it, so that an event may have
 * any number of them, as long as the ring of notes remembers. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/run.h"

#define SERVER_MAX 64
#define PATH_BYTES 72
#define TEXT_MAX   40
#define VALUE_MAX  184

struct why_kept { /* an event */
    uint64_t number, wall_ms;
    const char *kind;
    uint8_t server_size, client_size, path_size, text_size;
    char server[SERVER_MAX], path[PATH_BYTES], text[TEXT_MAX]; /* `server` holds the client's too */
};
struct why_note {
    uint64_t event;
    const struct task_local *local;
    const char *reason;
    const char *file; /* of program `generation`, which may be gone */
    uint64_t generation;
    uint32_t line;
    uint8_t value_size;
    char value[VALUE_MAX];
};
struct why {
    uint64_t events, notes; /* so far */
    struct why_kept kept[WHY_EVENTS_MAX];
    struct why_note noted[WHY_NOTES_MAX];
};

struct call_back {
    why_fn each;
    void *context;
};

struct why *why__new(void) {
    return calloc(1, sizeof(struct why));
}

static uint8_t keep(char *to, size_t room, struct slice text) {
    size_t size = text.size < room ? text.size : room;
    if (size)
        memcpy(to, text.bytes, size);
    return (uint8_t)size;
}

uint64_t engine_note_event(struct engine *engine, const struct why_event *event) {
    struct why *why = engine->why;
    struct why_kept *kept = &why->kept[why->events % WHY_EVENTS_MAX];
    bool is_client = event->client.size > 0;
    kept->number = ++why->events;
    fetch_ahead(&why->kept[why->events % WHY_EVENTS_MAX], sizeof *kept);
    kept->wall_ms = engine->options.clock->wall_ms(engine->options.clock);
    kept->kind = event->kind;
    kept->server_size = is_client ? 0 : keep(kept->server, sizeof kept->server, event->server);
    kept->client_size = is_client ? keep(kept->server, sizeof kept->server, event->client) : 0;
    kept->path_size = keep(kept->path, sizeof kept->path, event->path);
    kept->text_size = keep(kept->text, sizeof kept->text, event->text);
    return kept->number;
}

static struct why_note *note(struct engine *engine, uint64_t event, const struct task_program *task,
                             struct config_mark mark) {
    struct why *why = engine->why;
    struct why_note *next = &why->noted[why->notes++ % WHY_NOTES_MAX];
    fetch_ahead(&why->noted[why->notes % WHY_NOTES_MAX], offsetof(struct why_note, value));
    next->event = event;
    next->reason = NULL;
    next->value_size = 0;
    next->file = mark.file;
    next->line = mark.line;
    next->generation = task->program->generation;
    return next;
}

void engine_note_refusal(struct engine *engine, uint64_t event, const struct trigger *trigger,
                         const char *reason, struct slice value) {
    const struct task_program *task = (const struct task_program *)(const void *)trigger->task;
    struct task_local *local = event ? engine__local(engine, task) : NULL;
    if (!local)
        return;
    struct why_note *next = note(engine, event, task, trigger->mark);
    next->local = local;
    next->reason = reason;
    next->value_size = keep(next->value, sizeof next->value, value);
}

/* ---- by the gates ---------------------------------------------------------------------------- */

void why__fired(struct run *run) {
    if (run->why)
        note(run->engine, run->why, run->task, (struct config_mark){0})->local = run->local;
}

/* What the condition was, and what the names in it were. */
static size_t tell_condition(struct run *run, const struct task_condition *condition, char *out,
                             size_t room) {
    char why[EXPR_WHY_MAX];
    struct expr_part part = {.text = SLICE("")};
    (void)expr_parts(condition->when, &part, 1); /* a condition is one */
    size_t used = (size_t)snprintf(out, room, SLICE_FMT " does not hold", SLICE_ARG(part.text));
    struct scratch_hold hold = scratch__begin(run);
    for (size_t i = 0; i < condition->witness_count && used < room; i++) {
        const struct task_witness *witness = &condition->witnesses[i];
        struct slice value;
        if (expr_eval_text(witness->value, run__scope(run), EXPR_PLAIN, &value, why))
            continue;
        used += (size_t)snprintf(out + used, room - used, "%s" SLICE_FMT " is \"%.*s\"",
                                 i ? ", " : "; ", SLICE_ARG(witness->name),
                                 (int)(value.size < 40 ? value.size : 40),
                                 value.bytes ? value.bytes : "");
    }
    scratch__end(run, hold);
    return used < room ? used : room - 1;
}

static size_t tell_gate(const struct run *run, enum run_gate gate, char *out, size_t room) {
    static const char *const modes[] = {[MODE_PARALLEL] = "parallel",
                                        [MODE_SINGLE] = "single",
                                        [MODE_RESTART] = "restart",
                                        [MODE_QUEUED] = "queued"};
    const struct task_mode *mode = &run->task->mode;
    const struct task_rate *rate = &run->task->rate;
    const struct claim *claim = gate == RUN_AT_MOST ? run->rate_claim : run->turn_claim;
    bool is_parallel = mode->type == MODE_PARALLEL && mode->has_max;
    char text[BASE_TEXT_MAX];
    size_t used = 0;
    if (gate == RUN_AT_MOST)
        used = (size_t)snprintf(out, room, "%u per " SLICE_FMT, rate->runs,
                                SLICE_ARG(duration_format(rate->per_ms, text)));
    else if (gate == RUN_MAX)
        used = (size_t)snprintf(out, room, is_parallel ? "%u at once" : "%u that wait",
                                task_max(&run->task->shared));
    else if (gate == RUN_MODE && mode->type == MODE_QUEUED)
        used = (size_t)snprintf(out, room, "queued, %u waiting", mode->max_waiting);
    else if (gate == RUN_MODE)
        used = (size_t)snprintf(out, room, "%s, one is running", modes[mode->type]);
    size_t prefix = run->task->shared.id.size + 1;
    bool has_key = gate == RUN_AT_MOST ? rate->key != NULL : mode->key != NULL;
    if (claim && has_key && used < room)
        used += (size_t)snprintf(out + used, room - used, ", key \"%.*s\"",
                                 (int)(claim->key_size - prefix), claim->key + prefix);
    return used < room ? used : room - 1;
}

void why__refused(struct run *run, enum run_gate gate, const struct task_condition *condition) {
    struct config_mark mark = condition                             ? condition->mark
                              : gate == RUN_AT_MOST                 ? run->task->rate.mark
                              : gate == RUN_MODE || gate == RUN_MAX ? run->task->mode.mark
                                                                    : run->task->shared.mark;
    if (!run->why)
        return;
    struct why_note *next = note(run->engine, run->why, run->task, mark);
    next->local = run->local;
    next->reason = condition ? "condition" : run_gate_text(gate);
    size_t size = condition ? tell_condition(run, condition, next->value, sizeof next->value)
                            : tell_gate(run, gate, next->value, sizeof next->value);
    next->value_size = (uint8_t)size;
}

/* ---- listing --------------------------------------------------------------------------------- */

static void tell_notes(const struct engine *engine, const struct why_kept *kept,
                       const struct why_event *event, const struct call_back *call) {
    const struct why *why = engine->why;
    uint64_t first = why->notes > WHY_NOTES_MAX ? why->notes - WHY_NOTES_MAX : 0;
    for (uint64_t i = first; i < why->notes; i++) {
        const struct why_note *at = &why->noted[i % WHY_NOTES_MAX];
        char place[512] = "";
        if (at->event != kept->number)
            continue;
        bool is_known = at->line && engine->generations &&
                        at->generation == engine->generations->program->generation;
        if (is_known)
            snprintf(place, sizeof place, "%s:%u", at->file, at->line);
        const struct why_task task = {.task = slice_of(at->local->id),
                                      .has_fired = !at->reason,
                                      .reason = at->reason,
                                      .value = {at->value, at->value_size},
                                      .at = slice_of(place)};
        call->each(call->context, kept->wall_ms, event, &task);
    }
}

void engine_list_why(const struct engine *engine, why_fn each, void *context) {
    const struct why *why = engine->why;
    const struct call_back call = {each, context};
    for (uint64_t i = 0; i < WHY_EVENTS_MAX && i < why->events; i++) {
        const struct why_kept *kept = &why->kept[(why->events - 1 - i) % WHY_EVENTS_MAX];
        const struct why_event event = {.kind = kept->kind,
                                        .server = {kept->server, kept->server_size},
                                        .client = {kept->server, kept->client_size},
                                        .path = {kept->path, kept->path_size},
                                        .text = {kept->text, kept->text_size}};
        const struct why_task none = {.task = SLICE("")};
        each(context, kept->wall_ms, &event, &none);
        tell_notes(engine, kept, &event, &call);
    }
}
