/* The inside of a worker's servers, shared by the files of this folder.
 *
 * A connection is a struct session from its accept on. While it speaks HTTP it has an http_state,
 * which goes back to the set's pool at the upgrade; a WebSocket session keeps its opening head. */
#ifndef BELLWIRE_SERVER_SESSION_H
#define BELLWIRE_SERVER_SESSION_H

#include "server/server.h"

#define SESSION_ID_SIZE 28
/* No further request is parsed while more waits to be sent. */
#define PIPELINE_BACKLOG (64 * 1024)
/* Of the body of a request that was refused. */
#define DISCARD_BYTES (64 * 1024)
/* Sessions of a server, on all workers, whose compression keeps its windows: 300 KB each. */
#define TAKEOVERS_MAX     1000
#define SPARE_HTTP_STATES 256
#define SPARE_REQUESTS    256

/* ---- HTTP --------------------------------------------------------------------------------------
 */
enum http_phase {
    HTTP_IN_HEAD,    /* waits for a head, maybe for its first byte */
    HTTP_IN_GATE,    /* whether `request` is wanted is not decided yet */
    HTTP_IN_BODY,    /* gathers the body of `request` */
    HTTP_IN_RUN,     /* `request` was handed over and is not answered */
    HTTP_IN_FILE,    /* its answer is a file that goes out in chunks */
    HTTP_IN_DISCARD, /* it was refused; its body is thrown away */
    HTTP_ENDED,      /* the last answer is queued, the stream finishes */
};
enum http_deadline {
    DEADLINE_HEADER,
    DEADLINE_IDLE,
    DEADLINE_BODY,
    DEADLINE_RESPONSE,
    DEADLINE_DRAIN,
    DEADLINE_HANDSHAKE, /* of TLS */
};
struct transfer;
struct http_state {
    struct list node; /* in server->connections */
    struct http_state *next_spare;
    struct session *session;
    struct http_head_scan scan;
    struct http_body body;
    struct buffer gathered; /* of the body, where it did not come in one piece */
    struct slice borrowed;  /* of the body, in the bytes that are parsed now */
    struct server_request *request;
    struct transfer *transfer;
    uint64_t deadline_ms; /* the timer is due then or earlier */
    uint64_t body_mark;   /* stream.bytes_in when DEADLINE_BODY was set */
    uint8_t phase, deadline;
    bool is_parsing; /* http__parse() is on the stack */
    bool is_adopted; /* server_set_adopt() */
    bool is_last;    /* the connection ends after the going answer */
    bool is_yielded; /* took its share of this turn; goes on in NET_AGAIN */
    uint8_t peer_size;
    char peer[NET_ADDRESS_MAX];
};

/* ---- sessions ----------------------------------------------------------------------------------
 */
enum session_state {
    SESSION_HTTP,
    SESSION_OPEN,
    SESSION_DOOMED,  /* to be closed by us, in the next turn */
    SESSION_CLOSING, /* our close frame is queued, the peer's is awaited */
    SESSION_CLOSED,  /* on_close was called, or never will be */
};
enum session_offer { /* of room, to one who waits */
                     OFFER_NONE,
                     OFFER_MADE,    /* the next reply is that one's, and goes before the others */
                     OFFER_REFUSED, /* there was too little; it keeps its place */
};
struct session_head { /* the opening request */
    uint32_t head_size, path_at, path_size, query_at, query_size;
    uint16_t user_size, subprotocol_size, peer_size;
    char bytes[]; /* head, user, subprotocol, peer, and the path where it is not in the head */
};
struct rest { /* received, not parsed yet */
    uint32_t at, size, capacity;
    uint8_t bytes[];
};
struct membership;
struct session {
    struct net_stream stream;
    struct ws ws;
    struct server *server;
    struct server_config *config;
    struct http_state *http;   /* SESSION_HTTP only */
    struct session_head *head; /* from SESSION_OPEN on */
    struct rest *rest;
    struct session *next_in_table;
    struct membership *rooms;
    struct address *address; /* that it counts for, or NULL */
    struct session_waiter *waiters;
    void *attachments[2];
    uint64_t since_wall_ms, messages_in, messages_out;
    uint64_t seen_ms;   /* when the peer last sent something */
    uint64_t pinged_ms; /* since when a pong may come, where is_pinged */
    union {
        uint64_t progress_ms;  /* when output was last seen to move, or not to be stuck */
        uint8_t *close_reason; /* SESSION_CLOSING: ours, heap, behind its size; or NULL */
    };
    uint32_t out_mark; /* low bits of stream.bytes_out at progress_ms */
    uint32_t index;    /* in server->members */
    uint32_t path_hash;
    uint32_t refs; /* the stream's one and those of session_ref() */
    uint16_t close_code;
    uint16_t way; /* net_own_number(), where the peer is our own client */
    uint8_t state;
    bool is_held;    /* past its backlog: neither read nor parsed */
    bool is_yielded; /* took its share of this turn; goes on in NET_AGAIN */
    bool is_pinged;  /* no sign of life since our ping */
    bool is_watched; /* output waits: the timer goes by quarters of drain-timeout */
    bool ping_waits; /* it is behind other output still */
    uint8_t offer;   /* enum session_offer */
    char id[SESSION_ID_SIZE];
};

struct member { /* of a dense array */
    struct session *session;
    union {
        struct membership *link; /* of a room */
        uint32_t path_hash;      /* of a server */
    };
};
struct members {
    struct member *items;
    uint32_t count, capacity;
};
struct room {
    struct members members;
    struct slice name; /* behind the struct */
};
struct membership {
    struct membership *next; /* of the session */
    struct session *session;
    struct room *room;
    uint32_t index;
};

/* ---- servers and the set ------------------------------------------------------------------------
 */
struct server_listener {
    struct server_listener *next;
    struct server *server;
    struct net_listener *listener;
    struct slice address; /* behind the struct */
};
struct server {
    struct server_set *set;
    struct server_config *config;
    struct server_counters *counters;
    struct server_listener *listeners;
    struct members members;  /* open sessions */
    uint32_t takeovers;      /* of them: those whose compression keeps its windows */
    struct map rooms;        /* by name */
    struct list connections; /* http_states */
    struct list node;        /* in set->servers */
    uint32_t refs;           /* connections, and one while it is not forgotten */
    bool is_forgotten;
};
struct server_set {
    struct net_loop *loop;
    const struct server_events *events;
    void *context;
    uint32_t worker;
    struct hash_key id_key;
    struct net_own *own;
    struct server_set *const *sets; /* of all workers; NULL: alone */
    uint32_t set_count;
    struct list servers;
    struct map by_id;
    struct session **table; /* sessions by ID */
    uint32_t table_size, table_count;
    struct crypto_source random;
    struct ws_deflater *deflater;
    struct http_header *headers; /* of the head that is parsed now */
    uint32_t header_capacity;
    struct http_state *spare_states;
    struct server_request *spare_requests;
    uint32_t spare_state_count, spare_request_count;
    uint32_t connection_count;
    uint32_t read_count; /* chunks of files that are being read */
    struct list waiting_transfers;
    uint64_t date_until_ms; /* the loop's time at which `date` is another second */
    char date[HTTP_DATE_SIZE];
    bool is_draining;
    void (*on_drained)(void *context);
    void *drained_context;
    struct net_timer drained;
};

/* set.c */
void server__unref(struct server *server); /* frees it, and tells who waits for the drain */
struct server *server__find(const struct server_set *set, struct slice id);

/* connection.c */
/* Takes over the fd, which speaks TLS where the server does and it comes from outside.
 * STATUS_NO_MEMORY, STATUS_IO: it is still the caller's. */
enum status connection__open(struct server *server, int fd, const struct net_address *peer,
                             bool is_from_outside);
void connection__leave_http(struct session *session); /* gives the http_state back */
/* What came, with what was left over before it, at one place; parse it, then keep the rest. */
struct net_bytes connection__gather(struct session *session, struct net_bytes data);
bool connection__keep(struct session *session, const uint8_t *bytes, size_t size);
void connection__on_closed(struct session *session);

/* http.c */
void http__on_event(struct net_stream *stream, enum net_event event, struct net_bytes data);
void http__answered(struct session *session, bool keep_alive); /* an answer is queued */
void http__stop(struct session *session); /* ends it now when idle, else after its answer */
void http__set_deadline(struct session *session, enum http_deadline which, uint64_t delay_ms);

/* request.c */
struct server_request *request__new(struct session *session);
void request__lost(struct server_request *request); /* the peer is gone */
enum status request__copy_head(struct server_request *request);
/* Who asks, by the route. STATUS_NO_MEMORY: as before. */
enum status request__take_names(struct server_request *request, const struct server_route *route);
void request__refuse(struct session *session, const struct server_route *route, bool keep_alive);
void request__refuse_error(struct session *session, const struct http_error *error);
struct slice request__date(struct server_set *set);

/* tls.c: a connection that was just opened speaks TLS. */
void tls__begin(struct session *session);

/* transfer.c */
enum status transfer__begin(struct session *session, const struct server_file *file);
void transfer__on_sent(struct transfer *transfer); /* the stream has room */
void transfer__end(struct transfer *transfer);

/* upgrade.c: answers http->request with 101 or a refusal. Returns whether it is a session now. */
bool upgrade__begin(struct session *session, const struct server_route *route);
/* Tells on_error of a handshake that is about to be refused. */
void upgrade__fault(struct session *session, const char *kind, const char *text);

/* session.c */
/* Parses; what it leaves is kept. `data` may lie in session->rest. */
void session__input(struct session *session, struct net_bytes data);
void session__on_event(struct net_stream *stream, enum net_event event, struct net_bytes data);
void session__begin(struct session *session);               /* tells on_open */
void session__doom(struct session *session, unsigned code); /* closes it in the next turn */
void session__end_service(struct session *session); /* 1001; a close frame under way is hurried */
void session__gone(struct session *session);        /* out of rooms, table and server */
void session__leave_place(struct session *session); /* one fewer of max-sessions */
/* One message of a broadcast; a slow one is closed or left out. Returns whether it was queued. */
bool session__push(struct session *session, struct net_frame *frame, uint32_t depth);
enum status session__send_frame(struct session *session, unsigned first, struct slice payload);
void session__fault(struct session *session, const char *kind, const char *text); /* on_error */

/* alive.c: one timer a session */
void session__begin_timer(struct session *session);
void session__on_tick(struct session *session);
void session__watch(struct session *session); /* output begins to wait: looks at it more often */

/* table.c */
void table__make_id(struct server_set *set, char *out);
bool table__worker_of(const struct server_set *set, struct slice id, uint32_t *worker);
enum status table__add(struct server_set *set, struct session *session);
void table__remove(struct server_set *set, struct session *session);
struct session *table__find(const struct server_set *set, struct slice id);

/* room.c */
enum status members__add(struct members *members, struct member member); /* at members->count - 1 */
void members__remove(struct members *members, uint32_t index);
struct room *room__find(const struct server *server, struct slice name);
void room__leave_all(struct session *session);

/* cast.c */
uint32_t path__hash(const struct server_set *set, struct slice path);
/* Whether a payload of this size is within max-backlog of all servers that the target means. */
bool cast__fits(const struct server_set *set, const struct server_target *target, size_t size);
/* To this worker's sessions that the target names. Returns how many it was queued for. */
uint32_t cast__local(struct server_set *set, const struct server_target *target,
                     const struct server_outgoing *out);

/* addresses.c: one more session of the peer's address; false past max-sessions-per-address. */
bool address__take(struct session *session);
void address__leave(struct session *session); /* where it counts */

/* note.c: lines at debug, and frames. Ask note__is_on() and note__shows_frames() first. */
void note__line(const struct session *session, const char *format, ...) PRINTF_LIKE(2, 3);
void note__request(const struct session *session);
void note__head(const struct session *session); /* of the opening request */
void note__frame_line(const struct session *session, bool is_sent, unsigned first,
                      struct slice payload);
void note__received(const struct session *session, enum ws_event event,
                    const struct ws_message *frame);

/* share.c: whether the runs of one connection have had their share of this turn; *begin_ms is 0 at
 * first. */
bool share__is_used(uint64_t *begin_ms);

static inline void bound__passed(struct server *server, enum server_bound bound) {
    net_count(&server->counters->refused[bound], 1);
}
/* Bounds count at once for all sessions, also those opened under an older configuration. */
static inline const struct server_options *session__bounds(const struct session *session) {
    return &session->server->config->options;
}
static inline bool session__keeps_windows(const struct session *session) {
    return session->ws.compression.has_in_takeover || session->ws.compression.has_out_takeover;
}
static inline bool note__is_on(const struct session *session) {
    const struct server_options *options = session__bounds(session);
    return options->has_log_level ? options->log_level == LOG_DEBUG : log_is_on(LOG_DEBUG);
}
static inline bool note__shows_frames(const struct session *session) {
    return session__bounds(session)->log_frames;
}
static inline uint64_t now__ms(const struct session *session) {
    return net_loop_now_ms(session->stream.loop);
}

#endif
