/* The TLS handshake of a connection: until it is done the connection is one that has not said
 * anything yet. */
#include "server/session.h"

static void on_done(struct net_stream *stream, enum status status, const char *why);
static void tell(struct session *session, const char *why);

/* What a browser shows to someone who wrote http:// in place of https://. */
static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\n"
                                   "Content-Type: text/plain; charset=utf-8\r\n"
                                   "Content-Length: 45\r\n"
                                   "Connection: close\r\n"
                                   "\r\n"
                                   "this port speaks TLS: use https:// or wss://\n";

void tls__begin(struct session *session) {
    const struct server_options *options = &session->config->options;
    enum status status = net_tls_accept(&session->stream, options->tls, on_done);
    if (status != STATUS_OK) {
        tell(session, status_text(status));
        net_stream_close(&session->stream);
        return;
    }
    http__set_deadline(session, DEADLINE_HANDSHAKE, options->handshake_timeout_ms);
}

static void on_done(struct net_stream *stream, enum status status, const char *why) {
    struct session *session = CONTAINER_OF(stream, struct session, stream);
    const struct server_options *options = session__bounds(session);
    if (status == STATUS_OK) {
        http__set_deadline(session, DEADLINE_IDLE, options->idle_timeout_ms);
        if (session->http->is_last) { /* the server was stopped meanwhile */
            http__stop(session);
        }
        return;
    }
    tell(session, why);
    if (status == STATUS_SYNTAX) {
        struct slice answer = slice_of(plain_answer);
        (void)net_write(stream, &answer, 1); /* the peer may be gone: nothing is owed to it */
    }
    session->http->phase = HTTP_ENDED;
    net_stream_finish(stream, options->drain_timeout_ms);
}

static void tell(struct session *session, const char *why) {
    struct server_set *set = session->server->set;
    struct slice peer = {session->http->peer, session->http->peer_size};
    struct server_fault fault = {.server = session->config->options.id, .text = why, .peer = peer};
    struct log_place place = {.server = fault.server};
    net_count(&session->server->counters->connections_failed, 1);
    log_line(LOG_DEBUG, &place, "no TLS with " SLICE_FMT ": %s", SLICE_ARG(peer), why);
    if (set->events->on_error) {
        set->events->on_error(set->context, &fault);
    }
}
