/* The daemon as a whole: status, version, reload, check, and what the tables say. */
#include <unistd.h>

#include "control/internal.h"

/* ---- status ---------------------------------------------------------------------------------- */

static uint64_t count_sessions(const struct control *control, const struct control_server *servers,
                               size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        for (uint32_t w = 0; w < control->worker_count; w++)
            sum +=
                atomic_load_explicit(&servers[i].counters[w].sessions_open, memory_order_relaxed);
    return sum;
}

static void write_state(struct call *call, const struct control_state *state) {
    struct out *out = &call->out;
    uint64_t now_ms = clock_system.wall_ms(&clock_system);
    const struct program *program = call->control->host->program(call->control->context);
    out_text(out, "version", state->version);
    out_u64(out, "pid", (uint64_t)getpid());
    out_u64(out, "uptime", now_ms > state->started_ms ? (now_ms - state->started_ms) / 1000 : 0);
    out_u64(out, "workers", call->control->worker_count);
    out_text(out, "config", state->config);
    out_u64(out, "generation", state->generation);
    out_u64(out, "tasks", program ? program_task_count(program) : 0);
}

static void write_health(struct call *call, const struct control_state *state) {
    struct out *out = &call->out;
    out_bool(out, "degraded", state->is_degraded);
    out_list(out, "stalled");
    for (uint32_t i = 0; i < call->control->worker_count; i++)
        if (state->is_stalled[i])
            out_u64(out, NULL, i);
    out_end(out);
    out_map(out, "last_reload");
    out_time(out, "at", state->last_reload_ms);
    out_bool(out, "ok", state->last_reload_ok);
    out_text_or_null(out, "error", state->last_reload_error);
    out_end(out);
}

void route__status(struct call *call) {
    const struct control *control = call->control;
    struct control_server *servers;
    struct control_client *clients;
    size_t server_count, client_count;
    struct control_state state = {0};
    if (control->host->servers(control->context, &call->arena, &servers, &server_count) ||
        control->host->clients(control->context, &call->arena, &clients, &client_count)) {
        call_no_memory(call);
        return;
    }
    control->host->state(control->context, &state);
    out_map(&call->out, NULL);
    write_state(call, &state);
    out_u64(&call->out, "servers", server_count);
    out_u64(&call->out, "clients", client_count);
    out_u64(&call->out, "sessions", count_sessions(control, servers, server_count));
    write_health(call, &state);
    out_end(&call->out);
    call_answer(call);
}

void route__version(struct call *call) {
    struct control_state state = {0};
    call->control->host->state(call->control->context, &state);
    out_map(&call->out, NULL);
    out_text(&call->out, "version", state.version);
    out_end(&call->out);
    call_answer(call);
}

/* ---- the configuration ----------------------------------------------------------------------- */

static void on_reloaded(void *context, struct slice json) {
    struct call *call = context;
    if (!json.bytes) {
        call_error(call, 503, SLICE_NONE, "the daemon is ending");
        return;
    }
    out_json(&call->out, NULL, json);
    call_answer(call);
}

void route__reload(struct call *call) {
    call->control->host->reload(call->control->context, on_reloaded, call);
}

static void on_backup(void *context, enum status status) {
    struct call *call = context;
    if (status)
        call_error(call, 503, SLICE_NONE, "the registry cannot be copied: %s",
                   registry_problem(status));
    else
        call_answer_as(call, SLICE("application/vnd.sqlite3"));
}

void route__backup(struct call *call) {
    call->control->host->backup(call->control->context, &call->text, on_backup, call);
}

void route__check(struct call *call) {
    const struct control *control = call->control;
    out_map(&call->out, NULL);
    if (!call->out.status)
        call->out.status = control->host->check(control->context, call_text(call, "config"),
                                                call_flag(call, "strict"), &call->text);
    out_end(&call->out);
    call_answer(call);
}

void route__schema(struct call *call) {
    call->out.status = call->control->host->schema(&call->text);
    call_answer(call);
}

void route__reference(struct call *call) {
    call->out.status = call->control->host->reference(&call->text);
    call_answer_as(call, SLICE("text/markdown; charset=utf-8"));
}
