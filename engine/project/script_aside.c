/* Markers and annotations count where they begin a line. Anywhere else they would be comments that
 * say nothing, which nobody who wrote one has in mind. */
#include "script_reader.h"

#include <string.h>

typedef struct Dashes {
    const char *place; /* in the file */
    size_t line;       /* of those with a marker, from 0 */
    size_t at;         /* in the text that is fed */
} Dashes;

/* The word of ours behind `--`; NULL = none. */
static const char *marker_at(const char *dashes)
{
    const char *plus = dashes + 2 + strspn(dashes + 2, " \t");
    return *plus == '+' ? script_word(plus + 1) : NULL;
}

/* Of one line or more, from a line's beginning on. */
static bool has_marker_aside(const char *text, size_t length)
{
    const char *end = text + length;
    const char *next;
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), "--", 2)) != NULL; at = next) {
        bool begins_line = at == text || at[-1] == '\n';
        if (!begins_line && marker_at(at) != NULL)
            return true;
        const char *newline = begins_line ? memchr(at, '\n', (size_t)(end - at)) : at + 1;
        next = newline == NULL ? end : newline + 1;
    }
    return false;
}

/* A copy of the section in which a line with such a marker ends before each of its `--`: so the
 * lexer can be asked there whether it begins a comment, or stands in a quote. */
static size_t cut_lines(Arena *arena, const ScriptSection *section, Str *text, Dashes **ret_dashes)
{
    const char *end = section->sql + section->length;
    Dashes *dashes = NULL;
    size_t count = 0, capacity = 0, lines = 0;
    const char *next;
    for (const char *line = section->sql; line < end; line = next) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        next = newline == NULL ? end : newline + 1;
        const char *from = line;
        if (has_marker_aside(line, (size_t)(next - line))) {
            const char *at = line;
            for (; (at = memmem(at, (size_t)(next - at), "--", 2)) != NULL; at += 2) {
                str_append_bytes(text, from, (size_t)(at - from));
                str_append_char(text, '\n');
                if (count == capacity) {
                    capacity = capacity == 0 ? 8 : 2 * capacity;
                    dashes = arena_grow(arena, dashes, count, capacity, sizeof *dashes);
                }
                dashes[count++] = (Dashes){at, lines, text->length};
                from = at;
            }
            lines++;
        }
        str_append_bytes(text, from, (size_t)(next - from));
    }
    *ret_dashes = dashes;
    return count;
}

static const Dashes *find_comment(const Str *text, const Dashes *dashes, size_t count)
{
    SqlLines *sql = sql_lines_new();
    const Dashes *found = NULL;
    const char *fed = str_text(text);
    for (size_t i = 0; i < count && found == NULL; i++) {
        const char *at = str_text(text) + dashes[i].at;
        sql_lines_feed(sql, fed, (size_t)(at - fed));
        fed = at;
        if (sql_lines_in_text(sql))
            continue;
        if (marker_at(dashes[i].place) != NULL)
            found = &dashes[i];
        while (i + 1 < count && dashes[i + 1].line == dashes[i].line)
            i++; /* the rest of the line is that comment */
    }
    sql_lines_free(sql);
    return found;
}

ErrCode script_aside_check(const Reader *reader, const ScriptSection *section, Error *err)
{
    if (!has_marker_aside(section->sql, section->length))
        return ERR_OK;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str text = {0};
    Dashes *dashes;
    size_t count = cut_lines(arena, section, &text, &dashes);
    const Dashes *found = find_comment(&text, dashes, count);
    if (found == NULL)
        return ERR_OK;
    err_set(err, ERR_SCRIPT, "'-- +%s' does not begin its line", marker_at(found->place));
    err_hint(err, "It counts only from the first column of a line of its own.");
    return reader_fail(reader, found->place, err);
}
