/* every: a beat that never overlaps itself. */
#include "triggers/event.h"

static const struct config_field fields[] = {
    FIELD_DURATION(struct trigger_every, interval_ms, "interval", .required = true, .min = 1,
                   .doc = "from one beat to the next; a beat while the run of the one before is "
                          "still going on is skipped and counted"),
    FIELD_END};

const struct trigger_kind trigger_every = {
    .name = "every",
    .doc = "on a beat, on one worker; the first one comes an interval after the daemon is ready",
    .fields = fields,
    .args_size = sizeof(struct trigger_every),
};
