/* A task started by a request as a peer would send it: one end of a socket pair is given to the
 * server as an accepted connection, the other one is ours. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/internal.h"

#define ANSWER_MAX  (16u << 20)
#define HEADERS_MAX 100
#define RUN_HEADER  "X-Bellwire-Run"

struct request { /* lives until its stream is closed */
    struct net_stream stream;
    struct call *call; /* NULL: answered */
    struct slice task;
    struct buffer in;
    size_t head_bytes; /* 0: the head is not whole */
    struct http_head_scan scan;
    struct http_header headers[HEADERS_MAX];
    struct http_response response;
    struct http_body body;
    struct buffer content;
    bool is_head;
};
struct adoption { /* goes to a worker; the fd belongs to it */
    struct net_message message;
    const struct control_worker *worker;
    struct slice server; /* behind the struct */
    int fd;
};
struct aim {
    struct slice method, target, path, server;
};

static bool read_line(struct call *call, struct slice line, struct aim *aim);
static bool find_server(struct call *call, const struct task *task, struct aim *aim);
static bool adopt(struct call *call, struct slice server, int fd);
static void on_event(struct net_stream *stream, enum net_event event, struct net_bytes data);
static void take(struct request *request, struct net_bytes data);
static void finish(struct request *request);
static void fail(struct request *request, const char *what);

void task__request(struct call *call, const struct task *task, struct slice line,
                   uint64_t timeout_ms) {
    struct aim aim = {0};
    if (!read_line(call, line, &aim) || !find_server(call, task, &aim))
        return;
    struct request *request = calloc(1, sizeof *request);
    int fds[2] = {-1, -1};
    bool is_good =
        request && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0 &&
        net_stream_open(call->control->loop, &request->stream, fds[0], on_event) == STATUS_OK;
    if (!is_good) {
        if (fds[0] >= 0) {
            close(fds[0]);
            close(fds[1]);
        }
        free(request);
        call_error(call, 503, SLICE_NONE, "no request can be made: %s", strerror(errno));
        return;
    }
    request->call = call;
    request->task = task->id;
    if (arena_copy(&call->arena, task->id, &request->task))
        request->task = SLICE_NONE;
    request->is_head = slice_is(aim.method, "HEAD");
    buffer_init(&request->in, ANSWER_MAX);
    buffer_init(&request->content, ANSWER_MAX);
    if (!adopt(call, aim.server, fds[1])) {
        close(fds[1]);
        fail(request, "the server cannot be reached");
        return;
    }
    struct slice body = call_text(call, "body");
    bool is_json = body.size && (body.bytes[0] == '{' || body.bytes[0] == '[');
    const char *type = is_json ? "application/json" : "application/x-www-form-urlencoded";
    char *head = arena_printf(&call->arena,
                              SLICE_FMT " " SLICE_FMT " HTTP/1.1\r\nHost: localhost\r\n"
                                        "Accept: */*\r\nConnection: close\r\n",
                              SLICE_ARG(aim.method), SLICE_ARG(aim.target));
    char *tail = body.bytes
                     ? arena_printf(&call->arena, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                                    type, body.size)
                     : arena_printf(&call->arena, "\r\n");
    if (!head || !tail) {
        fail(request, "out of memory");
        return;
    }
    const struct slice parts[] = {slice_of(head), slice_of(tail), body};
    (void)net_write(&request->stream, parts, 3); /* a lost connection tells by an event */
    if (timeout_ms)
        net_stream_timer(&request->stream, timeout_ms);
}

/* ---- where it goes --------------------------------------------------------------------------- */

static bool is_plain(struct slice target) {
    for (size_t i = 0; i < target.size; i++)
        if ((unsigned char)target.bytes[i] <= ' ' || target.bytes[i] == 0x7f)
            return false;
    return target.size > 0 && target.bytes[0] == '/';
}

/* `GET /hello/bob?x=1`; without a method GET. */
static bool read_line(struct call *call, struct slice line, struct aim *aim) {
    struct slice rest, query;
    line = slice_trim(line);
    enum http_method method;
    aim->method = SLICE("GET");
    aim->target = line;
    if (line.size && line.bytes[0] != '/') {
        aim->method = slice_cut(line, ' ', &rest);
        aim->target = slice_trim(rest);
    }
    if (http_method_parse(aim->method, &method) || method == HTTP_METHOD_CONNECT ||
        !is_plain(aim->target)) {
        call_error(call, 422, SLICE("request"),
                   "\"request\" must be a method and a path, such as GET /hello, got \"" SLICE_FMT
                   "\"",
                   SLICE_ARG(line));
        return false;
    }
    aim->path = slice_cut(aim->target, '?', &query);
    return true;
}

/* Which task the servers of this task's triggers would start; it must be this one. */
static bool find_server(struct call *call, const struct task *task, struct aim *aim) {
    const struct control *control = call->control;
    const struct program *program = control->host->program(control->context);
    const struct task *other = NULL;
    uint64_t allowed = 0;
    bool has_trigger = false;
    enum http_method method = HTTP_METHOD_GET;
    (void)http_method_parse(aim->method, &method); /* it was read before */
    for (size_t i = 0; i < task->trigger_count; i++) {
        if (strcmp(task->triggers[i].kind->name, "http-request") != 0)
            continue;
        has_trigger = true;
        aim->server = trigger__server(control, &task->triggers[i]);
        const struct task *found =
            control->host->find_request(program, aim->server, aim->path, method, &allowed);
        if (found == task)
            return true;
        other = found ? found : other;
    }
    if (!has_trigger)
        call_error(call, 422, task->id, "task \"" SLICE_FMT "\" has no trigger \"http-request\"",
                   SLICE_ARG(task->id));
    else if (other)
        call_error(call, 422, other->id,
                   "\"" SLICE_FMT " " SLICE_FMT "\" starts task \"" SLICE_FMT "\", not \"" SLICE_FMT
                   "\"",
                   SLICE_ARG(aim->method), SLICE_ARG(aim->target), SLICE_ARG(other->id),
                   SLICE_ARG(task->id));
    else
        call_error(call, 422, SLICE("request"), "\"" SLICE_FMT " " SLICE_FMT "\" starts no task%s",
                   SLICE_ARG(aim->method), SLICE_ARG(aim->target),
                   !task->is_enabled ? ": the task is disabled"
                   : allowed         ? ": the path does not take this method"
                                     : "");
    return false;
}

/* ---- the server's end ------------------------------------------------------------------------ */

static void run_adoption(struct net_message *message, struct net_loop *loop) {
    struct adoption *adoption = CONTAINER_OF(message, struct adoption, message);
    struct net_address peer = {.size = sizeof(struct sockaddr_in)};
    struct sockaddr_in *address = (struct sockaddr_in *)&peer.addr;
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!loop || server_set_adopt(adoption->worker->servers, adoption->server, adoption->fd, &peer))
        close(adoption->fd); /* our end sees it closed */
    free(adoption);
}

static bool adopt(struct call *call, struct slice server, int fd) {
    struct control *control = call->control;
    struct adoption *adoption = malloc(sizeof *adoption + server.size);
    if (!adoption)
        return false;
    char *bytes = (char *)(adoption + 1);
    memcpy(bytes, server.bytes, server.size);
    *adoption = (struct adoption){
        .message = {.run = run_adoption, .bytes = sizeof *adoption},
        .worker = &control->workers[control->next_worker++ % control->worker_count],
        .server = {bytes, server.size},
        .fd = fd};
    if (net_post_control(adoption->worker->loop, &adoption->message) == STATUS_OK)
        return true;
    free(adoption);
    return false;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void on_event(struct net_stream *stream, enum net_event event, struct net_bytes data) {
    struct request *request = CONTAINER_OF(stream, struct request, stream);
    switch (event) {
        case NET_DATA:
            if (request->call)
                take(request, data);
            break;
        case NET_TIMEOUT:
            if (request->call)
                finish(request);
            break;
        case NET_END:
        case NET_ERROR:
            if (request->call && request->head_bytes &&
                request->response.body == HTTP_BODY_UNTIL_CLOSE)
                finish(request);
            else if (request->call)
                fail(request, "the server closed the connection without an answer");
            break;
        case NET_CLOSED:
            buffer_deinit(&request->in);
            buffer_deinit(&request->content);
            free(request);
            break;
        default: /* nothing else is asked for */
            break;
    }
}

/* The head is whole from here on; false: not yet, or failed. */
static bool take_head(struct request *request) {
    static const struct http_limits limits = {65536, HEADERS_MAX};
    struct http_error error;
    ssize_t size = http_head_find(&request->scan, buffer_slice(&request->in), &limits, &error);
    if (size == 0)
        return false;
    char *copy = size > 0 ? arena_bytes(&request->call->arena, (size_t)size) : NULL;
    if (copy)
        memcpy(copy, request->in.bytes, (size_t)size);
    if (!copy ||
        http_response_parse((struct slice){copy, (size_t)size}, &limits, request->headers,
                            &request->response, &error) ||
        http_body_begin(&request->body, request->is_head ? HTTP_BODY_NONE : request->response.body,
                        request->response.content_length, ANSWER_MAX)) {
        fail(request, "the server's answer cannot be read");
        return false;
    }
    buffer_consume(&request->in, (size_t)size);
    request->scan = (struct http_head_scan){0};
    if (request->response.status < 200)
        return take_head(request);
    request->head_bytes = (size_t)size;
    return true;
}

static void take(struct request *request, struct net_bytes data) {
    struct slice bytes;
    if (buffer_append(&request->in, (struct slice){(char *)data.bytes, data.size})) {
        fail(request, "the answer is larger than 16 MiB");
        return;
    }
    if (!request->head_bytes && !take_head(request))
        return;
    struct slice input = buffer_slice(&request->in);
    enum http_body_event event;
    while ((event = http_body_next(&request->body, &input, &bytes)) == HTTP_BODY_DATA)
        if (buffer_append(&request->content, bytes)) {
            fail(request, "the answer is larger than 16 MiB");
            return;
        }
    buffer_consume(&request->in, request->in.size - input.size);
    if (event == HTTP_BODY_ERROR)
        fail(request, "the server's answer cannot be read");
    else if (event == HTTP_BODY_DONE)
        finish(request);
}

static void fail(struct request *request, const char *what) {
    struct call *call = request->call;
    request->call = NULL;
    net_stream_close(&request->stream);
    call_error(call, 503, SLICE_NONE, "%s", what);
}

/* A repeated header is one member, as RFC 9110 section 5.3 joins them. */
static void write_headers(struct call *call, const struct request *request) {
    const struct http_header *headers = request->headers;
    size_t count = request->response.header_count;
    out_map(&call->out, "headers");
    for (size_t i = 0; i < count; i++) {
        struct slice value = headers[i].value;
        bool is_first = true;
        for (size_t k = 0; k < i; k++)
            is_first &= !slice_equal_nocase(headers[k].name, headers[i].name);
        for (size_t k = i + 1; is_first && k < count; k++) {
            if (!slice_equal_nocase(headers[k].name, headers[i].name))
                continue;
            char *joined = arena_printf(&call->arena, SLICE_FMT ", " SLICE_FMT, SLICE_ARG(value),
                                        SLICE_ARG(headers[k].value));
            value = joined ? slice_of(joined) : value;
        }
        char *name = is_first ? arena_text(&call->arena, headers[i].name) : NULL;
        if (name)
            out_text(&call->out, name, value);
    }
    out_end(&call->out);
}

struct outcome { /* what is asked of the workers: does the run still go on? */
    unsigned status;
    struct slice run; /* behind the struct */
};

static void ask_run(struct gather_part *part, const void *input) {
    const struct outcome *outcome = input;
    part->count = engine_find_run(part->worker->engine, outcome->run) != NULL;
}

static void on_asked(struct call *call, struct gather_part *parts, uint32_t count) {
    const struct outcome *outcome = gather_input(parts);
    bool is_live = false, has_failed = outcome->status >= 500;
    for (uint32_t i = 0; i < count; i++)
        is_live |= parts[i].is_answered && parts[i].count;
    out_text(&call->out, "status",
             is_live      ? SLICE("started")
             : has_failed ? SLICE("failed")
                          : SLICE("done"));
    if (has_failed && !is_live)
        out_text(&call->out, "error", http_status_text(outcome->status));
    else
        out_null(&call->out, "error");
    out_end(&call->out);
    call_answer(call);
}

/* The answer may have come before the run's end. */
static void ask_outcome(struct call *call, struct slice run, unsigned status) {
    struct outcome *outcome = malloc(sizeof *outcome + run.size);
    if (!outcome) {
        call_no_memory(call);
        return;
    }
    char *bytes = (char *)(outcome + 1);
    if (run.size)
        memcpy(bytes, run.bytes, run.size);
    *outcome = (struct outcome){status, {bytes, run.size}};
    gather(call, &(struct gather_ask){ask_run, on_asked, outcome, free});
}

static void finish(struct request *request) {
    struct call *call = request->call;
    struct out *out = &call->out;
    const struct http_response *response = &request->response;
    bool has_answer = request->head_bytes > 0;
    struct slice run = SLICE_NONE;
    if (has_answer)
        run = http_header_get(request->headers, response->header_count, SLICE(RUN_HEADER));
    request->call = NULL;
    net_stream_close(&request->stream);
    out_map(out, NULL);
    out_text_or_null(out, "run", run);
    out_text(out, "task", request->task);
    if (has_answer) {
        out_map(out, "response");
        out_u64(out, "status", response->status);
        write_headers(call, request);
        out_text(out, "body", buffer_slice(&request->content));
        out_end(out);
        ask_outcome(call, run, response->status);
        return;
    }
    out_text(out, "status", SLICE("started"));
    out_null(out, "error");
    out_bool(out, "timed_out", true);
    out_end(out);
    call_answer(call);
}
