/* Globals as rows: list, get, set, unset. Done on the control thread, which is a reader and a
 * writer of them as every worker is. */
#include <stdlib.h>

#include "control/internal.h"
#include "globals/globals.h"

#define SEGMENTS_MAX VALUE_DEPTH_MAX

struct rows {
    struct call *call;
    struct globals_row *items;
    size_t count, capacity;
    enum status status;
};

static void take(void *context, const struct globals_row *row) {
    struct rows *rows = context;
    struct arena *arena = &rows->call->arena;
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? rows->capacity * 2 : 64;
        struct globals_row *items = arena_alloc(arena, capacity * sizeof *items);
        if (!items) {
            rows->status = STATUS_NO_MEMORY;
            return;
        }
        if (rows->count)
            memcpy(items, rows->items, rows->count * sizeof *items);
        rows->items = items;
        rows->capacity = capacity;
    }
    struct globals_row *out = &rows->items[rows->count++];
    out->updated_ms = row->updated_ms;
    if (arena_copy(arena, row->name, &out->name) || value_copy(row->value, arena, &out->value))
        rows->status = STATUS_NO_MEMORY;
}

static int by_name(const void *left, const void *right) {
    struct slice a = ((const struct globals_row *)left)->name;
    struct slice b = ((const struct globals_row *)right)->name;
    int order = memcmp(a.bytes, b.bytes, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static void write_row(struct call *call, struct slice name, struct value value,
                      uint64_t updated_ms) {
    struct out *out = &call->out;
    struct buffer json;
    buffer_init(&json, 0);
    if (json_encode(value, &json))
        out->status = STATUS_NO_MEMORY;
    out_map(out, NULL);
    out_text(out, "name", name);
    out_json(out, "value", buffer_slice(&json));
    out_time(out, "updated", updated_ms);
    out_end(out);
    buffer_deinit(&json);
}

void route__var_list(struct call *call) {
    struct rows rows = {.call = call};
    globals_list(call->control->globals, SLICE_NONE, take, &rows);
    if (rows.status) {
        call_no_memory(call);
        return;
    }
    if (rows.count)
        qsort(rows.items, rows.count, sizeof *rows.items, by_name);
    out_list(&call->out, NULL);
    for (size_t i = 0; i < rows.count; i++)
        write_row(call, rows.items[i].name, rows.items[i].value, rows.items[i].updated_ms);
    out_end(&call->out);
    call_answer(call);
}

/* The value of a dotted name. False after an answer. */
static bool find(struct call *call, struct globals_row *out) {
    struct rows rows = {.call = call};
    struct slice path, top = slice_cut(call->id, '.', &path);
    globals_list(call->control->globals, top, take, &rows);
    if (rows.status) {
        call_no_memory(call);
        return false;
    }
    *out = rows.count ? rows.items[0] : (struct globals_row){.value = value_nil()};
    if (path.bytes)
        out->value = value_path(out->value, path);
    if (out->value.type != VALUE_NIL)
        return true;
    call_error(call, 404, call->id, "there is no global \"" SLICE_FMT "\"", SLICE_ARG(call->id));
    return false;
}

void route__var_get(struct call *call) {
    struct globals_row row;
    if (!find(call, &row))
        return;
    write_row(call, call->id, row.value, row.updated_ms);
    call_answer(call);
}

/* False after an answer. */
static bool commit(struct call *call, struct value value) {
    struct globals_reader *reader = call->control->globals;
    struct slice path[SEGMENTS_MAX], rest = call->id;
    struct global_change change = {path, 0, value};
    enum status status = STATUS_AGAIN;
    bool is_good = true;
    do {
        path[change.segments] = slice_cut(rest, '.', &rest);
        is_good = path[change.segments++].size > 0;
    } while (is_good && rest.bytes && change.segments < SEGMENTS_MAX);
    if (!is_good || rest.bytes) {
        call_error(call, 422, call->id, "\"" SLICE_FMT "\" has an empty segment, or too many",
                   SLICE_ARG(call->id));
        return false;
    }
    while (status == STATUS_AGAIN) {
        globals_snapshot(reader);
        status = globals_commit(reader, &change, 1);
    }
    globals_release(reader);
    if (!status)
        return true;
    call_error(call, status == STATUS_NO_MEMORY ? 503 : 422, call->id, "%s",
               status == STATUS_TYPE    ? "a name on the way holds no mapping"
               : status == STATUS_LIMIT ? "the value passes max-global or max-globals"
               : status == STATUS_UNSUPPORTED
                   ? "a global holds what JSON can: text in UTF-8, numbers that are finite"
                   : status_text(status));
    return false;
}

void route__var_set(struct call *call) {
    struct value value = value_member(call->arguments, SLICE("value"));
    struct slice text = call_text(call, "text");
    size_t at = 0;
    if (value.type == VALUE_NIL && text.bytes && !call_flag(call, "json")) {
        value = value_bytes(text);
    } else if (value.type == VALUE_NIL &&
               (!text.bytes || json_decode(text, &call->arena, &value, &at))) {
        call_error(call, 422, call->id, "the value is no JSON: see byte %zu", at + 1);
        return;
    }
    if (value.type == VALUE_NIL) {
        call_error(call, 422, call->id, "null is no value; `var unset` removes a global");
        return;
    }
    if (!commit(call, value))
        return;
    struct globals_row row;
    if (!find(call, &row))
        return;
    write_row(call, call->id, row.value, row.updated_ms);
    call_answer(call);
}

void route__var_unset(struct call *call) {
    struct globals_row row;
    if (!find(call, &row) || !commit(call, value_nil()))
        return;
    out_map(&call->out, NULL);
    out_text(&call->out, "name", call->id);
    out_bool(&call->out, "ok", true);
    out_end(&call->out);
    call_answer(call);
}
