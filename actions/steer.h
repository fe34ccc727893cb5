/* What start-server and stop-server share. Private to actions/. */
#ifndef BELLWIRE_ACTIONS_STEER_H
#define BELLWIRE_ACTIONS_STEER_H

#include "actions/action.h"

struct steer_args {
    struct slice server;
};
bool steer__prepare(struct prepare *prepare, void *args);
enum step_state steer__begin(struct step *step, struct slice server, bool is_start);
void steer__cancel(struct step *step);

#endif
