/* connect-client: asks for a client's connection. Done at once, or when it is open; a client that
 * is open already stays as it is. */
#include "actions/action.h"

struct connect_args {
    struct slice client, bearer;
    bool wait;
};

static bool connect_prepare(struct prepare *prepare, void *args);
static enum step_state connect_start(struct step *step, const void *args);

static const struct config_field connect_fields[] = {
    FIELD_TEXT(struct connect_args, client, "client", .doc = "ID of the client"),
    FIELD_TEXT(struct connect_args, bearer, "bearer", .is_secret = true,
               .doc = "token in place of the configured one, until the next connect or disconnect"),
    FIELD_BOOL(struct connect_args, wait, "wait", .doc = "waits until it is open, or has failed"),
    FIELD_END};

const struct action_kind action_connect_client = {
    .name = "connect-client",
    .doc = "connects a client",
    .fields = connect_fields,
    .args_size = sizeof(struct connect_args),
    .resume = RESUME_AGAIN,
    .prepare = connect_prepare,
    .start = connect_start,
    .cancel = action__order_cancel,
};

static bool connect_prepare(struct prepare *prepare, void *args) {
    struct connect_args *wanted = args;
    return prepare_client(prepare, offsetof(struct connect_args, client), &wanted->client);
}

static enum step_state connect_start(struct step *step, const void *args) {
    const struct connect_args *wanted = args;
    if (wanted->bearer.bytes && http_header_check(SLICE("Authorization"), wanted->bearer))
        return step_fail(step, 1, "\"bearer\" holds a line break or another control character");
    return action__client_order(step, &(struct client_order){.verb = CLIENT_CONNECT,
                                                             .client = wanted->client,
                                                             .bearer = wanted->bearer,
                                                             .wait = wanted->wait});
}
