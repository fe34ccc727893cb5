/* From an event to its triggers, per server: one router for requests, one for sessions. Built once
 * for a program, immutable, so that workers share it and its cost does not grow with the number of
 * tasks. */
#include <stdlib.h>

#include "triggers/event.h"

struct trigger_index {
    struct arena arena;
    struct trigger_server *servers;
    size_t server_count;
    struct map by_id;
    struct trigger_client_entry *clients;
    size_t client_count;
    struct map clients_by_id;
    const struct trigger **startup;
    size_t startup_count;
};

static void index_free(void *object);
static void warn_too_early(const struct program *program, struct config_diag *diag);
static enum status group(struct trigger_index *index, const struct program *program);
static enum status group_clients(struct trigger_index *index, const struct program *program);
static enum status build_server(struct trigger_index *index, const struct program *program,
                                struct trigger_server *server, struct config_diag *diag);
static enum status build_upgrades(struct trigger_index *index, struct trigger_server *server,
                                  struct config_diag *diag);
static enum status build_closed(struct trigger_index *index, const struct program *program,
                                struct trigger_server *server,
                                bool (*fits)(const struct trigger *trigger),
                                struct http_router **out);
static void report(struct config_diag *diag, const struct http_conflict *conflict);

static bool is_http(const struct trigger *trigger) {
    return trigger->kind == &trigger_http_request;
}

static bool has_path(const struct trigger *trigger) {
    return is_http(trigger) || index__is_accepting(trigger) ||
           trigger->kind == &trigger_server_close || trigger->kind == &trigger_server_error;
}

static const struct trigger_upgrade *upgrade_of(const struct trigger *trigger) {
    return trigger->kind == &trigger_server_upgrade ? trigger->args : NULL;
}

static bool is_decider(const struct trigger *trigger) {
    const struct trigger_upgrade *upgrade = upgrade_of(trigger);
    return upgrade && upgrade->mode == UPGRADE_MANUAL;
}

static bool is_guard(const struct trigger *trigger) {
    const struct trigger_upgrade *upgrade = upgrade_of(trigger);
    return upgrade && upgrade->auth.is_given;
}

static bool is_of_client(const struct trigger *trigger) {
    return trigger->kind == &trigger_client_connected || trigger->kind == &trigger_client_open ||
           trigger->kind == &trigger_client_message || trigger->kind == &trigger_client_close ||
           trigger->kind == &trigger_client_error;
}

bool index__is_accepting(const struct trigger *trigger) {
    return trigger->kind == &trigger_server_open || trigger->kind == &trigger_server_message ||
           trigger->kind == &trigger_server_upgrade;
}

/* Whether a step somewhere below sends to the run's own client. */
static bool sends_to(const struct config_node *node, struct slice client) {
    const struct config_node *sent =
        node->kind == CONFIG_MAP ? config_get(node, "send-message") : NULL;
    const struct config_node *to = sent && sent->kind == CONFIG_MAP ? config_get(sent, "to") : NULL;
    const struct config_node *named =
        to && to->kind == CONFIG_MAP ? config_get(to, "client") : NULL;
    if (sent && (!to || (named && slice_equal(named->text, client))))
        return true;
    for (size_t i = 0; node->kind != CONFIG_SCALAR && i < node->count; i++)
        if (sends_to(node->items[i], client))
            return true;
    return false;
}

static void warn_too_early(const struct program *program, struct config_diag *diag) {
    for (size_t i = 0; i < program_trigger_count(program); i++) {
        const struct trigger *trigger = program_trigger(program, i);
        const struct config_node *task = trigger->task->declaration;
        const struct config_node *actions =
            task && task->kind == CONFIG_MAP ? config_get(task, "actions") : NULL;
        if (trigger->kind != &trigger_client_connected || !actions ||
            !sends_to(actions, ((const struct trigger_client *)trigger->args)->client))
            continue;
        config_warning(diag, trigger->mark,
                       "task \"" SLICE_FMT "\" sends a message on \"client-connected\", which is "
                       "too early",
                       SLICE_ARG(trigger->task->id));
        config_hint(diag, "\"client-open\" tells when the client can send");
    }
}

enum status triggers_index(struct program *program, struct config_diag *diag) {
    struct trigger_index *index = calloc(1, sizeof *index);
    if (!index)
        return STATUS_NO_MEMORY;
    arena_init(&index->arena, 16384, 0);
    map_init(&index->by_id, (struct hash_key){0}); /* the keys are the administrator's own */
    map_init(&index->clients_by_id, (struct hash_key){0});
    size_t errors = diag->errors;
    warn_too_early(program, diag);
    enum status status = group(index, program);
    status = status ? status : group_clients(index, program);
    for (size_t i = 0; i < index->server_count && !status; i++)
        status = build_server(index, program, &index->servers[i], diag);
    if (!status && diag->errors > errors)
        status = STATUS_EXISTS;
    if (status)
        index_free(index);
    else
        program_set_index(program, index, index_free);
    return status;
}

static void index_free(void *object) {
    struct trigger_index *index = object;
    map_deinit(&index->by_id);
    map_deinit(&index->clients_by_id);
    arena_deinit(&index->arena);
    free(index);
}

/* Finds the servers that triggers name, and counts what each one has. */
static enum status group(struct trigger_index *index, const struct program *program) {
    size_t count = program_trigger_count(program);
    index->servers = arena_zalloc(&index->arena, count * sizeof *index->servers);
    index->startup = arena_alloc(&index->arena, count * sizeof *index->startup);
    if (!index->servers || !index->startup)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct trigger *trigger = program_trigger(program, i);
        if (trigger->kind == &trigger_startup)
            index->startup[index->startup_count++] = trigger;
        if (!has_path(trigger))
            continue;
        struct slice id = ((const struct trigger_path *)trigger->args)->server;
        struct trigger_server *server = map_get(&index->by_id, id);
        if (!server) {
            server = &index->servers[index->server_count++];
            server->id = id;
            if (map_put(&index->by_id, id, server))
                return STATUS_NO_MEMORY;
        }
        *(is_http(trigger) ? &server->http_count : &server->ws_count) += 1;
    }
    return STATUS_OK;
}

static struct trigger_client_entry *client_of(struct trigger_index *index,
                                              const struct trigger *trigger) {
    struct slice id = ((const struct trigger_client *)trigger->args)->client;
    struct trigger_client_entry *client = map_get(&index->clients_by_id, id);
    if (client)
        return client;
    client = &index->clients[index->client_count++];
    client->id = id;
    return map_put(&index->clients_by_id, id, client) == STATUS_OK ? client : NULL;
}

/* Twice over the triggers: to count, then to fill in. */
static enum status group_clients(struct trigger_index *index, const struct program *program) {
    size_t count = program_trigger_count(program);
    index->clients = arena_zalloc(&index->arena, count * sizeof *index->clients);
    if (!index->clients)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct trigger *trigger = program_trigger(program, i);
        struct trigger_client_entry *client =
            is_of_client(trigger) ? client_of(index, trigger) : NULL;
        if (client)
            client->count++;
        else if (is_of_client(trigger))
            return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < index->client_count; i++) {
        struct trigger_client_entry *client = &index->clients[i];
        client->triggers = arena_alloc(&index->arena, client->count * sizeof *client->triggers);
        if (!client->triggers)
            return STATUS_NO_MEMORY;
        client->count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        const struct trigger *trigger = program_trigger(program, i);
        if (is_of_client(trigger)) {
            struct trigger_client_entry *client = client_of(index, trigger);
            client->triggers[client->count++] = trigger;
        }
    }
    return STATUS_OK;
}

static enum status build_server(struct trigger_index *index, const struct program *program,
                                struct trigger_server *server, struct config_diag *diag) {
    struct http_route *http = arena_alloc(&index->arena, server->http_count * sizeof *http);
    struct http_route *ws = arena_alloc(&index->arena, server->ws_count * sizeof *ws);
    if (!http || !ws)
        return STATUS_NO_MEMORY;
    server->ws_routes = ws;
    for (size_t i = 0, at_http = 0, at_ws = 0; i < program_trigger_count(program); i++) {
        const struct trigger *trigger = program_trigger(program, i);
        if (!has_path(trigger) ||
            map_get(&index->by_id, ((const struct trigger_path *)trigger->args)->server) != server)
            continue;
        const struct trigger_path *path = trigger->args;
        struct http_route route = {.pattern = path->pattern, .value = (void *)(uintptr_t)trigger};
        if (is_http(trigger)) {
            route.methods = ((const struct trigger_http *)trigger->args)->method_bits;
            http[at_http++] = route;
        } else {
            ws[at_ws++] = route;
        }
    }
    struct http_conflict *conflict = NULL;
    enum status status =
        http_router_build(&index->arena, http, server->http_count, &conflict, &server->http);
    for (; conflict && !status; conflict = conflict->next)
        report(diag, conflict);
    status =
        status ? status : http_router_build(&index->arena, ws, server->ws_count, NULL, &server->ws);
    status = status ? status : build_upgrades(index, server, diag);
    status = status ? status
                    : build_closed(index, program, server, is_decider, &server->closed_deciders);
    return status ? status : build_closed(index, program, server, is_guard, &server->closed_guards);
}

/* Of the routes of sessions, those whose triggers `fits` picks. */
static enum status build_some(struct trigger_index *index, struct trigger_server *server,
                              bool (*fits)(const struct trigger *trigger), struct config_diag *diag,
                              struct http_router **out) {
    struct http_route *routes = arena_alloc(&index->arena, server->ws_count * sizeof *routes);
    struct http_conflict *conflict = NULL;
    size_t count = 0;
    if (!routes)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < server->ws_count; i++)
        if (fits(server->ws_routes[i].value))
            routes[count++] = server->ws_routes[i];
    enum status status = http_router_build(&index->arena, routes, count, &conflict, out);
    for (; conflict && !status; conflict = conflict->next)
        report(diag, conflict);
    return status;
}

/* Who decides and who guards a handshake must be clear. */
static enum status build_upgrades(struct trigger_index *index, struct trigger_server *server,
                                  struct config_diag *diag) {
    size_t errors = diag->errors;
    enum status status = build_some(index, server, is_decider, diag, &server->deciders);
    if (status || diag->errors > errors) /* one that does both is told of once */
        return status;
    return build_some(index, server, is_guard, diag, &server->guards);
}

/* The triggers of a disabled task that `fits` picks, into `routes` (NULL: they are counted). */
static size_t take_closed(const struct task *task, const struct trigger_server *server,
                          bool (*fits)(const struct trigger *trigger), struct http_route *routes) {
    size_t count = 0;
    for (size_t i = 0; !task->is_enabled && i < task->trigger_count; i++) {
        const struct trigger *trigger = &task->triggers[i];
        const struct trigger_path *path = trigger->args;
        if (!fits(trigger) || !slice_equal(path->server, server->id))
            continue;
        if (routes)
            routes[count] =
                (struct http_route){.pattern = path->pattern, .value = (void *)(uintptr_t)trigger};
        count++;
    }
    return count;
}

/* Disabled tasks may have the same paths as others: no conflict is told of. */
static enum status build_closed(struct trigger_index *index, const struct program *program,
                                struct trigger_server *server,
                                bool (*fits)(const struct trigger *trigger),
                                struct http_router **out) {
    size_t count = 0;
    for (size_t i = 0; i < program_task_count(program); i++)
        count += take_closed(program_task(program, i), server, fits, NULL);
    if (count == 0)
        return STATUS_OK;
    struct http_route *routes = arena_alloc(&index->arena, count * sizeof *routes);
    if (!routes)
        return STATUS_NO_MEMORY;
    count = 0;
    for (size_t i = 0; i < program_task_count(program); i++)
        count += take_closed(program_task(program, i), server, fits, routes + count);
    return http_router_build(&index->arena, routes, count, NULL, out);
}

static void report(struct config_diag *diag, const struct http_conflict *conflict) {
    const struct trigger *first = conflict->first->value, *second = conflict->second->value;
    struct slice path = ((const struct trigger_path *)second->args)->path;
    config_error(diag, second->mark,
                 "\"%s\" of task \"" SLICE_FMT "\" matches the same requests to \"" SLICE_FMT
                 "\" as another one of its server",
                 second->kind->name, SLICE_ARG(second->task->id),
                 SLICE_ARG(path.bytes ? path : SLICE("any path")));
    config_note(diag, first->mark, "task \"" SLICE_FMT "\" has them already",
                SLICE_ARG(first->task->id));
    config_hint(diag, "give one of them another path%s, or another server",
                is_http(second) ? " or method" : "");
}

const struct trigger_server *index__find(const struct program *program, struct slice server) {
    const struct trigger_index *index = program_index(program);
    return index ? map_get(&index->by_id, server) : NULL;
}

const struct trigger_client_entry *index__find_client(const struct program *program,
                                                      struct slice client) {
    const struct trigger_index *index = program_index(program);
    return index ? map_get(&index->clients_by_id, client) : NULL;
}

size_t index__startup(const struct program *program, const struct trigger *const **out) {
    const struct trigger_index *index = program_index(program);
    *out = index ? index->startup : NULL;
    return index ? index->startup_count : 0;
}

const struct task *triggers_find_request(const struct program *program, struct slice server,
                                         struct slice raw_path, enum http_method method,
                                         uint64_t *allowed) {
    const struct trigger_server *found = index__find(program, server);
    *allowed = 0;
    if (!found)
        return NULL;
    const struct http_route *route = http_router_best(found->http, raw_path, method, allowed);
    return route ? ((const struct trigger *)route->value)->task : NULL;
}
