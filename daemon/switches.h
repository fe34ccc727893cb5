/* The manager's say on tasks: enabled or disabled, kept across restarts until the file's own
 * `enabled` changes.
 *
 * A task is switched by compiling the files that are in memory anew, so that a disabled one has no
 * triggers at all; the files themselves are not read.
 * Thread  the control thread. One switch at a time; edits and reloads wait for it, and it for them.
 */
#ifndef BELLWIRE_SWITCHES_H
#define BELLWIRE_SWITCHES_H

#include "registry/registry.h"

struct supervisor;
struct switches {
    struct list rows;      /* what the manager said */
    struct list waiting;   /* switches, in order */
    struct change *change; /* in progress, or NULL */
};
/* Reads what was stored. False after a line in the log. */
bool switches_open(struct switches *switches, struct registry *registry);
void switches_drop_all(struct switches *switches); /* at the end: those that wait get 503 */
void switches_close(struct switches *switches);    /* after this */
/* For program_input. */
bool switches_is_enabled(void *switches, struct slice task, bool by_file);
/* `status` as of HTTP: 200 404 409 503; a text with each failure, borrowed for the call. */
typedef void (*switches_done_fn)(void *context, unsigned status, const char *text);
struct switches_request {
    struct slice task; /* copied */
    bool is_enabled;
    switches_done_fn done; /* called once, maybe inside the call */
    void *context;
};
void switches_submit(struct supervisor *supervisor, const struct switches_request *request);
void switches_continue(struct supervisor *supervisor); /* what it waited for has ended */
/* A program serves: what was said about another `enabled` of a file than it has now ends. */
void switches_follow(struct supervisor *supervisor);

#endif
