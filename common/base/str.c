#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void str_free(Str *str)
{
    free(str->data);
    *str = (Str){0};
}

void str_clear(Str *str)
{
    str->length = 0;
    if (str->data != NULL)
        str->data[0] = '\0';
}

static void str_reserve(Str *str, size_t extra)
{
    if (extra > SIZE_MAX / 4 || str->length > SIZE_MAX / 4)
        die_out_of_memory();
    size_t wanted = str->length + extra + 1;
    if (wanted <= str->capacity)
        return;
    size_t capacity = str->capacity < 64 ? 64 : str->capacity;
    while (capacity < wanted)
        capacity *= 2;
    str->data = xrealloc(str->data, capacity);
    str->capacity = capacity;
}

void str_append_bytes(Str *str, const void *bytes, size_t length)
{
    str_reserve(str, length);
    if (length > 0)
        memcpy(str->data + str->length, bytes, length);
    str->length += length;
    str->data[str->length] = '\0';
}

void str_append(Str *str, const char *text)
{
    str_append_bytes(str, text, strlen(text));
}

void str_append_char(Str *str, char c)
{
    str_append_bytes(str, &c, 1);
}

void str_printf(Str *str, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0)
        die_out_of_memory();
    str_reserve(str, (size_t)length);
    vsnprintf(str->data + str->length, (size_t)length + 1, fmt, again);
    va_end(again);
    str->length += (size_t)length;
}

const char *str_text(const Str *str)
{
    return str->data == NULL ? "" : str->data;
}

char *str_take(Str *str)
{
    char *out = str->data == NULL ? xstrdup("") : str->data;
    *str = (Str){0};
    return out;
}

void strlist_add(Arena *arena, StrList *list, const char *text)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        list->items = arena_grow(arena, list->items, list->count, capacity, sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->count++] = arena_strdup(arena, text);
}

bool strlist_has(const StrList *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

bool strlist_equal(const StrList *a, const StrList *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void strlist_sort(StrList *list)
{
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, compare_items);
}

StrList strlist_copy(Arena *arena, const StrList *list)
{
    StrList copy = {0};
    for (size_t i = 0; i < list->count; i++)
        strlist_add(arena, &copy, list->items[i]);
    return copy;
}

const char **strlist_argv(Arena *arena, const StrList *list)
{
    const char **argv = ARENA_ARRAY(arena, const char *, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        argv[i] = list->items[i];
    return argv;
}

char *strlist_join(Arena *arena, const StrList *list, const char *separator)
{
    AUTO_STR Str out = {0};
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            str_append(&out, separator);
        str_append(&out, list->items[i]);
    }
    return arena_strndup(arena, str_text(&out), out.length);
}

bool str_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *text, const char *suffix)
{
    size_t text_length = strlen(text);
    size_t suffix_length = strlen(suffix);
    return text_length >= suffix_length && strcmp(text + text_length - suffix_length, suffix) == 0;
}

enum { DISTANCE_WORD_MAX = 64 };

size_t str_distance(const char *a, const char *b, size_t cap)
{
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    if (a_length > DISTANCE_WORD_MAX || b_length > DISTANCE_WORD_MAX)
        return cap;
    size_t row[DISTANCE_WORD_MAX + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = substituted < best ? substituted : best;
        }
    }
    return row[b_length] < cap ? row[b_length] : cap;
}

const char *str_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t limit = strlen(word) / 2 + 1;
    size_t best = limit < 4 ? limit : 4;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = str_distance(word, candidates[i], DISTANCE_WORD_MAX);
        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

static size_t utf8_sequence_length(const unsigned char *p, size_t left)
{
    if (p[0] == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t need = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < need)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xED && p[1] > 0x9F;
    bool beyond = p[0] == 0xF4 && p[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : need;
}

bool str_is_utf8(const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t step = utf8_sequence_length((const unsigned char *)bytes + at, length - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

void str_mend_utf8(char *text)
{
    size_t length = strlen(text);
    size_t kept = 0;
    for (size_t at = 0; at < length;) {
        size_t step = utf8_sequence_length((const unsigned char *)text + at, length - at);
        if (step > 0 && kept != at)
            memmove(text + kept, text + at, step);
        kept += step;
        at += step == 0 ? 1 : step;
    }
    text[kept] = '\0';
}
