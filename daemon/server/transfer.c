/* Files as answers: one chunk of a file in memory for each transfer, the next is read when the
 * kernel has taken the one before. At most READS_MAX chunks of a worker are read at once, other
 * transfers wait in order; one whose peer does not read keeps nobody waiting. */
#include <stdlib.h>
#include <unistd.h>
#include "server/session.h"

#define CHUNK_BYTES (64 * 1024)
#define READS_MAX   256

struct transfer {
    struct list node; /* in set->waiting_transfers */
    struct session *session;
    struct net_job *job;     /* a chunk is being read, or NULL */
    struct server_file file; /* what is left */
    bool is_waiting;         /* for its turn to read */
};

static void go_on(struct transfer *transfer);
static void on_chunk(void *context, enum status status, const struct net_file *chunk);
static void take_chunk(struct transfer *transfer, enum status status, const struct net_file *chunk);
static void start_waiting(struct server_set *set);

enum status transfer__begin(struct session *session, const struct server_file *file) {
    struct transfer *transfer = malloc(sizeof(*transfer));
    if (!transfer) {
        close(file->fd);
        return STATUS_NO_MEMORY;
    }
    *transfer = (struct transfer){.session = session, .file = *file};
    list_init(&transfer->node);
    session->http->transfer = transfer;
    http__set_deadline(session, DEADLINE_DRAIN, session__bounds(session)->drain_timeout_ms);
    go_on(transfer);
    return STATUS_OK;
}

static void go_on(struct transfer *transfer) {
    struct session *session = transfer->session;
    struct server_set *set = session->server->set;
    struct server_file *file = &transfer->file;
    if (transfer->job || transfer->is_waiting) {
        return;
    }
    if (file->size == 0) {
        transfer__end(transfer);
        http__answered(session, true);
        return;
    }
    if (set->read_count >= READS_MAX) {
        transfer->is_waiting = true;
        list_append(&set->waiting_transfers, &transfer->node);
        return;
    }
    struct net_file_range range = {.fd = file->fd,
                                   .offset = file->offset,
                                   .size =
                                       file->size < CHUNK_BYTES ? (size_t)file->size : CHUNK_BYTES};
    transfer->job = net_file_read(session->stream.loop, &range, on_chunk, transfer);
    if (!transfer->job) {
        net_stream_close(&session->stream);
        return;
    }
    set->read_count++;
}

static void on_chunk(void *context, enum status status, const struct net_file *chunk) {
    struct transfer *transfer = context;
    struct session *session = transfer->session;
    struct server_set *set = session->server->set;
    transfer->job = NULL;
    set->read_count--;
    start_waiting(set); /* before this one asks again: everybody in turn */
    take_chunk(transfer, status, chunk);
}

/* The transfer may be gone when it returns. */
static void take_chunk(struct transfer *transfer, enum status status,
                       const struct net_file *chunk) {
    struct session *session = transfer->session;
    struct server_file *file = &transfer->file;
    if (status != STATUS_OK || chunk->bytes.size == 0) {
        /* It shrank: the length that was promised cannot be kept. */
        net_stream_close(&session->stream);
        return;
    }
    file->offset += chunk->bytes.size;
    file->size -= chunk->bytes.size;
    http__set_deadline(session, DEADLINE_DRAIN, session__bounds(session)->drain_timeout_ms);
    if (net_write(&session->stream, &chunk->bytes, 1) == STATUS_OK) {
        net_flush(&session->stream);
        transfer__on_sent(transfer);
    }
}

void transfer__on_sent(struct transfer *transfer) {
    if (net_backlog(&transfer->session->stream) == 0) {
        go_on(transfer);
    }
}

void transfer__end(struct transfer *transfer) {
    struct server_set *set = transfer->session->server->set;
    transfer->session->http->transfer = NULL;
    if (transfer->job) {
        net_job_cancel(transfer->job); /* closes the fd when it is done with it */
    } else {
        close(transfer->file.fd);
    }
    list_remove(&transfer->node);
    bool was_reading = transfer->job != NULL;
    free(transfer);
    if (was_reading) {
        set->read_count--;
        start_waiting(set);
    }
}

static void start_waiting(struct server_set *set) {
    while (set->read_count < READS_MAX && !list_is_empty(&set->waiting_transfers)) {
        struct transfer *next = CONTAINER_OF(set->waiting_transfers.next, struct transfer, node);
        list_remove(&next->node);
        next->is_waiting = false;
        go_on(next);
    }
}
