/*
 * Arena: memory for one step, message or job, dropped whole.
 *
 * Nothing is freed singly. Allocation never returns NULL: without memory the process stops
 * (die_out_of_memory); sizes that come from outside are checked against named_limits.h before
 * they get here. Blocks are zeroed.
 */
#pragma once

#include "error.h"

#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_new(void);        /* returns owned */
void arena_free(Arena *arena); /* NULL-safe */
/* Drops all content but keeps one chunk for reuse. */
void arena_reset(Arena *arena);

/* A moment to go back to: what is allocated behind it is dropped by arena_rewind(), for work that
 * goes on for hours. */
typedef struct ArenaMark {
    void *chunk;
    size_t used;
} ArenaMark;
ArenaMark arena_mark(const Arena *arena);
void arena_rewind(Arena *arena, ArenaMark mark);

/* `size` bytes, zeroed, aligned for any type. */
void *arena_alloc(Arena *arena, size_t size);
/* Grows an array from `old_count` to `new_count` items of `size` bytes; contents are copied, the
 * rest is zero. */
void *arena_grow(Arena *arena, const void *old, size_t old_count, size_t new_count, size_t size);
char *arena_strdup(Arena *arena, const char *text); /* NULL gives NULL */
char *arena_strndup(Arena *arena, const char *text, size_t length);
void *arena_memdup(Arena *arena, const void *bytes, size_t length);
char *arena_printf(Arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
size_t arena_used(const Arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count)                                                            \
    ((type *)arena_alloc((arena), sizeof(type) * (size_t)(count)))

/* Scope-bound owner: `AUTO_ARENA Arena *a = arena_new();` */
static inline void arena_auto_free(Arena **arena)
{
    arena_free(*arena);
}
#define AUTO_ARENA __attribute__((cleanup(arena_auto_free)))

/* malloc family that stops the process instead of returning NULL, for objects that outlive arenas.
 */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
