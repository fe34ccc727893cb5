/* The log sink: the one global of the process. Levels and format are atomics, so that asking
 * whether a line is wanted costs one relaxed load and no lock; the mutex is held while a line is
 * written, and while it is handed to the tap: lines stay whole, and a tap that was taken away is
 * not in use any more when log_set_tap() returns. */
#include "base/log_text.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A reader of the log that is this slow loses the rest of a line rather than stop a worker. */
enum { FULL_PIPE_WAIT_MS = 100 };

static struct {
    atomic_int fd, format, level;
    atomic_int tap_level; /* LOG_OFF: no tap */
    atomic_int threshold; /* the lower of both levels */
    atomic_int is_journal;
    pthread_mutex_t lock; /* guards writes to fd, tap, tap_context */
    log_tap_fn tap;
    void *tap_context;
} sink = {.fd = STDERR_FILENO,
          .format = LOG_TEXT,
          .level = LOG_INFO,
          .tap_level = LOG_OFF,
          .threshold = LOG_INFO,
          .lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

enum status log_level_parse(struct slice text, enum log_level *out) {
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
        if (slice_is(text, level_names[i])) {
            *out = (enum log_level)i;
            return STATUS_OK;
        }
    }
    return STATUS_SYNTAX;
}

const char *log_level_text(enum log_level level) { return level_names[level]; }

static int get(atomic_int *value) { return atomic_load_explicit(value, memory_order_relaxed); }

static void set(atomic_int *value, int to) {
    atomic_store_explicit(value, to, memory_order_relaxed);
}

/* Called with the lock held, so that two who set levels at once end with the right threshold. */
static void update_threshold(void) {
    int level = get(&sink.level), tap_level = get(&sink.tap_level);
    set(&sink.threshold, level < tap_level ? level : tap_level);
}

/* As systemd.exec(5) has it: $JOURNAL_STREAM is `device:inode` of what it connected. */
static bool is_journal(int fd) {
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat stat;
    struct slice rest;
    uint64_t device, inode;
    if (!stream || fstat(fd, &stat) < 0)
        return false;
    struct slice first = slice_cut(slice_of(stream), ':', &rest);
    return slice_to_u64(first, &device) == STATUS_OK && slice_to_u64(rest, &inode) == STATUS_OK &&
           device == stat.st_dev && inode == stat.st_ino;
}

void log_open(int fd, enum log_format format, enum log_level level) {
    set(&sink.fd, fd);
    set(&sink.is_journal, is_journal(fd));
    log_set(format, level);
}

void log_set(enum log_format format, enum log_level level) {
    pthread_mutex_lock(&sink.lock);
    set(&sink.format, (int)format);
    set(&sink.level, (int)level);
    update_threshold();
    pthread_mutex_unlock(&sink.lock);
}

void log_set_tap(log_tap_fn tap, void *context, enum log_level level) {
    pthread_mutex_lock(&sink.lock);
    sink.tap = tap;
    sink.tap_context = context;
    set(&sink.tap_level, tap ? (int)level : LOG_OFF);
    update_threshold();
    pthread_mutex_unlock(&sink.lock);
}

bool log_is_on(enum log_level level) { return (int)level >= get(&sink.threshold); }

/* One write(2) in all ordinary cases; the loop is for a pipe that took a part. */
static void write_whole(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t count = write(fd, bytes, size);
        if (count > 0) {
            bytes += count;
            size -= (size_t)count;
        } else if (count < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, FULL_PIPE_WAIT_MS) <= 0)
                return;
        } else if (count == 0 || errno != EINTR) {
            return; /* there is nowhere left to report this */
        }
    }
}

/* The priorities of syslog(3) that sd-daemon(3) reads; `off` is no level of a line. */
static struct slice journal_prefix(enum log_level level) {
    static const char *const prefixes[] = {"<7>", "<6>", "<4>", "<3>", ""};
    return slice_of(get(&sink.is_journal) ? prefixes[level] : "");
}

static void write_line(const struct log_record *record) {
    struct log_text text;
    log__text_begin(&text);
    log__text_put(&text, journal_prefix(record->level));
    if (get(&sink.format) == LOG_JSON)
        log__write_json(&text, record);
    else
        log__write_text(&text, record);
    log__text_newline(&text);
    pthread_mutex_lock(&sink.lock);
    write_whole(get(&sink.fd), text.bytes, text.size);
    pthread_mutex_unlock(&sink.lock);
    log__text_end(&text);
}

void log_as_is(enum log_level level, struct slice lines) {
    struct log_text text;
    log__text_begin(&text);
    while (lines.size) {
        struct slice line = slice_cut(lines, '\n', &lines);
        log__text_put(&text, journal_prefix(level));
        log__text_put(&text, line);
        log__text_put(&text, SLICE("\n"));
    }
    pthread_mutex_lock(&sink.lock);
    write_whole(get(&sink.fd), text.bytes, text.size);
    pthread_mutex_unlock(&sink.lock);
    log__text_end(&text);
}

static void tap_line(const struct log_record *record) {
    struct log_text text;
    log__text_begin(&text);
    log__write_json(&text, record);
    pthread_mutex_lock(&sink.lock);
    if (sink.tap) /* it may have been taken away meanwhile */
        sink.tap(sink.tap_context, record->level, (struct slice){text.bytes, text.size});
    pthread_mutex_unlock(&sink.lock);
    log__text_end(&text);
}

static void emit(const struct log_record *record, bool is_forced) {
    if (is_forced || (int)record->level >= get(&sink.level))
        write_line(record);
    int tap_level = get(&sink.tap_level);
    if (tap_level != LOG_OFF && (is_forced || (int)record->level >= tap_level))
        tap_line(record);
}

PRINTF_LIKE(4, 0)
static void log_message(enum log_level level, const struct log_place *place, bool is_forced,
                        const char *format, va_list args) {
    char first[1024];
    char *longer = NULL;
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(first, sizeof(first), format, args);
    struct log_record record = {level, clock_system.wall_ms(&clock_system), {first, 0}, place};
    record.message.size = size < 0 ? 0 : (size_t)size;
    if (record.message.size >= sizeof(first)) {
        longer = malloc(record.message.size + 1);
        if (longer) {
            (void)vsnprintf(longer, record.message.size + 1, format, again); /* measured above */
            record.message.bytes = longer;
        } else {
            record.message.size = sizeof(first) - 1; /* cut, since there is no memory for more */
        }
    }
    emit(&record, is_forced);
    free(longer);
    va_end(again);
}

void log_line(enum log_level level, const struct log_place *place, const char *format, ...) {
    if (!log_is_on(level))
        return;
    va_list args;
    va_start(args, format);
    log_message(level, place, false, format, args);
    va_end(args);
}

/* A message that may hold NUL, which ends a text for printf(). */
void log_bytes(enum log_level level, const struct log_place *place, struct slice message) {
    if (!log_is_on(level))
        return;
    struct log_record record = {level, clock_system.wall_ms(&clock_system), message, place};
    emit(&record, false);
}

void log_line_forced(enum log_level level, const struct log_place *place, const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_message(level, place, true, format, args);
    va_end(args);
}
