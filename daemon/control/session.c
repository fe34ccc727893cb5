/* Sessions: listed by all workers, sent to and closed through any of them. */
#include <stdlib.h>

#include "control/internal.h"

/* ---- lists ----------------------------------------------------------------------------------- */

struct found { /* of a worker */
    struct session_info *sessions;
    struct client_info *clients;
    size_t session_count, client_count;
};

static void ask_sessions(struct gather_part *part, const void *input) {
    const struct slice *id = input;
    struct found *found = arena_zalloc(&part->arena, sizeof *found);
    part->data = found;
    part->status = found ? client_set_info(part->worker->clients, SLICE_NONE, &part->arena,
                                           &found->clients, &found->client_count)
                         : STATUS_NO_MEMORY;
    if (part->status)
        return;
    part->status = server_set_sessions(part->worker->servers, *id, &part->arena, &found->sessions,
                                       &found->session_count);
    if (part->status == STATUS_NOT_FOUND)
        part->status = STATUS_OK;
}

static void write_session(struct out *out, const struct session_info *session) {
    out_map(out, NULL);
    out_text(out, "id", session->id);
    out_text_or_null(out, "server", session->server);
    out_null(out, "client");
    out_text(out, "peer", session->peer);
    out_text(out, "path", session->path);
    out_text_or_null(out, "subprotocol", session->subprotocol);
    if (session->user.size)
        out_text(out, "user", session->user);
    out_time(out, "since", session->since_wall_ms);
    out_list(out, "rooms");
    for (size_t i = 0; i < session->room_count; i++)
        out_text(out, NULL, session->rooms[i]);
    out_end(out);
    out_u64(out, "messages_in", session->messages_in);
    out_u64(out, "messages_out", session->messages_out);
    out_u64(out, "bytes_in", session->bytes_in);
    out_u64(out, "bytes_out", session->bytes_out);
    out_u64(out, "queued", session->queued_bytes);
    out_end(out);
}

static void write_link(struct out *out, const struct client_info *client) {
    out_map(out, NULL);
    out_text(out, "id", client->session_id);
    out_null(out, "server");
    out_text(out, "client", client->id);
    out_text(out, "peer", client->peer);
    out_text(out, "path", client->path);
    out_text_or_null(out, "subprotocol", client->subprotocol);
    out_time(out, "since", client->opened_wall_ms);
    out_list(out, "rooms");
    out_end(out);
    out_u64(out, "messages_in", client->messages_in);
    out_u64(out, "messages_out", client->messages_out);
    out_u64(out, "bytes_in", client->bytes_in);
    out_u64(out, "bytes_out", client->bytes_out);
    out_u64(out, "queued", client->queued_bytes);
    out_end(out);
}

/* Those with `id`, or (size 0) all. */
static size_t write_sessions(struct call *call, const struct gather_part *parts, uint32_t count) {
    const struct slice *id = gather_input(parts);
    size_t written = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct found *found = parts[i].data;
        if (!parts[i].is_answered)
            continue;
        for (size_t k = 0; k < found->session_count; k++, written++)
            write_session(&call->out, &found->sessions[k]);
        for (size_t k = 0; k < found->client_count; k++) {
            const struct client_info *client = &found->clients[k];
            bool is_asked_for =
                client->session_id.size && (!id->size || slice_equal(client->session_id, *id));
            if (is_asked_for)
                write_link(&call->out, client);
            written += is_asked_for;
        }
    }
    return written;
}

static void on_list(struct call *call, struct gather_part *parts, uint32_t count) {
    out_list(&call->out, NULL);
    (void)write_sessions(call, parts, count); /* none is fine */
    out_end(&call->out);
    call_answer(call);
}

static void on_one(struct call *call, struct gather_part *parts, uint32_t count) {
    if (write_sessions(call, parts, count))
        call_answer(call);
    else
        call_error(call, 404, call->id, "there is no session \"" SLICE_FMT "\"",
                   SLICE_ARG(call->id));
}

static void ask_all(struct call *call, struct slice id,
                    void (*done)(struct call *, struct gather_part *, uint32_t)) {
    struct slice *input = slice__box(id);
    if (!input) {
        call_no_memory(call);
        return;
    }
    gather(call, &(struct gather_ask){ask_sessions, done, input, free});
}

void route__session_list(struct call *call) { ask_all(call, SLICE_NONE, on_list); }

void route__session_show(struct call *call) { ask_all(call, call->id, on_one); }

/* ---- orders ---------------------------------------------------------------------------------- */

struct order { /* travels to a worker, waits there for the owner's answer, and comes back */
    struct net_message message;
    struct call *call;
    const struct control_worker *worker;
    struct net_loop *home;
    struct slice id, text; /* behind the struct */
    bool is_close, is_binary;
    unsigned code;
    enum status status;
    struct server_done done;
    struct client_done client_done;
};

static void run_back(struct net_message *message, struct net_loop *loop) {
    struct order *order = CONTAINER_OF(message, struct order, message);
    struct call *call = order->call;
    (void)loop; /* the answer is dropped where its connection is gone */
    switch (order->status) {
        case STATUS_OK:
            out_map(&call->out, NULL);
            out_bool(&call->out, "ok", true);
            out_end(&call->out);
            call_answer(call);
            break;
        case STATUS_NOT_FOUND:
        case STATUS_CLOSED:
            call_error(call, 404, call->id, "there is no session \"" SLICE_FMT "\"",
                       SLICE_ARG(call->id));
            break;
        case STATUS_LIMIT:
            call_error(call, 422, SLICE("text"),
                       order->is_close ? "\"reason\" must be at most 123 bytes"
                                       : "\"text\" must not be larger than max-backlog");
            break;
        case STATUS_SYNTAX:
            call_error(call, 422, SLICE("text"), "the text must be UTF-8");
            break;
        default:
            call_error(call, 503, SLICE_NONE, "%s", status_text(order->status));
    }
    free(order);
}

static void finish(void *context, enum status status, uint32_t sent) {
    struct order *order = context;
    (void)sent; /* it is one session */
    order->status = status;
    order->message = (struct net_message){.run = run_back};
    net_post_answer(order->home, &order->message);
}

static void finish_client(void *context, enum status status, const char *text) {
    (void)text; /* of connects */
    finish(context, status, 1);
}

static enum status ask_client(struct order *order) {
    struct client_order asked = {
        .verb = CLIENT_SEND_MESSAGE,
        .session_id = order->id,
        .out = {.payload = order->text, .has_payload = true, .is_binary = order->is_binary}};
    if (order->is_close)
        asked = (struct client_order){.verb = CLIENT_CLOSE_LINK,
                                      .session_id = order->id,
                                      .code = order->code,
                                      .reason = order->text};
    order->client_done = (struct client_done){.fn = finish_client, .context = order};
    return client_order(order->worker->clients, &asked, &order->client_done);
}

static void run_there(struct net_message *message, struct net_loop *loop) {
    struct order *order = CONTAINER_OF(message, struct order, message);
    if (!loop) {
        order->status = STATUS_CLOSED;
        run_back(message, NULL);
        return;
    }
    enum status status;
    order->done = (struct server_done){.fn = finish, .context = order};
    if (client_is_session_id(order->id)) {
        status = ask_client(order);
    } else if (order->is_close) {
        const struct server_order close = {.verb = SERVER_CLOSE,
                                           .session_id = order->id,
                                           .text = order->text,
                                           .code = order->code};
        status = server_order(order->worker->servers, &close, &order->done);
    } else {
        const struct server_target target = {.session_id = order->id};
        const struct server_outgoing out = {
            .payload = order->text, .has_payload = true, .is_binary = order->is_binary};
        status = server_post(order->worker->servers, &target, &out, &order->done);
    }
    if (status != STATUS_AGAIN)
        finish(order, status, 0);
}

static struct order *order_new(struct call *call, struct slice text) {
    struct order *order = calloc(1, sizeof *order + call->id.size + text.size);
    if (!order)
        return NULL;
    char *bytes = (char *)(order + 1);
    memcpy(bytes, call->id.bytes, call->id.size);
    if (text.size)
        memcpy(bytes + call->id.size, text.bytes, text.size);
    order->call = call;
    order->id = (struct slice){bytes, call->id.size};
    order->text = (struct slice){bytes + call->id.size, text.size};
    order->worker = &call->control->workers[0];
    order->home = call->control->loop;
    order->message = (struct net_message){.run = run_there, .bytes = sizeof *order + text.size};
    return order;
}

static void send_order(struct call *call, struct order *order) {
    if (order && net_post_control(order->worker->loop, &order->message) == STATUS_OK)
        return;
    free(order);
    call_no_memory(call);
}

void route__session_send(struct call *call) {
    struct slice text = call_text(call, "text");
    if (!text.bytes) {
        call_error(call, 422, SLICE("text"), "\"text\" is missing");
        return;
    }
    bool is_binary = call_flag(call, "binary");
    if (!is_binary && !slice_is_utf8(text)) {
        call_error(call, 422, SLICE("text"), "\"text\" must be UTF-8");
        return;
    }
    struct order *order = order_new(call, text);
    if (order)
        order->is_binary = is_binary;
    send_order(call, order);
}

void route__session_close(struct call *call) {
    struct slice code = call_text(call, "code");
    uint64_t number = 1000;
    if (code.bytes && (slice_to_u64(code, &number) != STATUS_OK || number > 4999 ||
                       !ws_code_is_valid((unsigned)number))) {
        call_error(call, 422, SLICE("code"),
                   "\"code\" must be one that may be sent, 1000 or 3000 to 4999, got " SLICE_FMT,
                   SLICE_ARG(code));
        return;
    }
    struct order *order = order_new(call, call_text(call, "reason"));
    if (order) {
        order->is_close = true;
        order->code = (unsigned)number;
    }
    send_order(call, order);
}
