/* What the manager sees of clients: copies into an arena. */
#include "client/internal.h"

static enum status describe(const struct client *client, struct arena *arena,
                            struct client_info *out);

static enum status copy_last(const struct client_last_text *last, struct arena *arena,
                             struct client_last *out) {
    out->wall_ms = last->wall_ms;
    return arena_copy(arena, (struct slice){last->text, last->size}, &out->text);
}

static enum status describe_link(const struct client_link *link, struct arena *arena,
                                 struct client_info *out) {
    const struct {
        struct slice from, *to;
    } texts[] = {{client_link_id(link), &out->session_id},
                 {client_link_peer(link), &out->peer},
                 {client_link_path(link), &out->path},
                 {client_link_subprotocol(link), &out->subprotocol}};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (arena_copy(arena, texts[i].from, texts[i].to) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    out->opened_wall_ms = link->opened_wall_ms;
    out->messages_in = link->messages_in;
    out->messages_out = link->messages_out;
    out->bytes_in = link->stream.bytes_in;
    out->bytes_out = link->stream.bytes_out;
    out->queued_bytes = net_backlog(&link->stream);
    return STATUS_OK;
}

static enum status describe(const struct client *client, struct arena *arena,
                            struct client_info *out) {
    *out = (struct client_info){.state = client->state,
                                .since_wall_ms = client->since_wall_ms,
                                .reconnects = client->opens ? client->opens - 1 : 0,
                                .next_attempt_wall_ms = client->next_attempt_wall_ms};
    if (arena_copy(arena, client->config->options.id, &out->id) != STATUS_OK ||
        arena_copy(arena, slice_of(client->error), &out->error) != STATUS_OK ||
        copy_last(&client->last_sent, arena, &out->last_sent) != STATUS_OK ||
        copy_last(&client->last_received, arena, &out->last_received) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    return client->link && client_link_is_open(client->link)
               ? describe_link(client->link, arena, out)
               : STATUS_OK;
}

enum status client_set_info(struct client_set *set, struct slice id, struct arena *arena,
                            struct client_info **out, size_t *count) {
    struct client *only = id.size ? client__find(set, id) : NULL;
    if (id.size && !only) {
        return STATUS_NOT_FOUND;
    }
    struct list *node;
    size_t wanted = 0, found = 0;
    LIST_FOR_EACH(node, &set->clients) { wanted++; }
    struct client_info *infos = arena_alloc(arena, (only ? 1 : wanted) * sizeof(*infos));
    if (!infos) {
        return STATUS_NO_MEMORY;
    }
    LIST_FOR_EACH(node, &set->clients) {
        const struct client *client = CONTAINER_OF(node, struct client, node);
        if (client->is_removed || (only && client != only)) {
            continue;
        }
        if (describe(client, arena, &infos[found++]) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    *out = infos;
    *count = found;
    return STATUS_OK;
}
