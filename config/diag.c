/* Messages for people: kept in the arena up to a bound, errors before warnings, one line each
 * whatever a file holds. */
#include "config/diag.h"

#include <stdio.h>

enum { TEXT_MAX = 600 };

static void report(struct config_diag *diag, enum config_severity severity, struct config_mark mark,
                   const char *format, va_list values);
static struct config_message *place_for(struct config_diag *diag, enum config_severity severity);
static const char *format_line(struct config_diag *diag, const char *format, va_list values);
static size_t rank_of(const struct config_diag *diag, const struct config_message *message);
static bool is_before(const struct config_diag *diag, const struct config_message *a,
                      const struct config_message *b);

void config_diag_init(struct config_diag *diag, struct arena *arena) {
    *diag = (struct config_diag){.arena = arena};
    /* Taken at once, so that running out of memory can still be told. */
    diag->messages = arena_alloc(arena, CONFIG_MESSAGES_MAX * sizeof(*diag->messages));
    if (diag->messages)
        diag->capacity = CONFIG_MESSAGES_MAX;
}

void config__diag_file(struct config_diag *diag, const char *file) {
    if (diag->file_count > 0 && diag->files[diag->file_count - 1] == file)
        return;
    if (diag->file_count == diag->file_capacity) {
        size_t capacity = diag->file_capacity ? diag->file_capacity * 2 : 8;
        const char **files = arena_alloc(diag->arena, capacity * sizeof(*files));
        if (!files)
            return; /* only the order of messages is lost */
        if (diag->file_count)
            memcpy(files, diag->files, diag->file_count * sizeof(*files));
        diag->files = files;
        diag->file_capacity = capacity;
    }
    diag->files[diag->file_count++] = file;
}

void config_error(struct config_diag *diag, struct config_mark mark, const char *format, ...) {
    va_list values;
    va_start(values, format);
    report(diag, CONFIG_ERROR, mark, format, values);
    va_end(values);
}

void config_warning(struct config_diag *diag, struct config_mark mark, const char *format, ...) {
    va_list values;
    va_start(values, format);
    report(diag, CONFIG_WARNING, mark, format, values);
    va_end(values);
}

static void report(struct config_diag *diag, enum config_severity severity, struct config_mark mark,
                   const char *format, va_list values) {
    if (severity == CONFIG_ERROR)
        diag->errors++;
    else
        diag->warnings++;
    struct config_message *message = place_for(diag, severity);
    diag->is_last_kept = message != NULL;
    if (message)
        *message = (struct config_message){
            .severity = severity, .mark = mark, .text = format_line(diag, format, values)};
}

/* The last of the kept messages; an error takes the place of the last warning when all are taken,
 * since errors are what stops a start. */
static struct config_message *place_for(struct config_diag *diag, enum config_severity severity) {
    if (diag->count < diag->capacity)
        return &diag->messages[diag->count++];
    if (severity == CONFIG_WARNING)
        return NULL;
    for (size_t i = diag->count; i-- > 0;) {
        if (diag->messages[i].severity != CONFIG_WARNING)
            continue;
        memmove(&diag->messages[i], &diag->messages[i + 1],
                (diag->count - i - 1) * sizeof(*diag->messages));
        return &diag->messages[diag->count - 1];
    }
    return NULL;
}

void config_hint(struct config_diag *diag, const char *format, ...) {
    if (!diag->is_last_kept)
        return;
    va_list values;
    va_start(values, format);
    diag->messages[diag->count - 1].hint = format_line(diag, format, values);
    va_end(values);
}

void config_note(struct config_diag *diag, struct config_mark mark, const char *format, ...) {
    if (!diag->is_last_kept)
        return;
    va_list values;
    va_start(values, format);
    diag->messages[diag->count - 1].note = format_line(diag, format, values);
    diag->messages[diag->count - 1].note_mark = mark;
    va_end(values);
}

void config_hint_nearest(struct config_diag *diag, struct slice name, const char *const *names,
                         size_t count) {
    const char *nearest = slice_nearest(name, names, count);
    if (nearest)
        config_hint(diag, "did you mean \"%s\"?", nearest);
}

/* Control characters become `\xHH`, and what is too long is cut between two characters. */
static const char *format_line(struct config_diag *diag, const char *format, va_list values) {
    char raw[TEXT_MAX], line[TEXT_MAX];
    int length = vsnprintf(raw, sizeof(raw), format, values);
    if (length < 0)
        return "the message cannot be shown";
    size_t size = config__printable((struct slice){raw, strlen(raw)}, line, sizeof(line));
    char *text = arena_text(diag->arena, (struct slice){line, size});
    return text ? text : "out of memory";
}

/* Length of the UTF-8 character at the start, 0 when there is none. */
static size_t character_length(struct slice text) {
    for (size_t length = 1; length <= 4 && length <= text.size; length++)
        if (slice_is_utf8((struct slice){text.bytes, length}))
            return length;
    return 0;
}

size_t config__printable(struct slice text, char *out, size_t room) {
    size_t size = 0;
    for (size_t at = 0; at < text.size;) {
        unsigned char byte = (unsigned char)text.bytes[at];
        size_t length = character_length((struct slice){text.bytes + at, text.size - at});
        bool is_escaped = length == 0 || byte < 0x20 || byte == 0x7f;
        if (size + 4 + sizeof("...") > room) {
            memcpy(out + size, "...", 3);
            size += 3;
            break;
        }
        if (is_escaped)
            size += (size_t)snprintf(out + size, 5, "\\x%02x", byte);
        for (size_t i = 0; !is_escaped && i < length; i++)
            out[size++] = text.bytes[at + i];
        at += is_escaped ? 1 : length;
    }
    out[size] = '\0';
    return size;
}

void config_error_empty(struct config_diag *diag, const struct config_node *node,
                        const char *subject) {
    config_error(diag, node->mark, "\"%s\" needs a value", subject);
    if (node->is_cut)
        config_hint(diag, "a \"#\" after a space begins a comment; put the text in quotes");
}

void config_diag_sort(struct config_diag *diag) {
    for (size_t i = 1; i < diag->count; i++) {
        struct config_message message = diag->messages[i];
        size_t at = i;
        for (; at > 0 && is_before(diag, &message, &diag->messages[at - 1]); at--)
            diag->messages[at] = diag->messages[at - 1];
        diag->messages[at] = message;
    }
    diag->is_last_kept = false;
}

static size_t rank_of(const struct config_diag *diag, const struct config_message *message) {
    const char *file = message->mark.file;
    if (!file)
        return 0;
    for (size_t i = 0; i < diag->file_count; i++)
        if (strcmp(diag->files[i], file) == 0)
            return i + 1;
    return diag->file_count + 1;
}

static bool is_before(const struct config_diag *diag, const struct config_message *a,
                      const struct config_message *b) {
    size_t rank_a = rank_of(diag, a), rank_b = rank_of(diag, b);
    if (rank_a != rank_b)
        return rank_a < rank_b;
    if (a->mark.line != b->mark.line)
        return a->mark.line < b->mark.line;
    return a->mark.column < b->mark.column;
}

static enum status print_line(struct buffer *out, struct config_mark mark, const char *kind,
                              const char *text) {
    enum status status = STATUS_OK;
    if (mark.file && mark.line)
        status = buffer_printf(out, "%s:%u:%u: ", mark.file, mark.line, mark.column);
    else if (mark.file)
        status = buffer_printf(out, "%s: ", mark.file);
    return status ? status : buffer_printf(out, "%s: %s\n", kind, text);
}

enum status config_diag_print(const struct config_diag *diag, struct buffer *out) {
    for (size_t i = 0; i < diag->count; i++) {
        const struct config_message *message = &diag->messages[i];
        const char *kind = message->severity == CONFIG_ERROR ? "error" : "warning";
        enum status status = print_line(out, message->mark, kind, message->text);
        if (!status && message->hint)
            status = buffer_printf(out, "    hint: %s\n", message->hint);
        if (!status && message->note)
            status = print_line(out, message->note_mark, "note", message->note);
        if (status)
            return status;
    }
    return STATUS_OK;
}
