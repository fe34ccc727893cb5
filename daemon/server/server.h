/* HTTP and WebSocket servers of one worker: connections, requests, sessions, rooms, broadcasts.
 *
 * Knows no task: what happens goes to a table of events; what is to be done comes through the calls
 * below. A connection starts as HTTP/1 and may become a WebSocket session (RFC 9112, 6455).
 *
 * Thread  a set and all in it belong to one worker's loop. Configurations are counted and may be
 *         made and released anywhere; counters may be read anywhere. */
#ifndef BELLWIRE_SERVER_H
#define BELLWIRE_SERVER_H

#include "net/net.h"
#include "http/http.h"
#include "ws/ws.h"
#include "server/options.h"

struct server_set;
struct session;
struct server_request;

/* ---- what happens: the table handed in at composition --------------------------------------- */
struct server_route { /* all zero accepts with the server's own bounds */
    uint16_t status;  /* 0: accepted; else the answer: 401 403 404 405 426 503 ... */
    uint64_t allowed; /* 405: HTTP_METHOD_BIT()s */
    /* Not decided yet: who asks holds the request and calls server_decide(). Nothing is read
     * meanwhile; past the response timeout the peer gets 504. */
    bool is_pending;
    struct slice text;         /* of a refusal; empty: a phrase of the status, none for 204 */
    bool is_exact;             /* the text is all; else a line break follows it */
    struct slice content_type; /* of the text; empty: text/plain */
    const struct http_header *headers; /* of a refusal (500 where they cannot be sent), or of 101 */
    size_t header_count;
    struct slice subprotocol; /* of the 101, where has_subprotocol; else the first that both know */
    bool has_subprotocol;
    uint64_t max_body_bytes, body_timeout_ms, response_timeout_ms; /* 0: the server's */
    const void *route;                                             /* kept in the request */
    /* Both copied with the request, else as long as on_request. */
    struct slice user; /* empty: none */
    struct slice peer; /* in place of the connection's address; empty: that one */
    uint8_t cors;      /* enum access_cors: headers of every answer to this request */
};
#define SERVER_UPGRADE_HEADERS 32 /* of a route; more are left out */
enum server_closed_by { SERVER_BY_LOCAL, SERVER_BY_PEER, SERVER_BY_LOST };
struct server_close {
    uint16_t code;       /* WS_NO_CODE, WS_LOST or the frame's */
    struct slice reason; /* borrowed for the call */
    enum server_closed_by by;
};
struct server_fault {
    struct slice server;
    const char *kind; /* constant: "handshake" "timeout" "protocol" "send" "transport" "tls" */
    const char *text; /* what went wrong; borrowed for the call */
    struct slice peer;
    struct session *session;        /* or NULL */
    struct server_request *request; /* of a failed handshake, or NULL; answered after the call */
};
struct server_events { /* any but on_head may be NULL */
    /* A head is whole; the body is not here yet. `*out` is zeroed. Also for upgrades. */
    void (*on_head)(void *context, struct server_request *request, struct server_route *out);
    /* The request is whole. Answer it, or hold it and answer later; one of the two. */
    void (*on_request)(void *context, struct server_request *request);
    /* The 101 is queued, so sending works. Then messages in order, then one on_close. */
    void (*on_open)(void *context, struct session *session);
    void (*on_message)(void *context, struct session *session, const struct ws_message *message);
    void (*on_close)(void *context, struct session *session, const struct server_close *close);
    void (*on_error)(void *context, const struct server_fault *fault);
    /* The last reference is gone: release the attachments. */
    void (*on_free)(void *context, struct session *session);
};

/* ---- the servers of a worker ---------------------------------------------------------------- */
struct server_set_options {
    struct net_loop *loop;
    const struct server_events *events;
    void *context;
    uint32_t worker;        /* below 256 */
    struct hash_key id_key; /* the same for all workers; obscures the worker in session IDs */
    struct net_own *own;    /* of the process, which outlives the set; or NULL */
};
struct server_set *server_set_new(const struct server_set_options *options); /* NULL: no memory */
/* Before the loops run: the sets of all workers, by number (an array that outlives them). */
void server_set_connect(struct server_set *set, struct server_set *const *sets, uint32_t count);
void server_set_free(struct server_set *set); /* after server_set_drain() was done, or _abort() */
/* Adds the server config->options.id, or gives it new options: bounds count at once, for sessions
 * too. Takes a reference. `counters` outlives the server; NULL keeps those it has. NO_MEMORY. */
enum status server_set_apply(struct server_set *set, struct server_config *config,
                             struct server_counters *counters);
/* Takes over a listening fd, known by `address` from then on. NOT_FOUND, NO_MEMORY, IO: yours. */
enum status server_set_listen(struct server_set *set, struct slice id, struct slice address,
                              int fd);
/* Accepts what waits, then closes. An `address` of size 0: all of the server's. */
void server_set_unlisten(struct server_set *set, struct slice id, struct slice address);
/* Moves a listening fd to another server without a gap (a reload that swaps two). NOT_FOUND. */
enum status server_set_move_listener(struct server_set *set, struct slice from, struct slice to,
                                     struct slice address);
/* Stops listening, ends sessions with 1001 and connections after their answer; listening again is
 * possible at once. `forget`: the server itself goes when its last connection has. */
void server_set_stop(struct server_set *set, struct slice id, bool forget);
/* The same for all; `done` is called once when no connection is left. Going requests are answered.
 */
void server_set_drain(struct server_set *set, void (*done)(void *context), void *context);
void server_set_abort(struct server_set *set); /* closes every connection at once */
/* A connected socket as if it had been accepted (a request made by the manager). As _listen(). */
enum status server_set_adopt(struct server_set *set, struct slice id, int fd,
                             const struct net_address *peer);
struct server_config *server_set_find(const struct server_set *set, struct slice id); /* or NULL */

/* ---- requests ------------------------------------------------------------------------------- */
struct server_request { /* read only, but `attachment` and `label` */
    struct http_request http;
    struct slice body, peer, user;
    const struct server_config *config; /* of the server; held */
    const void *route;                  /* as on_head gave it */
    void *attachment;                   /* the user's, NULL at first */
    bool is_adopted;                    /* by server_set_adopt(): the manager asks */
    struct http_header label; /* the user's: goes with the 504 that is given in its place; no name:
                                 none; borrowed until there is an answer */
    struct server_set *set;
    /* private: */
    struct session *connection; /* NULL when the peer is gone or the answer is queued */
    struct server_request *next_spare;
    char *copy, *body_copy, *who_copy; /* what was copied, or NULL */
    uint64_t body_timeout_ms, response_timeout_ms, began_ms;
    uint32_t refs;
    uint8_t cors;
    bool is_answered, is_gone;
};
/* Counted. The first hold copies head and body to the heap once; STATUS_NO_MEMORY. Whoever answers
 * inside on_request needs none. */
enum status server_request_hold(struct server_request *request);
/* What on_head left pending, once. Nothing happens where the peer has gone, or timed out. */
void server_decide(struct server_request *request, const struct server_route *route);
void server_request_release(struct server_request *request);
/* Counts that a gate has refused it; nothing where the peer is gone. */
void server_count_denied(const struct server_request *request, enum access_gate gate);
/* Who asks, before the decision; both are copied where the head is, size 0 stays as it was.
 * NO_MEMORY. */
enum status server_request_name(struct server_request *request, struct slice user,
                                struct slice peer);
struct server_response {
    uint16_t status;
    const struct http_header *headers;
    size_t header_count, own_count;  /* own_count: as in struct http_answer */
    struct slice content_type, body; /* the body of HEAD, 204 and 304 is not sent */
    bool close;                      /* the connection ends after this answer */
};
/* STATUS_OK; STATUS_EXISTS: a second answer (also after the 504 of the response timeout);
 * STATUS_CLOSED: the peer is gone, the answer dropped and counted; STATUS_SYNTAX, STATUS_DENIED: a
 * header that may not be sent, nothing was answered. */
enum status server_respond(struct server_request *request, const struct server_response *response);
struct server_file { /* the fd is taken over, whatever the result */
    int fd;
    uint64_t offset, size;
};
/* response->body is not used. The file goes out in chunks after the call. */
enum status server_respond_file(struct server_request *request,
                                const struct server_response *response,
                                const struct server_file *file);

/* ---- sessions ------------------------------------------------------------------------------- */
struct slice session_id(const struct session *session);
struct slice session_peer(const struct session *session);
struct slice session_subprotocol(const struct session *session); /* size 0: none */
struct slice session_server(const struct session *session);      /* the server's ID */
struct slice session_user(const struct session *session);
/* The opening request: its head as sent (http_head_header() reads headers from it), raw parts. */
struct slice session_head(const struct session *session);
struct slice session_path(const struct session *session);
struct slice session_query(const struct session *session);
const struct server_config *session_config(const struct session *session);
struct server_set *session_set(const struct session *session);
bool session_is_open(const struct session *session);
uint32_t session_depth(const struct session *session); /* of what causes a message, in on_message */
/* The struct outlives its connection until the last reference is gone. */
struct session *session_ref(struct session *session);
void session_unref(struct session *session);
void *session_attachment(const struct session *session, unsigned which); /* 0 or 1 */
void session_attach(struct session *session, unsigned which, void *value);

struct server_outgoing {
    struct slice payload;        /* text is UTF-8: the caller has checked */
    bool has_payload, is_binary; /* without payload nothing is sent before `end` */
    bool end;                    /* then close with 1000 */
    uint32_t depth;              /* of the causes, for a peer that is our own client */
};
/* A reply: STATUS_OK; STATUS_AGAIN: past max-backlog, or others wait; nothing was sent, the peer is
 * not read until there is room: session_wait(); STATUS_LIMIT: over max-backlog; STATUS_CLOSED. */
enum status session_send(struct session *session, const struct server_outgoing *out);
struct session_waiter {
    struct session_waiter *next; /* private */
    struct session *session;     /* private; NULL: not waiting */
    void (*ready)(struct session_waiter *waiter, enum status status); /* OK or CLOSED */
};
void session_wait(struct session *session, struct session_waiter *waiter); /* called once */
void session_wait_cancel(struct session_waiter *waiter);
/* STATUS_RANGE, LIMIT, SYNTAX as ws_close_payload(); STATUS_CLOSED when it is closing already. */
enum status session_close(struct session *session, unsigned code, struct slice reason);
#define SERVER_ROOMS_MAX     1000 /* of one session */
#define SERVER_ROOM_NAME_MAX 256  /* bytes */
/* NO_MEMORY, CLOSED; LIMIT past one of these two. */
enum status session_join(struct session *session, struct slice room);
void session_leave(struct session *session, struct slice room);
/* Calls out for every open session of the worker, which may close but not open others. */
void server_set_each(struct server_set *set, void (*fn)(void *context, struct session *session),
                     void *context);

/* ---- by name, on any worker ----------------------------------------------------------------- */
struct server_target { /* `session`, else session_id, else a broadcast to all that holds of the rest
                        */
    struct session *session;
    struct slice session_id;
    struct slice server, path, room, except; /* size 0: any; except is a session ID; path literal,
                                                as sent */
};
struct server_op;
struct server_done {
    void (*fn)(void *context, enum status status, uint32_t sent); /* not NULL */
    void *context;
    bool wait_all;        /* a broadcast waits for the count of every worker */
    struct server_op *op; /* out: set with STATUS_AGAIN, for server_op_cancel() */
    uint32_t sent;        /* out: with STATUS_OK, how many sessions it went to */
};
/* STATUS_OK: it is done. STATUS_AGAIN: `fn` is called once later with the result (another worker
 * answers, its mailbox is full, or a session is past its backlog). Else an error: NOT_FOUND (no
 * such session), LIMIT, CLOSED, NO_MEMORY. A broadcast without wait_all is done when posted to all
 * workers, and its count is this worker's alone. */
enum status server_post(struct server_set *set, const struct server_target *target,
                        const struct server_outgoing *out, struct server_done *done);
enum server_verb { SERVER_CLOSE, SERVER_JOIN, SERVER_LEAVE };
struct server_order {
    enum server_verb verb;
    struct slice session_id;
    struct slice text; /* the room, or the reason */
    unsigned code;     /* of a close */
};
enum status server_order(struct server_set *set, const struct server_order *order,
                         struct server_done *done);
void server_op_cancel(struct server_op *op); /* fn is not called any more */

/* ---- for the manager: copies, made on the worker's thread ----------------------------------- */
struct session_info {
    struct slice id, server, peer, path, subprotocol, user;
    uint64_t since_wall_ms;
    struct slice *rooms;
    size_t room_count;
    uint64_t messages_in, messages_out, bytes_in, bytes_out, queued_bytes;
};
/* All sessions, or the one with `id` (size 0: all), into the arena. NO_MEMORY, NOT_FOUND. */
enum status server_set_sessions(struct server_set *set, struct slice id, struct arena *arena,
                                struct session_info **out, size_t *count);
#endif
