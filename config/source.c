/* Checks a file's bytes before libyaml sees them, so that its reader has nothing left to complain
 * about, and notes where the lines begin. */
#include "config/source.h"

#include <stdlib.h>

static bool is_allowed(uint32_t code);
static size_t decode(const char *bytes, size_t size, uint32_t *code);
static enum status add_line(struct source *source, size_t byte, size_t character);
static const struct source_line *line_of(const struct source *source, size_t at, bool is_byte);

static size_t sequence_length(unsigned char first) {
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first < 0xe0)
        return 2;
    if (first >= 0xe0 && first < 0xf0)
        return 3;
    return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

enum status source_init(struct source *source, struct slice text, const char *name,
                        struct config_diag *diag) {
    *source = (struct source){.name = name};
    struct config_mark mark = {name, 1, 1};
    if (text.size > CONFIG_FILE_BYTES) {
        mark.line = mark.column = 0;
        config_error(diag, mark, "the file must be at most %u bytes long, found %zu",
                     CONFIG_FILE_BYTES, text.size);
        return STATUS_FAILED;
    }
    if (!text.bytes)
        text = SLICE("");
    if (slice_starts_with(text, SLICE("\xef\xbb\xbf")))
        text = (struct slice){text.bytes + 3, text.size - 3};
    source->text = text;
    if (add_line(source, 0, 0))
        return STATUS_NO_MEMORY;
    size_t character = 0;
    for (size_t at = 0; at < text.size; character++) {
        uint32_t code;
        size_t length = decode(text.bytes + at, text.size - at, &code);
        if (length == 0)
            config_error(diag, mark, "the file must be UTF-8, found the byte 0x%02x",
                         (unsigned char)text.bytes[at]);
        else if (!is_allowed(code))
            config_error(diag, mark, "YAML does not allow the control character U+%04X", code);
        if (length == 0 || !is_allowed(code))
            return STATUS_FAILED;
        at += length;
        mark.column++;
        bool is_break =
            code == '\n' || (code == '\r' && !(at < text.size && text.bytes[at] == '\n'));
        if (is_break && add_line(source, at, character + 1))
            return STATUS_NO_MEMORY;
        if (is_break)
            mark = (struct config_mark){name, mark.line + 1, 1};
    }
    return STATUS_OK;
}

void source_deinit(struct source *source) { free(source->lines); }

/* YAML 1.2 section 5.1, c-printable, without the byte order mark. */
static bool is_allowed(uint32_t code) {
    if (code < 0x20)
        return code == '\t' || code == '\n' || code == '\r';
    if (code < 0x7f)
        return true;
    return code == 0x85 || (code >= 0xa0 && code <= 0xd7ff) ||
           (code >= 0xe000 && code <= 0xfffd && code != 0xfeff) || code >= 0x10000;
}

/* Length of the character at `bytes`, or 0 when it is no UTF-8 (RFC 3629). */
static size_t decode(const char *bytes, size_t size, uint32_t *code) {
    unsigned char first = (unsigned char)bytes[0];
    size_t length = sequence_length(first);
    *code = first;
    if (length <= 1)
        return length;
    if (length > size || !slice_is_utf8((struct slice){bytes, length}))
        return 0;
    *code = first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        *code = *code << 6 | ((unsigned char)bytes[i] & 0x3fu);
    return length;
}

static enum status add_line(struct source *source, size_t byte, size_t character) {
    if (source->line_count == source->line_capacity) {
        size_t capacity = source->line_capacity ? source->line_capacity * 2 : 256;
        struct source_line *lines = realloc(source->lines, capacity * sizeof(*lines));
        if (!lines)
            return STATUS_NO_MEMORY;
        source->lines = lines;
        source->line_capacity = capacity;
    }
    source->lines[source->line_count++] = (struct source_line){(uint32_t)byte, (uint32_t)character};
    return STATUS_OK;
}

static const struct source_line *line_of(const struct source *source, size_t at, bool is_byte) {
    size_t low = 0, high = source->line_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        size_t start = is_byte ? source->lines[middle].byte : source->lines[middle].character;
        if (start <= at)
            low = middle;
        else
            high = middle;
    }
    return &source->lines[low];
}

size_t source_byte(struct source *source, size_t character) {
    const struct source_line *line = line_of(source, character, false);
    size_t byte = line->byte, at = line->character;
    if (source->near_character >= at && source->near_character <= character) {
        byte = source->near_byte;
        at = source->near_character;
    }
    for (; at < character && byte < source->text.size; at++)
        byte += sequence_length((unsigned char)source->text.bytes[byte]);
    source->near_byte = (uint32_t)byte;
    source->near_character = (uint32_t)at;
    return byte;
}

struct config_mark source_mark(struct source *source, size_t character) {
    const struct source_line *line = line_of(source, character, false);
    return (struct config_mark){source->name, (uint32_t)(line - source->lines) + 1,
                                (uint32_t)(character - line->character) + 1};
}

struct config_mark source_mark_of_byte(struct source *source, size_t byte) {
    const struct source_line *line = line_of(source, byte, true);
    uint32_t column = 1;
    for (size_t at = line->byte; at < byte && at < source->text.size; column++)
        at += sequence_length((unsigned char)source->text.bytes[at]);
    return (struct config_mark){source->name, (uint32_t)(line - source->lines) + 1, column};
}

struct slice source_line_at(struct source *source, size_t byte) {
    const struct source_line *line = line_of(source, byte, true);
    struct slice rest = {source->text.bytes + line->byte, source->text.size - line->byte};
    size_t size = 0;
    while (size < rest.size && rest.bytes[size] != '\n' && rest.bytes[size] != '\r')
        size++;
    return (struct slice){rest.bytes, size};
}
