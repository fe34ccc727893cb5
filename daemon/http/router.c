/* Routes in a trie over path segments. Immutable once built, so all threads may read it.
 *
 * A node has up to three kinds of children: literals, all in one hash table of the router keyed by
 * {node, segment}; one for {name}; one for {name...}. So a look-up costs a hash per segment however
 * many routes there are. A search goes literal first, then {name}, then {name...}, and steps back
 * where a branch ends without a route: that is the order of specificity. Its depth is bounded by
 * HTTP__SEGMENTS_MAX, since the trie's is. */
#include "http/pattern.h"

struct slot { /* a route, and the next one on the same node, in the order given; 0 for none */
    struct http_route route;
    uint32_t next;
};
struct node {
    uint32_t param, rest; /* nodes, 0 for none: 0 is the root */
    uint32_t first, last; /* slots */
    bool has_literals;    /* children in the table */
};
struct literal {
    struct slice text;
    uint32_t parent, child; /* child 0: a free place */
};
struct http_router {
    struct slot *slots; /* from 1 */
    struct node *nodes;
    struct literal *literals;
    uint32_t slot_count, node_count, literal_mask;
    struct node everywhere; /* the routes without a pattern */
};

/* FNV-1a. The table never grows and holds the configuration's own texts at half its capacity, so
 * that no peer can choose what collides in it. */
static uint32_t hash(uint32_t parent, struct slice text) {
    uint64_t value = UINT64_C(0xcbf29ce484222325) ^ parent * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < text.size; i++)
        value = (value ^ (uint8_t)text.bytes[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(value ^ value >> 32);
}

static struct literal *find_place(const struct http_router *router, uint32_t parent,
                                  struct slice text) {
    uint32_t at = hash(parent, text) & router->literal_mask;
    for (;;) {
        struct literal *literal = &router->literals[at];
        if (literal->child == 0 || (literal->parent == parent && slice_equal(literal->text, text)))
            return literal;
        at = (at + 1) & router->literal_mask;
    }
}

/* ---- building -------------------------------------------------------------------------------- */

static enum status allocate(struct arena *arena, const struct http_route *routes, size_t count,
                            struct http_router **out) {
    size_t nodes = 1, places = 16;
    for (size_t i = 0; i < count; i++)
        nodes += routes[i].pattern ? routes[i].pattern->count : 0;
    while (places < nodes * 2)
        places *= 2;
    if (count >= UINT32_MAX || places > UINT32_MAX)
        return STATUS_NO_MEMORY;
    struct http_router *router = arena_zalloc(arena, sizeof *router);
    if (!router)
        return STATUS_NO_MEMORY;
    router->slots = arena_zalloc(arena, (count + 1) * sizeof *router->slots);
    router->nodes = arena_zalloc(arena, nodes * sizeof *router->nodes);
    router->literals = arena_zalloc(arena, places * sizeof *router->literals);
    if (!router->slots || !router->nodes || !router->literals)
        return STATUS_NO_MEMORY;
    router->literal_mask = (uint32_t)(places - 1);
    router->node_count = router->slot_count = 1;
    *out = router;
    return STATUS_OK;
}

static uint32_t enter(struct http_router *router, uint32_t at,
                      const struct http__segment *segment) {
    if (segment->kind == HTTP__LITERAL) {
        struct literal *literal = find_place(router, at, segment->text);
        if (literal->child == 0)
            *literal = (struct literal){segment->text, at, router->node_count++};
        router->nodes[at].has_literals = true;
        return literal->child;
    }
    struct node *node = &router->nodes[at];
    uint32_t *child = segment->kind == HTTP__PARAM ? &node->param : &node->rest;
    if (*child == 0)
        *child = router->node_count++;
    return *child;
}

static struct node *enter_all(struct http_router *router, const struct http_pattern *pattern) {
    uint32_t at = 0;
    if (!pattern)
        return &router->everywhere;
    for (size_t i = 0; i < pattern->count; i++)
        at = enter(router, at, &pattern->segments[i]);
    return &router->nodes[at];
}

static bool are_equal(uint64_t a, uint64_t b) { return (a & b) != 0 || (a == 0 && b == 0); }

static const struct http_route *find_equal(const struct http_router *router,
                                           const struct node *node, uint64_t methods) {
    for (uint32_t at = node->first; at; at = router->slots[at].next) {
        if (are_equal(router->slots[at].route.methods, methods))
            return &router->slots[at].route;
    }
    return NULL;
}

static void link_slot(struct http_router *router, struct node *node, uint32_t at) {
    if (node->last)
        router->slots[node->last].next = at;
    else
        node->first = at;
    node->last = at;
}

enum status http_router_build(struct arena *arena, const struct http_route *routes, size_t count,
                              struct http_conflict **conflicts, struct http_router **out) {
    struct http_router *router;
    struct http_conflict **tail = conflicts;
    enum status status = allocate(arena, routes, count, &router);
    if (status)
        return status;
    if (conflicts)
        *conflicts = NULL;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = router->slot_count++;
        struct node *node = enter_all(router, routes[i].pattern);
        router->slots[at].route = routes[i];
        const struct http_route *equal =
            conflicts ? find_equal(router, node, routes[i].methods) : NULL;
        if (!equal) {
            link_slot(router, node, at);
            continue;
        }
        struct http_conflict *conflict = arena_zalloc(arena, sizeof *conflict);
        if (!conflict)
            return STATUS_NO_MEMORY;
        *conflict = (struct http_conflict){equal, &router->slots[at].route, NULL};
        *tail = conflict;
        tail = &conflict->next;
    }
    *out = router;
    return STATUS_OK;
}

/* ---- the best route -------------------------------------------------------------------------- */

struct search {
    const struct http_router *router;
    const struct http_route *(*visit)(struct search *search, const struct node *node);
    uint64_t bit, allowed;         /* for the best one: the method, and those seen elsewhere */
    const struct http_route **out; /* for all */
    size_t capacity, count, nodes;
};

/* The child by a literal, 0 for none. */
static uint32_t find_child(const struct http_router *router, uint32_t parent, struct slice raw) {
    char decoded[HTTP__LITERAL_MAX];
    struct slice text;
    return http__segment_decode(raw, decoded, &text) ? find_place(router, parent, text)->child : 0;
}

/* Calls visit() for each node that the path from `at` on reaches, the most specific first, until it
 * gives a route. */
static const struct http_route *walk(struct search *search, uint32_t at, struct slice rest) {
    const struct http_router *router = search->router;
    const struct node *node = &router->nodes[at];
    const struct http_route *found = NULL;
    struct slice next;
    if (!rest.bytes)
        return node->first ? search->visit(search, node) : NULL;
    struct slice raw = slice_cut(rest, '/', &next);
    uint32_t child = node->has_literals ? find_child(router, at, raw) : 0;
    if (child)
        found = walk(search, child, next);
    if (!found && node->param && raw.size > 0)
        found = walk(search, node->param, next);
    if (!found && node->rest)
        found = search->visit(search, &router->nodes[node->rest]);
    return found;
}

static const struct http_route *walk_path(struct search *search, struct slice raw_path) {
    const struct http_route *found = NULL;
    struct slice rest = http__path_start(raw_path);
    if (rest.bytes)
        found = walk(search, 0, rest);
    return found ? found : search->visit(search, &search->router->everywhere);
}

/* GET includes HEAD, but a route that names HEAD is nearer to it. */
static const struct http_route *visit_best(struct search *search, const struct node *node) {
    const struct http_route *by_get = NULL, *by_any = NULL;
    const struct slot *slots = search->router->slots;
    bool is_head = search->bit == HTTP_METHOD_BIT(HTTP_METHOD_HEAD);
    for (uint32_t at = node->first; at; at = slots[at].next) {
        const struct http_route *route = &slots[at].route;
        if (route->methods & search->bit)
            return route;
        if (is_head && !by_get && (route->methods & HTTP_METHOD_BIT(HTTP_METHOD_GET)))
            by_get = route;
        if (route->methods == 0 && !by_any)
            by_any = route;
        search->allowed |= route->methods;
    }
    return by_get ? by_get : by_any;
}

const struct http_route *http_router_best(const struct http_router *router, struct slice raw_path,
                                          enum http_method method, uint64_t *allowed) {
    struct search search = {.router = router, .visit = visit_best, .bit = HTTP_METHOD_BIT(method)};
    const struct http_route *found = walk_path(&search, raw_path);
    *allowed = search.allowed;
    if (search.allowed & HTTP_METHOD_BIT(HTTP_METHOD_GET))
        *allowed |= HTTP_METHOD_BIT(HTTP_METHOD_HEAD);
    return found;
}

/* ---- all routes ------------------------------------------------------------------------------ */

static const struct http_route *visit_all(struct search *search, const struct node *node) {
    const struct slot *slots = search->router->slots;
    for (uint32_t at = node->first; at; at = slots[at].next) {
        if (search->count < search->capacity)
            search->out[search->count] = &slots[at].route;
        search->count++;
    }
    search->nodes += node->first != 0;
    return NULL;
}

/* Shell sort: in place, and near to linear on the few sorted runs that come in. The routes lie in
 * one array, so their addresses have the order of the build. */
static void sort(const struct http_route **routes, size_t count) {
    size_t gap = 1;
    while (gap < count / 3)
        gap = gap * 3 + 1;
    for (; gap > 0; gap /= 3) {
        for (size_t i = gap; i < count; i++) {
            const struct http_route *route = routes[i];
            size_t at = i;
            for (; at >= gap && routes[at - gap] > route; at -= gap)
                routes[at] = routes[at - gap];
            routes[at] = route;
        }
    }
}

size_t http_router_all(const struct http_router *router, struct slice raw_path,
                       const struct http_route **out, size_t capacity) {
    struct search search = {.router = router, .visit = visit_all, .out = out, .capacity = capacity};
    (void)walk_path(&search, raw_path); /* visit_all() finds none, so that all are visited */
    if (search.nodes > 1)
        sort(out, search.count < capacity ? search.count : capacity);
    return search.count;
}
