/* What the manager and the control API agree on: where the socket is, how large things may be, exit
 * codes, and the table of commands.
 *
 * The API is HTTP/1.1 on a Unix socket. Bodies are JSON objects. An error is
 * `{error: {code, message, at}}` with 400, 404, 405, 409, 413, 422 or 503; `at` names the member,
 * path or place at fault, or is null. A list that some worker did not answer for within 2 s carries
 * `X-Bellwire-Partial: true`, an object the member `partial`. */
#ifndef BELLWIRE_CONTROL_PROTOCOL_H
#define BELLWIRE_CONTROL_PROTOCOL_H

#include "control/commands.h"

#define CONTROL_SOCKET_DEFAULT "/run/bellwire/control.sock"
#define CONTROL_SOCKET_ENV     "BELLWIRE_CONTROL"
#define CONTROL_GROUP          "bellwire"
#define CONTROL_PARTIAL_HEADER "X-Bellwire-Partial"
#define CONTROL_HEAD_MAX       16384      /* bytes of a request's head */
#define CONTROL_BODY_MAX       (8u << 20) /* bytes of a request's body */

enum control_exit {
    CONTROL_EXIT_DONE = 0,
    CONTROL_EXIT_FAILED = 1,
    CONTROL_EXIT_USAGE = 2,
    CONTROL_EXIT_NOT_RUNNING = 3,
    CONTROL_EXIT_CONFIGURATION = 78,
    CONTROL_EXIT_TIMEOUT = 124
};

/* One row of CONTROL_COMMANDS, see there. */
struct control_command {
    const char *noun, *verb, *arguments, *method, *path, *help, *columns;
};

#endif
