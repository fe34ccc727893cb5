/* Arenas: chunks of memory that end together. Each chunk after the first is larger, up to 16 times
 * chunk_bytes, so that a big run costs few chunks; what is larger than a chunk gets one of its own.
 * Under AddressSanitizer the free room is poisoned, which finds uses after a reset or rewind. */
#include "base/base.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(at, size)   ASAN_POISON_MEMORY_REGION((at), (size))
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION((at), (size))
#else
#define POISON(at, size)   ((void)(at), (void)(size)) /* nothing to tell without the sanitizer */
#define UNPOISON(at, size) ((void)(at), (void)(size)) /* likewise */
#endif

enum { ALIGNMENT = 16, MAX_GROWTH_SHIFT = 4 };

struct arena_chunk {
    _Alignas(ALIGNMENT) struct arena_chunk *older;
    char *end;
    unsigned index;   /* 0: the oldest */
    bool is_borrowed; /* the caller's memory, given to arena_init_with() */
};
static_assert(sizeof(struct arena_chunk) % ALIGNMENT == 0, "room after the header is aligned");

static char *room_of(struct arena_chunk *chunk) { return (char *)(chunk + 1); }

/* Makes `chunk` the newest with its room free from `next` on. */
static void use_chunk(struct arena *arena, struct arena_chunk *chunk, char *next) {
    arena->chunks = chunk;
    arena->next = next;
    arena->end = chunk ? chunk->end : NULL;
    if (chunk)
        POISON(next, (size_t)(chunk->end - next));
}

static void free_chunk(struct arena_chunk *chunk) {
    UNPOISON(room_of(chunk), (size_t)(chunk->end - room_of(chunk)));
    if (!chunk->is_borrowed)
        free(chunk);
}

void arena_init(struct arena *arena, size_t chunk_bytes, size_t limit_bytes) {
    *arena = (struct arena){.chunk_bytes = chunk_bytes, .limit_bytes = limit_bytes};
}

void arena_init_with(struct arena *arena, void *first, size_t first_bytes, size_t chunk_bytes,
                     size_t limit_bytes) {
    arena_init(arena, chunk_bytes, limit_bytes);
    if (first_bytes <= sizeof(struct arena_chunk))
        return;
    assert((uintptr_t)first % ALIGNMENT == 0);
    struct arena_chunk *chunk = first;
    *chunk = (struct arena_chunk){.end = (char *)first + first_bytes, .is_borrowed = true};
    use_chunk(arena, chunk, room_of(chunk));
}

void arena_deinit(struct arena *arena) {
    struct arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct arena_chunk *older = chunk->older;
        free_chunk(chunk);
        chunk = older;
    }
    arena_init(arena, arena->chunk_bytes, arena->limit_bytes);
}

void arena_reset(struct arena *arena) {
    struct arena_chunk *chunk = arena->chunks;
    arena->used_bytes = 0;
    if (!chunk)
        return;
    while (chunk->older) {
        struct arena_chunk *older = chunk->older;
        free_chunk(chunk);
        chunk = older;
    }
    /* One event with a huge first request must not pin its memory for good. */
    if (!chunk->is_borrowed && (size_t)(chunk->end - room_of(chunk)) > arena->chunk_bytes) {
        free_chunk(chunk);
        chunk = NULL;
    }
    use_chunk(arena, chunk, chunk ? room_of(chunk) : NULL);
}

struct arena_mark arena_mark(const struct arena *arena) {
    return (struct arena_mark){arena->chunks, arena->next, arena->used_bytes};
}

void arena_rewind(struct arena *arena, struct arena_mark mark) {
    if (!mark.chunk) {
        arena_reset(arena);
        return;
    }
    while (arena->chunks != mark.chunk) {
        struct arena_chunk *older = arena->chunks->older;
        free_chunk(arena->chunks);
        arena->chunks = older;
    }
    use_chunk(arena, mark.chunk, mark.next);
    arena->used_bytes = mark.used_bytes;
}

static bool add_chunk(struct arena *arena, size_t size) {
    unsigned index = arena->chunks ? arena->chunks->index + 1 : 0;
    size_t room = arena->chunk_bytes << (index < MAX_GROWTH_SHIFT ? index : MAX_GROWTH_SHIFT);
    if (room < size)
        room = size;
    size_t total;
    if (!size_add(room, sizeof(struct arena_chunk), &total))
        return false;
    struct arena_chunk *chunk = malloc(total);
    if (!chunk)
        return false;
    *chunk =
        (struct arena_chunk){.older = arena->chunks, .end = (char *)chunk + total, .index = index};
    use_chunk(arena, chunk, room_of(chunk));
    return true;
}

/* `size` bytes at the next place that is a multiple of `alignment`. */
static char *take(struct arena *arena, size_t size, size_t alignment) {
    size_t used_bytes;
    if (!size_add(arena->used_bytes, size, &used_bytes) ||
        (arena->limit_bytes > 0 && used_bytes > arena->limit_bytes)) {
        arena->refused++;
        return NULL;
    }
    size_t gap = (0 - (uintptr_t)arena->next) & (alignment - 1);
    size_t room = (size_t)(arena->end - arena->next);
    if (!arena->chunks || room < gap || room - gap < size) {
        if (!add_chunk(arena, size))
            return NULL;
        gap = 0;
    }
    char *bytes = arena->next + gap;
    UNPOISON(bytes, size);
    arena->next = bytes + size;
    arena->used_bytes = used_bytes;
    return bytes;
}

void *arena_alloc(struct arena *arena, size_t size) {
    size_t rounded;
    if (!size_add(size, ALIGNMENT - 1, &rounded))
        return NULL;
    return take(arena, rounded & ~(size_t)(ALIGNMENT - 1), ALIGNMENT);
}

void *arena_zalloc(struct arena *arena, size_t size) {
    void *memory = arena_alloc(arena, size);
    return memory ? memset(memory, 0, size) : NULL;
}

char *arena_bytes(struct arena *arena, size_t size) { return take(arena, size, 1); }

enum status arena_copy(struct arena *arena, struct slice text, struct slice *out) {
    char *bytes = arena_bytes(arena, text.size);
    if (!bytes)
        return STATUS_NO_MEMORY;
    if (text.size > 0)
        memcpy(bytes, text.bytes, text.size);
    *out = (struct slice){bytes, text.size};
    return STATUS_OK;
}

enum status arena_copy_list(struct arena *arena, const struct slice **items, size_t count) {
    struct slice *copies = arena_alloc(arena, count * sizeof(*copies));
    enum status status = copies ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = arena_copy(arena, (*items)[i], &copies[i]);
    if (status == STATUS_OK)
        *items = copies;
    return status;
}

char *arena_text(struct arena *arena, struct slice text) {
    size_t size;
    char *bytes = size_add(text.size, 1, &size) ? arena_bytes(arena, size) : NULL;
    if (!bytes)
        return NULL;
    if (text.size > 0)
        memcpy(bytes, text.bytes, text.size);
    bytes[text.size] = '\0';
    return bytes;
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    char *bytes = size >= 0 ? arena_bytes(arena, (size_t)size + 1) : NULL;
    if (bytes)
        (void)vsnprintf(bytes, (size_t)size + 1, format, again); /* measured above */
    va_end(again);
    va_end(args);
    return bytes;
}
