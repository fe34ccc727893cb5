/* What accept-upgrade and reject-upgrade share. Private to actions/. */
#ifndef BELLWIRE_ACTIONS_UPGRADE_H
#define BELLWIRE_ACTIONS_UPGRADE_H

#include "actions/action.h"

/* Whether constant headers may be sent; `offset` is that of the field. */
bool upgrade__check_headers(struct prepare *prepare, size_t offset,
                            const struct config_pairs *headers);
/* Decides; the headers, and the run's ID, go with it. */
enum step_state upgrade__decide(struct step *step, const struct config_pairs *headers,
                                struct triggers_decision *decision);

#endif
