/* startup: the daemon is ready; once, never on a reload. */
#include "triggers/event.h"

static const struct config_field fields[] = {FIELD_END};

const struct trigger_kind trigger_startup = {
    .name = "startup",
    .doc = "the daemon is ready: once, never on a reload",
    .fields = fields,
};
