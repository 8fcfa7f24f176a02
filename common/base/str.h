/*
 * Str: a growing byte string. Always NUL-terminated (`Str` may hold NULs; `length` counts).
 * `StrList`: a list of strings held in an arena.
 */
#pragma once

#include "arena.h"

typedef struct Str {
    char *data; /* NULL while empty: use str_text() */
    size_t length;
    size_t capacity;
} Str;

void str_free(Str *str); /* leaves it empty and usable */
void str_clear(Str *str);
void str_append(Str *str, const char *text);
void str_append_bytes(Str *str, const void *bytes, size_t length);
void str_append_char(Str *str, char c);
void str_printf(Str *str, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *str_text(const Str *str); /* never NULL; borrows */
char *str_take(Str *str);             /* returns owned (free()); leaves it empty */

static inline void str_auto_free(Str *str)
{
    str_free(str);
}
#define AUTO_STR __attribute__((cleanup(str_auto_free)))

typedef struct StrList {
    const char **items;
    size_t count;
    size_t capacity;
} StrList;

/* Appends; the list's array lives in `arena`, the text is copied there too. */
void strlist_add(Arena *arena, StrList *list, const char *text);
bool strlist_has(const StrList *list, const char *text);
bool strlist_equal(const StrList *a, const StrList *b); /* same items in the same order */
void strlist_sort(StrList *list);                       /* bytewise */
StrList strlist_copy(Arena *arena, const StrList *list);
/* Its items and NULL, as a program's arguments are given; borrows the texts. */
const char **strlist_argv(Arena *arena, const StrList *list);
/* "a, b, c" */
char *strlist_join(Arena *arena, const StrList *list, const char *separator);

bool str_starts_with(const char *text, const char *prefix);
bool str_ends_with(const char *text, const char *suffix);
/* Edit distance (Levenshtein), at most `cap`; for "did you mean". */
size_t str_distance(const char *a, const char *b, size_t cap);
/* The candidate nearest to `word`, or NULL when none is near enough to be worth saying. */
const char *str_nearest(const char *word, const char *const *candidates, size_t count);
bool str_is_utf8(const char *bytes, size_t length); /* well-formed and without NUL */
/* In place: what is no UTF-8, such as half a character where a text was cut, goes. */
void str_mend_utf8(char *text);
