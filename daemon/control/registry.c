/* Servers, as rows and one by one. */
#include "control/internal.h"

static void write_origin(struct out *out, enum registry_origin origin) {
    out_text(out, "origin", origin == REGISTRY_FILE ? SLICE("file") : SLICE("manager"));
}

/* ---- servers --------------------------------------------------------------------------------- */

static void write_server(struct call *call, const struct control_server *server) {
    struct out *out = &call->out;
    uint64_t sessions = 0;
    for (uint32_t i = 0; i < call->control->worker_count; i++)
        sessions += atomic_load_explicit(&server->counters[i].sessions_open, memory_order_relaxed);
    out_text(out, "id", server->id);
    out_text(out, "name", server->name);
    write_origin(out, server->origin);
    out_bool(out, "enabled", server->is_enabled);
    out_text(out, "state", slice_of(server->state));
    out_list(out, "bind");
    for (size_t i = 0; i < server->bind_count; i++)
        out_text(out, NULL, server->bind[i]);
    out_end(out);
    out_bool(out, "tls", server->options->tls_certificate.size > 0);
    out_u64(out, "sessions", sessions);
    out_time(out, "since", server->since_ms);
    out_text_or_null(out, "error", server->error);
}

static bool read_servers(struct call *call, struct control_server **servers, size_t *count) {
    const struct control *control = call->control;
    if (control->host->servers(control->context, &call->arena, servers, count) == STATUS_OK)
        return true;
    call_no_memory(call);
    return false;
}

void route__server_list(struct call *call) {
    struct control_server *servers;
    size_t count;
    if (!read_servers(call, &servers, &count))
        return;
    out_list(&call->out, NULL);
    for (size_t i = 0; i < count; i++) {
        out_map(&call->out, NULL);
        write_server(call, &servers[i]);
        out_end(&call->out);
    }
    out_end(&call->out);
    call_answer(call);
}

static void refuse_id(struct call *call, const char *what, const char *const *known, size_t count) {
    const char *nearest = slice_nearest(call->id, known, count);
    call_error(call, 404, call->id, "unknown %s \"" SLICE_FMT "\"%s%s%s", what, SLICE_ARG(call->id),
               nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

/* IDs as the nearest-name search takes them; NULL entries never come about. */
static const char **texts(struct call *call, size_t count) {
    return arena_zalloc(&call->arena, (count + 1) * sizeof(const char *));
}

void route__server_show(struct call *call) {
    struct control_server *servers;
    size_t count;
    if (!read_servers(call, &servers, &count))
        return;
    const char **known = texts(call, count);
    for (size_t i = 0; i < count && known; i++) {
        known[i] = arena_text(&call->arena, servers[i].id);
        if (!slice_equal(servers[i].id, call->id))
            continue;
        out_map(&call->out, NULL);
        write_server(call, &servers[i]);
        out_text_or_null(&call->out, "declared_at", servers[i].place);
        out_json(&call->out, "config", servers[i].json);
        out_end(&call->out);
        call_answer(call);
        return;
    }
    refuse_id(call, "server", known, known ? count : 0);
}
