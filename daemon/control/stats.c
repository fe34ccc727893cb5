/* What was counted: totals as they stand, and rates over the last 10 s from a sample each second.
 */
#include <stdlib.h>

#include "control/internal.h"

#define WINDOW 10

enum quantity {
    CONNECTIONS,
    CONNECTIONS_FAILED,
    BYTES_OUT,
    BYTES_IN,
    MESSAGES_OUT,
    MESSAGES_IN,
    REQUESTS,
    QUANTITIES
};
struct totals {
    uint64_t of[QUANTITIES];
    uint64_t open, sessions, answers_dropped, broadcasts_dropped;
    uint64_t denied[ACCESS_GATES];
};
struct sample {
    uint64_t mono_ns;
    uint64_t of[QUANTITIES];
};
struct series { /* of one server, or of one client, then its ID begins with `client:`; kept as long
                   as the daemon, as the server's counters are */
    struct series *next;
    struct slice id; /* behind the struct */
    struct sample samples[WINDOW + 1];
    size_t count; /* taken so far */
};
struct stats {
    struct series *first;
};

/* ---- samples --------------------------------------------------------------------------------- */

static uint64_t get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct totals totals_of(const struct control_server *server, uint32_t worker_count) {
    struct totals sum = {0};
    for (uint32_t i = 0; i < worker_count; i++) {
        const struct server_counters *counters = &server->counters[i];
        sum.of[CONNECTIONS] += get(&counters->connections);
        sum.of[CONNECTIONS_FAILED] += get(&counters->connections_failed);
        sum.of[BYTES_OUT] += get(&counters->net.bytes_out);
        sum.of[BYTES_IN] += get(&counters->net.bytes_in);
        sum.of[MESSAGES_OUT] += get(&counters->messages_out);
        sum.of[MESSAGES_IN] += get(&counters->messages_in);
        sum.of[REQUESTS] += get(&counters->requests);
        sum.open += get(&counters->connections_open);
        sum.sessions += get(&counters->sessions_open);
        sum.answers_dropped += get(&counters->answers_dropped);
        sum.broadcasts_dropped += get(&counters->broadcasts_dropped);
        for (size_t gate = 0; gate < ACCESS_GATES; gate++)
            sum.denied[gate] += get(&counters->denied[gate]);
    }
    return sum;
}

/* A client counts as one connection at a time, on one worker. */
static struct totals totals_of_client(const struct client_counters *counters) {
    struct totals totals = {.open = get(&counters->connections_open),
                            .sessions = get(&counters->sessions_open)};
    totals.of[CONNECTIONS] = get(&counters->connections);
    totals.of[CONNECTIONS_FAILED] = get(&counters->connections_failed);
    totals.of[BYTES_OUT] = get(&counters->net.bytes_out);
    totals.of[BYTES_IN] = get(&counters->net.bytes_in);
    totals.of[MESSAGES_OUT] = get(&counters->messages_out);
    totals.of[MESSAGES_IN] = get(&counters->messages_in);
    return totals;
}

static struct series *series_of(struct stats *stats, struct slice id) {
    for (struct series *series = stats->first; series; series = series->next)
        if (slice_equal(series->id, id))
            return series;
    return NULL;
}

static struct series *series_new(struct stats *stats, struct slice id) {
    struct series *series = calloc(1, sizeof *series + id.size);
    if (!series)
        return NULL; /* its rates are 0 until there is memory */
    char *bytes = (char *)(series + 1);
    memcpy(bytes, id.bytes, id.size);
    series->id = (struct slice){bytes, id.size};
    series->next = stats->first;
    stats->first = series;
    return series;
}

struct stats *stats__new(void) {
    return base_alloc(sizeof(struct stats));
}

void stats__free(struct stats *stats) {
    for (struct series *series = stats->first, *next; series; series = next) {
        next = series->next;
        free(series);
    }
    free(stats);
}

static struct slice key_of(const struct control_client *client, struct arena *arena) {
    return slice_of(arena_printf(arena, "client:" SLICE_FMT, SLICE_ARG(client->id)));
}

static void take_sample(struct stats *stats, struct slice id, const struct totals *totals) {
    struct series *series = series_of(stats, id);
    if (!series)
        series = series_new(stats, id);
    if (!series)
        return;
    struct sample *sample = &series->samples[series->count++ % (WINDOW + 1)];
    sample->mono_ns = clock_system.mono_ns(&clock_system);
    memcpy(sample->of, totals->of, sizeof sample->of);
}

void stats__sample(struct control *control) {
    struct arena arena;
    struct control_server *servers;
    size_t count = 0;
    arena_init(&arena, 4096, 0);
    if (control->host->servers(control->context, &arena, &servers, &count))
        count = 0; /* the next second may have memory */
    for (size_t i = 0; i < count; i++) {
        struct totals totals = totals_of(&servers[i], control->worker_count);
        take_sample(control->stats, servers[i].id, &totals);
    }
    struct control_client *clients;
    if (control->host->clients(control->context, &arena, &clients, &count))
        count = 0; /* likewise */
    for (size_t i = 0; i < count; i++) {
        struct totals totals = totals_of_client(clients[i].counters);
        take_sample(control->stats, key_of(&clients[i], &arena), &totals);
    }
    arena_deinit(&arena);
}

/* Between the newest sample and the oldest of the window. */
static double rate_of(const struct series *series, enum quantity quantity) {
    if (!series || series->count < 2)
        return 0;
    size_t last = series->count - 1, first = last > WINDOW ? last - WINDOW : 0;
    const struct sample *new = &series->samples[last % (WINDOW + 1)],
                        *old = &series->samples[first % (WINDOW + 1)];
    double seconds = (double)(new->mono_ns - old->mono_ns) / 1e9;
    return seconds > 0 ? (double)(new->of[quantity] - old->of[quantity]) / seconds : 0;
}

/* ---- as JSON --------------------------------------------------------------------------------- */

struct figures {
    struct totals totals;
    double rates[QUANTITIES];
};

static void add(struct figures *sum, const struct figures *more) {
    for (size_t i = 0; i < QUANTITIES; i++) {
        sum->totals.of[i] += more->totals.of[i];
        sum->rates[i] += more->rates[i];
    }
    sum->totals.open += more->totals.open;
    sum->totals.sessions += more->totals.sessions;
    sum->totals.answers_dropped += more->totals.answers_dropped;
    sum->totals.broadcasts_dropped += more->totals.broadcasts_dropped;
    for (size_t gate = 0; gate < ACCESS_GATES; gate++)
        sum->totals.denied[gate] += more->totals.denied[gate];
}

static void write_figures(struct out *out, const struct figures *figures) {
    const struct totals *totals = &figures->totals;
    out_map(out, "connections");
    out_u64(out, "total", totals->of[CONNECTIONS]);
    out_u64(out, "open", totals->open);
    out_u64(out, "failed", totals->of[CONNECTIONS_FAILED]);
    out_rate(out, "new_per_second", figures->rates[CONNECTIONS]);
    out_rate(out, "failed_per_second", figures->rates[CONNECTIONS_FAILED]);
    out_end(out);
    out_map(out, "bytes");
    out_u64(out, "sent", totals->of[BYTES_OUT]);
    out_u64(out, "received", totals->of[BYTES_IN]);
    out_rate(out, "sent_per_second", figures->rates[BYTES_OUT]);
    out_rate(out, "received_per_second", figures->rates[BYTES_IN]);
    out_end(out);
    out_map(out, "messages");
    out_u64(out, "sent", totals->of[MESSAGES_OUT]);
    out_u64(out, "received", totals->of[MESSAGES_IN]);
    out_rate(out, "sent_per_second", figures->rates[MESSAGES_OUT]);
    out_rate(out, "received_per_second", figures->rates[MESSAGES_IN]);
    out_u64(out, "broadcasts_dropped", totals->broadcasts_dropped);
    out_end(out);
    out_map(out, "http");
    out_u64(out, "requests", totals->of[REQUESTS]);
    out_rate(out, "requests_per_second", figures->rates[REQUESTS]);
    out_u64(out, "answers_dropped", totals->answers_dropped);
    out_map(out, "denied");
    for (size_t gate = 0; gate < ACCESS_GATES; gate++)
        out_u64(out, access_gate_text((enum access_gate)gate), totals->denied[gate]);
    out_end(out);
    out_end(out);
    out_u64(out, "sessions", totals->sessions);
}

static void ask_engine(struct gather_part *part, const void *input) {
    (void)input; /* nothing to ask beside */
    struct engine_stats *stats = arena_zalloc(&part->arena, sizeof *stats);
    part->data = stats;
    if (stats)
        engine_stats(part->worker->engine, stats);
    else
        part->status = STATUS_NO_MEMORY;
}

static void write_runs(struct out *out, const struct gather_part *parts, uint32_t count) {
    struct engine_stats sum = {0};
    for (uint32_t i = 0; i < count; i++) {
        const struct engine_stats *stats = parts[i].data;
        if (!parts[i].is_answered)
            continue;
        sum.started += stats->started;
        sum.done += stats->done;
        sum.failed += stats->failed;
        sum.cancelled += stats->cancelled;
        sum.live += stats->live;
        sum.waiting += stats->waiting;
        sum.memory_bytes += stats->memory_bytes;
        for (size_t gate = 0; gate < RUN_GATES; gate++)
            sum.refused[gate] += stats->refused[gate];
    }
    out_map(out, "runs");
    out_u64(out, "started", sum.started);
    out_u64(out, "done", sum.done);
    out_u64(out, "failed", sum.failed);
    out_u64(out, "cancelled", sum.cancelled);
    out_u64(out, "active", sum.live);
    out_u64(out, "waiting", sum.waiting);
    out_u64(out, "memory", sum.memory_bytes);
    out_map(out, "refused");
    for (size_t gate = RUN_ADMITTED + 1; gate < RUN_GATES; gate++)
        out_u64(out, run_gate_text((enum run_gate)gate), sum.refused[gate]);
    out_end(out);
    out_end(out);
}

/* The figures of all clients, also added to `sum`; NULL without memory. */
static struct figures *figures_of_clients(struct call *call, const struct control_client *clients,
                                          size_t count, struct figures *sum) {
    struct figures *figures = arena_zalloc(&call->arena, (count + 1) * sizeof *figures);
    for (size_t i = 0; figures && i < count; i++) {
        const struct series *series =
            series_of(call->control->stats, key_of(&clients[i], &call->arena));
        figures[i].totals = totals_of_client(clients[i].counters);
        for (size_t k = 0; k < QUANTITIES; k++)
            figures[i].rates[k] = rate_of(series, (enum quantity)k);
        add(sum, &figures[i]);
    }
    return figures;
}

static void on_stats(struct call *call, struct gather_part *parts, uint32_t part_count) {
    const struct control *control = call->control;
    struct out *out = &call->out;
    struct control_server *servers;
    size_t count;
    struct control_client *clients;
    size_t client_count;
    if (control->host->servers(control->context, &call->arena, &servers, &count) ||
        control->host->clients(control->context, &call->arena, &clients, &client_count)) {
        call_no_memory(call);
        return;
    }
    struct figures sum = {0}, *figures = arena_zalloc(&call->arena, (count + 1) * sizeof *figures);
    for (size_t i = 0; figures && i < count; i++) {
        const struct series *series = series_of(control->stats, servers[i].id);
        figures[i].totals = totals_of(&servers[i], control->worker_count);
        for (size_t k = 0; k < QUANTITIES; k++)
            figures[i].rates[k] = rate_of(series, (enum quantity)k);
        add(&sum, &figures[i]);
    }
    struct figures *of_clients = figures_of_clients(call, clients, client_count, &sum);
    out_map(out, NULL);
    write_figures(out, &sum);
    write_runs(out, parts, part_count);
    out_map(out, "servers");
    for (size_t i = 0; figures && i < count; i++) {
        out_slice_map(out, servers[i].id);
        write_figures(out, &figures[i]);
        out_end(out);
    }
    out_end(out);
    out_map(out, "clients");
    for (size_t i = 0; of_clients && i < client_count; i++) {
        out_slice_map(out, clients[i].id);
        write_figures(out, &of_clients[i]);
        out_end(out);
    }
    out_end(out);
    if (call->is_partial)
        out_bool(out, "partial", true);
    out_end(out);
    call_answer(call);
}

void route__stats(struct call *call) {
    gather(call, &(struct gather_ask){ask_engine, on_stats, NULL, NULL});
}
