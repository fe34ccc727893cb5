/* The beats of `every` on one worker. Each task's beats belong to one worker, so that no two of
 * them can overlap; they keep their time through a reload that keeps their interval. */
#include <stdlib.h>

#include "triggers/event.h"

struct beat {
    struct event event; /* first; of the run in progress, one at a time */
    struct list link;   /* of triggers->beats */
    struct triggers *triggers;
    const struct trigger *trigger; /* of the present program */
    struct net_timer timer;
    uint64_t interval_ms, due_ms;
    uint32_t refs;  /* the list's, the run's, and one for each further hold */
    uint32_t holds; /* more than one while a task in place of another takes the event over */
    bool is_running, is_stale;
    size_t id_size;
    char id[]; /* of the task */
};

static void on_due(struct net_timer *timer);
static struct event *hold(struct event *event);
static void release(struct event *event);
static void refused(struct event *event, const struct run_verdict *verdict);
static void ended(struct event *event, struct run *run, const struct run_end *end);

static const struct event_ops beat_ops = {
    .hold = hold, .release = release, .refused = refused, .ended = ended};

static void unref(struct beat *beat) {
    if (--beat->refs == 0)
        free(beat);
}

static void drop(struct beat *beat) {
    net_timer_stop(&beat->timer);
    list_remove(&beat->link);
    beat->triggers = NULL;
    unref(beat);
}

/* One of the same task with the same interval, that no trigger has taken yet. */
static struct beat *find(struct triggers *triggers, const struct trigger *trigger) {
    const struct trigger_every *args = trigger->args;
    struct list *node;
    LIST_FOR_EACH(node, &triggers->beats) {
        struct beat *beat = CONTAINER_OF(node, struct beat, link);
        if (beat->is_stale && beat->interval_ms == args->interval_ms &&
            slice_equal((struct slice){beat->id, beat->id_size}, trigger->task->id))
            return beat;
    }
    return NULL;
}

static void add(struct triggers *triggers, const struct trigger *trigger) {
    const struct trigger_every *args = trigger->args;
    struct slice id = trigger->task->id;
    struct beat *beat = base_alloc(sizeof *beat + id.size);
    memcpy(beat->id, id.bytes, id.size);
    beat->id_size = id.size;
    beat->triggers = triggers;
    beat->trigger = trigger;
    beat->interval_ms = args->interval_ms;
    beat->refs = 1;
    beat->due_ms = net_loop_now_ms(triggers->loop) + beat->interval_ms;
    net_timer_init(&beat->timer, on_due);
    net_timer_start(triggers->loop, &beat->timer, beat->interval_ms);
    list_append(&triggers->beats, &beat->link);
}

void beats__follow(struct triggers *triggers) {
    const struct program *program = engine_program(triggers->engine);
    struct list *node, *next;
    LIST_FOR_EACH(node, &triggers->beats)
    CONTAINER_OF(node, struct beat, link)->is_stale = true;
    for (size_t i = 0; program && i < program_trigger_count(program); i++) {
        const struct trigger *trigger = program_trigger(program, i);
        uint64_t hash = hash_bytes(&(struct hash_key){1, 2}, trigger->task->id);
        if (trigger->kind != &trigger_every || hash % triggers->worker_count != triggers->worker)
            continue;
        struct beat *beat = find(triggers, trigger);
        if (beat) {
            beat->trigger = trigger;
            beat->is_stale = false;
        } else {
            add(triggers, trigger);
        }
    }
    for (node = triggers->beats.next; node != &triggers->beats; node = next) {
        next = node->next;
        if (CONTAINER_OF(node, struct beat, link)->is_stale)
            drop(CONTAINER_OF(node, struct beat, link));
    }
}

void beats__stop(struct triggers *triggers) {
    while (!list_is_empty(&triggers->beats))
        drop(CONTAINER_OF(triggers->beats.next, struct beat, link));
}

/* Beats that a stalled loop missed are not made up for. */
static void wait_for_next(struct beat *beat) {
    uint64_t now_ms = net_loop_now_ms(beat->triggers->loop);
    beat->due_ms += beat->interval_ms;
    if (beat->due_ms <= now_ms)
        beat->due_ms +=
            (now_ms - beat->due_ms) / beat->interval_ms * beat->interval_ms + beat->interval_ms;
    net_timer_start(beat->triggers->loop, &beat->timer, beat->due_ms - now_ms);
}

static void on_due(struct net_timer *timer) {
    struct beat *beat = CONTAINER_OF(timer, struct beat, timer);
    struct engine *engine = beat->triggers->engine;
    uint64_t why = engine_note_event(engine, &(struct why_event){.kind = "every"});
    wait_for_next(beat);
    if (beat->is_running) {
        engine_note_refusal(engine, why, beat->trigger, "overlap",
                            SLICE("the run of the beat before is going on"));
        engine_count_refusal(engine, beat->trigger->task, RUN_OVERLAP);
        return;
    }
    beat->event = (struct event){
        .ops = &beat_ops, .trigger = beat->trigger, .cause = RUN_TRIGGER, .why = why};
    beat->is_running = true;
    beat->refs++;
    struct run_verdict verdict = run_begin(engine, beat->trigger->task, &beat->event);
    if (verdict.gate == RUN_ADMITTED)
        return; /* it may be over, and the beat gone */
    beat->is_running = false;
    unref(beat);
}

/* ---- the event of a run ---------------------------------------------------------------------- */

/* It borrows nothing, and stays in its place. */
static struct event *hold(struct event *event) {
    struct beat *beat = (struct beat *)event;
    beat->refs += beat->holds > 0; /* the first one has the run's own */
    beat->holds++;
    return event;
}

static void release(struct event *event) {
    struct beat *beat = (struct beat *)event;
    beat->holds--;
    unref(beat);
}

static void over(struct beat *beat) {
    beat->is_running = false;
    if (!beat->holds)
        unref(beat);
}

static void refused(struct event *event, const struct run_verdict *verdict) {
    (void)verdict; /* the engine counts it */
    over((struct beat *)event);
}

static void ended(struct event *event, struct run *run, const struct run_end *end) {
    (void)run, (void)end; /* only that it is over counts */
    over((struct beat *)event);
}
