/* An open link: messages in order, control frames, keep-alive, pressure, and its two ways to the
 * end: the close handshake, and the loss of the peer. on_close is called from the stream's handler
 * only, never from inside a call of the API. */
#include <time.h>
#include "client/internal.h"

#define SHARE_MS   5                   /* of a turn, for the runs of one link */
#define PIECE_SIZE (NET_ROOM_MAX - 16) /* of a payload; a whole number of masks */

static void parse(struct client_link *link, struct ws_input *input);
static bool on_frame(struct client_link *link, enum ws_event event, const struct ws_message *frame);
static void on_message(struct client_link *link, const struct ws_message *message);
static void on_peer_close(struct client_link *link, const struct ws_message *frame);
static void on_violation(struct client_link *link, const struct ws_message *frame);
static void go_on(struct client_link *link);
static void on_sent(struct client_link *link);
static void on_tick(struct client_link *link);
static void on_lost(struct client_link *link);
static void end(struct client_link *link, const struct client_close *close);
static void tell_waiters(struct client_link *link, enum status status);
static enum status send_frame(struct client_link *link, unsigned first, struct slice payload);
static enum status send_close(struct client_link *link, unsigned code, struct slice reason);
static uint64_t period_of(const struct client_options *options);

void frames__begin(struct client_link *link) {
    struct client_set *set = link->set;
    const struct clock *clock = net_loop_clock(set->loop);
    link->state = LINK_OPEN;
    link->stream.handler = frames__on_event;
    if (link->way && !net_own_is_met(link->way)) {
        net_own_leave(link->way, NET_OWN_CLIENT);
        link->way = NULL;
    }
    link->opened_wall_ms = clock->wall_ms(clock);
    link->opened_ms = link->seen_ms = link->progress_ms = link__now_ms(link);
    net_stream_timer(&link->stream, period_of(link__bounds(link)));
    net_count(&link->client->counters->sessions_open, 1);
    client__opened(link->client);
    if (set->events->on_open) {
        set->events->on_open(set->context, link);
    }
}

void frames__on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct client_link *link = CONTAINER_OF(stream, struct client_link, stream);
    client_link_ref(link);
    switch (event) {
        case NET_DATA:
            frames__input(link, rest__gather(link, data));
            break;
        case NET_AGAIN:
            go_on(link);
            break;
        case NET_SENT:
            on_sent(link);
            break;
        case NET_TIMEOUT:
            on_tick(link);
            break;
        case NET_END:
        case NET_ERROR:
            on_lost(link);
            break;
        case NET_CLOSED:
            on_lost(link);
            link__on_closed(link);
            break;
    }
    client_link_unref(link);
}

/* ---- input ----------------------------------------------------------------------------------- */

void frames__input(struct client_link *link, struct net_bytes data) {
    struct ws_input input = {
        .next = data.bytes, .end = data.bytes + data.size, .deflater = link->set->deflater};
    link->seen_ms = link__now_ms(link);
    parse(link, &input);
    bool is_over = link->state == LINK_CLOSED || link->stream.state != NET_OPEN;
    size_t left = is_over ? 0 : (size_t)(input.end - input.next);
    if (left || link->rest) {
        rest__keep(link, input.next, left);
    }
}

/* The coarse clock costs a few ns, which is what a check after each message may cost. */
static uint64_t coarse_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void hold(struct client_link *link) {
    if (!link->is_held) {
        link__bound_passed(link, CLIENT_MAX_BACKLOG);
    }
    link->is_held = true;
    net_stream_pause(&link->stream);
}

static bool is_clogged(struct client_link *link) {
    uint64_t max = link__bounds(link)->max_backlog_bytes;
    if (net_backlog(&link->stream) < max) {
        return false;
    }
    net_flush(&link->stream);
    return net_backlog(&link->stream) >= max;
}

static void parse(struct client_link *link, struct ws_input *input) {
    struct ws_message frame;
    uint64_t begin_ms = 0;
    for (;;) {
        if (link->is_held || is_clogged(link)) {
            hold(link);
            return;
        }
        enum ws_event event = ws_next(&link->ws, input, &frame);
        if (event == WS_MORE || !on_frame(link, event, &frame)) {
            return;
        }
        if (input->next == input->end) {
            continue; /* the next call says WS_MORE; no share to look after */
        }
        uint64_t now_ms = coarse_ms();
        begin_ms = begin_ms ? begin_ms : now_ms;
        if (now_ms - begin_ms >= SHARE_MS) {
            link->is_yielded = true;
            net_stream_pause(&link->stream);
            net_stream_again(&link->stream);
            return;
        }
    }
}

/* False when nothing more is to be parsed. */
static bool on_frame(struct client_link *link, enum ws_event event,
                     const struct ws_message *frame) {
    switch (event) {
        case WS_MESSAGE:
            on_message(link, frame);
            return link->state != LINK_CLOSED;
        case WS_PING:
            say__frame(link, false, WS_OP_PING, frame->payload);
            if (link->state == LINK_OPEN) {
                (void)send_frame(link, WS_FIN | WS_OP_PONG, frame->payload); /* lost: told soon */
            }
            return true;
        case WS_PONG:
            say__frame(link, false, WS_OP_PONG, frame->payload);
            return true;
        case WS_CLOSE:
            on_peer_close(link, frame);
            return false;
        case WS_ERROR:
            on_violation(link, frame);
            return false;
        case WS_MORE:
            break;
    }
    return false;
}

/* What comes after our own close frame is no event any more. */
static void on_message(struct client_link *link, const struct ws_message *message) {
    struct client_set *set = link->set;
    say__frame(link, false, message->is_binary ? WS_OP_BINARY : WS_OP_TEXT, message->payload);
    if (link->state != LINK_OPEN) {
        return;
    }
    link->messages_in++;
    net_count(&link->client->counters->messages_in, 1);
    client__remember(link->client, &link->client->last_received, message);
    if (set->events->on_message) {
        set->events->on_message(set->context, link, message);
    }
}

/* Of LINK_CLOSING. */
static struct client_close our_close(const struct client_link *link) {
    return (struct client_close){.code = link->close_code,
                                 .reason = {link->close_reason, link->close_reason_size},
                                 .by = CLIENT_BY_LOCAL};
}

static void on_peer_close(struct client_link *link, const struct ws_message *frame) {
    struct client_close close = {
        .code = frame->code, .reason = frame->payload, .by = CLIENT_BY_PEER};
    if (link__bounds(link)->log_frames) {
        uint8_t payload[WS_CONTROL_MAX];
        int size = ws_close_payload(payload, frame->code, frame->payload);
        say__frame(link, false, WS_OP_CLOSE,
                   (struct slice){(const char *)payload, size > 0 ? (size_t)size : 0});
    }
    if (link->state == LINK_CLOSING) {
        close = our_close(link);
    } else {
        (void)send_close(link, frame->code, SLICE_NONE); /* a lost stream needs no answer */
    }
    net_stream_finish(&link->stream, link__bounds(link)->drain_timeout_ms);
    end(link, &close);
}

static void on_violation(struct client_link *link, const struct ws_message *frame) {
    struct client_close close = {
        .code = frame->code, .reason = frame->payload, .by = CLIENT_BY_LOCAL};
    if (frame->code == WS_TOO_BIG) {
        link__bound_passed(link, CLIENT_MAX_MESSAGE);
    }
    if (link->state != LINK_CLOSING) {
        (void)send_close(link, frame->code, frame->payload); /* as above */
    }
    net_stream_finish(&link->stream, link__bounds(link)->drain_timeout_ms);
    link__fail(link, CLIENT_PROTOCOL, SLICE_FMT, SLICE_ARG(frame->payload));
    end(link, &close);
}

/* NET_AGAIN: after a share that was used up, or after pressure. */
static void go_on(struct client_link *link) {
    link->is_yielded = false;
    if (link->state == LINK_CLOSING) {
        tell_waiters(link, STATUS_CLOSED);
    }
    if (link->state == LINK_CLOSED || link->is_held) {
        return;
    }
    if (link->rest) {
        frames__input(link, rest__gather(link, (struct net_bytes){NULL, 0}));
    }
    if (!link->is_held && !link->is_yielded) {
        net_stream_resume(&link->stream);
    }
}

/* ---- output and pressure --------------------------------------------------------------------- */

/* Masked while it is copied to where it leaves from (RFC 6455, section 5.3). */
static enum status send_frame(struct client_link *link, unsigned first, struct slice payload) {
    uint8_t mask[WS_MASK_SIZE];
    const uint8_t *from = (const uint8_t *)payload.bytes;
    size_t left = payload.size, header = WS_HEADER_MAX;
    say__frame(link, true, first, payload);
    crypto_source_take(&link->set->random, mask, sizeof(mask));
    do {
        size_t piece = left < PIECE_SIZE ? left : PIECE_SIZE;
        uint8_t *to = (uint8_t *)net_write_begin(&link->stream, header + piece);
        if (!to) {
            return STATUS_CLOSED;
        }
        header = header ? ws_frame_header(to, first, payload.size, mask) : 0;
        if (piece) {
            ws_mask(to + header, from, piece, mask);
            from += piece;
        }
        net_write_end(&link->stream, header + piece);
        left -= piece;
        header = 0;
    } while (left);
    return STATUS_OK;
}

/* Whether `size` bytes more would pass the backlog. An empty queue takes any one message. */
static bool is_past_backlog(struct client_link *link, size_t size) {
    uint64_t max = link__bounds(link)->max_backlog_bytes;
    size_t backlog = net_backlog(&link->stream);
    if (backlog == 0 || backlog + size <= max) {
        return false;
    }
    net_flush(&link->stream);
    backlog = net_backlog(&link->stream);
    return backlog > 0 && backlog + size > max;
}

/* Whether a message may be queued now. Who waits already comes first, in the order of the sends. */
static bool has_room(struct client_link *link, size_t size) {
    bool is_offered = link->offer == LINK_OFFER_MADE;
    link->offer = LINK_OFFER_NONE;
    if (!list_is_empty(&link->waiters) && !is_offered) {
        return false;
    }
    if (!is_past_backlog(link, size)) {
        return true;
    }
    link->offer = is_offered ? LINK_OFFER_REFUSED : LINK_OFFER_NONE;
    hold(link);
    return false;
}

void frames__wait(struct client_link *link, struct link_waiter *waiter) {
    bool is_first = link->offer == LINK_OFFER_REFUSED;
    link->offer = LINK_OFFER_NONE;
    list_append(is_first ? link->waiters.next : &link->waiters, &waiter->node);
}

enum status frames__send(struct client_link *link, const struct client_outgoing *out) {
    if (link->state != LINK_OPEN) {
        return STATUS_CLOSED;
    }
    if (out->has_payload) {
        if (out->payload.size > link__bounds(link)->max_backlog_bytes) {
            return STATUS_LIMIT;
        }
        if (!has_room(link, out->payload.size + WS_HEADER_MAX)) {
            return STATUS_AGAIN;
        }
        struct slice payload = out->payload;
        unsigned first = WS_FIN | (out->is_binary ? WS_OP_BINARY : WS_OP_TEXT);
        if (link->ws.compression.is_on &&
            ws_compress(&link->ws, link->set->deflater, out->payload, &payload) == STATUS_OK) {
            first |= WS_RSV1;
        }
        if (link->way) {
            net_own_note(link->way, NET_OWN_CLIENT, link->messages_out + 1, out->depth);
        }
        enum status status = send_frame(link, first, payload);
        if (status != STATUS_OK) {
            return status;
        }
        const struct ws_message sent = {.payload = out->payload, .is_binary = out->is_binary};
        link->messages_out++;
        net_count(&link->client->counters->messages_out, 1);
        client__remember(link->client, &link->client->last_sent, &sent);
    }
    return out->end ? link__close(link, WS_NORMAL, SLICE_NONE) : STATUS_OK;
}

static void on_sent(struct client_link *link) {
    uint64_t half = link__bounds(link)->max_backlog_bytes / 2;
    if (!link->is_held || net_backlog(&link->stream) > half) {
        return;
    }
    link->is_held = false;
    if (link->pinged_ms && link->seen_ms < link->pinged_ms) {
        link->pinged_ms = link__now_ms(link); /* the pong is read from now on alone */
    }
    tell_waiters(link, STATUS_OK);
    if (!link->is_held) {
        net_stream_again(&link->stream);
    }
}

/* Stops when one of them has filled the backlog again. */
static void tell_waiters(struct client_link *link, enum status status) {
    while (!list_is_empty(&link->waiters) && (status != STATUS_OK || !link->is_held)) {
        struct link_waiter *waiter = CONTAINER_OF(link->waiters.next, struct link_waiter, node);
        list_remove(&waiter->node);
        link->offer = status == STATUS_OK ? LINK_OFFER_MADE : LINK_OFFER_NONE;
        waiter->ready(waiter, status);
        link->offer = LINK_OFFER_NONE;
    }
}

/* ---- keep-alive ------------------------------------------------------------------------------ */

static uint64_t period_of(const struct client_options *options) {
    uint64_t ping = options->ping_interval_ms, drain = options->drain_timeout_ms;
    return ping && ping < drain ? ping : drain;
}

/* Output that waits for the kernel and did not move for the whole time. */
static bool is_stuck(struct client_link *link, uint64_t now) {
    uint64_t mark = link->stream.bytes_out;
    if (!link->stream.is_blocked || mark != link->out_mark) {
        link->out_mark = mark;
        link->progress_ms = now;
        return false;
    }
    return now - link->progress_ms >= link__bounds(link)->drain_timeout_ms;
}

/* A ping that waits behind other output cannot be answered yet: as long as that moves, the time of
 * the ping moves along. */
static void follow_ping(struct client_link *link, uint64_t now) {
    if (link->pinged_ms && link->ping_waits && link->progress_ms == now) {
        if (link->seen_ms < link->pinged_ms) {
            link->pinged_ms = now;
        }
        link->ping_waits = link->stream.is_blocked;
    }
}

/* Pings on the interval; false when the peer sent nothing for too long after a ping. */
static bool look_for_life(struct client_link *link, uint64_t now, uint64_t *next) {
    const struct client_options *options = link__bounds(link);
    follow_ping(link, now); /* after is_stuck() */
    if (link->pinged_ms && link->seen_ms < link->pinged_ms &&
        now - link->pinged_ms >= options->pong_timeout_ms) {
        return false;
    }
    if (link->pinged_ms && link->seen_ms >= link->pinged_ms) {
        link->pinged_ms = 0;
    }
    uint64_t silent = now - link->seen_ms;
    if (!link->pinged_ms && silent >= options->ping_interval_ms) {
        link->pinged_ms = now;
        link->ping_waits = net_backlog(&link->stream) > 0;
        (void)send_frame(link, WS_FIN | WS_OP_PING, SLICE_NONE); /* lost: told soon */
    }
    uint64_t due = link->pinged_ms ? link->pinged_ms + options->pong_timeout_ms - now
                                   : options->ping_interval_ms - silent;
    *next = due < *next ? due : *next;
    return true;
}

/* One timer a link, moved only when it fires: traffic writes nothing but seen_ms. */
static void on_tick(struct client_link *link) {
    const struct client_options *options = link__bounds(link);
    uint64_t now = link__now_ms(link), next = period_of(options);
    if (link->state == LINK_CLOSING) { /* the peer did not answer our close frame */
        net_stream_close(&link->stream);
    }
    if (link->state != LINK_OPEN) {
        return;
    }
    if (is_stuck(link, now)) {
        link__bound_passed(link, CLIENT_DRAIN_TIMEOUT);
        link__fail(link, CLIENT_SEND, "the peer took nothing for too long");
        net_stream_close(&link->stream);
        return;
    }
    if (options->ping_interval_ms && !link->is_held && !look_for_life(link, now, &next)) {
        link__bound_passed(link, CLIENT_PONG_TIMEOUT);
        link__fail(link, CLIENT_TIMEOUT, "the peer did not answer a ping in time");
        net_stream_close(&link->stream);
        return;
    }
    net_stream_timer(&link->stream, next);
}

/* ---- the end --------------------------------------------------------------------------------- */

static enum status send_close(struct client_link *link, unsigned code, struct slice reason) {
    uint8_t payload[WS_CONTROL_MAX];
    int size = ws_close_payload(payload, code, reason);
    if (size < 0) {
        return (enum status)size;
    }
    struct slice bytes = {(const char *)payload, (size_t)size};
    return send_frame(link, WS_FIN | WS_OP_CLOSE, bytes);
}

uint64_t frames__close_wait_ms(const struct client_link *link) {
    uint64_t wait_ms = link__bounds(link)->handshake_timeout_ms;
    return link->set->is_draining && wait_ms > WS_DRAIN_CLOSE_MS ? WS_DRAIN_CLOSE_MS : wait_ms;
}

enum status frames__close(struct client_link *link, unsigned code, struct slice reason) {
    enum status status = send_close(link, code, reason);
    if (status != STATUS_OK) {
        return status;
    }
    link->state = LINK_CLOSING;
    link->close_code = (uint16_t)code;
    link->close_reason_size = (uint8_t)reason.size; /* within WS_REASON_MAX: it was sent */
    if (reason.size) {
        memcpy(link->close_reason, reason.bytes, reason.size);
    }
    client__set_state(link->client, CLIENT_CONNECTED);
    net_stream_timer(&link->stream, frames__close_wait_ms(link));
    if (link->is_held) { /* its close frame must be read, and nobody waits for room any more */
        link->is_held = false;
        net_stream_again(&link->stream);
    }
    return STATUS_OK;
}

/* The stream ended, or was closed by a timer: without a close frame of the peer. */
static void on_lost(struct client_link *link) {
    struct client_close close = {.code = WS_LOST, .by = CLIENT_BY_LOST};
    if (link->state == LINK_CLOSED) {
        return;
    }
    if (link->state == LINK_CLOSING) {
        close = our_close(link);
    }
    net_stream_close(&link->stream);
    end(link, &close);
}

/* Once a link that was open, with the stream closing already. */
static void end(struct client_link *link, const struct client_close *close) {
    static const char *const names[] = {
        [CLIENT_BY_LOCAL] = "us", [CLIENT_BY_PEER] = "the peer", [CLIENT_BY_LOST] = "a lost peer"};
    struct client_set *set = link->set;
    struct client *client = link->client;
    link->state = LINK_CLOSED;
    if (link__now_ms(link) - link->opened_ms >= link__bounds(link)->stable_ms) {
        client->failures = 0;
    }
    (void)map_remove(&set->links, client_link_id(link)); /* it is there since it opened */
    net_count(&client->counters->sessions_open, (uint64_t)-1);
    net_count(&client->counters->closes[ws_code_class(close->code)][close->by], 1);
    client__set_state(client, CLIENT_CONNECTED);
    say(client, LOG_INFO, "closed by %s, %u " SLICE_FMT, names[close->by], close->code,
        SLICE_ARG(close->reason));
    tell_waiters(link, STATUS_CLOSED);
    if (set->events->on_close) {
        set->events->on_close(set->context, link, close);
    }
}
