/* Gathers states into registry rows. What clients know is copied on their workers. */
#include "daemon/note.h"

#include <stdlib.h>

#include "daemon/supervisor.h"

struct note { /* one worker's clients */
    struct supervisor *supervisor;
    struct arena arena;
    struct client_info *clients;
    size_t count;
};

static void note_servers(struct supervisor *supervisor) {
    struct arena arena;
    arena_init(&arena, 4096, 0);
    struct list *at;
    size_t count = 0;
    LIST_FOR_EACH(at, &supervisor->servers) { count++; }
    struct registry_row *rows = arena_zalloc(&arena, count * sizeof *rows);
    struct registry_rows all = {rows, 0};
    LIST_FOR_EACH(at, &supervisor->servers) {
        const struct server_row *row = CONTAINER_OF(at, struct server_row, link);
        if (rows && row->is_declared)
            rows[all.count++] =
                (struct registry_row){.id = row->id,
                                      .origin = row->origin,
                                      .state = slice_of(supervisor__server_state(row)),
                                      .error = slice_of(row->error),
                                      .since_ms = row->since_ms};
    }
    if (all.count)
        (void)registry_note(supervisor->registry, REGISTRY_SERVER, &all,
                            (struct registry_done){0}); /* written again the next time */
    arena_deinit(&arena);
}

static void note_clients(struct note *note) {
    struct supervisor *supervisor = note->supervisor;
    struct registry_row *rows = arena_zalloc(&note->arena, note->count * sizeof *rows);
    struct registry_rows all = {rows, 0};
    for (size_t i = 0; rows && i < note->count; i++) {
        const struct client_info *info = &note->clients[i];
        const struct client_row *row = supervisor__client(supervisor, info->id);
        if (row && row->is_declared)
            rows[all.count++] =
                (struct registry_row){.id = info->id,
                                      .origin = row->origin,
                                      .state = slice_of(client_state_name(info->state)),
                                      .error = info->error,
                                      .since_ms = info->since_wall_ms,
                                      .last_sent = info->last_sent.text,
                                      .last_sent_ms = info->last_sent.wall_ms,
                                      .last_received = info->last_received.text,
                                      .last_received_ms = info->last_received.wall_ms};
    }
    if (all.count)
        (void)registry_note(supervisor->registry, REGISTRY_CLIENT, &all,
                            (struct registry_done){0}); /* written again the next time */
}

static void ask(struct worker *worker, void *context) {
    struct note *note = context;
    if (client_set_info(worker->clients, SLICE_NONE, &note->arena, &note->clients, &note->count))
        note->count = 0;
}

static void answered(struct worker *worker, void *context) {
    (void)worker; /* the note has all */
    struct note *note = context;
    if (note->supervisor->registry)
        note_clients(note);
    arena_deinit(&note->arena);
    free(note);
}

static struct note *note_new(struct supervisor *supervisor) {
    struct note *note = base_alloc(sizeof *note);
    note->supervisor = supervisor;
    arena_init(&note->arena, 4096, 0);
    return note;
}

void note_states(struct supervisor *supervisor) {
    note_servers(supervisor);
    for (uint32_t i = 0; i < supervisor->worker_count && !list_is_empty(&supervisor->clients);
         i++) {
        struct note *note = note_new(supervisor);
        worker_do(&supervisor->workers[i], ask, supervisor->loop, answered, note);
    }
}

void note_last(struct supervisor *supervisor) {
    if (supervisor->state != SUPERVISOR_ENDED)
        return; /* it never served */
    note_servers(supervisor);
    for (uint32_t i = 0; i < supervisor->worker_count; i++) {
        struct note *note = note_new(supervisor);
        ask(&supervisor->workers[i], note);
        answered(&supervisor->workers[i], note);
    }
}
