/* client-error: a client could not connect, or its peer broke the protocol. */
#include "triggers/event.h"

static const struct config_field fields[] = {FIELD_TEXT(struct trigger_client, client, "client",
                                                        .is_constant = true,
                                                        .doc = "the client's ID"),
                                             FIELD_END};

const struct trigger_kind trigger_client_error = {
    .name = "client-error",
    .doc = "a client could not connect, or its peer broke the protocol",
    .fields = fields,
    .args_size = sizeof(struct trigger_client),
    .binds_ws = true,
    .prepare = trigger__prepare_client,
};
