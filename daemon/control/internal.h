/* Shared by the files of this folder: connections, calls, and how workers are asked. */
#ifndef BELLWIRE_CONTROL_INTERNAL_H
#define BELLWIRE_CONTROL_INTERNAL_H

#include "control/control.h"

struct stats;
struct log_feed;
struct control {
    struct net_loop *loop;
    const struct control_host *host;
    void *context;
    struct globals_reader *globals;
    struct control_worker *workers;
    uint32_t worker_count, next_worker; /* runs are started round robin */
    char *path;
    struct net_listener *listener;
    struct list connections; /* the longest quiet first */
    size_t connection_count;
    struct stats *stats;
    struct log_feed *log;
    uint32_t refs; /* the owner's, and one a connection and call */
    bool is_closed;
};
struct control *control__ref(struct control *control);
void control__unref(struct control *control);

/* ---- calls: one request and its answer ------------------------------------------------------- */
struct connection;
struct call { /* lives until it is answered, also when its connection is gone */
    struct control *control;
    struct connection *connection; /* NULL: gone, the answer is dropped */
    struct arena arena;
    enum http_method method;
    struct slice path, query, id; /* `id` is the decoded segment of the path, or empty */
    struct buffer body;           /* as received */
    struct value arguments;       /* of the body: a map, or nil */
    struct buffer text;           /* the answer's body */
    struct out out;               /* writes to `text` */
    bool is_partial, is_kept_alive;
};
/* Each of these ends the call: it must not be used after. */
void call_answer(struct call *call); /* 200 with what was written to `out` */
void call_answer_as(struct call *call, struct slice content_type);
/* `at` may be empty. The message is formed as those of the configuration are. */
void call_error(struct call *call, unsigned status, struct slice at, const char *format, ...)
    PRINTF_LIKE(4, 5);
void call_no_memory(struct call *call);
void call_starting(struct call *call); /* there is no program yet */
void call_drop(struct call *call);     /* after its connection has become a stream */
/* A parameter of the query or a text of the body; SLICE_NONE when absent. */
struct slice call_text(struct call *call, const char *name);
bool call_flag(struct call *call, const char *name);

/* The handler of each command: exactly one answer, now or later. */
#define X(id, noun, verb, arguments, method, path, help, columns)                                  \
    void route__##id(struct call *call);
CONTROL_COMMANDS(X)
#undef X
void route__dispatch(struct call *call);

/* ---- connections ----------------------------------------------------------------------------- */
void connection__accept(void *context, int fd, const struct net_address *peer);
void connection__close_all(struct control *control);
void connection__answer(struct connection *connection, const struct http_answer *answer,
                        struct slice body);
/* The connection becomes a stream of chunks that ends when the peer goes; `gone` is told once. */
struct net_stream *connection__stream(struct connection *connection, void (*gone)(void *context),
                                      void *context);
void connection__chunk(struct net_stream *stream, struct slice bytes);

/* ---- asking workers -------------------------------------------------------------------------- */
/* One part a worker, each filled on its worker's thread into its own arena. */
struct gather;
struct gather_part {
    struct gather *gather;      /* private */
    struct net_message message; /* private */
    const struct control_worker *worker;
    uint32_t number;
    struct arena arena;
    enum status status;            /* set by the asker; not OK: left out, and partial */
    bool has_arrived, is_answered; /* the first is private */
    void *data;
    size_t count;
};
struct gather_ask {
    /* On the worker's thread; `input` is shared and must be constant meanwhile. */
    void (*ask)(struct gather_part *part, const void *input);
    /* On the control thread, with what has come within 2 s; parts that have not are skipped by
     * is_answered. Ends the call. */
    void (*done)(struct call *call, struct gather_part *parts, uint32_t count);
    const void *input;
    void (*release)(void *input); /* of the input, once nobody uses it; may be NULL */
};
void gather(struct call *call, const struct gather_ask *ask);
const void *gather_input(const struct gather_part *parts);
struct slice *slice__box(struct slice text); /* a copy in one heap block, as an input; or NULL */

/* ---- parts ----------------------------------------------------------------------------------- */
const struct task *task__find(struct call *call); /* the call's ID; NULL after an answer */
/* False after an answer; 0 ms: not given. */
bool call_timeout(struct call *call, uint64_t *out_ms);
void task__request(struct call *call, const struct task *task, struct slice line,
                   uint64_t timeout_ms);
struct stats *stats__new(void);
void stats__free(struct stats *stats);
void stats__sample(struct control *control);
struct log_feed *log_feed__new(struct control *control); /* NULL without memory */
void log_feed__close(struct log_feed *feed);
/* The server of a trigger: the one it names, else the only one of the files; empty: none. */
struct slice trigger__server(const struct control *control, const struct trigger *trigger);
/* The value of a key of the trigger's declaration, or NULL. */
const struct config_node *trigger__key(const struct trigger *trigger, const char *key);

#endif
