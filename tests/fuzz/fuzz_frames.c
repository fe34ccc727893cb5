/* Frames of either role, compressed or not: however they are cut, the same is heard. */
#include "tests/fuzz/fuzz.h"
#include "ws/ws.h"

#define MAX_MESSAGE 20000

struct heard {
    uint64_t sum;
    size_t events;
    bool is_over;
};

static void hear(struct heard *heard, enum ws_event event, const struct ws_message *said) {
    uint32_t facts[] = {(uint32_t)event, said->code, said->is_binary};
    assert(!heard->is_over);
    if (event == WS_ERROR) { /* the cause may differ by what was seen first, the code not */
        assert(said->payload.size > 0);
        fuzz_sum(&heard->sum, facts, sizeof facts);
        heard->is_over = true;
        return;
    }
    assert(event != WS_MESSAGE || said->payload.size <= MAX_MESSAGE);
    facts[1] = event == WS_CLOSE ? said->code : 0;
    facts[2] = event == WS_MESSAGE && said->is_binary;
    fuzz_sum(&heard->sum, facts, sizeof facts);
    fuzz_sum(&heard->sum, said->payload.bytes, said->payload.size);
    heard->is_over = event == WS_CLOSE;
    heard->events++;
}

/* A first piece of `first` bytes, then pieces of `step`. */
static struct heard feed(enum ws_role role, const struct ws_compression *compression,
                         struct slice wire, size_t first, size_t step) {
    struct ws ws;
    struct heard heard = {0};
    struct ws_deflater *deflater = ws_deflater_new();
    assert(deflater);
    ws_init(&ws, role, compression, MAX_MESSAGE);
    for (size_t at = 0, size = 0; at < wire.size; at += size) {
        size = at ? step : first;
        size = wire.size - at < size ? wire.size - at : size;
        struct slice piece = fuzz_copy((struct slice){wire.bytes + at, size});
        uint8_t *bytes = (uint8_t *)(uintptr_t)piece.bytes;
        struct ws_input input = {bytes, bytes + size, deflater};
        struct ws_message said = {0};
        enum ws_event event;
        while ((event = ws_next(&ws, &input, &said)) != WS_MORE)
            hear(&heard, event, &said);
        assert(input.next == input.end);
        fuzz_drop(piece);
    }
    ws_deinit(&ws);
    ws_deflater_free(deflater);
    return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = {(const char *)data, size};
    uint8_t how = fuzz_byte(&input), bits = fuzz_byte(&input);
    enum ws_role role = how & 1 ? WS_CLIENT : WS_SERVER;
    struct ws_compression compression = {.is_on = how & 2,
                                         .has_out_takeover = how & 4,
                                         .has_in_takeover = how & 8,
                                         .out_bits = (uint8_t)(8 + bits % 8),
                                         .in_bits = (uint8_t)(8 + bits / 8 % 8)};
    const struct ws_compression *agreed = how & 2 ? &compression : NULL;
    size_t size_all = input.size + 1, split = 1 + (how / 16 + bits * 16u) % size_all;
    struct heard whole = feed(role, agreed, input, size_all, size_all);
    struct heard single = feed(role, agreed, input, 1, 1);
    struct heard cut = feed(role, agreed, input, 2 + bits, 2 + bits);
    struct heard two = feed(role, agreed, input, split, size_all);
    assert(whole.sum == single.sum && whole.sum == cut.sum && whole.sum == two.sum);
    return 0;
}
