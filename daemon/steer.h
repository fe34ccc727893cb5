/* Orders of runs to start and stop servers: from a worker to the control thread, and the answer
 * back. */
#ifndef BELLWIRE_STEER_H
#define BELLWIRE_STEER_H

#include "actions/actions.h"

struct supervisor;
/* Its functions are for the workers' threads; the supervisor outlives them. */
struct action_steering steer_of(struct supervisor *supervisor);

#endif
