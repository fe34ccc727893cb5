/* What the control API may ask of the supervisor, and when it lives. */
#ifndef BELLWIRE_API_H
#define BELLWIRE_API_H

#include "daemon/supervisor.h"

struct control_host;
extern const struct control_host api_host;    /* its context is the supervisor */
bool api_open(struct supervisor *supervisor); /* false after a line in the log */
void api_started(struct supervisor *supervisor);
void api_second(struct supervisor *supervisor); /* once a second, for rates */
void api_close(struct supervisor *supervisor);

#endif
