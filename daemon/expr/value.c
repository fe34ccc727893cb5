/* Plain values: comparing, looking up, copying deep, replacing one member. Recursion is bounded by
 * VALUE_DEPTH_MAX everywhere, whoever made the value. */
#include "expr/value.h"

#include <stdlib.h>

#include "expr/number.h"

#define FEW_PAIRS 16 /* that are looked through one by one */

static uint32_t pair_index(struct value map, struct slice key);
static bool equal_within(struct value a, struct value b, unsigned depth);
static enum status measure_within(struct value v, unsigned depth, struct value_sizes *sizes);

const char *value_type_text(enum value_type type) {
    static const char *const texts[] = {
        [VALUE_NIL] = "nil",     [VALUE_BOOL] = "boolean", [VALUE_INT] = "integer",
        [VALUE_FLOAT] = "float", [VALUE_BYTES] = "text",   [VALUE_LIST] = "list",
        [VALUE_MAP] = "map",
    };
    return (size_t)type < ARRAY_SIZE(texts) ? texts[type] : "unknown";
}

/* ---- comparing -------------------------------------------------------------------------------
 */
/* Exact: a conversion of the integer would make 2^53 + 1 equal to 2^53. */
static bool equal_int_float(int64_t integer, double number) {
    bool is_in_range = number >= -0x1p63 && number < 0x1p63;
    return is_in_range && (int64_t)number == integer && (double)(int64_t)number == number;
}

static bool equal_lists(struct value a, struct value b, unsigned depth) {
    for (uint32_t i = 0; i < a.count; i++) {
        if (!equal_within(a.items[i], b.items[i], depth))
            return false;
    }
    return true;
}

static int compare_keys(const void *a, const void *b) {
    const struct value_pair *const *left = a, *const *right = b;
    struct slice one = value_slice((*left)->key), other = value_slice((*right)->key);
    size_t common = one.size < other.size ? one.size : other.size;
    int order = common ? memcmp(one.bytes, other.bytes, common) : 0;
    return order ? order : (one.size > other.size) - (one.size < other.size);
}

/* The pairs of a map by their keys; NULL without memory. */
static const struct value_pair **sort_pairs(struct value map) {
    const struct value_pair **sorted = malloc(map.count * sizeof *sorted);
    for (uint32_t i = 0; sorted && i < map.count; i++)
        sorted[i] = &map.pairs[i];
    if (sorted)
        qsort(sorted, map.count, sizeof *sorted, compare_keys);
    return sorted;
}

static const struct value_pair *find_pair(struct value map, const struct value_pair **sorted,
                                          const struct value_pair *like) {
    if (sorted) {
        const struct value_pair **found =
            bsearch(&like, sorted, map.count, sizeof *sorted, compare_keys);
        return found ? *found : NULL;
    }
    uint32_t at = pair_index(map, value_slice(like->key));
    return at < map.count ? &map.pairs[at] : NULL;
}

/* Maps of one origin have one order, so the partner is looked for where the last one was found.
 * Whoever sends a large map may choose another order: that one is sorted first. */
static bool equal_maps(struct value a, struct value b, unsigned depth) {
    const struct value_pair **sorted = NULL;
    bool is_equal = true;
    for (uint32_t i = 0; i < a.count && is_equal; i++) {
        const struct value_pair *pair = &b.pairs[i];
        if (!slice_equal(value_slice(pair->key), value_slice(a.pairs[i].key))) {
            if (!sorted && b.count > FEW_PAIRS)
                sorted = sort_pairs(b);
            pair = find_pair(b, sorted, &a.pairs[i]);
        }
        is_equal = pair && equal_within(a.pairs[i].value, pair->value, depth);
    }
    free(sorted);
    return is_equal;
}

static bool equal_within(struct value a, struct value b, unsigned depth) {
    if (a.type == VALUE_INT && b.type == VALUE_FLOAT)
        return equal_int_float(a.integer, b.number);
    if (a.type == VALUE_FLOAT && b.type == VALUE_INT)
        return equal_int_float(b.integer, a.number);
    if (a.type != b.type)
        return false;
    switch ((enum value_type)a.type) {
        case VALUE_NIL:
            return true;
        case VALUE_BOOL:
            return a.boolean == b.boolean;
        case VALUE_INT:
            return a.integer == b.integer;
        case VALUE_FLOAT:
            return a.number == b.number;
        case VALUE_BYTES:
            return slice_equal(value_slice(a), value_slice(b));
        case VALUE_LIST:
            return depth < VALUE_DEPTH_MAX && a.count == b.count && equal_lists(a, b, depth + 1);
        case VALUE_MAP:
            return depth < VALUE_DEPTH_MAX && a.count == b.count && equal_maps(a, b, depth + 1);
    }
    return false;
}

bool value_equal(struct value a, struct value b) { return equal_within(a, b, 0); }

/* ---- looking up ------------------------------------------------------------------------------
 */
/* Where `key` stands among the pairs of a map, or its count. */
static uint32_t pair_index(struct value map, struct slice key) {
    uint32_t i = 0;
    while (i < map.count && !slice_equal(value_slice(map.pairs[i].key), key))
        i++;
    return i;
}

bool value__find(struct value v, struct slice key, struct value *out) {
    if (v.type == VALUE_MAP) {
        uint32_t at = pair_index(v, key);
        if (at == v.count)
            return false;
        *out = v.pairs[at].value;
        return true;
    }
    uint64_t at = 0;
    if (v.type != VALUE_LIST || slice_to_u64(key, &at) != STATUS_OK || at >= v.count)
        return false;
    *out = v.items[at];
    return true;
}

bool value__find_path(struct value v, struct slice dotted, struct value *out) {
    struct value at = v;
    while (dotted.bytes && dotted.size > 0) {
        const char *dot = memchr(dotted.bytes, '.', dotted.size);
        struct slice key = {dotted.bytes, dot ? (size_t)(dot - dotted.bytes) : dotted.size};
        if (!value__find(at, key, &at))
            return false;
        if (!dot)
            break;
        dotted = (struct slice){dot + 1, dotted.size - key.size - 1};
        if (dotted.size == 0 && !value__find(at, dotted, &at)) /* "a." names the member "" of a */
            return false;
    }
    *out = at;
    return true;
}

struct value value_member(struct value v, struct slice key) {
    struct value out = value_nil();
    (void)value__find(v, key, &out); /* absent leaves nil, which is what the caller gets */
    return out;
}

struct value value_path(struct value v, struct slice dotted) {
    struct value out = value_nil();
    (void)value__find_path(v, dotted, &out); /* as above */
    return out;
}

/* ---- as text ---------------------------------------------------------------------------------
 */
static enum status text_of_json(struct value v, struct arena *arena, struct slice *out) {
    struct buffer json;
    buffer_init(&json, 0);
    enum status status = json_encode(v, &json);
    if (status == STATUS_OK)
        status = arena_copy(arena, buffer_slice(&json), out);
    buffer_deinit(&json);
    return status;
}

enum status value_text(struct value v, struct arena *arena, struct slice *out) {
    char number[NUMBER_TEXT_MAX];
    switch ((enum value_type)v.type) {
        case VALUE_NIL:
            *out = SLICE("");
            return STATUS_OK;
        case VALUE_BOOL:
            *out = v.boolean ? SLICE("true") : SLICE("false");
            return STATUS_OK;
        case VALUE_INT:
            return arena_copy(arena, number__from_int(v.integer, number), out);
        case VALUE_FLOAT:
            return arena_copy(arena, number__from_float(v.number, number), out);
        case VALUE_BYTES:
            *out = value_slice(v);
            return STATUS_OK;
        case VALUE_LIST:
        case VALUE_MAP:
            return text_of_json(v, arena, out);
    }
    return STATUS_TYPE;
}

/* ---- copying ---------------------------------------------------------------------------------
 */
static enum status measure_container(struct value v, unsigned depth, struct value_sizes *sizes) {
    bool is_map = v.type == VALUE_MAP;
    size_t each = is_map ? sizeof(struct value_pair) : sizeof(struct value);
    if (depth == VALUE_DEPTH_MAX ||
        !size_add(sizes->items_bytes, v.count * each, &sizes->items_bytes))
        return STATUS_LIMIT;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < v.count && status == STATUS_OK; i++) {
        if (is_map && !size_add(sizes->text_bytes, v.pairs[i].key.count, &sizes->text_bytes))
            return STATUS_LIMIT;
        status = measure_within(is_map ? v.pairs[i].value : v.items[i], depth + 1, sizes);
    }
    return status;
}

static enum status measure_within(struct value v, unsigned depth, struct value_sizes *sizes) {
    if (v.type == VALUE_BYTES)
        return size_add(sizes->text_bytes, v.count, &sizes->text_bytes) ? STATUS_OK : STATUS_LIMIT;
    if (v.type == VALUE_LIST || v.type == VALUE_MAP)
        return measure_container(v, depth, sizes);
    return STATUS_OK;
}

enum status value__measure(struct value v, struct value_sizes *out) {
    struct value_sizes sizes = {0, 0};
    size_t sum = 0;
    enum status status = measure_within(v, 0, &sizes);
    if (status == STATUS_OK && !size_add(sizes.items_bytes, sizes.text_bytes, &sum))
        status = STATUS_LIMIT;
    if (status == STATUS_OK)
        *out = sizes;
    return status;
}

struct value_room { /* what is left of the two blocks */
    char *items, *text;
};

static struct value place_within(struct value v, struct value_room *room);

static struct value place_bytes(struct value v, struct value_room *room) {
    if (v.count == 0)
        return value_bytes(SLICE(""));
    memcpy(room->text, v.bytes, v.count);
    v.bytes = room->text;
    room->text += v.count;
    return v;
}

static struct value place_list(struct value v, struct value_room *room) {
    struct value *items = (void *)room->items;
    room->items += v.count * sizeof *items;
    for (uint32_t i = 0; i < v.count; i++)
        items[i] = place_within(v.items[i], room);
    v.items = v.count ? items : NULL;
    return v;
}

static struct value place_map(struct value v, struct value_room *room) {
    struct value_pair *pairs = (void *)room->items;
    room->items += v.count * sizeof *pairs;
    for (uint32_t i = 0; i < v.count; i++) {
        pairs[i].key = place_bytes(v.pairs[i].key, room);
        pairs[i].value = place_within(v.pairs[i].value, room);
    }
    v.pairs = v.count ? pairs : NULL;
    return v;
}

/* Recursion is as deep as value__measure() allowed. */
static struct value place_within(struct value v, struct value_room *room) {
    if (v.type == VALUE_BYTES)
        return place_bytes(v, room);
    if (v.type == VALUE_LIST)
        return place_list(v, room);
    return v.type == VALUE_MAP ? place_map(v, room) : v;
}

struct value value__place(struct value v, char *items, char *text) {
    struct value_room room = {items, text};
    return place_within(v, &room);
}

enum status value_copy(struct value v, struct arena *arena, struct value *out) {
    struct value_sizes sizes;
    enum status status = value__measure(v, &sizes);
    if (status != STATUS_OK)
        return status;
    char *items = arena_alloc(arena, sizes.items_bytes);
    char *text = items ? arena_bytes(arena, sizes.text_bytes) : NULL;
    if (!text)
        return STATUS_NO_MEMORY;
    *out = value__place(v, items, text);
    return STATUS_OK;
}

size_t value_bytes_deep(struct value v) {
    struct value_sizes sizes;
    if (value__measure(v, &sizes) != STATUS_OK)
        return SIZE_MAX;
    return sizes.items_bytes + sizes.text_bytes;
}

/* ---- replacing one member --------------------------------------------------------------------
 */
static enum status map_without(struct value map, uint32_t at, struct arena *arena,
                               struct value *out) {
    struct value_pair *pairs = arena_alloc(arena, (map.count - 1) * sizeof *pairs);
    if (!pairs)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0, to = 0; i < map.count; i++) {
        if (i != at)
            pairs[to++] = map.pairs[i];
    }
    map.count--;
    map.pairs = pairs;
    *out = map;
    return STATUS_OK;
}

/* A copy of the pairs of `map` with room for `key` at `at`, which is its count where it is new. */
static struct value_pair *pairs_with_room(struct value map, struct slice key, uint32_t at,
                                          struct arena *arena) {
    bool is_new = at == map.count;
    struct value_pair *pairs = arena_alloc(arena, (map.count + (size_t)is_new) * sizeof *pairs);
    if (!pairs)
        return NULL;
    if (map.count > 0)
        memcpy(pairs, map.pairs, map.count * sizeof *pairs);
    struct slice copy;
    if (is_new && arena_copy(arena, key, &copy) != STATUS_OK)
        return NULL;
    if (is_new)
        pairs[at] = (struct value_pair){.key = value_bytes(copy)};
    return pairs;
}

enum status value_with(struct value root, struct value_place place, struct value v,
                       struct arena *arena, struct value *out) {
    if (place.segments > VALUE_DEPTH_MAX)
        return STATUS_LIMIT;
    bool is_removal = v.type == VALUE_NIL;
    struct value result = v, *slot = &result, current = root;
    for (size_t i = 0; i < place.segments; i++) {
        if (current.type == VALUE_NIL)
            current = (struct value){.type = VALUE_MAP};
        if (current.type != VALUE_MAP)
            return STATUS_TYPE;
        uint32_t at = pair_index(current, place.path[i]);
        bool is_new = at == current.count;
        if (is_removal && is_new) {
            *out = root;
            return STATUS_OK;
        }
        if (is_removal && i + 1 == place.segments) {
            enum status status = map_without(current, at, arena, slot);
            if (status == STATUS_OK)
                *out = result;
            return status;
        }
        struct value_pair *pairs = pairs_with_room(current, place.path[i], at, arena);
        if (!pairs)
            return STATUS_NO_MEMORY;
        *slot = (struct value){
            .type = VALUE_MAP, .count = current.count + (uint32_t)is_new, .pairs = pairs};
        slot = &pairs[at].value;
        current = is_new ? value_nil() : *slot;
    }
    *slot = v;
    *out = result;
    return STATUS_OK;
}
