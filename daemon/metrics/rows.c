/* The families that tell of servers and clients, by their IDs. */
#include "metrics/internal.h"

struct rows {
    struct metrics_text *text;
    const struct metrics_scrape *scrape;
    struct control_server *servers;
    struct control_client *clients;
    size_t server_count, client_count;
    uint32_t workers;
};

static const char *const server_bounds[SERVER_BOUNDS] = {
    [SERVER_MAX_HEADER] = "max-header-size",
    [SERVER_MAX_HEADER_COUNT] = "max-header-count",
    [SERVER_HEADER_TIMEOUT] = "header-timeout",
    [SERVER_MAX_BODY] = "max-body",
    [SERVER_BODY_TIMEOUT] = "body-timeout",
    [SERVER_IDLE_TIMEOUT] = "idle-timeout",
    [SERVER_RESPONSE_TIMEOUT] = "response-timeout",
    [SERVER_MAX_MESSAGE] = "max-message",
    [SERVER_MAX_BACKLOG] = "max-backlog",
    [SERVER_DRAIN_TIMEOUT] = "drain-timeout",
    [SERVER_PONG_TIMEOUT] = "pong-timeout",
    [SERVER_MAX_SESSIONS] = "max-sessions",
    [SERVER_MAX_PER_ADDRESS] = "max-sessions-per-address",
    [SERVER_HANDSHAKE_TIMEOUT] = "handshake-timeout",
    [SERVER_MAX_TLS_SESSIONS] = "max-tls-sessions"};
static const char *const client_bounds[CLIENT_BOUNDS] = {
    [CLIENT_CONNECT_TIMEOUT] = "connect-timeout", [CLIENT_HANDSHAKE_TIMEOUT] = "handshake-timeout",
    [CLIENT_PONG_TIMEOUT] = "pong-timeout",       [CLIENT_DRAIN_TIMEOUT] = "drain-timeout",
    [CLIENT_MAX_MESSAGE] = "max-message",         [CLIENT_MAX_BACKLOG] = "max-backlog"};
_Static_assert(SERVER_BOUNDS == 15 && CLIENT_BOUNDS == 6, "each bound has its name above");
static const char *const sides[] = {"local", "peer", "lost"};

static void write_servers(const struct rows *rows);
static void write_clients(const struct rows *rows);

void rows_write(struct metrics_text *text, const struct metrics_scrape *scrape) {
    const struct metrics_options *options = &scrape->metrics->options;
    struct rows rows = {.text = text, .scrape = scrape, .workers = options->worker_count};
    struct arena *arena = (struct arena *)&scrape->arena; /* made for this */
    if (options->host->servers(options->context, arena, &rows.servers, &rows.server_count) ||
        options->host->clients(options->context, arena, &rows.clients, &rows.client_count)) {
        text->status = STATUS_NO_MEMORY;
        return;
    }
    write_servers(&rows);
    write_clients(&rows);
}

static uint64_t get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- simple ones: a counter at an offset, summed over the workers -----------------------------
 */

struct simple {
    enum metrics_kind kind;
    const char *name, *help;
    const char *label, *value; /* a second label, or NULL */
    size_t offset;             /* in the counters */
};
#define AT(of, member) offsetof(struct of##_counters, member)

static const struct simple of_servers[] = {
    {METRICS_COUNTER, "bellwire_server_connections", "Connections that were accepted.", NULL, NULL,
     AT(server, connections)},
    {METRICS_COUNTER, "bellwire_server_connections_failed",
     "Connections and handshakes that failed.", NULL, NULL, AT(server, connections_failed)},
    {METRICS_GAUGE, "bellwire_server_connections_open", "Connections that are open.", NULL, NULL,
     AT(server, connections_open)},
    {METRICS_GAUGE, "bellwire_server_sessions", "WebSocket sessions that are open.", NULL, NULL,
     AT(server, sessions_open)},
    {METRICS_COUNTER, "bellwire_http_requests", "Requests whose head was whole.", NULL, NULL,
     AT(server, requests)},
    {METRICS_COUNTER, "bellwire_http_answers_dropped", "Answers whose peer was gone.", NULL, NULL,
     AT(server, answers_dropped)},
    {METRICS_COUNTER, "bellwire_http_answers", "Answers by class of their status.", "code", "1xx",
     AT(server, answers[1])},
    {METRICS_COUNTER, "bellwire_http_answers", NULL, "code", "2xx", AT(server, answers[2])},
    {METRICS_COUNTER, "bellwire_http_answers", NULL, "code", "3xx", AT(server, answers[3])},
    {METRICS_COUNTER, "bellwire_http_answers", NULL, "code", "4xx", AT(server, answers[4])},
    {METRICS_COUNTER, "bellwire_http_answers", NULL, "code", "5xx", AT(server, answers[5])},
    {METRICS_COUNTER, "bellwire_server_messages", "WebSocket messages.", "direction", "in",
     AT(server, messages_in)},
    {METRICS_COUNTER, "bellwire_server_messages", NULL, "direction", "out",
     AT(server, messages_out)},
    {METRICS_COUNTER, "bellwire_server_broadcasts_dropped",
     "Messages of broadcasts that a slow session did not get.", NULL, NULL,
     AT(server, broadcasts_dropped)},
    {METRICS_COUNTER, "bellwire_server_bytes", "Bytes of HTTP and WebSocket.", "direction", "in",
     AT(server, net.bytes_in)},
    {METRICS_COUNTER, "bellwire_server_bytes", NULL, "direction", "out", AT(server, net.bytes_out)},
};
static const struct simple of_clients[] = {
    {METRICS_GAUGE, "bellwire_client_up", "Whether the WebSocket is open.", NULL, NULL,
     AT(client, sessions_open)},
    {METRICS_COUNTER, "bellwire_client_connections", "Attempts to connect.", NULL, NULL,
     AT(client, connections)},
    {METRICS_COUNTER, "bellwire_client_connections_failed", "Attempts of these that failed.", NULL,
     NULL, AT(client, connections_failed)},
    {METRICS_COUNTER, "bellwire_client_messages", "WebSocket messages.", "direction", "in",
     AT(client, messages_in)},
    {METRICS_COUNTER, "bellwire_client_messages", NULL, "direction", "out",
     AT(client, messages_out)},
    {METRICS_COUNTER, "bellwire_client_bytes", "Bytes of HTTP and WebSocket.", "direction", "in",
     AT(client, net.bytes_in)},
    {METRICS_COUNTER, "bellwire_client_bytes", NULL, "direction", "out", AT(client, net.bytes_out)},
};

static uint64_t read_at(const void *counters, size_t offset) {
    return get((const _Atomic uint64_t *)(const void *)((const char *)counters + offset));
}

static uint64_t sum_server(const struct rows *rows, const struct control_server *server,
                           size_t offset) {
    uint64_t sum = 0;
    for (uint32_t w = 0; w < rows->workers; w++)
        sum += read_at(&server->counters[w], offset);
    return sum;
}

static void write_simple(const struct rows *rows, const struct simple *simple, const char *of,
                         size_t count) {
    if (simple->help)
        text_family(rows->text, simple->kind, simple->name, simple->help);
    bool is_server = of[0] == 's';
    for (size_t i = 0; i < count; i++) {
        struct metrics_labels labels = {
            {{of, is_server ? rows->servers[i].id : rows->clients[i].id},
             {simple->label, slice_of(simple->value)}}};
        text_sample(rows->text, &labels,
                    is_server ? sum_server(rows, &rows->servers[i], simple->offset)
                              : read_at(rows->clients[i].counters, simple->offset));
    }
}

/* ---- the rest: one label more, of a fixed list ------------------------------------------------
 */

/* Codes that never came are left out: there are 57 of them for each. */
static void write_closes(const struct rows *rows, const char *of, struct slice id,
                         const uint64_t closes[WS_CODE_CLASSES][3]) {
    for (unsigned code = 0; code < WS_CODE_CLASSES; code++)
        for (size_t side = 0; side < ARRAY_SIZE(sides); side++)
            if (closes[code][side])
                text_sample(rows->text,
                            &(struct metrics_labels){{{of, id},
                                                      {"code", slice_of(ws_code_class_text(code))},
                                                      {"side", slice_of(sides[side])}}},
                            closes[code][side]);
}

static void write_server_closes(const struct rows *rows, const struct control_server *server) {
    uint64_t sum[WS_CODE_CLASSES][3] = {{0}};
    for (uint32_t w = 0; w < rows->workers; w++)
        for (size_t k = 0; k < WS_CODE_CLASSES * 3; k++)
            sum[k / 3][k % 3] += get(&server->counters[w].closes[k / 3][k % 3]);
    write_closes(rows, "server", server->id, (const uint64_t(*)[3])sum);
}

static void write_server_refusals(const struct rows *rows, const struct control_server *server) {
    for (size_t bound = 0; bound < SERVER_BOUNDS; bound++)
        text_sample(rows->text,
                    &(struct metrics_labels){
                        {{"server", server->id}, {"bound", slice_of(server_bounds[bound])}}},
                    sum_server(rows, server, AT(server, refused) + bound * sizeof(uint64_t)));
}

static void write_denied(const struct rows *rows, const struct control_server *server) {
    for (size_t gate = 0; gate < ACCESS_GATES; gate++)
        text_sample(rows->text,
                    &(struct metrics_labels){
                        {{"server", server->id},
                         {"reason", slice_of(access_gate_text((enum access_gate)gate))}}},
                    sum_server(rows, server, AT(server, denied) + gate * sizeof(uint64_t)));
}

static void write_durations(const struct rows *rows, const struct control_server *server) {
    struct histogram sum = {0};
    for (uint32_t w = 0; w < rows->workers; w++)
        histogram_merge(&sum, &server->counters[w].durations);
    text_histogram(rows->text, &(struct metrics_labels){{{"server", server->id}}}, &sum);
}

static void write_listening(const struct rows *rows, const struct control_server *server) {
    text_sample(rows->text, &(struct metrics_labels){{{"server", server->id}}},
                strcmp(server->state, "listening") == 0);
}

static void write_servers(const struct rows *rows) {
    static const struct {
        enum metrics_kind kind;
        const char *name, *help;
        void (*write)(const struct rows *rows, const struct control_server *server);
    } families[] = {{METRICS_GAUGE, "bellwire_server_up", "Whether it listens.", write_listening},
                    {METRICS_HISTOGRAM, "bellwire_http_request_duration_seconds",
                     "From the whole head of a request to its answer.", write_durations},
                    {METRICS_COUNTER, "bellwire_server_closes",
                     "Sessions that ended, by code and side.", write_server_closes},
                    {METRICS_COUNTER, "bellwire_server_refusals", "What passed a bound.",
                     write_server_refusals},
                    {METRICS_COUNTER, "bellwire_http_denied",
                     "Requests that were refused before any task saw them.", write_denied}};
    for (size_t i = 0; i < ARRAY_SIZE(of_servers); i++)
        write_simple(rows, &of_servers[i], "server", rows->server_count);
    for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
        text_family(rows->text, families[f].kind, families[f].name, families[f].help);
        for (size_t i = 0; i < rows->server_count; i++)
            families[f].write(rows, &rows->servers[i]);
    }
}

static void write_client_refusals(const struct rows *rows, const struct control_client *client) {
    for (size_t bound = 0; bound < CLIENT_BOUNDS; bound++)
        text_sample(rows->text,
                    &(struct metrics_labels){
                        {{"client", client->id}, {"bound", slice_of(client_bounds[bound])}}},
                    get(&client->counters->refused[bound]));
}

static void write_client_closes(const struct rows *rows, const struct control_client *client) {
    uint64_t closes[WS_CODE_CLASSES][3];
    for (size_t k = 0; k < WS_CODE_CLASSES * 3; k++)
        closes[k / 3][k % 3] = get(&client->counters->closes[k / 3][k % 3]);
    write_closes(rows, "client", client->id, (const uint64_t(*)[3])closes);
}

static void write_reconnects(const struct rows *rows, const struct control_client *client) {
    const struct metrics_worker *owner = &rows->scrape->workers[client->owner];
    for (size_t i = 0; owner->is_answered && i < owner->client_count; i++)
        if (slice_equal(owner->clients[i].id, client->id))
            text_sample(rows->text, &(struct metrics_labels){{{"client", client->id}}},
                        owner->clients[i].reconnects);
}

static void write_clients(const struct rows *rows) {
    static const struct {
        const char *name, *help;
        void (*write)(const struct rows *rows, const struct control_client *client);
    } families[] = {
        {"bellwire_client_reconnects", "Times that it opened again.", write_reconnects},
        {"bellwire_client_closes", "Sessions that ended, by code and side.", write_client_closes},
        {"bellwire_client_refusals", "What passed a bound.", write_client_refusals}};
    for (size_t i = 0; i < ARRAY_SIZE(of_clients); i++)
        write_simple(rows, &of_clients[i], "client", rows->client_count);
    for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
        text_family(rows->text, METRICS_COUNTER, families[f].name, families[f].help);
        for (size_t i = 0; i < rows->client_count; i++)
            families[f].write(rows, &rows->clients[i]);
    }
}
