/* Path classes: the triggers that a session's path selects, worked out when it opens and shared by
 * all sessions that select the same ones. After a reload a session finds its new class at its next
 * event. */
#include <stdlib.h>

#include "triggers/event.h"

#define ROUTES_ON_STACK 64

static struct path_class *make(struct triggers *triggers, const struct http_route *const *routes,
                               size_t count);

struct path_class *triggers__class(struct triggers *triggers, struct session *session) {
    struct path_class *class = session_attachment(session, 1);
    if (class && class->generation == triggers->generation)
        return class;
    const struct trigger_server *server = triggers__server(triggers, session_server(session));
    const struct http_route *few[ROUTES_ON_STACK], **routes = few;
    size_t count =
        server ? http_router_all(server->ws, session_path(session), few, ROUTES_ON_STACK) : 0;
    if (count > ROUTES_ON_STACK) {
        routes = malloc(count * sizeof(const struct http_route *));
        if (!routes)
            return NULL;
        count = http_router_all(server->ws, session_path(session), routes, count);
    }
    struct path_class *found = make(triggers, routes, count);
    if (routes != few)
        free(routes);
    if (!found)
        return NULL;
    found->refs++;
    session_attach(session, 1, found);
    if (class)
        path_class__unref(class);
    return found;
}

/* The class of these routes where the table has it. */
static struct path_class *find(struct triggers *triggers, const struct http_route *const *routes,
                               size_t count) {
    const struct trigger *these[ROUTES_ON_STACK];
    if (count > ROUTES_ON_STACK)
        return NULL;
    for (size_t i = 0; i < count; i++)
        these[i] = routes[i]->value;
    const struct slice key = {(const char *)these, count * sizeof(const struct trigger *)};
    return map_get(&triggers->classes, key);
}

/* The class of these routes, from the table or new; not yet counted for the session. */
static struct path_class *make(struct triggers *triggers, const struct http_route *const *routes,
                               size_t count) {
    size_t bytes = count * sizeof(const struct trigger *);
    struct path_class *class = find(triggers, routes, count);
    if (class)
        return class;
    class = malloc(sizeof *class + bytes);
    if (!class)
        return NULL;
    *class = (struct path_class){
        .generation = triggers->generation, .refs = 1, .count = (uint32_t)count};
    for (size_t i = 0; i < count; i++)
        class->triggers[i] = routes[i]->value;
    class->key = (struct slice){(const char *)class->triggers, bytes};
    struct path_class *known = map_get(&triggers->classes, class->key);
    if (!known && map_put(&triggers->classes, class->key, class) == STATUS_OK)
        return class;
    free(class);
    return known;
}

void path_class__unref(struct path_class *class) {
    if (--class->refs == 0)
        free(class);
}

void path_class__forget_all(struct map *classes) {
    struct hash_key key = classes->key;
    const struct map_entry *entry;
    for (size_t at = 0; (entry = map_next(classes, &at));)
        path_class__unref(entry->value);
    map_deinit(classes);
    map_init(classes, key);
}
