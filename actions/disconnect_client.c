/* disconnect-client: begins the closing handshake, and the client stays away until the next
 * connect. Done once the close frame is queued; one that is not connected is done at once. */
#include "actions/action.h"

struct disconnect_args {
    struct slice client;
    struct action_close close;
};

static bool disconnect_prepare(struct prepare *prepare, void *args);
static enum step_state disconnect_start(struct step *step, const void *args);

static const struct config_field disconnect_fields[] = {
    FIELD_TEXT(struct disconnect_args, client, "client", .doc = "ID of the client"),
    FIELD_U32(struct disconnect_args, close.code, "code", .dflt = "1000", .min = 1000, .max = 4999,
              .doc = "close code: 1000-1003, 1007-1014 or 3000-4999"),
    FIELD_TEXT(struct disconnect_args, close.reason, "reason",
               .doc = "up to 123 bytes for the peer to read"),
    FIELD_END};

const struct action_kind action_disconnect_client = {
    .name = "disconnect-client",
    .doc = "disconnects a client; it does not come back by itself",
    .fields = disconnect_fields,
    .args_size = sizeof(struct disconnect_args),
    .resume = RESUME_AGAIN,
    .prepare = disconnect_prepare,
    .start = disconnect_start,
    .cancel = action__order_cancel,
};

static bool disconnect_prepare(struct prepare *prepare, void *args) {
    struct disconnect_args *wanted = args;
    bool is_known =
        prepare_client(prepare, offsetof(struct disconnect_args, client), &wanted->client);
    return action__check_close(prepare, offsetof(struct disconnect_args, close.code),
                               offsetof(struct disconnect_args, close.reason), wanted->close) &&
           is_known;
}

static enum step_state disconnect_start(struct step *step, const void *args) {
    const struct disconnect_args *wanted = args;
    if (!ws_code_is_valid(wanted->close.code))
        return action__fail_code(step, wanted->close.code);
    return action__client_order(step, &(struct client_order){.verb = CLIENT_DISCONNECT,
                                                             .client = wanted->client,
                                                             .code = wanted->close.code,
                                                             .reason = wanted->close.reason});
}
