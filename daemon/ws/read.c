/* Reading frames, RFC 6455 section 5. Between messages a connection owns nothing: a frame that lies
 * whole in the input is unmasked and reported in place. Whatever is split, over reads or into
 * fragments, is gathered in a struct ws_partial, which goes when its message is done. */
#include <stdlib.h>

#include "ws/deflate.h"
#include "ws/mask.h"
#include "ws/utf8.h"

#define RSV23      0x30u
#define OPCODE     0x0fu
#define CONTROL    0x08u
#define MASKED     0x80u
#define SIZE_16    126u
#define SIZE_64    127u
#define ROOM_FIRST 1024 /* bytes of a message's memory at first, at least */

struct frame {
    uint64_t size; /* bytes of payload */
    uint8_t header_size;
    uint8_t opcode;
    bool is_final, is_compressed;
    uint8_t mask[WS_MASK_SIZE];
};

struct ws_partial {
    /* the message, from its first frame on */
    uint8_t *bytes;
    size_t size, capacity;
    struct ws__utf8 utf8;
    uint8_t opcode; /* 0: none begun, or reported already */
    bool is_compressed;
    /* the frame */
    bool has_frame; /* its header is read, its payload not yet */
    struct frame frame;
    uint64_t left; /* bytes of its payload to come */
    uint64_t key;  /* for the next of them */
    uint8_t header[WS_HEADER_MAX];
    uint8_t header_size; /* bytes of it that are here */
    uint8_t control_size;
    uint8_t control[WS_CONTROL_MAX];
};

static enum ws_event resume(struct ws *ws, struct ws_input *input, struct ws_message *out);

void ws_init(struct ws *ws, enum ws_role role, const struct ws_compression *compression,
             size_t max_message) {
    *ws = (struct ws){.role = (uint8_t)role, .max_message = max_message};
    if (compression && compression->is_on) {
        ws->compression = *compression;
    }
}

static void partial_free(struct ws *ws) {
    if (ws->partial) {
        free(ws->partial->bytes);
        free(ws->partial);
        ws->partial = NULL;
    }
}

void ws_deinit(struct ws *ws) {
    partial_free(ws);
    ws__streams_free(ws->streams);
    ws->streams = NULL;
    ws->has_ended = true;
}

/* ---- events -----------------------------------------------------------------------------------
 */

static enum ws_event fail(struct ws *ws, struct ws_message *out, unsigned code, const char *cause) {
    partial_free(ws);
    ws->has_ended = true;
    *out = (struct ws_message){.payload = slice_of(cause), .code = (uint16_t)code};
    return WS_ERROR;
}

static enum ws_event report_close(struct ws *ws, struct slice payload, struct ws_message *out) {
    const uint8_t *bytes = (const uint8_t *)payload.bytes;
    if (payload.size == 0) {
        *out = (struct ws_message){.payload = SLICE_NONE, .code = WS_NO_CODE};
        ws->has_ended = true;
        return WS_CLOSE;
    }
    if (payload.size == 1) {
        return fail(ws, out, WS_PROTOCOL_ERROR, "a close frame with one byte");
    }
    unsigned code = (unsigned)bytes[0] << 8 | bytes[1];
    struct slice reason = {payload.bytes + 2, payload.size - 2};
    if (!ws_code_is_valid(code)) {
        return fail(ws, out, WS_PROTOCOL_ERROR, "a close code that may not be sent");
    }
    if (!slice_is_utf8(reason)) {
        return fail(ws, out, WS_BAD_DATA, "a close reason that is not UTF-8");
    }
    *out = (struct ws_message){.payload = reason, .code = (uint16_t)code};
    ws->has_ended = true;
    return WS_CLOSE;
}

static enum ws_event report_control(struct ws *ws, unsigned opcode, struct slice payload,
                                    struct ws_message *out) {
    if (opcode == WS_OP_CLOSE) {
        return report_close(ws, payload, out);
    }
    *out = (struct ws_message){.payload = payload};
    return opcode == WS_OP_PING ? WS_PING : WS_PONG;
}

static enum ws_event report_message(unsigned opcode, struct slice payload, struct ws_message *out) {
    *out = (struct ws_message){.payload = payload, .is_binary = opcode == WS_OP_BINARY};
    return WS_MESSAGE;
}

static enum ws_event fail_utf8(struct ws *ws, struct ws_message *out) {
    return fail(ws, out, WS_BAD_DATA, "text that is not UTF-8");
}

static enum ws_event report_inflated(struct ws *ws, struct ws_deflater *deflater, unsigned opcode,
                                     struct ws_message *out) {
    struct slice bytes = out->payload, message;
    enum status status = ws__inflate(ws, deflater, bytes, &message);
    if (status == STATUS_LIMIT) {
        return fail(ws, out, WS_TOO_BIG, "a message above max-message");
    }
    if (status == STATUS_NO_MEMORY) {
        return fail(ws, out, WS_INTERNAL, "out of memory");
    }
    if (status != STATUS_OK) {
        return fail(ws, out, WS_BAD_DATA, "damaged compression");
    }
    if (opcode == WS_OP_TEXT && !slice_is_utf8(message)) {
        return fail_utf8(ws, out);
    }
    return report_message(opcode, message, out);
}

/* ---- headers ----------------------------------------------------------------------------------
 */

/* How long the header is that begins with these bytes; 2 while that cannot be told. */
static size_t header_size(const uint8_t *bytes, size_t have) {
    if (have < 2) {
        return 2;
    }
    unsigned size = bytes[1] & ~MASKED & 0xffu;
    size_t extended = size == SIZE_16 ? 2 : size == SIZE_64 ? 8 : 0;
    return 2 + extended + (bytes[1] & MASKED ? WS_MASK_SIZE : 0u);
}

/* Reads a whole header; NULL, or the rule of section 5.2 that it breaks. */
static const char *frame_read(struct frame *frame, const uint8_t *bytes, enum ws_role role) {
    unsigned first = bytes[0], size = bytes[1] & ~MASKED & 0xffu;
    const uint8_t *at = bytes + 2;
    bool is_masked = (bytes[1] & MASKED) != 0;
    *frame = (struct frame){.size = size,
                            .opcode = first & OPCODE,
                            .is_final = (first & WS_FIN) != 0,
                            .is_compressed = (first & WS_RSV1) != 0};
    if (size >= SIZE_16) {
        size_t width = size == SIZE_16 ? 2 : 8;
        frame->size = 0;
        for (size_t i = 0; i < width; i++) {
            frame->size = frame->size << 8 | at[i];
        }
        at += width;
    }
    if (is_masked) {
        memcpy(frame->mask, at, WS_MASK_SIZE);
        at += WS_MASK_SIZE;
    }
    frame->header_size = (uint8_t)(at - bytes);
    if (first & RSV23) {
        return "a reserved bit is set";
    }
    if ((frame->opcode & ~CONTROL) > WS_OP_BINARY) {
        return "a reserved opcode";
    }
    if (is_masked != (role == WS_SERVER)) {
        return is_masked ? "a masked frame of a server" : "an unmasked frame of a client";
    }
    if (size >= SIZE_16 && (frame->size >> 63 != 0 || frame->size < SIZE_16 ||
                            (size == SIZE_64 && frame->size <= 0xffff))) {
        return "a frame size that is not in its shortest form";
    }
    return NULL;
}

/* What of the header breaks a rule for this connection at this moment, or NULL. */
static const char *frame_check(const struct ws *ws, const struct frame *frame) {
    bool has_begun = ws->partial && ws->partial->opcode;
    bool is_control = (frame->opcode & CONTROL) != 0;
    if (frame->is_compressed &&
        (!ws->compression.is_on || is_control || frame->opcode == WS_OP_CONTINUATION)) {
        return "a reserved bit is set"; /* RFC 7692 section 6: the first frame of a message only */
    }
    if (is_control) {
        return !frame->is_final               ? "a fragmented control frame"
               : frame->size > WS_CONTROL_MAX ? "a control frame above 125 bytes"
                                              : NULL;
    }
    if (frame->opcode == WS_OP_CONTINUATION) {
        return has_begun ? NULL : "a continuation of nothing";
    }
    return has_begun ? "a new message inside of another" : NULL;
}

/* How many bytes of a message may come over the wire. */
static size_t wire_max(const struct ws *ws, bool is_compressed) {
    return is_compressed ? ws__compressed_max(ws->max_message) : ws->max_message;
}

/* Whether the message grows above its bound by this frame; told by the header alone. */
static bool is_too_big(const struct ws *ws, const struct frame *frame) {
    const struct ws_partial *partial = ws->partial;
    bool is_more = frame->opcode == WS_OP_CONTINUATION;
    bool is_compressed = is_more ? partial->is_compressed : frame->is_compressed;
    size_t max = wire_max(ws, is_compressed);
    size_t have = is_more ? partial->size : 0;
    return (frame->opcode & CONTROL) == 0 && (have > max || frame->size > max - have);
}

/* Reads and judges a whole header: WS_MORE when it is good. */
static enum ws_event take_frame(struct ws *ws, const uint8_t *bytes, struct frame *frame,
                                struct ws_message *out) {
    const char *cause = frame_read(frame, bytes, (enum ws_role)ws->role);
    if (!cause) {
        cause = frame_check(ws, frame);
    }
    if (cause) {
        return fail(ws, out, WS_PROTOCOL_ERROR, cause);
    }
    return is_too_big(ws, frame) ? fail(ws, out, WS_TOO_BIG, "a message above max-message")
                                 : WS_MORE;
}

/* ---- frames that lie whole in the input -------------------------------------------------------
 */

/* Reports a frame that is a message or control frame of its own, its payload at `bytes`. */
static enum ws_event report_whole(struct ws *ws, struct ws_input *input, const struct frame *frame,
                                  struct ws_message *out) {
    uint8_t *bytes = input->next + frame->header_size;
    struct slice payload = {(const char *)bytes, (size_t)frame->size};
    bool is_ascii = false;
    if (ws->role == WS_SERVER) {
        is_ascii = ws__mask(bytes, bytes, payload.size, ws__mask_key(frame->mask));
    }
    input->next = bytes + payload.size;
    if (frame->opcode & CONTROL) {
        return report_control(ws, frame->opcode, payload, out);
    }
    if (frame->is_compressed) {
        out->payload = payload;
        return report_inflated(ws, input->deflater, frame->opcode, out);
    }
    if (frame->opcode == WS_OP_TEXT && !is_ascii && !slice_is_utf8(payload)) {
        return fail_utf8(ws, out);
    }
    return report_message(frame->opcode, payload, out);
}

/* The way of anything but a short message; nothing is left over from before. */
static enum ws_event next_whole(struct ws *ws, struct ws_input *input, struct ws_message *out) {
    size_t have = (size_t)(input->end - input->next);
    size_t size = header_size(input->next, have);
    struct frame frame;
    if (have < size) {
        return have == 0 ? WS_MORE : resume(ws, input, out);
    }
    enum ws_event event = take_frame(ws, input->next, &frame, out);
    if (event != WS_MORE) {
        return event;
    }
    if (frame.is_final && have - size >= frame.size) {
        return report_whole(ws, input, &frame, out);
    }
    return resume(ws, input, out);
}

/* Everything but a short message, or what an ended connection throws away. Apart from ws_next(), so
 * that the short way has no stack frame to guard. */
static __attribute__((__noinline__)) enum ws_event next_long(struct ws *ws, struct ws_input *input,
                                                             struct ws_message *out) {
    bool is_going_on = ws->partial || ws->has_ended;
    enum ws_event event = is_going_on ? resume(ws, input, out) : next_whole(ws, input, out);
    if (ws->has_ended) {
        input->next = input->end;
    }
    return event;
}

static __attribute__((__noinline__)) enum ws_event
check_short(struct ws *ws, struct ws_input *input, struct ws_message *out) {
    if (slice_is_utf8(out->payload)) {
        return WS_MESSAGE;
    }
    input->next = input->end;
    return fail_utf8(ws, out);
}

/* What servers read most is taken here in as few steps as can be: one whole unfragmented,
 * uncompressed message of at most 125 bytes. Everything else goes the long way, which knows the
 * rules. */
enum ws_event ws_next(struct ws *ws, struct ws_input *input, struct ws_message *out) {
    const size_t header = 2 + WS_MASK_SIZE;
    uint8_t *bytes = input->next;
    size_t have = (size_t)(input->end - bytes);
    if (ws->partial || ws->has_ended || ws->role != WS_SERVER || have < header) {
        return next_long(ws, input, out);
    }
    unsigned opcode = bytes[0] ^ WS_FIN, size = bytes[1] ^ MASKED;
    if (opcode - WS_OP_TEXT > WS_OP_BINARY - WS_OP_TEXT || size > WS_CONTROL_MAX ||
        size > have - header || size > ws->max_message) {
        return next_long(ws, input, out);
    }
    uint8_t *payload = bytes + header;
    bool is_binary = opcode == WS_OP_BINARY;
    bool is_ascii = ws__mask(payload, payload, size, ws__mask_key(bytes + 2));
    input->next = payload + size;
    *out = (struct ws_message){.payload = {(const char *)payload, size}, .is_binary = is_binary};
    return is_ascii || is_binary ? WS_MESSAGE : check_short(ws, input, out);
}

/* ---- what is split ----------------------------------------------------------------------------
 */

/* Moves header bytes to the partial; true when the header is whole. */
static bool gather_header(struct ws_partial *partial, struct ws_input *input) {
    for (;;) {
        size_t size = header_size(partial->header, partial->header_size);
        size_t have = (size_t)(input->end - input->next);
        size_t lacks = size - partial->header_size;
        if (lacks == 0) {
            return true;
        }
        if (have == 0) {
            return false;
        }
        size_t taken = have < lacks ? have : lacks;
        memcpy(partial->header + partial->header_size, input->next, taken);
        partial->header_size = (uint8_t)(partial->header_size + taken);
        input->next += taken;
    }
}

static void begin_payload(struct ws_partial *partial) {
    const struct frame *frame = &partial->frame;
    partial->has_frame = true;
    partial->header_size = 0;
    partial->left = frame->size;
    partial->key = ws__mask_key(frame->mask);
    partial->control_size = 0;
    if (frame->opcode == WS_OP_TEXT || frame->opcode == WS_OP_BINARY) {
        partial->opcode = frame->opcode;
        partial->is_compressed = frame->is_compressed;
    }
}

/* Moves `size` bytes of payload from the input to `to`; true when they are known to be ASCII. */
static bool move_payload(struct ws *ws, struct ws_input *input, uint8_t *to, size_t size) {
    struct ws_partial *partial = ws->partial;
    bool is_ascii = false;
    if (ws->role == WS_SERVER) {
        is_ascii = ws__mask(to, input->next, size, partial->key);
        partial->key = ws__mask_turn(partial->key, size);
    } else if (size) {
        memcpy(to, input->next, size);
    }
    input->next += size;
    partial->left -= size;
    return is_ascii;
}

/* Room for `size` more bytes of the message. Grows by what has come, at most fourfold; what the
 * header announces and the bound only cut that. */
static bool make_room(const struct ws *ws, size_t size) {
    struct ws_partial *partial = ws->partial;
    size_t need = partial->size + size, whole = partial->size + (size_t)partial->left;
    if (need <= partial->capacity) {
        return true;
    }
    size_t max = partial->frame.is_final ? whole : wire_max(ws, partial->is_compressed);
    size_t capacity = need > SIZE_MAX / 4 ? need : need * 4;
    capacity = capacity < ROOM_FIRST ? ROOM_FIRST : capacity;
    capacity = capacity > max ? max : capacity;
    capacity = capacity < need ? need : capacity; /* the bound was lowered meanwhile */
    uint8_t *bytes = realloc(partial->bytes, capacity);
    if (!bytes) {
        return false;
    }
    partial->bytes = bytes;
    partial->capacity = capacity;
    return true;
}

/* The last frame of a message has come. */
static enum ws_event end_message(struct ws *ws, struct ws_input *input, struct ws_message *out) {
    struct ws_partial *partial = ws->partial;
    unsigned opcode = partial->opcode;
    partial->opcode = 0;
    out->payload = (struct slice){(const char *)partial->bytes, partial->size};
    if (partial->is_compressed) {
        return report_inflated(ws, input->deflater, opcode, out);
    }
    if (partial->utf8.need) {
        return fail_utf8(ws, out);
    }
    return report_message(opcode, out->payload, out);
}

/* WS_MORE when the input has ended, or the frame and not yet its message. */
static enum ws_event gather_data(struct ws *ws, struct ws_input *input, struct ws_message *out) {
    struct ws_partial *partial = ws->partial;
    size_t have = (size_t)(input->end - input->next);
    size_t size = have < partial->left ? have : (size_t)partial->left;
    if (size > 0) {
        if (!make_room(ws, size)) {
            return fail(ws, out, WS_INTERNAL, "out of memory");
        }
        uint8_t *to = partial->bytes + partial->size;
        bool is_ascii = move_payload(ws, input, to, size) && partial->utf8.need == 0;
        partial->size += size;
        if (partial->opcode == WS_OP_TEXT && !partial->is_compressed && !is_ascii &&
            !ws__utf8_feed(&partial->utf8, to, size)) {
            return fail_utf8(ws, out);
        }
    }
    if (partial->left > 0) {
        return WS_MORE;
    }
    partial->has_frame = false;
    return partial->frame.is_final ? end_message(ws, input, out) : WS_MORE;
}

static enum ws_event gather_control(struct ws *ws, struct ws_input *input, struct ws_message *out) {
    struct ws_partial *partial = ws->partial;
    size_t have = (size_t)(input->end - input->next);
    size_t size = have < partial->left ? have : (size_t)partial->left;
    (void)move_payload(ws, input, partial->control + partial->control_size, size);
    partial->control_size = (uint8_t)(partial->control_size + size);
    if (partial->left > 0) {
        return WS_MORE;
    }
    partial->has_frame = false;
    struct slice payload = {(const char *)partial->control, partial->control_size};
    return report_control(ws, partial->frame.opcode, payload, out);
}

/* Goes on inside of a frame or message. */
static enum ws_event gather(struct ws *ws, struct ws_input *input, struct ws_message *out) {
    for (;;) {
        struct ws_partial *partial = ws->partial;
        if (!partial->has_frame) {
            if (!gather_header(partial, input)) {
                return WS_MORE;
            }
            enum ws_event event = take_frame(ws, partial->header, &partial->frame, out);
            if (event != WS_MORE) {
                return event;
            }
            begin_payload(partial);
        }
        bool is_control = (partial->frame.opcode & CONTROL) != 0;
        enum ws_event event =
            is_control ? gather_control(ws, input, out) : gather_data(ws, input, out);
        if (event != WS_MORE || partial->has_frame) {
            return event;
        }
    }
}

/* The way of everything that does not lie whole in one input. What the event before had borrowed
 * from the partial is done with now. */
static enum ws_event resume(struct ws *ws, struct ws_input *input, struct ws_message *out) {
    struct ws_partial *partial = ws->partial;
    if (ws->has_ended) {
        partial_free(ws);
        return WS_MORE;
    }
    if (partial && !partial->opcode && !partial->has_frame && partial->header_size == 0) {
        partial_free(ws);
        return ws_next(ws, input, out);
    }
    if (!partial) {
        ws->partial = calloc(1, sizeof *ws->partial);
        if (!ws->partial) {
            return fail(ws, out, WS_INTERNAL, "out of memory");
        }
    }
    return gather(ws, input, out);
}
