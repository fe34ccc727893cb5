/* stop-task: cancels the runs of a task, or one run, on all workers. Done when each of them has
 * passed the word on; a cancelled run may still be busy with its `finally`. */
#include <stdlib.h>

#include "actions/action.h"

struct stop_task_args {
    struct slice task, run;
};
struct stopping;
struct stop_order { /* travels to a worker and back */
    struct net_message message;
    struct net_room room; /* while that worker's mailbox is full */
    struct stopping *stopping;
    struct action_host *there;
    size_t stopped;
};
struct stopping {      /* one heap block; freed when the last order is back */
    struct step *step; /* NULL: cancelled */
    struct action_host *home;
    struct slice task, run; /* behind the orders */
    uint32_t away;
    size_t stopped;
    struct stop_order orders[];
};

static bool stop_task_prepare(struct prepare *prepare, void *args);
static enum step_state stop_task_start(struct step *step, const void *args);
static void stop_task_cancel(struct step *step);
static void send_order(struct stop_order *order);
static void on_order(struct net_message *message, struct net_loop *loop);
static void on_return(struct net_message *message, struct net_loop *loop);

static const struct config_field stop_task_fields[] = {
    FIELD_TEXT(struct stop_task_args, task, "task", .doc = "ID of the task whose runs end"),
    FIELD_TEXT(struct stop_task_args, run, "run", .doc = "ID of the one run that ends"), FIELD_END};

const struct action_kind action_stop_task = {
    .name = "stop-task",
    .doc = "cancels runs of a task",
    .fields = stop_task_fields,
    .args_size = sizeof(struct stop_task_args),
    .resume = RESUME_AGAIN,
    .prepare = stop_task_prepare,
    .start = stop_task_start,
    .cancel = stop_task_cancel,
};

static bool stop_task_prepare(struct prepare *prepare, void *args) {
    const struct stop_task_args *wanted = args;
    size_t task = offsetof(struct stop_task_args, task), run = offsetof(struct stop_task_args, run);
    if (!prepare_has(prepare, task) && !prepare_has(prepare, run))
        return prepare_error(prepare, PREPARE_WHOLE,
                             "action \"stop-task\" needs \"task\" or \"run\"");
    return !prepare_has(prepare, task) || prepare_template(prepare, task) ||
           prepare_task(prepare, task, wanted->task, NULL);
}

/* A run of the task only, where both are given. */
static size_t stop_here(struct engine *engine, struct slice task, struct slice run_id) {
    if (!run_id.bytes)
        return engine_cancel_task(engine, task);
    struct run *run = engine_find_run(engine, run_id);
    if (!run || (task.bytes && !slice_equal(run_task(run)->id, task)))
        return 0;
    run_cancel(run);
    return 1;
}

static enum step_state set_result(struct step *step, size_t stopped) {
    const struct value_pair pair = {value_bytes(SLICE("stopped")), value_int((int64_t)stopped)};
    struct value result = {.type = VALUE_MAP, .count = 1, .pairs = &pair};
    return step_set_result(step, result) == STATUS_OK ? STEP_DONE : STEP_FAILED;
}

static struct stopping *stopping_new(const struct stop_task_args *args, uint32_t orders) {
    size_t fixed = sizeof(struct stopping) + orders * sizeof(struct stop_order);
    struct stopping *stopping = calloc(1, fixed + args->task.size + args->run.size + 1);
    if (!stopping)
        return NULL;
    char *at = (char *)stopping + fixed;
    if (args->task.bytes)
        stopping->task =
            (struct slice){memcpy(at, args->task.bytes, args->task.size), args->task.size};
    at += args->task.size;
    if (args->run.bytes)
        stopping->run = (struct slice){memcpy(at, args->run.bytes, args->run.size), args->run.size};
    return stopping;
}

static void on_room(struct net_room *room, struct net_loop *full) {
    struct stop_order *order = CONTAINER_OF(room, struct stop_order, room);
    if (full)
        send_order(order);
    else /* the process ends */
        order->message.run(&order->message, NULL);
}

static void send_order(struct stop_order *order) {
    struct net_loop *to = order->there->loop;
    if (net_post(to, &order->message) == STATUS_OK)
        return;
    order->room = (struct net_room){.home = order->stopping->home->loop, .ready = on_room};
    net_wait_room(to, &order->room);
}

/* To every other worker. */
static void post_orders(struct stopping *stopping) {
    struct action_host *home = stopping->home;
    for (uint32_t i = 0, at = 0; i < home->host_count; i++) {
        if (home->hosts[i] == home)
            continue;
        struct stop_order *order = &stopping->orders[at++];
        *order = (struct stop_order){.message = {.run = on_order, .bytes = sizeof *order},
                                     .stopping = stopping,
                                     .there = home->hosts[i]};
        send_order(order);
    }
}

static enum step_state stop_task_start(struct step *step, const void *args) {
    const struct stop_task_args *wanted = args;
    struct action_host *host = action__host(step);
    uint32_t others = host->host_count > 1 ? host->host_count - 1 : 0;
    if (!wanted->run.bytes && !program_find_task(engine_program(step_engine(step)), wanted->task))
        return step_fail(step, 1, "unknown task \"" SLICE_FMT "\"", SLICE_ARG(wanted->task));
    struct stopping *stopping = others ? stopping_new(wanted, others) : NULL;
    if (others && !stopping)
        return action__no_memory(step);
    if (stopping) {
        stopping->home = host;
        stopping->away = others;
        post_orders(stopping);
    }
    size_t stopped = stop_here(step_engine(step), wanted->task, wanted->run);
    if (!stopping)
        return set_result(step, stopped);
    stopping->stopped = stopped;
    stopping->step = step;
    step_set_data(step, stopping);
    return STEP_PENDING;
}

static void stop_task_cancel(struct step *step) {
    struct stopping *stopping = step_data(step);
    stopping->step = NULL;
}

/* On the other worker. */
static void on_order(struct net_message *message, struct net_loop *loop) {
    struct stop_order *order = CONTAINER_OF(message, struct stop_order, message);
    const struct stopping *stopping = order->stopping;
    if (!loop) { /* the process ends: no thread runs any more */
        on_return(message, NULL);
        return;
    }
    order->stopped = stop_here(order->there->engine, stopping->task, stopping->run);
    order->message.run = on_return;
    net_post_answer(stopping->home->loop, &order->message);
}

static void on_return(struct net_message *message, struct net_loop *loop) {
    struct stop_order *order = CONTAINER_OF(message, struct stop_order, message);
    struct stopping *stopping = order->stopping;
    struct step *step = loop ? stopping->step : NULL;
    stopping->stopped += order->stopped;
    if (--stopping->away > 0)
        return;
    size_t stopped = stopping->stopped;
    free(stopping);
    if (step)
        step_finish(step, set_result(step, stopped));
}
