/* The fake actions of the lab, and the lab itself as they see it. */
#ifndef TESTS_ENGINE_LAB_ACTIONS_H
#define TESTS_ENGINE_LAB_ACTIONS_H

#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

#define HANGING_MAX 64

struct lab {
    struct clock clock; /* first: the engine's clock is the lab */
    uint64_t now_ns, wake_ns;
    struct engine *engine;
    struct program *program;
    struct arena arena;
    struct config_diag diag;
    struct config_section tasks;
    char trace[8192];
    struct {
        char name[32];
        struct step *step;
    } hanging[HANGING_MAX];
    size_t hanging_count;
    bool has_no_globals;
    struct value_box *session;
    bool has_session;
    size_t held, released, ended, admitted;
    struct run_end last_end;
    enum run_outcome outcome;
    char error[1024];
    char result[256];
    bool hold_fails;
    struct run *last_run;
    struct engine_globals globals;
    struct value_box *global_box;
    int conflicts; /* commits that are refused with AGAIN first */
    const struct slice *servers, *clients;
    size_t server_count, client_count;
    uint32_t worker, worker_count; /* 0: one */
    struct lab *labs[2];           /* of all workers, where there are two */
    struct engine_mail *mail;      /* has come, in order */
    bool is_full;
    size_t refusals;
    struct run_verdict refusal;
};

static inline void lab_trace(struct lab *lab, const char *text, size_t size) {
    size_t used = strlen(lab->trace);
    if (used + size + 2 > sizeof lab->trace)
        return;
    memcpy(lab->trace + used, text, size);
    lab->trace[used + size] = ' ';
    lab->trace[used + size + 1] = '\0';
}

static inline uint64_t lab_mono(const struct clock *clock) {
    return ((const struct lab *)(const void *)clock)->now_ns;
}
static inline uint64_t lab_wall(const struct clock *clock) {
    return 1700000000000u + lab_mono(clock) / 1000000;
}
static inline void lab_wake_at(void *host, uint64_t mono_ns) {
    ((struct lab *)host)->wake_ns = mono_ns;
}

/* ---- fake actions ------------------------------------------------------------------------------
 */

struct text_args {
    struct slice text;
};
static const struct config_field text_fields[] = {
    FIELD_TEXT(struct text_args, text, "text", .required = true, .doc = "what to write"),
    FIELD_END};

/* note: writes its text into the trace. */
static inline enum step_state note_start(struct step *step, const void *args) {
    const struct text_args *a = args;
    lab_trace(step_host(step), a->text.bytes, a->text.size);
    return STEP_DONE;
}
static const struct action_kind action_note = {.name = "note",
                                               .doc = "writes",
                                               .fields = text_fields,
                                               .args_size = sizeof(struct text_args),
                                               .start = note_start};

/* hang: waits until lab_finish(); a cancel writes !NAME. */
static inline enum step_state hang_start(struct step *step, const void *args) {
    const struct text_args *a = args;
    struct lab *lab = step_host(step);
    size_t at = 0;
    while (lab->hanging[at].step)
        at++;
    assert_true(at < HANGING_MAX);
    snprintf(lab->hanging[at].name, 32, SLICE_FMT, SLICE_ARG(a->text));
    lab->hanging[at].step = step;
    lab->hanging_count++;
    return STEP_PENDING;
}
static inline struct step *lab_take(struct lab *lab, size_t at) {
    struct step *step = lab->hanging[at].step;
    lab->hanging[at].step = NULL;
    lab->hanging_count--;
    return step;
}
static inline void hang_cancel(struct step *step) {
    struct lab *lab = step_host(step);
    for (size_t i = 0; i < HANGING_MAX; i++)
        if (lab->hanging[i].step == step) {
            char text[40];
            snprintf(text, sizeof text, "!%s", lab->hanging[i].name);
            lab_trace(lab, text, strlen(text));
            lab_take(lab, i);
            return;
        }
    fail_msg("a step was cancelled that does not wait");
}
static inline void lab_finish(struct lab *lab, const char *name, enum step_state state) {
    for (size_t i = 0; i < HANGING_MAX; i++)
        if (lab->hanging[i].step && strcmp(lab->hanging[i].name, name) == 0) {
            step_finish(lab_take(lab, i), state);
            return;
        }
    fail_msg("no step \"%s\" waits", name);
}
static const struct action_kind action_hang = {.name = "hang",
                                               .doc = "waits",
                                               .fields = text_fields,
                                               .args_size = sizeof(struct text_args),
                                               .start = hang_start,
                                               .cancel = hang_cancel};

/* nap: waits for a duration. */
struct nap_args {
    uint64_t ms;
};
static const struct config_field nap_fields[] = {
    FIELD_DURATION(struct nap_args, ms, "for", .required = true, .doc = "how long"), FIELD_END};
static inline void on_nap_over(struct step *step) { step_finish(step, STEP_DONE); }
static inline enum step_state nap_start(struct step *step, const void *args) {
    step_wait(step, ((const struct nap_args *)args)->ms, on_nap_over);
    return STEP_PENDING;
}
static inline void nap_cancel(struct step *step) { lab_trace(step_host(step), "!nap", 4); }
static const struct action_kind action_nap = {.name = "nap",
                                              .doc = "sleeps",
                                              .fields = nap_fields,
                                              .args_size = sizeof(struct nap_args),
                                              .start = nap_start,
                                              .cancel = nap_cancel};

/* boom: fails. */
struct boom_args {
    struct slice message;
    uint32_t code;
};
static const struct config_field boom_fields[] = {
    FIELD_TEXT(struct boom_args, message, "message", .dflt = "boom", .doc = "why"),
    FIELD_U32(struct boom_args, code, "code", .dflt = "1", .doc = "its number"), FIELD_END};
static inline enum step_state boom_start(struct step *step, const void *args) {
    const struct boom_args *a = args;
    return step_fail(step, (int32_t)a->code, SLICE_FMT, SLICE_ARG(a->message));
}
static const struct action_kind action_boom = {.name = "boom",
                                               .doc = "fails",
                                               .fields = boom_fields,
                                               .args_size = sizeof(struct boom_args),
                                               .start = boom_start};

/* give: its value is the result; stop: ends the run with it. */
struct give_args {
    struct arg_value value;
};
static const struct config_field give_fields[] = {
    FIELD_SPECIAL(struct give_args, value, "value", "value", .doc = "a tree"), FIELD_END};
static inline enum step_state give_start(struct step *step, const void *args) {
    const struct give_args *a = args;
    return step_set_result(step, a->value.value) == STATUS_OK ? STEP_DONE : STEP_FAILED;
}
static inline enum step_state stop_start(struct step *step, const void *args) {
    const struct give_args *a = args;
    return step_end_run(step, a->value.value) == STATUS_OK ? STEP_DONE : STEP_FAILED;
}
static const struct action_kind action_give = {.name = "give",
                                               .doc = "has a result",
                                               .fields = give_fields,
                                               .args_size = sizeof(struct give_args),
                                               .start = give_start};
static const struct action_kind action_stop = {.name = "stop",
                                               .doc = "ends the run",
                                               .fields = give_fields,
                                               .args_size = sizeof(struct give_args),
                                               .start = stop_start};

/* pack: every type of argument, spelt into the trace. */
struct pack_inner {
    struct slice to;
    uint32_t slot;
};
struct pack_args {
    struct slice file, binary;
    uint32_t count;
    int8_t flag;
    struct config_texts list;
    struct config_pairs map;
    struct pack_inner inner;
    const struct expr_template *tpl, *condition;
    const struct config_node *node;
};
static const struct config_field pack_inner_fields[] = {
    FIELD_TEXT(struct pack_inner, to, "to", .doc = "a text"),
    FIELD_SPECIAL(struct pack_inner, slot, "slot", "slot", .doc = "a name"), FIELD_END};
static const struct config_field pack_fields[] = {
    FIELD_U32(struct pack_args, count, "count", .min = 1, .max = 10, .dflt = "3",
              .doc = "a number"),
    FIELD_FILE(struct pack_args, file, "file", .doc = "a path"),
    FIELD_SPECIAL(struct pack_args, binary, "binary", "binary", .doc = "bytes"),
    FIELD_TRISTATE(struct pack_args, flag, "flag", .doc = "a flag"),
    FIELD_TEXTS(struct pack_args, list, "list", .doc = "texts"),
    FIELD_PAIRS(struct pack_args, map, "map", .doc = "pairs"),
    FIELD_STRUCT(struct pack_args, inner, "inner", pack_inner_fields, .doc = "nested"),
    FIELD_SPECIAL(struct pack_args, tpl, "tpl", "template", .doc = "a template"),
    FIELD_SPECIAL(struct pack_args, condition, "condition", "expression", .doc = "a condition"),
    FIELD_SPECIAL(struct pack_args, node, "node", "node", .doc = "a node"),
    FIELD_END};
struct pack_text {
    char bytes[16384];
    size_t size;
};
static inline void pack_put(struct pack_text *out, const char *format, ...) PRINTF_LIKE(2, 3);
static inline void pack_put(struct pack_text *out, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int size = vsnprintf(out->bytes + out->size, sizeof out->bytes - out->size, format, args);
    va_end(args);
    assert_true(size >= 0 && (size_t)size < sizeof out->bytes - out->size);
    out->size += (size_t)size;
}
static inline enum step_state pack_start(struct step *step, const void *args) {
    const struct pack_args *a = args;
    struct pack_text out = {.size = 0};
    struct slice text = SLICE("-");
    bool holds = false;
    if (a->tpl && !step_text(step, a->tpl, EXPR_HTML, &text))
        return STEP_FAILED;
    if (a->condition && !step_bool(step, a->condition, &holds))
        return STEP_FAILED;
    pack_put(&out, "%u,%d," SLICE_FMT "," SLICE_FMT "," SLICE_FMT ",%d", a->count, a->flag,
             SLICE_ARG(a->file), SLICE_ARG(a->inner.to), SLICE_ARG(text), holds);
    for (size_t i = 0; i < a->list.count; i++)
        pack_put(&out, "[" SLICE_FMT "]", SLICE_ARG(a->list.items[i]));
    for (size_t i = 0; i < a->map.count; i++)
        pack_put(&out, "{" SLICE_FMT "=" SLICE_FMT "}", SLICE_ARG(a->map.names[i]),
                 SLICE_ARG(a->map.values[i]));
    for (size_t i = 0; i < a->binary.size; i++)
        pack_put(&out, "<%02x>", (unsigned char)a->binary.bytes[i]);
    lab_trace(step_host(step), out.bytes, out.size);
    if (a->inner.slot != SLOT_NONE &&
        step_set_slot(step, a->inner.slot, value_bytes(SLICE("slotted"))) != STATUS_OK)
        return STEP_FAILED;
    return STEP_DONE;
}
static const struct action_kind action_pack = {.name = "pack",
                                               .doc = "has all arguments",
                                               .fields = pack_fields,
                                               .args_size = sizeof(struct pack_args),
                                               .start = pack_start};

/* early: answers PENDING after having finished inside start(). hoard: takes memory of the step. */
static inline enum step_state early_start(struct step *step, const void *args) {
    (void)args;
    step_finish(step, STEP_DONE);
    return STEP_PENDING;
}
static inline void no_cancel(struct step *step) {
    (void)step;
    fail_msg("nothing to cancel");
}
static const struct action_kind action_early = {
    .name = "early", .doc = "is quick", .start = early_start, .cancel = no_cancel};

struct hoard_args {
    uint64_t bytes;
};
static const struct config_field hoard_fields[] = {
    FIELD_SIZE(struct hoard_args, bytes, "bytes", .required = true, .doc = "how much"), FIELD_END};
static inline enum step_state hoard_start(struct step *step, const void *args) {
    if (!step_alloc(step, ((const struct hoard_args *)args)->bytes))
        return step_fail(step, 12, "no memory");
    return STEP_DONE;
}
static const struct action_kind action_hoard = {.name = "hoard",
                                                .doc = "takes memory",
                                                .fields = hoard_fields,
                                                .args_size = sizeof(struct hoard_args),
                                                .start = hoard_start};

/* each: runs a chain `times` times beside itself, with `as` as the number. */
struct each_args {
    uint32_t times, as;
    const struct chain *chain;
};
struct each_state {
    uint32_t left, as;
    const struct chain *chain;
};
static const struct config_field each_fields[] = {
    FIELD_U32(struct each_args, times, "times", .required = true, .doc = "rounds"),
    FIELD_SPECIAL(struct each_args, as, "as", "slot", .doc = "a name"),
    FIELD_SPECIAL(struct each_args, chain, "do", "chain", .required = true, .doc = "steps"),
    FIELD_END};
static inline void each_next(struct step *step, enum step_state state) {
    struct each_state *each = step_data(step);
    if (state != STEP_DONE || each->left == 0) {
        step_finish(step, state);
        return;
    }
    each->left--;
    assert_int_equal(step_set_slot(step, each->as, value_int(each->left)), STATUS_OK);
    assert_int_equal(step_branch(step, each->chain, each_next), STATUS_OK);
}
static inline void each_due(struct step *step) { each_next(step, STEP_DONE); }
static inline enum step_state each_start(struct step *step, const void *args) {
    const struct each_args *a = args;
    struct each_state *each = step_alloc(step, sizeof *each);
    *each = (struct each_state){a->times, a->as, a->chain};
    step_set_data(step, each);
    step_wait(step, 0, each_due);
    return STEP_PENDING;
}
static inline void each_cancel(struct step *step) { lab_trace(step_host(step), "!each", 5); }
static const struct action_kind action_each = {.name = "each",
                                               .doc = "runs a chain",
                                               .fields = each_fields,
                                               .args_size = sizeof(struct each_args),
                                               .start = each_start,
                                               .cancel = each_cancel};

/* call: starts a task, with `wait` until its end. */
struct call_args {
    struct slice task;
    bool wait;
    struct arg_value vars;
};
static const struct config_field call_fields[] = {
    FIELD_TEXT(struct call_args, task, "task", .required = true, .doc = "an ID"),
    FIELD_BOOL(struct call_args, wait, "wait", .doc = "until its end"),
    FIELD_SPECIAL(struct call_args, vars, "vars", "value", .doc = "its names"), FIELD_END};
static inline void on_called_ended(void *context, const struct run_end *end) {
    struct step *step = context;
    struct value result = end->result;
    assert_int_equal(step_set_result(step, result), STATUS_OK);
    if (end->outcome != RUN_DONE)
        step_fail(step, 1, "the task failed: %s", end->error ? end->error : "cancelled");
    step_finish(step, end->outcome == RUN_DONE ? STEP_DONE : STEP_FAILED);
}
static inline enum step_state call_start(struct step *step, const void *args) {
    const struct call_args *a = args;
    char id[RUN_ID_MAX];
    struct run_verdict verdict;
    struct run *run;
    const struct task *task = program_find_task(engine_program(step_engine(step)), a->task);
    struct run_request request = {.task = task,
                                  .cause = RUN_TASK,
                                  .vars = a->vars.value,
                                  .parent = step_run(step),
                                  .on_ended = a->wait ? on_called_ended : NULL,
                                  .context = step};
    enum status status = run_start(step_engine(step), &request, id, &verdict, &run);
    if (status == STATUS_LIMIT)
        return step_fail(step, 1, "refused: %s", run_gate_text(verdict.gate));
    if (status != STATUS_OK)
        return step_fail(step, 1, "%s", status_text(status));
    step_set_data(step, run);
    return a->wait ? STEP_PENDING : STEP_DONE;
}
static inline void call_cancel(struct step *step) { run_unwatch(step_data(step)); }
static inline bool call_prepare(struct prepare *prepare, void *args) {
    struct call_args *a = args;
    if (prepare_template(prepare, offsetof(struct call_args, task)))
        return true;
    return prepare_task(prepare, offsetof(struct call_args, task), a->task, &a->vars);
}
static const struct action_kind action_call = {.name = "call",
                                               .doc = "starts a task",
                                               .fields = call_fields,
                                               .args_size = sizeof(struct call_args),
                                               .prepare = call_prepare,
                                               .start = call_start,
                                               .cancel = call_cancel};

/* suicide: cancels its own run and then waits. */
static inline enum step_state suicide_start(struct step *step, const void *args) {
    (void)args;
    run_cancel(step_run(step));
    return STEP_PENDING;
}
static inline void suicide_cancel(struct step *step) { lab_trace(step_host(step), "!suicide", 8); }
static const struct action_kind action_suicide = {
    .name = "suicide", .doc = "ends itself", .start = suicide_start, .cancel = suicide_cancel};

/* send: an action that names a server. */
struct send_args {
    struct slice text, server;
};
static const struct config_field send_fields[] = {
    FIELD_TEXT(struct send_args, text, "text", .doc = "a text"),
    FIELD_TEXT(struct send_args, server, "server", .doc = "an ID"), FIELD_END};
static inline bool send_prepare(struct prepare *prepare, void *args) {
    struct send_args *a = args;
    return prepare_server(prepare, offsetof(struct send_args, server), &a->server);
}
static inline enum step_state send_start(struct step *step, const void *args) {
    const struct send_args *a = args;
    lab_trace(step_host(step), a->server.bytes, a->server.size);
    return STEP_DONE;
}
static const struct action_kind action_send = {.name = "send",
                                               .doc = "sends",
                                               .fields = send_fields,
                                               .args_size = sizeof(struct send_args),
                                               .prepare = send_prepare,
                                               .start = send_start};

static const struct action_kind *const lab_actions[] = {
    &action_note, &action_hang,    &action_nap,   &action_boom,  &action_give,
    &action_stop, &action_pack,    &action_early, &action_hoard, &action_each,
    &action_call, &action_suicide, &action_send,  NULL};

#endif
