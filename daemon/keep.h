/* What the daemon keeps beside servers and clients: globals, and the manager's say on tasks.
 *
 * Globals are written behind: twice a second what changed goes to the registry in one transaction
 * that holds one state, so that a `set` is stored whole or not at all.
 * Thread  the control thread. */
#ifndef BELLWIRE_KEEP_H
#define BELLWIRE_KEEP_H

#include "globals/globals.h"
#include "net/net.h"
#include "registry/registry.h"

struct keep {
    struct globals *globals;
    struct globals_reader *reader; /* of the control thread */
    struct registry *registry;
    struct net_loop *loop;
    struct net_timer timer;
    uint64_t stored, storing; /* versions of the globals: on disk, on the way there */
    bool is_storing, has_removed;
    registry_done_fn on_stored; /* told of each attempt */
    void *context;
};
struct keep_options {
    struct registry *registry;
    struct net_loop *loop;
    uint32_t worker_count; /* their readers are numbered as they are */
    uint64_t max_bytes, max_one_bytes;
    registry_done_fn on_stored;
    void *context;
};
/* Reads what was stored. False after a line in the log. */
bool keep_open(struct keep *keep, const struct keep_options *options);
/* The rest of the globals, once no worker runs any more; before registry_close(). */
void keep_flush(struct keep *keep);
void keep_close(struct keep *keep);

#endif
