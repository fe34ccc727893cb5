/* client-connected: the TCP connection of a client is up; it is too early to send. */
#include "triggers/event.h"

static const struct config_field fields[] = {FIELD_TEXT(struct trigger_client, client, "client",
                                                        .is_constant = true,
                                                        .doc = "the client's ID"),
                                             FIELD_END};

const struct trigger_kind trigger_client_connected = {
    .name = "client-connected",
    .doc = "the TCP connection of a client is up; it is too early to send",
    .fields = fields,
    .args_size = sizeof(struct trigger_client),
    .binds_ws = true,
    .prepare = trigger__prepare_client,
};
