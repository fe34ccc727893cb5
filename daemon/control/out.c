/* JSON as it is written: brackets and commas are kept count of, texts quoted by the one encoder. */
#include <assert.h>

#include "control/control.h"

static void put(struct out *out, struct slice text) {
    if (!out->status)
        out->status = buffer_append(out->buffer, text);
}

/* U+FFFD for each byte that starts no character. */
static void put_broken(struct out *out, struct slice text) {
    struct buffer whole;
    buffer_init(&whole, 0);
    while (text.size && !out->status) {
        size_t size = slice_utf8_size(text);
        out->status = size ? buffer_append(&whole, (struct slice){text.bytes, size})
                           : buffer_append(&whole, SLICE("\xEF\xBF\xBD"));
        size_t taken = size ? size : 1;
        text = (struct slice){text.bytes + taken, text.size - taken};
    }
    if (!out->status)
        out->status = json_encode_text(buffer_slice(&whole), out->buffer);
    buffer_deinit(&whole);
}

static void put_text(struct out *out, struct slice text) {
    if (out->status)
        return;
    enum status status = json_encode_text(text, out->buffer);
    if (status == STATUS_TYPE)
        put_broken(out, text);
    else
        out->status = status;
}

static void begin(struct out *out, struct slice name) {
    if (out->has_one)
        put(out, SLICE(","));
    out->has_one = true;
    if (!name.bytes)
        return;
    put_text(out, name);
    put(out, SLICE(":"));
}

static void open_level(struct out *out, struct slice name, bool is_map) {
    begin(out, name);
    put(out, is_map ? SLICE("{") : SLICE("["));
    assert(out->depth < OUT_DEPTH);
    out->ends[out->depth++] = is_map ? '}' : ']';
    out->has_one = false;
}

void out_init(struct out *out, struct buffer *buffer) { *out = (struct out){.buffer = buffer}; }

void out_map(struct out *out, const char *name) { open_level(out, slice_of(name), true); }

void out_slice_map(struct out *out, struct slice name) { open_level(out, name, true); }

void out_list(struct out *out, const char *name) { open_level(out, slice_of(name), false); }

void out_end(struct out *out) {
    assert(out->depth > 0);
    put(out, (struct slice){&out->ends[--out->depth], 1});
    out->has_one = true;
}

void out_text(struct out *out, const char *name, struct slice text) {
    begin(out, slice_of(name));
    put_text(out, text);
}

void out_text_or_null(struct out *out, const char *name, struct slice text) {
    if (text.size)
        out_text(out, name, text);
    else
        out_null(out, name);
}

void out_u64(struct out *out, const char *name, uint64_t number) {
    begin(out, slice_of(name));
    if (!out->status)
        out->status = buffer_printf(out->buffer, "%llu", (unsigned long long)number);
}

void out_rate(struct out *out, const char *name, double per_s) {
    begin(out, slice_of(name));
    if (!out->status)
        out->status = buffer_printf(out->buffer, "%.1f", per_s);
}

void out_bool(struct out *out, const char *name, bool value) {
    begin(out, slice_of(name));
    put(out, value ? SLICE("true") : SLICE("false"));
}

void out_null(struct out *out, const char *name) {
    begin(out, slice_of(name));
    put(out, SLICE("null"));
}

void out_time(struct out *out, const char *name, uint64_t wall_ms) {
    char text[BASE_TEXT_MAX];
    if (wall_ms)
        out_text(out, name, time_format(wall_ms, text));
    else
        out_null(out, name);
}

void out_json(struct out *out, const char *name, struct slice json) {
    begin(out, slice_of(name));
    put(out, json);
}
