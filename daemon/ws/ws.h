/* WebSocket, RFC 6455, with permessage-deflate, RFC 7692, as a pure state machine for both roles:
 * handshake values, reading messages, writing frames. No I/O, no clock.
 *
 * Thread  a struct ws and the struct ws_deflater it is used with belong to one loop.
 * Memory  an idle connection owns nothing on the heap (unless it agreed to context takeover);
 *         pointers in a struct ws_message die with the next ws_next() or ws_deinit().
 */
#ifndef BELLWIRE_WS_H
#define BELLWIRE_WS_H

#include "base/base.h"
#include "crypto/crypto.h"

enum ws_role {
    WS_SERVER,
    WS_CLIENT
}; /* ours: a server reads masked frames, a client writes them */

/* ---- close codes, RFC 6455 section 7.4 --------------------------------------------------------
 */
enum ws_code {
    WS_NORMAL = 1000,
    WS_GOING_AWAY = 1001,
    WS_PROTOCOL_ERROR = 1002,
    WS_UNSUPPORTED_DATA = 1003,
    WS_NO_CODE = 1005, /* never sent: the close frame was empty */
    WS_LOST = 1006,    /* never sent: no close frame came */
    WS_BAD_DATA = 1007,
    WS_POLICY = 1008,
    WS_TOO_BIG = 1009,
    WS_INTERNAL = 1011,
    WS_RESTART = 1012,
    WS_TRY_LATER = 1013,
};
/* 1000-1003, 1007-1014, 3000-4999: may be sent, and are believed when received. */
bool ws_code_is_valid(unsigned code);
/* Close codes in classes of bounded number, to count by: each registered one, ranges for the rest.
 */
#define WS_CODE_CLASSES 19
unsigned ws_code_class(unsigned code);               /* below WS_CODE_CLASSES */
const char *ws_code_class_text(unsigned code_class); /* "1000" .. "1015", "3xxx", "4xxx", "other" */

#define WS_CONTROL_MAX 125 /* bytes of payload of a ping, pong or close frame */
/* At the end of service: how long a peer may take to answer our close frame. */
#define WS_DRAIN_CLOSE_MS 2000
#define WS_REASON_MAX     123
/* The payload of a close frame; `out` holds WS_CONTROL_MAX. `code` WS_NO_CODE with no reason makes
 * an empty one. Returns its size, or STATUS_RANGE (the code may not be sent), STATUS_LIMIT (the
 * reason is longer than WS_REASON_MAX), STATUS_SYNTAX (the reason is not UTF-8). */
int ws_close_payload(uint8_t *out, unsigned code, struct slice reason);

/* ---- what a handshake agrees on ---------------------------------------------------------------
 */
/* permessage-deflate as one side of a connection sees it: out is what we send. */
struct ws_compression {
    bool is_on;
    bool has_out_takeover, has_in_takeover; /* the window outlives a message: streams of its own,
                                               about 300 KB when both are used */
    uint8_t out_bits, in_bits;              /* 8-15; with out_bits 8 we send uncompressed */
};

/* What our side wants. A worker that has given out its share of takeover clears has_takeover. */
struct ws_options {
    const struct slice *subprotocols; /* tokens, ours; borrowed */
    size_t subprotocol_count;
    bool has_compression;
    bool has_takeover; /* accept, or as a client offer, windows that outlive a message */
};

/* The header fields of the peer, as the HTTP codec keeps them: the value of the `index`th line
 * named `name` (any case), in order; bytes NULL when there is no such line. */
struct ws_headers {
    struct slice (*get)(const void *context, const char *name, size_t index);
    const void *context;
};

#define WS_KEY_SIZE      24  /* characters of Sec-WebSocket-Key */
#define WS_ACCEPT_SIZE   28  /* characters of Sec-WebSocket-Accept */
#define WS_EXTENSION_MAX 160 /* characters of Sec-WebSocket-Extensions that we write */

struct ws_agreement {
    char accept[WS_ACCEPT_SIZE];      /* server: the value of Sec-WebSocket-Accept */
    char extension[WS_EXTENSION_MAX]; /* server: the value of Sec-WebSocket-Extensions */
    size_t extension_size;            /* 0: send no such header */
    struct slice subprotocol;         /* bytes NULL: none; points into options->subprotocols */
    struct ws_compression compression;
};

/* Server: the opening request, whose method, HTTP version, Upgrade and Connection the HTTP codec
 * has checked. The first subprotocol of the client that `options` knows is chosen. Refused with
 *   STATUS_VERSION  answer 426 with `Sec-WebSocket-Version: 13`
 *   STATUS_SYNTAX   answer 400; `*cause` says why (static text) */
enum status ws_accept(const struct ws_headers *headers, const struct ws_options *options,
                      struct ws_agreement *out, const char **cause);
/* Whether the client's list names `subprotocol` (for a task that chooses another one). */
bool ws_is_subprotocol_offered(const struct ws_headers *headers, struct slice subprotocol);
void ws_accept_key(struct slice key, char *out); /* WS_ACCEPT_SIZE characters */

/* Client: a fresh key of WS_KEY_SIZE characters; `source` may be NULL. */
void ws_key_make(struct crypto_source *source, char *out);
/* Client: what to send as Sec-WebSocket-Extensions, size 0 for nothing (static text). */
struct slice ws_offer(const struct ws_options *options);
/* Client: the answer, whose status 101, Upgrade and Connection the HTTP codec has checked, to a
 * request with `key`, options->subprotocols and ws_offer(options).
 *   STATUS_PROTOCOL  the server broke the handshake; `*cause` says how (static text) */
struct ws_answer {
    struct ws_headers headers;
    struct slice key;
};
enum status ws_check_answer(const struct ws_answer *answer, const struct ws_options *options,
                            struct ws_agreement *out, const char **cause);

/* ---- compression of a worker ------------------------------------------------------------------
 */
/* Streams and scratch shared by the connections of one loop; made at first use, so that a loop
 * without compression pays nothing. */
struct ws_deflater;
struct ws_deflater *ws_deflater_new(void);           /* NULL without memory */
void ws_deflater_free(struct ws_deflater *deflater); /* after every ws that used it is deinited */

/* ---- reading ----------------------------------------------------------------------------------
 */
struct ws_partial; /* what is left over of a frame or message */
struct ws_streams; /* windows that outlive a message */

/* One connection; embedded in a session. All fields are private. */
struct ws {
    struct ws_partial *partial; /* NULL between messages */
    struct ws_streams *streams; /* NULL without takeover, or before its first use */
    size_t max_message;         /* bytes, after inflation */
    struct ws_compression compression;
    uint8_t role;   /* enum ws_role */
    bool has_ended; /* after a close frame or an error: input is thrown away */
};
/* Allocates nothing. `compression` may be NULL: none. */
void ws_init(struct ws *ws, enum ws_role role, const struct ws_compression *compression,
             size_t max_message);
void ws_deinit(struct ws *ws);

enum ws_event {
    WS_MORE,    /* all input is taken; nothing else happened */
    WS_MESSAGE, /* payload, is_binary; text is checked to be UTF-8 */
    WS_PING,    /* payload, to be sent back as a pong */
    WS_PONG,    /* payload */
    WS_CLOSE,   /* code (WS_NO_CODE when the frame had none), payload is the reason, UTF-8 */
    WS_ERROR,   /* the peer broke a rule: code is what to close with, payload the cause (static) */
};
struct ws_message {
    struct slice payload; /* borrowed from the input, from ws or from the deflater's scratch */
    uint16_t code;
    bool is_binary;
};
struct ws_input {
    uint8_t *next, *end;          /* caller's, mutable: unmasked in place; next moves on */
    struct ws_deflater *deflater; /* the loop's; NULL only where no compression was agreed */
};
/* Takes bytes from `input` up to the end of the next message or control frame, or all of them.
 * What it leaves from input->next on belongs to the caller, who may pause there and hand it in
 * again later, at any address. Call until WS_MORE. After WS_CLOSE and WS_ERROR only WS_MORE comes.
 *   WS_ERROR codes: 1002 protocol, 1007 not UTF-8 or damaged compression, 1009 above max_message,
 *   1011 out of memory. */
enum ws_event ws_next(struct ws *ws, struct ws_input *input, struct ws_message *out);

/* ---- writing ----------------------------------------------------------------------------------
 */
enum ws_opcode {
    WS_OP_CONTINUATION = 0,
    WS_OP_TEXT = 1,
    WS_OP_BINARY = 2,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10,
};
#define WS_FIN        0x80u /* the last or only frame of its message */
#define WS_RSV1       0x40u /* the message is compressed; first frame only */
#define WS_HEADER_MAX 14
#define WS_MASK_SIZE  4

/* Writes the header of a frame with `size` bytes of payload; `out` holds WS_HEADER_MAX. `first` is
 * WS_FIN | opcode, with WS_RSV1 where ws_compress() made the payload. `mask` is NULL for a server,
 * a client's WS_MASK_SIZE fresh random bytes (crypto_source_take) else. Returns its size. */
static inline size_t ws_frame_header(uint8_t *out, unsigned first, uint64_t size,
                                     const uint8_t *mask) {
    size_t at = 2;
    unsigned masked = mask ? 0x80u : 0;
    out[0] = (uint8_t)first;
    if (size < 126) {
        out[1] = (uint8_t)(masked | size);
    } else if (size <= 0xffff) {
        out[1] = (uint8_t)(masked | 126);
        out[2] = (uint8_t)(size >> 8);
        out[3] = (uint8_t)size;
        at = 4;
    } else {
        out[1] = (uint8_t)(masked | 127);
        for (int i = 0; i < 8; i++) {
            out[2 + i] = (uint8_t)(size >> (56 - 8 * i));
        }
        at = 10;
    }
    if (mask) {
        memcpy(out + at, mask, WS_MASK_SIZE);
        at += WS_MASK_SIZE;
    }
    return at;
}
/* Client: `size` bytes from `from`, masked, to `to` (the same place, or apart). */
void ws_mask(uint8_t *to, const uint8_t *from, size_t size, const uint8_t *mask);

/* Compresses one whole message for a connection that agreed to it. `*out` is the payload of a frame
 * with WS_RSV1 and lies in the deflater's scratch until the next ws_compress...().
 *   STATUS_UNSUPPORTED  send it as it is, without WS_RSV1: not agreed, too small, no gain
 *   STATUS_NO_MEMORY    the same may be done */
enum status ws_compress(struct ws *ws, struct ws_deflater *deflater, struct slice payload,
                        struct slice *out);
/* The same once for all receivers whose window is `bits` (ws_compression.out_bits) and who are
 * without has_out_takeover. */
enum status ws_compress_shared(struct ws_deflater *deflater, unsigned bits, struct slice payload,
                               struct slice *out);
/* The bits for ws_compress_shared(), or 0: this connection takes the plain frame of a broadcast (or
 * its own ws_compress()). */
static inline unsigned ws_shared_bits(const struct ws *ws) {
    const struct ws_compression *c = &ws->compression;
    return c->is_on && !c->has_out_takeover && c->out_bits >= 9 ? c->out_bits : 0;
}

/* ---- for logs ---------------------------------------------------------------------------------
 */
#define WS_SHOWN_BYTES 200 /* of a text or a reason; more is cut */
#define WS_SHOWN_MAX   512
/* A frame in words: direction, opcode, size, what it says. `first` as for ws_frame_header(); a
 * payload that is compressed or binary is not shown. Returns the line in `out` of WS_SHOWN_MAX. */
struct slice ws_describe(bool is_sent, unsigned first, struct slice payload, char *out);

#endif
