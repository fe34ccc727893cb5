/* The last known state of servers and clients, in their rows of the registry: written every half
 * minute, and at the end, so that a listing without a daemon still tells what was sent and received
 * last.
 *
 * Thread  the control thread. */
#ifndef BELLWIRE_NOTE_H
#define BELLWIRE_NOTE_H

struct supervisor;
void note_states(struct supervisor *supervisor); /* asks the workers, then writes */
/* The same once no worker runs any more; before registry_close(). */
void note_last(struct supervisor *supervisor);

#endif
