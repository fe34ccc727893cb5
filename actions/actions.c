/* The table of this folder. */
#include "actions/action.h"

const struct action_kind *const action_kinds[] = {
#define ACTION(name) &action_##name,
#include "actions/list.h"
#undef ACTION
    NULL,
};
