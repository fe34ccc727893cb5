/* lws_echo PORT: an echo on libwebsockets as its examples write one: each message is kept in a ring
 * and goes out when the library says that the socket has room. */
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

struct message {
    struct message *next;
    size_t size;
    int is_binary;
    unsigned char bytes[]; /* behind LWS_PRE */
};
struct session {
    struct message *first, **last;
    struct message *partial;
};

static int gather(struct lws *wsi, struct session *session, const void *in, size_t size) {
    size_t have = session->partial ? session->partial->size : 0;
    struct message *message = realloc(session->partial, sizeof(*message) + LWS_PRE + have + size);
    if (!message) {
        return -1;
    }
    memcpy(message->bytes + LWS_PRE + have, in, size);
    message->size = have + size;
    message->next = NULL;
    message->is_binary = lws_frame_is_binary(wsi);
    session->partial = message;
    if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) {
        *session->last = message;
        session->last = &message->next;
        session->partial = NULL;
        lws_callback_on_writable(wsi);
    }
    return 0;
}

static int answer(struct lws *wsi, struct session *session) {
    struct message *message = session->first;
    if (!message) {
        return 0;
    }
    int kind = message->is_binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    int written = lws_write(wsi, message->bytes + LWS_PRE, message->size, kind);
    session->first = message->next;
    if (!session->first) {
        session->last = &session->first;
    } else {
        lws_callback_on_writable(wsi);
    }
    int is_short = written < (int)message->size;
    free(message);
    return is_short ? -1 : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size) {
    struct session *session = user;
    switch (reason) {
        case LWS_CALLBACK_ESTABLISHED:
            *session = (struct session){0};
            session->last = &session->first;
            return 0;
        case LWS_CALLBACK_RECEIVE:
            return gather(wsi, session, in, size);
        case LWS_CALLBACK_SERVER_WRITEABLE:
            return answer(wsi, session);
        case LWS_CALLBACK_CLOSED:
            while (session->first) {
                struct message *next = session->first->next;
                free(session->first);
                session->first = next;
            }
            free(session->partial);
            return 0;
        default:
            return 0;
    }
}

int main(int argc, char **argv) {
    static const struct lws_protocols protocols[] = {
        {.name = "echo",
         .callback = on_event,
         .per_session_data_size = sizeof(struct session),
         .rx_buffer_size = 65536},
        {.name = NULL},
    };
    struct lws_context_creation_info info = {.port = argc == 2 ? atoi(argv[1]) : 0,
                                             .iface = "127.0.0.1",
                                             .protocols = protocols,
                                             .gid = -1,
                                             .uid = -1,
                                             .pt_serv_buf_size = 65536};
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    if (!context) {
        return 1;
    }
    while (lws_service(context, 0) >= 0) {
    }
    lws_context_destroy(context);
    return 0;
}
