/* What sessions tell about themselves, to runs and to the manager. */
#include "server/session.h"

static struct slice part_of(const struct session *session, size_t at, size_t size) {
    return session->head ? (struct slice){session->head->bytes + at, size} : SLICE_NONE;
}

struct slice session_id(const struct session *session) {
    return (struct slice){session->id, SESSION_ID_SIZE};
}

struct slice session_head(const struct session *session) {
    return part_of(session, 0, session->head ? session->head->head_size : 0);
}

struct slice session_path(const struct session *session) {
    const struct session_head *head = session->head;
    return head ? part_of(session, head->path_at, head->path_size) : SLICE_NONE;
}

struct slice session_query(const struct session *session) {
    const struct session_head *head = session->head;
    return head ? part_of(session, head->query_at, head->query_size) : SLICE_NONE;
}

struct slice session_user(const struct session *session) {
    const struct session_head *head = session->head;
    return head ? part_of(session, head->head_size, head->user_size) : SLICE_NONE;
}

struct slice session_subprotocol(const struct session *session) {
    const struct session_head *head = session->head;
    return head ? part_of(session, head->head_size + head->user_size, head->subprotocol_size)
                : SLICE_NONE;
}

struct slice session_peer(const struct session *session) {
    const struct session_head *head = session->head;
    if (!head) {
        return (struct slice){session->http->peer, session->http->peer_size};
    }
    size_t at = head->head_size + head->user_size + head->subprotocol_size;
    return part_of(session, at, head->peer_size);
}

struct slice session_server(const struct session *session) {
    return session->config->options.id;
}

const struct server_config *session_config(const struct session *session) {
    return session->config;
}

struct server_set *session_set(const struct session *session) {
    return session->server->set;
}

bool session_is_open(const struct session *session) { return session->state == SESSION_OPEN; }

void *session_attachment(const struct session *session, unsigned which) {
    return session->attachments[which];
}

void session_attach(struct session *session, unsigned which, void *value) {
    session->attachments[which] = value;
}

static enum status copy_rooms(const struct session *session, struct arena *arena,
                              struct session_info *info) {
    size_t count = 0;
    for (struct membership *link = session->rooms; link; link = link->next) {
        count++;
    }
    info->rooms = arena_alloc(arena, count * sizeof(*info->rooms));
    if (!info->rooms) {
        return STATUS_NO_MEMORY;
    }
    for (struct membership *link = session->rooms; link; link = link->next) {
        if (arena_copy(arena, link->room->name, &info->rooms[info->room_count++]) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

static enum status describe(const struct session *session, struct arena *arena,
                            struct session_info *info) {
    *info = (struct session_info){.id = session_id(session),
                                  .server = session_server(session),
                                  .peer = session_peer(session),
                                  .path = session_path(session),
                                  .subprotocol = session_subprotocol(session),
                                  .user = session_user(session),
                                  .since_wall_ms = session->since_wall_ms,
                                  .messages_in = session->messages_in,
                                  .messages_out = session->messages_out,
                                  .bytes_in = session->stream.bytes_in,
                                  .bytes_out = session->stream.bytes_out,
                                  .queued_bytes = net_backlog(&session->stream)};
    struct slice *texts[] = {&info->id,   &info->server,      &info->peer,
                             &info->path, &info->subprotocol, &info->user};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (arena_copy(arena, *texts[i], texts[i]) != STATUS_OK) {
            return STATUS_NO_MEMORY;
        }
    }
    return copy_rooms(session, arena, info);
}

static enum status describe_all(struct server_set *set, struct arena *arena,
                                struct session_info *infos, size_t *count) {
    struct list *node;
    *count = 0;
    LIST_FOR_EACH(node, &set->servers) {
        struct server *server = CONTAINER_OF(node, struct server, node);
        for (uint32_t i = 0; i < server->members.count; i++) {
            struct session *session = server->members.items[i].session;
            if (describe(session, arena, &infos[(*count)++]) != STATUS_OK) {
                return STATUS_NO_MEMORY;
            }
        }
    }
    return STATUS_OK;
}

enum status server_set_sessions(struct server_set *set, struct slice id, struct arena *arena,
                                struct session_info **out, size_t *count) {
    struct session *only = id.size ? table__find(set, id) : NULL;
    size_t wanted = id.size ? 1 : set->table_count, found = 1;
    if (id.size && !only) {
        return STATUS_NOT_FOUND;
    }
    struct session_info *infos = arena_alloc(arena, wanted * sizeof(*infos));
    if (!infos) {
        return STATUS_NO_MEMORY;
    }
    enum status status =
        only ? describe(only, arena, infos) : describe_all(set, arena, infos, &found);
    if (status == STATUS_OK) {
        *out = infos;
        *count = found;
    }
    return status;
}
