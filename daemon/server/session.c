/* WebSocket sessions: messages in order, control frames, pressure, and the two ways to the end: the
 * close handshake, and the loss of the peer. on_close is called from the stream's
 * handler only, never from inside a call of the API. */
#include <errno.h>
#include <stdlib.h>
#include "server/session.h"

/* A payload below it is copied behind its header; a larger one goes as it is. */
#define COPIED_BYTES 8192

static void parse(struct session *session, struct ws_input *input);
static bool on_frame(struct session *session, enum ws_event event, const struct ws_message *frame);
static void on_message(struct session *session, const struct ws_message *message);
static void on_peer_close(struct session *session, const struct ws_message *frame);
static void on_violation(struct session *session, const struct ws_message *frame);
static void go_on(struct session *session);
static void on_sent(struct session *session);
static void on_lost(struct session *session);
static void end(struct session *session, const struct server_close *close);
static enum status send_close(struct session *session, unsigned code, struct slice reason);
static void execute_doom(struct session *session);

void session__begin(struct session *session) {
    struct server_set *set = session->server->set;
    const struct clock *clock = net_loop_clock(set->loop);
    session->state = SESSION_OPEN;
    session->stream.handler = session__on_event;
    session->since_wall_ms = clock->wall_ms(clock);
    session->seen_ms = session->progress_ms = now__ms(session);
    session__begin_timer(session);
    session->way = net_own_number(net_own_meet(set->own, session->stream.source.fd));
    if (note__is_on(session)) {
        note__line(session, "a session of " SLICE_FMT " is open", SLICE_ARG(session_peer(session)));
    }
    if (note__shows_frames(session)) {
        note__head(session);
    }
    if (set->events->on_open) {
        set->events->on_open(set->context, session);
    }
}

void session__on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct session *session = CONTAINER_OF(stream, struct session, stream);
    switch (event) {
        case NET_DATA:
            session__input(session, connection__gather(session, data));
            break;
        case NET_AGAIN:
            go_on(session);
            break;
        case NET_SENT:
            on_sent(session);
            break;
        case NET_TIMEOUT:
            session__on_tick(session);
            break;
        case NET_ERROR:
            if (session->state == SESSION_OPEN || session->state == SESSION_DOOMED) {
                session__fault(session, "transport", strerrordesc_np(stream->error));
            }
            on_lost(session);
            break;
        case NET_END:
            on_lost(session);
            break;
        case NET_CLOSED:
            on_lost(session);
            connection__on_closed(session);
            break;
    }
}

/* ---- input -------------------------------------------------------------------------------------
 */

void session__input(struct session *session, struct net_bytes data) {
    struct ws_input input = {.next = data.bytes,
                             .end = data.bytes + data.size,
                             .deflater = session->server->set->deflater};
    session->seen_ms = now__ms(session);
    session->is_pinged = false; /* anything is a sign of life */
    parse(session, &input);
    bool is_over = session->state == SESSION_CLOSED || session->stream.state != NET_OPEN;
    size_t left = is_over ? 0 : (size_t)(input.end - input.next);
    if (!left && !session->rest) {
        return;
    }
    (void)connection__keep(session, input.next, left); /* without memory the stream is closed */
}

static void hold(struct session *session) {
    if (!session->is_held) {
        bound__passed(session->server, SERVER_MAX_BACKLOG);
        session__watch(session);
    }
    session->is_held = true;
    net_stream_pause(&session->stream);
}

static bool is_clogged(struct session *session) {
    uint64_t max = session__bounds(session)->max_backlog_bytes;
    if (net_backlog(&session->stream) < max) {
        return false;
    }
    net_flush(&session->stream);
    return net_backlog(&session->stream) >= max;
}

static void parse(struct session *session, struct ws_input *input) {
    struct ws_message frame;
    uint64_t share_ms = 0;
    (void)share__is_used(&share_ms); /* it begins now */
    for (;;) {
        if (session->is_held || is_clogged(session)) {
            hold(session);
            return;
        }
        enum ws_event event = ws_next(&session->ws, input, &frame);
        if (event == WS_MORE || !on_frame(session, event, &frame)) {
            return;
        }
        if (input->next == input->end) {
            continue; /* the next call says WS_MORE; no share to look after */
        }
        if (share__is_used(&share_ms)) {
            session->is_yielded = true;
            net_stream_pause(&session->stream);
            net_stream_again(&session->stream);
            return;
        }
    }
}

static struct net_own_way *way_of(const struct session *session) {
    return net_own_at(session->server->set->own, session->way);
}

/* False when nothing more is to be parsed. */
static bool on_frame(struct session *session, enum ws_event event, const struct ws_message *frame) {
    if (note__shows_frames(session)) {
        note__received(session, event, frame);
    }
    switch (event) {
        case WS_MESSAGE:
            on_message(session, frame);
            return session->state != SESSION_CLOSED;
        case WS_PING:
            if (session->state == SESSION_OPEN) {
                (void)session__send_frame(session, WS_FIN | WS_OP_PONG, frame->payload);
            }
            return true;
        case WS_PONG:
            return true;
        case WS_CLOSE:
            on_peer_close(session, frame);
            return false;
        case WS_ERROR:
            on_violation(session, frame);
            return false;
        case WS_MORE:
            break;
    }
    return false;
}

/* What comes after our own close frame is no event any more. */
static void on_message(struct session *session, const struct ws_message *message) {
    struct server_set *set = session->server->set;
    if (session->state == SESSION_OPEN) {
        session->messages_in++;
        net_count(&session->server->counters->messages_in, 1);
        if (set->events->on_message) {
            set->events->on_message(set->context, session, message);
        }
    }
}

uint32_t session_depth(const struct session *session) {
    return session->way ? net_own_depth(way_of(session), NET_OWN_SERVER, session->messages_in) : 0;
}

/* Of SESSION_CLOSING. */
static struct server_close our_close(const struct session *session) {
    struct server_close close = {.code = session->close_code, .by = SERVER_BY_LOCAL};
    if (session->close_reason) {
        close.reason =
            (struct slice){(const char *)session->close_reason + 1, session->close_reason[0]};
    }
    return close;
}

static void on_peer_close(struct session *session, const struct ws_message *frame) {
    struct server_close close = {
        .code = frame->code, .reason = frame->payload, .by = SERVER_BY_PEER};
    if (session->state == SESSION_CLOSING) {
        close = our_close(session);
    } else {
        (void)send_close(session, frame->code, SLICE_NONE); /* a lost stream needs no answer */
    }
    net_stream_finish(&session->stream, session__bounds(session)->drain_timeout_ms);
    end(session, &close);
}

static void on_violation(struct session *session, const struct ws_message *frame) {
    struct server_close close = {
        .code = frame->code, .reason = frame->payload, .by = SERVER_BY_LOCAL};
    if (frame->code == WS_TOO_BIG) {
        bound__passed(session->server, SERVER_MAX_MESSAGE);
    }
    if (session->state != SESSION_CLOSING) {
        (void)send_close(session, frame->code, frame->payload); /* as above */
    }
    net_stream_finish(&session->stream, session__bounds(session)->drain_timeout_ms);
    session__fault(session, "protocol", frame->payload.bytes);
    end(session, &close);
}

void session__fault(struct session *session, const char *kind, const char *text) {
    struct server_set *set = session->server->set;
    if (set->events->on_error) {
        struct server_fault fault = {.server = session->config->options.id,
                                     .kind = kind,
                                     .text = text ? text : "lost",
                                     .peer = session_peer(session),
                                     .session = session};
        set->events->on_error(set->context, &fault);
    }
}

/* Nothing more is sent. */
static void turn_waiters_away(struct session *session) {
    struct session_waiter *waiter;
    while ((waiter = session->waiters) != NULL) {
        session->waiters = waiter->next;
        waiter->session = NULL;
        waiter->ready(waiter, STATUS_CLOSED);
    }
}

/* NET_AGAIN: after a share that was used up, after pressure, or to end what was doomed. */
static void go_on(struct session *session) {
    session->is_yielded = false;
    if (session->state == SESSION_DOOMED) {
        execute_doom(session);
    }
    if (session->state == SESSION_CLOSING) {
        turn_waiters_away(session);
    }
    if (session->state == SESSION_CLOSED || session->is_held) {
        return;
    }
    if (session->rest) {
        session__input(session, connection__gather(session, (struct net_bytes){NULL, 0}));
    }
    if (!session->is_held && !session->is_yielded) {
        net_stream_resume(&session->stream);
    }
}

/* ---- output and pressure -----------------------------------------------------------------------
 */

enum status session__send_frame(struct session *session, unsigned first, struct slice payload) {
    struct net_stream *stream = &session->stream;
    if (note__shows_frames(session) && (first & 0x08)) { /* messages are shown uncompressed */
        note__frame_line(session, true, first, payload);
    }
    if (payload.size >= COPIED_BYTES) {
        uint8_t header[WS_HEADER_MAX];
        size_t size = ws_frame_header(header, first, payload.size, NULL);
        struct slice parts[] = {{(const char *)header, size}, payload};
        return net_write(stream, parts, 2);
    }
    char *out = net_write_begin(stream, WS_HEADER_MAX + payload.size);
    if (!out) {
        return stream->error == ENOMEM ? STATUS_NO_MEMORY : STATUS_CLOSED;
    }
    size_t size = ws_frame_header((uint8_t *)out, first, payload.size, NULL);
    if (payload.size) {
        memcpy(out + size, payload.bytes, payload.size);
    }
    net_write_end(stream, size + payload.size);
    return STATUS_OK;
}

/* Whether `size` bytes more would pass the backlog. An empty queue takes any one message. */
static bool is_past_backlog(struct session *session, size_t size) {
    uint64_t max = session__bounds(session)->max_backlog_bytes;
    size_t backlog = net_backlog(&session->stream);
    if (backlog == 0 || backlog + size <= max) {
        return false;
    }
    net_flush(&session->stream);
    backlog = net_backlog(&session->stream);
    return backlog > 0 && backlog + size > max;
}

/* Whether a reply may be queued now. Who waits already comes first, in the order of the sends. */
static bool has_room(struct session *session, size_t size) {
    bool is_offered = session->offer == OFFER_MADE;
    session->offer = OFFER_NONE;
    if (session->waiters && !is_offered) {
        return false;
    }
    if (!is_past_backlog(session, size)) {
        return true;
    }
    session->offer = is_offered ? OFFER_REFUSED : OFFER_NONE;
    hold(session);
    return false;
}

/* What waits for room is served before a broadcast that may be dropped: it would wait for ever. */
static bool is_slow(struct session *session, size_t size) {
    bool may_drop = session__bounds(session)->slow_consumer == SERVER_SLOW_DROP;
    return (may_drop && (session->is_held || session->waiters)) || is_past_backlog(session, size);
}

/* Of the message that is about to be sent. */
static inline void note_depth(struct session *session, uint32_t depth) {
    if (session->way) {
        net_own_note(way_of(session), NET_OWN_SERVER, session->messages_out + 1, depth);
    }
}

enum status session_send(struct session *session, const struct server_outgoing *out) {
    if (session->state != SESSION_OPEN) {
        return STATUS_CLOSED;
    }
    if (out->has_payload) {
        if (out->payload.size > session__bounds(session)->max_backlog_bytes) {
            return STATUS_LIMIT;
        }
        if (!has_room(session, out->payload.size + WS_HEADER_MAX)) {
            return STATUS_AGAIN;
        }
        struct slice payload = out->payload;
        unsigned first = WS_FIN | (out->is_binary ? WS_OP_BINARY : WS_OP_TEXT);
        if (session->ws.compression.is_on &&
            ws_compress(&session->ws, session->server->set->deflater, out->payload, &payload) ==
                STATUS_OK) {
            first |= WS_RSV1;
        }
        note_depth(session, out->depth);
        enum status status = session__send_frame(session, first, payload);
        if (status != STATUS_OK) {
            return status;
        }
        if (note__shows_frames(session)) {
            note__frame_line(session, true, out->is_binary ? WS_OP_BINARY : WS_OP_TEXT,
                             out->payload);
        }
        session->messages_out++;
        net_count(&session->server->counters->messages_out, 1);
    }
    return out->end ? session_close(session, WS_NORMAL, SLICE_NONE) : STATUS_OK;
}

bool session__push(struct session *session, struct net_frame *frame, uint32_t depth) {
    struct server *server = session->server;
    if (session->state != SESSION_OPEN) {
        return false;
    }
    if (is_slow(session, frame->size)) {
        bound__passed(server, SERVER_MAX_BACKLOG);
        if (session__bounds(session)->slow_consumer == SERVER_SLOW_CLOSE) {
            session__doom(session, WS_TRY_LATER);
        } else {
            net_count(&server->counters->broadcasts_dropped, 1);
            session__watch(session);
        }
        return false;
    }
    note_depth(session, depth);
    if (net_write_frame(&session->stream, frame) != STATUS_OK) {
        return false;
    }
    session->messages_out++;
    net_count(&server->counters->messages_out, 1);
    return true;
}

static void on_sent(struct session *session) {
    uint64_t half = session__bounds(session)->max_backlog_bytes / 2;
    if (!session->is_held || net_backlog(&session->stream) > half) {
        return;
    }
    session->is_held = false;
    session->pinged_ms = now__ms(session); /* the answer to a ping is read from now on alone */
    struct session_waiter *waiter;
    while (!session->is_held && (waiter = session->waiters) != NULL) {
        session->waiters = waiter->next;
        waiter->session = NULL;
        session->offer = OFFER_MADE;
        waiter->ready(waiter, STATUS_OK);
        session->offer = OFFER_NONE;
    }
    if (!session->is_held) {
        net_stream_again(&session->stream);
    }
}

void session_wait(struct session *session, struct session_waiter *waiter) {
    struct session_waiter **link = &session->waiters;
    while (*link && session->offer != OFFER_REFUSED) {
        link = &(*link)->next;
    }
    session->offer = OFFER_NONE;
    waiter->next = *link;
    waiter->session = session;
    *link = waiter;
}

void session_wait_cancel(struct session_waiter *waiter) {
    if (!waiter->session) {
        return;
    }
    struct session_waiter **link = &waiter->session->waiters;
    while (*link != waiter) {
        link = &(*link)->next;
    }
    *link = waiter->next;
    waiter->session = NULL;
}

/* ---- the end -----------------------------------------------------------------------------------
 */

static enum status send_close(struct session *session, unsigned code, struct slice reason) {
    uint8_t payload[WS_CONTROL_MAX];
    int size = ws_close_payload(payload, code, reason);
    if (size < 0) {
        return (enum status)size;
    }
    struct slice bytes = {(const char *)payload, (size_t)size};
    return session__send_frame(session, WS_FIN | WS_OP_CLOSE, bytes);
}

/* How long the peer may take to answer our close frame. */
static uint64_t close_wait_ms(struct session *session) {
    uint64_t wait_ms = session__bounds(session)->handshake_timeout_ms;
    bool is_draining = session->server->set->is_draining;
    return is_draining && wait_ms > WS_DRAIN_CLOSE_MS ? WS_DRAIN_CLOSE_MS : wait_ms;
}

void session__end_service(struct session *session) {
    session__doom(session, WS_GOING_AWAY);
    if (session->state == SESSION_CLOSING && session->server->set->is_draining) {
        net_stream_timer(&session->stream, close_wait_ms(session));
    }
}

/* For on_close. It goes without where there is no memory. */
static uint8_t *keep_reason(struct slice reason) {
    uint8_t *kept = reason.size ? malloc(1 + reason.size) : NULL;
    if (kept) {
        kept[0] = (uint8_t)reason.size; /* within WS_REASON_MAX: it was sent */
        memcpy(kept + 1, reason.bytes, reason.size);
    }
    return kept;
}

enum status session_close(struct session *session, unsigned code, struct slice reason) {
    if (session->state != SESSION_OPEN) {
        return STATUS_CLOSED;
    }
    enum status status = send_close(session, code, reason);
    if (status != STATUS_OK) {
        return status;
    }
    session->state = SESSION_CLOSING;
    session->close_code = (uint16_t)code;
    session->close_reason = keep_reason(reason);
    net_stream_timer(&session->stream, close_wait_ms(session));
    if (session->is_held) { /* its close frame must be read, and nobody waits for room any more */
        session->is_held = false;
        net_stream_again(&session->stream);
    }
    return STATUS_OK;
}

void session__doom(struct session *session, unsigned code) {
    if (session->state == SESSION_OPEN) {
        session->state = SESSION_DOOMED;
        session->close_code = (uint16_t)code;
        net_stream_again(&session->stream);
    }
}

/* One that does not read would not see our close frame in time: it is not waited for. */
static void execute_doom(struct session *session) {
    session->state = SESSION_OPEN;
    unsigned code = session->close_code;
    if (code == WS_TRY_LATER) {
        session__fault(session, "send", "the peer does not take what is sent to it");
    }
    if (session_close(session, code, SLICE_NONE) == STATUS_OK && code == WS_TRY_LATER) {
        struct server_close close = {.code = WS_TRY_LATER, .by = SERVER_BY_LOCAL};
        net_stream_finish(&session->stream, session__bounds(session)->drain_timeout_ms);
        end(session, &close);
    }
}

/* The stream ended, or was closed by a timer: without a close frame of the peer. */
static void on_lost(struct session *session) {
    struct server_close close = {.code = WS_LOST, .by = SERVER_BY_LOST};
    if (session->state == SESSION_CLOSED) {
        return;
    }
    if (session->state == SESSION_CLOSING) {
        close = our_close(session);
    }
    net_stream_close(&session->stream);
    end(session, &close);
}

void session__gone(struct session *session) {
    struct server *server = session->server;
    room__leave_all(session);
    net_own_leave(way_of(session), NET_OWN_SERVER);
    session->way = 0;
    uint32_t index = session->index;
    members__remove(&server->members, index);
    if (index < server->members.count) {
        server->members.items[index].session->index = index;
    }
    table__remove(server->set, session);
    net_count(&server->counters->sessions_open, (uint64_t)-1);
    server->takeovers -= session__keeps_windows(session);
    session__leave_place(session);
}

void session__leave_place(struct session *session) {
    address__leave(session);
    _Atomic uint64_t *all = session->server->counters->all_sessions;
    if (all) {
        atomic_fetch_sub_explicit(all, 1, memory_order_relaxed);
    }
}

/* Once a session, with the stream closing already. */
static void end(struct session *session, const struct server_close *close) {
    static const char *const names[] = {
        [SERVER_BY_LOCAL] = "us", [SERVER_BY_PEER] = "the peer", [SERVER_BY_LOST] = "a lost peer"};
    struct server_set *set = session->server->set;
    uint8_t *reason = session->state == SESSION_CLOSING ? session->close_reason : NULL;
    session->state = SESSION_CLOSED;
    if (note__is_on(session)) {
        note__line(session, "the session was closed by %s with %u", names[close->by], close->code);
    }
    net_count(&session->server->counters->closes[ws_code_class(close->code)][close->by], 1);
    session__gone(session);
    turn_waiters_away(session);
    if (set->events->on_close) {
        set->events->on_close(set->context, session, close);
    }
    free(reason);
}
