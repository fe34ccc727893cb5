/* Events as the dispatcher makes them: on its stack until a run suspends, then one heap block each.
 */
#ifndef BELLWIRE_TRIGGERS_EVENT_H
#define BELLWIRE_TRIGGERS_EVENT_H

#include "triggers/gate.h"
#include "triggers/triggers.h"

#define TRIGGER(name) extern const struct trigger_kind trigger_##name;
#include "triggers/list.h"
#undef TRIGGER

/* What all kinds with a path begin their arguments with. */
struct trigger_path {
    struct slice path, server;
    const struct http_pattern *pattern; /* NULL: every path */
};
bool trigger__prepare_path(struct prepare *prepare, void *args); /* they begin with one */
extern const struct config_field trigger__path_fields[];         /* of kinds with nothing else */

struct trigger_http {
    struct trigger_path path; /* first */
    struct config_texts methods;
    uint64_t method_bits;                                          /* 0: any */
    uint64_t max_body_bytes, body_timeout_ms, response_timeout_ms; /* 0: the server's */
    uint32_t unmet, respond;
    bool prefetch;
    struct trigger_auth auth;
};

enum upgrade_mode { UPGRADE_AUTO, UPGRADE_MANUAL };
struct trigger_upgrade {
    struct trigger_path path; /* first */
    int mode;                 /* enum upgrade_mode */
    uint64_t timeout_ms;
    struct trigger_auth auth;
};

struct trigger_match { /* the match keys of messages */
    struct slice contains, starts_with, exact, regex;
    struct arg_value json;
    bool case_sensitive;
    const struct expr_matcher *matcher; /* NULL: every message */
};
/* `offset` is that of `match` in the arguments. */
bool trigger__prepare_match(struct prepare *prepare, struct trigger_match *match, size_t offset);

struct trigger_message {
    struct trigger_path path; /* first */
    struct trigger_match match;
};

/* What all kinds of a client's begin their arguments with. */
struct trigger_client {
    struct slice client;
};
struct trigger_client_message {
    struct trigger_client client; /* first */
    struct trigger_match match;
};
bool trigger__prepare_client(struct prepare *prepare, void *args);

struct trigger_every {
    uint64_t interval_ms;
};

/* A JSON text that is decoded at most once, when it is asked for. */
struct event_json {
    struct slice text;
    struct arena arena;
    struct value value;
    bool is_decoded;
};
void event__json_init(struct event_json *json, struct slice text);
void event__json_deinit(struct event_json *json);
const struct value *event__json(void *json); /* nil when it is no JSON */
/* The member at a dotted path; the empty text when it is absent. */
struct value event__json_get(struct event_json *json, struct slice dotted);

struct request_event {
    struct event event; /* first */
    struct server_request *request;
    struct event_json json;
    bool is_held; /* a heap copy has taken over */
};

size_t event__request_bytes(const struct server_request *request); /* of a held one */

/* How a caller is told that its run was refused: the status, and when to come again (`retry`, its
 * name of size 0 where that would not help). `unmet` is the status of conditions without one. */
struct event_retry {
    struct http_header header;
    char seconds[24];
};
uint16_t event__refusal(const struct run_verdict *verdict, uint32_t unmet,
                        struct event_retry *retry);

/* A handshake that a task decides (dispatch_upgrade.c); counted by the dispatcher and held events.
 */
enum upgrade_state { UPGRADE_OPEN, UPGRADE_DECIDED, UPGRADE_OVER };
struct upgrade {
    struct triggers *triggers;
    struct list node;               /* in triggers->upgrades while the request waits */
    struct net_timer timer;         /* its time, or the turn in which the decision takes effect */
    struct server_request *request; /* held */
    struct arena arena;             /* of the decision */
    struct server_route route;
    struct event_retry retry;       /* of a refusal */
    const char *fault_kind, *fault; /* for server-error; NULL: a task has decided */
    enum upgrade_state state;
    uint32_t refs;
    uint8_t cors;
    bool is_inside; /* the head is being looked at */
};
void upgrade__unref(struct upgrade *upgrade);
/* Starts the task that decides; fills in its decision, a refusal, or pending. */
void upgrade__ask(struct triggers *triggers, const struct trigger *trigger,
                  struct server_request *request, struct server_route *out);
void upgrade__end_all(struct triggers *triggers);

struct session_event {     /* of a server's session or handshake, or of a client's link */
    struct event event;    /* first */
    struct engine *engine; /* that matches it */
    struct session *session;
    struct client_link *link;       /* in place of a session */
    struct server_request *request; /* of a handshake, in place of a session */
    struct upgrade *upgrade;        /* that the run decides, or NULL */
    struct slice server, peer;      /* where there is neither of these */
    struct slice message, close_reason, error;
    struct event_json *json; /* shared by the triggers of one message, or `own_json` */
    struct event_json own_json;
    uint16_t close_code;
    uint8_t closed_by; /* enum server_closed_by, or enum client_closed_by, which are alike */
    bool is_binary, is_close, is_held;
    struct expr_groups groups; /* last, since only its head is cleared for each event */
};
extern const struct event_ops event__http_ops, event__ws_ops, event__client_ops, event__upgrade_ops;
void event__init_session(struct session_event *event, const struct event_ops *ops);
/* event_ops of both kinds of session events. */
struct event *event__hold_session(struct event *event);
void event__release_session(struct event *event);
void event__place_session(struct event *event, struct arena *arena, struct event_place *out);
/* The match keys of a trigger against the event's message; fills in its groups. */
bool event__matches(const struct trigger *trigger, const struct trigger_match *match,
                    struct session_event *event);

/* ---- the index ----------------------------------------------------------------------------------
 */
struct trigger_server {
    struct slice id;
    struct http_router *http, *ws; /* routes hold a const struct trigger * */
    struct http_router *deciders;  /* of manual handshakes */
    struct http_router *guards;    /* of handshakes with credentials of their own */
    /* Those of disabled tasks: what they would decide or guard stays shut. */
    struct http_router *closed_deciders, *closed_guards;
    const struct http_route *ws_routes;
    size_t http_count, ws_count;
};
const struct trigger_server *index__find(const struct program *program, struct slice server);
struct trigger_client_entry { /* all triggers of one client, in the order of the files */
    struct slice id;
    const struct trigger **triggers;
    size_t count;
};
const struct trigger_client_entry *index__find_client(const struct program *program,
                                                      struct slice client); /* or NULL */
size_t index__startup(const struct program *program, const struct trigger *const **out);
/* Only these make a WebSocket path acceptable. */
bool index__is_accepting(const struct trigger *trigger);

/* The triggers of all sessions whose path matches the same patterns; made at open, shared, counted.
 */
struct path_class {
    uint64_t generation;
    struct slice key; /* the triggers, as bytes */
    uint32_t refs;    /* sessions, and the table while it holds it */
    uint32_t count;
    const struct trigger *triggers[]; /* of `generation`, in the order of the files */
};

struct triggers {
    struct engine *engine;
    struct net_loop *loop;
    struct gate *gate;
    struct list beats; /* empty until triggers_begin() */
    uint32_t worker, worker_count;
    bool is_beating;
    struct map classes;                  /* of the present generation */
    struct list upgrades;                /* that wait for their decision */
    struct upgrade *settled;             /* the latest that did not wait, or NULL */
    const struct trigger_server *server; /* looked up last */
    uint64_t generation, refusals_logged_ms;
};
void beats__follow(struct triggers *triggers); /* the present program */
void beats__stop(struct triggers *triggers);
const struct trigger_server *triggers__server(struct triggers *triggers, struct slice id);
/* The class of a session under the present program; NULL without memory. */
struct path_class *triggers__class(struct triggers *triggers, struct session *session);
void path_class__unref(struct path_class *class);
void path_class__forget_all(struct map *classes);

void dispatch__head(void *context, struct server_request *request, struct server_route *out);
void dispatch__request(void *context, struct server_request *request);
/* For `why`: credentials, of which gate__seen() tells, have kept `trigger` from being fired. */
void dispatch__note_refusal(struct triggers *triggers, const struct server_request *request,
                            const struct trigger *trigger);
void dispatch__open(void *context, struct session *session);
void dispatch__message(void *context, struct session *session, const struct ws_message *message);
void dispatch__close(void *context, struct session *session, const struct server_close *close);
void dispatch__error(void *context, const struct server_fault *fault);
void dispatch__free(void *context, struct session *session);
void dispatch__client_connected(void *context, struct client_link *link);
void dispatch__client_open(void *context, struct client_link *link);
void dispatch__client_message(void *context, struct client_link *link,
                              const struct ws_message *message);
void dispatch__client_close(void *context, struct client_link *link,
                            const struct client_close *close);
void dispatch__client_error(void *context, struct client_link *link,
                            const struct client_fault *fault);
void dispatch__client_free(void *context, struct client_link *link);

extern const struct expr_variable variables__http[], variables__ws[], variables__common[];

#endif
