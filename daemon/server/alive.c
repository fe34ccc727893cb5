/* Keep-alive of sessions: pings, and output that does not move. */
#include "server/session.h"

static uint64_t period_of(const struct server_options *options) {
    uint64_t ping = options->ping_interval_ms, drain = options->drain_timeout_ms;
    return ping && ping < drain ? ping : drain;
}

void session__begin_timer(struct session *session) {
    net_stream_timer(&session->stream, period_of(session__bounds(session)));
}

/* Output that waits for the kernel and did not move for the whole time. */
static bool is_stuck(struct session *session, uint64_t now) {
    uint32_t mark = (uint32_t)session->stream.bytes_out;
    if (!session->stream.is_blocked || mark != session->out_mark) {
        session->out_mark = mark;
        session->progress_ms = now;
        return false;
    }
    return now - session->progress_ms >= session__bounds(session)->drain_timeout_ms;
}

static uint64_t quarter_of(const struct server_options *options) {
    return options->drain_timeout_ms < 8 ? 1 : options->drain_timeout_ms / 4;
}

void session__watch(struct session *session) {
    const struct server_options *options = session__bounds(session);
    if (session->is_watched || session->state != SESSION_OPEN) {
        return;
    }
    (void)is_stuck(session, now__ms(session)); /* from here on, where it moved before */
    session->is_watched = true;
    if (quarter_of(options) < period_of(options)) {
        net_stream_timer(&session->stream, quarter_of(options));
    }
}

/* A ping that waits behind other output cannot be answered yet: as long as that moves, the time of
 * the ping moves along. */
static void follow_ping(struct session *session, uint64_t now) {
    if (session->ping_waits && session->progress_ms == now) {
        session->pinged_ms = now;
        session->ping_waits = session->stream.is_blocked;
    }
}

/* Pings a peer that was silent for the interval; false when it did not answer in time. */
static bool look_for_life(struct session *session, uint64_t now) {
    const struct server_options *options = session__bounds(session);
    uint64_t silent = now - session->seen_ms;
    if (session->is_pinged) {
        follow_ping(session, now); /* after is_stuck() */
        return now - session->pinged_ms < options->pong_timeout_ms;
    }
    if (silent >= options->ping_interval_ms) {
        session->is_pinged = true;
        session->pinged_ms = now;
        session->ping_waits = net_backlog(&session->stream) > 0;
        (void)session__send_frame(session, WS_FIN | WS_OP_PING, SLICE_NONE); /* lost: told soon */
    }
    return true;
}

/* One timer a session, moved only when it fires: traffic writes nothing but seen_ms. */
void session__on_tick(struct session *session) {
    const struct server_options *options = session__bounds(session);
    uint64_t now = now__ms(session), next = period_of(options);
    if (session->state != SESSION_OPEN) {
        if (session->state == SESSION_CLOSING) { /* the peer did not answer our close frame */
            net_stream_close(&session->stream);
        }
        return;
    }
    if (is_stuck(session, now)) {
        bound__passed(session->server, SERVER_DRAIN_TIMEOUT);
        session__doom(session, WS_TRY_LATER);
        return;
    }
    if (options->ping_interval_ms && !session->is_held) {
        if (!look_for_life(session, now)) {
            bound__passed(session->server, SERVER_PONG_TIMEOUT);
            session__fault(session, "timeout", "the peer did not answer a ping in time");
            net_stream_close(&session->stream);
            return;
        }
        uint64_t silent = now - session->seen_ms;
        uint64_t due = session->is_pinged ? session->pinged_ms + options->pong_timeout_ms - now
                                          : options->ping_interval_ms - silent;
        next = due < next ? due : next;
    }
    session->is_watched = session->stream.is_blocked;
    if (session->is_watched && quarter_of(options) < next) {
        next = quarter_of(options);
    }
    net_stream_timer(&session->stream, next);
}
