/* JSON of an event, decoded when the first template or match key asks for it. */
#include "triggers/event.h"

void event__json_init(struct event_json *json, struct slice text) {
    json->text = text;
    json->is_decoded = false;
    arena_init(&json->arena, 1024,
               0); /* the text itself is bounded, and so is what it decodes to */
}

void event__json_deinit(struct event_json *json) { arena_deinit(&json->arena); }

const struct value *event__json(void *context) {
    struct event_json *json = context;
    if (json->is_decoded)
        return &json->value;
    size_t at;
    if (json_decode(json->text, &json->arena, &json->value, &at) != STATUS_OK)
        json->value = value_nil();
    json->is_decoded = true;
    return &json->value;
}

/* A member that is null is nil; an absent one is the empty text. */
struct value event__json_get(struct event_json *json, struct slice dotted) {
    struct value at = *event__json(json);
    for (struct slice rest = dotted; rest.bytes;) {
        struct slice name = slice_cut(rest, '.', &rest);
        struct value next = value_member(at, name);
        bool is_there = next.type != VALUE_NIL;
        for (uint32_t i = 0; at.type == VALUE_MAP && !is_there && i < at.count; i++)
            is_there = slice_equal(value_slice(at.pairs[i].key), name);
        uint64_t index;
        if (at.type == VALUE_LIST && !is_there)
            is_there = slice_to_u64(name, &index) == STATUS_OK && index < at.count;
        if (!is_there)
            return value_bytes(SLICE(""));
        at = next;
    }
    return at;
}
