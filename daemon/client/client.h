/* WebSocket clients of one worker: outgoing connections that are kept up (RFC 6455, client role).
 *
 * A client lives on one worker, found by a hash of its ID; any worker may order it about. It has at
 * most one link: an attempt to connect and what becomes of it. The next link is made when the last
 * one's socket is closed, so that there is never a second socket, whatever reconnects, actions,
 * edits and reloads ask for at once. Knows no task: what happens goes to a table of events.
 *
 * States  stopped -> connecting (name, TCP) -> connected (TLS, handshake) -> open -> waiting
 *         (back-off) -> connecting ...; stopped when nobody wants it, or auto-reconnect is off.
 * Thread  a set and all in it belong to one worker's loop. Configurations are counted and may be
 *         made and released anywhere; counters may be read anywhere. */
#ifndef BELLWIRE_CLIENT_H
#define BELLWIRE_CLIENT_H

#include "net/net.h"
#include "http/http.h"
#include "ws/ws.h"
#include "client/options.h"

struct client_set;
struct client_link;

/* ---- what happens: the table handed in at composition --------------------------------------- */
enum client_closed_by { CLIENT_BY_LOCAL, CLIENT_BY_PEER, CLIENT_BY_LOST };
struct client_close {
    uint16_t code;       /* WS_NO_CODE, WS_LOST or the frame's */
    struct slice reason; /* borrowed for the call */
    enum client_closed_by by;
};
enum client_fault_kind {
    CLIENT_NAME,        /* the host's name was not found */
    CLIENT_REFUSED,     /* TCP: refused, unreachable */
    CLIENT_TLS,         /* the TLS handshake failed */
    CLIENT_CERTIFICATE, /* the peer's certificate was refused */
    CLIENT_HANDSHAKE,   /* the answer was no valid 101, or none came */
    CLIENT_TIMEOUT,     /* of the connection, the handshake or a pong */
    CLIENT_PROTOCOL,    /* the peer broke RFC 6455 after the handshake */
    CLIENT_SEND,        /* output did not get away */
    CLIENT_FAULTS
};
struct client_fault {
    enum client_fault_kind kind;
    struct slice text; /* "refused: 127.0.0.1:81: connection refused"; borrowed for the call */
};
const char *client_fault_name(enum client_fault_kind kind);        /* "name" "refused" "tls" ... */
struct client_events {                                             /* any may be NULL */
    void (*on_connected)(void *context, struct client_link *link); /* TCP; sending is too early */
    void (*on_open)(void *context, struct client_link *link);      /* client_link_head() is there */
    void (*on_message)(void *context, struct client_link *link, const struct ws_message *message);
    /* Once for each link that was open. */
    void (*on_close)(void *context, struct client_link *link, const struct client_close *close);
    /* At most once for a link; for one that was open before its on_close. */
    void (*on_error)(void *context, struct client_link *link, const struct client_fault *fault);
    /* The last reference is gone: release the attachments. */
    void (*on_free)(void *context, struct client_link *link);
};

/* ---- the clients of a worker ---------------------------------------------------------------- */
struct client_set_options {
    struct net_loop *loop;
    const struct client_events *events;
    void *context;
    uint32_t worker;        /* below 256 */
    struct hash_key id_key; /* the same for all workers */
    struct net_own *own;    /* of the process, which outlives the set; or NULL */
};
struct client_set *client_set_new(const struct client_set_options *options); /* NULL: no memory */
/* Before the loops run: the sets of all workers, by number (an array that outlives them). Without
 * it a set owns every client. */
void client_set_connect(struct client_set *set, struct client_set *const *sets, uint32_t count);
void client_set_free(struct client_set *set); /* after client_set_drain() was done, or _abort() */
/* The worker that a client lives on; the same on every set. */
uint32_t client_set_owner(const struct client_set *set, struct slice id);
/* Adds the client config->options.id, or gives it new options; on its owner only. Takes a
 * reference. A change of `enabled` connects or disconnects, one of `identity` connects anew, all
 * else counts at once. `counters` outlives the set; NULL keeps those it has. NO_MEMORY. */
enum status client_set_apply(struct client_set *set, struct client_config *config,
                             struct client_counters *counters);
/* Ends its connection with 1001 and forgets it. */
void client_set_remove(struct client_set *set, struct slice id);
/* Ends all with 1001, nothing is dialed any more; `done` is called once when no socket is left. */
void client_set_drain(struct client_set *set, void (*done)(void *context), void *context);
void client_set_abort(struct client_set *set); /* closes every socket at once; dials no more */
struct client_config *client_set_find(const struct client_set *set, struct slice id); /* or NULL */

/* ---- by name, on any worker ----------------------------------------------------------------- */
struct client_outgoing {
    struct slice payload;        /* text is UTF-8: the caller has checked */
    bool has_payload, is_binary; /* without payload nothing is sent before `end` */
    bool end;                    /* then close with 1000, as CLIENT_CLOSE_LINK */
    uint32_t depth;              /* of the causes, for a peer that is our own server */
};
enum client_verb {
    CLIENT_SEND_MESSAGE,
    CLIENT_CONNECT,    /* already open is a success; after it the client is kept up again */
    CLIENT_DISCONNECT, /* a close frame, then no reconnect until the next connect */
    CLIENT_CLOSE_LINK, /* a close frame; auto-reconnect goes on */
};
struct client_order {
    enum client_verb verb;
    struct client_link *link; /* of this worker; else */
    struct slice client;      /* an ID; else */
    struct slice session_id;  /* of a link */
    struct client_outgoing out;
    unsigned code; /* DISCONNECT, CLOSE_LINK; 0: 1000 */
    struct slice reason;
    struct slice bearer; /* CONNECT: in place of the configured one until the next connect or
                            disconnect; bytes NULL: the configured one */
    bool wait;           /* CONNECT: until it is open, or this attempt has failed */
};
struct client_op;
struct client_done {
    /* `text`: of a failed CONNECT why, else NULL; borrowed for the call. Not NULL. */
    void (*fn)(void *context, enum status status, const char *text);
    void *context;
    struct client_op *op; /* out: set with STATUS_AGAIN, for client_op_cancel() */
};
/* STATUS_OK: it is done. STATUS_AGAIN: `fn` is called once later with the result (another worker
 * answers, its mailbox is full, the link is past its backlog, a CONNECT waits). Else an error:
 *   NOT_FOUND  no client has that ID (no link has that session ID)
 *   CLOSED     SEND_MESSAGE, CLOSE_LINK: it is not open; nothing is sent later
 *   LIMIT      SEND_MESSAGE: larger than max-backlog; a reason longer than 123 bytes
 *   RANGE, SYNTAX  the code may not be sent, the reason is not UTF-8
 *   FAILED     CONNECT with wait: it was not opened, `text` says why
 *   CANCELLED  CONNECT with wait: disconnected meanwhile
 *   NO_MEMORY */
enum status client_order(struct client_set *set, const struct client_order *order,
                         struct client_done *done);
void client_op_cancel(struct client_op *op); /* fn is not called any more */

/* Whether it may be the session ID of a link; one of a server's session never is. */
bool client_is_session_id(struct slice id);

/* ---- links ---------------------------------------------------------------------------------- */
struct slice client_link_id(const struct client_link *link);     /* of the session */
struct slice client_link_client(const struct client_link *link); /* the client's ID */
struct slice client_link_peer(const struct client_link *link);   /* address; empty before TCP */
struct slice client_link_path(const struct client_link *link);   /* of our request, raw */
struct slice client_link_query(const struct client_link *link);
struct slice client_link_head(const struct client_link *link); /* the answer's; from open on */
struct slice client_link_subprotocol(const struct client_link *link); /* size 0: none */
bool client_link_is_open(const struct client_link *link);
uint32_t client_link_depth(const struct client_link *link); /* as session_depth(), in on_message */
struct client_set *client_link_set(const struct client_link *link);
/* The struct outlives its connection until the last reference is gone. */
struct client_link *client_link_ref(struct client_link *link);
void client_link_unref(struct client_link *link);
void *client_link_attachment(const struct client_link *link, unsigned which); /* 0 or 1 */
void client_link_attach(struct client_link *link, unsigned which, void *value);

/* ---- for the manager: copies, made on the owner's thread ------------------------------------ */
enum client_state {
    CLIENT_STOPPED,
    CLIENT_CONNECTING,
    CLIENT_CONNECTED,
    CLIENT_OPEN,
    CLIENT_WAITING
};
const char *client_state_name(enum client_state state); /* "stopped" ... */
struct client_last {                                    /* a message */
    uint64_t wall_ms;                                   /* 0: none yet */
    struct slice text; /* at most 1 KiB of it; a binary one is described */
};
struct client_info {
    struct slice id;
    enum client_state state;
    uint64_t since_wall_ms; /* of the last change of the state */
    struct client_last last_sent, last_received;
    uint64_t reconnects;           /* links opened after the first */
    uint64_t next_attempt_wall_ms; /* 0: none is due */
    struct slice error;            /* of the last attempt; empty once it is open */
    /* Of the link while it is open; empty else. */
    struct slice session_id, peer, path, subprotocol;
    uint64_t opened_wall_ms, messages_in, messages_out, bytes_in, bytes_out, queued_bytes;
};
/* All clients of this worker, or the one with `id` (size 0: all), into the arena. NO_MEMORY,
 * NOT_FOUND. */
enum status client_set_info(struct client_set *set, struct slice id, struct arena *arena,
                            struct client_info **out, size_t *count);

#endif
