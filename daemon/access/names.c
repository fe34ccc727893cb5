/* The names that this machine goes by. */
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access/access.h"

enum { NAMES_MAX = 4 };

static enum status add(struct arena *arena, const char *text, struct access_list *list) {
    struct slice *items = (struct slice *)(uintptr_t)list->items;
    for (size_t i = 0; i < list->count; i++)
        if (slice_equal_nocase(items[i], slice_of(text)))
            return STATUS_OK;
    if (list->count == NAMES_MAX)
        return STATUS_OK;
    return arena_copy(arena, slice_of(text), &items[list->count++]);
}

enum status access_machine_names(struct arena *arena, struct access_list *out) {
    struct access_list list = {arena_alloc(arena, NAMES_MAX * sizeof(struct slice)), 0};
    char host[256] = "";
    if (!list.items)
        return STATUS_NO_MEMORY;
    *out = list;
    if (gethostname(host, sizeof host - 1) != 0 || !host[0])
        return STATUS_OK;
    struct slice rest, name = slice_cut(slice_of(host), '.', &rest);
    const char *local = arena_printf(arena, SLICE_FMT ".local", SLICE_ARG(name));
    const char *bare = arena_text(arena, name);
    if (!local || !bare || add(arena, host, &list) || add(arena, bare, &list) ||
        add(arena, local, &list))
        return STATUS_NO_MEMORY;
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *found = NULL;
    enum status status = STATUS_OK;
    if (getaddrinfo(host, NULL, &hints, &found) == 0) {
        /* Of a machine that calls itself so, `localhost` tells nothing new. */
        if (found->ai_canonname && found->ai_canonname[0])
            status = add(arena, found->ai_canonname, &list);
        freeaddrinfo(found);
    }
    *out = list;
    return status;
}
