/* JSON texts: what is read can be written, and reads the same again. */
#include "expr/expr.h"
#include "tests/fuzz/fuzz.h"

static bool has_nan(struct value v) { return v.type == VALUE_FLOAT && v.number != v.number; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = fuzz_copy((struct slice){(const char *)data, size});
    struct arena arena;
    struct buffer out;
    struct value first = value_nil(), second = value_nil();
    size_t at = 0;
    arena_init(&arena, 4096, 16 << 20);
    buffer_init(&out, 4 << 20);
    enum status status = json_decode(text, &arena, &first, &at);
    if (status == STATUS_SYNTAX)
        assert(at <= size);
    if (!status && !json_encode(first, &out)) {
        assert(json_decode(buffer_slice(&out), &arena, &second, &at) == STATUS_OK);
        assert(has_nan(first) || value_equal(first, second));
        struct value_box *box = value_box_new(first);
        assert(!box || value_equal(value_box_value(box), first));
        value_box_unref(box);
        (void)value_path(first, SLICE("a.b.0"));
    }
    buffer_deinit(&out);
    arena_deinit(&arena);
    fuzz_drop(text);
    return 0;
}
