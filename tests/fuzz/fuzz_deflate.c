/* Compressed payloads that are anything, and what we compress: our own peer must read it back. */
#include "tests/fuzz/fuzz.h"
#include "ws/ws.h"

#define MAX_MESSAGE 100000

static void read_anything(const struct ws_compression *compression, struct slice payload) {
    struct ws ws;
    struct ws_deflater *deflater = ws_deflater_new();
    assert(deflater);
    ws_init(&ws, WS_CLIENT, compression, MAX_MESSAGE);
    for (int round = 0; round < 2; round++) { /* the second one meets a used window */
        uint8_t *frame = malloc(WS_HEADER_MAX + payload.size);
        assert(frame);
        size_t header = ws_frame_header(frame, WS_FIN | WS_RSV1 | WS_OP_BINARY, payload.size, NULL);
        memcpy(frame + header, payload.bytes, payload.size);
        struct ws_input input = {frame, frame + header + payload.size, deflater};
        struct ws_message said;
        enum ws_event event = ws_next(&ws, &input, &said);
        assert(event == WS_MESSAGE || event == WS_ERROR || event == WS_MORE);
        assert(event != WS_MESSAGE || said.payload.size <= MAX_MESSAGE);
        free(frame);
    }
    ws_deinit(&ws);
    ws_deflater_free(deflater);
}

static void read_back(const struct ws_compression *ours, struct slice text) {
    struct ws_compression theirs = {.is_on = true,
                                    .has_out_takeover = ours->has_in_takeover,
                                    .has_in_takeover = ours->has_out_takeover,
                                    .out_bits = ours->in_bits,
                                    .in_bits = ours->out_bits};
    struct ws from, to;
    struct ws_deflater *deflater = ws_deflater_new(), *other = ws_deflater_new();
    assert(deflater && other);
    ws_init(&from, WS_SERVER, ours, MAX_MESSAGE);
    ws_init(&to, WS_CLIENT, &theirs, MAX_MESSAGE);
    for (int round = 0; round < 3; round++) {
        struct slice packed = text;
        enum status status = ws_compress(&from, deflater, text, &packed);
        assert(status == STATUS_OK || status == STATUS_UNSUPPORTED);
        unsigned first = WS_FIN | WS_OP_BINARY | (status == STATUS_OK ? WS_RSV1 : 0);
        packed = status == STATUS_OK ? packed : text;
        uint8_t *frame = malloc(WS_HEADER_MAX + packed.size);
        assert(frame);
        size_t header = ws_frame_header(frame, first, packed.size, NULL);
        memcpy(frame + header, packed.bytes, packed.size);
        struct ws_input input = {frame, frame + header + packed.size, other};
        struct ws_message said;
        assert(ws_next(&to, &input, &said) == WS_MESSAGE);
        assert(slice_equal(said.payload, text));
        free(frame);
    }
    ws_deinit(&from);
    ws_deinit(&to);
    ws_deflater_free(deflater);
    ws_deflater_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    uint8_t how = fuzz_byte(&input), bits = fuzz_byte(&input);
    struct ws_compression compression = {.is_on = true,
                                         .has_out_takeover = how & 1,
                                         .has_in_takeover = how & 2,
                                         .out_bits = (uint8_t)(8 + bits % 8),
                                         .in_bits = (uint8_t)(8 + bits / 8 % 8)};
    if (input.size == 0 || input.size > MAX_MESSAGE)
        return 0;
    read_anything(&compression, input);
    read_back(&compression, input);
    return 0;
}
