/* What starts tasks: the trigger kinds, the variables that their events bind, the index from an
 * event to its triggers, and the dispatcher that stands between the servers of a worker and its
 * engine.
 *
 * Thread  kinds, variables and the index are made by the control thread and immutable; a struct
 * triggers belongs to one worker. */
#ifndef BELLWIRE_TRIGGERS_H
#define BELLWIRE_TRIGGERS_H

#include "engine/engine.h"
#include "server/server.h"
#include "client/client.h"

extern const struct trigger_kind *const trigger_kinds[];      /* ends with NULL */
extern const struct expr_variable *const trigger_variables[]; /* tables, ends with NULL */

/* Builds the index of a program and hangs it there. Two `http-request`s that some request matches
 * equally well are errors in `diag`. STATUS_EXISTS after such an error, STATUS_NO_MEMORY. */
enum status triggers_index(struct program *program, struct config_diag *diag);
/* The task that a request would start: NULL when there is none, `*allowed` as http_router_best().
 */
const struct task *triggers_find_request(const struct program *program, struct slice server,
                                         struct slice raw_path, enum http_method method,
                                         uint64_t *allowed);

/* What kept `trigger` from being considered for an event of its kind: "path", "method" or
 * "disabled", with what was seen in `*value` (in `text`, of TRIGGERS_EXPLAIN_MAX, or the event's).
 * NULL: nothing, or the event was of another kind or server. */
#define TRIGGERS_EXPLAIN_MAX 512
const char *triggers_explain(const struct trigger *trigger, const struct why_event *event,
                             struct slice *value, char *text);

struct triggers;
struct triggers *triggers_new(struct engine *engine,
                              struct net_loop *loop); /* NULL without memory */
void triggers_end(struct triggers *triggers); /* gives up requests; before the servers are freed */
void triggers_free(struct triggers *triggers);
/* For server_set_options; its context is the struct triggers. */
extern const struct server_events triggers_server_events;
extern const struct client_events triggers_client_events; /* likewise, for client_set_options */
/* After engine_set_program(): events go by the new index from now on, open sessions are matched
 * anew. */
void triggers_program_changed(struct triggers *triggers);
/* The daemon is ready: worker 0 fires `startup`, and each one begins the beats of its share of the
 * tasks. */
void triggers_begin(struct triggers *triggers, uint32_t worker, uint32_t worker_count);
void triggers_quiet(struct triggers *triggers); /* the daemon ends: no more beats */

/* The request, the session or the client's link that a run stands for, or NULL. As long as the run.
 */
struct server_request *triggers_request(struct run *run);
struct session *triggers_session(struct run *run);
struct client_link *triggers_client(struct run *run);

/* What a run says to the handshake that it decides; copied. */
struct triggers_decision {
    uint16_t status; /* 0: accepted */
    const struct http_header *headers;
    size_t header_count;
    struct slice text;        /* of a refusal */
    struct slice subprotocol; /* bytes NULL: the first that both know; size 0: none */
};
/* NOT_FOUND: the run has none to decide; EXISTS: it was decided, or its time is up; DENIED: the
 * peer has not offered the subprotocol; NO_MEMORY. */
enum status triggers_decide(struct run *run, const struct triggers_decision *decision);

#endif
