/* send-message: one message to the run's session, to another one, or to many. Done when it is
 * queued everywhere; a reply past max-backlog waits, its peer unread meanwhile. */
#include "actions/action.h"

#define FILE_MAX (64u << 20) /* where no server says what max-backlog is */

struct send_to {
    struct slice session, client, server, path, room, except;
};
struct send_args {
    struct slice text, binary, file;
    struct arg_value json;
    struct send_to to;
    int8_t is_binary;
    bool end;
    /* Made by prepare: */
    struct slice fence;       /* of a variable in `file` */
    struct slice only_server; /* the one that the files declare, or size 0 */
    bool is_broadcast;
};
/* While the step waits: for its file, then for room or for other workers. */
struct sending {
    struct net_job *job;
    struct server_op *op;
    struct client_op *client_op;
    struct client_order to_client; /* in place of `target` where it names one */
    struct server_target target;
    struct server_outgoing out;
    struct slice file;
    size_t size; /* of the payload, for the message of a failure */
};

static bool send_prepare(struct prepare *prepare, void *args);
static enum step_state send_start(struct step *step, const void *args);
static void send_cancel(struct step *step);
static enum step_state send_file(struct step *step, const struct send_args *args,
                                 struct sending *sending);
static enum step_state send_now(struct step *step, struct sending *sending);
static void on_file(void *context, enum status status, const struct net_file *file);
static enum step_state send_to_client(struct step *step, struct sending *sending);
static void on_sent(void *context, enum status status, uint32_t sent);
static void on_client_sent(void *context, enum status status, const char *text);
static enum step_state settle(struct step *step, const struct sending *sending, enum status status,
                              uint32_t sent);

static const struct config_field to_fields[] = {
    FIELD_TEXT(struct send_to, session, "session", .doc = "ID of one session"),
    FIELD_TEXT(struct send_to, client, "client", .doc = "ID of a client"),
    FIELD_TEXT(struct send_to, server, "server",
               .doc = "all sessions of this server; the run's own server when left out"),
    FIELD_TEXT(struct send_to, path, "path", .doc = "those that were opened at this very path"),
    FIELD_TEXT(struct send_to, room, "room", .doc = "those in this room"),
    FIELD_TEXT(struct send_to, except, "except", .doc = "but not the session of this ID"),
    FIELD_END};
static const struct config_field send_fields[] = {
    FIELD_TEXT(struct send_args, text, "text", .doc = "the message, a text"),
    FIELD_SPECIAL(struct send_args, binary, "binary", "binary",
                  .doc = "the message, bytes: \\xHH \\n \\r \\t \\0 and \\\\ are known"),
    FIELD_SPECIAL(struct send_args, json, "json", "value", .doc = "the message, encoded as JSON"),
    FIELD_FILE(struct send_args, file, "file", .doc = "the message, the content of a file"),
    FIELD_STRUCT(struct send_args, to, "to", to_fields,
                 .doc = "who gets it; the session that triggered the run when left out"),
    FIELD_TRISTATE(struct send_args, is_binary, "is-binary",
                   .doc = "frame type; unset: text for text and json, binary for binary and file"),
    FIELD_BOOL(struct send_args, end, "end", .doc = "closes with 1000 afterwards"),
    FIELD_END};

const struct action_kind action_send_message = {
    .name = "send-message",
    .doc = "sends a WebSocket message",
    .fields = send_fields,
    .args_size = sizeof(struct send_args),
    .resume = RESUME_FAIL,
    .prepare = send_prepare,
    .start = send_start,
    .cancel = send_cancel,
};

#define TO(member) (offsetof(struct send_args, to) + offsetof(struct send_to, member))

static bool prepare_target(struct prepare *prepare, struct send_args *send) {
    static const size_t of_broadcast[] = {TO(server), TO(path), TO(room), TO(except)};
    size_t given = action__given(prepare, of_broadcast, ARRAY_SIZE(of_broadcast));
    send->is_broadcast = given > 0;
    static const size_t of_one[] = {TO(session), TO(client)};
    size_t ones = action__given(prepare, of_one, ARRAY_SIZE(of_one));
    if (ones && given + ones > 1) {
        size_t which = prepare_has(prepare, TO(session)) ? TO(session) : TO(client);
        prepare_error(prepare, which,
                      "\"to\" names one session and more than that: \"%s\" stands alone",
                      which == TO(session) ? "session" : "client");
        return prepare_hint(prepare, "leave out \"session\" and \"client\", or all the others");
    }
    if (prepare_has(prepare, TO(client)))
        return prepare_client(prepare, TO(client), &send->to.client);
    if (prepare_has(prepare, TO(server)))
        return prepare_server(prepare, TO(server), &send->to.server);
    send->only_server = prepare_only_server(prepare);
    return true;
}

static bool send_prepare(struct prepare *prepare, void *args) {
    static const size_t sources[] = {
        offsetof(struct send_args, text), offsetof(struct send_args, binary),
        offsetof(struct send_args, json), offsetof(struct send_args, file)};
    struct send_args *send = args;
    size_t given = action__given(prepare, sources, ARRAY_SIZE(sources));
    size_t end = offsetof(struct send_args, end);
    bool only_closes = given == 0 && (send->end || prepare_template(prepare, end));
    bool is_good = true;
    if (given != 1 && !only_closes) {
        prepare_error(prepare, PREPARE_WHOLE,
                      "action \"send-message\" needs exactly one of \"text\", \"binary\", "
                      "\"json\", \"file\", got %s",
                      given ? "several" : "none");
        is_good = prepare_hint(prepare, "without data only \"end: true\" makes sense: it closes");
    }
    send->fence = path__fence(prepare, offsetof(struct send_args, file));
    return prepare_target(prepare, send) && is_good;
}

static bool take_server(struct step *step, const struct send_args *args, struct slice *out) {
    struct session *session = triggers_session(step_run(step));
    struct server_request *request = triggers_request(step_run(step));
    if (args->to.server.bytes)
        *out = args->to.server;
    else if (session)
        *out = session_server(session);
    else if (request)
        *out = request->config->options.id;
    else
        *out = args->only_server;
    if (out->size == 0 && !args->to.server.bytes) {
        step_fail(step, 1, "\"to\" needs \"server\": the run has none of its own");
        return false;
    }
    if (!server_set_find(action__host(step)->servers, *out)) {
        step_fail(step, 1, "Invalid WS Server ID \"" SLICE_FMT "\"", SLICE_ARG(*out));
        return false;
    }
    return true;
}

/* An empty text would mean "any", which nobody meant who wrote a variable there. */
static bool is_empty(struct step *step, struct slice text, const char *name) {
    bool is_given_empty = text.bytes && text.size == 0;
    if (is_given_empty)
        step_fail(step, 1, "\"%s\" in \"to\" must not be empty", name);
    return is_given_empty;
}

static bool take_target(struct step *step, const struct send_args *args, struct sending *sending) {
    const struct send_to *to = &args->to;
    struct server_target *out = &sending->target;
    if (is_empty(step, to->session, "session") || is_empty(step, to->client, "client") ||
        is_empty(step, to->path, "path") || is_empty(step, to->room, "room"))
        return false;
    if (client_is_session_id(to->session))
        sending->to_client.session_id = to->session;
    else
        out->session_id = to->session;
    sending->to_client.client = to->client;
    if (to->session.bytes || to->client.bytes)
        return true;
    if (!args->is_broadcast) {
        sending->to_client.link = triggers_client(step_run(step));
        if (sending->to_client.link)
            return true;
        out->session = action__own_session(step);
        return out->session != NULL;
    }
    out->path = to->path;
    out->room = to->room;
    out->except = to->except;
    return take_server(step, args, &out->server);
}

static enum step_state send_json(struct step *step, struct value value, struct sending *sending) {
    struct buffer text;
    buffer_init(&text, FILE_MAX);
    enum status status = json_encode(value, &text);
    enum step_state state = STEP_FAILED;
    sending->out.payload = buffer_slice(&text);
    if (status == STATUS_OK)
        state = send_now(step, sending);
    else
        step_fail(step, 1, "\"json\" cannot be encoded: %s", status_text(status));
    buffer_deinit(&text);
    return state;
}

static enum step_state send_start(struct step *step, const void *args) {
    const struct send_args *send = args;
    bool is_bytes = send->binary.bytes || send->file.bytes;
    struct sending sending = {
        .out = {.depth = run_depth(step_run(step)),
                .end = send->end,
                .has_payload = is_bytes || send->text.bytes || send->json.is_given,
                .is_binary = send->is_binary < 0 ? is_bytes : send->is_binary == 1}};
    if (!take_target(step, send, &sending))
        return STEP_FAILED;
    if (send->file.bytes)
        return send_file(step, send, &sending);
    if (send->json.is_given)
        return send_json(step, send->json.value, &sending);
    sending.out.payload = send->text.bytes ? send->text : send->binary;
    return send_now(step, &sending);
}

/* ---- a file -------------------------------------------------------------------------------------
 */

/* What one message may be at most; the session itself checks again. */
static uint64_t room_for(struct step *step, const struct server_target *target) {
    const struct server_config *config = NULL;
    if (target->session)
        config = session_config(target->session);
    else if (target->server.size)
        config = server_set_find(action__host(step)->servers, target->server);
    return config && config->options.max_backlog_bytes < FILE_MAX
               ? config->options.max_backlog_bytes
               : FILE_MAX;
}

static bool keep_texts(struct step *step, struct sending *sending) {
    struct server_target *target = &sending->target;
    return action__keep(step, &target->session_id) && action__keep(step, &target->server) &&
           action__keep(step, &target->path) && action__keep(step, &target->room) &&
           action__keep(step, &target->except) && action__keep(step, &sending->file) &&
           action__keep(step, &sending->to_client.client) &&
           action__keep(step, &sending->to_client.session_id);
}

static enum step_state send_file(struct step *step, const struct send_args *args,
                                 struct sending *model) {
    struct net_file_options options = {.whole_bytes = room_for(step, &model->target),
                                       .whole_only = true};
    if (!path__below(args->fence, args->file, &options))
        return path__fail(step, STATUS_DENIED, args->file);
    struct sending *sending = step_alloc(step, sizeof *sending);
    if (!sending)
        return action__no_memory(step);
    *sending = *model;
    sending->file = args->file;
    if (!keep_texts(step, sending))
        return STEP_FAILED;
    sending->job = net_file_open(action__host(step)->loop, &options, on_file, step);
    if (!sending->job)
        return action__no_memory(step);
    step_set_data(step, sending);
    return STEP_PENDING;
}

static void on_file(void *context, enum status status, const struct net_file *file) {
    struct step *step = context;
    struct sending *sending = step_data(step);
    sending->job = NULL;
    if (status == STATUS_LIMIT)
        step_finish(step, step_fail(step, 1, "\"" SLICE_FMT "\" is larger than \"max-backlog\"",
                                    SLICE_ARG(sending->file)));
    else if (status != STATUS_OK)
        step_finish(step, path__fail(step, status, sending->file));
    if (status != STATUS_OK)
        return;
    sending->out.payload = file->bytes;
    enum step_state state = send_now(step, sending);
    if (state != STEP_PENDING)
        step_finish(step, state);
}

/* ---- any payload --------------------------------------------------------------------------------
 */

/* The step's own copy, unless `sending` is it already. */
static struct sending *keep(struct step *step, struct sending *sending) {
    if (step_data(step))
        return sending;
    struct sending *kept = step_alloc(step, sizeof *kept);
    if (!kept)
        return NULL;
    *kept = *sending;
    if (!action__keep(step, &kept->target.session_id) ||
        !action__keep(step, &kept->to_client.client) ||
        !action__keep(step, &kept->to_client.session_id))
        return NULL;
    step_set_data(step, kept);
    return kept;
}

static bool is_for_client(const struct sending *sending) {
    const struct client_order *order = &sending->to_client;
    return order->link || order->client.size || order->session_id.size;
}

static enum step_state send_now(struct step *step, struct sending *sending) {
    struct server_outgoing *out = &sending->out;
    struct server_done done = {.fn = on_sent, .context = step, .wait_all = step_wants_result(step)};
    if (!out->is_binary && !slice_is_utf8(out->payload))
        return step_fail(step, 1,
                         "the message is not UTF-8: a text frame cannot hold it, "
                         "\"is-binary: true\" can");
    sending->size = out->payload.size;
    if (is_for_client(sending))
        return send_to_client(step, sending);
    enum status status = server_post(action__host(step)->servers, &sending->target, out, &done);
    if (status != STATUS_AGAIN)
        return settle(step, sending, status, done.sent);
    struct sending *kept = keep(step, sending);
    if (!kept) {
        server_op_cancel(done.op);
        return action__no_memory(step);
    }
    kept->out.payload = SLICE_NONE; /* travels with the op */
    kept->op = done.op;
    return STEP_PENDING;
}

static void on_sent(void *context, enum status status, uint32_t sent) {
    struct step *step = context;
    struct sending *sending = step_data(step);
    sending->op = NULL;
    step_finish(step, settle(step, sending, status, sent));
}

static enum step_state settle(struct step *step, const struct sending *sending, enum status status,
                              uint32_t sent) {
    if (status == STATUS_LIMIT)
        return step_fail(step, 1, "the message of %zu bytes is larger than \"max-backlog\"",
                         sending->size);
    if (status != STATUS_OK)
        return action__fail_session(step, status, sending->target.session_id);
    if (!step_wants_result(step))
        return STEP_DONE;
    const struct value_pair pair = {value_bytes(SLICE("sent")), value_int(sent)};
    struct value result = {.type = VALUE_MAP, .count = 1, .pairs = &pair};
    return step_set_result(step, result) == STATUS_OK ? STEP_DONE : STEP_FAILED;
}

/* ---- to a client
 * ---------------------------------------------------------------------------------
 */

static enum step_state settle_client(struct step *step, const struct sending *sending,
                                     enum status status) {
    if (status == STATUS_OK || status == STATUS_LIMIT)
        return settle(step, sending, status, 1);
    return action__client_settle(step, &sending->to_client, status, NULL);
}

/* The link of the run itself outlives its step. */
static enum step_state send_to_client(struct step *step, struct sending *sending) {
    const struct server_outgoing *out = &sending->out;
    struct client_set *clients = action__host(step)->clients;
    struct client_order *order = &sending->to_client;
    struct client_done done = {.fn = on_client_sent, .context = step};
    order->verb = CLIENT_SEND_MESSAGE;
    order->out = (struct client_outgoing){.payload = out->payload,
                                          .has_payload = out->has_payload,
                                          .is_binary = out->is_binary,
                                          .end = out->end,
                                          .depth = out->depth};
    enum status status = clients ? client_order(clients, order, &done) : STATUS_NOT_FOUND;
    if (status != STATUS_AGAIN)
        return settle_client(step, sending, status);
    struct sending *kept = keep(step, sending);
    if (!kept) {
        client_op_cancel(done.op);
        return action__no_memory(step);
    }
    kept->out.payload = kept->to_client.out.payload = SLICE_NONE; /* travels with the op */
    kept->client_op = done.op;
    return STEP_PENDING;
}

static void on_client_sent(void *context, enum status status, const char *text) {
    struct step *step = context;
    struct sending *sending = step_data(step);
    (void)text; /* of connects */
    sending->client_op = NULL;
    step_finish(step, settle_client(step, sending, status));
}

static void send_cancel(struct step *step) {
    struct sending *sending = step_data(step);
    if (sending->job)
        net_job_cancel(sending->job);
    if (sending->op)
        server_op_cancel(sending->op);
    if (sending->client_op)
        client_op_cancel(sending->client_op);
}
