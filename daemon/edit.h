/* Edits of the registry: the manager's servers and clients, validated as the files are, stored,
 * then applied.
 *
 * Thread  the control thread. One edit at a time; those that come meanwhile wait in order, and so
 * does a reload. */
#ifndef BELLWIRE_EDIT_H
#define BELLWIRE_EDIT_H

#include "expr/expr.h"
#include "registry/registry.h"

struct supervisor;
enum edit_verb { EDIT_ADD, EDIT_PUT, EDIT_SET, EDIT_REMOVE, EDIT_START, EDIT_STOP };
struct edit_result {  /* texts are borrowed for the call */
    unsigned status;  /* of HTTP: 200 404 409 422 503 */
    struct slice at;  /* the place at fault, or empty */
    const char *text; /* of a failure, else warnings or empty */
};
typedef void (*edit_done_fn)(void *context, const struct edit_result *result);
struct edit_request {
    enum registry_kind kind;
    enum edit_verb verb;
    struct slice id;   /* copied */
    struct value keys; /* a map; copied. SET: dotted keys, null takes one back to its default; texts
                          may stand for lists, separated by commas */
    edit_done_fn done; /* called once, maybe inside the call */
    void *context;
};
void edit_submit(struct supervisor *supervisor, const struct edit_request *request);
void edit_continue(struct supervisor *supervisor); /* something that edits wait for has ended */
void edit_drop_all(struct supervisor *supervisor); /* at the end: they are refused with 503 */

/* Starts or stops a server for the manager or a run. Stopping is done when every worker has closed
 * its listeners and told its sessions. */
struct edit_steering {
    struct slice id;
    bool is_start;
    /* Called once, maybe inside the call. NOT_FOUND; FAILED: no address could be bound, `why` says
     * more; CANCELLED: the daemon is ending. */
    void (*done)(void *context, enum status status, const char *why);
    void *context;
};
void edit_steer_server(struct supervisor *supervisor, const struct edit_steering *steering);

#endif
