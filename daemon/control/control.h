/* The control API: HTTP/1.1 with JSON on a Unix socket, for the manager and for curl.
 *
 * Knows the workers by their loops, servers and engines; all else about the daemon comes through
 * the table of struct control_host, handed in at composition. Workers are asked by messages that
 * carry copies; who has not answered within 2 s is left out, and the answer says so.
 *
 * Thread  the control thread's loop; the log may be written by any.
 * Bounds  64 connections, heads of 16 KiB, bodies of 8 MiB, one request of a connection at a time;
 *         who does not read, or stays silent, is closed after 30 s. */
#ifndef BELLWIRE_CONTROL_H
#define BELLWIRE_CONTROL_H

#include "control/protocol.h"
#include "declare/declare.h"
#include "engine/engine.h"
#include "expr/expr.h"
#include "net/net.h"
#include "registry/registry.h"
#include "server/server.h"

/* ---- JSON as it is written ------------------------------------------------------------------- */
#define OUT_DEPTH 16
struct out {
    struct buffer *buffer;
    enum status status; /* the first failure; nothing is written after it */
    char ends[OUT_DEPTH];
    uint8_t depth;
    bool has_one; /* a member or item stands before the next one */
};
void out_init(struct out *out, struct buffer *buffer);
/* `name` is NULL in a list and at the top. Bytes that are no UTF-8 become U+FFFD. */
void out_map(struct out *out, const char *name);
void out_list(struct out *out, const char *name);
void out_end(struct out *out); /* of the innermost map or list */
void out_text(struct out *out, const char *name, struct slice text);
void out_text_or_null(struct out *out, const char *name, struct slice text); /* null when empty */
void out_u64(struct out *out, const char *name, uint64_t number);
void out_rate(struct out *out, const char *name, double per_s); /* one digit behind the point */
void out_bool(struct out *out, const char *name, bool value);
void out_null(struct out *out, const char *name);
void out_time(struct out *out, const char *name, uint64_t wall_ms);  /* 0: null */
void out_json(struct out *out, const char *name, struct slice json); /* as it is */
void out_slice_map(struct out *out, struct slice name); /* a name that is no constant */

/* ---- what the daemon tells ------------------------------------------------------------------- */
struct control_worker {
    struct net_loop *loop;
    struct server_set *servers;
    struct client_set *clients;
    struct engine *engine;
};
struct control_state { /* texts are borrowed for the call */
    struct slice version, config, last_reload_error;
    uint64_t started_ms, generation, last_reload_ms;
    bool is_degraded, last_reload_ok;
    const bool *is_stalled;                /* by worker */
    uint64_t programs_waited, outputs_cut; /* passed max-programs, max-output */
    uint64_t runs_cut_short;               /* by shutdown-timeout */
};
struct control_server { /* texts are borrowed until the loop's turn ends */
    struct slice id, name, place, error, json;
    enum registry_origin origin;
    bool is_enabled;
    const char *state;
    const struct slice *bind; /* as bound where it is open, else as declared */
    size_t bind_count;
    uint64_t since_ms;
    const struct server_options *options;
    const struct server_counters *counters; /* one a worker */
};
struct control_client {
    struct slice id, name, place, url, json;
    enum registry_origin origin;
    bool is_enabled;
    uint64_t since_ms;
    uint32_t owner; /* the worker that it lives on */
    const struct client_options *options;
    const struct client_counters *counters;
};
/* ---- what the daemon is told ------------------------------------------------------------------
 */
enum control_verb {
    CONTROL_ADD,
    CONTROL_PUT, /* add, or declare anew */
    CONTROL_SET, /* dotted keys, null or an empty text for the default */
    CONTROL_REMOVE,
    CONTROL_START,
    CONTROL_STOP
};
struct control_edit {
    enum registry_kind kind;
    enum control_verb verb;
    struct slice id;
    struct value keys; /* a map, or nil; texts may stand for lists, separated by commas */
};
/* `status` is 200 with warnings or nothing in `text`, or the error; borrowed for the call. */
typedef void (*control_edit_fn)(void *context, unsigned status, const char *text);
/* `json` is the whole answer, borrowed for the call; bytes NULL: the daemon is ending. */
typedef void (*control_reload_fn)(void *context, struct slice json);
#define CONTROL_EXPLAIN_MAX 512
typedef void (*control_backup_fn)(void *context, enum status status);
struct control_host {
    void (*state)(void *context, struct control_state *out);
    struct program *(*program)(void *context); /* borrowed; NULL before the first one serves */
    const struct config_files *(*files)(void *context); /* of that program, or NULL */
    const struct declare_main *(*main)(void *context);  /* likewise */
    /* Rows that are declared, into the arena. STATUS_NO_MEMORY. */
    enum status (*servers)(void *context, struct arena *arena, struct control_server **out,
                           size_t *count);
    enum status (*clients)(void *context, struct arena *arena, struct control_client **out,
                           size_t *count);
    void (*reload)(void *context, control_reload_fn done, void *done_context); /* done once */
    /* `done` once, maybe inside the call. */
    void (*edit)(void *context, const struct control_edit *edit, control_edit_fn done,
                 void *done_context);
    void (*switch_task)(void *context, struct slice id, bool is_enabled, control_edit_fn done,
                        void *done_context); /* likewise */
    /* The registry's file, appended to `out`; `done` once, maybe inside the call. */
    void (*backup)(void *context, struct buffer *out, control_backup_fn done, void *done_context);
    /* The members `ok`, `errors`, `warnings` of a check of `path` (size 0: the daemon's own). */
    enum status (*check)(void *context, struct slice path, bool is_strict, struct buffer *out);
    enum status (*schema)(struct buffer *out);
    enum status (*reference)(struct buffer *out);
    /* As triggers_explain(). */
    const char *(*explain)(const struct trigger *trigger, const struct why_event *event,
                           struct slice *value, char *text);
    /* As triggers_find_request(). */
    const struct task *(*find_request)(const struct program *program, struct slice server,
                                       struct slice raw_path, enum http_method method,
                                       uint64_t *allowed);
};

/* ---- its life -------------------------------------------------------------------------------- */
struct control;
struct globals_reader;
struct control_options {
    struct globals_reader *globals; /* of the control thread */
    struct net_loop *loop;
    const struct control_host *host; /* it and the context outlive the API */
    void *context;
    const struct control_worker *workers; /* copied */
    uint32_t worker_count;
    const char *path;
    bool makes_folder; /* of `path`, where it is missing */
};
/* Opens the socket (0660, group `bellwire` where it exists), replacing one that is left over: the
 * caller holds the state directory's lock. NULL after a line in the log. */
struct control *control_open(const struct control_options *options);
void control_second(struct control *control); /* once a second: a sample for the rates */
/* Removes the socket and ends all connections; memory goes within the loop's next turns. */
void control_close(struct control *control);

#endif
