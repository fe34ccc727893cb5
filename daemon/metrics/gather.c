/* One scrape: every worker is asked on its own thread, and writes into an arena of its own. */
#include <stdlib.h>

#include "metrics/internal.h"

#define WAIT_MS 2000

struct part {
    struct net_message message;
    struct gathering *gathering;
    const struct control_worker *worker;
    struct arena arena;
    struct metrics_worker found;
    uint64_t asked_ns;
    bool is_good;
};
struct gathering {
    struct metrics_scrape scrape;
    metrics_done_fn done; /* NULL: told */
    void *context;
    struct net_timer timer;
    uint32_t count, pending; /* parts on their way */
    struct metrics_worker *view;
    struct part parts[];
};

static void on_worker(struct net_message *message, struct net_loop *loop);
static void on_home(struct net_message *message, struct net_loop *loop);
static void on_late(struct net_timer *timer);
static void arrive(struct gathering *gathering);

void metrics__gather(struct metrics *metrics, metrics_done_fn done, void *context) {
    const struct metrics_options *options = &metrics->options;
    uint32_t count = options->worker_count;
    struct gathering *gathering = calloc(1, sizeof *gathering + count * sizeof gathering->parts[0]);
    struct metrics_worker *view = calloc(count, sizeof *view);
    if (!gathering || !view) {
        free(gathering);
        free(view);
        done(context, NULL);
        return;
    }
    struct program *program = options->host->program(options->context);
    gathering->scrape = (struct metrics_scrape){.metrics = metrics__ref(metrics),
                                                .program = program ? program_ref(program) : NULL,
                                                .workers = view};
    arena_init(&gathering->scrape.arena, 4096, 0);
    gathering->view = view;
    gathering->done = done;
    gathering->context = context;
    gathering->count = count;
    gathering->pending = 1; /* this function */
    net_timer_init(&gathering->timer, on_late);
    net_timer_start(options->loop, &gathering->timer, WAIT_MS);
    for (uint32_t i = 0; i < count; i++) {
        struct part *part = &gathering->parts[i];
        *part = (struct part){.message = {.run = on_worker, .bytes = sizeof *part},
                              .gathering = gathering,
                              .worker = &options->workers[i],
                              .asked_ns = clock_system.mono_ns(&clock_system)};
        arena_init(&part->arena, 4096, 0);
        gathering->pending++;
        if (net_post_control(part->worker->loop, &part->message))
            gathering->pending--; /* it is left out */
    }
    arrive(gathering);
}

static bool ask(struct part *part) {
    struct metrics_worker *found = &part->found;
    const struct program *program = part->gathering->scrape.program;
    size_t count = program ? program_task_count(program) : 0;
    found->lag_ns = clock_system.mono_ns(&clock_system) - part->asked_ns;
    engine_stats(part->worker->engine, &found->engine);
    found->tasks = arena_zalloc(&part->arena, count * sizeof *found->tasks);
    if (!found->tasks)
        return false;
    for (size_t i = 0; i < count; i++)
        engine_task_info(part->worker->engine, program_task(program, i), &found->tasks[i]);
    return client_set_info(part->worker->clients, SLICE_NONE, &part->arena, &found->clients,
                           &found->client_count) == STATUS_OK;
}

static void on_worker(struct net_message *message, struct net_loop *loop) {
    struct part *part = CONTAINER_OF(message, struct part, message);
    if (!loop) { /* the worker is gone, and this is the control thread */
        arrive(part->gathering);
        return;
    }
    part->is_good = ask(part);
    part->message = (struct net_message){.run = on_home};
    net_post_answer(part->gathering->scrape.metrics->options.loop, &part->message);
}

static void on_home(struct net_message *message, struct net_loop *loop) {
    struct part *part = CONTAINER_OF(message, struct part, message);
    (void)loop; /* the memory goes in either case */
    struct gathering *gathering = part->gathering;
    size_t number = (size_t)(part - gathering->parts);
    if (part->is_good) {
        gathering->view[number] = part->found;
        gathering->view[number].is_answered = true;
    }
    arrive(gathering);
}

static void tell(struct gathering *gathering) {
    metrics_done_fn done = gathering->done;
    gathering->done = NULL;
    net_timer_stop(&gathering->timer);
    if (done)
        done(gathering->context, &gathering->scrape);
}

static void on_late(struct net_timer *timer) { tell(CONTAINER_OF(timer, struct gathering, timer)); }

static void arrive(struct gathering *gathering) {
    if (--gathering->pending)
        return;
    tell(gathering);
    for (uint32_t i = 0; i < gathering->count; i++)
        arena_deinit(&gathering->parts[i].arena);
    if (gathering->scrape.program)
        program_unref(gathering->scrape.program);
    arena_deinit(&gathering->scrape.arena);
    metrics__unref(gathering->scrape.metrics);
    free(gathering->view);
    free(gathering);
}
