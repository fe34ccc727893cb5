/* Broadcasts to the sessions of this worker: each frame is made once, and once for each window size
 * among compressing receivers; what a receiver gets in one turn leaves with one write. */
#include <stdlib.h>
#include "server/session.h"

#define WINDOW_BITS_MAX 15
#define AHEAD           4 /* members whose memory comes while one is served */

struct cast {
    struct server_set *set;
    const struct server_target *target;
    const struct server_outgoing *out;
    const struct session *except;
    uint32_t path_hash;
    uint32_t sent;
    struct net_frame *frames[WINDOW_BITS_MAX + 1]; /* by window bits; 0: not compressed */
};

static void cast_server(struct cast *cast, struct server *server);
static void cast_one(struct cast *cast, struct session *session);
static struct net_frame *frame_for(struct cast *cast, const struct session *session);
static struct net_frame *make_frame(unsigned first, struct slice payload);

uint32_t path__hash(const struct server_set *set, struct slice path) {
    return (uint32_t)hash_bytes(&set->id_key, path);
}

uint32_t cast__local(struct server_set *set, const struct server_target *target,
                     const struct server_outgoing *out) {
    struct cast cast = {.set = set, .target = target, .out = out};
    cast.except = target->except.size ? table__find(set, target->except) : NULL;
    cast.path_hash = target->path.size ? path__hash(set, target->path) : 0;
    if (target->server.size) {
        struct server *server = server__find(set, target->server);
        if (server) {
            cast_server(&cast, server);
        }
    } else {
        struct list *node;
        LIST_FOR_EACH(node, &set->servers) {
            cast_server(&cast, CONTAINER_OF(node, struct server, node));
        }
    }
    for (unsigned bits = 0; bits <= WINDOW_BITS_MAX; bits++) {
        if (cast.frames[bits]) {
            net_frame_unref(cast.frames[bits]);
        }
    }
    return cast.sent;
}

bool cast__fits(const struct server_set *set, const struct server_target *target, size_t size) {
    const struct list *node;
    LIST_FOR_EACH(node, &set->servers) {
        const struct server *server = CONTAINER_OF(node, const struct server, node);
        const struct server_options *options = &server->config->options;
        bool is_meant = !target->server.size || slice_equal(options->id, target->server);
        if (is_meant && !server->is_forgotten && size > options->max_backlog_bytes) {
            return false;
        }
    }
    return true;
}

/* Nothing that is called here changes the arrays: closing waits for the next turn. */
static void cast_server(struct cast *cast, struct server *server) {
    const struct server_target *target = cast->target;
    const struct members *members = &server->members;
    if (target->room.size) {
        struct room *room = room__find(server, target->room);
        if (!room) {
            return;
        }
        members = &room->members;
    }
    for (uint32_t i = 0; i < members->count; i++) {
        struct session *session = members->items[i].session;
        if (i + AHEAD < members->count) {
            fetch_ahead(members->items[i + AHEAD].session, sizeof(*session));
        }
        if (target->path.size) {
            uint32_t hash = target->room.size ? session->path_hash : members->items[i].path_hash;
            if (hash != cast->path_hash || !slice_equal(session_path(session), target->path)) {
                continue;
            }
        }
        if (session != cast->except) {
            cast_one(cast, session);
        }
    }
}

static void cast_one(struct cast *cast, struct session *session) {
    const struct server_outgoing *out = cast->out;
    bool is_sent = true;
    if (session->state != SESSION_OPEN) {
        return;
    }
    if (out->has_payload) {
        struct net_frame *frame = frame_for(cast, session);
        is_sent = frame && session__push(session, frame, out->depth);
        if (is_sent && note__shows_frames(session)) {
            note__frame_line(session, true, out->is_binary ? WS_OP_BINARY : WS_OP_TEXT,
                             out->payload);
        }
    }
    if (out->end) { /* also where the message was dropped; else it is lost, or to be closed anyway
                     */
        (void)session_close(session, WS_NORMAL, SLICE_NONE);
    }
    cast->sent += is_sent;
}

static struct net_frame *frame_for(struct cast *cast, const struct session *session) {
    struct ws_deflater *deflater = cast->set->deflater;
    unsigned bits = ws_shared_bits(&session->ws);
    unsigned first = WS_FIN | (cast->out->is_binary ? WS_OP_BINARY : WS_OP_TEXT);
    struct slice payload = cast->out->payload;
    if (cast->frames[bits]) {
        return cast->frames[bits];
    }
    if (bits && ws_compress_shared(deflater, bits, payload, &payload) == STATUS_OK) {
        first |= WS_RSV1;
    } else if (bits && cast->frames[0]) { /* no gain: the plain one serves */
        cast->frames[bits] = net_frame_ref(cast->frames[0]);
        return cast->frames[bits];
    }
    cast->frames[bits] = make_frame(first, payload);
    return cast->frames[bits];
}

static struct net_frame *make_frame(unsigned first, struct slice payload) {
    uint8_t header[WS_HEADER_MAX];
    size_t size = ws_frame_header(header, first, payload.size, NULL);
    struct net_frame *frame = net_frame_new(size + payload.size);
    if (frame) {
        memcpy(frame->bytes, header, size);
        if (payload.size) {
            memcpy(frame->bytes + size, payload.bytes, payload.size);
        }
    }
    return frame;
}
