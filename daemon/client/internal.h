/* The inside of a worker's clients, shared by the files of this folder.
 *
 * A client is what is wanted; a link is one attempt and the connection that it becomes. Runs may
 * hold a link longer than its client lives, so a link knows its set and its configuration, and its
 * client only until its socket is closed. */
#ifndef BELLWIRE_CLIENT_INTERNAL_H
#define BELLWIRE_CLIENT_INTERNAL_H

#include "client/client.h"

#define LINK_ID_SIZE   28
#define FAULT_TEXT_MAX 256
#define LAST_TEXT_MAX  1024
#define HEAD_BYTES_MAX (32 * 1024) /* of the answer to our handshake */
#define HEADERS_MAX    100

/* ---- links ---------------------------------------------------------------------------------- */
enum link_state {
    LINK_DIALING,   /* no stream yet */
    LINK_CONNECTED, /* TCP is up; TLS and the handshake are under way */
    LINK_OPEN,
    LINK_CLOSING, /* our close frame is queued, the peer's is awaited */
    LINK_CLOSED,  /* all is told; the socket may still be there */
};
struct link_rest { /* received, not parsed yet */
    uint32_t at, size, capacity;
    uint8_t bytes[];
};
enum link_offer { /* of room, to one who waits */
                  LINK_OFFER_NONE,
                  LINK_OFFER_MADE, /* the next message is that one's, and goes before the others */
                  LINK_OFFER_REFUSED, /* there was too little; it keeps its place */
};
struct link_waiter { /* one who waits for room */
    struct list node;
    void (*ready)(struct link_waiter *waiter,
                  enum status status); /* OK or CLOSED; out of the list */
};
struct client_link {
    struct net_stream stream; /* from LINK_CONNECTED on */
    struct ws ws;             /* from LINK_OPEN on */
    struct client_set *set;
    struct client *client; /* NULL once the socket is closed */
    struct client_config *config;
    struct net_dial *dial; /* LINK_DIALING */
    struct http_head_scan scan;
    struct link_rest *rest;
    char *head; /* of the answer */
    size_t head_size;
    struct slice subprotocol; /* in the configuration */
    struct list waiters;
    struct net_own_way *way; /* NULL: the peer is not our own server, once the link is open */
    void *attachments[2];
    uint64_t opened_ms, opened_wall_ms, messages_in, messages_out;
    uint64_t seen_ms;     /* when the peer last sent something */
    uint64_t progress_ms; /* when output was last seen to move, or not to be stuck */
    uint64_t out_mark;    /* stream.bytes_out at progress_ms */
    uint64_t pinged_ms;   /* since when a pong may come; 0: no ping is out */
    uint32_t refs;        /* the client's one and those of client_link_ref() */
    uint16_t close_code;
    uint8_t close_reason_size;
    char close_reason[WS_REASON_MAX]; /* these three: ours, of LINK_CLOSING */
    uint8_t state;                    /* enum link_state */
    bool has_stream;
    bool was_open;
    uint8_t offer;   /* enum link_offer */
    bool ping_waits; /* it is behind other output still */
    bool is_held;    /* past its backlog: neither read nor parsed */
    bool is_yielded; /* took its share of this turn; goes on in NET_AGAIN */
    uint8_t peer_size;
    char peer[NET_ADDRESS_MAX];
    char key[WS_KEY_SIZE];
    char id[LINK_ID_SIZE];
};

/* ---- clients and the set -------------------------------------------------------------------- */
struct client_last_text {
    uint64_t wall_ms;
    size_t size;
    char text[LAST_TEXT_MAX];
};
struct client {
    struct client_set *set;
    struct client_config *config;
    struct client_counters *counters;
    struct client_link *link; /* or NULL */
    struct list node;         /* in set->clients */
    struct list waiters;      /* client_ops that wait for the link to open */
    struct net_timer retry;
    uint8_t state;     /* enum client_state */
    bool is_wanted;    /* should be open; actions, the manager and `enabled` say so */
    bool is_again;     /* dials as soon as the present link is gone, without back-off */
    bool is_removed;   /* goes with its link */
    bool has_failed;   /* the last attempt did not open */
    uint32_t failures; /* attempts since one that was open for `stable` */
    uint64_t dialed_ms, since_wall_ms, next_attempt_wall_ms, opens;
    struct net_tls_memory *tls_memory; /* of the last session; NULL: none yet */
    struct slice bearer; /* heap; of a connect action; bytes NULL: the configured one */
    char error[FAULT_TEXT_MAX];
    struct client_last_text last_sent, last_received;
};
struct client_set {
    struct net_loop *loop;
    const struct client_events *events;
    void *context;
    uint32_t worker;
    struct hash_key id_key;
    struct net_own *own;
    struct client_set *const *sets; /* of all workers; NULL: alone */
    uint32_t set_count;
    struct list clients;
    struct map by_id;
    struct map links; /* open ones, by session ID */
    struct crypto_source random;
    struct ws_deflater *deflater;
    uint32_t link_count; /* with a dial or a socket */
    bool is_draining;
    void (*on_drained)(void *context);
    void *drained_context;
    struct net_timer drained;
};

/* set.c */
struct client *client__find(const struct client_set *set, struct slice id);
void set__check_drained(struct client_set *set);
void set__make_id(struct client_set *set, char *out);
bool set__worker_of(const struct client_set *set, struct slice session_id, uint32_t *worker);

/* client.c */
struct client *client__new(struct client_set *set, struct client_config *config,
                           struct client_counters *counters); /* NULL: no memory */
void client__free(struct client *client);                     /* without a link */
void client__apply(struct client *client, struct client_config *config);
/* STATUS_OK: it is open; STATUS_AGAIN: it is being connected. NO_MEMORY, CANCELLED (draining). */
enum status client__connect(struct client *client, struct slice bearer);
enum status client__disconnect(struct client *client, unsigned code, struct slice reason);
void client__remove(struct client *client); /* it may be freed */
void client__abort(struct client *client);
void client__set_state(struct client *client, enum client_state state);
void client__opened(struct client *client);
/* The attempt has come to nothing: tells those who wait for it. */
void client__failed(struct client *client, const char *text);
void client__link_gone(struct client *client); /* its socket is closed; it may be freed */
void client__remember(struct client *client, struct client_last_text *last,
                      const struct ws_message *message);

/* link.c */
struct client_link *link__new(struct client *client); /* dials; NULL: no memory */
/* Ends it from inside the API: a close frame where it is open, silently where it is not yet.
 * STATUS_RANGE, LIMIT, SYNTAX for the code and reason; CLOSED when it is closing already. */
enum status link__close(struct client_link *link, unsigned code, struct slice reason);
void link__drop(struct client_link *link); /* at once, without a word to the peer */
/* Fails an attempt, or an open link before it closes: tells on_error. The socket is closed where it
 * was not open. */
void link__fail(struct client_link *link, enum client_fault_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);
void link__on_closed(struct client_link *link); /* NET_CLOSED */

/* handshake.c */
void handshake__begin(struct client_link *link);
void handshake__on_event(struct net_stream *stream, enum net_event event, struct net_bytes data);

/* frames.c */
void frames__begin(struct client_link *link); /* tells on_open */
void frames__on_event(struct net_stream *stream, enum net_event event, struct net_bytes data);
void frames__input(struct client_link *link, struct net_bytes data);
enum status frames__send(struct client_link *link, const struct client_outgoing *out);
void frames__wait(struct client_link *link, struct link_waiter *waiter); /* after STATUS_AGAIN */
/* How long the peer may take to answer our close frame. */
uint64_t frames__close_wait_ms(const struct client_link *link);
enum status frames__close(struct client_link *link, unsigned code, struct slice reason);

/* rest.c: what came, with what was left over before it, at one place; use it, then keep the rest.
 * Without memory the stream is closed. */
struct net_bytes rest__gather(struct client_link *link, struct net_bytes data);
void rest__keep(struct client_link *link, const uint8_t *bytes, size_t size);

/* post.c */
void op__tell(struct list *node, enum status status, const char *text); /* out of its list */

/* say.c: the log. Lines of a client with a `log-level` of its own go by that. */
void say(const struct client *client, enum log_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);
void say__frame(const struct client_link *link, bool is_sent, unsigned first, struct slice payload);
void say__head(const struct client_link *link, bool is_sent, struct slice head);

static inline const struct client_options *link__bounds(const struct client_link *link) {
    return &link->client->config->options;
}
static inline uint64_t link__now_ms(const struct client_link *link) {
    return net_loop_now_ms(link->set->loop);
}
static inline void link__bound_passed(struct client_link *link, enum client_bound bound) {
    net_count(&link->client->counters->refused[bound], 1);
}

#endif
