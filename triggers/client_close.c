/* client-close: an established connection of a client is lost, for any reason, once. */
#include "triggers/event.h"

static const struct config_field fields[] = {FIELD_TEXT(struct trigger_client, client, "client",
                                                        .is_constant = true,
                                                        .doc = "the client's ID"),
                                             FIELD_END};

const struct trigger_kind trigger_client_close = {
    .name = "client-close",
    .doc = "an established connection of a client is lost, for any reason, once",
    .fields = fields,
    .args_size = sizeof(struct trigger_client),
    .binds_ws = true,
    .prepare = trigger__prepare_client,
};
