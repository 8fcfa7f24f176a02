#include "schema_text.h"

#include "data_text_sql.h"
#include "schema_text_sql.h"

#include <stdlib.h>
#include <string.h>

const char *schema_text_query(void)
{
    return schema_text_sql;
}

const char *data_text_query(void)
{
    return data_text_sql;
}

static int compare_exactly(const void *a, const void *b)
{
    const SchemaLine *left = a;
    const SchemaLine *right = b;
    int order = strcmp(left->object, right->object);
    if (order == 0)
        order = (left->position > right->position) - (left->position < right->position);
    return order != 0 ? order : strcmp(left->property, right->property);
}

static int compare_unordered(const void *a, const void *b)
{
    const SchemaLine *left = a;
    const SchemaLine *right = b;
    int order = strcmp(left->object, right->object);
    return order != 0 ? order : strcmp(left->property, right->property);
}

SchemaText schema_text_read(Arena *arena, const PgResult *result)
{
    size_t count = pg_rows(result);
    SchemaText text = {.items = ARENA_ARRAY(arena, SchemaLine, count), .count = count};
    for (size_t row = 0; row < count; row++)
        text.items[row] = (SchemaLine){
            .object = arena_strdup(arena, pg_text(result, row, 0)),
            .position = (uint32_t)pg_u64(result, row, 1),
            .property = arena_strdup(arena, pg_text(result, row, 2)),
        };
    if (count > 0)
        qsort(text.items, count, sizeof(SchemaLine), compare_exactly);
    return text;
}

/* --- comparing -------------------------------------------------------------------------------- */

typedef int LineOrder(const void *a, const void *b);

static bool equal_by(const SchemaText *a, const SchemaText *b, LineOrder *order)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (order(&a->items[i], &b->items[i]) != 0)
            return false;
    }
    return true;
}

static SchemaText sorted_by(Arena *arena, const SchemaText *text, LineOrder *order)
{
    SchemaText copy = {
        .items = arena_memdup(arena, text->items, text->count * sizeof(SchemaLine)),
        .count = text->count,
    };
    if (copy.count > 0)
        qsort(copy.items, copy.count, sizeof(SchemaLine), order);
    return copy;
}

SchemaVerdict schema_text_compare(const SchemaText *before, const SchemaText *after)
{
    if (equal_by(before, after, compare_exactly))
        return SCHEMA_SAME;
    AUTO_ARENA Arena *arena = arena_new();
    SchemaText left = sorted_by(arena, before, compare_unordered);
    SchemaText right = sorted_by(arena, after, compare_unordered);
    return equal_by(&left, &right, compare_unordered) ? SCHEMA_REORDERED : SCHEMA_DIFFERENT;
}

/* --- the difference --------------------------------------------------------------------------- */

/* The lines of one object: items [from, to). */
typedef struct ObjectLines {
    const SchemaText *text;
    size_t from;
    size_t to;
} ObjectLines;

static size_t object_end(const SchemaText *text, size_t from)
{
    size_t to = from;
    while (to < text->count && strcmp(text->items[to].object, text->items[from].object) == 0)
        to++;
    return to;
}

static void append_property(Str *out, char sign, const char *property)
{
    const char *at = property;
    for (;;) {
        size_t length = strcspn(at, "\n");
        str_printf(out, "%c  %s", sign, at == property ? "" : "  ");
        str_append_bytes(out, at, length);
        str_append_char(out, '\n');
        if (at[length] == '\0')
            return;
        at += length + 1;
    }
}

static void append_lines(Str *out, char sign, const ObjectLines *lines)
{
    for (size_t i = lines->from; i < lines->to; i++)
        append_property(out, sign, lines->text->items[i].property);
}

/* What both have in the same order stays, by the longest common subsequence. */
static void append_difference(Str *out, const ObjectLines *a, const ObjectLines *b)
{
    enum { PRODUCT_MAX = 4 * 1024 * 1024 };
    size_t rows = a->to - a->from, columns = b->to - b->from;
    if ((rows + 1) * (columns + 1) > PRODUCT_MAX) {
        append_lines(out, '-', a);
        append_lines(out, '+', b);
        return;
    }
    const SchemaLine *left = a->text->items + a->from;
    const SchemaLine *right = b->text->items + b->from;
    size_t width = columns + 1;
    uint32_t *common = xcalloc((rows + 1) * width, sizeof *common);
    for (size_t i = rows; i-- > 0;) {
        for (size_t j = columns; j-- > 0;) {
            uint32_t down = common[(i + 1) * width + j], across = common[i * width + j + 1];
            bool same = strcmp(left[i].property, right[j].property) == 0;
            common[i * width + j] =
                same ? common[(i + 1) * width + j + 1] + 1 : (down > across ? down : across);
        }
    }
    size_t i = 0, j = 0;
    while (i < rows || j < columns) {
        bool same = i < rows && j < columns && strcmp(left[i].property, right[j].property) == 0;
        if (same) {
            i++;
            j++;
        } else if (j == columns ||
                   (i < rows && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
            append_property(out, '-', left[i++].property);
        } else {
            append_property(out, '+', right[j++].property);
        }
    }
    free(common);
}

static bool object_equal(const ObjectLines *a, const ObjectLines *b)
{
    if (a->to - a->from != b->to - b->from)
        return false;
    for (size_t i = 0; i < a->to - a->from; i++) {
        if (strcmp(a->text->items[a->from + i].property, b->text->items[b->from + i].property) != 0)
            return false;
    }
    return true;
}

void schema_text_diff(const SchemaText *before, const SchemaText *after, Str *out)
{
    ObjectLines a = {before, 0, 0}, b = {after, 0, 0};
    while (a.from < before->count || b.from < after->count) {
        int order = a.from == before->count ? 1
                    : b.from == after->count
                        ? -1
                        : strcmp(before->items[a.from].object, after->items[b.from].object);
        a.to = order <= 0 ? object_end(before, a.from) : a.from;
        b.to = order >= 0 ? object_end(after, b.from) : b.from;
        if (order < 0)
            str_printf(out, "-%s\n", before->items[a.from].object);
        else if (order > 0)
            str_printf(out, "+%s\n", after->items[b.from].object);
        else if (!object_equal(&a, &b))
            str_printf(out, " %s\n", after->items[b.from].object);
        if (order != 0 || !object_equal(&a, &b))
            append_difference(out, &a, &b);
        a.from = a.to;
        b.from = b.to;
    }
}
