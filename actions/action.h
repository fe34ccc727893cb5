/* What the actions of this folder share. */
#ifndef BELLWIRE_ACTIONS_ACTION_H
#define BELLWIRE_ACTIONS_ACTION_H

#include "actions/actions.h"
#include "triggers/triggers.h"

#define ACTION(name) extern const struct action_kind action_##name;
#include "actions/list.h"
#undef ACTION

static inline struct action_host *action__host(const struct step *step) { return step_host(step); }
enum step_state action__no_memory(struct step *step);
/* A copy that lives as long as the step; false without memory, and the step has failed. */
bool action__keep(struct step *step, struct slice *text);
/* Fails the step for a session that could not be reached. `id` of size 0: the run's own. */
enum step_state action__fail_session(struct step *step, enum status status, struct slice id);
/* The run's own session, or NULL after the step has failed. */
struct session *action__own_session(struct step *step);
/* How many of these fields (offsets) the YAML gives. */
size_t action__given(const struct prepare *prepare, const size_t *offsets, size_t count);

/* ---- orders to sessions: close, join, leave ------------------------------------------------- */
struct session_order {
    struct slice session; /* bytes NULL: the run's own */
    struct server_order order;
};
enum step_state action__order(struct step *step, struct session_order *order);
void action__order_cancel(struct step *step);
struct action_close {
    uint32_t code;
    struct slice reason;
};
/* What may be sent, where it is constant; the offsets are those of its two fields. */
bool action__check_close(struct prepare *prepare, size_t code, size_t reason,
                         struct action_close close);

enum step_state action__fail_code(struct step *step, unsigned code); /* it may not be sent */

/* ---- orders to clients: connect, disconnect, close (client_order.c) -------------------------- */
enum step_state action__client_order(struct step *step, const struct client_order *order);
/* Ends the step by what came of an order; `text` as client_done.fn tells it. */
enum step_state action__client_settle(struct step *step, const struct client_order *order,
                                      enum status status, const char *text);
/* What a step keeps while it waits for either; action__order_cancel() is for both. */
struct action_waiting {
    struct server_op *op;
    struct client_op *client_op;
    struct server_order order; /* the texts but the IDs have travelled with the op */
    struct client_order client_order;
};

/* ---- files that a variable names (paths.c) -------------------------------------------------- */
/* For a FILE field that holds a variable: the folder which that variable can never leave, which is
 * what the constant text before it names, else the task file's. SLICE_NONE without a variable, and
 * without memory (which is reported). */
struct slice path__fence(struct prepare *prepare, size_t offset);
/* For net_file_open(): `path` below `root`, which it begins with or is relative to; without a root
 * (size 0) as it is. False: it holds NUL, or names a place elsewhere. */
bool path__below(struct slice root, struct slice path, struct net_file_options *out);
/* Fails the step: what came of opening `path`. */
enum step_state path__fail(struct step *step, enum status status, struct slice path);
/* Blocks, so in the pool only: opens below `root` (NULL: anywhere), which no link leaves. Files are
 * made with mode 0644. -1: errno, EXDEV where the root would be left. */
int path__open(const char *root, const char *path, int flags);

#endif
