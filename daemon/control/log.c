/* The log for the manager: lines come from any thread as messages of a bounded number of bytes, the
 * latest are kept, and who follows gets them as they come. Nobody waits for a reader: one that is
 * slow loses lines and is told how many. */
#include <stdio.h>
#include <stdlib.h>

#include "control/internal.h"

#define FLYING_MAX  (4u << 20)   /* bytes on their way to the control thread */
#define KEPT_MAX    (256u << 10) /* bytes of the latest lines */
#define BACKLOG_MAX (1u << 20)   /* of one reader */

struct line { /* one line on its way, then kept */
    struct net_message message;
    struct list link;
    struct log_feed *feed;
    enum log_level level;
    size_t size;
    char bytes[];
};
struct follower {
    struct list link;
    struct log_feed *feed;
    struct net_stream *stream;
    struct slice task, run, session; /* behind the struct; empty: any */
    enum log_level level;
    uint64_t lost;
};
struct log_feed {
    struct control *control;
    _Atomic uint64_t flying_bytes, lost; /* lost: before they could be sent */
    _Atomic uint64_t lines;
    struct list kept, followers;
    size_t kept_bytes;
    bool is_closed;
};

static void on_line(void *context, enum log_level level, struct slice json);
static void on_arrived(struct net_message *message, struct net_loop *loop);
static void set_level(struct log_feed *feed);
static bool is_wanted(const struct follower *filter, const struct line *line);

struct log_feed *log_feed__new(struct control *control) {
    struct log_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return NULL;
    feed->control = control;
    list_init(&feed->kept);
    list_init(&feed->followers);
    set_level(feed);
    return feed;
}

static void free_when_through(struct log_feed *feed) {
    if (feed->is_closed && atomic_load(&feed->lines) == 0 && list_is_empty(&feed->followers))
        free(feed);
}

/* Lines that are still on their way find it closed. */
void log_feed__close(struct log_feed *feed) {
    log_set_tap(NULL, NULL, LOG_OFF);
    feed->is_closed = true;
    while (!list_is_empty(&feed->kept)) {
        struct line *line = CONTAINER_OF(feed->kept.next, struct line, link);
        list_remove(&line->link);
        free(line);
    }
    free_when_through(feed);
}

/* The lowest level that somebody follows; `info` for those that are kept. */
static void set_level(struct log_feed *feed) {
    enum log_level level = LOG_INFO;
    struct list *at;
    LIST_FOR_EACH(at, &feed->followers) {
        const struct follower *follower = CONTAINER_OF(at, struct follower, link);
        if (follower->level < level)
            level = follower->level;
    }
    log_set_tap(on_line, feed, level);
}

/* ---- on any thread --------------------------------------------------------------------------- */

static void on_line(void *context, enum log_level level, struct slice json) {
    struct log_feed *feed = context;
    size_t bytes = sizeof(struct line) + json.size;
    uint64_t before = atomic_fetch_add(&feed->flying_bytes, bytes);
    struct line *line = before + bytes > FLYING_MAX ? NULL : malloc(bytes);
    if (line) {
        *line = (struct line){.message = {.run = on_arrived, .bytes = bytes},
                              .feed = feed,
                              .level = level,
                              .size = json.size};
        memcpy(line->bytes, json.bytes, json.size);
        atomic_fetch_add(&feed->lines, 1);
        if (net_post(feed->control->loop, &line->message) == STATUS_OK)
            return;
        atomic_fetch_sub(&feed->lines, 1);
        free(line);
    }
    atomic_fetch_sub(&feed->flying_bytes, bytes);
    atomic_fetch_add(&feed->lost, 1);
}

/* ---- on the control thread ------------------------------------------------------------------- */

static void send_line(struct net_stream *stream, struct slice json) {
    char *text = malloc(json.size + 1);
    if (!text)
        return;
    memcpy(text, json.bytes, json.size);
    text[json.size] = '\n';
    connection__chunk(stream, (struct slice){text, json.size + 1});
    free(text);
}

/* Whoever is behind gets one line in place of those that it lost. */
static void tell_lost(struct follower *follower) {
    char text[BASE_TEXT_MAX], json[256];
    struct slice time = time_format(clock_system.wall_ms(&clock_system), text);
    int size = snprintf(json, sizeof json,
                        "{\"time\":\"" SLICE_FMT "\",\"level\":\"warn\",\"message\":\"%llu lines "
                        "were lost: this reader is too slow\"}",
                        SLICE_ARG(time), (unsigned long long)follower->lost);
    follower->lost = 0;
    send_line(follower->stream, (struct slice){json, (size_t)size});
}

static void deliver(struct follower *follower, const struct line *line) {
    if (!is_wanted(follower, line))
        return;
    if (net_backlog(follower->stream) > BACKLOG_MAX) {
        follower->lost++;
        return;
    }
    if (follower->lost)
        tell_lost(follower);
    send_line(follower->stream, (struct slice){line->bytes, line->size});
}

static void keep(struct log_feed *feed, struct line *line) {
    list_append(&feed->kept, &line->link);
    feed->kept_bytes += line->size;
    while (feed->kept_bytes > KEPT_MAX) {
        struct line *oldest = CONTAINER_OF(feed->kept.next, struct line, link);
        list_remove(&oldest->link);
        feed->kept_bytes -= oldest->size;
        free(oldest);
    }
}

static void on_arrived(struct net_message *message, struct net_loop *loop) {
    struct line *line = CONTAINER_OF(message, struct line, message);
    struct log_feed *feed = line->feed;
    struct list *at;
    (void)loop; /* a loop that ends has no follower any more */
    list_init(&line->link);
    atomic_fetch_sub(&feed->flying_bytes, message->bytes);
    atomic_fetch_sub(&feed->lines, 1);
    if (feed->is_closed) {
        free(line);
        free_when_through(feed);
        return;
    }
    uint64_t lost = atomic_exchange(&feed->lost, 0);
    LIST_FOR_EACH(at, &feed->followers) {
        struct follower *follower = CONTAINER_OF(at, struct follower, link);
        follower->lost += lost;
        deliver(follower, line);
    }
    if (line->level >= LOG_INFO)
        keep(feed, line);
    else
        free(line);
}

/* ---- filters --------------------------------------------------------------------------------- */

static bool has_member(struct value line, const char *name, struct slice wanted) {
    struct value member = value_member(line, slice_of(name));
    return !wanted.size || (member.type == VALUE_BYTES && slice_equal(value_slice(member), wanted));
}

static bool is_wanted(const struct follower *filter, const struct line *line) {
    if (line->level < filter->level)
        return false;
    if (!filter->task.size && !filter->run.size && !filter->session.size)
        return true;
    struct arena arena;
    struct value value;
    size_t at;
    arena_init(&arena, 4096, 0);
    bool is_good =
        json_decode((struct slice){line->bytes, line->size}, &arena, &value, &at) == STATUS_OK &&
        has_member(value, "task", filter->task) && has_member(value, "run", filter->run) &&
        has_member(value, "session", filter->session);
    arena_deinit(&arena);
    return is_good;
}

static struct follower *follower_new(struct call *call, enum log_level level) {
    struct slice texts[] = {call_text(call, "task"), call_text(call, "run"),
                            call_text(call, "session")};
    struct follower *follower =
        calloc(1, sizeof *follower + texts[0].size + texts[1].size + texts[2].size);
    if (!follower)
        return NULL;
    struct slice *members[] = {&follower->task, &follower->run, &follower->session};
    char *bytes = (char *)(follower + 1);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (texts[i].size)
            memcpy(bytes, texts[i].bytes, texts[i].size);
        *members[i] = (struct slice){bytes, texts[i].size};
        bytes += texts[i].size;
    }
    list_init(&follower->link);
    follower->feed = call->control->log;
    follower->level = level;
    return follower;
}

static void on_gone(void *context) {
    struct follower *follower = context;
    struct log_feed *feed = follower->feed;
    list_remove(&follower->link);
    free(follower);
    if (feed->is_closed)
        free_when_through(feed);
    else
        set_level(feed);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* The latest lines as one answer. */
static void answer_kept(struct call *call, struct follower *filter) {
    struct list *at;
    LIST_FOR_EACH(at, &filter->feed->kept) {
        const struct line *line = CONTAINER_OF(at, struct line, link);
        if (!is_wanted(filter, line) || call->out.status)
            continue;
        call->out.status = buffer_append(&call->text, (struct slice){line->bytes, line->size});
        if (!call->out.status)
            call->out.status = buffer_append(&call->text, SLICE("\n"));
    }
    free(filter);
    call_answer_as(call, SLICE("application/x-ndjson"));
}

void route__log(struct call *call) {
    struct slice text = call_text(call, "level");
    enum log_level level = LOG_INFO;
    if (text.bytes && log_level_parse(text, &level) != STATUS_OK) {
        call_error(call, 422, SLICE("level"),
                   "\"level\" must be debug, info, warn, error or off, got \"" SLICE_FMT "\"",
                   SLICE_ARG(text));
        return;
    }
    struct follower *follower = call->control->log ? follower_new(call, level) : NULL;
    if (!follower) {
        call_no_memory(call);
        return;
    }
    if (!call_flag(call, "follow")) {
        answer_kept(call, follower);
        return;
    }
    if (!call->connection) { /* gone already */
        free(follower);
        call_no_memory(call);
        return;
    }
    list_append(&follower->feed->followers, &follower->link);
    follower->stream = connection__stream(call->connection, on_gone, follower);
    set_level(follower->feed);
    call_drop(call);
}
