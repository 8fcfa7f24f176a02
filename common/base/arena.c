#include "arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_SIZE_MIN = 8192 };

typedef struct Chunk Chunk;
struct Chunk {
    Chunk *next;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

struct Arena {
    Chunk *chunks;
};

static Chunk *chunk_new(size_t size)
{
    Chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL)
        die_out_of_memory();
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = 0;
    return chunk;
}

Arena *arena_new(void)
{
    return xcalloc(1, sizeof(Arena));
}

static void chunks_free(Chunk *chunk)
{
    while (chunk != NULL) {
        Chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void arena_free(Arena *arena)
{
    if (arena == NULL)
        return;
    chunks_free(arena->chunks);
    free(arena);
}

void arena_reset(Arena *arena)
{
    Chunk *kept = arena->chunks;
    if (kept == NULL)
        return;
    chunks_free(kept->next);
    kept->next = NULL;
    kept->used = 0;
}

ArenaMark arena_mark(const Arena *arena)
{
    return (ArenaMark){arena->chunks, arena->chunks == NULL ? 0 : arena->chunks->used};
}

void arena_rewind(Arena *arena, ArenaMark mark)
{
    while (arena->chunks != mark.chunk) {
        Chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    if (arena->chunks != NULL)
        arena->chunks->used = mark.used;
}

void *arena_alloc(Arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align - sizeof(Chunk))
        die_out_of_memory();
    size_t rounded = (size + align - 1) / align * align;
    Chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < rounded) {
        size_t wanted = chunk == NULL ? CHUNK_SIZE_MIN : chunk->size * 2;
        if (wanted > 1024 * 1024)
            wanted = 1024 * 1024;
        chunk = chunk_new(rounded > wanted ? rounded : wanted);
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *out = chunk->bytes + chunk->used;
    chunk->used += rounded;
    memset(out, 0, size);
    return out;
}

void *arena_grow(Arena *arena, const void *old, size_t old_count, size_t new_count, size_t size)
{
    if (size != 0 && new_count > SIZE_MAX / size)
        die_out_of_memory();
    void *out = arena_alloc(arena, new_count * size);
    if (old != NULL && old_count > 0)
        memcpy(out, old, (old_count < new_count ? old_count : new_count) * size);
    return out;
}

char *arena_strdup(Arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strndup(arena, text, strlen(text));
}

char *arena_strndup(Arena *arena, const char *text, size_t length)
{
    char *out = arena_alloc(arena, length + 1);
    if (length > 0)
        memcpy(out, text, length);
    return out;
}

void *arena_memdup(Arena *arena, const void *bytes, size_t length)
{
    void *out = arena_alloc(arena, length);
    if (length > 0)
        memcpy(out, bytes, length);
    return out;
}

char *arena_printf(Arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0)
        die_out_of_memory();
    char *out = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(out, (size_t)length + 1, fmt, again);
    va_end(again);
    return out;
}

size_t arena_used(const Arena *arena)
{
    size_t total = 0;
    for (const Chunk *chunk = arena->chunks; chunk != NULL; chunk = chunk->next)
        total += chunk->used;
    return total;
}

void *xcalloc(size_t count, size_t size)
{
    void *out = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
    if (out == NULL)
        die_out_of_memory();
    return out;
}

void *xrealloc(void *old, size_t size)
{
    void *out = realloc(old, size == 0 ? 1 : size);
    if (out == NULL)
        die_out_of_memory();
    return out;
}

char *xstrdup(const char *text)
{
    size_t length = strlen(text);
    char *out = xcalloc(length + 1, 1);
    memcpy(out, text, length);
    return out;
}
