/* Rooms, and the dense arrays that broadcasts walk. A room lives while it has a member. */
#include <stdlib.h>
#include "server/session.h"

static void leave(struct membership **at);

enum status members__add(struct members *members, struct member member) {
    if (members->count == members->capacity) {
        uint32_t capacity = members->capacity ? 2 * members->capacity : 4;
        struct member *items = realloc(members->items, capacity * sizeof(*items));
        if (!items) {
            return STATUS_NO_MEMORY;
        }
        members->items = items;
        members->capacity = capacity;
    }
    members->items[members->count++] = member;
    return STATUS_OK;
}

/* The last one takes the place; the caller corrects what that one knows of its index. */
void members__remove(struct members *members, uint32_t index) {
    members->items[index] = members->items[--members->count];
    if (members->count * 4 < members->capacity && members->capacity > 64) {
        uint32_t capacity = members->capacity / 2;
        struct member *items = realloc(members->items, capacity * sizeof(*items));
        if (items) { /* else it just stays larger */
            members->items = items;
            members->capacity = capacity;
        }
    }
}

struct room *room__find(const struct server *server, struct slice name) {
    return map_get(&server->rooms, name);
}

static struct room *make_room(struct server *server, struct slice name) {
    struct room *room = calloc(1, sizeof(*room) + name.size + 1);
    if (!room) {
        return NULL;
    }
    char *text = (char *)(room + 1);
    if (name.size) {
        memcpy(text, name.bytes, name.size);
    }
    room->name = (struct slice){text, name.size};
    if (map_put(&server->rooms, room->name, room) != STATUS_OK) {
        free(room);
        return NULL;
    }
    return room;
}

static void drop_if_empty(struct server *server, struct room *room) {
    if (room->members.count == 0) {
        (void)map_remove(&server->rooms, room->name); /* it is there */
        free(room->members.items);
        free(room);
    }
}

static struct membership **find_link(struct session *session, struct slice name) {
    struct membership **at = &session->rooms;
    while (*at && !slice_equal((*at)->room->name, name)) {
        at = &(*at)->next;
    }
    return at;
}

/* Peers often choose the names. */
static bool has_room_for(const struct session *session, struct slice name) {
    size_t count = 0;
    for (const struct membership *at = session->rooms; at; at = at->next) {
        count++;
    }
    return count < SERVER_ROOMS_MAX && name.size <= SERVER_ROOM_NAME_MAX;
}

enum status session_join(struct session *session, struct slice name) {
    struct server *server = session->server;
    if (session->state != SESSION_OPEN) {
        return STATUS_CLOSED;
    }
    if (*find_link(session, name)) {
        return STATUS_OK;
    }
    if (!has_room_for(session, name)) {
        return STATUS_LIMIT;
    }
    struct room *room = room__find(server, name);
    room = room ? room : make_room(server, name);
    struct membership *link = room ? malloc(sizeof(*link)) : NULL;
    if (!link) {
        if (room) {
            drop_if_empty(server, room);
        }
        return STATUS_NO_MEMORY;
    }
    struct member member = {.session = session, .link = link};
    if (members__add(&room->members, member) != STATUS_OK) {
        free(link);
        drop_if_empty(server, room);
        return STATUS_NO_MEMORY;
    }
    *link = (struct membership){
        .next = session->rooms, .session = session, .room = room, .index = room->members.count - 1};
    session->rooms = link;
    return STATUS_OK;
}

void session_leave(struct session *session, struct slice name) {
    struct membership **at = find_link(session, name);
    if (*at) {
        leave(at);
    }
}

static void leave(struct membership **at) {
    struct membership *link = *at;
    struct room *room = link->room;
    *at = link->next;
    members__remove(&room->members, link->index);
    if (link->index < room->members.count) {
        room->members.items[link->index].link->index = link->index;
    }
    drop_if_empty(link->session->server, room);
    free(link);
}

void room__leave_all(struct session *session) {
    while (session->rooms) {
        leave(&session->rooms);
    }
}
