/* A task started by hand: its arguments are checked here, the run begins on the next worker in
 * turn, and who waits is told of its end. */
#include <stdlib.h>

#include "control/internal.h"

/* Goes to a worker, comes back when begun, and again when ended if somebody waits. The call may be
 * answered before, when its time is over: until `begun` is back, the control thread reads no more
 * than the members of the first two groups, and those of the third from then on; all others belong
 * to the worker until the run has ended. */
struct start {
    struct call *call; /* of the control thread; NULL: answered */
    struct net_timer timer;
    bool has_begun; /* `begun` is back */

    const struct control_worker *worker; /* these stay as they are */
    struct net_loop *home;
    struct slice task;
    bool wants_end;

    enum status status; /* what the worker says of the beginning */
    bool is_ended;      /* at once: what the end brings is there too */
    struct run_verdict verdict;
    char id[RUN_ID_MAX];

    struct net_message begun, ended;
    struct arena arena; /* of `task` and what follows */
    struct value vars;
    bool is_beginning;
    enum run_outcome outcome;
    struct slice error;
    struct config_mark mark;
    struct buffer result; /* JSON */
};

static void run_there(struct net_message *message, struct net_loop *loop);
static void on_settled(void *context, const struct run_verdict *verdict);
static void on_ended(void *context, const struct run_end *end);
static void on_begun_back(struct net_message *message, struct net_loop *loop);
static void on_ended_back(struct net_message *message, struct net_loop *loop);
static void on_timeout(struct net_timer *timer);
static void answer_started(struct start *start, bool is_late);
static void answer_ended(struct start *start);

static void start_free(struct start *start) {
    net_timer_stop(&start->timer);
    arena_deinit(&start->arena);
    buffer_deinit(&start->result);
    free(start);
}

/* ---- the arguments --------------------------------------------------------------------------- */

/* False after an answer. */
static bool check_vars(struct call *call, const struct task *task, struct value vars) {
    if (vars.type != VALUE_MAP && vars.type != VALUE_NIL) {
        call_error(call, 422, SLICE("vars"), "\"vars\" must be an object of names to values");
        return false;
    }
    for (uint32_t i = 0; vars.type == VALUE_MAP && i < vars.count; i++) {
        struct slice name = value_slice(vars.pairs[i].key);
        if (engine_is_valid_var(task, name))
            continue;
        call_error(call, 422, name,
                   "task \"" SLICE_FMT "\" declares no \"" SLICE_FMT "\" in its \"vars\"",
                   SLICE_ARG(task->id), SLICE_ARG(name));
        return false;
    }
    return true;
}

bool call_timeout(struct call *call, uint64_t *out_ms) {
    struct slice text = call_text(call, "timeout");
    *out_ms = 0;
    if (!text.bytes || (duration_parse(text, out_ms) == STATUS_OK && *out_ms > 0))
        return true;
    call_error(call, 422, SLICE("timeout"),
               "\"timeout\" must be a duration such as 5s, got \"" SLICE_FMT "\"", SLICE_ARG(text));
    return false;
}

static struct start *start_new(struct call *call, const struct task *task, struct value vars) {
    struct start *start = calloc(1, sizeof *start);
    if (!start)
        return NULL;
    struct control *control = call->control;
    arena_init(&start->arena, 1024, 0);
    buffer_init(&start->result, 0);
    net_timer_init(&start->timer, on_timeout);
    start->call = call;
    start->home = control->loop;
    start->worker = &control->workers[control->next_worker++ % control->worker_count];
    start->wants_end = call_flag(call, "wait");
    start->begun = (struct net_message){.run = run_there, .bytes = sizeof *start};
    if (arena_copy(&start->arena, task->id, &start->task) == STATUS_OK &&
        value_copy(vars, &start->arena, &start->vars) == STATUS_OK)
        return start;
    start_free(start);
    return NULL;
}

void route__task_run(struct call *call) {
    const struct task *task = task__find(call);
    uint64_t timeout_ms;
    if (!task || !call_timeout(call, &timeout_ms))
        return;
    struct slice request = call_text(call, "request");
    if (request.bytes) {
        task__request(call, task, request, timeout_ms);
        return;
    }
    struct value vars = value_member(call->arguments, SLICE("vars"));
    if (!check_vars(call, task, vars))
        return;
    struct start *start = start_new(call, task, vars);
    if (start && net_post_control(start->worker->loop, &start->begun) == STATUS_OK) {
        if (timeout_ms)
            net_timer_start(start->home, &start->timer, timeout_ms);
        return;
    }
    if (start)
        start_free(start);
    call_no_memory(call);
}

/* ---- on the worker --------------------------------------------------------------------------- */

static void send_back(struct start *start, struct net_message *message,
                      void (*run)(struct net_message *message, struct net_loop *loop)) {
    *message = (struct net_message){.run = run};
    net_post_answer(start->home, message);
}

static void run_there(struct net_message *message, struct net_loop *loop) {
    struct start *start = CONTAINER_OF(message, struct start, begun);
    start->status = STATUS_CLOSED;
    if (!loop) {
        start->is_ended = true; /* nothing more will come */
        on_begun_back(message, NULL);
        return;
    }
    struct engine *engine = start->worker->engine;
    const struct program *program = engine_program(engine);
    const struct task *task = program ? program_find_task(program, start->task) : NULL;
    start->is_beginning = true;
    start->status = program ? STATUS_NOT_FOUND : STATUS_AGAIN;
    if (task) {
        const struct run_request request = {.task = task,
                                            .cause = RUN_MANUAL,
                                            .vars = start->vars,
                                            .on_ended = start->wants_end ? on_ended : NULL,
                                            .on_settled = on_settled,
                                            .context = start};
        start->status = run_start(engine, &request, start->id, &start->verdict, NULL);
    }
    start->is_beginning = false;
    if (!start->status && start->verdict.is_asking)
        return; /* another worker is asked first */
    if (start->status)
        start->is_ended = true; /* nothing more will come */
    send_back(start, &start->begun, on_begun_back);
}

static void on_settled(void *context, const struct run_verdict *verdict) {
    struct start *start = context;
    start->verdict = *verdict;
    start->status = verdict->gate == RUN_ADMITTED ? STATUS_OK : STATUS_LIMIT;
    start->is_ended = start->status != STATUS_OK;
    send_back(start, &start->begun, on_begun_back);
}

static void on_ended(void *context, const struct run_end *end) {
    struct start *start = context;
    start->outcome = end->outcome;
    start->mark = end->mark;
    if (start->is_beginning) /* later the control thread reads it */
        start->is_ended = true;
    if (end->error && arena_copy(&start->arena, slice_of(end->error), &start->error))
        start->error = SLICE("out of memory");
    if (end->mark.file) {
        const char *file = arena_text(&start->arena, slice_of(end->mark.file));
        start->mark.file = file ? file : "";
    }
    if (end->result.type != VALUE_NIL && json_encode(end->result, &start->result))
        start->result.size = 0;
    if (!start->is_beginning)
        send_back(start, &start->ended, on_ended_back);
}

/* ---- back ------------------------------------------------------------------------------------ */

static void refuse(struct start *start) {
    struct call *call = start->call;
    if (start->status == STATUS_LIMIT)
        call_error(call, 409, start->task, "task \"" SLICE_FMT "\" refuses the run: %s",
                   SLICE_ARG(start->task), run_gate_text(start->verdict.gate));
    else if (start->status == STATUS_NOT_FOUND)
        call_error(call, 404, start->task, "unknown task \"" SLICE_FMT "\"",
                   SLICE_ARG(start->task));
    else if (start->status == STATUS_AGAIN)
        call_starting(call);
    else
        call_error(call, 503, SLICE_NONE, "%s", status_text(start->status));
}

static void on_begun_back(struct net_message *message, struct net_loop *loop) {
    struct start *start = CONTAINER_OF(message, struct start, begun);
    (void)loop; /* the answer is dropped where its connection is gone */
    start->has_begun = true;
    if (start->call && start->status)
        refuse(start);
    else if (start->call && start->is_ended)
        answer_ended(start);
    else if (start->call && !start->wants_end)
        answer_started(start, false);
    if (start->is_ended || !start->wants_end)
        start_free(start);
}

static void on_ended_back(struct net_message *message, struct net_loop *loop) {
    struct start *start = CONTAINER_OF(message, struct start, ended);
    (void)loop; /* as above */
    if (start->call)
        answer_ended(start);
    start_free(start);
}

/* The run goes on, or has not even begun. */
static void on_timeout(struct net_timer *timer) {
    struct start *start = CONTAINER_OF(timer, struct start, timer);
    if (start->call)
        answer_started(start, true);
}

static struct out *answer_begin(struct start *start, const char *status) {
    struct out *out = &start->call->out;
    net_timer_stop(&start->timer);
    out_map(out, NULL);
    out_text_or_null(out, "run", start->has_begun ? slice_of(start->id) : SLICE_NONE);
    out_text(out, "task", start->task);
    out_text(out, "status", slice_of(status));
    return out;
}

static void answer_finish(struct start *start) {
    struct call *call = start->call;
    start->call = NULL;
    out_end(&call->out);
    call_answer(call);
}

/* Neither result nor error: they may be on their way, and until then they are the worker's. */
static void answer_started(struct start *start, bool is_late) {
    struct out *out = answer_begin(start, "started");
    out_null(out, "error");
    if (is_late)
        out_bool(out, "timed_out", true);
    answer_finish(start);
}

static void answer_ended(struct start *start) {
    bool has_failed = start->outcome != RUN_DONE;
    struct out *out = answer_begin(start, has_failed ? "failed" : "done");
    if (has_failed && start->outcome == RUN_CANCELLED && !start->error.size)
        out_text(out, "error", SLICE("the run was cancelled"));
    else
        out_text_or_null(out, "error", has_failed ? start->error : SLICE_NONE);
    if (has_failed && start->mark.line) {
        char *at = arena_printf(&start->call->arena, "%s:%u", start->mark.file, start->mark.line);
        out_text(out, "at", slice_of(at ? at : ""));
    }
    if (start->is_ended || start->result.size)
        out_json(out, "result", start->result.size ? buffer_slice(&start->result) : SLICE("null"));
    answer_finish(start);
}
