/* Files as answers: opened in the pool, small ones whole, large ones in chunks; conditions and one
 * range of RFC 9110 sections 13 and 14. */
#include "actions/http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define WHOLE_BYTES (64u << 10)
#define RANGE_MAX   72

struct file_answer { /* the step's data, with copies of all texts */
    struct net_job *job;
    struct reply reply;
    struct slice path;
    bool has_root;
};
struct part { /* of the file that is to be sent */
    uint64_t first, size;
};

static void on_file(void *context, enum status status, const struct net_file *file);
static enum step_state answer_found(struct step *step, struct file_answer *found,
                                    const struct net_file *file);
static enum step_state not_found(struct step *step, struct file_answer *answer);

static bool keep_headers(struct step *step, struct reply *reply) {
    struct http_header *headers = step_alloc(step, reply->capacity * sizeof *headers);
    if (!headers) {
        action__no_memory(step);
        return false;
    }
    memcpy(headers, reply->headers, reply->response.header_count * sizeof *headers);
    reply->headers = headers;
    reply->response.headers = headers;
    for (size_t i = 0; i < reply->response.header_count; i++)
        if (!action__keep(step, &headers[i].name) || !action__keep(step, &headers[i].value))
            return false;
    return action__keep(step, &reply->response.content_type);
}

enum step_state reply__file(struct step *step, const struct reply *reply,
                            const struct reply_file *file) {
    struct net_file_options options = {
        .root = file->root, .path = file->path, .whole_bytes = WHOLE_BYTES};
    struct file_answer *answer = step_alloc(step, sizeof *answer);
    if (!answer)
        return action__no_memory(step);
    *answer =
        (struct file_answer){.reply = *reply, .path = file->path, .has_root = file->root.size > 0};
    if (!keep_headers(step, &answer->reply) || !action__keep(step, &answer->path))
        return STEP_FAILED;
    if (memchr(file->path.bytes, '\0', file->path.size))
        return answer->has_root ? not_found(step, answer)
                                : path__fail(step, STATUS_NOT_FOUND, file->path);
    answer->job = net_file_open(action__host(step)->loop, &options, on_file, step);
    if (!answer->job)
        return action__no_memory(step);
    step_set_data(step, answer);
    return STEP_PENDING;
}

void reply__file_cancel(struct step *step) {
    const struct file_answer *answer = step_data(step);
    net_job_cancel(answer->job);
}

static void on_file(void *context, enum status status, const struct net_file *file) {
    struct step *step = context;
    struct file_answer *found = step_data(step);
    bool is_missing =
        status == STATUS_NOT_FOUND || status == STATUS_DENIED || status == STATUS_TYPE;
    if (status == STATUS_OK)
        step_finish(step, answer_found(step, found, file));
    else if (is_missing && found->has_root)
        step_finish(step, not_found(step, found));
    else
        step_finish(step, path__fail(step, status, found->path));
}

static enum step_state not_found(struct step *step, struct file_answer *answer) {
    struct server_response *response = &answer->reply.response;
    response->status = 404;
    response->content_type = SLICE("text/plain; charset=utf-8");
    response->body = SLICE("Not Found\n");
    return reply__send(step, triggers_request(step_run(step)), &answer->reply);
}

/* If-Range (RFC 9110 section 13.1.5): only our own date, exactly, asks for the part. */
static bool is_range_wanted(const struct http_request *http, int64_t modified_s) {
    struct slice condition = http_request_header(http, SLICE("If-Range"));
    int64_t date_s;
    return !condition.bytes ||
           (http_date_parse(condition, &date_s) == STATUS_OK && date_s == modified_s);
}

/* 206 with its part, 416, or the whole. */
static struct part take_range(const struct http_request *http, const struct net_file *file,
                              struct reply *reply, char *text) {
    struct part whole = {0, file->size};
    struct slice range = http_request_header(http, SLICE("Range"));
    uint64_t first, last;
    if (http->method != HTTP_METHOD_GET || !range.bytes || !is_range_wanted(http, file->mtime_s))
        return whole;
    enum status status = http_range_parse(range, file->size, &first, &last);
    if (status == STATUS_RANGE) {
        snprintf(text, RANGE_MAX, "bytes */%" PRIu64, file->size);
        reply->response.status = 416;
        whole.size = 0;
    } else if (status == STATUS_OK) {
        snprintf(text, RANGE_MAX, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, last,
                 file->size);
        reply->response.status = 206;
        whole = (struct part){first, last - first + 1};
    } else {
        return whole;
    }
    reply__add(reply, "Content-Range", slice_of(text));
    return whole;
}

static enum step_state answer_found(struct step *step, struct file_answer *found,
                                    const struct net_file *file) {
    struct server_request *request = triggers_request(step_run(step));
    struct reply *reply = &found->reply;
    struct server_response *response = &reply->response;
    struct server_file rest = {.fd = file->fd};
    struct part part = {0, file->size};
    char date[HTTP_DATE_SIZE], range[RANGE_MAX];
    if (!response->content_type.size)
        response->content_type = http_type_of(found->path);
    if (response->status == 200) {
        reply__add(reply, "Last-Modified",
                   http_date_format(file->mtime_s < 0 ? 0 : file->mtime_s, date));
        reply__add(reply, "Accept-Ranges", SLICE("bytes"));
        if (http_is_unmodified(&request->http, file->mtime_s)) {
            response->status = 304;
            part.size = 0;
        } else {
            part = take_range(&request->http, file, reply, range);
        }
    }
    if (file->fd < 0) {
        if (part.size)
            response->body = (struct slice){file->bytes.bytes + part.first, (size_t)part.size};
        return reply__send(step, request, reply);
    }
    rest.offset = part.first;
    rest.size = part.size;
    return reply__result(step, reply, server_respond_file(request, response, &rest));
}
