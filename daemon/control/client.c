/* Clients: rows of the control thread, with what the worker of each tells of its connection. */
#include "control/internal.h"

static void write_last(struct out *out, const char *name, const struct client_last *last) {
    if (!last || !last->wall_ms) {
        out_null(out, name);
        return;
    }
    out_map(out, name);
    out_time(out, "at", last->wall_ms);
    out_text(out, "text", last->text);
    out_end(out);
}

/* Without `info` its worker has not answered, or does not know it yet. */
static void write_client(struct out *out, const struct control_client *client,
                         const struct client_info *info) {
    enum client_state state = info ? info->state : CLIENT_STOPPED;
    out_text(out, "id", client->id);
    out_text(out, "name", client->name);
    out_text(out, "origin", client->origin == REGISTRY_FILE ? SLICE("file") : SLICE("manager"));
    out_bool(out, "enabled", client->is_enabled);
    out_text(out, "url", client->url);
    out_text(out, "state", slice_of(client_state_name(state)));
    out_time(out, "since", info ? info->since_wall_ms : client->since_ms);
    write_last(out, "last_sent", info ? &info->last_sent : NULL);
    write_last(out, "last_received", info ? &info->last_received : NULL);
    out_u64(out, "reconnects", info ? info->reconnects : 0);
    out_time(out, "next_attempt", info ? info->next_attempt_wall_ms : 0);
    out_text_or_null(out, "error", info ? info->error : SLICE_NONE);
}

static const struct client_info *find_info(const struct gather_part *part, struct slice id) {
    const struct client_info *infos = part->data;
    for (size_t i = 0; part->is_answered && i < part->count; i++)
        if (slice_equal(infos[i].id, id))
            return &infos[i];
    return NULL;
}

static bool read_clients(struct call *call, struct control_client **clients, size_t *count) {
    const struct control *control = call->control;
    if (control->host->clients(control->context, &call->arena, clients, count) == STATUS_OK)
        return true;
    call_no_memory(call);
    return false;
}

static void ask_clients(struct gather_part *part, const void *input) {
    struct client_info *infos = NULL;
    (void)input; /* all of them */
    part->status =
        client_set_info(part->worker->clients, SLICE_NONE, &part->arena, &infos, &part->count);
    part->data = infos;
}

static void on_list(struct call *call, struct gather_part *parts, uint32_t part_count) {
    struct control_client *clients;
    size_t count;
    if (!read_clients(call, &clients, &count))
        return;
    out_list(&call->out, NULL);
    for (size_t i = 0; i < count; i++) {
        uint32_t owner = clients[i].owner;
        out_map(&call->out, NULL);
        write_client(&call->out, &clients[i],
                     owner < part_count ? find_info(&parts[owner], clients[i].id) : NULL);
        out_end(&call->out);
    }
    out_end(&call->out);
    call_answer(call);
}

void route__client_list(struct call *call) {
    gather(call, &(struct gather_ask){.ask = ask_clients, .done = on_list});
}

/* ---- one ------------------------------------------------------------------------------------- */

static void refuse_id(struct call *call, const struct control_client *clients, size_t count) {
    const char **known = arena_zalloc(&call->arena, (count + 1) * sizeof *known);
    for (size_t i = 0; known && i < count; i++) {
        known[i] = arena_text(&call->arena, clients[i].id);
        if (!known[i])
            known[i] = "";
    }
    const char *nearest = known ? slice_nearest(call->id, known, count) : NULL;
    call_error(call, 404, call->id, "unknown client \"" SLICE_FMT "\"%s%s%s", SLICE_ARG(call->id),
               nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static void on_one(struct call *call, struct gather_part *parts, uint32_t part_count) {
    struct control_client *clients;
    size_t count, at = 0;
    if (!read_clients(call, &clients, &count))
        return;
    while (at < count && !slice_equal(clients[at].id, call->id))
        at++;
    if (at == count) {
        refuse_id(call, clients, count);
        return;
    }
    const struct control_client *client = &clients[at];
    out_map(&call->out, NULL);
    write_client(&call->out, client,
                 client->owner < part_count ? find_info(&parts[client->owner], client->id) : NULL);
    out_text_or_null(&call->out, "declared_at", client->place);
    out_json(&call->out, "config", client->json);
    out_end(&call->out);
    call_answer(call);
}

void route__client_show(struct call *call) {
    gather(call, &(struct gather_ask){.ask = ask_clients, .done = on_one});
}
