/* The endpoint for metrics, as the configuration wants it. Thread: the control thread. */
#ifndef BELLWIRE_OBSERVE_H
#define BELLWIRE_OBSERVE_H

#include "daemon/supervisor.h"

/* After each load: opens the addresses that are new, closes those that are gone. One that cannot be
 * opened is told of in the log, and the daemon goes on. */
void observe_apply(struct supervisor *supervisor);
void observe_close(struct supervisor *supervisor); /* before the loop's last turn; idempotent */

#endif
