/* Growable bytes on the heap. Capacity doubles, and never passes the limit. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

enum { MIN_CAPACITY = 64 };

void buffer_init(struct buffer *buffer, size_t limit_bytes) {
    *buffer = (struct buffer){.limit_bytes = limit_bytes};
}

void buffer_deinit(struct buffer *buffer) {
    free(buffer->bytes);
    buffer_init(buffer, buffer->limit_bytes);
}

static enum status grow(struct buffer *buffer, size_t needed) {
    size_t limit = buffer->limit_bytes > 0 ? buffer->limit_bytes : SIZE_MAX;
    if (needed > limit)
        return STATUS_LIMIT;
    size_t capacity = buffer->capacity < MIN_CAPACITY ? MIN_CAPACITY : buffer->capacity;
    while (capacity < needed)
        capacity = capacity > limit / 2 ? limit : capacity * 2;
    if (capacity > limit)
        capacity = limit;
    char *bytes = realloc(buffer->bytes, capacity);
    if (!bytes)
        return STATUS_NO_MEMORY;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return STATUS_OK;
}

enum status buffer_reserve(struct buffer *buffer, size_t size) {
    if (buffer->capacity - buffer->size >= size)
        return STATUS_OK;
    size_t needed;
    return size_add(buffer->size, size, &needed) ? grow(buffer, needed) : STATUS_LIMIT;
}

enum status buffer_append(struct buffer *buffer, struct slice text) {
    if (text.size == 0)
        return STATUS_OK;
    enum status status = buffer_reserve(buffer, text.size);
    if (status != STATUS_OK)
        return status;
    memcpy(buffer->bytes + buffer->size, text.bytes, text.size);
    buffer->size += text.size;
    return STATUS_OK;
}

enum status buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    enum status status = buffer_vprintf(buffer, format, args);
    va_end(args);
    return status;
}

enum status buffer_vprintf(struct buffer *buffer, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    size_t room = buffer->capacity - buffer->size;
    int size = vsnprintf(room > 0 ? buffer->bytes + buffer->size : NULL, room, format, args);
    enum status status = size < 0 ? STATUS_FAILED : STATUS_OK;
    /* The NUL that vsnprintf() writes needs a byte of room, though it is no part of the text. */
    if (status == STATUS_OK && (size_t)size >= room) {
        status = buffer_reserve(buffer, (size_t)size + 1);
        if (status == STATUS_OK)
            (void)vsnprintf(buffer->bytes + buffer->size, (size_t)size + 1, format,
                            again); /* measured above */
    }
    va_end(again);
    if (status == STATUS_OK)
        buffer->size += (size_t)size;
    return status;
}

void buffer_consume(struct buffer *buffer, size_t size) {
    if (size >= buffer->size) {
        buffer->size = 0;
        return;
    }
    buffer->size -= size;
    memmove(buffer->bytes, buffer->bytes + size, buffer->size);
}
